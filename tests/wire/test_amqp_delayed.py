# SPDX-License-Identifier: Apache-2.0
"""AMQP's exchanges of type x-delayed-message: what comes with a delay is routed when it is over."""

import os
import tempfile
import time
import unittest

import amqp_raw as amqp
from admin_raw import ask, counter
from tercet import Broker, BrokerCase, wait_for
from users import pbkdf2

TYPE = "x-delayed-message"
DAY_MS = 86400000


def delayed(c, name, kind="direct", durable=True, **arguments):
    return c.call("exchange.declare", exchange=name, type=TYPE, durable=durable,
                  arguments={"x-delayed-type": kind, **arguments})


class Case(BrokerCase):
    count = 0

    def setUp(self):
        super().setUp()
        self.c = self.client()
        self.due = 0
        Case.count += 1
        self.x = "x%d" % Case.count
        self.addCleanup(self.drop)

    def drop(self):
        with amqp.Client(self.broker) as c:
            c.call("exchange.delete", exchange=self.x)

    def client(self, **more):
        c = amqp.Client(self.broker, **more)
        self.addCleanup(c.close)
        return c

    def queue(self, *keys, exchange=None, arguments=None):
        name = self.c.call("queue.declare", exclusive=True)["queue"]
        for key in keys:
            self.c.call("queue.bind", queue=name, exchange=exchange or self.x, routing_key=key,
                        arguments=arguments)
        return name

    def later(self, body, key="k", delay=300, exchange=None, **more):
        self.due = time.monotonic() + (delay / 1000 if isinstance(delay, int) else 0)
        self.c.publish(body, key, exchange or self.x, headers={"x-delay": delay}, **more)

    def acked(self, upto):
        tag = 0
        while tag < upto:
            tag = self.c.want("basic.ack")["delivery-tag"]
        return tag

    def wait(self, queue):
        """The next message, which must come by itself, and not before what was sent last is due."""
        found = []

        def come():
            found.append(self.c.get(queue))
            return found[-1] is not None
        wait_for(come, 10)
        self.assertGreaterEqual(time.monotonic(), self.due - 0.02)
        return found[-1]

    def refused(self, text, name="exchange.declare", **args):
        got = self.c.refused(name, **args) if name else self.c.refusal()
        self.assertEqual(got[:2], (406, "PRECONDITION_FAILED - " + text))


class Declaring(Case):
    def declare_refused(self, text, arguments):
        self.refused(text, exchange=self.x, type=TYPE, arguments=arguments)

    def test_the_type_by_which_it_routes_is_required(self):
        wrong = "Invalid argument, 'x-delayed-type' must be an existing exchange type"
        self.declare_refused(wrong, {})
        self.declare_refused(wrong, {"x-delayed-type": 1})
        for kind in ("none", TYPE, ""):
            self.declare_refused("Invalid argument, 'x-delayed-type': unknown exchange type '%s'"
                                 % kind, {"x-delayed-type": kind})
        self.assertEqual(self.c.refused("exchange.declare", exchange=self.x, passive=True)[0], 404)

    def test_declaring_it_again(self):
        delayed(self.c, self.x, "fanout")
        delayed(self.c, self.x, "fanout")
        self.refused("inequivalent arg 'x-delayed-type' for exchange '%s' in vhost '/': received "
                     "'direct' but current is 'fanout'" % self.x, exchange=self.x, type=TYPE,
                     durable=True, arguments={"x-delayed-type": "direct"})
        self.refused("inequivalent arg 'type' for exchange '%s' in vhost '/': received 'fanout' "
                     "but current is 'x-delayed-message'" % self.x, exchange=self.x, type="fanout",
                     durable=True)
        self.refused("inequivalent arg 'durable' for exchange '%s' in vhost '/': received 'false' "
                     "but current is 'true'" % self.x, exchange=self.x, type=TYPE,
                     arguments={"x-delayed-type": "fanout"})
        self.refused("inequivalent arg 'type' for exchange 'amq.direct' in vhost '/': received "
                     "'x-delayed-message' but current is 'direct'", exchange="amq.direct",
                     type=TYPE, durable=True, arguments={"x-delayed-type": "direct"})


