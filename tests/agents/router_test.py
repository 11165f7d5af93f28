#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What agents on a router tell of it that a broker never gives rise to.

To be run under `ombt-bus router --`. OMBT_AGENT names the agents' program, OMBT_BIN the folder of
all."""

import os
import subprocess
import unittest

from bus_options_test import Bound, NOTHING, OptionsTest, bus  # noqa: F401 (Bound's tests run)


class Counted(OptionsTest):
    def another_router(self):
        started = subprocess.Popen([os.path.join(os.environ["OMBT_BIN"], "ombt-router")],
                                   stdout=subprocess.PIPE, text=True)
        self.addCleanup(started.communicate)
        self.addCleanup(started.kill)
        return started.stdout.readline().strip()

    def test_messages_that_the_bus_would_not_take_are_counted(self):
        """The server is on another bus than the clients; all are controlled over one."""
        self.agents("--rpc-server", "1", "--control", bus.url(), url=self.another_router())
        clients = self.agents("--rpc-client", "2", "--timeout", "2")
        text, report = self.native_run("--timeout", "8", "--expect", "3", "rpc-cast", "--calls", "3",
                                       status=1)
        self.assertEqual(report["clients"]["links"], dict(NOTHING, sent_without_credit=6))
        self.assertEqual((report["clients"]["messages_ok"], report["messages_received"]), (6, 0))
        self.assertIn("\nMessages sent without credit: 6\n", text)
        self.assertEqual(clients.stop(), (0, "", "ombt-agent: counted on the bus: 6 messages sent "
                                          "without credit, 6 messages lost without credit\n"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
