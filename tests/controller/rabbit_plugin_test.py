#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""RabbitMQ's own AMQP 1.0 plugin as an amqp:// bus: every program says in one line why that is no
use, at once, and the same broker serves as rabbit://.

Run under `ombt-bus rabbit --plugin rabbitmq_amqp1_0 --`; OMBT_BIN is the folder of the programs.
"""

import os
import subprocess
import sys
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "interop"))
import bus  # noqa: E402
from peers import PATIENCE  # noqa: E402

BIN = os.environ["OMBT_BIN"]
RABBIT = bus.url()
AMQP = RABBIT.replace("rabbit://", "amqp://", 1)
WHY = "RabbitMQ's AMQP 1.0 plugin, which can't carry oslo.messaging's traffic"
INSTEAD = "use rabbit:// for RabbitMQ"
LIMIT = 60  # of every program: none may use it up


def run(program, *arguments):
    environment = {k: v for k, v in os.environ.items() if k != "OMBT_URL"}
    return subprocess.run([os.path.join(BIN, program), *map(str, arguments)], text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=PATIENCE, env=environment, check=False)


class RabbitPlugin(unittest.TestCase):
    def refused(self, program, *arguments):
        began = time.monotonic()
        done = run(program, "--topic", bus.unique("t"), "--timeout", LIMIT, *arguments)
        self.assertLess(time.monotonic() - began, LIMIT / 2)
        self.assertEqual((done.returncode, done.stdout), (1, ""), done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)
        for words in (program + ": ", WHY, INSTEAD):
            self.assertIn(words, done.stderr)
        self.assertNotIn("guest:guest", done.stderr)

    def test_agents_do_not_become_ready(self):
        self.refused("ombt-agent", "--url", AMQP, "--rpc-server", 1, "--rpc-client", 1)
        self.refused("ombt-agent", "--url", AMQP, "--listener", 1, "--notifier", 1, "--daemon")
        for topology in ("lean", "shared:1"):
            self.refused("ombt-agent", "--url", AMQP, "--rpc-server", 2, "--topology", topology)

    def test_agents_whose_bus_under_test_alone_is_the_plugin(self):
        self.refused("ombt-agent", "--url", AMQP, "--control", RABBIT, "--rpc-server", 1)
        self.refused("ombt-agent", "--url", AMQP, "--control", RABBIT, "--rpc-client", 1)
        self.refused("ombt-agent", "--url", AMQP, "--control", RABBIT, "--notifier", 1, "--daemon")
        self.refused("ombt-agent", "--url", RABBIT, "--control", AMQP, "--rpc-server", 1)

    def test_the_controller_makes_no_contact(self):
        self.refused("ombt-controller", "--url", AMQP, "rpc-call", "--calls", 1)
        self.refused("ombt-controller", "--url", RABBIT, "--control", AMQP, "status")

    def test_ombt_says_the_same(self):
        self.refused("ombt", "--url", AMQP, "rpc", "--calls", 1)
        self.refused("ombt", "--url", AMQP, "rpc-client")
        self.refused("ombt", "--url", AMQP, "controller", "shutdown")

    def test_the_same_broker_serves_as_rabbit(self):
        done = run("ombt", "--url", RABBIT, "--topic", bus.unique("t"), "rpc", "--calls", 10)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        self.assertIn("Total Messages: 10", done.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
