# SPDX-License-Identifier: Apache-2.0
"""AMQP: exchanges, queues and bindings, what they do and how they refuse, on the wire."""

import unittest

import amqp_raw as amqp
from tercet import BrokerCase

LOCKED = ("RESOURCE_LOCKED - cannot obtain exclusive access to locked queue '%s' in vhost '/'. It "
          "could be originally declared on another connection or the exclusive property value does "
          "not match that of the original declaration.")
DEFAULT = "ACCESS_REFUSED - operation not permitted on the default exchange"


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

    def exchange(self, name, kind="direct", **more):
        self.c.call("exchange.declare", exchange=name, type=kind, **more)
        self.addCleanup(self.drop_exchange, name)
        return name

    def drop_exchange(self, name):
        with amqp.Client(self.broker) as c:
            c.call("exchange.delete", exchange=name)

    def bind(self, queue, exchange, key="", **more):
        self.c.call("queue.bind", queue=queue, exchange=exchange, routing_key=key, **more)

    def routed(self, queues, exchange, key="", **more):
        """Which of the queues a publish enters."""
        self.c.publish("probe", key, exchange, **more)
        return [q for q in queues if self.c.get(q) is not None]

    def refused(self, code, text, name, **args):
        ids = amqp.BY_NAME[name][:2]
        self.assertEqual(self.c.refused(name, **args), (code, text, *ids))


class Exchanges(Case):
    def test_the_predeclared_ones_are_there(self):
        for name in ("amq.direct", "amq.fanout", "amq.topic", "amq.headers", "amq.match",
                     "amq.rabbitmq.trace"):
            self.c.call("exchange.declare", exchange=name, passive=True)
        self.refused(404, "NOT_FOUND - no exchange 'amq.default' in vhost '/'", "exchange.declare",
                     exchange="amq.default", passive=True)

    def test_what_is_reserved(self):
        for name, args in (("exchange.declare", {"type": "direct"}),
                           ("exchange.declare", {"passive": True}), ("exchange.delete", {})):
            self.refused(403, DEFAULT, name, exchange="", **args)
        self.refused(403, "ACCESS_REFUSED - exchange name 'amq.mine' contains reserved prefix "
                     "'amq.*'", "exchange.declare", exchange="amq.mine", type="direct")
        self.refused(403, "ACCESS_REFUSED - deletion of system exchange 'amq.direct' in vhost '/' "
                     "not allowed", "exchange.delete", exchange="amq.direct")
        self.c.call("exchange.declare", exchange="amq.direct", type="direct", durable=True)

    def test_an_unknown_type_is_refused(self):
        self.refused(406, "PRECONDITION_FAILED - unknown exchange type 'nosuch'",
                     "exchange.declare", exchange="x", type="nosuch")

    def test_declaring_again_with_other_properties_is_refused(self):
        x = self.exchange("x.same", arguments={"alternate-exchange": "a", "foo": "a"})
        self.c.call("exchange.declare", exchange=x, type="direct",
                    arguments={"alternate-exchange": "a", "foo": "b"})
        for arg, received, current, args in (
                ("type", "fanout", "direct", {"type": "fanout"}),
                ("durable", "true", "false", {"durable": True}),
                ("auto_delete", "true", "false", {"auto_delete": True}),
                ("internal", "true", "false", {"internal": True}),
                ("alternate-exchange", "b", "a", {"arguments": {"alternate-exchange": "b"}})):
            self.refused(406, "PRECONDITION_FAILED - inequivalent arg '%s' for exchange 'x.same' "
                         "in vhost '/': received '%s' but current is '%s'"
                         % (arg, received, current),
                         "exchange.declare", exchange=x, **{
                             "type": "direct", "arguments": {"alternate-exchange": "a"}, **args})

    def test_an_alternate_exchange_is_a_name(self):
        self.refused(406, "PRECONDITION_FAILED - invalid type 'signedint' for arg "
                     "'alternate-exchange' in exchange 'x.ae' in vhost '/'", "exchange.declare",
                     exchange="x.ae", type="fanout", arguments={"alternate-exchange": 5})

    def test_deleting(self):
        self.c.call("exchange.delete", exchange="x.none")
        x, q = self.exchange("x.used", "fanout"), self.queue("q.used")
        self.bind(q, x)
        self.refused(406, "PRECONDITION_FAILED - exchange 'x.used' in vhost '/' in use",
                     "exchange.delete", exchange=x, if_unused=True)
        self.c.call("exchange.delete", exchange=x)
        self.refused(404, "NOT_FOUND - no exchange 'x.used' in vhost '/'", "exchange.declare",
                     exchange=x, passive=True)

    def test_an_internal_exchange_takes_no_publish(self):
        x = self.exchange("x.internal", "fanout", internal=True)
        self.c.publish("m", "", x)
        self.assertEqual(self.c.refusal(), (
            403, "ACCESS_REFUSED - cannot publish to internal exchange 'x.internal' in vhost '/'",
            60, 40))

    def test_an_auto_delete_exchange_goes_with_its_last_binding(self):
        x, q = self.exchange("x.auto", "fanout", auto_delete=True), self.queue("q.auto")
        self.c.call("exchange.declare", exchange=x, passive=True)
        self.bind(q, x)
        self.c.call("queue.unbind", queue=q, exchange=x)
        self.refused(404, "NOT_FOUND - no exchange 'x.auto' in vhost '/'", "exchange.declare",
                     exchange=x, passive=True)

    def test_nowait_is_not_answered(self):
        self.c.send("exchange.declare", exchange="x.nowait", type="fanout", nowait=True)
        self.c.send("exchange.bind", source="x.nowait", destination="amq.fanout", nowait=True)
        self.c.send("exchange.unbind", source="x.nowait", destination="amq.fanout", nowait=True)
        self.c.send("exchange.delete", exchange="x.nowait", nowait=True)
        self.c.quiet()


