# SPDX-License-Identifier: Apache-2.0
"""The newest clients of the JavaScript registry, each through one ordinary round in a script.

`./dev interop` fetches them and runs this; a client that could not be fetched is a skip."""

import os
import subprocess
import unittest

from tercet import SCALE, TOP, BrokerCase, need_program

HERE = os.path.dirname(os.path.abspath(__file__))
MODULES = os.path.join(os.environ.get("TERCET_INTEROP", "/nonexistent"), "node_modules")
PEM = os.path.join(TOP, "tests", "lib", "localhost.pem")
SECONDS = 60


@need_program("node")
class Round(BrokerCase):
    broker_options = {"config": "[listener any]\nprotocol = mqtt\naddress = 127.0.0.1\nport = 0\n"
                                "detect = yes\ncertificate = %s\nkey = %s\n" % (PEM, PEM)}

    def run_script(self, module, address, *more):
        if not os.path.isdir(os.path.join(MODULES, module)):
            self.skipTest("the JavaScript client %s was not fetched" % module)
        done = subprocess.run(
            ["node", os.path.join(HERE, module + ".js"), *map(str, address), *more],
            env={**os.environ, "NODE_PATH": MODULES}, timeout=SECONDS * SCALE, check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.assertEqual((done.returncode, done.stdout.decode().splitlines()[-1:]), (0, ["ok"]),
                         done.stdout.decode())

    def test_mqtt(self):
        self.run_script("mqtt", self.broker.address("mqtt"))

    def test_mqtt_by_websocket(self):
        self.run_script("mqtt", self.broker.address_of("any"), "ws", "/mqtt")

    def test_mqtt_by_tls(self):
        _, port = self.broker.address_of("any")
        self.run_script("mqtt", ("localhost", port), "mqtts", "", PEM)

    def test_mqtt_by_secure_websocket(self):
        _, port = self.broker.address_of("any")
        self.run_script("mqtt", ("localhost", port), "wss", "/mqtt", PEM)

    def test_amqplib(self):
        self.run_script("amqplib", self.broker.address("amqp"))

    def test_kafkajs(self):
        self.run_script("kafkajs", self.broker.address("kafka"))


if __name__ == "__main__":
    unittest.main()
