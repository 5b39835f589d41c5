# SPDX-License-Identifier: Apache-2.0
"""SUBSCRIBE, UNSUBSCRIBE, matching and retained messages (5.0: A4, A6, A9; 3.1.1: B)."""

import time
import unittest

import mqtt_raw as m
from mqtt_case import MqttCase

MALFORMED, PROTOCOL = 0x81, 0x82
NO_LOCAL, AS_PUBLISHED = 4, 8

# filter, topic, does it match
MATCHES = [
    ("a", "a", True), ("a", "b", False), ("a", "a/b", False), ("a/b", "a", False),
    ("a/b", "a/b", True), ("a/b", "a/b/", False), ("a/", "a/", True), ("a/", "a", False),
    ("/a", "/a", True), ("/a", "a", False), ("a", "/a", False), ("/", "/", True),
    ("a//b", "a//b", True), ("a//b", "a/b", False), ("A", "a", False), ("a ", "a", False),
    ("+", "a", True), ("+", "a/b", False), ("+", "/a", False), ("+", "/", False),
    ("/+", "/a", True), ("/+", "/", True), ("/+", "a", False), ("/+", "/a/b", False),
    ("+/+", "/a", True), ("+/+", "a/", True), ("+/+", "/", True), ("+/+", "a", False),
    ("+/+", "a/b/c", False), ("+/b", "a/b", True), ("+/b", "/b", True), ("+/b", "a/c", False),
    ("a/+", "a/b", True), ("a/+", "a/", True), ("a/+", "a", False), ("a/+", "a/b/c", False),
    ("a/+/c", "a/b/c", True), ("a/+/c", "a//c", True), ("a/+/c", "a/b/b/c", False),
    ("a/+/c", "a/b/d", False), ("+/+/+", "a/b/c", True), ("+/+/+", "a/b", False),
    ("#", "a", True), ("#", "a/b/c", True), ("#", "/", True), ("#", "/a", True),
    ("a/#", "a", True), ("a/#", "a/", True), ("a/#", "a/b", True), ("a/#", "a/b/c/d", True),
    ("a/#", "ab", False), ("a/#", "b/a", False), ("/#", "/", True), ("/#", "/a/b", True),
    ("/#", "a", False), ("+/#", "a", True), ("+/#", "a/b/c", True), ("+/#", "/", True),
    ("a/b/#", "a", False), ("a/b/#", "a/b", True), ("a/b/#", "a/bc", False),
    ("a/+/#", "a/b", True), ("a/+/#", "a", False), ("a/+/#", "a/b/c/d", True),
    ("a/+/#", "a/", True), ("*", "a", False), ("a/*", "a/b", False), ("a/*", "a/*", True),
    ("a.b", "a.b", True), ("a.b", "a/b", False), ("a%2Fb", "a%2Fb", True), ("a%2Fb", "a/b", False),
    ("e\u0301", "\u00e9", False), ("\u00e9", "\u00e9", True),
    ("$x/#", "$x/a", True), ("$x/+", "$x/a", True), ("#", "$x/a", False), ("+/a", "$x/a", False),
    ("+/#", "$x/a", False), ("$x/a", "$x/a", True),
]