class Routing(Case):
    def test_direct(self):
        a, b = self.queue("r.a"), self.queue("r.b")
        self.bind(a, "amq.direct", "one")
        self.bind(b, "amq.direct", "one")
        self.bind(b, "amq.direct", "two")
        self.assertEqual(self.routed([a, b], "amq.direct", "one"), [a, b])
        self.assertEqual(self.routed([a, b], "amq.direct", "two"), [b])
        self.assertEqual(self.routed([a, b], "amq.direct", "three"), [])

    def test_fanout_ignores_the_key_and_gives_each_queue_one(self):
        x, a = self.exchange("r.fanout", "fanout"), self.queue("r.a")
        self.bind(a, x, "one")
        self.bind(a, x, "two")
        self.c.publish("m", "three", x)
        self.assertEqual(self.c.get(a).body, b"m")
        self.assertIsNone(self.c.get(a))

    def test_topic(self):
        x = self.exchange("r.topic", "topic")
        keys = ["a.b", "*.b", "a.*", "#", "a.#", "#.b", "a.#.b", "*", "", "*.#.b", "a.b.c"]
        queues = {key: self.queue("r.topic." + key) for key in keys}
        for key, q in queues.items():
            self.bind(q, x, key)
        for published, wanted in (
                ("a.b", {"a.b", "*.b", "a.*", "#", "a.#", "#.b", "a.#.b", "*.#.b"}),
                ("a", {"#", "a.#", "*"}), ("", {"#", ""}), ("b", {"#", "#.b", "*"}),
                ("a.x.y.b", {"#", "a.#", "#.b", "a.#.b", "*.#.b"}),
                ("a.b.c", {"#", "a.#", "a.b.c"}), ("..b", {"#", "#.b", "*.#.b"}),
                ("a.*", {"a.*", "#", "a.#"})):
            with self.subTest(published=published):
                got = self.routed(list(queues.values()), x, published)
                self.assertEqual(set(got), {queues[key] for key in wanted})

    def test_headers(self):
        x = self.exchange("r.headers", "headers")
        rows = {"all": {"x-match": "all", "a": 1, "b": "two"}, "any": {"x-match": "any", "a": 1,
                "b": "two"}, "default": {"a": 1}, "none": {}, "there": {"a": None},
                "with-x": {"x-match": "all-with-x", "x-y": 1}, "x-ignored": {"x-y": 5, "a": 1}}
        queues = {name: self.queue("r.headers." + name) for name in rows}
        for name, arguments in rows.items():
            self.bind(queues[name], x, arguments=arguments)
        for headers, wanted in (
                ({"a": 1, "b": "two"}, {"all", "any", "default", "none", "there", "x-ignored"}),
                ({"a": 1}, {"any", "default", "none", "there", "x-ignored"}),
                ({"b": "two"}, {"any", "none"}), ({"a": "1"}, {"none", "there"}),
                ({"a": 1.0}, {"none", "there"}), ({}, {"none"}),
                ({"a": amqp.T("l", 1)}, {"any", "default", "none", "there", "x-ignored"}),
                ({"x-y": 1}, {"none", "with-x"})):
            with self.subTest(headers=headers):
                got = self.routed(list(queues.values()), x, headers=headers)
                self.assertEqual(set(got), {queues[name] for name in wanted})

    def test_a_bad_x_match_is_refused(self):
        q = self.queue("r.x-match")
        for value, words in (("bogus", 'value <<"bogus">>; expected all, any, all-with-x, or '
                              'any-with-x'), (5, "type signedint (value 5); expected longstr")):
            self.refused(406, "PRECONDITION_FAILED - Invalid x-match field " + words, "queue.bind",
                         queue=q, exchange="amq.headers", arguments={"x-match": value, "a": 1})

    def test_exchanges_bound_to_exchanges(self):
        a, b = self.exchange("r.from", "topic"), self.exchange("r.to", "fanout")
        q = self.queue("r.behind")
        self.bind(q, b)
        self.c.call("exchange.bind", source=a, destination=b, routing_key="x.#")
        self.assertEqual(self.routed([q], a, "x.y"), [q])
        self.assertEqual(self.routed([q], a, "y"), [])
        self.c.call("exchange.bind", source=b, destination=a)  # a cycle
        self.assertEqual(self.routed([q], a, "x.y"), [q])
        self.assertIsNone(self.c.get(q))
        self.c.call("exchange.unbind", source=a, destination=b, routing_key="x.#")
        self.assertEqual(self.routed([q], a, "x.y"), [])

    def test_an_alternate_exchange_gets_what_went_nowhere(self):
        other, q, r = self.exchange("r.other", "fanout"), self.queue("r.q"), self.queue("r.rest")
        x = self.exchange("r.main", arguments={"alternate-exchange": other})
        self.bind(q, x, "k")
        self.bind(r, other)
        self.assertEqual(self.routed([q, r], x, "k"), [q])
        self.assertEqual(self.routed([q, r], x, "nobody"), [r])
        self.c.publish("m", "nobody", x, mandatory=True)
        self.c.sync()
        self.assertEqual(self.c.get(r).body, b"m")

    def test_cc_and_bcc_are_more_keys(self):
        queues = [self.queue("r.cc%d" % i) for i in range(4)]
        self.c.publish("m", queues[0], headers={"CC": [queues[1], queues[0]], "BCC": [queues[2]],
                                                "other": 1})
        for q in queues[:3]:
            got = self.c.get(q)
            self.assertEqual(got.properties["headers"], {"CC": [queues[1], queues[0]], "other": 1})
            self.assertEqual(got.method["routing-key"], queues[0])
            self.assertIsNone(self.c.get(q))
        self.assertIsNone(self.c.get(queues[3]))

    def test_cc_of_other_types_is_refused(self):
        for headers, words in (({"CC": "text"}, '"CC",longstr'), ({"BCC": 5}, '"BCC",signedint')):
            self.c.publish("m", "x", headers=headers)
            self.assertEqual(self.c.refusal(), (
                406, "PRECONDITION_FAILED - invalid message: {unacceptable_type_in_header,%s}"
                % words, 60, 40))
        q = self.queue("r.cc.mixed")
        self.c.publish("m", "x", headers={"CC": [1, q, None]})
        self.assertEqual(self.c.get(q).body, b"m")

    def test_a_queue_reached_twice_gets_one(self):
        q = self.queue("r.twice")
        self.bind(q, "amq.topic", "#")
        self.bind(q, "amq.topic", "r.*")
        self.c.publish("m", "r.twice", "amq.topic")
        self.assertEqual(self.c.get(q).body, b"m")
        self.assertIsNone(self.c.get(q))

    def test_the_default_exchange_cannot_be_bound(self):
        q = self.queue("r.default")
        for name in ("queue.bind", "queue.unbind"):
            self.refused(403, DEFAULT, name, queue=q, exchange="", routing_key="x")
        self.refused(403, DEFAULT, "exchange.bind", source="", destination="amq.fanout")

    def test_bindings_to_what_is_missing(self):
        q = self.queue("r.missing")
        self.refused(404, "NOT_FOUND - no exchange 'x.none' in vhost '/'", "queue.bind", queue=q,
                     exchange="x.none")
        self.refused(404, "NOT_FOUND - no queue 'q.none' in vhost '/'", "queue.bind",
                     queue="q.none", exchange="amq.direct")
        self.refused(404, "NOT_FOUND - no exchange 'x.none' in vhost '/'", "exchange.bind",
                     source="x.none", destination="amq.fanout")
        self.c.call("queue.unbind", queue=q, exchange="amq.direct", routing_key="none")
        self.c.call("queue.unbind", queue=q, exchange="x.none", routing_key="none")
        self.c.call("exchange.unbind", source="x.none", destination="amq.fanout")


