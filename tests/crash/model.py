#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Random operations by clients of all protocols and by administrators, against a naive model.

usage: tests/crash/model.py [ROUNDS] [--seed N] [--steps N] [--only N,N,...] [--shrink] [-v]

A round has a store with small segments, and a list of steps that its seed gives; each step is done
by the broker and by the model, one after the other, and every now and then all that the broker
holds is read and compared: offsets, records, queues, sessions, retained messages, positions of
groups, byte counts, and in the end the space that is given back. Between them the broker is
stopped, killed, or goes on with a restored backup of itself.

What a kill may take back is little, and the model knows it: that something was settled, when
nothing that was confirmed came after it. --only does these steps of a seed alone; --shrink finds
few steps that still fail.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

_HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(_HERE, "..", "lib"), os.path.join(_HERE, "..", "wire"), _HERE]

import admin_raw  # noqa: E402
import amqp_raw  # noqa: E402
import mqtt_raw as mqtt  # noqa: E402
from kafka_wire import Connection, batch  # noqa: E402
from tercet import Broker, program, wait_for  # noqa: E402

CONFIG = ("segment_first = 4m\nsegment_max = 4m\ncache = 1m\nconsumed_retention = 1s\n"
          "retention = 0s\n")
STEPS = 60
OUT_OF_RANGE, POLICY_VIOLATION = 1, 44
FAR_MS = 1 << 52
LEFT_BYTES = 9 << 20  # the segment that is written to, the next one
DURABILITIES = ("always", "interval", "memory")


class Differs(AssertionError):
    """The broker's answer is not the model's."""


class OutOfRange(Differs):
    pass


def require(condition, *what):
    if not condition:
        raise Differs(" ".join(str(one) for one in what)[:3000])


# ---- what the broker should hold ----

class Log:
    """One partition: records by offset."""

    def __init__(self):
        self.start, self.end, self.at = 0, 0, {}
        self.clean = 0  # below it compaction may have been

    def add(self, record):
        self.at[self.end] = record
        self.end += 1

    def trim(self, start):
        self.start = max(self.start, start)
        self.at = {offset: one for offset, one in self.at.items() if offset >= self.start}


class Stream:
    def __init__(self, name, partitions=1, compact=False, tombstones_ms=None):
        self.name, self.compact, self.was_compacted = name, compact, compact
        self.logs = [Log() for _ in range(partitions)]
        self.tombstones_ms = tombstones_ms
        self.policy = "compact" if compact else "delete"
        self.durability = "always"


class Queue:
    """Messages, (body, offset), in order; `unsure` were settled, and may be back after a kill."""

    def __init__(self, name):
        self.name, self.ready, self.unsure = name, [], []


class Session:
    """What it is owed, (topic, payload, stream), in order."""

    def __init__(self, name, filter_):
        self.name, self.filter, self.owed, self.unsure = name, filter_, [], []


class World:
    def __init__(self):
        self.streams, self.queues, self.retained, self.groups = {}, {}, {}, {}
        self.sessions = {name: Session(name, filter_) for name, filter_ in
                         (("s-m", "m/#"), ("s-q", "q0"), ("s-t", "t0/#"))}

    def sure(self):
        """Something confirmed came after: what was settled before it stays so."""
        for one in list(self.queues.values()) + list(self.sessions.values()):
            one.unsure = []


# ---- reading it ----

def decode(data, offset):
    """(offset, time, key, value) of each record at or behind `offset`, and where it ends."""
    at, out, end = 0, [], offset
    while at + 61 <= len(data):
        size = 12 + int.from_bytes(data[at + 8:at + 12], "big")
        if at + size > len(data):
            break
        one = data[at:at + size]
        base = int.from_bytes(one[:8], "big")
        require(one[22] & 0x07 == 0, "a compressed batch")
        count, first_ms = int.from_bytes(one[57:61], "big"), int.from_bytes(one[27:35], "big",
                                                                            signed=True)
        end = base + int.from_bytes(one[23:27], "big") + 1
        reader = Varints(one[61:])
        for _ in range(count):
            record_end = reader.varint() + reader.at
            reader.at += 1
            time_ms, number = first_ms + reader.varint(), base + reader.varint()
            key, value = reader.part(), reader.part()
            reader.at = record_end
            if number >= offset:
                out.append((number, time_ms, key, value))
        require(reader.at == len(reader.data), "bytes behind a batch's records")
        at += size
    return out, end


