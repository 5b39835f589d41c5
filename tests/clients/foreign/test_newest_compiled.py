# SPDX-License-Identifier: Apache-2.0
"""The newest Java and Go clients of their registries, each through one ordinary round.

`./dev interop` fetches and compiles them, where these languages are installed, and runs this; what
is not there is a skip."""

import glob
import os
import subprocess
import unittest

from tercet import SCALE, BrokerCase

HOME = os.environ.get("TERCET_INTEROP", "/nonexistent")
SECONDS = 60


class Round(BrokerCase):
    def run_round(self, *line):
        done = subprocess.run(line, timeout=SECONDS * SCALE, check=False, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        said = done.stdout.decode()
        self.assertEqual((done.returncode, said.splitlines()[-1:]), (0, ["ok"]), said)

    def java(self, protocol):
        classes = os.path.join(HOME, "java", "classes")
        if not os.path.isfile(os.path.join(classes, "Round.class")):
            self.skipTest("the Java clients were not fetched or compiled")
        jars = glob.glob(os.path.join(HOME, "java", "jars", "*.jar"))
        self.run_round("java", "-cp", ":".join([classes, *jars]), "Round", protocol,
                       *map(str, self.broker.address(protocol)))

    def go(self, protocol):
        program = os.path.join(HOME, "go", "round")
        if not os.path.isfile(program):
            self.skipTest("the Go clients were not fetched or compiled")
        self.run_round(program, protocol, *map(str, self.broker.address(protocol)))

    def test_java_kafka_clients(self):
        self.java("kafka")

    def test_java_amqp_client(self):
        self.java("amqp")

    def test_java_paho(self):
        self.java("mqtt")

    def test_go_franz(self):
        self.go("kafka")

    def test_go_amqp091(self):
        self.go("amqp")

    def test_go_paho(self):
        self.go("mqtt")


if __name__ == "__main__":
    unittest.main()
