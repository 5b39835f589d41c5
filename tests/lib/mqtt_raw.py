# SPDX-License-Identifier: Apache-2.0
"""Raw MQTT packets over a socket, for the wire tests: builders, a strict parser, a client.

    with Client(broker.address("mqtt"), version=5) as c:
        c.connect("id")
        c.send(subscribe(1, [("a/#", 1)]))
        assert c.expect(SUBACK).codes == [1]

Everything that is read is checked: overlong lengths, unknown properties or reserved bits in what a
server sends are failures of the test.
"""

import select
import socket
import struct
import time

from tercet import SCALE

(CONNECT, CONNACK, PUBLISH, PUBACK, PUBREC, PUBREL, PUBCOMP, SUBSCRIBE, SUBACK, UNSUBSCRIBE,
 UNSUBACK, PINGREQ, PINGRESP, DISCONNECT, AUTH) = range(1, 16)

PAYLOAD_FORMAT, EXPIRY, CONTENT_TYPE = 1, 2, 3
RESPONSE_TOPIC, CORRELATION, SUB_ID = 8, 9, 11
SESSION_EXPIRY, ASSIGNED_ID, SERVER_KEEP_ALIVE = 17, 18, 19
AUTH_METHOD, AUTH_DATA, PROBLEM_INFO, WILL_DELAY, RESPONSE_WANTED = 21, 22, 23, 24, 25
RESPONSE_INFO, SERVER_REFERENCE, REASON = 26, 28, 31
RECEIVE_MAX, ALIAS_MAX, ALIAS, MAX_QOS, RETAIN_AVAILABLE = 33, 34, 35, 36, 37
USER, PACKET_MAX, WILDCARD, SUB_IDS, SHARED = 38, 39, 40, 41, 42

BYTE, TWO, FOUR, VARINT, TEXT, BINARY, PAIR = range(7)
SHAPES = {1: BYTE, 2: FOUR, 3: TEXT, 8: TEXT, 9: BINARY, 11: VARINT, 17: FOUR, 18: TEXT, 19: TWO,
          21: TEXT, 22: BINARY, 23: BYTE, 24: FOUR, 25: BYTE, 26: TEXT, 28: TEXT, 31: TEXT,
          33: TWO, 34: TWO, 35: TWO, 36: BYTE, 37: BYTE, 38: PAIR, 39: FOUR, 40: BYTE, 41: BYTE,
          42: BYTE}

# what a server may put where (table 2-4 of MQTT 5)
SERVER_MAY = {
    CONNACK: {17, 33, 36, 37, 39, 18, 34, 31, 38, 40, 41, 42, 19, 26, 28, 21, 22},
    PUBLISH: {1, 2, 3, 8, 9, 11, 35, 38},
    PUBACK: {31, 38}, PUBREC: {31, 38}, PUBREL: {31, 38}, PUBCOMP: {31, 38},
    SUBACK: {31, 38}, UNSUBACK: {31, 38},
    DISCONNECT: {31, 38, 28},  # and never 17: 3.14.2-2
    AUTH: {21, 22, 31, 38},
}


def raw(data):
    return data.encode("utf-8") if isinstance(data, str) else bytes(data)


def string(data):
    data = raw(data)
    return struct.pack(">H", len(data)) + data


def varint(value):
    out = bytearray()
    while True:
        value, low = divmod(value, 128)
        out.append(low | (128 if value else 0))
        if not value:
            return bytes(out)


def value_bytes(prop, value):
    shape = SHAPES.get(prop, BINARY)
    if shape == PAIR:
        return string(value[0]) + string(value[1])
    if shape in (TEXT, BINARY):
        return string(value)
    if shape == VARINT:
        return varint(value)
    return value.to_bytes({BYTE: 1, TWO: 2, FOUR: 4}[shape], "big")


def properties(items):
    """`items`: (id, value) pairs, or bytes as they stand."""
    body = items if isinstance(items, bytes) else b"".join(
        bytes([prop]) + value_bytes(prop, value) for prop, value in items)
    return varint(len(body)) + body


def packet(first, body=b""):
    return bytes([first]) + varint(len(body)) + body


def connect(client_id="", version=5, clean=True, keep_alive=60, props=(), will=None, user=None,
            password=None, name=None, flags=None, level=None, tail=b""):
    """`will`: a dict of topic, payload, qos, retain, props."""
    bits = 2 if clean else 0
    if will is not None:
        bits |= 4 | will.get("qos", 0) << 3 | (32 if will.get("retain") else 0)
    if user is not None:
        bits |= 128
    if password is not None:
        bits |= 64
    body = string(name if name is not None else "MQIsdp" if version == 3 else "MQTT")
    body += bytes([version if level is None else level, bits if flags is None else flags])
    body += struct.pack(">H", keep_alive)
    if version >= 5:
        body += properties(props)
    body += string(client_id)
    if will is not None:
        if version >= 5:
            body += properties(will.get("props", ()))
        body += string(will["topic"]) + string(will.get("payload", b""))
    if user is not None:
        body += string(user)
    if password is not None:
        body += string(password)
    return packet(0x10, body + tail)


