# SPDX-License-Identifier: Apache-2.0
"""Random scripts of MQTT clients. A script is plain data: it can be printed, cut and played again.

Script: versions of the slots (a slot is a client identifier and the connection it has now), which
of them acknowledge at once, and steps. A step is (word, slot, arguments). Nothing in it waits for a
clock: what expires does so at once or in hours.
"""

import random

import mqtt_raw as m

SLOTS = 4
HOURS = 36000
NEVER = 0xffffffff
TOPICS = ("a", "a/b", "a/b/c", "a/c", "b", "/a", "a//b", "a/", "$x/a", "b/\u00e4 y")
FILTERS = TOPICS + ("#", "+", "+/b", "a/+", "a/#", "a/+/c", "/#", "/+", "+/+", "a/b/#", "+/#",
                    "$x/#", "$x/+", "a/b/c/#", "b/#", "a/+/#")
SHARED = ("s/a", "s/b")
BAD_FILTERS = ("a#", "a/#/b", "a+", "+a/b", "", "$share//a", "$share/g", "$share/g/", "$share/g+/a",
               "a\0b")
PIDS = (1, 2, 3, 65535)
PADDING = 300  # more than the smaller ones of PACKETS, and far enough from them
PACKETS = (None, None, None, 150, 1000)


def some(rng, table):
    """A word by its weight."""
    return rng.choices(list(table), list(table.values()))[0]


def message_props(rng, topic):
    """What a publisher may say, in any order."""
    props = []
    if rng.random() < 0.35:
        chances = [(m.PAYLOAD_FORMAT, rng.randint(0, 1)), (m.EXPIRY, HOURS),
                   (m.CONTENT_TYPE, rng.choice(("", "text/x"))),
                   (m.RESPONSE_TOPIC, "r/" + topic), (m.CORRELATION, rng.choice((b"", b"\0c"))),
                   (m.USER, ("k", "v")), (m.USER, ("k", "")), (m.USER, ("", "v"))]
        props = rng.sample(chances, rng.randint(1, 4))
    return props


