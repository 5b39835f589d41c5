# SPDX-License-Identifier: Apache-2.0
"""MQTT 5: producers of QoS 1 and 2, sessions that miss nothing, a competing consumer, what is
retained."""

import mqtt_raw as mqtt

from checker import history
from checker.wire import Mqtt, require
from checker.worker import HEADER, Consumer, Producer, Worker

WINDOW = 12
CREDIT = 10  # Receive Maximum of readers: it is used up now and then
NOT_FOUND = 0x92  # a PUBREL that is sent again: its PUBCOMP was on the way when the broker died


def topic_of(to, subject):
    return to if subject is None else to + "/" + subject


def publishing(to, note, qos, dup=False, retain=False):
    props = [(mqtt.CONTENT_TYPE, "text/plain")]
    props += [(mqtt.USER, pair) for pair in note.headers.items()]
    return mqtt.publish(topic_of(to, note.subject), note.body, qos, pid_of(note), retain, dup,
                        props)


def pid_of(note):
    return note.n % 65535 + 1


def seen(packet):
    """Fields of a PUBLISH as a history has them."""
    _, slash, subject = packet.topic.partition("/")
    return {"key": subject if slash else None, "again": packet.dup,
            "headers": {name: value for name, value in packet.all(mqtt.USER)
                        if name.startswith(HEADER)}}


class MqttProducer(Producer):
    """QoS 1 with many on the way; what was not acknowledged when the broker died is let go."""

    protocol = "mqtt"
    retain = False

    def run(self):
        wire = Mqtt(self.bench.address("mqtt"), self.name, True)
        way = {}
        while way or not self.stopping:
            if len(way) <= WINDOW // 2 and not self.stopping:
                notes = [self.note() for _ in range(WINDOW - len(way))]
                way.update((pid_of(note), note) for note in notes)
                wire.send(b"".join(publishing(self.to, note, 1, retain=self.retain)
                                   for note in notes))
            found = wire.next()
            while found is not None:
                require(found.type == mqtt.PUBACK and found.reason in (0, 16), "unexpected", found)
                self.acked(way.pop(found.pid))
                found = wire.whole()
            self.breathe()
        wire.end()


class MqttRetainer(MqttProducer):
    """Each message replaces what is kept for its topic."""

    retain = True

    def __init__(self, bench, name, to, subjects):
        super().__init__(bench, name, to, subjects)
        self.kept = set()  # subjects for which something was acknowledged

    def acked(self, note, **fields):
        super().acked(note, **fields)
        self.kept.add(note.subject)


class MqttExactly(Producer):
    """QoS 2 in a lasting session: what was on the way when the broker died is finished later."""

    protocol = "mqtt"

    def __init__(self, bench, name, to, subjects):
        super().__init__(bench, name, to, subjects, once=True)
        self.way = {}  # packet id -> Note
        self.has_session = False

    def run(self):
        wire = Mqtt(self.bench.address("mqtt"), self.name, False)
        require(wire.session_present or not self.has_session, "the session is lost")
        self.has_session = True
        for pid, note in self.way.items():
            if note.was_received:
                wire.send(mqtt.ack(mqtt.PUBREL, pid))
            else:
                self.history.put("again", n=note.n)
                wire.send(publishing(self.to, note, 2, dup=True))
        while self.way or not self.stopping:
            if len(self.way) <= WINDOW // 2 and not self.stopping:
                notes = [self.note() for _ in range(WINDOW - len(self.way))]
                self.way.update((pid_of(note), note) for note in notes)
                wire.send(b"".join(publishing(self.to, note, 2) for note in notes))
            self.handle(wire)
            self.breathe()
        wire.end()

    def handle(self, wire):
        answers = []
        found = wire.next()
        while found is not None:
            if found.type == mqtt.PUBREC:
                require(found.reason in (0, 16), "refused", found)
                self.way[found.pid].was_received = True
                answers.append(mqtt.ack(mqtt.PUBREL, found.pid))
            else:
                require(found.type == mqtt.PUBCOMP and found.reason in (0, NOT_FOUND),
                        "unexpected", found)
                require(self.way[found.pid].was_received, "PUBCOMP before PUBREC")
                self.acked(self.way.pop(found.pid))
            found = wire.whole()
        wire.send(b"".join(answers))


