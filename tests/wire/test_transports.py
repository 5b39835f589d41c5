# SPDX-License-Identifier: Apache-2.0
"""Each protocol over each thing that may carry it: TCP, Unix socket, TLS, WebSocket, both, and one
listener that tells them apart."""

import os
import shutil
import signal
import socket
import ssl
import stat
import struct
import subprocess
import tempfile
import unittest

import mqtt_raw as m
import ws_raw as w
from tercet import SCALE, TOP, Broker, BrokerCase, is_closed_by_peer, wait_for

PEM = os.path.join(TOP, "tests", "lib", "localhost.pem")
TLS = "certificate = %s\nkey = %s\n" % (PEM, PEM)
PATHS = {"mqtt": "/mqtt", "amqp": "/amqp", "kafka": "/kafka"}


def config(directory):
    text = ""
    for protocol in PATHS:
        for name, more in (("unix", "address = unix:%s/%s.sock\n" % (directory, protocol)),
                           ("all", "address = 127.0.0.1\nport = 0\ndetect = yes\n" + TLS),
                           ("plain", "address = 127.0.0.1\nport = 0\ndetect = yes\n"),
                           ("wss", "address = 127.0.0.1\nport = 0\nwebsocket = yes\n"
                            "tls = yes\n" + TLS),
                           ("unixall", "address = unix:%s/%s-all.sock\nsocket_access = group\n"
                            "detect = yes\n%s"
                            % (directory, protocol, TLS))):
            text += "[listener %s-%s]\nprotocol = %s\n%s\n" % (protocol, name, protocol, more)
    return text


def speak(protocol, sock):
    """The first words of a protocol and their answer."""
    if protocol == "mqtt":
        client = m.Client(None, sock=sock).connect("carried")
        client.sync()
    elif protocol == "amqp":
        sock.sendall(b"AMQP\0\0\x09\1")
        assert read(sock, 7)[:3] == b"\1\0\0"
    else:
        body = struct.pack(">hhih", 18, 0, 7, -1)  # ApiVersions
        sock.sendall(struct.pack(">i", len(body)) + body)
        assert read(sock, 10)[4:] == struct.pack(">ih", 7, 0)


def read(sock, n):
    data = b""
    while len(data) < n:
        part = sock.recv(65536)
        if not part:
            raise EOFError("the peer closed")
        data += part
    return data[:n]


class Carriers(BrokerCase):

    @classmethod
    def setUpClass(cls):
        cls.directory = tempfile.mkdtemp(prefix="tercet-sockets-")
        cls.broker_options = {"config": config(cls.directory)}
        super().setUpClass()

    @classmethod
    def tearDownClass(cls):
        super().tearDownClass()
        left = os.listdir(cls.directory)
        shutil.rmtree(cls.directory)
        assert left == [], "sockets are left: %r" % left

    def open(self, name):
        address = self.broker.listener_named(name)
        if address["address"].startswith("unix:"):
            sock = socket.socket(socket.AF_UNIX)
            sock.settimeout(10 * SCALE)
            sock.connect(address["address"][5:])
        else:
            sock = socket.create_connection((address["address"], address["port"]),
                                            timeout=10 * SCALE)
        self.addCleanup(sock.close)
        return sock

    def wrap(self, sock):
        wrapped = ssl.create_default_context(cafile=PEM).wrap_socket(sock,
                                                                     server_hostname="localhost")
        self.addCleanup(wrapped.close)
        return wrapped

    def each(self, name):
        for protocol, path in PATHS.items():
            with self.subTest(protocol):
                yield protocol, self.open("%s-%s" % (protocol, name)), path

    def test_unix_sockets(self):
        for protocol, sock, _ in self.each("unix"):
            speak(protocol, sock)

    def test_a_unix_socket_is_for_those_it_is_made_for(self):
        modes = {"unix": 0o600, "unixall": 0o660}
        for name, mode in modes.items():
            path = self.broker.listener_named("mqtt-" + name)["address"][5:]
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), mode)

    def test_secure_websocket(self):
        for protocol, sock, path in self.each("wss"):
            speak(protocol, w.WebSocket(self.wrap(sock), path=path, names=protocol))

    def test_one_listener_takes_plain(self):
        for name in ("all", "plain", "unixall"):
            for protocol, sock, _ in self.each(name):
                speak(protocol, sock)

    def test_one_listener_takes_tls(self):
        for name in ("all", "unixall"):
            for protocol, sock, _ in self.each(name):
                speak(protocol, self.wrap(sock))

    def test_one_listener_takes_websocket(self):
        for name in ("all", "plain", "unixall"):
            for protocol, sock, path in self.each(name):
                speak(protocol, w.WebSocket(sock, path=path, names=protocol))

    def test_one_listener_takes_secure_websocket(self):
        for name in ("all", "unixall"):
            for protocol, sock, path in self.each(name):
                speak(protocol, w.WebSocket(self.wrap(sock), path=path, names=protocol))

    def test_tls_without_a_certificate_is_refused(self):
        with self.assertRaises(OSError):
            self.wrap(self.open("mqtt-plain"))
        wait_for(lambda: "why=tls-without-certificate" in self.broker.log(),
                 what="the refusal in the log")

    def test_first_bytes_that_come_one_by_one(self):
        for head in (m.connect("slowly"), w.request()):
            sock = self.open("mqtt-all")
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in head:
                sock.sendall(bytes([byte]))
            self.assertEqual(sock.recv(1), b"\x20" if head[0] == 0x10 else b"H")

    def test_plain_on_a_listener_that_needs_tls(self):
        sock = self.open("mqtt-wss")
        sock.sendall(w.request())
        self.assertTrue(is_closed_by_peer(sock))


