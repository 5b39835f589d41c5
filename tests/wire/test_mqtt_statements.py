# SPDX-License-Identifier: Apache-2.0
"""Statements of MQTT 5.0 that have no place among the scenarios of the other files, by their
ids."""

import unittest

import mqtt_raw as m
from mqtt_case import PEER, MqttCase

WORDLESS_CODES = {0x00, 0x80, 0x81, 0x82, 0x83, 0x84, 0x85, 0x86, 0x87, 0x88, 0x89, 0x8a, 0x8c,
                  0x90, 0x95, 0x97, 0x99, 0x9a, 0x9b, 0x9c, 0x9d, 0x9f}


class Bytes(MqttCase):
    def bytes_of(self, client, count):
        """The next `count` bytes as they came."""
        while len(client.buffer) < count:
            part = client.sock.recv(4096)
            self.assertTrue(part, "closed")
            client.buffer += part
        found, client.buffer = client.buffer[:count], client.buffer[count:]
        return found

    def assert_gives(self, client, sent, wanted):
        client.send(sent)
        self.assertEqual(self.bytes_of(client, len(wanted)).hex(), wanted.hex())

    def test_mqtt5_1_5_4_control_characters_are_data_in_values(self):
        client = self.subscriber("control/t")
        client.send(m.publish("control/t", b"x", props=[(m.USER, ("\x01", "\x7f\ufdd0"))]))
        self.assertEqual(client.expect_publish().all(m.USER), [("\x01", "\x7f\ufdd0")])
        for name in ("a\x01", "a\x7f", "a\x9f", "a\uffff"):
            client = self.client()
            client.send(m.publish(name, b"x"))
            self.assert_ends(client, 0x81, 0x90)

    def test_mqtt5_1_5_5_1_overlong_and_five_byte_lengths(self):
        for packet in ("c08000", "c0ffffffff01", "c08080808001", "30060001618000" "78"):
            client = self.client()
            client.send(bytes.fromhex(packet))
            self.assert_ends(client, 0x81)

    def test_mqtt5_2_2_1_2_and_2_2_2_1_the_bytes_of_answers(self):
        client = self.client()
        self.assert_gives(client, m.subscribe(9, [("bytes/t", 0)]), b"\x90\x04\x00\x09\x00\x00")
        self.assert_gives(client, m.publish("bytes/t", b"x"), b"\x30\x0b\x00\x07bytes/t\x00x")
        self.assert_gives(client, m.unsubscribe(10, ["bytes/t"]), b"\xb0\x04\x00\x0a\x00\x00")
        self.assert_gives(client, m.unsubscribe(11, ["bytes/t"]), b"\xb0\x04\x00\x0b\x00\x11")

    def test_mqtt5_2_2_2_what_may_stand_once_stands_once(self):
        for prop, value in ((m.SESSION_EXPIRY, 1), (m.RECEIVE_MAX, 9), (m.PACKET_MAX, 99999),
                            (m.ALIAS_MAX, 1), (m.RESPONSE_WANTED, 0), (m.PROBLEM_INFO, 0)):
            client = self.open()
            client.send(m.connect(self.name(), props=[(prop, value)] * 2))
            self.assert_ends(client, 0x82)
        for prop, value in ((m.PAYLOAD_FORMAT, 0), (m.EXPIRY, 9), (m.CONTENT_TYPE, "a"),
                            (m.RESPONSE_TOPIC, "a"), (m.CORRELATION, b"a"), (m.ALIAS, 1)):
            client = self.client()
            client.send(m.publish("once/t", b"", props=[(prop, value)] * 2))
            self.assert_ends(client, 0x82)

    def test_mqtt5_3_1_3_1_the_fields_come_in_their_order(self):
        watcher = self.subscriber("order/will")
        client = self.open()
        client.connect(self.name(), user="guest", password="guest", will={
            "topic": "order/will", "payload": b"gone", "props": [(m.CONTENT_TYPE, "c")]})
        client.close()
        found = watcher.expect_publish("order/will", b"gone")
        self.assertEqual(found.props, [(m.CONTENT_TYPE, "c")])

    def test_mqtt5_3_1_3_3_a_connect_without_an_identifier_field(self):
        client = self.open()
        client.send(m.packet(0x10, b"\x00\x04MQTT\x05\x02\x00\x3c\x00"))
        self.assert_ends(client, 0x81)

    def test_mqtt5_3_1_3_12_a_user_name_that_is_no_utf_8(self):
        for user in (b"a\xff", b"\xed\xa0\x80", b"a\x00b"):
            client = self.open()
            client.send(m.connect(self.name(), user=user, password="x"))
            self.assert_ends(client, 0x81, 0x85)

    def test_mqtt5_3_2_2_1_8_flags_and_codes_of_each_connack(self):
        refused = {
            "version": m.connect("a", level=6), "user": m.connect("a", user="nobody", password="x"),
            "method": m.connect("a", props=[(m.AUTH_METHOD, "NOPE")]),
            "will": m.connect("a", will={"topic": "a/#"}), "twice": m.connect(
                "a", props=[(m.RECEIVE_MAX, 1)] * 2), "tail": m.connect("a", tail=b"x")}
        for name, packet in refused.items():
            with self.subTest(name):
                client = self.open(4 if name == "version" else 5)
                client.send(packet)
                found = client.expect(m.CONNACK)  # which fails for reserved flags
                self.assertFalse(found.present)
                self.assertGreater(found.reason, 0)
                self.assertIn(found.reason, {1} if name == "version" else WORDLESS_CODES)
                self.assertEqual(found.all(m.USER), [])
                client.ended()

    def test_mqtt5_3_2_2_22_no_server_keep_alive_unless_cut(self):
        self.assertIsNone(self.client(keep_alive=65535).connack.prop(m.SERVER_KEEP_ALIVE))

    def test_mqtt5_3_3_2_13_a_response_topic_that_is_no_utf_8(self):
        client = self.client()
        client.send(m.publish("t", b"", props=[(m.RESPONSE_TOPIC, b"a\xff")]))
        self.assert_ends(client, 0x81)

    def test_mqtt5_3_4_2_1_and_3_5_2_1_and_3_6_2_1_and_3_7_2_1_codes_that_are_none(self):
        for kind, reason in ((m.PUBACK, 0x55), (m.PUBREC, 0x92), (m.PUBREL, 0x10),
                             (m.PUBCOMP, 0x80)):
            client = self.client()
            client.send(m.ack(kind, 1, reason))
            self.assert_ends(client, 0x81, 0x82)

    def test_mqtt5_3_9_2_1_2_and_3_11_2_1_2_no_words_in_suback_and_unsuback(self):
        client = self.client(props=[(m.PACKET_MAX, 16)])
        client.send(m.subscribe(1, [("$queue/none/such/queue", 1), ("$share/g", 1)]))
        found = client.expect(m.SUBACK)
        self.assertTrue(all(code >= 0x80 for code in found.codes), found)
        self.assertEqual(found.props, [])
        client.send(m.unsubscribe(2, ["never/was"]))
        found = client.expect(m.UNSUBACK)
        self.assertEqual((found.codes, found.props), ([0x11], []))

    @unittest.skipIf(PEER, "mosquitto 2.0 says 0x00")
    def test_mqtt5_4_6_0_4_pubrel_in_the_order_of_pubrec(self):
        client = self.client()
        client.send(*(m.ack(m.PUBREC, pid) for pid in (5, 3, 9, 1)))
        self.assertEqual([client.expect(m.PUBREL).pid for _ in range(4)], [5, 3, 9, 1])
        watcher = self.subscriber(("release/t", 2))
        for payload in b"abcd":
            self.client().publish("release/t", bytes([payload]), 2)
        pids = [watcher.expect_publish().pid for _ in range(4)]
        order = [pids[i] for i in (2, 0, 3, 1)]
        watcher.send(*(m.ack(m.PUBREC, pid) for pid in order))
        self.assertEqual([watcher.expect(m.PUBREL).pid for _ in range(4)], order)

    def test_mqtt5_3_14_2_4_no_user_property_in_disconnect(self):
        client = self.client()
        client.send(m.connect("again"))
        found = client.expect(m.DISCONNECT)
        self.assertEqual((found.reason, found.all(m.USER)), (0x82, []))

    def test_mqtt31_3_9_what_is_refused_is_0x80(self):
        client = self.client(version=3)
        self.assertEqual(client.subscribe("$queue/none/such", "fine/t"), [0x80, 0])

    def test_a_bridge_gets_no_echo_and_keeps_the_retain_flag(self):
        topic = self.name("bridge")
        bridge = self.open(4)
        bridge.connect(self.name(), level=0x84)
        bridge.subscribe((topic, 1))
        bridge.publish(topic, b"own", 1)
        self.client().publish(topic, b"other", 1, retain=True)
        found = bridge.take(topic, b"other")
        self.assertTrue(found.retain)


