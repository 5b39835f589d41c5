# SPDX-License-Identifier: Apache-2.0
"""What Kafka clients were told is true after a kill, and nothing is told that is not on disk."""

import unittest

from kafka_case import OK
from kafka_wire import Connection, batch, batches
from tercet import Broker


def produce(connection, value, producer=(-1, -1, -1), timeout_ms=30000):
    answer = connection.call("produce", 9, acks=-1, timeout_ms=timeout_ms, topic_data=[{
        "name": "t", "partition_data": [{"index": 0,
                                         "records": batch([value], producer=producer)}]}])
    result = answer["responses"][0]["partition_responses"][0]
    return result["error_code"], result["base_offset"]


def fetch(connection):
    answer = connection.call("fetch", 12, max_bytes=1 << 24, topics=[{"topic": "t", "partitions": [
        {"partition": 0, "fetch_offset": 0, "partition_max_bytes": 1 << 24}]}])
    return answer["responses"][0]["partitions"][0]


class Durable(unittest.TestCase):
    def broker(self, **options):
        broker = Broker(data=True, **options)
        self.addCleanup(broker.close)
        return broker.start()

    def connect(self, broker):
        connection = Connection(broker.address("kafka"))
        self.addCleanup(connection.close)
        return connection

    def open(self, broker):
        connection = self.connect(broker)
        answer = connection.call("metadata", 12, topics=[{"name": "t"}],
                                 allow_auto_topic_creation=True)
        self.assertEqual(answer["topics"][0]["error_code"], OK)
        return connection, answer

    def test_a_kill_loses_nothing_that_was_acknowledged(self):
        broker = self.broker()
        connection, before = self.open(broker)
        producer = connection.call("init_producer_id", 4, transaction_timeout_ms=1)["producer_id"]
        for number in range(20):
            self.assertEqual(produce(connection, b"%d" % number, (producer, 0, number)),
                             (OK, number))
        connection.call("offset_commit", 8, group_id="g", topics=[{"name": "t", "partitions": [
            {"partition_index": 0, "committed_offset": 7, "committed_metadata": "seven"}]}])
        broker.kill()
        broker.start()
        connection, after = self.open(broker)
        self.assertEqual((after["cluster_id"], after["topics"]),
                         (before["cluster_id"], before["topics"]))
        got = fetch(connection)
        self.assertEqual((got["high_watermark"], len(batches(got["records"]))), (20, 20))
        answer = connection.call("offset_fetch", 7, group_id="g", topics=[
            {"name": "t", "partition_indexes": [0]}])["topics"][0]["partitions"][0]
        self.assertEqual((answer["committed_offset"], answer["metadata"]), (7, "seven"))
        # The producer goes on where it was, and what it sends again is not stored again.
        self.assertEqual(produce(connection, b"19", (producer, 0, 19)), (OK, 19))
        self.assertEqual(produce(connection, b"20", (producer, 0, 20)), (OK, 20))
        self.assertEqual(produce(connection, b"22", (producer, 0, 22))[0], 45)
        again = connection.call("init_producer_id", 4, transaction_timeout_ms=1)["producer_id"]
        self.assertGreater(again, producer)

    def test_old_records_are_read_from_the_disk(self):
        broker = self.broker()
        connection, _ = self.open(broker)
        values = [bytes([number]) * 100000 for number in range(50)]
        for value in values:
            self.assertEqual(produce(connection, value)[0], OK)
        broker.stop()
        broker.start()
        connection, _ = self.open(broker)
        got = batches(fetch(connection)["records"])
        self.assertEqual([value in data for value, (_, _, data) in zip(values, got)], [True] * 50)

    def test_a_disk_that_fails_is_told_to_producers_and_hides_nothing(self):
        for point in ("store.sync:6", "store.write:6"):
            with self.subTest(point=point):
                broker = self.broker(env={"TERCET_FAULT": point})
                connection, _ = self.open(broker)
                codes = [produce(connection, b"x", timeout_ms=1)[0] for _ in range(12)]
                stored = codes.count(OK)
                self.assertEqual(codes[:stored], [OK] * stored)
                self.assertIn(codes[stored], (7, 56))
                self.assertEqual(set(codes[stored + 1:]), {56})
                got = fetch(connection)
                self.assertEqual((got["high_watermark"], len(batches(got["records"]))),
                                 (stored, stored))
                broker.kill()


if __name__ == "__main__":
    unittest.main()
