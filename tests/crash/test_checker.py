# SPDX-License-Identifier: Apache-2.0
"""The checker finds each kind of anomaly in histories made up for it, and nothing in clean ones."""

import json
import os
import tempfile
import unittest

from checker import check

MS = 1000000


class Story:
    """Histories of one stream "all": producers, a log, a queue and a session, in files."""

    def __init__(self, folder):
        self.folder = folder
        self.t = 0
        self.life = 1
        self.files = {}

    def put(self, writer, event, **fields):
        self.t += MS
        line = json.dumps({"e": event, "t": self.t, "life": self.life, **fields})
        with open(os.path.join(self.folder, writer + ".jsonl"), "a", encoding="ascii") as file:
            file.write(line + "\n")

    def producer(self, name="p", protocol="kafka", **head):
        self.put(name, "producer", name=name, protocol=protocol, to="all", **head)

    def consumer(self, name, kind, protocol="amqp", group=None, producers=("p",), **head):
        self.put(name, "consumer", name=name, kind=kind, protocol=protocol, group=group or name,
                 **{"from": list(producers)}, **head)

    def sent(self, n, name="p", key="k", **fields):
        self.put(name, "sent", n=n, sum="s%d" % n, size=10 + n, key=key, headers={"h-n": str(n)},
                 wall=1000, **fields)

    def acked(self, n, name="p", **fields):
        self.put(name, "acked", n=n, **fields)

    def sent_and_acked(self, *numbers):
        for n in numbers:
            self.sent(n)
            self.acked(n)

    def got(self, reader, n, producer="p", **fields):
        self.put(reader, "got", **{"p": producer, "n": n, "sum": "s%s" % n, "size": 10 + n,
                                   "key": "k", "headers": {"h-n": str(n)}, "wall": 1001,
                                   **fields})

    def ends(self, first, end, reader="log", partition=0):
        self.put(reader, "ends", partition=partition, first=first, end=end)

    def at(self, n, offset, reader="log", partition=0, **fields):
        self.got(reader, n, partition=partition, offset=offset, **fields)

    def drain(self, *readers):
        for reader in readers:
            self.put(reader, "drain")

    def drained(self, *readers):
        for reader in readers:
            self.put(reader, "drained")


