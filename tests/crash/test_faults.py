# SPDX-License-Identifier: Apache-2.0
"""Each fault point of the source, and each kind of call on the store's files, fails in a broker.

The points are listed from the source, so that a new one is tried without a line here; one that no
life of the broker passes fails the test, unless it needs a long one. Each fails once, from then on,
and ends the process, while clients of all three protocols publish; what they were acknowledged must
be there at the next start, once and in order. Failures of a store alone, at every passing:
store_faults.c.
"""

import concurrent.futures
import errno
import glob
import os
import re
import signal
import threading
import time
import unittest

from power_broker import PRELOAD, need_recorder
from tercet import SCALE, TOP, Broker, need_module

for _module in ("pika", "kafka"):
    need_module(_module)
need_recorder()

from kafka.protocol.produce import ProduceRequest  # noqa: E402 (after the check for it)
from kafka.record import MemoryRecords  # noqa: E402
from kafka.record.default_records import DefaultRecordBatchBuilder  # noqa: E402

import mqtt_raw as mqtt  # noqa: E402
from checker.wire import Amqp, Gone, Kafka, Mqtt, Wrong, spec  # noqa: E402

TIMEOUT = 900
LIFE_SECONDS = 0.12
LIFE_MOST_SECONDS = 6 * SCALE  # for a point that is passed late
BODY_BYTES = 30000
# Small files, so that they fill, roll, and come to be written over in a short life.
CONFIG = """\
segment_first = 4m
segment_max = 4m
cache = 1m
consumed_retention = 1s
retention_bytes = 2m
"""
ACTS = ("once", "on", "kill")
# Copying forward, backups and writing files over take a longer life than there is time for here:
# store_faults has them, and fails by itself for a point that it does not pass.
LONG_LIVES = re.compile(r"@(copie[rd]|backup)\.c|store\.backup@|store\.rename@")
WRITE, ALLOCATE, SYNC, NAME, OPEN, READ, MAP = 1, 2, 4, 8, 16, 32, 64  # power/trace.h
CALLS = ((WRITE, errno.ENOSPC), (WRITE, errno.EIO), (ALLOCATE, errno.ENOSPC), (SYNC, errno.EIO),
         (NAME, errno.ENOSPC), (OPEN, errno.EMFILE), (READ, errno.EIO), (MAP, errno.ENOMEM))
CALL_ACTS = {"once": 0, "on": 1, "kill": 3}


def points():
    """name@file+line of each FAULT() in the source."""
    found = []
    for folder in ("broker", "storage", "protocols", "admin"):
        for path in glob.glob(os.path.join(TOP, folder, "**", "*.c"), recursive=True):
            with open(path, encoding="utf-8") as file:
                for number, line in enumerate(file, 1):
                    for name in re.findall(r'\bFAULT\("([^"]*)"\)', line):
                        found.append("%s@%s+%d" % (name, os.path.basename(path), number))
    return found


class Publisher(threading.Thread):
    """Sends numbers until it is told to stop; what it was acknowledged is in `acked`. A refusal or
    the end of a connection is no acknowledgement, and then it connects again."""

    def __init__(self, broker, name):
        super().__init__(daemon=True)
        self.broker, self.name = broker, name
        self.stopping = False
        self.next = 0
        self.acked = set()
        self.wire = None

    def run(self):
        while not self.stopping:
            try:
                if self.wire is None:
                    self.wire = self.connect()
                number, self.next = self.next, self.next + 1
                if self.publish(number, b"%d " % number + bytes(BODY_BYTES)):
                    self.acked.add(number)
            except (Gone, Wrong, OSError):
                if self.wire is not None:
                    self.wire.close()
                self.wire = None
                time.sleep(0.005)

    def end(self):
        """After the broker's."""
        self.stopping = True
        self.join(60)
        assert not self.is_alive(), "%s hangs" % self.name


class MqttPublisher(Publisher):
    def connect(self):
        return Mqtt(self.broker.address("mqtt"), "publisher", True)

    def publish(self, number, body):
        self.wire.send(mqtt.publish("f-mqtt/x", body, qos=1, pid=number % 65535 + 1))
        return self.wire.expect(mqtt.PUBACK).reason == 0


class AmqpPublisher(Publisher):
    def connect(self):
        wire = Amqp(self.broker.address("amqp"))
        wire.ask(spec.Queue.Declare(queue="f-amqp", durable=True), spec.Queue.DeclareOk)
        wire.ask(spec.Confirm.Select(), spec.Confirm.SelectOk)
        return wire

    def publish(self, number, body):
        wire = self.wire
        wire.send(wire.publishing("", "f-amqp", spec.BasicProperties(delivery_mode=2), body))
        while True:
            method = getattr(wire.next(), "method", None)
            if isinstance(method, (spec.Basic.Ack, spec.Basic.Nack)):
                return isinstance(method, spec.Basic.Ack)
            if isinstance(method, (spec.Channel.Close, spec.Connection.Close)):
                raise Gone()


class KafkaPublisher(Publisher):
    def connect(self):
        wire = Kafka(self.broker.address("kafka"))
        wire.create("f-kafka", 1)
        return wire

    def publish(self, number, body):
        builder = DefaultRecordBatchBuilder(2, 0, False, -1, -1, -1, 1 << 20)
        builder.append(0, number, None, body, [])
        answer = self.wire.ask(ProduceRequest[7](
            transactional_id=None, required_acks=-1, timeout=1000,
            topics=[("f-kafka", [(0, bytes(builder.build()))])]))
        return answer.topics[0][1][0][1] == 0


