# SPDX-License-Identifier: Apache-2.0
"""Paho's C library by its programs: the asynchronous one (paho_c_*) and the other (paho_cs_*)."""

import os
import unittest

import mqtt_raw as m
from against import AGAINST, ClientCase
from tercet import TOP, need_program

PEM = os.path.join(TOP, "tests", "lib", "localhost.pem")
CONFIG = """
[listener ws]
protocol = mqtt
address = 127.0.0.1
port = 0
detect = yes
certificate = %s
key = %s
""" % (PEM, PEM)
VERSIONS = ("311", "5")


class PahoC(ClientCase):
    protocol = "mqtt"
    broker_options = {"config": CONFIG}

    def at(self, transport):
        if transport == "tcp":
            return ["-c", "tcp://localhost:%d" % self.port]
        port = self.broker.listener_named("ws")["port"]
        path = "/mqtt" if transport.startswith("ws") else ""
        secure = ["--cafile", PEM] if transport in ("ssl", "wss") else []
        return ["-c", "%s://localhost:%d%s" % (transport, port, path), *secure]

    def pub(self, kind, transport, version, topic, message, *more):
        self.run_program("paho_%s_pub" % kind, *self.at(transport), "-V", version, "-t", topic,
                         "-i", self.name("pub"), "-m", message, *more)

    def sub(self, kind, transport, version, topic, *more):
        """Subscribed, as the retained message shows that it prints."""
        with m.Client((self.host, self.port)) as helper:
            helper.connect().publish(topic, "there", 1, retain=True)
        sub = self.start_program("stdbuf", "-oL", "paho_%s_sub" % kind, *self.at(transport), "-V",
                                 version, "-t", topic, "-i", self.name("sub"), *more)
        self.assert_line(sub, "there")
        return sub

    def assert_line(self, sub, wanted):
        self.assertEqual(sub.stdout.readline().decode(), wanted + "\n",
                         sub.stderr.read() if sub.poll() is not None else "")

    def there_and_back(self, kind, transport, version, qos):
        topic = self.name("paho/c")
        sub = self.sub(kind, transport, version, topic, "-q", qos)
        body = "x" * 3000
        self.pub(kind, transport, version, topic, body, "-q", qos)
        self.assert_line(sub, body)

    @need_program("paho_cs_sub")
    def test_every_version_and_qos(self):
        for kind, version, qos in (("c", "31", 0), ("c", "5", 2), ("cs", "311", 1)):
            with self.subTest(kind=kind, version=version, qos=qos):
                self.there_and_back(kind, "tcp", version, str(qos))

    @unittest.skipIf(AGAINST, "listeners of our own")
    @need_program("paho_cs_sub")
    def test_every_transport(self):
        for kind, transport, version in (("c", "wss", "5"), ("cs", "ssl", "311")):
            with self.subTest(kind=kind, transport=transport, version=version):
                self.there_and_back(kind, transport, version, "1")

    @need_program("paho_cs_sub")
    def test_the_will_of_a_killed_client(self):
        for version in VERSIONS:
            with self.subTest(version=version):
                topic = self.name("paho/will")
                watcher = self.sub("cs", "tcp", version, topic, "-q", "2")
                victim = self.sub("c", "tcp", version, self.name("paho/x"), "--will-topic", topic,
                                  "--will-payload", "gone", "--will-qos", "2")
                victim.kill()
                self.assert_line(watcher, "gone")


if __name__ == "__main__":
    unittest.main()
