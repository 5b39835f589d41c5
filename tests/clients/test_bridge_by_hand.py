# SPDX-License-Identifier: Apache-2.0
"""What a bridge says over the wire, to a broker that is this test."""

import select
import signal
import socket
import unittest

import mqtt_raw as m
from test_bridge import BridgeCase, bridge, pump
from tercet import SCALE, is_closed_by_peer, read_exactly, wait_for


class ByHandCase(BridgeCase):
    """The other broker is this test: it sees what goes over the wire, and says what it likes."""

    def listen(self):
        server = socket.create_server(("127.0.0.1", 0))
        server.settimeout(20 * SCALE)
        self.addCleanup(server.close)
        return server

    def accept(self, server, connack=None, version=5):
        """The next connection, its CONNECT answered."""
        sock, _ = server.accept()
        self.addCleanup(sock.close)
        sock.settimeout(20 * SCALE)
        kind, body = self.packet(sock)
        self.assertEqual(kind >> 4, m.CONNECT)
        if connack is None:
            connack = b"\0\0" + (m.properties([]) if version >= 5 else b"")
        sock.sendall(m.packet(0x20, connack))
        return sock, body

    def packet(self, sock):
        first = read_exactly(sock, 1)[0]
        length = shift = 0
        while True:
            byte = read_exactly(sock, 1)[0]
            length |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return first, read_exactly(sock, length)

    def packet_of(self, sock, kind):
        """The next of that kind; subscriptions and pings between are passed over."""
        while True:
            first, body = self.packet(sock)
            if first >> 4 == kind:
                return first, body


class ByHand(ByHandCase):
    def test_a_broker_that_does_not_know_the_private_mark_is_asked_without(self):
        server = self.listen()
        self.start(config=bridge(server.getsockname()[1], "a out 1", more="version = 3.1.1\n"))
        _, body = self.accept(server, b"\0\1", 4)
        self.assertEqual(body[6], 0x84)
        sock, body = self.accept(server, None, 4)
        self.assertEqual(body[6], 4)
        self.packet_of(sock, m.PUBLISH)  # that it is connected

    def test_limits_of_the_other_broker_are_held_to(self):
        server = self.listen()
        near = self.start(data=True, config=bridge(server.getsockname()[1], "a/# out 2",
                                                   more="notifications = no\n"))
        client = self.client(near)
        pump(client, "a/1", [b"x" * 500] + [b"%d" % n for n in range(6)], 2)
        client.publish("a/2", b"retained", 1, retain=True)
        sock, _ = self.accept(server, b"\0\0" + m.properties(
            [(m.RECEIVE_MAX, 2), (m.MAX_QOS, 1), (m.RETAIN_AVAILABLE, 0), (m.PACKET_MAX, 200)]))
        seen = []
        while len(seen) < 8:
            held = [self.packet_of(sock, m.PUBLISH) for _ in range(2)]
            self.assertEqual(select.select([sock], [], [], 0.2)[0], [])
            for first, body in held:
                self.assertEqual(first & 7, 2)  # QoS 1, no retain flag
                self.assertLessEqual(len(body) + 3, 200)
                topic_len = int.from_bytes(body[:2], "big")
                sock.sendall(m.packet(0x40, body[2 + topic_len:4 + topic_len]))
                seen.append(body[2 + topic_len + 2:])
        # the last value of each topic first, for that session is new; then what had waited
        self.assertEqual([s[-1:] for s in seen[1:7]], [b"%d" % n for n in range(6)])
        for one in (seen[0], seen[7]):
            self.assertEqual(one[-8:], b"retained")

    def test_a_broker_that_says_nothing_is_pinged_and_left(self):
        server = self.listen()
        near = self.start(config=bridge(server.getsockname()[1], "a out 1",
                                        more="keepalive_interval = 1s\n"))
        sock, _ = self.accept(server)
        self.packet_of(sock, m.PINGREQ)
        self.accept(server)
        self.assertIn("does not answer", near.log())

    def test_what_the_other_broker_must_not_send_ends_the_connection(self):
        server = self.listen()
        near = self.start(config=bridge(server.getsockname()[1], "a both 1"))
        bad = [m.packet(0x20, b"\0\0\0"), m.connect("x"), m.PING, m.subscribe(1, [("a", 1)]),
               m.packet(0xf0, b""), m.publish("a", qos=1, pid=0), m.packet(0x90, b"\x30\0\0\1"),
               b"\x30\xff\xff\xff\xff\x01", m.publish("a/#"), m.publish("", props=[]),
               m.publish("a", props=[(m.ALIAS, 99)])]
        for number, data in enumerate(bad):
            with self.subTest(number=number):
                sock, _ = self.accept(server)
                sock.sendall(data)
                first, body = self.packet_of(sock, m.DISCONNECT)
                self.assertEqual(first, 0xe0)
                self.assertIn(body[0], (0x80, 0x81, 0x82, 0x90, 0x94))
                sock.close()
        sock, _ = server.accept()
        self.addCleanup(sock.close)
        sock.sendall(m.publish("a"))  # before CONNACK
        self.assertTrue(is_closed_by_peer(sock, 10))
        self.assertTrue(near.is_running())

    def test_a_message_that_nobody_asked_for_is_dropped_and_acknowledged(self):
        server = self.listen()
        near = self.start(config=bridge(server.getsockname()[1], "a in 1"))
        at_near = self.subscribed(near, "#")
        sock, _ = self.accept(server)
        sock.sendall(m.publish("b", b"not asked for", 1, 7) + m.publish("a", b"asked for", 1, 8))
        for pid in (7, 8):
            _, body = self.packet_of(sock, m.PUBACK)
            self.assertEqual(body, pid.to_bytes(2, "big"))
        self.arrives(at_near, "a", b"asked for")

    def test_what_a_plain_bridge_says_is_what_mosquittos_says(self):
        server = self.listen()
        near = self.start(args=["--bridge-profile", "mosquitto"],
                          config=bridge(server.getsockname()[1], "a out 1",
                                        more="notifications = no\n"))
        sock, body = self.accept(server)
        self.assertEqual(body[:16], b"\0\4MQTT\5\0\0\x3c\6\x22\0\x0a\x21\4")
        client = self.client(near)
        client.publish("a", b"x", 1)
        _, body = self.packet_of(sock, m.PUBLISH)
        self.assertEqual(body, b"\0\1a" + body[3:5] + b"\0x")  # no marks
        sock.sendall(m.PING)
        self.packet_of(sock, m.PINGRESP)
        sock.sendall(m.publish("a/#"))
        self.assertTrue(is_closed_by_peer(sock, 10))  # without a word

    def test_a_broker_that_is_older_is_spoken_to_in_its_version(self):
        server = self.listen()
        near = self.start(config=bridge(server.getsockname()[1], "a out 1"))
        _, body = self.accept(server, b"\0\x9a" + m.properties([]))  # no retained messages
        self.assertEqual((body[6], body[7] & 0x3c), (5, 0x2c))
        _, body = self.accept(server, b"\0\x9b" + m.properties([(m.MAX_QOS, 0)]))
        self.assertEqual((body[6], body[7] & 0x3c), (5, 0x0c))
        _, body = self.accept(server, b"\0\1")  # no MQTT 5, in the words of those before it
        self.assertEqual((body[6], body[7] & 0x3c), (5, 0x04))
        sock, body = self.accept(server, None, 4)
        self.assertEqual((body[6] & 0x7f, body[7] & 0x3c), (4, 0x04))
        self.packet_of(sock, m.PUBLISH)  # that it is connected
        self.assertIn("bridge.older_version", near.log())


