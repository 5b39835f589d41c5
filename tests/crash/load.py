# SPDX-License-Identifier: Apache-2.0
"""Clients on raw sockets that keep a broker busy and write down what it has acknowledged.

Each producer numbers its messages from 0 and never uses a number twice for another message. Its
History has every number that left for the broker and every number that was acknowledged.
"""

import collections
import io
import os
import random
import socket
import struct
import threading
import time
import zlib

import pika
import pika.frame
from kafka.protocol.api import RequestHeader
from kafka.protocol.admin import CreateTopicsRequest
from kafka.protocol.commit import OffsetCommitRequest, OffsetFetchRequest
from kafka.protocol.fetch import FetchRequest
from kafka.protocol.offset import OffsetRequest
from kafka.protocol.produce import ProduceRequest
from kafka.record.default_records import DefaultRecordBatchBuilder

from tercet import SCALE

spec = pika.spec
SECONDS = 15 * SCALE


class Gone(Exception):
    """The broker ended the connection."""


class Wrong(AssertionError):
    """The broker broke a promise."""


def require(condition, *what):
    if not condition:
        raise Wrong(" ".join(str(one) for one in what))


def payload(producer, number):
    """Text of many sizes that tells whose it is and whether it is whole."""
    head = b"%s %d " % (producer.encode(), number)
    return head + b"%08x" % zlib.crc32(head) * (1 + number * 7 % 61)


def of_payload(value):
    """(producer, number) of a payload; fails when it is not one."""
    parts = value.split(b" ", 2)
    require(len(parts) == 3, "not a payload:", value[:80])
    producer, number = parts[0].decode(), int(parts[1])
    require(value == payload(producer, number), "damaged:", value[:80])
    return producer, number


class Numbers:
    """A set of small numbers, a byte each: millions of them are subtracted at once."""

    def __init__(self):
        self.flags = bytearray()

    def add(self, number):
        if number >= len(self.flags):
            self.flags.extend(bytes(number + 1024 - len(self.flags)))
        self.flags[number] = 1

    def __contains__(self, number):
        return number < len(self.flags) and self.flags[number] == 1

    def __len__(self):
        return sum(self.flags)

    def minus(self, other):
        """Those that are not in the other, in order."""
        rest = int.from_bytes(self.flags, "little") & ~int.from_bytes(other.flags, "little")
        if rest == 0:
            return []
        flags = rest.to_bytes(len(self.flags), "little")
        return [number for number, flag in enumerate(flags) if flag]


class History:
    """What one producer sent and what was acknowledged, also as a file."""

    def __init__(self, folder, name):
        self.name = name
        self.sent = 0  # numbers below were handed to the socket, or were about to be
        self.acked = Numbers()
        self.file = open(os.path.join(folder, name), "a", encoding="ascii")

    def take(self, count):
        first, self.sent = self.sent, self.sent + count
        self.file.write("sent %d %d\n" % (first, count))
        return range(first, first + count)

    def ack(self, numbers):
        numbers = list(numbers)
        for number in numbers:
            self.acked.add(number)
        self.file.write("acked %s\n" % " ".join(map(str, numbers)))

    def flush(self):
        self.file.flush()


class Wire:
    """A connection whose end is `Gone`, whatever the system calls it."""

    def __init__(self, address):
        try:
            self.sock = socket.create_connection(address, timeout=SECONDS)
        except OSError as error:
            raise Gone() from error
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray()

    def send(self, data):
        try:
            self.sock.sendall(data)
        except socket.timeout as error:
            raise Wrong("the broker does not read") from error
        except OSError as error:
            raise Gone() from error

    def more(self, seconds=SECONDS):
        """Adds what comes to the buffer; False when nothing came in time."""
        self.sock.settimeout(seconds)
        try:
            data = self.sock.recv(1 << 18)
        except socket.timeout:
            return False
        except OSError as error:
            raise Gone() from error
        finally:
            self.sock.settimeout(SECONDS)
        if not data:
            raise Gone()
        self.buffer += data
        return True

    def take(self, count):
        data = bytes(self.buffer[:count])
        del self.buffer[:count]
        return data

    def need(self, count):
        while len(self.buffer) < count:
            require(self.more(), "no answer")
        return self.take(count)

    def close(self):
        self.sock.close()


