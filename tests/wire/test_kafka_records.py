# SPDX-License-Identifier: Apache-2.0
"""Produce, Fetch, ListOffsets: what is stored, how it comes back, what is refused."""

import gzip
import struct
import threading
import time
import unittest

from kafka_case import OK, KafkaCase
from kafka_wire import batch, batches, crc32c
from tercet import SCALE, is_closed_by_peer, wait_for

GZIP, APPEND_TIME, TRANSACTIONAL, CONTROL = 1, 8, 16, 32


class Produce(KafkaCase):
    def code(self, records, topic=None, **more):
        return self.produce(self.connect(), topic or self.topic(), records, **more)["error_code"]

    def test_what_was_sent_comes_back_byte_for_byte_but_for_its_offset(self):
        topic = self.topic()
        sent = [batch([b"a", (b"k", None), b""]), batch([b"z" * 1000], attributes=GZIP,
                                                        pack=gzip.compress)]
        for records in sent:
            self.assertEqual(self.code(records, topic), OK)
        got = batches(self.fetch(self.connect(), topic)["records"])
        self.assertEqual([(base, last) for base, last, _ in got], [(0, 2), (3, 3)])
        for (base, _, data), records in zip(got, sent):
            self.assertEqual(data[16:], records[16:])
            self.assertEqual(struct.unpack_from(">qii", data), (base, len(records) - 12, 0))

    def test_offsets_go_on_by_records(self):
        topic, connection = self.topic(), self.connect()
        offsets = [self.produce(connection, topic, batch([b"x"] * n))["base_offset"]
                   for n in (3, 1, 5)]
        self.assertEqual(offsets, [0, 3, 4])

    def test_a_broken_batch_is_refused(self):
        good = batch([b"a", b"b"])
        self.assertEqual(self.code(good[:-1] + b"X"), 2)
        self.assertEqual(self.code(good[:-1]), 2)
        self.assertEqual(self.code(good[:30]), 2)
        self.assertEqual(self.code(b""), 87)
        self.assertEqual(self.code(None), 87)
        self.assertEqual(self.code(good + good), 87)
        self.assertEqual(self.code(batch([b"a"], magic=3)), 2)

    def test_records_that_are_not_what_their_batch_says_are_refused(self):
        self.assertEqual(self.code(batch([b"a" * 50, b"b" * 50], count=3)), 87)
        self.assertEqual(self.code(batch([b"a", b"b"], count=1)), 87)
        self.assertEqual(self.code(batch([b"a"], pack=lambda records: records + b"x")), 87)
        self.assertEqual(self.code(batch([b"a"], pack=lambda records: records[:-1])), 87)
        self.assertEqual(self.code(batch([b"a"], pack=lambda records: b"\xff" * 9)), 87)

    def test_counts_that_contradict_each_other_are_refused(self):
        records = bytearray(batch([b"a", b"b"]))
        struct.pack_into(">i", records, 23, 5)  # last offset delta
        struct.pack_into(">I", records, 17, crc32c(bytes(records[21:])))
        self.assertIn(self.code(bytes(records)), (2, 87))

    def test_message_sets_of_old_are_refused(self):
        old = struct.pack(">qiIbb", 0, 20, 0, 1, 0) + bytes(60)
        self.assertIn(self.code(old), (2, 43, 87))

    def test_a_client_may_not_send_control_batches(self):
        self.assertEqual(self.code(batch([b"a"], attributes=CONTROL)), 87)

    def test_transactions_are_refused_in_so_many_words(self):
        records = batch([b"a"], producer=(1, 0, 0), attributes=TRANSACTIONAL)
        self.assertEqual(self.code(records), 53)
        self.assertEqual(self.code(batch([b"a"]), transactional_id="t"), 53)
        answer = self.connect().call("init_producer_id", 4, transactional_id="t",
                                     transaction_timeout_ms=1000)
        self.assertEqual((answer["error_code"], answer["producer_id"]), (53, -1))
        answer = self.connect().call("find_coordinator", 4, key_type=1, coordinator_keys=["t"])
        self.assertEqual(answer["coordinators"][0]["error_code"], 53)

    def test_a_batch_over_the_limit_is_too_large(self):
        self.assertEqual(self.code(batch([bytes(1048588 - 61 - 15)])), OK)
        self.assertEqual(self.code(batch([bytes(1048588)])), 10)
        topic = self.topic(max_message_bytes="1000")
        self.assertEqual(self.code(batch([bytes(900)]), topic), OK)
        self.assertEqual(self.code(batch([bytes(1000)]), topic), 10)

    def test_zstd_needs_a_version_that_knows_it(self):
        records = batch([b"a"], attributes=4)
        self.assertEqual(self.code(records, version=6), 76)

    def test_unknown_places(self):
        self.assertEqual(self.code(batch([b"a"]), "nobody-made-it"), 3)
        self.assertEqual(self.code(batch([b"a"]), partition=1), 3)
        self.assertEqual(self.code(batch([b"a"]), partition=-1), 3)
        answer = self.connect().call("produce", 13, acks=-1, topic_data=[{
            "topic_id": b"x" * 16, "partition_data": [{"index": 0, "records": batch([b"a"])}]}])
        self.assertEqual(answer["responses"][0]["partition_responses"][0]["error_code"], 100)

    def test_partitions_fail_each_for_itself(self):
        topic = self.topic(partitions=2)
        answer = self.connect().call("produce", 9, acks=-1, topic_data=[
            {"name": topic, "partition_data": [
                {"index": 0, "records": batch([b"a"])}, {"index": 1, "records": b"junk" * 20},
                {"index": 2, "records": batch([b"a"])}]},
            {"name": "nobody-made-it", "partition_data": [
                {"index": 0, "records": batch([b"a"])}]}])
        codes = [[p["error_code"] for p in t["partition_responses"]] for t in answer["responses"]]
        self.assertEqual(codes, [[OK, 2, 3], [3]])

    def test_acks_other_than_three_are_refused(self):
        for acks in (2, -2, 32767):
            self.assertEqual(self.code(batch([b"a"]), acks=acks), 21)

    def test_acks_0_is_not_answered_and_stored(self):
        topic, connection = self.topic(), self.connect()
        connection.send("produce", 7, acks=0, topic_data=[{
            "name": topic, "partition_data": [{"index": 0, "records": batch([b"quiet"])}]}])
        self.assertEqual(connection.call("api_versions", 0)["error_code"], OK)
        got = self.fetch(self.connect(), topic, max_wait_ms=5000)
        self.assertIn(b"quiet", got["records"])

    def test_acks_0_that_fails_ends_the_connection(self):
        connection = self.connect()
        connection.send("produce", 7, acks=0, topic_data=[{
            "name": "nobody-made-it", "partition_data": [{"index": 0, "records": batch([b"x"])}]}])
        self.assertTrue(is_closed_by_peer(connection.sock))

    def test_log_append_time_is_the_brokers(self):
        topic = self.topic(message_timestamp_type="LogAppendTime")
        before = int(time.time() * 1000)
        result = self.produce(self.connect(), topic, batch([b"a"], times=[1000]))
        self.assertTrue(before - 1000 <= result["log_append_time_ms"] <= before + 10000)
        _, _, data = batches(self.fetch(self.connect(), topic)["records"])[0]
        self.assertEqual(struct.unpack_from(">h", data, 21)[0] & APPEND_TIME, APPEND_TIME)
        self.assertEqual(struct.unpack_from(">q", data, 35)[0], result["log_append_time_ms"])
        self.assertEqual(struct.unpack_from(">I", data, 17)[0], crc32c(data[21:]))


    def test_a_topic_with_a_codec_of_its_own_packs_what_comes(self):
        values = [b"a" * 1000, b"b" * 1000]
        for word, codec in (("gzip", 1), ("snappy", 2), ("lz4", 3), ("zstd", 4),
                            ("uncompressed", 0)):
            topic = self.topic(compression_type=word)
            self.put(topic, *values)
            self.put(topic, *values, attributes=GZIP, pack=gzip.compress)
            got = batches(self.fetch(self.connect(), topic)["records"])
            self.assertEqual([(b, l) for b, l, _ in got], [(0, 1), (2, 3)])
            for _, _, data in got:
                self.assertEqual(struct.unpack_from(">h", data, 21)[0] & 7, codec, word)
                self.assertEqual(struct.unpack_from(">I", data, 17)[0], crc32c(data[21:]))
                if codec == GZIP:
                    self.assertIn(values[1], gzip.decompress(data[61:]))
        self.assertEqual(self.code(batch([b"x"], attributes=GZIP), topic), 2)


