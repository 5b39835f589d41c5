# SPDX-License-Identifier: Apache-2.0
"""Finds broken promises in a folder of histories, and looks at nothing else.

usage: tests/crash/checker/check.py FOLDER

  lost             acknowledged, and a reader that drained everything never got it
  stuck            ... got it, but only later: it lay there without a fault
  phantom          never sent, or sent to somewhere else
  duplicate        there more often than it was sent, or twice although once was promised
  unflagged        delivered again without the mark that says so
  returned         settled, known to be on disk, and delivered again
  reordered        one producer's messages out of their order in a partition, queue or session
  torn             not the bytes that were sent
  half-done        a transaction that is there in part
  aborted          of a transaction that was rolled back, or never committed
  offset-reused    an offset that shows two records, or not the one it was acknowledged for
  offset-backward  offsets or the end of a log that go back
  offset-gap       offsets missing between two records
  metadata         another key, header or time than was sent
  missing          an object or a retained message that was acknowledged is gone, or is another
  removed-is-back  an object whose removal was acknowledged is there
  backslide        a group's committed offset is not the one that was acknowledged
  leak             memory, connections, files or segments that stay after everything is drained
  trouble          a client met what the protocol does not allow
"""

import heapq
import os
import sys

if __package__ in (None, ""):
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from checker import history  # noqa: E402

TIME_SLACK_MS = 1500       # two clocks read in two processes on a busy machine
SHOWN = 20                 # of each kind
# What may stay after a drain, above the same broker's own base.
SLACK = {
    "rss": 12 << 20,  # an allocator keeps some of what was freed, and indexes grow with the logs
    "sockets": 0,
    "files": 2,       # opened for a moment
    "segments": 5,    # the current one, the next, two spares, one with something that lives
}


class Anomaly:
    def __init__(self, kind, where, what, life):
        self.kind, self.where, self.what, self.life = kind, where, what, life

    def __str__(self):
        return "%s: %s: %s (life %s)" % (self.kind, self.where, self.what, self.life)


class Report:
    def __init__(self):
        self.anomalies = []
        self.counts = {}      # of each kind of anomaly
        self.pairs = {}       # "mqtt>amqp": messages that went that way
        self.sent = self.acked = self.got = 0
        self.unjudged = 0     # acknowledged, and no drain afterwards says whether they are there

    def add(self, kind, where, what, life):
        self.counts[kind] = self.counts.get(kind, 0) + 1
        if self.counts[kind] <= SHOWN:
            self.anomalies.append(Anomaly(kind, where, what, life))

    def first_life(self, kinds=None):
        lives = [one.life for one in self.anomalies
                 if one.life is not None and (kinds is None or one.kind in kinds)]
        return min(lives) if lives else None

    def __str__(self):
        lines = ["%d sent, %d acknowledged, %d received; %s" % (
            self.sent, self.acked, self.got,
            ", ".join("%s %d" % one for one in sorted(self.pairs.items())))]
        lines += [str(one) for one in self.anomalies]
        lines += ["%s: %d in all" % (kind, count) for kind, count in sorted(self.counts.items())
                  if count > SHOWN]
        return "\n".join(lines)


class Sent:
    __slots__ = ("sum", "size", "key", "headers", "time", "wall", "t", "tx", "to", "sends",
                 "acked_t", "offset")

    def __init__(self, event):
        self.sum, self.size = event["sum"], event["size"]
        self.key, self.headers = event.get("key"), event.get("headers") or {}
        self.time, self.wall = event.get("time"), event["wall"]
        self.t, self.tx, self.to = event["t"], event.get("tx"), event.get("to")
        self.sends = 1
        self.acked_t = None
        self.offset = None


class Transaction:
    def __init__(self):
        self.numbers = []
        self.state = "open"  # then commit, committed, rolled-back
        self.t = self.life = 0  # of the last change


