# SPDX-License-Identifier: Apache-2.0
"""The limits that an operator sets for MQTT, as clients meet them."""

import time
import unittest

import mqtt_raw as m
from mqtt_case import PEER, MqttCase


@unittest.skipIf(PEER, "options of tercet's own")
class Limits(MqttCase):

    broker_options = {"config": "mqtt_max_keep_alive = 1s\nmqtt_max_session_expiry = 1s\n"
                                "mqtt_receive_maximum = 3\nmqtt_max_packet = 2k\n"}

    def test_mqtt5_3_2_2_22_server_keep_alive(self):
        for asked in (0, 60):
            client = self.client(keep_alive=asked)
            self.assertEqual(client.connack.prop(m.SERVER_KEEP_ALIVE), 1)
            start = time.monotonic()
            self.assertIn(client.ended(), (None, 0x8d))
            self.assertGreater(time.monotonic() - start, 1.2)
        self.assertIsNone(self.client(keep_alive=1).connack.prop(m.SERVER_KEEP_ALIVE))

    def test_mqtt311_a_longer_keep_alive_is_cut_in_silence(self):
        client = self.client(version=4, keep_alive=60)
        with self.assertRaises(EOFError):
            client.receive()

    def test_session_expiry_is_cut_and_told(self):
        name = self.name("id")
        for asked in (5, 0xffffffff):
            client = self.client(name, clean=False, props=[(m.SESSION_EXPIRY, asked)])
            self.assertEqual(client.connack.prop(m.SESSION_EXPIRY), 1)
            client.send(m.disconnect(0, [(m.SESSION_EXPIRY, 500)]))
            client.ended()
        self.client(name, version=4, clean=False).send(m.disconnect())
        time.sleep(1.5)
        self.assertFalse(self.client(name, version=4, clean=False).connack.present)

    def test_receive_maximum(self):
        client = self.client()
        self.assertEqual(client.connack.prop(m.RECEIVE_MAX), 3)
        for pid in range(1, 4):
            client.send(m.publish("limits/t", b"x", 2, pid))
            client.expect(m.PUBREC)
        client.send(m.publish("limits/t", b"x", 2, 4))
        self.assertEqual(client.ended(), 0x93)

    def test_packet_size(self):
        client = self.client()
        self.assertEqual(client.connack.prop(m.PACKET_MAX), 2048)
        head = len(m.publish("limits/t", b"")) + 1  # a length of two bytes
        client.publish("limits/t", b"x" * (2048 - head), 0)
        client.sync()
        client.send(m.publish("limits/t", b"x" * (2049 - head)))
        self.assertEqual(client.ended(), 0x95)


class Full(MqttCase):
    """More than may wait for a client that does not acknowledge."""

    def fill(self, count=8):
        topic = self.name("full")
        slow = self.subscriber((topic, 1), props=[(m.RECEIVE_MAX, 1), (m.SESSION_EXPIRY, 60)])
        sender = self.client()
        reasons = [sender.publish(topic, b"%d" % i, 1).reason for i in range(count)]
        return topic, slow, reasons


@unittest.skipIf(PEER, "options of tercet's own")
class FullRejects(Full):

    broker_options = {"config": "session_max_messages = 5\nsession_overflow = reject\n"}

    def test_the_publisher_to_a_full_session_is_refused(self):
        topic, slow, reasons = self.fill()
        self.assertEqual(reasons, [0] * 5 + [0x97] * 3)
        for i in range(5):
            slow.take(topic, b"%d" % i)
        slow.sync()
        self.assertEqual(self.client().publish(topic, b"again", 1).reason, 0)
        slow.take(topic, b"again")


@unittest.skipIf(PEER, "options of tercet's own")
class FullOfBytes(Full):

    broker_options = {"config": "session_max_bytes = 10k\nsession_overflow = reject\n"}

    def test_bytes_that_wait_are_limited_too(self):
        topic = self.name("bytes")
        slow = self.subscriber((topic, 1), props=[(m.RECEIVE_MAX, 1), (m.SESSION_EXPIRY, 60)])
        sender = self.client()
        self.assertEqual([sender.publish(topic, b"x" * 4000, 1).reason for _ in range(4)],
                         [0, 0, 0x97, 0x97])
        self.assertEqual(sender.publish(topic, b"small", 1).reason, 0)
        for payload in (b"x" * 4000, b"x" * 4000, b"small"):
            slow.take(topic, payload)
        slow.sync()
        self.assertEqual(sender.publish(topic, b"x" * 4000, 1).reason, 0)
        slow.take(topic, b"x" * 4000)