class Queues(Case):
    def test_a_server_made_name(self):
        first = self.c.call("queue.declare", exclusive=True)["queue"]
        second = self.c.call("queue.declare", exclusive=True)["queue"]
        self.assertRegex(first, r"^amq\.gen-[\w-]{22}$")
        self.assertNotEqual(first, second)

    def test_what_is_reserved_and_missing(self):
        self.refused(403, "ACCESS_REFUSED - queue name 'amq.mine' contains reserved prefix 'amq.*'",
                     "queue.declare", queue="amq.mine")
        self.refused(404, "NOT_FOUND - no queue 'q.none' in vhost '/'", "queue.declare",
                     queue="q.none", passive=True)
        self.refused(404, "NOT_FOUND - no queue '' in vhost '/'", "queue.declare", passive=True)

    def test_line_ends_are_taken_out_of_names(self):
        told = self.c.call("queue.declare", queue="a\nb\r", exclusive=True)
        self.assertEqual(told["queue"], "ab")

    def test_an_empty_name_is_the_last_declared(self):
        for name, more in (("queue.bind", {"exchange": "amq.direct"}), ("queue.purge", {}),
                           ("queue.delete", {}), ("basic.consume", {}), ("basic.get", {})):
            self.refused(404, "NOT_FOUND - no previously declared queue", name, **more)
        q = self.queue("q.last")
        self.c.call("queue.bind", exchange="amq.direct")
        self.assertEqual(self.routed([q], "amq.direct", q), [q])
        self.assertEqual(self.c.call("queue.purge")["message-count"], 0)

    def test_declaring_again_with_other_properties_is_refused(self):
        q = self.c.call("queue.declare", queue="q.same", durable=True)["queue"]
        self.addCleanup(self.drop, q)
        self.c.call("queue.declare", queue=q, durable=True, arguments={"foo": 1})
        self.c.call("queue.declare", queue=q, durable=True, arguments={"x-queue-type": "classic"})
        for arg, received, args in (("durable", "false", {}),
                                    ("auto_delete", "true", {"durable": True,
                                                             "auto_delete": True})):
            self.refused(406, "PRECONDITION_FAILED - inequivalent arg '%s' for queue 'q.same' in "
                         "vhost '/': received '%s' but current is '%s'"
                         % (arg, received, "false" if received == "true" else "true"),
                         "queue.declare", queue=q, **args)
        self.refused(405, LOCKED % q, "queue.declare", queue=q, durable=True, exclusive=True)
        self.refused(406, "PRECONDITION_FAILED - inequivalent arg 'x-queue-mode' for queue "
                     "'q.same' in vhost '/': received the value 'lazy' of type 'longstr' but "
                     "current is none",
                     "queue.declare", queue=q, durable=True, arguments={"x-queue-mode": "lazy"})

    def test_arguments_are_compared_by_value(self):
        q = self.c.call("queue.declare", queue="q.lazy", durable=True,
                        arguments={"x-queue-mode": "lazy", "x-queue-version": 2})["queue"]
        self.addCleanup(self.drop, q)
        self.c.call("queue.declare", queue=q, durable=True, arguments={
            "x-queue-version": amqp.T("l", 2), "x-queue-mode": "lazy"})
        self.refused(406, "PRECONDITION_FAILED - inequivalent arg 'x-queue-mode' for queue "
                     "'q.lazy' in vhost '/': received 'default' but current is 'lazy'",
                     "queue.declare",
                     queue=q, durable=True, arguments={"x-queue-mode": "default",
                                                       "x-queue-version": 2})
        self.refused(406, "PRECONDITION_FAILED - inequivalent arg 'x-queue-version' for queue "
                     "'q.lazy' in vhost '/': received none but current is the value '2' of type "
                     "'signedint'", "queue.declare", queue=q, durable=True,
                     arguments={"x-queue-mode": "lazy"})

    def test_a_queue_says_what_its_confirms_promise(self):
        q = self.c.call("queue.declare", queue="q.interval", durable=True,
                        arguments={"x-durability": "interval"})["queue"]
        self.addCleanup(self.drop, q)
        self.refused(406, "PRECONDITION_FAILED - inequivalent arg 'x-durability' for queue "
                     "'q.interval' in vhost '/': received 'memory' but current is 'interval'",
                     "queue.declare", queue=q, durable=True, arguments={"x-durability": "memory"})
        self.refused(406, "PRECONDITION_FAILED - invalid arg 'x-durability' for queue 'q.t' in "
                     "vhost '/': the queue is not durable",
                     "queue.declare", queue="q.t", arguments={"x-durability": "always"})
        self.refused(406, "PRECONDITION_FAILED - arg 'x-durability' for exchange 'e.t' in vhost "
                     "'/': it is a queue's, for an exchange keeps nothing",
                     "exchange.declare", exchange="e.t", type="fanout",
                     arguments={"x-durability": "always"})

    def drop(self, name):
        with amqp.Client(self.broker) as c:
            c.call("queue.delete", queue=name)

    def test_arguments_that_make_no_sense(self):
        for arguments, words in (
                ({"x-message-ttl": "abc"}, "'x-message-ttl'%s: \"expected integer, got longstr\""),
                ({"x-message-ttl": -1}, "'x-message-ttl'%s: {value_negative,-1}"),
                ({"x-message-ttl": 1.5}, "'x-message-ttl'%s: \"expected integer, got double\""),
                ({"x-message-ttl": 315360000001},
                 "'x-message-ttl'%s: {value_too_large,315360000001}"),
                ({"x-expires": 0}, "'x-expires'%s: {value_zero,0}"),
                ({"x-max-priority": 256}, "'x-max-priority'%s: {max_value_exceeded,256}"),
                ({"x-overflow": "bogus"}, "'x-overflow'%s: invalid_overflow"),
                ({"x-queue-type": "bogus"}, "'x-queue-type'%s: \"unsupported queue type 'bogus'\""),
                ({"x-queue-mode": "bogus"}, "'x-queue-mode'%s: \"unsupported queue mode 'bogus'\""),
                ({"x-durability": "never"},
                 "'x-durability'%s: always, interval or memory is expected"),
                ({"x-durability": "none"},
                 "'x-durability'%s: always, interval or memory is expected"),
                ({"x-durability": 1}, "'x-durability'%s: {unacceptable_type,signedint}"),
                ({"x-dead-letter-routing-key": "k"},
                 "'x-dead-letter-routing-key'%s: routing_key_but_no_dlx_defined"),
                ({"x-single-active-consumer": "yes"},
                 "'x-single-active-consumer'%s: {unacceptable_type,longstr}"),
                ({"x-queue-type": "quorum", "x-max-priority": 5},
                 "'x-max-priority'%s of queue type rabbit_quorum_queue"),
                ({"x-queue-type": "stream", "x-message-ttl": 5},
                 "'x-message-ttl'%s of queue type rabbit_stream_queue"),
                ({"x-delivery-limit": 5}, "'x-delivery-limit'%s of queue type "
                                          "rabbit_classic_queue")):
            with self.subTest(arguments=arguments):
                self.refused(406, "PRECONDITION_FAILED - invalid arg "
                             + words % " for queue 'q.bad' in vhost '/'", "queue.declare",
                             queue="q.bad", durable=True, arguments=arguments)
        self.refused(406, "PRECONDITION_FAILED - invalid type 'signedint' for arg "
                     "'x-dead-letter-exchange' in queue 'q.bad' in vhost '/'", "queue.declare",
                     queue="q.bad", arguments={"x-dead-letter-exchange": 5})

    def test_quorum_queues_are_durable_and_named(self):
        for wrong, args in (("non-durable", {}), ("exclusive-owner", {"durable": True,
                            "exclusive": True}), ("auto-delete", {"durable": True,
                                                                  "auto_delete": True})):
            self.refused(406, "PRECONDITION_FAILED - invalid property '%s' for queue 'q.quorum' in "
                         "vhost '/'" % wrong, "queue.declare", queue="q.quorum",
                         arguments={"x-queue-type": "quorum"}, **args)
        self.refused(406, "PRECONDITION_FAILED - Cannot declare a server-named queue for type "
                     "rabbit_quorum_queue", "queue.declare", durable=True,
                     arguments={"x-queue-type": "quorum"})

    def test_quorum_queues_count_deliveries(self):
        q = self.c.call("queue.declare", queue="q.counted", durable=True,
                        arguments={"x-queue-type": "quorum"})["queue"]
        self.addCleanup(self.drop, q)
        self.c.publish("m", q, headers={"own": 1})
        for count in range(3):
            got = self.c.get(q, no_ack=False)
            self.assertEqual(got.properties["headers"],
                             {"own": 1, "x-delivery-count": amqp.T("l", count)})
            self.assertEqual(got.method["redelivered"], count > 0)
            self.c.send("basic.reject", delivery_tag=got.method["delivery-tag"], requeue=True)

    def test_what_is_not_done_yet_is_refused(self):
        for arguments in ({"x-dead-letter-exchange": "dlx"}, {"x-max-priority": 5},
                          {"x-single-active-consumer": True},
                          {"x-overflow": "reject-publish-dlx"}):
            with self.subTest(arguments=arguments):
                code, text, _, _ = self.c.refused("queue.declare", queue="q.absent",
                                                  arguments=arguments)
                self.assertEqual(code, 406)
                self.assertIn("not implemented", text)

    def test_an_exclusive_queue_is_its_connections_alone(self):
        q, own, other = self.queue("q.mine"), self.c, self.client()
        self.c = other
        for name, more in (("queue.declare", {"exclusive": True}),
                           ("queue.declare", {"passive": True}), ("basic.consume", {}),
                           ("basic.get", {}), ("queue.purge", {}), ("queue.delete", {}),
                           ("queue.bind", {"exchange": "amq.fanout"})):
            with self.subTest(name=name, more=more):
                self.refused(405, LOCKED % q, name, queue=q, **more)
        other.publish("from elsewhere", q)
        other.sync()
        self.assertEqual(own.get(q).body, b"from elsewhere")

    def test_deleting(self):
        self.assertEqual(self.c.call("queue.delete", queue="q.none")["message-count"], 0)
        q = self.queue("q.delete")
        self.c.call("basic.consume", queue=q, consumer_tag="t")
        self.refused(406, "PRECONDITION_FAILED - queue 'q.delete' in vhost '/' in use",
                     "queue.delete", queue=q, if_unused=True)
        self.c.publish("m", q)
        self.refused(406, "PRECONDITION_FAILED - queue 'q.delete' in vhost '/' not empty",
                     "queue.delete", queue=q, if_empty=True)
        self.assertEqual(self.c.call("queue.delete", queue=q)["message-count"], 1)

    def test_purging_leaves_what_is_taken(self):
        q = self.queue("q.purge")
        for i in range(3):
            self.c.publish("m%d" % i, q)
        taken = self.c.get(q, no_ack=False)
        self.assertEqual(self.c.call("queue.purge", queue=q)["message-count"], 2)
        self.c.send("basic.reject", delivery_tag=taken.method["delivery-tag"], requeue=True)
        self.assertEqual(self.c.get(q).body, b"m0")
        self.refused(404, "NOT_FOUND - no queue 'q.none' in vhost '/'", "queue.purge",
                     queue="q.none")

    def test_an_auto_delete_queue_goes_with_its_last_consumer(self):
        self.c.call("queue.declare", queue="q.auto", auto_delete=True)
        for tag in "ab":
            self.c.call("basic.consume", queue="q.auto", consumer_tag=tag)
        self.c.call("basic.cancel", consumer_tag="a")
        self.assertEqual(self.c.call("queue.declare", queue="q.auto",
                                     passive=True)["consumer-count"], 1)
        self.c.call("basic.cancel", consumer_tag="b")
        self.refused(404, "NOT_FOUND - no queue 'q.auto' in vhost '/'", "queue.declare",
                     queue="q.auto", passive=True)

    def test_counts_are_of_what_is_ready(self):
        q = self.queue("q.count")
        for _ in range(3):
            self.c.publish("m", q)
        self.c.get(q, no_ack=False)
        told = self.c.call("queue.declare", queue=q, passive=True)
        self.assertEqual((told["message-count"], told["consumer-count"]), (2, 0))