class Delaying(Case):
    def test_it_is_routed_when_the_delay_is_over_and_not_before(self):
        delayed(self.c, self.x)
        queue = self.queue("k")
        self.c.call("confirm.select")
        self.later("x", delay=400, delivery_mode=2, message_id="m", type="t")
        self.c.want("basic.ack")  # it is kept
        got = self.wait(queue)
        self.assertEqual(got.body, b"x")
        self.assertEqual(got.properties, {"headers": {"x-delay": -400}, "delivery-mode": 2,
                                          "message-id": "m", "type": "t"})
        self.assertEqual((got.method["exchange"], got.method["routing-key"]), (self.x, "k"))

    def test_they_come_in_the_order_of_time(self):
        delayed(self.c, self.x)
        queue = self.queue("k")
        self.c.write(b"".join(amqp.publish(1, body, self.x, "k", headers={"x-delay": delay})
                              for body, delay in (("c", 500), ("b", 400), ("a", 300))))
        self.due = 0
        self.assertEqual([self.wait(queue).body for _ in range(3)], [b"a", b"b", b"c"])

    def test_no_delay_nothing_and_less_are_routed_at_once(self):
        delayed(self.c, self.x)
        queue = self.queue("k")
        self.c.publish("none", "k", self.x)
        self.assertEqual(self.c.get(queue).body, b"none")
        for delay in (0, -1, amqp.T("l", -2 ** 63), "0", -2.5, amqp.T("b", -5)):
            with self.subTest(delay=delay):
                self.later("now", delay=delay)
                self.assertEqual(self.c.get(queue).body, b"now")
        self.later("now", delay=-7)
        self.assertEqual(self.c.get(queue).properties["headers"], {"x-delay": -7})

    def test_a_delay_is_any_number(self):
        delayed(self.c, self.x)
        queue = self.queue("k")
        for delay, told in ((200, -200), ("201", -201), (202.7, -202), (amqp.T("B", 203), -203),
                            (amqp.T("u", 204), -204), (amqp.T("l", 205), -205),
                            (amqp.T("i", 206), -206), (amqp.T("b", 107), -107)):
            with self.subTest(delay=delay):
                before = time.monotonic()
                self.later("x", delay=delay)
                self.due = before - told / 1000
                self.assertEqual(self.wait(queue).properties["headers"], {"x-delay": told})

    def test_what_is_no_delay_is_refused(self):
        delayed(self.c, self.x)
        queue = self.queue("k")
        for delay in ("soon", "", True, None, {}, [], float("inf"), float("nan")):
            with self.subTest(delay=delay):
                self.later("x", delay=delay)
                self.refused("invalid message: header 'x-delay' is not a number", None)
        most = 50 * DAY_MS
        for delay in (most + 1, 2 ** 62, 1e18):
            self.later("x", delay=delay)
            self.refused("invalid message: header 'x-delay' is above %d" % most, None)
        self.assertIsNone(self.c.get(queue))
        self.c.call("confirm.select")
        for delay in (2 ** 32 - 1, most):
            self.later("x", delay=delay)
        self.assertEqual(self.acked(2), 2)
        self.assertIsNone(self.c.get(queue))

    def test_the_inner_type_routes(self):
        delayed(self.c, self.x, "topic")
        one, other = self.queue("a.*"), self.queue("#.b", "*.b")
        self.later("x", "a.b")
        self.later("y", "a.c")
        self.assertEqual([self.wait(one).body, self.wait(one).body], [b"x", b"y"])
        self.assertEqual(self.wait(other).body, b"x")
        self.assertIsNone(self.c.get(other))

    def test_a_fanout_and_headers(self):
        delayed(self.c, self.x, "headers")
        queue = self.queue("", arguments={"x-match": "all", "n": 1})
        other = self.queue("", arguments={"x-match": "any-with-x", "x-delay": -300})
        self.c.publish("x", "", self.x, headers={"x-delay": 300, "n": 1})
        self.assertEqual(self.wait(queue).properties["headers"], {"x-delay": -300, "n": 1})
        self.assertEqual(self.wait(other).body, b"x")
        fan = self.x + "f"
        delayed(self.c, fan, "fanout")
        self.addCleanup(lambda: self.client().call("exchange.delete", exchange=fan))
        queues = [self.queue("any", exchange=fan) for _ in range(3)]
        self.later("y", "none", exchange=fan)
        for one in queues:
            self.assertEqual(self.wait(one).body, b"y")

    def test_bindings_are_those_of_the_time_when_it_is_due(self):
        delayed(self.c, self.x)
        for delay in (500, 5000, 50000):  # the longer ones if the machine is too slow
            before, after = self.queue("k"), self.queue()
            self.later("x", delay=delay)
            self.c.call("queue.bind", queue=after, exchange=self.x, routing_key="k")
            self.c.call("queue.unbind", queue=before, exchange=self.x, routing_key="k")
            if time.monotonic() < self.due:
                break
        self.assertEqual(self.wait(after).body, b"x")
        self.assertIsNone(self.c.get(before))

    def test_cc_is_more_keys_and_a_queue_gets_it_once(self):
        delayed(self.c, self.x)
        both, other = self.queue("k", "l"), self.queue("m")
        self.c.publish("x", "k", self.x, headers={"x-delay": 300, "CC": ["l"], "BCC": ["m"]})
        got = self.wait(other)
        self.assertEqual(got.properties["headers"], {"x-delay": -300, "CC": ["l"]})
        self.assertEqual(self.wait(both).body, b"x")
        self.assertIsNone(self.c.get(both))

    def test_mandatory_is_for_what_is_routed_at_once(self):
        delayed(self.c, self.x)
        self.later("x", "nowhere", mandatory=True)
        self.c.sync()  # kept, and not returned
        self.later("x", "nowhere", delay=0, mandatory=True)
        self.assertEqual(self.c.message("basic.return").method["reply-code"], 312)

    def test_an_alternate_exchange_gets_it_when_it_is_due(self):
        delayed(self.c, self.x, **{"alternate-exchange": "amq.fanout"})
        queue = self.queue("", exchange="amq.fanout")
        self.later("x", "nowhere")
        self.assertEqual(self.wait(queue).body, b"x")

    def test_it_expires_from_when_it_is_routed(self):
        delayed(self.c, self.x)
        queue = self.queue("k")
        self.c.call("basic.consume", queue=queue, no_ack=True)
        self.later("x", delay=600, expiration="300")
        got = self.c.message()
        self.assertEqual(got.body, b"x")
        self.assertEqual(got.properties, {"headers": {"x-delay": -600}, "expiration": "300"})

    def test_exchanges_bound_to_one_that_delays(self):
        front, chained = self.x + "a", self.x + "b"
        delayed(self.c, self.x, "fanout")
        delayed(self.c, chained, "fanout")
        self.c.call("exchange.declare", exchange=front, type="topic")
        for name in (front, chained):
            self.addCleanup(lambda name=name: self.client().call("exchange.delete", exchange=name))
        direct = self.queue("k", exchange=front)
        self.c.call("exchange.bind", destination=self.x, source=front, routing_key="k")
        self.c.call("exchange.bind", destination=chained, source=self.x, routing_key="")
        last = self.queue("", exchange=chained)
        self.later("x", exchange=front)
        self.assertEqual(self.c.get(direct).properties["headers"], {"x-delay": 300})
        got = self.wait(last)  # once: the second one finds the delay over
        self.assertEqual(got.properties["headers"], {"x-delay": -300})
        self.later("x", exchange=front, delay="never")  # nothing to an exchange that does not delay
        self.assertEqual(self.c.get(direct).body, b"x")
        self.assertEqual(self.c.get(last).body, b"x")

    def test_a_transaction_delays_from_its_commit(self):
        delayed(self.c, self.x)
        queue = self.queue("k")
        self.c.call("tx.select")
        self.later("gone")
        self.c.call("tx.rollback")
        self.later("x")
        self.c.quiet(0.35)
        self.due = time.monotonic() + 0.3
        self.c.call("tx.commit")
        self.assertEqual(self.wait(queue).body, b"x")
        self.assertIsNone(self.c.get(queue))

    def test_deleting_the_exchange_drops_what_it_keeps(self):
        delayed(self.c, self.x)
        self.later("gone")
        self.c.call("exchange.delete", exchange=self.x)
        delayed(self.c, self.x)
        queue = self.queue("k")
        self.later("x", delay=500)
        self.assertEqual(self.wait(queue).body, b"x")
        self.assertIsNone(self.c.get(queue))