class Idempotence(KafkaCase):
    def setUp(self):
        self.where, self.connection = self.topic(), self.connect()
        answer = self.connection.call("init_producer_id", 4, transaction_timeout_ms=1000)
        self.assertEqual((answer["error_code"], answer["producer_epoch"]), (OK, 0))
        self.id = answer["producer_id"]

    def send(self, sequence, epoch=0, count=1, producer=None):
        result = self.produce(self.connection, self.where, batch(
            [b"%d" % sequence] * count, producer=(producer or self.id, epoch, sequence)))
        return result["error_code"], result["base_offset"]

    def test_ids_differ(self):
        ids = {self.connection.call("init_producer_id", 1)["producer_id"] for _ in range(10)}
        self.assertEqual(len(ids | {self.id}), 11)

    def test_a_batch_sent_again_is_stored_once(self):
        self.assertEqual(self.send(0, count=3), (OK, 0))
        self.assertEqual(self.send(3), (OK, 3))
        self.assertEqual(self.send(0, count=3), (OK, 0))
        self.assertEqual(self.send(3), (OK, 3))
        self.assertEqual(self.send(4), (OK, 4))

    def test_five_batches_are_remembered(self):
        for sequence in range(8):
            self.assertEqual(self.send(sequence), (OK, sequence))
        for sequence in range(3, 8):
            self.assertEqual(self.send(sequence), (OK, sequence))
        self.assertEqual(self.send(8), (OK, 8))

    def test_a_gap_is_out_of_order(self):
        self.assertEqual(self.send(0)[0], OK)
        self.assertEqual(self.send(2)[0], 45)
        self.assertEqual(self.send(1), (OK, 1))

    def test_an_old_epoch_is_fenced_and_a_new_one_begins_at_nought(self):
        self.assertEqual(self.send(0, epoch=1)[0], OK)
        self.assertEqual(self.send(0, epoch=0)[0], 47)
        self.assertEqual(self.send(5, epoch=2)[0], 45)
        self.assertEqual(self.send(0, epoch=2), (OK, 1))

    def test_an_unknown_producer_may_begin_anywhere(self):
        self.assertEqual(self.send(77, producer=self.id + 1000000), (OK, 0))
        self.assertEqual(self.send(78, producer=self.id + 1000000), (OK, 1))

    def test_sequences_wrap(self):
        last = 0x7FFFFFFF
        self.assertEqual(self.send(last), (OK, 0))
        self.assertEqual(self.send(0), (OK, 1))


