# SPDX-License-Identifier: Apache-2.0
"""$queue/NAME: MQTT clients among the competing consumers of an AMQP queue."""

import unittest

import mqtt_raw as m
from mqtt_case import MqttCase
from tercet import need_module

pika = need_module("pika")

KEEP = {"clean": False, "props": [(m.SESSION_EXPIRY, 3600)]}


class Queue(MqttCase):

    def setUp(self):
        super().setUp()
        host, port = self.broker.address("amqp")
        self.amqp = pika.BlockingConnection(pika.ConnectionParameters(host, port))
        self.addCleanup(self.amqp.close)
        self.channel = self.amqp.channel()
        self.channel.confirm_delivery()

    def queue(self, name=None):
        name = name or self.name("q")
        self.channel.queue_declare(name, durable=True)
        return name

    def put(self, queue, *bodies, **properties):
        for body in bodies:
            self.channel.basic_publish("", queue, body, pika.BasicProperties(**properties))

    def worker(self, queue, qos=1, **options):
        client = self.client(**options)
        self.assertEqual(client.subscribe(("$queue/" + queue, qos)), [min(qos, 1)])
        return client

    def ready(self, queue):
        return self.channel.queue_declare(queue, passive=True).method.message_count

    def test_a_queue_that_is_not_there_is_refused(self):
        self.assertEqual(self.client().subscribe("$queue/no-such-queue"), [0x8f])
        self.assertEqual(self.client(version=4).subscribe("$queue/no-such-queue"), [0x80])

    def test_messages_come_in_order_with_their_properties(self):
        queue = self.queue()
        self.put(queue, b"1", b"2", content_type="text/plain", correlation_id="c",
                 headers={"k": "v"})
        worker = self.worker(queue)
        for body in (b"1", b"2"):
            found = worker.take(queue, body)
            self.assertEqual(found.qos, 1)
            self.assertEqual(found.prop(m.CONTENT_TYPE), "text/plain")
            self.assertEqual(found.prop(m.CORRELATION), b"c")
            self.assertIn(("k", "v"), found.all(m.USER))
        worker.sync()
        self.assertEqual(self.ready(queue), 0)

    def test_qos_0_settles_at_once(self):
        queue = self.queue()
        self.put(queue, b"1", b"2")
        worker = self.worker(queue, 0)
        for body in (b"1", b"2"):
            self.assertEqual(worker.take(queue, body).qos, 0)
        worker.close()
        self.worker(queue, 0).nothing()

    def test_mqtt_and_amqp_workers_share_a_queue(self):
        queue = self.queue()
        workers = [self.worker(queue, props=[(m.RECEIVE_MAX, 5)]) for _ in range(2)]
        seen = []
        other = self.amqp.channel()
        other.basic_qos(prefetch_count=5)

        def on_message(channel, method, properties, body):
            seen.append(body)
            channel.basic_ack(method.delivery_tag)

        other.basic_consume(queue, on_message)
        wanted = [b"%d" % i for i in range(300)]
        self.put(queue, *wanted)
        shares = [0, 0]
        while len(seen) < len(wanted):
            before = len(seen)
            self.amqp.process_data_events(0.05)
            for i, worker in enumerate(workers):
                for found in worker.sync():
                    seen.append(found.payload)
                    shares[i] += 1
                    worker.send(m.ack(m.PUBACK, found.pid))
            if len(seen) == before:
                self.amqp.process_data_events(0.1)
        self.assertEqual(sorted(seen), sorted(wanted))
        self.assertGreater(shares[0], 0)
        self.assertGreater(shares[1], 0)
        for worker in workers:
            worker.nothing()

    def test_what_a_worker_does_not_settle_goes_to_another(self):
        queue = self.queue()
        self.put(queue, b"1")
        first = self.worker(queue)
        first.expect_publish(queue, b"1")
        second = self.worker(queue)
        second.nothing()
        first.close()
        self.assertFalse(second.take(queue, b"1").dup)  # this client never saw it before
        second.sync()
        self.put(queue, b"no")
        found = second.expect_publish(queue, b"no")
        second.send(m.ack(m.PUBACK, found.pid, 0x80))  # rejected: done, not handed to others
        second.sync()
        self.worker(queue).nothing()
        self.assertEqual(self.ready(queue), 0)

    def test_unsubscribing_leaves_the_queue(self):
        queue = self.queue()
        worker = self.worker(queue)
        worker.send(m.unsubscribe(3, ["$queue/" + queue, "$queue/other"]))
        self.assertEqual(worker.expect(m.UNSUBACK).codes, [0, 0x11])
        self.put(queue, b"1")
        worker.nothing()
        self.assertEqual(self.ready(queue), 1)

    def test_subscribing_again_replaces(self):
        queue = self.queue()
        worker = self.worker(queue)
        self.assertEqual(worker.subscribe(("$queue/" + queue, 0), props=[(m.SUB_ID, 9)]), [0])
        self.put(queue, b"1")
        found = worker.take(queue, b"1")
        self.assertEqual((found.qos, found.all(m.SUB_ID)), (0, [9]))
        worker.nothing()

    def test_a_kept_session_consumes_again(self):
        queue, name = self.queue(), self.name("id")
        worker = self.worker(queue, client_id=name, **KEEP)
        worker.send(m.disconnect())
        worker.ended()
        self.put(queue, b"1")
        self.assertEqual(self.ready(queue), 1)  # nobody is there: the queue keeps it
        worker = self.client(name, **KEEP)
        self.assertTrue(worker.connack.present)
        worker.take(queue, b"1")

    def test_a_deleted_queue_ends_the_consumer_and_nothing_else(self):
        queue = self.queue()
        worker = self.worker(queue)
        worker.subscribe("still/here")
        self.channel.queue_delete(queue)
        worker.publish("still/here", b"x")
        worker.take("still/here", b"x")
        worker.send(m.unsubscribe(3, ["$queue/" + queue]))
        self.assertEqual(worker.expect(m.UNSUBACK).codes, [0])

    def test_a_name_with_a_slash_is_escaped(self):
        queue = self.queue(self.name("a/b"))
        self.put(queue, b"1")
        worker = self.client()
        self.assertEqual(worker.subscribe(("$queue/" + queue.replace("/", "%2F"), 1)), [1])
        worker.take(payload=b"1")


if __name__ == "__main__":
    unittest.main()
