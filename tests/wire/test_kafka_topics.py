# SPDX-License-Identifier: Apache-2.0
"""Metadata, topics and their configurations."""

import unittest

from kafka_case import OK, KafkaCase
from kafka_wire import batch

NOT_ASKED = -2147483648


class Metadata(KafkaCase):
    def ask(self, version, *names, **more):
        return self.connect().call("metadata", version, topics=[{"name": n} for n in names],
                                   **more)

    def test_the_broker_is_where_the_client_found_it(self):
        answer = self.ask(12)
        host, port = self.broker.address("kafka")
        self.assertEqual(answer["brokers"], [
            {"node_id": 1, "host": host, "port": port, "rack": None}])
        self.assertEqual((answer["controller_id"], len(answer["cluster_id"])), (1, 22))

    def test_an_unknown_topic_is_made_and_answered_at_once(self):
        for version in (0, 1, 4, 12):
            name = self.name()
            got = self.ask(version, name, **({"allow_auto_topic_creation": True}
                                             if version >= 4 else {}))["topics"][0]
            self.assertEqual((got["error_code"], got["name"]), (OK, name))
            self.assertEqual([(p["partition_index"], p["leader_id"], p["replica_nodes"],
                               p["isr_nodes"]) for p in got["partitions"]], [(0, 1, [1], [1])])

    def test_unless_the_client_says_not_to(self):
        got = self.ask(4, "never-made", allow_auto_topic_creation=False)["topics"][0]
        self.assertEqual((got["error_code"], got["partitions"]), (3, []))

    def test_names_that_kafka_does_not_allow(self):
        for name in ("a b", "a/b", "", ".", "..", "x" * 250, "é"):
            self.assertEqual(self.ask(4, name, allow_auto_topic_creation=True)
                             ["topics"][0]["error_code"], 17, name)
        self.assertEqual(self.ask(4, "x" * 249, allow_auto_topic_creation=True)
                         ["topics"][0]["error_code"], OK)

    def test_all_or_none(self):
        name, connection = self.topic(), self.connect()
        self.assertIn(name, [t["name"] for t in connection.call("metadata", 0)["topics"]])
        self.assertEqual(connection.call("metadata", 1, topics=[])["topics"], [])
        answer = connection.call("metadata", 12, topics=None)
        self.assertIn(name, [t["name"] for t in answer["topics"]])

    def test_by_id(self):
        name = self.topic(partitions=3)
        topic_id = self.topic_id(name)
        self.assertNotEqual(topic_id, bytes(16))
        got = self.connect().call("metadata", 12, topics=[
            {"topic_id": topic_id, "name": None}])["topics"][0]
        self.assertEqual((got["name"], len(got["partitions"])), (name, 3))
        got = self.connect().call("metadata", 12, topics=[
            {"topic_id": b"?" * 16, "name": None}])["topics"][0]
        self.assertEqual((got["error_code"], got["name"]), (100, None))

    def test_operations_are_told_when_asked_for(self):
        name = self.topic()
        got = self.ask(8, name)
        self.assertEqual((got["topics"][0]["topic_authorized_operations"],
                          got["cluster_authorized_operations"]), (NOT_ASKED, NOT_ASKED))
        got = self.ask(8, name, include_topic_authorized_operations=True,
                       include_cluster_authorized_operations=True)
        for bit in (3, 4, 6, 7, 8):
            self.assertTrue(got["topics"][0]["topic_authorized_operations"] >> bit & 1, bit)
        self.assertGreater(got["cluster_authorized_operations"], 0)

    def test_the_cluster_is_described(self):
        got = self.connect().call("describe_cluster", 1)
        host, port = self.broker.address("kafka")
        self.assertEqual((got["error_code"], got["controller_id"], got["brokers"]), (OK, 1, [
            {"broker_id": 1, "host": host, "port": port, "rack": None}]))
        self.assertEqual(got["cluster_id"], self.ask(12)["cluster_id"])
        self.assertEqual(
            self.connect().call("describe_cluster", 1, endpoint_type=2)["error_code"], 114)