class Fetch(KafkaCase):
    def test_an_offset_inside_a_batch_gives_the_whole_batch(self):
        topic = self.topic()
        self.put(topic, b"a", b"b", b"c")
        self.put(topic, b"d", b"e")
        got = batches(self.fetch(self.connect(), topic, offset=1)["records"])
        self.assertEqual([(base, last) for base, last, _ in got], [(0, 2), (3, 4)])
        got = batches(self.fetch(self.connect(), topic, offset=4)["records"])
        self.assertEqual([(base, last) for base, last, _ in got], [(3, 4)])

    def test_the_end_is_in_range_and_what_lies_beyond_is_not(self):
        topic = self.topic()
        self.put(topic, b"a", b"b")
        got = self.fetch(self.connect(), topic, offset=2)
        self.assertEqual((got["error_code"], got["records"]), (OK, b""))
        self.assertEqual((got["high_watermark"], got["last_stable_offset"],
                          got["log_start_offset"]), (2, 2, 0))
        for offset in (3, -1, 1 << 60):
            self.assertEqual(self.fetch(self.connect(), topic, offset=offset)["error_code"], 1)

    def test_unknown_places(self):
        self.assertEqual(self.fetch(self.connect(), "nobody-made-it")["error_code"], 3)
        self.assertEqual(self.fetch(self.connect(), self.topic(), partition=1)["error_code"], 3)

    def test_topics_by_id(self):
        topic = self.topic()
        self.put(topic, b"by id")
        request = self.fetch_request(topic)
        request["topics"][0]["topic_id"] = self.topic_id(topic)
        answer = self.connect().call("fetch", 16, **request)
        self.assertEqual(answer["responses"][0]["topic_id"], self.topic_id(topic))
        self.assertIn(b"by id", answer["responses"][0]["partitions"][0]["records"])
        request["topics"][0]["topic_id"] = b"?" * 16
        answer = self.connect().call("fetch", 16, **request)
        self.assertEqual(answer["responses"][0]["partitions"][0]["error_code"], 100)

    def test_a_wait_ends_when_records_come(self):
        topic, connection = self.topic(), self.connect()
        connection.send("fetch", 12, **self.fetch_request(topic, max_wait_ms=60000))
        self.put(topic, b"at last")
        answer = connection.receive("fetch", 12)
        self.assertIn(b"at last", answer["responses"][0]["partitions"][0]["records"])

    def test_a_wait_ends_with_its_time(self):
        topic = self.topic()
        began = time.monotonic()
        got = self.fetch(self.connect(), topic, max_wait_ms=200)
        self.assertEqual((got["error_code"], got["records"]), (OK, b""))
        self.assertGreaterEqual(time.monotonic() - began, 0.19)

    def test_a_wait_goes_on_until_there_are_bytes_enough(self):
        topic, connection = self.topic(partitions=2), self.connect()
        one = len(batch([bytes(100)]))
        request = self.fetch_request(topic, max_wait_ms=60000, min_bytes=3 * one)
        request["topics"][0]["partitions"].append(
            {"partition": 1, "fetch_offset": 0, "partition_max_bytes": 1 << 20})
        connection.send("fetch", 12, **request)
        for partition in (0, 1, 0):
            self.put(topic, bytes(100), partition=partition)
        parts = connection.receive("fetch", 12)["responses"][0]["partitions"]
        self.assertEqual([len(p["records"]) for p in parts], [2 * one, one])

    def test_an_error_ends_the_wait_at_once(self):
        connection, topic = self.connect(), self.topic()
        request = self.fetch_request(topic, max_wait_ms=60000)
        request["topics"].append({"topic": "nobody-made-it", "partitions": [{"partition": 0}]})
        answer = connection.call("fetch", 12, **request)
        self.assertEqual(answer["responses"][1]["partitions"][0]["error_code"], 3)

    def test_deleting_a_topic_ends_the_wait(self):
        topic, other, connection = self.topic(partitions=3), self.topic(), self.connect()
        request = self.fetch_request(topic, max_wait_ms=60000)
        request["topics"][0]["partitions"] = [
            {"partition": p, "fetch_offset": 0, "partition_max_bytes": 1000} for p in (2, 0, 1, 1)]
        request["topics"].append({"topic": other, "partitions": [
            {"partition": 0, "fetch_offset": 0, "partition_max_bytes": 1000}]})
        connection.send("fetch", 12, **request)
        self.connect().call("delete_topics", 5, topic_names=[topic], timeout_ms=1000)
        answer = connection.receive("fetch", 12)
        self.assertEqual([[p["error_code"] for p in t["partitions"]] for t in answer["responses"]],
                         [[3, 3, 3, 3], [OK]])

    def test_who_waits_may_go_away(self):
        topic = self.topic()
        for _ in range(5):
            connection = self.connect()
            connection.send("fetch", 12, **self.fetch_request(topic, max_wait_ms=60000))
            connection.close()
        self.put(topic, b"x")
        self.assertEqual(self.fetch(self.connect(), topic)["error_code"], OK)

    def test_the_first_records_come_whatever_their_size(self):
        topic = self.topic()
        self.put(topic, bytes(10000))
        self.put(topic, bytes(10000))
        for limits in ({"max_bytes": 1}, {"partition_max_bytes": 1},
                       {"max_bytes": 0, "partition_max_bytes": 0}):
            got = self.fetch(self.connect(), topic, **limits)
            self.assertEqual(len(batches(got["records"])), 1, limits)

    def test_limits_stop_the_rest(self):
        topic = self.topic(partitions=3)
        for partition in range(3):
            for _ in range(4):
                self.put(topic, bytes(1000), partition=partition)
        one = len(batch([bytes(1000)]))
        request = self.fetch_request(topic, max_bytes=3 * one)
        request["topics"][0]["partitions"] = [
            {"partition": p, "fetch_offset": 0, "partition_max_bytes": 2 * one} for p in range(3)]
        parts = self.connect().call("fetch", 12, **request)["responses"][0]["partitions"]
        self.assertEqual([len(batches(p["records"])) for p in parts], [2, 1, 0])
        self.assertTrue(all(p["high_watermark"] == 4 for p in parts))

    def test_read_committed_has_a_list_and_read_uncommitted_none(self):
        topic = self.topic()
        self.put(topic, b"x")
        self.assertEqual(self.fetch(self.connect(), topic, isolation_level=1)
                         ["aborted_transactions"], [])
        self.assertIsNone(self.fetch(self.connect(), topic)["aborted_transactions"])

    def test_no_session_is_given_and_none_is_known(self):
        topic = self.topic()
        answer = self.connect().call("fetch", 12, **self.fetch_request(topic), session_epoch=0)
        self.assertEqual((answer["error_code"], answer["session_id"]), (OK, 0))
        answer = self.connect().call("fetch", 12, **self.fetch_request(topic), session_id=7,
                                     session_epoch=1)
        self.assertEqual((answer["error_code"], answer["responses"]), (70, []))
        answer = self.connect().call("fetch", 12, **self.fetch_request(topic), session_id=7,
                                     session_epoch=-1)  # ends it, if there was one
        self.assertEqual((answer["error_code"], len(answer["responses"])), (OK, 1))

    def test_leader_epochs(self):
        topic = self.topic()
        self.put(topic, b"x")
        for epoch, code in ((-1, OK), (0, OK), (1, 75)):
            got = self.fetch(self.connect(), topic, current_leader_epoch=epoch)
            self.assertEqual(got["error_code"], code, epoch)

    def test_nobody_replicates_from_us(self):
        topic = self.topic()
        got = self.fetch(self.connect(), topic, replica_id=2)
        self.assertEqual(got["error_code"], 31)
        request = self.fetch_request(topic)
        request["topics"][0]["topic_id"] = self.topic_id(topic)
        answer = self.connect().call("fetch", 15, **request, replica_state={"replica_id": 2})
        self.assertEqual(answer["responses"][0]["partitions"][0]["error_code"], 31)

    def test_megabytes_come_whole(self):
        topic = self.topic()
        sent = [batch([bytes([n]) * 900000]) for n in range(8)]
        for records in sent:
            self.assertEqual(self.produce(self.connect(), topic, records)["error_code"], OK)
        got = b"".join(d[16:] for _, _, d in batches(self.fetch(
            self.connect(), topic, partition_max_bytes=1 << 24)["records"]))
        self.assertEqual(got, b"".join(records[16:] for records in sent))

    def test_many_readers_of_one_writer(self):
        topic, seen = self.topic(), [0] * 4

        def read(n):
            connection, offset = self.connect(), 0
            while offset < 200:
                got = self.fetch(connection, topic, offset=offset, max_wait_ms=500)
                for base, last, _ in batches(got["records"]):
                    if base == offset:
                        offset = last + 1
            seen[n] = offset

        threads = [threading.Thread(target=read, args=(n,), daemon=True) for n in range(4)]
        for thread in threads:
            thread.start()
        connection = self.connect()
        for number in range(200):
            self.produce(connection, topic, batch([b"%d" % number]))
        for thread in threads:
            thread.join(30 * SCALE)
        self.assertEqual(seen, [200] * 4)