class Writer:
    """Writes one script. `features`: words for what may be in it."""

    def __init__(self, seed, features=frozenset()):
        self.rng = rng = random.Random(seed)
        self.features = features
        self.versions = [rng.choice((3, 4, 4, 5, 5, 5, 5)) for _ in range(SLOTS)]
        self.is_prompt = [rng.random() < 0.6 for _ in range(SLOTS)]
        # The two brokers may send a message once or once for each subscription, and who gets what
        # of a group is theirs to choose: then nothing may depend on how much is under way.
        self.is_shared = rng.random() < 0.15
        self.has_overlaps = self.is_shared or rng.random() < 0.5
        if self.is_shared:
            self.is_prompt = [True] * SLOTS
        self.filters = [[] for _ in range(SLOTS)]
        # mosquitto keeps No Local and Retain As Published of the first time (against 3.8.4-3), so
        # they are always the same for a slot and a filter.
        self.is_as_published = [rng.random() < 0.3 for _ in range(SLOTS)]
        self.fixed = [{} for _ in range(SLOTS)]
        self.held = [{} for _ in range(SLOTS)]  # QoS 2 messages without PUBREL, by identifier
        self.has_will = [False] * SLOTS
        self.number = 0

    def script(self, count):
        steps = [self.connect(i) for i in range(SLOTS)]
        steps += [self.subscribe(i) for i in range(SLOTS - 1)]
        while len(steps) < count:
            word = some(self.rng, {"publish": 40, "subscribe": 14, "unsubscribe": 4, "connect": 8,
                                   "leave": 5, "cut": 5, "ack": 14, "release": 4, "stray": 1,
                                   "bad": 1, "ping": 1})
            steps.append(getattr(self, word)(self.rng.randrange(SLOTS)))
        return {"versions": self.versions, "prompt": self.is_prompt, "steps": steps}

    def connect(self, i):
        rng = self.rng
        args = {"clean": rng.random() < 0.35, "props": []}
        if self.is_shared:
            args["clean"] = True
        if self.versions[i] == 5:
            expiry = None if self.is_shared else rng.choice((None, 0, HOURS, HOURS, NEVER))
            # mosquitto counts a message against the window that is too large for the client.
            window = None if self.has_overlaps else rng.choice((None, None, None, 1, 2, 4))
            wanted = ((m.SESSION_EXPIRY, expiry), (m.RECEIVE_MAX, window),
                      (m.PACKET_MAX, rng.choice(PACKETS)),
                      (m.ALIAS_MAX, rng.choice((None, None, 0, 1, 3))),
                      (m.PROBLEM_INFO, rng.choice((None, None, 0, 1))))
            args["props"] = [(p, v) for p, v in wanted if v is not None and
                             (p != m.PACKET_MAX or not window)]
            rng.shuffle(args["props"])
        self.has_will[i] = rng.random() < 0.35
        if self.has_will[i]:
            args["will"] = self.will(i)
        return "connect", i, args

    def will(self, i):
        rng = self.rng
        will = {"topic": rng.choice(TOPICS[:6]), "payload": self.payload(i),
                "qos": rng.randint(0, 2), "retain": rng.random() < 0.4}
        if self.versions[i] == 5:
            will["props"] = message_props(rng, "w")
            if rng.random() < 0.4:  # mosquitto forgets some that wait: none that show later
                will["props"].append((m.WILL_DELAY, 0 if will["retain"] else
                                      rng.choice((0, 0, HOURS))))
        return will

    def payload(self, i):
        self.number += 1
        text = b"%d.%d" % (i, self.number)
        return text + b" " * PADDING if self.rng.random() < 0.1 else text

    def filter(self, i):
        rng = self.rng
        if self.is_shared and rng.random() < 0.4:
            return "$share/g/" + rng.choice(SHARED)
        if not self.has_overlaps:
            return rng.choice(TOPICS)
        return rng.choice(FILTERS)

    def subscribe(self, i):
        rng = self.rng
        filters = []
        for _ in range(rng.choice((1, 1, 1, 2, 3))):
            name, options = self.filter(i), rng.randint(0, 2)
            if name.startswith("$share"):
                options = 1
            elif self.versions[i] == 5:
                options |= self.fixed[i].setdefault(
                    name, 4 * (rng.random() < 0.2)
                    | 8 * (self.is_as_published[i] if self.has_overlaps else rng.random() < 0.3))
                options |= 16 * rng.choice((0, 0, 0, 1, 2))
            filters.append((name, options))
            self.filters[i].append(name)
        props = []
        if self.versions[i] == 5 and rng.random() < 0.3:
            props.append((m.SUB_ID, rng.choice((1, 2, 3, 268435455))))
        return "subscribe", i, {"pid": rng.choice(PIDS), "filters": filters, "props": props}

    def unsubscribe(self, i):
        rng = self.rng
        known = self.filters[i] or ["a"]
        names = [rng.choice(known) if rng.random() < 0.8 else rng.choice(FILTERS)
                 for _ in range(rng.choice((1, 1, 2)))]
        return "unsubscribe", i, {"pid": rng.choice(PIDS), "filters": names}

    def publish(self, i):
        rng = self.rng
        qos = rng.choice((0, 1, 1, 2, 2))
        topic = rng.choice(SHARED if self.is_shared and rng.random() < 0.4 else TOPICS)
        args = {"topic": topic, "qos": qos, "retain": rng.random() < 0.25,
                "payload": self.payload(i), "props": []}
        if topic in SHARED:  # mosquitto gives retained ones to new members, against 4.8.2
            args["retain"] = False
        if args["retain"] and rng.random() < 0.3:
            args["payload"] = b""
        if self.held[i] and rng.random() < 0.15:
            return "publish", i, {**rng.choice(list(self.held[i].values())), "dup": True}
        if qos:
            args["pid"] = rng.choice([p for p in PIDS if p not in self.held[i]] or [5])
            args["dup"] = rng.random() < 0.05
        if self.versions[i] == 5:
            args["props"] = message_props(rng, topic)
            if rng.random() < 0.2:
                args["alias"] = rng.choice(("set", "set", "use")), rng.randint(1, 3)
        if qos == 2 and "hold" in self.features and rng.random() < 0.3:
            args["hold"] = True
            self.held[i][args["pid"]] = args
        return "publish", i, args

    def ack(self, i):
        """Of one that is pending: which, and a reason code that refuses it."""
        rng = self.rng
        return "ack", i, {"which": rng.randrange(8),
                          "reason": rng.choice((0x80, 0x97)) if rng.random() < 0.1 else 0}

    def release(self, i):
        pid = self.rng.choice(list(self.held[i]) or PIDS)
        self.held[i].pop(pid, None)
        return "release", i, {"pid": pid}

    def stray(self, i):
        return "stray", i, {"kind": self.rng.choice((m.PUBACK, m.PUBREC, m.PUBCOMP)), "pid": 4711}

    def leave(self, i):
        rng = self.rng
        args = {"reason": None}
        if self.versions[i] == 5:
            args["reason"] = rng.choice((None, None, 0, 4, 4, 0x81))
            if args["reason"] == 0x81 and self.has_will[i]:
                args["reason"] = 4  # mosquitto forgets the will at all others, against 3.14.4-3
            if args["reason"] is not None and rng.random() < 0.2:
                args["expiry"] = rng.choice((0, HOURS))
        return "leave", i, args

    def cut(self, i):
        return "cut", i, {}

    def ping(self, i):
        return "ping", i, {}

    def bad(self, i):
        """Left out, for mosquitto takes them: a wildcard in a response topic (3.3.2-14), a
        payload format that is none, and
        subscription identifiers from a client (3.3.4-6)."""
        rng, version = self.rng, self.versions[i]
        five = version == 5
        pid = 4
        which = rng.randrange(14)
        made = (
            lambda: m.subscribe(pid, [(rng.choice(BAD_FILTERS), 0)], version=version),
            lambda: m.unsubscribe(pid, [rng.choice(BAD_FILTERS[:5])], version=version),
            lambda: m.publish(rng.choice(("a/#", "+", "", "a\0")), b"x", version=version),
            lambda: m.publish("a", b"x", 1, 0, version=version),
            lambda: m.packet(0x36, b"\0\1a\0\1" + b"\0" * five),
            lambda: m.packet(0x38, b"\0\1a" + b"\0" * five),
            lambda: m.connect("slot%d" % i, version=version),
            lambda: m.packet(rng.choice((0x00, 0x20, 0x60, 0x80, 0xa0, 0xb0, 0xc1, 0xd0, 0xe1))),
            lambda: m.subscribe(pid, [("a", rng.choice((3, 0x40, 0x80, 0x30)))], version=version),
            lambda: m.subscribe(pid, [], version=version) if version > 3 else m.packet(0x82),
            lambda: m.packet(0x40, b"\0"),
            lambda: m.publish(b"\xed\xa0\x80", b"x", version=version),
            lambda: bytes.fromhex("30ffffffff01"),
            lambda: m.publish("a", b"x", props=rng.choice((
                [(m.ALIAS, 0)], [(m.ALIAS, 11)], [(m.CONTENT_TYPE, "x")] * 2,
                [(m.SESSION_EXPIRY, 1)], [(0x7f, b"x")])), version=5) if five else m.packet(0xf0),
        )
        return "bad", i, {"bytes": made[which]()}
