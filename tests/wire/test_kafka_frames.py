# SPDX-License-Identifier: Apache-2.0
"""Frames, versions and the order of answers."""

import struct
import unittest

from kafka_case import OK, KafkaCase
from kafka_wire import APIS, BY_KEY, batch
from tercet import is_closed_by_peer

NOT_SERVED = {("produce", version) for version in (0, 1, 2)}  # advertised for librdkafka's sake


class Versions(KafkaCase):
    def ranges(self, version=0):
        answer = self.connect().call("api_versions", version, client_software_name="wire",
                                     client_software_version="1") if version >= 3 else \
            self.connect().call("api_versions", version)
        self.assertEqual(answer["error_code"], OK)
        return {k["api_key"]: (k["min_version"], k["max_version"]) for k in answer["api_keys"]}

    def test_every_version_of_api_versions_tells_the_same(self):
        told = [self.ranges(version) for version in range(5)]
        self.assertTrue(all(ranges == told[0] for ranges in told))
        self.assertEqual(told[0][18], (0, 4))

    def test_clients_of_old_find_the_overlaps_they_look_for(self):
        ranges = self.ranges()
        for name, version in (("api_versions", 0), ("find_coordinator", 0), ("offset_commit", 2),
                              ("offset_fetch", 1), ("join_group", 0), ("sync_group", 0),
                              ("heartbeat", 0), ("leave_group", 0), ("list_offsets", 1),
                              ("init_producer_id", 0), ("produce", 0), ("produce", 7),
                              ("fetch", 4), ("fetch", 10), ("metadata", 0)):
            low, high = ranges[APIS[name].key]
            self.assertTrue(low <= version <= high, name)

    def test_clients_of_today_find_the_versions_they_need(self):
        ranges = self.ranges()
        for name, version in (("produce", 11), ("fetch", 17), ("metadata", 12),
                              ("find_coordinator", 6), ("offset_commit", 9), ("offset_fetch", 9),
                              ("join_group", 9), ("create_topics", 7), ("delete_topics", 6),
                              ("describe_groups", 5), ("list_groups", 5), ("init_producer_id", 5)):
            self.assertGreaterEqual(ranges[APIS[name].key][1], version, name)

    def test_an_unknown_version_of_api_versions_is_answered_in_the_first_form(self):
        connection = self.connect()
        for version in (5, 9, 32767):
            body = struct.pack(">hhih", 18, version, 77, 1) + b"x" + b"whatever follows"
            connection.sock.sendall(struct.pack(">i", len(body)) + body)
            answer = connection.receive("api_versions", 0, correlation=77)
            self.assertEqual(answer["error_code"], 35)
            self.assertIn(18, [k["api_key"] for k in answer["api_keys"]])
        self.assertEqual(connection.call("api_versions", 0)["error_code"], OK)

    def test_a_client_must_name_its_software_in_words(self):
        for name in ("", "-x", "a b", "x."):
            answer = self.connect().call("api_versions", 3, client_software_name=name,
                                         client_software_version="1.0")
            self.assertEqual(answer["error_code"], 42, name)

    def sample(self, name, version):
        """A request of which the broker can make sense, whatever the version."""
        group = {"group_id": "g", "generation_id": -1, "member_id": "m"}
        return {
            "produce": {"acks": -1, "topic_data": [{"name": self.known, "partition_data": [
                {"index": 0, "records": batch([b"x"])}]}]},
            "fetch": self.fetch_request(self.known),
            "list_offsets": {"replica_id": -1, "topics": [{"name": self.known, "partitions": [
                {"partition_index": 0, "timestamp": -1}]}]},
            "metadata": {"topics": [{"name": self.known}]},
            "offset_commit": {"group_id": "s", "topics": [{"name": self.known, "partitions": [
                {"partition_index": 0, "committed_offset": 1, "committed_metadata": "m"}]}]},
            "offset_fetch": {"group_id": "s", "topics": [
                {"name": self.known, "partition_indexes": [0]}], "groups": [
                    {"group_id": "s", "topics": [{"name": self.known, "partition_indexes": [0]}]}]},
            "find_coordinator": {"key": "g", "coordinator_keys": ["g"]},
            "join_group": {"group_id": "j%d" % version, "session_timeout_ms": 10000,
                           "rebalance_timeout_ms": 10000, "protocol_type": "consumer",
                           "protocols": [{"name": "range", "metadata": b"m"}]},
            "heartbeat": group, "sync_group": group,
            "leave_group": {"group_id": "g", "member_id": "m", "members": [{"member_id": "m"}]},
            "describe_groups": {"groups": ["s", "nobody"]},
            "api_versions": {"client_software_name": "w", "client_software_version": "1"},
            "create_topics": {"topics": [{"name": "made-%d" % version, "num_partitions": 1,
                                          "replication_factor": 1}], "timeout_ms": 1000},
            "delete_topics": {"topics": [{"name": "nothing"}], "topic_names": ["nothing"]},
            "delete_records": {"topics": [{"name": self.known, "partitions": [
                {"partition_index": 0, "offset": 0}]}]},
            "init_producer_id": {"transaction_timeout_ms": 1000},
            "offset_for_leader_epoch": {"topics": [{"topic": self.known, "partitions": [
                {"partition": 0, "leader_epoch": 0}]}]},
            "describe_configs": {"resources": [
                {"resource_type": 2, "resource_name": self.known, "configuration_keys": None}],
                "include_synonyms": True},
            "alter_configs": {"resources": [
                {"resource_type": 2, "resource_name": self.known, "configs": []}]},
            "incremental_alter_configs": {"resources": [
                {"resource_type": 2, "resource_name": self.known, "configs": []}]},
            "create_partitions": {"topics": [{"name": self.known, "count": 1,
                                              "assignments": None}]},
            "delete_groups": {"group_names": ["nobody"]},
            "offset_delete": {"group_id": "nobody"},
        }.get(name, {})

    def only(self, name, version, values):
        """Without the fields that this version does not have."""
        def cut(fields, value):
            return {f.name: ([cut(f.fields, v) for v in value[f.name]]
                             if f.kind == "struct" and f.is_array and value[f.name] else
                             value[f.name])
                    for f in fields if f.name in value and f.is_in(version)}
        return cut(APIS[name].request, values)

    def test_every_advertised_version_is_answered(self):
        self.known = self.topic()
        ranges = self.ranges()
        by_id = {"topic_id": self.topic_id(self.known)}
        for key, (low, high) in ranges.items():
            name = BY_KEY[key].name
            for version in range(low, high + 1):
                with self.subTest(api=name, version=version):
                    connection = self.connect()
                    values = self.only(name, version, self.sample(name, version))
                    for topic in values.get("topics", []) + values.get("topic_data", []):
                        if isinstance(topic, dict) and name in ("produce", "fetch"):
                            topic.update(by_id if version >= 13 else {})
                    if (name, version) in NOT_SERVED:
                        connection.send(name, version, **values)
                        self.assertTrue(is_closed_by_peer(connection.sock))
                    else:
                        connection.call(name, version, **values)
                    connection.close()

    def test_an_unadvertised_version_ends_the_connection(self):
        for name, version in (("fetch", 3), ("fetch", 19), ("metadata", 14), ("produce", 2),
                              ("offset_commit", 1), ("metadata", -1)):
            with self.subTest(api=name, version=version):
                connection = self.connect()
                body = struct.pack(">hhih", APIS[name].key, version, 1, -1) + bytes(64)
                connection.sock.sendall(struct.pack(">i", len(body)) + body)
                self.assertTrue(is_closed_by_peer(connection.sock))


