# SPDX-License-Identifier: Apache-2.0
"""What topics keep: retention and durability as Kafka's administrators set them."""

import os
import time
import unittest

from kafka_case import OK, PRODUCE, KafkaCase
from kafka_wire import batch
from tercet import Broker, wait_for

TOPIC, BROKER = 2, 4
SET, DELETE, APPEND, SUBTRACT = range(4)
FROM_TOPIC, FROM_DEFAULT = 1, 5


def now_ms():
    return int(time.time() * 1000)


class RetentionCase(KafkaCase):
    def start_of(self, topic, partition=0):
        answer = self.connect().call("list_offsets", 7, replica_id=-1, topics=[{
            "name": topic, "partitions": [{"partition_index": partition, "timestamp": -2}]}])
        return answer["topics"][0]["partitions"][0]["offset"]

    def described(self, name, *keys, kind=TOPIC):
        """Value and source of each key."""
        answer = self.connect().call("describe_configs", 4, resources=[{
            "resource_type": kind, "resource_name": name, "configuration_keys": list(keys)}])
        result = answer["results"][0]
        self.assertEqual(result["error_code"], OK)
        got = {c["name"]: (c["value"], c["config_source"]) for c in result["configs"]}
        return [got[key] for key in keys]

    def change(self, name, *changes):
        answer = self.connect().call("incremental_alter_configs", 1, resources=[{
            "resource_type": TOPIC, "resource_name": name, "configs": [
                {"name": k, "config_operation": o, "value": v} for k, o, v in changes]}])
        return answer["responses"][0]["error_code"]

    def set_all(self, name, **configs):
        answer = self.connect().call("alter_configs", 2, resources=[{
            "resource_type": TOPIC, "resource_name": name, "configs": [
                {"name": k.replace("_", "."), "value": v} for k, v in configs.items()]}])
        return answer["responses"][0]["error_code"]


class Kept(RetentionCase):
    def test_records_older_than_the_topics_time_go(self):
        topic, other = self.topic(retention_ms="1000"), self.topic()
        self.put(topic, b"a", b"b", times=[now_ms()] * 2)
        self.put(other, b"a", b"b", times=[now_ms()] * 2)
        self.assertEqual(self.start_of(topic), 0)
        wait_for(lambda: self.start_of(topic) == 2, 20, "the records to go")
        self.assertEqual(self.start_of(other), 0)
        self.assertEqual(self.fetch(self.connect(), topic, 0)["error_code"], 1)
        self.put(topic, b"c", times=[now_ms()])
        wait_for(lambda: self.start_of(topic) == 3, 20, "the next one to go")

    def test_a_topic_outgrows_its_bytes_by_a_part_only(self):
        topic = self.topic(partitions=2, retention_bytes="200000", retention_ms="-1")
        for _ in range(100):
            self.put(topic, bytes(10000), times=[now_ms()])
        wait_for(lambda: self.start_of(topic) >= 70, 20, "the first records to go")
        self.assertLessEqual(self.start_of(topic), 82)
        self.assertEqual(self.start_of(topic, 1), 0)

    def test_a_change_takes_effect_at_once(self):
        topic = self.topic()
        for _ in range(10):
            self.put(topic, bytes(10000), times=[now_ms()])
        self.assertEqual(self.change(topic, ("retention.bytes", SET, "50000")), OK)
        wait_for(lambda: self.start_of(topic) >= 5, 20, "what is over the limit to go")
        self.assertEqual(self.change(topic, ("retention.ms", SET, "1")), OK)
        wait_for(lambda: self.start_of(topic) == 10, 20, "the rest to go")

    def test_for_ever(self):
        topic = self.topic(retention_ms="-1")
        self.put(topic, b"a", times=[1000])
        self.assertEqual(self.change(topic, ("retention.bytes", SET, "-1")), OK)
        self.put(topic, b"b", times=[1000])
        self.assertEqual(self.start_of(topic), 0)


