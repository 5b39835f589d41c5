# SPDX-License-Identifier: Apache-2.0
"""Plays scripts to one broker and tells what each client got, in a form that can be compared.

After each step every connection is asked with PINGREQ until a whole round brings nothing new and no
answer is missing: no clock decides what belongs to a step.
"""

import socket
import time

import mqtt_raw as m
from tercet import SCALE

ANSWER_SECONDS = 5
NAMES = {m.CONNACK: "CONNACK", m.PUBLISH: "PUBLISH", m.PUBACK: "PUBACK", m.PUBREC: "PUBREC",
         m.PUBREL: "PUBREL", m.PUBCOMP: "PUBCOMP", m.SUBACK: "SUBACK", m.UNSUBACK: "UNSUBACK",
         m.DISCONNECT: "DISCONNECT"}
CLOSED = ("CLOSED",)
# What a broker says of itself: another one may have other numbers.
OWN_NUMBERS = (m.RECEIVE_MAX, m.PACKET_MAX, m.ALIAS_MAX, m.REASON)


def age(seconds):
    """A remaining time, without what passed since a script began."""
    return -(-seconds // 1000) * 1000


def content(what):
    """Of a message, topic and payload; what else waits is told by that, or by its identifier."""
    return what[1:3] if isinstance(what, tuple) and what[0] == "PUBLISH" else what


class Connection(m.Client):
    """A slot's connection of now, and what is under way on it."""

    def __init__(self, address, version, is_prompt):
        super().__init__(address, version)
        self.is_prompt = is_prompt
        self.owed = []         # (type, identifier) of answers that must come
        self.release = set()   # identifiers of ours that are released at PUBREC
        self.pending = {}      # identifier: (phase, message) of deliveries that wait for us
        self.aliases = {}
        self.given = {}        # aliases that we have set
        self.is_over = False

    def message(self, found):
        """What is compared of a PUBLISH."""
        topic, alias = found.topic, found.prop(m.ALIAS)
        if alias is not None:
            topic = self.aliases.setdefault(alias, topic) if not topic else topic
            self.aliases[alias] = topic
        props = [(p, age(v) if p == m.EXPIRY else v) for p, v in found.props
                 if p not in (m.ALIAS, m.SUB_ID)]
        props.sort(key=lambda one: one[0])  # a stable sort: user properties keep their order
        return ("PUBLISH", topic, found.payload, found.qos, found.retain, found.dup, tuple(props),
                tuple(sorted(found.all(m.SUB_ID))))


class Side:
    """One broker and the slots' connections to it."""

    def __init__(self, broker, script, names=None):
        self.address = broker.address("mqtt")
        self.script = script
        self.slots = [None] * len(script["versions"])
        self.old = []            # (slot, connection) that was taken over
        self.seen = None
        self.names = names if names is not None else {}  # (slot, identifier): what it stood for

    def play(self, step):
        """What every slot gets by this step."""
        word, i, args = step
        self.seen = [[] for _ in self.slots]
        if word == "connect" or self.slots[i] is not None:
            getattr(self, "do_" + word)(i, self.slots[i], args)
        self.settle()
        return self.seen

    def client_id(self, i):
        return "slot%d" % i

    def do_connect(self, i, before, args):
        version = self.script["versions"][i]
        if before is not None:
            self.old.append((i, before))
        conn = self.slots[i] = Connection(self.address, version, self.script["prompt"][i])
        conn.send(m.connect(self.client_id(i), version, clean=args["clean"], props=args["props"],
                            will=args.get("will"), keep_alive=60))
        conn.owed.append((m.CONNACK, None))

    def do_subscribe(self, i, conn, args):
        conn.send(m.subscribe(args["pid"], args["filters"], args["props"], conn.version))
        conn.owed.append((m.SUBACK, args["pid"]))

    def do_unsubscribe(self, i, conn, args):
        conn.send(m.unsubscribe(args["pid"], args["filters"], version=conn.version))
        conn.owed.append((m.UNSUBACK, args["pid"]))

    def do_publish(self, i, conn, args):
        topic, props, qos = args["topic"], list(args["props"]), args["qos"]
        if "alias" in args:
            word, alias = args["alias"]
            props.append((m.ALIAS, alias))
            if word == "use" and conn.given.get(alias) is not None:
                topic = ""
            else:
                conn.given[alias] = topic
        conn.send(m.publish(topic, args["payload"], qos, args.get("pid"), args["retain"],
                            args.get("dup", False), props, conn.version))
        if qos:
            conn.owed.append((m.PUBACK if qos == 1 else m.PUBREC, args["pid"]))
            if qos == 2 and not args.get("hold"):
                conn.release.add(args["pid"])

    def do_release(self, i, conn, args):
        conn.send(m.ack(m.PUBREL, args["pid"]))
        conn.owed.append((m.PUBCOMP, args["pid"]))

    def do_ack(self, i, conn, args):
        """One of the pending by what it is; all copies of it, whose order and QoS differ."""
        waiting = sorted({content(what) for _, what in conn.pending.values()}, key=repr)
        if not waiting:
            return
        chosen = waiting[args["which"] % len(waiting)]
        for pid in [p for p, (_, what) in conn.pending.items()
                    if content(what) == chosen]:
            self.acknowledge(conn, pid, args["reason"])

    def do_stray(self, i, conn, args):
        conn.send(m.ack(args["kind"], args["pid"]))
        if args["kind"] == m.PUBREC:
            conn.owed.append((m.PUBREL, args["pid"]))

    def do_leave(self, i, conn, args):
        props = None if "expiry" not in args else [(m.SESSION_EXPIRY, args["expiry"])]
        conn.send(m.disconnect(args["reason"], props))
        self.end(i, conn)

    def do_cut(self, i, conn, args):
        conn.sock.shutdown(socket.SHUT_WR)
        self.end(i, conn)

    def do_ping(self, i, conn, args):
        pass

    def do_bad(self, i, conn, args):
        conn.send(args["bytes"])

    def acknowledge(self, conn, pid, reason=0):
        phase, what = conn.pending.pop(pid)
        if phase is None:  # PUBREC is on its way
            conn.pending[pid] = (phase, what)
            return
        conn.send(m.ack(phase, pid, reason if reason and conn.version == 5 and
                        phase != m.PUBCOMP else None))
        if phase == m.PUBREC and not (reason and conn.version == 5):
            conn.pending[pid] = (None, what)  # until PUBREL
            conn.owed.append((m.PUBREL, pid))

    def end(self, i, conn):
        """Reads up to the close, which is sure to come."""
        conn.owed.clear()
        while not conn.is_over:
            found = self.receive(i, conn)
            if found is not None:
                self.take(i, conn, found)
        self.slots[i] = None

    def receive(self, i, conn):
        try:
            found = conn.receive(ANSWER_SECONDS)
        except EOFError:
            found = None
            self.seen[i].append(CLOSED)
            conn.is_over = True
            conn.close()
        else:
            assert found is not None, "neither an answer nor a close"
        return found

    def take(self, i, conn, found):
        """A packet of the broker's: what is compared of it, and what we do about it."""
        kind = found.type
        if kind == m.PUBLISH:
            what = conn.message(found)
            self.seen[i].append(what)
            self.on_publish(i, conn, found, what)
        elif kind == m.PUBREL:
            self.seen[i].append(("PUBREL", self.names.get((i, found.pid), found.pid), found.reason))
            self.on_pubrel(i, conn, found)
        elif kind == m.CONNACK:
            props = [p for p in found.props if p[0] not in OWN_NUMBERS]
            self.seen[i].append(("CONNACK", found.reason, found.present, tuple(sorted(props))))
            if not found.present:
                for key in [k for k in self.names if k[0] == i]:
                    del self.names[key]
        else:
            self.seen[i].append((NAMES[kind], found.pid, found.reason, tuple(found.codes)))
            if kind == m.PUBREC and found.pid in conn.release:
                conn.release.discard(found.pid)
                if found.reason < 0x80:
                    conn.send(m.ack(m.PUBREL, found.pid))
                    conn.owed.append((m.PUBCOMP, found.pid))
        for owed in ((kind, found.pid), (kind, None)):
            if owed in conn.owed:
                conn.owed.remove(owed)
                break

    def on_publish(self, i, conn, found, what):
        if found.qos == 0:
            return
        self.names[(i, found.pid)] = what[1:3]
        conn.pending[found.pid] = (m.PUBACK if found.qos == 1 else m.PUBREC, what)
        if conn.is_prompt:
            self.acknowledge(conn, found.pid)

    def on_pubrel(self, i, conn, found):
        _, what = conn.pending.get(found.pid, (None, self.names.get((i, found.pid), found.pid)))
        conn.pending[found.pid] = (m.PUBCOMP, what)
        if conn.is_prompt or found.reason >= 0x80:
            self.acknowledge(conn, found.pid)

    def settle(self):
        """Until nothing more comes."""
        for i, conn in self.old:
            conn.owed.clear()
            while not conn.is_over:
                found = self.receive(i, conn)
                if found is not None:
                    self.seen[i].append(("OLD", NAMES[found.type], found.reason))
        self.old = []
        deadline = time.monotonic() + ANSWER_SECONDS * SCALE
        quiet = 0
        while quiet < 2:
            was = sum(map(len, self.seen))
            self.round()
            owed = any(conn.owed for conn in self.slots if conn)
            if sum(map(len, self.seen)) != was or owed:
                quiet = 0
            else:
                quiet += 1
            if owed and time.monotonic() > deadline:
                for i, conn in enumerate(self.slots):
                    if conn and conn.owed:
                        self.seen[i].append(("NO ANSWER", tuple(conn.owed)))
                        conn.owed.clear()

    def round(self):
        asked = [(i, conn) for i, conn in enumerate(self.slots) if conn is not None]
        for i, conn in asked:
            try:
                conn.send(m.PING)
            except ConnectionError:
                pass  # the close is read below
        for i, conn in asked:
            while not conn.is_over:
                found = self.receive(i, conn)
                if found is None or found.type == m.PINGRESP:
                    break
                try:
                    self.take(i, conn, found)
                except ConnectionError:
                    pass
            if conn.is_over:
                self.slots[i] = None

    def close(self):
        for conn in self.slots:
            if conn is not None:
                conn.close()
        for _, conn in self.old:
            conn.close()


def sweep(broker, slots):
    """Takes sessions and retained messages away."""
    for i in range(slots):
        client = m.Client(broker.address("mqtt"), 5).connect("slot%d" % i)
        client.send(m.disconnect())
        client.ended()
        client.close()
    sweeper = m.Client(broker.address("mqtt"), 5).connect("sweep")
    sweeper.subscribe(("#", 0), ("$x/#", 0))
    for found in sweeper.sync():
        sweeper.publish(found.topic, b"", retain=True)
    sweeper.sync()
    sweeper.send(m.disconnect())
    sweeper.ended()
    sweeper.close()
