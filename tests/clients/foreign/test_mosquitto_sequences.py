# SPDX-License-Identifier: Apache-2.0
"""Mosquitto's own wire sequences: bytes that are sent, and the bytes that mosquitto answers.

They are data files of mosquitto's sources, test/broker/data/*.json. `./dev interop` fetches the
source package; MOSQUITTO_TESTS=FOLDER names the folder test/broker of a newer one. With the
mosquitto.conf of the suite each answer is compared byte for byte. By default each decision is the
same: a code may be another one, and a message may come earlier than an acknowledgement.
"""

import glob
import json
import os
import re
import socket
import tempfile
import unittest

import mqtt_raw as m
import ws_raw
from mqtt_case import free_port
from tercet import SCALE, Broker, is_closed_by_peer

HOME = os.environ.get("TERCET_INTEROP", "/nonexistent")
FOLDER = os.environ.get("MOSQUITTO_TESTS") or os.path.join(HOME, "mosquitto", "test", "broker")
SECONDS = 2 * SCALE
PLAIN = "allow_anonymous true\nlistener %d 127.0.0.1\n"
WS = PLAIN + "protocol websockets\n"
# What a mosquitto answers that was told nothing: 5.0's properties in its order.
CONNACKS = {3: "20020000", 4: "20020000", 5: "200e00000b22000a27001e8480210014"}

# Where the default decides otherwise, and why, by a part of the sequences' names.
OTHERWISE = {
    "34 QoS 2 Dup flow*3": "4.3.3-10: the same identifier is the same message, however often",
    "CONNECT 10 Username zero length ok": "a user who is nobody is refused",
    "CONNECT 10 Username flag 1 Password flag 1 ok": "a user who is nobody is refused",
    "CONNECT 10 Password with 0x0000": "a user who is nobody is refused",
    "CONNECT 10 Username flag 1 ok": "a user who is nobody is refused",
}

# What 2.1.2 still answers in another way than the sources after it, whose answers the profile has.
OLDER = {
    *("v5.0   DISCONNECT E%d " % flags for flags in (1, 2, 4, 8)),
    *("v5.0   PUBREL 6%s unsolicited" % flags for flags in "346A"),
    "v5.0   SUBSCRIBE 82 shared sub with ",
    "with subscription-identifier=0 (variable byte integer)",
}

ACKS = {m.PUBREL, m.PUBCOMP}


def as_bytes(text):
    """What stands for a message: hex, or words like s5 (length of a string), 'text', r12, v3."""
    out = b""
    for word in re.findall(r"'[^']*'|\S+", text):
        kind, rest = word[0], word[1:]
        if kind == "'":
            out += rest[:-1].encode()
        elif kind == "i":
            out += int(rest).to_bytes(1, "big")
        elif kind in "Hkms":
            out += int(rest).to_bytes(2, "big")
        elif kind == "L":
            out += int(rest).to_bytes(4, "big")
        elif kind in "vr":
            out += m.varint(int(rest))
        else:
            out += bytes.fromhex(word)
    return out


class Different(Exception):
    pass


class Peer:
    """The client of one sequence. `is_strict`: byte for byte, else decision for decision."""

    def __init__(self, opened, is_strict):
        self.sock, self.is_strict = opened, is_strict
        self.buffer = b""
        self.early = []
        self.is_closed = False

    def send(self, data):
        try:
            self.sock.sendall(data)
        except ConnectionError:
            raise Different("closed early") from None

    def packet(self):
        """The next packet, or nothing when the broker closed."""
        while True:
            end = self._end()
            if end and len(self.buffer) >= end:
                found, self.buffer = self.buffer[:end], self.buffer[end:]
                return found
            try:
                part = self.sock.recv(65536)
            except socket.timeout:
                raise Different("no answer") from None
            except (ConnectionError, EOFError):
                part = b""
            if not part:
                self.is_closed = True
                return b""
            self.buffer += part

    def _end(self):
        length = 0
        for i in range(1, min(5, len(self.buffer))):
            length |= (self.buffer[i] & 127) << 7 * (i - 1)
            if self.buffer[i] < 128:
                return i + 1 + length
        return None

    def expect(self, wanted, later):
        """`later`: what is expected before anything else is sent."""
        if wanted in self.early:
            self.early.remove(wanted)
            return
        got = self.packet()
        while not self.is_strict and got and got != wanted and got in later:
            self.early.append(got)
            got = self.packet()
        if got != wanted and (self.is_strict or not is_same_decision(wanted, got)):
            raise Different("%s instead of %s" % (got.hex() or "a close", wanted.hex()))

    def expect_close(self):
        if self.is_closed:
            return
        got = self.packet()
        if got and not self.is_strict and got[0] in (0x20, 0xe0) and is_refusal(got):
            got = self.packet()
        if got:
            raise Different("%s instead of a close" % got.hex())

    def expect_open(self):
        self.send(m.PING)
        got = self.packet()
        if got.hex() != "d000":
            raise Different("%s instead of PINGRESP" % (got.hex() or "a close"))


def is_refusal(packet):
    return packet[0] == 0xe0 or (packet[0] == 0x20 and packet[3] != 0)


