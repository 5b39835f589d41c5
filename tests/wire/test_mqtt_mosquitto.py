# SPDX-License-Identifier: Apache-2.0
"""Where mosquitto does something else than we do: the profile does it, the default does not."""

import socket
import unittest

import mqtt_raw as m
from mqtt_case import PEER, MqttCase
PROFILE = "mqtt_profile = mosquitto\n"
SILENCE = ""

# What is sent after CONNECT of 5.0, and what is told before the close: with the profile, and by
# default.
FAULTS = (
    ("a remaining length of five bytes", "c08080808001", SILENCE, "e00181"),
    ("packet type 0", "0000", "e00182", "e00181"),
    ("flags of PUBREL", "6303000100", "e00182", "e00181"),
    ("flags of DISCONNECT", "e100", "e00182", "e00181"),
    ("flags of AUTH", "f100", "e00182", "e00181"),
    ("flags of CONNACK", "2103000000", "e00182", "e00181"),
    ("flags of SUBSCRIBE", "8307000100000161" "00", "e00181", "e00181"),
    ("PINGREQ with a body", "c00100", SILENCE, "e00181"),
    ("PINGRESP with a body", "d00100", SILENCE, "e00181"),
    ("a property that PUBLISH does not have", "300700016103" "220001", "e00182", "e00181"),
    ("a property that SUBSCRIBE does not have", "820a000103" "220001" "000161" "00", "e00181",
     "e00181"),
    ("SUBSCRIBE without a filter", "8203000100", "e00181", "e00182"),
    ("UNSUBSCRIBE with packet identifier 0", "a206000000000161", "e00181", "e00182"),
    ("PUBLISH without a topic", "3003000000", "e00181", "e00182"),
    ("a wildcard in a topic", "300400012300", "e00181", "e00190"),
    ("an alias that was not set", "3006000003" "230001", "e00182", "e00194"),
    ("DISCONNECT with a code of another packet", "e00101", SILENCE, "e00182"),
)

# The same for CONNECT itself; what is no CONNACK is a close.
CONNECTS = (
    ("an identifier that is no UTF-8", "1010" "00044d515454" "0502000a00" "0003" "61c328",
     "2003008500", "2003008100"),
    ("level 6", "100d" "00044d515454" "0602000a" "000161", "2003008400", "20020001"),
    ("level 3 under the name of 3.1.1", "100d" "00044d515454" "0302000a" "000161", "20020001",
     "20020001"),
    ("flags of CONNECT", "1f0e" "00044d515454" "0502000a00" "000161", SILENCE, SILENCE),
)


def whole(sock):
    """All bytes until the server closes."""
    parts = []
    while True:
        try:
            part = sock.recv(4096)
        except ConnectionError:
            part = b""
        if not part:
            return b"".join(parts).hex()
        parts.append(part)


class Case(MqttCase):
    def qos_2(self, client, topic, payload, pid=7):
        client.send(m.publish(topic, payload, 2, pid, version=client.version))
        answer = client.expect(m.PUBREC)
        self.assertEqual((answer.pid, answer.reason), (pid, 0))

    def release(self, client, pid=7):
        client.send(m.ack(m.PUBREL, pid))
        answer = client.expect(m.PUBCOMP)
        self.assertEqual(answer.pid, pid)
        return answer.reason

    def told(self, packet):
        """What a client of 5.0 is told after this packet, up to the close."""
        client = self.client()
        client.send(bytes.fromhex(packet))
        return whole(client.sock)

    def answer(self, packet):
        with socket.create_connection(self.address, 10) as sock:
            sock.sendall(bytes.fromhex(packet))
            return whole(sock)


