# SPDX-License-Identifier: Apache-2.0
"""tercet passwd and tercet may: the files of users and rules, without a broker and with one."""

import os
import shutil
import stat
import subprocess
import tempfile
import unittest

import mqtt_raw as m
from tercet import Broker, program


class Passwd(unittest.TestCase):

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="tercet-passwd-")
        self.addCleanup(shutil.rmtree, self.dir)
        self.path = os.path.join(self.dir, "users")

    def tool(self, *words, password=None, status=0):
        done = subprocess.run([program("tercet")] + list(words), timeout=60,
                              input=None if password is None else password + "\n",
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              universal_newlines=True)
        self.assertEqual(done.returncode, status, done.stderr)
        return done.stdout + done.stderr

    def lines(self):
        with open(self.path, encoding="utf-8") as file:
            return file.read().splitlines()

    def reason(self, broker, user, password):
        client = m.Client(broker.address("mqtt"))
        client.send(m.connect("c", user=user, password=password))
        reason = client.expect(m.CONNACK).reason
        client.close()
        return reason

    def test_what_it_writes_lets_in(self):
        self.tool("passwd", self.path, "ann", password="pass word")
        self.tool("passwd", self.path, "bob", "--scram", "--roles", "readers", password="b")
        with Broker(config="password_file = %s\n" % self.path) as b:
            self.assertEqual(self.reason(b, "ann", "pass word"), 0)
            self.assertEqual(self.reason(b, "bob", "b"), 0)
            self.assertEqual(self.reason(b, "bob", "B"), 0x86)

    def test_a_new_password_takes_the_old_ones_place(self):
        with open(self.path, "w", encoding="utf-8") as file:
            file.write("# kept\n")
        os.chmod(self.path, 0o640)
        self.tool("passwd", self.path, "ann", "--roles", "a,b", password="one")
        self.tool("passwd", self.path, "bob", password="two")
        before = self.lines()
        self.tool("passwd", self.path, "ann", password="three")
        after = self.lines()
        self.assertEqual((len(after), after[0], after[1]), (3, "# kept", before[2]))
        self.assertTrue(after[2].startswith("ann:$argon2id$") and after[2].endswith(":@a,b"))
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o640)
        self.tool("passwd", self.path, "bob", "--delete")
        self.assertEqual(len(self.lines()), 2)
        self.assertIn("no user bob", self.tool("passwd", self.path, "bob", "-D", status=1))

    def test_a_new_file_is_its_owners_alone(self):
        self.tool("passwd", self.path, "ann", "--scram-only", password="x")
        self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), 0o600)
        self.assertNotIn("argon2", self.lines()[0])

    def test_a_file_that_no_broker_would_read_is_left_alone(self):
        with open(self.path, "w", encoding="utf-8") as file:
            file.write("broken\n")
        self.assertIn("users:1: ", self.tool("passwd", self.path, "ann", password="x", status=1))
        self.assertEqual(self.lines(), ["broken"])
        os.unlink(self.path)
        for user in ("a:b", "", "a\tb", "# a"):
            self.tool("passwd", self.path, user, password="x", status=1)
            self.assertFalse(os.path.exists(self.path))
        self.tool("passwd", self.path, status=2)
        self.tool("passwd", self.path, "ann", "--nonsense", status=2)

    def test_may_answers_as_the_broker_would(self):
        path = os.path.join(self.dir, "rules")
        with open(path, "w", encoding="utf-8") as file:
            file.write("topic read pub/#\nuser ann\ntopic a/#\npattern write c/%c\n"
                       "allow role:boss all all *\n")
        for words, answer in ((("ann", "publish", "a/b"), "yes"), (("ann", "publish", "b"), "no"),
                              (("-", "receive", "pub/x"), "yes"), (("-", "publish", "pub/x"), "no"),
                              (("ann", "subscribe", "#"), "yes"),
                              (("ann", "subscribe", "b/#"), "no"),
                              (("x", "publish", "c/one", "--client-id", "one"), "yes"),
                              (("x", "publish", "c/one", "--client-id", "two"), "no"),
                              (("x", "publish", "any", "--roles", "boss"), "yes")):
            self.assertEqual(self.tool("may", path, *words, status=0 if answer == "yes" else 1),
                             answer + "\n")
        self.tool("may", path, "ann", "eat", "x", status=2)
        self.assertIn("expected", self.tool("may", self.path + "x", "ann", status=2))


if __name__ == "__main__":
    unittest.main()
