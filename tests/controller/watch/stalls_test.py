#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Stalls told apart in an open loop, on a real bus: the bus stands still for a second, or the agent.

To be run under `ombt-bus rabbit --` or `ombt-bus router --`. OMBT_AGENT names the agents' program,
OMBT_BIN the folder of all."""

import os
import signal
import threading
import time
import unittest

from believed_test import Believed

STALL = 1.0
RATE = 100
SECONDS = 5
# Of the messages of a run, those that a stall holds up: from the first of them to the last, the time
# that they wait falls evenly from STALL to nothing.
HELD_UP = STALL / SECONDS


class Stalls(Believed):
    def run_with_stall(self, *arguments, bus=False):
        """An open loop with a stall of the bus or of the clients' process in its middle."""
        self.agents("--rpc-server", "1")
        log = self.path("messages")
        agents = self.agents("--rpc-client", "1", "--output", log)
        pid = int(os.environ["OMBT_BUS_PID"]) if bus else agents.process.pid
        ended = []

        def stall():
            deadline = time.monotonic() + 60
            while not (os.path.exists(log) and os.path.getsize(log)):  # the run is on
                if time.monotonic() > deadline:
                    return
                time.sleep(0.02)
            time.sleep(0.5)
            os.kill(pid, signal.SIGSTOP)
            time.sleep(STALL)
            os.kill(pid, signal.SIGCONT)
            ended.append(time.monotonic())

        stalling = threading.Thread(target=stall)
        stalling.start()
        self.addCleanup(stalling.join)
        text, report = self.native_run("rpc-call", "--rate", str(RATE), "--duration",
                                       "%ds" % SECONDS, "--expect", "2", *arguments)
        self.assertEqual(len(ended), 1, "nothing was stopped")
        self.assertLess(ended[0], time.monotonic())
        self.assertEqual(report["clients"]["messages_ok"], RATE * SECONDS, text)
        latency = report["clients"]["latency"]
        self.intended, self.actual = latency["intended"], latency
        # At this percentile a message has waited for half of the stall, if it had to wait: half of
        # those that were held up are above it. A busy machine adds to that, it takes nothing away.
        self.assertGreater(self.intended["p90_ms"], 1000 * STALL * (1 - 0.1 / HELD_UP) * 0.9, text)
        self.assertGreater(self.intended["max_ms"], 900 * STALL, text)
        return text, report

    def test_a_bus_that_stops_shows_in_both_latencies(self):
        text, _ = self.run_with_stall(bus=True)
        self.assertGreater(self.actual["p90_ms"], 0.8 * self.intended["p90_ms"], text)
        self.assertGreater(self.actual["max_ms"], 900 * STALL, text)

    def test_with_one_operation_at_once_the_actual_one_shows_only_the_message_in_flight(self):
        text, report = self.run_with_stall("--outstanding", "1", bus=True)
        self.assertGreater(self.actual["max_ms"], 900 * STALL, text)
        self.assertLess(self.actual["p90_ms"], 0.5 * self.intended["p90_ms"], text)
        # Those behind it were sent late, the first of them by almost all of the stall.
        self.assertGreater(report["clients"]["load"]["slip"]["max_ms"], 900 * STALL - 1000 / RATE,
                           text)

    def test_an_agent_that_stops_shows_in_the_intended_one_and_in_the_verdict(self):
        text, report = self.run_with_stall()
        self.assertLess(self.actual["p90_ms"], 0.5 * self.intended["p90_ms"], text)
        self.assertTrue(report["audit"]["harness_limited"], text)
        self.assertRegex(text, r"^harness-limited: ")


if __name__ == "__main__":
    unittest.main(verbosity=2)
