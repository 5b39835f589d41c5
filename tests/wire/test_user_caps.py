# SPDX-License-Identifier: Apache-2.0
"""What one user may have connected and stored, over all protocols, and what is told of it."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import unittest

import amqp_raw
import mqtt_raw as m
import users
from admin_raw import ask, counter
from kafka_wire import Connection
from tercet import SCALE, Broker, program, wait_for

QUOTA_EXCEEDED = 0x97
NAMES = ("ann", "bob", "dev-1", "dev-2")

HEAD = "password_file = %(dir)s/users\nsession_max_messages = 100\nmqtt_max_session_expiry = 2h\n"
SECTIONS = """
[user ann]
max_connections = 3
max_sessions = 2
session_max_messages = 3
session_overflow = reject

[user dev-*]
max_session_expiry = 1m
session_max_bytes = 10k
session_overflow = drop_newest
"""


class Caps(unittest.TestCase):

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="tercet-caps-")
        self.addCleanup(shutil.rmtree, self.dir)
        with open(os.path.join(self.dir, "users"), "w", encoding="utf-8") as file:
            file.write("".join("%s:%s\n" % (name, users.pbkdf2("x")) for name in NAMES))
        self.path = os.path.join(self.dir, "conf")
        self.configure(SECTIONS)
        self.broker = Broker(data=True, args=["--config", self.path])
        self.broker.__enter__()
        self.addCleanup(lambda: self.broker.__exit__(None, None, None))

    def configure(self, sections):
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(HEAD % {"dir": self.dir} + sections)

    def reload(self, sections):
        self.configure(sections)
        before = self.broker.log().count(" broker.reload")
        self.broker.process.send_signal(signal.SIGHUP)
        wait_for(lambda: self.broker.log().count(" broker.reload") > before)
        self.assertNotIn("reload-failed", self.broker.log())

    def mqtt(self, client_id, user, version=5, expect=0, expiry=0, **options):
        client = m.Client(self.broker.address("mqtt"), version)
        self.addCleanup(client.close)
        props = [(m.SESSION_EXPIRY, expiry)] if expiry else []
        return client.connect(client_id, expect, user=user, password="x", props=props, **options)

    def leave(self, client):
        client.send(m.disconnect())
        client.ended()

    def kafka(self, user):
        """The connection, and how its login ended."""
        client = Connection(self.broker.address("kafka"), b"caps")
        self.addCleanup(client.close)
        client.call("sasl_handshake", 1, mechanism="PLAIN")
        return client, client.call("sasl_authenticate", 2, auth_bytes=b"\0%s\0x" % user.encode())

    def amqp(self, user, upto=None):
        client = amqp_raw.Client(self.broker, upto, user=user, password="x")
        self.addCleanup(client.close)
        return client

    def told(self, user):
        found = [u for u in ask(self.broker, "GET", "/api/users")[1]["users"] if u["name"] == user]
        return found[0] if found else None

    def test_connections_of_all_protocols_count_together(self):
        self.mqtt("a", "ann")
        amqp = self.amqp("ann")
        kafka, got = self.kafka("ann")
        self.assertEqual(got["error_code"], 0)
        self.mqtt("b", "ann", expect=QUOTA_EXCEEDED)
        self.mqtt("b", "ann", version=4, expect=3)
        code, why, unused, unused = self.amqp("ann", "open").refusal()
        self.assertEqual(code, 530)
        self.assertIn("user connection limit", why)
        unused, got = self.kafka("ann")
        self.assertEqual(got["error_code"], 58)
        self.assertIn("as many connections", got["error_message"])
        self.mqtt("free", "bob")
        self.assertEqual((self.told("ann")["connections"], self.told("ann")["refused"]), (3, 4))
        self.assertEqual(counter(self.broker, "core_user_connections_refused_total"), 4)
        self.mqtt("a", "ann")  # takes over: one goes as it comes
        wait_for(lambda: self.told("ann")["connections"] == 3)
        amqp.close()
        wait_for(lambda: self.told("ann")["connections"] == 2)
        self.mqtt("b", "ann")
        kafka.close()
        wait_for(lambda: self.told("ann")["connections"] == 2)

    def test_sessions_that_are_kept_count_until_they_end(self):
        for name in ("a", "b"):
            client = self.mqtt(name, "ann", expiry=600)
            client.subscribe(("t/" + name, 1))  # its answer follows the sync
            self.leave(client)
        self.mqtt("c", "ann", expiry=600, expect=QUOTA_EXCEEDED)
        self.mqtt("c", "bob")
        self.broker.kill()
        self.broker.start()  # whose they are is on the disk
        self.assertEqual(self.told("ann")["sessions"], 2)
        self.mqtt("d", "ann", expect=QUOTA_EXCEEDED)
        client = self.mqtt("a", "ann", clean=False)
        self.assertTrue(client.connack.present)
        self.leave(client)
        wait_for(lambda: self.told("ann")["sessions"] == 1)
        self.mqtt("d", "ann")
        self.assertEqual(counter(self.broker, "core_sessions_refused_total"), 1)

    def test_a_session_goes_over_to_the_user_who_takes_it(self):
        self.leave(self.mqtt("one", "bob", expiry=600))
        self.mqtt("one", "ann", clean=False, expiry=600)
        self.assertEqual(self.told("ann")["sessions"], 1)
        self.assertIsNone(self.told("bob"))

    def test_expiry_is_the_users_own(self):
        client = self.mqtt("a", "dev-1", expiry=3600)
        self.assertEqual(client.connack.prop(m.SESSION_EXPIRY), 60)
        client = self.mqtt("b", "bob", expiry=3600)
        self.assertIsNone(client.connack.prop(m.SESSION_EXPIRY))
        client = self.mqtt("b", "bob", expiry=86400)
        self.assertEqual(client.connack.prop(m.SESSION_EXPIRY), 7200)
        self.leave(client)
        self.reload("[user *]\nmax_session_expiry = 1s\n")
        wait_for(lambda: self.told("bob") is None)  # what was promised more is cut

    def owe(self, client_id, user, size=1, count=5):
        """A session that is away, and what publishing to it was answered."""
        client = self.mqtt(client_id, user, expiry=600)
        self.assertEqual(client.subscribe(("t/" + client_id, 1)), [1])
        self.leave(client)
        sender = self.mqtt("sender-" + client_id, "bob")
        return [sender.publish("t/" + client_id, b"x" * size, 1).reason for _ in range(count)]

    def test_what_waits_is_limited_as_the_user_is(self):
        self.assertEqual(self.owe("a", "ann"), [0] * 3 + [QUOTA_EXCEEDED] * 2)
        self.assertEqual(self.owe("d", "dev-2", 4000), [0] * 5)
        self.assertEqual(self.owe("b", "bob"), [0] * 5)
        ann, dev, bob = self.told("ann"), self.told("dev-2"), self.told("bob")
        self.assertEqual((ann["owed_messages"], ann["messages_rejected"]), (3, 2))
        self.assertEqual((dev["owed_messages"], dev["messages_dropped"]), (2, 3))
        self.assertEqual((bob["owed_messages"], bob["messages_dropped"]), (5, 0))
        done = subprocess.run([program("tercet"), "users", "--data", self.broker.data], check=True,
                              timeout=60 * SCALE, capture_output=True, encoding="utf-8").stdout
        self.assertIn("ann", done)
        self.assertIn("dropped 3", done)
        done = subprocess.run([program("tercet"), "users", "--json", "--data", self.broker.data],
                              check=True, timeout=60 * SCALE, capture_output=True).stdout
        self.assertEqual({u["name"] for u in json.loads(done)}, {"ann", "bob", "dev-2"})

    def test_a_reload_sets_other_limits(self):
        self.assertEqual(self.owe("a", "ann"), [0] * 3 + [QUOTA_EXCEEDED] * 2)
        self.reload("[user a*]\nsession_max_messages = 4\nsession_overflow = end\n")
        sender = self.mqtt("s", "bob")
        self.assertEqual(sender.publish("t/a", b"x", 1).reason, 0)
        self.assertEqual(self.told("ann")["owed_messages"], 4)
        sender.publish("t/a", b"x", 1)
        wait_for(lambda: self.told("ann") is None)
        self.assertEqual(counter(self.broker, "core_sessions_overflowed_total"), 1)
        for name in ("a", "b", "c", "d"):
            self.mqtt(name, "ann")

    def test_sections_that_cannot_be_are_told(self):
        for text, why in (("[user a]\n[user a]\n", "second section"),
                          ("[user a]\nmax_sessions = many\n", "max_sessions"),
                          ("[user a]\nretention = 1d\n", "retention")):
            self.configure(text)
            done = subprocess.run([program("tercetd"), "--test-config", "--config", self.path],
                                  check=False, timeout=60 * SCALE, capture_output=True,
                                  encoding="utf-8")
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(why, done.stderr)


if __name__ == "__main__":
    unittest.main()