class MqttSession(Consumer):
    """A lasting session with one subscription, of QoS 1 or 2."""

    protocol = "mqtt"

    def __init__(self, bench, name, filter_, qos, producers):
        super().__init__(bench, name, "session", producers, flags=qos == 1, once=qos == 2)
        self.filter, self.qos = filter_, qos
        self.has_session = False
        self.received = set()  # packet ids of QoS 2 that were not yet released

    def open(self):
        self.opened()
        wire = Mqtt(self.bench.address("mqtt"), self.name, False, CREDIT)
        require(wire.session_present or not self.has_session, "the session is lost")
        if not self.has_session:
            wire.subscribe(self.filter, self.qos)
            self.has_session = True
        return wire

    def take(self, wire, seconds):
        """What comes in this time, acknowledged; False when nothing came."""
        found, answers = wire.next(seconds), []
        if found is None:
            return False
        while found is not None:
            if found.type == mqtt.PUBLISH:
                answers.append(self.publish(found))
            else:
                require(found.type == mqtt.PUBREL, "unexpected", found)
                self.received.discard(found.pid)
                answers.append(mqtt.ack(mqtt.PUBCOMP, found.pid))
            found = wire.whole()
        wire.send(b"".join(answers))
        return True

    def publish(self, packet):
        require(packet.qos == self.qos, "QoS", packet.qos)
        if packet.qos == 1:
            self.got(packet.payload, **seen(packet))
            return mqtt.ack(mqtt.PUBACK, packet.pid)
        if packet.pid not in self.received:
            self.received.add(packet.pid)
            self.got(packet.payload, **seen(packet))
        return mqtt.ack(mqtt.PUBREC, packet.pid)

    def run(self):
        try:
            wire = self.open()
            while not self.stopping:
                self.take(wire, 0.05)
            self.closed()
            wire.end()
        finally:
            self.closed()

    def take_all(self):
        try:
            wire = self.open()
            while not self.has_all() and self.wait(lambda seconds: self.take(wire, seconds)):
                pass
            self.closed()
            wire.end()
        finally:
            self.closed()


class MqttQueue(Consumer):
    """Competes for an AMQP queue with AMQP's consumers."""

    protocol = "mqtt"

    def __init__(self, bench, name, queue, producers):
        super().__init__(bench, name, "queue", producers, group="queue " + queue)
        self.queue = queue

    def run(self):
        self.opened()
        try:
            wire = Mqtt(self.bench.address("mqtt"), self.name, True, CREDIT // 2)
            wire.subscribe("$queue/" + self.queue, 1)
            while not self.stopping:
                self.take(wire)
                self.breathe()
            self.closed()
            wire.end()
        finally:
            self.closed()

    def take(self, wire):
        found, answers = wire.next(0.05), []
        while found is not None:
            require(found.type == mqtt.PUBLISH and found.qos == 1, "unexpected", found)
            self.got(found.payload, headers=seen(found)["headers"])
            answers.append(mqtt.ack(mqtt.PUBACK, found.pid))
            found = wire.whole()
        wire.send(b"".join(answers))


class MqttKeeper(Worker):
    """Subscribes anew in each life, and is told what is retained."""

    role, protocol = "keeper", "mqtt"

    def __init__(self, bench, name, filter_, producers):
        super().__init__(bench, name, **{"from": [one.name for one in producers]})
        self.filter = filter_
        self.producers = producers

    def drain(self):
        self.history.put("drain")
        return self.guarded(self.look)

    def look(self):
        wire = Mqtt(self.bench.address("mqtt"), self.name, True)
        wire.subscribe(self.filter, 1)
        left = set().union(*(one.kept for one in self.producers))  # when to stop waiting
        while left:
            found = self.wait(wire.next)
            if not found:
                break
            parts = found.payload[:60].split(b" ", 2)
            number = int(parts[1]) if len(parts) == 3 and parts[1].isdigit() else -1
            require(found.retain, "not marked as retained:", found.topic)
            self.history.put("kept", key=seen(found)["key"], n=number,
                             sum=history.sum_of(found.payload))
            left.discard(seen(found)["key"])
        wire.end()
        self.history.put("drained")

    def run(self):
        """It looks only in peace."""


