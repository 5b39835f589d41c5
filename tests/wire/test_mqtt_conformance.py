# SPDX-License-Identifier: Apache-2.0
"""Is CONFORMANCE whole? Each statement of the standards has a row, and a test of a client's
view."""

import glob
import os
import re
import unittest

from tercet import TOP

TABLE = os.path.join(TOP, "protocols", "mqtt", "CONFORMANCE")
STATEMENTS = os.path.join(TOP, "tests", "wire", "mqtt_statements")
# A broken store, and memory that is missing, are for unit tests alone.
INSIDE = {"5:3.2.2-19", "311:4.8.0-2"}


def lines(path):
    with open(path, encoding="utf-8") as file:
        return [line.rstrip("\n") for line in file if line.strip() and not line.startswith("#")]


def rows():
    """(id, tests, state) of each row; an id may have several."""
    for line in lines(TABLE):
        identifier, _, _, tests, state = (part.strip() for part in line.split(" | "))
        yield identifier, [test.strip() for test in tests.split(",")], state


def statements():
    for line in lines(STATEMENTS):
        place, *numbers = line.split()
        for number in numbers:
            yield "%s-%s" % (place, number)


def tests_of_clients():
    """Names of all tests that speak to a running broker."""
    found = set()
    for path in glob.glob(os.path.join(TOP, "tests", "*", "test_*.py")):
        with open(path, encoding="utf-8") as file:
            found.update(re.findall(r"^ +def (test_\w+)\(", file.read(), re.MULTILINE))
    return found


class Conformance(unittest.TestCase):
    def setUp(self):
        self.rows = list(rows())
        self.assertGreater(len(list(statements())), 300)

    def test_each_statement_has_a_row(self):
        have = {identifier for identifier, _, _ in self.rows}
        self.assertEqual([one for one in statements() if one not in have], [])

    def test_each_statement_has_a_test_that_speaks_to_a_broker(self):
        known, wanted, bare = tests_of_clients(), set(statements()) - INSIDE, []
        for identifier, tests, state in self.rows:
            if identifier in wanted and not state.startswith("absent"):
                if not any(test in known for test in tests):
                    bare.append(identifier)
        self.assertEqual(bare, [])

    def test_no_statement_is_absent(self):
        wanted = set(statements())
        absent = {identifier for identifier, _, state in self.rows
                  if identifier in wanted and state.startswith("absent")}
        self.assertEqual(absent, set())


if __name__ == "__main__":
    unittest.main()
