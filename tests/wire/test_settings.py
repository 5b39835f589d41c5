# SPDX-License-Identifier: Apache-2.0
"""Options that no other test tries: each does what its sentence says."""

import os
import re
import time
import unittest

import amqp_raw as amqp
import mqtt_raw as m
from admin_raw import ask, counter
from kafka_case import KafkaCase
from tercet import Broker, wait_for
from test_kafka_groups import Member

QUOTA, NOBODY = 0x97, 0x10
CONFIG = """
default_partitions = 3
consumed_retention = 1h
consumed_retention_bytes = 64k
retained_max_bytes = 20k
delayed_max_bytes = 20k
unlogged_bytes = 4k
turn_slow = 1ms
kafka_rebalance_delay = 1s

[stream live]
durability = none

[listener paced]
protocol = mqtt
port = 0
byte_rate = 20k
"""


def streams(broker, name):
    return ask(broker, "GET", "/api/streams?name=" + name)[1]["streams"]


class Settings(KafkaCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Broker(data=True, config=CONFIG)
        cls.addClassCleanup(cls.broker.close)
        cls.broker.start()
        cls.addClassCleanup(cls.broker.stop)

    def mqtt(self, listener=None):
        client = m.Client(self.broker.address_of(listener) if listener
                          else self.broker.address("mqtt"))
        self.addCleanup(client.close)
        return client.connect()

    def until_refused(self, topic, **options):
        """How many messages of 1 KB were taken before one was not, for its size among others."""
        client = self.mqtt()
        for count in range(40):
            reason = client.publish(topic % count, bytes(1024), 1, **options).reason
            if reason not in (0, NOBODY):
                self.assertEqual(reason, QUOTA)
                return count
        raise AssertionError("all were taken")

    def test_default_partitions_are_those_of_a_stream_that_a_publish_makes(self):
        self.mqtt().publish("three/x", b"x", 1)
        self.assertEqual(len(streams(self.broker, "three")[0]["partitions"]), 3)

    def test_retained_max_bytes(self):
        self.assertIn(self.until_refused("kept/%d", retain=True), range(10, 20))

    def test_delayed_max_bytes(self):
        self.assertIn(self.until_refused("$delayed/3000/later/%d"), range(5, 20))

    def test_unlogged_bytes(self):
        client = self.mqtt()
        for i in range(100):
            client.publish("live/%d" % i, bytes(1024), 1)
        places = [(p["start"], p["end"]) for p in streams(self.broker, "live")[0]["partitions"]]
        self.assertEqual(sum(end for _, end in places), 100)
        self.assertLess(sum(end - start for start, end in places), 10)

    def test_turn_slow(self):
        client = self.mqtt()

        def is_told():
            client.publish("large", bytes(2 << 20), 1)
            told = re.findall(r"net\.slow_turn us=(\d+)", self.broker.log())
            return any(int(us) < 10000 for us in told)  # by default they are not told
        wait_for(is_told, 20, "net.slow_turn")

    def test_kafka_rebalance_delay_is_waited_for_others_to_join(self):
        member = Member(self, self.name("group"))
        before = time.monotonic()
        self.assertEqual(member.join(), 0)
        self.assertGreater(time.monotonic() - before, 0.99)

    def test_byte_rate_is_that_of_all_clients_of_a_listener(self):
        clients = [self.mqtt("paced") for _ in range(2)]
        before = time.monotonic()
        for pid in (1, 2, 3):
            for client in clients:
                client.send(m.publish("t", bytes(10240), 1, pid))
        for _ in range(3):
            for client in clients:
                client.expect(m.PUBACK)
        self.assertGreater(time.monotonic() - before, 1)
        self.assertGreater(counter(self.broker, "mqtt_rate_pauses_total"), 0)

    def test_consumed_retention_bytes(self):
        with amqp.Client(self.broker) as client:
            client.call("queue.declare", queue="work", durable=True)
            for _ in range(40):
                client.publish(bytes(10240), "work")
            for _ in range(40):
                client.get("work")
        wait_for(lambda: streams(self.broker, "work")[0]["partitions"][0]["start"] > 20, 30,
                 "what was consumed to go")


class Others(unittest.TestCase):
    def test_without_auto_stream_a_publish_makes_none_and_is_delivered(self):
        with Broker(data=True, config="auto_stream = no\n") as broker, \
                m.Client(broker.address("mqtt")) as client:
            client.connect()
            client.subscribe("none/x")
            client.publish("none/x", b"x")
            client.take("none/x", b"x")
            self.assertEqual(ask(broker, "GET", "/api/streams?name=none")[0], 404)

    def test_unlogged_total_bytes(self):
        config = ("unlogged_bytes = 0\nunlogged_total_bytes = 1m\n"
                  "[stream live*]\ndurability = none\n")
        with Broker(data=True, config=config) as broker, \
                m.Client(broker.address("mqtt")) as client:
            client.connect()
            for i in range(40):
                client.publish("live%d" % (i % 4), bytes(102400), 1)
            self.assertLess(counter(broker, "core_unlogged_bytes"), 2 << 20)

    def test_disk_free_enough_outweighs_what_part_is_in_use(self):
        for enough, reasons in (("0", (QUOTA,)), ("1", (0, NOBODY))):
            with Broker(data=True, config="disk_warn = 1\ndisk_stop = 1\ndisk_free_min = 0\n"
                                          "disk_free_enough = %s\n" % enough) as broker, \
                    m.Client(broker.address("mqtt")) as client:
                room = os.statvfs(broker.data)
                if room.f_bavail > room.f_blocks * 0.97:
                    self.skipTest("nearly nothing of the disk is in use here")
                client.connect()
                if enough == "0":
                    wait_for(lambda: "core.disk_full" in broker.log(), what="core.disk_full")
                self.assertIn(client.publish("t", b"x", 1).reason, reasons)


if __name__ == "__main__":
    unittest.main()
