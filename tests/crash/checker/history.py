# SPDX-License-Identifier: Apache-2.0
"""What one client did and saw: a file that is only appended to, one JSON object a line.

Every line has `e` (what happened), `t` (monotonic ns, one clock for all files) and `life` (how many
times the broker had been started). The first line of a file says who writes it:

  producer   name, protocol, to (a destination), once (sent again, it may still appear only once)
  consumer   name, protocol, kind (log, queue or session), group (those that share), from (the
             producers it must hear), reads (a destination, for messages that have one of their
             own), order (producer or key: within what it is promised), once, flags (it shows the
             mark of a redelivery), may_trim (what was consumed may be gone from this log),
             compacted (of each key, at least the last is there, and there may be gaps)
  keeper     reads what is kept for each key (retained messages) of the producers in `from`
  observer   all others: a group's positions, objects, gauges, the broker's ends

What a producer writes, n being the number of its message:
  sent       n sum size key headers wall [time] [tx] [to]: written before it leaves
  again      n: the same once more
  acked      n [partition offset], refused n
  commit, committed, rollback, rolled-back   tx
What a consumer writes:
  opened     a connection: what follows is of it; closed: it is over
  got        p n sum size key headers time wall again [partition offset]; p null: not recognised
  settled    of: [[p, n], ...], acknowledged, and that is known to be on disk
  ends       partition first end: what the log says of itself; rewind: read again from the start
  drain, drained   between them it asked for all there was, in peace; nothing more came
  kept       key p n sum: what a keeper found, between drain and drained
Observers:
  committing, committed, position    group, offset
  making, made, removing, removed    what; asked    what, there
  gauge      at (base or after), rss, sockets, files, segments
  trouble    what: a peer saw what no protocol allows, or waited in vain
"""

import hashlib
import json
import os
import time

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=True, check_circular=False).encode


def sum_of(value):
    """The content checksum of a message."""
    return hashlib.blake2b(value, digest_size=8).hexdigest()


def wall_ms():
    return int(time.time() * 1000)


class Writer:
    """`clock.life` says which life of the broker it is."""

    def __init__(self, folder, name, clock):
        self.name = name
        self.clock = clock
        self.file = open(os.path.join(folder, name + ".jsonl"), "a", encoding="ascii")

    def put(self, event, **fields):
        self.file.write(_encode({"e": event, "t": time.monotonic_ns(), "life": self.clock.life,
                                 **fields}) + "\n")

    def flush(self):
        self.file.flush()


def read(path):
    """The events of one file. A last line that is cut was being written when its writer ended."""
    with open(path, encoding="ascii") as file:
        for line in file:
            if line.endswith("\n"):
                yield json.loads(line)


def files(folder):
    return sorted(os.path.join(folder, name) for name in os.listdir(folder)
                  if name.endswith(".jsonl"))
