# SPDX-License-Identifier: Apache-2.0
"""139 uses of AMQP, most of them bad, answered as RabbitMQ 3.10.8 answered them.

amqp_probe_rabbitmq.txt holds what that broker said: `== case`, then for each thing asked the frames
that came, with `--` between askings. What we answer otherwise stands below in DIFFERENT with its
reason, and must differ: a difference that is gone has to leave the list.

usage: tests/run tests/wire/test_amqp_probe.py
       TERCET_AMQP_PROBE=PORT ... records another broker's answers on standard output instead
"""

import json
import os
import re
import struct
import sys
import unittest

import amqp_raw as amqp
from tercet import SCALE, BrokerCase

TIMEOUT = 240
QUIET = 0.12
EXPECTED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "amqp_probe_rabbitmq.txt")

LATER = "what RabbitMQ 4 does"
SAYS = "RabbitMQ is silent, and closes later or never; an error that can be read is better"
ABSENT = "queue arguments that are not done yet are refused (CONFORMANCE)"
DIFFERENT = {
    "handshake": "we are not RabbitMQ: other version, platform and copyright",
    "header 0-8": "a client of 0-8 is told 0-9-1, " + LATER,
    "unknown mechanism": SAYS, "malformed PLAIN": SAYS, "frame_max too big": SAYS,
    "frame_max too small": SAYS, "frame_max 0": SAYS, "channel_max too big": SAYS,
    "open before start-ok": SAYS, "unknown method": SAYS, "unknown class": SAYS,
    "body larger than its header": SAYS, "body size 2^40": SAYS, "content of 600 MiB": SAYS,
    "exchange of unknown type": "406, " + LATER,
    "bad queue arguments": ABSENT,
    "confirms of 50 publishes": "one cumulative ack for them all",
    "direct reply-to": "RabbitMQ's passive declare of a reply queue fails with 541; ours answers",
    "dead letters": ABSENT, "dead letters of expiry": ABSENT,
    "overflow": "our nack names one message, RabbitMQ's sets bits that mean nothing there",
    "streams": "queues of type stream are not done yet (CONFORMANCE)",
    "quorum queue": "x-delivery-limit is not done yet (CONFORMANCE)",
    "single active consumer": ABSENT, "single active consumer and get": ABSENT,
}

CASES = {}


def case(name):
    def keep(function):
        assert name not in CASES
        CASES[name] = function
        return function
    return keep


# --- words of the record ----------------------------------------------------------------------

def steady(text):
    """Without what is made up anew each time."""
    text = re.sub(r"amq\.(gen|ctag)-[\w-]{22}", r"amq.\1-*", text)
    text = re.sub(r"(amq\.rabbitmq\.reply-to)\.(?!bogus)[^\"' ]+", r"\1.*", text)
    return re.sub(r'"time": \["T", \d+\]', '"time": ["T", 0]', text)


def words(frame):
    if isinstance(frame, amqp.Method):
        args = frame.args
        if frame.name in ("channel.close", "connection.close"):
            return "%d %s %d %s %d,%d" % (frame.channel, frame.name, args["reply-code"],
                                          args["reply-text"], args["class-id"],
                                          args["method-id"])
        return "%d %s %s" % (frame.channel, frame.name, json.dumps(args))
    if isinstance(frame, amqp.Header):
        return "%d header %d %s" % (frame.channel, frame.size, json.dumps(frame.properties))
    if isinstance(frame, amqp.Body):
        return "%d body %s" % (frame.channel, frame.bytes.decode())
    return "%d type %d" % (frame.channel, frame.type)


class Asker:
    """Runs one case and writes down what came."""

    def __init__(self, broker):
        self.broker, self.clients, self.said = broker, [], []

    def connect(self, *args, **more):
        self.c = amqp.Client(self.broker, *args, **more)
        self.clients.append(self.c)
        return self.c

    def end(self):
        for c in self.clients:
            c.close()

    def listen(self, seconds=1.0):
        """Everything until the line is quiet."""
        said, wait = [], seconds
        try:
            while True:
                if self.c.buffer[:4] == b"AMQP" and len(self.c.buffer) >= 8:
                    said.append("hello %s" % list(self.c.buffer[4:8]))
                    self.c.buffer = self.c.buffer[8:]
                    continue
                frame = self.c.frame_now()
                if frame is not None:
                    said.append(words(frame))
                    wait = QUIET
                elif not self.c.fill(wait * SCALE):
                    break
        except amqp.Closed:
            said.append("closed")
        self.said.append(said or ["nothing"])

    def ask(self, name, channel=1, **args):
        self.c.send(name, channel, **args)
        self.listen()

    def ask_raw(self, data, seconds=1.0):
        self.c.write(data)
        self.listen(seconds)

    def ask_publish(self, body="hi", key="", exchange="", **more):
        self.c.publish(body, key, exchange, **more)
        self.listen()

    def do(self, name, **args):
        """A step on the way; a case whose steps are refused ends there."""
        self.c.send(name, **args)
        got = self.c.next()
        assert got.name not in ("channel.close", "connection.close"), got

    def note(self, text):
        self.said.append([text])