class ListOffsets(KafkaCase):
    def list(self, topic, timestamp, version=7, partition=0):
        answer = self.connect().call("list_offsets", version, replica_id=-1, topics=[{
            "name": topic, "partitions": [{"partition_index": partition,
                                           "timestamp": timestamp}]}])
        got = answer["topics"][0]["partitions"][0]
        return got["error_code"], got["offset"], got["timestamp"]

    def test_begin_and_end(self):
        topic = self.topic()
        self.put(topic, b"a", b"b", b"c")
        for version in (1, 4, 7):
            self.assertEqual(self.list(topic, -2, version), (OK, 0, -1))
            self.assertEqual(self.list(topic, -1, version), (OK, 3, -1))
        self.assertEqual(self.list(topic, -4, 8), (OK, 0, -1))
        self.assertEqual(self.list(topic, -5, 9), (OK, -1, -1))

    def test_a_time_gives_the_record_not_its_batch(self):
        topic = self.topic()
        self.put(topic, b"a", b"b", b"c", times=[1000, 2000, 3000])
        self.put(topic, b"d", b"e", times=[4000, 5000], attributes=GZIP, pack=gzip.compress)
        for time_ms, offset, found in ((0, 0, 1000), (1000, 0, 1000), (1001, 1, 2000),
                                       (3000, 2, 3000), (3001, 3, 4000), (4500, 4, 5000)):
            self.assertEqual(self.list(topic, time_ms), (OK, offset, found), time_ms)
        self.assertEqual(self.list(topic, 5001), (OK, -1, -1))

    def test_the_first_of_equal_times_and_times_that_fall(self):
        topic = self.topic()
        self.put(topic, b"a", b"b", times=[5000, 1000])
        self.put(topic, b"c", b"d", times=[3000, 3000])
        self.assertEqual(self.list(topic, 3000), (OK, 0, 5000))
        self.assertEqual(self.list(topic, 900), (OK, 0, 5000))

    def test_the_record_of_the_greatest_time(self):
        topic = self.topic()
        self.assertEqual(self.list(topic, -3), (OK, -1, -1))
        self.put(topic, b"a", b"b", b"c", times=[1000, 9000, 2000])
        self.put(topic, b"d", times=[3000])
        self.assertEqual(self.list(topic, -3), (OK, 1, 9000))
        self.put(topic, b"e", times=[9000000000000])
        self.assertEqual(self.list(topic, -3), (OK, 4, 9000000000000))

    def test_what_is_not_known(self):
        topic = self.topic()
        self.assertEqual(self.list(topic, -1, partition=3)[0], 3)
        self.assertEqual(self.list("nobody-made-it", -1)[0], 3)
        self.assertEqual(self.list(topic, -3, version=6)[0], 35)
        self.assertEqual(self.list(topic, -100)[0], 35)

    def test_records_deleted_move_the_begin(self):
        topic = self.topic()
        self.put(topic, b"a", b"b", b"c")
        self.put(topic, b"d")

        def delete(offset):
            answer = self.connect().call("delete_records", 2, topics=[{
                "name": topic, "partitions": [{"partition_index": 0, "offset": offset}]}])
            got = answer["topics"][0]["partitions"][0]
            return got["error_code"], got["low_watermark"]

        self.assertEqual(delete(5)[0], 1)
        self.assertEqual(delete(2), (OK, 2))
        self.assertEqual(self.list(topic, -2), (OK, 2, -1))
        self.assertEqual(self.fetch(self.connect(), topic, offset=1)["error_code"], 1)
        got = batches(self.fetch(self.connect(), topic, offset=2)["records"])
        self.assertEqual([(base, last) for base, last, _ in got], [(0, 2), (3, 3)])
        self.assertEqual(delete(-1), (OK, 4))
        wait_for(lambda: self.list(topic, -2) == (OK, 4, -1), what="an empty log")


if __name__ == "__main__":
    unittest.main()