class Limits(unittest.TestCase):
    def test_what_may_wait_is_limited_and_cancelling_gives_a_place_back(self):
        with Broker(data=True, config="delayed_max = 3\n") as broker, amqp.Client(broker) as c:
            delayed(c, "x")
            c.call("exchange.declare", exchange="y", type=TYPE, durable=True,
                   arguments={"x-delayed-type": "fanout"})
            c.call("confirm.select")
            for i, exchange in enumerate("xxy"):
                c.publish(b"%d" % i, "k%d" % i, exchange, headers={"x-delay": DAY_MS})
                c.want("basic.ack")

            def more(answer):
                c.publish(b"more", "k", "y", headers={"x-delay": DAY_MS})
                c.want(answer)
            more("basic.nack")
            self.assertEqual(counter(broker, "core_delayed"), 3)
            told = ask(broker, "GET", "/api/delayed")[1]["delayed"]
            self.assertEqual([(one["exchange"], one["topic"], one["bytes"]) for one in told],
                             [("x", "k0", 1), ("x", "k1", 1), ("y", "k2", 1)])
            self.assertEqual(ask(broker, "POST", "/api/delayed/cancel?id=" + told[0]["id"])[0],
                             200)
            self.assertEqual(counter(broker, "core_delayed"), 2)
            more("basic.ack")
            more("basic.nack")
            c.call("exchange.delete", exchange="x")  # one of its two was cancelled
            more("basic.ack")
            broker.kill()
            broker.start()
            wait_for(lambda: counter(broker, "core_delayed") == 3)
            told = ask(broker, "GET", "/api/delayed")[1]["delayed"]
            self.assertEqual([one["exchange"] for one in told], ["y"] * 3)


