# SPDX-License-Identifier: Apache-2.0
"""Requests to the admin door, for tests of everything else."""

import http.client
import json
import os
import socket

from tercet import SCALE

SECONDS = 10 * SCALE


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=SECONDS)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(SECONDS)
        self.sock.connect(self.path)


def socket_of(broker):
    return os.path.join(broker.data, "admin.sock")


def ask(broker, method, path, body=None):
    """Status and what the answer's JSON says."""
    connection = UnixConnection(socket_of(broker))
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def counter(broker, name):
    return ask(broker, "GET", "/api/overview")[1]["counters"][name]
