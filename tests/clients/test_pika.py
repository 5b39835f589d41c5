# SPDX-License-Identifier: Apache-2.0
"""Ordinary programs with Python's pika."""

import time
import unittest

from against import AGAINST, ClientCase
from tercet import SCALE, need_module, wait_for

pika = need_module("pika")
errors = need_module("pika.exceptions")

PROPERTIES = ("content_type", "content_encoding", "headers", "delivery_mode", "priority",
              "correlation_id", "reply_to", "expiration", "message_id", "timestamp", "type",
              "user_id", "app_id", "cluster_id")


class PikaCase(ClientCase):
    protocol = "amqp"

    def connection(self, **options):
        connection = pika.BlockingConnection(pika.ConnectionParameters(
            self.host, self.port, blocked_connection_timeout=20 * SCALE, **options))
        self.addCleanup(self._close, connection)
        return connection

    @staticmethod
    def _close(connection):
        if connection.is_open:
            connection.close()

    def channel(self):
        return self.connection().channel()

    def queue(self, channel, name=None, **options):
        """Declares a queue that is deleted with the test."""
        name = channel.queue_declare(self.name("q") if name is None else name,
                                     **options).method.queue
        if not options.get("exclusive"):
            self.addCleanup(lambda: self.connection().channel().queue_delete(name))
        return name

    def exchange(self, channel, kind, **options):
        name = self.name(kind)
        channel.exchange_declare(name, kind, **options)
        self.addCleanup(lambda: self.connection().channel().exchange_delete(name))
        return name

    def get(self, channel, queue, auto_ack=True):
        """One message by basic.get, waiting for it."""
        def try_it():
            method, properties, body = channel.basic_get(queue, auto_ack=auto_ack)
            return method and (method, properties, body)
        return wait_for(try_it, what="a message in " + queue)

    def bodies(self, channel, queue, count):
        return [self.get(channel, queue)[2] for _ in range(count)]

    def expect_empty(self, channel, queue):
        self.assertEqual(channel.basic_get(queue, auto_ack=True), (None, None, None))

    def consume(self, channel, queue, count, **options):
        """The next `count` deliveries of a consumer. Unacknowledged ones stay so."""
        got = []
        for one in channel.consume(queue, inactivity_timeout=10 * SCALE, **options):
            self.assertIsNotNone(one[0], "only %d of %d came" % (len(got), count))
            got.append(one)
            if len(got) == count:
                break
        return got

    def expect_closed(self, code, function, *arguments, **options):
        with self.assertRaises(errors.ChannelClosedByBroker) as caught:
            function(*arguments, **options)
        self.assertEqual(caught.exception.reply_code, code)
        return caught.exception.reply_text