class Varints:
    def __init__(self, data):
        self.data, self.at = data, 0

    def varint(self):
        value = shift = 0
        while True:
            byte = self.data[self.at]
            self.at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value >> 1 ^ -(value & 1)

    def part(self):
        size = self.varint()
        if size < 0:
            return None
        self.at += size
        return self.data[self.at - size:self.at]


def aligned(wanted, may_lack, got, what):
    """Which of `wanted` are the ones that came, when some may be lacking: told one by one, or how
    many at the front. Empty messages look alike, so it is searched for."""
    if isinstance(may_lack, int):
        may_lack = [at < may_lack for at in range(len(wanted))]
    reached = [{0: None}]  # how many of `got`, after so many of `wanted`: from where
    for one, can_lack in zip(wanted, may_lack):
        now = {}
        for count in reached[-1]:
            if count < len(got) and got[count] == one:
                now[count + 1] = count
            if can_lack:
                now.setdefault(count, count)
        reached.append(now)
    require(len(got) in reached[-1], what, "gave", len(got), "of", len(wanted), "of which",
            sum(may_lack), "may be lacking")
    count, kept = len(got), []
    for at in range(len(wanted), 0, -1):
        before = reached[at][count]
        if before != count:
            kept.insert(0, at - 1)
        count = before
    return kept


class Clients:
    """One connection of each protocol, made anew after each start."""

    def __init__(self, broker):
        self.broker = broker
        self.kafka = Connection(broker.address("kafka"))
        self.amqp = amqp_raw.Client(broker)
        self.amqp.call("confirm.select")
        self.confirmed = 0
        self.mqtt = mqtt.Client(broker.address("mqtt"), seconds=30).connect("writer")

    def close(self):
        for one in (self.kafka, self.amqp, self.mqtt):
            one.close()

    def offsets(self, topic, partition):
        told = []
        for when in (-2, -1):
            answer = self.kafka.call("list_offsets", 7, replica_id=-1, topics=[{
                "name": topic, "partitions": [{"partition_index": partition, "timestamp": when}]}])
            one = answer["topics"][0]["partitions"][0]
            require(one["error_code"] == 0, "list_offsets of", topic, one)
            told.append(one["offset"])
        return told

    def fetch(self, topic, partition, offset):
        answer = self.kafka.call("fetch", 11, max_wait_ms=0, min_bytes=1, max_bytes=1 << 24,
                                 topics=[{"topic": topic, "partitions": [{
                                     "partition": partition, "fetch_offset": offset,
                                     "current_leader_epoch": -1,
                                     "partition_max_bytes": 1 << 22}]}])
        one = answer["responses"][0]["partitions"][0]
        if one["error_code"] == OUT_OF_RANGE:
            raise OutOfRange("fetch of", topic, partition, "at", offset, one)
        require(one["error_code"] == 0, "fetch of", topic, partition, "at", offset, one)
        return one["records"] or b""

    def records(self, topic, partition, start, end):
        out, at = [], start
        while at < end:
            found, next_ = decode(self.fetch(topic, partition, at), at)
            require(next_ > at, "nothing at", at, "of", topic, partition, "below", end)
            out += found
            at = next_
        return out

    def config(self, topic, **configs):
        answer = self.kafka.call("incremental_alter_configs", 1, resources=[{
            "resource_type": 2, "resource_name": topic, "configs": [
                {"name": k.replace("_", "."), "config_operation": 0, "value": v}
                for k, v in configs.items()]}])
        return answer["responses"][0]["error_code"]


# ---- steps ----