# --- MQTT 3.1.1 ------------------------------------------------------------------------------

CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBACK, DISCONNECT = 2, 3, 4, 5, 6, 7, 9, 14


def mqtt_packet(first, body):
    head, left = bytearray([first]), len(body)
    while True:
        head.append(left & 127 | (128 if left > 127 else 0))
        left >>= 7
        if left == 0:
            return bytes(head) + body


def mqtt_text(text):
    data = text.encode()
    return struct.pack(">H", len(data)) + data


def mqtt_publish(topic, packet_id, value, qos, dup=False):
    return mqtt_packet(PUBLISH << 4 | dup << 3 | qos << 1,
                       mqtt_text(topic) + struct.pack(">H", packet_id) + value)


class Mqtt(Wire):
    def __init__(self, address, client_id, clean):
        super().__init__(address)
        self.send(mqtt_packet(0x10, mqtt_text("MQTT") + bytes([4, 2 if clean else 0, 0, 0]) +
                              mqtt_text(client_id)))
        kind, body = self.packet()
        require(kind >> 4 == CONNACK and body[1] == 0, "CONNECT refused:", body)
        self.session_present = body[0]

    def whole(self):
        """The first whole packet of the buffer, or None."""
        length, shift = 0, 0
        for at in range(1, 5):
            if at >= len(self.buffer):
                return None
            length |= (self.buffer[at] & 127) << shift
            shift += 7
            if self.buffer[at] < 128:
                if len(self.buffer) < at + 1 + length:
                    return None
                data = self.take(at + 1 + length)
                return data[0], data[at + 1:]
        raise Wrong("no MQTT")

    def packet(self, seconds=SECONDS):
        """The next packet, or None in time."""
        while True:
            found = self.whole()
            if found is not None:
                return found
            if not self.more(seconds):
                require(seconds < SECONDS, "no answer")
                return None


def split_publish(first, body):
    """(topic, packet id, value, dup) of a PUBLISH with a packet id."""
    length, = struct.unpack_from(">H", body)
    packet_id, = struct.unpack_from(">H", body, 2 + length)
    return body[2:2 + length].decode(), packet_id, body[4 + length:], bool(first & 8)


class Worker:
    """Something that runs in a thread until the broker is gone or it is told to stop."""

    def __init__(self, bench):
        self.bench = bench
        self.trouble = None
        self.stopping = False

    def start(self):
        self.thread = threading.Thread(target=self.guarded, daemon=True)
        self.thread.start()

    def guarded(self):
        try:
            self.run()
        except Gone:
            pass
        except Exception as error:  # pylint: disable=broad-except # shown by join()
            self.trouble = error

    def breathe(self):
        """So that a life has a few thousand messages, at moments that differ."""
        if not self.stopping:
            time.sleep(random.uniform(0, self.bench.pause_seconds))

    def join(self):
        self.stopping = True
        self.thread.join(3 * SECONDS)
        require(not self.thread.is_alive(), type(self).__name__, "hangs")
        if self.trouble is not None:
            raise self.trouble


class MqttOnce(Worker):
    """QoS 1 with many on the way; what was not acknowledged when the broker died is let go."""

    window = 30

    def __init__(self, bench, name, topic):
        super().__init__(bench)
        self.topic = topic
        self.history = bench.history(name)

    def run(self):
        wire = Mqtt(self.bench.address("mqtt"), self.history.name, True)
        way = {}
        while way or not self.stopping:
            if len(way) <= self.window // 2 and not self.stopping:
                packets = []
                for number in self.history.take(self.window - len(way)):
                    way[number % 65535 + 1] = number
                    packets.append(mqtt_publish(self.topic, number % 65535 + 1,
                                                payload(self.history.name, number), 1))
                wire.send(b"".join(packets))
            self.take_acks(wire, way)
            self.breathe()

    def take_acks(self, wire, way):
        acked = []
        found = wire.packet()
        while found is not None:
            require(found[0] >> 4 == PUBACK, "unexpected packet", found)
            acked.append(way.pop(struct.unpack(">H", found[1][:2])[0]))
            found = wire.whole()
        self.history.ack(acked)


