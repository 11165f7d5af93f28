#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""ombt's command line on buses of either kind: ombt_test.py [--control-on KIND].

Its modes and options themselves are tested where the program is; here it is that they work over the
bus that OMBT_URL names, with control on it or on one of the kind "rabbit" or "router".
"""

import os
import re
import subprocess
import unittest

import bus
from peers import PATIENCE, Peer

CONTROL_ON = bus.option("--control-on")


class Ombt(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.control = bus.url()
        if CONTROL_ON is not None:
            private = bus.Private(CONTROL_ON)
            cls.addClassCleanup(private.end)
            cls.control = private.url

    def setUp(self):
        self.topic = bus.unique("ombt")
        self.common = ["--url", bus.url(), "--topic", self.topic]
        if CONTROL_ON is not None:
            self.common += ["--control", self.control]

    def run_ombt(self, *arguments):
        # As ombt it does not look at the environment.
        environment = {k: v for k, v in os.environ.items() if k not in ("OMBT_URL", "OMBT_CONTROL")}
        done = subprocess.run([os.path.join(bus.BIN, "ombt"), *self.common, *arguments],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=2 * PATIENCE, check=False, env=environment)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        return done.stdout

    @staticmethod
    def totals(text):
        return [int(n) for n in re.findall("^Total Messages: ([0-9]+)$", text, re.MULTILINE)]

    def test_client_and_server_in_one_process(self):
        for arguments in (("rpc", "--calls", "40"), ("rpc", "--cast", "--calls", "40"),
                          ("notify", "--calls", "40")):
            with self.subTest(arguments):
                self.assertEqual(self.totals(self.run_ombt(*arguments)), [40, 40])

    def daemon(self, mode):
        self.assertRegex(self.run_ombt(mode, "--daemon"), r"^\S+( \S+)* is ready\n$")

    def check(self, servers, clients):
        for test, count, sent, heard in (
                ("rpc-call", "--calls", 20 * clients, 20 * clients),
                ("rpc-cast", "--calls", 20 * clients, 20 * clients),
                ("rpc-fanout", "--calls", 20 * clients, 20 * clients * servers),
                ("notify", "--events", 20 * clients, 20 * clients)):
            with self.subTest(test):
                self.assertEqual(
                    self.totals(self.run_ombt("controller", test, count, "20")), [sent, heard])

    def test_daemons_and_a_controller(self):
        for mode in ("rpc-server", "rpc-server", "rpc-client", "listener", "notifier"):
            self.daemon(mode)
        self.addCleanup(self.run_ombt, "controller", "shutdown")
        self.check(servers=2, clients=1)

    def test_python_agents_among_them(self):
        for mode in ("rpc-server", "rpc-client", "listener", "notifier"):
            self.daemon(mode)
        self.addCleanup(self.run_ombt, "controller", "shutdown")
        agents = Peer("agent", url=bus.url(), control=self.control, topic=self.topic,
                      agents=["RPCServer", "RPCClient", "Listener", "Notifier"])
        self.addCleanup(agents.kill)
        self.check(servers=2, clients=2)


if __name__ == "__main__":
    bus.main()
