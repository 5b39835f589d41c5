# SPDX-License-Identifier: Apache-2.0
"""A raw Kafka client for wire tests: any API in any version, by the broker's own table of messages.

(That the table is right is shown elsewhere, against an encoder that does not know it.)
"""

import os
import socket
import struct

from tercet import SCALE, TOP, read_exactly

TABLE = os.path.join(TOP, "protocols", "kafka", "kafka_messages.tbl")
WIDTHS = {"int8": "b", "int16": "h", "uint16": "H", "int32": "i", "uint32": "I", "int64": "q"}
TIMEOUT = 10


class Field:
    def __init__(self, words):
        self.name, kind, self.versions = words[:3]
        self.is_array = kind.startswith("[]")
        self.kind = kind[2:] if self.is_array else kind
        options = dict(w.split("=", 1) for w in words[3:])
        self.null = options.get("null")
        self.tag = int(options["tag"]) if "tag" in options else None
        self.default = options.get("default", "0")
        self.fields = []

    def is_in(self, version):
        return within(self.versions, version)

    def may_be_null(self, version):
        return self.null is not None and within(self.null, version)

    def nothing(self, version):
        """What it is when a test does not say."""
        if self.is_array:
            return []
        if self.kind == "struct":
            return {}
        if self.kind in ("string", "bytes", "records"):
            return None if self.may_be_null(version) else b""
        if self.kind == "uuid":
            return bytes(16)
        return int(self.default)


class Api:
    def __init__(self, words):
        self.key, self.name = int(words[0]), words[1]
        self.min, self.max = map(int, words[2].split("-"))
        self.flexible = int(words[3].split("=")[1])
        self.request, self.response = [], []


def within(text, version):
    if text.endswith("+"):
        return version >= int(text[:-1])
    low, _, high = text.partition("-")
    return int(low) <= version <= int(high or low)


def load():
    apis, stack = {}, []
    with open(TABLE, encoding="ascii") as table:
        for line in table:
            words = line.split()
            if not words or words[0].startswith("#"):
                continue
            if words[0] == "api":
                api = Api(words[1:])
                apis[api.name] = api
            elif words[0] in ("request", "response"):
                stack = [getattr(api, words[0])]
            else:
                depth = (len(line) - len(line.lstrip())) // 2
                del stack[depth:]
                field = Field(words)
                stack[-1].append(field)
                stack.append(field.fields)
    return apis


APIS = load()
BY_KEY = {api.key: api for api in APIS.values()}


def uvarint(n):
    out = b""
    while n >= 0x80:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


def varint(n):
    return uvarint(n * 2 if n >= 0 else -n * 2 - 1)


class Writer:
    def __init__(self, version, flexible):
        self.version, self.flexible = version, flexible

    def length(self, n, short=False):
        if self.flexible:
            return uvarint(n + 1)
        return struct.pack(">h" if short else ">i", n)

    def one(self, field, value):
        if field.kind == "struct":
            return self.struct(field.fields, value)
        if field.kind in WIDTHS:
            return struct.pack(">" + WIDTHS[field.kind], value)
        if field.kind == "bool":
            return bytes([int(value)])
        if field.kind == "uuid":
            return value
        if isinstance(value, str):
            value = value.encode()
        short = field.kind == "string"
        return self.length(-1, short) if value is None else self.length(len(value), short) + value

    def value(self, field, value):
        if not field.is_array:
            return self.one(field, value)
        if value is None:
            return self.length(-1)
        return self.length(len(value)) + b"".join(self.one(field, v) for v in value)

    def struct(self, fields, values):
        unknown = set(values) - {f.name for f in fields}
        assert not unknown, unknown
        out, tagged = b"", []
        for field in fields:
            if not field.is_in(self.version):
                continue
            value = values.get(field.name, field.nothing(self.version))
            if field.tag is None:
                out += self.value(field, value)
            elif field.name in values:
                tagged.append((field.tag, self.value(field, value)))
        if self.flexible:
            out += uvarint(len(tagged))
            for tag, body in sorted(tagged):
                out += uvarint(tag) + uvarint(len(body)) + body
        return out


