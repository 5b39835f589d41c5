# SPDX-License-Identifier: Apache-2.0
"""The PROXY protocol, versions 1 and 2, before everything else on a connection."""

import http.client
import re
import socket
import ssl
import struct
import unittest

import mqtt_raw as m
import ws_raw as w
from tercet import SCALE, TOP, BrokerCase, is_closed_by_peer, wait_for

PEM = TOP + "/tests/lib/localhost.pem"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LISTENERS = """
[listener proxied]
protocol = mqtt
address = 127.0.0.1
port = 0
proxy_protocol = yes

[listener far]
protocol = mqtt
address = 127.0.0.1
port = 0
proxy_protocol = yes
proxy_peers = 10.0.0.0/8, 2001:db8::1, unix

[listener all]
protocol = mqtt
address = 127.0.0.1
port = 0
proxy_protocol = yes
detect = yes
certificate = %s
key = %s

[listener told-tls]
protocol = mqtt
address = 127.0.0.1
port = 0
proxy_protocol = yes
proxy_client = tls

[listener told-certificate]
protocol = mqtt
address = 127.0.0.1
port = 0
proxy_protocol = yes
proxy_client = certificate

[listener kafka-proxied]
protocol = kafka
address = 127.0.0.1
port = 0
proxy_protocol = yes
""" % (PEM, PEM)

IPV4 = socket.inet_aton("192.0.2.7") + socket.inet_aton("192.0.2.1") + struct.pack(">HH", 4711, 25)
IPV6 = (socket.inet_pton(socket.AF_INET6, "2001:db8::7") +
        socket.inet_pton(socket.AF_INET6, "2001:db8::1") + struct.pack(">HH", 4711, 25))


def v2(body=b"", command=0x21, family=0x11, length=None):
    size = len(body) if length is None else length
    return SIGNATURE + bytes([command, family]) + struct.pack(">H", size) + body


def field(kind, value):
    return bytes([kind]) + struct.pack(">H", len(value)) + value


class ProxyCase(BrokerCase):

    broker_options = {"config": "allow_anonymous_remote = yes\nadmin_port = 0\n" + LISTENERS}

    def open(self, head=b"", name="proxied"):
        sock = socket.create_connection(self.broker.address_of(name), timeout=10 * SCALE)
        self.addCleanup(sock.close)
        sock.sendall(head)
        return sock

    def peer_of(self, head, name="proxied"):
        """The peer that the log names for a client behind this head."""
        client_id = "%s-%s" % (self.id(), head[:60].hex())
        line = r'mqtt.connected conn=\d+ peer=(\S+) client="%s' % re.escape(client_id)

        def look():  # the log has a limit for each second
            client = m.Client(None, sock=self.open(head, name)).connect(client_id)
            client.close()
            return re.findall(line, self.broker.log())

        return wait_for(look, what="the client's line in the log", poll=0.1)[-1]

    def refusals(self):
        """How many connections were refused for the PROXY protocol."""
        connection = http.client.HTTPConnection("127.0.0.1", self.broker.port("admin"),
                                                timeout=10 * SCALE)
        self.addCleanup(connection.close)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        return int(re.search(r"net_proxy_refused_total (\d+)", text).group(1))

    def assert_refused(self, head, name="proxied"):
        before = self.refusals()
        self.assertTrue(is_closed_by_peer(self.open(head + m.connect("never"), name)))
        self.assertEqual(self.refusals(), before + 1)


