# SPDX-License-Identifier: Apache-2.0
"""AMQP: what publishers are told when the store takes nothing more."""

import unittest

import amqp_raw as amqp
from tercet import Broker

LEAST = 12  # writes of the store that pass before the fault: more than a start needs


def publish_until_told(c, most=200):
    """Publishes one by one, each confirmed; gives how many were, and what came instead."""
    for i in range(most):
        c.publish("m%d" % i, "blocked", delivery_mode=2)
        got = c.next()
        if got.name != "basic.ack":
            return i, got
        assert got.args["delivery-tag"] == i + 1
    raise AssertionError("the store never failed")


class Blocked(unittest.TestCase):
    def broker(self, fault):
        b = Broker(data=True, env={"TERCET_FAULT": fault})
        self.addCleanup(b.close)
        return b.start()

    def client(self, b, **more):
        c = amqp.Client(b, **more)
        self.addCleanup(c.close)
        return c

    def test_a_failing_store_blocks_publishers_and_confirms_nothing(self):
        b = self.broker("store.write:%d" % LEAST)
        c, other = self.client(b), self.client(b)
        c.call("queue.declare", queue="blocked", durable=True)
        c.call("confirm.select")
        confirmed, told = publish_until_told(c)
        self.assertEqual(told, amqp.Method(0, "connection.blocked",
                                           {"reason": "the store fails"}))
        for _ in range(3):
            c.publish("too late", "blocked", delivery_mode=2)
        c.sock.settimeout(1)
        with self.assertRaises(AssertionError):
            c.next(1)  # neither a confirm nor an end
        other.call("queue.declare", queue="blocked", passive=True)  # others go on
        self.assertEqual(other.get("blocked").body, b"m0")
        b.kill()
        b.env = {}
        b.start()
        with amqp.Client(b) as c:
            bodies = []
            while True:
                got = c.get("blocked")
                if got is None:
                    break
                bodies.append(got.body.decode())
            wanted = ["m%d" % i for i in range(confirmed)]
            # m0 was read without its settling being stored: it may be there or not
            self.assertEqual([x for x in bodies if x in wanted and x != "m0"], wanted[1:])

    def test_a_client_that_cannot_be_told_is_only_held_back(self):
        b = self.broker("store.write:%d" % LEAST)
        c = self.client(b, capabilities={"publisher_confirms": True})
        c.call("queue.declare", queue="blocked", durable=True)
        for i in range(200):
            c.publish("m", "blocked", delivery_mode=2)
        with self.assertRaises(AssertionError):
            c.next(1)
        b.kill()

    def test_a_failure_that_passes_is_not_noticed(self):
        b = self.broker("store.write:%d:once" % LEAST)
        c = self.client(b)
        c.call("queue.declare", queue="blocked", durable=True)
        c.call("confirm.select")
        told = []
        for i in range(60):
            c.publish("m%d" % i, "blocked", delivery_mode=2)
            while True:
                got = c.next()
                if got.name == "basic.ack":
                    self.assertEqual(got.args["delivery-tag"], i + 1)
                    break
                told.append(got.name)
        self.assertIn(told, ([], ["connection.blocked", "connection.unblocked"]))
        for i in range(60):
            self.assertEqual(c.get("blocked").body, b"m%d" % i)
        b.stop()


if __name__ == "__main__":
    unittest.main()