class MqttExactly(Worker):
    """QoS 2 in a lasting session: what was on the way when the broker died is finished later."""

    window = 20

    def __init__(self, bench, name, topic):
        super().__init__(bench)
        self.topic = topic
        self.history = bench.history(name)
        self.way = {}  # packet id -> [number, was received]
        self.has_session = False

    def run(self):
        wire = Mqtt(self.bench.address("mqtt"), self.history.name, False)
        require(wire.session_present or not self.has_session, "the session is lost")
        self.has_session = True
        self.resume(wire)
        while self.way or not self.stopping:
            if len(self.way) <= self.window // 2 and not self.stopping:
                packets = []
                for number in self.history.take(self.window - len(self.way)):
                    packet_id = number % 65535 + 1
                    self.way[packet_id] = [number, False]
                    packets.append(mqtt_publish(self.topic, packet_id,
                                                payload(self.history.name, number), 2))
                wire.send(b"".join(packets))
            self.handle(wire)
            self.breathe()

    def resume(self, wire):
        for packet_id, (number, was_received) in self.way.items():
            if was_received:
                wire.send(mqtt_packet(PUBREL << 4 | 2, struct.pack(">H", packet_id)))
            else:
                wire.send(mqtt_publish(self.topic, packet_id,
                                       payload(self.history.name, number), 2, dup=True))

    def handle(self, wire):
        done, answers = [], []
        found = wire.packet()
        while found is not None:
            packet_id, = struct.unpack(">H", found[1][:2])
            if found[0] >> 4 == PUBREC:
                self.way[packet_id][1] = True
                answers.append(mqtt_packet(PUBREL << 4 | 2, found[1][:2]))
            else:
                require(found[0] >> 4 == PUBCOMP, "unexpected packet", found)
                require(self.way[packet_id][1], "PUBCOMP before PUBREC")
                done.append(self.way.pop(packet_id)[0])
            found = wire.whole()
        self.history.ack(done)
        if answers:
            wire.send(b"".join(answers))


class MqttKeeper(Worker):
    """A lasting session that subscribes with QoS 1 and writes down what it got."""

    def __init__(self, bench, name, topic_filter):
        super().__init__(bench)
        self.name = name
        self.filter = topic_filter
        self.got = collections.defaultdict(Numbers)
        self.subscribed = False

    def open(self):
        wire = Mqtt(self.bench.address("mqtt"), self.name, False)
        require(wire.session_present or not self.subscribed, "the session is lost")
        if not self.subscribed:
            wire.send(mqtt_packet(0x82, b"\x00\x01" + mqtt_text(self.filter) + b"\x01"))
            kind, body = wire.packet()
            require(kind >> 4 == SUBACK and body[2] == 1, "SUBSCRIBE refused", body)
            self.subscribed = True
        self.last = {}  # of this connection
        return wire

    def take(self, wire, seconds):
        """Takes what has come and acknowledges it; False when nothing came in time."""
        found = wire.packet(seconds)
        if found is None:
            return False
        answers = []
        while found is not None:
            require(found[0] >> 4 == PUBLISH, "unexpected packet", found)
            _, packet_id, value, _ = split_publish(*found)
            producer, number = of_payload(value)
            require(number > self.last.get(producer, -1), "session: order of", producer, number,
                    "after", self.last.get(producer))
            require(number < self.bench.histories[producer].sent, "session: phantom", producer,
                    number)
            self.last[producer] = number
            self.got[producer].add(number)
            answers.append(mqtt_packet(PUBACK << 4, struct.pack(">H", packet_id)))
            found = wire.whole()
        wire.send(b"".join(answers))
        return True

    def run(self):
        wire = self.open()
        while not self.stopping:
            self.take(wire, 0.1)

    def drain(self, producers):
        """After a restart: the session holds all that was acknowledged and not yet received."""
        wire = self.open()
        while self.bench.missing(producers, self.got):
            require(self.take(wire, SECONDS / 2), "session: lost",
                    self.bench.missing(producers, self.got))
        wire.send(mqtt_packet(DISCONNECT << 4, b""))
        wire.close()


# --- AMQP ------------------------------------------------------------------------------------

