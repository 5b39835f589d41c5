# SPDX-License-Identifier: Apache-2.0
"""protocols/mqtt/CONFORMANCE says what is true: its tests and its functions exist."""

import os
import re
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
TABLE = os.path.join(TOP, "protocols", "mqtt", "CONFORMANCE")


def texts(*folders, ends):
    for folder in folders:
        for where, _, names in os.walk(os.path.join(TOP, folder)):
            for name in names:
                if name.endswith(ends):
                    with open(os.path.join(where, name), encoding="utf-8") as file:
                        yield file.read()


class Conformance(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        with open(TABLE, encoding="utf-8") as file:
            lines = [line.rstrip("\n") for line in file]
        cls.rows = [[cell.strip() for cell in line.split("|")]
                    for line in lines if line and not line.startswith("#")]
        cls.tests = set()
        for text in texts("tests", ends=".py"):
            cls.tests.update(re.findall(r"^\s+def (test_\w+)", text, re.M))
        for text in texts("tests/unit", ends=".c"):
            cls.tests.update(re.findall(r"START_TEST\((\w+)\)", text))
        cls.functions = set()
        for text in texts("protocols/mqtt", "broker/core", ends=(".c", ".h")):
            cls.functions.update(re.findall(r"\b(\w+)\(", text))
            cls.functions.update(re.findall(r"^const struct \w+ (\w+) =", text, re.M))

    def test_every_row_has_its_five_cells(self):
        self.assertGreater(len(self.rows), 200)
        for row in self.rows:
            self.assertEqual(len(row), 5, row)
            self.assertRegex(row[0], r"^(5|311|31|x):\S+$")
            self.assertRegex(row[4], r"^(done|absent: .+|differs: .+)$")

    def test_done_names_a_test_that_exists(self):
        for row in self.rows:
            if row[4] == "done" or row[3] != "-":
                self.assertIn(row[3], self.tests, row)

    def test_functions_exist(self):
        for row in self.rows:
            if row[2] != "-":
                self.assertIn(row[2], self.functions, row)


if __name__ == "__main__":
    unittest.main()
