# SPDX-License-Identifier: Apache-2.0
"""Servers that are no RabbitMQ: each speaks something else, or nothing, on a port of its own."""

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


def _drip(connection):
    for byte in frame(1, 0, start_method()) * 100:
        connection.sendall(bytes([byte]))
        time.sleep(0.5)


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
    "one byte at a time": _drip,
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
