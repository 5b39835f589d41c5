# SPDX-License-Identifier: Apache-2.0
"""CONNECT and CONNACK, row by row of the specification (5.0: A2, A3; 3.1.1: B; 3.1: C)."""

import time
import unittest

import mqtt_raw as m
from mqtt_case import MqttCase
from tercet import SCALE

MALFORMED, PROTOCOL = 0x81, 0x82


class Connect(MqttCase):

    def refused(self, data, *reasons, version=5):
        client = self.open(version)
        client.send(data)
        return self.assert_ends(client, *reasons)

    # ---- 3.1.0, 3.1.2: name, level, flags ----

    def test_mqtt5_3_1_0_1_first_packet_must_be_connect(self):
        for first in (m.publish("a", b"x"), m.subscribe(1, [("a", 0)]), m.PING, m.disconnect(),
                      m.auth(), m.ack(m.PUBACK, 1), m.packet(0x20, b"\0\0\0"),
                      b"\x30\xff\xff\xff\x7f"):
            with self.subTest(first=first.hex()):
                self.assertIsNone(self.refused(first))

    def test_mqtt5_3_1_0_2_second_connect_is_a_protocol_error(self):
        client = self.client()
        client.send(m.connect("again"))
        self.assert_ends(client, PROTOCOL)

    def test_mqtt5_3_1_2_1_protocol_name(self):
        for name in ("MQTX", "mqtt", "", "MQTTT", "MQIsdp"):
            with self.subTest(name=name):
                self.refused(m.connect("a", name=name), 0x84, 1)

    def test_mqtt5_3_1_2_2_unsupported_level(self):
        for level in (0, 2, 6, 9, 0x85, 255):
            with self.subTest(level=level):
                self.refused(m.connect("a", level=level), 0x84, 1)

    def test_mqtt311_3_1_2_2_unsupported_level_is_answered(self):
        self.assertIn(self.refused(m.connect("a", version=4, level=9), version=4), (1,))

    def test_mqtt5_3_1_2_3_reserved_flag(self):
        for version in (4, 5):
            self.refused(m.connect("a", version, flags=3), MALFORMED, version=version)

    def test_mqtt31_reserved_flag_has_no_meaning(self):
        client = self.open(3)
        client.send(m.connect("a", 3, flags=1))
        self.assertEqual(client.expect(m.CONNACK).reason, 0)

    def test_mqtt5_3_1_2_9_will_needs_its_fields(self):
        for version in (4, 5):
            self.refused(m.connect("a", version, flags=6), MALFORMED, version=version)
            self.refused(m.connect("a", version, flags=6, tail=b"\0" + m.string("t")), MALFORMED,
                         version=version)

    def test_mqtt5_3_1_2_11_12_13_will_flags(self):
        for version in (4, 5):
            for flags in (0x0a, 0x12, 0x1a, 0x22):
                self.refused(m.connect("a", version, flags=flags), MALFORMED, version=version)
            will = b"\0" if version == 5 else b""
            self.refused(m.connect("a", version, flags=0x1e, tail=will + m.string("t") +
                                   m.string("p")), MALFORMED, version=version)

    def test_mqtt5_3_1_2_16_17_18_19_user_and_password_match_their_flags(self):
        for version in (4, 5):
            self.refused(m.connect("a", version, flags=0x82), MALFORMED, version=version)
            self.refused(m.connect("a", version, tail=m.string("u")), MALFORMED, version=version)
            self.refused(m.connect("a", version, flags=0xc2, tail=m.string("u")), MALFORMED,
                         version=version)
            self.refused(m.connect("a", version, user="guest", tail=m.string("w")), MALFORMED,
                         version=version)

    def test_mqtt311_3_1_2_22_password_needs_a_user(self):
        self.refused(m.connect("a", 4, flags=0x42, tail=m.string("w")), version=4)

    def test_mqtt5_password_without_user_parses(self):
        """The parser takes it; whether that logs in is the accounts' business."""
        client = self.open()
        client.send(m.connect("a", flags=0x42, tail=m.string("w")))
        self.assertIn(client.expect(m.CONNACK).reason, (0, 0x86, 0x87))

    def test_mqtt5_3_1_4_1_trailing_bytes(self):
        for version in (3, 4, 5):
            self.refused(m.connect("a", version, tail=b"\0"), MALFORMED, version=version)

    def test_mqtt5_2_1_3_1_connect_flags_of_the_fixed_header(self):
        for version in (4, 5):
            data = m.connect("a", version)
            self.refused(b"\x11" + data[1:], MALFORMED, version=version)

    # ---- 3.1.2.11: properties ----

    def test_mqtt5_3_1_2_11_forbidden_values(self):
        for props in (b"\x21\0\0", b"\x27\0\0\0\0", b"\x17\2", b"\x19\2", b"\x16\0\1x",
                      b"\x21\0\1\x21\0\1", b"\x11\0\0\0\1\x11\0\0\0\1", b"\x01\1", b"\x7f\0",
                      b"\x26\0\1\xff\0\0", b"\x11\0\0"):
            with self.subTest(props=props.hex()):
                self.refused(m.connect("a", props=props), MALFORMED, PROTOCOL)

    def test_mqtt5_1_5_5_1_overlong_lengths(self):
        self.refused(b"\x10\x80\x80\x80\x80\x01", MALFORMED)
        data = m.connect("a")
        at = data.index(b"\0\x3c") + 2
        self.refused(b"\x10" + bytes([data[1] + 1]) + data[2:at] + b"\x80\0" + data[at + 1:],
                     MALFORMED)

    def test_mqtt5_4_12_0_1_unknown_authentication_method(self):
        client = self.open()
        client.send(m.connect("a", props=[(m.AUTH_METHOD, "NOPE"), (m.AUTH_DATA, b"x")]))
        self.assertEqual(client.expect(m.CONNACK).reason, 0x8c)
        client.ended()

    def test_mqtt5_4_12_0_7_auth_without_a_method(self):
        client = self.client()
        client.send(m.auth(0x18, [(m.AUTH_METHOD, "NOPE")]))
        self.assert_ends(client, PROTOCOL)

    def test_mqtt5_3_15_1_1_auth_flags(self):
        client = self.client()
        client.send(b"\xf1\0")
        self.assert_ends(client, MALFORMED, PROTOCOL)

    # ---- 3.1.3: client identifiers ----

    def test_mqtt5_3_1_3_2_identifiers_are_compared_byte_for_byte(self):
        stem = self.name("id")
        first, second = self.client(stem + "a"), self.client(stem + "A")
        first.sync()
        second.sync()

    def test_mqtt5_3_1_3_5_identifier_lengths(self):
        for length in (1, 23, 24, 300):
            self.client("a" * length).sync()

    def test_mqtt5_3_1_3_4_identifier_is_utf8_without_nul(self):
        for bad in (b"\xed\xa0\x80", b"a\0b", b"\xc0\x80", b"\xff", b"a\x01", b"\x7f"):
            for version in (4, 5):
                self.refused(m.connect(bad, version), MALFORMED, 0x85, version=version)

    def test_mqtt5_3_1_3_6_assigned_identifiers(self):
        first = self.client("", clean=False, props=[(m.SESSION_EXPIRY, 60)])
        second = self.client("")
        one, two = first.connack.prop(m.ASSIGNED_ID), second.connack.prop(m.ASSIGNED_ID)
        self.assertTrue(one and two and one != two)
        first.send(m.disconnect())
        first.ended()
        again = self.client(one, clean=False)
        self.assertTrue(again.connack.present)
        self.assertIsNone(again.connack.prop(m.ASSIGNED_ID))

    def test_mqtt5_3_1_3_8_an_identifier_over_the_limit_is_refused(self):
        self.assertEqual(self.refused(m.connect("a" * 60000)), 0x85)

    def test_mqtt311_3_1_3_7_empty_identifier_needs_clean_session(self):
        self.client("", version=4).sync()
        self.assertEqual(self.refused(m.connect("", 4, clean=False), version=4), 2)

    def test_mqtt31_empty_identifier(self):
        self.assertEqual(self.refused(m.connect("", 3), version=3), 2)

    def test_mqtt31_is_accepted(self):
        client = self.client(version=3)
        self.assertEqual(client.subscribe("t31"), [0])
        client.publish("t31/other", b"x", qos=1)

    # ---- 3.1.3.3: wills ----

    def test_mqtt5_3_1_3_11_will_topic(self):
        for version in (4, 5):
            for topic in (b"", b"a/#", b"a+", b"\xed\xa0\x80", b"a\0"):
                with self.subTest(topic=topic, version=version):
                    self.refused(m.connect("a", version, will={"topic": topic}), MALFORMED, 0x90,
                                 version=version)

    # ---- CONNACK ----

    def test_mqtt5_3_2_2_connack(self):
        client = self.client()
        self.assertFalse(client.connack.present)
        self.assertEqual(client.connack.prop(m.SHARED, 1), 1)
        self.assertGreater(client.connack.prop(m.RECEIVE_MAX, 65535), 0)
        self.assertIsNone(client.connack.prop(m.SESSION_EXPIRY))
        self.assertIsNone(client.connack.prop(m.RESPONSE_INFO))  # 3.1.2-28
        self.assertIsNone(client.connack.prop(m.AUTH_METHOD))  # 4.12.0-6

    def test_mqtt5_3_2_0_2_one_connack(self):
        client = self.client()
        client.nothing()

    def test_mqtt5_3_1_4_packets_behind_connect_are_handled_in_order(self):
        topic = self.name("t")
        for version in (4, 5):
            client = self.open(version)
            client.send(m.connect(self.name(), version),
                        m.subscribe(5, [(topic, 0)], version=version),
                        m.publish(topic, b"1", version=version), m.PING)
            kinds = [client.receive().type for _ in range(4)]
            self.assertEqual(sorted(kinds), sorted([m.CONNACK, m.SUBACK, m.PUBLISH, m.PINGRESP]))
            self.assertEqual(kinds[0], m.CONNACK)
            self.assertLess(kinds.index(m.SUBACK), kinds.index(m.PUBLISH))

    def test_mqtt5_3_1_4_6_nothing_is_done_after_a_refusal(self):
        topic = self.name("t")
        listener = self.subscriber(topic)
        for version in (4, 5):
            client = self.open(version)
            client.send(m.connect(self.name(), version, user="nobody", password="wrong"),
                        m.publish(topic, b"leak", version=version))
            self.assertIn(client.ended(), (4, 5, 0x86, 0x87))
        listener.nothing()

    def test_mqtt5_3_1_4_2_bad_password(self):
        self.assertIn(self.refused(m.connect("a", user="guest", password="wrong")), (0x86, 0x87))
        self.assertIn(self.refused(m.connect("a", 4, user="guest", password="wrong"), version=4),
                      (4, 5))

    def test_guest_may_log_in(self):
        self.client(user="guest", password="guest").sync()
        self.client(version=4, user="guest", password="guest").sync()

    def test_mqtt5_3_1_2_24_a_client_that_cannot_hold_connack(self):
        client = self.open()
        client.send(m.connect("a", props=[(m.PACKET_MAX, 2)]))
        with self.assertRaises(EOFError):
            while client.receive() is not None:
                pass

    # ---- takeover ----

    def test_mqtt5_3_1_4_3_takeover(self):
        name = self.name("id")
        first = self.client(name)
        second = self.client(name)
        self.assertEqual(first.ended(), 0x8e)
        second.sync()

    def test_mqtt311_3_1_4_2_takeover_closes_without_a_packet(self):
        name = self.name("id")
        first = self.client(name, version=4)
        self.client(name, version=4).sync()
        with self.assertRaises(EOFError):
            first.receive()

    # ---- keep alive ----

    def test_mqtt5_3_1_2_22_keep_alive(self):
        silent = self.client(keep_alive=1)
        none = self.client(keep_alive=0)
        talking = self.client(keep_alive=1)
        start = time.monotonic()
        while time.monotonic() - start < 1.2 * SCALE:
            talking.send(m.PING)
            talking.expect(m.PINGRESP)
            time.sleep(0.2)
        self.assertIn(silent.ended(), (None, 0x8d))
        self.assertGreater(time.monotonic() - start, 1.0)
        self.assertLess(time.monotonic() - start, 4 * SCALE)
        talking.sync()
        none.sync()

    def test_a_huge_first_packet_is_refused_by_its_header(self):
        self.refused(b"\x10\xff\xff\xff\x7f")

    def test_mqtt5_3_14_0_1_no_disconnect_before_connack(self):
        client = self.open()
        client.send(m.connect("a", props=b"\x21\0\0"))
        try:
            while True:
                found = client.receive()
                self.assertIsNotNone(found)
                self.assertNotEqual(found.type, m.DISCONNECT)
        except EOFError:
            pass


if __name__ == "__main__":
    unittest.main()
