# SPDX-License-Identifier: Apache-2.0
"""Stores that older versions wrote open, hold what they held, and go on; the old version's files
lie in tests/data. They were filled by Kafka, AMQP and MQTT clients in three lives of a broker, each
of which published 40, 20 and 10 messages; ten of the queue were acknowledged in the second."""

import os
import tarfile
import tempfile
import time
import unittest

import kafka
import paho.mqtt.client as mqtt
import pika

from tercet import SCALE, Broker

SECONDS = 20 * SCALE
DATA = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "data")
LIVES = range(3)


def value_of(life, i):
    return b"kafka %d/%d " % (life, i) + b"x" * (100 if i % 10 else 20000)


class Store(unittest.TestCase):

    def check_stream(self, b, added):
        consumer = kafka.KafkaConsumer(bootstrap_servers="127.0.0.1:%d" % b.port("kafka"),
                                       auto_offset_reset="earliest")
        parts = [kafka.TopicPartition("telemetry", p)
                 for p in consumer.partitions_for_topic("telemetry")]
        consumer.assign(parts)
        consumer.seek_to_beginning()
        wanted = {value_of(life, i): b"k%d" % (i % 7) for life in LIVES for i in range(40)}
        wanted.update((one, b"new") for one in added)
        found = {}
        deadline = time.monotonic() + SECONDS
        while len(found) < len(wanted) and time.monotonic() < deadline:
            for records in consumer.poll(1000).values():
                offsets = [r.offset for r in records]
                self.assertEqual(offsets, sorted(set(offsets)))
                found.update((r.value, r.key) for r in records)
        self.assertEqual(found, wanted)
        self.assertEqual(sum(consumer.end_offsets(parts).values()), len(wanted))
        consumer.close()

    def check_queue(self, b):
        """Leaves the queue as it was."""
        with pika.BlockingConnection(
                pika.ConnectionParameters("127.0.0.1", b.port("amqp"))) as connection:
            channel = connection.channel()
            self.assertEqual(channel.queue_declare("work", passive=True).method.message_count, 50)
            bodies, headers = [], []
            for method, properties, body in channel.consume("work", inactivity_timeout=SECONDS):
                self.assertIsNotNone(method, "the queue ended after %d" % len(bodies))
                bodies.append(body)
                headers.append(properties.headers["n"])
                if len(bodies) == 50:
                    break
        wanted = [(life, i) for life in LIVES for i in range(20)][10:]
        self.assertEqual(bodies, [b"amqp %d/%d" % one for one in wanted])
        self.assertEqual(headers, [i for _, i in wanted])

    def take_session(self, b, life):
        """What waited for the session: all that comes before the answer to its own message. The
        last life's mark may be among it. A socket closed over unread input is reset, which throws
        away the acknowledgements it has not sent yet: so that of its own message is awaited."""
        got = []
        published = []
        mark = b"mark %d" % life
        client = mqtt.Client(client_id="keeper", clean_session=False)
        client.on_message = lambda c, u, m: got.append(m.payload)
        client.on_publish = lambda c, u, mid: published.append(mid)
        client.on_connect = lambda c, u, f, code: c.publish("home/mark", mark, 1)
        self.assertEqual(client.connect("127.0.0.1", b.port("mqtt")), 0)
        deadline = time.monotonic() + SECONDS
        while (mark not in got or not published) and time.monotonic() < deadline:
            client.loop(0.1)
        client.disconnect()
        self.assertEqual(got.pop(), mark)
        return [one for one in got if not one.startswith(b"mark")]

    def check(self, kind):
        with tempfile.TemporaryDirectory() as folder:
            with tarfile.open(os.path.join(DATA, "store-format-1-%s.tar.xz" % kind)) as tar:
                tar.extractall(folder)
            added = []
            with Broker(data=folder) as b:
                for life in range(3):
                    self.check_stream(b, added)
                    self.check_queue(b)
                    got = self.take_session(b, life)
                    waiting = [b"mqtt 2/%d" % i for i in range(10)]
                    if life == 0:
                        self.assertEqual(got[-10:], waiting)
                    elif life == 1:  # the kill may have come before what was acknowledged was noted
                        self.assertEqual(got, waiting[len(waiting) - len(got):])
                    else:
                        self.assertEqual(got, [])
                    producer = kafka.KafkaProducer(
                        bootstrap_servers="127.0.0.1:%d" % b.port("kafka"))
                    added.append(b"added in life %d" % life)
                    producer.send("telemetry", key=b"new", value=added[-1]).get(SECONDS)
                    producer.close()
                    if life == 0:
                        b.kill()
                    else:
                        b.stop()
                    b.start()
                self.check_stream(b, added)

    def test_a_store_of_format_1_that_was_closed_opens_and_goes_on(self):
        self.check("closed")

    def test_a_store_of_format_1_that_was_killed_opens_and_goes_on(self):
        self.check("killed")


if __name__ == "__main__":
    unittest.main()
