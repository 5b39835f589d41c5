# SPDX-License-Identifier: Apache-2.0
"""Everything at once, at random, by real clients: topology made and removed, messages of all sizes
through all doors, sessions left and resumed, connections dropped in the middle. The broker must
stay up, log no error, stop cleanly and open its store again. TERCET_SOAK_SECONDS says how long
(15), TERCET_SOAK_SEED which course. A build with sanitizers looks for what only they see."""

import os
import random
import threading
import time
import unittest

from tercet import Broker, need_module

mqtt = need_module("paho.mqtt.client")
packettypes = need_module("paho.mqtt.packettypes")
pika = need_module("pika")
kafka = need_module("kafka")

SECONDS = float(os.environ.get("TERCET_SOAK_SECONDS", "15"))
SEED = int(os.environ.get("TERCET_SOAK_SEED", "1"))
NAMES = ["q%d" % i for i in range(6)]
TOPICS = ["q1", "q1/x", "q2/y/z", "q3"] + ["top/%d" % i for i in range(20)]
FILTERS = ["#", "q1/#", "+/x", "top/+", "$queue/q1", "$queue/q2", "q3"]
EXCHANGES = ["", "", "amq.topic", "amq.direct", "amq.fanout", "e0"]

# What a client is rightly told when another has removed what it uses.
EXPECTED = (pika.exceptions.AMQPChannelError, pika.exceptions.AMQPConnectionError,
            kafka.errors.KafkaError, OSError, ValueError)


class AmqpUser:
    def __init__(self, broker, dice):
        self.broker, self.dice, self.held = broker, dice, []

    def run(self):
        host, port = self.broker.address("amqp")
        connection = pika.BlockingConnection(pika.ConnectionParameters(host, port, heartbeat=0))
        self.channel = connection.channel()
        self.held.clear()
        if self.dice.random() < 0.5:
            self.channel.confirm_delivery()
        acts = (self.declare, self.declare, self.remove, self.bind, self.exchanges, self.purge,
                self.publish, self.publish, self.publish, self.publish, self.get, self.get,
                self.settle, self.settle, self.consume)
        for _ in range(self.dice.randrange(5, 60)):
            self.dice.choice(acts)()
        if self.dice.random() < 0.7:
            connection.close()

    def queue(self):
        return self.dice.choice(NAMES)

    def declare(self):
        self.channel.queue_declare(self.queue(), durable=True)

    def remove(self):
        if self.dice.random() < 0.3:
            self.channel.queue_delete(self.queue())

    def bind(self):
        key = self.dice.choice(["q1.#", "#", "*.x", "q2"])
        exchange = self.dice.choice(["amq.topic", "amq.direct", "amq.fanout", "amq.headers"])
        self.channel.queue_bind(self.queue(), exchange, key)
        if self.dice.random() < 0.4:
            self.channel.queue_unbind(self.queue(), exchange, key)

    def exchanges(self):
        name = "e%d" % self.dice.randrange(3)
        if self.dice.random() < 0.3:
            self.channel.exchange_delete(name)
            return
        self.channel.exchange_declare(name, self.dice.choice(["fanout", "topic", "direct"]))
        self.channel.exchange_bind(name, "amq.topic", "#")
        self.channel.queue_bind(self.queue(), name, "q1")

    def purge(self):
        if self.dice.random() < 0.3:
            self.channel.queue_purge(self.queue())

    def publish(self):
        properties = pika.BasicProperties(delivery_mode=self.dice.choice([1, 2]),
                                          headers={"number": self.dice.randrange(9), "text": "x"})
        self.channel.basic_publish(self.dice.choice(EXCHANGES),
                                   self.dice.choice(NAMES + ["q1.x", "q2.x.y"]),
                                   self.dice.randbytes(self.dice.choice([0, 10, 300, 70000])),
                                   properties)

    def get(self):
        is_no_ack = self.dice.random() < 0.3
        method, _, _ = self.channel.basic_get(self.queue(), auto_ack=is_no_ack)
        if method and not is_no_ack:
            self.held.append(method.delivery_tag)

    def settle(self):
        if not self.held:
            return
        tag = self.held.pop(self.dice.randrange(len(self.held)))
        how = self.dice.randrange(3)
        if how == 0:
            self.channel.basic_ack(tag)
        else:
            self.channel.basic_nack(tag, requeue=how == 1)

    def consume(self):
        self.channel.basic_qos(prefetch_count=self.dice.randrange(5))
        most = self.dice.randrange(1, 30)
        for method, _, _ in self.channel.consume(self.queue(), inactivity_timeout=0.05):
            if method is None:
                break
            if self.dice.random() < 0.7:
                self.channel.basic_ack(method.delivery_tag)
            most -= 1
            if most == 0:
                break
        self.channel.cancel()


