# SPDX-License-Identifier: Apache-2.0
"""Client or broker killed at each step of QoS 1 and 2, in both directions: each message arrives,
and with QoS 2 once, for peers that go on as the specification says."""

import unittest

import mqtt_raw as m
from tercet import Broker

KEEP = {"clean": False, "props": [(m.SESSION_EXPIRY, 3600)]}
STEPS = {1: ("publish", "puback"), 2: ("publish", "pubrec", "pubrel", "pubcomp")}


class Broken(Exception):
    """The step was reached at which somebody is killed."""


class Peer:
    """A client that remembers, over its connections, what 4.3 and 4.4 have it remember."""

    def __init__(self, case, name):
        self.case = case
        self.name = name
        self.client = None
        self.stop_at = None

    def connect(self):
        self.client = m.Client(self.case.broker.address("mqtt"))
        self.case.addCleanup(self.client.close)
        self.client.connect(self.name, **KEEP)
        return self.client.connack.present

    def reached(self, step):
        if self.stop_at == step:
            self.stop_at = None
            raise Broken(step)


class Sender(Peer):
    def __init__(self, case, name, topic, qos, count):
        super().__init__(case, name)
        self.topic = topic
        self.qos = qos
        self.waiting = list(range(1, count + 1))  # packet ids, whose messages are not done with
        self.received = set()                     # those with PUBREC
        self.tried = set()

    def run(self):
        """Goes on where it was, to the end."""
        while self.waiting:
            pid = self.waiting[0]
            if pid not in self.received:
                self.client.send(m.publish(self.topic, b"%d" % pid, self.qos, pid,
                                           dup=pid in self.tried))
                self.tried.add(pid)
                self.reached("publish")
                answer = self.client.expect(m.PUBACK if self.qos == 1 else m.PUBREC)
                self.case.assertIn(answer.reason or 0, (0, 0x10))
                if self.qos == 2:
                    self.received.add(pid)
                    self.reached("pubrec")
            if self.qos == 2:
                self.client.send(m.ack(m.PUBREL, pid))
                self.reached("pubrel")
                # 0x92: PUBCOMP was lost, or the PUBREL before came through
                self.case.assertIn(self.client.expect(m.PUBCOMP).reason or 0, (0, 0x92))
            self.waiting.pop(0)
            self.received.discard(pid)
            self.reached("puback" if self.qos == 1 else "pubcomp")


class Receiver(Peer):
    def __init__(self, case, name, topic):
        super().__init__(case, name)
        self.topic = topic
        self.got = []        # payloads, as they are handed on
        self.open = set()    # packet ids received and not released

    def subscribe(self):
        self.connect()
        self.client.subscribe((self.topic, 2))
        self.client.send(m.disconnect())
        self.client.ended()

    def run(self, last):
        """Receives until `last` is done with."""
        is_over = False
        while not is_over:
            packet = self.client.receive()
            self.case.assertIsNotNone(packet, "nothing came after %r" % self.got)
            if packet.type == m.PUBLISH:
                self.reached("publish")
                if packet.qos == 1 or packet.pid not in self.open:
                    self.got.append(packet.payload)
                if packet.qos == 2:
                    self.open.add(packet.pid)
                self.client.send(m.ack(m.PUBACK if packet.qos == 1 else m.PUBREC, packet.pid))
                self.reached("puback" if packet.qos == 1 else "pubrec")
                is_over = packet.qos == 1 and packet.payload == last
            else:
                self.case.assertEqual(packet.type, m.PUBREL)
                self.reached("pubrel")
                self.open.discard(packet.pid)
                self.client.send(m.ack(m.PUBCOMP, packet.pid))
                self.reached("pubcomp")
                is_over = self.got[-1:] == [last] and not self.open


class QosSteps(unittest.TestCase):
    def setUp(self):
        self.broker = Broker(data=True)
        self.broker.__enter__()
        self.addCleanup(lambda: self.broker.__exit__(None, None, None))

    def break_off(self, who, peer):
        if who == "broker":
            self.broker.kill()
            self.broker.start()
        else:
            peer.client.close()
        self.assertTrue(peer.connect())

    def check(self, qos, got, count):
        wanted = [b"%d" % n for n in range(1, count + 1)]
        if qos == 2:
            self.assertEqual(got, wanted)
        else:
            self.assertEqual(sorted(set(got), key=int), wanted)

    def each(self, run):
        number = 0
        for who in ("client", "broker"):
            for qos, steps in STEPS.items():
                for step in steps:
                    for again in range(2):
                        number += 1
                        with self.subTest(killed=who, qos=qos, step=step, again=again):
                            run(who, qos, step, "%s%d" % (who, number))

    def breaks(self, who, peer, step, *last):
        """Goes on until the step is reached, and then anew."""
        peer.stop_at = step
        try:
            peer.run(*last)
        except Broken:
            self.break_off(who, peer)
            return
        self.fail("%s was not reached" % step)

    def pair(self, topic, qos):
        receiver = Receiver(self, "r" + topic, topic)
        receiver.subscribe()
        sender = Sender(self, "s" + topic, topic, qos, 3)
        sender.connect()
        # a session that was never told of anything may go with the kill, and all it did with it
        sender.client.publish("before/" + topic, b"", 1, 1000)
        return receiver, sender

    def finish(self, receiver, qos):
        receiver.run(b"3")
        self.assertIsNone(receiver.client.receive(0.05))
        self.check(qos, receiver.got, 3)

    def test_a_publisher_goes_on_after_each_step(self):
        def run(who, qos, step, name):
            receiver, sender = self.pair("in/" + name, qos)
            for _ in range(2):  # the step of the first message, and that which comes next
                self.breaks(who, sender, step)
            sender.run()
            receiver.connect()
            self.finish(receiver, qos)

        self.each(run)

    def test_a_subscriber_goes_on_after_each_step(self):
        def run(who, qos, step, name):
            receiver, sender = self.pair("out/" + name, qos)
            sender.run()
            receiver.connect()
            self.breaks(who, receiver, step, b"3")
            self.finish(receiver, qos)

        self.each(run)


if __name__ == "__main__":
    unittest.main()