Q = "probe.q."


def queue(a, name, **more):
    a.do("queue.declare", queue=Q + name, exclusive=True, **more)
    return Q + name


# --- the handshake ----------------------------------------------------------------------------

@case("handshake")
def _(a):
    c = a.connect("tune")
    a.note("0 connection.start " + json.dumps(c.start))
    a.note("0 connection.tune " + json.dumps(c.tune))


for NAME, SENT in (("header 0-8", b"AMQP\x01\x01\x08\0"), ("header 1-0", b"AMQP\0\x01\0\0"),
                   ("HTTP", b"GET / HTTP/1.1\r\n\r\n")):
    @case(NAME)
    def _(a, sent=SENT):
        a.connect("connect")
        a.ask_raw(sent)


@case("header 0-9")
def _(a):
    a.connect("connect").write(b"AMQP\x01\x01\0\x09")
    a.note("0 " + a.c.next().name)


for NAME, MORE, SECONDS in (
        ("bad password, can be told", {"password": "wrong"}, 1),
        ("bad password, cannot be told", {"password": "wrong", "capabilities": {}}, 5),
        ("unknown mechanism", {"mechanism": "NOPE"}, 5),
        ("malformed PLAIN", {"response": "garbage"}, 5),
        ("AMQPLAIN", {"mechanism": "AMQPLAIN", "response":
                      amqp.table({"LOGIN": "guest", "PASSWORD": "guest"})[4:]}, 1)):
    @case(NAME)
    def _(a, more=MORE, seconds=SECONDS):
        a.connect("start-ok", **more)
        a.listen(seconds)

for NAME, TUNE in (("frame_max too big", {"frame_max": 10000000}),
                   ("frame_max too small", {"frame_max": 100}), ("frame_max 0", {"frame_max": 0}),
                   ("channel_max too big", {"channel_max": 65535})):
    @case(NAME)
    def _(a, tune=TUNE):
        a.connect("tune-ok", tune=tune)
        a.listen(5)


@case("unknown vhost")
def _(a):
    a.connect("open", vhost="nosuchvhost")
    a.listen()


@case("tune-ok twice")
def _(a):
    a.connect()
    a.ask("connection.tune-ok", 0, channel_max=10, frame_max=8192)


@case("open before start-ok")
def _(a):
    a.connect("start")
    a.ask("connection.open", 0, virtual_host="/")


@case("channel before open")
def _(a):
    a.connect("tune-ok")
    a.ask("channel.open")


# --- frames -----------------------------------------------------------------------------------