class Amqp(Wire):
    def __init__(self, address, client_properties=None):
        super().__init__(address)
        self.send(b"AMQP\x00\x00\x09\x01")
        self.expect(spec.Connection.Start)
        self.method(0, spec.Connection.StartOk(client_properties or {}, "PLAIN",
                                               b"\x00guest\x00guest", "en_US"))
        tune = self.expect(spec.Connection.Tune)
        self.frame_max = tune.frame_max or 131072
        self.method(0, spec.Connection.TuneOk(tune.channel_max, self.frame_max, 0))
        self.method(0, spec.Connection.Open("/"))
        self.expect(spec.Connection.OpenOk)
        self.method(1, spec.Channel.Open())
        self.expect(spec.Channel.OpenOk)

    def method(self, channel, method):
        self.send(pika.frame.Method(channel, method).marshal())

    def whole(self):
        used, frame = pika.frame.decode_frame(bytes(self.buffer[:self.first_length()]))
        if used:
            del self.buffer[:used]
        return frame

    def first_length(self):
        if len(self.buffer) < 7:
            return len(self.buffer)
        return 8 + struct.unpack_from(">I", self.buffer, 3)[0]

    def frame(self, seconds=SECONDS):
        while True:
            found = self.whole()
            if found is not None:
                return found
            if not self.more(seconds):
                require(seconds < SECONDS, "no answer")
                return None

    def expect(self, kind):
        found = self.frame()
        while isinstance(found, pika.frame.Heartbeat):
            found = self.frame()
        require(isinstance(getattr(found, "method", None), kind), "wanted", kind, "got", found)
        return found.method

    def ask(self, method, kind):
        self.method(1, method)
        return self.expect(kind)

    def delivery(self, seconds=SECONDS):
        """The next (delivery tag, body), or None in time."""
        found = self.frame(seconds)
        if found is None:
            return None
        require(isinstance(found.method, spec.Basic.Deliver), "unexpected", found)
        header = self.frame()
        parts, size = [], 0
        while size < header.body_size:
            parts.append(self.frame().fragment)
            size += len(parts[-1])
        return found.method.delivery_tag, b"".join(parts)

    def end(self):
        """Closes as the protocol asks for it; what is still delivered is dropped."""
        self.method(0, spec.Connection.Close(200, "done", 0, 0))
        while not isinstance(getattr(self.frame(), "method", None), spec.Connection.CloseOk):
            pass
        self.close()


class AmqpConfirmed(Worker):
    """Persistent messages with publisher confirms, many on the way."""

    window = 30

    def __init__(self, bench, name, exchange, routing_key):
        super().__init__(bench)
        self.history = bench.history(name)
        self.head = pika.frame.Method(1, spec.Basic.Publish(
            exchange=exchange, routing_key=routing_key)).marshal()
        self.properties = spec.BasicProperties(delivery_mode=2, content_type="text/plain")

    def publish(self, number):
        body = payload(self.history.name, number)
        return b"".join((self.head, pika.frame.Header(1, len(body), self.properties).marshal(),
                         pika.frame.Body(1, body).marshal()))

    def run(self):
        wire = Amqp(self.bench.address("amqp"))
        wire.ask(spec.Confirm.Select(), spec.Confirm.SelectOk)
        tags, way = 0, {}
        while way or not self.stopping:
            if len(way) <= self.window // 2 and not self.stopping:
                data = []
                for number in self.history.take(self.window - len(way)):
                    tags += 1
                    way[tags] = number
                    data.append(self.publish(number))
                wire.send(b"".join(data))
            self.take_confirms(wire, way)
            self.breathe()

    def take_confirms(self, wire, way):
        acked = []
        found = wire.frame()
        while found is not None:
            method = getattr(found, "method", None)
            if isinstance(method, spec.Basic.Nack):
                require(False, "a nack without a reason")
            require(isinstance(method, spec.Basic.Ack), "unexpected", found)
            tags = [tag for tag in way if tag <= method.delivery_tag] if method.multiple \
                else [method.delivery_tag]
            acked += [way.pop(tag) for tag in tags]
            found = wire.whole()
        self.history.ack(acked)