class OrdinaryPrograms(PikaCase):
    def test_hello_world_with_manual_ack(self):
        name = self.name("orders")
        connection = pika.BlockingConnection(pika.ConnectionParameters(self.host, self.port))
        channel = connection.channel()
        channel.queue_declare(name)
        for number in range(10):
            channel.basic_publish("", name, b"order %d" % number)
        got = []

        def on_message(ch, method, properties, body):
            got.append(body)
            ch.basic_ack(method.delivery_tag)
            if len(got) == 10:
                ch.stop_consuming()

        channel.basic_consume(name, on_message)
        connection.call_later(10 * SCALE, channel.stop_consuming)
        channel.start_consuming()
        self.assertEqual(got, [b"order %d" % number for number in range(10)])
        self.assertEqual(channel.queue_declare(name, passive=True).method.message_count, 0)
        channel.queue_delete(name)
        connection.close()

    def test_work_queue_with_fair_dispatch(self):
        channel = self.channel()
        queue = self.queue(channel, durable=True)
        for number in range(20):
            channel.basic_publish("", queue, b"%d" % number, pika.BasicProperties(delivery_mode=2))
        workers = [self.channel(), self.channel()]
        got = []
        for worker in workers:
            worker.basic_qos(prefetch_count=1)
            worker.basic_consume(queue, lambda ch, method, properties, body: (
                got.append((ch, body)), ch.basic_ack(method.delivery_tag)))
        deadline = time.monotonic() + 10 * SCALE
        while len(got) < 20 and time.monotonic() < deadline:
            for worker in workers:
                worker.connection.process_data_events(time_limit=0.01)
        self.assertEqual(sorted(int(body) for _, body in got), list(range(20)))
        self.assertEqual(len({ch for ch, _ in got}), 2)

    def test_publish_and_subscribe_with_logs(self):
        channel = self.channel()
        logs = self.exchange(channel, "fanout")
        queues = [self.queue(channel, "", exclusive=True) for _ in range(3)]
        for queue in queues:
            self.assertTrue(queue.startswith("amq.gen-"), queue)
            channel.queue_bind(queue, logs)
        channel.basic_publish(logs, "", b"info: hello")
        for queue in queues:
            self.assertEqual(self.get(channel, queue)[2], b"info: hello")

    def test_remote_procedure_call(self):
        server, caller = self.channel(), self.channel()
        requests = self.queue(server)
        answers = self.queue(caller, "", exclusive=True)
        caller.basic_publish("", requests, b"21", pika.BasicProperties(
            reply_to=answers, correlation_id="c1"))
        method, properties, body = self.get(server, requests, auto_ack=False)
        server.basic_publish("", properties.reply_to, b"%d" % (2 * int(body)),
                             pika.BasicProperties(correlation_id=properties.correlation_id))
        server.basic_ack(method.delivery_tag)
        _, properties, body = self.get(caller, answers)
        self.assertEqual((properties.correlation_id, body), ("c1", b"42"))

    def test_publisher_confirms(self):
        channel = self.channel()
        queue = self.queue(channel, durable=True)
        channel.confirm_delivery()
        for number in range(50):
            channel.basic_publish("", queue, b"%d" % number, pika.BasicProperties(delivery_mode=2))
        self.assertEqual(channel.queue_declare(queue, passive=True).method.message_count, 50)
        self.assertEqual(self.bodies(channel, queue, 50), [b"%d" % n for n in range(50)])

    def test_what_cannot_be_routed_comes_back_when_mandatory(self):
        channel = self.channel()
        channel.confirm_delivery()
        with self.assertRaises(errors.UnroutableError) as caught:
            channel.basic_publish("", self.name("nowhere"), b"x", mandatory=True)
        returned = caught.exception.messages[0]
        self.assertEqual((returned.method.reply_code, returned.method.reply_text, returned.body),
                         (312, "NO_ROUTE", b"x"))
        channel.basic_publish("", self.name("nowhere"), b"x")  # confirmed all the same