def publish(topic, payload=b"", qos=0, pid=None, retain=False, dup=False, props=(), version=5):
    body = string(topic)
    if pid is not None:
        body += struct.pack(">H", pid)
    if version >= 5:
        body += properties(props)
    return packet(0x30 | (8 if dup else 0) | qos << 1 | (1 if retain else 0), body + raw(payload))


def ack(kind, pid, reason=None, props=None):
    body = struct.pack(">H", pid)
    if reason is not None:
        body += bytes([reason])
    if props is not None:
        body += properties(props)
    return packet(kind << 4 | (2 if kind == PUBREL else 0), body)


def subscribe(pid, filters, props=(), version=5):
    """`filters`: (filter, options) pairs."""
    body = struct.pack(">H", pid) + (properties(props) if version >= 5 else b"")
    return packet(0x82, body + b"".join(string(f) + bytes([o]) for f, o in filters))


def unsubscribe(pid, filters, props=(), version=5):
    body = struct.pack(">H", pid) + (properties(props) if version >= 5 else b"")
    return packet(0xa2, body + b"".join(string(f) for f in filters))


def disconnect(reason=None, props=None):
    body = b"" if reason is None else bytes([reason])
    return packet(0xe0, body + (b"" if props is None else properties(props)))


def auth(reason=None, props=None):
    body = b"" if reason is None else bytes([reason])
    return packet(0xf0, body + (b"" if props is None else properties(props)))


PING = packet(0xc0)


class Reader:
    """Reads a body strictly."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def take(self, n):
        assert self.at + n <= len(self.data), "the server's packet is cut: %s" % self.data.hex()
        part = self.data[self.at:self.at + n]
        self.at += n
        return part

    def number(self, n):
        return int.from_bytes(self.take(n), "big")

    def text(self):
        return self.take(self.number(2)).decode("utf-8")

    def varint(self):
        value = shift = 0
        while True:
            byte = self.number(1)
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                assert shift == 7 or byte != 0, "overlong variable byte integer"
                return value
            assert shift < 28, "variable byte integer of five bytes"

    def left(self):
        return len(self.data) - self.at

    def rest(self):
        return self.take(self.left())

    def properties(self, kind):
        end = self.varint() + self.at
        found = []
        while self.at < end:
            prop = self.number(1)
            assert prop in SERVER_MAY[kind], "property 0x%02x in packet type %d" % (prop, kind)
            shape = SHAPES[prop]
            if shape == PAIR:
                value = (self.text(), self.text())
            elif shape == TEXT:
                value = self.text()
            elif shape == BINARY:
                value = self.take(self.number(2))
            elif shape == VARINT:
                value = self.varint()
            else:
                value = self.number({BYTE: 1, TWO: 2, FOUR: 4}[shape])
            assert prop in (USER, SUB_ID) or prop not in dict(found), "twice: 0x%02x" % prop
            found.append((prop, value))
        assert self.at == end, "property list of another length"
        return found


class Packet:
    """A packet of the server's, taken apart. `size` counts all its bytes."""

    def __init__(self, first, body, version, size):
        self.type, self.flags, self.size = first >> 4, first & 15, size
        self.props, self.reason, self.pid, self.codes = [], 0, None, []
        r = Reader(body)
        take = {CONNACK: self._connack, PUBLISH: self._publish, SUBACK: self._codes,
                UNSUBACK: self._codes, DISCONNECT: self._reason, AUTH: self._reason}
        if self.type in (PUBACK, PUBREC, PUBREL, PUBCOMP):
            self.pid = r.number(2)
            self._reason(r, version)
        elif self.type in take:
            take[self.type](r, version)
        else:
            assert self.type == PINGRESP, "a server does not send type %d" % self.type
        assert r.left() == 0, "bytes left over in type %d" % self.type
        if self.type != PUBLISH:
            assert self.flags == (2 if self.type == PUBREL else 0), "flags %x" % self.flags

    def _connack(self, r, version):
        flags = r.number(1)
        assert flags in (0, 1), "CONNACK flags"
        self.present = bool(flags)
        self.reason = r.number(1)
        if version >= 5 and r.left() > 0:
            self.props = r.properties(CONNACK)

    def _publish(self, r, version):
        self.dup, self.qos = bool(self.flags & 8), self.flags >> 1 & 3
        self.retain = bool(self.flags & 1)
        assert self.qos < 3 and not (self.dup and self.qos == 0)
        self.topic = r.text()
        if self.qos > 0:
            self.pid = r.number(2)
            assert self.pid != 0
        if version >= 5:
            self.props = r.properties(PUBLISH)
        self.payload = r.rest()

    def _codes(self, r, version):
        self.pid = r.number(2)
        if version >= 5:
            self.props = r.properties(self.type)
        self.codes = list(r.rest())

    def _reason(self, r, version):
        if r.left() == 0:
            return
        assert version >= 5, "a reason code before MQTT 5"
        self.reason = r.number(1)
        if r.left() > 0:
            self.props = r.properties(self.type)

    def prop(self, wanted, default=None):
        for prop, value in self.props:
            if prop == wanted:
                return value
        return default

    def all(self, wanted):
        return [value for prop, value in self.props if prop == wanted]

    def __repr__(self):
        shown = {k: v for k, v in vars(self).items() if k not in ("size",) and v not in ([], None)}
        return "Packet(%r)" % shown


