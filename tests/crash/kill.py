#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Kills the broker at random instants under load and shows that it kept what it had promised.

usage: tests/crash/kill.py [--cycles N] [--seconds S] [--pause S] [--seed N] [--keep] [ARG ...]

In each cycle the broker starts on the same store; what the last life left is checked; producers of
MQTT (QoS 1, QoS 2), AMQP (confirms) and Kafka (acks=all, idempotent), consumers and a committing
group work for a random time around S seconds; SIGKILL. Now and then it is killed while it starts,
or kills itself at one of the store's fault points (if it was built with them).

Checked after each start, from every producer's own history:
  - nothing acknowledged is lost: in the streams (read as Kafka topics), in the queue, in the
    session of a subscriber, in the group's offsets
  - no phantom: nothing is there that was not sent, and nothing twice in a stream; what was sent
    again by QoS 2 and by the idempotent producer is there once
  - order: each producer's messages are in the order in which it sent them; offsets have no gap
"""

import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"),
                os.path.dirname(os.path.abspath(__file__))]

from kafka.record import MemoryRecords  # noqa: E402

import load  # noqa: E402
from load import require  # noqa: E402
from tercet import Broker  # noqa: E402

FULL_FIRST = 25        # at this cycle, and whenever they have doubled, all is read from the start
STARTS_KILLED = 0.15   # share of the cycles in which a start is killed too
START_SECONDS = 0.03   # how long such a start may last
AT_POINTS = 0.3        # share of the lives that end at a fault point of the store, if it is passed
POINTS = (("store.write", 120), ("store.sync", 120), ("store.catalog", 20), ("store.open", 8),
          ("store.rename", 4), ("store.map", 1))  # and the most passings before the end

# Small files, so that they fill, roll and are reclaimed in a short run, and are read from the disk.
CONFIG = """\
segment_first = 4m
segment_max = 4m
cache = 1m
consumed_retention = 30s
"""


class Log:
    """One partition as read so far."""

    def __init__(self, bench, topic, partition, producers, exactly=(), is_queue=False):
        self.bench = bench
        self.topic, self.partition = topic, partition
        self.producers = producers
        self.exactly = exactly  # those that send again until acknowledged
        self.is_queue = is_queue
        self.clear()

    def rewind(self):
        if not self.is_queue:  # what was consumed may be reclaimed
            self.clear()

    def clear(self):
        self.next = 0
        self.seen = {name: load.Numbers() for name in self.producers}
        self.last = {name: -1 for name in self.producers}

    def read(self, wire):
        """Everything from where it stopped up to the durable end."""
        first, end = wire.ends(self.topic, self.partition)
        require(first == 0 or self.is_queue and first <= self.next, self.where(), "starts at",
                first, "and was read up to", self.next)
        require(end >= self.next, self.where(), "ends at", end, "but was read up to", self.next)
        while self.next < end:
            high, data = wire.fetch(self.topic, self.partition, self.next)
            require(high >= end, self.where(), "high watermark", high, "below", end)
            before = self.next
            records = MemoryRecords(data)
            while records.has_next():
                batch = records.next_batch()
                # The library's checksum is slow; every record carries one of its own besides.
                require(random.random() > 0.02 or batch.validate_crc(), self.where(),
                        "checksum at", batch.base_offset)
                for record in batch:
                    self.take(record)
            require(self.next > before, self.where(), "nothing fetched at", before)

    def where(self):
        return "%s-%d" % (self.topic, self.partition)

    def take(self, record):
        if record.offset < self.next:
            return  # the first batch may begin before the offset that was asked for
        require(record.offset == self.next, self.where(), "offset", record.offset, "after",
                self.next - 1)
        self.next += 1
        producer, number = load.of_payload(record.value)
        require(producer in self.seen, self.where(), "phantom of", producer)
        require(number < self.bench.histories[producer].sent, self.where(), "phantom", producer,
                number)
        require(number not in self.seen[producer], self.where(), "twice", producer, number)
        require(number > self.last[producer], self.where(), "order of", producer, number, "after",
                self.last[producer])
        self.seen[producer].add(number)
        self.last[producer] = number

    def check(self):
        for name in self.producers:
            lost = self.bench.histories[name].acked.minus(self.seen[name])
            require(not lost, self.where(), "lost of", name, lost[:5], "and",
                    max(0, len(lost) - 5), "more")
        for name in self.exactly:
            require(len(self.seen[name]) == self.last[name] + 1, self.where(), "holes of", name)


class Bench:
    """The broker, its clients and what they know."""

    def __init__(self, folder, arguments, pause_seconds):
        self.folder = folder
        self.pause_seconds = pause_seconds
        self.at_points = 0  # how often it ended at a fault point
        self.histories = {}
        os.mkdir(os.path.join(folder, "history"))
        self.broker = Broker(data=os.path.join(folder, "data"), args=arguments, config=CONFIG)
        self.producers = [
            load.MqttOnce(self, "mqtt-a", "crash-mqtt/a"),
            load.MqttOnce(self, "mqtt-b", "crash-mqtt/b"),
            load.MqttExactly(self, "mqtt-exactly", "crash-mqtt/exactly"),
            load.AmqpConfirmed(self, "amqp-a", "", "crash-queue"),
            load.AmqpConfirmed(self, "amqp-b", "", "crash-queue"),
            load.AmqpConfirmed(self, "amqp-topic", "amq.topic", "crash-mixed.amqp"),
            load.MqttOnce(self, "mqtt-mixed", "crash-mixed/mqtt"),
            load.KafkaProducer(self, "kafka-mixed", "crash-mixed"),
            load.KafkaProducer(self, "kafka-0", "crash-kafka", 0),
            load.KafkaProducer(self, "kafka-1", "crash-kafka", 1),
            load.KafkaProducer(self, "kafka-again", "crash-again", 0, True),
            load.KafkaProducer(self, "kafka-queue", "crash-queue", 0),
        ]
        self.keeper = load.MqttKeeper(self, "keeper", "crash-mqtt/#")
        self.consumer = load.AmqpConsumer(self, "crash-queue")
        self.committer = load.KafkaCommitter(self, "crash-group", "crash-kafka")
        self.logs = [
            # The queue's first: it is read before what was consumed is reclaimed.
            Log(self, "crash-queue", 0, ["amqp-a", "amqp-b", "kafka-queue"], is_queue=True),
            Log(self, "crash-mqtt", 0, ["mqtt-a", "mqtt-b", "mqtt-exactly"], ["mqtt-exactly"]),
            Log(self, "crash-mixed", 0, ["amqp-topic", "mqtt-mixed", "kafka-mixed"]),
            Log(self, "crash-kafka", 0, ["kafka-0"]),
            Log(self, "crash-kafka", 1, ["kafka-1"]),
            Log(self, "crash-again", 0, ["kafka-again"], ["kafka-again"]),
        ]

    def history(self, name):
        self.histories[name] = load.History(os.path.join(self.folder, "history"), name)
        return self.histories[name]

    def missing(self, producers, got):
        """The first numbers of each producer that were acknowledged and are not in `got`."""
        lost = {name: self.histories[name].acked.minus(got[name]) for name in producers}
        return {name: numbers[:5] for name, numbers in lost.items() if numbers}

    def address(self, protocol):
        return self.broker.address(protocol)

    @staticmethod
    def now_ms():
        return int(time.time() * 1000)

    def prepare(self):
        """The streams and the queue, and the session that is to miss nothing."""
        wire = load.Kafka(self.address("kafka"))
        for topic, partitions in (("crash-mqtt", 1), ("crash-mixed", 1), ("crash-kafka", 2),
                                  ("crash-again", 1)):
            wire.create(topic, partitions)
        wire.close()
        self.consumer.drain([])
        self.keeper.drain([])

    def check(self, full):
        """All that was promised, seen through each protocol."""
        wire = load.Kafka(self.address("kafka"))
        for log in self.logs:
            if full:
                log.rewind()
            log.read(wire)
            log.check()
        self.committer.check(wire)
        wire.close()
        self.keeper.drain(["mqtt-a", "mqtt-b", "mqtt-exactly"])
        self.consumer.drain(["amqp-a", "amqp-b", "kafka-queue"])

    def live(self, seconds):
        """Everybody works; the broker is killed; what had arrived by then is written down."""
        workers = self.producers + [self.keeper, self.consumer, self.committer]
        for worker in workers:
            worker.stopping = False
            worker.start()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.is_running():
            time.sleep(min(0.02, max(0.0, deadline - time.monotonic())))
        return workers

    def is_running(self):
        """False when it killed itself at a fault point; another end is an error."""
        if self.broker.is_running():
            return True
        require("TERCET_FAULT" in self.broker.env and self.broker.process.poll() == -signal.SIGKILL,
                "the broker ended by itself")
        self.at_points += 1
        return False

    def end(self, workers):
        for worker in workers:
            worker.join()
        for history in self.histories.values():
            history.flush()

    def acked(self):
        return sum(len(history.acked) for history in self.histories.values())


def cycle(bench, number, seconds):
    """One life of the broker; gives how often it was killed."""
    kills = 0
    while random.random() < STARTS_KILLED and number > 0:
        bench.broker.launch()
        time.sleep(random.uniform(0, START_SECONDS))
        bench.broker.kill()
        kills += 1
    kills += start(bench, number > 0 and random.random() < AT_POINTS)
    try:
        if number == 0:
            bench.prepare()
        else:
            times = number // FULL_FIRST
            bench.check(number % FULL_FIRST == 0 and times & (times - 1) == 0)
    except load.Gone:
        time.sleep(0.1)  # the end of the connection is seen before the end of the process
        require(not bench.is_running(), "the broker closed a connection")
        bench.broker.kill()  # so that it is known to be gone
        return kills + 1
    workers = bench.live(random.uniform(0.3, 1.7) * seconds)
    bench.broker.kill()
    bench.end(workers)
    return kills + 1


def start(bench, at_point):
    """Starts it, with a fault point when asked; gives how often that killed it before it was up."""
    if at_point:
        name, most = random.choice(POINTS)
        bench.broker.env["TERCET_FAULT"] = "%s:%d:kill" % (name, random.randint(1, most))
        try:
            bench.broker.start()
            return 0
        except AssertionError:
            if "ended with -9" not in str(sys.exc_info()[1]):
                raise
            bench.at_points += 1
    bench.broker.env.pop("TERCET_FAULT", None)
    bench.broker.start()
    return int(at_point)


def finish(bench):
    """A last life in peace: whoever sends again comes to an end, and everything is checked."""
    start(bench, False)
    bench.check(False)
    workers = bench.live(0.2)
    bench.end(workers)
    bench.check(True)
    for log in bench.logs:
        for name in log.exactly:
            history = bench.histories[name]
            require(len(history.acked) == history.sent, name, "was not acknowledged whole")
    bench.broker.stop()


def run(kills, seconds=0.3, seed=None, arguments=(), keep=False, pause_seconds=0.06, say=print):
    """At least so many kills. Raises Wrong when a promise was broken."""
    seed = random.randrange(1 << 32) if seed is None else seed
    random.seed(seed)
    folder = tempfile.mkdtemp(prefix="tercet-crash-")
    bench = Bench(folder, arguments, pause_seconds)
    begin, done, number, told = time.monotonic(), 0, 0, 0.0
    ok = False
    try:
        while done < kills:
            done += cycle(bench, number, seconds)
            number += 1
            if time.monotonic() - told > 10:
                told = time.monotonic()
                say("%d kills, %d messages acknowledged, %.0f s" % (done, bench.acked(),
                                                                    told - begin))
        finish(bench)
        ok = True
    finally:
        if not ok:
            say("seed %d, cycle %d, %d kills; histories and store: %s\n--- log ---\n%s---"
                % (seed, number, done, folder, bench.broker.log_tail()))
        bench.broker.close()
        if ok and not keep:
            shutil.rmtree(folder, ignore_errors=True)
    say("%d kills (%d at fault points) in %.0f s, %d messages acknowledged, none lost, none twice,"
        " all in order" % (done, bench.at_points, time.monotonic() - begin, bench.acked()))
    return done


def main():
    parser = argparse.ArgumentParser(description="kill the broker at random instants under load")
    parser.add_argument("--cycles", type=int, default=200, help="how many kills at least")
    parser.add_argument("--seconds", type=float, default=0.3, help="life under load, on average")
    parser.add_argument("--pause", type=float, default=0.06,
                        help="a producer's longest pause between two bursts, in seconds")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--keep", action="store_true", help="leave store and histories")
    parser.add_argument("arguments", nargs="*", help="for tercetd")
    options = parser.parse_args()
    try:
        run(options.cycles, options.seconds, options.seed, options.arguments, options.keep,
            options.pause)
    except load.Wrong as error:
        print("FAILED: %s" % error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
