# SPDX-License-Identifier: Apache-2.0
"""The fixtures of examples/testing start brokers for other test suites, as they stand there."""

import os
import subprocess
import sys
import unittest

from tercet import SCALE, TOP, need_program, program

TESTING = os.path.join(TOP, "examples", "testing")


def run(*line):
    """Runs it with this build's broker; status and all that it printed."""
    done = subprocess.run(line, check=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=100 * SCALE, cwd=TOP,
                          env={**os.environ, "TERCETD": os.path.abspath(program())})
    return done.returncode, done.stdout


def has_modules(*names):
    return subprocess.run([sys.executable, "-c", "import " + ",".join(names)], check=False,
                          stderr=subprocess.DEVNULL).returncode == 0


class Fixtures(unittest.TestCase):
    @unittest.skipUnless(has_modules("pytest", "pika", "kafka"), "no pytest, pika or kafka")
    def test_pytest(self):
        status, said = run(sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider",
                           TESTING)
        self.assertEqual(status, 0, said)
        self.assertIn("2 passed", said)

    @need_program("javac")
    def test_java(self):
        self.assertEqual(run("java", os.path.join(TESTING, "TercetBroker.java")),
                         (0, "mqtt answers\namqp answers\nkafka answers\n"))

    def test_every_file_is_in_the_list(self):
        with open(os.path.join(TESTING, "README.md"), encoding="utf-8") as file:
            listed = file.read()
        for name in os.listdir(TESTING):
            if name not in ("README.md", "__pycache__"):
                self.assertIn("`%s`" % name, listed)


if __name__ == "__main__":
    unittest.main()
