# SPDX-License-Identifier: Apache-2.0
"""Batches that lie, sent by a Kafka producer to a queue: they harm neither queue nor broker."""

import gzip
import struct
import time
import unittest

import tercet

pika = tercet.need_module("pika")
tercet.need_module("kafka")
from kafka.record.default_records import DefaultRecordBatchBuilder  # noqa: E402
from kafka.record.util import calc_crc32c  # noqa: E402

HEADER_BYTES = 61
INVALID_RECORD = 87
CORRUPT_MESSAGE = 2


def batch(values, codec=0, records=None, count=None):
    """A good batch, then what it lies about, under a CRC that is right."""
    builder = DefaultRecordBatchBuilder(2, 0, False, -1, -1, -1, 1 << 30)
    for offset, value in enumerate(values):
        builder.append(offset, int(time.time() * 1000), None, value, [])
    data = bytearray(builder.build())
    if records is not None:
        data[HEADER_BYTES:] = records
    data[22] |= codec
    if count is not None:
        struct.pack_into(">i", data, 23, count - 1)
        struct.pack_into(">i", data, 57, count)
    struct.pack_into(">i", data, 8, len(data) - 12)
    struct.pack_into(">I", data, 17, calc_crc32c(bytes(data[21:])))
    return bytes(data)


class HostileBatches(tercet.BrokerCase):
    def setUp(self):
        super().setUp()
        self.queue = self.id().rpartition(".")[2]
        self.kafka = self.broker.connect("kafka")
        self.addCleanup(self.kafka.close)
        host, port = self.broker.address("amqp")
        connection = pika.BlockingConnection(pika.ConnectionParameters(host, port))
        self.addCleanup(connection.close)
        self.channel = connection.channel()
        self.channel.queue_declare(self.queue)

    def produce(self, data):
        """Produce 7, acks=1; gives the error."""
        topic = self.queue.encode()
        body = struct.pack(">hhih", 0, 7, 1, 1) + b"x" + struct.pack(">hhii", -1, 1, 5000, 1)
        body += struct.pack(">h", len(topic)) + topic + struct.pack(">iii", 1, 0, len(data)) + data
        self.kafka.sendall(struct.pack(">i", len(body)) + body)
        length, = struct.unpack(">i", tercet.read_exactly(self.kafka, 4))
        answer = tercet.read_exactly(self.kafka, length)
        return struct.unpack_from(">h", answer, 4 + 4 + 2 + len(topic) + 4 + 4)[0]

    def values(self, count):
        """What the queue holds, in the order it gives it."""
        got = []
        deadline = time.monotonic() + 20 * tercet.SCALE
        while len(got) < count and time.monotonic() < deadline:
            value = self.channel.basic_get(self.queue, auto_ack=True)[2]
            if value is not None:
                got.append(value)
        return got

    def check_around(self, data, errors):
        self.assertEqual(self.produce(batch([b"before"])), 0)
        self.assertIn(self.produce(data), errors)
        self.assertEqual(self.produce(batch([b"after", b"last"])), 0)
        self.assertEqual(self.values(3), [b"before", b"after", b"last"])
        self.assertIsNone(self.channel.basic_get(self.queue, auto_ack=True)[2])

    def test_records_that_do_not_parse_are_refused(self):
        self.check_around(batch([b"x"] * 3, records=b"\xff" * 30), [INVALID_RECORD])

    def test_records_with_a_rest_behind_them_are_refused(self):
        good = batch([b"x"] * 3)
        self.check_around(batch([b"x"] * 3, records=good[HEADER_BYTES:] + b"\0"),
                          [INVALID_RECORD])

    def test_more_records_than_bytes_are_refused(self):
        self.check_around(batch([b"x"], count=2**31 - 1), [CORRUPT_MESSAGE])

    def test_fewer_records_than_declared_are_refused(self):
        self.check_around(batch([b"x" * 100], count=2), [INVALID_RECORD])

    def test_a_packed_batch_of_a_billion_records_is_refused(self):
        self.check_around(batch([b"x"], codec=1, records=gzip.compress(b""), count=10**9),
                          [CORRUPT_MESSAGE])

    def test_a_packed_batch_that_cannot_be_opened_is_passed_over(self):
        for codec in (1, 2, 3, 4):
            with self.subTest(codec=codec):
                self.check_around(batch([b"x"] * 3, codec=codec, records=b"no such thing"), [0])

    def test_a_packed_batch_of_other_records_than_declared_is_passed_over(self):
        self.check_around(batch([b"x"] * 3, codec=1, records=gzip.compress(b"\xff" * 40)), [0])

    def test_a_batch_that_inflates_beyond_the_limit_is_passed_over(self):
        self.check_around(batch([b"x"], codec=1, records=gzip.compress(bytes(80 << 20))), [0])
        self.assertLess(self.broker.rss(), 300 << 20)


if __name__ == "__main__":
    unittest.main()