class Messages(PikaCase):
    def test_every_property_comes_back(self):
        channel = self.channel()
        queue = self.queue(channel)
        sent = pika.BasicProperties(
            content_type="application/json", content_encoding="gzip", delivery_mode=2, priority=7,
            correlation_id="c", reply_to="r", expiration="600000", message_id="m",
            timestamp=1234567890, type="t", user_id="guest", app_id="a", cluster_id="k",
            headers={"text": "\u00e9", "number": 42, "big": 1 << 40, "yes": True, "none": None,
                     "list": [1, "two", {"three": 3}], "table": {"x": {"y": "z"}},
                     "bytes": b"\x00\xff", "negative": -5, "empty": ""})
        channel.basic_publish("", queue, b"body", sent)
        _, got, body = self.get(channel, queue)
        self.assertEqual(body, b"body")
        for name in PROPERTIES:
            self.assertEqual(getattr(got, name), getattr(sent, name), name)

    def test_no_property_comes_back_as_none(self):
        channel = self.channel()
        queue = self.queue(channel)
        channel.basic_publish("", queue, b"")
        method, got, body = self.get(channel, queue)
        self.assertEqual((body, method.exchange, method.routing_key), (b"", "", queue))
        for name in PROPERTIES:
            self.assertIsNone(getattr(got, name), name)

    def test_bodies_of_every_size(self):
        channel = self.channel()
        queue = self.queue(channel)
        for size in (0, 1, 4088, 131064, 131065, 1 << 20, 5 << 20):
            body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
            channel.basic_publish("", queue, body)
            self.assertEqual(self.get(channel, queue)[2], body)

    def test_order_is_kept(self):
        channel = self.channel()
        queue = self.queue(channel)
        for number in range(1000):
            channel.basic_publish("", queue, b"%d" % number)
        got = self.consume(channel, queue, 1000, auto_ack=True)
        self.assertEqual([int(body) for _, _, body in got], list(range(1000)))
        self.assertEqual([m.delivery_tag for m, _, _ in got], list(range(1, 1001)))

    def test_requeued_messages_go_back_to_their_place(self):
        channel = self.channel()
        queue = self.queue(channel)
        for number in range(5):
            channel.basic_publish("", queue, b"%d" % number)
        got = [self.get(channel, queue, auto_ack=False) for _ in range(5)]
        channel.basic_ack(got[1][0].delivery_tag)
        for one in (0, 2, 3, 4):
            channel.basic_nack(got[one][0].delivery_tag, requeue=True)
        again = [self.get(channel, queue) for _ in range(4)]
        self.assertEqual([body for _, _, body in again], [b"0", b"2", b"3", b"4"])
        self.assertTrue(all(method.redelivered for method, _, _ in again))

    def test_rejected_messages_are_gone(self):
        channel = self.channel()
        queue = self.queue(channel)
        channel.basic_publish("", queue, b"bad")
        method, _, _ = self.get(channel, queue, auto_ack=False)
        self.assertFalse(method.redelivered)
        channel.basic_reject(method.delivery_tag, requeue=False)
        self.expect_empty(channel, queue)

    def test_ack_of_many_at_once(self):
        channel = self.channel()
        queue = self.queue(channel)
        for number in range(10):
            channel.basic_publish("", queue, b"%d" % number)
        got = [self.get(channel, queue, auto_ack=False) for _ in range(10)]
        channel.basic_ack(got[6][0].delivery_tag, multiple=True)
        channel.basic_recover(requeue=True)
        self.assertEqual(self.bodies(channel, queue, 3), [b"7", b"8", b"9"])
        self.expect_empty(channel, queue)

    def test_what_a_closed_channel_had_is_delivered_again(self):
        first, second = self.channel(), self.channel()
        queue = self.queue(second)
        second.basic_publish("", queue, b"x")
        self.get(first, queue, auto_ack=False)
        first.close()
        method, _, body = self.get(second, queue)
        self.assertEqual((body, method.redelivered), (b"x", True))

    def test_prefetch_limits_what_is_unacknowledged(self):
        channel = self.channel()
        queue = self.queue(channel)
        for number in range(10):
            channel.basic_publish("", queue, b"%d" % number)
        channel.basic_qos(prefetch_count=3)
        got = []
        channel.basic_consume(queue, lambda ch, method, properties, body: got.append(method))
        wait_for(lambda: channel.connection.process_data_events(0.02) or len(got) >= 3)
        channel.connection.process_data_events(0.2)
        self.assertEqual(len(got), 3)
        channel.basic_ack(got[0].delivery_tag)
        wait_for(lambda: channel.connection.process_data_events(0.02) or len(got) >= 4)
        channel.connection.process_data_events(0.1)
        self.assertEqual(len(got), 4)


