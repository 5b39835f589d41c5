#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Kills the broker again and again under load of all protocols; checks what the clients wrote down.

usage: tests/crash/torture.py [--kills N] [--round N] [--seed N] [--replay SEED] [--ledger FILE]
                              [--planted [NAME,...]] [--keep] [ARG ...]

A round has a store of its own. In each cycle the broker starts on it; readers drain it in peace;
producers and consumers of all three protocols work for a random time; SIGKILL. Now and then a start
is killed too, or the broker kills itself at one of the store's fault points (if it was built with
them), or all checksums of the dead store are looked at. A round ends in peace: everything is
drained once more, and memory and files are measured.
Each client writes a history (checker/history.py); checker/check.py reads them and nothing else.

The ledger gets a line for each round: what was run, from which seed, what was found. --replay runs
the round with that seed again (lengths, sizes and instants are the same, the threads' order is
not). With --planted the broker must have been configured with --enable-planted: its bugs are run
one after the other, and each must be found within 200 kills.
"""

import argparse
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time

_HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(_HERE, "..", "lib"), _HERE]

from checker import check, planted  # noqa: E402
from checker.bench import Bench  # noqa: E402
from tercet import SCALE  # noqa: E402

ROUND_KILLS = 50
STARTS_KILLED = 0.15   # share of the cycles in which a start is killed too
START_SECONDS = 0.03   # how long such a start may last
AT_POINTS = 0.3        # share of the lives that end at a fault point of the store, if it is passed
POINTS = (("store.write", 120), ("store.sync", 120), ("store.catalog", 20), ("store.open", 8),
          ("store.rename", 4), ("store.map", 1))  # and the most passings before the end
LOG_LINES = 25
LONG_SHARE = 0.06      # of the lives, long enough for what happens once a second:
LONG_SECONDS = 2.5     # retention, compaction, checkpoints
REWIND_SHARE = 0.06    # of the cycles in which all logs are read again from the start
VERIFY_SHARE = 0.06    # of the kills after which every checksum of the store is looked at


class Round:
    """One store from its first start to its last stop."""

    def __init__(self, seed, options):
        self.seed, self.options = seed, options
        self.rng = random.Random(seed)
        self.kills = self.at_points = 0
        self.folder = tempfile.mkdtemp(prefix="tercet-torture-")
        self.bench = Bench(self.folder, seed, options)
        self.broker = self.bench.broker

    def run(self, kills):
        """True when it came to its end; what is wrong then, only the histories tell."""
        is_whole = True
        try:
            first = True
            while self.kills < kills and is_whole:
                is_whole = self.cycle(first)
                first = False
            is_whole = is_whole and self.bench.finish(self)
        finally:
            self.bench.close()
        return is_whole

    def start(self, at_point):
        """Starts it, with a fault point when asked, which may end it before it is up."""
        bench = self.bench
        if at_point:
            name, most = self.rng.choice(POINTS)
            if bench.start("%s:%d:kill" % (name, self.rng.randint(1, most))):
                return True
            self.ended_itself()
        return bench.start(None)

    def ended_itself(self):
        self.at_points += 1
        self.kills += 1

    def cycle(self, is_first):
        """One life of the broker; False when the round cannot go on."""
        bench = self.bench
        while self.rng.random() < STARTS_KILLED and not is_first:
            self.broker.launch()
            time.sleep(self.rng.uniform(0, START_SECONDS))
            self.broker.kill()
            self.kills += 1
        if not self.start(not is_first and self.rng.random() < AT_POINTS):
            return False
        if self.rng.random() < REWIND_SHARE:
            bench.rewind()
        is_up = bench.prepare() if is_first else bench.drain()
        seconds = self.rng.uniform(0.3, 1.7) * self.options.seconds
        if self.rng.random() < LONG_SHARE:
            seconds += self.rng.uniform(1, LONG_SECONDS)
        if is_up and not bench.has_trouble():
            bench.live(seconds)
        if not self.broker.is_running():
            if self.broker.process.wait() != -signal.SIGKILL or not bench.at_point:
                bench.trouble("the broker ended with %d" % self.broker.process.returncode)
                return False
            self.at_points += 1
        bench.kill()
        self.kills += 1
        if self.rng.random() < VERIFY_SHARE and not bench.verify():
            return False
        return not bench.has_trouble()


def run_round(seed, kills, options, say=print):
    """One round and its verdict: (report, line of the ledger, folder or None)."""
    begin = time.monotonic()
    one = Round(seed, options)
    is_whole = one.run(kills)
    report = check.check(one.bench.histories)
    line = {"when": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "seed": seed,
            "kills": one.kills, "asked": kills, "at_points": one.at_points,
            "seconds": round(time.monotonic() - begin, 1), "load_seconds": options.seconds,
            "arguments": options.arguments, "sent": report.sent, "acked": report.acked,
            "got": report.got, "pairs": report.pairs, "found": report.counts,
            "unjudged": report.unjudged if is_whole else None}
    if options.env:
        line["env"] = options.env
    if options.power:
        line["power_cuts"] = one.broker.cuts
    is_clean = is_whole and not report.counts and not report.unjudged
    line["clean"] = is_clean
    if is_clean and not options.keep:
        shutil.rmtree(one.folder, ignore_errors=True)
        return report, line, None
    line["folder"] = one.folder
    if not options.quiet:
        say("seed %d: %d kills; histories and store: %s\n%s\n--- end of the log ---\n%s---"
            % (seed, one.kills, one.folder, report,
               "".join(one.bench.last_log.splitlines(True)[-LOG_LINES:])))
    return report, line, one.folder


class Ledger:
    def __init__(self, path):
        self.path = path
        self.lock = threading.Lock()

    def add(self, line):
        if self.path is None:
            return
        os.makedirs(os.path.dirname(os.path.abspath(self.path)), exist_ok=True)
        with self.lock, open(self.path, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    def find(self, seed):
        """The line of that seed, or None."""
        if self.path is None or not os.path.exists(self.path):
            return None
        with open(self.path, encoding="utf-8") as file:
            lines = [json.loads(line) for line in file]
        return next((line for line in reversed(lines) if line["seed"] == seed), None)


def run(options, ledger, say=print):
    """Rounds until there were so many kills; gives the sums, and stops at the first finding."""
    seeds = random.Random(options.seed)
    sums = {"kills": 0, "at_points": 0, "rounds": 0, "sent": 0, "acked": 0, "got": 0}
    pairs, begin = {}, time.monotonic()
    while sums["kills"] < options.kills:
        seed = options.replay if options.replay is not None else seeds.randrange(1 << 32)
        kills = min(options.round, options.kills - sums["kills"])
        report, line, folder = run_round(seed, kills, options, say)
        ledger.add(line)
        sums["rounds"] += 1
        for name in ("kills", "at_points", "sent", "acked", "got"):
            sums[name] += line[name]
        for pair, count in report.pairs.items():
            pairs[pair] = pairs.get(pair, 0) + count
        if not line["clean"]:
            say("FAILED after %d kills: %s%s" % (
                sums["kills"], line["found"] or "it did not come to its end",
                "; kept in %s; --replay %d runs it again" % (folder, seed)))
            return None
        say("%d kills (%d at fault points), %d rounds, %d messages acknowledged, %d received over "
            "%d pairs of protocols, %.0f s: nothing found"
            % (sums["kills"], sums["at_points"], sums["rounds"], sums["acked"], sums["got"],
               len(pairs), time.monotonic() - begin))
    return {**sums, "pairs": pairs}


def parse(arguments=None):
    parser = argparse.ArgumentParser(description="kill the broker at random instants under load")
    parser.add_argument("--kills", type=int, default=300, help="how many at least")
    parser.add_argument("--round", type=int, default=ROUND_KILLS, help="kills of one store")
    parser.add_argument("--seconds", type=float, default=0.25, help="life under load, on average")
    parser.add_argument("--pause", type=float, default=0.08,
                        help="a client's longest pause between two bursts, in seconds")
    parser.add_argument("--wait", type=float, default=6,
                        help="how long a drain waits for what does not come, in seconds")
    parser.add_argument("--seed", type=int, help="where the seeds of the rounds come from")
    parser.add_argument("--replay", type=int, metavar="SEED", help="one round, from this seed")
    parser.add_argument("--ledger", help="a file that gets a line for each round")
    parser.add_argument("--planted", nargs="?", const="all", help="find the planted bugs")
    parser.add_argument("--power", action="store_true",
                        help="each kill is a power cut: what was not synced is lost")
    parser.add_argument("--no-churn", dest="churn", action="store_false",
                        help="do not fill and empty a queue at the end of a round")
    parser.add_argument("--keep", action="store_true", help="leave stores and histories")
    parser.add_argument("arguments", nargs="*", help="for tercetd")
    options = parser.parse_args(arguments)
    options.env, options.quiet = {}, False
    options.wait *= SCALE
    return options


def replay(options, ledger):
    line = ledger.find(options.replay)
    options.round = options.kills = line["asked"] if line else options.round
    if line:
        options.seconds, options.arguments = line["load_seconds"], line["arguments"]
        options.env = line.get("env", {})
        options.power = "power_cuts" in line


def main():
    options = parse()
    ledger = Ledger(options.ledger)
    if options.planted:
        return planted.run(options, ledger, run_round)
    if options.replay is not None:
        replay(options, ledger)
    return 0 if run(options, ledger) else 1


if __name__ == "__main__":
    sys.exit(main())