class Restart(unittest.TestCase):
    def test_each_comes_once_over_kills_and_stops(self):
        with Broker(data=True) as broker:
            total = 300
            with amqp.Client(broker) as c:
                delayed(c, "x", "topic")
                c.call("queue.declare", queue="q", durable=True)
                c.call("queue.bind", queue="q", exchange="x", routing_key="k.*")
                c.call("confirm.select")
                for i in range(total):
                    c.publish(b"%d" % i, "k.%d" % i, "x", delivery_mode=2,
                              headers={"x-delay": 1000 + i % 3 * 1000, "n": i})
                acked = 0
                while acked < total:
                    acked = c.want("basic.ack")["delivery-tag"]
            for i in range(5):
                waited = counter(broker, "core_delayed")
                wait_for(lambda: counter(broker, "core_delayed") < max(waited, 1), 10)
                if i == 2:
                    broker.stop()
                else:
                    broker.kill()
                broker.start()
            wait_for(lambda: counter(broker, "core_delayed") == 0, 20)
            with amqp.Client(broker) as c:
                found = [c.get("q") for _ in range(total)]
                self.assertIsNone(c.get("q"))
                self.assertEqual(sorted(int(one.body) for one in found), list(range(total)))
                for one in found:
                    n = int(one.body)
                    self.assertEqual(one.properties["headers"],
                                     {"x-delay": -(1000 + n % 3 * 1000), "n": n})
                delayed(c, "x", "topic")  # it is there, as it was
            self.assertEqual(counter(broker, "core_delayed_dropped_total"), 0)


class Rights(unittest.TestCase):
    def write(self, name, text):
        with open(os.path.join(self.dir, name), "w", encoding="utf-8") as file:
            file.write(text)

    def test_who_may_not_publish_any_more_when_it_is_due_does_not(self):
        with tempfile.TemporaryDirectory() as self.dir:
            self.write("users", "".join("%s:%s\n" % (name, pbkdf2(name))
                                        for name in ("boss", "alice", "bob")))
            self.write("rules", "allow user:boss all all *\n"
                       "allow user:alice publish exchange literal:x\n"
                       "allow user:bob publish exchange literal:x\n")
            config = "password_file = %s/users\nacl_file = %s/rules\n" % (self.dir, self.dir)
            with Broker(data=True, config=config) as broker:
                boss = amqp.Client(broker, user="boss", password="boss")
                delayed(boss, "x", "fanout")
                boss.call("queue.declare", queue="q", durable=True)
                boss.call("queue.bind", queue="q", exchange="x")
                began = time.monotonic()
                amqp.Client(broker, user="bob", password="bob").close()
                delay = 1000 + int(20000 * (time.monotonic() - began))  # four are to be in time
                for name in ("alice", "bob", "alice", "boss"):
                    with amqp.Client(broker, user=name, password=name) as c:
                        c.call("confirm.select")
                        c.publish(name, "", "x", delivery_mode=2, headers={"x-delay": delay})
                        c.want("basic.ack")
                self.assertEqual(counter(broker, "core_delayed"), 4)
                broker.kill()
                self.write("rules", "allow user:boss all all *\n"
                           "allow user:bob publish exchange literal:x\n")
                broker.start()
                wait_for(lambda: counter(broker, "core_delayed") == 0, 10)
                boss.close()
                with amqp.Client(broker, user="boss", password="boss") as boss:
                    self.assertEqual([boss.get("q").body for _ in range(2)], [b"bob", b"boss"])
                    self.assertIsNone(boss.get("q"))
                self.assertEqual(counter(broker, "core_delayed_dropped_total"), 2)


if __name__ == "__main__":
    unittest.main()
