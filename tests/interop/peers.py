# SPDX-License-Identifier: Apache-2.0
"""Starts and drives peer programs: the Python ones of tests/peers and native_peer alike."""

import collections
import json
import os
import queue
import signal
import subprocess
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PYTHON_PEERS = os.path.join(ROOT, "tests", "peers")
PYTHON = "/usr/bin/python3"
# Patience with a loaded machine; what is expected to happen happens in a fraction of it.
PATIENCE = float(os.environ.get("OMBT_TEST_PATIENCE", "30"))


class PeerError(AssertionError):
    """A peer died, kept silent too long or said that a command failed."""


def command_of(kind, side):
    """The command line of a peer: side "python" or "native", kind "rpc_server" and so on."""
    if side == "python":
        return [PYTHON, os.path.join(PYTHON_PEERS, kind + ".py")]
    return [os.environ.get("OMBT_NATIVE_PEER", os.path.join(ROOT, "build/dev/bin/native_peer")),
            kind]


class Peer:
    """One peer process. Lines about a command are collected under its id."""

    def __init__(self, kind, side="python", wait=True, **options):
        self.kind, self.side, self.options = kind, side, options
        self.name = "%s %s" % (side, kind)
        if side == "native" or options.get("topology") is None:
            shown = options
        else:
            shown = {k: v for k, v in options.items() if k != "topology"}
        self.process = subprocess.Popen(
            command_of(kind, side) + [json.dumps(shown)], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True)
        self.lines = []
        self.errors = []
        self._arrived = threading.Condition()
        self._ended = False
        self._ids = 0
        for target in (self._read, self._read_errors):
            threading.Thread(target=target, daemon=True).start()
        if wait:
            self.wait_ready()

    def _read(self):
        for text in self.process.stdout:
            try:
                line = json.loads(text)
            except ValueError:
                line = {"event": "garbage", "text": text}
            with self._arrived:
                self.lines.append(line)
                self._arrived.notify_all()
        with self._arrived:
            self._ended = True
            self._arrived.notify_all()

    def _read_errors(self):
        for text in self.process.stderr:
            self.errors.append(text)

    def wait_for(self, condition, what, timeout=PATIENCE):
        """The first line for which condition holds, those already read included."""
        deadline = time.monotonic() + timeout
        seen = 0
        with self._arrived:
            while True:
                while seen < len(self.lines):
                    seen += 1
                    if condition(self.lines[seen - 1]):
                        return self.lines[seen - 1]
                left = deadline - time.monotonic()
                if self._ended or left <= 0:
                    raise PeerError("%s: no %s%s; last lines %s; standard error %s" % (
                        self.name, what, " (process ended)" if self._ended else "",
                        self.lines[-3:], "".join(self.errors)[-2000:]))
                self._arrived.wait(left)

    def wait_ready(self, timeout=PATIENCE):
        return self.wait_for(lambda line: line["event"] == "ready", "ready", timeout)

    def start(self, do, **command):
        """Gives a command without waiting for its end; returns its id."""
        self._ids += 1
        command.update(do=do, id=self._ids)
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        return self._ids

    def finish(self, number, timeout=PATIENCE):
        """All lines of a command, once it is done."""
        self.wait_for(lambda line: line["event"] == "done" and line["id"] == number,
                      "end of command %d" % number, timeout)
        with self._arrived:
            lines = [line for line in self.lines if line.get("id") == number]
        for line in lines:
            if line["event"] == "failed":
                raise PeerError("%s: command failed: %s" % (self.name, line))
        return lines

    def run(self, do, patience=PATIENCE, **command):
        return self.finish(self.start(do, **command), patience)

    def one(self, do, patience=PATIENCE, **command):
        """Runs a single call or cast; its result line."""
        return [line for line in self.run(do, patience, **command) if line["event"] == "result"][0]

    def many(self, do, patience=PATIENCE, **command):
        """Runs many operations; their summary."""
        command.setdefault("quiet", True)
        return [line for line in self.run(do, patience, **command) if line["event"] == "summary"][0]

    def report(self):
        return [line for line in self.run("report") if line["event"] == "report"][0]

    def wait_report(self, condition, what, timeout=PATIENCE):
        """A server's report, once condition(report) holds."""
        deadline = time.monotonic() + timeout
        while True:
            report = self.report()
            if condition(report):
                return report
            if time.monotonic() > deadline:
                raise PeerError("%s: %s; last report %s" % (self.name, what, report))
            time.sleep(0.1)

    def notifications(self):
        with self._arrived:
            return [line for line in self.lines if line["event"] == "notification"]

    def wait_notifications(self, count, timeout=PATIENCE):
        deadline = time.monotonic() + timeout
        with self._arrived:
            while True:
                found = [line for line in self.lines if line["event"] == "notification"]
                if len(found) >= count:
                    return found
                left = deadline - time.monotonic()
                if self._ended or left <= 0:
                    raise PeerError("%s: %d of %d notifications; standard error %s" % (
                        self.name, len(found), count, "".join(self.errors)[-2000:]))
                self._arrived.wait(left)

    def close(self, timeout=PATIENCE):
        """Closes cleanly (the Python library takes up to 5 s for it) and checks the exit status."""
        if self.process.poll() is None:
            try:
                self.process.stdin.write('{"do": "close"}\n')
                self.process.stdin.close()
            except (BrokenPipeError, ValueError):
                pass
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired as silent:
            self.kill()
            raise PeerError("%s: did not close" % self.name) from silent
        if status != 0:
            raise PeerError("%s: exit status %d; standard error %s" % (
                self.name, status, "".join(self.errors)[-2000:]))

    def kill(self):
        """Ends the process at once; what a test does that isn't about closing."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            try:
                stream.close()
            except (BrokenPipeError, OSError, ValueError):
                pass
