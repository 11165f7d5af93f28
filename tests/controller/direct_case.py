# SPDX-License-Identifier: Apache-2.0
"""What tests of direct control with real processes share: a port, a folder of local sockets and a
token of their own."""

import os
import re
import socket
import sys
import tempfile
import time
import urllib.request

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from controller_case import ControllerCase, URL  # noqa: E402
from peers import PATIENCE  # noqa: E402


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class DirectCase(ControllerCase):
    def setUp(self):
        super().setUp()
        private = tempfile.mkdtemp(prefix="ombt-direct-")
        self.addCleanup(os.rmdir, private)
        self.runtime = os.path.join(private, "run")
        os.mkdir(self.runtime, 0o700)
        self.addCleanup(self.clear, self.runtime)
        token = os.path.join(self.folder.name, "token")
        with open(token, "w", encoding="ascii") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write("a token of this test alone, %d\n" % os.getpid())
        self.environment(OMBT_RUNTIME_DIR=self.runtime, OMBT_TOKEN_FILE=token, OMBT_CONTROL=None)
        self.port = free_port()
        self.tcp = "tcp://127.0.0.1:%d" % self.port
        self.unix = "unix:" + os.path.join(self.runtime, "%d.sock" % self.port)

    @staticmethod
    def clear(folder):
        for name in os.listdir(folder):
            os.unlink(os.path.join(folder, name))
        os.rmdir(folder)

    def environment(self, **values):
        before = {name: os.environ.get(name) for name in values}

        def put(names):
            for name, value in names.items():
                os.environ.pop(name, None)
                if value is not None:
                    os.environ[name] = value
        put(values)
        self.addCleanup(put, before)

    def agents(self, *arguments, control=None):
        return self.native("--url", URL, "--control", control or self.tcp, *arguments)

    def status(self, *arguments, **options):
        return self.run_json("status", "--control", self.tcp, *arguments, **options)[1]

    def wait_for(self, what, true):
        deadline = time.monotonic() + PATIENCE
        while not true():
            self.assertLess(time.monotonic(), deadline, what)
            time.sleep(0.05)

    def begun(self, *arguments):
        """A controller whose clients are at work, as its figures say."""
        run = self.started(*arguments, "--metrics", "127.0.0.1:0")
        first = run.stderr.readline()
        figures = re.fullmatch(r"ombt-controller: figures are at (\S+)\n", first)
        self.assertTrue(figures, first)

        def running():
            with urllib.request.urlopen(figures[1], timeout=PATIENCE) as answer:
                return 'ombt_phase{phase="running"} 1\n' in answer.read().decode()
        self.wait_for("the run", running)
        return run