class AmqpConsumer(Worker):
    """Consumes a durable queue with manual acks while the broker is killed, and in peace."""

    def __init__(self, bench, queue):
        super().__init__(bench)
        self.queue = queue
        self.got = collections.defaultdict(Numbers)
        self.settled = collections.defaultdict(Numbers)  # their ack was followed by a confirm
        self.acked = []                                  # acknowledged since the last such confirm

    def open(self, prefetch):
        wire = Amqp(self.bench.address("amqp"))
        wire.ask(spec.Queue.Declare(queue=self.queue, durable=True), spec.Queue.DeclareOk)
        wire.ask(spec.Basic.Qos(prefetch_count=prefetch), spec.Basic.QosOk)
        self.last = {}  # of this connection
        return wire

    def take(self, wire, seconds):
        found = wire.delivery(seconds)
        if found is None:
            return None
        tag, body = found
        producer, number = of_payload(body)
        require(number < self.bench.histories[producer].sent, "queue: phantom", producer, number)
        require(number not in self.settled[producer], "queue: settled and back again",
                producer, number)
        require(number > self.last.get(producer, -1), "queue: order of", producer, number, "after",
                self.last.get(producer))
        self.last[producer] = number
        self.got[producer].add(number)
        self.acked.append((producer, number))
        return tag

    def run(self):
        wire = self.open(50)
        wire.ask(spec.Basic.Consume(queue=self.queue), spec.Basic.ConsumeOk)
        count = 0
        while not self.stopping:
            tag = self.take(wire, 0.1)
            count += tag is not None
            if tag is not None and count % 10 == 0:
                wire.method(1, spec.Basic.Ack(delivery_tag=tag, multiple=True))
        wire.end()

    def drain(self, producers):
        """After a restart: everything is taken out; then the acks are made durable by a confirm."""
        self.acked = []
        wire = self.open(0)
        left = wire.ask(spec.Queue.Declare(queue=self.queue, passive=True),
                        spec.Queue.DeclareOk).message_count
        wire.ask(spec.Basic.Consume(queue=self.queue), spec.Basic.ConsumeOk)
        tag = 0
        for _ in range(left):
            tag = self.take(wire, SECONDS / 2)
            require(tag is not None, "queue: fewer than it told")
        lost = self.bench.missing(producers, self.got)
        require(not lost, "queue: lost", lost)
        if left > 0:
            wire.method(1, spec.Basic.Ack(delivery_tag=tag, multiple=True))
        self.settle(wire)
        wire.end()

    def settle(self, wire):
        """A publish that is confirmed after the acks shows that they are on disk as well."""
        marks = self.queue + "-marks"
        wire.ask(spec.Queue.Declare(queue=marks, durable=True), spec.Queue.DeclareOk)
        wire.ask(spec.Confirm.Select(), spec.Confirm.SelectOk)
        wire.send(b"".join((
            pika.frame.Method(1, spec.Basic.Publish(exchange="", routing_key=marks)).marshal(),
            pika.frame.Header(1, 1, spec.BasicProperties(delivery_mode=2)).marshal(),
            pika.frame.Body(1, b"x").marshal())))
        wire.expect(spec.Basic.Ack)
        for producer, number in self.acked:
            self.settled[producer].add(number)
        self.acked = []


# --- Kafka -----------------------------------------------------------------------------------

