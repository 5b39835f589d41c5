# SPDX-License-Identifier: Apache-2.0
"""MQTT 3.1.1 by its own ids, where its numbers or its answers are not those of 5.0."""

import unittest

import mqtt_raw as m
from mqtt_case import PEER, MqttCase


class V311(MqttCase):
    def open(self, version=4):
        return super().open(version)

    def client(self, client_id=None, version=4, **options):
        return super().client(client_id, version, **options)

    def subscriber(self, *filters, version=4, **options):
        return super().subscriber(*filters, version=version, **options)

    def assert_silent_close(self, *packets, connected=True):
        """3.1.1 has no packet that tells why."""
        client = self.client() if connected else self.open()
        client.send(*packets)
        self.assertIsNone(client.ended())

    def refusal(self, **options):
        client = self.open()
        client.send(m.connect(**{"version": 4, **options}))
        found = client.expect(m.CONNACK)
        self.assertFalse(found.present)
        client.ended()
        return found.reason


class Connecting(V311):
    def test_mqtt311_1_5_3_1_2_strings_are_utf8_without_nul(self):
        for name in (b"\xed\xa0\x80", b"a\xff", b"\xc0\xaf", b"a\x00b"):
            self.assert_silent_close(m.publish(name, b"x", version=4))
            self.assert_silent_close(m.subscribe(1, [(name, 0)], version=4))
            self.assert_silent_close(m.connect(name, version=4), connected=False)

    def test_mqtt311_1_5_3_3_a_byte_order_mark_is_data(self):
        client = self.subscriber("\ufeffmark/t", "mark/t")
        client.publish("\ufeffmark/t", b"x")
        client.take("\ufeffmark/t", b"x")
        client.nothing(0.05)

    def test_mqtt311_2_2_2_2_wrong_flags_close(self):
        for packet in ("8107000100016100", "a005000100016100"[:14], "6102" "0001", "c100", "e100",
                       "4102" "0001", "3600"):
            self.assert_silent_close(bytes.fromhex(packet))

    def test_mqtt311_3_1_0_2_a_second_connect_closes(self):
        self.assert_silent_close(m.connect("again", version=4))

    def test_mqtt311_3_1_2_3_a_reserved_flag_closes(self):
        self.assert_silent_close(m.connect("a", version=4, flags=3), connected=False)

    def test_mqtt311_3_1_2_4_5_6_clean_session(self):
        name, topic = self.name("s"), self.name("t")
        first = self.client(name, clean=False)
        self.assertFalse(first.connack.present)
        first.subscribe((topic, 1))
        first.send(m.disconnect())
        first.ended()
        self.client().publish(topic, b"kept", 1)
        again = self.client(name, clean=False)
        self.assertTrue(again.connack.present)
        again.take(topic, b"kept")
        again.send(m.disconnect())
        again.ended()
        clean = self.client(name, clean=True)
        self.assertFalse(clean.connack.present)
        self.client().publish(topic, b"lost", 1)
        clean.nothing(0.05)
        clean.close()
        self.assertFalse(self.client(name, clean=False).connack.present)

    def test_mqtt311_3_1_2_7_retained_messages_are_not_of_the_session(self):
        topic = self.name("t")
        client = self.client()
        client.publish(topic, b"stays", 1, retain=True)
        client.send(m.disconnect())
        client.ended()
        self.assertTrue(self.subscriber(topic).take(topic, b"stays").retain)

    def test_mqtt311_3_1_2_8_10_12_wills(self):
        topic = self.name("will")
        watcher = self.subscriber((topic, 1))
        for end in ("close", "error", "goodbye"):
            client = self.client(will={"topic": topic, "payload": end, "qos": 1})
            if end == "close":
                client.close()
            else:
                client.send(m.disconnect() if end == "goodbye" else b"\xc1\x00")
                client.ended()
            if end != "goodbye":
                watcher.take(topic, end)
        self.client().close()
        watcher.nothing(0.1)

    def test_mqtt311_3_1_2_11_13_14_15_will_flags(self):
        for flags in (0x08, 0x10, 0x1c, 0x20, 0x18):
            self.assert_silent_close(m.connect("a", version=4, flags=flags | 2), connected=False)

    def test_mqtt311_3_1_2_18_19_20_21_user_and_password_match_their_flags(self):
        for packet in (m.connect("a", version=4, tail=b"\x00\x01u"),
                       m.connect("a", version=4, flags=0x82),
                       m.connect("a", version=4, user="guest", flags=0xc2),
                       m.connect("a", version=4, user="guest", password="guest", flags=0x82)):
            self.assert_silent_close(packet, connected=False)

    def test_mqtt311_3_1_2_24_closed_after_one_and_a_half_keep_alive(self):
        client = self.client(keep_alive=1)
        self.assertIsNone(client.ended(4))

    def test_mqtt311_3_1_3_6_empty_identifiers_are_all_different(self):
        first, second = self.client(""), self.client("")
        first.sync()
        second.sync()

    def test_mqtt311_3_1_3_8_9_who_is_refused_for_the_identifier(self):
        self.assertEqual(self.refusal(client_id="", clean=False), 2)

    def test_mqtt311_3_1_4_1_a_malformed_connect_gets_no_answer(self):
        self.assert_silent_close(m.connect("a", version=4, tail=b"x"), connected=False)
        self.assert_silent_close(m.packet(0x10, b"\x00\x04MQTT\x04"), connected=False)

    def test_mqtt311_3_1_4_5_what_follows_a_refusal_is_not_handled(self):
        watcher = self.subscriber(("refused/t", 1))
        client = self.open()
        client.send(m.connect("", version=4, clean=False), m.publish("refused/t", b"x", version=4))
        client.ended()
        watcher.nothing(0.1)

    def test_mqtt311_3_2_0_1_connack_comes_first(self):
        client = self.open()
        client.send(m.connect("first", version=4), m.PING)
        client.expect(m.CONNACK)
        client.expect(m.PINGRESP)

    @unittest.skipIf(PEER, "mosquitto lets in whoever names himself")
    def test_mqtt311_3_2_2_1_2_3_4_5_6_session_present_and_return_codes(self):
        self.assertEqual(self.refusal(client_id="a", level=6), 1)
        self.assertEqual(self.refusal(client_id="", clean=False), 2)
        self.assertIn(self.refusal(client_id="a", user="nobody", password="x"), (4, 5))