class Producer:
    """The whole of one producer's file."""

    def __init__(self, head, events, report):
        self.name, self.protocol, self.to = head["name"], head["protocol"], head["to"]
        self.once = head.get("once", False)
        self.sent = {}
        self.acks = []  # (t, n), in time
        self.transactions = {}
        for event in events:
            handle = getattr(self, "on_" + event["e"].replace("-", "_"), None)
            if handle is not None:
                handle(event)
            elif event["e"] == "trouble":
                report.add("trouble", self.name, event["what"], event["life"])
        report.sent += len(self.sent)
        report.acked += len(self.acks)

    def on_sent(self, event):
        sent = self.sent[event["n"]] = Sent(event)
        if sent.tx is not None:
            self.transactions.setdefault(sent.tx, Transaction()).numbers.append(event["n"])

    def on_again(self, event):
        self.sent[event["n"]].sends += 1

    def on_acked(self, event):
        sent = self.sent[event["n"]]
        if sent.acked_t is None:
            sent.acked_t = event["t"]
            self.acks.append((event["t"], event["n"]))
        if "offset" in event:
            sent.offset = (event["partition"], event["offset"], event["life"])

    def move(self, event, state):
        transaction = self.transactions.setdefault(event["tx"], Transaction())
        transaction.state = state
        transaction.t, transaction.life = event["t"], event["life"]
        return transaction

    def on_commit(self, event):
        self.move(event, "commit")

    def on_committed(self, event):
        for number in self.move(event, "committed").numbers:
            self.sent[number].acked_t = event["t"]
            self.acks.append((event["t"], number))

    def on_rollback(self, event):
        self.move(event, "rolled-back")


class Log:
    """One partition of a log that is read: offsets and what they show."""

    def __init__(self):
        self.records = {}   # offset -> (p, n, sum)
        self.last = {}      # of each producer, the greatest (offset, n)
        self.next = None    # where this pass goes on
        self.end = 0        # the greatest end that was told
        self.first = 0


