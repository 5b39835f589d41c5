# SPDX-License-Identifier: Apache-2.0
"""A broker that drains sends AMQP's and Kafka's clients elsewhere too."""

import subprocess
import unittest

import amqp_raw
from admin_raw import ask, counter
from kafka_wire import Connection, batch
from tercet import SCALE, Broker, is_closed_by_peer, need_module, program, wait_for

CONNECTION_FORCED = 320


class Drain(unittest.TestCase):

    def setUp(self):
        self.broker = Broker(data=True, config="durability = always\n")
        self.broker.__enter__()
        self.addCleanup(lambda: self.broker.__exit__(None, None, None))

    def tool(self, *words, status=0):
        done = subprocess.run([program("tercet"), *words, "--data", self.broker.data],
                              check=False, timeout=60 * SCALE, capture_output=True,
                              encoding="utf-8")
        self.assertEqual(done.returncode, status, done)
        return done.stdout

    def amqp(self, upto=None):
        client = amqp_raw.Client(self.broker, upto)
        self.addCleanup(client.close)
        return client

    def kafka(self):
        client = Connection(self.broker.address("kafka"), b"drain")
        self.addCleanup(client.close)
        return client

    def produce(self, client):
        return client.send("produce", 9, acks=-1, timeout_ms=5000, topic_data=[{
            "name": "t", "partition_data": [{"index": 0, "records": batch([b"x"])}]}])

    def test_amqp_is_told_that_the_node_is_in_maintenance(self):
        there, between = self.amqp(), self.amqp("tune-ok")
        self.tool("drain")
        code, text, unused, unused = there.refusal()
        self.assertEqual(code, CONNECTION_FORCED)
        self.assertIn("maintenance", text)
        for client in (between, self.amqp("tune-ok")):
            client.send("connection.open", channel=0, virtual_host="/")
            self.assertEqual(client.refusal()[0], CONNECTION_FORCED)
        self.assertEqual(counter(self.broker, "core_drained_total"), 1)
        self.assertIn("draining    to nowhere", self.tool("status"))
        self.tool("drain", "--stop")
        self.assertNotIn("draining", self.tool("status"))
        self.amqp().call("queue.declare", queue="q")

    def test_kafka_gets_its_answers_and_the_other_server(self):
        client, waiting = self.kafka(), self.kafka()
        client.call("metadata", 12, topics=[{"name": "t"}], allow_auto_topic_creation=True)
        waiting.send("fetch", 12, max_wait_ms=60000, min_bytes=1, max_bytes=1 << 20, topics=[{
            "topic": "t", "partitions": [{"partition": 0, "fetch_offset": 0,
                                          "partition_max_bytes": 1 << 20}]}])
        self.tool("drain", "--kafka-to", "other.example:9094")
        self.assertTrue(is_closed_by_peer(client.sock))
        self.assertTrue(is_closed_by_peer(waiting.sock))  # it had been promised nothing
        self.assertEqual(counter(self.broker, "core_drained_total"), 2)
        client = self.kafka()
        client.call("api_versions", 3, client_software_name="x", client_software_version="1")
        broker, = client.call("metadata", 12, topics=[{"name": "t"}])["brokers"]
        self.assertEqual((broker["host"], broker["port"]), ("other.example", 9094))
        found = client.call("find_coordinator", 3, key="g", key_type=0)
        self.assertEqual((found["host"], found["port"]), ("other.example", 9094))
        self.produce(client)
        self.assertTrue(is_closed_by_peer(client.sock))

    def test_what_kafka_was_producing_is_answered_first(self):
        clients = [self.kafka() for _ in range(20)]
        clients[0].call("metadata", 12, topics=[{"name": "t"}], allow_auto_topic_creation=True)
        for client in clients:
            for _ in range(3):
                self.produce(client)
        wait_for(lambda: counter(self.broker, "kafka_requests_total") >= 61)
        self.tool("drain", "--rate", "1000")
        for client in clients:
            for _ in range(3):
                self.assertTrue(client.receive_frame())
            self.assertTrue(is_closed_by_peer(client.sock))

    def test_without_another_server_kafka_is_closed(self):
        self.tool("drain", "--to", "mqtt.example:1883")
        self.assertTrue(is_closed_by_peer(self.kafka().sock))
        told = ask(self.broker, "GET", "/api/overview")[1]
        self.assertEqual((told["draining"], told["drain_to"]), (True, "mqtt.example:1883"))

    def test_what_is_no_server_is_refused(self):
        for word in ("other", "other:", ":9092", "other:0", "other:65536", "other:x"):
            self.tool("drain", "--kafka-to", word, status=1)
        self.amqp()

    def test_a_consumer_goes_over_to_the_other_broker(self):
        kafka = need_module("kafka")
        with Broker(data=True) as other:
            producer = kafka.KafkaProducer(bootstrap_servers="%s:%d" % other.address("kafka"))
            producer.send("moved", b"there").get(timeout=30 * SCALE)
            consumer = kafka.KafkaConsumer(
                "moved", bootstrap_servers="%s:%d" % self.broker.address("kafka"),
                auto_offset_reset="earliest", metadata_max_age_ms=1000, reconnect_backoff_ms=50,
                consumer_timeout_ms=int(30000 * SCALE))
            try:
                consumer.poll(0)
                self.tool("drain", "--kafka-to", "%s:%d" % other.address("kafka"))
                self.assertEqual(next(consumer).value, b"there")
            finally:
                consumer.close()
                producer.close()


if __name__ == "__main__":
    unittest.main()
