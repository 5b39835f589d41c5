# SPDX-License-Identifier: Apache-2.0
"""The bugs planted in a broker that was configured with --enable-planted, and what finds each.

NAME is what PLANTED(NAME) says in the source; EVERY, at which of its passings it happens."""

import copy
import os
import random
import shutil
import subprocess

from power_broker import need_recorder
from tercet import program

MOST_KILLS = 200
ROUND_KILLS = 10
WAIT_SECONDS = 2


class Bug:
    """`by`: what it takes beside kills: power cuts, or a queue that is filled and emptied."""

    def __init__(self, every, finds, what, by=None):
        self.every, self.finds, self.what, self.by = every, set(finds.split()), what, by


BUGS = {
    "ack-early": Bug(1, "lost half-done missing backslide duplicate removed-is-back",
                     "acknowledged before it is committed"),
    "end-early": Bug(1, "offset-reused offset-backward",
                     "readers of a log see what is not yet committed"),
    "offset-wrong": Bug(50, "offset-reused", "a produce is answered with the next one's offset"),
    "mark-dropped": Bug(1, "unflagged", "a redelivery without its mark"),
    "settled-unrecorded": Bug(3, "returned", "what was settled in a queue is not recorded"),
    "order-swapped": Bug(100, "reordered", "a lane gives the second message before the first"),
    "retained-unrecorded": Bug(2, "missing", "a retained message is kept in memory alone"),
    "references-unrecorded": Bug(2, "lost stuck duplicate",
                                 "what a session is owed is not recorded"),
    "position-unrecorded": Bug(2, "backslide", "a group's offset is not recorded"),
    "producer-forgotten": Bug(1, "duplicate", "an idempotent producer's state does not survive"),
    "packet-id-forgotten": Bug(5, "duplicate", "a packet id of QoS 2 is not kept until PUBREL"),
    "exchange-unrecorded": Bug(3, "missing", "an exchange is kept in memory alone"),
    "transaction-cut": Bug(40, "half-done", "a commit leaves out what comes after a publish"),
    "rollback-kept": Bug(2, "aborted", "what was rolled back is committed with the next"),
    "header-dropped": Bug(1, "metadata", "a long user property of MQTT is left out"),
    "payload-cut": Bug(1, "torn", "the last byte of a large payload of MQTT is left out"),
    "credit-lost": Bug(3, "stuck", "a session that has credit again is not gone on with"),
    "frame-lost": Bug(1, "lost offset-reused offset-backward trouble",
                      "recovery leaves out the last frame of a segment"),
    "sync-skipped": Bug(1, "lost missing half-done backslide", "a commit is not synced",
                        by="power"),
    "name-unsynced": Bug(1, "lost missing trouble", "a new file's name is not synced", by="power"),
    "change-lost": Bug(40, "missing backslide returned lost duplicate",
                       "recovery leaves out a small value now and then"),
    "last-dropped": Bug(1, "lost", "compaction drops the last record of a key"),
    "message-kept": Bug(1, "leak", "a message is not freed", by="churn"),
    "segment-kept": Bug(1, "leak", "what was consumed is not given back", by="churn"),
    "socket-kept": Bug(5, "leak", "a connection's socket is not closed"),
}


# Found within some seconds, of as many kinds: for continuous integration.
QUICK = ("ack-early", "order-swapped", "mark-dropped", "rollback-kept", "payload-cut",
         "header-dropped", "credit-lost")


def has_bugs():
    """A build without them refuses to be asked for one."""
    asked = subprocess.run([program(), "--version"], env={**os.environ, "TERCET_PLANTED": "none"},
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    return asked.returncode == 0


def hunt(name, options, ledger, run_round):
    """(kinds found, kills until then) of one bug; no kinds when it stayed hidden."""
    bug, kills = BUGS[name], 0
    if bug.by == "power":
        need_recorder()
    seeds = random.Random("%s %s" % (options.seed, name))
    mine = copy.copy(options)
    mine.env = {"TERCET_PLANTED": "%s:%d" % (name, bug.every)}
    mine.quiet, mine.wait = True, min(options.wait, WAIT_SECONDS)
    mine.churn, mine.power = bug.by == "churn", bug.by == "power"
    while kills < MOST_KILLS:
        report, line, folder = run_round(seeds.randrange(1 << 32), ROUND_KILLS, mine)
        ledger.add(line)
        if folder is not None and not options.keep:
            shutil.rmtree(folder, ignore_errors=True)
        if bug.finds & set(report.counts):
            return sorted(report.counts), kills + min(report.first_life(bug.finds), line["kills"])
        if report.counts:
            print("%s: found something else: %s" % (name, report), flush=True)
        kills += line["kills"]
    return [], kills


def run(options, ledger, run_round):
    """Each of them, or those asked for; a table. 0 when all were found."""
    if not has_bugs():
        print("this tercetd has no bugs compiled in: configure with --enable-planted")
        return 2
    names = {"all": BUGS, "quick": QUICK}.get(options.planted) or options.planted.split(",")
    hidden = 0
    print("%-22s %5s  %-34s %s" % ("planted", "kills", "found as", "what it is"), flush=True)
    for name in names:
        kinds, kills = hunt(name, options, ledger, run_round)
        hidden += not kinds
        print("%-22s %5d  %-34s %s" % (name, kills, " ".join(kinds) or "NOT FOUND",
                                       BUGS[name].what), flush=True)
    print("%d of %d planted bugs found within %d kills" % (len(names) - hidden, len(names),
                                                           MOST_KILLS))
    return 1 if hidden else 0
