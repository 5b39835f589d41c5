#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Random scripts of MQTT clients, played to tercet and to mosquitto: every client sees the same.

usage: tests/differential/differ.py [--seed N] [--scripts N] [--steps N] [--replay SEED]
                                    [--profile mosquitto|own] [--most FAILURES]

A script that differs is cut to as few steps as still do. rules.py has the table of what may differ.
"""

import argparse
import contextlib
import os
import pprint
import sys
import time
from collections import Counter

_HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(_HERE, "..", "lib"), _HERE]

import mosquitto_side  # noqa: E402
import player  # noqa: E402
import rules  # noqa: E402
import scripts  # noqa: E402
from tercet import Broker  # noqa: E402

CONF = ("listener {a} 127.0.0.1\nallow_anonymous true\nmax_inflight_messages 0\n"
        "max_queued_messages 0\nset_tcp_nodelay true\n"
        "allow_duplicate_messages true\n")  # or it takes any QoS of overlapping ones


class Cleanups(contextlib.ExitStack):
    """Stands in for a test case."""

    addCleanup = contextlib.ExitStack.callback


class OfConf(mosquitto_side.Side):

    def address(self, _protocol):
        return "127.0.0.1", self.ports[0]


def brokers(stack, profile):
    """Ours and theirs."""
    theirs = OfConf(stack, "mosquitto", CONF).start(stack)
    if profile == "mosquitto":
        return OfConf(stack, "tercet", CONF).start(stack), theirs
    return stack.enter_context(Broker()), theirs


def play(pair, script, allowed=None):
    """The differences that no rule covers, of the first step that has some. `allowed` counts the
    others."""
    sides = [player.Side(broker, script) for broker in pair]
    try:
        for step in script["steps"]:
            ours, theirs = (side.play(step) for side in sides)
            found = rules.compare(script, step, ours, theirs)
            unknown = [one for one in found if not rules.rules_of(one)]
            if unknown:
                return unknown
            if allowed is not None:
                allowed.update(rule.name for one in found for rule in rules.rules_of(one))
            if step[0] == "bad" and step[2]["bytes"][0] == 0x10:
                return []  # mosquitto has taken parts of the second CONNECT
            if any((a is None) != (b is None) for a, b in zip(sides[0].slots, sides[1].slots)) or \
                    any(rule.ends for one in found for rule in rules.rules_of(one)):
                return []
        return []
    finally:
        for side in sides:
            side.close()
        for broker in pair:
            player.sweep(broker, scripts.SLOTS)


def shrink(pair, script):
    """The same script with as few steps as still differ."""
    steps = script["steps"]
    size = len(steps) // 2
    while size:
        at = 0
        while at < len(steps):
            fewer = {**script, "steps": steps[:at] + steps[at + size:]}
            if play(pair, fewer):
                steps = fewer["steps"]
            else:
                at += size
        size //= 2
    return {**script, "steps": steps}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--scripts", type=int, default=100)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--replay", type=int)
    parser.add_argument("--profile", choices=("mosquitto", "own"), default="mosquitto")
    parser.add_argument("--most", type=int, default=5, help="different failures to show")
    options = parser.parse_args()
    seeds = [options.replay] if options.replay is not None else range(
        options.seed, options.seed + options.scripts)
    features = {"hold"} if options.profile == "mosquitto" else set()
    print("seed %d" % seeds[0], flush=True)
    allowed, failures, steps = Counter(), 0, 0
    with Cleanups() as stack:
        pair = brokers(stack, options.profile)
        for seed in seeds:
            script = scripts.Writer(seed, features).script(options.steps)
            steps += options.steps
            if not play(pair, script, allowed):
                continue
            script = shrink(pair, script)
            failures += 1
            print("--- --replay %d --steps %d" % (seed, options.steps))
            print(script["versions"], script["prompt"])
            for step in script["steps"]:
                print("   ", step)
            for one in play(pair, script):
                print(one, flush=True)
            if failures >= options.most:
                break
    print("%d steps, %d scripts differ, %s" % (steps, failures, dict(allowed)))
    return failures > 0


if __name__ == "__main__":
    sys.exit(main())
