# SPDX-License-Identifier: Apache-2.0
"""AMQP: what queues hold at most and for how long, and how long they live unused, on the wire.

RabbitMQ 3.10.8 passes Length and Age too.
"""

import unittest

import amqp_raw as amqp
from tercet import SCALE, Broker, BrokerCase, need_module, wait_for


class Case(BrokerCase):
    def setUp(self):
        super().setUp()
        self.c = self.client()

    def client(self, **more):
        c = amqp.Client(self.broker, **more)
        self.addCleanup(c.close)
        return c

    def queue(self, name, exclusive=True, **arguments):
        arguments = {"x-" + k.replace("_", "-"): v for k, v in arguments.items()}
        self.c.call("queue.declare", queue=name, exclusive=exclusive, arguments=arguments)
        return name

    def count(self, queue):
        return self.c.call("queue.declare", queue=queue, passive=True)["message-count"]

    def drain(self, queue):
        bodies = []
        while True:
            got = self.c.get(queue)
            if got is None:
                return bodies
            bodies.append(got.body.decode())

    def publish(self, queue, *bodies):
        for body in bodies:
            self.c.publish(body, queue)

    def confirmed(self, *publishes):
        """Publishes (key, body) pairs; gives "ack" or "nack" for each."""
        answers = []
        for key, body in publishes:
            self.c.publish(body, key)
            frame = self.c.next()
            answers.append(frame.name.split(".")[1])
        return answers


class Length(Case):
    def test_the_head_is_dropped_when_there_is_one_too_many(self):
        q = self.queue("l.head", max_length=3)
        self.publish(q, *"abcdef")
        wait_for(lambda: self.count(q) == 3, 10)
        self.assertEqual(self.drain(q), ["d", "e", "f"])

    def test_bytes_of_bodies_count(self):
        q = self.queue("l.bytes", max_length_bytes=10)
        self.publish(q, "1234", "5678", "90", "x")
        self.assertEqual(self.drain(q), ["5678", "90", "x"])
        self.publish(q, "1", "0123456789", "much too long a body")
        self.assertEqual(self.drain(q), [])
        self.publish(q, "again")
        self.assertEqual(self.drain(q), ["again"])

    def test_only_what_is_ready_counts_and_what_comes_back_is_dropped_first(self):
        q = self.queue("l.ready", max_length=2)
        self.publish(q, "a", "b")
        taken = self.c.get(q, no_ack=False)
        self.publish(q, "c")
        self.assertEqual(self.count(q), 2)
        self.c.send("basic.reject", delivery_tag=taken.method["delivery-tag"], requeue=True)
        self.assertEqual(self.drain(q), ["b", "c"])

    def test_who_waits_gets_what_the_queue_would_not_hold(self):
        q = self.queue("l.direct", max_length=0)
        self.publish(q, "nobody takes it")
        self.c.call("basic.consume", queue=q, no_ack=True, consumer_tag="t")
        self.publish(q, "a", "b")
        self.assertEqual([self.c.message().body for _ in range(2)], [b"a", b"b"])

    def test_a_full_queue_refuses_and_the_others_take_it(self):
        full = self.queue("l.full", max_length=2, overflow="reject-publish")
        other = self.queue("l.other")
        for q in (full, other):
            self.c.call("queue.bind", queue=q, exchange="amq.fanout", routing_key="")
        self.c.call("confirm.select")
        self.assertEqual(self.confirmed(*[(full, b"%d" % n) for n in range(4)]),
                         ["ack", "ack", "nack", "nack"])
        self.c.publish("both", exchange="amq.fanout")
        self.assertEqual(self.c.next().name, "basic.nack")
        self.assertEqual(self.drain(other), ["both"])
        self.assertEqual(self.c.get(full).body, b"0")
        self.assertEqual(self.confirmed((full, b"x"), (full, b"y")), ["ack", "nack"])
        self.assertEqual(self.drain(full), ["1", "x"])

    def test_bytes_refuse_too(self):
        q = self.queue("l.refuse", max_length_bytes=10, overflow="reject-publish")
        self.c.call("confirm.select")
        self.assertEqual(self.confirmed((q, b"x" * 11), (q, b"x" * 6), (q, b"x" * 5), (q, b"yyyy")),
                         ["nack", "ack", "nack", "ack"])
        self.assertEqual(self.drain(q), ["xxxxxx", "yyyy"])

    def test_without_confirms_what_is_refused_is_gone(self):
        q = self.queue("l.silent", max_length=1, overflow="reject-publish")
        self.publish(q, "a", "b")
        self.assertEqual(self.drain(q), ["a"])

    def test_a_queue_far_over_what_memory_holds_drops_from_its_head(self):
        q = self.queue("l.large", max_length=5000)
        for n in range(12000):
            self.c.publish("%d" % n, q)
        self.c.sync()
        wait_for(lambda: self.count(q) == 5000, 20)
        self.assertEqual(self.c.get(q).body, b"7000")