class Reload(ByHandCase):
    """The configuration is read again while bridges are connected."""

    def setUp(self):
        self.server = self.listen()
        self.port = self.server.getsockname()[1]

    def reload(self, near, config):
        told = near.log().count("broker.reloaded")
        near.config = config
        near.command()  # writes it
        near.process.send_signal(signal.SIGHUP)
        wait_for(lambda: near.log().count("broker.reloaded") > told, 20)

    def section(self, *topics, name="up", more=""):
        return bridge(self.port, *topics, name=name, more="notifications = no\n" + more)

    def asked(self, sock):
        """The next filter that is subscribed to."""
        _, body = self.packet_of(sock, m.SUBSCRIBE)
        length = int.from_bytes(body[3:5], "big")
        return body[5:5 + length].decode()

    def test_a_changed_section_holds_at_once(self):
        near = self.start(config=self.section("a in 1"))
        sock, _ = self.accept(self.server)
        self.assertEqual(self.asked(sock), "a")
        self.reload(near, self.section("b in 1"))
        self.assertTrue(is_closed_by_peer(sock, 10))
        sock, _ = self.accept(self.server)
        self.assertEqual(self.asked(sock), "b")
        self.reload(near, self.section("b in 1"))  # nothing is new
        sock.sendall(m.publish("b", b"x", 1, 5))
        self.packet_of(sock, m.PUBACK)

    def test_a_lazy_one_when_its_connection_is_lost(self):
        near = self.start(config=self.section("a in 1", more="reload = lazy\n"))
        sock, _ = self.accept(self.server)
        self.assertEqual(self.asked(sock), "a")
        self.reload(near, self.section("b in 1", more="reload = lazy\n"))
        sock.sendall(m.publish("a", b"x", 1, 5))
        self.packet_of(sock, m.PUBACK)
        sock.close()
        sock, _ = self.accept(self.server)
        self.assertEqual(self.asked(sock), "b")

    def test_bridges_come_and_go(self):
        near = self.start(config=self.section("a in 1"))
        first, body = self.accept(self.server)
        self.assertIn(b".up", body)
        self.reload(near, self.section("a in 1") + self.section("b in 1", name="more"))
        second, body = self.accept(self.server)
        self.assertIn(b".more", body)
        self.reload(near, self.section("b in 1", name="more"))
        self.assertTrue(is_closed_by_peer(first, 10))
        wait_for(lambda: "bridge.removed" in near.log(), 20)
        second.sendall(m.publish("b", b"x", 1, 5))
        self.packet_of(second, m.PUBACK)
        self.reload(near, self.section("a in 1") + self.section("b in 1", name="more"))
        again, body = self.accept(self.server)
        self.assertIn(b".up", body)

    def test_what_waits_is_kept_when_the_section_changes(self):
        near = self.start(config=self.section("a/# out 1"))
        self.client(near).publish("a/1", b"waits", 1)
        self.reload(near, self.section("a/# out 1", "b out 1"))
        body = b""
        while not body:  # the connection of before the reload may be in the backlog still
            try:
                _, body = self.packet_of(self.accept(self.server)[0], m.PUBLISH)
            except (EOFError, ConnectionError):
                continue
        self.assertIn(b"waits", body)


if __name__ == "__main__":
    unittest.main()
