# SPDX-License-Identifier: Apache-2.0
"""Files of users, as mosquitto_passwd and `tercet passwd` write them."""

import base64
import hashlib
import hmac
import os


def b64(data):
    return base64.b64encode(data).decode()


def pbkdf2(password, iterations=101):
    salt = os.urandom(12)
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, iterations, 64)
    return "$7$%d$%s$%s" % (iterations, b64(salt), b64(digest))


def sha512(password):
    salt = os.urandom(12)
    return "$6$%s$%s" % (b64(salt), b64(hashlib.sha512(password.encode() + salt).digest()))


def scram_keys(name, password, salt, iterations):
    """Client key, stored key and server key of RFC 5802."""
    salted = hashlib.pbkdf2_hmac(name, password.encode(), salt, iterations)
    client = hmac.new(salted, b"Client Key", name).digest()
    return (client, hashlib.new(name, client).digest(),
            hmac.new(salted, b"Server Key", name).digest())


def scram(password, bits=256, iterations=4096):
    salt = os.urandom(16)
    unused, stored, server = scram_keys("sha%d" % bits, password, salt, iterations)
    return "$scram-sha-%d$%d$%s$%s$%s" % (bits, iterations, b64(salt), b64(stored), b64(server))


class Scram:
    """The client's side of one exchange, written from RFC 5802."""

    def __init__(self, user, password, bits=256, head="n,,"):
        self.name = "sha%d" % bits
        self.method = "SCRAM-SHA-%d" % bits
        self.password = password
        self.head = head
        self.nonce = b64(os.urandom(18))
        self.bare = "n=%s,r=%s" % (user, self.nonce)

    def first(self):
        return (self.head + self.bare).encode()

    def final(self, server_first):
        parts = dict(part.split("=", 1) for part in server_first.decode().split(","))
        assert parts["r"].startswith(self.nonce) and len(parts["r"]) >= len(self.nonce) + 18
        client, stored, server = scram_keys(
            self.name, self.password, base64.b64decode(parts["s"]), int(parts["i"]))
        without = "c=%s,r=%s" % (b64(self.head.encode()), parts["r"])
        everything = ",".join((self.bare, server_first.decode(), without)).encode()
        mark = hmac.new(stored, everything, self.name).digest()
        proof = bytes(a ^ b for a, b in zip(client, mark))
        self.signature = b"v=" + b64(
            hmac.new(server, everything, self.name).digest()).encode()
        return ("%s,p=%s" % (without, b64(proof))).encode()