class Subscribe(MqttCase):

    def ends_after(self, data, *reasons, version=5):
        client = self.client(version=version)
        client.send(data)
        return self.assert_ends(client, *reasons)

    # ---- the packets ----

    def test_mqtt5_3_8_3_2_no_filter(self):
        for version in (4, 5):
            self.ends_after(m.subscribe(1, [], version=version), MALFORMED, PROTOCOL,
                            version=version)
            self.ends_after(m.unsubscribe(1, [], version=version), MALFORMED, PROTOCOL,
                            version=version)

    def test_mqtt5_3_8_3_5_reserved_options(self):
        for options in (3, 0x30, 0x40, 0x80):
            self.ends_after(m.subscribe(1, [("a", options)]), MALFORMED, PROTOCOL)
        for options in (3, 4, 8, 0x10, 0x80):
            self.ends_after(m.subscribe(1, [("a", options)], version=4), version=4)

    def test_mqtt5_4_7_1_bad_filters(self):
        for bad in ("a#", "a/#/b", "a+", "+a/b", "#/a", ""):
            for version in (4, 5):
                client = self.client(version=version)
                client.send(m.subscribe(1, [(bad, 0)], version=version))
                try:
                    found = client.receive()
                except EOFError:
                    continue
                if found.type == m.SUBACK:
                    self.assertGreaterEqual(found.codes[0], 0x80)
                else:
                    self.assertIn(found.reason, (MALFORMED, PROTOCOL, 0x8f))

    def test_mqtt5_3_8_4_2_ids_are_echoed(self):
        for version in (4, 5):
            client = self.client(version=version)
            for pid in (1, 256, 65535):
                client.send(m.subscribe(pid, [("a", 0)], version=version))
                self.assertEqual(client.expect(m.SUBACK).pid, pid)
                client.send(m.unsubscribe(pid, ["a"], version=version))
                self.assertEqual(client.expect(m.UNSUBACK).pid, pid)

    def test_mqtt5_3_8_4_6_many_filters_one_code_each_in_order(self):
        client = self.client()
        self.assertEqual(client.subscribe(("a", 0), ("b", 1), ("c", 2), ("d", 1)), [0, 1, 2, 1])
        many = [("%s/%d" % (self.name(), i), i % 3) for i in range(500)]
        self.assertEqual(client.subscribe(*many), [i % 3 for i in range(500)])

    def test_mqtt5_4_8_2_1_2_the_form_of_shared_subscriptions(self):
        name = "$share/%s/a" % self.name("g")
        self.assertEqual(self.client().subscribe("a", (name, 2), "b"), [0, 2, 0])
        self.assertEqual(self.client(version=4).subscribe("a", (name, 1)), [0, 1])
        for bad in ("$share//a", "$share/n", "$share/n/"):
            with self.subTest(bad=bad):
                self.assertEqual(self.client().subscribe("b", bad, ("a", 1)), [0, 0x8f, 1])
                self.assertEqual(self.client(version=4).subscribe("b", bad), [0, 0x80])
        self.ends_after(m.subscribe(1, [("$share/n+/a", 0)]), 0x8f, 0x81)

    def test_mqtt5_3_8_3_4_no_local_on_a_shared_subscription(self):
        self.ends_after(m.subscribe(1, [("$share/g/a", NO_LOCAL)]), PROTOCOL)

    def test_mqtt5_3_8_4_subscription_identifiers(self):
        topic = self.name("t")
        self.ends_after(m.subscribe(1, [("a", 0)], [(m.SUB_ID, 0)]), PROTOCOL)
        self.ends_after(m.subscribe(1, [("a", 0)], b"\x0b\1\x0b\1"), PROTOCOL)
        client = self.client()
        client.subscribe(topic, props=[(m.SUB_ID, 268435455)])
        client.publish(topic, b"x")
        self.assertEqual(client.take(topic).all(m.SUB_ID), [268435455])
        client.subscribe(topic, props=[(m.SUB_ID, 5)])
        client.publish(topic, b"x")
        self.assertEqual(client.take(topic).all(m.SUB_ID), [5])
        client.subscribe(topic)
        client.publish(topic, b"x")
        self.assertEqual(client.take(topic).all(m.SUB_ID), [])

    # ---- matching ----

    def test_mqtt5_4_7_matching(self):
        sender = self.client()
        for version in (4, 5):
            for pattern, topic, does in MATCHES:
                with self.subTest(filter=pattern, topic=topic, version=version):
                    client = self.client(version=version)
                    client.subscribe(pattern)
                    sender.publish(topic, b"x", qos=1)
                    between = client.sync()
                    fresh = [p.topic for p in between if not p.retain]
                    self.assertEqual(fresh, [topic] if does else [])
                    client.close()

    def test_mqtt5_3_8_4_8_qos_is_the_lesser(self):
        topic = self.name("t")
        for version in (4, 5):
            for granted in (0, 1, 2):
                receiver = self.subscriber((topic, granted), version=version)
                sender = self.client()
                for qos in (0, 1, 2):
                    sender.publish(topic, b"x", qos)
                    found = receiver.take(topic)
                    self.assertEqual(found.qos, min(granted, qos))
                    self.assertFalse(found.dup)
                receiver.close()

    def test_mqtt5_3_3_1_3_dup_is_not_forwarded(self):
        topic = self.name("t")
        receiver = self.subscriber((topic, 2))
        self.client().publish(topic, b"x", 1, dup=True)
        self.assertFalse(receiver.take(topic).dup)

    def test_mqtt5_3_3_4_2_overlapping_subscriptions(self):
        stem = self.name("o")
        client = self.client()
        client.subscribe((stem + "/#", 1), props=[(m.SUB_ID, 2)])
        client.subscribe((stem + "/b", 2), props=[(m.SUB_ID, 3)])
        client.subscribe((stem + "/+", 0))
        self.client().publish(stem + "/b", b"x", 2)
        found = client.take(stem + "/b")
        self.assertEqual(found.qos, 2)
        self.assertEqual(sorted(found.all(m.SUB_ID)), [2, 3])
        client.nothing()

    # ---- unsubscribing and replacing ----

    def test_mqtt5_3_10_4_unsubscribe(self):
        stem = self.name("u")
        client, sender = self.client(), self.client()
        client.subscribe((stem + "/+", 0), (stem + "/b", 0), (stem + "/c", 0))
        client.send(m.unsubscribe(9, [stem + "/+", stem + "/none", stem + "/c"]))
        found = client.expect(m.UNSUBACK)
        self.assertEqual(found.codes, [0, 0x11, 0])
        for last in "abc":
            sender.publish(stem + "/" + last, b"x", 1)
        client.take(stem + "/b")
        client.nothing()

    def test_mqtt311_3_10_4_unsuback_always_and_without_codes(self):
        client = self.client(version=4)
        client.send(m.unsubscribe(9, ["a", "b"], version=4))
        self.assertEqual(client.expect(m.UNSUBACK).codes, [])

    def test_mqtt5_3_8_4_3_an_identical_filter_replaces_and_loses_nothing(self):
        topic = self.name("t")
        receiver, sender = self.subscriber((topic, 1)), self.client()
        sent = 300
        seen = []
        for i in range(sent):
            sender.send(m.publish(topic, b"%d" % i, 1, i + 1))
            if i % 50 == 0:
                receiver.send(m.subscribe(2, [(topic, (i // 50) % 2)]))
        while len(seen) < sent:
            found = receiver.receive()
            self.assertIsNotNone(found, len(seen))
            if found.type == m.PUBLISH:
                seen.append(int(found.payload))
                if found.qos == 1:
                    receiver.send(m.ack(m.PUBACK, found.pid))
        self.assertEqual(seen, list(range(sent)))

    def test_mqtt5_3_10_4_3_started_deliveries_are_finished(self):
        topic = self.name("t")
        receiver = self.subscriber((topic, 2))
        self.client().publish(topic, b"x", 2)
        found = receiver.expect_publish(topic)
        receiver.send(m.unsubscribe(2, [topic]))
        receiver.expect(m.UNSUBACK)
        receiver.send(m.ack(m.PUBREC, found.pid))
        self.assertEqual(receiver.expect(m.PUBREL).pid, found.pid)
        receiver.send(m.ack(m.PUBCOMP, found.pid))
        receiver.nothing()

    # ---- options ----

    def test_mqtt5_3_8_3_3_no_local(self):
        topic = self.name("t")
        client, other = self.subscriber((topic, NO_LOCAL)), self.client()
        client.publish(topic, b"mine", 1)
        other.publish(topic, b"theirs", 1)
        client.take(topic, b"theirs")
        client.nothing()

    def test_mqtt5_3_8_3_3_a_no_local_filter_adds_nothing_to_ones_own(self):
        topic = self.name("t")
        client, other = self.client(), self.client()
        client.subscribe((topic + "/+", 0), props=[(m.SUB_ID, 1)])
        client.subscribe((topic + "/a", 1 | NO_LOCAL | AS_PUBLISHED), props=[(m.SUB_ID, 2)])
        for sender, expected in ((client, [(0, False, [1])]), (other, [(1, True, [1, 2])])):
            sender.send(m.publish(topic + "/a", b"x", 1, 9, retain=True))
            came = sender.sync() + client.sync()
            self.assertEqual([(p.qos, p.retain, sorted(p.all(m.SUB_ID))) for p in came
                              if p.type == m.PUBLISH], expected)

    def test_mqtt5_3_8_3_3_nor_to_ones_own_that_waits(self):
        for expiry in (0, 60):
            topic = self.name("t%d" % expiry)
            client = self.client(props=[(m.RECEIVE_MAX, 1), (m.SESSION_EXPIRY, expiry)])
            other = self.client()
            client.subscribe((topic + "/+", 1), props=[(m.SUB_ID, 1)])
            client.subscribe((topic + "/a", 2 | NO_LOCAL | AS_PUBLISHED), props=[(m.SUB_ID, 2)])
            other.publish(topic + "/b", b"not acknowledged yet", 1)
            first = client.expect_publish(topic + "/b")
            for sender in (client, other):
                sender.publish(topic + "/a", b"x", 2, retain=True)
            client.send(m.ack(m.PUBACK, first.pid))
            for expected in (1, False, [1]), (2, True, [1, 2]):
                found = client.take(topic + "/a")
                self.assertEqual((found.qos, found.retain, sorted(found.all(m.SUB_ID))), expected)

    def test_mqtt5_3_3_1_12_13_retain_as_published(self):
        topic = self.name("t")
        plain, kept = self.subscriber(topic), self.subscriber((topic, AS_PUBLISHED))
        sender = self.client()
        for retain in (True, False):
            sender.publish(topic, b"x", retain=retain)
            self.assertFalse(plain.take(topic).retain)
            self.assertEqual(kept.take(topic).retain, retain)

    # ---- retained messages ----

    def retained(self, *filters, version=5):
        client = self.client(version=version)
        client.subscribe(*filters)
        found = client.sync()
        client.close()
        return found

    def test_mqtt5_3_3_1_5_a_retained_message_is_replaced(self):
        topic = self.name("r")
        sender = self.client()
        sender.publish(topic, b"1", 1, retain=True)
        sender.publish(topic, b"2", 0, retain=True)
        sender.publish(topic, b"plain", 1)  # 3.3.1-8
        sender.sync()
        for version in (3, 4, 5):
            found = self.retained((topic, 1), version=version)
            self.assertEqual([(p.payload, p.retain, p.qos) for p in found], [(b"2", True, 0)])

    def test_mqtt5_3_3_1_6_7_an_empty_one_deletes(self):
        topic = self.name("r")
        sender, live = self.client(), self.subscriber(topic)
        sender.publish(topic, b"1", 1, retain=True)
        sender.publish(topic, b"", 1, retain=True)
        live.take(topic, b"1")
        live.take(topic, b"")
        self.assertEqual(self.retained(topic), [])

    def test_mqtt5_retained_messages_match_wildcards(self):
        stem = self.name("r")
        sender = self.client()
        for last in ("a", "b", "b/c"):
            sender.publish(stem + "/" + last, last.encode(), 1, retain=True)
        topics = sorted(p.topic for p in self.retained(stem + "/#"))
        self.assertEqual(topics, [stem + "/a", stem + "/b", stem + "/b/c"])
        topics = sorted(p.topic for p in self.retained(stem + "/+"))
        self.assertEqual(topics, [stem + "/a", stem + "/b"])

    def test_mqtt5_3_3_1_9_10_11_retain_handling(self):
        topic = self.name("r")
        self.client().publish(topic, b"x", 1, retain=True)
        for handling, first, second in ((0, 1, 1), (1, 1, 0), (2, 0, 0)):
            client = self.client()
            for count in (first, second):
                client.subscribe((topic, handling << 4))
                self.assertEqual(len(client.sync()), count, handling)

    def test_mqtt5_retained_messages_carry_properties_and_ids(self):
        topic = self.name("r")
        props = [(m.CONTENT_TYPE, "x/y"), (m.USER, ("a", "b")), (m.USER, ("a", "c"))]
        self.client().publish(topic, b"x", 1, retain=True, props=props)
        client = self.client()
        client.subscribe((topic, 1), props=[(m.SUB_ID, 77)])
        found = client.take(topic, b"x")
        self.assertTrue(found.retain)
        self.assertEqual(found.all(m.SUB_ID), [77])
        self.assertEqual([p for p in found.props if p[0] != m.SUB_ID], props)

    def test_mqtt5_3_3_1_retained_messages_expire(self):
        topic = self.name("r")
        self.client().publish(topic, b"x", 1, retain=True, props=[(m.EXPIRY, 1)])
        self.assertEqual(len(self.retained(topic)), 1)
        time.sleep(1.2)
        self.assertEqual(self.retained(topic), [])
        self.assertEqual(self.retained(topic + "/#"), [])

    def test_many_retained_messages_are_paced_by_the_receive_maximum(self):
        stem = self.name("r")
        sender = self.client()
        for i in range(300):
            sender.send(m.publish("%s/%d" % (stem, i), b"x", 1, i + 1, retain=True))
        for i in range(300):
            sender.expect(m.PUBACK)
        client = self.client(props=[(m.RECEIVE_MAX, 7)])
        client.subscribe((stem + "/#", 1))
        seen = {client.take().topic for _ in range(300)}
        self.assertEqual(len(seen), 300)
        client.nothing()


if __name__ == "__main__":
    unittest.main()
