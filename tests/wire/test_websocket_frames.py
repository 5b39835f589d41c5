# SPDX-License-Identifier: Apache-2.0
"""Frames of WebSocket below MQTT: RFC 6455 sections 5 and 7, and MQTT 5 section 6."""

import os
import random
import socket
import struct
import unittest

import mqtt_raw as m
import ws_raw as w
from tercet import SCALE, BrokerCase, is_closed_by_peer

CONFIG = """
[listener ws]
protocol = mqtt
address = 127.0.0.1
port = 0
websocket = yes
"""


class Frames(BrokerCase):

    broker_options = {"config": CONFIG}

    def open(self):
        ws = w.connect(self.broker.address_of("ws"), 10 * SCALE)
        self.addCleanup(ws.close)
        self.assertEqual(ws.status, 101)
        return ws

    def client(self, name="c", **options):
        client = m.Client(None, sock=self.open())
        return client.connect("%s-%s" % (self.id(), name), **options)

    def assert_fails(self, code, *frames):
        """These frames, on a connection with a session, end it with this code."""
        client = self.client()
        client.sock.sock.sendall(b"".join(frames))
        self.assertEqual(client.sock.read_close(), code)
        self.assertTrue(is_closed_by_peer(client.sock.sock))

    def assert_is_well(self, client):
        self.assertEqual(client.sync(), [])

    # ---- MQTT 5, 6 ----

    def test_mqtt5_6_0_0_1_text_frames_end_the_connection(self):
        self.assert_fails(1003, w.frame(m.PING, w.TEXT))

    def test_mqtt5_6_0_0_2_several_packets_in_a_frame(self):
        client = self.client()
        client.send(*[m.publish("ws/%d" % i, b"x", 1, i + 1) for i in range(50)])
        for i in range(50):
            self.assertEqual(client.expect(m.PUBACK).pid, i + 1)

    def test_mqtt5_6_0_0_2_a_packet_over_several_frames(self):
        client = self.client()
        self.assertEqual(client.subscribe("ws/split"), [0])
        body = os.urandom(300)
        for byte in m.publish("ws/split", body):
            client.sock.sendall(bytes([byte]))
        client.take("ws/split", body)

    def test_mqtt5_6_0_0_2_a_large_packet_both_ways(self):
        client = self.client()
        self.assertEqual(client.subscribe("ws/large"), [0])
        body = bytes(range(256)) * 4096 * 3
        packet = m.publish("ws/large", body)
        for at in range(0, len(packet), 700001):
            client.sock.sendall(packet[at:at + 700001])
        client.take("ws/large", body)

    def test_any_cut_of_the_bytes_gives_the_same_packets(self):
        rng = random.Random(6455)
        for _ in range(20):
            client = self.client()
            raw = b""
            for i in range(30):
                packet = m.publish("ws/cut", os.urandom(rng.choice([0, 1, 125, 126, 300])), 1,
                                   i + 1)
                at = rng.randrange(len(packet))
                raw += w.frame(packet[:at], fin=False) + w.frame(b"hi", w.PING)
                raw += w.frame(b"", w.CONTINUATION, fin=False)
                raw += w.frame(packet[at:], w.CONTINUATION)
            while raw:
                n = rng.choice([1, 2, 3, 7, 50, 1000])
                client.sock.sock.sendall(raw[:n])
                raw = raw[n:]
            for i in range(30):
                self.assertEqual(client.expect(m.PUBACK).pid, i + 1)
            client.close()

    # ---- RFC 6455, 5 ----

    def test_rfc6455_5_1_an_unmasked_frame_is_an_error(self):
        self.assert_fails(1002, w.frame(m.PING, mask=b""))

    def test_rfc6455_5_2_reserved_bits(self):
        for rsv in (1, 2, 4):
            self.assert_fails(1002, w.frame(m.PING, rsv=rsv))

    def test_rfc6455_5_2_reserved_opcodes(self):
        for opcode in (3, 7, 11, 15):
            self.assert_fails(1002, w.frame(b"", opcode))

    def test_rfc6455_5_2_lengths_are_minimal(self):
        self.assert_fails(1002, w.frame(m.PING, form=16))
        self.assert_fails(1002, w.frame(m.PING, form=64))
        self.assert_fails(1002, w.frame(m.PING, form=64, length=1 << 63))

    def test_rfc6455_5_2_a_frame_of_any_length_is_a_stream(self):
        client = self.client()
        packet = m.publish("ws/endless", b"x" * 1000, 1, 1)
        client.sock.sock.sendall(w.frame(packet, mask=b"\0\0\0\0", length=(1 << 63) - 1))
        self.assertEqual(client.expect(m.PUBACK).pid, 1)
        client.sock.sock.sendall(packet)
        self.assertEqual(client.expect(m.PUBACK).pid, 1)

    def test_rfc6455_5_3_masks(self):
        client = self.client()
        for mask in (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\1\2\3\4"):
            client.sock.sock.sendall(w.frame(m.PING, mask=mask))
            client.expect(m.PINGRESP)

    def test_rfc6455_5_4_control_frames_in_the_middle_of_a_message(self):
        client = self.client()
        client.sock.sock.sendall(w.frame(m.PING[:1], fin=False) + w.frame(b"1", w.PING) +
                                 w.frame(m.PING[1:], w.CONTINUATION))
        client.expect(m.PINGRESP)
        self.assertEqual(client.sock.pongs, [b"1"])

    def test_rfc6455_5_4_fragments_out_of_order(self):
        self.assert_fails(1002, w.frame(m.PING, w.CONTINUATION))
        self.assert_fails(1002, w.frame(b"\xc0", fin=False), w.frame(b"\0"))

    def test_rfc6455_5_5_control_frames_are_short_and_whole(self):
        self.assert_fails(1002, w.frame(b"x" * 126, w.PING))
        self.assert_fails(1002, w.frame(b"x", w.PING, fin=False))

    def test_rfc6455_5_5_2_ping_is_answered(self):
        client = self.client()
        for body in (b"", b"x", bytes(range(125))):
            client.sock.sock.sendall(w.frame(body, w.PING))
            self.assertEqual(w.read_frame(client.sock.sock), (w.PONG, body))

    def test_rfc6455_5_5_3_of_many_pings_the_last_is_answered(self):
        client = self.client()
        count = 5000
        client.sock.sock.sendall(b"".join(w.frame(b"%d" % i, w.PING) for i in range(count)))
        self.assert_is_well(client)
        self.assertLessEqual(len(client.sock.pongs), count)
        self.assertEqual(client.sock.pongs[-1], b"%d" % (count - 1))

    def test_rfc6455_5_5_3_a_pong_that_nobody_asked_for_is_ignored(self):
        client = self.client()
        client.sock.sock.sendall(w.frame(b"x", w.PONG))
        self.assert_is_well(client)

    # ---- RFC 6455, 7 ----

    def test_rfc6455_7_1_a_close_is_answered_and_the_server_ends_the_connection(self):
        for body in (b"", struct.pack(">H", 1000), struct.pack(">H", 1001) + b"away",
                     struct.pack(">H", 4999)):
            client = self.client()
            client.sock.sock.sendall(w.frame(body, w.CLOSE))
            self.assertEqual(w.read_frame(client.sock.sock), (w.CLOSE, body[:2]))
            self.assertTrue(is_closed_by_peer(client.sock.sock))

    def test_rfc6455_7_1_what_stands_before_a_close_counts(self):
        watcher = self.client("watcher")
        self.assertEqual(watcher.subscribe("ws/last"), [0])
        client = self.client()
        client.sock.sock.sendall(w.frame(m.publish("ws/last", b"word")) + w.frame(b"", w.CLOSE) +
                                 w.frame(m.publish("ws/last", b"not")))
        watcher.take("ws/last", b"word")
        self.assertTrue(is_closed_by_peer(client.sock.sock))
        watcher.nothing()

    def test_rfc6455_7_1_after_disconnect_the_server_closes(self):
        client = self.client()
        client.send(m.disconnect())
        self.assertEqual(client.sock.read_close(), 1000)

    def test_rfc6455_7_4_codes(self):
        for code in (0, 999, 1004, 1005, 1006, 1015, 2999, 5000):
            self.assert_fails(1002, w.frame(struct.pack(">H", code), w.CLOSE))
        self.assert_fails(1002, w.frame(b"\3", w.CLOSE))

    def test_rfc6455_8_1_a_reason_that_is_no_utf8(self):
        self.assert_fails(1007, w.frame(struct.pack(">H", 1000) + b"\xff", w.CLOSE))

    # ---- together with the session above ----

    def test_an_end_without_close_publishes_the_will(self):
        watcher = self.client("watcher")
        self.assertEqual(watcher.subscribe("ws/will"), [0])
        for end in (lambda c: c.close(), lambda c: c.sock.sock.sendall(w.frame(b"", w.CLOSE)),
                    lambda c: c.sock.sock.sendall(w.frame(b"", w.TEXT))):
            end(self.client(will={"topic": "ws/will", "payload": b"gone"}))
            watcher.take("ws/will", b"gone")

    def test_a_malformed_packet_is_told_and_the_websocket_closed(self):
        client = self.client()
        client.send(b"\x00\x00")
        with self.assertRaises(EOFError):
            self.assertEqual(client.receive().type, m.DISCONNECT)
            client.receive()

    def test_a_message_is_one_frame_and_frames_are_bounded(self):
        sub = self.client("sub")
        self.assertEqual(sub.subscribe("ws/frames"), [0])
        self.client("pub").publish("ws/frames", b"x" * 1000000)
        got = b""
        while len(got) < 1000000:
            opcode, payload = w.read_frame(sub.sock.sock)
            self.assertEqual(opcode, w.BINARY)
            self.assertLessEqual(len(payload), 256 << 10)
            got += payload

    def test_a_reader_that_stalls_gets_all_in_the_end(self):
        sub = self.client("sub")
        self.assertEqual(sub.subscribe(("ws/slow", 1)), [1])
        pub = self.client("pub")
        body = os.urandom(1 << 20)
        for i in range(12):
            pub.publish("ws/slow", b"%02d" % i + body, 1, i + 1)
        sub.sock.sock.sendall(w.frame(b"still there", w.PING))
        for i in range(12):
            sub.take("ws/slow", b"%02d" % i + body)
        sub.sync()
        self.assertEqual(sub.sock.pongs, [b"still there"])

    def test_plain_mqtt_on_a_websocket_listener_is_refused(self):
        sock = socket.create_connection(self.broker.address_of("ws"), timeout=10 * SCALE)
        self.addCleanup(sock.close)
        sock.sendall(m.connect("plain") + b"\r\n\r\n")
        self.assertTrue(is_closed_by_peer(sock))


if __name__ == "__main__":
    unittest.main()