class MqttUser:
    def __init__(self, broker, dice):
        self.broker, self.dice = broker, dice

    def connect(self):
        number = self.dice.randrange(4)
        host, port = self.broker.address("mqtt")
        if self.dice.random() < 0.5:
            client = mqtt.Client(client_id="m%d" % number, protocol=mqtt.MQTTv311,
                                 clean_session=self.dice.random() < 0.4)
            client.connect(host, port)
            return client
        client = mqtt.Client(client_id="n%d" % number, protocol=mqtt.MQTTv5)
        if self.dice.random() < 0.3:
            client.will_set("q1/will", b"w", qos=1, retain=self.dice.random() < 0.3)
        properties = mqtt.Properties(packettypes.PacketTypes.CONNECT)
        properties.SessionExpiryInterval = self.dice.choice([0, 2, 1000])
        client.connect(host, port, clean_start=self.dice.random() < 0.3, properties=properties)
        return client

    def run(self):
        client = self.connect()
        client.loop_start()
        for _ in range(self.dice.randrange(3, 30)):
            luck = self.dice.random()
            if luck < 0.25:
                client.subscribe(self.dice.choice(FILTERS), qos=self.dice.randrange(3))
            elif luck < 0.3:
                client.unsubscribe(self.dice.choice(FILTERS))
            else:
                client.publish(self.dice.choice(TOPICS), qos=self.dice.randrange(3),
                               payload=self.dice.randbytes(self.dice.choice([0, 5, 200, 30000])),
                               retain=self.dice.random() < 0.2)
            time.sleep(self.dice.random() * 0.02)  # the pace of a device
        if self.dice.random() < 0.6:
            client.disconnect()
        client.loop_stop()
        if client.socket():
            client.socket().close()


class KafkaUser:
    def __init__(self, broker, dice):
        self.server, self.dice = broker.server("kafka"), dice

    def run(self):
        producer = kafka.KafkaProducer(bootstrap_servers=self.server, linger_ms=5,
                                       acks=self.dice.choice([0, 1, "all"]),
                                       compression_type=self.dice.choice([None, "gzip"]))
        for _ in range(self.dice.randrange(1, 200)):
            producer.send(self.dice.choice(NAMES), key=self.dice.choice([None, b"x", b"\xff"]),
                          value=self.dice.randbytes(self.dice.choice([0, 100, 2000])))
        producer.flush(5)
        producer.close(2)
        consumer = kafka.KafkaConsumer(self.dice.choice(NAMES), bootstrap_servers=self.server,
                                       group_id=self.dice.choice([None, "g1", "g2"]),
                                       auto_offset_reset="earliest", consumer_timeout_ms=500)
        for count, _ in enumerate(consumer):
            if count > 300:
                break
        consumer.close()


class Soak(unittest.TestCase):
    def test_the_broker_outlives_everything_at_once(self):
        problems = []
        with Broker(data=True) as broker:
            deadline = time.monotonic() + SECONDS

            def work(user):
                while time.monotonic() < deadline and broker.is_running():
                    try:
                        user.run()
                    except EXPECTED:
                        pass
                    except Exception as problem:  # pylint: disable=broad-except
                        problems.append(repr(problem))
                        return

            kinds = [AmqpUser] * 3 + [MqttUser] * 3 + [KafkaUser] * 2
            threads = [threading.Thread(target=work, daemon=True,
                                        args=(kind(broker, random.Random(SEED * 100 + i)),))
                       for i, kind in enumerate(kinds)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(SECONDS + 60)
            self.assertTrue(broker.is_running())
            broker.stop()
            broker.start()
            broker.stop()
            errors = [line for line in broker.log().splitlines() if " error " in line]
        self.assertEqual(errors, [])
        self.assertEqual(problems, [])


if __name__ == "__main__":
    unittest.main()