class Told(RetentionCase):
    config = ("retention = 2h\n[stream told-*]\nretention = 3h\nretention_bytes = 5m\n"
              "durability = interval\n[stream told]\nretention = 0\n")

    def test_what_the_configuration_says_is_the_default(self):
        self.assertEqual(self.described(self.topic(), "retention.ms", "retention.bytes"),
                         [("7200000", FROM_DEFAULT), ("-1", FROM_DEFAULT)])
        self.assertEqual(self.described("1", "log.retention.ms", "tercet.durability", kind=BROKER),
                         [("7200000", FROM_DEFAULT), ("always", FROM_DEFAULT)])

    def test_a_section_for_streams_comes_before_it_and_the_topic_before_that(self):
        answer = self.connect().call("create_topics", 7, topics=[
            {"name": "told-one", "num_partitions": 1, "replication_factor": 1, "configs": [
                {"name": "retention.ms", "value": "1"}]},
            {"name": "told", "num_partitions": 1, "replication_factor": 1, "configs": []}],
            timeout_ms=1000)
        configs = {c["name"]: (c["value"], c["config_source"])
                   for c in answer["topics"][0]["configs"]}
        self.assertEqual((configs["retention.ms"], configs["retention.bytes"]),
                         (("1", FROM_TOPIC), ("5242880", FROM_DEFAULT)))
        keys = "retention.ms", "retention.bytes", "tercet.durability"
        self.assertEqual(self.described("told-one", *keys),
                         [("1", FROM_TOPIC), ("5242880", FROM_DEFAULT),
                          ("interval", FROM_DEFAULT)])
        self.assertEqual(self.described("told", *keys),
                         [("-1", FROM_DEFAULT), ("-1", FROM_DEFAULT), ("always", FROM_DEFAULT)])
        self.assertEqual(self.change("told-one", ("retention.ms", DELETE, None)), OK)
        self.assertEqual(self.described("told-one", "retention.ms"), [("10800000", FROM_DEFAULT)])

    def test_a_value_that_is_the_default_is_still_the_topics_own(self):
        topic = self.topic(retention_ms="7200000")
        self.assertEqual(self.described(topic, "retention.ms"), [("7200000", FROM_TOPIC)])

    def test_a_whole_set_takes_back_what_it_does_not_name(self):
        topic = self.topic(retention_ms="1000", flush_messages="1")
        self.assertEqual(self.set_all(topic, retention_bytes="10"), OK)
        self.assertEqual(
            self.described(topic, "retention.ms", "retention.bytes", "flush.messages"),
            [("7200000", FROM_DEFAULT), ("10", FROM_TOPIC),
             ("9223372036854775807", FROM_DEFAULT)])

    def test_durability_in_kafkas_words_and_in_ours(self):
        topic = self.topic(flush_ms="1000")
        keys = "tercet.durability", "flush.ms"
        self.assertEqual(self.described(topic, *keys),
                         [("interval", FROM_DEFAULT), ("1000", FROM_TOPIC)])
        self.assertEqual(self.change(topic, ("flush.messages", SET, "1")), OK)
        self.assertEqual(self.described(topic, *keys)[0][0], "always")
        self.assertEqual(self.change(topic, ("tercet.durability", SET, "memory")), OK)
        self.assertEqual(self.described(topic, *keys)[0], ("memory", FROM_TOPIC))
        self.put(topic, b"x")
        self.assertEqual(self.change(topic, ("tercet.durability", SET, "maybe")), 40)
        self.assertEqual(self.change(topic, ("tercet.durability", DELETE, None),
                                     ("flush.messages", DELETE, None),
                                     ("flush.ms", DELETE, None)), OK)
        self.assertEqual(self.described(topic, *keys)[0], ("always", FROM_DEFAULT))

    def test_lists_are_appended_to_and_taken_from(self):
        topic, key = self.topic(), "leader.replication.throttled.replicas"
        self.assertEqual(self.change(topic, (key, APPEND, "0:1,1:1")), OK)
        self.assertEqual(self.change(topic, (key, APPEND, "1:1,2:1")), OK)
        self.assertEqual(self.described(topic, key), [("0:1,1:1,2:1", FROM_TOPIC)])
        self.assertEqual(self.change(topic, (key, SUBTRACT, "1:1,9:9")), OK)
        self.assertEqual(self.described(topic, key), [("0:1,2:1", FROM_TOPIC)])
        self.assertEqual(self.change(topic, (key, SUBTRACT, "0:1,2:1")), OK)
        self.assertEqual(self.described(topic, key), [("", FROM_DEFAULT)])
        self.assertEqual(self.change(topic, ("retention.ms", APPEND, "1")), 40)


class OverRestarts(RetentionCase):
    @classmethod
    def setUpClass(cls):
        cls.broker = Broker(data=True, config="segment_first = 4m\nsegment_max = 8m\n")
        cls.addClassCleanup(cls.broker.close)
        cls.broker.start()
        cls.addClassCleanup(cls.broker.stop)

    def test_what_was_set_outlives_a_kill(self):
        topic = self.topic(retention_ms="86400000", segment_ms="7")
        self.assertEqual(self.change(topic, ("retention.bytes", SET, "12345678"),
                                     ("tercet.durability", SET, "interval")), OK)
        self.broker.kill()
        self.broker.start()
        self.assertEqual(
            self.described(topic, "retention.ms", "retention.bytes", "segment.ms",
                           "tercet.durability"),
            [("86400000", FROM_TOPIC), ("12345678", FROM_TOPIC), ("7", FROM_TOPIC),
             ("interval", FROM_TOPIC)])

    def test_what_fell_due_while_the_broker_was_down_goes(self):
        topic = self.topic(retention_ms="1500")
        self.put(topic, b"a", times=[now_ms()])
        self.broker.kill()
        self.broker.start()
        wait_for(lambda: self.start_of(topic) == 1, 20, "the record to go")

    def used(self):
        """Bytes of the file system that the store takes up."""
        total = 0
        for folder, _, files in os.walk(self.broker.data):
            for name in files:
                try:
                    total += os.lstat(os.path.join(folder, name)).st_blocks * 512
                except FileNotFoundError:
                    pass
        return total

    def fill(self, topic):
        connection, records = self.connect(), batch([bytes(1 << 19)], times=[now_ms()])
        for _ in range(96):
            answer = connection.call("produce", PRODUCE, acks=-1, timeout_ms=60000, topic_data=[{
                "name": topic, "partition_data": [{"index": 0, "records": records}]}])
            result = answer["responses"][0]["partition_responses"][0]
            self.assertEqual(result["error_code"], OK)
        self.assertGreater(self.used(), 48 << 20)

    # What stays is the segment in use, one prepared and one kept for the next: 8 MiB each.
    def test_a_deleted_topic_gives_its_space_back_while_the_broker_runs(self):
        topic = self.topic()
        self.fill(topic)
        self.connect().call("delete_topics", 5, topic_names=[topic], timeout_ms=1000)
        wait_for(lambda: self.used() < 34 << 20, 20, "the space to come back")

    def test_deleted_records_give_their_space_back(self):
        topic = self.topic()
        self.fill(topic)
        answer = self.connect().call("delete_records", 2, topics=[{
            "name": topic, "partitions": [{"partition_index": 0, "offset": -1}]}], timeout_ms=1000)
        self.assertEqual(answer["topics"][0]["partitions"][0]["low_watermark"], 96)
        wait_for(lambda: self.used() < 34 << 20, 20, "the space to come back")


if __name__ == "__main__":
    unittest.main()