PUBLISH_X = amqp.method(1, "basic.publish", routing_key="x")
for NAME, SENT in (
        ("wrong end", amqp.frame(1, 1, amqp.method_payload("channel.open"), end=0)),
        ("frame of unknown type", amqp.frame(4, 1, b"xxxx")),
        ("heartbeat on a channel", amqp.frame(8, 1, b"")),
        ("heartbeat with payload", amqp.frame(8, 0, b"x")),
        ("method on no channel", amqp.method(7, "queue.declare", queue=Q + "x")),
        ("channel opened twice", amqp.method(1, "channel.open")),
        ("unknown method", amqp.frame(1, 1, struct.pack(">HH", 50, 99))),
        ("unknown class", amqp.frame(1, 1, struct.pack(">HH", 77, 10))),
        ("truncated arguments",
         amqp.frame(1, 1, amqp.method_payload("queue.declare", queue="abc")[:9])),
        ("method of servers", amqp.method(1, "queue.declare-ok", queue="x")),
        ("header without method", amqp.frame(2, 1, amqp.header_payload(0))),
        ("body without header", PUBLISH_X + amqp.frame(3, 1, b"abc")),
        ("header of class 50",
         PUBLISH_X + amqp.frame(2, 1, amqp.header_payload(0, class_id=50))),
        ("header with weight", PUBLISH_X + amqp.frame(2, 1, amqp.header_payload(0, weight=1))),
        ("method inside content", PUBLISH_X + amqp.frame(2, 1, amqp.header_payload(5))
         + amqp.method(1, "basic.qos")),
        ("body size 2^40", PUBLISH_X + amqp.frame(2, 1, amqp.header_payload(1 << 40))),
        ("content of 600 MiB", PUBLISH_X + amqp.frame(2, 1, amqp.header_payload(600 << 20))),
        ("bad UTF-8", amqp.method(1, "queue.declare", queue=b"bad\xff\xfe", exclusive=True)),
        ("channel method on channel 0", amqp.method(0, "queue.declare", queue="x")),
        ("connection method on channel 1", amqp.method(1, "connection.close", reply_code=200))):
    @case(NAME)
    def _(a, sent=SENT):
        a.connect()
        a.ask_raw(sent)


@case("frame too large")
def _(a):
    a.connect(tune={"frame_max": 8192})
    a.ask_raw(amqp.frame(1, 1, b"x" * 9000))


@case("frame eight too large")
def _(a):
    a.connect(tune={"frame_max": 8192})
    a.c.write(amqp.method(1, "basic.publish", routing_key="nowhere")
              + amqp.frame(2, 1, amqp.header_payload(8192)) + amqp.frame(3, 1, b"x" * 8192))
    a.ask("basic.qos")


@case("body larger than its header")
def _(a):
    a.connect()
    a.ask_raw(PUBLISH_X + amqp.frame(2, 1, amqp.header_payload(2)) + amqp.frame(3, 1, b"12345"))
    a.ask("basic.qos")


@case("empty body frame")
def _(a):
    a.connect()
    q = queue(a, "eb")
    a.c.write(amqp.method(1, "basic.publish", routing_key=q)
              + amqp.frame(2, 1, amqp.header_payload(2)) + amqp.frame(3, 1, b"")
              + amqp.frame(3, 1, b"ab"))
    a.ask("basic.get", queue=q, no_ack=True)


@case("channels over the limit")
def _(a):
    a.connect(tune={"channel_max": 2})
    a.do("channel.open", channel=2)
    a.ask("channel.open", 3)


@case("channel number over the limit")
def _(a):
    a.connect("opened", tune={"channel_max": 2})
    a.ask("channel.open", 100)


# --- exchanges --------------------------------------------------------------------------------

for NAME, METHOD, ARGS in (
        ("exchange of unknown type", "exchange.declare", {"exchange": "probe.x", "type": "nosuch"}),
        ("exchange passive, missing", "exchange.declare",
         {"exchange": "probe.none", "passive": True}),
        ("exchange passive, default", "exchange.declare", {"exchange": "", "passive": True}),
        ("exchange default", "exchange.declare", {"exchange": "", "type": "direct"}),
        ("exchange reserved", "exchange.declare", {"exchange": "amq.mine", "type": "direct"}),
        ("exchange amq.direct again", "exchange.declare",
         {"exchange": "amq.direct", "type": "direct", "durable": True}),
        ("exchange deleted, missing", "exchange.delete", {"exchange": "probe.none"}),
        ("exchange deleted, default", "exchange.delete", {"exchange": ""}),
        ("exchange deleted, amq.direct", "exchange.delete", {"exchange": "amq.direct"}),
        ("alternate exchange of wrong type", "exchange.declare",
         {"exchange": "probe.x6", "type": "fanout", "arguments": {"alternate-exchange": 5}}),
        ("exchange bound to default", "exchange.bind",
         {"source": "", "destination": "amq.fanout", "routing_key": "k"}),
        ("exchange bound, missing", "exchange.bind",
         {"source": "probe.none", "destination": "amq.fanout", "routing_key": "k"}),
        ("exchange unbound", "exchange.unbind",
         {"source": "amq.direct", "destination": "amq.fanout", "routing_key": "nobinding"})):
    @case(NAME)
    def _(a, method=METHOD, args=ARGS):
        a.connect()
        a.ask(method, **args)

