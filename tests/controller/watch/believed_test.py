#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What ombt-controller says of the bus's processes, on a real bus.

To be run under `ombt-bus rabbit --` or `ombt-bus router --`. OMBT_AGENT names the agents' program,
OMBT_BIN the folder of all."""

import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "..", "agents")]
from bus_options_test import OptionsTest, bus    # noqa: E402
from controller_bus_test import controller       # noqa: E402

BIN = os.environ["OMBT_BIN"]
COMMAND = {"rabbit": "beam.smp", "router": "ombt-router"}[bus.kind()]


def name_of(pid):
    with open("/proc/%d/comm" % pid, encoding="utf-8") as file:
        return file.read().strip()


def connections(port):
    """Established ones at a port of 127.0.0.1."""
    with open("/proc/net/tcp", encoding="ascii") as file:
        return sum(line.split()[1] == "0100007F:%04X" % port and line.split()[3] == "01"
                   for line in file)


class BusProcesses(OptionsTest):
    def test_the_bus_is_found_by_its_port_and_sampled_each_second(self):
        self.agents("--rpc-server", "1")
        self.agents("--rpc-client", "7", "--topology", "lean")
        text, report = self.native_run("rpc-call", "--calls", "150", "--pause", "0.02", "--expect",
                                       "8")
        (process,) = report["bus_processes"]
        self.assertEqual(report["bus_notes"], [])
        self.assertEqual(process["command"], COMMAND)
        self.assertEqual(name_of(process["pid"]), COMMAND)
        self.assertEqual(process["ports"], [bus.address().port])
        self.assertIsNone(process["ended"])
        samples, summary = process["samples"], process["summary"]
        self.assertGreaterEqual(len(samples), 3, samples)
        times = [s["t"] for s in samples]
        self.assertEqual(times, sorted(times))
        self.assertLess(abs(times[0] - report["clients"]["start_time"]), 5)
        # The agents' connections, their control, and the controller's: 7 + 2 + 1 + 1 at least.
        self.assertGreaterEqual(summary["tcp_connections_max"], 11)
        self.assertGreater(summary["fds_max"], summary["tcp_connections_max"])
        self.assertGreater(summary["rss_bytes_max"], 1_000_000)
        self.assertGreater(summary["cpu_percent_mean"], 0)
        self.assertGreaterEqual(summary["cpu_percent_max"],
                                max(s["cpu_percent"] or 0 for s in samples[1:-1]) - 1e-6)
        lines = text.split("\nBus processes on this machine:\n", 1)[1].splitlines()
        self.assertRegex(lines[1], r"^%s \(pid %d, port %d\): CPU \d+ %% of a core mean, \d+ %% max;$"
                         % (re.escape(COMMAND), process["pid"], bus.address().port))
        self.assertRegex(lines[2], r"^  RSS \d+ MB, \d+ descriptors, \d+ TCP connections at most$")
        self.assertLessEqual(max(map(len, lines[:3])), 80)

    def test_a_router_that_is_killed_and_started_again_is_two_processes(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        routers = []

        def start():
            routers.append(subprocess.Popen(
                [os.path.join(BIN, "ombt-router"), "--port", str(port)],
                stdout=subprocess.PIPE, text=True))
            self.addCleanup(routers[-1].communicate)
            self.addCleanup(routers[-1].kill)
            return routers[-1].stdout.readline().strip()

        url = start()
        control = ("--control", bus.url())
        self.agents("--rpc-server", "1", *control, url=url)
        self.agents("--rpc-client", "1", *control, "--timeout", "2", url=url)
        before = connections(port)

        def restart():
            while connections(port) <= before:  # the client connects when the run begins
                time.sleep(0.05)
            time.sleep(1.5)
            routers[0].kill()
            start()
        threading.Thread(target=restart, daemon=True).start()
        # Whether a call fails meanwhile is chance.
        done = controller("--topic", self.topic, "--json", self.path("report"), "--url", url,
                          *control, "--timeout", "20", "--expect", "2", "rpc-call", "--calls", "60",
                          "--pause", "0.1")
        self.assertIn(done.returncode, (0, 1), done.stderr)
        with open(self.path("report"), encoding="utf-8") as file:
            report = json.load(file)
        first, second = report["bus_processes"]
        self.assertEqual([first["pid"], second["pid"]], [r.pid for r in routers])
        self.assertIsNotNone(first["ended"])
        self.assertIsNone(second["ended"])
        self.assertEqual((first["ports"], second["ports"]), ([port], [port]))
        self.assertGreaterEqual(first["samples"][-1]["tcp_connections"] or 0, 2)
        self.assertGreaterEqual(second["summary"]["tcp_connections_max"], 2)

    def test_a_bus_elsewhere_is_not_looked_for(self):
        self.agents("--rpc-server", "1")
        self.agents("--rpc-client", "1")
        text, report = self.native_run("--url", "rabbit://192.0.2.1", "--control", bus.url(),
                                       "--expect", "2", "rpc-call")
        self.assertEqual((report["bus_processes"], report["bus_notes"]), ([], []))
        self.assertNotIn("Bus processes", text)


if __name__ == "__main__":
    unittest.main(verbosity=2)
