# SPDX-License-Identifier: Apache-2.0
"""Servers that are no bus: each speaks something else, or nothing, on a port of its own. STUBS are
no RabbitMQ, ROUTER_STUBS no AMQP 1.0 router."""

import contextlib
import socket
import struct
import threading
import time


def frame(kind, channel, payload, end=b"\xce"):
    return struct.pack(">BHI", kind, channel, len(payload)) + payload + end


def start_method(mechanisms=b"PLAIN AMQPLAIN", table=b"\x00\x00\x00\x00"):
    return (struct.pack(">HHBB", 10, 10, 0, 9) + table +
            struct.pack(">I", len(mechanisms)) + mechanisms + struct.pack(">I", 5) + b"en_US")


TUNE = struct.pack(">HHHIH", 10, 30, 2047, 131072, 60)


class Stub:
    """A server on 127.0.0.1; serve(connection) is run in a thread for each connection."""

    def __init__(self, serve):
        self.serve = serve
        self.socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = self.socket.getsockname()[1]
        self.connections = 0
        self.thread = None

    def __enter__(self):
        self.thread = threading.Thread(target=self._accept, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        # Closed while the thread enters accept(), its number might be a later test's socket by then.
        self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join()
        self.socket.close()

    def _accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self._run, args=(connection,), daemon=True).start()

    def _run(self, connection):
        with connection, contextlib.suppress(OSError):
            connection.settimeout(60)
            self.serve(connection)


def _answer(data, wait=True):
    def serve(connection):
        if wait:
            connection.recv(4096)
        connection.sendall(data)
        time.sleep(0.2)
    return serve


def _silent(connection):
    while connection.recv(4096):
        pass


def _drip(data):
    def serve(connection):
        for byte in data:
            connection.sendall(bytes([byte]))
            time.sleep(0.5)
    return serve


def _endless(connection):
    while True:
        connection.sendall(b"\x01" * 65536)


def _after_start(reply):
    def serve(connection):
        connection.recv(8)
        connection.sendall(frame(1, 0, start_method()))
        connection.recv(4096)
        connection.sendall(reply)
        time.sleep(0.5)
    return serve


HTTP = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
STUBS = {
    "HTTP": _answer(HTTP),
    "AMQP 1.0": _answer(b"AMQP\x00\x01\x00\x00"),
    "AMQP 1.0 with SASL": _answer(b"AMQP\x03\x01\x00\x00"),
    "AMQP 0-8": _answer(b"AMQP\x01\x01\x08\x00"),
    "TLS": _answer(b"\x15\x03\x01\x00\x02\x02\x46"),  # alert: protocol version
    "SSH": _answer(b"SSH-2.0-OpenSSH_9.2p1\r\n", wait=False),
    "closes at once": lambda connection: None,
    "closes after the header": lambda connection: connection.recv(8),
    "says nothing": _silent,
    "one byte at a time": _drip(frame(1, 0, start_method())),
    "noise": _answer(bytes(range(256)) * 40),
    "noise without end": _endless,
    "a frame of 4 GiB": _answer(b"\x01\x00\x00\xff\xff\xff\xff" + b"\x00" * 100),
    "a frame without its end": _answer(frame(1, 0, start_method(), b"\x00")),
    "a table longer than its frame": _answer(frame(1, 0, start_method(table=b"\x00\x0f\xff\xff"))),
    "a mechanism that nobody knows": _answer(frame(1, 0, start_method(b"GSSAPI SCRAM"))),
    "tune before start": _answer(frame(1, 0, TUNE)),
    "a method of another class after start": _after_start(
        frame(1, 0, struct.pack(">HHB", 60, 31, 0))),
    "frames of 10 bytes at most": _after_start(
        frame(1, 0, struct.pack(">HHHIH", 10, 30, 2047, 10, 60))),
    "login refused by closing": _after_start(b""),
}


# --- AMQP 1.0 ---

AMQP, SASL = b"AMQP\x00\x01\x00\x00", b"AMQP\x03\x01\x00\x00"