class Proxy(ProxyCase):
    """Where whoever connects may do everything."""

    # ---- version 1 ----

    def test_v1_tells_the_source(self):
        self.assertEqual(self.peer_of(b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 25\r\n"),
                         "192.0.2.7:4711")
        self.assertEqual(self.peer_of(b"PROXY TCP6 2001:db8::7 ::1 65535 0\r\n"),
                         "[2001:db8::7]:65535")

    def test_v1_of_an_unknown_source(self):
        for head in (b"PROXY UNKNOWN\r\n", b"PROXY UNKNOWN " + b"f" * 91 + b"\r\n"):
            self.assertRegex(self.peer_of(head), r"^127\.0\.0\.1:\d+$")

    def test_v1_malformed(self):
        for line in (b"PROXY TCP4 192.0.2.7 192.0.2.1 4711\r\n",
                     b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 25 9\r\n",
                     b"PROXY TCP4 192.0.2.7  192.0.2.1 4711 25\r\n",
                     b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 65536\r\n",
                     b"PROXY TCP4 192.0.2.7 192.0.2.1 04711 25\r\n",
                     b"PROXY TCP4 2001:db8::7 ::1 4711 25\r\n",
                     b"PROXY TCP6 192.0.2.7 192.0.2.1 4711 25\r\n",
                     b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 25\n",
                     b"PROXY UDP4 192.0.2.7 192.0.2.1 4711 25\r\n",
                     b"PROXY \r\n", b"proxy UNKNOWN\r\n", b"PROXY UNKNOWN" + b"f" * 100):
            self.assert_refused(line)

    # ---- version 2 ----

    def test_v2_tells_the_source(self):
        self.assertEqual(self.peer_of(v2(IPV4)), "192.0.2.7:4711")
        self.assertEqual(self.peer_of(v2(IPV6, family=0x21)), "[2001:db8::7]:4711")
        self.assertEqual(self.peer_of(v2(b"/a".ljust(108, b"\0") * 2, family=0x31)), "unix")

    def test_v2_local_and_unknown(self):
        for head in (v2(command=0x20), v2(IPV4, command=0x20), v2(family=0),
                     v2(b"whatever this is"[:0], family=0)):
            self.assertRegex(self.peer_of(head), r"^127\.0\.0\.1:\d+$")

    def test_v2_fields_are_skipped(self):
        fields = field(0x04, b"\0" * 5) + field(0xea, b"vpce") + field(0x20, bytes(5) +
                                                                       field(0x21, b"TLSv1.3"))
        self.assertEqual(self.peer_of(v2(IPV4 + fields)), "192.0.2.7:4711")
        self.assertEqual(self.peer_of(v2(IPV4 + field(4, bytes(4000)))), "192.0.2.7:4711")

    def test_v2_malformed(self):
        for head in (v2(IPV4, command=0x11), v2(IPV4, command=0x22), v2(IPV4, family=0x12),
                     v2(IPV4, family=0x41), v2(IPV4[:11]), v2(IPV4, family=0x21),
                     v2(IPV4 + b"\1"), v2(IPV4 + b"\1\0\5abcd"), v2(IPV4 + field(0x20, b"\1")),
                     v2(IPV4 + bytes(4081)), SIGNATURE[:-1] + b"\r" + v2(IPV4)[12:]):
            self.assert_refused(head)

    def test_v2_must_tell_of_tls_and_certificates_where_that_is_asked(self):
        tls, certified, unverified = (v2(IPV4 + field(0x20, flags + more)) for flags, more in (
            (b"\1", bytes(4)), (b"\5", bytes(4)), (b"\5", b"\0\0\0\1")))
        for head in (tls, certified, unverified):
            self.assertEqual(self.peer_of(head, "told-tls"), "192.0.2.7:4711")
        self.assertEqual(self.peer_of(certified, "told-certificate"), "192.0.2.7:4711")
        for head in (tls, unverified, v2(IPV4), v2(command=0x20), b"PROXY UNKNOWN\r\n"):
            self.assert_refused(head, "told-certificate")
        for head in (v2(IPV4), v2(command=0x20), b"PROXY UNKNOWN\r\n"):
            self.assert_refused(head, "told-tls")

    # ---- both ----

    def test_a_head_in_pieces(self):
        for head in (b"PROXY TCP4 192.0.2.7 192.0.2.1 4711 25\r\n",
                     v2(IPV4 + field(4, b"x" * 40))):
            sock = self.open()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in head + m.connect("pieces"):
                sock.sendall(bytes([byte]))
            self.assertEqual(m.Client(None, sock=sock).expect(m.CONNACK).reason, 0)

    def test_without_a_head_nobody_gets_in(self):
        self.assert_refused(m.connect("plain"))

    def test_who_is_no_proxy_is_turned_away(self):
        self.assert_refused(v2(IPV4), "far")

    def test_a_head_on_a_listener_without_the_option_is_no_packet(self):
        sock = socket.create_connection(self.broker.address("mqtt"), timeout=10 * SCALE)
        self.addCleanup(sock.close)
        sock.sendall(v2(IPV4) + m.connect("x"))
        self.assertTrue(is_closed_by_peer(sock))

    def test_behind_the_head_comes_tls_or_websocket(self):
        head = v2(IPV4)
        self.assertEqual(self.peer_of(head, "all"), "192.0.2.7:4711")
        context = ssl.create_default_context(cafile=PEM)
        tls = context.wrap_socket(self.open(head, "all"), server_hostname="localhost")
        m.Client(None, sock=tls).connect("tls")
        ws = w.WebSocket(self.open(head, "all"))
        m.Client(None, sock=ws).connect("ws")
        both = context.wrap_socket(self.open(head, "all"), server_hostname="localhost")
        m.Client(None, sock=w.WebSocket(both)).connect("wss")

    def test_kafka_clients_are_told_the_address_that_the_proxy_took(self):
        sock = self.open(v2(IPV4), "kafka-proxied")
        body = struct.pack(">hhih", 3, 1, 1, -1) + struct.pack(">i", 0)  # Metadata v1, no topics
        sock.sendall(struct.pack(">i", len(body)) + body)
        answer = sock.recv(1000)
        self.assertIn(struct.pack(">h", 9) + b"192.0.2.1" + struct.pack(">i", 25), answer)


class Trust(ProxyCase):
    """Without users, who comes from this machine may do everything, and others nothing."""

    broker_options = {"config": "admin_port = 0\n" + LISTENERS}

    def answer(self, head):
        client = m.Client(None, sock=self.open(head))
        client.send(m.connect("trust"))
        return client.expect(m.CONNACK).reason

    def test_a_proxied_client_counts_as_local_only_when_its_source_is(self):
        self.assertEqual(self.answer(b"PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n"), 0)
        self.assertEqual(self.answer(b"PROXY TCP6 ::1 ::1 1 2\r\n"), 0)
        self.assertEqual(self.answer(b"PROXY TCP6 ::ffff:127.0.0.1 ::1 1 2\r\n"), 0)
        self.assertEqual(self.answer(v2(command=0x20)), 0)  # the proxy itself, which is here
        for head in (b"PROXY TCP4 192.0.2.7 127.0.0.1 1 2\r\n", b"PROXY UNKNOWN\r\n", v2(IPV4),
                     b"PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2\r\n",
                     v2(IPV6, family=0x21), v2(family=0), v2(bytes(216), family=0x31)):
            self.assertEqual(self.answer(head), 0x87, head)

    def test_the_log_tells_why(self):
        self.assert_refused(m.connect("plain"))
        self.assertIn("listener=proxied why=no-proxy-head", self.broker.log())
        self.assert_refused(v2(IPV4), "far")
        self.assertIn("listener=far connections=0 why=proxy_peers", self.broker.log())


if __name__ == "__main__":
    unittest.main()