class Group:
    """All who read one destination together, in the order of time."""

    def __init__(self, heads, producers, report):
        head = heads[0]
        self.name = head["group"]
        self.kind, self.once = head["kind"], head.get("once", False)
        self.order = head.get("order", "producer")
        self.reads, self.may_trim = head.get("reads"), head.get("may_trim", False)
        self.compacted = head.get("compacted", False)
        self.acked_last, self.pass_last = {}, {}  # (p, key) -> n: what a compacted log must show
        self.heads = {one["name"]: one for one in heads}
        self.producers = {name: producers[name] for name in head["from"] if name in producers}
        self.all_producers = producers
        self.report = report
        self.since = 0 if self.kind == "log" else head["t"]
        self.first_got = {}  # (p, n) -> t
        self.last_life = {}  # of transactions: (p, n) -> life in which it was seen last
        self.copies = {}     # (p, n) -> deliveries, or offsets of a log
        self.settled = set()
        self.last = {}       # (connection, p[, key]) -> n
        self.connections = {}  # name -> number of its connection
        self.open = set()      # (name, number of the connection)
        self.holders = {}      # (p, n) -> (name, number of the connection) that got it last
        self.logs = {}
        self.late = {}       # (p, n) -> life of the drain that missed it
        self.pending = set()
        self.due = heapq.merge(*[[(t, p.name, n) for t, n in p.acks if self.is_for_me(p.sent[n])]
                                 for p in self.producers.values()])
        self.next_due = next(self.due, None)
        self.drain_t = {}
        self.drained_t = 0   # all that was there at that time has been asked for

    def is_for_me(self, sent):
        return sent.t >= self.since and sent.to in (None, self.reads)

    def add(self, kind, what, event):
        self.report.add(kind, self.name, what, event["life"])

    def take(self, name, event):
        handle = getattr(self, "on_" + event["e"], None)
        if handle is not None:
            handle(self.heads[name], event)

    # --- what was due and has come ---

    def expect_until(self, t):
        while self.next_due is not None and self.next_due[0] < t:
            one = self.next_due[1:]
            if self.compacted:
                place = (one[0], self.producers[one[0]].sent[one[1]].key)
                self.acked_last[place] = max(one[1], self.acked_last.get(place, -1))
            elif one not in self.first_got:
                self.pending.add(one)
            self.next_due = next(self.due, None)

    def on_drain(self, head, event):
        self.drain_t[head["name"]] = event["t"]

    def on_drained(self, head, event):
        self.drained_t = self.drain_t.pop(head["name"], event["t"])
        self.expect_until(self.drained_t)
        for one in self.pending:
            self.late[one] = event
        self.pending.clear()
        for place, n in self.acked_last.items():
            if self.pass_last.get(place, -1) < n:
                self.add("lost", "%s %d, the last for %s" % (place[0], n, place[1]), event)

    def finish(self):
        for one, event in () if self.may_trim else sorted(self.late.items()):
            kind = "stuck" if one in self.first_got else "lost"
            self.add(kind, "%s %d" % one, event)
        for name, logs in self.logs.items():
            self.finish_log(name, logs)
        self.expect_until(float("inf"))
        self.report.unjudged += len(self.pending)
        for producer in self.producers.values():
            for tx, transaction in producer.transactions.items():
                self.finish_transaction(producer, tx, transaction)

    def finish_transaction(self, producer, tx, transaction):
        """Only whether something is visible that must not be; wholeness is over all groups."""
        there = [n for n in transaction.numbers if (producer.name, n) in self.first_got]
        if there and transaction.state in ("open", "rolled-back"):
            self.report.add("aborted", self.name, "transaction %s of %s: %s" % (
                tx, producer.name, there[:5]), transaction.life)

    def finish_log(self, partition, log):
        for producer in self.producers.values():
            for n, sent in producer.sent.items():
                if sent.offset is None or sent.offset[0] != partition:
                    continue
                shown = log.records.get(sent.offset[1])
                if shown is not None and shown[:2] != (producer.name, n):
                    self.report.add("offset-reused", self.name,
                                    "%s %d was acknowledged at %d, where %s %s is"
                                    % (producer.name, n, sent.offset[1], *shown[:2]),
                                    sent.offset[2])

    # --- a message ---

    def on_settled(self, head, event):
        self.settled.update((p, n) for p, n in event["of"])

    def on_opened(self, head, event):
        self.connections[head["name"]] = self.connections.get(head["name"], 0) + 1
        self.open.add((head["name"], self.connections[head["name"]]))

    def on_closed(self, head, event):
        self.open.discard((head["name"], self.connections.get(head["name"])))

    def on_got(self, head, event):
        one = (event["p"], event["n"])
        sent = self.whose(event)
        if sent is None:
            return
        self.report.got += 1
        pair = "%s>%s" % (self.producers[one[0]].protocol, head["protocol"])
        self.report.pairs[pair] = self.report.pairs.get(pair, 0) + 1
        if event["sum"] != sent.sum or event["size"] != sent.size:
            self.add("torn", "%s %d: %d bytes, %d were sent" % (*one, event["size"], sent.size),
                     event)
        else:
            self.compare(head, one, sent, event)
        if "offset" in event:
            if not self.at_offset(one, event):
                return
        else:
            self.in_order(head, one, sent, event)
        self.count(head, one, sent, event)
        self.first_got.setdefault(one, event["t"])
        if sent.tx is not None:
            self.last_life[one] = event["life"]
        self.pending.discard(one)

    def whose(self, event):
        """The message as it was sent, or None when that is wrong already."""
        if event["p"] is None:
            self.add("torn", "%d bytes that nobody sent: %s" % (event["size"], event.get("head")),
                     event)
            return None
        producer = self.producers.get(event["p"])
        if producer is None:
            where = self.all_producers.get(event["p"])
            self.add("phantom", "%s %s belongs to %s" % (
                event["p"], event["n"], where.to if where else "nobody"), event)
            return None
        sent = producer.sent.get(event["n"])
        if sent is None or sent.t > event["t"]:
            self.add("phantom", "%s %s was not sent" % (event["p"], event["n"]), event)
            return None
        if sent.to not in (None, self.reads):
            self.add("phantom", "%s %s was sent to %s" % (event["p"], event["n"], sent.to), event)
            return None
        return sent

    def compare(self, head, one, sent, event):
        for field, was in (("key", sent.key), ("headers", sent.headers)):
            if field in event and event[field] != was:
                self.add("metadata", "%s %d: %s is %r, was %r" % (*one, field, event[field], was),
                         event)
        if "time" not in event:
            return
        at = event["time"]
        if at is None and head["protocol"] == self.producers[one[0]].protocol == "amqp":
            return  # its own messages come back as they were, and they had none
        if sent.time is not None:
            is_right = at == sent.time
        else:
            is_right = at is not None and \
                sent.wall - TIME_SLACK_MS <= at <= event["wall"] + TIME_SLACK_MS
        if not is_right:
            self.add("metadata", "%s %d: time %s, sent %s at %s" % (*one, at, sent.time, sent.wall),
                     event)

    def count(self, head, one, sent, event):
        """Is it there, or delivered, once too often?"""
        holder = self.holders.get(one)
        self.holders[one] = (head["name"], self.connections.get(head["name"]))
        self.copies[one] = self.copies.get(one, 0) + 1
        may_be_twice = sent.sends > 1 and not self.producers[one[0]].once
        if one not in self.first_got or may_be_twice and self.copies[one] <= sent.sends:
            return
        if self.once:
            self.add("duplicate", "%s %d: once was promised" % one, event)
        elif one in self.settled:
            self.add("returned", "%s %d" % one, event)
        elif self.kind == "log":
            self.add("duplicate", "%s %d, also at %d" % (*one, event["offset"]), event)
        elif holder in self.open:
            self.add("duplicate", "%s %d while %s has it" % (*one, holder[0]), event)
        elif head.get("flags") and not event.get("again"):
            self.add("unflagged", "%s %d" % one, event)

    def in_order(self, head, one, sent, event):
        if self.kind == "queue" and (event.get("again") or not head.get("flags")):
            return  # what another consumer had comes back to its old place
        where = (head["name"], self.connections.get(head["name"], 0), one[0])
        if self.order == "key":
            where += (sent.key,)
        if self.last.get(where, -1) >= one[1] and not (sent.sends > 1 and one in self.first_got):
            self.add("reordered", "%s %d after %d" % (*one, self.last[where]), event)
        self.last[where] = max(one[1], self.last.get(where, -1))

    # --- a log's offsets ---

    def log(self, event):
        return self.logs.setdefault(event["partition"], Log())

    def on_rewind(self, head, event):
        self.pass_last.clear()
        for log in self.logs.values():
            log.next = None

    def on_ends(self, head, event):
        log = self.log(event)
        where = "partition %d" % event["partition"]
        if event["end"] < log.end:
            self.add("offset-backward", "%s ends at %d, was %d" % (where, event["end"], log.end),
                     event)
        if event["first"] > 0 and not self.may_trim:
            self.add("offset-gap", "%s begins at %d" % (where, event["first"]), event)
        log.end = max(log.end, event["end"])
        log.first = event["first"]

    def at_offset(self, one, event):
        """Takes a record of a log; False when this offset was read before and shows the same."""
        log, offset = self.log(event), event["offset"]
        shown = (one[0], one[1], event["sum"])
        expected = log.first if log.next is None else log.next
        if self.may_trim:
            expected = max(expected, log.first)
        place = (one[0], self.producers[one[0]].sent[one[1]].key)
        self.pass_last[place] = max(one[1], self.pass_last.get(place, -1))
        if offset > expected and not self.compacted:
            self.add("offset-gap", "%d after %d" % (offset, expected - 1), event)
        if offset < expected:
            self.add("offset-backward", "%d after %d" % (offset, expected - 1), event)
        log.next = offset + 1
        before = log.records.get(offset)
        if before is not None:
            if before != shown:
                self.add("offset-reused", "%d was %s %s and is %s %s"
                         % (offset, *before[:2], *shown[:2]), event)
            return before != shown
        log.records[offset] = shown
        last = log.last.get(one[0], (-1, -1))
        if offset > last[0]:
            if one[1] <= last[1] and one not in self.first_got:
                self.add("reordered", "%s %d at %d, after %d" % (*one, offset, last[1]), event)
            log.last[one[0]] = (offset, max(one[1], last[1]))
        return True


