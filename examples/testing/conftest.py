# SPDX-License-Identifier: Apache-2.0
"""A broker for tests with pytest: `def test_it(tercet): connect(*tercet["mqtt"])`.

It keeps nothing and takes any free ports, so that many may run at once. TERCETD names the program
when it is not on the path."""

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
import time

import pytest

READY_SECONDS = 20
PROTOCOLS = ("mqtt", "amqp", "kafka")


@contextlib.contextmanager
def broker(*options):
    """Gives {"mqtt": (host, port), "amqp": ..., "kafka": ...} while the broker runs."""
    folder = tempfile.mkdtemp(prefix="tercet-")
    ready = os.path.join(folder, "ready")
    line = [os.environ.get("TERCETD", "tercetd"), "--ephemeral", "--quiet", "--ready-file", ready]
    line += ["--port-%s=0" % protocol for protocol in PROTOCOLS]
    with open(os.path.join(folder, "log"), "wb") as log:
        process = subprocess.Popen([*line, *options], stdin=subprocess.DEVNULL, stderr=log)
    try:
        deadline = time.monotonic() + READY_SECONDS
        while not os.path.exists(ready):
            if process.poll() is not None or time.monotonic() > deadline:
                with open(os.path.join(folder, "log"), encoding="utf-8") as log:
                    raise RuntimeError("tercetd did not start:\n" + log.read())
            time.sleep(0.002)
        with open(ready, encoding="utf-8") as file:
            listeners = json.load(file)["listeners"]
        # The first of each protocol is on 127.0.0.1.
        yield {one["protocol"]: (one["address"], one["port"]) for one in reversed(listeners)}
    finally:
        process.kill()  # it keeps nothing: there is nothing to wait for
        process.wait()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def tercet():
    """One broker for all tests; with scope="function", each test has its own."""
    with broker() as addresses:
        yield addresses
