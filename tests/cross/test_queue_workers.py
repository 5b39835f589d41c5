# SPDX-License-Identifier: Apache-2.0
"""A queue is a stream: workers of AMQP and MQTT compete on it, Kafka reads what they consumed."""

import threading
import time
import unittest
import uuid

from tercet import BrokerCase, need_module, wait_for

for _module in ("paho.mqtt.client", "pika", "kafka", "confluent_kafka"):
    need_module(_module)

import sides  # noqa: E402 (after the check that its libraries are here)
from sides import Note  # noqa: E402


class AmqpWorker(threading.Thread):
    """Handles and acknowledges each message of a queue until it is stopped."""

    def __init__(self, broker, queue, pause=0.0):
        super().__init__(daemon=True)
        self.broker, self.queue, self.pause = broker, queue, pause
        self.handled = []
        self.stopping = False
        self.start()

    def run(self):
        with sides.Pika(self.broker) as side:
            side.channel.basic_qos(prefetch_count=10)
            for method, _, body in side.channel.consume(self.queue, inactivity_timeout=0.05):
                if self.stopping:
                    break
                if method is not None:
                    time.sleep(self.pause)
                    self.handled.append((body, method.redelivered))
                    side.channel.basic_ack(method.delivery_tag)

    def stop(self):
        self.stopping = True
        self.join()


class MqttWorker(sides.Paho):
    """Handles each message of `$queue/NAME`; the library acknowledges it after on_message."""

    def __init__(self, broker, queue, pause=0.0, **options):
        self.handled = []
        self.pause = pause
        self.hold = None
        super().__init__(broker, filter_="$queue/" + queue, **options)

    def on_message(self, client, userdata, message):
        if self.hold is not None:
            self.held.set()
            self.hold.wait()
            return
        time.sleep(self.pause)
        self.handled.append((message.payload, message.dup))


class Workers(BrokerCase):
    def queue(self, **options):
        """Declares a durable queue; gives its name and the side that declared it."""
        side = sides.Pika(self.broker)
        self.addCleanup(side.__exit__)
        name = "orders-" + uuid.uuid4().hex[:12]
        side.queue = side.channel.queue_declare(name, durable=True, **options).method.queue
        return name, side

    def depth(self, side):
        return side.channel.queue_declare(side.queue, passive=True).method.message_count

    def publish_all_ways(self, name, count):
        """`count` messages by each protocol into the queue of that name."""
        with sides.Pika(self.broker) as amqp, sides.Paho(self.broker) as mqtt, \
                sides.KafkaPython(self.broker) as kafka:
            for number in range(count):
                amqp.write(Note(name, None, b"amqp %d" % number), exchange="", routing_key=name)
                mqtt.write(Note(name, None, b"mqtt %d" % number))
                kafka.write(Note(name, "key", b"kafka %d" % number))
            mqtt.flush()
            kafka.flush()
        return {b"%s %d" % (word, number) for word in (b"amqp", b"mqtt", b"kafka")
                for number in range(count)}

    def test_each_message_is_handled_once_by_competing_workers(self):
        name, side = self.queue()
        amqp = AmqpWorker(self.broker, name, 0.001)
        mqtt = MqttWorker(self.broker, name, 0.001)
        self.addCleanup(amqp.stop)
        self.addCleanup(mqtt.__exit__)
        expected = self.publish_all_ways(name, 200)
        wait_for(lambda: len(amqp.handled) + len(mqtt.handled) >= len(expected), 30,
                 "all messages handled")
        wait_for(lambda: self.depth(side) == 0)
        bodies = [body for body, _ in amqp.handled + mqtt.handled]
        self.assertEqual(len(bodies), len(expected))
        self.assertEqual(set(bodies), expected)
        self.assertGreater(len(amqp.handled), 0)
        self.assertGreater(len(mqtt.handled), 0)

    def test_what_all_protocols_write_is_in_the_queue_and_in_the_topic(self):
        name, side = self.queue()
        expected = self.publish_all_ways(name, 20)
        wait_for(lambda: self.depth(side) == len(expected))
        self.assertEqual({side.read().value for _ in expected}, expected)
        with sides.KafkaPython(self.broker, name) as kafka:
            self.assertEqual({kafka.read().value for _ in expected}, expected)

    def test_a_group_reads_what_amqp_has_consumed(self):
        name, side = self.queue()
        for number in range(50):
            side.write(Note(name, None, b"%d" % number, [("n", str(number))]), exchange="",
                       routing_key=name)
        for number in range(50):
            self.assertEqual(side.read().value, b"%d" % number)
        self.assertEqual(self.depth(side), 0)
        for library in (sides.Confluent, sides.KafkaPython):
            with self.subTest(library=library.__name__):
                more = {} if library is sides.Confluent else {"group_id": "late-" + name}
                with library(self.broker, name, **more) as kafka:
                    seen = [kafka.read() for _ in range(50)]
                self.assertEqual([int(one.value) for one in seen], list(range(50)))
                self.assertEqual([dict(one.headers)["n"] for one in seen],
                                 [str(number) for number in range(50)])
                self.assertEqual({one.where for one in seen}, {(name, None)})

    def test_a_worker_that_died_leaves_its_message_to_the_other(self):
        name, side = self.queue()
        dying = MqttWorker(self.broker, name)
        dying.hold, dying.held = threading.Event(), threading.Event()
        side.write(Note(name, None, b"x"), exchange="", routing_key=name)
        self.assertTrue(dying.held.wait(sides.SECONDS), "the MQTT worker got nothing")
        self.assertEqual(self.depth(side), 0)
        dying.client._sock_close()
        dying.hold.set()
        method, _, body = side.read().raw
        self.assertEqual((body, method.redelivered), (b"x", True))
        dying.__exit__()

    def test_an_unacknowledged_message_of_amqp_goes_to_mqtt(self):
        name, side = self.queue()
        side.write(Note(name, None, b"x"), exchange="", routing_key=name)
        dying = sides.Pika(self.broker)
        wait_for(lambda: dying.channel.basic_get(name)[0])
        other = MqttWorker(self.broker, name)
        self.addCleanup(other.__exit__)
        time.sleep(0.2)
        self.assertEqual(other.handled, [])
        dying.connection.close()
        wait_for(lambda: other.handled)
        self.assertEqual([body for body, _ in other.handled], [b"x"])
        wait_for(lambda: self.depth(side) == 0)

    def test_two_mqtt_workers_share_too(self):
        name, side = self.queue()
        workers = [MqttWorker(self.broker, name, 0.001) for _ in range(2)]
        for worker in workers:
            self.addCleanup(worker.__exit__)
        expected = self.publish_all_ways(name, 50)
        wait_for(lambda: sum(len(worker.handled) for worker in workers) >= len(expected), 30)
        wait_for(lambda: self.depth(side) == 0)
        bodies = [body for worker in workers for body, _ in worker.handled]
        self.assertEqual(sorted(bodies), sorted(expected))
        self.assertTrue(all(worker.handled for worker in workers))

    def test_a_binding_of_the_shared_exchange_gets_mqtt_and_kafka(self):
        name, side = self.queue()
        stream = "readings-" + uuid.uuid4().hex[:8]
        side.channel.queue_bind(name, "amq.topic", stream + ".*.temp")
        with sides.Paho(self.broker) as mqtt, sides.KafkaPython(self.broker) as kafka:
            mqtt.write(Note(stream, "d1/temp", b"1"))
            mqtt.flush()
            kafka.write(Note(stream, "d2/temp", b"2"))
            kafka.flush()
            mqtt.write(Note(stream, "d1/humidity", b"no"))
            mqtt.write(Note(stream, "d3/temp", b"3"))
            mqtt.flush()
        seen = [side.read() for _ in range(3)]
        self.assertEqual([one.value for one in seen], [b"1", b"2", b"3"])
        self.assertEqual([one.where for one in seen],
                         [stream + ".d1.temp", stream + ".d2.temp", stream + ".d3.temp"])
        # What entered the queue is in the queue's own topic.
        with sides.KafkaPython(self.broker, name) as kafka:
            self.assertEqual([kafka.read().value for _ in range(3)], [b"1", b"2", b"3"])


