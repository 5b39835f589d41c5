# SPDX-License-Identifier: Apache-2.0
"""The newest clients of the JavaScript registry, each through one ordinary round in a script.

`./dev interop` fetches them and runs this; a client that could not be fetched is a skip."""

import os
import subprocess
import unittest

from tercet import SCALE, BrokerCase, need_program

HERE = os.path.dirname(os.path.abspath(__file__))
MODULES = os.path.join(os.environ.get("TERCET_INTEROP", "/nonexistent"), "node_modules")
SECONDS = 60


@need_program("node")
class Round(BrokerCase):
    def run_script(self, module, protocol):
        if not os.path.isdir(os.path.join(MODULES, module)):
            self.skipTest("the JavaScript client %s was not fetched" % module)
        done = subprocess.run(
            ["node", os.path.join(HERE, module + ".js"), *map(str, self.broker.address(protocol))],
            env={**os.environ, "NODE_PATH": MODULES}, timeout=SECONDS * SCALE, check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual((done.returncode, done.stdout.decode().splitlines()[-1:]), (0, ["ok"]),
                         done.stdout.decode())

    def test_mqtt(self):
        self.run_script("mqtt", "mqtt")

    def test_amqplib(self):
        self.run_script("amqplib", "amqp")

    def test_kafkajs(self):
        self.run_script("kafkajs", "kafka")


if __name__ == "__main__":
    unittest.main()
