# SPDX-License-Identifier: Apache-2.0
"""PUBLISH, its answers, aliases, expiry and properties (5.0: A4, A5, A8; 3.1.1: B)."""

import time
import unittest

import mqtt_raw as m
from mqtt_case import MqttCase

MALFORMED, PROTOCOL = 0x81, 0x82


class Publish(MqttCase):

    def ends_after(self, data, *reasons, version=5):
        client = self.client(version=version)
        client.send(data)
        return self.assert_ends(client, *reasons)

    # ---- strings and lengths ----

    def test_mqtt5_1_5_4_1_ill_formed_utf8(self):
        for bad in (b"\xed\xa0\x80", b"\xc0\x80", b"\xe2\x82", b"\xff", b"\xf4\x90\x80\x80"):
            for version in (4, 5):
                with self.subTest(bad=bad, version=version):
                    self.ends_after(m.publish(bad, version=version), MALFORMED, version=version)
                    self.ends_after(m.subscribe(1, [(bad, 0)], version=version), MALFORMED,
                                    version=version)

    def test_mqtt5_1_5_4_2_nul(self):
        for version in (4, 5):
            self.ends_after(m.publish(b"a\0b", version=version), MALFORMED, version=version)
            self.ends_after(m.subscribe(1, [(b"a\0b", 0)], version=version), MALFORMED,
                            version=version)
            self.ends_after(m.unsubscribe(1, [b"a\0b"], version=version), MALFORMED,
                            version=version)

    def test_mqtt5_1_5_4_3_byte_order_mark_is_data(self):
        stem = self.name("bom")
        topic = "\ufeff" + stem
        exact, other = self.subscriber(topic), self.subscriber(stem)
        self.client().publish(topic, b"x", qos=1)
        exact.take(topic, b"x")
        other.nothing()

    def test_mqtt5_1_5_7_1_user_property_is_utf8(self):
        for bad in (b"\x26\0\1\xff\0\1v", b"\x26\0\1k\0\1\xff", b"\x26\0\1\0\0\1v"):
            self.ends_after(m.publish("a", props=bad), MALFORMED)

    def test_mqtt5_2_2_2_property_lists(self):
        cases = [(b"\x21\0\1", "not of PUBLISH"), (b"\x7e\0", "unknown"),
                 (b"\x01\1\x01\1", "twice"), (b"\x02\0\0\0\1\x02\0\0\0\1", "twice"),
                 (b"\x03\0\1a\x03\0\1a", "twice"), (b"\x09\0\1a\x09\0\1a", "twice"),
                 (b"\x01\2", "no boolean"), (b"\x03\0\5a", "cut")]
        for props, why in cases:
            with self.subTest(why=why, props=props.hex()):
                self.ends_after(m.publish("a", props=props), MALFORMED, PROTOCOL)

    # ---- fixed header ----

    def test_mqtt5_2_1_3_1_reserved_flags(self):
        bad = [b"\xc1\0", b"\x42\2\0\1", b"\x52\2\0\1", b"\x60\2\0\1", b"\x63\2\0\1",
               b"\x72\2\0\1", b"\xe1\0", b"\x80\6\0\1\0\0\1a", b"\x83\6\0\1\0\0\1a",
               b"\xa0\6\0\1\0\0\1a", b"\xf1\0"]
        for data in bad:
            for version in (4, 5):
                with self.subTest(data=data.hex(), version=version):
                    self.ends_after(data, MALFORMED, PROTOCOL, version=version)

    def test_a_server_does_not_take_what_only_servers_send(self):
        for data in (m.packet(0x20, b"\0\0\0"), m.packet(0x90, b"\0\1\0\0"), m.packet(0xd0),
                     m.packet(0xb0, b"\0\1\0\0"), b"\0\0"):
            for version in (4, 5):
                with self.subTest(data=data.hex(), version=version):
                    self.ends_after(data, MALFORMED, PROTOCOL, version=version)

    def test_mqtt5_2_2_1_3_packet_id_zero(self):
        for version in (4, 5):
            self.ends_after(m.publish("a", qos=1, pid=0, version=version), MALFORMED, PROTOCOL,
                            version=version)
            self.ends_after(m.publish("a", qos=2, pid=0, version=version), MALFORMED, PROTOCOL,
                            version=version)
            self.ends_after(m.subscribe(0, [("a", 0)], version=version), MALFORMED, PROTOCOL,
                            version=version)
            self.ends_after(m.unsubscribe(0, ["a"], version=version), MALFORMED, PROTOCOL,
                            version=version)

    def test_mqtt5_3_3_1_2_dup_with_qos_0(self):
        for version in (4, 5):
            self.ends_after(m.publish("a", dup=True, version=version), MALFORMED, version=version)

    def test_mqtt5_3_3_1_4_qos_3(self):
        for version in (4, 5):
            self.ends_after(m.publish("a", qos=3, pid=1, version=version), MALFORMED,
                            version=version)

    # ---- topics ----

    def test_mqtt5_3_3_2_1_a_topic_or_an_alias(self):
        self.ends_after(m.publish(""), MALFORMED, PROTOCOL)
        self.ends_after(m.publish("", version=4), version=4)

    def test_mqtt5_3_3_2_2_wildcards_in_a_topic(self):
        for topic in ("a/#", "a+b", "+", "#"):
            for version in (4, 5):
                self.ends_after(m.publish(topic, version=version), MALFORMED, PROTOCOL, 0x90,
                                version=version)

    def test_mqtt5_4_7_3_3_long_topics(self):
        topic = self.name("long/") + "x" * 65000
        client = self.subscriber(topic)
        client.publish(topic, b"y")
        client.take(topic, b"y")

    def test_mqtt5_3_3_2_14_response_topic(self):
        self.ends_after(m.publish("a", props=[(m.RESPONSE_TOPIC, "a/#")]), PROTOCOL)
        self.ends_after(m.publish("a", props=[(m.RESPONSE_TOPIC, "")]), PROTOCOL)

    def test_mqtt5_3_3_4_6_subscription_identifier_from_a_client(self):
        self.ends_after(m.publish("a", props=[(m.SUB_ID, 1)]), PROTOCOL)

    def test_the_brokers_own_topics_are_nobodys(self):
        client = self.client()
        for topic in ("$SYS/broker/uptime", "$share/g/t", "$queue/q"):
            self.assertEqual(client.publish(topic, b"x", qos=1).reason, 0x87)
        old = self.client(version=4)
        old.publish("$SYS/broker/uptime", b"x", qos=1)

    # ---- aliases ----

    def test_mqtt5_3_3_2_12_every_alias_may_be_set_and_set_anew(self):
        stem = self.name("al")
        receiver, sender = self.subscriber(stem + "/#"), self.client()
        highest = sender.connack.prop(m.ALIAS_MAX, 0)
        self.assertGreater(highest, 0)
        for alias in range(1, highest + 1):
            sender.publish("%s/%d" % (stem, alias), b"set", props=[(m.ALIAS, alias)])
        sender.publish(stem + "/new", b"remap", props=[(m.ALIAS, 1)])
        sender.publish("", b"use1", props=[(m.ALIAS, 1)])
        sender.publish("", b"use", props=[(m.ALIAS, highest)])
        for alias in range(1, highest + 1):
            found = receiver.expect_publish("%s/%d" % (stem, alias), b"set")
            self.assertIsNone(found.prop(m.ALIAS))
        receiver.expect_publish(stem + "/new", b"remap")
        receiver.expect_publish(stem + "/new", b"use1")
        receiver.expect_publish("%s/%d" % (stem, highest), b"use")

    def receive_aliased(self, client, count, known):
        """The topics that came, and the aliases that were known before; keeps them in `known`."""
        topics, used = [], 0
        for _ in range(count):
            found = client.expect(m.PUBLISH)
            alias = found.prop(m.ALIAS)
            used += found.topic == ""
            if alias is not None and found.topic:
                known[alias] = found.topic
            topics.append(found.topic or known[alias])
            if found.qos:
                client.send(m.ack(m.PUBACK, found.pid))
        return topics, used

    def test_mqtt5_3_1_2_26_aliases_sent_stay_under_the_clients_maximum(self):
        stem, name = self.name("given"), self.name("id")
        for most in (1, 3, 65535):
            client = self.client(name, clean=False, props=[(m.ALIAS_MAX, most),
                                                           (m.SESSION_EXPIRY, 60)])
            client.subscribe((stem + "/#", 1))
            sender, known, sent = self.client(), {}, []
            for i in range(60):
                sent.append("%s/%d" % (stem, i % 5 if i % 7 else i))
                sender.publish(sent[-1], b"x", i % 2)
            sender.sync()
            topics, used = self.receive_aliased(client, 60, known)
            self.assertEqual(topics, sent)
            self.assertGreaterEqual(used, {1: 0, 3: 5}.get(most, 40))
            self.assertTrue(all(1 <= alias <= most for alias in known), known)
            client.close()  # 3.3.2-7: none of them is known to the next connection

    def test_mqtt5_3_1_2_27_no_alias_is_sent_unasked(self):
        topic = self.name("a-long-enough-topic")
        for version, props in ((5, ()), (5, [(m.ALIAS_MAX, 0)]), (4, ())):
            client = self.client(version=version, props=props)
            client.subscribe(topic)
            for _ in range(3):
                client.publish(topic, b"x")
                found = client.expect_publish(topic, b"x")
                self.assertTrue(version == 4 or found.prop(m.ALIAS) is None)

    def test_an_alias_makes_no_message_too_large(self):
        topic = self.name("a-long-enough-topic")
        size = len(m.publish(topic, b"x" * 50))
        client = self.client(props=[(m.ALIAS_MAX, 1), (m.PACKET_MAX, size)])
        client.subscribe(topic)
        client.publish(topic, b"x" * 50)  # it fits without an alias alone
        self.assertIsNone(client.expect_publish(topic, b"x" * 50).prop(m.ALIAS))
        client.publish(topic, b"x" * 47)
        self.assertEqual(client.expect_publish(topic, b"x" * 47).prop(m.ALIAS), 1)
        client.publish(topic, b"x" * 50)
        self.assertEqual(client.expect_publish("", b"x" * 50).prop(m.ALIAS), 1)
        client.publish(topic, b"x" * 250)
        client.nothing()

    def test_mqtt5_3_3_2_8_alias_zero(self):
        self.assertIn(self.ends_after(m.publish("a", props=[(m.ALIAS, 0)])), (0x94, PROTOCOL))

    def test_mqtt5_3_2_2_17_alias_over_the_maximum(self):
        client = self.client()
        client.send(m.publish("a", props=[(m.ALIAS, client.connack.prop(m.ALIAS_MAX) + 1)]))
        self.assertEqual(client.ended(), 0x94)

    def test_mqtt5_3_3_2_7_aliases_end_with_the_connection(self):
        name = self.name("id")
        client = self.client(name, clean=False, props=[(m.SESSION_EXPIRY, 60)])
        client.publish(self.name("t"), b"x", props=[(m.ALIAS, 1)])
        client.sync()
        client.close()
        client = self.client(name, clean=False, props=[(m.SESSION_EXPIRY, 60)])
        self.assertTrue(client.connack.present)
        client.send(m.publish("", b"y", props=[(m.ALIAS, 1)]))
        self.assert_ends(client, 0x94, PROTOCOL)

    # ---- flows ----

    def test_mqtt5_3_3_4_1_answers_and_2_2_1_5_ids(self):
        topic = self.name("t")
        for version in (3, 4, 5):
            self.subscriber(topic, version=version)
            client = self.client(version=version)
            for qos in (1, 2):
                for pid in (1, 0x1234, 65535):
                    self.assertEqual(client.publish(topic, b"x", qos, pid).reason, 0)

    def test_mqtt5_3_3_5_nobody_subscribes(self):
        client = self.client()
        self.assertIn(client.publish(self.name("none"), b"x", qos=1).reason, (0, 0x10))

    def test_mqtt5_4_3_2_5_an_id_is_new_after_its_puback(self):
        topic = self.name("t")
        receiver, client = self.subscriber(topic), self.client()
        client.publish(topic, b"1", 1, 9)
        client.publish(topic, b"2", 1, 9, dup=True)
        receiver.take(topic, b"1")
        receiver.take(topic, b"2")

    def test_mqtt5_4_3_3_10_until_pubrel_an_id_is_one_message(self):
        topic = self.name("t")
        for version in (4, 5):
            receiver, client = self.subscriber(topic, version=version), self.client(version=version)
            for dup in (False, True):
                client.send(m.publish(topic, b"once", 2, 7, dup=dup, version=version))
                self.assertEqual(client.expect(m.PUBREC).pid, 7)
            client.send(m.ack(m.PUBREL, 7))
            self.assertEqual(client.expect(m.PUBCOMP).pid, 7)
            client.publish(topic, b"twice", 2, 7)
            receiver.take(topic, b"once")
            receiver.take(topic, b"twice")
            receiver.nothing()

    def test_mqtt5_4_3_3_9_a_refused_id_is_free(self):
        topic = self.name("t")
        receiver, client = self.subscriber(topic), self.client()
        self.assertEqual(client.publish("$SYS/no", b"x", 2, 5).reason, 0x87)
        self.assertEqual(client.publish(topic, b"y", 2, 5).reason, 0)
        receiver.take(topic, b"y")

    def test_mqtt5_3_4_short_forms_and_lengths_of_acks(self):
        client = self.client()
        client.send(m.ack(m.PUBACK, 99), m.ack(m.PUBACK, 99, 0), m.ack(m.PUBACK, 99, 0, []),
                    m.ack(m.PUBCOMP, 99, 0x92))
        client.nothing()
        for kind in (m.PUBACK, m.PUBREC, m.PUBREL, m.PUBCOMP):
            first = kind << 4 | (2 if kind == m.PUBREL else 0)
            for body in (b"", b"\0", b"\0\0"):
                self.ends_after(m.packet(first, body), MALFORMED, PROTOCOL)
            self.ends_after(m.ack(kind, 1, 0x55), PROTOCOL)
            self.ends_after(m.packet(first, b"\0\1\0\0\0"), MALFORMED)

    def test_mqtt5_3_5_stray_acks_are_answered(self):
        client = self.client()
        client.send(m.ack(m.PUBREL, 99))
        found = client.expect(m.PUBCOMP)
        self.assertEqual((found.pid, found.reason), (99, 0x92))
        client.send(m.ack(m.PUBREC, 98))
        found = client.expect(m.PUBREL)
        self.assertEqual((found.pid, found.reason), (98, 0x92))
        client.send(m.ack(m.PUBREC, 97, 0x80))
        client.nothing()
        old = self.client(version=4)
        old.send(m.ack(m.PUBREL, 99))
        self.assertEqual(old.expect(m.PUBCOMP).pid, 99)

    def test_mqtt5_3_3_4_7_our_receive_maximum(self):
        client = self.client()
        most = client.connack.prop(m.RECEIVE_MAX, 65535)
        topic = self.name("t")
        for pid in range(1, most + 1):
            client.send(m.publish(topic, b"x", 2, pid))
        for pid in range(1, most + 1):
            self.assertEqual(client.expect(m.PUBREC).pid, pid)
        client.send(m.ack(m.PUBREL, 1))
        self.assertEqual(client.expect(m.PUBCOMP).pid, 1)
        client.send(m.publish(topic, b"x", 2, most + 1))
        self.assertEqual(client.expect(m.PUBREC).pid, most + 1)
        client.send(m.publish(topic, b"x", 2, most + 2))
        self.assertEqual(client.ended(), 0x93)

    def test_mqtt5_4_6_acks_come_in_the_order_of_receipt(self):
        topic = self.name("t")
        client = self.client()
        order = [(1 + i % 2, i + 1) for i in range(200)]
        client.send(*[m.publish(topic, b"x", qos, pid) for qos, pid in order])
        for qos, pid in order:
            self.assertEqual(client.expect(m.PUBACK if qos == 1 else m.PUBREC).pid, pid)

    # ---- properties ----

    def test_mqtt5_3_3_2_20_properties_are_forwarded_unchanged(self):
        topic = self.name("t")
        users = [(m.USER, ("k", "1")), (m.USER, ("", "")), (m.USER, ("k", "2")),
                 (m.USER, ("content-type", "a user's own")), (m.USER, ("mqtt.props", "x")),
                 (m.USER, ("user.content-type", "y")), (m.USER, ("n;null", "")),
                 (m.USER, ("tercet.address", "else/where")), (m.USER, ("line", "a\nb"))]
        props = [(m.PAYLOAD_FORMAT, 1), (m.CONTENT_TYPE, "text/plain"),
                 (m.RESPONSE_TOPIC, "answer/here"), (m.CORRELATION, b"\0\xff\1")] + users
        receiver = self.subscriber((topic, 2))
        for qos in (0, 1, 2):
            self.client().publish(topic, "p\u00e4yload", qos, props=props)
            found = receiver.take(topic)
            self.assertEqual(sorted(p for p in found.props if p[0] != m.USER),
                             sorted(p for p in props if p[0] != m.USER))
            self.assertEqual([p for p in found.props if p[0] == m.USER], users)

    def test_mqtt5_3_3_2_present_but_empty_properties(self):
        topic = self.name("t")
        props = [(m.PAYLOAD_FORMAT, 0), (m.CONTENT_TYPE, ""), (m.CORRELATION, b"")]
        receiver = self.subscriber(topic)
        self.client().publish(topic, b"", props=props)
        self.assertEqual(sorted(receiver.take(topic, b"").props), sorted(props))

    def test_properties_are_left_out_for_older_clients(self):
        topic = self.name("t")
        receiver = self.subscriber(topic, version=4)
        self.client().publish(topic, b"x", props=[(m.CONTENT_TYPE, "a"), (m.USER, ("k", "v"))])
        receiver.take(topic, b"x")

    def test_mqtt5_3_3_2_5_6_expiry(self):
        topic, name = self.name("t"), self.name("id")
        keep = {"clean": False, "props": [(m.SESSION_EXPIRY, 60)]}
        receiver = self.client(name, **keep)
        receiver.subscribe((topic, 1))
        receiver.send(m.disconnect())
        receiver.ended()
        sender = self.client()
        sender.publish(topic, b"short", 1, props=[(m.EXPIRY, 1)])
        sender.publish(topic, b"long", 1, props=[(m.EXPIRY, 10)])
        sender.publish(topic, b"ever", 1)
        time.sleep(1.3)
        receiver = self.client(name, **keep)
        found = receiver.take(topic, b"long")
        self.assertIn(found.prop(m.EXPIRY), (8, 9))
        self.assertIsNone(receiver.take(topic, b"ever").prop(m.EXPIRY))

    def test_live_expiry_is_what_was_published(self):
        topic = self.name("t")
        receiver = self.subscriber(topic)
        self.client().publish(topic, b"x", props=[(m.EXPIRY, 7)])
        self.assertEqual(receiver.take(topic, b"x").prop(m.EXPIRY), 7)

    # ---- sizes and limits ----

    def test_payloads_of_all_sizes_arrive_whole(self):
        topic = self.name("t")
        for version in (4, 5):
            receiver, sender = self.subscriber((topic, 1), version=version), self.client()
            for size in (0, 1, 127, 128, 16000, 16384, 65536, 300000, 3000000):
                data = bytes(range(256)) * (size // 256 + 1)
                sender.publish(topic, data[:size], 1)
                receiver.take(topic, data[:size])

    def test_a_packet_may_come_one_byte_at_a_time(self):
        topic = self.name("t")
        receiver, sender = self.subscriber(topic), self.client()
        for byte in m.publish(topic, b"slow", 1, 3) + m.PING:
            sender.send(bytes([byte]))
        sender.expect(m.PINGRESP) if sender.receive().type == m.PUBACK else None
        receiver.take(topic, b"slow")

    def test_mqtt5_3_2_2_15_a_packet_over_our_maximum(self):
        client = self.client()
        most = client.connack.prop(m.PACKET_MAX)
        if most is None or most > 268435455:
            self.skipTest("no limit was announced")
        client.send(b"\x30" + m.varint(most))
        self.assertEqual(client.ended(), 0x95)

    def test_mqtt5_3_1_2_24_25_the_clients_maximum_packet_size(self):
        topic = self.name("t")
        for qos in (0, 1, 2):
            receiver = self.subscriber((topic, qos), props=[(m.PACKET_MAX, 100)])
            sender = self.client()
            sender.publish(topic, b"y" * 200, qos)
            sender.publish(topic, b"small", qos)
            receiver.take(topic, b"small")
            sender.publish(topic, b"y" * 200, qos)
            sender.publish(topic, b"again", qos)
            receiver.take(topic, b"again")
            receiver.nothing()
            receiver.close()

    def test_mqtt5_3_3_4_9_the_clients_receive_maximum(self):
        topic = self.name("t")
        for most in (1, 2, 10):
            receiver = self.subscriber((topic, 2), props=[(m.RECEIVE_MAX, most)])
            sender = self.client()
            for i in range(most + 5):
                sender.publish(topic, b"%d" % i, 1 + i % 2)
            first = [receiver.expect(m.PUBLISH) for _ in range(most)]
            receiver.nothing(0.1)  # 3.3.4-10: a ping is answered all the same
            sender.publish(topic, b"zero")  # 4.9.0-3: QoS 0 passes
            for found in first:
                receiver.send(m.ack(m.PUBACK if found.qos == 1 else m.PUBREC, found.pid))
            seen = [found.payload for found in first]
            while len(seen) < most + 6:
                found = receiver.receive()
                self.assertIsNotNone(found, seen)
                if found.type == m.PUBREL:
                    receiver.send(m.ack(m.PUBCOMP, found.pid))
                elif found.type == m.PUBLISH:
                    seen.append(found.payload)
                    if found.qos > 0:
                        receiver.send(m.ack(m.PUBACK if found.qos == 1 else m.PUBREC, found.pid))
            seen.remove(b"zero")
            self.assertEqual(seen, [b"%d" % i for i in range(most + 5)])
            receiver.close()

    def test_mqtt5_2_2_1_4_ids_of_deliveries_are_distinct(self):
        topic = self.name("t")
        receiver, sender = self.subscriber((topic, 1)), self.client()
        for i in range(100):
            sender.publish(topic, b"%d" % i, 1)
        ids = [receiver.expect(m.PUBLISH).pid for _ in range(100)]
        self.assertEqual(len(set(ids)), 100)
        self.assertNotIn(0, ids)

    def test_mqtt5_4_4_0_1_nothing_is_sent_again_on_a_live_connection(self):
        topic = self.name("t")
        receiver = self.subscriber((topic, 2))
        self.client().publish(topic, b"x", 2)
        receiver.expect_publish(topic, b"x")
        receiver.nothing(1.0)


if __name__ == "__main__":
    unittest.main()