class Frames(KafkaCase):
    def assert_refused(self, data):
        connection = self.connect()
        connection.sock.sendall(data)
        self.assertTrue(is_closed_by_peer(connection.sock))
        self.assertEqual(self.connect().call("api_versions", 0)["error_code"], OK)

    def test_an_unknown_api_ends_the_connection(self):
        for key in (4, 17, 999, -1):
            body = struct.pack(">hhih", key, 0, 1, -1)
            self.assert_refused(struct.pack(">i", len(body)) + body)

    def test_a_frame_too_large_or_too_small_ends_the_connection(self):
        for size in (-1, 0, 7, (100 << 20) + 1, 0x7FFFFFFF):
            self.assert_refused(struct.pack(">i", size) + b"xxxxxxxx")

    def test_a_body_that_ends_early_ends_the_connection(self):
        body = self.connect().frame("metadata", 1, {"topics": [{"name": "x"}]})[4:-1]
        self.assert_refused(struct.pack(">i", len(body)) + body)

    def test_bytes_behind_a_body_are_passed_over(self):
        """librdkafka 2.15 asks for all topics so."""
        connection = self.connect()
        body = connection.frame("metadata", 13, {"topics": None}, 7)[4:] + b"\1\0\0"
        connection.sock.sendall(struct.pack(">i", len(body)) + body)
        connection.receive("metadata", 13, correlation=7)
        self.assertEqual(connection.call("api_versions", 0)["error_code"], OK)

    def test_a_request_may_come_byte_by_byte(self):
        connection = self.connect()
        for byte in connection.frame("api_versions", 0, {}):
            connection.sock.sendall(bytes([byte]))
        self.assertEqual(connection.receive("api_versions", 0)["error_code"], OK)

    def test_pipelined_requests_are_answered_in_order(self):
        connection = self.connect()
        topic = self.topic()
        frames = connection.frame("api_versions", 0, {}, 1) + \
            connection.frame("metadata", 0, {}, 2) + \
            connection.frame("produce", 7, {"acks": -1, "topic_data": [{
                "name": topic, "partition_data": [{"index": 0, "records": batch([b"x"])}]}]}, 3) + \
            connection.frame("metadata", 1, {"topics": []}, 4)
        connection.sock.sendall(frames)
        connection.receive("api_versions", 0, correlation=1)
        connection.receive("metadata", 0, correlation=2)
        answer = connection.receive("produce", 7, correlation=3)
        self.assertEqual(
            answer["responses"][0]["partition_responses"][0]["error_code"], OK)
        self.assertEqual(connection.receive("metadata", 1, correlation=4)["topics"], [])

    def test_many_produces_in_flight_keep_their_order(self):
        connection, topic = self.connect(), self.topic()
        for number in range(50):
            connection.sock.sendall(connection.frame("produce", 7, {"acks": -1, "topic_data": [{
                "name": topic, "partition_data": [
                    {"index": 0, "records": batch([b"%d" % number])}]}]}, number))
        for number in range(50):
            answer = connection.receive("produce", 7, correlation=number)
            result = answer["responses"][0]["partition_responses"][0]
            self.assertEqual((result["error_code"], result["base_offset"]), (OK, number))

    def test_a_long_poll_holds_up_what_comes_behind_it(self):
        connection, topic = self.connect(), self.topic()
        fetch = self.fetch_request(topic, max_wait_ms=300)
        connection.sock.sendall(connection.frame("fetch", 12, fetch, 1) +
                                connection.frame("api_versions", 0, {}, 2))
        connection.receive("fetch", 12, correlation=1)
        connection.receive("api_versions", 0, correlation=2)

    def test_a_null_client_id_is_fine(self):
        connection = self.connect()
        body = struct.pack(">hhih", 18, 0, 5, -1)
        connection.sock.sendall(struct.pack(">i", len(body)) + body)
        self.assertEqual(connection.receive("api_versions", 0, correlation=5)["error_code"], OK)


if __name__ == "__main__":
    unittest.main()
