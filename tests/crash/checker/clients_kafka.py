# SPDX-License-Identifier: Apache-2.0
"""Kafka: producers with and without idempotence, a reader of logs, a group's positions."""

import random

from kafka.protocol.produce import ProduceRequest
from kafka.record import MemoryRecords
from kafka.record.default_records import DefaultRecordBatchBuilder

from checker import history
from checker.wire import Kafka, require
from checker.worker import HEADER, Consumer, Producer, Worker

WINDOW = 3
ALREADY_STORED = 46  # DUPLICATE_SEQUENCE_NUMBER: what an idempotent producer wants to hear
BATCHES = (1, 2, 4, 8)
CHECKSUM_SHARE = 0.02  # the library's checksum is slow, and every body has one of its own


class KafkaProducer(Producer):
    """Batches with acks=all; with `once`, what was on the way is sent again in the next life."""

    protocol = "kafka"

    def __init__(self, bench, name, to, subjects=(None,), partitions=1, once=False):
        super().__init__(bench, name, to, subjects, once)
        self.partitions = partitions
        self.producer = (-1, -1)
        self.way = []  # (partition, notes, batch)

    def batch(self, notes):
        builder = DefaultRecordBatchBuilder(
            2, 0, False, self.producer[0], self.producer[1], notes[0].n if self.once else -1,
            4 << 20)
        for at, note in enumerate(notes):
            headers = [(name, value.encode()) for name, value in note.headers.items()]
            builder.append(at, note.time, None if note.subject is None else note.subject.encode(),
                           note.body, headers + [("content-type", b"text/plain")])
        return bytes(builder.build())

    def request(self, partition, batch):
        return ProduceRequest[7](transactional_id=None, required_acks=-1, timeout=30000,
                                 topics=[(self.to, [(partition, batch)])])

    def next_batch(self):
        """Its subject goes to one partition, always the same."""
        at = self.rng.randrange(len(self.subjects))
        notes = [self.note(self.subjects[at], history.wall_ms())
                 for _ in range(self.rng.choice(BATCHES))]
        return at % self.partitions, notes, self.batch(notes)

    def run(self):
        wire = Kafka(self.bench.address("kafka"))
        if self.once and self.producer[0] < 0:
            self.producer = wire.init_producer()
        if not self.once:
            self.way = []
        waiting = []
        for partition, notes, batch in self.way:
            for note in notes:
                self.history.put("again", n=note.n)
            waiting.append(wire.put(self.request(partition, batch)))
        while self.way or not self.stopping:
            while len(self.way) < WINDOW and not self.stopping:
                partition, notes, batch = self.next_batch()
                self.way.append((partition, notes, batch))
                waiting.append(wire.put(self.request(partition, batch)))
            self.answer(wire.get(waiting.pop(0), ProduceRequest[7].RESPONSE_TYPE))
            self.breathe()
        wire.close()

    def answer(self, answer):
        _, error, base = answer.topics[0][1][0][:3]
        require(error == 0 or self.once and error == ALREADY_STORED, "produce:", error)
        partition, notes, _ = self.way.pop(0)
        for at, note in enumerate(notes):
            if error == 0 and base >= 0:
                self.acked(note, partition=partition, offset=base + at)
            else:
                self.acked(note)


class KafkaLog(Consumer):
    """Reads all partitions of a stream, while the broker is killed, and in peace to their ends."""

    protocol = "kafka"

    def __init__(self, bench, name, topic, producers, partitions=1, may_trim=False,
                 compacted=False):
        super().__init__(bench, name, "log", producers, reads=topic, may_trim=may_trim,
                         compacted=compacted)
        self.topic, self.may_trim, self.compacted = topic, may_trim, compacted
        self.next = [0] * partitions

    def rewind(self):
        """All is read again."""
        self.next = [0] * len(self.next)
        self.history.put("rewind")

    def read(self, wire, partition):
        """Everything from where it stopped up to the end."""
        end = self.ask_ends(wire, partition)
        while self.next[partition] < end:
            before = self.next[partition]
            data = wire.fetch(self.topic, partition, before)
            if data is None and self.may_trim:
                self.ask_ends(wire, partition)  # it was consumed, and is gone meanwhile
            else:
                require(data is not None, "out of range:", before, "of", end)
                self.take(partition, MemoryRecords(data))
            require(self.next[partition] > before, "nothing fetched at", before, "of", end)

    def ask_ends(self, wire, partition):
        first, end = wire.ends(self.topic, partition)
        self.history.put("ends", partition=partition, first=first, end=end)
        self.next[partition] = max(self.next[partition], first)
        return end

    def take(self, partition, records):
        while records.has_next():
            batch = records.next_batch()
            require(random.random() > CHECKSUM_SHARE or batch.validate_crc(), "checksum at",
                    batch.base_offset)
            for record in batch:
                if record.offset < self.next[partition]:
                    continue  # the first batch may begin before the offset that was asked for
                self.next[partition] = record.offset + 1
                self.got(record.value or b"", partition=partition, offset=record.offset,
                         key=None if record.key is None else record.key.decode("latin-1"),
                         time=record.timestamp,
                         headers={name: value.decode("utf-8", "replace")
                                  for name, value in record.headers if name.startswith(HEADER)})
            if self.compacted:  # the batch may have lost its last records
                self.next[partition] = max(self.next[partition],
                                           batch.base_offset + batch.last_offset_delta + 1)

    def run(self):
        wire = Kafka(self.bench.address("kafka"))
        while not self.stopping:
            for partition in range(len(self.next)):
                self.read(wire, partition)
            self.breathe()
        wire.close()

    def take_all(self):
        wire = Kafka(self.bench.address("kafka"))
        for partition in range(len(self.next)):
            self.read(wire, partition)
        wire.close()


class KafkaCommitter(Worker):
    """Commits rising offsets of a group, one at a time."""

    protocol = "kafka"

    def __init__(self, bench, name, topic):
        super().__init__(bench, name)
        self.topic = topic
        self.sent = -1

    def run(self):
        wire = Kafka(self.bench.address("kafka"))
        while not self.stopping:
            self.sent += 1
            self.history.put("committing", group=self.name, offset=self.sent)
            wire.commit(self.name, self.topic, self.sent)
            self.history.put("committed", group=self.name, offset=self.sent)
            self.breathe()
        wire.close()

    def drain(self):
        return self.guarded(self.look)

    def look(self):
        wire = Kafka(self.bench.address("kafka"))
        self.history.put("position", group=self.name,
                         offset=wire.committed(self.name, self.topic))
        wire.close()