for NAME, X, FIRST, SECOND in (
        ("exchange redeclared, other type", "probe.x1", {}, {"type": "fanout"}),
        ("exchange redeclared, other durability", "probe.x2", {}, {"durable": True}),
        ("exchange redeclared, other alternate", "probe.x3",
         {"arguments": {"alternate-exchange": "a"}}, {"arguments": {"alternate-exchange": "b"}}),
        ("exchange redeclared, other argument", "probe.x4", {"arguments": {"foo": "a"}},
         {"arguments": {"foo": "b"}})):
    @case(NAME)
    def _(a, x=X, first=FIRST, second=SECOND):
        a.connect()
        a.do("exchange.declare", exchange=x, **{"type": "direct", **first})
        a.ask("exchange.declare", exchange=x, **{"type": "direct", **second})
        a.connect()
        a.do("exchange.delete", exchange=x)


@case("predeclared exchanges")
def _(a):
    for name in ("amq.direct", "amq.fanout", "amq.topic", "amq.headers", "amq.match",
                 "amq.rabbitmq.trace", "amq.rabbitmq.log", "amq.default", "amq.rabbitmq.event"):
        a.connect()
        a.ask("exchange.declare", exchange=name, passive=True)


@case("exchange deleted, in use")
def _(a):
    a.connect()
    a.do("exchange.declare", exchange="probe.x5", type="fanout")
    a.do("queue.bind", queue=queue(a, "x5"), exchange="probe.x5")
    a.ask("exchange.delete", exchange="probe.x5", if_unused=True)
    a.connect()
    a.do("exchange.delete", exchange="probe.x5")


@case("internal exchange")
def _(a):
    a.connect()
    a.do("exchange.declare", exchange="probe.int", type="fanout", internal=True)
    a.ask_publish(exchange="probe.int")
    a.connect()
    a.do("exchange.delete", exchange="probe.int")


# --- queues -----------------------------------------------------------------------------------

for NAME, METHOD, ARGS in (
        ("queue named by the server", "queue.declare", {"exclusive": True}),
        ("queue reserved", "queue.declare", {"queue": "amq.mine"}),
        ("queue passive, missing", "queue.declare", {"queue": Q + "none", "passive": True}),
        ("queue passive, no name", "queue.declare", {"passive": True}),
        ("queue with a line end", "queue.declare", {"queue": Q + "a\nb", "exclusive": True}),
        ("queue deleted, missing", "queue.delete", {"queue": Q + "none"}),
        ("queue purged, missing", "queue.purge", {"queue": Q + "none"}),
        ("queue bound, missing", "queue.bind",
         {"queue": Q + "none", "exchange": "amq.direct", "routing_key": "x"})):
    @case(NAME)
    def _(a, method=METHOD, args=ARGS):
        a.connect()
        a.ask(method, **args)

TTL = {"arguments": {"x-message-ttl": 1000}}
for NAME, Q_NAME, FIRST, SECOND in (
        ("queue redeclared, other durability", "d", {}, {"durable": False}),
        ("queue redeclared, auto-delete", "ad", {}, {"auto_delete": True}),
        ("queue redeclared, exclusive", "ex0", {}, {"durable": False, "exclusive": True}),
        ("queue redeclared, other ttl", "a", TTL, {"arguments": {"x-message-ttl": 2000}}),
        ("queue redeclared, no ttl", "a", TTL, {}),
        ("queue redeclared, ttl of other width", "a", TTL,
         {"arguments": {"x-message-ttl": amqp.T("l", 1000)}}),
        ("queue redeclared, unknown argument", "a", {}, {"arguments": {"foo": 1}})):
    @case(NAME)
    def _(a, q=Q + Q_NAME, first=FIRST, second=SECOND):
        a.connect()
        a.do("queue.declare", queue=q, **{"durable": True, **first})
        a.ask("queue.declare", queue=q, **{"durable": True, **second})
        a.connect()
        a.do("queue.delete", queue=q)


@case("queue of another connection")
def _(a):
    a.connect()
    q = queue(a, "ex")
    for method, args in (("queue.declare", {"exclusive": True}),
                         ("queue.declare", {"passive": True}), ("basic.consume", {}),
                         ("basic.get", {}), ("queue.purge", {}), ("queue.delete", {}),
                         ("queue.bind", {"exchange": "amq.fanout"})):
        a.connect()
        a.ask(method, queue=q, **args)
    a.connect()
    a.do("confirm.select")
    a.ask_publish(key=q, mandatory=True)


