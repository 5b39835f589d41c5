# SPDX-License-Identifier: Apache-2.0
"""One way to write and read for all protocols and several client libraries.

A Note is what is published: to a stream, with a subject (its tail, levels joined by '/', or None),
a value, text headers in order, a content type. A Seen is what a reader got, in the terms of its
protocol, with the fields that all can be asked for. Writers and readers are context managers; a
reader gets what is written after it was made, except those of Kafka, which read from the start.
"""

import json
import queue
import shutil
import subprocess
import time

import confluent_kafka
import kafka
import paho.mqtt.client as mqtt
import pika
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tercet import SCALE

SECONDS = 15 * SCALE


class Note:
    def __init__(self, stream, subject, value, headers=(), content_type=None):
        self.stream = stream
        self.subject = subject
        self.value = value
        self.headers = list(headers)
        self.content_type = content_type

    @property
    def topic(self):
        return self.stream if self.subject is None else self.stream + "/" + self.subject

    @property
    def routing_key(self):
        """As AMQP spells the address."""
        return ".".join(level.replace("%2E", "%252E").replace(".", "%2E")
                        for level in self.topic.split("/"))


class Seen:
    """`where` is topic, routing key, or (topic, key); `headers` are pairs of text or bytes."""

    def __init__(self, where, value, headers, content_type, raw):
        self.where = where
        self.value = value
        self.headers = headers
        self.content_type = content_type
        self.raw = raw


# --- MQTT ------------------------------------------------------------------------------------

class Paho:
    protocol = "mqtt"

    def __init__(self, broker, stream=None, filter_=None, version=mqtt.MQTTv5, qos=1, client_id=""):
        self.got = queue.Queue()
        self.ready = queue.Queue()
        self.version = version
        self.client = mqtt.Client(client_id, protocol=version)
        self.client.on_message = self.on_message
        self.client.on_connect = lambda *arguments: self.ready.put(arguments[3])
        self.client.on_subscribe = lambda *arguments: self.ready.put(arguments[3])
        self.client.connect(*broker.address("mqtt"))
        self.client.loop_start()
        reason = self.ready.get(timeout=SECONDS)
        assert int(getattr(reason, "value", reason)) == 0, reason
        if stream is not None or filter_ is not None:
            self.client.subscribe(filter_ or stream + "/#", qos)
            granted = self.ready.get(timeout=SECONDS)
            assert int(getattr(granted[0], "value", granted[0])) < 0x80, granted

    def on_message(self, client, userdata, message):
        self.got.put(message)

    def __enter__(self):
        return self

    def __exit__(self, *trouble):
        self.client.disconnect()
        self.client.loop_stop()

    def write(self, note, qos=1, **options):
        properties = None
        if self.version == mqtt.MQTTv5:
            properties = Properties(PacketTypes.PUBLISH)
            if note.headers:
                properties.UserProperty = note.headers
            if note.content_type is not None:
                properties.ContentType = note.content_type
        self.last = self.client.publish(note.topic, note.value, qos, properties=properties,
                                        **options)

    def flush(self):
        self.last.wait_for_publish(SECONDS)
        assert self.last.is_published(), "not acknowledged"

    def read(self, seconds=SECONDS):
        message = self.got.get(timeout=seconds)
        properties = getattr(message, "properties", None)
        return Seen(message.topic, message.payload, list(getattr(properties, "UserProperty", [])),
                    getattr(properties, "ContentType", None), message)


