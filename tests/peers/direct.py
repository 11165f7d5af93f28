# SPDX-License-Identifier: Apache-2.0
"""A controller of direct control (docs/direct.md) over a local socket: says frames, hears frames.

Not a peer in the sense of the others here: it is in the test's own process."""

import itertools
import json
import os
import socket
import struct
import uuid

PATIENCE = float(os.environ.get("OMBT_TEST_PATIENCE", "30"))
OWNER = "-" * 16


class Gone(Exception):
    """The other end has ended the connection."""


class Connection:
    """To the process of that key, by default to whoever owns the port."""

    def __init__(self, path, process=OWNER):
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(path)
        self.socket.sendall(b"ombt/1 %s\n" % process.encode())
        self.notices = []
        self.ids = itertools.count(1)

    def close(self):
        self.socket.close()

    def send_bytes(self, data):
        self.socket.sendall(data)

    def send_text(self, text):
        self.send_bytes(struct.pack(">I", len(text)) + text)

    def send(self, **message):
        self.send_text(json.dumps(message).encode())

    def _read(self, size):
        data = b""
        while len(data) < size:
            try:
                more = self.socket.recv(size - len(data))
            except ConnectionError as lost:
                raise Gone() from lost
            if not more:
                raise Gone()
            data += more
        return data

    def frame(self):
        (size,) = struct.unpack(">I", self._read(4))
        return json.loads(self._read(size))

    def ask(self, method, args=None, kind=None, topic=None):
        """The whole answer; notices that come before it are kept."""
        number = next(self.ids)
        message = {"id": number, "method": method}
        message.update({k: v for k, v in (("kind", kind), ("topic", topic), ("args", args)) if v})
        self.send(**message)
        while True:
            frame = self.frame()
            if "method" not in frame:
                assert frame["id"] == number, frame
                return frame
            self.notices.append(frame)

    def result(self, *arguments, **more):
        answer = self.ask(*arguments, **more)
        assert "result" in answer, answer
        return answer["result"]

    def error(self, *arguments, **more):
        return self.ask(*arguments, **more)["error"]

    def wait_for(self, method, count=1):
        """So many notices of that method, taken from what was heard."""
        while True:
            found = [one for one in self.notices if one["method"] == method]
            if len(found) >= count:
                self.notices = [one for one in self.notices if one not in found]
                return found
            self.notices.append(self.frame())


class Controller(Connection):
    """That has said its hello."""

    def __init__(self, path, process, topic):
        super().__init__(path, process)
        self.topic = topic
        self.name = "ombt-%s-None-here-%d-%s-native" % (topic, os.getpid(), uuid.uuid4().hex)
        self.reply = {"reply_addr": {"exchange": "ombt-control", "topic": "controller-" + topic,
                                     "server": self.name}}
        self.hello = self.result("hello", {"version": 1, "controller": self.name, "host": "here",
                                           "pid": os.getpid()})

    def command(self, method, kind, args=None, topic=None):
        return self.ask(method, args or self.reply, kind=kind, topic=topic or self.topic)

    def test(self, run, test="test_call", count=10, pause=0.0, data="X", **extra):
        return {"test": test, **self.reply,
                "kwargs": {"verbose": False, "pause": pause, "data": data, "count": count,
                           "ombt": {"run": run, "detail": 1, **extra}}}

    def prepare(self, run, kind="RPCClient", **more):
        return self.command("prepare", kind, self.test(run, **more))

    def start(self, run, boot="", monotonic_ns=0, realtime_ns=0):
        return self.ask("start", {"run": run, "boot": boot, "monotonic_ns": monotonic_ns,
                                  "realtime_ns": realtime_ns})

    def cancel(self, run, kind="RPCClient"):
        return self.command("run_test", kind, {"test": "cancel_run", **self.reply,
                                               "kwargs": {"ombt": {"run": run}}})


def processes(path):
    """What the owner of the port tells of it."""
    connection = Connection(path)
    try:
        return connection.frame()["args"]
    finally:
        connection.close()