@case("bad queue arguments")
def _(a):
    for arguments in (
            {"x-message-ttl": "abc"}, {"x-message-ttl": -1}, {"x-expires": 0}, {"x-expires": -1},
            {"x-max-length": -1}, {"x-max-length": "x"}, {"x-max-priority": 256},
            {"x-max-priority": -1}, {"x-overflow": "bogus"}, {"x-queue-type": "bogus"},
            {"x-dead-letter-routing-key": "k"}, {"x-dead-letter-exchange": 5},
            {"x-dead-letter-exchange": "no.such.exchange"}, {"x-single-active-consumer": "yes"},
            {"x-message-ttl": 315360000001}, {"x-queue-mode": "bogus"}, {"x-queue-mode": "lazy"},
            {"x-message-ttl": 1.5}, {"x-queue-type": "quorum", "x-max-priority": 5},
            {"x-queue-type": "stream", "x-message-ttl": 5},
            {"x-queue-type": "classic", "x-delivery-limit": 5}):
        a.connect()
        a.ask("queue.declare", queue=Q + "bad", durable=True, arguments=arguments)
        a.connect()
        a.do("queue.delete", queue=Q + "bad")


@case("bad quorum and stream queues")
def _(a):
    for args in ({"durable": False}, {"durable": True, "exclusive": True},
                 {"durable": True, "auto_delete": True}):
        for kind in ("quorum", "stream"):
            a.connect()
            a.ask("queue.declare", queue=Q + "badq", arguments={"x-queue-type": kind}, **args)
    a.connect()
    a.ask("queue.declare", durable=True, arguments={"x-queue-type": "quorum"})


@case("transient queue")
def _(a):
    a.connect()
    a.ask("queue.declare", queue=Q + "tn")
    a.do("queue.delete", queue=Q + "tn")


@case("queue deleted, in use")
def _(a):
    a.connect()
    a.do("queue.declare", queue=Q + "du", durable=True)
    a.do("basic.consume", queue=Q + "du", consumer_tag="t")
    a.ask("queue.delete", queue=Q + "du", if_unused=True)
    a.connect()
    a.do("queue.delete", queue=Q + "du")


@case("queue deleted, not empty")
def _(a):
    a.connect()
    a.do("queue.declare", queue=Q + "de", durable=True)
    a.c.publish("hi", Q + "de")
    a.c.sync()
    a.ask("queue.delete", queue=Q + "de", if_empty=True)
    a.connect(channel=2)
    a.ask("queue.delete", 2, queue=Q + "de")


@case("purge leaves what is taken")
def _(a):
    a.connect()
    q = queue(a, "pu")
    for _ in range(3):
        a.c.publish("hi", q)
    a.c.get(q, no_ack=False)
    a.ask("queue.purge", queue=q)


@case("no queue name, none declared")
def _(a):
    for method, args in (("queue.bind", {"exchange": "amq.direct"}), ("queue.purge", {}),
                         ("queue.delete", {}), ("basic.consume", {}), ("basic.get", {})):
        a.connect()
        a.ask(method, **args)


@case("no queue name, one declared")
def _(a):
    a.connect()
    q = queue(a, "last")
    a.ask("queue.purge")
    a.ask("queue.bind", exchange="amq.direct")
    a.c.publish("hi", q, "amq.direct", mandatory=True)
    a.ask("basic.get", no_ack=True)


for NAME, ARGS in (("bound to a missing exchange", {"exchange": "probe.none"}),
                   ("bound to the default exchange", {"exchange": "", "routing_key": "x"})):
    @case(NAME)
    def _(a, args=ARGS):
        a.connect()
        a.ask("queue.bind", queue=queue(a, "b"), **args)


@case("unbound, missing")
def _(a):
    a.connect()
    q = queue(a, "b")
    a.ask("queue.unbind", queue=q, exchange="amq.direct", routing_key="nobinding")
    a.ask("queue.unbind", queue=q, exchange="probe.none", routing_key="x")


@case("bad x-match")
def _(a):
    for value in ("bogus", 5):
        a.connect()
        a.ask("queue.bind", queue=queue(a, "h%s" % value), exchange="amq.headers",
              arguments={"x-match": value, "a": 1})


# --- publishing -------------------------------------------------------------------------------