class Keeper:
    """What is kept for each key, against what its producer sent last."""

    def __init__(self, head, producers, report):
        self.name, self.report = head["name"], report
        self.by_key = {}  # key -> [(t sent, t acked, n, sum, producer)]
        for name in head["from"]:
            producer = producers.get(name)
            for n, sent in (producer.sent.items() if producer else ()):
                self.by_key.setdefault(sent.key, []).append((sent.t, sent.acked_t, n, sent.sum))
        self.found = {}
        self.began = 0

    def take(self, _, event):
        if event["e"] == "drain":
            self.found, self.began = {}, event["t"]
        elif event["e"] == "kept":
            self.found[event["key"]] = event
            if event["key"] not in self.by_key:
                self.report.add("phantom", self.name, "kept for %s" % event["key"], event["life"])
        elif event["e"] == "drained":
            for key, sents in self.by_key.items():
                self.judge(key, sents, event)

    def judge(self, key, sents, event):
        acked = [n for _, t, n, _ in sents if t is not None and t < self.began]
        found = self.found.get(key)
        if not acked:
            return
        if found is None:
            self.report.add("missing", self.name, "nothing is kept for %s" % key, event["life"])
        elif found["n"] < max(acked):
            self.report.add("missing", self.name, "kept for %s is %s, %d was acknowledged"
                            % (key, found["n"], max(acked)), event["life"])
        elif all(found["sum"] != one[3] for one in sents if one[2] == found["n"]):
            self.report.add("torn", self.name, "kept for %s" % key, event["life"])

    def finish(self):
        pass