class Case(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.story = Story(folder.name)

    def found(self):
        report = check.check(self.story.folder)
        self.assertEqual(report.unjudged, 0)
        return report.counts

    def expect(self, **counts):
        """Names with _ for -."""
        self.assertEqual(self.found(), {k.replace("_", "-"): n for k, n in counts.items()},
                         str(check.check(self.story.folder)))


class OfLogs(Case):
    def setUp(self):
        super().setUp()
        self.story.producer()
        self.story.consumer("log", "log", protocol="kafka")

    def drain(self, *records, first=0, end=None):
        """Reads (n, offset) in a drain."""
        self.story.drain("log")
        self.story.ends(first, len(records) if end is None else end)
        for n, offset in records:
            self.story.at(n, offset)
        self.story.drained("log")

    def test_a_clean_history_with_a_crash_passes(self):
        self.story.sent_and_acked(0, 1)
        self.story.sent(2)  # not acknowledged, gone in the crash
        self.story.sent(3)  # not acknowledged, and there
        self.story.life += 1
        self.drain((0, 0), (1, 1), (3, 2))
        self.story.put("log", "rewind")
        self.drain((0, 0), (1, 1), (3, 2))
        report = check.check(self.story.folder)
        self.assertEqual((report.sent, report.acked, report.got), (4, 2, 6))
        self.assertEqual(report.pairs, {"kafka>kafka": 6})
        self.expect()

    def test_lost(self):
        self.story.sent_and_acked(0, 1)
        self.drain((0, 0))
        self.expect(lost=1)

    def test_what_is_not_yet_drained_is_not_lost_but_unjudged(self):
        self.story.sent_and_acked(0)
        self.drain((0, 0))
        self.story.sent_and_acked(1)
        report = check.check(self.story.folder)
        self.assertEqual((report.counts, report.unjudged), ({}, 1))

    def test_stuck(self):
        self.story.sent_and_acked(0)
        self.drain(end=0)
        self.story.put("log", "rewind")
        self.drain((0, 0))
        self.expect(stuck=1)

    def test_what_is_acknowledged_during_a_drain_may_come_with_the_next(self):
        self.story.sent(0)
        self.story.drain("log")
        self.story.acked(0)
        self.story.ends(0, 0)
        self.story.drained("log")
        self.drain((0, 0))
        self.expect()

    def test_a_phantom_number_and_a_phantom_producer(self):
        self.story.producer("other")
        self.story.sent(0, "other")
        self.story.drain("log")
        self.story.ends(0, 2)
        self.story.at(7, 0)
        self.story.at(0, 1, producer="other")
        self.story.drained("log")
        self.expect(phantom=2)

    def test_a_message_before_it_was_sent_is_a_phantom(self):
        self.story.ends(0, 1)
        self.story.at(0, 0)
        self.story.sent(0)
        self.expect(phantom=1)

    def test_twice_in_a_log(self):
        self.story.sent_and_acked(0)
        self.drain((0, 0), (0, 1))
        self.expect(duplicate=1)

    def test_sent_twice_may_be_there_twice_unless_once_is_promised(self):
        for once in (False, True):
            name = "again%d" % once
            self.story.producer(name, once=once)
            self.story.sent(0, name)
            self.story.put(name, "again", n=0)
            self.story.acked(0, name)
            self.story.consumer("log%d" % once, "log", protocol="kafka", producers=[name])
            self.story.drain("log%d" % once)
            self.story.ends(0, 2, reader="log%d" % once)
            for offset in range(2):
                self.story.at(0, offset, reader="log%d" % once, producer=name)
            self.story.drained("log%d" % once)
        self.expect(duplicate=1)

    def test_reordered_in_a_partition(self):
        self.story.sent_and_acked(0, 1)
        self.drain((1, 0), (0, 1))
        self.expect(reordered=1)

    def test_partitions_have_orders_of_their_own(self):
        self.story.sent_and_acked(0, 1)
        self.story.drain("log")
        for n, partition in ((1, 0), (0, 1)):
            self.story.ends(0, 1, partition=partition)
            self.story.at(n, 0, partition=partition)
        self.story.drained("log")
        self.expect()

    def test_torn(self):
        self.story.sent_and_acked(0, 1, 2)
        self.story.drain("log")
        self.story.ends(0, 4)
        self.story.at(0, 0, sum="other")
        self.story.at(1, 1, size=5)
        self.story.at(2, 2)
        self.story.put("log", "got", p=None, n=None, sum="s", size=3, head="00", wall=1,
                       partition=0, offset=3)
        self.story.drained("log")
        self.expect(torn=3)

    def test_an_offset_that_shows_another_record_later(self):
        self.story.sent_and_acked(0)
        self.story.sent(1)
        self.drain((0, 0), (1, 1))
        self.story.life += 1
        self.story.sent(2)
        self.story.put("log", "rewind")
        self.drain((0, 0), (2, 1))
        self.expect(offset_reused=1)

    def test_an_offset_that_was_acknowledged_for_another_record(self):
        self.story.sent(0)
        self.story.acked(0, partition=0, offset=0)
        self.story.sent(1)
        self.story.acked(1, partition=0, offset=0)
        self.drain((0, 0), (1, 1))
        self.expect(offset_reused=1)

    def test_an_end_that_goes_back(self):
        self.story.ends(0, 5)
        self.story.ends(0, 4)
        self.expect(offset_backward=1)

    def test_offsets_that_go_back_in_one_pass(self):
        self.story.sent_and_acked(0)
        self.story.sent_and_acked(1)
        self.drain((0, 0), (1, 1))
        self.story.at(0, 0)
        self.expect(offset_backward=1)

    def test_gaps_within_and_at_the_start(self):
        self.story.sent_and_acked(0, 1)
        self.drain((0, 0), (1, 2), end=3)
        self.expect(offset_gap=1)
        self.story.put("log", "rewind")
        self.drain((1, 2), first=2, end=3)
        self.expect(offset_gap=2)

    def test_a_log_whose_consumed_part_goes_has_no_gap_and_loses_nothing(self):
        self.story.consumer("queue-log", "log", protocol="kafka", may_trim=True)
        self.story.sent_and_acked(0, 1)
        self.drain((0, 0), (1, 1))
        self.story.drain("queue-log")
        self.story.ends(1, 2, reader="queue-log")
        self.story.at(1, 1, reader="queue-log")
        self.story.drained("queue-log")
        self.expect()

    def test_a_compacted_log_keeps_the_last_of_each_key(self):
        self.story.consumer("keys", "log", protocol="kafka", compacted=True)
        for n, key in enumerate("xyxyx"):
            self.story.sent(n, key=key)
            if n < 4:
                self.story.acked(n)

        def read(reader, *numbers):
            self.story.put(reader, "rewind")
            self.story.drain(reader)
            self.story.ends(0, 5, reader=reader)
            for n in numbers:
                self.story.at(n, n, reader=reader, key="xyxyx"[n])
            self.story.drained(reader)

        read("log", 0, 1, 2, 3, 4)
        read("keys", 0, 1, 2, 3, 4)
        read("keys", 2, 3, 4)
        read("keys", 3, 4)
        self.expect()
        read("keys", 1, 4)  # 3 of y was acknowledged
        read("keys", 3)     # so was 2 of x
        self.expect(lost=2)
        read("log", 3, 4)
        self.expect(lost=2, offset_gap=1)

    def test_key_headers_and_time(self):
        self.story.sent_and_acked(0, 1)
        self.story.sent(2, time=500)
        self.story.sent(3)
        self.story.sent(4, time=500)
        self.story.ends(0, 5)
        self.story.at(0, 0, key="other")
        self.story.at(1, 1, headers={})
        self.story.at(2, 2, time=501)
        self.story.at(3, 3, time=1000 + 10 * check.TIME_SLACK_MS)
        self.story.at(4, 4, time=500)
        self.story.drain("log")
        self.story.drained("log")
        self.expect(metadata=4)


class OfQueues(Case):
    def setUp(self):
        super().setUp()
        self.story.producer(protocol="amqp")
        self.story.consumer("a", "queue", group="q", flags=True)
        self.story.consumer("b", "queue", group="q", protocol="mqtt")
        self.story.put("a", "opened")
        self.story.put("b", "opened")

    def finish(self):
        self.story.drain("a")
        self.story.drained("a")

    def test_two_share_it_and_one_gets_what_the_other_left(self):
        self.story.sent_and_acked(0, 1, 2)
        self.story.got("a", 0)
        self.story.got("b", 1)
        self.story.got("a", 2)
        self.story.put("b", "closed")
        self.story.got("a", 1, again=True)
        self.story.put("a", "settled", of=[["p", 0], ["p", 1], ["p", 2]])
        self.finish()
        self.expect()

    def test_lost_by_all_of_them(self):
        self.story.sent_and_acked(0, 1)
        self.story.got("b", 0)
        self.finish()
        self.expect(lost=1)

    def test_again_without_the_mark(self):
        self.story.sent_and_acked(0)
        self.story.got("a", 0)
        self.story.put("a", "closed")
        self.story.put("a", "opened")
        self.story.got("a", 0)
        self.finish()
        self.expect(unflagged=1)

    def test_who_cannot_show_the_mark_is_not_asked_for_it(self):
        self.story.sent_and_acked(0)
        self.story.got("a", 0)
        self.story.put("a", "closed")
        self.story.got("b", 0)
        self.finish()
        self.expect()

    def test_given_to_another_while_one_has_it(self):
        self.story.sent_and_acked(0)
        self.story.got("a", 0)
        self.story.got("b", 0)
        self.finish()
        self.expect(duplicate=1)

    def test_settled_and_back_even_with_the_mark(self):
        self.story.sent_and_acked(0)
        self.story.got("a", 0)
        self.story.put("a", "settled", of=[["p", 0]])
        self.story.put("a", "closed")
        self.story.put("a", "opened")
        self.story.got("a", 0, again=True)
        self.finish()
        self.expect(returned=1)

    def test_reordered_in_a_connection(self):
        self.story.sent_and_acked(0, 1)
        self.story.got("a", 1)
        self.story.got("a", 0)
        self.finish()
        self.expect(reordered=1)

    def test_what_comes_back_keeps_no_order(self):
        self.story.sent_and_acked(0, 1)
        self.story.got("b", 0)
        self.story.got("a", 1)
        self.story.put("b", "closed")
        self.story.got("a", 0, again=True)
        self.finish()
        self.expect()

    def test_what_was_sent_before_the_queue_was_there_is_not_its(self):
        self.story.consumer("late", "queue")
        self.story.sent_and_acked(0)
        self.story.got("a", 0)
        self.story.got("late", 0)
        self.finish()
        self.story.producer("early")
        self.story.sent(0, "early")
        self.story.consumer("later", "queue", producers=["early"])
        self.story.acked(0, "early")
        self.story.drain("late", "later")
        self.story.drained("late", "later")
        self.expect()

    def test_from_amqp_to_amqp_no_time_need_be_shown_and_elsewhere_it_must(self):
        self.story.producer("m", protocol="mqtt")
        self.story.consumer("c", "queue", producers=["p", "m"])
        self.story.sent_and_acked(0)
        self.story.sent(0, "m")
        self.story.got("a", 0)
        self.story.got("c", 0, time=None)
        self.story.got("c", 0, producer="m", time=None)
        self.finish()
        self.story.drain("c")
        self.story.drained("c")
        self.expect(metadata=1)


class OfSessions(Case):
    def setUp(self):
        super().setUp()
        self.story.producer(protocol="mqtt")

    def session(self, **head):
        self.story.consumer("s", "session", protocol="mqtt", **head)
        self.story.put("s", "opened")

    def again(self):
        self.story.put("s", "closed")
        self.story.life += 1
        self.story.put("s", "opened")

    def test_marked_repetitions_in_the_next_connection_pass(self):
        self.session(flags=True)
        self.story.sent_and_acked(0, 1)
        self.story.got("s", 0)
        self.story.got("s", 1)
        self.again()
        self.story.got("s", 0, again=True)
        self.story.got("s", 1, again=True)
        self.story.drain("s")
        self.story.drained("s")
        self.expect()

    def test_unmarked_repetition(self):
        self.session(flags=True)
        self.story.sent(0)
        self.story.got("s", 0)
        self.again()
        self.story.got("s", 0)
        self.expect(unflagged=1)

    def test_twice_where_once_was_promised(self):
        self.session(once=True)
        self.story.sent(0)
        self.story.got("s", 0)
        self.again()
        self.story.got("s", 0, again=True)
        self.expect(duplicate=1)

    def test_reordered_also_when_it_is_repeated(self):
        self.session(flags=True)
        self.story.sent(0)
        self.story.sent(1)
        self.story.got("s", 0)
        self.story.got("s", 1)
        self.again()
        self.story.got("s", 1, again=True)
        self.story.got("s", 0, again=True)
        self.expect(reordered=1)

    def test_order_by_key_where_no_more_is_promised(self):
        self.session(order="key")
        self.story.sent(0, key="x")
        self.story.sent(1, key="y")
        self.story.sent(2, key="x")
        self.story.got("s", 1, key="y")
        self.story.got("s", 0, key="x")
        self.story.got("s", 2, key="x")
        self.expect()


class OfTransactions(Case):
    def setUp(self):
        super().setUp()
        self.story.producer(protocol="amqp")
        self.story.consumer("q", "queue", flags=True, reads="q")
        self.story.consumer("log", "log", protocol="kafka", reads="s")
        self.story.put("q", "opened")
        self.story.sent(0, tx=0, to="q")
        self.story.sent(1, tx=0, to="s")

    def drain(self, queue=(), log=()):
        self.story.drain("q", "log")
        for n in queue:
            self.story.got("q", n)
        self.story.ends(0, len(log))
        for offset, n in enumerate(log):
            self.story.at(n, offset)
        self.story.drained("q", "log")

    def end(self, event):
        self.story.put("p", event, tx=0)

    def test_whole_ones_pass_and_so_do_those_that_never_were(self):
        self.end("commit")
        self.end("committed")
        self.story.sent(2, tx=1, to="q")
        self.story.put("p", "rollback", tx=1)
        self.story.sent(3, tx=2, to="s")
        self.story.sent(4, tx=3, to="s")
        self.story.put("p", "commit", tx=3)  # unanswered: gone as a whole
        self.drain(queue=[0], log=[1])
        self.expect()

    def test_half_done_where_it_was_answered_is_lost_too(self):
        self.end("commit")
        self.end("committed")
        self.drain(queue=[0])
        self.expect(half_done=1, lost=1)

    def test_half_done_where_it_was_not_answered(self):
        self.end("commit")
        self.story.life += 1
        self.drain(log=[1])
        self.expect(half_done=1)

    def test_what_ran_ahead_of_the_disk_and_went_with_the_crash_is_not_half_done(self):
        self.end("commit")
        self.story.got("q", 0)
        self.story.put("q", "closed")
        self.story.life += 1
        self.drain()
        self.expect()

    def test_aborted_and_never_committed(self):
        self.end("rollback")
        self.story.sent(2, tx=1, to="q")
        self.drain(queue=[0, 2])
        self.expect(aborted=2)

    def test_at_another_destination_it_is_a_phantom(self):
        self.end("commit")
        self.end("committed")
        self.drain(queue=[0, 1], log=[1])
        self.expect(phantom=1)


class OfKeepers(Case):
    def setUp(self):
        super().setUp()
        self.story.producer(protocol="mqtt")
        self.story.put("keeper", "keeper", name="keeper", protocol="mqtt", **{"from": ["p"]})

    def look(self, *kept):
        self.story.put("keeper", "drain")
        for key, n in kept:
            self.story.put("keeper", "kept", key=key, n=n, sum="s%d" % n)
        self.story.put("keeper", "drained")

    def test_the_last_acknowledged_or_a_later_one_is_kept(self):
        self.look()
        self.story.sent_and_acked(0, 1)
        self.look(("k", 1))
        self.story.sent(2)
        self.look(("k", 2))
        self.expect()

    def test_nothing_or_an_older_one_is_kept(self):
        self.story.sent_and_acked(0, 1)
        self.look(("k", 0))
        self.look()
        self.expect(missing=2)

    def test_kept_for_another_key_or_with_other_bytes(self):
        self.story.sent_and_acked(0)
        self.story.put("keeper", "drain")
        self.story.put("keeper", "kept", key="other", n=0, sum="s0")
        self.story.put("keeper", "kept", key="k", n=0, sum="s1")
        self.story.put("keeper", "drained")
        self.expect(phantom=1, torn=1)


class OfObservers(Case):
    def setUp(self):
        super().setUp()
        self.put("observer", name="o")

    def put(self, event, **fields):
        self.story.put("o", event, **fields)

    def test_positions_between_acknowledged_and_sent(self):
        self.put("position", group="g", offset=-1)
        for offset in (0, 1):
            self.put("committing", group="g", offset=offset)
            self.put("committed", group="g", offset=offset)
        self.put("committing", group="g", offset=2)
        self.put("position", group="g", offset=2)
        self.expect()
        self.put("position", group="g", offset=1)
        self.put("position", group="g", offset=3)
        self.expect(backslide=2)

    def test_objects_that_go_and_that_come_back(self):
        for what in ("q1", "q2", "q3", "q4"):
            self.put("making", what=what)
        for what in ("q1", "q2"):
            self.put("made", what=what)
        self.put("removing", what="q2")
        self.put("removed", what="q2")
        self.put("asked", what="q1", there=True)
        self.put("asked", what="q2", there=False)
        self.put("asked", what="q3", there=True)   # both may be
        self.put("asked", what="q4", there=False)
        self.expect()
        self.put("asked", what="q1", there=False)
        self.put("asked", what="q2", there=True)
        self.expect(missing=1, removed_is_back=1)

    def test_an_object_that_was_seen_stays(self):
        self.put("making", what="q")
        self.put("asked", what="q", there=True)
        self.put("asked", what="q", there=False)
        self.expect(missing=1)

    def test_leaks_of_each_kind(self):
        base = {"rss": 50 << 20, "sockets": 6, "files": 7, "segments": 3}
        self.put("gauge", at="base", **base)
        self.put("gauge", at="after", **{k: v + check.SLACK[k] for k, v in base.items()})
        self.expect()
        self.put("gauge", at="after", **{k: v + check.SLACK[k] + 1 for k, v in base.items()})
        self.expect(leak=4)

    def test_troubles_are_told_of_whoever_has_them(self):
        self.put("trouble", what="hangs")
        self.story.producer()
        self.story.put("p", "trouble", what="no answer")
        self.story.consumer("c", "queue")
        self.story.put("c", "trouble", what="closed")
        self.expect(trouble=3)


class OfFiles(Case):
    def test_a_line_that_was_being_written_is_left_out(self):
        self.story.producer()
        self.story.sent(0)
        with open(os.path.join(self.story.folder, "p.jsonl"), "a", encoding="ascii") as file:
            file.write('{"e":"acked","n"')
        self.expect()

    def test_the_first_findings_are_told_and_all_are_counted(self):
        self.story.put("o", "observer", name="o")
        for n in range(check.SHOWN + 5):
            self.story.life = 3 + n
            self.story.put("o", "trouble", what="no. %d" % n)
        report = check.check(self.story.folder)
        self.assertEqual((len(report.anomalies), report.counts["trouble"], report.first_life()),
                         (check.SHOWN, check.SHOWN + 5, 3))
        self.assertIn("trouble: %d in all" % (check.SHOWN + 5), str(report))


if __name__ == "__main__":
    unittest.main()
