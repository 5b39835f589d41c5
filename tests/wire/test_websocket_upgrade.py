# SPDX-License-Identifier: Apache-2.0
"""The request that begins a WebSocket, as RFC 6455 section 4 has it, and what is refused."""

import socket
import unittest

import ws_raw as w
from tercet import SCALE, BrokerCase, is_closed_by_peer, read_exactly

CONFIG = """
[listener ws]
protocol = mqtt
address = 127.0.0.1
port = 0
websocket = yes

[listener listed]
protocol = mqtt
address = 127.0.0.1
port = 0
websocket = yes
websocket_origins = https://app.example, b.example
websocket_paths = /mqtt, /

[listener anywhere]
protocol = mqtt
address = 127.0.0.1
port = 0
websocket = yes
websocket_paths = *

[listener rabbit]
protocol = amqp
address = 127.0.0.1
port = 0
websocket = yes
"""


class Upgrade(BrokerCase):

    broker_options = {"config": CONFIG}

    def open(self, name="ws"):
        sock = socket.create_connection(self.broker.address_of(name), timeout=10 * SCALE)
        self.addCleanup(sock.close)
        return sock

    def ask(self, name="ws", **options):
        """(status, headers, body, whether the connection ended)"""
        sock = self.open(name)
        sock.sendall(w.request(**options))
        status, headers = w.read_head(sock)
        body = read_exactly(sock, int(headers.get("content-length", 0)))
        return status, headers, body, status != 101 and is_closed_by_peer(sock)

    def assert_refused(self, status, **options):
        got, headers, body, is_closed = self.ask(**options)
        self.assertEqual(got, status, body)
        self.assertTrue(is_closed)
        self.assertTrue(body.endswith(b"\n") and len(body) > 10, body)
        self.assertEqual(headers["connection"], "close")
        return headers

    def test_rfc6455_1_3_the_example_of_the_standard(self):
        _, headers, _, _ = self.ask(key="dGhlIHNhbXBsZSBub25jZQ==")
        self.assertEqual(headers["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")

    def test_rfc6455_4_2_2_the_answer(self):
        status, headers, _, _ = self.ask()
        self.assertEqual(status, 101)
        self.assertEqual(headers["upgrade"], "websocket")
        self.assertEqual(headers["connection"], "Upgrade")
        self.assertEqual(headers["sec-websocket-protocol"], "mqtt")

    def test_rfc6455_4_2_1_headers_in_any_case_and_in_lists(self):
        status, _, _, _ = self.ask(connection="keep-alive, uPGRADE", upgrade="h2c, WebSocket")
        self.assertEqual(status, 101)

    def test_mqtt5_6_0_0_4_sub_protocols(self):
        for names, answer in (("mqtt", "mqtt"), ("mqttv3.1", "mqttv3.1"),
                              ("x, mqttv3.1 ,mqtt", "mqtt"), ("mqttv3.1,y", "mqttv3.1")):
            status, headers, _, _ = self.ask(names=names)
            self.assertEqual((status, headers["sec-websocket-protocol"]), (101, answer))
        for names in ("amqp", "mqttv5", "mqt", None, ""):
            self.assert_refused(400, names=names)

    def test_amqp_needs_no_sub_protocol(self):
        status, headers, _, _ = self.ask("rabbit", path="/amqp", names=None)
        self.assertEqual(status, 101)
        self.assertNotIn("sec-websocket-protocol", headers)
        status, headers, _, _ = self.ask("rabbit", path="/ws", names="amqp")
        self.assertEqual((status, headers["sec-websocket-protocol"]), (101, "amqp"))
        self.assert_refused(400, name="rabbit", path="/ws", names="mqtt")

    def test_paths(self):
        for path in ("/mqtt", "/ws", "/mqtt?token=1"):
            self.assertEqual(self.ask(path=path)[0], 101)
        for path in ("/", "/mqtt/", "/amqp", "/mqtts", "/%6dqtt"):
            self.assert_refused(404, path=path)

    def test_paths_that_are_listed(self):
        for path in ("/mqtt", "/", "/?x"):
            self.assertEqual(self.ask("listed", path=path)[0], 101)
        for path in ("/ws", "/mqtt/x"):
            self.assert_refused(404, name="listed", path=path)
        for path in ("/ws", "/", "/any/where", "/*"):
            self.assertEqual(self.ask("anywhere", path=path)[0], 101)

    def test_rfc6455_4_1_only_get(self):
        self.assertEqual(self.assert_refused(405, method="GETS")["allow"], "GET")

    def test_rfc6455_4_2_1_what_is_no_upgrade(self):
        for options in ({"upgrade": None}, {"upgrade": "h2c"}, {"connection": "keep-alive"},
                        {"connection": None}, {"version": "HTTP/1.0"}):
            headers = self.assert_refused(426, **options)
            self.assertEqual(headers["upgrade"], "websocket")

    def test_rfc6455_4_4_other_versions(self):
        for version in ("8", "14", None):
            headers = self.assert_refused(426, sec_websocket_version=version)
            self.assertEqual(headers["sec-websocket-version"], "13")

    def test_rfc6455_4_2_1_the_key_is_16_bytes(self):
        for key in ("x", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZQ", "?" * 22 + "==",
                    "dGhlIHNhbXBsZSBub25jZSE=", "dGhlIHNhbXBsZSBub25jZSEh"):
            self.assert_refused(400, key=key)
        self.assert_refused(400, sec_websocket_key=None)

    def test_rfc6455_4_1_nothing_follows_before_the_answer(self):
        sock = self.open()
        sock.sendall(w.request() + w.frame(b"x"))
        self.assertEqual(w.read_head(sock)[0], 400)
        self.assert_refused(400, content_length="1")

    def test_rfc6455_9_1_extensions_are_declined(self):
        status, headers, _, _ = self.ask(sec_websocket_extensions="permessage-deflate")
        self.assertEqual(status, 101)
        self.assertNotIn("sec-websocket-extensions", headers)

    def test_rfc6455_10_2_origin_by_default(self):
        for origin in ("http://localhost:3000", "https://127.0.0.1", "http://[::1]:8080"):
            self.assertEqual(self.ask(origin=origin)[0], 101)
        for origin in ("http://evil.example", "null", "", "http://localhost.evil.example",
                       "localhost"):
            self.assert_refused(403, origin=origin)
        # a name that an attacker points at 127.0.0.1
        self.assert_refused(403, origin="http://evil.example", host="evil.example")

    def test_rfc6455_10_2_origins_that_are_listed(self):
        for origin in ("https://app.example", "HTTPS://APP.example", "http://b.example:99"):
            self.assertEqual(self.ask("listed", origin=origin)[0], 101)
        for origin in ("http://app.example", "https://app.example:1", "http://localhost",
                       "https://app.example.evil", "null"):
            self.assert_refused(403, name="listed", origin=origin)
        self.assertEqual(self.ask("listed")[0], 101)

    def test_what_is_no_request(self):
        for bad in (b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x00\x00\x00\r\n", b"GET\r\n\r\n",
                    b"GET / HTTP/1.1\nhost: x\n\n", b"GET /mqtt HTTP/3.0\r\n\r\n"):
            sock = self.open()
            sock.sendall(bad)
            self.assertEqual(w.read_head(sock)[0], 400)
            self.assertTrue(is_closed_by_peer(sock))

    def test_a_head_that_does_not_end_is_refused_at_its_limit(self):
        sock = self.open()
        sock.sendall(b"GET /mqtt HTTP/1.1\r\nhost: x\r\ncookie: ")
        sock.sendall(b"x" * 16400)
        self.assertEqual(w.read_head(sock)[0], 431)
        self.assertTrue(is_closed_by_peer(sock))
        self.assertEqual(self.ask(cookie="x" * 15000)[0], 101)

    def test_a_head_comes_in_any_pieces(self):
        sock = self.open()
        for byte in w.request():
            sock.sendall(bytes([byte]))
        self.assertEqual(w.read_head(sock)[0], 101)


if __name__ == "__main__":
    unittest.main()
