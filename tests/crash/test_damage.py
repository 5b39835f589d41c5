# SPDX-License-Identifier: Apache-2.0
"""One record is damaged on the disk: its reader is told or goes past it, and gets all else."""

import glob
import os
import unittest

from tercet import Broker, need_module

for _module in ("pika", "kafka"):
    need_module(_module)

from kafka.protocol.fetch import FetchRequest  # noqa: E402 (after the check for it)
from kafka.record import MemoryRecords  # noqa: E402

import mqtt_raw as mqtt  # noqa: E402
from checker.wire import Amqp, Kafka, Mqtt, spec  # noqa: E402
from test_faults import AmqpPublisher, KafkaPublisher, MqttPublisher  # noqa: E402

TIMEOUT = 300
COUNT, DAMAGED = 60, 30
CONFIG = "cache = 1m\n"
TOPICS = {"f-mqtt": MqttPublisher, "f-amqp": AmqpPublisher, "f-kafka": KafkaPublisher}
BODY_BYTES = 30000
CORRUPT_MESSAGE = 2


def body(name, number):
    head = b"%d %s " % (number, name.encode())
    return head + bytes([number]) * (BODY_BYTES - len(head))


def number_of(data):
    return int(data.split(b" ", 1)[0])


class Damage(unittest.TestCase):
    def setUp(self):
        self.broker = Broker(data=True, config=CONFIG, start=False)
        self.addCleanup(self.broker.close)
        self.broker.start()
        session = Mqtt(self.broker.address("mqtt"), "sleeper", False)
        session.subscribe("f-mqtt/#", 1)
        session.end()
        for name, kind in TOPICS.items():
            publisher = kind(self.broker, name)
            publisher.wire = publisher.connect()
            for number in range(COUNT):
                self.assertTrue(publisher.publish(number, body(name, number)))
            publisher.wire.close()
        self.broker.stop()
        for name in TOPICS:
            self.damage(body(name, DAMAGED)[:40], name)
        self.broker.start()

    def damage(self, head, name):
        """One bit in the middle of the one record that begins so."""
        found = []
        for path in glob.glob(os.path.join(self.broker.data, "seg", "*")):
            with open(path, "rb") as file:
                data = file.read()
            at = data.find(head)
            while at >= 0:
                found.append((path, at))
                at = data.find(head, at + 1)
        self.assertEqual(len(found), 1, name)
        path, at = found[0]
        with open(path, "r+b") as file:
            file.seek(at + BODY_BYTES // 2)
            byte = file.read(1)[0]
            file.seek(at + BODY_BYTES // 2)
            file.write(bytes([byte ^ 4]))

    def check(self, name, bodies):
        for data in bodies:
            self.assertEqual(data, body(name, number_of(data)))
        self.assertEqual([number_of(data) for data in bodies],
                         [n for n in range(COUNT) if n != DAMAGED])
        self.assertRegex(self.broker.log(), r" error storage\.\S* .*\boffset=%d\b" % DAMAGED)
        self.assertTrue(self.broker.is_running())

    def test_a_kafka_consumer_is_told_and_can_go_past_it(self):
        wire = Kafka(self.broker.address("kafka"))
        for name in TOPICS:
            offset, errors, bodies = 0, [], []
            while offset < COUNT:
                answer = wire.ask(FetchRequest[4](-1, 0, 1, 1 << 20, 0,
                                                  [(name, [(0, offset, 1 << 20)])]))
                _, error, _, _, _, data = answer.topics[0][1][0]
                if error != 0:
                    errors.append((offset, error))
                    offset += 1
                    continue
                records = MemoryRecords(data)
                before = offset
                while records.has_next():
                    for record in records.next_batch():
                        if record.offset >= offset:
                            bodies.append(record.value)
                            offset = record.offset + 1
                self.assertGreater(offset, before, name)
            self.assertEqual(errors, [(DAMAGED, CORRUPT_MESSAGE)], name)
            self.check(name, bodies)
        wire.close()

    def test_a_queue_gives_all_others(self):
        wire = Amqp(self.broker.address("amqp"))
        wire.ask(spec.Basic.Consume(queue="f-amqp"), spec.Basic.ConsumeOk)
        bodies = []
        while len(bodies) < COUNT - 1:
            tag = wire.expect(spec.Basic.Deliver).delivery_tag
            bodies.append(wire.content()[1])
            wire.method(1, spec.Basic.Ack(tag))
        self.check("f-amqp", bodies)
        wire.end()

    def test_a_session_is_given_all_others(self):
        wire = Mqtt(self.broker.address("mqtt"), "sleeper", False)
        bodies = []
        while len(bodies) < COUNT - 1:
            packet = wire.expect(mqtt.PUBLISH)
            bodies.append(packet.payload)
            wire.send(mqtt.ack(mqtt.PUBACK, packet.pid))
        self.check("f-mqtt", bodies)
        wire.end()


if __name__ == "__main__":
    unittest.main()
