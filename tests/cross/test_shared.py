# SPDX-License-Identifier: Apache-2.0
"""A shared subscription gets what any protocol publishes, each message to one member."""

import unittest
import uuid

import mqtt_raw as m
from tercet import BrokerCase, need_module

for _module in ("paho.mqtt.client", "pika", "kafka", "confluent_kafka"):
    need_module(_module)

import sides  # noqa: E402 (after the check that its libraries are here)


class Shared(BrokerCase):

    def member(self, shared):
        client = m.Client(self.broker.address("mqtt"))
        self.addCleanup(client.close)
        client.connect("member-" + uuid.uuid4().hex[:12])
        self.assertEqual(client.subscribe((shared, 1)), [1])
        return client

    def test_a_group_gets_what_every_protocol_publishes(self):
        stream = "shared-" + uuid.uuid4().hex[:12]
        members = [self.member("$share/g/%s/#" % stream) for _ in range(2)]
        wanted = []
        with sides.Pika(self.broker) as amqp:
            for i in range(10):
                wanted.append(b"amqp %d" % i)
                amqp.channel.basic_publish("amq.topic", stream + ".k", wanted[-1],
                                           sides.pika.BasicProperties(delivery_mode=2))
        producer = sides.confluent_kafka.Producer(
            {"bootstrap.servers": "%s:%d" % self.broker.address("kafka")})
        for i in range(10):
            wanted.append(b"kafka %d" % i)
            producer.produce(stream, wanted[-1], b"k")
        self.assertEqual(producer.flush(20), 0)
        sender = m.Client(self.broker.address("mqtt")).connect("sender")
        self.addCleanup(sender.close)
        sender.publish(stream + "/k", b"mqtt", 1)
        wanted.append(b"mqtt")
        seen, shares = [], [0, 0]
        while len(seen) < len(wanted):
            for i, member in enumerate(members):
                for found in member.sync():
                    self.assertEqual(found.topic, stream + "/k")
                    seen.append(found.payload)
                    shares[i] += 1
                    member.send(m.ack(m.PUBACK, found.pid))
        self.assertEqual(sorted(seen), sorted(wanted))
        self.assertTrue(all(shares), shares)
        for member in members:
            member.nothing()


if __name__ == "__main__":
    unittest.main()
