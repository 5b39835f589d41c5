# SPDX-License-Identifier: Apache-2.0
"""What waits for its time, as an operator sees it, and taking one of it back."""

import json
import subprocess
import time
import unittest

import mqtt_raw as m
from admin_raw import ask, counter
from tercet import SCALE, Broker, program, wait_for


class Delayed(unittest.TestCase):

    def setUp(self):
        self.broker = Broker(data=True)
        self.broker.__enter__()
        self.addCleanup(lambda: self.broker.__exit__(None, None, None))

    def client(self, name, **options):
        client = m.Client(self.broker.address("mqtt"))
        self.addCleanup(client.close)
        return client.connect(name, **options)

    def tool(self, *words, status=0):
        done = subprocess.run([program("tercet"), "delayed", *words, "--data", self.broker.data],
                              timeout=60 * SCALE, check=False, encoding="utf-8",
                              capture_output=True)
        self.assertEqual(done.returncode, status, (words, done.stdout, done.stderr))
        return done.stdout

    def list(self):
        return {one["topic"]: one for one in json.loads(self.tool("list", "--json"))}

    def test_what_waits_is_told_in_words_and_in_full(self):
        sender = self.client("s")
        self.assertEqual(self.tool("list"), "")
        before = time.time() * 1000
        sender.publish("$delayed/3000/a/b", b"hello", 1, retain=True)
        sender.publish("$delayed/200000/far/away", b"x", 2)
        told = self.list()
        self.assertEqual(set(told), {"a/b", "far/away"})
        near = told["a/b"]
        self.assertEqual((near["qos"], near["retain"], near["bytes"]), (1, True, 5))
        self.assertAlmostEqual(near["due_ms"], before + 3000000, delta=60000)
        self.assertIn("qos 1 retain  5 bytes  a/b", self.tool("list"))

    def test_one_that_is_cancelled_does_not_come_and_the_others_do(self):
        receiver, sender = self.client("r"), self.client("s")
        receiver.subscribe(("t/#", 1))
        for i in range(5):
            sender.publish("$delayed/3/t/%d" % i, b"%d" % i, 1)
        told = self.list()
        for i in (1, 3):
            self.tool("cancel", told["t/%d" % i]["id"])
            self.tool("cancel", told["t/%d" % i]["id"], status=1)  # it is gone
        self.assertEqual(set(self.list()), {"t/0", "t/2", "t/4"})
        for i in (0, 2, 4):
            receiver.take("t/%d" % i)
        receiver.nothing()
        wait_for(lambda: counter(self.broker, "core_delayed") == 0)
        self.assertEqual(counter(self.broker, "core_delayed_cancelled_total"), 2)
        self.assertEqual(counter(self.broker, "core_delayed_dropped_total"), 0)
        self.tool("cancel", told["t/0"]["id"], status=1)  # it came

    def test_what_was_cancelled_stays_so_over_a_kill(self):
        receiver = self.client("r", clean=False, props=[(m.SESSION_EXPIRY, 600)])
        receiver.subscribe(("t/#", 1))
        sender = self.client("s")
        for i in range(3):
            sender.publish("$delayed/4/t/%d" % i, b"x", 1)
        self.tool("cancel", self.list()["t/1"]["id"])
        self.broker.kill()
        self.broker.start()
        wait_for(lambda: set(self.list()) <= {"t/0", "t/2"})
        receiver = self.client("r", clean=False, props=[(m.SESSION_EXPIRY, 600)])
        receiver.take("t/0")
        receiver.take("t/2")
        receiver.nothing()
        self.broker.kill()
        self.broker.start()
        self.assertEqual(self.list(), {})

    def test_many_are_told_in_pages(self):
        sender = self.client("s")
        for i in range(1100):
            sender.send(m.publish("$delayed/%d/n/%d" % (3000 + i * 100, i), b"x", 0))
        sender.sync()
        self.assertEqual(set(self.list()), {"n/%d" % i for i in range(1100)})
        status, page = ask(self.broker, "GET", "/api/delayed?limit=10")
        self.assertEqual((status, len(page["delayed"])), (200, 10))
        self.assertIsNotNone(page["next"])

    def test_what_cannot_be_is_refused(self):
        for query in ("?limit=0", "?after=1", "?after=1-2-x", "?limit=x"):
            self.assertEqual(ask(self.broker, "GET", "/api/delayed" + query)[0], 400)
        for query, status in (("", 400), ("?id=1", 400), ("?id=1-2", 404), ("?id=a-b", 400),
                              ("?id=9999999999999-1", 404)):
            self.assertEqual(ask(self.broker, "POST", "/api/delayed/cancel" + query)[0], status)
        for words in ((), ("list", "x"), ("cancel",), ("other",)):
            self.tool(*words, status=2)


if __name__ == "__main__":
    unittest.main()
