# SPDX-License-Identifier: Apache-2.0
"""The programs of examples/ do what examples/README.md says, unmodified."""

import os
import sys
import unittest

import against
from tercet import TOP, need_module

for module in ("paho.mqtt.client", "kafka", "pika"):
    need_module(module)


class ExamplesTest(against.ClientCase):
    protocol = "mqtt"

    def example(self, name, *words):
        path = os.path.join(TOP, "examples", name)
        return self.run_program(sys.executable, path, *words).decode().splitlines()

    def test_readings_by_mqtt_are_a_log_by_kafka(self):
        told = self.example("sensor_mqtt.py", *self.broker.address("mqtt"))
        self.assertEqual(told[:3], ["published devices/%d/temperature" % i for i in range(3)])
        read = self.example("log_kafka.py", self.broker.server("kafka"))
        self.assertEqual([line.split()[:4] for line in read],
                         [["offset", str(i), "key", "%d/temperature" % (i % 3)]
                          for i in range(10)])

    def test_jobs_by_kafka_are_done_by_an_amqp_worker(self):
        self.assertEqual(self.example("worker_amqp.py", *self.broker.address("amqp")), [])
        told = self.example("jobs_kafka.py", self.broker.server("kafka"))
        self.assertEqual(told, ["queued at offset %d" % i for i in range(5)])
        self.assertEqual(self.example("worker_amqp.py", *self.broker.address("amqp")),
                         ["doing job %d" % i for i in range(5)])

    def test_every_example_is_in_the_list(self):
        folder = os.path.join(TOP, "examples")
        with open(os.path.join(folder, "README.md"), encoding="utf-8") as file:
            listed = file.read()
        for name in os.listdir(folder):
            if name.endswith(".py"):
                self.assertIn("`%s`" % name, listed)


if __name__ == "__main__":
    unittest.main()
