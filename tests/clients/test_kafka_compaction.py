# SPDX-License-Identifier: Apache-2.0
"""Topics that keep the last value of each key, as clients see them."""

import subprocess
import time
import unittest

from tercet import SCALE, Broker, need_module, program, wait_for

kafka = need_module("kafka")
admin_of = need_module("kafka.admin")
errors = need_module("kafka.errors")
confluent = need_module("confluent_kafka")

KEYS = 30
EAGER = {"cleanup.policy": "compact", "segment.ms": "1", "segment.bytes": "1000",
         "min.cleanable.dirty.ratio": "0", "delete.retention.ms": "3600000"}


class Compacted(unittest.TestCase):
    DATA = True

    def setUp(self):
        self.broker = Broker(data=self.DATA, keep_ports=True)
        self.addCleanup(self.broker.close)
        self.broker.start()
        self.server = self.broker.server("kafka")

    def admin(self):
        admin = kafka.KafkaAdminClient(bootstrap_servers=self.server)
        self.addCleanup(admin.close)
        return admin

    def create(self, name, partitions=1, **config):
        config = {**EAGER, **{k.replace("_", "."): v for k, v in config.items()}}
        self.admin().create_topics([admin_of.NewTopic(name, partitions, 1, topic_configs=config)])

    def produce(self, topic, items, **options):
        """Sends (key, value) pairs; gives [(offset, key, value)]."""
        producer = kafka.KafkaProducer(bootstrap_servers=self.server, linger_ms=5, **options)
        sent = [(producer.send(topic, key=k, value=v), k, v) for k, v in items]
        producer.flush(20 * SCALE)
        producer.close()
        return [(future.get(20 * SCALE).offset, k, v) for future, k, v in sent]

    def read(self, topic):
        """All there is in partition 0, with kafka-python: [(offset, key, value)]."""
        at = kafka.TopicPartition(topic, 0)
        consumer = kafka.KafkaConsumer(bootstrap_servers=self.server,
                                       consumer_timeout_ms=int(20000 * SCALE))
        consumer.assign([at])
        consumer.seek_to_beginning(at)
        end, got = consumer.end_offsets([at])[at], []
        while consumer.position(at) < end:
            for records in consumer.poll(1000).values():
                got += [(r.offset, r.key, r.value) for r in records]
        consumer.close()
        return got

    def read_with_librdkafka(self, topic):
        consumer = confluent.Consumer({"bootstrap.servers": self.server, "group.id": "none",
                                       "enable.partition.eof": True,
                                       "enable.auto.commit": False})
        consumer.assign([confluent.TopicPartition(topic, 0, confluent.OFFSET_BEGINNING)])
        got, deadline = [], time.monotonic() + 30 * SCALE
        while True:
            self.assertLess(time.monotonic(), deadline, got)
            message = consumer.poll(0.2)
            if message is None:
                continue
            if message.error():
                self.assertEqual(message.error().code(), confluent.KafkaError._PARTITION_EOF)
                break
            got.append((message.offset(), message.key(), message.value()))
        consumer.close()
        return got

    @staticmethod
    def last_of(sent):
        last = {key: (offset, key, value) for offset, key, value in sent}
        return sorted(last.values())

    def await_compacted(self, topic, wanted):
        wait_for(lambda: self.read(topic) == wanted, 60, poll=0.2)

    def check_last_values(self):
        for codec in (None, "gzip", "lz4"):
            topic = "t-%s" % codec
            self.create(topic)
            sent = self.produce(topic, [(b"k%d" % (n * 7 % KEYS), b"value %d" % n * 5)
                                        for n in range(3000)], compression_type=codec)
            wanted = self.last_of(sent)
            self.assertEqual(len(wanted), KEYS)
            self.await_compacted(topic, wanted)
            self.assertEqual(self.read_with_librdkafka(topic), wanted)

    def check_deleted_keys(self):
        self.create("kept")
        self.create("short", delete_retention_ms="100")
        items = [(b"a", b"1"), (b"b", b"2"), (b"a", None), (b"c", b"3"), (b"b", b"4")]
        kept = self.last_of(self.produce("kept", items))
        self.await_compacted("kept", kept)
        self.assertIn((2, b"a", None), kept)
        short = self.last_of(self.produce("short", items))
        self.await_compacted("short", [s for s in short if s[2] is not None])
        self.assertEqual(self.read("kept"), kept)


class InMemory(Compacted):
    DATA = None

    def test_the_last_value_of_each_key_stays_at_its_offset(self):
        self.check_last_values()

    def test_a_deleted_key_is_seen_for_its_time_and_is_gone_then(self):
        self.check_deleted_keys()