class Reader:
    def __init__(self, data, version, flexible):
        self.data, self.at, self.version, self.flexible = data, 0, version, flexible

    def take(self, n):
        assert 0 <= n <= len(self.data) - self.at, "answer cut off"
        self.at += n
        return self.data[self.at - n:self.at]

    def number(self, form):
        return struct.unpack(">" + form, self.take(struct.calcsize(form)))[0]

    def uvarint(self):
        value = shift = 0
        while True:
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    def length(self, short=False):
        return self.uvarint() - 1 if self.flexible else self.number("h" if short else "i")

    def one(self, field):
        if field.kind == "struct":
            return self.struct(field.fields)
        if field.kind in WIDTHS:
            return self.number(WIDTHS[field.kind])
        if field.kind == "bool":
            return bool(self.take(1)[0])
        if field.kind == "uuid":
            return self.take(16)
        n = self.length(field.kind == "string")
        if n < 0:
            assert field.may_be_null(self.version), field.name
            return None
        value = self.take(n)
        return value.decode() if field.kind == "string" else value

    def value(self, field):
        if not field.is_array:
            return self.one(field)
        n = self.length()
        if n < 0:
            assert field.may_be_null(self.version), field.name
            return None
        return [self.one(field) for _ in range(n)]

    def struct(self, fields):
        values = {}
        for field in fields:
            if field.is_in(self.version) and field.tag is None:
                values[field.name] = self.value(field)
        if self.flexible:
            last = -1
            for _ in range(self.uvarint()):
                tag, size = self.uvarint(), self.uvarint()
                assert tag > last, "tags must rise"
                last, end = tag, self.at + size
                field = next(f for f in fields if f.tag == tag and f.is_in(self.version))
                values[field.name] = self.value(field)
                assert self.at == end, "tagged field of another size"
        return values


class Connection:
    """One connection; call() is one request and its answer."""

    def __init__(self, address, client_id=b"wire"):
        self.sock = socket.create_connection(address, TIMEOUT * SCALE)
        self.sock.settimeout(TIMEOUT * SCALE)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.client_id, self.correlation = client_id, 0

    def close(self):
        self.sock.close()

    def frame(self, name, version, values, correlation=None):
        api = APIS[name]
        flexible = version >= api.flexible
        if correlation is None:
            self.correlation += 1
            correlation = self.correlation
        head = struct.pack(">hhih", api.key, version, correlation, len(self.client_id))
        body = head + self.client_id + (b"\0" if flexible else b"")
        body += Writer(version, flexible).struct(api.request, values)
        return struct.pack(">i", len(body)) + body

    def send(self, name, version, **values):
        self.sock.sendall(self.frame(name, version, values))
        return self.correlation

    def receive_frame(self):
        return read_exactly(self.sock, struct.unpack(">i", read_exactly(self.sock, 4))[0])

    def receive(self, name, version, correlation=None):
        api, data = APIS[name], self.receive_frame()
        flexible = version >= api.flexible
        reader = Reader(data, version, flexible)
        got = reader.number("i")
        assert got == (self.correlation if correlation is None else correlation), got
        if flexible and name != "api_versions":
            assert reader.take(1) == b"\0", "tagged fields in the response header"
        values = reader.struct(api.response)
        assert reader.at == len(data), "%d bytes behind the answer" % (len(data) - reader.at)
        return values

    def call(self, name, version, **values):
        self.send(name, version, **values)
        return self.receive(name, version)


CASTAGNOLI = []
for _n in range(256):
    for _ in range(8):
        _n = _n >> 1 ^ (0x82F63B78 if _n & 1 else 0)
    CASTAGNOLI.append(_n)


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = CASTAGNOLI[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def record(delta, key, value, timestamp_delta=0, headers=()):
    body = b"\0" + varint(timestamp_delta) + varint(delta)
    for part in (key, value):
        body += varint(-1) if part is None else varint(len(part)) + part
    body += varint(len(headers))
    for name, content in headers:
        body += varint(len(name)) + name
        body += varint(-1) if content is None else varint(len(content)) + content
    return varint(len(body)) + body


def batch(values, times=None, producer=(-1, -1, -1), attributes=0, magic=2, pack=None, count=None):
    """A record batch v2; values are values or (key, value); times are absolute, in ms."""
    times = times or [1600000000000] * len(values)
    records = b""
    for i, value in enumerate(values):
        key, value = value if isinstance(value, tuple) else (None, value)
        records += record(i, key, value, times[i] - times[0])
    records = pack(records) if pack else records
    n = len(values) if count is None else count
    body = struct.pack(">hiqqqhii", attributes, n - 1, times[0], max(times), *producer, n) + records
    head = struct.pack(">ibI", -1, magic, crc32c(body))
    return struct.pack(">qi", 0, len(head) + len(body)) + head + body


def batches(data):
    """(base offset, last offset, bytes) of each whole batch."""
    out, at = [], 0
    while at + 61 <= len(data):
        base, size = struct.unpack_from(">qi", data, at)
        if at + 12 + size > len(data):
            break
        last = base + struct.unpack_from(">i", data, at + 23)[0]
        out.append((base, last, data[at:at + 12 + size]))
        at += 12 + size
    return out