class Round:
    def __init__(self, seed, steps, only=None, is_told=False):
        self.rng = random.Random(seed)
        self.seed, self.steps, self.only, self.is_told = seed, steps, only, is_told
        self.folder = tempfile.mkdtemp(prefix="tercet-model-")
        self.world, self.number, self.clients = World(), 0, None
        self.broker = Broker(data=os.path.join(self.folder, "data0"), config=CONFIG)
        self.stores = 1
        self.is_unwritten = False  # something was put where a kill may take it
        self.step_rng, self.step = None, None

    def tell(self, *what):
        if self.is_told:
            print(self.step, *what, flush=True)

    def payload(self):
        """One of its own, of any size that matters."""
        rng = self.step_rng
        self.number += 1
        kind = rng.random()
        head = b"%d " % self.number
        if kind < 0.05:
            return b""
        if kind < 0.75:
            return head + bytes(rng.randrange(200))
        return head + rng.randbytes(rng.choice((4000, 66000, 90000)))

    def run(self):
        """Does what the seed says."""
        self.broker.start()
        self.connect()
        for session in self.world.sessions.values():
            self.with_session(session, True)
        kinds = [name for name, weight in WEIGHTS for _ in range(weight)]
        plan = [(number, self.rng.choice(kinds), self.rng.random()) for number in
                range(self.steps)]
        for number, kind, seed in plan:
            if self.only is None or number in self.only:
                self.step, self.step_rng = number, random.Random(seed)
                self.tell(kind)
                getattr(self, "do_" + kind)()
        self.step, self.step_rng = "end", random.Random(0)
        self.do_compare()
        self.do_stop()
        self.do_compare()
        self.do_empty()

    def end(self):
        if self.clients is not None:
            self.clients.close()
        self.broker.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def connect(self):
        if self.clients is not None:
            self.clients.close()
        self.clients = Clients(self.broker)

    # -- streams

    def stream(self):
        names = sorted(self.world.streams)
        return self.world.streams[self.step_rng.choice(names)] if names else None

    def stream_for(self, name):
        """As a first publish makes it."""
        if name not in self.world.streams:
            self.world.streams[name] = Stream(name)
        return self.world.streams[name]

    def do_create(self):
        rng = self.step_rng
        name = rng.choice(("t0", "t1", "c0", "c1"))
        if name in self.world.streams:
            return
        stream = Stream(name, 1 if name == "t0" else rng.choice((1, 2, 3)), name[0] == "c",
                        rng.choice((0, 86400000)))
        configs = {"cleanup.policy": "compact", "min.cleanable.dirty.ratio": "0.01",
                   "delete.retention.ms": str(stream.tombstones_ms)} if stream.compact else {}
        configs["tercet.durability"] = stream.durability = rng.choice(DURABILITIES)
        answer = self.clients.kafka.call("create_topics", 7, timeout_ms=10000, topics=[{
            "name": name, "num_partitions": len(stream.logs), "replication_factor": 1,
            "configs": [{"name": k, "value": v} for k, v in configs.items()]}])
        require(answer["topics"][0]["error_code"] == 0, "create", answer)
        self.world.streams[name] = stream
        self.world.sure()

    def appended(self, name, partition, key, value, time_ms=None):
        """A record by whatever way, and who else gets it. Unsettled: it is confirmed."""
        stream = self.stream_for(name)
        log = stream.logs[partition]
        log.add((time_ms, key, value))
        self.is_unwritten |= stream.durability == "memory"
        if name in self.world.queues:
            self.world.queues[name].ready.append((value or b"", log.end - 1))

    def routed(self, name, key, value):
        """To the sessions whose filter it meets."""
        address = name if key is None else name + "/" + key.decode()
        for session in self.world.sessions.values():
            filter_ = session.filter
            if filter_ == address or (filter_.endswith("/#") and
                                      (address + "/").startswith(filter_[:-1])):
                session.owed.append((address, value or b"", self.world.streams[name]))

    def do_produce(self):
        rng, stream = self.step_rng, self.stream()
        if stream is None:
            return
        partition = rng.randrange(len(stream.logs))
        keys = [b"k%d" % n for n in range(6)] + [b""] + ([] if stream.compact else [None])
        records, times = [], []
        for _ in range(rng.choice((1, 1, 2, 10, 300))):
            key = rng.choice(keys)
            value = None if rng.random() < 0.1 else self.payload()
            if len(records) >= 5 and value is not None:
                value = value[:50]
            records.append((key, value))
            times.append(rng.choice((0, FAR_MS, int(time.time() * 1000))))
        answer = self.clients.kafka.call("produce", 9, acks=-1, timeout_ms=10000, topic_data=[{
            "name": stream.name, "partition_data": [{
                "index": partition, "records": batch(records, times=times)}]}])
        one = answer["responses"][0]["partition_responses"][0]
        require(one["error_code"] == 0, "produce to", stream.name, one)
        require(one["base_offset"] == stream.logs[partition].end, "produced to", stream.name,
                partition, "at", one["base_offset"], "not", stream.logs[partition].end)
        for (key, value), time_ms in zip(records, times):
            self.appended(stream.name, partition, key, value, time_ms)
            self.routed(stream.name, key, value)
        self.world.sure()

    def do_delete_records(self):
        rng, stream = self.step_rng, self.stream()
        if stream is None or stream.name in self.world.queues or any(
                owed[2] is stream for one in self.world.sessions.values() for owed in one.owed):
            return
        partition = rng.randrange(len(stream.logs))
        log = stream.logs[partition]
        start = rng.randint(log.start, log.end)
        self.written(stream, partition)
        answer = self.clients.kafka.call("delete_records", 2, timeout_ms=10000, topics=[{
            "name": stream.name, "partitions": [{"partition_index": partition, "offset": start}]}])
        one = answer["topics"][0]["partitions"][0]
        if stream.policy == "compact":
            require(one["error_code"] == POLICY_VIOLATION, "delete_records of", stream.name, one)
        elif one["error_code"] == 0:
            require(one["low_watermark"] == start, "delete_records", one, start)
            log.trim(start)
        else:
            # sessions count by runs: what they were paid may count for a moment as owed
            require(any(s.filter.startswith(stream.name) for s in self.world.sessions.values()),
                    "delete_records of", stream.name, one)

    def do_delete_stream(self):
        stream = self.stream()
        if stream is not None and stream.name not in self.world.queues:
            self.delete_stream(stream)

    def delete_stream(self, stream):
        answer = self.clients.kafka.call("delete_topics", 5, topic_names=[stream.name],
                                         timeout_ms=10000)
        require(answer["responses"][0]["error_code"] == 0, "delete", answer)
        del self.world.streams[stream.name]
        for session in self.world.sessions.values():
            session.owed = [one for one in session.owed if one[2] is not stream]
        self.world.groups = {key: value for key, value in self.world.groups.items()
                             if key[1] != stream.name}
        self.world.sure()

    def do_policy(self):
        rng, stream = self.step_rng, self.stream()
        if stream is None:
            return
        configs = [{"tercet_durability": rng.choice(DURABILITIES)}]
        if stream.name not in ("m", "t0", "q0"):  # what they retain would be the last of each key
            configs += [{"cleanup_policy": one} for one in ("compact", "delete", "compact,delete")]
        config = rng.choice(configs)
        code = self.clients.config(stream.name, **config)
        if "compact" in config.get("cleanup_policy", "") and stream.name in self.world.queues:
            require(code != 0, "a queue's stream is compacted")
            return
        require(code == 0, "policy of", stream.name, config, code)
        stream.durability = config.get("tercet_durability", stream.durability)
        if "cleanup_policy" in config:
            stream.policy = config["cleanup_policy"]
            stream.compact = "compact" in stream.policy
            if stream.compact and not stream.was_compacted:
                stream.tombstones_ms = 86400000
            stream.was_compacted |= stream.compact

    def do_compact(self):
        stream = self.stream()
        if stream is not None and stream.compact:
            status, told = admin_raw.ask(self.broker, "POST", "/api/compact?name=" + stream.name)
            require(status == 200, "compact", told)

    # -- MQTT

    def do_publish(self):
        rng = self.step_rng
        name = rng.choice(("m", "m", "m", "t0", "q0"))
        if name in self.world.streams and len(self.world.streams[name].logs) > 1:
            return  # which partition: the key says so, and it is shown elsewhere
        key = rng.choice((None, b"a", b"b/c"))
        is_retained = rng.random() < 0.4
        value = b"" if rng.random() < 0.2 else self.payload()
        self.publish_one(name, key, value, rng.choice((1, 2)), is_retained)

    def publish_one(self, name, key, value, qos, is_retained):
        topic = name if key is None else name + "/" + key.decode()
        self.tell("  to", topic, value[:10], qos, is_retained)
        answer = self.clients.mqtt.publish(topic, value, qos, retain=is_retained)
        require(answer.reason in (0, 16), "publish to", topic, answer)
        self.appended(name, 0, key, value)
        self.routed(name, key, value)
        if is_retained:
            self.world.retained.pop(topic, None)
            if value:
                self.world.retained[topic] = value
        self.world.sure()

    def with_session(self, session, is_first=False):
        client = mqtt.Client(self.broker.address("mqtt"), seconds=30)
        client.connect(session.name, clean=is_first, keep_alive=0,
                       props=[(mqtt.SESSION_EXPIRY, 0xffffffff), (mqtt.RECEIVE_MAX, 10)])
        if is_first:
            client.subscribe((session.filter, 1))  # those of QoS 2 may come later
        else:
            require(client.connack.present, "session", session.name, "is gone")
        return client

    def do_take(self):
        """Some of what a session is owed, acknowledged or not."""
        rng = self.step_rng
        session = self.world.sessions[rng.choice(sorted(self.world.sessions))]
        if rng.random() < 0.2:
            self.look_at_session(session)
        else:
            self.take(session, rng.randint(0, len(session.owed)))

    def look_at_session(self, session):
        """What comes is not acknowledged, and comes again."""
        client = self.with_session(session)
        for one in session.owed[:10]:
            found = client.expect_publish()
            require((found.topic, found.payload) == one[:2], "session", session.name, "got", found)
        client.close()

    def take(self, session, count):
        """The first ones, acknowledged to the end."""
        client = self.with_session(session)
        for at in range(count):
            found, one = client.receive(), session.owed[at]
            require(found is not None, "session", session.name, "is owed", len(session.owed),
                    "and got", at)
            require((found.topic, found.payload) == one[:2], "session", session.name, "got",
                    found.topic, found.payload[:20], "as number", at, "wanted", one[0], one[1][:20])
            client.send(mqtt.ack(mqtt.PUBACK, found.pid))
        between = client.sync()
        if count == len(session.owed):
            require(not between, "session", session.name, "got more:", between)
        client.close()
        session.unsure += session.owed[:count]
        del session.owed[:count]

    def resolve_session(self, session, unsure):
        """After a kill: takes all, up to a last one, and knows then what was settled."""
        topic = session.filter.partition("/")[0]
        self.number += 1
        self.publish_one(topic, None, b"%d is the last" % self.number, 1, False)
        client, got, merged = self.with_session(session), [], unsure + session.owed
        while got[-1:] != [session.owed[-1][:2]]:
            found = client.receive()
            require(found is not None, "session", session.name, "is owed", len(session.owed),
                    "and got", len(got))
            got.append((found.topic, found.payload))
            client.send(mqtt.ack(mqtt.PUBACK, found.pid))
        require(not client.sync(), "session", session.name, "got more than the last")
        client.close()
        kept = aligned([one[:2] for one in merged], len(unsure), got, session.name)
        session.unsure, session.owed = [merged[at] for at in kept], []

    # -- AMQP

    def queue(self):
        names = sorted(self.world.queues)
        return self.world.queues[self.step_rng.choice(names)] if names else None

    def do_declare(self):
        name = self.step_rng.choice(("q0", "q1"))
        stream = self.world.streams.get(name)
        if name in self.world.queues or stream is not None and stream.was_compacted:
            return
        told = self.clients.amqp.call("queue.declare", queue=name, durable=True)
        queue = self.world.queues[name] = Queue(name)
        log = self.stream_for(name).logs[0]
        queue.ready = [(log.at[at][2] or b"", at) for at in sorted(log.at)]
        require(told["message-count"] == len(queue.ready), name, told, len(queue.ready))
        self.world.sure()

    def do_delete_queue(self):
        queue = self.queue()
        if queue is not None:
            self.delete_queue(queue)

    def delete_queue(self, queue):
        told = self.clients.amqp.call("queue.delete", queue=queue.name)
        require(told["message-count"] == len(queue.ready) or queue.unsure, "deleted", told,
                len(queue.ready))
        stream = self.world.streams.pop(queue.name)
        del self.world.queues[queue.name]
        for session in self.world.sessions.values():
            session.owed = [one for one in session.owed if one[2] is not stream]
        self.world.groups = {key: value for key, value in self.world.groups.items()
                             if key[1] != queue.name}
        self.world.sure()

    def do_send(self):
        """A publish by AMQP, confirmed, or some in one transaction."""
        rng, amqp = self.step_rng, self.clients.amqp
        queue = self.queue()
        if queue is None:
            return
        bodies = [self.payload() for _ in range(rng.choice((1, 1, 5, 40)))]
        if rng.random() < 0.3:
            amqp.call("channel.open", 2)
            amqp.call("tx.select", 2)
            for body in bodies:
                amqp.publish(body, queue.name, channel=2, delivery_mode=2)
            is_rolled_back = rng.random() < 0.3
            amqp.call("tx.rollback" if is_rolled_back else "tx.commit", 2)
            amqp.call("channel.close", 2)
            if is_rolled_back:
                return
        else:
            for body in bodies:
                amqp.publish(body, queue.name, delivery_mode=2)
            confirmed = 0
            while confirmed < len(bodies):
                told = amqp.want("basic.ack", 30)
                confirmed = told["delivery-tag"] - self.clients.confirmed
            self.clients.confirmed += confirmed
        for body in bodies:
            self.appended(queue.name, 0, None, body)
            self.routed(queue.name, None, body)
        self.world.sure()

    def do_get(self):
        """Some messages, each acknowledged, given back, or not acknowledged at all."""
        rng, queue = self.step_rng, self.queue()
        if queue is None:
            return
        amqp = self.clients.amqp
        amqp.call("channel.open", 3)
        kept, taken = [], 0
        for at in range(rng.randint(0, min(60, len(queue.ready)))):
            one = self.get(3, queue.name)
            require(one is not None, "queue", queue.name, "has", len(queue.ready), "and gave", at)
            require(one.body == queue.ready[at][0], "queue", queue.name, "gave", one.body[:20],
                    "as number", at, "wanted", queue.ready[at][0][:20])
            taken += 1
            if rng.random() < 0.7:
                amqp.send("basic.ack", 3, delivery_tag=one.method["delivery-tag"])
                queue.unsure.append(queue.ready[at])
            else:
                kept.append(queue.ready[at])
        amqp.call("channel.close", 3)
        queue.ready = kept + queue.ready[taken:]

    def get(self, channel, queue):
        amqp = self.clients.amqp
        amqp.send("basic.get", channel, queue=queue)
        told = amqp.next(30)
        if told.name == "basic.get-empty":
            return None
        require(told.name == "basic.get-ok", told)
        return amqp.content(told.args, 30)

    def do_purge(self):
        queue = self.queue()
        if queue is None:
            return
        told = self.clients.amqp.call("queue.purge", queue=queue.name)
        require(told["message-count"] == len(queue.ready) or queue.unsure, "purged", told,
                len(queue.ready))
        queue.unsure, queue.ready = queue.unsure + queue.ready, []

    # -- groups

    def do_commit(self):
        rng, stream = self.step_rng, self.stream()
        if stream is None:
            return
        partition, group = rng.randrange(len(stream.logs)), rng.choice(("g0", "g1"))
        self.commit_position(group, stream.name, partition,
                             rng.randint(0, stream.logs[partition].end))

    def commit_position(self, group, topic, partition, offset):
        answer = self.clients.kafka.call(
            "offset_commit", 7, group_id=group, generation_id_or_member_epoch=-1, member_id="",
            topics=[{"name": topic, "partitions": [{
                "partition_index": partition, "committed_offset": offset,
                "committed_leader_epoch": -1, "committed_metadata": "m"}]}])
        one = answer["topics"][0]["partitions"][0]
        require(one["error_code"] == 0, "offset_commit", one)
        self.world.groups[group, topic, partition] = offset
        self.world.sure()

    # -- the broker's life

    def do_stop(self):
        self.clients.close()
        self.broker.stop()
        for one in list(self.world.queues.values()) + list(self.world.sessions.values()):
            one.unsure = []
        self.broker.start()
        self.connect()

    def write(self):
        """Behind what has to be on the disk lies all that was put before it."""
        if self.is_unwritten:
            name = sorted(self.world.streams)[0]
            self.commit_position("g", name, 0, 0)
        self.is_unwritten = False

    def do_kill(self):
        self.write()
        self.broker.kill()
        self.broker.start()
        self.connect()
        self.resolve()

    def resolve(self):
        """What was settled and is not surely so is looked at, and known from then on."""
        for queue in self.world.queues.values():
            if queue.unsure:
                self.resolve_queue(queue)
        for session, unsure in [(one, one.unsure) for one in self.world.sessions.values()]:
            self.resolve_session(session, unsure)

    def tool(self, *words):
        done = subprocess.run([program("tercet"), *words], capture_output=True, check=False,
                              timeout=120)
        require(done.returncode == 0, words, done.stdout.decode(), done.stderr.decode())

    def do_backup(self):
        """Goes on with a restored backup, after more was done that it does not have."""
        folder = os.path.join(self.folder, "backup%d" % self.stores)
        self.write()
        self.tool("backup", folder, "--data", self.broker.data)
        self.broker.kill()
        self.tool("verify", self.broker.data)
        restored = os.path.join(self.folder, "data%d" % self.stores)
        self.stores += 1
        self.tool("restore", folder, restored)
        shutil.rmtree(self.broker.data)
        shutil.rmtree(folder)
        self.broker.data = restored
        self.broker.start()
        self.connect()
        self.resolve()

    def do_empty(self):
        """Nothing is left, and so is the space it took."""
        for queue in list(self.world.queues.values()):
            self.delete_queue(queue)
        for stream in list(self.world.streams.values()):
            self.delete_stream(stream)
        self.do_compare()
        wait_for(lambda: self.segment_bytes() <= LEFT_BYTES, 20, "the space of what was deleted")

    def segment_bytes(self):
        total = 0
        with os.scandir(os.path.join(self.broker.data, "seg")) as files:
            for one in files:
                try:
                    total += one.stat().st_blocks * 512
                except FileNotFoundError:
                    pass  # reclaimed meanwhile
        return total

    # -- what is compared

    def do_compare(self):
        for stream in self.world.streams.values():
            for partition, log in enumerate(stream.logs):
                self.compare_log(stream, partition, log)
        for queue in self.world.queues.values():
            self.compare_queue(queue)
        self.compare_streams()
        self.compare_retained()
        self.compare_groups()
        if self.step == "end" or self.step_rng.random() < 0.3:
            for session in self.world.sessions.values():
                self.take(session, len(session.owed))

    def compare_log(self, stream, partition, log):
        what = "%s/%d" % (stream.name, partition)
        self.written(stream, partition)
        start, end, found = self.read_log(stream.name, partition)
        require(end == log.end, what, "ends at", end, "not", log.end)
        queue = self.world.queues.get(stream.name)
        if queue is not None:
            first = min([at for _, at in queue.ready] + [log.end])
            require(log.start <= start <= first, what, "starts at", start, "not between", log.start,
                    first)
            log.trim(start)
        require(start == log.start, what, "starts at", start, "not", log.start)
        got = {}
        for at, time_ms, key, value in found:
            require(at not in got and at in log.at, what, "has a record at", at)
            wanted = log.at[at]
            require((key, value) == wanted[1:], what, "has at", at, key, value and value[:20],
                    "not", wanted[1], wanted[2] and wanted[2][:20])
            require(wanted[0] in (None, time_ms), what, "has at", at, "the time", time_ms)
            got[at] = wanted
        missing = set(log.at) - set(got)
        if not stream.was_compacted:
            require(not missing, what, "lacks", sorted(missing)[:20], "of", len(log.at))
            return
        last = {key: at for at, (_, key, _) in sorted(log.at.items()) if key is not None}
        for at in missing:
            _, key, value = log.at[at]
            require(key is not None, what, "lacks", at, "which has no key")
            require(last[key] != at or value is None and stream.tombstones_ms == 0, what, "lacks",
                    at, "the last of", key, value is None)
        log.at = got

    def written(self, stream, partition):
        """What is kept in memory is confirmed before it is there for Kafka's consumers."""
        end = stream.logs[partition].end
        if stream.durability == "memory":
            wait_for(lambda: self.clients.offsets(stream.name, partition)[1] >= end, 10,
                     stream.name)

    def read_log(self, name, partition):
        """Start, end and records. What a queue has consumed may go meanwhile."""
        while True:
            start, end = self.clients.offsets(name, partition)
            try:
                return start, end, self.clients.records(name, partition, start, end)
            except OutOfRange:
                if name not in self.world.queues or \
                        self.clients.offsets(name, partition)[0] == start:
                    raise

    def compare_queue(self, queue):
        found, wanted = self.drained(queue), [body for body, _ in queue.ready]
        for at, (one, other) in enumerate(zip(found, wanted)):
            require(one == other, "queue", queue.name, "gave", one[:20], "as number", at, "of",
                    len(found), "wanted", other[:20], "of", len(wanted))
        require(len(found) == len(wanted), "queue", queue.name, "gave", len(found), "wanted",
                len(wanted))

    def drained(self, queue):
        """All that it holds; it is given back."""
        amqp = self.clients.amqp
        amqp.call("channel.open", 4)
        told = amqp.call("queue.declare", 4, queue=queue.name, passive=True)["message-count"]
        found = [one.body for one in iter(lambda: self.get(4, queue.name), None)]
        amqp.call("channel.close", 4)
        require(told == len(found), "queue", queue.name, "told", told, "and gave", len(found),
                "wanted", len(queue.ready))
        return found

    def resolve_queue(self, queue):
        """After a kill: what comes back is what was not surely settled, in its place."""
        merged = sorted(queue.unsure + queue.ready, key=lambda one: one[1])
        unsure = {at for _, at in queue.unsure}
        may_lack = [at in unsure for _, at in merged]
        kept = aligned([body for body, _ in merged], may_lack, self.drained(queue), queue.name)
        queue.ready, queue.unsure = [merged[at] for at in kept], []

    def compare_streams(self):
        """Names and byte counts, as an administrator sees them."""
        told = admin_raw.ask(self.broker, "GET", "/api/streams?limit=1000")[1]["streams"]
        told = {one["name"]: one for one in told if not one["hidden"]}
        require(sorted(told) == sorted(self.world.streams), "streams are", sorted(told), "not",
                sorted(self.world.streams))
        for name, stream in self.world.streams.items():
            require(len(told[name]["partitions"]) == len(stream.logs), name, told[name])
            for one, log in zip(told[name]["partitions"], stream.logs):
                least = sum(len(value or b"") for at, (_, _, value) in log.at.items()
                            if at >= one["start"])
                require(one["bytes"] >= least or stream.compact, name, one, "hold at least", least)
                if one["start"] == one["end"]:
                    require(one["bytes"] == 0, name, one, "are empty")

    def compare_retained(self):
        with mqtt.Client(self.broker.address("mqtt"), seconds=30).connect("looker") as client:
            client.send(mqtt.subscribe(9, [("m/#", 0), ("t0/#", 0), ("q0/#", 0)]), mqtt.PING)
            got = {}
            for found in iter(client.receive, None):
                if found.type == mqtt.PINGRESP:
                    break
                if found.type == mqtt.PUBLISH:
                    require(found.retain and found.topic not in got, "retained:", found.topic)
                    got[found.topic] = found.payload
            if len(got) < len(self.world.retained):  # they may come behind the answer to a ping
                while len(got) < len(self.world.retained):
                    found = client.receive(10)
                    require(found is not None, "retained are", sorted(got), "not",
                            sorted(self.world.retained))
                    got[found.topic] = found.payload
        require(got == self.world.retained, "retained are",
                {topic: value[:20] for topic, value in got.items()}, "not",
                {topic: value[:20] for topic, value in self.world.retained.items()})

    def compare_groups(self):
        for (group, name, partition), offset in self.world.groups.items():
            answer = self.clients.kafka.call("offset_fetch", 5, group_id=group, topics=[{
                "name": name, "partition_indexes": [partition]}])
            one = answer["topics"][0]["partitions"][0]
            require((one["error_code"], one["committed_offset"]) == (0, offset), "group", group,
                    name, partition, one, "not", offset)


