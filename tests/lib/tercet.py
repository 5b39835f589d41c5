# SPDX-License-Identifier: Apache-2.0
"""The broker as a fixture of Python tests.

    from tercet import Broker

    with Broker() as b:                  # build/tercetd, in memory, any free ports
        socket.create_connection(b.address("mqtt"))

    with Broker(data=True) as b:         # a durable store in a directory of its own
        b.kill()                         # SIGKILL
        b.start()                        # again, on the same store

TERCETD names another program than build/tercetd. TERCET_TIMEOUT_SCALE stretches every wait, and
TERCET_MEMORY_SCALE shrinks what rss() tells, for builds with sanitizers. Leaving the block
stops the broker and fails when it crashed or ended otherwise than asked.
"""

import atexit
import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SCALE = float(os.environ.get("TERCET_TIMEOUT_SCALE", "1"))
MEMORY_SCALE = float(os.environ.get("TERCET_MEMORY_SCALE", "1"))
START_SECONDS = 20
STOP_SECONDS = 20
POLL_SECONDS = 0.002
LOG_TAIL_BYTES = 16000
PROTOCOLS = ("mqtt", "amqp", "kafka")

_alive = set()


def program(name="tercetd"):
    """Path of a program that was built: from TERCETD or TERCET, else build/NAME."""
    return os.environ.get(name.upper()) or os.path.join(TOP, "build", name)


def wait_for(condition, seconds=10, what=None, poll=0.01):
    """Polls condition() until it gives something true, and gives that; fails after `seconds`."""
    deadline = time.monotonic() + seconds * SCALE
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError("not within %g s: %s" % (seconds * SCALE, what or condition))
        time.sleep(poll)


def need_program(name):
    """Decorator: skips unless this program is installed."""
    return unittest.skipUnless(shutil.which(name), "%s is not installed" % name)


def need_module(name):
    """The module, or a skip of the whole test file when it is not installed."""
    try:
        return __import__(name, fromlist=["*"])
    except ImportError as error:
        raise unittest.SkipTest("python module %s: %s" % (name, error))


def read_exactly(sock, count):
    """`count` bytes from a socket; EOFError when it ends before."""
    parts = []
    while count > 0:
        part = sock.recv(count)
        if not part:
            raise EOFError("the peer closed, %d bytes missing" % count)
        parts.append(part)
        count -= len(part)
    return b"".join(parts)


def is_closed_by_peer(sock, seconds=5):
    """True when the peer ends the connection in time; what it still sends is read and dropped."""
    deadline = time.monotonic() + seconds * SCALE
    while time.monotonic() < deadline:
        sock.settimeout(max(0.01, deadline - time.monotonic()))
        try:
            if not sock.recv(65536):
                return True
        except socket.timeout:
            return False
        except OSError:
            return True
    return False


def _end_with_parent():
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def _kill_left():
    for broker in list(_alive):
        broker.kill()


atexit.register(_kill_left)


