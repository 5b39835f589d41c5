# SPDX-License-Identifier: Apache-2.0
"""The record format against an implementation of other people: kafka-python's."""

import os
import random
import struct
import subprocess
import unittest

import tercet

tercet.need_module("kafka")
from kafka import codec as codecs  # noqa: E402
from kafka.partitioner.default import murmur2  # noqa: E402
from kafka.record.default_records import (  # noqa: E402
    DefaultRecordBatch, DefaultRecordBatchBuilder)

TOOL = os.path.join(os.path.dirname(tercet.program()), "record_tool")
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
ROUNDS = 12
NOW = 1795326898000


def has_codec(name):
    return name == "none" or getattr(codecs, "has_" + name)()


def spell(data):
    if data is None:
        return "-"
    return data.hex() or "."


def unspell(word):
    if word == "-":
        return None
    return b"" if word == "." else bytes.fromhex(word)


def tool(*args, data):
    return subprocess.run([TOOL, *args], input=data, stdout=subprocess.PIPE, check=True).stdout


def some_bytes(rng, most):
    length = rng.choice((0, 1, 2, 63, 64, 127, 128, rng.randrange(most + 1)))
    if rng.random() < 0.5:
        return bytes([rng.randrange(256)]) * length
    return rng.getrandbits(8 * length).to_bytes(length, "big") if length else b""


def some_records(rng):
    """(timestamp, key, value, [(name, value)]) with everything that is hard to get right."""
    records = []
    for _ in range(rng.choice((1, 2, 63, 64, 65, 300))):
        time = NOW + rng.choice((0, 1, -1, 63, 64, -64, -65, 10**9, -NOW, -NOW - 1, 2**40))
        key = None if rng.random() < 0.3 else some_bytes(rng, 200)
        value = None if rng.random() < 0.2 else some_bytes(rng, 20000)
        headers = [("".join(rng.choice("aZ-\u00e9\u4e16") for _ in range(rng.randrange(70))),
                    None if rng.random() < 0.2 else some_bytes(rng, 300))
                   for _ in range(rng.choice((0, 0, 1, 2, 3, 70)))]
        records.append((time, key, value, headers))
    return records


def build_ours(records, codec, base):
    lines = []
    for time, key, value, headers in records:
        words = [str(time), spell(key), spell(value)]
        words += [spell(name.encode()) + "=" + spell(data) for name, data in headers]
        lines.append(" ".join(words))
    return tool("build", codec, str(base), data="\n".join(lines).encode())


def read_theirs(batch_bytes):
    batch = DefaultRecordBatch(batch_bytes)
    assert batch.validate_crc()
    return batch, [(r.timestamp, r.key, r.value, r.headers) for r in batch]


def build_theirs(records, codec, **producer):
    builder = DefaultRecordBatchBuilder(
        magic=2, compression_type=CODECS.index(codec),
        is_transactional=producer.get("transactional", False),
        producer_id=producer.get("id", -1), producer_epoch=producer.get("epoch", -1),
        base_sequence=producer.get("sequence", -1), batch_size=2**31)
    for offset, (time, key, value, headers) in enumerate(records):
        assert builder.append(offset, time, key, value, headers) is not None
    return bytes(builder.build())


def read_ours(data):
    """[({field: word}, [(offset, timestamp, key, value, headers)])]"""
    batches = []
    for line in tool("dump", data=data).decode().splitlines():
        kind, *words = line.split(" ")
        if kind == "batch":
            batches.append((dict(word.split("=") for word in words), []))
            continue
        offset, time, key, value, *headers = words
        pairs = [tuple(unspell(part) for part in word.split("=")) for word in headers]
        batches[-1][1].append((int(offset), int(time), unspell(key), unspell(value),
                               [(name.decode(), data) for name, data in pairs]))
    return batches


@unittest.skipUnless(os.path.exists(TOOL), "record_tool is not built (make check builds it)")
class RecordFormat(unittest.TestCase):
    def each_codec(self):
        for codec in CODECS:
            if not has_codec(codec):
                continue
            for seed in range(ROUNDS):
                with self.subTest(codec=codec, seed=seed):
                    yield codec, some_records(random.Random("%s %d" % (codec, seed)))

    def test_they_read_what_we_build(self):
        for codec, records in self.each_codec():
            batch, read = read_theirs(build_ours(records, codec, 7000000000))
            self.assertEqual(read, records)
            self.assertEqual(batch.base_offset, 7000000000)
            self.assertEqual(batch.last_offset_delta, len(records) - 1)
            self.assertEqual(batch.first_timestamp, records[0][0])
            self.assertEqual(batch.max_timestamp, max(record[0] for record in records))
            self.assertEqual(batch.compression_type, CODECS.index(codec))

    def test_we_read_what_they_build(self):
        for codec, records in self.each_codec():
            batch_bytes = build_theirs(records, codec, id=4711, epoch=3, sequence=99,
                                       transactional=True)
            (fields, read), = read_ours(batch_bytes)
            self.assertEqual([record[0] for record in read], list(range(len(records))))
            self.assertEqual([record[1:] for record in read], records)
            self.assertEqual(fields["crc"], "ok")
            self.assertEqual(fields["bits"], "16")
            self.assertEqual((fields["id"], fields["epoch"], fields["sequence"]),
                             ("4711", "3", "99"))
            self.assertEqual(int(fields["count"]), len(records))
            self.assertEqual(int(fields["max_time"]), max(record[0] for record in records))

    def test_plain_batches_are_the_same_bytes(self):
        for seed in range(ROUNDS):
            records = some_records(random.Random(seed))
            self.assertEqual(build_ours(records, "none", 0)[21:],
                             build_theirs(records, "none")[21:])

    def test_batches_in_a_row_are_read_one_by_one(self):
        rng = random.Random(1)
        runs = [some_records(rng) for _ in range(4)]
        data = b"".join(build_theirs(run, codec) for run, codec in zip(runs, ("none", "gzip") * 2))
        read = read_ours(data)
        self.assertEqual([[record[1:] for record in batch[1]] for batch in read], runs)

    def test_a_changed_byte_shows_in_the_crc(self):
        batch = bytearray(build_theirs([(NOW, b"k", b"v", [])], "none"))
        batch[-2] ^= 1
        self.assertEqual(read_ours(bytes(batch))[0][0]["crc"], "corrupt")

    def test_raw_snappy_is_read(self):
        if not has_codec("snappy"):
            self.skipTest("python3-snappy is not installed")
        records = some_records(random.Random(5))
        plain = build_theirs(records, "none")
        packed = codecs.snappy_encode(plain[61:], xerial_compatible=False)
        batch = bytearray(plain[:61] + packed)
        struct.pack_into(">i", batch, 8, len(batch) - 12)
        batch[22] |= CODECS.index("snappy")
        (_, read), = read_ours(bytes(batch))
        self.assertEqual([record[1:] for record in read], records)

    def test_keys_go_to_the_partition_of_the_java_client(self):
        rng = random.Random(2)
        keys = [b""] + [some_bytes(rng, 100) for _ in range(2000)]
        data = "\n".join(spell(key) for key in keys).encode()
        lines = tool("partition", "12", data=data).decode().split("\n")
        for key, line in zip(keys, lines):
            want = murmur2(key) & 0xffffffff
            self.assertEqual(line, "%d %d" % (want, (want & 0x7fffffff) % 12), key)


if __name__ == "__main__":
    unittest.main()
