# SPDX-License-Identifier: Apache-2.0
"""The disk stops syncing: what clients of each protocol see, and what is there afterwards.

From one sync on all fail, or one fails alone. Nothing is acknowledged after the first failure until
what it was to write is safe elsewhere; who publishes meanwhile is told in his protocol's own way;
who reads goes on; and the next start has all that was acknowledged, once and in order.
"""

import concurrent.futures
import os
import socket
import sys
import unittest

from admin_raw import ask, counter
from tercet import TOP, Broker, wait_for

sys.path.insert(0, os.path.join(TOP, "tests", "wire"))

import amqp_raw as amqp  # noqa: E402 (found just now)
import kafka_wire as kafka  # noqa: E402
import mqtt_raw as mqtt  # noqa: E402

# The sync that fails: behind those of the topology.
FAILS_AT = 8
PUBLISH_MAX = 40
TRIES = 5
TIMED_OUT, STORAGE_ERROR = 7, 56
SECONDS = 30


class Untold(Exception):
    """No acknowledgement comes, and nothing else was to come."""


class Acknowledged(Exception):
    """What was under way when the disk failed, or just before something else met the failure."""


class Mqtt:
    """Publishes one number after the other; publish() is true when it was acknowledged, and false
    when it was refused."""

    def __init__(self, broker, version, qos):
        self.client = mqtt.Client(broker.address("mqtt"), version).connect("")
        self.version, self.qos = version, qos

    def send(self, number):
        self.client.send(mqtt.publish("p/x", b"%d" % number, qos=self.qos, pid=number + 1,
                                      version=self.version))

    def answer(self, number, seconds):
        got = self.client.receive(seconds)
        if got is None:
            raise Untold()
        assert got.type == (mqtt.PUBACK if self.qos == 1 else mqtt.PUBREC), got
        assert got.pid == number + 1, got
        if got.reason >= 0x80:
            return False
        if self.qos == 2:
            self.client.send(mqtt.ack(mqtt.PUBREL, number + 1))
            got = self.client.receive(seconds)
            if got is None:
                raise Untold()
            assert got.type == mqtt.PUBCOMP and got.reason == 0, got
        return True

    def ck_refused(self):
        """Version 5 has a code for it; a client of version 3 can only be made to wait."""
        if self.version == 5:
            self.send(0)
            got = self.client.receive(SECONDS)
            assert got is not None and got.reason >= 0x80, got
        else:
            self.send(0)
            assert self.client.receive(0.3) is None


class Amqp:
    def __init__(self, broker, is_tx):
        self.client = amqp.Client(broker)
        self.client.call("queue.declare", queue="p", durable=True, passive=is_stalled(broker))
        self.client.call("tx.select" if is_tx else "confirm.select")
        self.is_tx = is_tx

    def send(self, number):
        self.client.publish(b"%d" % number, "p", delivery_mode=2)
        if self.is_tx:
            self.client.send("tx.commit")

    def answer(self, number, seconds):
        del number
        got = None
        while got is None or got.name in ("connection.blocked", "connection.unblocked"):
            try:
                got = self.client.next(seconds)
            except AssertionError:
                raise Untold() from None
        assert got.name == ("tx.commit-ok" if self.is_tx else "basic.ack"), got
        return True

    def ck_refused(self):
        self.send(0)
        told = [self.client.next(SECONDS).name]
        assert told == ["connection.blocked"], told


class Kafka:
    def __init__(self, broker, acks):
        self.connection = kafka.Connection(broker.address("kafka"))
        self.acks = acks
        self.connection.call("metadata", 12, topics=[{"name": "p"}],
                             allow_auto_topic_creation=True)

    def send(self, number):
        self.connection.send("produce", 9, acks=self.acks, timeout_ms=300, topic_data=[
            {"name": "p", "partition_data": [
                {"index": 0, "records": kafka.batch([b"%d" % number])}]}])

    def answer(self, number, seconds):
        del number, seconds
        got = self.connection.receive("produce", 9)["responses"][0]["partition_responses"][0]
        assert got["error_code"] in (0, TIMED_OUT, STORAGE_ERROR), got
        return got["error_code"] == 0

    def ck_refused(self):
        self.send(0)
        got = self.connection.receive("produce", 9)["responses"][0]["partition_responses"][0]
        assert got["error_code"] == STORAGE_ERROR, got


def is_stalled(broker):
    return ask(broker, "GET", "/healthz")[0] == 503