for NAME, CONFIRM, ARGS in (
        ("publish to a missing exchange", False, {"exchange": "probe.none"}),
        ("publish immediate", False, {"key": "x", "immediate": True}),
        ("publish mandatory, unroutable", False, {"key": Q + "none", "mandatory": True}),
        ("publish mandatory, unroutable, confirmed", True, {"key": Q + "none", "mandatory": True}),
        ("publish unroutable, confirmed", True, {"key": Q + "none"}),
        ("publish with a foreign user id", False, {"key": "x", "user_id": "someoneelse"}),
        ("publish with a bad CC", False, {"key": "x", "headers": {"CC": "notalist"}})):
    @case(NAME)
    def _(a, confirm=CONFIRM, args=ARGS):
        a.connect()
        if confirm:
            a.do("confirm.select")
        a.ask_publish(**args)


@case("publish to a missing exchange, and more")
def _(a):
    a.connect()
    a.c.publish("hi", exchange="probe.none")
    a.c.publish("hi", exchange="amq.direct")
    a.ask("basic.qos")
    a.c.send("channel.close-ok")
    a.ask("channel.open")


@case("publish with a bad expiration")
def _(a):
    for value in ("abc", "-1", "12abc", ""):
        a.connect()
        a.ask_publish(key="x", expiration=value)


@case("confirms of 50 publishes")
def _(a):
    a.connect()
    q = queue(a, "cf")
    a.do("confirm.select")
    a.c.write(b"".join(amqp.publish(1, "x", routing_key=q) for _ in range(50)))
    a.listen()


# --- settling ---------------------------------------------------------------------------------

for NAME, METHOD, ARGS in (
        ("ack of an unknown tag", "basic.ack", {"delivery_tag": 99}),
        ("ack of tag 0", "basic.ack", {"delivery_tag": 0}),
        ("reject of an unknown tag", "basic.reject", {"delivery_tag": 5, "requeue": True}),
        ("nack of an unknown tag", "basic.nack",
         {"delivery_tag": 5, "multiple": True, "requeue": True}),
        ("consume, missing", "basic.consume", {"queue": Q + "none"}),
        ("cancel of an unknown tag", "basic.cancel", {"consumer_tag": "nope"}),
        ("qos with a size", "basic.qos", {"prefetch_size": 10}),
        ("recover without requeue", "basic.recover", {"requeue": False}),
        ("access.request", "access.request", {})):
    @case(NAME)
    def _(a, method=METHOD, args=ARGS):
        a.connect()
        a.ask(method, **args)


@case("ack of everything, nothing outstanding")
def _(a):
    a.connect()
    a.c.send("basic.ack", delivery_tag=0, multiple=True)
    a.ask("basic.qos")


@case("ack twice")
def _(a):
    a.connect()
    q = queue(a, "a2")
    a.c.publish("hi", q)
    a.c.get(q, no_ack=False)
    a.c.send("basic.ack", delivery_tag=1)
    a.ask("basic.ack", delivery_tag=1)


for NAME, Q_NAME, FIRST, SECOND in (
        ("consumer tag in use", "ct", {"consumer_tag": "t"}, {"consumer_tag": "t"}),
        ("consumer tag by the server", "st", None, {}),
        ("exclusive consumer refused", "ce", {"consumer_tag": "a"},
         {"consumer_tag": "b", "exclusive": True}),
        ("consumer beside an exclusive one", "cx", {"consumer_tag": "a", "exclusive": True},
         {"consumer_tag": "b"}),
        ("consumer of bad priority", "cp", None, {"arguments": {"x-priority": "high"}})):
    @case(NAME)
    def _(a, q_name=Q_NAME, first=FIRST, second=SECOND):
        a.connect()
        q = queue(a, q_name)
        if first is not None:
            a.do("basic.consume", queue=q, **first)
        a.ask("basic.consume", queue=q, **second)


@case("recover")
def _(a):
    a.connect()
    q = queue(a, "rc")
    a.c.publish("hi", q)
    a.c.get(q, no_ack=False)
    a.ask("basic.recover", requeue=True)
    a.ask("basic.get", queue=q)


@case("channel.flow")
def _(a):
    a.connect()
    a.ask("channel.flow", active=True)
    a.ask("channel.flow", active=False)