class Messages(V311):
    def test_mqtt311_3_3_1_8_9_the_retain_flag(self):
        topic = self.name("t")
        live = self.subscriber((topic, 1))
        self.client().publish(topic, b"x", 1, retain=True)
        self.assertFalse(live.take(topic, b"x").retain)
        self.assertTrue(self.subscriber((topic, 1)).take(topic, b"x").retain)

    def test_mqtt311_3_3_1_10_11_12_an_empty_retained_message(self):
        topic = self.name("t")
        client = self.client()
        client.publish(topic, b"x", 1, retain=True)
        live = self.subscriber((topic, 1))
        live.take(topic, b"x")
        client.publish(topic, b"", 1, retain=True)
        self.assertFalse(live.take(topic, b"").retain)  # to subscribers it is a message
        late = self.subscriber((topic, 1))
        client.publish(topic, b"live", 1)
        self.assertFalse(late.take(topic, b"live").retain)
        late.nothing(0.05)

    def test_mqtt311_3_3_1_7_retained_at_qos_0_replaces_and_is_kept(self):
        topic = self.name("t")
        client = self.client()
        client.publish(topic, b"one", 2, retain=True)
        client.publish(topic, b"none", 0, retain=True)
        client.sync()
        self.subscriber((topic, 2)).take(topic, b"none")

    def test_mqtt311_3_8_4_3_an_identical_filter_replaces_and_sends_retained_again(self):
        topic = self.name("t")
        self.client().publish(topic, b"x", 1, retain=True)
        client = self.subscriber((topic, 1))
        client.take(topic, b"x")
        self.assertEqual(client.subscribe((topic, 0), pid=2), [0])
        self.assertTrue(client.take(topic, b"x").retain)
        self.client().publish(topic, b"live", 1)
        self.assertEqual(client.take(topic, b"live").qos, 0)
        client.nothing(0.05)

    @unittest.skipIf(PEER, "names of tercet's own")
    def test_mqtt311_3_8_4_5_and_3_9_3_1_2_one_code_for_each_filter_in_order(self):
        codes = self.client().subscribe(("a", 2), ("$queue/none/such", 1), ("b", 0), ("c", 1))
        self.assertEqual(codes, [2, 0x80, 0, 1])

    def test_mqtt311_3_10_4_1_2_3_unsubscribe(self):
        base = self.name("t")
        client = self.subscriber((base + "/+", 1), (base + "/a", 1))
        self.client().publish(base + "/a", b"started", 1)
        started = client.expect_publish(base + "/a", b"started")
        client.send(m.unsubscribe(5, [base + "/+"], version=4))
        self.assertEqual(client.expect(m.UNSUBACK).pid, 5)
        self.client().publish(base + "/b", b"gone", 1)
        self.client().publish(base + "/a", b"other filter", 1)
        client.take(base + "/a", b"other filter")
        client.send(m.ack(m.PUBACK, started.pid))
        client.nothing(0.05)

    def test_mqtt311_3_10_4_4_5_6_unsuback_always(self):
        client = self.client()
        client.send(m.unsubscribe(6, ["never/was", "nor/this"], version=4))
        self.assertEqual(client.receive().size, 4)

    def test_mqtt311_3_14_1_1_and_3_14_4_3_disconnect(self):
        self.assert_silent_close(b"\xe1\x00")
        self.assert_silent_close(b"\xe0\x01\x00")

    def test_mqtt311_3_8_3_4_options_above_2_close(self):
        for options in (3, 4, 8, 0x80):
            self.assert_silent_close(m.subscribe(1, [("a", options)], version=4))

    def test_mqtt311_2_3_1_1_packet_identifier_0_closes(self):
        for packet in (m.publish("a", b"", 1, 0, version=4), m.publish("a", b"", 2, 0, version=4),
                       m.subscribe(0, [("a", 0)], version=4), m.unsubscribe(0, ["a"], version=4)):
            self.assert_silent_close(packet)

    def test_mqtt311_4_3_2_2_and_4_3_3_2_the_flows_to_us(self):
        topic = self.name("t")
        watcher = self.subscriber((topic, 2))
        client = self.client()
        for qos in (1, 2, 1, 2):
            client.publish(topic, b"%d" % qos, qos, 7)
            self.assertEqual(watcher.take(topic, b"%d" % qos).qos, qos)
        watcher.nothing(0.05)

    def test_mqtt311_4_4_0_1_and_4_5_0_1_sent_again_on_reconnect_and_never_before(self):
        name, topic = self.name("s"), self.name("t")
        watcher = self.subscriber((topic + "/gone", 0))
        client = self.client(name, clean=False, will={"topic": topic + "/gone"})
        client.subscribe((topic, 2))
        publisher = self.client()
        publisher.publish(topic, b"one", 1)
        publisher.publish(topic, b"two", 2)
        first = [client.expect_publish(topic) for _ in range(2)]
        self.assertEqual([p.dup for p in first], [False, False])
        client.nothing(0.5)
        client.close()
        watcher.take(topic + "/gone")
        publisher.publish(topic, b"three", 1)  # while nobody is there
        again = self.client(name, clean=False)
        got = [again.expect_publish(topic) for _ in range(3)]
        self.assertEqual([(p.payload, p.dup) for p in got],
                         [(b"one", True), (b"two", True), (b"three", False)])
        self.assertEqual([p.pid for p in got[:2]], [p.pid for p in first])

    def test_mqtt311_4_8_0_1_a_violation_closes(self):
        self.assert_silent_close(b"\xf0\x00")
        self.assert_silent_close(m.publish("", b"x", version=4))
        self.assert_silent_close(m.subscribe(1, [], version=4))


if __name__ == "__main__":
    unittest.main()