class Create(KafkaCase):
    def create(self, *topics, version=7, **more):
        answer = self.connect().call("create_topics", version, timeout_ms=1000, topics=[
            dict({"num_partitions": 1, "replication_factor": 1}, **t) for t in topics], **more)
        return [t["error_code"] for t in answer["topics"]], answer["topics"]

    def code(self, version=7, **topic):
        return self.create(dict({"name": self.name()}, **topic), version=version)[0][0]

    def test_a_topic_is_as_it_was_asked_for(self):
        name = self.name()
        codes, topics = self.create({"name": name, "num_partitions": 5, "configs": [
            {"name": "max.message.bytes", "value": "2000"}]})
        self.assertEqual(codes, [OK])
        self.assertEqual((topics[0]["num_partitions"], topics[0]["replication_factor"],
                          topics[0]["topic_id"]), (5, 1, self.topic_id(name)))
        told = {c["name"]: (c["value"], c["config_source"]) for c in topics[0]["configs"]}
        self.assertEqual((told["max.message.bytes"], told["cleanup.policy"]),
                         (("2000", 1), ("delete", 5)))

    def test_defaults(self):
        _, topics = self.create({"name": self.name(), "num_partitions": -1,
                                 "replication_factor": -1})
        self.assertEqual((topics[0]["error_code"], topics[0]["num_partitions"],
                          topics[0]["replication_factor"]), (OK, 1, 1))

    def test_more_replicas_than_there_are_brokers_become_one(self):
        _, topics = self.create({"name": self.name(), "replication_factor": 3})
        self.assertEqual((topics[0]["error_code"], topics[0]["replication_factor"]), (OK, 1))

    def test_what_cannot_be_made(self):
        existing = self.topic()
        self.assertEqual(self.code(name=existing), 36)
        self.assertEqual(self.code(name="not legal"), 17)
        self.assertEqual(self.code(num_partitions=0), 37)
        self.assertEqual(self.code(num_partitions=-2), 37)
        self.assertEqual(self.code(num_partitions=100000), 37)
        self.assertEqual(self.code(replication_factor=0), 38)
        self.assertEqual(self.code(configs=[{"name": "no.such", "value": "1"}]), 40)
        self.assertEqual(self.code(configs=[{"name": "max.message.bytes", "value": "x"}]), 40)
        self.assertEqual(self.code(configs=[{"name": "max.message.bytes", "value": None}]), 40)
        self.assertEqual(self.code(configs=[{"name": "cleanup.policy", "value": "shrink"}]), 40)
        self.assertEqual(self.create({"name": "twice"}, {"name": "twice"})[0], [42, 42])

    def test_what_is_not_done_yet_is_said(self):
        _, topics = self.create({"name": self.name(), "configs": [
            {"name": "min.insync.replicas", "value": "2"}]})
        self.assertIn("cannot be changed", topics[0]["error_message"])

    def test_assignments(self):
        def code(assignments, partitions=-1, replicas=-1):
            return self.code(num_partitions=partitions, replication_factor=replicas, assignments=[
                {"partition_index": p, "broker_ids": b} for p, b in assignments])
        self.assertEqual(code([(0, [1]), (1, [1])]), OK)
        self.assertEqual(code([(0, [1])], partitions=1), 42)
        self.assertEqual(code([(0, [2])]), 39)
        self.assertEqual(code([(1, [1])]), 39)
        self.assertEqual(code([(0, [1]), (0, [1])]), 39)
        self.assertEqual(code([(0, [1, 1])]), 39)

    def test_validating_makes_nothing(self):
        name = self.name()
        self.assertEqual(self.create({"name": name}, validate_only=True)[0], [OK])
        self.assertEqual(self.create({"name": name})[0], [OK])
        self.assertEqual(self.create({"name": name}, validate_only=True)[0], [36])


class Delete(KafkaCase):
    def delete(self, *names):
        answer = self.connect().call("delete_topics", 5, topic_names=names, timeout_ms=1000)
        return [r["error_code"] for r in answer["responses"]]

    def test_a_deleted_topic_is_gone_and_made_again_is_another(self):
        name = self.topic()
        before = self.topic_id(name)
        self.put(name, b"old")
        self.assertEqual(self.delete(name, "never-made"), [OK, 3])
        answer = self.connect().call("metadata", 4, topics=[{"name": name}],
                                     allow_auto_topic_creation=False)
        self.assertEqual(answer["topics"][0]["error_code"], 3)
        again = self.connect().call("create_topics", 7, timeout_ms=1000, topics=[
            {"name": name, "num_partitions": 1, "replication_factor": 1}])["topics"][0]
        self.assertEqual(again["error_code"], OK)
        self.assertNotEqual(again["topic_id"], before)
        got = self.fetch(self.connect(), name)
        self.assertEqual((got["high_watermark"], got["records"]), (0, b""))
        self.assertEqual(self.put(name, b"new"), 0)

    def test_by_id(self):
        name = self.topic()
        answer = self.connect().call("delete_topics", 6, timeout_ms=1000, topics=[
            {"name": None, "topic_id": self.topic_id(name)},
            {"name": None, "topic_id": b"?" * 16}])
        self.assertEqual([(r["name"], r["error_code"]) for r in answer["responses"]],
                         [(name, OK), (None, 100)])


