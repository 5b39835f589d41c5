# SPDX-License-Identifier: Apache-2.0
"""Dots in MQTT topics and slashes in routing keys: exact, or swapped as RabbitMQ does."""

import unittest
import uuid

from tercet import BrokerCase, need_module

for _module in ("paho.mqtt.client", "pika", "kafka", "confluent_kafka"):
    need_module(_module)

import sides  # noqa: E402 (after the check that its libraries are here)
from sides import Note  # noqa: E402


class DotsCase(BrokerCase):
    def setUp(self):
        super().setUp()
        self.stream = "s" + uuid.uuid4().hex[:12]
        self.amqp = sides.Pika(self.broker)
        self.addCleanup(self.amqp.__exit__)
        self.mqtt = sides.Paho(self.broker)
        self.addCleanup(self.mqtt.__exit__)

    def bind(self, key):
        self.amqp.queue = self.amqp.channel.queue_declare("", exclusive=True).method.queue
        self.amqp.channel.queue_bind(self.amqp.queue, "amq.topic", self.stream + "." + key)

    def publish(self, *subjects):
        for subject in subjects:
            self.mqtt.write(Note(self.stream, subject, subject.encode()))
        self.mqtt.flush()

    def expect(self, *wanted):
        """What the queue holds: (tail of the routing key, value), and nothing else."""
        got = [self.amqp.read() for _ in wanted]
        self.assertEqual([(one.where[len(self.stream) + 1:], one.value.decode()) for one in got],
                         list(wanted))
        self.assertIsNone(self.amqp.channel.basic_get(self.amqp.queue)[0])


class Exact(DotsCase):
    def test_a_dot_inside_a_level_is_escaped_for_amqp(self):
        self.bind("dev%2E1.*")
        self.publish("dev.1/temp", "dev/1/temp")
        self.expect(("dev%2E1.temp", "dev.1/temp"))

    def test_a_dot_does_not_part_levels(self):
        self.bind("*.*")
        self.publish("dev.1/temp", "a/b.c.d", "a.b")
        self.expect(("dev%2E1.temp", "dev.1/temp"), ("a.b%2Ec%2Ed", "a/b.c.d"))

    def test_a_slash_in_a_routing_key_does_not_part_levels(self):
        with sides.Paho(self.broker, self.stream) as reader:
            self.amqp.channel.basic_publish("amq.topic", self.stream + ".a/b.c", b"x")
            self.assertEqual(reader.read().where, self.stream + "/a%2Fb/c")

    def test_wildcard_bytes_of_a_routing_key_are_no_wildcards_for_mqtt(self):
        with sides.Paho(self.broker, self.stream) as reader:
            self.amqp.channel.basic_publish("amq.topic", self.stream + ".#.a+b.*", b"x")
            self.assertEqual(reader.read().where, self.stream + "/%23/a%2Bb/*")


class AsRabbitMq(DotsCase):
    broker_options = {"config": "mqtt_dots = rabbitmq\n"}

    def test_a_dot_parts_levels_for_bindings(self):
        self.bind("dev.1.*")
        self.publish("dev.1/temp", "dev/1/temp", "dev.1.temp", "dev/2/temp")
        self.expect(("dev.1.temp", "dev.1/temp"), ("dev.1.temp", "dev/1/temp"),
                    ("dev.1.temp", "dev.1.temp"))

    def test_subscribers_see_the_topic_the_publisher_used(self):
        with sides.Paho(self.broker, filter_=self.stream + "/+") as reader:
            self.publish("a.b/c", "a.b")
            self.assertEqual(reader.read().where, self.stream + "/a.b")

    def test_dots_of_a_routing_key_become_slashes(self):
        with sides.Paho(self.broker, self.stream) as reader:
            self.amqp.channel.basic_publish("amq.topic", self.stream + ".a/b.c", b"x")
            self.assertEqual(reader.read().where, self.stream + "/a/b/c")

    def test_another_exchange_bound_to_the_shared_one_sees_the_swap_too(self):
        self.amqp.channel.exchange_declare("x" + self.stream, "topic", auto_delete=True)
        self.amqp.channel.exchange_bind("x" + self.stream, "amq.topic", self.stream + ".dev.1.*")
        self.amqp.queue = self.amqp.channel.queue_declare("", exclusive=True).method.queue
        self.amqp.channel.queue_bind(self.amqp.queue, "x" + self.stream, "*.dev.1.temp")
        self.publish("dev.1/temp")
        self.expect(("dev.1.temp", "dev.1/temp"))


if __name__ == "__main__":
    unittest.main()
