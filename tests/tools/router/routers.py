# SPDX-License-Identifier: Apache-2.0
"""What the tests of the program share: a router of their own, and a peer that says what it likes."""

import os
import signal
import socket
import struct
import subprocess
import sys
import time
import unittest

import proton

PROGRAM = os.path.abspath(os.environ.get("OMBT_ROUTER", "build/dev/bin/ombt-router"))
THREADS = os.environ.get("OMBT_ROUTER_THREADS", "1")
# Patience with a loaded machine.
PATIENCE = float(os.environ.get("OMBT_TEST_PATIENCE", "30"))

AMQP = b"AMQP\0\1\0\0"
SASL = b"AMQP\3\1\0\0"
OPEN, BEGIN, ATTACH, FLOW, TRANSFER, DISPOSITION, DETACH, END, CLOSE = range(0x10, 0x19)


class Router:
    """A process on a free port of 127.0.0.1."""

    def __init__(self, *options, **more):
        self.process = subprocess.Popen([PROGRAM, "--threads", THREADS, *options], stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True, **more)
        self.url = self.process.stdout.readline().strip()
        if not self.url:
            raise AssertionError("no URL: " + self.process.communicate()[1])
        self.port = int(self.url.rsplit(":", 1)[1])

    def stop(self, number=signal.SIGTERM):
        """Its exit status, and what it said."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            _, said = self.process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise
        return self.process.returncode, said

    def memory(self):
        """Bytes of it in memory."""
        with open("/proc/%d/statm" % self.process.pid, encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class RouterTest(unittest.TestCase):
    def router(self, *options, **more):
        made = Router(*options, **more)

        def stop():
            self.assertEqual(made.stop(), (0, ""))
        self.addCleanup(stop)
        return made

    def until(self, condition, what):
        deadline = time.monotonic() + PATIENCE
        while not condition():
            self.assertLess(time.monotonic(), deadline, what)
            time.sleep(0.02)


def performative(code, *fields):
    """Its encoding; fields are Python values of proton."""
    data = proton.Data()
    data.put_described()
    data.enter()
    data.put_ulong(code)
    data.put_list()
    data.enter()
    for field in fields:
        if isinstance(field, tuple):  # a described list: a terminus, an outcome
            data.put_described()
            data.enter()
            data.put_ulong(field[0])
            data.put_list()
            data.enter()
            for inner in field[1:]:
                data.put_object(inner)
            data.exit()
            data.exit()
        else:
            data.put_object(field)
    data.exit()
    data.exit()
    return data.encode()


def frame(code, *fields, payload=b"", channel=0, kind=0):
    body = performative(code, *fields) + payload
    return struct.pack(">IBBH", len(body) + 8, 2, kind, channel) + body


def uint(number):
    return proton.uint(number)


class RawPeer:
    """Speaks frames, and need not keep to any rule."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self.bytes = b""

    def close(self):
        self.socket.close()

    def send(self, *parts):
        self.socket.sendall(b"".join(parts))

    def open(self):
        """Up to a session."""
        self.send(AMQP, frame(OPEN, "raw"), frame(BEGIN, None, uint(0), uint(1000), uint(1000)))
        self.expect(OPEN)
        self.expect(BEGIN)

    def attach(self, name, handle, address, sends, target=None):
        source = (0x28, address)
        self.send(frame(ATTACH, name, uint(handle), not sends, None, None, source,
                        target or (0x29, address), None, None, uint(0) if sends else None))

    def _read(self, size):
        while len(self.bytes) < size:
            got = self.socket.recv(65536)
            if not got:
                raise EOFError
            self.bytes += got
        taken, self.bytes = self.bytes[:size], self.bytes[size:]
        return taken

    def next_frame(self):
        """(code, fields, payload), empty frames left out."""
        if self.bytes[:4] == b"AMQP" or not self.bytes:
            start = self._read(8)
            if start[:4] != b"AMQP":
                self.bytes = start + self.bytes
        while True:
            size, offset, _, _ = struct.unpack(">IBBH", self._read(8))
            body = self._read(size - 8)[(offset - 2) * 4:]
            if not body:
                continue
            data = proton.Data()
            used = data.decode(body)
            data.rewind()
            data.next()
            described = data.get_py_described()
            return int(described.descriptor), described.value, body[used:]

    def expect(self, code):
        """The fields of the next frame of that kind; others are skipped."""
        while True:
            got, fields, _ = self.next_frame()
            if got == code:
                return fields
            if got == CLOSE:
                raise AssertionError("closed: %s" % fields)

    def condition(self):
        """Why the router closes the connection: its close's condition, or "" for the bare end."""
        try:
            while True:
                code, fields, _ = self.next_frame()
                if code == CLOSE:
                    return str(fields[0].value[0]) if fields and fields[0] else "none"
        except (EOFError, ConnectionResetError):
            return ""

    def is_over(self):
        try:
            while self.socket.recv(65536):
                pass
        except ConnectionResetError:
            pass
        return True


def main():
    """Runs the tests that the command line names, or all."""
    sys.dont_write_bytecode = True
    module = sys.modules["__main__"]
    cases = [value for value in vars(module).values()
             if isinstance(value, type) and issubclass(value, unittest.TestCase)
             and value is not RouterTest]
    tests = [(case, name) for case in cases
             for name in unittest.defaultTestLoader.getTestCaseNames(case)]
    wanted = {"test_" + name.replace(" ", "_") for name in sys.argv[1:]}
    suite = unittest.TestSuite(case(name) for case, name in tests if not wanted or name in wanted)
    if suite.countTestCases() < max(1, len(wanted)):
        sys.exit("no such test: %s" % sorted(wanted))
    sys.exit(0 if unittest.TextTestRunner(verbosity=2).run(suite).wasSuccessful() else 1)