class Observer:
    """Positions, objects, gauges and troubles."""

    def __init__(self, head, report):
        self.name, self.report = head["name"], report
        self.committing, self.committed = {}, {}
        self.objects = {}
        self.base = None

    def finish(self):
        pass

    def add(self, kind, what, event):
        self.report.add(kind, self.name, what, event["life"])

    def take(self, _, event):
        handle = getattr(self, "on_" + event["e"], None)
        if handle is not None:
            handle(event)

    def on_committing(self, event):
        self.committing[event["group"]] = event["offset"]

    def on_committed(self, event):
        self.committed[event["group"]] = event["offset"]

    def on_position(self, event):
        group, offset = event["group"], event["offset"]
        if not self.committed.get(group, -1) <= offset <= self.committing.get(group, -1):
            self.add("backslide", "%s is at %d, acknowledged %d, sent %d" % (
                group, offset, self.committed.get(group, -1), self.committing.get(group, -1)),
                event)
        self.committed[group] = max(offset, self.committed.get(group, -1))

    def on_making(self, event):
        self.objects[event["what"]] = None  # may be there

    def on_made(self, event):
        self.objects[event["what"]] = True

    def on_removing(self, event):
        self.objects[event["what"]] = None

    def on_removed(self, event):
        self.objects[event["what"]] = False

    def on_asked(self, event):
        known, there = self.objects.get(event["what"]), event["there"]
        if known is True and not there:
            self.add("missing", event["what"], event)
        elif known is False and there:
            self.add("removed-is-back", event["what"], event)
        self.objects[event["what"]] = there

    def on_gauge(self, event):
        if event["at"] == "base":
            self.base = event
            return
        for name, slack in SLACK.items():
            if name in event and event[name] > self.base[name] + slack:
                self.add("leak", "%s: %d, was %d" % (name, event[name], self.base[name]), event)


def _tagged(path, name):
    events = history.read(path)
    next(events)
    return ((event["t"], name, event) for event in events)


def _troubles(events, report):
    for t, name, event in events:
        if event["e"] == "trouble":
            report.add("trouble", name, event["what"], event["life"])
        yield t, name, event


def check_transactions(producers, groups, report):
    """Over all readers: what one transaction did is there whole or not at all.

    What was delivered in the life of an unanswered commit tells nothing: it may have run ahead of
    the disk. So a transaction is whole when each of its messages was ever seen, and it is there
    when one was seen in a later life."""
    for producer in producers.values():
        readers = [group for group in groups if producer.name in group.producers]
        for tx, transaction in producer.transactions.items():
            if not readers or transaction.state not in ("commit", "committed") or \
                    any(group.drained_t < transaction.t for group in readers):
                continue
            seen = {n: max(group.last_life.get((producer.name, n), 0) for group in readers)
                    for n in transaction.numbers}
            is_there = transaction.state == "committed" or max(seen.values()) > transaction.life
            gone = sorted(n for n, life in seen.items() if life == 0)
            if gone and is_there:
                report.add("half-done", producer.name, "transaction %s of %s: no %s" % (
                    tx, transaction.numbers[:9], gone[:9]), transaction.life)


def check(folder):
    """Reads all histories there; gives a Report."""
    report, heads, producers = Report(), [], {}
    for path in history.files(folder):
        events = history.read(path)
        head = next(events, None)
        if head is None:
            continue
        if head["e"] == "producer":
            producers[head["name"]] = Producer(head, events, report)
        else:
            heads.append((path, head))
    by_group = {}
    for path, head in heads:
        if head["e"] == "consumer":
            by_group.setdefault(head["group"], []).append((path, head))
    groups = []
    for members in by_group.values():
        groups.append(Group([head for _, head in members], producers, report))
        feed(groups[-1], members, report)
    for path, head in heads:
        if head["e"] == "keeper":
            feed(Keeper(head, producers, report), [(path, head)], report)
        elif head["e"] == "observer":
            feed(Observer(head, report), [(path, head)], report)
    check_transactions(producers, groups, report)
    return report


def feed(judge, members, report):
    merged = heapq.merge(*[_tagged(path, head["name"]) for path, head in members],
                         key=lambda one: one[:2])
    for _, name, event in _troubles(merged, report):
        judge.take(name, event)
    judge.finish()


def main():
    if len(sys.argv) != 2:
        print(__doc__.split("\n\n")[1])
        return 2
    report = check(sys.argv[1])
    print(report)
    return 1 if report.counts else 0


if __name__ == "__main__":
    sys.exit(main())
