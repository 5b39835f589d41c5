# SPDX-License-Identifier: Apache-2.0
"""Does tests/run count what happens, whatever happens?"""

import os
import subprocess
import sys
import tempfile
import textwrap
import unittest

RUN = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "run")


class CountsTest(unittest.TestCase):
    def counts_of(self, **files):
        """Runs test files given as name=text; gives the last line and the exit status."""
        with tempfile.TemporaryDirectory() as folder:
            for name, text in files.items():
                path = os.path.join(folder, "test_%s.py" % name)
                with open(path, "w", encoding="utf-8") as file:
                    file.write("import os, time, unittest\n" + textwrap.dedent(text))
            done = subprocess.run([sys.executable, RUN, folder], check=False, encoding="utf-8",
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        return done.stdout.splitlines()[-1], done.returncode

    def one(self, body):
        return self.counts_of(one="class T(unittest.TestCase):\n" + textwrap.indent(body, "    "))

    def test_passing_failing_and_skipped_are_told_apart(self):
        self.assertEqual(self.one(
            "def test_a(self): pass\n"
            "def test_b(self): self.fail()\n"
            "def test_c(self): self.skipTest('why')\n"
            "def test_d(self): raise OSError\n"
            "@unittest.expectedFailure\n"
            "def test_e(self): self.fail()\n"
            "@unittest.expectedFailure\n"
            "def test_f(self): pass\n"), ("2 passed, 3 failed, 1 skipped", 1))

    def test_a_test_with_failing_parts_is_one_failed_test(self):
        self.assertEqual(self.one(
            "def test_a(self):\n"
            "    for i in range(3):\n"
            "        with self.subTest(i=i): self.assertEqual(i, 0)\n"),
            ("0 passed, 1 failed, 0 skipped", 1))

    def test_a_passing_run_ends_well(self):
        self.assertEqual(self.one("def test_a(self): pass\n"), ("1 passed, 0 failed, 0 skipped", 0))

    def test_several_files_are_added_up(self):
        text = "class T(unittest.TestCase):\n    def test_a(self): pass\n"
        self.assertEqual(self.counts_of(one=text, two=text), ("2 passed, 0 failed, 0 skipped", 0))

    def test_a_file_skipped_whole_is_skipped(self):
        self.assertEqual(self.counts_of(one="raise unittest.SkipTest('no client')\n"),
                         ("0 passed, 0 failed, 1 skipped", 0))

    def test_a_file_that_does_not_load_has_failed(self):
        self.assertEqual(self.counts_of(one="import no_such_module_anywhere\n"),
                         ("0 passed, 1 failed, 0 skipped", 1))

    def test_a_file_without_tests_has_failed(self):
        self.assertEqual(self.counts_of(one="X = 1\n"), ("0 passed, 1 failed, 0 skipped", 1))

    def test_a_process_that_dies_has_failed(self):
        self.assertEqual(self.one("def test_a(self): os._exit(0)\n"),
                         ("0 passed, 1 failed, 0 skipped", 1))

    def test_a_failing_class_set_up_has_failed(self):
        self.assertEqual(self.one(
            "@classmethod\n"
            "def setUpClass(cls): raise OSError\n"
            "def test_a(self): pass\n"), ("0 passed, 1 failed, 0 skipped", 1))

    def test_a_failing_class_end_has_failed(self):
        self.assertEqual(self.one(
            "@classmethod\n"
            "def tearDownClass(cls): raise AssertionError('the broker crashed')\n"
            "def test_a(self): pass\n"), ("1 passed, 1 failed, 0 skipped", 1))

    def test_a_file_that_hangs_is_stopped(self):
        self.assertEqual(self.counts_of(one="""
            TIMEOUT = 1
            class T(unittest.TestCase):
                def test_a(self): time.sleep(60)
            """), ("0 passed, 1 failed, 0 skipped", 1))


if __name__ == "__main__":
    unittest.main()
