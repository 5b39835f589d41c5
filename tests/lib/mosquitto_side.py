# SPDX-License-Identifier: Apache-2.0
"""A mosquitto.conf for tercet or for an installed mosquitto, and a test case that compares them."""

import os
import shutil
import socket
import subprocess
import tempfile
import unittest

import mqtt_raw as m
from mqtt_case import free_port, mosquitto_program
from tercet import SCALE, TOP, program, wait_for

PEM = os.path.join(TOP, "tests", "lib", "localhost.pem")


def users_file(name, password):
    """A line as mosquitto_passwd writes it."""
    with tempfile.NamedTemporaryFile("w") as file:
        subprocess.run(["mosquitto_passwd", "-b", file.name, name, password], check=True,
                       capture_output=True)
        with open(file.name, encoding="ascii") as written:
            return written.read()


def authority():
    """A root, an authority below it, and certificates of that one for a server and a client."""
    made = {}
    with tempfile.TemporaryDirectory() as place:
        def run(*line):
            subprocess.run(["openssl", *line], cwd=place, check=True, capture_output=True,
                           timeout=60 * SCALE)

        def sign(name, by, extension):
            with open(os.path.join(place, "ext"), "w", encoding="ascii") as file:
                file.write(extension)
            run("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                "-keyout", name + ".key", "-out", name + ".csr", "-subj", "/CN=" + name)
            signer = ["-CA", by + ".pem", "-CAkey", by + ".key", "-CAcreateserial"] if by else \
                ["-signkey", name + ".key"]
            run("x509", "-req", "-in", name + ".csr", *signer, "-out", name + ".pem", "-days", "2",
                "-extfile", "ext")

        sign("root", None, "basicConstraints=critical,CA:true\n")
        sign("below", "root", "basicConstraints=critical,CA:true\n")
        sign("server", "below", "subjectAltName=DNS:localhost\n")
        sign("client", "below", "extendedKeyUsage=clientAuth\n")
        for name in ("root.pem", "below.pem", "server.pem", "server.key", "client.pem",
                     "client.key"):
            with open(os.path.join(place, name), encoding="ascii") as file:
                made[name] = file.read()
    made["authorities.pem"] = made["below.pem"] + made["root.pem"]
    return made


class Side:
    """One of the two, with a configuration of its own directory and ports."""

    def __init__(self, case, kind, text):
        self.kind = kind
        self.dir = tempfile.mkdtemp(prefix="tercet-conf-")
        case.addCleanup(shutil.rmtree, self.dir, True)
        os.chmod(self.dir, 0o755)
        self.ports = [free_port() for _ in range(2)]
        self.text = text = text.format(dir=self.dir, a=self.ports[0], b=self.ports[1], pem=PEM)
        self.path = os.path.join(self.dir, "mosquitto.conf")
        with open(self.path, "w", encoding="utf-8") as file:
            file.write("user root\n" + text)
        self.listeners = max(1, text.count("listener "))
        self.process = None
        self.said = 0

    def command(self, *more):
        if self.kind == "mosquitto":
            return [mosquitto_program(), "-c", self.path, *more]
        return [program(), "--mosquitto-conf", self.path, *more]

    def test(self):
        """Status and words for a configuration that has mistakes. mosquitto 2.0 has no
        --test-config, and ends with the same status."""
        found = subprocess.run(self.command(*["--test-config"] * (self.kind == "tercet")),
                               capture_output=True, text=True, timeout=20 * SCALE, check=False)
        return found.returncode, found.stdout + found.stderr

    def start(self, case):
        log = open(os.path.join(self.dir, "out"), "ab")
        self.said = log.tell()  # before this start
        self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log,
                                        stderr=log, cwd=self.dir)
        log.close()
        case.addCleanup(self.stop)
        wait_for(self.is_ready, 20, what=self.output)
        return self

    def is_ready(self):
        """By its log, for a connection that only asks would be counted."""
        said = self.output()[self.said:]
        assert self.process.poll() is None, said
        if "log_dest" in self.text:
            return self.reaches(self.ports[0])
        return "running\n" in said or said.count("broker.listening") >= self.listeners

    def output(self):
        with open(os.path.join(self.dir, "out"), encoding="utf-8", errors="replace") as file:
            return file.read()

    def reaches(self, port, host="127.0.0.1"):
        if self.process.poll() is not None:
            raise AssertionError("%s ended: %s" % (self.kind, self.output()))
        try:
            socket.create_connection((host, port), 5).close()
            return True
        except OSError:
            return False

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            status = self.process.wait(20 * SCALE)
            self.process = None
            assert status == 0, (status, self.output())

    def client(self, case, port=0, version=5):
        client = m.Client(("127.0.0.1", self.ports[port]), version)
        case.addCleanup(client.close)
        return client


class BothCase(unittest.TestCase):
    """The same configuration for both."""

    def both(self, text, look, files=()):
        """look(side) sees the same with both. `files`: names and texts for their directories."""
        found = []
        for kind in ("mosquitto", "tercet"):
            side = Side(self, kind, text)
            for name in files:
                with open(os.path.join(side.dir, name), "w", encoding="utf-8") as file:
                    file.write(files[name])
            found.append(look(side.start(self)))
            side.stop()
        self.assertEqual(found[1], found[0])
        return found[0]

    def connect(self, side, port=0, version=5, **options):
        """Reason code and properties that tell of limits; None when it is closed without a word."""
        client = side.client(self, port, version)
        client.send(m.connect(version=version, **options))
        try:
            told = client.expect(m.CONNACK)
        except EOFError:
            return None, None
        props = {} if version < 5 else {
            p: told.prop(p) for p in (m.RECEIVE_MAX, m.ALIAS_MAX, m.MAX_QOS, m.RETAIN_AVAILABLE,
                                      m.SERVER_KEEP_ALIVE)}
        return (told.reason, props), client