@case("tx and confirm")
def _(a):
    for methods in (("tx.commit",), ("tx.rollback",), ("tx.select", "confirm.select"),
                    ("confirm.select", "tx.select"), ("tx.select", "tx.select"),
                    ("confirm.select", "confirm.select")):
        a.connect()
        for method in methods:
            a.ask(method)


for NAME, CAPABILITIES in (("consumer of a deleted queue", None),
                           ("consumer of a deleted queue, cannot be told", {})):
    @case(NAME)
    def _(a, capabilities=CAPABILITIES):
        first = a.connect(capabilities=capabilities)
        a.do("queue.declare", queue=Q + "cn", durable=True)
        a.do("basic.consume", queue=Q + "cn", consumer_tag="t")
        a.connect()
        a.ask("queue.delete", queue=Q + "cn")
        a.c = first
        a.listen()


@case("requeued to their places")
def _(a):
    a.connect()
    q = queue(a, "ro")
    for i in range(5):
        a.c.publish("m%d" % i, q)
    for _ in range(3):
        a.c.get(q, no_ack=False)
    a.c.send("basic.nack", delivery_tag=2, requeue=True)
    a.c.send("basic.nack", delivery_tag=3, multiple=True, requeue=True)
    a.c.sync()
    for _ in range(5):
        a.ask("basic.get", queue=q, no_ack=True)


@case("direct reply-to, misused")
def _(a):
    a.connect()
    a.ask("basic.consume", queue="amq.rabbitmq.reply-to")
    a.connect()
    a.ask_publish(key="x", reply_to="amq.rabbitmq.reply-to")
    a.connect()
    for tag in ("r", "r2"):
        a.ask("basic.consume", queue="amq.rabbitmq.reply-to", no_ack=True, consumer_tag=tag)
    a.connect()
    for name in ("amq.rabbitmq.reply-to", "amq.rabbitmq.reply-to.bogus"):
        a.ask("queue.declare", queue=name, passive=True)


@case("direct reply-to")
def _(a):
    a.connect()
    q = queue(a, "rpc")
    a.do("basic.consume", queue="amq.rabbitmq.reply-to", no_ack=True, consumer_tag="r")
    a.c.publish("hi", q, reply_to="amq.rabbitmq.reply-to")
    name = a.c.get(q).properties["reply-to"]
    a.ask("queue.declare", queue=name, passive=True)
    a.ask_publish("reply", name, mandatory=True)


@case("dead letters")
def _(a):
    a.connect()
    dead = queue(a, "dl")
    q = queue(a, "src", arguments={"x-dead-letter-exchange": "", "x-max-length": 1,
                                   "x-dead-letter-routing-key": dead})
    a.c.publish("one", q, expiration="60000", headers={"CC": ["alsohere"], "BCC": ["secret"]})
    a.ask_publish("two", q)
    a.ask("basic.get", queue=dead, no_ack=True)
    a.ask("basic.get", queue=q)
    a.c.send("basic.reject", delivery_tag=2)
    a.listen()
    a.ask("basic.get", queue=dead, no_ack=True)


@case("dead letters of expiry")
def _(a):
    a.connect()
    dead = queue(a, "dl2")
    q = queue(a, "src2", arguments={"x-dead-letter-exchange": "amq.direct", "x-message-ttl": 50})
    a.do("queue.bind", queue=dead, exchange="amq.direct", routing_key=q)
    a.ask_publish("exp", q, expiration="100")
    a.ask("basic.get", queue=dead, no_ack=True)


@case("overflow")
def _(a):
    for overflow in ("reject-publish", "drop-head"):
        a.connect()
        q = queue(a, "ov" + overflow, arguments={"x-max-length": 1, "x-overflow": overflow})
        a.do("confirm.select")
        a.ask_publish(key=q)
        a.ask_publish(key=q)


@case("CC and BCC")
def _(a):
    a.connect()
    one, two = queue(a, "cc1"), queue(a, "cc2")
    a.c.publish("hi", one, headers={"CC": [two, one], "BCC": ["x"], "foo": 1})
    for q in (one, one, two):
        a.ask("basic.get", queue=q, no_ack=True)


@case("streams")
def _(a):
    a.connect()
    q = Q + "str"
    a.do("queue.declare", queue=q, durable=True, arguments={"x-queue-type": "stream"})
    for method, args in (("basic.consume", {"consumer_tag": "t"}), ("basic.get", {}),
                         ("queue.purge", {})):
        a.connect()
        a.ask(method, queue=q, **args)
    a.connect()
    a.do("queue.delete", queue=q)


