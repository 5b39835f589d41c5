# SPDX-License-Identifier: Apache-2.0
"""What the three words of durability promise: a confirm comes when it was asked for and not before,
and a killed broker has lost nothing that `always` or `interval` confirmed."""

import http.client
import json
import os
import socket
import time
import unittest

from mqtt_raw import PUBACK, Client, publish
from tercet import Broker, need_module

pika = need_module("pika")
kafka = need_module("kafka")
admin_of = need_module("kafka.admin")

COUNT = 40
# Nothing is synced by the clock while the test runs.
CONFIG = ("sync_interval = 1h\n[stream synced*]\ndurability = always\n"
          "[stream written*]\ndurability = interval\n")


class Door(http.client.HTTPConnection):
    def __init__(self, broker):
        super().__init__("localhost", timeout=20)
        self.path = os.path.join(broker.data, "admin.sock")

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


def syncs(broker):
    door = Door(broker)
    door.request("GET", "/api/overview")
    counters = json.loads(door.getresponse().read())["counters"]
    door.close()
    return counters["store_syncs_total"]


class Publisher:
    """One of each protocol; sends one at a time, and each is confirmed before the next."""

    def __init__(self, broker, case):
        self.mqtt = case.enterContext(Client(broker.address("mqtt"), version=4, seconds=20))
        self.mqtt.connect("publisher")
        self.connection = pika.BlockingConnection(
            pika.ConnectionParameters(*broker.address("amqp"), heartbeat=0))
        self.channel = self.connection.channel()
        self.channel.confirm_delivery()
        self.producer = kafka.KafkaProducer(bootstrap_servers=broker.server("kafka"), acks="all",
                                            linger_ms=0)
        case.addCleanup(self.producer.close, 0)

    def send_mqtt(self, stream):
        for number in range(COUNT):
            self.mqtt.send(publish(stream, b"mqtt %d" % number, 1, number + 1, version=4))
            assert self.mqtt.expect(PUBACK).pid == number + 1

    def send_amqp(self, queue):
        for number in range(COUNT):
            self.channel.basic_publish("", queue, b"amqp %d" % number,
                                       pika.BasicProperties(delivery_mode=2))

    def send_kafka(self, topic):
        for number in range(COUNT):
            self.producer.send(topic, b"kafka %d" % number).get(20)


def stored(broker, topic):
    consumer = kafka.KafkaConsumer(bootstrap_servers=broker.server("kafka"),
                                   consumer_timeout_ms=20000, enable_auto_commit=False)
    part = kafka.TopicPartition(topic, 0)
    consumer.assign([part])
    consumer.seek_to_beginning(part)
    count = consumer.end_offsets([part])[part]
    values = [next(consumer).value for _ in range(count)]
    consumer.close()
    return values


def is_written(broker, text):
    """In a file of the store, without asking the broker: it might act because it was asked."""
    for folder, _, names in os.walk(broker.data):
        for name in names:
            try:
                with open(os.path.join(folder, name), "rb") as file:
                    if text in file.read():
                        return True
            except OSError:  # a socket, or just gone
                pass
    return False


class Durability(unittest.TestCase):
    def setUp(self):
        self.broker = self.enterContext(Broker(data=True, config=CONFIG))
        self.publisher = Publisher(self.broker, self)

    def make(self, word):
        """Streams whose confirms promise that, each set by another protocol's way."""
        admin = kafka.KafkaAdminClient(bootstrap_servers=self.broker.server("kafka"))
        admin.create_topics([admin_of.NewTopic(word + "-kafka", 1, 1, topic_configs=(
            {"flush.messages": "1"} if word == "synced" else {"flush.ms": "3600000"}))])
        admin.close()
        self.publisher.channel.queue_declare("by-%s-amqp" % word, durable=True, arguments={
            "x-durability": "always" if word == "synced" else "interval"})
        self.publisher.send_mqtt(word + "-mqtt")  # made by the first
        return ((self.publisher.send_mqtt, word + "-mqtt", b"mqtt"),
                (self.publisher.send_amqp, "by-%s-amqp" % word, b"amqp"),
                (self.publisher.send_kafka, word + "-kafka", b"kafka"))

    def test_always_is_confirmed_after_a_sync(self):
        for send, stream, _ in self.make("synced"):
            before = syncs(self.broker)
            send(stream)
            self.assertGreaterEqual(syncs(self.broker) - before, COUNT, stream)

    def test_interval_is_confirmed_before_and_outlives_a_kill(self):
        ways = self.make("written")
        for send, stream, _ in ways:
            before = syncs(self.broker)
            send(stream)
            self.assertLess(syncs(self.broker) - before, COUNT // 4, stream)
        self.broker.kill()
        self.broker.start()
        for _, stream, who in ways:
            want = [b"%s %d" % (who, number) for number in range(COUNT)]
            got = stored(self.broker, stream)
            self.assertEqual(got, want * (2 if who == b"mqtt" else 1), stream)

    def test_a_kill_takes_what_was_only_held_from_the_end_alone(self):
        admin = kafka.KafkaAdminClient(bootstrap_servers=self.broker.server("kafka"))
        admin.create_topics([admin_of.NewTopic("held-kafka", 1, 1, topic_configs={
            "tercet.durability": "memory"})])
        admin.close()
        self.publisher.send_kafka("synced-kafka")
        self.publisher.send_kafka("held-kafka")
        self.broker.kill()
        self.broker.start()
        sent = [b"kafka %d" % number for number in range(COUNT)]
        self.assertEqual(stored(self.broker, "synced-kafka"), sent)
        got = stored(self.broker, "held-kafka")
        self.assertEqual(got, sent[:len(got)])
        Publisher(self.broker, self).send_kafka("held-kafka")
        self.assertEqual(stored(self.broker, "held-kafka"), got + sent)

    def test_what_nobody_waits_for_is_written_though_nothing_follows(self):
        text = b"nobody waits for " + os.urandom(8).hex().encode()
        self.publisher.mqtt.send(publish("written-alone", text, 0, version=4))
        deadline = time.monotonic() + 20
        while not is_written(self.broker, text):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.01)
        self.broker.kill()
        self.broker.start()
        self.assertEqual(stored(self.broker, "written-alone"), [text])

    def test_what_is_only_held_is_confirmed_too(self):
        self.publisher.channel.queue_declare("held", durable=True,
                                             arguments={"x-durability": "memory"})
        before = syncs(self.broker)
        self.publisher.send_amqp("held")
        self.assertLess(syncs(self.broker) - before, COUNT // 4)
        self.broker.stop()  # an end in order writes it all
        self.broker.start()
        self.assertEqual(len(stored(self.broker, "held")), COUNT)


if __name__ == "__main__":
    unittest.main()