@unittest.skipIf(PEER, "options of tercet's own")
class TooManySessions(MqttCase):

    broker_options = {"config": "sessions_max = 2\n"}

    def test_one_session_more_than_may_be_is_refused(self):
        first = self.client("first", props=[(m.SESSION_EXPIRY, 60)])
        first.send(m.disconnect())
        first.ended()
        self.client("second")
        for version, reason in ((5, 0x97), (4, 3)):
            self.open(version).connect("third", expect=reason)
        self.assertTrue(self.client("first", clean=False).connack.present)


@unittest.skipIf(PEER, "options of tercet's own")
class FullDrops(Full):

    broker_options = {"config": "session_max_messages = 5\n"}

    def test_the_oldest_that_was_not_sent_is_dropped(self):
        topic, slow, reasons = self.fill()
        self.assertEqual(reasons, [0] * 8)
        for i in (0, 4, 5, 6, 7):
            slow.take(topic, b"%d" % i)
        slow.nothing()


@unittest.skipIf(PEER, "options of tercet's own")
class FullEnds(Full):

    broker_options = {"config": "session_max_messages = 5\nsession_overflow = end\n"}

    def test_the_session_is_ended_and_told_why(self):
        _, slow, reasons = self.fill(6)
        self.assertEqual(reasons, [0] * 6)
        self.assertEqual(slow.ended(), 0x97)

    def words(self, *props):
        """The reason string that the client is told as its session ends."""
        topic = self.name("f")
        slow = self.subscriber((topic, 1), props=[(m.RECEIVE_MAX, 1), (m.SESSION_EXPIRY, 60),
                                                  *props])
        sender = self.client()
        for _ in range(6):
            sender.publish(topic, b"", 1)
        slow.expect_publish(topic)
        told = slow.expect(m.DISCONNECT)
        self.assertEqual(told.reason, 0x97)
        return told.prop(m.REASON)

    def test_mqtt5_3_14_2_3_the_reason_string_keeps_to_the_clients_limit(self):
        self.assertGreater(len(self.words()), 20)
        self.assertIsNone(self.words((m.PACKET_MAX, 40)))
        self.assertIsNone(self.words((m.PROBLEM_INFO, 0)))


@unittest.skipIf(PEER, "options of tercet's own")
class Retained(MqttCase):

    broker_options = {"config": "retained_max = 2\nretained_expiry = 1h\n"}

    def test_a_retained_message_over_the_limit_is_refused(self):
        client = self.client()
        watcher = self.subscriber("limit/#")
        for topic in ("limit/1", "limit/2"):
            self.assertEqual(client.publish(topic, b"x", 1, retain=True).reason, 0)
        for qos in (1, 2):
            self.assertEqual(client.publish("limit/3", b"x", qos, retain=True).reason, 0x97)
        client.publish("limit/3", b"x", 0, retain=True)
        self.assertEqual(client.publish("limit/2", b"y", 1, retain=True).reason, 0)
        self.assertEqual(client.publish("limit/3", b"z", 1).reason, 0)
        client.send(m.PING)
        self.assertEqual(client.expect(m.PINGRESP).type, m.PINGRESP)
        self.assertEqual([(p.topic, p.payload) for p in watcher.sync()],
                         [("limit/1", b"x"), ("limit/2", b"x"), ("limit/2", b"y"),
                          ("limit/3", b"z")])
        old = self.client(version=4)
        old.send(m.publish("limit/3", b"x", 1, 1, retain=True, version=4))
        old.ended()
        self.assertEqual(sorted((p.topic, p.payload) for p in self.subscriber("limit/#").sync()),
                         [("limit/1", b"x"), ("limit/2", b"y")])


if __name__ == "__main__":
    unittest.main()
