# SPDX-License-Identifier: Apache-2.0
"""WebSocket (RFC 6455) from the client's side, for the wire tests: a request, frames, a socket that
looks like any other to a client above it. What a server sends is read strictly."""

import base64
import hashlib
import os
import socket
import struct

from tercet import read_exactly

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
SUFFIX = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def accept_of(key):
    return base64.b64encode(hashlib.sha1(key.encode() + SUFFIX).digest()).decode()


def request(path="/mqtt", method="GET", version="HTTP/1.1", names="mqtt", key=None, **headers):
    """The bytes of an upgrade. A header given as None is left out, `_` in its name is `-`."""
    lines = {"host": "localhost", "upgrade": "websocket", "connection": "Upgrade",
             "sec-websocket-key": key or base64.b64encode(os.urandom(16)).decode(),
             "sec-websocket-version": "13", "sec-websocket-protocol": names}
    lines.update((name.replace("_", "-"), value) for name, value in headers.items())
    head = "%s %s %s\r\n" % (method, path, version)
    for name, value in lines.items():
        if value is not None:
            head += "%s: %s\r\n" % (name, value)
    return (head + "\r\n").encode()


def read_head(sock):
    """Status and headers (in small letters) of an answer."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += read_exactly(sock, 1)
    status, *lines = head.decode().split("\r\n")[:-2]
    headers = {}
    for line in lines:
        name, _, value = line.partition(":")
        assert name.lower() not in headers, "a header twice: %r" % line
        headers[name.lower()] = value.strip()
    assert status.startswith("HTTP/1.1 "), status
    return int(status.split()[1]), headers


def frame(payload=b"", opcode=BINARY, fin=True, mask=None, rsv=0, length=None, form=None):
    """A client's frame. `mask`: four bytes, or b"" for a frame without. `length` lies about the
    payload's; `form`: 7, 16 or 64 bits for it."""
    mask = os.urandom(4) if mask is None else mask
    size = len(payload) if length is None else length
    form = form or (7 if size < 126 else 16 if size < 65536 else 64)
    head = bytes([(0x80 if fin else 0) | rsv << 4 | opcode])
    bit = 0x80 if mask else 0
    head += (bytes([bit | size]) if form == 7 else
             bytes([bit | 126]) + struct.pack(">H", size) if form == 16 else
             bytes([bit | 127]) + struct.pack(">Q", size))
    if mask:
        payload = bytes(byte ^ mask[i % 4] for i, byte in enumerate(payload))
    return head + mask + payload


def read_frame(sock):
    """(opcode, payload); a server's frame is whole, unmasked and as short as can be."""
    first, second = read_exactly(sock, 2)
    assert first & 0xf0 == 0x80, "FIN and reserved bits: %02x" % first
    assert second & 0x80 == 0, "a server does not mask"
    size = second
    if second == 126:
        size = struct.unpack(">H", read_exactly(sock, 2))[0]
        assert size > 125, "a length longer than needed"
    elif second == 127:
        size = struct.unpack(">Q", read_exactly(sock, 8))[0]
        assert size > 65535, "a length longer than needed"
    assert first & 15 in (BINARY, CLOSE, PONG), "opcode %d" % (first & 15)
    assert first & 8 == 0 or size < 126, "a long control frame"
    return first & 15, read_exactly(sock, size)


class WebSocket:
    """Stands in for the socket of a client: one binary frame for each send, unless told."""

    def __init__(self, sock, **options):
        key = base64.b64encode(os.urandom(16)).decode()
        self.sock = sock
        sock.sendall(request(key=key, **options))
        self.status, self.headers = read_head(sock)
        if self.status == 101:
            assert self.headers["sec-websocket-accept"] == accept_of(key)
            assert self.headers["upgrade"].lower() == "websocket"
            assert "sec-websocket-extensions" not in self.headers
        self.close_code = None
        self.pongs = []

    def sendall(self, data):
        self.sock.sendall(frame(data))

    def recv(self, _size):
        """Payload of the next binary frame; b"" at a close or the end."""
        while True:
            try:
                opcode, payload = read_frame(self.sock)
            except EOFError:
                return b""
            if opcode == BINARY:
                return payload
            if opcode == PONG:
                self.pongs.append(payload)
            else:
                self.close_code = struct.unpack(">H", payload)[0] if payload else 1005
                return b""

    def fileno(self):
        return self.sock.fileno()

    def settimeout(self, seconds):
        self.sock.settimeout(seconds)

    def close(self):
        self.sock.close()

    def read_close(self):
        """The code of the close that the server sends next, whatever comes before it."""
        while self.recv(0):
            pass
        return self.close_code


def connect(address, seconds=10, **options):
    sock = socket.create_connection(address, timeout=seconds)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return WebSocket(sock, **options)