@unittest.skipIf(PEER, "profiles of tercet's own")
class Profile(Case):
    broker_options = {"config": PROFILE}

    def test_faults_are_told_in_mosquittos_codes(self):
        for name, packet, profile, _ in FAULTS:
            with self.subTest(name):
                self.assertEqual(self.told(packet), profile)

    def test_connects_are_refused_in_mosquittos_codes(self):
        for name, packet, profile, _ in CONNECTS:
            with self.subTest(name):
                self.assertEqual(self.answer(packet), profile)

    def test_a_qos_2_message_waits_for_its_pubrel(self):
        for version in (4, 5):
            with self.subTest(version=version):
                topic = self.name("late")
                watcher = self.subscriber((topic, 2))
                client = self.client(version=version)
                self.qos_2(client, topic, b"x")
                watcher.nothing()
                self.assertEqual(self.release(client), 0)
                watcher.take(topic, b"x")

    def test_a_waiting_message_keeps_its_properties_and_the_topic_of_its_alias(self):
        topic = self.name("late")
        watcher = self.subscriber((topic, 1))
        client = self.client()
        client.send(m.publish(topic, b"first", 0, props=[(m.ALIAS, 3)]))
        watcher.take(topic, b"first")
        props = [(m.ALIAS, 3), (m.CONTENT_TYPE, "text"), (m.USER, ("a", "1")), (m.USER, ("a", "2"))]
        client.send(m.publish("", b"second", 2, 9, props=props))
        self.assertEqual(client.expect(m.PUBREC).reason, 0)
        self.release(client, 9)
        self.assertEqual(watcher.take(topic, b"second").props, props[1:])

    def test_another_message_under_the_id_takes_the_place_of_the_first(self):
        topic = self.name("late")
        watcher = self.subscriber((topic, 1))
        client = self.client(version=4)
        for payload in (b"a", b"b", b"", b"c"):
            self.qos_2(client, topic, payload)
        self.release(client)
        watcher.take(topic, b"c")
        watcher.nothing()

    def test_a_third_time_is_a_protocol_error(self):
        client = self.client()
        for _ in range(2):
            self.qos_2(client, "late/t", b"x")
        client.send(m.publish("late/t", b"x", 2, 7))
        self.assertEqual(client.ended(), 0x82)

    def test_a_refused_message_is_refused_at_once(self):
        client = self.client()
        client.send(m.publish("$SYS/broker/uptime", b"x", 2, 7))
        self.assertEqual(client.expect(m.PUBREC).reason, 0x87)
        self.assertEqual(self.release(client), 0)

    def test_messages_beyond_what_may_wait_are_published_at_once(self):
        topic = self.name("large")
        watcher = self.subscriber((topic, 0))
        client = self.client(version=4)
        body = bytes(1900000)
        for pid in range(1, 9):
            self.qos_2(client, topic, body, pid)
        watcher.nothing()
        self.qos_2(client, topic, body, 9)
        self.assertEqual(len(watcher.take(topic).payload), len(body))
        watcher.nothing()
        for pid in range(1, 10):
            self.release(client, pid)
        for _ in range(8):
            watcher.take(topic)
        watcher.nothing()

    def test_stray_acknowledgements_are_answered_as_if_they_were_none(self):
        client = self.client()
        client.send(m.ack(m.PUBREC, 5), m.ack(m.PUBREL, 6))
        self.assertEqual((client.expect(m.PUBREL).reason, client.expect(m.PUBCOMP).reason), (0, 0))


@unittest.skipIf(PEER, "profiles of tercet's own")
class KeepAlive(Case):
    broker_options = {"config": PROFILE + "mqtt_max_keep_alive = 100s\n"}

    def test_a_longer_keep_alive_is_refused_before_5(self):
        for version in (3, 4):
            self.open(version).connect(self.name(), expect=2, keep_alive=101)
            self.open(version).connect(self.name(), expect=2, keep_alive=0)
            self.open(version).connect(self.name(), keep_alive=100)
        told = self.client(keep_alive=101).connack
        self.assertEqual(told.prop(m.SERVER_KEEP_ALIVE), 100)


@unittest.skipIf(PEER, "profiles of tercet's own")
class Kept(Case):
    broker_options = {"config": PROFILE, "data": True}

    def test_a_waiting_message_survives_a_kill_and_goes_once(self):
        watcher = self.client("watcher", 4, clean=False)
        watcher.subscribe(("kept/#", 2))
        client = self.client("publisher", 4, clean=False)
        self.qos_2(client, "kept/a", b"x")
        self.broker.kill()
        self.broker.start()
        watcher = self.client("watcher", 4, clean=False)
        client = self.client("publisher", 4, clean=False)
        self.assertTrue(client.connack.present)
        watcher.nothing()
        self.release(client)
        watcher.take("kept/a", b"x")
        self.release(client)
        watcher.nothing()


class Default(Case):
    @unittest.skipIf(PEER, "codes of tercet's own")
    def test_faults_are_told_in_the_specifications_codes(self):
        for name, packet, _, default in FAULTS:
            with self.subTest(name):
                self.assertEqual(self.told(packet), default)

    @unittest.skipIf(PEER, "codes of tercet's own")
    def test_connects_are_refused_in_the_specifications_codes(self):
        for name, packet, _, default in CONNECTS:
            with self.subTest(name):
                self.assertEqual(self.answer(packet), default)

    @unittest.skipIf(PEER, "mosquitto waits for PUBREL")
    def test_a_qos_2_message_goes_on_its_way_at_once_and_once(self):
        topic = self.name("now")
        watcher = self.subscriber((topic, 2))
        client = self.client()
        for _ in range(5):
            self.qos_2(client, topic, b"x")
        watcher.take(topic, b"x")
        self.release(client)
        watcher.nothing()

    def test_a_bridge_of_another_broker_may_tell_its_state(self):
        topic = "$SYS/broker/connection/%s/state" % self.name("bridge")
        watcher = self.subscriber((topic, 1))
        client = self.client()
        self.assertLess(client.publish(topic, b"1", 1, retain=True).reason, 0x80)
        watcher.take(topic, b"1")

    @unittest.skipIf(PEER, "mosquitto 2.0 differs")
    def test_nothing_else_under_it_is_a_clients(self):
        client = self.client()
        for tail in ("me", "me/other", "a/b/state", "/state", "me/state/x"):
            answer = client.publish("$SYS/broker/connection/" + tail, b"1", 1)
            self.assertEqual(answer.reason, 0x87, tail)


if __name__ == "__main__":
    unittest.main()