class Age(Case):
    def test_what_is_older_than_the_queue_keeps_goes(self):
        q = self.queue("a.ttl", message_ttl=200)
        long = self.queue("a.long", message_ttl=600000)
        for queue in (q, long):
            self.publish(queue, "a", "b")
        wait_for(lambda: self.count(q) == 0, 10)
        self.assertEqual(self.drain(q), [])
        self.assertEqual(self.drain(long), ["a", "b"])

    def test_the_shorter_of_two_times_holds(self):
        q = self.queue("a.shorter", message_ttl=60000)
        self.c.publish("short", q, expiration="50")
        wait_for(lambda: self.count(q) == 0, 10)
        q = self.queue("a.longer", message_ttl=50)
        self.c.publish("long", q, expiration="60000")
        wait_for(lambda: self.count(q) == 0, 10)

    def test_with_no_time_at_all_only_who_waits_gets_it(self):
        q = self.queue("a.zero", message_ttl=0)
        self.publish(q, "nobody takes it")
        self.assertEqual(self.drain(q), [])
        self.c.call("basic.consume", queue=q, no_ack=True, consumer_tag="t")
        self.publish(q, "a")
        self.assertEqual(self.c.message().body, b"a")

    def test_what_is_taken_does_not_grow_too_old(self):
        q = self.queue("a.taken", message_ttl=int(2000 * SCALE))
        self.publish(q, "a", "b")
        taken = self.c.get(q, no_ack=False)
        wait_for(lambda: self.count(q) == 0, 10)
        self.c.send("basic.ack", delivery_tag=taken.method["delivery-tag"])
        self.c.sync()

    def test_a_queue_that_nobody_uses_goes(self):
        used, unused = self.client(), "a.unused"
        self.c = used
        for q in ("a.kept", unused):
            self.queue(q, exclusive=False, expires=int(2000 * SCALE))
        used.call("basic.consume", queue="a.kept", consumer_tag="t")

        wait_for(lambda: self.is_gone(unused), 20, poll=0.1)
        used.publish("it is still there", "a.kept")
        used.message()
        used.call("basic.cancel", consumer_tag="t")
        wait_for(lambda: self.is_gone("a.kept"), 20, poll=0.1)

    def is_gone(self, queue):
        """Publishing is not using."""
        probe = self.client()
        probe.publish("", queue, mandatory=True)
        probe.send("channel.open", channel=2)
        frame = probe.next()
        probe.close()
        return frame.name == "basic.return"

    def test_asking_for_a_queue_is_using_it(self):
        asked, left = "a.asked", "a.left"
        for q in (left, asked):
            self.queue(q, exclusive=False, expires=int(2000 * SCALE))

        def left_is_gone():
            self.count(asked)
            return self.is_gone(left)

        wait_for(left_is_gone, 20, poll=0.1)
        self.assertFalse(self.is_gone(asked))


class Restart(unittest.TestCase):
    def test_limits_and_what_is_held_are_known_after_a_kill(self):
        pika = need_module("pika")
        connections = []
        with Broker(data=True, keep_ports=True) as broker:
            def channel():
                host, port = broker.address("amqp")
                connection = pika.BlockingConnection(pika.ConnectionParameters(host, port))
                connections.append(connection)
                opened = connection.channel()
                opened.confirm_delivery()
                return opened

            def publish(to, queue, body):
                to.basic_publish("", queue, body, pika.BasicProperties(delivery_mode=2))

            c = channel()
            c.queue_declare("bytes", durable=True, arguments={
                "x-max-length-bytes": 100, "x-overflow": "reject-publish"})
            c.queue_declare("length", durable=True, arguments={"x-max-length": 2})
            c.queue_declare("old", durable=True, arguments={"x-message-ttl": 300})
            c.queue_declare("unused", durable=True, arguments={"x-expires": 300})
            for n in range(3):
                publish(c, "bytes", b"%d" % n * 30)
                publish(c, "length", b"%d" % n)
                publish(c, "old", b"%d" % n)
            broker.kill()
            broker.start()
            c = channel()
            publish(c, "bytes", b"x" * 10)
            with self.assertRaises(pika.exceptions.NackError):
                publish(c, "bytes", b"y")
            publish(c, "length", b"3")
            self.assertEqual([c.basic_get("length", True)[2] for _ in range(3)], [b"2", b"3", None])
            wait_for(lambda: c.queue_declare("old", passive=True).method.message_count == 0, 10)

            def is_gone():
                try:
                    channel().queue_declare("unused", passive=True)
                    return False
                except pika.exceptions.ChannelClosedByBroker:
                    return True

            wait_for(is_gone, 10, poll=0.5)


if __name__ == "__main__":
    unittest.main()