class Compaction(Compacted):
    def test_the_last_value_of_each_key_stays_at_its_offset(self):
        self.check_last_values()

    def test_kills_and_more_values_between_passes_lose_nothing(self):
        self.create("t")
        sent = []
        for life in range(3):
            sent += self.produce("t", [(b"k%d" % (n % KEYS), b"%d of life %d" % (n, life))
                                       for n in range(500 + life)])
            self.assertEqual(sent[-1][0], len(sent) - 1)
            if life == 1:
                self.await_compacted("t", self.last_of(sent))
            self.broker.kill()
            self.broker.start()
        self.await_compacted("t", self.last_of(sent))
        self.broker.kill()
        self.broker.start()
        self.assertEqual(self.read("t"), self.last_of(sent))
        self.assertEqual(self.read_with_librdkafka("t"), self.last_of(sent))

    def test_a_deleted_key_is_seen_for_its_time_and_is_gone_then(self):
        self.check_deleted_keys()

    def test_a_record_without_a_key_is_refused(self):
        self.create("t")
        for codec in (None, "gzip"):
            with self.assertRaises(errors.InvalidRecordError if hasattr(
                    errors, "InvalidRecordError") else errors.KafkaError):
                self.produce("t", [(b"k", b"v"), (None, b"v")], compression_type=codec,
                             retries=0)

    def test_the_policy_is_shown_changed_and_checked(self):
        admin = self.admin()
        resource = admin_of.ConfigResource(admin_of.ConfigResourceType.TOPIC, "t")
        self.admin().create_topics([admin_of.NewTopic("t", 1, 1)])
        sent = self.produce("t", [(b"k", b"%d" % n) for n in range(100)])
        self.assertEqual(self.read("t"), sent)
        admin.alter_configs([admin_of.ConfigResource(admin_of.ConfigResourceType.TOPIC, "t",
                                                     configs=EAGER)])
        shown = {c[0]: c[1] for r in admin.describe_configs([resource])[0].resources
                 for c in r[4]}
        self.assertEqual(shown["cleanup.policy"], "compact")
        self.await_compacted("t", sent[-1:])
        with self.assertRaises(errors.KafkaError):
            self.admin().create_topics([admin_of.NewTopic(
                "u", 1, 1, topic_configs={"cleanup.policy": "shrink"})])

    def tool(self, *words, status=0):
        done = subprocess.run([program("tercet"), *words, "--data", self.broker.data],
                              capture_output=True, timeout=20 * SCALE, check=False)
        self.assertEqual(done.returncode, status, done)
        return done.stdout.decode() + done.stderr.decode()

    def test_the_tool_asks_for_a_pass_and_carries_the_policy_over(self):
        late = {"cleanup_policy": "compact", "segment_ms": "3600000",
                "segment_bytes": "1000000000"}
        self.create("t", **late)
        self.admin().create_topics([admin_of.NewTopic("plain", 1, 1)])
        sent = self.produce("t", [(b"k", b"%d" % n) for n in range(100)])
        self.assertEqual(self.read("t"), sent)
        self.tool("compact", "t")
        self.await_compacted("t", sent[-1:])
        self.assertIn("does not say", self.tool("compact", "plain", status=1))
        self.assertIn("no such", self.tool("compact", "none", status=1))
        told = self.tool("export")
        with Broker(data=True) as other:
            done = subprocess.run([program("tercet"), "import", "-", "--data", other.data],
                                  input=told.encode(), timeout=20 * SCALE, check=True,
                                  capture_output=True)
            self.assertEqual(done.returncode, 0)
            subprocess.run([program("tercet"), "compact", "t", "--data", other.data],
                           timeout=20 * SCALE, check=True)

    def test_retention_goes_on_beside_compaction_when_both_are_asked_for(self):
        self.create("t", cleanup_policy="compact,delete", retention_ms="1000")
        sent = self.produce("t", [(b"k%d" % n, b"v") for n in range(50)])
        self.assertEqual(sent[-1][0], 49)
        self.await_compacted("t", [])

    def test_a_queue_and_a_compacted_topic_keep_apart(self):
        pika = need_module("pika")
        self.create("compacted")
        connection = pika.BlockingConnection(pika.URLParameters(self.broker.url("amqp")))
        with self.assertRaises(pika.exceptions.ChannelClosedByBroker) as refused:
            connection.channel().queue_declare("compacted", durable=True)
        self.assertEqual(refused.exception.reply_code, 406)
        connection.channel().queue_declare("queue", durable=True)
        connection.close()
        with self.assertRaises(errors.KafkaError):
            self.check_altered("queue")

    def check_altered(self, topic):
        answer = self.admin().alter_configs([admin_of.ConfigResource(
            admin_of.ConfigResourceType.TOPIC, topic, configs=EAGER)])
        for code, *_ in answer.resources:
            if code != 0:
                raise errors.for_code(code)()


if __name__ == "__main__":
    unittest.main()
