# SPDX-License-Identifier: Apache-2.0
"""AMQP: publishing, confirms, consuming, settling, prefetch, on the wire."""

import unittest

import amqp_raw as amqp
from tercet import SCALE, BrokerCase


class Case(BrokerCase):
    def setUp(self):
        super().setUp()
        self.c = self.client()

    def client(self, **more):
        c = amqp.Client(self.broker, **more)
        self.addCleanup(c.close)
        return c

    def queue(self, name, **more):
        self.c.call("queue.declare", queue=name, exclusive=True, **more)
        return name

    def fill(self, queue, count):
        for i in range(count):
            self.c.publish("m%d" % i, queue)

    def consume(self, queue, tag="t", **more):
        self.c.call("basic.consume", queue=queue, consumer_tag=tag, **more)

    def deliveries(self, count):
        return [self.c.message() for _ in range(count)]

    def bodies(self, count):
        return [m.body.decode() for m in self.deliveries(count)]

    def refused(self, code, text, name, **args):
        ids = amqp.BY_NAME[name][:2]
        self.assertEqual(self.c.refused(name, **args), (code, text, *ids))

    def publish_refused(self, code, text, **more):
        self.c.publish("m", **more)
        self.assertEqual(self.c.refusal(), (code, text, 60, 40))


class Publishing(Case):
    def test_a_message_comes_back_as_it_was_written(self):
        q = self.queue("p.exact")
        headers = {"text": "x", "empty": "", "int": 7, "long": amqp.T("l", -5), "no": None,
                   "bool": True, "real": 1.5, "bytes": amqp.T("x", b"\0\xff"),
                   "time": amqp.T("T", 1795326898), "list": [1, "two", [None]],
                   "table": {"inner": {"deep": False}}, "": "no name",
                   "byte": amqp.T("b", -1), "decimal": amqp.T("D", (2, 12345))}
        values = {"content_type": "text/plain", "content_encoding": "gzip", "headers": headers,
                  "delivery_mode": 2, "priority": 9, "correlation_id": "c" * 255, "reply_to": "r",
                  "message_id": "m", "timestamp": 1234567890, "type": "t", "user_id": "guest",
                  "app_id": "a", "cluster_id": "c"}
        self.c.publish("body", q, **values)
        got = self.c.get(q)
        self.assertEqual(got.properties, {k.replace("_", "-"): v for k, v in values.items()})
        self.assertEqual(got.body, b"body")
        self.assertEqual((got.method["exchange"], got.method["routing-key"]), ("", q))

    def test_bodies_of_all_sizes_come_back(self):
        q = self.queue("p.sizes")
        for size in (0, 1, 255, 4096, 65535, 65536, 131064, 131065, 300000, 5 << 20):
            body = (b"0123456789abcdef" * (size // 16 + 1))[:size]
            self.c.publish(body, q)
            got = self.c.get(q)
            self.assertEqual(len(got.body), size)
            self.assertEqual(got.body, body)

    def test_large_bodies_and_headers_are_delivered_to_many(self):
        readers = [self.client(tune={"frame_max": size}) for size in (4096, 131072, 50000)]
        for i, reader in enumerate(readers):
            reader.call("queue.declare", queue="p.large%d" % i, exclusive=True)
            reader.call("queue.bind", queue="p.large%d" % i, exchange="amq.fanout")
            reader.call("basic.consume", queue="p.large%d" % i, consumer_tag="t", no_ack=True)
        for size, extra in ((40000, 10), (200000, 3000), (32768, 3000), (10, 3900), (32767, 0)):
            body, headers = b"x" * (size - 1) + b"!", {"h": "y" * extra}
            self.c.publish(body, "", "amq.fanout", headers=headers)
            for reader in readers:
                got = reader.message()
                self.assertEqual((got.body == body, got.properties["headers"]), (True, headers))
        self.c.publish(body, "", "amq.fanout", headers={"h": "y" * 60000})
        got = readers[1].message()
        self.assertEqual((got.body == body, len(got.properties["headers"]["h"])), (True, 60000))

    def test_a_reply_to_may_stand_for_an_address(self):
        q = self.queue("p.address")
        self.c.call("queue.bind", queue=q, exchange="amq.topic", routing_key="re.p%2E1")
        self.c.publish("answer", "amq.reply-to-topic.re.p%2E1", mandatory=True)
        got = self.c.get(q)
        self.assertEqual((got.body, got.method["exchange"], got.method["routing-key"]),
                         (b"answer", "amq.topic", "re.p%2E1"))

    def test_a_body_may_be_split_anywhere_and_empty_frames_mean_nothing(self):
        q = self.queue("p.split")
        for parts in ((b"ab", b"cdef"), (b"", b"abc", b"", b"def", ), (b"a",) * 6):
            size = sum(map(len, parts))
            self.c.write(amqp.method(1, "basic.publish", routing_key=q)
                         + amqp.frame(2, 1, amqp.header_payload(size))
                         + b"".join(amqp.frame(3, 1, p) for p in parts))
            self.assertEqual(self.c.get(q).body, b"".join(parts))

    def test_contents_of_two_channels_may_interleave(self):
        q = self.queue("p.two")
        self.c.call("channel.open", 2)
        for kind in range(3):
            for channel in (1, 2):
                self.c.write((amqp.method(channel, "basic.publish", routing_key=q),
                              amqp.frame(2, channel, amqp.header_payload(4)),
                              amqp.frame(3, channel, b"ch %d" % channel))[kind])
        self.assertEqual([self.c.get(q).body for _ in range(2)], [b"ch 1", b"ch 2"])

    def test_same_properties_again_and_then_others(self):
        q = self.queue("p.again")
        rows = [{"headers": {"n": 1}}, {"headers": {"n": 1}}, {"headers": {"n": 2}}, {},
                {"expiration": "60000"}, {"expiration": "60000"}, {"content_type": "x"}]
        for row in rows:
            self.c.publish("m", q, **row)
        for row in rows:
            self.assertEqual(self.c.get(q).properties,
                             {k.replace("_", "-"): v for k, v in row.items()})

    def test_to_a_missing_exchange(self):
        self.publish_refused(404, "NOT_FOUND - no exchange 'x.none' in vhost '/'",
                             exchange="x.none")

    def test_what_follows_an_error_on_the_channel_is_ignored(self):
        q = self.queue("p.ignored")
        self.c.publish("m", q, exchange="x.none")
        self.c.publish("m", q)
        self.c.send("basic.qos")
        self.assertEqual(self.c.refusal()[0], 404)
        self.assertIsNone(self.c.get(q))

    def test_immediate_is_not_done(self):
        self.publish_refused(540, "NOT_IMPLEMENTED - immediate=true", routing_key="x",
                             immediate=True)

    def test_an_expiration_is_a_number(self):
        for value, why in (("abc", "no_integer"), ("", "no_integer"), ("-1", "{value_negative,-1}"),
                           ("12abc", '{leftover_string,"abc"}'),
                           ("315360000001", "{value_too_large,315360000001}")):
            self.publish_refused(406, "PRECONDITION_FAILED - invalid expiration '%s': %s"
                                 % (value, why), routing_key="x", expiration=value)

    def test_a_user_id_is_the_users(self):
        self.publish_refused(406, "PRECONDITION_FAILED - user_id property set to 'someone' but "
                             "authenticated user was 'guest'", routing_key="x", user_id="someone")

    def test_an_expired_message_is_not_delivered(self):
        q = self.queue("p.expired")
        self.c.publish("soon gone", q, expiration="1")
        self.c.publish("stays", q)
        self.c.quiet()
        self.assertEqual(self.c.get(q).body, b"stays")


class Returns(Case):
    def test_unroutable_and_mandatory_comes_back(self):
        self.c.publish("m", "q.none", mandatory=True, headers={"a": 1, "BCC": ["q.none"]})
        got = self.c.message("basic.return")
        self.assertEqual(got.method, {"reply-code": 312, "reply-text": "NO_ROUTE", "exchange": "",
                                      "routing-key": "q.none"})
        self.assertEqual((got.body, got.properties["headers"]["a"]), (b"m", 1))

    def test_unroutable_and_not_mandatory_is_dropped(self):
        self.c.publish("m", "q.none")
        self.c.quiet()

    def test_a_return_comes_before_its_confirm(self):
        self.c.call("confirm.select")
        self.c.publish("m", "q.none", mandatory=True)
        self.c.message("basic.return")
        self.assertEqual(self.c.want("basic.ack"), {"delivery-tag": 1, "multiple": False})

    def test_a_routed_one_does_not_come_back(self):
        q = self.queue("r.routed")
        for exchange, key in (("", q), ("amq.topic", "r.routed")):
            if exchange:
                self.c.call("queue.bind", queue=q, exchange=exchange, routing_key="r.#")
            self.c.publish("m", key, exchange, mandatory=True)
            self.c.quiet()
            self.assertEqual(self.c.get(q).body, b"m")


class Confirms(Case):
    def acked(self, count):
        """Reads confirms up to `count`; gives how many frames it took."""
        told, frames = 0, 0
        while told < count:
            args = self.c.want("basic.ack")
            self.assertGreater(args["delivery-tag"], told)
            self.assertTrue(args["multiple"] or args["delivery-tag"] == told + 1)
            told, frames = args["delivery-tag"], frames + 1
        self.assertEqual(told, count)
        return frames

    def test_tags_count_from_confirm_select(self):
        q = self.queue("c.tags")
        self.c.publish("before", q)
        self.c.call("confirm.select")
        self.c.call("confirm.select")
        self.c.publish("m", q)
        self.assertEqual(self.c.want("basic.ack"), {"delivery-tag": 1, "multiple": False})
        self.c.publish("m", q, delivery_mode=2)
        self.assertEqual(self.c.want("basic.ack"), {"delivery-tag": 2, "multiple": False})

    def test_many_are_confirmed_in_few_frames(self):
        q = self.queue("c.many")
        self.c.call("confirm.select")
        self.c.write(b"".join(amqp.publish(1, b"x", routing_key=q) for _ in range(500)))
        self.assertLess(self.acked(500), 100)
        self.c.quiet()
        self.assertEqual(self.c.call("queue.declare", queue=q, passive=True)["message-count"], 500)

    def test_unroutable_is_confirmed(self):
        self.c.call("confirm.select")
        self.c.publish("m", "q.none")
        self.c.publish("m", "nobody", "amq.fanout")
        self.acked(2)

    def test_each_channel_has_its_own(self):
        q = self.queue("c.channels")
        for channel in (2, 3):
            self.c.call("channel.open", channel)
            self.c.call("confirm.select", channel)
        for channel in (2, 3, 3, 2, 3):
            self.c.publish("m", q, channel=channel)
        told = {2: 0, 3: 0}
        while told != {2: 2, 3: 3}:
            got = self.c.next()
            self.assertEqual(got.name, "basic.ack")
            told[got.channel] = got.args["delivery-tag"]

    def test_a_reopened_channel_starts_again(self):
        q = self.queue("c.reopened")
        self.c.call("confirm.select")
        self.c.write(amqp.publish(1, "m", routing_key=q) * 3
                     + amqp.method(1, "channel.close", reply_code=200)
                     + amqp.method(1, "channel.open") + amqp.method(1, "confirm.select")
                     + amqp.publish(1, "m", routing_key=q))
        names = []
        while names.count("confirm.select-ok") < 1:
            names.append(self.c.next().name)
        self.assertEqual(self.c.want("basic.ack"), {"delivery-tag": 1, "multiple": False})
        self.c.quiet()


class Consuming(Case):
    def test_deliveries_in_order_and_consume_ok_first(self):
        q = self.queue("d.order")
        self.fill(q, 5)
        self.consume(q)
        got = self.deliveries(5)
        self.assertEqual([m.body for m in got], [b"m%d" % i for i in range(5)])
        self.assertEqual([m.method["delivery-tag"] for m in got], [1, 2, 3, 4, 5])
        self.assertEqual({m.method["consumer-tag"] for m in got}, {"t"})
        self.assertFalse(any(m.method["redelivered"] for m in got))

    def test_a_server_made_tag(self):
        q = self.queue("d.tag")
        told = self.c.call("basic.consume", queue=q)
        self.assertRegex(told["consumer-tag"], r"^amq\.ctag-[\w-]{22}$")

    def test_a_tag_in_use(self):
        q = self.queue("d.reuse")
        self.consume(q)
        self.refused(530, "NOT_ALLOWED - attempt to reuse consumer tag 't'", "basic.consume",
                     queue=q, consumer_tag="t")

    def test_a_missing_queue_and_a_bad_priority(self):
        self.refused(404, "NOT_FOUND - no queue 'q.none' in vhost '/'", "basic.consume",
                     queue="q.none")
        q = self.queue("d.priority")
        self.refused(406, "PRECONDITION_FAILED - invalid arg 'x-priority' for queue 'd.priority' "
                     "in vhost '/': \"expected integer, got longstr\"", "basic.consume", queue=q,
                     arguments={"x-priority": "high"})

    def test_exclusive_consumers(self):
        q = self.queue("d.exclusive")
        in_use = "ACCESS_REFUSED - queue 'd.exclusive' in vhost '/' in exclusive use"
        self.consume(q, "a")
        self.refused(403, in_use, "basic.consume", queue=q, exclusive=True)
        self.consume(q, "b", exclusive=True)
        self.refused(403, in_use, "basic.consume", queue=q)

    def test_no_ack_deliveries_are_gone(self):
        q = self.queue("d.no-ack")
        self.fill(q, 3)
        self.consume(q, no_ack=True)
        self.assertEqual(self.bodies(3), ["m0", "m1", "m2"])
        self.refused(406, "PRECONDITION_FAILED - unknown delivery tag 1", "basic.ack",
                     delivery_tag=1)
        self.assertIsNone(self.c.get(q))

    def test_round_robin(self):
        q = self.queue("d.robin")
        for tag in "abc":
            self.consume(q, tag, no_ack=True)
        self.fill(q, 9)
        tags = [m.method["consumer-tag"] for m in self.deliveries(9)]
        self.assertEqual({tag: tags.count(tag) for tag in "abc"}, {"a": 3, "b": 3, "c": 3})

    def test_a_higher_priority_comes_first_while_it_has_credit(self):
        q = self.queue("d.first")
        self.c.call("basic.qos", prefetch_count=2)
        self.consume(q, "low")
        self.consume(q, "high", arguments={"x-priority": 10})
        self.fill(q, 3)
        tags = [m.method["consumer-tag"] for m in self.deliveries(3)]
        self.assertEqual(tags.count("high"), 2)
        self.assertEqual(tags.count("low"), 1)

    def test_cancel(self):
        q = self.queue("d.cancel")
        self.consume(q)
        self.fill(q, 1)
        tag = self.c.message().method["delivery-tag"]
        self.assertEqual(self.c.call("basic.cancel", consumer_tag="t"), {"consumer-tag": "t"})
        self.fill(q, 1)
        self.c.quiet()
        self.c.send("basic.ack", delivery_tag=tag)  # still the channel's to settle
        self.assertEqual(self.c.get(q).body, b"m0")
        self.assertEqual(self.c.call("basic.cancel", consumer_tag="none"), {"consumer-tag": "none"})
        self.c.send("basic.cancel", consumer_tag="none", nowait=True)
        self.c.quiet()

    def test_a_deleted_queue_cancels_its_consumers(self):
        c, d = self.client(), self.client(capabilities={})
        self.c.call("queue.declare", queue="d.deleted")
        for one in (c, d):
            one.call("basic.consume", queue="d.deleted", consumer_tag="t")
        self.c.call("queue.delete", queue="d.deleted")
        self.assertEqual(c.want("basic.cancel"), {"consumer-tag": "t", "nowait": True})
        d.quiet()
        c.call("basic.cancel", consumer_tag="t")

    def test_get(self):
        q = self.queue("d.get")
        self.assertIsNone(self.c.get(q))
        self.fill(q, 3)
        got = [self.c.get(q, no_ack=False) for _ in range(3)]
        self.assertEqual([m.method["message-count"] for m in got], [2, 1, 0])
        self.assertEqual([m.method["delivery-tag"] for m in got], [1, 2, 3])
        self.assertIsNone(self.c.get(q))

    def test_pipelined_gets_answer_in_order(self):
        q = self.queue("d.gets")
        self.fill(q, 3)
        self.c.write(amqp.method(1, "basic.get", queue=q, no_ack=True) * 4
                     + amqp.method(1, "basic.qos"))
        self.assertEqual([self.c.message("basic.get-ok").body for _ in range(3)],
                         [b"m0", b"m1", b"m2"])
        self.c.want("basic.get-empty")
        self.c.want("basic.qos-ok")


class Prefetch(Case):
    def taken(self):
        """How many deliveries come until the line is quiet."""
        count = 0
        while True:
            try:
                self.c.message(seconds=0.3)
            except AssertionError:
                return count
            count += 1

    def test_per_consumer(self):
        q = self.queue("f.consumer")
        self.c.call("basic.qos", prefetch_count=2)
        self.consume(q, "a")
        self.consume(q, "b")
        self.fill(q, 6)
        self.assertEqual(self.taken(), 4)

    def test_per_channel(self):
        q = self.queue("f.channel")
        self.c.call("basic.qos", prefetch_count=2, global_=True)
        self.consume(q, "a")
        self.consume(q, "b")
        self.fill(q, 6)
        self.assertEqual(self.taken(), 2)
        self.c.send("basic.ack", delivery_tag=1)
        self.assertEqual(self.taken(), 1)
        self.c.call("basic.qos", prefetch_count=0, global_=True)
        self.assertEqual(self.taken(), 3)

    def test_per_channel_is_not_for_quorum_queues(self):
        q = "f.quorum"
        self.c.call("queue.declare", queue=q, durable=True,
                    arguments={"x-queue-type": "quorum"})
        self.c.call("basic.qos", prefetch_count=2, global_=True)
        code, text = self.c.refused("basic.consume", queue=q, consumer_tag="t")[:2]
        self.assertEqual(code, 540)
        self.assertIn("does not support global qos", text)

    def test_a_new_limit_is_for_consumers_that_follow(self):
        q = self.queue("f.later")
        self.c.call("basic.qos", prefetch_count=1)
        self.consume(q, "a")
        self.c.call("basic.qos", prefetch_count=3)
        self.fill(q, 5)
        self.assertEqual(self.taken(), 1)
        self.consume(q, "b")
        self.assertEqual(self.taken(), 3)

    def test_get_and_no_ack_do_not_count(self):
        q = self.queue("f.get")
        self.c.call("basic.qos", prefetch_count=1)
        self.fill(q, 3)
        self.c.get(q, no_ack=False)
        self.consume(q, "a", no_ack=True)
        self.assertEqual(self.taken(), 2)

    def test_settling_makes_room_whichever_way(self):
        q = self.queue("f.room")
        self.c.call("basic.qos", prefetch_count=1)
        self.fill(q, 4)
        self.consume(q)
        for name, more in (("basic.ack", {}), ("basic.reject", {}), ("basic.nack", {}),
                           ("basic.ack", {"multiple": True})):
            tag = self.c.message().method["delivery-tag"]
            self.c.send(name, delivery_tag=tag, **more)
        self.assertEqual(self.taken(), 0)

    def test_sizes_are_not_done(self):
        self.refused(540, "NOT_IMPLEMENTED - prefetch_size!=0 (10)", "basic.qos", prefetch_size=10)


class Settling(Case):
    def test_unknown_tags(self):
        q = self.queue("s.unknown")
        for name, tag, more in (("basic.ack", 99, {}), ("basic.ack", 0, {}),
                                ("basic.reject", 5, {}), ("basic.nack", 5, {"multiple": True})):
            self.refused(406, "PRECONDITION_FAILED - unknown delivery tag %d" % tag, name,
                         delivery_tag=tag, **more)
        self.c.send("basic.ack", delivery_tag=0, multiple=True)
        self.fill(q, 1)
        self.c.get(q, no_ack=False)
        self.c.send("basic.ack", delivery_tag=1)
        self.refused(406, "PRECONDITION_FAILED - unknown delivery tag 1", "basic.ack",
                     delivery_tag=1)
        self.assertIsNone(self.c.get(q))  # the first ack counted

    def test_requeued_go_back_to_their_places(self):
        q = self.queue("s.places")
        self.fill(q, 5)
        for _ in range(3):
            self.c.get(q, no_ack=False)
        self.c.send("basic.nack", delivery_tag=2, requeue=True)
        self.c.send("basic.nack", delivery_tag=3, multiple=True, requeue=True)
        got = [self.c.get(q) for _ in range(5)]
        self.assertEqual([(m.body, m.method["redelivered"]) for m in got],
                         [(b"m0", True), (b"m1", True), (b"m2", True), (b"m3", False),
                          (b"m4", False)])

    def test_multiple_settles_all_before(self):
        q = self.queue("s.multiple")
        self.fill(q, 10)
        self.consume(q)
        self.deliveries(10)
        self.c.send("basic.ack", delivery_tag=3)
        self.c.send("basic.ack", delivery_tag=7, multiple=True)
        self.c.send("basic.cancel", consumer_tag="t")
        self.c.want("basic.cancel-ok")
        self.c.send("basic.nack", delivery_tag=0, multiple=True, requeue=True)
        self.assertEqual([self.c.get(q).body for _ in range(3)], [b"m7", b"m8", b"m9"])
        self.assertIsNone(self.c.get(q))

    def test_rejected_without_requeue_is_gone(self):
        q = self.queue("s.rejected")
        self.fill(q, 2)
        self.c.get(q, no_ack=False)
        self.c.send("basic.reject", delivery_tag=1)
        self.assertEqual(self.c.get(q).body, b"m1")
        self.assertIsNone(self.c.get(q))

    def test_recover(self):
        q = self.queue("s.recover")
        self.fill(q, 2)
        self.c.get(q, no_ack=False)
        self.c.call("basic.recover", requeue=True)
        got = self.c.get(q, no_ack=False)
        self.assertEqual((got.body, got.method["redelivered"]), (b"m0", True))
        self.c.send("basic.recover-async", requeue=True)
        self.assertEqual(self.c.get(q).body, b"m0")
        self.refused(540, "NOT_IMPLEMENTED - requeue=false", "basic.recover", requeue=False)

    def test_a_closed_channel_gives_back(self):
        q = self.queue("s.closed")
        self.fill(q, 3)
        self.c.call("channel.open", 2)
        self.c.send("basic.consume", 2, queue=q, consumer_tag="t")
        self.c.want("basic.consume-ok")
        self.deliveries(3)
        self.c.call("channel.close", 2, reply_code=200)
        got = [self.c.get(q) for _ in range(3)]
        self.assertEqual([m.body for m in got], [b"m0", b"m1", b"m2"])
        self.assertTrue(all(m.method["redelivered"] for m in got))

    def test_holes_in_any_order(self):
        q = self.queue("s.holes")
        self.fill(q, 300)
        self.consume(q)
        self.deliveries(300)
        for tag in sorted(range(1, 301), key=lambda n: (n * 7919) % 300):
            self.c.send("basic.ack", delivery_tag=tag)
        self.c.sync()
        self.refused(406, "PRECONDITION_FAILED - unknown delivery tag 150", "basic.ack",
                     delivery_tag=150)


class ReplyTo(Case):
    def test_a_request_and_its_reply(self):
        server = self.client()
        server.call("queue.declare", queue="rpc", exclusive=True)
        self.consume("amq.rabbitmq.reply-to", "r", no_ack=True)
        self.c.publish("request", "rpc", reply_to="amq.rabbitmq.reply-to", correlation_id="7")
        for _ in range(100):
            got = server.get("rpc")
            if got:
                break
        self.assertTrue(got.properties["reply-to"].startswith("amq.rabbitmq.reply-to."))
        told = server.call("queue.declare", queue=got.properties["reply-to"], passive=True)
        self.assertEqual(told["consumer-count"], 1)
        server.publish("reply", got.properties["reply-to"], mandatory=True, correlation_id="7")
        back = self.c.message()
        self.assertEqual((back.body, back.properties), (b"reply", {"correlation-id": "7"}))
        self.c.call("basic.cancel", consumer_tag="r")
        self.assertEqual(server.refused("queue.declare", queue=got.properties["reply-to"],
                                        passive=True)[0], 404)

    def test_misuse(self):
        self.refused(406, "PRECONDITION_FAILED - reply consumer cannot acknowledge",
                     "basic.consume", queue="amq.rabbitmq.reply-to")
        self.publish_refused(406, "PRECONDITION_FAILED - fast reply consumer does not exist",
                             routing_key="x", reply_to="amq.rabbitmq.reply-to")
        self.consume("amq.rabbitmq.reply-to", "r", no_ack=True)
        self.refused(406, "PRECONDITION_FAILED - reply consumer already set", "basic.consume",
                     queue="amq.rabbitmq.reply-to", no_ack=True)


class Transactions(Case):
    def setUp(self):
        super().setUp()
        self.other = self.client()

    def count(self, queue):
        self.other.send("queue.declare", queue=queue, passive=True)
        return self.other.want("queue.declare-ok")["message-count"]

    def declare(self, name):
        self.c.call("queue.declare", queue=name)
        self.addCleanup(self.drop, name)
        return name

    def drop(self, name):
        with amqp.Client(self.broker) as c:
            c.call("queue.delete", queue=name)

    def test_publishes_wait_for_commit(self):
        q, r = self.declare("tx.one"), self.declare("tx.two")
        self.c.call("tx.select")
        self.c.call("tx.select")
        for i in range(3):
            self.c.publish("m%d" % i, q, headers={"n": i}, delivery_mode=2)
        self.c.publish(b"x" * 300000, r)
        self.c.publish("nowhere", "q.none", mandatory=True)
        self.c.sync()
        self.assertEqual((self.count(q), self.count(r)), (0, 0))
        self.c.send("tx.commit")
        self.assertEqual(self.c.message("basic.return").body, b"nowhere")
        self.c.want("tx.commit-ok")
        self.assertEqual((self.count(q), self.count(r)), (3, 1))
        for i in range(3):
            got = self.c.get(q)
            self.assertEqual((got.body, got.properties["headers"]), (b"m%d" % i, {"n": i}))
        self.assertEqual(len(self.c.get(r).body), 300000)
        self.c.call("tx.commit")

    def test_rollback_forgets_publishes(self):
        q = self.declare("tx.forgotten")
        self.c.call("tx.select")
        self.c.publish("m", q)
        self.c.call("tx.rollback")
        self.c.call("tx.commit")
        self.assertEqual(self.count(q), 0)

    def test_acks_wait_for_commit_and_come_back_at_rollback(self):
        q = self.declare("tx.acks")
        self.fill(q, 6)
        self.c.call("tx.select")
        for _ in range(6):
            self.c.get(q, no_ack=False)
        self.c.send("basic.ack", delivery_tag=4)
        self.c.send("basic.ack", delivery_tag=2, multiple=True)
        self.c.call("tx.rollback")
        self.c.send("basic.ack", delivery_tag=2, multiple=True)
        self.c.send("basic.nack", delivery_tag=4, requeue=True)
        self.c.send("basic.reject", delivery_tag=5)
        self.c.sync()
        self.assertEqual(self.count(q), 0)
        self.c.call("tx.commit")
        self.assertEqual(self.count(q), 1)
        self.c.close()  # 3 and 6 were never settled
        got = []
        while len(got) < 3:
            one = self.other.get(q)
            if one:
                got.append(one.body)
        self.assertEqual(sorted(got), [b"m2", b"m3", b"m5"])

    def test_an_ack_that_waits_is_not_outstanding(self):
        q = self.declare("tx.twice")
        self.fill(q, 1)
        self.c.call("tx.select")
        self.c.get(q, no_ack=False)
        self.c.send("basic.ack", delivery_tag=1)
        self.refused(406, "PRECONDITION_FAILED - unknown delivery tag 1", "basic.ack",
                     delivery_tag=1)
        self.assertEqual(self.c.get(q).body, b"m0")  # the channel ended without commit

    def test_credit_comes_back_at_commit(self):
        q = self.declare("tx.credit")
        self.c.call("basic.qos", prefetch_count=1)
        self.c.call("tx.select")
        self.consume(q)
        for i in range(2):
            self.other.publish("m%d" % i, q)
        self.c.send("basic.ack", delivery_tag=self.c.message().method["delivery-tag"])
        self.c.quiet()
        self.c.send("tx.commit")
        got = [self.c.next() for _ in range(4)]  # in whichever order
        self.assertIn(amqp.Method(1, "tx.commit-ok", {}), got)
        self.assertIn(amqp.Body(1, b"m1"), got)

    def test_what_cannot_be_published_is_told_at_once(self):
        self.c.call("tx.select")
        self.publish_refused(404, "NOT_FOUND - no exchange 'x.none' in vhost '/'",
                             exchange="x.none")

    def test_an_exchange_that_went_before_commit_undoes_all(self):
        q = self.declare("tx.undone")
        self.c.call("exchange.declare", exchange="tx.x", type="fanout")
        self.c.call("tx.select")
        self.c.publish("m", q)
        self.c.publish("m", q, "tx.x")
        self.c.call("exchange.delete", exchange="tx.x")
        self.refused(404, "NOT_FOUND - no exchange 'tx.x' in vhost '/'", "tx.commit")
        self.assertEqual(self.count(q), 0)

    def test_modes_do_not_mix(self):
        for name in ("tx.commit", "tx.rollback"):
            self.refused(406, "PRECONDITION_FAILED - channel is not transactional", name)
        self.c.call("confirm.select")
        self.refused(406, "PRECONDITION_FAILED - cannot switch from confirm to tx mode",
                     "tx.select")
        self.c.call("tx.select")
        self.refused(406, "PRECONDITION_FAILED - cannot switch from tx to confirm mode",
                     "confirm.select")


class Channels(Case):
    def test_flow_and_access(self):
        self.assertEqual(self.c.call("channel.flow", active=True), {"active": True})
        self.assertEqual(self.c.call("access.request"), {"ticket": 1})
        self.refused(540, "NOT_IMPLEMENTED - active=false", "channel.flow", active=False)

    def test_two_thousand_channels(self):
        for channel in range(2, 2048):
            self.c.send("channel.open", channel)
        for _ in range(2, 2048):
            self.c.want("channel.open-ok")
        q = self.queue("ch.many")
        for channel in range(2, 2048):
            self.c.publish("m", q, channel=channel)
        for channel in range(2, 2048):
            self.c.send("channel.close", channel, reply_code=200)
        for _ in range(2, 2048):
            self.c.want("channel.close-ok")
        self.assertEqual(self.c.call("queue.purge", queue=q)["message-count"], 2046)


class SlowReader(Case):
    def test_a_consumer_that_does_not_read_costs_little_and_gets_all_later(self):
        q = self.queue("slow")
        reader = self.client()
        reader.call("queue.declare", queue="slow.other")
        body = b"x" * 100000
        count = 400
        reader.call("basic.consume", queue="slow.other", consumer_tag="t", no_ack=True)
        before = self.broker.rss()
        for _ in range(count):
            self.c.publish(body, "slow.other")
        self.c.sync()
        self.assertEqual(self.c.call("queue.purge", queue=q)["message-count"], 0)
        if SCALE == 1:  # sanitizers keep what was freed
            self.assertLess(self.broker.rss() - before, 90 << 20)
        for _ in range(count):
            self.assertEqual(len(reader.message().body), len(body))
        reader.call("queue.delete", queue="slow.other")
        self.assertEqual(reader.want("basic.cancel")["consumer-tag"], "t")


if __name__ == "__main__":
    unittest.main()