class Client:
    def __init__(self, address, version=5, seconds=10, sock=None):
        """`sock`: a connection that is there already, of whatever kind."""
        self.version = version
        self.seconds = seconds * SCALE
        self.sock = sock
        if sock is None:
            self.sock = socket.create_connection(address, timeout=self.seconds)
            self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = b""
        self.connack = None

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def close(self):
        """Without DISCONNECT."""
        self.sock.close()

    def send(self, *packets):
        self.sock.sendall(b"".join(packets))

    def connect(self, client_id="", expect=0, **options):
        options.setdefault("version", self.version)
        self.send(connect(client_id, **options))
        self.connack = self.expect(CONNACK)
        assert self.connack.reason == expect, "CONNACK %r" % self.connack
        return self

    def _packet(self):
        """The first whole packet of the buffer, or None."""
        if len(self.buffer) < 2:
            return None
        length = shift = 0
        for i in range(1, min(5, len(self.buffer))):
            byte = self.buffer[i]
            length |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                assert i == 1 or byte != 0, "overlong remaining length"
                end = i + 1 + length
                if len(self.buffer) < end:
                    return None
                first, body = self.buffer[0], self.buffer[i + 1:end]
                self.buffer = self.buffer[end:]
                return Packet(first, body, self.version, end)
        assert len(self.buffer) < 5, "remaining length of five bytes"
        return None

    def receive(self, seconds=None):
        """The next packet; None when the time passes; EOFError when the server closed."""
        deadline = time.monotonic() + (self.seconds if seconds is None else seconds * SCALE)
        while True:
            found = self._packet()
            if found is not None:
                return found
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.sock], [], [], left)[0]:
                return None
            try:
                part = self.sock.recv(1 << 16)
            except ConnectionError:
                part = b""
            if not part:
                raise EOFError("the server closed")
            self.buffer += part

    def expect(self, kind):
        found = self.receive()
        assert found is not None, "nothing came, type %d was expected" % kind
        assert found.type == kind, "type %d was expected, this came: %r" % (kind, found)
        return found

    def expect_publish(self, topic=None, payload=None):
        found = self.expect(PUBLISH)
        if topic is not None:
            assert found.topic == topic, found
        if payload is not None:
            assert found.payload == raw(payload), found
        return found

    def sync(self):
        """PINGREQ and its answer: what was sent before has been handled. Gives what came
        between."""
        self.send(PING)
        between = []
        while True:
            found = self.receive()
            assert found is not None, "no PINGRESP"
            if found.type == PINGRESP:
                return between
            between.append(found)

    def nothing(self, seconds=0.2):
        """Nothing comes, for this long, and no answer but PINGRESP to a ping either."""
        found = self.receive(seconds)
        assert found is None, "unexpected: %r" % found
        between = self.sync()
        assert between == [], "unexpected: %r" % between

    def subscribe(self, *filters, pid=1, props=()):
        """`filters`: text, or (text, options). Gives the codes."""
        filters = [(f, 0) if isinstance(f, str) else f for f in filters]
        self.send(subscribe(pid, filters, props, self.version))
        found = self.expect(SUBACK)
        assert found.pid == pid
        return found.codes

    def publish(self, topic, payload=b"", qos=0, pid=None, **options):
        """Runs the flow to its end and gives the first answer."""
        if qos > 0 and pid is None:
            pid = 77
        self.send(publish(topic, payload, qos, pid, version=self.version, **options))
        if qos == 0:
            return None
        first = self.expect(PUBACK if qos == 1 else PUBREC)
        assert first.pid == pid
        if qos == 2 and first.reason < 128:
            self.send(ack(PUBREL, pid))
            assert self.expect(PUBCOMP).pid == pid
        return first

    def take(self, topic=None, payload=None):
        """The next PUBLISH, acknowledged to the end."""
        found = self.expect_publish(topic, payload)
        if found.qos == 1:
            self.send(ack(PUBACK, found.pid))
        elif found.qos == 2:
            self.send(ack(PUBREC, found.pid))
            assert self.expect(PUBREL).pid == found.pid
            self.send(ack(PUBCOMP, found.pid))
        return found

    def ended(self, seconds=5):
        """Reads until the server closes: (last DISCONNECT or refusing CONNACK reason or None)."""
        reason = None
        deadline = time.monotonic() + seconds * SCALE
        try:
            while time.monotonic() < deadline:
                found = self.receive(max(0.01, (deadline - time.monotonic()) / SCALE))
                if found is None:
                    break
                if found.type == DISCONNECT or (found.type == CONNACK and found.reason != 0):
                    reason = found.reason
        except EOFError:
            return reason
        raise AssertionError("the server did not close")
