# SPDX-License-Identifier: Apache-2.0
"""Ordinary programs with Python's kafka-python."""

import threading
import time
import unittest

from against import ClientCase
from tercet import SCALE, need_module, wait_for

kafka = need_module("kafka")
admin_of = need_module("kafka.admin")
errors = need_module("kafka.errors")


class KafkaCase(ClientCase):
    protocol = "kafka"

    def producer(self, **options):
        producer = kafka.KafkaProducer(bootstrap_servers=self.broker.server("kafka"), **options)
        self.addCleanup(producer.close, 5)
        return producer

    def consumer(self, *topics, **options):
        options.setdefault("auto_offset_reset", "earliest")
        consumer = kafka.KafkaConsumer(*topics, bootstrap_servers=self.broker.server("kafka"),
                                       consumer_timeout_ms=int(10000 * SCALE), **options)
        self.addCleanup(consumer.close)
        return consumer

    def admin(self):
        admin = kafka.KafkaAdminClient(bootstrap_servers=self.broker.server("kafka"))
        self.addCleanup(admin.close)
        return admin

    def topic(self, partitions=1):
        name = self.name("topic")
        self.admin().create_topics([admin_of.NewTopic(name, partitions, 1)])
        return name

    def take(self, consumer, count):
        got = []
        while len(got) < count:
            got.append(next(consumer))
        return got

    def send(self, producer, topic, *values, **options):
        for value in values:
            sent = producer.send(topic, value, **options)
        producer.flush(10 * SCALE)
        return sent.get(10 * SCALE)


class OrdinaryPrograms(KafkaCase):
    def test_produce_to_orders_and_consume_without_a_group(self):
        topic = self.name("orders")
        producer = kafka.KafkaProducer(bootstrap_servers=self.broker.server("kafka"))
        for number in range(100):
            producer.send(topic, b"order %d" % number)
        producer.flush()
        producer.close()
        consumer = kafka.KafkaConsumer(topic, bootstrap_servers=self.broker.server("kafka"),
                                       auto_offset_reset="earliest",
                                       consumer_timeout_ms=int(5000 * SCALE))
        got = []
        for message in consumer:
            got.append((message.offset, message.value))
            if len(got) == 100:
                break
        consumer.close()
        self.assertEqual(got, [(number, b"order %d" % number) for number in range(100)])

    def test_a_group_with_auto_commit_goes_on_where_it_stopped(self):
        topic, group = self.name("orders"), self.name("group")
        producer = self.producer()
        self.send(producer, topic, *(b"%d" % number for number in range(10)))
        first = self.consumer(topic, group_id=group, enable_auto_commit=True,
                              auto_commit_interval_ms=100)
        self.assertEqual([m.value for m in self.take(first, 10)],
                         [b"%d" % number for number in range(10)])
        first.close()
        self.send(producer, topic, b"after")
        second = self.consumer(topic, group_id=group)
        self.assertEqual([m.value for m in self.take(second, 1)], [b"after"])

    def test_explicit_commit(self):
        topic, group = self.name("orders"), self.name("group")
        self.send(self.producer(), topic, b"a", b"b", b"c")
        first = self.consumer(topic, group_id=group, enable_auto_commit=False)
        part = kafka.TopicPartition(topic, 0)
        message = self.take(first, 1)[0]
        first.commit({part: kafka.OffsetAndMetadata(message.offset + 1, "note")})
        self.assertEqual(first.committed(part), 1)
        first.close()
        second = self.consumer(topic, group_id=group, enable_auto_commit=False)
        self.assertEqual(self.take(second, 1)[0].value, b"b")

    def test_a_consumer_that_waits_gets_what_comes(self):
        topic = self.topic()
        consumer = self.consumer(topic)
        consumer.poll(200)
        start = time.monotonic()
        self.send(self.producer(), topic, b"now")
        self.assertEqual(self.take(consumer, 1)[0].value, b"now")
        self.assertLess(time.monotonic() - start, 5 * SCALE)

    def test_latest_skips_what_was_before(self):
        topic = self.topic()
        producer = self.producer()
        self.send(producer, topic, b"before")
        consumer = self.consumer(topic, auto_offset_reset="latest")
        wait_for(lambda: consumer.poll(100) or consumer.assignment() and
                 consumer.position(kafka.TopicPartition(topic, 0)) == 1)
        self.send(producer, topic, b"after")
        self.assertEqual(self.take(consumer, 1)[0].value, b"after")