class MosquittoTools:
    protocol = "mqtt"
    program = "mosquitto_pub"

    def __init__(self, broker, stream=None):
        self.where = ["-V", "mqttv5", "-h", broker.address("mqtt")[0],
                      "-p", str(broker.port("mqtt"))]
        self.process = None
        if stream is not None:
            self.process = subprocess.Popen(
                ["stdbuf", "-oL", "mosquitto_sub", *self.where, "-d", "-q", "1", "-t",
                 stream + "/#", "-F", "got:%t\t%C\t%P\t%x"],
                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
            for line in self.process.stdout:
                if line.startswith(b"Subscribed"):
                    return
            raise AssertionError("mosquitto_sub ended")

    def __enter__(self):
        return self

    def __exit__(self, *trouble):
        if self.process is not None:
            self.process.kill()
            self.process.communicate()

    def write(self, note):
        more = [] if note.content_type is None else ["-D", "publish", "content-type",
                                                     note.content_type]
        for name, value in note.headers:
            more += ["-D", "publish", "user-property", name, value]
        subprocess.run(["mosquitto_pub", *self.where, "-q", "1", "-t", note.topic, "-s", *more],
                       input=note.value, check=True, timeout=SECONDS)

    def flush(self):
        pass

    def read(self):
        for line in self.process.stdout:
            if line.startswith(b"got:"):
                topic, kind, user, value = line[4:].rstrip(b"\n").decode().split("\t")
                pairs = [tuple(pair.split(":", 1)) for pair in user.split(" ") if pair]
                return Seen(topic, bytes.fromhex(value), pairs, kind or None, line)
        raise AssertionError("mosquitto_sub ended")


# --- AMQP ------------------------------------------------------------------------------------

def headers_of_table(table):
    """The table as pairs: an array of values stands for a name that occurs so often."""
    pairs = []
    for name, value in (table or {}).items():
        for one in value if isinstance(value, list) else [value]:
            pairs.append((name, one))
    return pairs


class Pika:
    protocol = "amqp"

    def __init__(self, broker, stream=None, queue_name=None):
        host, port = broker.address("amqp")
        self.connection = pika.BlockingConnection(pika.ConnectionParameters(
            host, port, blocked_connection_timeout=SECONDS))
        self.channel = self.connection.channel()
        self.channel.confirm_delivery()
        self.queue = queue_name
        if stream is not None:
            self.queue = self.channel.queue_declare("", exclusive=True).method.queue
            self.channel.queue_bind(self.queue, "amq.topic",
                                    Note(stream, None, b"").routing_key + ".#")

    def __enter__(self):
        return self

    def __exit__(self, *trouble):
        if self.connection.is_open:
            self.connection.close()

    def write(self, note, exchange="amq.topic", routing_key=None, **options):
        table = {}
        for name, value in note.headers:
            if name in table:
                before = table[name]
                table[name] = (before if isinstance(before, list) else [before]) + [value]
            else:
                table[name] = value
        self.channel.basic_publish(
            exchange, note.routing_key if routing_key is None else routing_key, note.value,
            pika.BasicProperties(headers=table or None, content_type=note.content_type,
                                 delivery_mode=2, **options))

    def flush(self):
        pass  # each publish waited for its confirm

    def read(self, seconds=SECONDS):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            method, properties, body = self.channel.basic_get(self.queue, auto_ack=True)
            if method is not None:
                return Seen(method.routing_key, body, headers_of_table(properties.headers),
                            properties.content_type, (method, properties, body))
            time.sleep(0.01)
        raise AssertionError("nothing in the queue")


class AmqpTools:
    protocol = "amqp"
    program = "amqp-publish"

    def __init__(self, broker, stream=None):
        host, port = broker.address("amqp")
        self.where = ["--server", host, "--port", str(port)]
        self.keeper = None
        if stream is not None:
            # The tool cannot bind a queue that lasts, so another client does it.
            self.keeper = Pika(broker, None)
            self.queue = "tools." + stream
            self.keeper.channel.queue_declare(self.queue)
            self.keeper.channel.queue_bind(self.queue, "amq.topic",
                                           Note(stream, None, b"").routing_key + ".#")

    def __enter__(self):
        return self

    def __exit__(self, *trouble):
        if self.keeper is not None:
            self.keeper.channel.queue_delete(self.queue)
            self.keeper.__exit__()

    def write(self, note):
        more = [] if note.content_type is None else ["-C", note.content_type]
        for name, value in note.headers:
            more += ["-H", "%s: %s" % (name, value)]
        subprocess.run(["amqp-publish", *self.where, "-e", "amq.topic", "-r", note.routing_key,
                        "-p", *more], input=note.value, check=True, timeout=SECONDS)

    def flush(self):
        pass

    def read(self):
        """The tool shows the value alone."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            done = subprocess.run(["amqp-get", *self.where, "-q", self.queue],
                                  stdout=subprocess.PIPE, timeout=SECONDS, check=False)
            if done.returncode == 0:
                return Seen(None, done.stdout, None, None, done)
            time.sleep(0.01)
        raise AssertionError("nothing in the queue")


# --- Kafka -----------------------------------------------------------------------------------

def text_pairs(headers):
    return [(name, None if value is None else value.decode("utf-8", "backslashreplace"))
            for name, value in headers or []]


def kafka_seen(topic, key, value, headers, raw):
    pairs = text_pairs(headers)
    kind = [text for name, text in pairs if name == "content-type"]
    return Seen((topic, None if key is None else key.decode("utf-8", "backslashreplace")),
                b"" if value is None else value, pairs, kind[0] if kind else None, raw)


def kafka_headers(note):
    headers = [(name, value.encode()) for name, value in note.headers]
    if note.content_type is not None:
        headers.append(("content-type", note.content_type.encode()))
    return headers


class KafkaPython:
    protocol = "kafka"

    def __init__(self, broker, stream=None, **options):
        self.server = broker.server("kafka")
        self.producer = self.consumer = None
        if stream is None:
            self.producer = kafka.KafkaProducer(bootstrap_servers=self.server, acks="all")
        else:
            self.consumer = kafka.KafkaConsumer(
                stream, bootstrap_servers=self.server, auto_offset_reset="earliest",
                metadata_max_age_ms=500, consumer_timeout_ms=int(SECONDS * 1000), **options)

    def __enter__(self):
        return self

    def __exit__(self, *trouble):
        for one in (self.producer, self.consumer):
            if one is not None:
                one.close()

    def write(self, note, timestamp_ms=None):
        self.last = self.producer.send(
            note.stream, note.value, None if note.subject is None else note.subject.encode(),
            kafka_headers(note), timestamp_ms=timestamp_ms)

    def flush(self):
        self.producer.flush(SECONDS)
        self.last.get(SECONDS)

    def read(self):
        message = next(self.consumer)
        return kafka_seen(message.topic, message.key, message.value, message.headers, message)


class Confluent:
    protocol = "kafka"

    def __init__(self, broker, stream=None):
        settings = {"bootstrap.servers": broker.server("kafka")}
        self.producer = self.consumer = None
        if stream is None:
            self.producer = confluent_kafka.Producer(dict(settings, **{"linger.ms": 1}))
        else:
            self.consumer = confluent_kafka.Consumer(dict(settings, **{
                "group.id": "readers of " + stream, "auto.offset.reset": "earliest",
                "topic.metadata.refresh.interval.ms": 500}))
            self.consumer.subscribe([stream])

    def __enter__(self):
        return self

    def __exit__(self, *trouble):
        if self.consumer is not None:
            self.consumer.close()

    def write(self, note, timestamp_ms=0):
        self.producer.produce(note.stream, note.value,
                              None if note.subject is None else note.subject.encode(),
                              headers=kafka_headers(note), timestamp=timestamp_ms)

    def flush(self):
        assert self.producer.flush(SECONDS) == 0

    def read(self):
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            message = self.consumer.poll(0.2)
            if message is None:
                continue
            if message.error():
                # The stream may come into being only with what is read from it.
                assert message.error().code() == confluent_kafka.KafkaError.UNKNOWN_TOPIC_OR_PART
                continue
            return kafka_seen(message.topic(), message.key(), message.value(), message.headers(),
                              message)
        raise AssertionError("nothing in the topic")


class Kcat:
    protocol = "kafka"
    program = "kcat"

    def __init__(self, broker, stream=None):
        self.server = broker.server("kafka")
        self.stream = stream
        self.at = 0

    def __enter__(self):
        return self

    def __exit__(self, *trouble):
        pass

    def write(self, note):
        more = [] if note.subject is None else ["-k", note.subject]
        for name, value in kafka_headers(note):
            more += ["-H", "%s=%s" % (name, value.decode())]
        subprocess.run(["kcat", "-q", "-b", self.server, "-P", "-t", note.stream, "-D", "\x1e",
                        *more], input=note.value, check=True, timeout=SECONDS)

    def flush(self):
        pass

    def read(self):
        done = subprocess.run(
            ["kcat", "-q", "-b", self.server, "-C", "-t", self.stream, "-p", "0", "-o",
             str(self.at), "-c", "1", "-J"], stdout=subprocess.PIPE, check=True, timeout=SECONDS)
        # kcat prints header values as they are, also those that are no text.
        told = json.loads(done.stdout.decode("utf-8", "replace"))
        self.at = told["offset"] + 1
        flat = told.get("headers") or []
        pairs = [(flat[i], flat[i + 1].encode()) for i in range(0, len(flat), 2)]
        key = told["key"]
        return kafka_seen(told["topic"], None if key is None else key.encode(),
                          told["payload"].encode(), pairs, told)


PRIMARY = (Paho, Pika, KafkaPython)
SECONDARY = tuple(side for side in (MosquittoTools, AmqpTools, Kcat, Confluent)
                  if shutil.which(getattr(side, "program", "true")))