class Kafka(Wire):
    def __init__(self, address):
        super().__init__(address)
        self.correlation = 0

    def put(self, request):
        """Sends without waiting; gives the correlation id."""
        self.correlation += 1
        # The header has to be kept: its encode() holds it only weakly.
        header = RequestHeader(request, correlation_id=self.correlation, client_id="crash")
        data = header.encode() + request.encode()
        self.send(struct.pack(">i", len(data)) + data)
        return self.correlation

    def get(self, correlation, kind):
        length, = struct.unpack(">i", self.need(4))
        data = self.need(length)
        require(struct.unpack(">i", data[:4])[0] == correlation, "answers out of order")
        return kind.decode(io.BytesIO(data[4:]))

    def ask(self, request):
        return self.get(self.put(request), request.RESPONSE_TYPE)

    def create(self, topic, partitions):
        answer = self.ask(CreateTopicsRequest[0](
            create_topic_requests=[(topic, partitions, 1, [], [])], timeout=10000))
        require(answer.topic_errors[0][1] in (0, 36), "create:", answer)

    def ends(self, topic, partition):
        """(earliest, latest)."""
        told = []
        for when in (-2, -1):
            answer = self.ask(OffsetRequest[1](-1, [(topic, [(partition, when)])]))
            _, error, _, offset = answer.topics[0][1][0]
            require(error == 0, "ListOffsets:", error)
            told.append(offset)
        return told

    def fetch(self, topic, partition, offset):
        """(high watermark, bytes)."""
        answer = self.ask(FetchRequest[4](-1, 0, 1, 4 << 20, 0,
                                          [(topic, [(partition, offset, 4 << 20)])]))
        _, error, high, _, _, data = answer.topics[0][1][0]
        require(error == 0, "fetch at", offset, "of", topic, "error", error)
        return high, data

    def init_producer(self):
        data = struct.pack(">hhi", 22, 0, 7777) + mqtt_text("crash") + struct.pack(">hi", -1, 1000)
        self.send(struct.pack(">i", len(data)) + data)
        answer = self.need(struct.unpack(">i", self.need(4))[0])
        correlation, _, error, producer_id, epoch = struct.unpack(">iihqh", answer)
        require(correlation == 7777 and error == 0, "InitProducerId:", answer)
        return producer_id, epoch


class KafkaProducer(Worker):
    """Batches with acks=all; with `idempotent`, what was on the way is sent again later."""

    window = 4

    def __init__(self, bench, name, topic, partition=0, idempotent=False):
        super().__init__(bench)
        self.history = bench.history(name)
        self.topic, self.partition = topic, partition
        self.idempotent = idempotent
        self.producer = (-1, -1)
        self.way = []  # (numbers, batch)

    def batch(self, numbers):
        builder = DefaultRecordBatchBuilder(
            2, 0, False, self.producer[0], self.producer[1],
            numbers[0] if self.idempotent else -1, 1 << 20)
        for at, number in enumerate(numbers):
            builder.append(at, self.bench.now_ms(), b"key %d" % (number % 5),
                           payload(self.history.name, number), [])
        return bytes(builder.build())

    def request(self, batch):
        return ProduceRequest[7](transactional_id=None, required_acks=-1, timeout=30000,
                                 topics=[(self.topic, [(self.partition, batch)])])

    def run(self):
        wire = Kafka(self.bench.address("kafka"))
        if self.idempotent and self.producer[0] < 0:
            self.producer = wire.init_producer()
        if not self.idempotent:
            self.way = []
        waiting = [wire.put(self.request(batch)) for _, batch in self.way]
        while self.way or not self.stopping:
            while len(self.way) < self.window and not self.stopping:
                numbers = self.history.take(random.choice((1, 3, 10, 20)))
                self.way.append((numbers, self.batch(numbers)))
                waiting.append(wire.put(self.request(self.way[-1][1])))
            answer = wire.get(waiting.pop(0), ProduceRequest[7].RESPONSE_TYPE)
            error = answer.topics[0][1][0][1]
            # 46: it was stored before, which is what an idempotent producer wants to hear.
            require(error == 0 or self.idempotent and error == 46, "produce:", error)
            self.history.ack(self.way.pop(0)[0])
            self.breathe()


class KafkaCommitter(Worker):
    """Commits rising offsets of a group, one at a time."""

    def __init__(self, bench, group, topic):
        super().__init__(bench)
        self.group, self.topic = group, topic
        self.sent = self.acked = -1

    def run(self):
        wire = Kafka(self.bench.address("kafka"))
        while not self.stopping:
            self.sent += 1
            answer = wire.ask(OffsetCommitRequest[2](
                self.group, -1, "", -1, [(self.topic, [(0, self.sent, "m%d" % self.sent)])]))
            error = answer.topics[0][1][0][1]
            require(error == 0, "OffsetCommit:", error)
            self.acked = self.sent
            self.breathe()

    def check(self, wire):
        answer = wire.ask(OffsetFetchRequest[1](self.group, [(self.topic, [0])]))
        _, offset, metadata, error = answer.topics[0][1][0]
        require(error == 0, "OffsetFetch:", error)
        require(self.acked <= offset <= self.sent, "group: committed", offset, "acknowledged",
                self.acked, "sent", self.sent)
        require(offset < 0 or metadata == "m%d" % offset, "group: metadata", metadata)
