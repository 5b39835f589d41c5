# SPDX-License-Identifier: Apache-2.0
"""One stream under all protocols: partitions, compression, what is listed, floods and backlogs."""

import json
import subprocess
import threading
import unittest
import uuid

from tercet import SCALE, BrokerCase, need_module, wait_for

for _module in ("paho.mqtt.client", "pika", "kafka", "confluent_kafka"):
    need_module(_module)

import sides  # noqa: E402 (after the check that its libraries are here)
from confluent_kafka import admin as confluent_admin  # noqa: E402
from sides import Note  # noqa: E402


def name():
    return "s" + uuid.uuid4().hex[:12]


class Streams(BrokerCase):
    def create(self, topic, partitions):
        admin = confluent_admin.AdminClient({"bootstrap.servers": self.broker.server("kafka")})
        admin.create_topics([confluent_admin.NewTopic(topic, partitions, 1)])[topic].result(
            sides.SECONDS)

    def topics(self):
        admin = confluent_admin.AdminClient({"bootstrap.servers": self.broker.server("kafka")})
        return set(admin.list_topics(timeout=sides.SECONDS).topics)

    def test_equal_keys_meet_in_one_partition_whoever_writes(self):
        stream = name()
        self.create(stream, 7)
        with sides.Paho(self.broker) as mqtt, sides.Pika(self.broker) as amqp, \
                sides.KafkaPython(self.broker) as kafka:
            for key in range(40):
                for side in (mqtt, amqp, kafka):
                    side.write(Note(stream, "device/%d" % key, b"x"))
                    side.flush()
        places = {}
        with sides.KafkaPython(self.broker, stream) as reader:
            for _ in range(120):
                message = reader.read().raw
                places.setdefault(message.key, []).append(message.partition)
        self.assertEqual(len(places), 40)
        self.assertEqual({key: (len(parts), len(set(parts))) for key, parts in places.items()},
                         {key: (3, 1) for key in places})
        self.assertGreater(len({parts[0] for parts in places.values()}), 3)

    def test_compressed_batches_are_read_by_all(self):
        for kind in ("none", "gzip", "snappy", "lz4", "zstd"):
            with self.subTest(compression=kind):
                stream = name()
                with sides.Paho(self.broker, stream) as mqtt, \
                        sides.Pika(self.broker, stream) as amqp:
                    producer = sides.confluent_kafka.Producer({
                        "bootstrap.servers": self.broker.server("kafka"), "linger.ms": 50,
                        "compression.type": kind})
                    for number in range(200):
                        producer.produce(stream, b"value %d " % number * 20, b"k/%d" % (number % 3),
                                         headers=[("n", str(number))])
                    self.assertEqual(producer.flush(sides.SECONDS), 0)
                    for number in range(200):
                        for side, where in ((mqtt, "%s/k/%d"), (amqp, "%s.k.%d")):
                            seen = side.read()
                            self.assertEqual(seen.value, b"value %d " % number * 20)
                            self.assertEqual(seen.where, where % (stream, number % 3))
                            self.assertEqual(dict(seen.headers)["n"], str(number))

    def test_only_what_lasts_and_has_a_name_is_a_topic(self):
        stream, queue = name(), name() + " with space"
        with sides.Paho(self.broker) as mqtt, sides.Pika(self.broker) as amqp:
            mqtt.write(Note(stream, "x", b"x"))
            mqtt.flush()
            channel = amqp.channel
            channel.queue_declare(queue, durable=True)
            hidden = [channel.queue_declare("", exclusive=True).method.queue,
                      channel.queue_declare(name(), exclusive=True).method.queue,
                      channel.queue_declare(name(), auto_delete=True).method.queue]
            topics = self.topics()
            self.assertIn(stream, topics)
            self.assertIn(queue.replace(" ", "_x20"), topics)
            self.assertFalse(topics & set(hidden))
            channel.queue_delete(queue)

    def test_a_message_enters_a_queue_once_however_many_ways_match(self):
        queue = name()
        with sides.Pika(self.broker) as amqp, sides.Paho(self.broker) as mqtt, \
                sides.KafkaPython(self.broker) as kafka:
            amqp.queue = amqp.channel.queue_declare(queue, durable=True).method.queue
            for key in (queue + ".#", "#", queue, queue + ".*"):
                amqp.channel.queue_bind(queue, "amq.topic", key)
            mqtt.write(Note(queue, "a", b"mqtt"))
            mqtt.flush()
            kafka.write(Note(queue, "a", b"kafka"))
            kafka.flush()
            amqp.write(Note(queue, "a", b"amqp"))
            amqp.write(Note(queue, None, b"direct"), exchange="", routing_key=queue)
            self.assertEqual([amqp.read().value for _ in range(4)],
                             [b"mqtt", b"kafka", b"amqp", b"direct"])
            self.assertIsNone(amqp.channel.basic_get(queue)[0])
            amqp.channel.queue_delete(queue)

    def test_what_bindings_lead_to_the_shared_exchange_is_shared(self):
        stream, exchange = name(), name()
        session = sides.mqtt.Client("away-" + stream, clean_session=False)
        granted, got = threading.Event(), []
        session.on_connect = lambda c, *arguments: c.subscribe(stream + "/#", 1)
        session.on_subscribe = lambda *arguments: granted.set()
        session.on_message = lambda c, u, message: got.append((message.topic, message.payload))
        session.connect(*self.broker.address("mqtt"))
        session.loop_start()
        self.assertTrue(granted.wait(sides.SECONDS))
        session.disconnect()
        session.loop_stop()
        with sides.Pika(self.broker) as amqp, sides.Paho(self.broker, stream) as live:
            amqp.channel.exchange_declare(exchange, "fanout", auto_delete=True)
            amqp.channel.exchange_bind("amq.topic", exchange, "")
            amqp.write(Note(stream, "k", b"1"), exchange=exchange)
            amqp.write(Note(stream, "k", b"2", [("CC", [stream + ".other", stream + ".k"])]))
            self.assertEqual([live.read().value for _ in range(2)], [b"1", b"2"])
            amqp.write(Note(stream, "end", b"3"))
            self.assertEqual(live.read().where, stream + "/end")  # the second came once
        with sides.KafkaPython(self.broker, stream) as log:
            self.assertEqual([log.read().where for _ in range(3)],
                             [(stream, "k"), (stream, "k"), (stream, "end")])
        session.connect(*self.broker.address("mqtt"))
        session.loop_start()
        wait_for(lambda: len(got) == 3, what="what the session missed")
        session.disconnect()
        session.loop_stop()
        self.assertEqual(got, [(stream + "/k", b"1"), (stream + "/k", b"2"),
                               (stream + "/end", b"3")])

    def test_large_values_cross(self):
        value = bytes(range(256)) * 12000
        for writer, reader in ((sides.Paho, sides.Pika), (sides.Pika, sides.Paho),
                               (sides.Paho, sides.KafkaPython), (sides.Pika, sides.KafkaPython)):
            with self.subTest(writer=writer.__name__, reader=reader.__name__):
                stream = name()
                with sides.Pika(self.broker, stream) if reader is sides.Pika else \
                        sides.Paho(self.broker, stream) as live:
                    with writer(self.broker) as out:
                        out.write(Note(stream, "k", value))
                        out.flush()
                    self.assertEqual(live.read().value, value)
                if reader is sides.KafkaPython:
                    with sides.KafkaPython(self.broker, stream) as log:
                        self.assertEqual(log.read().value, value)

    def test_a_flood_of_qos_0_is_logged_and_delivered_in_order(self):
        stream, count = name(), 5000
        with sides.Paho(self.broker, stream) as reader, sides.Paho(self.broker) as writer:
            for number in range(count):
                writer.write(Note(stream, "k", b"%d" % number), qos=0)
            writer.write(Note(stream, "k", b"%d" % count), qos=1)
            writer.flush()
            got = [int(reader.read().value) for _ in range(count + 1)]
        self.assertEqual(got, list(range(count + 1)))
        with sides.Confluent(self.broker, stream) as log:
            got = [int(log.read().value) for _ in range(count + 1)]
        self.assertEqual(got, list(range(count + 1)))

    def test_many_subscribers_of_both_kinds_of_one_kafka_topic(self):
        stream = name()
        readers = [sides.Paho(self.broker, stream) for _ in range(10)]
        readers += [sides.Pika(self.broker, stream) for _ in range(10)]
        for reader in readers:
            self.addCleanup(reader.__exit__)
        with sides.Confluent(self.broker) as writer:
            for number in range(200):
                writer.write(Note(stream, "k", b"%d" % number))
            writer.flush()
        for reader in readers:
            self.assertEqual([int(reader.read().value) for _ in range(200)], list(range(200)))


