# SPDX-License-Identifier: Apache-2.0
"""TERCET_KILLS random kills (200) under load of all three protocols: see kill.py."""

import os
import unittest

from tercet import need_module

for _module in ("pika", "kafka"):
    need_module(_module)

import kill  # noqa: E402 (after the check that its libraries are here)

TIMEOUT = 36000  # each wait within has a limit of its own


class Kills(unittest.TestCase):
    def test_nothing_acknowledged_is_lost_by_kills(self):
        kills = int(os.environ.get("TERCET_KILLS", "200"))
        self.assertGreaterEqual(kill.run(kills), kills)


if __name__ == "__main__":
    unittest.main()
