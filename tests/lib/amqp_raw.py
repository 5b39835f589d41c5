# SPDX-License-Identifier: Apache-2.0
"""AMQP 0-9-1 in raw frames, for tests that say exactly what goes over the wire.

    with amqp_raw.Client(broker) as c:      # handshake done, channel 1 open
        c.call("queue.declare", queue="q")  # gives the answer
        c.send("basic.qos", prefetch_count=3)
        c.next()                            # one Method, Header or Body
        c.quiet()                           # asserts that nothing comes

Tables are dicts of Python values; a `T(code, value)` picks the type octet.
"""

import collections
import socket
import struct
import time

from tercet import SCALE

METHOD, HEADER, BODY, HEARTBEAT = 1, 2, 3, 8
END = 0xCE

# class.method (ids): arguments. o octet, s short, l long, L longlong, b bit, S shortstr,
# X longstr, T table; a number is its default.
METHODS = """
connection.start 10,10: version-major:o version-minor:o server-properties:T mechanisms:X locales:X
connection.start-ok 10,11: client-properties:T mechanism:S response:X locale:S
connection.tune 10,30: channel-max:s frame-max:l heartbeat:s
connection.tune-ok 10,31: channel-max:s frame-max:l heartbeat:s
connection.open 10,40: virtual-host:S capabilities:S insist:b
connection.open-ok 10,41: known-hosts:S
connection.close 10,50: reply-code:s reply-text:S class-id:s method-id:s
connection.close-ok 10,51:
connection.blocked 10,60: reason:S
connection.unblocked 10,61:
connection.update-secret 10,70: new-secret:X reason:S
connection.update-secret-ok 10,71:
channel.open 20,10: out-of-band:S
channel.open-ok 20,11: channel-id:X
channel.flow 20,20: active:b
channel.flow-ok 20,21: active:b
channel.close 20,40: reply-code:s reply-text:S class-id:s method-id:s
channel.close-ok 20,41:
access.request 30,10: realm:S exclusive:b passive:b active:b write:b read:b
access.request-ok 30,11: ticket:s
exchange.declare 40,10: ticket:s exchange:S type:S passive:b durable:b
  auto-delete:b internal:b nowait:b arguments:T
exchange.declare-ok 40,11:
exchange.delete 40,20: ticket:s exchange:S if-unused:b nowait:b
exchange.delete-ok 40,21:
exchange.bind 40,30: ticket:s destination:S source:S routing-key:S nowait:b arguments:T
exchange.bind-ok 40,31:
exchange.unbind 40,40: ticket:s destination:S source:S routing-key:S nowait:b arguments:T
exchange.unbind-ok 40,51:
queue.declare 50,10: ticket:s queue:S passive:b durable:b exclusive:b
  auto-delete:b nowait:b arguments:T
queue.declare-ok 50,11: queue:S message-count:l consumer-count:l
queue.bind 50,20: ticket:s queue:S exchange:S routing-key:S nowait:b arguments:T
queue.bind-ok 50,21:
queue.purge 50,30: ticket:s queue:S nowait:b
queue.purge-ok 50,31: message-count:l
queue.delete 50,40: ticket:s queue:S if-unused:b if-empty:b nowait:b
queue.delete-ok 50,41: message-count:l
queue.unbind 50,50: ticket:s queue:S exchange:S routing-key:S arguments:T
queue.unbind-ok 50,51:
basic.qos 60,10: prefetch-size:l prefetch-count:s global:b
basic.qos-ok 60,11:
basic.consume 60,20: ticket:s queue:S consumer-tag:S no-local:b no-ack:b
  exclusive:b nowait:b arguments:T
basic.consume-ok 60,21: consumer-tag:S
basic.cancel 60,30: consumer-tag:S nowait:b
basic.cancel-ok 60,31: consumer-tag:S
basic.publish 60,40: ticket:s exchange:S routing-key:S mandatory:b immediate:b
basic.return 60,50: reply-code:s reply-text:S exchange:S routing-key:S
basic.deliver 60,60: consumer-tag:S delivery-tag:L redelivered:b exchange:S routing-key:S
basic.get 60,70: ticket:s queue:S no-ack:b
basic.get-ok 60,71: delivery-tag:L redelivered:b exchange:S routing-key:S message-count:l
basic.get-empty 60,72: cluster-id:S
basic.ack 60,80: delivery-tag:L multiple:b
basic.reject 60,90: delivery-tag:L requeue:b
basic.recover-async 60,100: requeue:b
basic.recover 60,110: requeue:b
basic.recover-ok 60,111:
basic.nack 60,120: delivery-tag:L multiple:b requeue:b
confirm.select 85,10: nowait:b
confirm.select-ok 85,11:
tx.select 90,10:
tx.select-ok 90,11:
tx.commit 90,20:
tx.commit-ok 90,21:
tx.rollback 90,30:
tx.rollback-ok 90,31:
"""

