# SPDX-License-Identifier: Apache-2.0
"""Order and completeness under load, slow readers and lost connections (5.0: 4.6)."""

import threading
import time
import unittest

import mqtt_raw as m
from mqtt_case import MqttCase

KEEP = {"clean": False, "props": [(m.SESSION_EXPIRY, 3600)]}
WINDOW = 50


class Order(MqttCase):

    def send_numbered(self, topic, qos, count):
        """One publisher of numbered messages, with a window of unconfirmed ones."""
        client = m.Client(self.address, 5).connect("")
        done = 0
        for i in range(count):
            client.send(m.publish(topic, b"%d" % i, qos, i % 60000 + 1 if qos else None))
            while qos and i - done >= WINDOW:
                done += self.confirm(client)
        while qos and done < count:
            done += self.confirm(client)
        client.sync()
        client.close()

    def confirm(self, client):
        found = client.receive()
        if found.type == m.PUBREC:
            client.send(m.ack(m.PUBREL, found.pid))
            return 0
        return 1

    def test_mqtt5_4_6_0_5_order_under_load_with_reconnects(self):
        stem, name, count = self.name("order"), self.name("id"), 1500
        receiver = self.client(name, **KEEP)
        receiver.subscribe((stem + "/#", 2))
        topics = {"%s/%d/%d" % (stem, qos, i): qos for qos in (1, 2) for i in range(2)}
        threads = [threading.Thread(target=self.send_numbered, args=(topic, qos, count))
                   for topic, qos in topics.items()]
        for thread in threads:
            thread.start()
        seen = {topic: [] for topic in topics}
        completed = set()
        handled = 0
        while sum(len(set(numbers)) for numbers in seen.values()) < count * len(topics):
            found = receiver.receive()
            self.assertIsNotNone(found, {t: len(n) for t, n in seen.items()})
            if found.type == m.PUBREL:
                completed.discard(found.pid)
                receiver.send(m.ack(m.PUBCOMP, found.pid))
                continue
            handled += 1
            if found.qos == 2:  # exactly once: an id that was received is not a new message
                if found.pid not in completed:
                    seen[found.topic].append(int(found.payload))
                completed.add(found.pid)
                receiver.send(m.ack(m.PUBREC, found.pid))
            else:
                seen[found.topic].append(int(found.payload))
                receiver.send(m.ack(m.PUBACK, found.pid))
            if handled % 1000 == 0:  # the connection is lost, with things under way
                receiver.close()
                receiver = self.client(name, **KEEP)
                self.assertTrue(receiver.connack.present)
        for thread in threads:
            thread.join()
        for topic, numbers in seen.items():
            if topics[topic] == 2:
                self.assertEqual(numbers, list(range(count)), topic)
            else:
                first = list(dict.fromkeys(numbers))  # repeated ones are allowed, gaps are not
                self.assertEqual(first, list(range(count)), topic)

    def test_qos_0_keeps_its_order(self):
        topic, count = self.name("order"), 5000
        receiver = self.subscriber(topic)
        thread = threading.Thread(target=self.send_numbered, args=(topic, 0, count))
        thread.start()
        numbers = [int(receiver.expect_publish(topic).payload) for _ in range(count)]
        thread.join()
        self.assertEqual(numbers, list(range(count)))

    def test_a_stuck_reader_holds_nobody_up(self):
        topic = self.name("stuck")
        stuck, receiver = self.subscriber(topic), self.subscriber(topic)
        sender = self.client()
        data = b"x" * 60000
        for _ in range(400):  # more than its socket and our buffers hold
            sender.publish(topic, data)
            receiver.expect_publish(topic, data)
        start = time.monotonic()
        sender.publish(topic, b"last", 1)
        receiver.expect_publish(topic, b"last")
        self.assertLess(time.monotonic() - start, 2)
        self.assertLess(self.broker.rss(), 300 << 20)
        stuck.close()

    def test_mqtt5_4_3_3_7_a_flow_goes_on_though_its_message_expired(self):
        topic = self.name("t")
        receiver, sender = self.subscriber((topic, 2)), self.client()
        sender.send(m.publish(topic, b"x", 2, 3, props=[(m.EXPIRY, 1)]))
        sender.expect(m.PUBREC)
        found = receiver.expect_publish(topic)
        time.sleep(1.2)
        sender.send(m.ack(m.PUBREL, 3))
        self.assertEqual(sender.expect(m.PUBCOMP).reason, 0)
        receiver.send(m.ack(m.PUBREC, found.pid))
        self.assertEqual(receiver.expect(m.PUBREL).reason, 0)
        receiver.send(m.ack(m.PUBCOMP, found.pid))
        receiver.nothing()

    def test_a_first_level_that_is_too_long_is_refused(self):
        client = self.client()
        self.assertEqual(client.publish("a" * 255 + "/x", b"x", 1).reason & 0x80, 0)
        self.assertEqual(client.publish("a" * 256 + "/x", b"x", 1).reason, 0x97)


if __name__ == "__main__":
    unittest.main()