WEIGHTS = (("create", 4), ("produce", 12), ("delete_records", 3), ("delete_stream", 2),
           ("policy", 4), ("compact", 3), ("publish", 12), ("take", 6), ("declare", 3),
           ("delete_queue", 1), ("send", 8), ("get", 8), ("purge", 2), ("commit", 3), ("stop", 2),
           ("kill", 3), ("backup", 1), ("compare", 4))


def run(seed, steps, only=None, is_told=False):
    """None, or what was wrong."""
    one = Round(seed, steps, only, is_told)
    try:
        one.run()
        return None
    except Exception as error:  # a broker that crashed is found here as well
        if is_told:
            traceback.print_exc()
        text = "%s: %s at step %s" % (type(error).__name__, error, one.step)
        if one.broker.process is not None and one.broker.process.poll() is not None:
            text += "\nthe broker ended with %d" % one.broker.process.poll()
        if is_told or "ended" in text:
            text += "\n" + one.broker.log_tail()[-3000:]
        return text
    finally:
        one.end()


def shrink(seed, steps):
    """Leaves out what is not needed to fail, in ever smaller parts."""
    only, size = list(range(steps)), steps // 2
    while size > 0:
        at = 0
        while at < len(only):
            fewer = only[:at] + only[at + size:]
            if run(seed, steps, fewer) is not None:
                only = fewer
            else:
                at += size
        size //= 2
        print("still fails with", ",".join(map(str, only)), flush=True)
    return only


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("rounds", type=int, nargs="?", default=1000)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--only", default=None)
    parser.add_argument("--shrink", action="store_true")
    parser.add_argument("-v", action="store_true", dest="is_told")
    options = parser.parse_args()
    only = [int(n) for n in options.only.split(",")] if options.only else None
    first = random.SystemRandom().randrange(1 << 32) if options.seed is None else options.seed
    if options.shrink:
        shrink(first, options.steps)
        return 0
    bad = 0
    for seed in range(first, first + (1 if only or options.is_told else options.rounds)):
        wrong = run(seed, options.steps, only, options.is_told)
        if wrong is not None:
            bad += 1
            print("seed %d: %s" % (seed, wrong), flush=True)
    print("%d rounds from seed %d, %d failed" % (seed - first + 1, first, bad))
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