PROPERTIES = [("content-type", "S"), ("content-encoding", "S"), ("headers", "T"),
              ("delivery-mode", "o"), ("priority", "o"), ("correlation-id", "S"),
              ("reply-to", "S"), ("expiration", "S"), ("message-id", "S"), ("timestamp", "L"),
              ("type", "S"), ("user-id", "S"), ("app-id", "S"), ("cluster-id", "S")]

NUMBERS = {"o": ">B", "s": ">H", "l": ">I", "L": ">Q"}
TYPED = {"b": ">b", "B": ">B", "s": ">h", "u": ">H", "I": ">i", "i": ">I", "l": ">q", "L": ">q",
         "f": ">f", "d": ">d", "T": ">Q"}


def _read_methods():
    names, ids = {}, {}
    for line in METHODS.replace("\n  ", " ").strip().splitlines():
        head, _, fields = line.partition(":")
        name, numbers = head.split()
        class_id, method_id = (int(n) for n in numbers.split(","))
        fields = [tuple(f.split(":")) for f in fields.split()]
        names[name] = (class_id, method_id, fields)
        ids[class_id, method_id] = (name, fields)
    return names, ids


BY_NAME, BY_ID = _read_methods()

Method = collections.namedtuple("Method", "channel name args")
Header = collections.namedtuple("Header", "channel size properties")
Body = collections.namedtuple("Body", "channel bytes")
Other = collections.namedtuple("Other", "channel type bytes")
Message = collections.namedtuple("Message", "method properties body")


class T(collections.namedtuple("T", "code value")):
    """A table value of a chosen type."""


class Closed(Exception):
    """The broker ended the connection."""


# --- writing ----------------------------------------------------------------------------------

def as_bytes(value):
    return value.encode() if isinstance(value, str) else bytes(value)


def shortstr(value):
    value = as_bytes(value)
    return bytes([len(value)]) + value


def longstr(value):
    value = as_bytes(value)
    return struct.pack(">I", len(value)) + value


def table_value(value):
    if isinstance(value, T):
        if value.code in TYPED:
            return value.code.encode() + struct.pack(TYPED[value.code], value.value)
        if value.code == "D":
            return b"D" + struct.pack(">BI", *value.value)
        if value.code == "V":
            return b"V"
        return value.code.encode() + longstr(value.value)
    if value is None:
        return b"V"
    if isinstance(value, bool):
        return b"t" + bytes([value])
    if isinstance(value, int):
        small = -2 ** 31 <= value < 2 ** 31
        return (b"I" if small else b"l") + struct.pack(">i" if small else ">q", value)
    if isinstance(value, float):
        return b"d" + struct.pack(">d", value)
    if isinstance(value, (str, bytes)):
        return b"S" + longstr(value)
    if isinstance(value, dict):
        return b"F" + table(value)
    return b"A" + longstr(b"".join(table_value(one) for one in value))


def table(value):
    return longstr(b"".join(shortstr(k) + table_value(v) for k, v in value.items()))


def field(kind, value):
    if kind in NUMBERS:
        return struct.pack(NUMBERS[kind], value or 0)
    if kind == "T":
        return table(value or {})
    return (shortstr if kind == "S" else longstr)(value or "")


def method_payload(name, **args):
    class_id, method_id, fields = BY_NAME[name]
    out, bits, count = struct.pack(">HH", class_id, method_id), 0, 0
    args = {key.rstrip("_").replace("_", "-"): value for key, value in args.items()}
    for key, kind in fields:
        value = args.pop(key, None)
        if kind == "b":
            bits |= bool(value) << count
            count += 1
            continue
        if count:
            out += bytes([bits])
            bits = count = 0
        out += field(kind, value)
    if count:
        out += bytes([bits])
    assert not args, "%s has no %s" % (name, sorted(args))
    return out


def properties(**values):
    flags, out = 0, b""
    values = {key.replace("_", "-"): value for key, value in values.items()}
    for i, (name, kind) in enumerate(PROPERTIES):
        if name in values:
            flags |= 0x8000 >> i
            out += field(kind, values.pop(name))
    assert not values, values
    return struct.pack(">H", flags) + out


def header_payload(size, class_id=60, weight=0, raw=None, **values):
    return struct.pack(">HHQ", class_id, weight, size) + (properties(**values) if raw is None
                                                           else raw)


