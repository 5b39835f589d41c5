# SPDX-License-Identifier: Apache-2.0
"""The fixture of examples/testing for Go; compiling its libraries takes too long for ./dev test."""

import os
import subprocess
import unittest

from tercet import SCALE, TOP, need_program, program


class Fixtures(unittest.TestCase):
    @need_program("go")
    def test_go(self):
        done = subprocess.run(["go", "test", "-count=1", "examples/testing/tercet_test.go"],
                              check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=200 * SCALE, cwd=TOP,
                              env={**os.environ, "TERCETD": os.path.abspath(program())})
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertIn("ok", done.stdout)


if __name__ == "__main__":
    unittest.main()