class Reader(Publisher):
    """Reads logs from their beginnings, which are on the disk alone."""

    def connect(self):
        return Kafka(self.broker.address("kafka"))

    def publish(self, number, body):
        for topic in TOPICS:
            first, end = self.wire.ends(topic, 0)
            if first < end:
                self.wire.fetch(topic, 0, first)
        return False


TOPICS = {"f-mqtt": MqttPublisher, "f-amqp": AmqpPublisher, "f-kafka": KafkaPublisher}


def numbers(wire, topic):
    """What the log holds, from its first offset on; (first offset, numbers)."""
    first, end = wire.ends(topic, 0)
    found, offset = [], first
    while offset < end:
        before = offset
        records = MemoryRecords(wire.fetch(topic, 0, offset))
        while records.has_next():
            for record in records.next_batch():
                if record.offset >= offset:
                    assert record.offset == offset, "%s: a gap at %d" % (topic, offset)
                    found.append(int(record.value.split(b" ", 1)[0]))
                    offset += 1
        assert offset > before, "%s: nothing at %d" % (topic, before)
    return first, found


class Case:
    """A store that was killed once, a life with the fault, and a look at what is left."""

    def __init__(self, env, act):
        self.act = act
        self.fault = env
        self.was_hit = False

    def run(self):
        with Broker(data=True, config=CONFIG, start=False) as broker:
            publishers = [kind(broker, name) for name, kind in TOPICS.items()]
            broker.start()
            self.live(broker, publishers, 0.05)
            publishers = self.again(broker, publishers)
            broker.env.update(self.fault)
            if "TERCET_POWER_FAIL" in self.fault:
                broker.env.update(LD_PRELOAD=PRELOAD, TERCET_POWER_TRACE=broker.data + ".trace",
                                  TERCET_POWER_ROOT=os.path.realpath(broker.data))
            if self.start(broker):
                most = LIFE_MOST_SECONDS if self.act == "kill" else LIFE_SECONDS
                self.live(broker, publishers, most)
            for name in ("TERCET_FAULT", "TERCET_POWER_FAIL", "LD_PRELOAD"):
                broker.env.pop(name, None)
            broker.start()
            self.check(broker, publishers)
            broker.stop()
        return self

    @staticmethod
    def again(broker, publishers):
        """The same numbers go on."""
        fresh = []
        for old in publishers:
            new = type(old)(broker, old.name)
            new.next, new.acked = old.next, old.acked
            fresh.append(new)
        return fresh

    def start(self, broker):
        """False when it ended before it was up: killed, or with a word."""
        before = len(broker.log())
        try:
            broker.start()
            return True
        except AssertionError as error:
            status = int(re.search(r"ended with (-?\d+)", str(error)).group(1))
            assert status > 0 or status == -signal.SIGKILL and self.act == "kill", error
            # A word takes memory.
            assert status < 0 or len(broker.log()) > before or "mem@" in str(self.fault), \
                "it ended without a word"
            self.was_hit = True
            return False

    def live(self, broker, publishers, seconds):
        publishers = publishers + [Reader(broker, "reader")]
        for one in publishers:
            one.start()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and broker.is_running():
            time.sleep(0.005)
        if not broker.is_running():
            status = broker.process.wait()
            assert status == -signal.SIGKILL and self.act == "kill", "it ended with %d" % status
            self.was_hit = True
        broker.kill()
        for one in publishers:
            one.end()

    @staticmethod
    def check(broker, publishers):
        wire = Kafka(broker.address("kafka"))
        for one in publishers:
            if one.next == 0:
                continue
            try:
                first, found = numbers(wire, one.name)
            except Wrong:
                assert not one.acked, "%s is gone" % one.name
                continue
            assert found == sorted(set(found)), "%s: twice, or out of order" % one.name
            assert not found or found[-1] < one.next, "%s: a phantom" % one.name
            least = found[0] if first > 0 and found else 0  # what retention took is no loss
            lost = sorted(n for n in one.acked - set(found) if n >= least)
            assert not lost, "%s: lost %s" % (one.name, lost[:5])
        wire.close()


class Faults(unittest.TestCase):
    def try_all(self, cases):
        """Two at a time; gives which were hit."""
        hit = set()
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            runs = {pool.submit(Case(env, act).run): (what, act) for what, env, act in cases}
            for run in concurrent.futures.as_completed(runs):
                what, act = runs[run]
                with self.subTest(what=what, act=act):
                    if run.result().was_hit:
                        hit.add(what)
        return hit

    def test_every_fault_point_of_the_source_breaks_no_promise(self):
        found = points()
        self.assertGreater(len(found), 10)
        cases = [(point,
                  {"TERCET_FAULT": "%s:1%s" % (point, "" if act == "on" else ":" + act)}, act)
                 for point in found for act in ACTS
                 if act != "kill" or not LONG_LIVES.search(point)]
        hit = self.try_all(cases)
        missed = [one for one in found if one not in hit and not LONG_LIVES.search(one)]
        self.assertFalse(missed, "no life passes them")

    def test_every_kind_of_call_that_fails_breaks_no_promise(self):
        cases = [("%d errno=%d" % (kind, error),
                  {"TERCET_POWER_FAIL": "%d:%d:%d:%d" % (kind, 2, error, CALL_ACTS[act])}, act)
                 for kind, error in CALLS for act in ACTS]
        self.try_all(cases)


if __name__ == "__main__":
    unittest.main()