def frame10(code, fields=b"\x45", channel=0, kind=0, offset=2):
    """fields: the encoded list."""
    return struct.pack(">IBBHBBB", 11 + len(fields), offset, kind, channel, 0, 0x53, code) + fields


def list10(*fields):
    """An encoded list of encoded fields."""
    return struct.pack(">BII", 0xd0, 4 + sum(map(len, fields)), len(fields)) + b"".join(fields)


def symbol10(text):
    return b"\xa3" + bytes([len(text)]) + text


def string10(text):
    return b"\xa1" + bytes([len(text)]) + text


def open10(product=None):
    if product is None:
        return frame10(0x10, list10(string10(b"stub")))
    rows = symbol10(b"product") + string10(product)
    properties = struct.pack(">BII", 0xd1, 4 + len(rows), 2) + rows
    return frame10(0x10, list10(string10(b"stub"), *[b"\x40"] * 8, properties))


def sasl10(*frames):
    return SASL + b"".join(frames)


def mechanisms10(*names):
    items = b"".join(bytes([len(name)]) + name for name in names)
    array = struct.pack(">BIIB", 0xf0, 5 + len(items), len(names), 0xa3) + items
    return frame10(0x40, list10(array), kind=1)


def outcome10(code):
    return frame10(0x44, list10(b"\x50" + bytes([code])), kind=1)


CLOSE10 = frame10(0x18, list10(
    b"\x00\x53\x1d" + list10(symbol10(b"amqp:not-allowed"), string10(b"closed for the night"))))


def _login(connection):
    """Takes what a login with PLAIN begins with, then says no."""
    connection.recv(4096)
    connection.sendall(sasl10(mechanisms10(b"PLAIN", b"ANONYMOUS")))
    connection.recv(4096)
    connection.sendall(outcome10(1))
    time.sleep(0.5)


def _nested(depth):
    fields = b"\x45"
    for _ in range(depth):
        fields = list10(fields)
    return fields


ROUTER_STUBS = {
    **{name: STUBS[name] for name in ("HTTP", "TLS", "SSH", "closes at once",
                                      "closes after the header", "says nothing", "noise")},
    "one byte at a time": _drip(AMQP + open10()),
    "noise without end": STUBS["noise without end"],
    "AMQP 0-9-1": _answer(b"AMQP\x00\x00\x09\x01"),
    "AMQP 0-8": _answer(b"AMQP\x01\x01\x08\x00"),
    "AMQP 2.0": _answer(b"AMQP\x00\x02\x00\x00"),
    "AMQP 1.0's own TLS": _answer(b"AMQP\x02\x01\x00\x00"),
    "wants a login": _answer(SASL),
    "a mechanism that nobody knows": _answer(sasl10(mechanisms10(b"GSSAPI", b"SCRAM-SHA-1"))),
    "login refused": _login,
    "a frame of 4 GiB": _answer(AMQP + b"\xff\xff\xff\xff\x02\x00\x00\x00" + b"\x00" * 100),
    "a frame shorter than its header": _answer(AMQP + b"\x00\x00\x00\x04\x02\x00\x00\x00"),
    "an offset beyond its frame": _answer(AMQP + frame10(0x10, offset=200)),
    "a frame that is no performative": _answer(
        AMQP + b"\x00\x00\x00\x10\x02\x00\x00\x00" + b"\x40" * 8),
    "begin before open": _answer(AMQP + frame10(0x11, list10(b"\x40", b"\x43", b"\x43", b"\x43"))),
    "an open without its name": _answer(AMQP + frame10(0x10)),
    "an open 100 deep": _answer(AMQP + frame10(0x10, list10(string10(b"s"), *[b"\x40"] * 8,
                                                           _nested(100)))),
    "frames of 10 bytes at most": _answer(
        AMQP + frame10(0x10, list10(string10(b"s"), b"\x40", b"\x52\x0a"))),
    "closed with a reason": _answer(AMQP + open10() + CLOSE10),
    "RabbitMQ's plugin": _answer(AMQP + open10(b"RabbitMQ")),
}
