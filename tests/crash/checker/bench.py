# SPDX-License-Identifier: Apache-2.0
"""The broker under torture and its clients.

  all      a stream of two partitions: one producer of each protocol, read by all three (nine pairs)
  work     a queue: producers of all three, consumers of AMQP and MQTT, and a reader of its log
  exact    QoS 2 in and out; again: an idempotent producer
  txq txs  transactions over a queue and a stream
  keys     a stream that keeps the last of each key
  kept/+   retained messages; positions of a group; queues and exchanges that come and go
  churn    a queue that is filled and emptied, at the end, to see that the disk is given back
"""

import os
import subprocess
import time

from checker import check, history
from checker.clients_amqp import AmqpObjects, AmqpProducer, AmqpQueue, AmqpTransactions
from checker.clients_kafka import KafkaCommitter, KafkaLog, KafkaProducer
from checker.clients_mqtt import (MqttExactly, MqttKeeper, MqttProducer, MqttQueue, MqttRetainer,
                                  MqttSession)
from checker.wire import Amqp, Kafka, Mqtt, spec
from power_broker import PowerBroker
from tercet import MEMORY_SCALE, SCALE, Broker, program

# Small files, so that they fill, roll and are reclaimed in a short run, and are read from the disk.
CONFIG = """\
segment_first = 4m
segment_max = 4m
cache = 1m
consumed_retention = 1s
"""

START_SECONDS = 90            # Broker scales it; machines stall
# As often as it can be: when anything is new, once a second.
COMPACTED = [("cleanup.policy", "compact"), ("min.cleanable.dirty.ratio", "0.01"),
             ("segment.bytes", "1024"), ("segment.ms", "1"), ("max.compaction.lag.ms", "1")]
ENDING_SECONDS = 10 * SCALE   # from the end of a connection to the end of the process
BURST_SECONDS = 0.3           # of the last life
BURSTS = 3
SETTLE_SECONDS = 3 * SCALE    # until what was closed is gone
RECLAIM_SECONDS = 25 * SCALE  # until retention has run, and files are gone
CHURN_MESSAGES = 400
CHURN_BYTES = 100000


