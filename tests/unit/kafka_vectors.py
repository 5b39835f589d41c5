#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Makes kafka_vectors.txt: messages of every API and version with generated values.

An encoder of its own that reads Apache Kafka's JSON message schemas (a folder of them is the only
argument), so that nothing is shared with the codec under test. A line is
    KEY request|response VERSION HEX FNV1A64-OF-THE-VALUES
where the values are written in one canonical text, see text_of(). Run it again when the table
gains a message or a version:  kafka_vectors.py FOLDER > kafka_vectors.txt
"""

import json
import os
import random
import re
import struct
import sys

NAMES = """Produce Fetch ListOffsets Metadata OffsetCommit OffsetFetch FindCoordinator JoinGroup
Heartbeat LeaveGroup SyncGroup DescribeGroups ListGroups ApiVersions CreateTopics DeleteTopics
DeleteRecords InitProducerId OffsetForLeaderEpoch DescribeConfigs CreatePartitions DeleteGroups
OffsetDelete DescribeCluster AlterConfigs IncrementalAlterConfigs""".split()
# Versions that newer schemas no longer list but whose fields they still tell.
OLDER = {"Produce": 0, "CreateTopics": 0, "DeleteTopics": 0}
RENAMED = {"enable2_pc": "enable_two_phase", "groups_names": "group_names"}
WIDTHS = {"int8": "b", "int16": "h", "uint16": "H", "int32": "i", "uint32": "I", "int64": "q"}
rng = random.Random(20260101)


def load(folder, name):
    with open(os.path.join(folder, name + ".json"), encoding="utf-8") as f:
        return json.loads("".join(l for l in f if not l.strip().startswith("//")))


def within(text, version):
    if text in (None, "none"):
        return False
    if text.endswith("+"):
        return version >= int(text[:-1])
    low, _, high = text.partition("-")
    return int(low) <= version <= int(high or low)


def snake(name):
    name = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name)
    name = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name).lower()
    return RENAMED.get(name, name)


def uvarint(n):
    out = b""
    while n >= 0x80:
        out += bytes([n & 0x7F | 0x80])
        n >>= 7
    return out + bytes([n])


class Coder:
    def __init__(self, version, flexible, full):
        self.version, self.flexible, self.full = version, flexible, full

    def has(self, field):
        return within(field["versions"], self.version)

    def make(self, field, kind):
        nullable = within(field.get("nullableVersions"), self.version)
        if kind.startswith("[]"):
            if nullable and not self.full:
                return None
            return [self.make_one(field, kind[2:]) for _ in range(2 if self.full else 0)]
        if nullable and not self.full and kind in ("string", "bytes", "records"):
            return None
        return self.make_one(field, kind)

    def make_one(self, field, kind):
        if kind == "bool":
            return rng.random() < 0.5
        if kind in WIDTHS:
            size = struct.calcsize(">" + WIDTHS[kind])
            return struct.unpack(">" + WIDTHS[kind], rng.randbytes(size))[0]
        if kind in ("string", "bytes", "records"):
            return rng.randbytes(rng.choice((0, 1, 5, 130 if self.flexible else 9)))
        if kind == "uuid":
            return rng.randbytes(16)
        return {f["name"]: self.make(f, f["type"]) for f in field["fields"] if self.has(f)}

    def length(self, n, short=False):
        if self.flexible:
            return uvarint(n + 1)
        return struct.pack(">h" if short else ">i", n)

    def encode(self, field, kind, value):
        if kind.startswith("[]"):
            if value is None:
                return self.length(-1)
            parts = [self.encode(field, kind[2:], v) for v in value]
            return self.length(len(parts)) + b"".join(parts)
        if kind == "bool":
            return bytes([int(value)])
        if kind in WIDTHS:
            return struct.pack(">" + WIDTHS[kind], value)
        if kind in ("string", "bytes", "records"):
            short = kind == "string"
            if value is None:
                return self.length(-1, short)
            return self.length(len(value), short) + value
        if kind == "uuid":
            return value
        return self.encode_struct(field["fields"], value)

    def is_default(self, field, value):
        if isinstance(value, list):
            return not value
        if isinstance(value, dict):
            return all(self.is_default(f, value[f["name"]]) for f in field["fields"] if self.has(f))
        if field["type"] == "uuid":
            return value == bytes(16)
        default = str(field.get("default", ""))
        if value is None:
            return default == "null"
        if isinstance(value, bool):
            return value == (default == "true")
        if isinstance(value, int):
            return value == int(default or "0", 0)
        return default != "null" and value == b""

    def encode_struct(self, fields, values):
        out, tagged = b"", []
        for f in fields:
            if not self.has(f):
                continue
            value = values[f["name"]]
            if "tag" in f:
                if not self.is_default(f, value):
                    tagged.append((f["tag"], self.encode(f, f["type"], value)))
            else:
                out += self.encode(f, f["type"], value)
        if self.flexible:
            out += uvarint(len(tagged))
            for tag, body in sorted(tagged):
                out += uvarint(tag) + uvarint(len(body)) + body
        return out

    def text_of(self, field, kind, value):
        if value is None:
            return "null"
        if kind.startswith("[]"):
            return "[" + ",".join(self.text_of(field, kind[2:], v) for v in value) + "]"
        if kind == "bool":
            return "1" if value else "0"
        if kind in WIDTHS:
            return str(value)
        if kind in ("string", "bytes", "records", "uuid"):
            return '"' + value.hex() + '"'
        return self.text_of_struct(field["fields"], value)

    def text_of_struct(self, fields, values):
        return "{" + "".join(
            "%s=%s;" % (snake(f["name"]), self.text_of(f, f["type"], values[f["name"]]))
            for f in fields if self.has(f)) + "}"


def fnv(text):
    h = 0xCBF29CE484222325
    for byte in text.encode():
        h = (h ^ byte) * 0x100000001B3 % (1 << 64)
    return h


def inline(fields, commons):
    for f in fields:
        kind = f["type"][2:] if f["type"].startswith("[]") else f["type"]
        if "fields" not in f and kind in commons:
            f["fields"] = commons[kind]
        inline(f.get("fields", []), commons)


def main():
    for name in NAMES:
        for kind in ("request", "response"):
            schema = load(sys.argv[1], name + kind.capitalize())
            commons = schema.get("commonStructs", [])
            inline(schema["fields"], {c["name"]: c["fields"] for c in commons})
            low, _, high = schema["validVersions"].partition("-")
            key = load(sys.argv[1], name + "Request")["apiKey"]
            for version in range(OLDER.get(name, int(low)), int(high or low) + 1):
                for full in (False, True):
                    c = Coder(version, within(schema["flexibleVersions"], version), full)
                    fields = schema["fields"]
                    values = {f["name"]: c.make(f, f["type"]) for f in fields if c.has(f)}
                    print(key, kind, version, c.encode_struct(fields, values).hex() or "-",
                          "%016x" % fnv(c.text_of_struct(fields, values)))


main()
