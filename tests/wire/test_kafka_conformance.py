# SPDX-License-Identifier: Apache-2.0
"""protocols/kafka/CONFORMANCE says nothing that is not there."""

import glob
import os
import re
import unittest

from tercet import TOP

STATES = ("done", "absent", "differs")


def text_of(*parts):
    with open(os.path.join(TOP, *parts), encoding="utf-8") as file:
        return file.read()


def rows():
    for line in text_of("protocols", "kafka", "CONFORMANCE").splitlines():
        if line and not line.startswith("#"):
            yield [cell.strip() for cell in line.split("|")]


class Conformance(unittest.TestCase):
    def setUp(self):
        folders = ("protocols/kafka", "broker/core")
        self.code = "\n".join(text_of(path) for folder in folders
                              for path in glob.glob(os.path.join(TOP, folder, "*.[ch]")))
        self.rows = list(rows())

    def test_rows_are_whole(self):
        for row in self.rows:
            self.assertEqual(len(row), 5, row)
            self.assertIn(row[4].split(":")[0], STATES, row)

    def test_what_differs_says_why(self):
        for row in self.rows:
            if row[4].startswith("differs"):
                self.assertGreater(len(row[4]), len("differs: "), row)

    def test_what_is_named_exists(self):
        for clause, what, function, test, state in self.rows:
            with self.subTest(clause=clause, what=what):
                if state == "done":
                    self.assertNotIn("-", (function, test))
                if function != "-":
                    self.assertTrue(re.search(r"\b%s\(" % function, self.code), function)
                if test != "-":
                    where, name = test.split(":")
                    files = ["tests/wire/test_kafka_%s.py" % where] if where != "unit" else \
                        [os.path.relpath(p, TOP)
                         for p in glob.glob(os.path.join(TOP, "tests/unit/test_kafka_*.c"))]
                    self.assertTrue(any(re.search(r"\b%s\(" % name if where != "unit" else
                                                  r"START_TEST\(%s\)" % name, text_of(path))
                                        for path in files), test)


if __name__ == "__main__":
    unittest.main()