@case("quorum queue")
def _(a):
    a.connect()
    q = Q + "qq"
    a.do("queue.declare", queue=q, durable=True,
         arguments={"x-queue-type": "quorum", "x-delivery-limit": 2})
    a.connect()
    a.do("confirm.select")
    a.ask_publish("s0", q)
    a.connect()
    a.do("basic.qos", prefetch_count=1, global_=True)
    a.ask("basic.consume", queue=q, consumer_tag="g")
    a.connect()
    a.ask("queue.delete", queue=q, if_unused=True)
    a.connect()
    a.ask("queue.delete", queue=q)


@case("single active consumer")
def _(a):
    a.connect()
    q = queue(a, "sac", arguments={"x-single-active-consumer": True})
    for tag in "ab":
        a.do("basic.consume", queue=q, consumer_tag=tag, no_ack=True)
    a.c.publish("hi", q)
    a.ask_publish(key=q)
    a.ask("basic.cancel", consumer_tag="a")
    a.ask_publish(key=q)


@case("single active consumer and get")
def _(a):
    a.connect()
    a.do("queue.declare", queue=Q + "sacq", durable=True,
         arguments={"x-queue-type": "quorum", "x-single-active-consumer": True})
    a.ask("basic.get", queue=Q + "sacq")
    a.connect()
    a.do("queue.delete", queue=Q + "sacq")


for NAME, GLOBAL in (("prefetch per consumer", False), ("prefetch per channel", True)):
    @case(NAME)
    def _(a, is_global=GLOBAL):
        a.connect()
        q = queue(a, "pf%d" % is_global)
        a.do("basic.qos", prefetch_count=2, global_=is_global)
        for tag in "ab":
            a.do("basic.consume", queue=q, consumer_tag=tag)
        for _ in range(6):
            a.c.publish("hi", q)
        a.listen()
        count = sum(" basic.deliver " in line for line in a.said.pop())
        a.note("%d deliveries" % count)


@case("close")
def _(a):
    a.connect()
    a.ask("connection.close", 0, reply_code=200, reply_text="bye")


@case("update-secret")
def _(a):
    a.connect()
    a.ask("connection.update-secret", 0, new_secret="guest", reason="because")


@case("heartbeats and silence")
def _(a):
    a.connect(tune={"heartbeat": 1})
    try:
        while True:
            a.c.next(8)
    except amqp.Closed:
        a.note("closed")


# --- asking and comparing ---------------------------------------------------------------------

def run(broker, name):
    asker = Asker(broker)
    try:
        CASES[name](asker)
    except (amqp.Closed, AssertionError, BrokenPipeError, ConnectionResetError, AttributeError):
        asker.said.append(["ended early"])
    finally:
        asker.end()
    return "\n--\n".join(steady("\n".join(said)) for said in asker.said)


def recorded():
    with open(EXPECTED, encoding="utf-8") as file:
        parts = re.split(r"^== (.*)\n", file.read(), flags=re.M)[1:]
    return {name: said.strip("\n") for name, said in zip(parts[::2], parts[1::2])}


class Probe(BrokerCase):
    def test_every_use_is_answered_as_recorded_or_for_a_reason_otherwise(self):
        wanted = recorded()
        self.assertEqual(set(wanted), set(CASES))
        self.assertLessEqual(set(DIFFERENT), set(CASES))
        for name in CASES:
            with self.subTest(case=name):
                got = run(self.broker, name)
                if name in DIFFERENT:
                    self.assertNotEqual(got, wanted[name], "it differs no more")
                else:
                    self.assertEqual(got, wanted[name])

    def test_the_broker_lives_after_all_of_it(self):
        with amqp.Client(self.broker) as c:
            c.call("queue.declare", exclusive=True)


class Elsewhere:
    """Another broker, to record."""

    def __init__(self, port):
        self.port = port

    def connect(self, _, seconds=10):
        import socket
        sock = socket.create_connection(("127.0.0.1", self.port), seconds)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock


if __name__ == "__main__":
    if "TERCET_AMQP_PROBE" in os.environ:
        for each in CASES:
            print("== %s\n%s" % (each, run(Elsewhere(int(os.environ["TERCET_AMQP_PROBE"])), each)))
            sys.stdout.flush()
    else:
        unittest.main()
