# SPDX-License-Identifier: Apache-2.0
"""What P writes and Q republishes whole, P reads back equal, but for what belongs to one hop.

P and Q run over all ordered pairs of protocols. The messages are generated: names that repeat or
are empty, text of 0, 1, 255, 256 and 60,000 bytes, binary, null, nested tables.
"""

import random
import unittest
import uuid

from tercet import BrokerCase, need_module

for _module in ("paho.mqtt.client", "pika", "kafka", "confluent_kafka"):
    need_module(_module)

import sides  # noqa: E402 (after the check that its libraries are here)

COUNT = 25
# Names that mean something in records, and so to Kafka's clients: a user's own header of that name
# in MQTT and AMQP stays the user's own.
RESERVED = ("content-type", "user.content-type", "correlation-id", "user-id", "mqtt.qos",
            "expires-at", "reply-to", "user.user.x")
LENGTHS = (0, 1, 7, 254, 255, 256, 300)
TAILS = ("", "/", "/a", "/a/b", "/dev.1/x", "/100%", "/a%2Eb", "/\u00e9", "/a//b")


def some_text(rng, longest=300):
    length = rng.choice([one for one in LENGTHS if one <= longest])
    letters = rng.choice(("abc", "\u00e9\u4e2d\U0001f600", "\"\\{}[],:;= ", "0123456789"))
    text = "".join(rng.choice(letters) for _ in range(length))
    while len(text.encode()) > longest:
        text = text[:-1]
    return text


def some_bytes(rng):
    return bytes(rng.randrange(256) for _ in range(rng.choice(LENGTHS)))


def some_names(rng, reserved=()):
    """Names with repetitions and now and then the empty one; AMQP allows 255 bytes."""
    pool = [some_text(rng, 40) or "n%d" % rng.randrange(5) for _ in range(3)] + [""]
    pool += rng.sample(reserved, min(1, len(reserved)))
    return [rng.choice(pool) for _ in range(rng.choice((0, 1, 3, 8)))]


# --- each protocol: generate, write, read, and what is compared ------------------------------

class OfMqtt:
    names = ("ContentType", "ResponseTopic", "CorrelationData", "PayloadFormatIndicator",
             "UserProperty")

    @staticmethod
    def generate(rng, other):
        props = {}
        if rng.random() < 0.7:
            props["ContentType"] = some_text(rng)
        if rng.random() < 0.5:
            props["ResponseTopic"] = "answers/" + rng.choice(("a", "b.c", "d%2E", "e f", "\u00e9"))
        if rng.random() < 0.7:
            props["CorrelationData"] = rng.choice((some_bytes(rng), some_text(rng).encode()))
        if rng.random() < 0.5:
            props["PayloadFormatIndicator"] = rng.randrange(2)
        users = [(name, some_text(rng)) for name in some_names(rng, RESERVED)]
        if rng.random() < 0.1:
            users.append(("long", "v" * 60000))
        if users:
            props["UserProperty"] = users
        return {"tail": rng.choice(TAILS), "payload": some_bytes(rng),
                "qos": 1 if other == "amqp" else 2, "props": props}

    @staticmethod
    def write(broker, stream, messages):
        with sides.Paho(broker) as side:
            for one in messages:
                properties = sides.Properties(sides.PacketTypes.PUBLISH)
                for name, value in one["props"].items():
                    setattr(properties, name, value)
                side.last = side.client.publish(stream + one["tail"], one["payload"], one["qos"],
                                                properties=properties)
            side.flush()

    @staticmethod
    def reader(broker, stream):
        return sides.Paho(broker, stream, qos=2)

    @classmethod
    def read(cls, side, stream):
        message = side.read().raw
        found = vars(message.properties)
        return {"tail": message.topic[len(stream):], "payload": message.payload,
                "qos": message.qos,
                "props": {name: found[name] for name in cls.names if name in found}}

    @staticmethod
    def compared(message, other):
        props = dict(message["props"])
        if other == "amqp":
            # A table has each name once, so the order between names is not kept; it shows the
            # time of the record.
            by_name = {}
            for name, value in props.pop("UserProperty", []):
                if name != "timestamp_in_ms":
                    by_name.setdefault(name, []).append(value)
            props["UserProperty"] = by_name
        return dict(message, props=props)