class Routing(PikaCase):
    def route(self, kind, bindings, publishes):
        """Binds one queue per binding, publishes, and tells which queues got which body."""
        channel = self.channel()
        exchange = self.exchange(channel, kind)
        queues = []
        for key, arguments in bindings:
            queues.append(self.queue(channel, "", exclusive=True))
            channel.queue_bind(queues[-1], exchange, key, arguments)
        channel.confirm_delivery()
        for number, (key, headers) in enumerate(publishes):
            channel.basic_publish(exchange, key, b"%d" % number,
                                  pika.BasicProperties(headers=headers))
        told = []
        for queue in queues:
            count = channel.queue_declare(queue, passive=True).method.message_count
            told.append([int(body) for body in self.bodies(channel, queue, count)])
        return told

    def test_direct(self):
        told = self.route("direct", [("a", None), ("b", None), ("", None)],
                          [("a", None), ("b", None), ("c", None), ("", None), ("a.b", None)])
        self.assertEqual(told, [[0], [1], [3]])

    def test_topic(self):
        keys = ["", "a", "a.b", "a.b.c", "a..c", "b.a", ".", "$SYS.x", "a/b", "a.#", "a.*"]
        bindings = ["", "#", "*", "a.*", "a.#", "#.a", "*.*", "a.*.c", "#.*.#", "$SYS.#", "a/b",
                    "a.b.#.c", "#.c.#"]
        told = self.route("topic", [(key, None) for key in bindings], [(key, None) for key in keys])
        expected = [[0], list(range(11)), [1, 8], [2, 9, 10], [1, 2, 3, 4, 9, 10], [1, 5],
                    [2, 5, 6, 7, 9, 10], [3, 4], list(range(1, 11)), [7], [8], [3], [3, 4]]
        for binding, got, wanted in zip(bindings, told, expected):
            with self.subTest(binding=binding):
                self.assertEqual(got, wanted)

    def test_headers(self):
        told = self.route(
            "headers",
            [("", {"x-match": "all", "a": 1, "b": "x"}), ("", {"x-match": "any", "a": 1, "b": "x"}),
             ("", {}), ("", {"x-match": "any"}), ("", {"a": None}),
             ("", {"x-match": "all-with-x", "x-y": "1"}), ("", {"x-match": "all", "x-y": "1"})],
            [("", {"a": 1, "b": "x"}), ("", {"a": 1}), ("", {"a": "1"}), ("", {"x-y": "1"}),
             ("", None), ("", {"b": "x", "c": 5})])
        everything = list(range(6))
        self.assertEqual(told, [[0], [0, 1, 5], everything, [], [0, 1, 2], [3], everything])

    def test_two_bindings_deliver_once(self):
        channel = self.channel()
        exchange = self.exchange(channel, "topic")
        queue = self.queue(channel)
        channel.queue_bind(queue, exchange, "a.#")
        channel.queue_bind(queue, exchange, "#.b")
        channel.basic_publish(exchange, "a.b", b"once")
        self.assertEqual(self.get(channel, queue)[2], b"once")
        self.expect_empty(channel, queue)

    def test_exchange_to_exchange(self):
        channel = self.channel()
        source, target = self.exchange(channel, "topic"), self.exchange(channel, "fanout")
        queue = self.queue(channel)
        channel.exchange_bind(target, source, "logs.#")
        channel.queue_bind(queue, target)
        channel.basic_publish(source, "logs.error", b"1")
        channel.basic_publish(source, "other", b"2")
        method, _, body = self.get(channel, queue)
        self.assertEqual((method.exchange, method.routing_key, body), (source, "logs.error", b"1"))
        channel.exchange_unbind(target, source, "logs.#")
        channel.basic_publish(source, "logs.error", b"3")
        self.expect_empty(channel, queue)

    def test_predeclared_exchanges(self):
        channel = self.channel()
        for name, kind in (("amq.direct", "direct"), ("amq.fanout", "fanout"),
                           ("amq.topic", "topic"), ("amq.headers", "headers"),
                           ("amq.match", "headers")):
            channel.exchange_declare(name, kind, durable=True)
            queue = self.queue(channel, "", exclusive=True)
            channel.queue_bind(queue, name, "key-" + queue)
            channel.basic_publish(name, "key-" + queue, b"x")
            self.assertEqual(self.get(channel, queue)[2], b"x")


@unittest.skipIf(AGAINST, "others have it as a plugin")
class Delays(PikaCase):
    def test_a_delayed_retry_comes_back_when_its_delay_is_over(self):
        channel = self.channel()
        exchange = self.exchange(channel, "x-delayed-message", durable=True,
                                 arguments={"x-delayed-type": "direct"})
        queue = self.queue(channel, durable=True)
        channel.queue_bind(queue, exchange, "retry")
        channel.confirm_delivery()
        before = time.monotonic()
        for body, delay in ((b"now", 0), (b"second", 1200), (b"first", 200)):
            channel.basic_publish(exchange, "retry", body, pika.BasicProperties(
                delivery_mode=2, headers={"x-delay": delay, "tries": 1}))
        got = self.consume(channel, queue, 3, auto_ack=True)
        self.assertEqual([body for _, _, body in got], [b"now", b"first", b"second"])
        self.assertGreaterEqual(time.monotonic() - before, 1.19)
        self.assertEqual([p.headers for _, p, _ in got],
                         [{"x-delay": delay, "tries": 1} for delay in (0, -200, -1200)])

    def test_a_wrong_declaration_or_delay_closes_the_channel(self):
        for arguments in ({}, {"x-delayed-type": "no"}):
            self.expect_closed(406, self.channel().exchange_declare, self.name(),
                               "x-delayed-message", arguments=arguments)
        channel = self.channel()
        exchange = self.exchange(channel, "x-delayed-message",
                                 arguments={"x-delayed-type": "fanout"})
        channel.confirm_delivery()
        self.expect_closed(406, channel.basic_publish, exchange, "", b"x",
                           pika.BasicProperties(headers={"x-delay": 1 << 40}))


