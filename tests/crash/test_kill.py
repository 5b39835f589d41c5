# SPDX-License-Identifier: Apache-2.0
"""TERCET_KILLS random kills (300) under load of all three protocols: see torture.py."""

import os
import unittest

from tercet import SCALE, need_module

for _module in ("pika", "kafka"):
    need_module(_module)

import torture  # noqa: E402 (after the check that its libraries are here)

TIMEOUT = 900  # each wait within has a limit of its own
LAST_KILLS = 20  # of the round that ends by filling and emptying a queue, which takes its time


class Kills(unittest.TestCase):
    def torture(self, kills, *arguments):
        sums = torture.run(torture.parse(["--kills", str(kills), *arguments]),
                           torture.Ledger(os.environ.get("TERCET_LEDGER")))
        self.assertIsNotNone(sums, "see above")
        self.assertGreaterEqual(sums["kills"], kills)
        self.assertEqual(len(sums["pairs"]), 9)

    def test_no_promise_is_broken_by_kills_and_what_was_consumed_is_given_back(self):
        kills = int(os.environ.get("TERCET_KILLS", "300")) // int(SCALE)
        self.torture(kills - LAST_KILLS, "--no-churn")
        self.torture(LAST_KILLS)


if __name__ == "__main__":
    unittest.main()
