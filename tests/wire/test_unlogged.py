# SPDX-License-Identifier: Apache-2.0
"""Streams of durability none: in memory alone, for every protocol, over restarts."""

import time
import unittest

import amqp_raw
import mqtt_raw as m
from admin_raw import ask, counter
from kafka_case import OK, KafkaCase
from kafka_wire import batch, batches
from tercet import Broker, wait_for

KEEP = {"clean": False, "props": [(m.SESSION_EXPIRY, 3600)]}
TOPIC, SET = 2, 0
INVALID_CONFIG, OUT_OF_RANGE = 40, 1


def now_ms():
    return int(time.time() * 1000)


class Unlogged(KafkaCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Broker(data=True, config="[stream live*]\ndurability = none\n"
                                              "[stream few*]\ndurability = none\n"
                                              "retention_bytes = 2000\n")
        cls.addClassCleanup(cls.broker.close)
        cls.broker.start()
        cls.addClassCleanup(cls.broker.stop)

    def mqtt(self, name="", **options):
        client = m.Client(self.broker.address("mqtt"))
        self.addCleanup(client.close)
        return client.connect(name, **options)

    def away(self, name, topic):
        client = self.mqtt(name, **KEEP)
        client.subscribe((topic, 1))
        client.send(m.disconnect())
        client.ended()

    def stream(self, name):
        return ask(self.broker, "GET", "/api/streams?name=" + name)[1]["streams"][0]

    def place(self, name):
        """Start and end of its only partition."""
        part = self.stream(name)["partitions"][0]
        return part["start"], part["end"]

    def restart(self, how):
        getattr(self.broker, how)()
        self.broker.start()

    def fetched(self, topic, offset=0):
        return self.fetch(self.connect(), topic, offset)

    def test_subscribers_get_all_and_the_store_nothing(self):
        receiver, sender = self.mqtt(), self.mqtt()
        receiver.subscribe(("live1/#", 2))
        sender.publish("live1/a", b"first", 1)
        receiver.take("live1/a", b"first")
        before = counter(self.broker, "store_bytes_total")
        for i in range(300):
            sender.publish("live1/a", b"%d" % i, i % 3)
            self.assertEqual(receiver.take("live1/a", b"%d" % i).qos, i % 3)
        self.assertEqual(counter(self.broker, "store_bytes_total"), before)
        self.assertEqual(self.stream("live1")["policy"]["durability"], "none")
        self.assertGreater(counter(self.broker, "core_unlogged_bytes"), 300)

    def test_who_was_away_gets_what_is_kept_and_the_rest_is_counted(self):
        sender = self.mqtt()
        self.away("absent", "few1")
        for i in range(400):
            sender.publish("few1", b"%3d" % i + bytes(1000), 1)
        start, end = self.place("few1")
        self.assertEqual(end, 400)
        self.assertLess(end - start, 64 * 2)
        before = counter(self.broker, "core_dropped_total")
        client = self.mqtt("absent", **KEEP)
        for i in range(start, end):
            self.assertEqual(client.take("few1").payload[:3], b"%3d" % i)
        client.nothing()
        self.assertEqual(counter(self.broker, "core_dropped_total") - before, start)

    def test_a_shared_subscription_has_one_member_get_each(self):
        sender, members = self.mqtt(), [self.mqtt(), self.mqtt()]
        for member in members:
            member.subscribe(("$share/g/live2", 1))
        for i in range(20):
            sender.publish("live2", b"%d" % i, 1)
        got = [int(found.payload) for member in members for found in member.sync()]
        self.assertEqual(sorted(got), list(range(20)))

    def test_retained_messages_outlive_a_kill_all_the_same(self):
        sender = self.mqtt()
        sender.publish("live3/state", b"on", 1, retain=True)
        self.restart("kill")
        receiver = self.mqtt()
        receiver.subscribe("live3/#")
        self.assertTrue(receiver.take("live3/state", b"on").retain)

    def test_offsets_go_on_after_every_end(self):
        sender = self.mqtt()
        self.away("owed", "live4")
        for _ in range(3):
            sender.publish("live4", b"x", 1)
        self.assertEqual(self.place("live4"), (0, 3))
        self.restart("stop")
        self.assertEqual(self.place("live4"), (3, 3))
        sender = self.mqtt()
        sender.publish("live4", b"y", 1)
        self.assertEqual(self.place("live4"), (3, 4))
        self.restart("kill")
        start, end = self.place("live4")
        self.assertEqual(start, end)
        self.assertGreaterEqual(end, 4)
        before = counter(self.broker, "core_dropped_total")
        client = self.mqtt("owed", **KEEP)
        self.assertTrue(client.connack.present)
        client.nothing()
        self.assertEqual(counter(self.broker, "core_dropped_total") - before, 4)
        self.mqtt().publish("live4", b"z", 1)
        client.take("live4", b"z")

    def test_kafka_reads_and_writes_it(self):
        sender = self.mqtt()
        for i in range(5):
            sender.publish("live5", b"m%d" % i, 1)
        self.assertEqual(self.put("live5", b"k0", b"k1"), 5)
        sender.publish("live5", b"m5", 1)
        records = self.fetched("live5")["records"]
        self.assertEqual([(first, last) for first, last, _ in batches(records)],
                         [(0, 4), (5, 6), (7, 7)])
        for value in (b"m0", b"m4", b"k1", b"m5"):
            self.assertIn(value, records)
        self.assertEqual(batches(self.fetched("live5", 3)["records"])[0][0], 3)
        self.restart("stop")
        self.assertEqual(self.fetched("live5", 3)["error_code"], OUT_OF_RANGE)
        told = self.fetched("live5", 8)
        self.assertEqual((told["error_code"], told["high_watermark"], told["log_start_offset"]),
                         (OK, 8, 8))
        receiver = self.mqtt()
        receiver.subscribe(("live5", 1))
        self.assertEqual(self.put("live5", b"k2"), 8)
        receiver.take("live5", b"k2")

    def test_kafka_waits_for_it(self):
        self.mqtt().publish("live6", b"x", 1)
        waiting = self.connect()
        waiting.send("fetch", 12, **self.fetch_request("live6", 1, max_wait_ms=20000))
        self.mqtt().publish("live6", b"late", 1)
        answer = waiting.receive("fetch", 12)["responses"][0]["partitions"][0]
        self.assertIn(b"late", answer["records"])

    def test_a_queue_that_is_bound_to_it_has_its_own_log(self):
        with amqp_raw.Client(self.broker) as c:
            c.call("queue.declare", queue="bound", durable=True)
            c.call("queue.bind", queue="bound", exchange="amq.topic", routing_key="live7.#")
            self.mqtt().publish("live7/a", b"x", 1)
            wait_for(lambda: self.stream("bound")["partitions"][0]["end"] == 1, 10, "the message")
        self.restart("kill")
        with amqp_raw.Client(self.broker) as c:
            self.assertEqual(c.get("bound").body, b"x")

    def test_a_queue_on_it_has_it_logged_from_then_on(self):
        self.mqtt().publish("live8", b"before", 1)
        with amqp_raw.Client(self.broker) as c:
            c.call("queue.declare", queue="live8", durable=True)
            self.mqtt().publish("live8", b"after", 1)
        self.assertEqual(self.stream("live8")["policy"]["durability"], "memory")
        wait_for(lambda: self.stream("live8")["partitions"][0]["durable_end"] == 2, 10, "a commit")
        self.restart("stop")
        self.assertEqual(self.place("live8"), (0, 2))
        self.assertIn(b"before", self.fetched("live8")["records"])

    def test_kafka_says_it_when_a_topic_is_made_and_not_of_one_with_records(self):
        topic = self.topic(tercet_durability="none")
        self.assertEqual(self.put(topic, b"a", b"b", times=[now_ms()] * 2), 0)
        self.assertEqual(self.stream(topic)["own_policy"]["durability"], "none")
        self.assertEqual(self.alter(topic, ("cleanup.policy", "compact")), INVALID_CONFIG)
        self.assertEqual(self.alter(topic, ("tercet.durability", "always")), OK)
        self.assertIn(b"b", self.fetched(topic)["records"])
        self.assertEqual(self.put(topic, b"c", times=[now_ms()]), 2)
        self.assertEqual(self.alter(topic, ("tercet.durability", "none")), INVALID_CONFIG)
        self.restart("kill")
        self.assertEqual(self.place(topic), (0, 3))
        answer = self.connect().call("create_topics", 7, topics=[{
            "name": "both", "num_partitions": 1, "replication_factor": 1, "configs": [
                {"name": "tercet.durability", "value": "none"},
                {"name": "cleanup.policy", "value": "compact"}]}], timeout_ms=1000)
        self.assertEqual(answer["topics"][0]["error_code"], INVALID_CONFIG)

    def alter(self, name, *changes):
        answer = self.connect().call("incremental_alter_configs", 1, resources=[{
            "resource_type": TOPIC, "resource_name": name, "configs": [
                {"name": k, "config_operation": SET, "value": v} for k, v in changes]}])
        return answer["responses"][0]["error_code"]

    def test_an_idempotent_producer_is_known_while_the_broker_runs(self):
        self.mqtt().publish("live9", b"x", 1)
        records = batch([b"once"], producer=(4711, 0, 0))
        for _ in range(2):
            result = self.produce(self.connect(), "live9", records)
            self.assertEqual((result["error_code"], result["base_offset"]), (OK, 1))
        self.assertEqual(self.place("live9"), (0, 2))


if __name__ == "__main__":
    unittest.main()