class Grow(KafkaCase):
    def grow(self, name, count, assignments=None, **more):
        answer = self.connect().call("create_partitions", 3, timeout_ms=1000, topics=[{
            "name": name, "count": count, "assignments": assignments}], **more)
        return answer["results"][0]["name"], answer["results"][0]["error_code"]

    def test_partitions_are_added(self):
        name = self.topic(partitions=2)
        self.assertEqual(self.grow(name, 4, validate_only=True), (name, OK))
        self.assertEqual(self.grow(name, 4), (name, OK))
        self.put(name, b"x", partition=3)
        answer = self.connect().call("metadata", 4, topics=[{"name": name}])
        self.assertEqual(len(answer["topics"][0]["partitions"]), 4)

    def test_never_taken_away(self):
        name = self.topic(partitions=2)
        for count in (2, 1, 0, -1, 100000):
            self.assertEqual(self.grow(name, count), (name, 37))
        self.assertEqual(self.grow("never-made", 2), ("never-made", 3))
        self.assertEqual(self.grow(name, 3, [{"broker_ids": [2]}]), (name, 39))
        self.assertEqual(self.grow(name, 3, [{"broker_ids": [1]}] * 2), (name, 39))


class Configurations(KafkaCase):
    def describe(self, kind, name, keys=None, version=4, **more):
        answer = self.connect().call("describe_configs", version, resources=[{
            "resource_type": kind, "resource_name": name, "configuration_keys": keys}], **more)
        result = answer["results"][0]
        return result["error_code"], {c["name"]: c for c in result["configs"]}

    def test_a_topic_tells_all_that_it_knows(self):
        name = self.topic(max_message_bytes="5000", segment_ms="1000")
        code, configs = self.describe(2, name, include_synonyms=True)
        self.assertEqual(code, OK)
        self.assertGreater(len(configs), 30)
        for key, value, source in (("cleanup.policy", "delete", 5), ("segment.ms", "1000", 1),
                                   ("max.message.bytes", "5000", 1),
                                   ("retention.ms", "604800000", 5)):
            got = configs[key]
            self.assertEqual((got["value"], got["config_source"]), (value, source), key)
            self.assertEqual(got["synonyms"][0]["value"], value)

    def test_only_what_was_asked_for(self):
        _, configs = self.describe(2, self.topic(), ["retention.ms", "no.such"])
        self.assertEqual(list(configs), ["retention.ms"])
        self.assertEqual(self.describe(2, self.topic(), [])[1], {})

    def test_the_broker(self):
        code, configs = self.describe(4, "1")
        self.assertEqual((code, configs["auto.create.topics.enable"]["value"],
                          configs["message.max.bytes"]["value"]), (OK, "true", "1048588"))

    def test_nothing_else_has_any(self):
        self.assertEqual(self.describe(4, "2")[0], 42)
        self.assertEqual(self.describe(2, "never-made")[0], 3)
        self.assertEqual(self.describe(8, "1")[0], 42)


    def alter(self, name, version=2, kind=2, validate_only=False, **configs):
        answer = self.connect().call("alter_configs", version, resources=[{
            "resource_type": kind, "resource_name": name, "configs": [
                {"name": k.replace("_", "."), "value": v} for k, v in configs.items()]}],
            validate_only=validate_only)
        return answer["responses"][0]["error_code"]

    def change(self, name, *changes, version=1, **more):
        answer = self.connect().call("incremental_alter_configs", version, resources=[{
            "resource_type": 2, "resource_name": name, "configs": [
                {"name": k, "config_operation": o, "value": v} for k, o, v in changes]}], **more)
        return answer["responses"][0]["error_code"]

    def set_of(self, name):
        return {k: c["value"] for k, c in self.describe(2, name)[1].items()
                if c["config_source"] == 1}

    def test_a_whole_set_replaces_what_was(self):
        name = self.topic(max_message_bytes="5000")
        self.assertEqual(self.alter(name, segment_ms="7", validate_only=True), OK)
        self.assertEqual(self.set_of(name), {"max.message.bytes": "5000"})
        self.assertEqual(self.alter(name, segment_ms="7", flush_ms="9"), OK)
        self.assertEqual(self.set_of(name), {"segment.ms": "7", "flush.ms": "9"})
        self.assertEqual(self.alter(name, version=0), OK)
        self.assertEqual(self.set_of(name), {})

    def test_single_settings_are_changed(self):
        name = self.topic(max_message_bytes="5000", segment_ms="7")
        self.assertEqual(self.change(name, ("max.message.bytes", 0, "100"),
                                     ("segment.ms", 1, None), ("flush.ms", 0, "9")), OK)
        self.assertEqual(self.set_of(name), {"max.message.bytes": "100", "flush.ms": "9"})
        result = self.produce(self.connect(), name, batch([bytes(200)]))
        self.assertEqual(result["error_code"], 10)
        self.assertEqual(self.change(name, ("max.message.bytes", 1, None)), OK)
        self.put(name, bytes(200))

    def test_a_compacted_topic_loses_no_records_by_request(self):
        name = self.topic()

        def delete():
            answer = self.connect().call("delete_records", 2, topics=[{
                "name": name, "partitions": [{"partition_index": 0, "offset": -1}]}])
            return answer["topics"][0]["partitions"][0]["error_code"]

        self.assertEqual(delete(), OK)
        self.assertEqual(self.alter(name, cleanup_policy="compact"), OK)
        self.assertEqual(delete(), 44)
        self.assertEqual(self.change(name, ("cleanup.policy", 2, "delete")), OK)
        self.assertEqual(self.set_of(name)["cleanup.policy"], "compact,delete")
        self.assertEqual(delete(), OK)

    def test_what_cannot_be_changed(self):
        name = self.topic()
        self.assertEqual(self.alter("never-made", segment_ms="7"), 3)
        self.assertEqual(self.alter("1", kind=4, segment_ms="7"), 42)
        self.assertEqual(self.alter(name, segment_ms="x"), 40)
        self.assertEqual(self.alter(name, cleanup_policy="compact,shrink"), 40)
        self.assertEqual(self.change(name, ("segment.ms", 0, "1"), ("segment.ms", 0, "2")), 42)
        self.assertEqual(self.change(name, ("cleanup.policy", 2, "shrink")), 40)
        self.assertEqual(self.alter(name, min_cleanable_dirty_ratio="1.1"), 40)
        self.assertEqual(self.change(name, ("segment.ms", 0, None)), 42)
        self.assertEqual(self.change(name, ("segment.ms", 0, "1"), ("retention.ms", 0, "x")), 40)
        self.assertEqual(self.change(name, ("segment.ms", 2, "1")), 40)
        self.assertEqual(self.change(name, ("segment.ms", 7, "1")), 42)
        self.assertEqual(self.change("never-made", ("cleanup.policy", 2, "compact")), 3)
        self.assertEqual(self.set_of(name), {})


class Options(KafkaCase):
    config = ("kafka_advertised_host = kafka.example\nkafka_advertised_port = 1234\n"
              "kafka_auto_create = no\nkafka_node_id = 7\nkafka_max_batch = 2048\n")

    def test_the_configuration_is_heeded(self):
        answer = self.connect().call("metadata", 4, topics=[{"name": "t"}],
                                     allow_auto_topic_creation=True)
        self.assertEqual([(b["node_id"], b["host"], b["port"]) for b in answer["brokers"]],
                         [(7, "kafka.example", 1234)])
        self.assertEqual(answer["topics"][0]["error_code"], 3)
        name = self.topic()
        self.assertEqual(self.produce(self.connect(), name, batch([bytes(1900)]))["error_code"],
                         OK)
        self.assertEqual(self.produce(self.connect(), name, batch([bytes(2000)]))["error_code"],
                         10)


if __name__ == "__main__":
    unittest.main()