class Backlog(BrokerCase):
    """More than a queue or a session keeps in memory: it is read from the log."""

    broker_options = {"data": True,
                      "config": "segment_first = 4m\nsegment_max = 4m\ncache = 1m\n"}
    count = 12000

    def fill(self, stream):
        with sides.Confluent(self.broker) as writer:
            for number in range(self.count):
                writer.write(Note(stream, "k/%d" % (number % 10), b"%06d " % number * 100))
                writer.producer.poll(0)
            writer.flush()

    def test_a_long_queue_is_consumed_whole_and_in_order(self):
        queue = name()
        with sides.Pika(self.broker) as amqp:
            amqp.channel.queue_declare(queue, durable=True)
            self.fill(queue)
            wait_for(lambda: amqp.channel.queue_declare(
                queue, passive=True).method.message_count == self.count)
            amqp.channel.basic_qos(prefetch_count=500)
            number = 0
            for method, _, body in amqp.channel.consume(queue, inactivity_timeout=sides.SECONDS):
                self.assertIsNotNone(method, "stopped at %d" % number)
                self.assertEqual(body, b"%06d " % number * 100)
                number += 1
                if number % 100 == 0:
                    amqp.channel.basic_ack(method.delivery_tag, multiple=True)
                if number == self.count:
                    break
            self.assertEqual(amqp.channel.queue_declare(queue, passive=True).method.message_count,
                             0)

    def test_a_session_that_was_away_gets_everything_in_order(self):
        stream, client = name(), "away-" + name()
        granted, done, got = threading.Event(), threading.Event(), []

        def session(on_connect):
            one = sides.mqtt.Client(client, clean_session=False)
            one.on_connect = on_connect
            one.on_subscribe = lambda *arguments: granted.set()
            one.on_message = lambda c, u, message: (got.append(message), len(got) == self.count
                                                    and done.set())
            one.connect(*self.broker.address("mqtt"))
            one.loop_start()
            return one

        first = session(lambda c, *arguments: c.subscribe(stream + "/#", 1))
        self.assertTrue(granted.wait(sides.SECONDS))
        first.disconnect()
        first.loop_stop()
        self.fill(stream)
        self.broker.stop()
        self.broker.start()
        second = session(lambda *arguments: None)
        try:
            self.assertTrue(done.wait(4 * sides.SECONDS), "%d came" % len(got))
        finally:
            second.disconnect()
            second.loop_stop()
        self.assertEqual([int(message.payload[:6]) for message in got], list(range(self.count)))
        self.assertEqual({message.topic for message in got},
                         {"%s/k/%d" % (stream, number) for number in range(10)})

    @unittest.skipIf(SCALE > 1, "a sanitizer's own memory would be measured")
    def test_memory_stays_bounded_while_nobody_reads(self):
        queue = name()
        with sides.Pika(self.broker) as amqp:
            amqp.channel.queue_declare(queue, durable=True)
            self.fill(queue)
            before = self.broker.rss()
            self.fill(queue)
            self.fill(queue)
            # Twice 8.4 MB were written; what waits is in the log and not in memory.
            self.assertLess(self.broker.rss() - before, 12 << 20)
            amqp.channel.queue_delete(queue)


class Tools(BrokerCase):
    def test_kcat_shows_what_amqp_wrote_as_json(self):
        if not sides.shutil.which("kcat"):
            self.skipTest("kcat is not installed")
        stream = name()
        with sides.Pika(self.broker) as amqp:
            amqp.write(Note(stream, "k", b'{"a": 1}', [("colour", "red")], "application/json"))
        done = subprocess.run(["kcat", "-q", "-b", self.broker.server("kafka"), "-C", "-t", stream,
                               "-e", "-J"], stdout=subprocess.PIPE, check=True, timeout=20)
        told = json.loads(done.stdout.decode("utf-8", "replace"))
        self.assertEqual((told["key"], told["payload"]), ("k", '{"a": 1}'))
        flat = told["headers"]
        pairs = dict(zip(flat[::2], flat[1::2]))
        self.assertEqual((pairs["colour"], pairs["content-type"]), ("red", "application/json"))


if __name__ == "__main__":
    unittest.main()