class Restart(BrokerCase):
    broker_options = {"data": True}

    def test_queue_session_and_topic_outlive_the_broker(self):
        name = "orders-" + uuid.uuid4().hex[:12]
        with sides.Pika(self.broker) as amqp, sides.KafkaPython(self.broker) as kafka:
            amqp.channel.queue_declare(name, durable=True)
            session = sides.mqtt.Client("keeper", clean_session=False)
            granted = threading.Event()
            session.on_connect = lambda *arguments: session.subscribe("kept/#", 1)
            session.on_subscribe = lambda *arguments: granted.set()
            session.connect(*self.broker.address("mqtt"))
            session.loop_start()
            self.assertTrue(granted.wait(sides.SECONDS))
            session.disconnect()
            session.loop_stop()
            for number in range(20):
                amqp.write(Note(name, None, b"%d" % number), exchange="", routing_key=name)
                kafka.write(Note("kept", "k", b"%d" % number))
            kafka.flush()
        self.broker.stop()
        self.broker.start()
        with sides.Pika(self.broker, queue_name=name) as amqp:
            self.assertEqual([int(amqp.read().value) for _ in range(20)], list(range(20)))
        got = []
        session = sides.mqtt.Client("keeper", clean_session=False)
        session.on_message = lambda c, u, message: got.append(message)
        session.connect(*self.broker.address("mqtt"))
        session.loop_start()
        try:
            wait_for(lambda: len(got) >= 20)
        finally:
            session.disconnect()
            session.loop_stop()
        self.assertEqual([(m.topic, int(m.payload)) for m in got],
                         [("kept/k", number) for number in range(20)])
        for topic in (name, "kept"):
            with sides.KafkaPython(self.broker, topic) as kafka:
                self.assertEqual([int(kafka.read().value) for _ in range(20)], list(range(20)))


if __name__ == "__main__":
    unittest.main()
