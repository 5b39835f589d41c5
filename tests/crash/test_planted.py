# SPDX-License-Identifier: Apache-2.0
"""Bugs that were planted in a broker made for it are found; see checker/planted.py."""

import unittest

from tercet import need_module

for _module in ("pika", "kafka"):
    need_module(_module)

import torture  # noqa: E402 (after the check that its libraries are here)
from checker import planted  # noqa: E402

TIMEOUT = 900  # each wait within has a limit of its own


class Planted(unittest.TestCase):
    def test_some_planted_bugs_are_found(self):
        if not planted.has_bugs():
            self.skipTest("this tercetd was not configured with --enable-planted")
        options = torture.parse(["--planted", "quick"])
        self.assertEqual(planted.run(options, torture.Ledger(None), torture.run_round), 0)


if __name__ == "__main__":
    unittest.main()
