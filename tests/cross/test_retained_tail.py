# SPDX-License-Identifier: Apache-2.0
"""A compacted topic of Kafka's, whose last values are MQTT's retained messages."""

import subprocess
import unittest

from tercet import Broker, need_module, program, wait_for

for _module in ("paho.mqtt.client", "pika", "kafka", "confluent_kafka"):
    need_module(_module)

import kafka  # noqa: E402 (after the check that its libraries are here)
import sides  # noqa: E402
from kafka import admin as kafka_admin  # noqa: E402
from sides import Note  # noqa: E402


class RetainedTail(unittest.TestCase):
    def setUp(self):
        self.broker = Broker(data=True, keep_ports=True)
        self.addCleanup(self.broker.close)
        self.broker.start()

    def admin(self):
        admin = kafka.KafkaAdminClient(bootstrap_servers=self.broker.server("kafka"))
        self.addCleanup(admin.close)
        return admin

    def create(self, topic, partitions=1):
        self.admin().create_topics([kafka_admin.NewTopic(
            topic, partitions, 1, topic_configs={"cleanup.policy": "compact"})])

    def set_policy(self, topic, policy):
        self.admin().alter_configs([kafka_admin.ConfigResource(
            kafka_admin.ConfigResourceType.TOPIC, topic, {"cleanup.policy": policy})])

    def produce(self, topic, items):
        producer = kafka.KafkaProducer(bootstrap_servers=self.broker.server("kafka"))
        for key, value in items:
            producer.send(topic, key=key, value=value)
        producer.flush(sides.SECONDS)
        producer.close()

    def retained(self, filter_, last):
        """{topic: value} that a new subscriber gets with the retain flag before it gets `last`,
        which is published to a topic of its own when it has subscribed."""
        got = {}
        with sides.Paho(self.broker, filter_=filter_) as reader:
            reader.client.subscribe("end/" + last, 1)
            reader.ready.get(timeout=sides.SECONDS)
            with sides.Paho(self.broker) as writer:
                writer.write(Note("end", last, b"."))
                writer.flush()
            while True:
                seen = reader.read()
                if seen.where == "end/" + last:
                    return got
                self.assertTrue(seen.raw.retain, seen.where)
                self.assertNotIn(seen.where, got)
                got[seen.where] = seen.value

    def publish(self, *items):
        with sides.Paho(self.broker) as mqtt:
            for subject, value in items:
                mqtt.write(Note("t", subject, value), retain=True)
                mqtt.flush()

    def records(self, topic):
        """{key: last value} as a consumer that reads all of it makes it up, and how many records
        there are."""
        consumer = kafka.KafkaConsumer(bootstrap_servers=self.broker.server("kafka"))
        at = [kafka.TopicPartition(topic, n) for n in consumer.partitions_for_topic(topic)]
        consumer.assign(at)
        consumer.seek_to_beginning(*at)
        end = consumer.end_offsets(at)
        last, count = {}, 0
        while any(consumer.position(p) < end[p] for p in at):
            for batch in consumer.poll(1000).values():
                count += len(batch)
                last.update({record.key: record.value for record in batch})
        consumer.close()
        return last, count

    def compact(self, topic):
        subprocess.run([program("tercet"), "compact", topic, "--data", self.broker.data],
                       check=True, stdout=subprocess.DEVNULL)

    def test_what_either_writes_is_retained_for_the_other_and_outlives_all(self):
        self.create("t", 2)
        self.produce("t", [(b"lamp/%d" % (n % 20), b"%d" % n) for n in range(400)])
        wanted = {"t/lamp/%d" % n: b"%d" % (380 + n) for n in range(20)}
        self.assertEqual(self.retained("t/#", "1"), wanted)
        self.publish(("lamp/3", b"mqtt"), ("lamp/4", b""), ("door", b"open"))
        self.produce("t", [(b"lamp/5", None), (b"lamp/6", b"again")])
        wanted.update({"t/lamp/3": b"mqtt", "t/door": b"open", "t/lamp/6": b"again"})
        del wanted["t/lamp/4"], wanted["t/lamp/5"]
        self.assertEqual(self.retained("t/#", "2"), wanted)
        self.assertEqual(self.retained("t/+", "3"), {"t/door": b"open"})
        last, count = self.records("t")
        self.assertEqual(count, 405)
        self.assertEqual({"t/" + key.decode(): value for key, value in last.items()
                          if value is not None}, wanted)
        self.assertIsNone(last[b"lamp/4"])
        self.broker.kill()
        self.broker.start()
        self.assertEqual(self.retained("t/#", "4"), wanted)
        self.compact("t")
        wait_for(lambda: self.records("t")[1] < 30, 60, poll=0.2)
        self.assertEqual(self.retained("t/#", "5"), wanted)
        self.broker.stop()
        self.broker.start()
        self.assertEqual(self.retained("#", "6"), wanted)

    def test_switching_the_policy_keeps_what_mqtt_retained(self):
        self.publish(("a", b"1"), ("b", b"2"))
        self.set_policy("t", "compact")
        self.assertEqual(self.retained("t/#", "1"), {"t/a": b"1", "t/b": b"2"})
        self.produce("t", [(b"b", None), (b"c", b"kafka")])
        self.publish(("a", b"3"))
        self.broker.kill()
        self.broker.start()
        self.assertEqual(self.retained("t/#", "2"), {"t/a": b"3", "t/c": b"kafka"})
        self.set_policy("t", "delete")
        self.assertEqual(self.retained("t/#", "3")["t/a"], b"3")
        wait_for(lambda: self.retained("t/#", "4") == {"t/a": b"3"}, 20)
        self.broker.kill()
        self.broker.start()
        self.assertEqual(self.retained("t/#", "5"), {"t/a": b"3"})


if __name__ == "__main__":
    unittest.main()
