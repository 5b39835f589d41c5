# SPDX-License-Identifier: Apache-2.0
"""Test cases for real client programs, which any broker of their protocol should pass.

By default each class has a tercetd of its own. TERCET_AGAINST="mqtt=1883,amqp=5672" runs the same
tests against brokers that already listen on these ports of the loopback address, which shows that
the tests ask for nothing but what the protocol's users know; other protocols are skipped then.
"""

import os
import subprocess
import unittest
import uuid

from tercet import SCALE, BrokerCase


def _against():
    pairs = [pair.split("=") for pair in os.environ.get("TERCET_AGAINST", "").split(",") if pair]
    return {protocol: int(port) for protocol, port in pairs}


AGAINST = _against()


class Elsewhere:
    """A broker that we did not start."""

    process = None

    def address(self, protocol):
        return "127.0.0.1", AGAINST[protocol]

    def port(self, protocol):
        return AGAINST[protocol]

    def server(self, protocol):
        return "127.0.0.1:%d" % AGAINST[protocol]

    def log(self):
        return ""

    def close(self):
        pass


class ClientCase(BrokerCase):
    """`protocol` names the listener that the tests of the class use."""

    protocol = None

    @classmethod
    def setUpClass(cls):
        if not AGAINST:
            super().setUpClass()
        elif cls.protocol in AGAINST:
            cls.broker = Elsewhere()
        else:
            raise unittest.SkipTest("no other broker for %s" % cls.protocol)

    @property
    def host(self):
        return self.broker.address(self.protocol)[0]

    @property
    def port(self):
        return self.broker.port(self.protocol)

    def name(self, word="t"):
        """A name that no other test and no earlier run has used."""
        return "%s-%s" % (word, uuid.uuid4().hex[:12])

    def start_program(self, *line, stdin=None):
        """Starts a program; it is killed when the test ends and it still runs."""
        # Unbuffered: what a test has not read by lines, communicate() must still find.
        process = subprocess.Popen([str(word) for word in line], stdin=stdin or subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE, bufsize=0)
        self.addCleanup(self._end, process)
        return process

    @staticmethod
    def _end(process):
        if process.poll() is None:
            process.kill()
        process.communicate()

    def finish(self, process, data=None, seconds=20, status=0):
        """Waits for a program; fails unless it ends with this status. Gives what it printed."""
        try:
            out, err = process.communicate(data, timeout=seconds * SCALE)
        except subprocess.TimeoutExpired:
            process.kill()
            out, err = process.communicate()
            self.fail("%r did not end\n%r\n%r" % (process.args, out[-2000:], err[-2000:]))
        if status is not None:
            self.assertEqual(process.returncode, status, (process.args, out, err))
        return out

    def run_program(self, *line, data=None, seconds=20, status=0):
        stdin = None if data is None else subprocess.PIPE
        return self.finish(self.start_program(*line, stdin=stdin), data, seconds, status)
