# SPDX-License-Identifier: Apache-2.0
"""What tests of ombt-controller on a real bus begin with: agents, a controller, a cable to cut.

OMBT_BIN is the folder of the programs; the environment names the bus.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "interop"))
import bus  # noqa: E402
import schema  # noqa: E402
from peers import PATIENCE, Peer  # noqa: E402

BIN = os.environ["OMBT_BIN"]
# Named on the command line where a test needs that; else the environment says it.
URL = bus.url()


def controller(*arguments, timeout=PATIENCE, env=None, program="ombt-controller"):
    """Runs the controller to its end."""
    return subprocess.run([os.path.join(BIN, program), *map(str, arguments)], text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout,
                          env=dict(os.environ, **(env or {})), check=False)


class NativeAgents:
    """An ombt-agent process, ready."""

    def __init__(self, topic, *arguments):
        self.process = subprocess.Popen(
            [os.path.join(BIN, "ombt-agent"), "--topic", topic, *map(str, arguments)], text=True,
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        count = sum(int(arguments[i + 1]) for i, a in enumerate(arguments)
                    if a in ("--rpc-client", "--rpc-server", "--listener", "--notifier"))
        self.names = []
        for _ in range(count):
            line = self.process.stdout.readline()
            if not line.rstrip().endswith(" is ready"):
                raise AssertionError("agent said %r" % line)
            self.names.append(line.split()[-3])

    def stop(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
        self.process.stdout.close()
        return self.process.wait(PATIENCE)


class Cable:
    """A TCP proxy to the bus that can be cut, all connections at once, and mended."""

    def __init__(self):
        self.address = bus.address()
        self.server = None
        self.pairs = []
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.mend()

    def url(self):
        return self.address.url(port=self.port)

    def mend(self):
        self.server = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self.server,), daemon=True).start()

    def cut(self):
        """Ends every connection and takes no more; how many there were."""
        self._end(self.server)
        pairs, self.pairs = self.pairs, []
        for pair in pairs:
            for end in pair:
                self._end(end)
        return len(pairs)

    @staticmethod
    def _end(end):
        try:
            end.shutdown(socket.SHUT_RDWR)  # wakes whoever reads it
        except OSError:
            pass
        end.close()

    def _accept(self, server):
        while True:
            try:
                near, _ = server.accept()
            except OSError:
                return
            far = socket.create_connection((self.address.host, self.address.port))
            self.pairs.append((near, far))
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    @classmethod
    def _carry(cls, source, sink):
        try:
            while True:
                data = source.recv(65536)
                if not data:
                    break
                sink.sendall(data)
        except OSError:
            pass
        cls._end(source)
        cls._end(sink)


class ControllerCase(unittest.TestCase):
    maxDiff = 3000

    def setUp(self):
        self.topic = bus.unique("t")
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def native(self, *arguments, topic=None):
        agents = NativeAgents(topic or self.topic, *arguments)
        self.addCleanup(agents.stop)
        return agents

    def python(self, *kinds, **options):
        peer = Peer("agent", url=URL, topic=self.topic, agents=list(kinds), **options)
        self.addCleanup(peer.kill)
        return peer

    def started(self, *arguments):
        """A controller that runs while the test goes on."""
        process = subprocess.Popen(
            [os.path.join(BIN, "ombt-controller"), "--topic", self.topic, *map(str, arguments)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        return process

    def check_refused(self, command, arguments, named):
        """Before anything connects, in one line that names these."""
        with self.subTest(arguments):
            done = controller(command, *arguments)
            self.assertEqual(done.returncode, 2)
            self.assertEqual(done.stdout, "")
            self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
            for name in named:
                self.assertIn(name, done.stderr)

    def run_json(self, *arguments, status=0, **options):
        """A run's text and its JSON report."""
        path = os.path.join(self.folder.name, "report.json")
        done = controller(*arguments, "--topic", self.topic, "--json", path, **options)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        with open(path, encoding="utf-8") as file:
            return done, schema.check(json.load(file))

    def check_sums(self, report, clients, servers, per_client, factor=1):
        sent = clients * per_client
        self.assertTrue(report["ok"], report)
        self.assertEqual(report["clients"]["agents"], clients)
        self.assertEqual(report["servers"]["agents"], servers)
        self.assertEqual(report["clients"]["messages_ok"], sent)
        self.assertEqual(report["clients"]["messages_failed"], 0)
        self.assertEqual(report["servers"]["messages_ok"], sent * factor)
        self.assertEqual(report["messages_received"], sent * factor)
        # What Python agents cannot say is unknown, never lost.
        ledger = report["ledger"]
        self.assertEqual((ledger["lost"], ledger["duplicated"], ledger["failed"]), (0, 0, 0), ledger)
        self.assertEqual(ledger["sent"], ledger["delivered"] + ledger["unknown"], ledger)
        self.assertEqual(ledger["complete"], ledger["delivered"] == sent and not ledger["gaps"])
        self.assertEqual(report["clients"]["errors"], [])
        self.assertEqual(sum(a["messages_ok"] for a in report["agents"]
                             if a["kind"] == report["clients"]["kind"]), sent)

    def every_test(self, clients, servers, notifiers, listeners, *options):
        """All four tests, twice: the second starts from zero."""
        for _ in range(2):
            for command, factor in (("rpc-call", 1), ("rpc-cast", 1), ("rpc-fanout", servers)):
                with self.subTest(command):
                    done, report = self.run_json(command, "--calls", 30, "--expect",
                                                 clients + servers, *options)
                    self.check_sums(report, clients, servers, 30, factor)
                    self.assertEqual(done.stderr, "")
                    self.assertIn("%d RPC clients, %d RPC Servers (%d total)\n" % (
                        clients, servers, clients + servers), done.stdout)
            with self.subTest("notify"):
                done, report = self.run_json("notify", "--events", 30, "--expect",
                                             notifiers + listeners, *options)
                self.check_sums(report, notifiers, listeners, 30)
