# SPDX-License-Identifier: Apache-2.0
"""Names that the broker keeps for itself are nobody's, whichever protocol asks for them."""

import unittest

import amqp_raw
import mqtt_raw as m
from kafka_wire import Connection, batch
from tercet import BrokerCase

REFUSED, TOPIC_AUTHORIZATION_FAILED = 403, 29
KEPT = ("$SYS", "$share", "$queue", "$stream", "$CONTROL", "$delayed")


def kafka_name(name):
    return name.replace("$", "_x24")


class KeptNames(BrokerCase):
    broker_options = {"config": "sys_interval = 0\n"}

    def setUp(self):
        self.watcher = m.Client(self.broker.address("mqtt"))
        self.addCleanup(self.watcher.close)
        self.watcher.connect("watcher-" + self.id())
        self.assertEqual(self.watcher.subscribe("$SYS/#", "$delayed/#", "$CONTROL/#", "fine/#"),
                         [0] * 4)

    def amqp(self):
        client = amqp_raw.Client(self.broker)
        self.addCleanup(client.close)
        return client

    def kafka(self):
        client = Connection(self.broker.address("kafka"), b"kept")
        self.addCleanup(client.close)
        return client

    def create(self, name, **more):
        return self.kafka().call("create_topics", 7, timeout_ms=1000, topics=[{
            "name": name, "num_partitions": 1, "replication_factor": 1}],
            **more)["topics"][0]["error_code"]

    def produce(self, name, key=b"broker/version"):
        answer = self.kafka().call("produce", 9, acks=-1, timeout_ms=1000, topic_data=[{
            "name": name, "partition_data": [{"index": 0, "records": batch([(key, b"x")])}]}])
        return answer["responses"][0]["partition_responses"][0]["error_code"]

    def test_amqp_publishes_to_none_of_them(self):
        for name in KEPT:
            client = self.amqp()
            for key in (name, name + ".broker.version"):
                with self.subTest(key=key):
                    client = self.amqp()
                    client.publish(b"x", key, "amq.topic")
                    self.assertEqual(client.refusal()[0], REFUSED)
        client = self.amqp()
        client.call("exchange.declare", exchange="onward", type="topic")
        client.call("exchange.bind", destination="amq.topic", source="onward", routing_key="#")
        client.publish(b"x", "fine.thing", "onward")
        client.publish(b"x", "$SYS.broker.version", "onward")
        self.assertEqual(client.refusal()[0], REFUSED)
        self.watcher.take("fine/thing")
        self.watcher.nothing()

    def test_amqp_declares_nothing_of_such_a_name(self):
        for name in KEPT:
            for kind in ("queue", "exchange"):
                with self.subTest(name=name, kind=kind):
                    client = self.amqp()
                    more = {"type": "fanout"} if kind == "exchange" else {}
                    code, text, unused, unused = client.refused(kind + ".declare", **{kind: name},
                                                                **more)
                    self.assertEqual(code, REFUSED)
                    self.assertIn("ACCESS_REFUSED", text)
        self.amqp().call("queue.declare", queue="$SYSTEM", exclusive=True)

    def test_kafka_neither_makes_them_nor_produces_to_them(self):
        for name in KEPT:
            with self.subTest(name=name):
                name = kafka_name(name)
                self.assertEqual(self.create(name), TOPIC_AUTHORIZATION_FAILED)
                self.assertEqual(self.create(name, validate_only=True), TOPIC_AUTHORIZATION_FAILED)
                answer = self.kafka().call("metadata", 12, topics=[{"name": name}],
                                           allow_auto_topic_creation=True)
                self.assertEqual(answer["topics"][0]["error_code"], TOPIC_AUTHORIZATION_FAILED)
                self.assertEqual(self.produce(name), TOPIC_AUTHORIZATION_FAILED)
        self.assertEqual(self.create(kafka_name("$SYSTEM")), 0)
        self.watcher.nothing()

    def test_the_state_of_a_bridge_makes_the_stream_and_others_still_may_not(self):
        client = m.Client(self.broker.address("mqtt"))
        self.addCleanup(client.close)
        client.connect("bridge")
        state = "$SYS/broker/connection/far/state"
        self.assertIn(client.publish(state, b"1", 1).reason, (0, 0x10))
        self.watcher.take(state, "1")
        self.assertEqual(client.publish("$SYS/broker/version", b"x", 1).reason, 0x87)
        self.assertEqual(self.produce(kafka_name("$SYS")), TOPIC_AUTHORIZATION_FAILED)
        self.assertEqual(self.amqp().refused("queue.declare", queue="$SYS")[0], REFUSED)
        self.watcher.nothing()


if __name__ == "__main__":
    unittest.main()