def frame(kind, channel, payload, end=END, size=None):
    size = len(payload) if size is None else size
    return struct.pack(">BHI", kind, channel, size) + payload + bytes([end])


def method(channel, name, **args):
    return frame(METHOD, channel, method_payload(name, **args))


def publish(channel, body=b"", exchange="", routing_key="", mandatory=False, immediate=False,
            frame_max=131072, **values):
    body = as_bytes(body)
    out = [method(channel, "basic.publish", exchange=exchange, routing_key=routing_key,
                  mandatory=mandatory, immediate=immediate),
           frame(HEADER, channel, header_payload(len(body), **values))]
    most = frame_max - 8
    for at in range(0, len(body), most):
        out.append(frame(BODY, channel, body[at:at + most]))
    return b"".join(out)


# --- reading ----------------------------------------------------------------------------------

class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        part = self.data[self.at:self.at + count]
        assert len(part) == count, "cut short"
        self.at += count
        return part

    def number(self, form):
        return struct.unpack(form, self.take(struct.calcsize(form)))[0]

    def text(self, form):
        return self.take(self.number(form)).decode("utf-8", "surrogateescape")

    def inside(self):
        return Reader(self.take(self.number(">I")))

    def left(self):
        return len(self.data) - self.at

    def table(self):
        inside, out = self.inside(), {}
        while inside.left():
            key = inside.text(">B")
            out[key] = inside.value()
        return out

    def value(self):
        """A Python value; what Python's types cannot tell apart stays a T."""
        code = self.take(1).decode()
        if code == "t":
            return bool(self.number(">B"))
        if code == "S":
            return self.text(">I")
        if code == "I":
            return self.number(">i")
        if code == "d":
            return self.number(">d")
        if code == "V":
            return None
        if code == "F":
            return self.table()
        if code == "A":
            inside, out = self.inside(), []
            while inside.left():
                out.append(inside.value())
            return out
        if code == "D":
            return T(code, (self.number(">B"), self.number(">I")))
        if code == "x":
            return T(code, self.take(self.number(">I")))
        return T(code, self.number(TYPED[code]))

    def field(self, kind):
        if kind in NUMBERS:
            return self.number(NUMBERS[kind])
        if kind == "T":
            return self.table()
        return self.text(">B" if kind == "S" else ">I")


def read_method(channel, payload):
    reader = Reader(payload)
    name, fields = BY_ID[reader.number(">H"), reader.number(">H")]
    args, bits, count = {}, 0, 8
    for key, kind in fields:
        if kind == "b":
            if count == 8:
                bits, count = reader.number(">B"), 0
            args[key] = bool(bits >> count & 1)
            count += 1
            continue
        count = 8
        args[key] = reader.field(kind)
    assert not reader.left(), "bytes behind the arguments of %s" % name
    return Method(channel, name, args)


def read_header(channel, payload):
    reader = Reader(payload)
    assert (reader.number(">H"), reader.number(">H")) == (60, 0)
    size, flags, values = reader.number(">Q"), reader.number(">H"), {}
    for i, (name, kind) in enumerate(PROPERTIES):
        if flags & 0x8000 >> i:
            values[name] = reader.field(kind)
    assert not reader.left() and not flags & 3
    return Header(channel, size, values)


# --- a client ---------------------------------------------------------------------------------

CAPABILITIES = {"publisher_confirms": True, "exchange_exchange_bindings": True, "basic.nack": True,
                "consumer_cancel_notify": True, "connection.blocked": True,
                "authentication_failure_close": True}