class Bench:
    def __init__(self, folder, seed, options):
        self.folder = os.path.join(folder, "histories")  # where the clients write
        self.histories = self.folder
        os.mkdir(self.folder)
        self.seed, self.life = seed, 0
        self.pause_seconds, self.wait_seconds = options.pause, options.wait
        self.has_churn = options.churn
        self.got = {}
        self.at_point = None
        self.killing = False
        self.last_log = ""
        store = {"data": os.path.join(folder, "data"), "args": options.arguments,
                 "config": CONFIG, "env": options.env}
        self.broker = PowerBroker(seed, **store) if options.power else Broker(**store)
        self.history = history.Writer(self.folder, "broker", self)
        self.history.put("observer", name="broker")
        self.troubled = False
        self.make_clients()

    def make_clients(self):
        every = [MqttProducer(self, "mqtt-all", "all", ["m/0", "m/1", "m/2"]),
                 AmqpProducer(self, "amqp-all", "amq.topic", "all", ["a/0", "a/1"]),
                 KafkaProducer(self, "kafka-all", "all", ["k/0", "k/1", "k/2"], partitions=2)]
        work = [MqttProducer(self, "mqtt-work", "work"),
                AmqpProducer(self, "amqp-work", "", "work"),
                KafkaProducer(self, "kafka-work", "work")]
        exact = [MqttExactly(self, "mqtt-exact", "exact", ["e"])]
        again = [KafkaProducer(self, "kafka-again", "again", once=True)]
        keys = [KafkaProducer(self, "kafka-keys", "keys", ["k/%d" % one for one in range(20)])]
        tx = [AmqpTransactions(self, "amqp-tx", "txq", "txs")]
        kept = [MqttRetainer(self, "mqtt-kept", "kept", ["0", "1", "2", "3"])]
        self.queues = [AmqpQueue(self, "all-queue", "all-copy", every, binding="all.#"),
                       AmqpQueue(self, "work-amqp", "work", work),
                       AmqpQueue(self, "tx-queue", "txq", tx)]
        self.sessions = [MqttSession(self, "all-session", "all/#", 1, every),
                         MqttSession(self, "exact-session", "exact/#", 2, exact)]
        self.logs = [KafkaLog(self, "work-log", "work", work, may_trim=True),
                     KafkaLog(self, "all-log", "all", every, partitions=2),
                     KafkaLog(self, "exact-log", "exact", exact),
                     KafkaLog(self, "again-log", "again", again),
                     KafkaLog(self, "keys-log", "keys", keys, compacted=True),
                     KafkaLog(self, "tx-log", "txs", tx)]
        others = [MqttKeeper(self, "kept-keeper", "kept/#", kept), AmqpObjects(self, "objects"),
                  KafkaCommitter(self, "group", "all")]
        self.producers = every + work + exact + again + keys + tx + kept
        self.drained = self.logs + self.sessions + self.queues + others
        self.workers = self.producers + self.drained + [MqttQueue(self, "work-mqtt", "work", work)]

    # --- for workers ---

    def address(self, protocol):
        return self.broker.address(protocol)

    def is_ending(self):
        """A connection ended: because the broker is being killed, or kills itself?"""
        deadline = time.monotonic() + ENDING_SECONDS
        while not self.killing and self.broker.is_running():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        return True

    # --- lives ---

    def trouble(self, what):
        self.troubled = True
        self.history.put("trouble", what=what[:2000])
        self.history.flush()

    def has_trouble(self):
        return self.troubled or any(one.has_trouble for one in self.workers)

    def start(self, point):
        """False when it ended before it was up."""
        self.broker.env.pop("TERCET_FAULT", None)
        if point is not None:
            self.broker.env["TERCET_FAULT"] = point
        self.at_point = point
        self.killing = False
        self.life += 1
        try:
            self.broker.start(START_SECONDS)
        except AssertionError as error:
            if point is None or "ended with -9" not in str(error):
                self.trouble(str(error))
            return False
        self.history.put("up", point=point)
        return True

    def prepare(self):
        """The streams and queues, and the sessions that are to miss nothing."""
        wire = Kafka(self.address("kafka"))
        for topic, partitions in (("all", 2), ("exact", 1), ("again", 1), ("txs", 1)):
            wire.create(topic, partitions)
        wire.create("keys", 1, COMPACTED)
        wire.close()
        for queue in self.queues:
            queue.make()
        return all([session.drain() for session in self.sessions])

    def rewind(self):
        for log in self.logs:
            log.rewind()

    def drain(self):
        """Everybody takes what there is, one after the other, in peace; False when that ended."""
        for one in self.drained:
            if not one.drain():
                return False
        return True

    def live(self, seconds):
        """Everybody works for this time, or until the broker is gone."""
        for worker in self.workers:
            worker.start()
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.broker.is_running():
            time.sleep(min(0.01, max(0.0, deadline - time.monotonic())))

    def kill(self):
        self.killing = True
        self.history.put("kill")
        self.broker.kill()
        self.end()

    def end(self):
        for worker in self.workers:
            worker.stopping = True
        for worker in self.workers:
            worker.end()
        self.history.flush()

    def close(self):
        self.killing = True
        self.last_log = self.broker.log_tail()
        self.broker.close()
        self.end()

    def verify(self):
        """The store as it lies there, every checksum of it."""
        told = subprocess.run([program(), "--verify", self.broker.data], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        if told.returncode != 0:
            self.trouble("verify ended with %d: %s" % (told.returncode, told.stdout))
        return told.returncode == 0

    # --- the last life ---

    def finish(self, round_):
        """In peace: who sends again comes to an end, all is drained, and nothing stays behind."""
        if not round_.start(False) or not self.drain():
            return False
        base = None
        for burst in range(BURSTS):
            self.live(BURST_SECONDS)
            self.end()
            if burst == BURSTS - 1:
                self.rewind()
            if self.has_trouble() or not self.drain():
                return False
            base = self.gauge(base, ("rss", "sockets", "files"))
        if self.has_churn and not self.churn():
            return False
        try:
            self.broker.stop()
        except AssertionError as error:  # it did not end as it should
            self.trouble(str(error))
        self.end()
        return not self.has_trouble() and self.verify()

    def measure(self):
        folder = "/proc/%d/fd" % self.broker.pid
        links = []
        for name in os.listdir(folder):
            try:
                links.append(os.readlink(os.path.join(folder, name)))
            except FileNotFoundError:
                pass  # closed meanwhile
        stored = [name for _, _, names in os.walk(self.broker.data) for name in names]
        return {"rss": self.broker.rss(), "segments": len(stored),
                "sockets": sum(link.startswith("socket:") for link in links),
                "files": sum(not link.startswith(("socket:", self.broker.data)) for link in links)}

    def gauge(self, base, names, seconds=SETTLE_SECONDS):
        """Written down when it is as near to the base as it should be, or the time is over."""
        names = [name for name in names if name != "rss" or MEMORY_SCALE == 1]
        now = self.measure()
        for _ in range(2):
            deadline = time.monotonic() + seconds
            while base is not None and time.monotonic() < deadline and \
                    any(now[name] > base[name] + check.SLACK[name] for name in names):
                time.sleep(0.05)
                now = self.measure()
            Mqtt(self.address("mqtt"), "gauge", True).ping_and_end()  # does it run?
        self.history.put("gauge", at="base" if base is None else "after",
                         **{name: now[name] for name in names})
        return base or now

    def churn(self):
        """Files of a queue that was filled and emptied are given back."""
        try:
            wire = Amqp(self.address("amqp"))
            wire.ask(spec.Queue.Declare(queue="churn", durable=True), spec.Queue.DeclareOk)
            wire.ask(spec.Confirm.Select(), spec.Confirm.SelectOk)
            base = self.gauge(None, ("segments", "rss"))
            wire.ask(spec.Basic.Consume(queue="churn", no_ack=True), spec.Basic.ConsumeOk)
            properties = spec.BasicProperties(delivery_mode=2)
            for _ in range(CHURN_MESSAGES):
                wire.send(wire.publishing("", "churn", properties, bytes(CHURN_BYTES)))
                waiting = {spec.Basic.Deliver, spec.Basic.Ack}
                while waiting:
                    method = wire.next().method
                    waiting.discard(type(method))
                    if isinstance(method, spec.Basic.Deliver):
                        wire.content()
            wire.end()
        except Exception as error:  # pylint: disable=broad-except # the checker judges
            self.trouble("churn: %s: %s" % (type(error).__name__, error))
            return False
        self.gauge(base, ("segments", "rss"), RECLAIM_SECONDS)
        return True