class Records(KafkaCase):
    def test_every_part_of_a_record_comes_back(self):
        topic = self.topic()
        producer = self.producer()
        headers = [("a", b"1"), ("b", b"\x00\xff"), ("a", b"2"), ("empty", b"")]
        cases = [(b"value", b"key", headers, 1500000000123), (b"", b"", [], 1500000000124),
                 (None, b"tombstone", [], 1500000000125), (b"keyless", None, [], 1500000000126)]
        for value, key, head, time_ms in cases:
            told = producer.send(topic, value, key, head, timestamp_ms=time_ms).get(10 * SCALE)
            self.assertEqual(told.timestamp, time_ms)
        for message, (value, key, head, time_ms) in zip(self.take(self.consumer(topic), 4), cases):
            self.assertEqual((message.value, message.key), (value, key))
            self.assertEqual((message.timestamp, message.timestamp_type), (time_ms, 0))
            self.assertEqual(message.headers, head)

    def test_every_compression(self):
        for kind in (None, "gzip", "snappy", "lz4"):
            with self.subTest(compression=kind):
                topic = self.topic()
                try:
                    producer = self.producer(compression_type=kind, linger_ms=20)
                except AssertionError as error:
                    self.skipTest("kafka-python: %s" % error)
                values = [b"value %d " % number * 50 for number in range(200)]
                self.send(producer, topic, *values)
                got = self.take(self.consumer(topic), 200)
                self.assertEqual([message.value for message in got], values)
                self.assertEqual([message.offset for message in got], list(range(200)))

    def test_every_acks(self):
        topic = self.topic()
        for acks in (0, 1, "all"):
            producer = self.producer(acks=acks)
            producer.send(topic, str(acks).encode())
            producer.flush(10 * SCALE)
        got = {message.value for message in self.take(self.consumer(topic), 3)}
        self.assertEqual(got, {b"0", b"1", b"all"})

    def test_a_record_of_almost_a_megabyte(self):
        topic = self.topic()
        value = bytes(range(256)) * 4000
        self.send(self.producer(), topic, value)
        self.assertEqual(self.take(self.consumer(topic), 1)[0].value, value)

    def test_equal_keys_meet_in_one_partition_and_keep_their_order(self):
        topic = self.topic(partitions=4)
        producer = self.producer(linger_ms=5)
        for number in range(400):
            producer.send(topic, b"%d" % number, b"key %d" % (number % 20))
        producer.flush(10 * SCALE)
        seen = {}
        for message in self.take(self.consumer(topic), 400):
            seen.setdefault(message.key, []).append((message.partition, int(message.value)))
        self.assertEqual(len(seen), 20)
        self.assertGreater(len({part for parts in seen.values() for part, _ in parts}), 1)
        for places in seen.values():
            self.assertEqual(len({part for part, _ in places}), 1)
            numbers = [number for _, number in places]
            self.assertEqual(numbers, sorted(numbers))


class Offsets(KafkaCase):
    def test_begin_end_time_and_seek(self):
        topic = self.topic()
        producer = self.producer()
        for number in range(10):
            producer.send(topic, b"%d" % number, timestamp_ms=1600000000000 + number * 1000)
        producer.flush(10 * SCALE)
        consumer = self.consumer()
        part = kafka.TopicPartition(topic, 0)
        consumer.assign([part])
        self.assertEqual(consumer.beginning_offsets([part]), {part: 0})
        self.assertEqual(consumer.end_offsets([part]), {part: 10})
        found = consumer.offsets_for_times({part: 1600000004500})[part]
        self.assertEqual((found.offset, found.timestamp), (5, 1600000005000))
        self.assertIsNone(consumer.offsets_for_times({part: 1700000000000})[part])
        consumer.seek(part, 7)
        self.assertEqual([m.value for m in self.take(consumer, 3)], [b"7", b"8", b"9"])
        consumer.seek_to_beginning(part)
        self.assertEqual(self.take(consumer, 1)[0].value, b"0")

    def test_an_offset_out_of_range_is_reset(self):
        topic = self.topic()
        self.send(self.producer(), topic, b"a")
        consumer = self.consumer()
        part = kafka.TopicPartition(topic, 0)
        consumer.assign([part])
        consumer.seek(part, 1000)
        self.assertEqual(self.take(consumer, 1)[0].value, b"a")