def stored(broker):
    """The numbers that the log holds, as a Kafka consumer reads them."""
    connection = kafka.Connection(broker.address("kafka"))
    values, offset, end = [], 0, 1
    while offset < end:
        answer = connection.call("fetch", 12, max_bytes=1 << 20, topics=[
            {"topic": "p", "partitions": [{"partition": 0, "fetch_offset": offset,
                                           "partition_max_bytes": 1 << 20}]}])
        part = answer["responses"][0]["partitions"][0]
        assert part["error_code"] == 0, part
        end = part["high_watermark"]
        for _, last, data in kafka.batches(part["records"] or b""):
            values += values_of(data)
            offset = last + 1
    connection.close()
    return values


def values_of(data):
    """Of a batch of ours, and of the broker's: record by record."""
    out, at = [], 61

    def varint():
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return (value >> 1) ^ -(value & 1)
    for _ in range(int.from_bytes(data[57:61], "big")):
        size = varint()
        end = at + size
        at += 1  # attributes
        varint()
        varint()
        size = varint()
        at += max(size, 0)
        size = varint()
        out.append(int(data[at:at + size]))
        at = end
    return out


KINDS = {
    "MQTT 3.1.1, QoS 1": lambda broker: Mqtt(broker, 4, 1),
    "MQTT 5, QoS 1": lambda broker: Mqtt(broker, 5, 1),
    "MQTT 5, QoS 2": lambda broker: Mqtt(broker, 5, 2),
    "AMQP, confirms": lambda broker: Amqp(broker, False),
    "AMQP, tx": lambda broker: Amqp(broker, True),
    "Kafka, acks=1": lambda broker: Kafka(broker, 1),
    "Kafka, acks=all": lambda broker: Kafka(broker, -1),
}


def publish_until_it_fails(broker, wire):
    """The numbers that were acknowledged, all before the first that was not."""
    for number in range(PUBLISH_MAX):
        wire.send(number)
        wait_for(lambda: is_stalled(broker) or has_answer(wire), SECONDS)
        if is_stalled(broker):
            return number
        assert wire.answer(number, SECONDS)
    raise AssertionError("it never failed")


def has_answer(wire):
    """Without taking it."""
    one = getattr(wire, "client", None) or wire.connection
    if getattr(one, "buffer", b""):
        return True
    one.sock.settimeout(0.02)
    try:
        return bool(one.sock.recv(1, socket.MSG_PEEK))
    except socket.timeout:
        return False
    finally:
        one.sock.settimeout(SECONDS)


def fails_for_good(make):
    with Broker(data=True, env={"TERCET_FAULT": "store.sync:%d" % FAILS_AT}) as broker:
        wire = make(broker)
        under_way = publish_until_it_fails(broker, wire)
        assert under_way > 0
        before = counter(broker, "store_errors_total")
        # It is tried again meanwhile, and fails again.
        wait_for(lambda: counter(broker, "store_errors_total") > before, SECONDS, poll=0.05)
        assert counter(broker, "store_stalled") == 1
        try:
            if wire.answer(under_way, 0.2):
                raise Acknowledged()
        except Untold:
            pass
        make(broker).ck_refused()
        found = stored(broker)
        assert found == list(range(under_way)), (found, under_way)
        broker.kill()
        del broker.env["TERCET_FAULT"]
        broker.start()
        found = stored(broker)
        assert found[:under_way] == list(range(under_way)), (found, under_way)
        assert found[under_way:] in ([], [under_way]), (found, under_way)
        wire = make(broker)
        wire.send(under_way)
        assert wire.answer(under_way, SECONDS)


def fails_once(make):
    """What it was to write is synced elsewhere; then all are answered, without a new start."""
    with Broker(data=True, env={"TERCET_FAULT": "store.sync:%d:once" % FAILS_AT}) as broker:
        wire = make(broker)
        for number in range(PUBLISH_MAX // 2):
            wire.send(number)
            assert wire.answer(number, SECONDS), number
        assert counter(broker, "faults_injected_total") == 1
        assert counter(broker, "store_stalled") == 0
        broker.kill()
        del broker.env["TERCET_FAULT"]
        broker.start()
        found = stored(broker)
        assert found == list(range(PUBLISH_MAX // 2)), found


def fails_for_good_under_way(make):
    """As a rule the publish that is under way meets the failure; if it never does, then because it
    is acknowledged all the same."""
    for _ in range(TRIES):
        try:
            return fails_for_good(make)
        except Acknowledged:
            pass
    raise AssertionError("what is not synced is acknowledged")


class SyncFails(unittest.TestCase):
    def try_all(self, case):
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            runs = {name: pool.submit(case, make) for name, make in KINDS.items()}
        for name, run in runs.items():
            with self.subTest(name):
                run.result()

    def test_a_disk_that_syncs_no_more_confirms_nothing_and_loses_nothing(self):
        self.try_all(fails_for_good_under_way)

    def test_a_sync_that_failed_once_is_made_up_for_before_anything_is_confirmed(self):
        self.try_all(fails_once)


if __name__ == "__main__":
    unittest.main()