class Client:
    """A connection. `upto` stops the handshake before it is done: "connect", "start", "start-ok",
    "tune", "tune-ok", "open", "opened"; else channel 1 is opened too."""

    def __init__(self, broker, upto=None, user="guest", password="guest", vhost="/",
                 capabilities=None, tune=None, mechanism="PLAIN", response=None, channel=1):
        self.sock = broker.connect("amqp")
        self.buffer = b""
        self.channel = channel
        self.frame_max = 131072
        steps = ["connect", "start", "start-ok", "tune", "tune-ok", "open", "opened"]
        stop = steps.index(upto) if upto else len(steps)
        if stop >= 1:
            self.write(b"AMQP\0\0\x09\x01")
            self.start = self.want("connection.start")
        if stop >= 2:
            if response is None:
                response = "\0%s\0%s" % (user, password)
            self.send("connection.start-ok", channel=0, mechanism=mechanism, response=response,
                      locale="en_US", client_properties={
                          "capabilities": CAPABILITIES if capabilities is None else capabilities})
        if stop >= 3:
            self.tune = self.want("connection.tune")
        if stop >= 4:
            values = {"channel_max": 2047, "frame_max": 131072, "heartbeat": 0, **(tune or {})}
            self.frame_max = values["frame_max"]
            self.send("connection.tune-ok", channel=0, **values)
        if stop >= 5:
            self.send("connection.open", channel=0, virtual_host=vhost)
        if stop >= 6:
            self.want("connection.open-ok")
        if stop >= 7:
            self.call("channel.open")

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        self.close()

    def close(self):
        self.sock.close()

    def write(self, data):
        self.sock.sendall(data)

    def send(self, name, channel=None, **args):
        self.write(method(self.channel if channel is None else channel, name, **args))

    def publish(self, body=b"", routing_key="", exchange="", channel=None, **more):
        self.write(publish(self.channel if channel is None else channel, body, exchange,
                           routing_key, frame_max=self.frame_max, **more))

    def fill(self, seconds):
        self.sock.settimeout(max(seconds, 0.001))
        try:
            data = self.sock.recv(1 << 16)
        except socket.timeout:
            return False
        except OSError as error:
            raise Closed(str(error)) from None
        if not data:
            raise Closed()
        self.buffer += data
        return True

    def frame_now(self):
        """A whole frame that is here already, or None."""
        if len(self.buffer) < 8:
            return None
        if self.buffer[:4] == b"AMQP":
            raise AssertionError("a protocol header came: %r" % self.buffer[:8])
        kind, channel, size = struct.unpack(">BHI", self.buffer[:7])
        if len(self.buffer) < size + 8:
            return None
        payload, end = self.buffer[7:7 + size], self.buffer[7 + size]
        assert end == END, "a frame ends with %#x" % end
        self.buffer = self.buffer[size + 8:]
        if kind == METHOD:
            return read_method(channel, payload)
        if kind == HEADER:
            return read_header(channel, payload)
        return Body(channel, payload) if kind == BODY else Other(channel, kind, payload)

    def next(self, seconds=10):
        """The next frame; Closed when the connection ends, AssertionError when nothing comes."""
        deadline = time.monotonic() + seconds * SCALE
        while True:
            one = self.frame_now()
            if one is not None:
                return one
            left = deadline - time.monotonic()
            assert left > 0, "no frame within %g s" % seconds
            self.fill(left)

    def want(self, name, seconds=10):
        """The next frame, which must be this method; gives its arguments."""
        got = self.next(seconds)
        assert isinstance(got, Method) and got.name == name, "wanted %s, got %r" % (name, got)
        return got.args

    def call(self, name, channel=None, **args):
        """Sends and gives the arguments of the -ok."""
        self.send(name, channel, **args)
        return self.want(name + "-ok")

    def refused(self, name, channel=None, **args):
        """Sends a method that is refused; gives (code, text, class, method) and lets the channel,
        if it was that, be open again."""
        self.send(name, channel, **args)
        return self.refusal()

    def refusal(self):
        got = self.next()
        assert got.name in ("channel.close", "connection.close"), got
        told = got.args["reply-code"], got.args["reply-text"], got.args["class-id"], \
            got.args["method-id"]
        self.send(got.name + "-ok", got.channel)
        if got.name == "channel.close":
            self.send("channel.open", got.channel)
            self.want("channel.open-ok")
        else:
            assert self.is_closed()
        return told

    def message(self, name="basic.deliver", seconds=10):
        """A whole message that follows this method."""
        args = self.want(name, seconds)
        return self.content(args, seconds)

    def content(self, args, seconds=10):
        header, parts, size = self.next(seconds), [], 0
        assert isinstance(header, Header), header
        while size < header.size:
            part = self.next(seconds)
            assert isinstance(part, Body), part
            parts.append(part.bytes)
            size += len(part.bytes)
        return Message(args, header.properties, b"".join(parts))

    def get(self, queue, no_ack=True):
        """basic.get: a Message, or None."""
        self.send("basic.get", queue=queue, no_ack=no_ack)
        got = self.next()
        if got.name == "basic.get-empty":
            return None
        assert got.name == "basic.get-ok", got
        return self.content(got.args)

    def quiet(self, seconds=0.15):
        """Nothing comes."""
        self.sync()
        end = time.monotonic() + seconds * SCALE
        while time.monotonic() < end:
            got = self.frame_now()
            assert got is None, "unexpected %r" % (got,)
            self.fill(end - time.monotonic())

    def sync(self, channel=None):
        """A round trip: what was sent before has been handled. Frames on the way are an error."""
        self.call("channel.flow", channel, active=True)

    def is_closed(self, seconds=10):
        deadline = time.monotonic() + seconds * SCALE
        try:
            while time.monotonic() < deadline:
                self.fill(deadline - time.monotonic())
        except Closed:
            return True
        return False