class Member(threading.Thread):
    """A consumer in a thread of its own: its poll() waits while the others of its group join."""

    def __init__(self, consumer):
        super().__init__(daemon=True)
        self.consumer, self.parts, self.is_over = consumer, set(), threading.Event()

    def run(self):
        while not self.is_over.is_set():
            self.consumer.poll(50)
            self.parts = set(self.consumer.assignment())
        self.consumer.close()

    def end(self):
        self.is_over.set()
        self.join()


class Groups(KafkaCase):
    def test_members_share_the_partitions(self):
        topic, group = self.topic(partitions=4), self.name("group")
        members = [Member(self.consumer(topic, group_id=group, heartbeat_interval_ms=200,
                                        metadata_max_age_ms=1000)) for _ in range(2)]
        for member in members:
            self.addCleanup(member.end)
            member.start()

        def shared():
            parts = [member.parts for member in members]
            return all(len(part) == 2 for part in parts) and not parts[0] & parts[1]

        wait_for(shared, 30, "two partitions for each of two members")
        members[1].end()
        wait_for(lambda: len(members[0].parts) == 4, 30,
                 "all partitions for the member that is left")

    def test_each_group_gets_everything(self):
        topic = self.topic()
        self.send(self.producer(), topic, b"x", b"y")
        for _ in range(2):
            consumer = self.consumer(topic, group_id=self.name("group"))
            self.assertEqual([m.value for m in self.take(consumer, 2)], [b"x", b"y"])


class Administration(KafkaCase):
    def test_create_list_and_delete(self):
        admin = self.admin()
        topic = self.topic(partitions=3)
        self.assertIn(topic, admin.list_topics())
        self.assertEqual(self.consumer().partitions_for_topic(topic), {0, 1, 2})
        with self.assertRaises(errors.TopicAlreadyExistsError):
            admin.create_topics([admin_of.NewTopic(topic, 1, 1)])
        with self.assertRaises(errors.InvalidTopicError):
            admin.create_topics([admin_of.NewTopic("not/legal", 1, 1)])
        admin.delete_topics([topic])
        self.assertNotIn(topic, admin.list_topics())
        with self.assertRaises(errors.UnknownTopicOrPartitionError):
            admin.delete_topics([topic])

    def test_a_deleted_topic_starts_again_at_nought(self):
        topic = self.topic()
        producer = self.producer()
        self.send(producer, topic, b"old")
        self.admin().delete_topics([topic])
        self.admin().create_topics([admin_of.NewTopic(topic, 1, 1)])
        self.assertEqual(self.send(self.producer(), topic, b"new").offset, 0)
        self.assertEqual(self.take(self.consumer(topic), 1)[0].value, b"new")

    def test_a_topics_configuration_is_set_shown_and_changed(self):
        admin, topic = self.admin(), self.name("topic")
        resource = admin_of.ConfigResource(admin_of.ConfigResourceType.TOPIC, topic)
        keys = "retention.ms", "retention.bytes", "flush.messages"

        def configs():
            found = {}
            for answer in admin.describe_configs([resource]):
                for row in answer.resources[0][4]:
                    found[row[0]] = row[1]
            return [found[key] for key in keys]

        admin.create_topics([admin_of.NewTopic(topic, 1, 1, topic_configs={
            "retention.ms": "3600000", "flush.messages": "1"})])
        self.assertEqual(configs(), ["3600000", "-1", "1"])
        admin.alter_configs([admin_of.ConfigResource(
            admin_of.ConfigResourceType.TOPIC, topic, {"retention.bytes": "1000000"})])
        self.assertEqual(configs(), ["604800000", "1000000", "9223372036854775807"])
        with self.assertRaises(errors.InvalidConfigurationError):
            admin.create_topics([admin_of.NewTopic(self.name("topic"), 1, 1, topic_configs={
                "retention.ms": "soon"})])


if __name__ == "__main__":
    unittest.main()