class OfAmqp:
    @staticmethod
    def some_value(rng, other, depth=0):
        if other == "mqtt":
            return rng.choice((some_text(rng), some_bytes(rng) + b"\xff", None,
                               [some_text(rng), some_text(rng)]))
        kind = rng.randrange(9 if depth < 3 else 6)
        if kind >= 7:
            return {some_text(rng, 255) or "k": OfAmqp.some_value(rng, other, depth + 1)
                    for _ in range(rng.randrange(3))}
        if kind == 6:
            return [OfAmqp.some_value(rng, other, depth + 1) for _ in range(rng.randrange(4))]
        return rng.choice((some_text(rng), some_bytes(rng) + b"\xff", None, True, False,
                           # This pika reads 64 bits without their sign.
                           rng.randrange(-1 << 31, 1 << 31), rng.randrange(1 << 32, 1 << 63)))

    @staticmethod
    def generate(rng, other):
        props = {"delivery_mode": rng.choice((1, 2))}
        for name in ("content_type", "content_encoding", "correlation_id", "message_id", "type",
                     "app_id", "cluster_id"):
            if rng.random() < 0.5:
                props[name] = some_text(rng, 255)
        if rng.random() < 0.5:
            props["priority"] = rng.randrange(256)
        if rng.random() < 0.5:
            props["timestamp"] = rng.randrange(1 << 33)
        if other != "mqtt" and rng.random() < 0.5:
            props["user_id"] = "guest"
        if rng.random() < 0.5:
            props["reply_to"] = "amq.reply-to-topic.a.b%2Ec" if other == "mqtt" \
                else some_text(rng, 255)
        headers = {name: OfAmqp.some_value(rng, other) for name in some_names(rng, RESERVED)}
        if headers:
            props["headers"] = headers
        tail = rng.choice(TAILS).replace("%2E", "%252E").replace(".", "%2E").replace("/", ".")
        return {"tail": tail, "body": some_bytes(rng), "props": props}

    @staticmethod
    def write(broker, stream, messages):
        with sides.Pika(broker) as side:
            for one in messages:
                side.channel.basic_publish("amq.topic", stream + one["tail"], one["body"],
                                           sides.pika.BasicProperties(**one["props"]))

    @staticmethod
    def reader(broker, stream):
        return sides.Pika(broker, stream)

    @staticmethod
    def read(side, stream):
        method, properties, body = side.read().raw
        return {"tail": method.routing_key[len(stream):], "body": body,
                "props": {name: value for name, value in vars(properties).items()
                          if value is not None}}

    @staticmethod
    def compared(message, other):
        props = dict(message["props"])
        if other == "mqtt":
            headers = {name: value for name, value in props.pop("headers", {}).items()
                       if name not in ("timestamp_in_ms", "x-reply-to-topic")}
            props["headers"] = headers
        return dict(message, props=props)


class OfKafka:
    @staticmethod
    def generate(rng, other):
        key = rng.choice((None, b"", b"k", b"eu/new", b"\x00\xff", b"a+b", "\u00e9".encode(),
                          b"x" * 200))
        headers = [(name, rng.choice((None, b"", some_bytes(rng), some_text(rng).encode())))
                   for name in some_names(rng)]
        return {"value": rng.choice((None, b"", some_bytes(rng), b"x" * 60000)), "key": key,
                "headers": headers, "time": 1500000000000 + rng.randrange(10 ** 9)}

    @staticmethod
    def write(broker, stream, messages):
        with sides.Confluent(broker) as side:
            for one in messages:
                side.producer.produce(stream, one["value"], one["key"], headers=one["headers"],
                                      timestamp=one["time"])
            side.flush()

    @staticmethod
    def reader(broker, stream):
        return sides.Confluent(broker, stream)

    @staticmethod
    def read(side, stream):
        message = side.read().raw
        return {"value": message.value(), "key": message.key(),
                "headers": message.headers() or [], "time": message.timestamp()[1]}

    @staticmethod
    def compared(message, other):
        if other == "kafka":
            return message
        headers = [(name, value) for name, value in message["headers"]
                   if not name.startswith(("amqp.", "mqtt.")) and name != "timestamp_in_ms"]
        if other == "amqp":
            by_name = {}
            for name, value in headers:
                by_name.setdefault(name, []).append(value)
            headers = by_name
        return dict(message, headers=headers, time=None)


PROTOCOLS = {"mqtt": OfMqtt, "amqp": OfAmqp, "kafka": OfKafka}


class Law(BrokerCase):
    def pass_on(self, writer, reader, messages):
        """Written by one, read by the other; Kafka reads what is there already."""
        stream = "law" + uuid.uuid4().hex[:12]
        if reader is OfKafka:
            writer.write(self.broker, stream, messages)
        with reader.reader(self.broker, stream) as side:
            if reader is not OfKafka:
                writer.write(self.broker, stream, messages)
            return [reader.read(side, stream) for _ in messages]

    def check(self, first, second):
        writer, other = PROTOCOLS[first], PROTOCOLS[second]
        rng = random.Random("%s %s" % (first, second))
        messages = [writer.generate(rng, second) for _ in range(COUNT)]
        middle = self.pass_on(writer, other, messages)
        back = self.pass_on(other, writer, middle)
        for number, (sent, seen, got) in enumerate(zip(messages, middle, back)):
            with self.subTest(message=number):
                self.maxDiff = 3000
                self.assertEqual(writer.compared(got, second), writer.compared(sent, second), seen)

    def test_mqtt_through_mqtt(self):
        self.check("mqtt", "mqtt")

    def test_mqtt_through_amqp(self):
        self.check("mqtt", "amqp")

    def test_mqtt_through_kafka(self):
        self.check("mqtt", "kafka")

    def test_amqp_through_mqtt(self):
        self.check("amqp", "mqtt")

    def test_amqp_through_amqp(self):
        self.check("amqp", "amqp")

    def test_amqp_through_kafka(self):
        self.check("amqp", "kafka")

    def test_kafka_through_mqtt(self):
        self.check("kafka", "mqtt")

    def test_kafka_through_amqp(self):
        self.check("kafka", "amqp")

    def test_kafka_through_kafka(self):
        self.check("kafka", "kafka")


if __name__ == "__main__":
    unittest.main()
