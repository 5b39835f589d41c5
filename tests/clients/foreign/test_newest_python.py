# SPDX-License-Identifier: Apache-2.0
"""The newest Python clients of the Python registry, each through one ordinary round.

`./dev interop` fetches them and runs this; a client that could not be fetched is a skip."""

import asyncio
import unittest
import uuid

from tercet import BrokerCase, need_module

COUNT = 50
SECONDS = 20


def name(word):
    return "%s-%s" % (word, uuid.uuid4().hex[:12])


def values():
    return [b"value %d" % i for i in range(COUNT)]


class Round(BrokerCase):
    """Every message of one client comes back to it, whole, in order and once."""

    def test_pika(self):
        pika = need_module("pika")
        host, port = self.broker.address("amqp")
        orders = name("orders")
        connection = pika.BlockingConnection(pika.ConnectionParameters(host, port))
        channel = connection.channel()
        channel.queue_declare(orders, durable=True)
        channel.confirm_delivery()
        properties = pika.BasicProperties(headers={"a": 1}, delivery_mode=2, message_id="m")
        for value in values():
            channel.basic_publish("", orders, value, properties, mandatory=True)
        arrived = []
        for method, got, body in channel.consume(orders, inactivity_timeout=SECONDS):
            self.assertIsNotNone(method, "only %d came" % len(arrived))
            self.assertEqual((got.headers, got.message_id), ({"a": 1}, "m"))
            arrived.append(body)
            channel.basic_ack(method.delivery_tag)
            if len(arrived) == COUNT:
                break
        channel.cancel()
        self.assertEqual(channel.queue_declare(orders, passive=True).method.message_count, 0)
        connection.close()
        self.assertEqual(arrived, values())

    def test_aio_pika(self):
        aio_pika = need_module("aio_pika")
        arrived = asyncio.run(asyncio.wait_for(self.aio_pika_round(aio_pika), SECONDS))
        self.assertEqual(arrived, values())

    async def aio_pika_round(self, aio_pika):
        arrived = []
        connection = await aio_pika.connect("amqp://guest:guest@%s/" % self.broker.server("amqp"))
        async with connection:
            channel = await connection.channel(publisher_confirms=True)
            exchange = await channel.declare_exchange(name("x"), aio_pika.ExchangeType.TOPIC)
            orders = await channel.declare_queue(name("orders"), auto_delete=True)
            await orders.bind(exchange, "a.*.c")
            for value in values():
                await exchange.publish(aio_pika.Message(value), "a.b.c")
            async with orders.iterator() as messages:
                async for message in messages:
                    async with message.process():
                        arrived.append(message.body)
                    if len(arrived) == COUNT:
                        break
        return arrived

    def test_kafka_python(self):
        kafka = need_module("kafka")
        topic, server = name("t"), self.broker.server("kafka")
        producer = kafka.KafkaProducer(bootstrap_servers=server)
        sent = [producer.send(topic, value, key=b"k", headers=[("h", b"v")]) for value in values()]
        offsets = [one.get(timeout=SECONDS).offset for one in sent]
        producer.close()
        consumer = kafka.KafkaConsumer(topic, bootstrap_servers=server, group_id=name("g"),
                                       auto_offset_reset="earliest",
                                       consumer_timeout_ms=SECONDS * 1000)
        arrived = []
        for record in consumer:
            arrived.append((record.offset, record.key, list(record.headers), record.value))
            if len(arrived) == COUNT:
                break
        consumer.close()
        self.assertEqual(offsets, list(range(COUNT)))
        self.assertEqual(arrived, [(i, b"k", [("h", b"v")], v) for i, v in enumerate(values())])

    def test_aiokafka(self):
        aiokafka = need_module("aiokafka")
        arrived = asyncio.run(asyncio.wait_for(self.aiokafka_round(aiokafka), 2 * SECONDS))
        self.assertEqual(arrived, values())

    async def aiokafka_round(self, aiokafka):
        topic, server = name("t"), self.broker.server("kafka")
        async with aiokafka.AIOKafkaProducer(bootstrap_servers=server, enable_idempotence=True,
                                             compression_type="gzip") as producer:
            for value in values():
                await producer.send_and_wait(topic, value)
        arrived = []
        async with aiokafka.AIOKafkaConsumer(topic, bootstrap_servers=server, group_id=name("g"),
                                             auto_offset_reset="earliest") as consumer:
            while len(arrived) < COUNT:
                arrived.append((await consumer.getone()).value)
        return arrived

    def test_confluent_kafka(self):
        confluent = need_module("confluent_kafka")
        topic, server = name("t"), self.broker.server("kafka")
        producer = confluent.Producer({"bootstrap.servers": server, "enable.idempotence": True,
                                       "compression.type": "zstd", "linger.ms": 5})
        failed = []
        for value in values():
            producer.produce(topic, value, headers={"h": b"v"},
                             on_delivery=lambda error, _: failed.append(error) if error else None)
        self.assertEqual((producer.flush(SECONDS), failed), (0, []))
        consumer = confluent.Consumer({"bootstrap.servers": server, "group.id": name("g"),
                                       "auto.offset.reset": "earliest"})
        consumer.subscribe([topic])
        arrived = []
        while len(arrived) < COUNT:
            record = consumer.poll(SECONDS)
            self.assertIsNotNone(record, "only %d came" % len(arrived))
            self.assertIsNone(record.error())
            self.assertEqual(record.headers(), [("h", b"v")])
            arrived.append(record.value())
        consumer.close()
        self.assertEqual(arrived, values())


if __name__ == "__main__":
    unittest.main()
