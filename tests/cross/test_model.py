# SPDX-License-Identifier: Apache-2.0
"""Random topologies and publishes of all protocols, against a small model of who gets what."""

import random
import unittest
import uuid

from tercet import BrokerCase, need_module

for _module in ("paho.mqtt.client", "pika", "kafka", "confluent_kafka"):
    need_module(_module)

import sides  # noqa: E402 (after the check that its libraries are here)
from sides import Note  # noqa: E402

WORDS = ("a", "b", "c.d", "$e")
PUBLISHES = 60


def matches(tokens, levels, one, many):
    """The rule of both protocols, with their own words for wildcards."""
    if not tokens:
        return not levels
    if tokens[0] == many:
        return any(matches(tokens[1:], levels[at:], one, many) for at in range(len(levels) + 1))
    return bool(levels) and tokens[0] in (one, levels[0]) and matches(tokens[1:], levels[1:], one,
                                                                      many)


class Model:
    """Streams s0..s2, queues q0..q2 and s2 (a queue that is a stream by its name), exchanges that
    lead to and from amq.topic, subscribers. Everything it holds is a list of numbers."""

    def __init__(self, rng, tag):
        self.rng = rng
        self.streams = [tag + "s%d" % number for number in range(3)]
        self.queues = [tag + "q%d" % number for number in range(3)] + [self.streams[2]]
        self.private, self.before, self.after = tag + "x", tag + "before", tag + "after"
        self.bindings = [(rng.choice(("amq.topic", "amq.topic", self.private)),
                          rng.choice(self.queues), self.pattern("*", "#", ".")) for _ in range(6)]
        self.after_pattern = self.pattern("*", "#", ".")
        self.after_queue = rng.choice(self.queues)
        self.filters = [self.pattern("+", "#", "/") for _ in range(4)]
        self.in_queue = {name: [] for name in self.queues}
        self.in_stream = {name: [] for name in self.streams}
        self.seen = [[] for _ in self.filters]

    def pattern(self, one, many, separator):
        """For this run's streams: the first word is one of them, or a wildcard now and then."""
        first = self.rng.choice(self.streams + [one])
        words = [first] + [self.rng.choice(WORDS + (one,)) for _ in range(self.rng.randrange(3))]
        if self.rng.random() < 0.5:
            words.append(many)
        elif separator == "." and self.rng.random() < 0.3:
            words.insert(self.rng.randrange(len(words)), many)
        return words

    def bound(self, exchange, levels):
        return [queue for source, queue, pattern in self.bindings
                if source == exchange and matches(pattern, levels, "*", "#")]

    def share(self, number, levels, enters_own):
        """At amq.topic: `enters_own` when the address's own queue gets it unbound."""
        queues = set(self.bound("amq.topic", levels))
        if matches(self.after_pattern, levels, "*", "#"):
            queues.add(self.after_queue)
        if enters_own and levels[0] in self.queues:
            queues.add(levels[0])
        for queue in queues:
            self.in_queue[queue].append(number)
        if levels[0] not in self.queues:
            self.in_stream[levels[0]].append(number)
        self.show(number, levels)

    def show(self, number, levels):
        for tokens, seen in zip(self.filters, self.seen):
            hidden = tokens[0] in ("+", "#") and levels[0].startswith("$")
            if not hidden and matches(tokens, levels, "+", "#"):
                seen.append(number)

    def publish(self, number, way, levels):
        if way in ("mqtt", "kafka"):
            self.share(number, levels, True)
        elif way in ("amq.topic", "before"):
            self.share(number, levels, False)
        elif way == "private":
            for queue in set(self.bound(self.private, levels)):
                self.in_queue[queue].append(number)
        else:
            self.in_queue[way].append(number)
            self.show(number, [way])


class AgainstTheModel(BrokerCase):
    def check(self, seed):
        rng = random.Random(seed)
        model = Model(rng, uuid.uuid4().hex[:8])
        with sides.Pika(self.broker) as amqp, sides.Paho(self.broker) as mqtt, \
                sides.KafkaPython(self.broker) as kafka:
            self.declare(amqp.channel, model)
            readers = [sides.Paho(self.broker, filter_="/".join(one)) for one in model.filters]
            for reader in readers:
                self.addCleanup(reader.__exit__)
            for number in range(PUBLISHES):
                self.publish(model, number, amqp, mqtt, kafka)
            for stream in model.streams:
                mqtt.write(Note(stream, None, b"%d" % PUBLISHES))
                mqtt.flush()
                model.publish(PUBLISHES, "mqtt", [stream])
            self.compare(model, amqp, readers)

    @staticmethod
    def spell(words):
        return ".".join(word if word in "*#" else word.replace(".", "%2E") for word in words)

    def declare(self, channel, model):
        for queue in model.queues:
            channel.queue_declare(queue, durable=True)
        channel.exchange_declare(model.private, "topic")
        channel.exchange_declare(model.before, "fanout")
        channel.exchange_declare(model.after, "fanout")
        for source, queue, pattern in model.bindings:
            channel.queue_bind(queue, source, self.spell(pattern))
        channel.exchange_bind("amq.topic", model.before, "")
        channel.exchange_bind(model.after, "amq.topic", self.spell(model.after_pattern))
        channel.queue_bind(model.after_queue, model.after, "")
        self.addCleanup(self.delete, model)

    def delete(self, model):
        with sides.Pika(self.broker) as amqp:
            for queue in model.queues:
                amqp.channel.queue_delete(queue)
            for exchange in (model.private, model.before, model.after):
                amqp.channel.exchange_delete(exchange)

    def publish(self, model, number, amqp, mqtt, kafka):
        rng = model.rng
        way = rng.choice(("mqtt", "kafka", "amq.topic", "before", "private",
                          rng.choice(model.queues)))
        subject = [rng.choice(WORDS) for _ in range(rng.randrange(4))]
        note = Note(rng.choice(model.streams), "/".join(subject) or None, b"%d" % number)
        if way in ("mqtt", "kafka"):
            side = mqtt if way == "mqtt" else kafka
            side.write(note)
            side.flush()
        elif way in model.queues:
            amqp.write(note, exchange="", routing_key=way)
        else:
            amqp.write(note, exchange={"before": model.before, "private": model.private}.get(
                way, way))
        model.publish(number, way, [note.stream] + subject)

    def compare(self, model, amqp, readers):
        for tokens, wanted, reader in zip(model.filters, model.seen, readers):
            got = [int(reader.read().value) for _ in wanted]
            self.assertEqual(got, wanted, "subscriber of " + "/".join(tokens))
            self.assertTrue(reader.got.empty(), "subscriber of " + "/".join(tokens))
        for queue, wanted in model.in_queue.items():
            amqp.queue = queue
            self.assertEqual([int(amqp.read().value) for _ in wanted], wanted, queue)
            self.assertIsNone(amqp.channel.basic_get(queue)[0], queue)
        logs = dict(model.in_queue)
        logs.update({name: numbers for name, numbers in model.in_stream.items()
                     if name not in model.queues})
        for topic, wanted in logs.items():
            if wanted:
                with sides.Confluent(self.broker, topic) as log:
                    self.assertEqual([int(log.read().value) for _ in wanted], wanted, topic)

    def test_random_worlds(self):
        for seed in range(12):
            with self.subTest(seed=seed):
                self.check(seed)


if __name__ == "__main__":
    unittest.main()
