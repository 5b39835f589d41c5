# SPDX-License-Identifier: Apache-2.0
"""Ordinary programs with Python's confluent-kafka, which is librdkafka."""

import time
import unittest

from against import ClientCase
from tercet import SCALE, need_module

confluent = need_module("confluent_kafka")
admin_of = need_module("confluent_kafka.admin")


class ConfluentCase(ClientCase):
    protocol = "kafka"

    def settings(self, **options):
        settings = {"bootstrap.servers": self.broker.server("kafka")}
        settings.update({name.replace("_", "."): value for name, value in options.items()})
        return settings

    def producer(self, **options):
        return confluent.Producer(self.settings(**options))

    def consumer(self, *topics, **options):
        options.setdefault("group_id", self.name("group"))
        options.setdefault("auto_offset_reset", "earliest")
        consumer = confluent.Consumer(self.settings(**options))
        self.addCleanup(consumer.close)
        if topics:
            consumer.subscribe(list(topics))
        return consumer

    def topic(self, partitions=1):
        name = self.name("topic")
        admin = admin_of.AdminClient(self.settings())
        admin.create_topics([admin_of.NewTopic(name, partitions, 1)])[name].result(10 * SCALE)
        return name

    def send(self, producer, topic, *values, **options):
        """Produces and waits; gives the reports."""
        reports = []
        for value in values:
            producer.produce(topic, value, on_delivery=lambda error, message: reports.append(
                (error, message)), **options)
        self.assertEqual(producer.flush(20 * SCALE), 0)
        for error, _ in reports:
            self.assertIsNone(error)
        return [message for _, message in reports]

    def take(self, consumer, count, seconds=20):
        got = []
        deadline = time.monotonic() + seconds * SCALE
        while len(got) < count:
            message = consumer.poll(0.2)
            self.assertLess(time.monotonic(), deadline, "%d of %d came" % (len(got), count))
            if message is None:
                continue
            self.assertIsNone(message.error())
            got.append(message)
        return got


class OrdinaryPrograms(ConfluentCase):
    def test_produce_and_consume_in_a_group(self):
        topic = self.name("orders")
        reports = self.send(self.producer(), topic, *(b"%d" % n for n in range(100)), key=b"k")
        self.assertEqual([message.offset() for message in reports], list(range(100)))
        got = self.take(self.consumer(topic), 100)
        self.assertEqual([m.value() for m in got], [b"%d" % n for n in range(100)])
        self.assertEqual({m.key() for m in got}, {b"k"})

    def test_a_group_goes_on_where_it_stopped(self):
        topic, group = self.name("orders"), self.name("group")
        producer = self.producer()
        self.send(producer, topic, b"a", b"b")
        first = self.consumer(topic, group_id=group)
        self.take(first, 2)
        first.commit(asynchronous=False)
        first.close()
        self.send(producer, topic, b"c")
        second = self.consumer(topic, group_id=group)
        self.assertEqual(self.take(second, 1)[0].value(), b"c")

    def test_headers_time_and_null(self):
        topic = self.topic()
        headers = [("a", b"1"), ("a", None), ("b", b"\x00\xff")]
        producer = self.producer()
        self.send(producer, topic, b"x", headers=headers, timestamp=1500000000123)
        self.send(producer, topic, None, key=b"gone")
        first, second = self.take(self.consumer(topic), 2)
        self.assertEqual(first.headers(), headers)
        self.assertEqual(first.timestamp(), (confluent.TIMESTAMP_CREATE_TIME, 1500000000123))
        self.assertEqual((second.value(), second.key()), (None, b"gone"))

    def test_every_compression(self):
        for kind in ("none", "gzip", "snappy", "lz4", "zstd"):
            with self.subTest(compression=kind):
                topic = self.topic()
                values = [b"value %d " % number * 50 for number in range(200)]
                self.send(self.producer(compression_type=kind, linger_ms=20), topic, *values)
                got = self.take(self.consumer(topic), 200)
                self.assertEqual([m.value() for m in got], values)

    def test_an_idempotent_producer(self):
        topic = self.topic(partitions=3)
        producer = self.producer(enable_idempotence=True, linger_ms=2)
        self.send(producer, topic, *(b"%d" % number for number in range(1000)))
        got = self.take(self.consumer(topic), 1000)
        self.assertEqual(sorted(int(m.value()) for m in got), list(range(1000)))

    def test_watermarks_and_times(self):
        topic = self.topic()
        producer = self.producer()
        for number in range(5):
            self.send(producer, topic, b"x", timestamp=1600000000000 + 1000 * number)
        consumer = self.consumer()
        part = confluent.TopicPartition(topic, 0)
        self.assertEqual(consumer.get_watermark_offsets(part, timeout=10), (0, 5))
        found = consumer.offsets_for_times(
            [confluent.TopicPartition(topic, 0, 1600000002500)], timeout=10)
        self.assertEqual(found[0].offset, 3)

    def test_members_share_the_partitions(self):
        topic, group = self.topic(partitions=4), self.name("group")
        members = [self.consumer(topic, group_id=group) for _ in range(2)]
        deadline = time.monotonic() + 30 * SCALE
        while True:
            for member in members:
                member.poll(0.05)
            parts = [{p.partition for p in member.assignment()} for member in members]
            if sorted(map(len, parts)) == [2, 2]:
                break
            self.assertLess(time.monotonic(), deadline, parts)
        self.assertEqual(parts[0] | parts[1], {0, 1, 2, 3})

    def test_metadata_create_and_delete(self):
        topic = self.topic(partitions=3)
        admin = admin_of.AdminClient(self.settings())
        told = admin.list_topics(timeout=10)
        self.assertEqual(len(told.topics[topic].partitions), 3)
        self.assertGreaterEqual(len(told.brokers), 1)
        admin.delete_topics([topic])[topic].result(10 * SCALE)
        self.assertNotIn(topic, admin.list_topics(timeout=10).topics)

    def test_a_topics_configuration_is_set_shown_and_changed(self):
        admin, name = admin_of.AdminClient(self.settings()), self.name("topic")
        admin.create_topics([admin_of.NewTopic(name, 1, 1, config={
            "retention.ms": "3600000"})])[name].result(10 * SCALE)

        def configs():
            resource = admin_of.ConfigResource(admin_of.RESOURCE_TOPIC, name)
            rows = admin.describe_configs([resource])[resource].result(10 * SCALE)
            return [(rows[key].value, rows[key].is_default)
                    for key in ("retention.ms", "retention.bytes")]

        self.assertEqual(configs(), [("3600000", False), ("-1", True)])
        resource = admin_of.ConfigResource(admin_of.RESOURCE_TOPIC, name,
                                           {"retention.bytes": "1000000"})
        admin.alter_configs([resource])[resource].result(10 * SCALE)
        self.assertEqual(configs(), [("604800000", True), ("1000000", False)])
        resource = admin_of.ConfigResource(admin_of.RESOURCE_TOPIC, name, {"retention.ms": "soon"})
        with self.assertRaises(confluent.KafkaException) as told:
            admin.alter_configs([resource])[resource].result(10 * SCALE)
        self.assertEqual(told.exception.args[0].code(), confluent.KafkaError.INVALID_CONFIG)


if __name__ == "__main__":
    unittest.main()