class Broker:
    """One tercetd process. Ports are any free ones; `port("mqtt")` tells which.

    data        None: --ephemeral; True: a store in a temporary directory; or a directory's name
    args        further arguments
    config      text of a configuration file
    env         further environment variables
    keep_ports  True: a start after the first takes the same ports again
    start       False: do not start it in the constructor's with-block
    """

    def __init__(self, data=None, args=(), config=None, env=None, keep_ports=False, start=True):
        self.args = list(args)
        self.config = config
        self.env = dict(env or {})
        self.keep_ports = keep_ports
        self.process = None
        self.listeners = []
        self.expected = ()
        self._start = start
        self._ports = {}
        self._dir = tempfile.mkdtemp(prefix="tercet-test-")
        self.data = os.path.join(self._dir, "data") if data is True else data
        self.log_path = os.path.join(self._dir, "log")
        self._ready = os.path.join(self._dir, "ready")

    def __enter__(self):
        if self._start:
            try:
                self.start()
            except BaseException:
                self.close()
                raise
        return self

    def __exit__(self, kind, value, trace):
        try:
            if kind is not None and kind is not unittest.SkipTest:
                sys.stderr.write("--- log of the broker ---\n%s---\n" % self.log_tail())
                self.kill()
            elif self.process is not None:
                self.stop()
        finally:
            self.close()

    def close(self):
        """Kills what runs and removes the files."""
        self.kill()
        shutil.rmtree(self._dir, ignore_errors=True)

    def command(self):
        line = [program(), "--ready-file", self._ready]
        line += ["--data", self.data] if self.data else ["--ephemeral"]
        for protocol in PROTOCOLS:
            line += ["--port-" + protocol, str(self._ports.get(protocol, 0))]
        if self.config is not None:
            path = os.path.join(self._dir, "tercet.conf")
            with open(path, "w", encoding="utf-8") as file:
                file.write(self.config)
            line += ["--config", path]
        return line + self.args

    def launch(self):
        """Starts the process and does not wait until it is ready."""
        assert self.process is None, "the broker runs already"
        if os.path.exists(self._ready):
            os.unlink(self._ready)
        is_main = threading.current_thread() is threading.main_thread()
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                self.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, **self.env},
                preexec_fn=_end_with_parent if is_main else None)
        self.expected = (0,)
        _alive.add(self)

    def start(self, seconds=START_SECONDS):
        """Starts it and returns when every listener accepts."""
        self.launch()
        deadline = time.monotonic() + seconds * SCALE
        while not self._read_ready():
            status = self.process.poll()
            if status is not None:
                self._gone()
                raise AssertionError("the broker ended with %d before it was ready:\n%s"
                                     % (status, self.log_tail()))
            if time.monotonic() > deadline:
                self.kill()
                raise AssertionError("the broker was not ready in time:\n%s"
                                     % self.log_tail())
            time.sleep(POLL_SECONDS)
        return self

    def _read_ready(self):
        try:
            with open(self._ready, encoding="utf-8") as file:
                told = json.load(file)
        except FileNotFoundError:
            return False
        self.listeners = told["listeners"]
        if self.keep_ports:
            self._ports = {p: self.port(p) for p in PROTOCOLS}
        return True

    def _gone(self):
        process, self.process = self.process, None
        _alive.discard(self)
        return process.returncode

    def wait(self, seconds=STOP_SECONDS):
        """Waits until the process ends of itself; gives its status."""
        self.process.wait(seconds * SCALE)
        return self._gone()

    def stop(self, seconds=STOP_SECONDS):
        """SIGTERM, then waits. Fails when it had crashed, or does not end cleanly."""
        assert self.process is not None, "the broker does not run"
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(seconds * SCALE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError("the broker did not stop on SIGTERM:\n%s"
                                 % self.log_tail()) from None
        status = self._gone()
        if status not in self.expected:
            raise AssertionError("the broker ended with %d:\n%s"
                                 % (status, self.log_tail()))
        # what was counted as there was not counted as gone, or twice
        uneven = [line for line in self.log().splitlines() if " broker.uneven " in line]
        assert not uneven, "\n".join(uneven)

    def kill(self):
        """SIGKILL; nothing happens when it does not run."""
        if self.process is None:
            return
        self.process.kill()
        self.process.wait()
        self._gone()

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def log(self):
        try:
            with open(self.log_path, encoding="utf-8", errors="replace") as file:
                return file.read()
        except FileNotFoundError:
            return ""

    def log_tail(self):
        return self.log()[-LOG_TAIL_BYTES:]

    def listener(self, protocol, tls=False):
        for one in self.listeners:
            if one["protocol"] == protocol and bool(one.get("tls")) == tls:
                return one
        raise AssertionError("no listener for %s (tls=%s) in %r" % (protocol, tls, self.listeners))

    def listener_named(self, name):
        """The first one that a [listener NAME] of the configuration opened."""
        for one in self.listeners:
            if one["name"] == name:
                return one
        raise AssertionError("no listener %s in %r" % (name, self.listeners))

    def address_of(self, name):
        one = self.listener_named(name)
        return one["address"], one["port"]

    def port(self, protocol, tls=False):
        return self.listener(protocol, tls)["port"]

    def address(self, protocol, tls=False):
        one = self.listener(protocol, tls)
        return one["address"], one["port"]

    def server(self, protocol):
        """host:port, as Kafka's clients want it."""
        return "%s:%d" % self.address(protocol)

    def url(self, protocol):
        return "%s://%s" % (protocol, self.server(protocol))

    def connect(self, protocol, seconds=10):
        """A TCP connection with a time limit on each operation."""
        sock = socket.create_connection(self.address(protocol), timeout=seconds * SCALE)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    @property
    def pid(self):
        return self.process.pid

    def rss(self):
        """Resident bytes."""
        with open("/proc/%d/status" % self.pid, encoding="ascii") as file:
            for line in file:
                if line.startswith("VmRSS:"):
                    return int(int(line.split()[1]) * 1024 / MEMORY_SCALE)
        raise AssertionError("no VmRSS: the process ended")

    def cpu(self):
        """Processor seconds of all its threads since it started."""
        with open("/proc/%d/stat" % self.pid, encoding="ascii") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def open_files(self):
        return len(os.listdir("/proc/%d/fd" % self.pid))


class BrokerCase(unittest.TestCase):
    """Test case with one broker for the whole class, in `self.broker`.

    `broker_options` are the arguments of Broker. The log is shown when a test fails."""

    broker_options = {}
    broker = None

    @classmethod
    def setUpClass(cls):
        cls.broker = Broker(**cls.broker_options)
        try:
            cls.broker.start()
        except BaseException:
            cls.broker.close()
            raise

    @classmethod
    def tearDownClass(cls):
        try:
            if cls.broker.process is not None:
                cls.broker.stop()
        finally:
            cls.broker.close()

    def setUp(self):
        self._log_start = len(self.broker.log())
        self.addCleanup(self._show_log)

    def _show_log(self):
        result = self._outcome.result
        bad = getattr(result, "failures", []) + getattr(result, "errors", [])
        if not self._outcome.success or self in [test for test, _ in bad]:
            sys.stderr.write("--- log of the broker during %s ---\n%s---\n"
                             % (self.id(), self.broker.log()[self._log_start:][-LOG_TAIL_BYTES:]))
