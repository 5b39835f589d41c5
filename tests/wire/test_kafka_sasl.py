# SPDX-License-Identifier: Apache-2.0
"""SASL: PLAIN and SCRAM, by SaslAuthenticate and by tokens without a header; and real clients."""

import os
import shutil
import signal
import struct
import subprocess
import tempfile
import unittest

import users
from kafka_case import KafkaCase
from kafka_wire import batch
from tercet import need_module, need_program, wait_for
from users import Scram

UNSUPPORTED, ILLEGAL, FAILED, NOT_AUTHORIZED = 33, 34, 58, 29
MECHANISMS = [b"PLAIN", b"SCRAM-SHA-256", b"SCRAM-SHA-512"]

try:
    kafka = need_module("kafka")
except unittest.SkipTest:
    kafka = None


def text(value):
    return value if isinstance(value, bytes) else value.encode()


class Sasl(KafkaCase):

    @classmethod
    def setUpClass(cls):
        cls.dir = tempfile.mkdtemp(prefix="tercet-sasl-")
        cls.addClassCleanup(shutil.rmtree, cls.dir)
        cls.users = ("ann:%s:%s:%s\nbob:%s\n" % (
            users.pbkdf2("pencil"), users.scram("pencil"), users.scram("pencil", 512),
            users.pbkdf2("word")))
        cls.write("users", cls.users)
        cls.write("rules", "user ann\ntopic open/#\nuser bob\ntopic read open/#\n")
        cls.config = ("password_file = %s/users\nacl_file = %s/rules\n" % (cls.dir, cls.dir))
        super().setUpClass()

    @classmethod
    def write(cls, name, content):
        with open(os.path.join(cls.dir, name), "w", encoding="utf-8") as file:
            file.write(content)

    def handshake(self, mechanism, version=1):
        client = self.connect()
        self.assertEqual(client.call("sasl_handshake", version, mechanism=mechanism)["error_code"],
                         0)
        return client

    def authenticate(self, client, token, version=2):
        return client.call("sasl_authenticate", version, auth_bytes=token)

    def log_in(self, user=b"ann", password=b"pencil"):
        client = self.handshake("PLAIN")
        token = b"\0" + user + b"\0" + password
        self.assertEqual(self.authenticate(client, token)["error_code"], 0)
        return client

    def assert_closed(self, client):
        try:
            self.assertEqual(client.sock.recv(1), b"")
        except ConnectionError:
            pass

    def test_the_mechanisms_are_told(self):
        client = self.connect()
        got = client.call("sasl_handshake", 1, mechanism="GSSAPI")
        self.assertEqual((got["error_code"], [text(m) for m in got["mechanisms"]]),
                         (UNSUPPORTED, MECHANISMS))
        self.assertEqual(client.call("sasl_handshake", 1, mechanism="PLAIN")["error_code"], 0)

    def test_plain(self):
        for version in (0, 1, 2):
            client = self.handshake("PLAIN")
            got = self.authenticate(client, b"\0ann\0pencil", version)
            self.assertEqual((got["error_code"], got["auth_bytes"]), (0, b""))
            self.assertEqual(client.call("metadata", 12, topics=[])["topics"], [])
        got = self.authenticate(self.handshake("PLAIN"), b"ann\0ann\0pencil")
        self.assertEqual(got["error_code"], 0)

    def test_scram(self):
        for bits in (256, 512):
            scram = Scram("ann", "pencil", bits)
            client = self.handshake(scram.method)
            got = self.authenticate(client, scram.first())
            self.assertEqual(got["error_code"], 0)
            got = self.authenticate(client, scram.final(got["auth_bytes"]))
            self.assertEqual((got["error_code"], got["auth_bytes"]), (0, scram.signature))
            client.call("metadata", 12, topics=[])

    def test_tokens_without_a_header(self):
        client = self.handshake("PLAIN", 0)
        token = b"\0ann\0pencil"
        client.sock.sendall(struct.pack(">i", len(token)) + token)
        self.assertEqual(client.receive_frame(), b"")
        client.call("metadata", 12, topics=[])
        scram = Scram("ann", "pencil")
        client = self.handshake(scram.method, 0)
        client.sock.sendall(struct.pack(">i", len(scram.first())) + scram.first())
        token = scram.final(client.receive_frame())
        client.sock.sendall(struct.pack(">i", len(token)) + token)
        self.assertEqual(client.receive_frame(), scram.signature)
        client.call("metadata", 12, topics=[])
        client = self.handshake("PLAIN", 0)
        client.sock.sendall(struct.pack(">i", 6) + b"\0ann\0x")
        self.assert_closed(client)

    def test_a_wrong_password_is_refused(self):
        for token in (b"\0ann\0x", b"\0nobody\0pencil", b"bob\0ann\0pencil", b"ann", b"", b"\0\0",
                      b"\0guest\0guest"):
            with self.subTest(token=token):
                client = self.handshake("PLAIN")
                got = self.authenticate(client, token)
                self.assertEqual(got["error_code"], FAILED)
                self.assertTrue(got["error_message"])
                self.assert_closed(client)
        for user, password in (("ann", "x"), ("bob", "word"), ("nobody", "x")):
            scram = Scram(user, password)
            client = self.handshake(scram.method)
            got = self.authenticate(client, scram.first())
            got = self.authenticate(client, scram.final(got["auth_bytes"]))
            self.assertEqual(got["error_code"], FAILED)
            self.assert_closed(client)

    def test_nothing_else_is_served_before(self):
        client = self.connect()
        client.call("api_versions", 3, client_software_name="wire", client_software_version="1")
        client.send("metadata", 12, topics=[])
        self.assert_closed(client)
        client = self.connect()
        self.assertEqual(self.authenticate(client, b"\0ann\0pencil")["error_code"], ILLEGAL)
        client = self.connect()
        client.sock.sendall(struct.pack(">i", 1 << 20))
        self.assert_closed(client)

    def test_what_comes_with_the_login_waits_for_it(self):
        client = self.handshake("PLAIN")
        client.sock.sendall(client.frame("sasl_authenticate", 2, {"auth_bytes": b"\0bob\0word"}, 7)
                            + client.frame("metadata", 12, {"topics": []}, 8))
        self.assertEqual(client.receive("sasl_authenticate", 2, 7)["error_code"], 0)
        self.assertEqual(client.receive("metadata", 12, 8)["topics"], [])

    def test_again_is_refused(self):
        client = self.log_in()
        self.assertEqual(client.call("sasl_handshake", 1, mechanism="PLAIN")["error_code"], ILLEGAL)
        self.assertEqual(self.authenticate(client, b"\0ann\0pencil")["error_code"], ILLEGAL)

    def test_rules_are_about_who_logged_in(self):
        ann, bob = self.log_in(), self.log_in(b"bob", b"word")
        ann.call("create_topics", 7, timeout_ms=1000, topics=[
            {"name": "open", "num_partitions": 1, "replication_factor": 1}])
        self.assertEqual(self.produce(ann, "open", batch([b"x"]))["error_code"], 0)
        self.assertEqual(self.produce(bob, "open", batch([b"x"]))["error_code"], NOT_AUTHORIZED)
        self.assertEqual(self.fetch(bob, "open")["error_code"], 0)

    def test_who_is_no_user_any_more_is_sent_away(self):
        bob = self.log_in(b"bob", b"word")
        self.write("users", self.users.split("\n", 1)[0] + "\n")
        self.addCleanup(self.write, "users", self.users)
        before = self.broker.log().count("broker.reloaded")
        self.broker.process.send_signal(signal.SIGHUP)
        wait_for(lambda: self.broker.log().count("broker.reloaded") > before)
        self.assert_closed(bob)
        self.write("users", self.users)
        self.broker.process.send_signal(signal.SIGHUP)
        wait_for(lambda: self.broker.log().count("broker.reloaded") > before + 1)

    @unittest.skipUnless(kafka, "python module kafka is not installed")
    def test_kafka_python_logs_in(self):
        for mechanism in ("PLAIN", "SCRAM-SHA-256"):
            with self.subTest(mechanism=mechanism):
                producer = kafka.KafkaProducer(
                    bootstrap_servers="%s:%d" % self.broker.address("kafka"),
                    security_protocol="SASL_PLAINTEXT", sasl_mechanism=mechanism,
                    sasl_plain_username="ann", sasl_plain_password="pencil")
                self.addCleanup(producer.close)
                producer.send("open", b"by kafka-python").get(timeout=20)

    @need_program("kcat")
    def test_librdkafka_logs_in(self):
        def kcat(mechanism, password, *words):
            return subprocess.run(
                ["kcat", "-b", "%s:%d" % self.broker.address("kafka"),
                 "-X", "security.protocol=SASL_PLAINTEXT", "-X", "sasl.mechanisms=" + mechanism,
                 "-X", "sasl.username=ann", "-X", "sasl.password=" + password] + list(words),
                input=b"x\n", stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)

        for mechanism in ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"):
            with self.subTest(mechanism=mechanism):
                done = kcat(mechanism, "pencil", "-L", "-m", "20")
                self.assertEqual(done.returncode, 0, done.stderr)
        done = kcat("SCRAM-SHA-256", "x", "-P", "-t", "open", "-X", "message.timeout.ms=1000")
        self.assertNotEqual(done.returncode, 0)
        self.assertIn(b"not right", done.stderr)


if __name__ == "__main__":
    unittest.main()