class Names(PikaCase):
    def test_missing_things_are_404(self):
        self.expect_closed(404, self.channel().queue_declare, self.name(), passive=True)
        self.expect_closed(404, self.channel().exchange_declare, self.name(), passive=True)
        self.expect_closed(404, self.channel().basic_get, self.name())
        self.expect_closed(404, self.channel().basic_consume, self.name(), lambda *a: None)
        channel = self.channel()
        self.expect_closed(404, channel.queue_bind, self.queue(self.channel()), self.name(), "k")

    def test_other_properties_are_406(self):
        channel = self.channel()
        queue = self.queue(channel, durable=True)
        self.expect_closed(406, channel.queue_declare, queue, durable=False)
        channel = self.channel()
        exchange = self.exchange(channel, "topic")
        self.expect_closed(406, channel.exchange_declare, exchange, "direct")

    def test_reserved_names_are_403(self):
        self.expect_closed(403, self.channel().queue_declare, "amq.mine")
        self.expect_closed(403, self.channel().exchange_declare, "amq.mine", "topic")

    def test_an_exclusive_queue_is_405_for_others_and_dies_with_its_owner(self):
        owner, other = self.connection(), self.channel()
        queue = owner.channel().queue_declare(self.name("q"), exclusive=True).method.queue
        self.expect_closed(405, other.queue_declare, queue, passive=True)
        owner.close()
        self.expect_closed(404, self.channel().queue_declare, queue, passive=True)

    def test_an_unknown_delivery_tag_is_406(self):
        channel = self.channel()
        channel.basic_ack(99)
        with self.assertRaises(errors.ChannelClosedByBroker) as caught:
            channel.queue_declare("", exclusive=True)
        self.assertEqual(caught.exception.reply_code, 406)

    def test_purge_and_conditional_delete(self):
        channel = self.channel()
        queue = self.queue(channel)
        for _ in range(3):
            channel.basic_publish("", queue, b"x")
        self.expect_closed(406, self.channel().queue_delete, queue, if_empty=True)
        self.assertEqual(channel.queue_purge(queue).method.message_count, 3)
        self.assertEqual(channel.queue_delete(queue, if_empty=True).method.message_count, 0)

    def test_an_auto_delete_queue_goes_with_its_last_consumer(self):
        channel = self.channel()
        queue = channel.queue_declare(self.name("q"), auto_delete=True).method.queue
        tag = channel.basic_consume(queue, lambda *arguments: None)
        channel.basic_cancel(tag)
        self.expect_closed(404, channel.queue_declare, queue, passive=True)

    def test_a_deleted_queue_cancels_its_consumers(self):
        channel, other = self.channel(), self.channel()
        queue = channel.queue_declare(self.name("q")).method.queue
        cancelled = []
        channel.add_on_cancel_callback(cancelled.append)
        channel.basic_consume(queue, lambda *arguments: None)
        other.queue_delete(queue)
        wait_for(lambda: channel.connection.process_data_events(0.02) or cancelled)

    def test_queue_names_of_any_kind(self):
        channel = self.channel()
        for name in ("a.b.c", "a/b", "100%", "a%2Eb", "with space", "\u00e9\u4e2d", "#", "*",
                     "a_x20b", "x" * 200):
            name = self.queue(channel, self.name(name[:200]))
            channel.basic_publish("", name, name.encode())
            method, _, body = self.get(channel, name)
            self.assertEqual((method.routing_key, body.decode()), (name, name))

    def test_a_wrong_password_is_403(self):
        with self.assertRaises((errors.ProbableAuthenticationError,
                                errors.AMQPConnectionError)):
            self.connection(credentials=pika.PlainCredentials("guest", "wrong"))

    def test_many_channels_of_one_connection(self):
        connection = self.connection()
        channels = [connection.channel() for _ in range(50)]
        queue = self.queue(channels[0])
        for number, channel in enumerate(channels):
            channel.basic_publish("", queue, b"%d" % number)
        self.assertEqual(sorted(int(b) for b in self.bodies(channels[7], queue, 50)),
                         list(range(50)))

    def test_a_heartbeat_holds_a_quiet_connection(self):
        connection = self.connection(heartbeat=2)
        channel = connection.channel()
        deadline = time.monotonic() + 5
        while time.monotonic() < deadline:
            connection.process_data_events(0.2)
        self.assertTrue(channel.queue_declare("", exclusive=True).method.queue)


if __name__ == "__main__":
    unittest.main()
