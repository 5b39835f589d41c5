# SPDX-License-Identifier: Apache-2.0
"""Random acl_files, read by tercet and by mosquitto: both allow and deny the same.

What is not asked, because tercet is stricter there on purpose: the answer to SUBSCRIBE, and names
with a slash in patterns.
"""

import os
import random
import shutil
import socket
import subprocess
import tempfile
import time
import unittest

import mqtt_raw as m
import users
from mqtt_case import free_port, mosquitto_program
from tercet import SCALE, Broker

TIMEOUT = 120
FILES = 12
LINES = 9
TOPICS = 24
LEVELS = ("a", "b", "", "u", "c", "$d")
PATTERN_LEVELS = LEVELS + ("+", "%u", "%c", "x%u", "%c%u")
IDENTITIES = ((None, "c"), ("u", "c"), ("v", "u"), ("a+b", "c2"), ("u", "x#"), (None, "+"))
NAMES = ("u", "v", "a+b")


def filter_of(rng, levels):
    parts = [rng.choice(levels) for _ in range(rng.randint(1, 3))]
    if rng.random() < 0.35:
        parts[-1] = "#"
    return "/".join(parts) or "a"


def random_rules(rng):
    lines = []
    for unused in range(rng.randint(1, LINES)):
        kind = rng.random()
        access = rng.choice(("", "read ", "write ", "readwrite ", "deny "))
        if kind < 0.25:
            lines.append("user " + rng.choice(NAMES))
        elif kind < 0.65:
            lines.append("topic " + access + filter_of(rng, LEVELS + ("+", "%u")))
        else:
            lines.append("pattern " + access + filter_of(rng, PATTERN_LEVELS))
    return "\n".join(lines + ["user root", "topic #", "topic $d/#"]) + "\n"


class Mosquitto:

    def __init__(self, directory):
        self.address = "127.0.0.1", free_port()
        path = os.path.join(directory, "mosquitto.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write("listener %d 127.0.0.1\nallow_anonymous true\npassword_file %s/users\n"
                       "acl_file %s/rules\nuser root\n" % (self.address[1], directory, directory))
        self.process = subprocess.Popen([mosquitto_program(), "-c", path],
                                        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        deadline = time.monotonic() + 10 * SCALE
        while True:
            try:
                socket.create_connection(self.address).close()
                return
            except OSError:
                if time.monotonic() > deadline:
                    self.close()
                    raise
                time.sleep(0.01)

    def close(self):
        self.process.terminate()
        self.process.wait()


def decisions(address, identity, topics):
    """What this client may publish, and what it is given."""
    user, client_id = identity
    root = m.Client(address).connect("root", user="root", password="pw")
    client = m.Client(address).connect(client_id, user=user, password=user and "pw")
    try:
        written = {t for t in topics if client.publish(t, b"w", 1, retain=False).reason != 0x87}
        client.subscribe("#", "$d/#")
        for topic in topics:
            root.publish(topic, b"r", 1)
        read = {p.topic for p in client.sync() if p.type == m.PUBLISH}
        return written, read
    finally:
        root.close()
        client.close()


@unittest.skipUnless(mosquitto_program(), "mosquitto is not installed")
class Differential(unittest.TestCase):

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="tercet-acl-")
        self.addCleanup(shutil.rmtree, self.dir)
        with open(os.path.join(self.dir, "users"), "w", encoding="utf-8") as file:
            for name in NAMES + ("root",):
                file.write("%s:%s\n" % (name, users.pbkdf2("pw")))

    def compare(self, seed):
        rng = random.Random(seed)
        rules = random_rules(rng)
        with open(os.path.join(self.dir, "rules"), "w", encoding="utf-8") as file:
            file.write(rules)
        topics = sorted({filter_of(rng, LEVELS).replace("#", "z") for _ in range(TOPICS)})
        config = ("password_file = %s/users\nacl_file = %s/rules\nallow_anonymous = yes\n"
                  % (self.dir, self.dir))
        peer = Mosquitto(self.dir)
        self.addCleanup(peer.close)
        with Broker(config=config) as broker:
            for identity in IDENTITIES:
                with self.subTest(seed=seed, identity=identity, rules=rules):
                    self.assertEqual(decisions(broker.address("mqtt"), identity, topics),
                                     decisions(peer.address, identity, topics))

    def test_both_decide_alike(self):
        for seed in range(FILES):
            self.compare(seed)


if __name__ == "__main__":
    unittest.main()
