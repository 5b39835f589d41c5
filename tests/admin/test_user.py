# SPDX-License-Identifier: Apache-2.0
"""The users of a running broker: tercet user, and the requests behind it."""

import json
import os
import shutil
import stat
import subprocess
import tempfile
import unittest

import mqtt_raw as m
import users
from admin_raw import UnixConnection, ask, socket_of
from tercet import SCALE, Broker, program

BAD_USER_OR_PASSWORD = 0x86


class User(unittest.TestCase):

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="tercet-user-")
        self.addCleanup(shutil.rmtree, self.dir)
        self.path = os.path.join(self.dir, "users")
        with open(self.path, "w", encoding="utf-8") as file:
            file.write("# ours\nann:%s:@crew\n" % users.pbkdf2("one"))
        os.chmod(self.path, 0o640)
        self.broker = Broker(data=True, config="password_file = %s\n" % self.path)
        self.broker.__enter__()
        self.addCleanup(lambda: self.broker.__exit__(None, None, None))

    def tool(self, *words, password=None, status=0):
        done = subprocess.run([program("tercet"), "user", *words, "--data", self.broker.data],
                              timeout=60 * SCALE, check=False, encoding="utf-8",
                              input="" if password is None else password + "\n",
                              capture_output=True)
        self.assertEqual(done.returncode, status, (words, done.stdout, done.stderr))
        return done.stdout + done.stderr

    def client(self, user, password):
        client = m.Client(self.broker.address("mqtt"))
        self.addCleanup(client.close)
        client.send(m.connect("c-" + user, user=user, password=password))
        return client, client.expect(m.CONNACK).reason

    def reason(self, user, password):
        return self.client(user, password)[1]

    def content(self):
        with open(self.path, encoding="utf-8") as file:
            return file.read()

    def test_users_are_added_changed_and_deleted_at_once(self):
        client, reason = self.client("ann", "one")
        self.assertEqual(reason, 0)
        self.tool("add", "bob", "--scram", "--roles", "readers,writers", password="b o b")
        self.assertEqual(self.reason("bob", "b o b"), 0)
        client.sync()  # who did not change stays
        self.assertIn("bob  password yes  scram yes  roles readers,writers", self.tool("list"))
        told = {user["name"]: user for user in json.loads(self.tool("list", "--json"))}
        self.assertEqual(told["ann"], {"name": "ann", "password": True, "scram": False,
                                       "roles": "crew"})
        self.tool("passwd", "ann", password="two")
        self.assertEqual(client.ended(), 0x87)
        self.assertEqual(self.reason("ann", "two"), 0)
        self.assertIn("@crew", self.content())
        self.assertTrue(self.content().startswith("# ours\n"))
        self.assertIn("ann:$argon2id$", self.content())
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o640)
        self.tool("delete", "ann")
        self.assertEqual(self.reason("ann", "two"), BAD_USER_OR_PASSWORD)
        self.assertEqual([u["name"] for u in json.loads(self.tool("list", "--json"))], ["bob"])
        self.assertEqual(os.listdir(self.dir), ["users"])

    def test_what_cannot_be_is_told_and_changes_nothing(self):
        before = self.content()
        self.assertIn("already", self.tool("add", "ann", password="x", status=1))
        self.assertIn("no user", self.tool("passwd", "nobody", password="x", status=1))
        self.assertIn("no user", self.tool("delete", "nobody", status=1))
        for name in ("", "a:b", "#a", "x" * 300, "tab\tbed"):
            self.tool("add", name, password="x", status=1)
        self.tool("add", "bob", "--roles", "a b", password="x", status=1)
        for words in ((), ("add",), ("list", "ann"), ("delete", "ann", "--scram"), ("change", "a")):
            self.tool(*words, status=2)
        self.assertEqual(self.content(), before)
        with open(self.path, "a", encoding="utf-8") as file:
            file.write("broken\n")
        self.assertIn("users:3", self.tool("add", "bob", password="x", status=1))
        self.assertEqual(self.reason("ann", "one"), 0)

    def test_the_door_takes_no_more_than_a_password(self):
        for body in (b"x" * 2000, b"a\nb"):
            self.assertEqual(ask(self.broker, "PUT", "/api/accounts?name=bob", body)[0], 400)
        self.assertEqual(ask(self.broker, "PUT", "/api/accounts", b"x")[0], 400)
        self.assertEqual(ask(self.broker, "DELETE", "/api/accounts?name=bob")[0], 404)
        self.assertEqual(ask(self.broker, "POST", "/api/accounts?name=bob")[0], 405)
        self.assertEqual(ask(self.broker, "GET", "/api/accounts?after=bob")[0], 409)
        self.assertEqual(ask(self.broker, "PUT", "/api/accounts?name=bob", b"x")[0], 200)

    def test_who_goes_before_the_answer_harms_nobody(self):
        connection = UnixConnection(socket_of(self.broker))
        connection.request("PUT", "/api/accounts?name=bob", b"x")
        connection.close()
        while ask(self.broker, "GET", "/api/accounts?after=bob")[0] != 200:
            pass
        self.assertEqual(self.reason("bob", "x"), 0)

    def test_many_are_listed_in_pages(self):
        with open(self.path, "w", encoding="utf-8") as file:
            for i in range(1200):
                file.write("u%d:%s\n" % (i, users.sha512("x")))
        self.broker.stop()
        self.broker.start()
        names = {user["name"] for user in json.loads(self.tool("list", "--json"))}
        self.assertEqual(names, {"u%d" % i for i in range(1200)})


class NoFile(unittest.TestCase):

    def test_without_a_file_there_is_nothing_to_change(self):
        with Broker(data=True) as broker:
            self.assertEqual(ask(broker, "PUT", "/api/accounts?name=bob", b"x")[0], 409)
            self.assertEqual(ask(broker, "GET", "/api/accounts")[1],
                             {"accounts": [], "next": None})


if __name__ == "__main__":
    unittest.main()