class Restart(unittest.TestCase):
    def test_what_is_durable_is_there_again(self):
        from tercet import Broker
        with Broker(data=True) as b:
            with amqp.Client(b) as c:
                c.call("exchange.declare", exchange="d.x", type="topic", durable=True)
                c.call("exchange.declare", exchange="t.x", type="topic")
                c.call("queue.declare", queue="d.q", durable=True)
                c.call("queue.declare", queue="t.q")
                c.call("queue.bind", queue="d.q", exchange="d.x", routing_key="a.#")
                c.call("confirm.select")
                c.publish("kept", "a.b", "d.x", delivery_mode=2, headers={"n": 1})
                self.assertEqual(c.want("basic.ack")["delivery-tag"], 1)
            b.kill()
            b.start()
            with amqp.Client(b) as c:
                got = c.get("d.q")
                self.assertEqual((got.body, got.properties), (b"kept", {"delivery-mode": 2,
                                                                        "headers": {"n": 1}}))
                self.assertEqual((got.method["exchange"], got.method["routing-key"]),
                                 ("d.x", "a.b"))
                c.publish("again", "a.c", "d.x")
                self.assertEqual(c.get("d.q").body, b"again")
                self.assertEqual(c.refused("queue.declare", queue="t.q", passive=True)[0], 404)
                self.assertEqual(c.refused("exchange.declare", exchange="t.x", passive=True)[0],
                                 404)
                c.call("queue.declare", queue="d.q", durable=True)


if __name__ == "__main__":
    unittest.main()
