# SPDX-License-Identifier: Apache-2.0
"""Sessions, QoS 1 and 2 over lost connections, wills, DISCONNECT (5.0: A2, A7, A8; 3.1.1: B)."""

import socket
import time
import unittest

import mqtt_raw as m
from mqtt_case import MqttCase
from tercet import SCALE

PROTOCOL = 0x82
KEEP = {"clean": False, "props": [(m.SESSION_EXPIRY, 3600)]}


class Session(MqttCase):

    def kept(self, name, version=5, **options):
        """A connection of a session that outlives it."""
        if version == 5:
            options.setdefault("props", KEEP["props"])
        return self.client(name, version, clean=False, **options)

    def drop(self, client):
        """Ends a connection without DISCONNECT, and waits until the broker knows."""
        client.sync()
        client.sock.shutdown(socket.SHUT_WR)
        with self.assertRaises(EOFError):
            while client.receive() is not None:
                pass
        client.close()

    def goodbye(self, client, *args):
        client.send(m.disconnect(*args))
        client.ended()

    # ---- present, clean, expiry ----

    def test_mqtt5_3_1_2_4_5_6_clean_start(self):
        for version in (4, 5):
            name, topic = self.name("id"), self.name("t")
            client = self.kept(name, version)
            self.assertFalse(client.connack.present)
            client.subscribe((topic, 1))
            self.goodbye(client)
            self.client().publish(topic, b"queued", 1)
            client = self.kept(name, version)
            self.assertTrue(client.connack.present)
            client.take(topic, b"queued")
            self.client().publish(topic, b"live", 1)
            client.take(topic, b"live")
            self.goodbye(client)
            self.client().publish(topic, b"lost", 1)
            client = self.client(name, version, clean=True)
            self.assertFalse(client.connack.present)
            self.client().publish(topic, b"nobody", 1)
            client.nothing()

    def test_mqtt31_has_no_session_present(self):
        name = self.name("id")
        self.goodbye(self.kept(name, 3))
        self.assertFalse(self.kept(name, 3).connack.present)

    def test_mqtt5_3_1_2_23_session_expiry(self):
        name = self.name("id")
        short = {"clean": False, "props": [(m.SESSION_EXPIRY, 1)]}
        self.goodbye(self.client(name, **short))
        client = self.client(name, **short)
        self.assertTrue(client.connack.present)
        self.goodbye(client)
        time.sleep(1.4)
        self.assertFalse(self.client(name, **short).connack.present)

    def test_mqtt5_session_expiry_absent_is_zero(self):
        name = self.name("id")
        self.goodbye(self.client(name, clean=False))
        self.assertFalse(self.client(name, clean=False).connack.present)

    def test_mqtt5_3_14_2_disconnect_may_change_the_expiry(self):
        name = self.name("id")
        self.goodbye(self.kept(name), 0, [(m.SESSION_EXPIRY, 0)])
        self.assertFalse(self.kept(name).connack.present)
        client = self.client(self.name("id"))
        client.send(m.disconnect(0, [(m.SESSION_EXPIRY, 5)]))
        self.assertEqual(client.ended(), PROTOCOL)

    def test_mqtt5_4_1_0_a_subscription_survives_with_its_options(self):
        name, topic = self.name("id"), self.name("t")
        client = self.kept(name)
        client.subscribe((topic, 1 | 4 | 8), props=[(m.SUB_ID, 9)])
        self.goodbye(client)
        self.client().publish(topic, b"away", 2, retain=True)
        client = self.kept(name)
        found = client.take(topic, b"away")
        self.assertEqual((found.qos, found.retain, found.all(m.SUB_ID)), (1, True, [9]))
        client.publish(topic, b"own", 1)
        client.nothing()
        self.client().publish(topic, b"", 1, retain=True)

    def test_mqtt5_4_5_0_1_offline_sessions_are_queued_to_in_order(self):
        name, topic = self.name("id"), self.name("t")
        client = self.kept(name)
        client.subscribe((topic, 2))
        self.goodbye(client)
        sender = self.client()
        for i in range(300):
            sender.send(m.publish(topic, b"%d" % i, 1, i + 1))
        for _ in range(300):
            sender.expect(m.PUBACK)
        client = self.kept(name)
        self.assertEqual([int(client.take(topic).payload) for _ in range(300)], list(range(300)))
        client.nothing()

    # ---- resuming ----

    def test_mqtt5_4_4_0_1_unacknowledged_qos_1_comes_again_in_order(self):
        name, topic = self.name("id"), self.name("t")
        for version in (4, 5):
            client = self.kept(name, version)
            client.subscribe((topic, 1))
            sender = self.client()
            for i in range(50):
                sender.publish(topic, b"%d" % i, 1)
            first = [client.expect_publish(topic) for _ in range(50)]
            for found in first[:10]:
                client.send(m.ack(m.PUBACK, found.pid))
            self.drop(client)
            client = self.kept(name, version)
            self.assertTrue(client.connack.present or version == 3)
            again = [client.take(topic) for _ in range(40)]
            self.assertEqual([p.payload for p in again], [p.payload for p in first[10:]])
            self.assertEqual([p.pid for p in again], [p.pid for p in first[10:]])
            self.assertTrue(all(p.dup for p in again))
            client.nothing()
            client.send(m.unsubscribe(5, [topic], version=version))
            client.expect(m.UNSUBACK)
            self.goodbye(client)

    def test_mqtt5_4_4_0_1_retained_messages_come_again_too(self):
        name, topic = self.name("id"), self.name("t")
        for i in range(9):
            self.client().publish("%s/%d" % (topic, i), b"%d" % i, 1 + i % 2, retain=True)
        for version in (4, 5):
            client = self.kept(name, version)
            client.subscribe((topic + "/+", 2))
            first = [client.expect_publish() for _ in range(9)]
            done, *ones = [found for found in first if found.qos == 1]
            whole, half, *twos = [found for found in first if found.qos == 2]
            client.send(m.ack(m.PUBACK, done.pid))
            for found in (whole, half):
                client.send(m.ack(m.PUBREC, found.pid))
                client.expect(m.PUBREL)
            client.send(m.ack(m.PUBCOMP, whole.pid))
            for _ in range(2):
                self.drop(client)
                client = self.kept(name, version)
                self.assertEqual(client.expect(m.PUBREL).pid, half.pid)
                again = [client.receive() for _ in range(6)]
                self.assertTrue(all(found.retain and found.dup for found in again))
                for qos, those in ((1, ones), (2, twos)):
                    self.assertEqual([(p.payload, p.pid) for p in again if p.qos == qos],
                                     [(p.payload, p.pid) for p in those])
                client.nothing()
            client.send(m.unsubscribe(5, [topic + "/+"], version=version))
            client.expect(m.UNSUBACK)
            self.client(name, version).close()
        for i in range(9):
            self.client().publish("%s/%d" % (topic, i), b"", 1, retain=True)

    def test_mqtt5_4_3_3_qos_2_to_a_client_that_drops_at_each_step(self):
        name, topic = self.name("id"), self.name("t")
        client = self.kept(name)
        client.subscribe((topic, 2))
        self.client().publish(topic, b"x", 2)
        found = client.expect_publish(topic, b"x")
        self.drop(client)
        client = self.kept(name)
        again = client.expect_publish(topic, b"x")
        self.assertEqual((again.pid, again.dup, again.qos), (found.pid, True, 2))
        client.send(m.ack(m.PUBREC, found.pid))
        self.assertEqual(client.expect(m.PUBREL).pid, found.pid)
        self.drop(client)
        client = self.kept(name)
        self.assertEqual(client.expect(m.PUBREL).pid, found.pid)
        client.send(m.ack(m.PUBCOMP, found.pid))
        client.sync()
        self.drop(client)
        client = self.kept(name)
        client.nothing()

    def test_mqtt5_4_3_3_10_qos_2_from_a_client_that_drops_before_pubrel(self):
        name, topic = self.name("id"), self.name("t")
        for version in (4, 5):
            receiver = self.subscriber(topic)
            client = self.kept(name, version)
            client.send(m.publish(topic, b"once", 2, 21, version=version))
            client.expect(m.PUBREC)
            self.drop(client)
            client = self.kept(name, version)
            client.send(m.publish(topic, b"once", 2, 21, dup=True, version=version))
            client.expect(m.PUBREC)
            client.send(m.ack(m.PUBREL, 21))
            client.expect(m.PUBCOMP)
            receiver.take(topic, b"once")
            receiver.nothing()
            self.goodbye(client)

    def test_mqtt5_4_4_0_2_an_error_counts_as_acknowledged(self):
        name, topic = self.name("id"), self.name("t")
        client = self.kept(name)
        client.subscribe((topic, 2))
        sender = self.client()
        for qos in (1, 2):
            sender.publish(topic, b"x", qos)
            found = client.expect_publish(topic)
            client.send(m.ack(m.PUBACK if qos == 1 else m.PUBREC, found.pid, 0x80))
        self.drop(client)
        self.kept(name).nothing()

    def test_mqtt5_2_2_1_4_ids_that_are_to_be_resumed_are_not_used_for_others(self):
        name, topic = self.name("id"), self.name("t")
        client = self.kept(name)
        client.subscribe((topic, 1))
        sender = self.client()
        for i in range(5):
            sender.publish(topic, b"old%d" % i, 1)
        old = [client.expect_publish(topic).pid for _ in range(5)]
        self.drop(client)
        sender.publish(topic, b"new", 1)
        client = self.kept(name)
        found = [client.expect_publish(topic) for _ in range(6)]
        self.assertEqual([p.pid for p in found[:5]], old)
        self.assertNotIn(found[5].pid, old)
        self.assertFalse(found[5].dup)

    def test_an_expired_message_gives_its_id_back(self):
        name, topic = self.name("id"), self.name("t")
        client = self.kept(name)
        client.subscribe((topic, 1))
        sender = self.client()
        sender.publish(topic, b"short", 1, props=[(m.EXPIRY, 1)])
        client.expect_publish(topic, b"short")
        self.drop(client)
        time.sleep(1.2)
        sender.publish(topic, b"later", 1)
        client = self.kept(name)
        client.take(topic, b"later")
        client.nothing()

    def test_mqtt5_4_9_the_receive_maximum_holds_after_resuming(self):
        name, topic = self.name("id"), self.name("t")
        client = self.kept(name)
        client.subscribe((topic, 1))
        sender = self.client()
        for i in range(20):
            sender.publish(topic, b"%d" % i, 1)
        self.assertEqual(len(client.sync()), 20)
        client.close()
        client = self.kept(name, props=KEEP["props"] + [(m.RECEIVE_MAX, 3)])
        self.assertEqual(len(client.sync()), 3)

    def test_takeover_carries_the_session_over(self):
        name, topic = self.name("id"), self.name("t")
        first = self.kept(name)
        first.subscribe((topic, 1))
        self.client().publish(topic, b"x", 1)
        pid = first.expect_publish(topic).pid
        second = self.kept(name)
        self.assertTrue(second.connack.present)
        self.assertEqual(second.take(topic, b"x").pid, pid)
        self.assertEqual(first.ended(), 0x8e)
        second.nothing()

    # ---- wills ----

    def will(self, topic, **options):
        return {"will": {"topic": topic, "payload": b"gone", **options}}

    def test_mqtt5_3_1_2_8_will_at_each_unclean_end(self):
        for version in (4, 5):
            topic = self.name("w")
            receiver = self.subscriber((topic, 2))
            client = self.client(version=version, **self.will(topic, qos=1))
            client.close()
            self.assertEqual(receiver.take(topic, b"gone").qos, 1)
            client = self.client(version=version, **self.will(topic))
            client.send(b"\xc1\0")  # malformed
            receiver.take(topic, b"gone")
            start = time.monotonic()
            client = self.client(version=version, keep_alive=1, **self.will(topic))
            receiver.take(topic, b"gone")
            self.assertLess(time.monotonic() - start, 3 * SCALE)
            name = self.name("id")
            client = self.client(name, version=version, **self.will(topic))
            self.client(name, version=version)
            receiver.take(topic, b"gone")
            receiver.nothing()

    def test_mqtt5_3_14_4_3_a_goodbye_forgets_the_will(self):
        for version in (3, 4, 5):
            topic = self.name("w")
            receiver = self.subscriber(topic)
            self.goodbye(self.client(version=version, **self.will(topic)))
            receiver.nothing()

    def test_mqtt5_3_14_4_disconnect_with_will(self):
        topic = self.name("w")
        receiver = self.subscriber(topic)
        self.goodbye(self.client(**self.will(topic)), 4)
        receiver.take(topic, b"gone")

    def test_mqtt5_3_1_2_10_a_will_is_published_once(self):
        name, topic = self.name("id"), self.name("w")
        receiver = self.subscriber(topic)
        self.drop(self.kept(name, **self.will(topic)))
        receiver.take(topic, b"gone")
        self.drop(self.kept(name))
        receiver.nothing()

    def test_mqtt5_3_1_2_14_15_retained_wills(self):
        topic = self.name("w")
        receiver = self.subscriber(topic)
        self.client(**self.will(topic)).close()
        receiver.take(topic)
        self.subscriber(topic).nothing(0.05)
        self.client(**self.will(topic, retain=True)).close()
        receiver.take(topic)
        self.assertTrue(self.subscriber(topic).take(topic, b"gone").retain)

    def test_mqtt5_3_1_3_10_will_properties(self):
        topic = self.name("w")
        props = [(m.PAYLOAD_FORMAT, 1), (m.CONTENT_TYPE, "t/p"), (m.RESPONSE_TOPIC, "r"),
                 (m.CORRELATION, b"c"), (m.USER, ("k1", "1")), (m.USER, ("k2", "2")),
                 (m.USER, ("k1", "3"))]
        receiver = self.subscriber(topic)
        self.client(**self.will(topic, props=props)).close()
        self.assertEqual(receiver.take(topic).props, props)

    def test_mqtt5_will_expiry_counts_from_its_publication(self):
        topic = self.name("w")
        receiver = self.subscriber(topic)
        client = self.client(**self.will(topic, props=[(m.EXPIRY, 1)]))
        time.sleep(1.3)
        client.close()
        self.assertEqual(receiver.take(topic).prop(m.EXPIRY), 1)

    def test_mqtt5_3_1_3_9_will_delay(self):
        topic = self.name("w")
        receiver = self.subscriber(topic)
        delay = max(1, round(SCALE))  # nothing() waits longer on slow builds
        delayed = self.will(topic, props=[(m.WILL_DELAY, delay)])
        start = time.monotonic()
        self.drop(self.kept(self.name("id"), **delayed))
        receiver.nothing(0.5)
        receiver.take(topic)
        self.assertGreater(time.monotonic() - start, delay - 0.05)
        name = self.name("id")
        self.drop(self.kept(name, **delayed))
        back = self.kept(name)
        receiver.nothing(1.5)
        back.sync()

    def test_mqtt5_3_1_3_9_takeover_and_the_wills_delay(self):
        topic = self.name("w")
        receiver = self.subscriber(topic)
        name = self.name("id")
        self.kept(name, **self.will(topic))
        self.kept(name, **self.will(topic, props=[(m.WILL_DELAY, 5)]))
        receiver.take(topic)
        self.kept(name)
        receiver.nothing(0.3)

    def test_mqtt5_will_delay_ends_with_the_session(self):
        topic = self.name("w")
        receiver = self.subscriber(topic)
        start = time.monotonic()
        self.client(**self.will(topic, props=[(m.WILL_DELAY, 5)])).close()  # expiry 0
        receiver.take(topic)
        self.client(self.name("id"), clean=False, props=[(m.SESSION_EXPIRY, 1)],
                    **self.will(topic, props=[(m.WILL_DELAY, 60)])).close()
        receiver.take(topic)
        name = self.name("id")
        self.drop(self.kept(name, **self.will(topic, props=[(m.WILL_DELAY, 60)])))
        self.client(name, clean=True)
        receiver.take(topic)
        self.assertLess(time.monotonic() - start, 5 * SCALE)

    def test_mqtt5_keep_alive_counts_any_packet(self):
        client = self.client(keep_alive=1)
        for _ in range(8):
            time.sleep(0.3)
            client.send(m.publish("keep/alive", b"x"))
        client.sync()

    # ---- the end ----

    def test_mqtt5_3_14_4_1_nothing_after_disconnect(self):
        topic = self.name("t")
        client = self.subscriber(topic)
        client.send(m.disconnect(), m.PING)
        with self.assertRaises(EOFError):
            client.receive()

    def test_mqtt5_3_14_2_1_codes_of_disconnect(self):
        client = self.client()
        client.send(m.disconnect(0x55))
        self.assertEqual(client.ended(), PROTOCOL)
        client = self.client(version=4)
        client.send(b"\xe0\1\0")
        client.ended()

    def test_sessions_of_many_cycles_leave_nothing_behind(self):
        topic = self.name("t")
        files = self.broker.open_files() if hasattr(self.broker, "open_files") else None
        for _ in range(200):
            client = m.Client(self.address, 5).connect("", props=[(m.SESSION_EXPIRY, 0)])
            client.subscribe((topic, 2))
            client.publish(topic + "/other", b"x", 2)
            client.close()
        self.client().sync()
        if files is not None:
            self.assertLess(self.broker.open_files(), files + 20)


if __name__ == "__main__":
    unittest.main()
