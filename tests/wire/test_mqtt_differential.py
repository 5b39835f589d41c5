# SPDX-License-Identifier: Apache-2.0
"""The same random dialogues with tercet and with mosquitto: every client sees the same.

A dialogue is a list of steps of a few clients; after each step every connected client is asked what
it got. Compared are topic, payload, QoS and retain flag of each delivery, the codes of SUBACK and
UNSUBACK, and session present. What the two may do differently is left out: the order between
topics, and how many copies overlapping subscriptions bring.
"""

import random
import socket
import unittest

import mqtt_raw as m
from mqtt_case import Mosquitto, mosquitto_program
from tercet import Broker

TIMEOUT = 300
ROUNDS = 60
STEPS = 40
CLIENTS = 3
LEVELS = ("a", "b", "", "$d", "x y", "\u00e4")
KEEP = [(m.SESSION_EXPIRY, 3600)]


def random_topic(rng):
    return "d/" + "/".join(rng.choice(LEVELS) for _ in range(rng.randint(1, 3)))


def random_filter(rng):
    levels = [rng.choice(LEVELS + ("+",)) for _ in range(rng.randint(1, 3))]
    if rng.random() < 0.3:
        levels[-1] = "#"
    return "d/" + "/".join(levels)


class Side:
    """One broker and its clients; steps give what was seen, in a form that can be compared."""

    def __init__(self, broker, version):
        self.address, self.version = broker.address("mqtt"), version
        self.clients = [None] * CLIENTS

    def connect(self, i, clean):
        self.leave(i)
        client = m.Client(self.address, self.version)
        props = () if clean or self.version < 5 else KEEP
        client.connect("client-%d" % i, clean=clean, props=props)
        self.clients[i] = client
        return client.connack.present

    def leave(self, i, abruptly=False):
        client, self.clients[i] = self.clients[i], None
        if client is None:
            return
        if abruptly:
            client.sync()
            client.sock.shutdown(socket.SHUT_WR)
            try:  # so that the broker knows before the next step
                while client.receive() is not None:
                    pass
            except EOFError:
                client.close()
        else:
            client.send(m.disconnect())
            client.ended()
            client.close()

    def drain(self, client):
        """What came, acknowledged to the end."""
        seen = set()
        for _ in range(4):
            for found in client.sync():
                if found.type == m.PUBLISH:
                    seen.add((found.topic, found.payload, found.qos, found.retain))
                    if found.qos:
                        client.send(m.ack(m.PUBACK if found.qos == 1 else m.PUBREC, found.pid))
                elif found.type == m.PUBREL:
                    client.send(m.ack(m.PUBCOMP, found.pid))
        return seen

    def answer(self, client, kind, seen):
        """The answer of that type; deliveries before it are kept."""
        while True:
            found = client.receive()
            assert found is not None, "no answer of type %d" % kind
            if found.type == kind:
                return found
            if found.type == m.PUBLISH:
                seen.add((found.topic, found.payload, found.qos, found.retain))
                if found.qos:
                    client.send(m.ack(m.PUBACK if found.qos == 1 else m.PUBREC, found.pid))
            elif found.type == m.PUBREL:
                client.send(m.ack(m.PUBCOMP, found.pid))

    def step(self, step):
        kind, i, rest = step
        told, early = None, set()
        if kind == "connect":
            told = self.connect(i, rest)
        elif kind in ("leave", "drop"):
            self.leave(i, kind == "drop")
        elif self.clients[i] is not None:
            told = self.act(kind, self.clients[i], rest, early)
        seen = [self.drain(c) if c is not None else None for c in self.clients]
        if self.clients[i] is not None:
            seen[i] |= early
        return told, seen

    def act(self, kind, client, rest, early):
        if kind == "subscribe":
            client.send(m.subscribe(7, [rest], version=self.version))
            return self.answer(client, m.SUBACK, early).codes
        if kind == "unsubscribe":
            client.send(m.unsubscribe(8, [rest], version=self.version))
            return self.answer(client, m.UNSUBACK, early).codes
        topic, payload, qos, retain = rest
        client.send(m.publish(topic, payload, qos, 9 if qos else None, retain=retain,
                              version=self.version))
        if qos == 1:
            self.answer(client, m.PUBACK, early)
        elif qos == 2:
            self.answer(client, m.PUBREC, early)
            client.send(m.ack(m.PUBREL, 9))
            self.answer(client, m.PUBCOMP, early)
        return None

    def close(self):
        for i in range(CLIENTS):
            self.connect(i, True)
            self.leave(i)


def random_step(rng, number, filters):
    i = rng.randrange(CLIENTS)
    kind = rng.choice(["publish"] * 6 + ["subscribe"] * 3 + ["unsubscribe", "connect", "leave",
                                                             "drop"])
    if kind == "publish":
        return kind, i, (random_topic(rng), b"%d" % number if rng.random() < 0.9 else b"",
                         rng.randint(0, 2), rng.random() < 0.3)
    if kind == "subscribe":
        filters.append(random_filter(rng))
        return kind, i, (filters[-1], rng.randint(0, 2))
    if kind == "unsubscribe":
        return kind, i, rng.choice(filters) if filters else "d/none"
    return kind, i, rng.random() < 0.3


def without_copies(seen):
    """Overlapping subscriptions may bring a message once for each, or once at the highest QoS."""
    best = {}
    for topic, payload, qos, retain in seen or ():
        key = (topic, payload, retain)
        best[key] = max(best.get(key, 0), qos)
    return best


@unittest.skipUnless(mosquitto_program(), "mosquitto is not installed")
class Differential(unittest.TestCase):

    def test_random_dialogues_look_the_same(self):
        with Broker() as ours, Mosquitto() as theirs:
            for seed in range(ROUNDS):
                version = (4, 5)[seed % 2]
                with self.subTest(seed=seed, version=version):
                    self.run_dialogue(random.Random(seed), version, ours, theirs)

    def run_dialogue(self, rng, version, ours, theirs):
        sides = [Side(broker, version) for broker in (ours, theirs)]
        filters, history = [], []
        steps = [("connect", i, True) for i in range(CLIENTS)]
        steps += [random_step(rng, n, filters) for n in range(STEPS)]
        try:
            for step in steps:
                history.append(step)
                results = [side.step(step) for side in sides]
                told, seen = zip(*results)
                self.assertEqual(told[0], told[1], history)
                for one, other in zip(*seen):
                    mine, other = without_copies(one), without_copies(other)
                    self.assertEqual(set(mine), set(other), history)
                    for key, qos in mine.items():  # mosquitto may take the lower one of two
                        self.assertGreaterEqual(qos, other[key], history)
        finally:
            for side in sides:
                side.close()
                sweep = m.Client(side.address, version).connect("sweep")
                sweep.subscribe(("d/#", 0))
                for found in sweep.sync():
                    sweep.publish(found.topic, b"", retain=True)
                sweep.sync()
                sweep.close()


if __name__ == "__main__":
    unittest.main()
