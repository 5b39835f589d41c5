# SPDX-License-Identifier: Apache-2.0
"""Test case for the wire tests of MQTT: a broker for the class, and clients that are closed.

With MQTT_PEER=mosquitto the same tests run against an installed mosquitto: what fails there and
passes here is a difference to know about, not always a fault.
"""

import itertools
import os
import shutil
import socket
import subprocess
import tempfile
import time

import mqtt_raw as m
from tercet import SCALE, Broker, BrokerCase

PEER = os.environ.get("MQTT_PEER", "")


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def mosquitto_program():
    return shutil.which("mosquitto", path=os.environ.get("PATH", "") + ":/usr/sbin")


class Mosquitto:
    """Stands in for tercet.Broker where a test needs no more than an MQTT listener."""

    def __init__(self, data=None, more="", **unused):
        self.process = None
        self._dir = tempfile.mkdtemp(prefix="tercet-peer-")
        self._port = free_port()
        self._data = data
        self._more = more

    def start(self):
        path = os.path.join(self._dir, "conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write("listener %d 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n"
                       "max_inflight_messages 0\nallow_zero_length_clientid true\n" % self._port)
            file.write(self._more)
            if self._data:
                file.write("persistence true\npersistence_location %s/\n" % self._dir)
        with open(os.path.join(self._dir, "log"), "ab") as log:
            self.process = subprocess.Popen([mosquitto_program(), "-c", path],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + 10 * SCALE
        while time.monotonic() < deadline:
            try:
                socket.create_connection(self.address("mqtt")).close()
                return self
            except OSError:
                time.sleep(0.01)
        raise AssertionError("mosquitto does not start")

    def __enter__(self):
        return self.start()

    def __exit__(self, *unused):
        self.stop()
        self.close()

    def address(self, _protocol):
        return "127.0.0.1", self._port

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait()
            self.process = None

    kill = stop

    def close(self):
        self.stop()
        shutil.rmtree(self._dir, ignore_errors=True)

    def log(self):
        return ""


def start_broker(**options):
    return Mosquitto(**options) if PEER == "mosquitto" else Broker(**options)


class MqttCase(BrokerCase):
    _names = itertools.count()

    @classmethod
    def setUpClass(cls):
        cls.broker = start_broker(**cls.broker_options)
        try:
            cls.broker.start()
        except BaseException:
            cls.broker.close()
            raise

    @property
    def address(self):
        return self.broker.address("mqtt")

    def name(self, stem="x"):
        """A name that no other test uses."""
        return "%s-%d-%d" % (stem, os.getpid(), next(self._names))

    def open(self, version=5):
        """A connection on which nothing was sent yet."""
        client = m.Client(self.address, version)
        self.addCleanup(client.close)
        return client

    def client(self, client_id=None, version=5, **options):
        """A connected client; with an id of its own unless told."""
        client = self.open(version)
        return client.connect(self.name("c") if client_id is None else client_id, **options)

    def subscriber(self, *filters, version=5, **options):
        client = self.client(version=version, **options)
        codes = client.subscribe(*filters)
        self.assertTrue(all(code <= 2 for code in codes), codes)
        return client

    def assert_ends(self, client, *reasons):
        """The server closes; in MQTT 5 any reason it gives is one of these."""
        reason = client.ended()
        if reason is not None and reasons:
            self.assertIn(reason, reasons)
        return reason
