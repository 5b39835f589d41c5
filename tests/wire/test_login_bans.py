# SPDX-License-Identifier: Apache-2.0
"""Logins that fail too often: who is banned, by every protocol, and who is not.

Addresses are told by the PROXY protocol, for loopback itself is never banned."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import unittest

import amqp_raw
import mqtt_raw as m
import users
from admin_raw import ask, counter
from kafka_wire import Connection
from tercet import SCALE, Broker, program, wait_for
from users import Scram

BANNED, BAD_PASSWORD = 0x8a, 0x86
CONFIG = """password_file = %s/users
%s
[listener mqtt-far]
protocol = mqtt
port = 0
proxy_protocol = yes

[listener amqp-far]
protocol = amqp
port = 0
proxy_protocol = yes

[listener kafka-far]
protocol = kafka
port = 0
proxy_protocol = yes

[listener near]
protocol = mqtt
port = 0
"""
LIMITS = """login_failures_user = 3
login_failures_address = 8
login_window = 1h
login_ban = 1h
login_ban_max = 10h
"""


class Bans(unittest.TestCase):

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="tercet-bans-")
        self.addCleanup(shutil.rmtree, self.dir)
        with open(os.path.join(self.dir, "users"), "w", encoding="utf-8") as file:
            file.write("".join("%s:%s:%s\n" % (name, users.pbkdf2("x"), users.scram("x"))
                               for name in ("ann", "bob")))
        self.path = os.path.join(self.dir, "conf")
        self.configure(LIMITS)
        self.broker = Broker(data=True, args=["--config", self.path])
        self.broker.__enter__()
        self.addCleanup(lambda: self.broker.__exit__(None, None, None))

    def configure(self, limits):
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(CONFIG % (self.dir, limits))

    def tool(self, *words, status=0):
        done = subprocess.run([program("tercet"), *words, "--data", self.broker.data],
                              check=False, timeout=60 * SCALE, capture_output=True,
                              encoding="utf-8")
        self.assertEqual(done.returncode, status, done)
        return done.stdout

    def bans(self):
        found = ask(self.broker, "GET", "/api/bans")[1]["bans"]
        return {(ban["kind"], ban["name"]) for ban in found}

    def head(self, address):
        family = "TCP6" if ":" in address else "TCP4"
        to = "::1" if ":" in address else "192.0.2.1"
        return ("PROXY %s %s %s 4711 1883\r\n" % (family, address, to)).encode()

    def far(self, listener, address):
        sock = socket.create_connection(self.broker.address_of(listener), timeout=10 * SCALE)
        self.addCleanup(sock.close)
        sock.sendall(self.head(address) if address else b"PROXY UNKNOWN\r\n")
        return sock

    def mqtt(self, address, user="ann", password="wrong", version=5):
        client = m.Client(None, version, sock=self.far("mqtt-far", address))
        client.send(m.connect("c", version, user=user, password=password))
        return client.expect(m.CONNACK).reason

    def scram(self, address, user="ann", password="wrong"):
        """The reason, or 0; whether it was refused before it could prove anything."""
        scram = Scram(user, password)
        client = m.Client(None, 5, sock=self.far("mqtt-far", address))
        client.send(m.connect("c", props=[(m.AUTH_METHOD, scram.method),
                                          (m.AUTH_DATA, scram.first())]))
        answer = client.receive()
        if answer.type == m.CONNACK:
            return answer.reason
        client.send(m.auth(0x18, [(m.AUTH_METHOD, scram.method),
                                  (m.AUTH_DATA, scram.final(answer.prop(m.AUTH_DATA)))]))
        return client.expect(m.CONNACK).reason

    def amqp(self, address, user="ann", password="wrong"):
        """The code of the refusal, or 0."""
        sock = self.far("amqp-far", address)

        class Proxied:
            def connect(self, unused):
                return sock

        client = amqp_raw.Client(Proxied(), "start-ok", user=user, password=password)
        got = client.next()
        return got.args["reply-code"] if got.name == "connection.close" else 0

    def kafka(self, address, user="ann", password="wrong"):
        """The error's message, or None."""
        client = Connection(self.broker.address_of("kafka-far"), b"bans")
        self.addCleanup(client.close)
        client.sock.sendall(self.head(address))
        client.call("sasl_handshake", 1, mechanism="PLAIN")
        got = client.call("sasl_authenticate", 2,
                          auth_bytes=("\0%s\0%s" % (user, password)).encode())
        return got["error_message"]

    def test_one_user_from_one_address_and_nobody_beside(self):
        for _ in range(4):
            self.assertEqual(self.mqtt("192.0.2.7"), BAD_PASSWORD)
        self.assertEqual(self.mqtt("192.0.2.7"), BANNED)
        self.assertEqual(self.mqtt("192.0.2.7", password="x"), BANNED)
        self.assertEqual(self.mqtt("192.0.2.7", password="x", version=4), 5)
        self.assertEqual(self.mqtt("192.0.2.7", "bob", "x"), 0)
        self.assertEqual(self.mqtt("192.0.2.8", password="x"), 0)
        self.assertEqual(self.bans(), {("login", "192.0.2.7 ann")})
        self.assertEqual(counter(self.broker, "core_login_bans_total"), 1)
        self.assertEqual(counter(self.broker, "core_logins_banned_total"), 3)
        self.assertIn("core.login_banned", self.broker.log())
        self.assertIn("192.0.2.7 ann", self.tool("bans"))
        self.assertIn("3 more", self.tool("status"))
        self.tool("unban", "ann")
        self.assertEqual(self.tool("bans"), "")
        self.assertEqual(self.mqtt("192.0.2.7", password="x"), 0)

    def test_every_protocol_counts_and_is_refused(self):
        self.assertEqual(self.mqtt("192.0.2.9"), BAD_PASSWORD)
        self.assertNotEqual(self.scram("192.0.2.9"), 0)
        self.assertEqual(self.amqp("192.0.2.9"), 403)
        self.assertIn("not right", self.kafka("192.0.2.9"))
        self.assertEqual(self.mqtt("192.0.2.9", password="x"), BANNED)
        self.assertEqual(self.scram("192.0.2.9", password="x"), BANNED)
        self.assertEqual(self.amqp("192.0.2.9", password="x"), 403)
        self.assertIn("too many", self.kafka("192.0.2.9", password="x"))
        for address in ("192.0.2.9", "192.0.2.10"):
            user = "bob" if address == "192.0.2.9" else "ann"
            self.assertEqual(self.mqtt(address, user, "x"), 0)
            self.assertEqual(self.scram(address, user, "x"), 0)
            self.assertEqual(self.amqp(address, user, "x"), 0)
            self.assertIsNone(self.kafka(address, user, "x"))

    def test_an_address_that_tries_many_names(self):
        for i in range(9):
            self.assertEqual(self.mqtt("2001:db8::%d" % i, "nobody%d" % i), BAD_PASSWORD)
        self.assertEqual(self.mqtt("2001:db8::ffff", password="x"), BANNED)  # the same network
        self.assertEqual(self.mqtt("2001:db8:0:1::1", password="x"), 0)
        self.assertEqual(self.bans(), {("login-address", "2001:db8::/64")})
        self.tool("unban", "2001:db8::/64")
        self.assertEqual(self.mqtt("2001:db8::ffff", password="x"), 0)

    def test_a_right_password_forgives_a_wrong_one(self):
        for _ in range(4):
            self.assertEqual(self.mqtt("192.0.2.11"), BAD_PASSWORD)
            self.assertEqual(self.mqtt("192.0.2.11", password="x"), 0)
        self.assertEqual(self.bans(), set())

    def test_where_one_address_is_many_nobody_is_banned(self):
        for _ in range(10):
            self.assertEqual(self.mqtt(None), BAD_PASSWORD)  # a proxy that does not tell
            client = m.Client(self.broker.address_of("near"))
            self.addCleanup(client.close)
            client.connect("near", BAD_PASSWORD, user="ann", password="wrong")
        self.assertEqual(self.mqtt(None, password="x"), 0)
        self.assertEqual(self.bans(), set())

    def test_a_user_wherever_it_comes_from_when_that_is_wanted(self):
        self.configure("login_failures_anywhere = 2\nlogin_window = 1h\nlogin_ban = 4s\n")
        self.broker.process.send_signal(signal.SIGHUP)
        wait_for(lambda: " broker.reloaded" in self.broker.log())
        for i in range(3):
            self.assertEqual(self.mqtt("192.0.2.%d" % i), BAD_PASSWORD)
        self.assertEqual(self.mqtt("198.51.100.1", password="x"), BANNED)
        self.assertEqual(self.mqtt("198.51.100.1", "bob", "x"), 0)
        wait_for(lambda: self.mqtt("198.51.100.1", password="x") == 0, poll=0.1)


if __name__ == "__main__":
    unittest.main()