class TlsOptions(unittest.TestCase):
    """Versions, ciphers, clients' certificates, and their change at a SIGHUP."""

    def start(self, options):
        broker = Broker(config="[listener s]\nprotocol = mqtt\naddress = 127.0.0.1\nport = 0\n"
                               "tls = yes\n" + TLS + options)
        self.addCleanup(broker.close)
        broker.start()
        self.addCleanup(broker.stop)
        return broker

    def connect(self, broker, minimum=None, maximum=None, ciphers=None, certificate=None):
        context = ssl.create_default_context(cafile=PEM)
        if minimum is not None:
            context.minimum_version = minimum
        if maximum is not None:
            context.maximum_version = maximum
        if ciphers is not None:
            context.set_ciphers(ciphers)
        if certificate is not None:
            context.load_cert_chain(certificate)
        with socket.create_connection(broker.address_of("s"), timeout=10 * SCALE) as sock:
            with context.wrap_socket(sock, server_hostname="localhost") as tls:
                m.Client(None, sock=tls).connect("tls-options")
                return tls.version(), tls.cipher()[0]

    def test_a_minimum_version(self):
        broker = self.start("tls_min_version = 1.3\n")
        self.assertEqual(self.connect(broker)[0], "TLSv1.3")
        with self.assertRaises(OSError):
            self.connect(broker, maximum=ssl.TLSVersion.TLSv1_2)

    def test_ciphers(self):
        broker = self.start("tls_ciphers = ECDHE-ECDSA-AES256-GCM-SHA384:"
                            "ECDHE-RSA-AES256-GCM-SHA384\n"
                            "tls_ciphersuites = TLS_CHACHA20_POLY1305_SHA256\n")
        self.assertEqual(self.connect(broker), ("TLSv1.3", "TLS_CHACHA20_POLY1305_SHA256"))
        version, cipher = self.connect(broker, maximum=ssl.TLSVersion.TLSv1_2)
        self.assertEqual(version, "TLSv1.2")
        self.assertTrue(cipher.endswith("AES256-GCM-SHA384"), cipher)
        with self.assertRaises(OSError):
            self.connect(broker, maximum=ssl.TLSVersion.TLSv1_2,
                         ciphers="ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256")

    def test_ciphers_that_are_none_keep_the_broker_from_starting(self):
        for option in ("tls_ciphers = NO-SUCH", "tls_ciphersuites = NO_SUCH"):
            broker = Broker(config="[listener s]\nprotocol = mqtt\nport = 0\ntls = yes\n" + TLS +
                                   option + "\n")
            self.addCleanup(broker.close)
            with self.assertRaisesRegex(AssertionError, "ciphers cannot be used"):
                broker.start()

    def test_a_client_certificate_is_required(self):
        broker = self.start("client_ca = %s\nrequire_client_certificate = yes\n" % PEM)
        self.connect(broker, certificate=PEM)
        with self.assertRaises((OSError, EOFError)):
            self.connect(broker)

    def test_a_client_certificate_may_be_left_out(self):
        broker = self.start("client_ca = %s\n" % PEM)
        self.connect(broker, certificate=PEM)
        self.connect(broker)

    def test_a_reload_changes_what_new_connections_must_show(self):
        broker = self.start("")
        self.connect(broker, maximum=ssl.TLSVersion.TLSv1_2)
        path = os.path.join(os.path.dirname(broker.log_path), "tercet.conf")
        with open(path, "a", encoding="utf-8") as file:
            file.write("tls_min_version = 1.3\n")
        os.kill(broker.pid, signal.SIGHUP)

        def is_refused():
            try:
                self.connect(broker, maximum=ssl.TLSVersion.TLSv1_2)
                return False
            except OSError:
                return True

        wait_for(is_refused, what="the new minimum to hold")
        self.assertEqual(self.connect(broker)[0], "TLSv1.3")


class Configuration(unittest.TestCase):

    def complaint(self, text):
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
            file.write("[listener x]\nprotocol = mqtt\n" + text)
            file.flush()
            done = subprocess.run([Broker(start=False).command()[0], "--test-config", "--config",
                                   file.name], capture_output=True, text=True, timeout=20,
                                  check=False)
        return done.returncode, done.stdout + done.stderr

    def test_what_contradicts_itself_is_told(self):
        for text, told in (("websocket = yes\n", "port must be given"),
                           ("websocket_origins = *\n", "websocket_origins and"),
                           ("websocket_paths = /\n", "websocket_paths need"),
                           ("proxy_protocol = yes\nproxy_peers = 10.0.0/8\n",
                            "proxy_peers must be"),
                           ("proxy_peers = ::1\n", "proxy_peers needs"),
                           ("detect = yes\ncertificate = x\n", "belong together"),
                           ("detect = yes\nclient_ca = x\n", "client_ca needs")):
            status, words = self.complaint(text)
            self.assertNotEqual(status, 0)
            self.assertIn(told, words)
        self.assertEqual(self.complaint("websocket = yes\nport = 8083\n")[0], 0)


if __name__ == "__main__":
    unittest.main()
