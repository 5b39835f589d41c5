# SPDX-License-Identifier: Apache-2.0
"""Connections on raw sockets, one class for each protocol, that end in `Gone`."""

import io
import socket
import struct

import mqtt_raw as mqtt
import pika
import pika.frame
from kafka.protocol.api import RequestHeader
from kafka.protocol.admin import CreateTopicsRequest
from kafka.protocol.commit import OffsetCommitRequest, OffsetFetchRequest
from kafka.protocol.fetch import FetchRequest
from kafka.protocol.offset import OffsetRequest

from tercet import SCALE

spec = pika.spec
SECONDS = 60 * SCALE  # until an answer counts as missing
NEVER_EXPIRES = 0xffffffff
OUT_OF_RANGE, TOPIC_EXISTS = 1, 36


class Gone(Exception):
    """The broker ended the connection."""


class Wrong(AssertionError):
    """The broker did what the protocol does not allow."""


def require(condition, *what):
    if not condition:
        raise Wrong(" ".join(str(one) for one in what))


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
        try:
            self.sock.settimeout(seconds)
            data = self.sock.recv(1 << 18)
            self.sock.settimeout(SECONDS)
        except socket.timeout:
            return False
        except OSError as error:
            raise Gone() from error
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

    def next(self, seconds=SECONDS):
        """The next packet or frame, or None in a time that is shorter than SECONDS."""
        while True:
            found = self.whole()
            if found is not None:
                return found
            if not self.more(seconds):
                require(seconds < SECONDS, "no answer")
                return None

    def whole(self):
        raise NotImplementedError

    def close(self):
        self.sock.close()


class Mqtt(Wire):
    """MQTT 5. A session that is not clean never expires."""

    def __init__(self, address, client_id, clean, receive_max=None):
        super().__init__(address)
        props = [] if clean else [(mqtt.SESSION_EXPIRY, NEVER_EXPIRES)]
        if receive_max is not None:
            props.append((mqtt.RECEIVE_MAX, receive_max))
        self.send(mqtt.connect(client_id, clean=clean, keep_alive=0, props=props))
        found = self.expect(mqtt.CONNACK)
        require(found.reason == 0, "CONNECT refused:", found)
        self.session_present = found.present

    def whole(self):
        length = shift = 0
        for at in range(1, min(5, len(self.buffer))):
            length |= (self.buffer[at] & 127) << shift
            shift += 7
            if self.buffer[at] < 128:
                if len(self.buffer) < at + 1 + length:
                    return None
                data = self.take(at + 1 + length)
                return mqtt.Packet(data[0], data[at + 1:], 5, len(data))
        require(len(self.buffer) < 5, "no MQTT")
        return None

    def expect(self, kind):
        found = self.next()
        require(found.type == kind, "wanted type", kind, "got", found)
        return found

    def subscribe(self, filter_, qos):
        self.send(mqtt.subscribe(1, [(filter_, qos)]))
        found = self.expect(mqtt.SUBACK)
        require(found.codes == [qos], "SUBSCRIBE refused:", found)

    def ping_and_end(self):
        self.send(mqtt.PING)
        self.expect(mqtt.PINGRESP)
        self.end()

    def end(self):
        self.send(mqtt.disconnect())
        self.close()


class Amqp(Wire):
    """One connection with one channel."""

    def __init__(self, address):
        super().__init__(address)
        self.send(b"AMQP\x00\x00\x09\x01")
        self.expect(spec.Connection.Start)
        self.method(0, spec.Connection.StartOk({}, "PLAIN", b"\x00guest\x00guest", "en_US"))
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

    def expect(self, kind):
        found = self.next()
        while isinstance(found, pika.frame.Heartbeat):
            found = self.next()
        require(isinstance(getattr(found, "method", None), kind), "wanted", kind, "got", found)
        return found.method

    def ask(self, method, kind):
        self.method(1, method)
        return self.expect(kind)

    def content(self):
        """(properties, body) that follow a method."""
        header = self.next()
        parts, size = [], 0
        while size < header.body_size:
            parts.append(self.next().fragment)
            size += len(parts[-1])
        return header.properties, b"".join(parts)

    def publishing(self, exchange, routing_key, properties, body, mandatory=False):
        """The bytes of one basic.publish."""
        parts = [pika.frame.Method(1, spec.Basic.Publish(
            exchange=exchange, routing_key=routing_key, mandatory=mandatory)).marshal(),
                 pika.frame.Header(1, len(body), properties).marshal()]
        most = self.frame_max - 8
        parts += [pika.frame.Body(1, body[at:at + most]).marshal()
                  for at in range(0, len(body), most)]
        return b"".join(parts)

    def end(self):
        """Closes as the protocol asks for it; what is still delivered is dropped."""
        self.method(0, spec.Connection.Close(200, "done", 0, 0))
        while not isinstance(getattr(self.next(), "method", None), spec.Connection.CloseOk):
            pass
        self.close()


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

    def create(self, topic, partitions, configs=()):
        answer = self.ask(CreateTopicsRequest[0](
            create_topic_requests=[(topic, partitions, 1, [], list(configs))], timeout=10000))
        require(answer.topic_errors[0][1] in (0, TOPIC_EXISTS), "create:", answer)

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
        """The bytes, or None: out of range."""
        answer = self.ask(FetchRequest[4](-1, 0, 1, 4 << 20, 0,
                                          [(topic, [(partition, offset, 4 << 20)])]))
        _, error, _, _, _, data = answer.topics[0][1][0]
        require(error in (0, OUT_OF_RANGE), "fetch at", offset, "of", topic, "error", error)
        return data if error == 0 else None

    def init_producer(self):
        data = struct.pack(">hhih", 22, 0, 7777, 5) + b"crash" + struct.pack(">hi", -1, 1000)
        self.send(struct.pack(">i", len(data)) + data)
        answer = self.need(struct.unpack(">i", self.need(4))[0])
        correlation, _, error, producer_id, epoch = struct.unpack(">iihqh", answer)
        require(correlation == 7777 and error == 0, "InitProducerId:", answer)
        return producer_id, epoch

    def commit(self, group, topic, offset):
        answer = self.ask(OffsetCommitRequest[2](group, -1, "", -1,
                                                 [(topic, [(0, offset, "m%d" % offset)])]))
        error = answer.topics[0][1][0][1]
        require(error == 0, "OffsetCommit:", error)

    def committed(self, group, topic):
        answer = self.ask(OffsetFetchRequest[1](group, [(topic, [0])]))
        _, offset, metadata, error = answer.topics[0][1][0]
        require(error == 0, "OffsetFetch:", error)
        require(offset < 0 or metadata == "m%d" % offset, "group: metadata", metadata, "at", offset)
        return offset