def is_same_decision(wanted, got):
    if not got:
        return is_refusal(wanted)
    if got[0] != wanted[0]:
        return False
    if wanted[0] == 0xe0:
        return True
    if wanted[0] == 0x20:
        return is_refusal(wanted) == is_refusal(got)
    # another code in what answers a stray acknowledgement, of the same identifier
    return wanted[0] >> 4 in ACKS and wanted[2:4] == got[2:4]


def sequences():
    for path in sorted(glob.glob(os.path.join(FOLDER, "data", "*.json"))):
        with open(path, encoding="utf-8") as file:
            groups = json.load(file)
        for group in groups:
            if not group.get("disable"):
                for test in group["tests"]:
                    yield "%s %s" % (group["group"], test["name"]), {**group, **test}


@unittest.skipUnless(os.path.isdir(os.path.join(FOLDER, "data")),
                     "mosquitto's sources could not be fetched, and MOSQUITTO_TESTS is not set")
class Sequences(unittest.TestCase):
    def setUp(self):
        self.all = list(sequences())
        self.assertGreater(len(self.all), 1700, "that is not the set of sequences")
        is_older = not os.path.isfile(os.path.join(FOLDER, "data", "OTHER.json"))
        self.known = OLDER if is_older else ()

    def run_all(self, conf):
        """With a mosquitto.conf, or as we are."""
        args, port = [], 0
        if conf:
            port = free_port()
            args = ["--mosquitto-conf", self.write(conf % port)]
            if os.geteuid() == 0:
                args += ["--user", "root"]
        with Broker(args=args) as broker:
            self.address = ("127.0.0.1", port) if conf else broker.address("mqtt")
            self.by_websocket = conf == WS
            self.is_strict = bool(conf)
            bad = []
            for name, test in self.all:
                try:
                    self.run_one(name, test)
                except Different as error:
                    bad.append("%s: %s" % (name, error))
            print("%d of %d sequences as mosquitto answers, %s%s" % (
                len(self.all) - len(bad), len(self.all),
                "byte for byte" if conf else "decision for decision",
                ", by WebSocket" if self.by_websocket else ""))
            return bad

    def write(self, text):
        folder = tempfile.TemporaryDirectory(prefix="tercet-sequences-")
        self.addCleanup(folder.cleanup)
        os.chmod(folder.name, 0o755)
        path = os.path.join(folder.name, "mosquitto.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def open(self):
        if self.by_websocket:
            return ws_raw.connect(self.address, SECONDS)
        return socket.create_connection(self.address, timeout=SECONDS)

    def run_one(self, name, test):
        sock = self.open()
        try:
            peer = Peer(sock, self.is_strict)
            version = test.get("ver", 4)
            if test.get("connect", True):
                props = [(m.RECEIVE_MAX, 20)] if version >= 5 else []
                peer.send(m.connect(name, version, props=props))
                peer.expect(bytes.fromhex(CONNACKS[version]), [])
            self.run_messages(peer, version, test["msgs"])
            if test.get("expect_disconnect", True):
                peer.expect_close()
            else:
                peer.expect_open()
        finally:
            sock.close()

    def run_messages(self, peer, version, messages):
        for at, message in enumerate(messages):
            kind = message["type"]
            if kind == "send":
                peer.send(as_bytes(message["payload"]))
            elif kind == "recv":
                later = []
                for other in messages[at + 1:]:
                    if other["type"] == "send" and not peer.is_strict and is_release(other):
                        continue
                    if other["type"] != "recv":
                        break
                    later.append(as_bytes(other["payload"]))
                peer.expect(as_bytes(message["payload"]), later)
            elif kind in ("publish", "external_publish"):
                self.publish(message)
            elif kind == "subscribe":
                peer.send(m.subscribe(1, [(message["topic"], message["qos"])], version=version))
                peer.expect(suback(0x90, version, [message["qos"]]), [])
            elif kind == "unsubscribe":
                peer.send(m.unsubscribe(1, [message["topic"]], version=version))
                peer.expect(suback(0xb0, version, [0] if version >= 5 else []), [])
            else:
                self.fail("a message of a kind that is not known: %s" % kind)

    def publish(self, message):
        with m.Client(None, 4, sock=self.open()) as client:
            client.connect("helper")
            client.publish(message["topic"], message["payload"], message["qos"], 1,
                           retain=bool(message.get("retain")))
            client.send(m.disconnect())
            is_closed_by_peer(client.sock)

    def check(self, bad, *more):
        known = {*self.known, *more}
        bad = [line for line in bad if not any(part in line for part in known)]
        self.assertEqual(bad, [], "%d sequences:\n%s" % (len(bad), "\n".join(bad[:60])))

    def test_with_a_mosquitto_conf_every_byte_is_mosquittos(self):
        self.check(self.run_all(PLAIN))

    def test_and_by_websocket(self):
        self.check(self.run_all(WS))

    def test_by_default_every_decision_is_mosquittos_or_the_standards(self):
        bad = self.run_all(None)
        self.check(bad, *OTHERWISE)
        for name in OTHERWISE:
            if not any(name in other for other, _ in self.all):
                continue
            self.assertTrue(any(name in line for line in bad), "no longer otherwise: " + name)


def is_release(message):
    """A PUBREL: what it releases may be on its way before it."""
    return as_bytes(message["payload"])[:1] == b"\x62"


def suback(first, version, codes):
    return m.packet(first, b"\x00\x01" + (b"\x00" if version >= 5 else b"") + bytes(codes))


if __name__ == "__main__":
    unittest.main()
