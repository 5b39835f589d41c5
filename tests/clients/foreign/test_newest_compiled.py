# SPDX-License-Identifier: Apache-2.0
"""The newest Java, Go and Rust clients of their registries, each through one ordinary round.

`./dev interop` fetches and compiles them, where these languages are installed, and runs this; what
is not there is a skip."""

import glob
import os
import ssl
import subprocess
import tempfile
import unittest

from tercet import SCALE, BrokerCase, need_program

CONFIG = """
[listener any]
protocol = mqtt
address = 127.0.0.1
port = 0
detect = yes
certificate = %(folder)s/server.pem
key = %(folder)s/server.key
"""
TIMEOUT = 600
HOME = os.environ.get("TERCET_INTEROP", "/nonexistent")
SECONDS = 60


def authority(folder):
    """ca.pem, and server.pem that it has signed: some clients take no certificate of an authority
    for a server's."""
    def make(name, *more):
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-keyout", name + ".key",
                        "-out", name + ".pem", *more], cwd=folder, check=True, capture_output=True)

    make("ca", "-subj", "/CN=ca")
    make("server", "-subj", "/CN=localhost", "-CA", "ca.pem", "-CAkey", "ca.key", "-addext",
         "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE")


@need_program("openssl")
class CompiledCase(BrokerCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory(prefix="tercet-compiled-")
        cls.addClassCleanup(folder.cleanup)
        authority(folder.name)
        cls.ca = os.path.join(folder.name, "ca.pem")
        cls.broker_options = {"config": CONFIG % {"folder": folder.name}}
        super().setUpClass()

    def run_round(self, *line):
        done = subprocess.run(line, timeout=SECONDS * SCALE, check=False, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        said = done.stdout.decode(errors="replace")
        self.assertEqual((done.returncode, said.splitlines()[-1:]), (0, ["ok"]), said[-4000:])

    def java(self, folder, name, *words):
        classes = os.path.join(HOME, "java", "classes")
        if not os.path.isfile(os.path.join(classes, name + ".class")):
            self.skipTest("the Java clients were not fetched or compiled")
        jars = glob.glob(os.path.join(HOME, "java", folder, "*.jar"))
        self.run_round("java", "-Djava.util.logging.config.file=/dev/null", "-cp",
                       ":".join([classes, *jars]), name, *map(str, words))

    def program(self, language, *words):
        program = os.path.join(HOME, language.lower(), "round")
        if not os.path.isfile(program):
            self.skipTest("the %s clients were not fetched or compiled" % language)
        self.run_round(program, *map(str, words))

    def each_transport(self, run, *words, plain="tcp", tls="ssl"):
        """Runs it with an URL, and with the CA's file where it is encrypted."""
        detects = self.broker.listener_named("any")["port"]
        for scheme, port in ((plain, self.broker.port("mqtt")), (tls, detects), ("ws", detects),
                             ("wss", detects)):
            path = "/mqtt" if scheme.startswith("ws") else ""
            with self.subTest(scheme=scheme):
                run(*words, "%s://localhost:%d%s" % (scheme, port, path),
                    *([self.ca] if scheme in (tls, "wss") else []))


class Java(CompiledCase):
    def test_kafka_clients(self):
        self.java("jars", "Round", "kafka", *self.broker.address("kafka"))

    def test_amqp_client(self):
        self.java("jars", "Round", "amqp", *self.broker.address("amqp"))

    def mqtt(self, kind):
        self.each_transport(self.java, "jars-mqtt", "Mqtt", kind)

    def test_paho_3_1_1(self):
        self.mqtt("paho3")

    def test_paho_5(self):
        self.mqtt("paho5")

    def test_hivemq_3_1_1(self):
        self.mqtt("hivemq3")

    def test_hivemq_5(self):
        self.mqtt("hivemq5")


class Go(CompiledCase):
    def test_franz(self):
        self.program("Go", "kafka", *self.broker.address("kafka"))

    def test_amqp091(self):
        self.program("Go", "amqp", *self.broker.address("amqp"))

    def mqtt(self, kind):
        self.each_transport(self.program, "Go", kind)

    def test_paho_3_1_1(self):
        self.mqtt("mqtt3")

    def test_paho_5(self):
        self.mqtt("mqtt5")


class Rust(CompiledCase):
    def test_rumqttc_3_1_1(self):
        self.each_transport(self.program, "Rust", "mqtt3")

    def test_rumqttc_5(self):
        self.each_transport(self.program, "Rust", "mqtt5")


class Embedded(CompiledCase):
    """Clients for microcontrollers."""

    def test_rust_mqtt(self):
        self.program("embedded", "tcp://%s:%d" % self.broker.address("mqtt"))

    def test_rust_mqtt_over_embedded_tls(self):
        with open(self.ca, encoding="ascii") as file:
            der = ssl.PEM_cert_to_DER_cert(file.read())
        with tempfile.NamedTemporaryFile() as ca:
            ca.write(der)
            ca.flush()
            self.program("embedded", "ssl://127.0.0.1:%d"
                         % self.broker.listener_named("any")["port"], ca.name)


if __name__ == "__main__":
    unittest.main()
