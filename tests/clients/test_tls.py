# SPDX-License-Identifier: Apache-2.0
"""Ordinary clients of each protocol over TLS, sharing one stream."""

import os
import ssl
import threading
import unittest

from tercet import TOP, Broker, need_module

PEM = os.path.join(TOP, "tests", "lib", "localhost.pem")
CONFIG = "".join("[listener %ss]\nprotocol = %s\naddress = 127.0.0.1\nport = 0\ntls = yes\n"
                 "certificate = %s\nkey = %s\n" % (p, p, PEM, PEM)
                 for p in ("mqtt", "amqp", "kafka"))
SECONDS = 20


class OverTls(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.broker = Broker(config=CONFIG)
        cls.broker.start()

    @classmethod
    def tearDownClass(cls):
        cls.broker.stop()
        cls.broker.close()

    def port(self, protocol):
        return self.broker.port(protocol, tls=True)

    def test_paho_publishes_and_receives_a_large_message(self):
        mqtt = need_module("paho.mqtt.client")
        body = bytes(range(256)) * 2000
        got, subscribed = [], threading.Event()
        done = threading.Event()
        client = mqtt.Client("over-tls")
        client.tls_set(ca_certs=PEM)
        client.on_connect = lambda c, *_: c.subscribe("tls/paho", 1)
        client.on_subscribe = lambda *_: subscribed.set()
        client.on_message = lambda c, u, message: (got.append(message.payload), done.set())
        client.connect("localhost", self.port("mqtt"))
        client.loop_start()
        self.addCleanup(client.loop_stop)
        self.assertTrue(subscribed.wait(SECONDS))
        client.publish("tls/paho", body, 1).wait_for_publish()
        self.assertTrue(done.wait(SECONDS))
        client.disconnect()
        self.assertEqual(got, [body])

    def test_pika_works_a_queue(self):
        pika = need_module("pika")
        options = pika.SSLOptions(ssl.create_default_context(cafile=PEM), "localhost")
        connection = pika.BlockingConnection(pika.ConnectionParameters(
            "localhost", self.port("amqp"), ssl_options=options))
        channel = connection.channel()
        channel.confirm_delivery()
        channel.queue_declare("tls-queue", durable=True)
        for i in range(100):
            channel.basic_publish("", "tls-queue", b"%d" % i)
        got = []
        for method, _, body in channel.consume("tls-queue", inactivity_timeout=SECONDS):
            self.assertIsNotNone(method, "nothing came any more")
            got.append(int(body))
            channel.basic_ack(method.delivery_tag)
            if len(got) == 100:
                break
        connection.close()
        self.assertEqual(got, list(range(100)))

    def test_kafka_python_produces_and_consumes(self):
        kafka = need_module("kafka")
        options = {"bootstrap_servers": "localhost:%d" % self.port("kafka"),
                   "security_protocol": "SSL", "ssl_cafile": PEM}
        producer = kafka.KafkaProducer(**options)
        for i in range(200):
            producer.send("tls-topic", b"%d" % i * 100)
        producer.flush(SECONDS)
        consumer = kafka.KafkaConsumer("tls-topic", auto_offset_reset="earliest",
                                       consumer_timeout_ms=SECONDS * 1000, **options)
        got = []
        for record in consumer:
            got.append(record.value)
            if len(got) == 200:
                break
        consumer.close()
        producer.close()
        self.assertEqual(got, [b"%d" % i * 100 for i in range(200)])


if __name__ == "__main__":
    unittest.main()