@unittest.skipIf(PEER, "options of tercet's own")
class Words(MqttCase):
    """A payload over the limit is refused with a code that has words beside it."""

    broker_options = {"config": "mqtt_max_payload = 10\n"}

    def refused(self, qos, *props):
        client = self.client(props=props)
        client.send(m.publish("words/t", b"x" * 11, qos, 3))
        found = client.expect(m.PUBACK if qos == 1 else m.PUBREC)
        self.assertEqual(found.reason, 0x83)
        self.assertEqual(found.all(m.USER), [])
        client.sync()
        return found

    def test_mqtt5_3_4_2_2_3_and_3_5_2_2_3_reason_strings_keep_to_the_clients_limit(self):
        for qos in (1, 2):
            found = self.refused(qos)
            self.assertIsNotNone(found.prop(m.REASON))
            size = found.size
            self.assertIsNotNone(self.refused(qos, (m.PACKET_MAX, size)).prop(m.REASON))
            found = self.refused(qos, (m.PACKET_MAX, size - 1))
            self.assertIsNone(found.prop(m.REASON))
            self.assertLess(found.size, size)

    def test_mqtt5_3_1_2_29_no_words_for_who_wants_none(self):
        for qos in (1, 2):
            self.assertIsNone(self.refused(qos, (m.PROBLEM_INFO, 0)).prop(m.REASON))
            self.assertIsNotNone(self.refused(qos, (m.PROBLEM_INFO, 1)).prop(m.REASON))

    def test_mqtt5_3_6_2_2_3_and_3_7_2_2_3_pubrel_and_pubcomp_have_no_words(self):
        client = self.client(props=[(m.PACKET_MAX, 16)])
        client.send(m.ack(m.PUBREC, 5), m.ack(m.PUBREL, 6))
        for kind in (m.PUBREL, m.PUBCOMP):
            found = client.expect(kind)
            self.assertEqual((found.reason, found.props), (0x92, []))


if __name__ == "__main__":
    unittest.main()
