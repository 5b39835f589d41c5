# SPDX-License-Identifier: Apache-2.0
"""TERCET_CUTS power cuts (40) under load of all protocols: see torture.py and power_broker.py."""

import os
import unittest
from unittest import mock

from power_broker import need_recorder
from tercet import SCALE, need_module

for _module in ("pika", "kafka"):
    need_module(_module)
need_recorder()

import torture  # noqa: E402 (after the check that its libraries are here)
from checker import bench  # noqa: E402

TIMEOUT = 900  # each wait within has a limit of its own


class PowerCuts(unittest.TestCase):
    def test_no_promise_is_broken_by_power_cuts(self):
        cuts = int(os.environ.get("TERCET_CUTS", "40")) // int(SCALE)
        sums = torture.run(torture.parse(["--power", "--kills", str(cuts), "--no-churn"]),
                           torture.Ledger(os.environ.get("TERCET_LEDGER")))
        self.assertIsNotNone(sums, "see above")
        self.assertGreaterEqual(sums["kills"], cuts)

    def test_a_broker_that_does_not_sync_is_found_out(self):
        with mock.patch.object(bench, "CONFIG", bench.CONFIG + "sync = no\n"):
            options = torture.parse(["--power", "--kills", "30", "--no-churn"])
            sums = torture.run(options, torture.Ledger(None), say=lambda what: None)
        self.assertIsNone(sums)


if __name__ == "__main__":
    unittest.main()
