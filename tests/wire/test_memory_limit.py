# SPDX-License-Identifier: Apache-2.0
"""memory_limit: at so much memory publishers wait or are refused, and readers go on."""

import unittest

import mqtt_raw as m
from tercet import Broker, wait_for

LIMIT = 48 << 20
PAYLOAD = b"x" * 60000
QUOTA = 0x97
NEVER = 0xffffffff
MOST = 4 * LIMIT // len(PAYLOAD)


class MemoryLimit(unittest.TestCase):

    def start(self):
        broker = Broker(config="memory_limit = %d\n" % LIMIT)
        self.addCleanup(broker.close)
        broker.start()
        self.addCleanup(broker.stop)
        return broker

    def client(self, broker, client_id, version=5, **options):
        client = m.Client(broker.address("mqtt"), version).connect(client_id, **options)
        self.addCleanup(client.close)
        return client

    def reader(self, broker):
        return self.client(broker, "reader", clean=False, props=[(m.SESSION_EXPIRY, NEVER)])

    def fill(self, broker):
        """Publishes for a session that is away until that is refused; how much was taken."""
        reader = self.reader(broker)
        reader.subscribe(("fill/#", 1))
        reader.close()
        publisher = self.client(broker, "publisher")
        for count in range(MOST):
            publisher.send(m.publish("fill/x", PAYLOAD, 1, 1))
            answer = publisher.expect(m.PUBACK)
            if answer.reason == QUOTA:
                return publisher, count
            self.assertEqual(answer.reason, 0)
        raise AssertionError("nothing is refused")

    def drain(self, broker, count):
        reader = self.reader(broker)
        for _ in range(count):
            packet = reader.receive()
            self.assertEqual((packet.type, packet.payload), (m.PUBLISH, PAYLOAD))
            reader.send(m.ack(m.PUBACK, packet.pid))
        return reader

    def test_a_publisher_is_refused_until_readers_have_made_room(self):
        broker = self.start()
        publisher, count = self.fill(broker)
        self.assertGreater(count * len(PAYLOAD), LIMIT // 2)
        self.assertIn("core.memory_full", broker.log())
        self.assertLess(broker.rss(), 3 * LIMIT)
        self.drain(broker, count)
        wait_for(lambda: "core.memory_has_room" in broker.log(), 20, "room")
        publisher.publish("other", b"again", 1, 2)

    def test_a_publisher_of_an_older_version_waits(self):
        broker = self.start()
        _, count = self.fill(broker)
        older = self.client(broker, "older", version=4)
        older.send(m.publish("other", b"first", 1, 1, version=4),
                   m.publish("other", b"second", 1, 2, version=4))
        idle = self.client(broker, "idle", version=4)
        idle.sync()
        self.drain(broker, count)
        self.assertEqual({older.expect(m.PUBACK).pid, older.expect(m.PUBACK).pid}, {1, 2})


if __name__ == "__main__":
    unittest.main()
