#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What ombt-controller says of the bus's processes and of the agents' own threads, on a real bus.

To be run under `ombt-bus rabbit --` or `ombt-bus router --`. OMBT_AGENT names the agents' program,
OMBT_BIN the folder of all."""

import glob
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "..", "agents")]
from bus_options_test import OptionsTest, bus    # noqa: E402
from controller_case import controller       # noqa: E402

BIN = os.environ["OMBT_BIN"]
COMMAND = {"rabbit": "beam.smp", "router": "ombt-router"}[bus.kind()]
# What a machine that is busy with other tests does not reach.
PATIENT = ("--audit", "delay=100", "--audit", "lag=60000")


def name_of(pid):
    with open("/proc/%d/comm" % pid, encoding="utf-8") as file:
        return file.read().strip()


def connections(port):
    """Established ones at a port of 127.0.0.1."""
    with open("/proc/net/tcp", encoding="ascii") as file:
        return sum(line.split()[1] == "0100007F:%04X" % port and line.split()[3] == "01"
                   for line in file)


def wake_ups(agents, seconds):
    """Of all threads of a process, in so many seconds."""
    def count():
        total = 0
        for status in glob.glob("/proc/%d/task/*/status" % agents.process.pid):
            with open(status, encoding="utf-8") as file:
                total += int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", file.read(),
                                       re.MULTILINE).group(1))
        return total
    before = count()
    time.sleep(seconds)
    return count() - before


class Believed(OptionsTest):
    def limited(self, *arguments, status=0):
        """The reasons of a run that must be harness-limited."""
        text, report = self.native_run(*arguments, status=status)
        self.assertTrue(report["audit"]["harness_limited"], report["audit"])
        reasons = report["audit"]["reasons"]
        lines = text.splitlines()
        self.assertLessEqual(max(map(len, lines[:2 * len(reasons)])), 80)
        self.assertEqual(text.replace("\n  ", " ").splitlines()[:len(reasons)], reasons)
        return reasons


class BusProcesses(Believed):
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

    def test_with_a_warm_up_it_is_watched_in_the_run_that_counts_and_only_then(self):
        self.agents("--rpc-server", "1")
        self.agents("--rpc-client", "1")
        for test in "rpc-call", "rpc-cast":
            with self.subTest(test):
                _, report = self.native_run(test, "--duration", "2s", "--pause", "0.01", "--warmup",
                                            "4s", "--expect", "2")
                (process,) = report["bus_processes"]
                times = [s["t"] for s in process["samples"]]
                self.assertGreater(times[0], report["clients"]["start_time"] - 2)
                self.assertGreaterEqual(times[-1], report["clients"]["stop_time"] - 0.01)
                self.assertGreaterEqual(len(times), 2)

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

        def restart():
            time.sleep(3)  # in the run
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


class Audit(Believed):
    def test_an_idle_generator_is_not_the_limit(self):
        self.agents("--rpc-server", "2")
        self.agents("--rpc-client", "2", "--threads", "2")
        text, report = self.native_run("rpc-call", "--calls", "30", "--pause", "0.05", "--expect",
                                       "4", "--strict", *PATIENT)
        audit = report["audit"]
        self.assertIs(audit["harness_limited"], False)
        self.assertTrue(text.startswith("RPC call test results\n"), text)
        self.assertRegex(text, r"\n\nSelf-audit:\n-----------\n3 I/O threads, the worst figures: "
                         r"CPU [\d.]+ % of a core,\n  run delay [\d.]+ %, loop lag [\d.]+ ms \(p99\)\n")
        self.assertEqual(sorted((t["kind"], t["thread"]) for t in audit["threads"]),
                         [("RPCClient", 0), ("RPCClient", 1), ("RPCServer", 0)])
        for thread in audit["threads"]:
            self.assertEqual(thread["host"], socket.gethostname())
            self.assertGreaterEqual(thread["seconds"], 1.4)
            self.assertLess(thread["seconds"], 60)
            self.assertEqual((thread["busy_seconds"], thread["late"], thread["scheduled"]), (0, 0, 0))
            self.assertLess(thread["cpu_percent_mean"], 60)
            self.assertIsNotNone(thread["run_delay_percent"])
            self.assertGreater(thread["loop_lag_p99_ms"], 0)

    def test_a_cpu_hog_beside_the_agents_makes_the_run_harness_limited(self):
        core = str(min(os.sched_getaffinity(0)))
        self.agents("--rpc-server", "1")
        agents = self.agents("--rpc-client", "20")
        subprocess.run(["taskset", "-a", "-p", "-c", core, str(agents.process.pid)], check=True,
                       stdout=subprocess.DEVNULL)
        for _ in range(6):
            hog = subprocess.Popen(["taskset", "-c", core, "sh", "-c", "while :; do :; done"])
            self.addCleanup(hog.wait)
            self.addCleanup(hog.kill)
        run = ("--expect", "21", "rpc-call", "--calls", "400", "--pause", "0.003")
        reasons = self.limited(*run)
        who = "harness-limited: I/O thread of agent process %d on %s " % (
            agents.process.pid, socket.gethostname())
        self.assertTrue(any(reason.startswith(who + "waited for a CPU ") for reason in reasons),
                        reasons)
        done = controller("--topic", self.topic, *run, "--strict")
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("ombt-controller: " + who, done.stderr)

    def test_a_thread_that_works_all_the_time_is_named(self):
        self.agents("--rpc-server", "1")
        agents = self.agents("--rpc-client", "20")
        # So that it is one whatever else the machine does.
        limits = ("--audit", "core=5", "--audit", "seconds=50")
        reasons = self.limited("--expect", "21", "rpc-call", "--calls", "400", "--pause",
                               "0.003", *limits, *PATIENT)
        self.assertEqual(len(reasons), 1, reasons)
        self.assertRegex(reasons[0], r"^harness-limited: I/O thread of agent process \d+ on %s at "
                         r"[\d.]+ %% of a core in [\d.]+ %% of the seconds$"
                         % re.escape(socket.gethostname()))
        self.assertIsNone(agents.process.poll())

    def test_an_agent_that_was_stopped_for_a_while_is_the_limit(self):
        self.agents("--rpc-server", "1")
        agents = self.agents("--rpc-client", "1")

        over = threading.Event()

        def stop_now_and_then():
            while not over.is_set():
                agents.process.send_signal(signal.SIGSTOP)
                time.sleep(0.3)
                agents.process.send_signal(signal.SIGCONT)
                over.wait(0.7)
        stopping = threading.Thread(target=stop_now_and_then)
        stopping.start()
        self.addCleanup(stopping.join)
        self.addCleanup(over.set)
        reasons = self.limited("--expect", "2", "rpc-call", "--calls", "30", "--pause", "0.1",
                               "--audit", "delay=100", "--audit", "lag=100")
        self.assertRegex(reasons[0], r"^harness-limited: I/O thread of agent process %d on %s: "
                         r"timers [\d.]+ ms late \(p99\)$"
                         % (agents.process.pid, re.escape(socket.gethostname())))

    def test_a_short_run_says_that_it_is_too_short(self):
        self.agents("--rpc-server", "1")
        self.agents("--rpc-client", "1")
        text, report = self.native_run("rpc-call", "--expect", "2", "--strict")
        self.assertIsNone(report["audit"]["harness_limited"])
        self.assertRegex(text, r"\nSelf-audit:\n-----------\n2 I/O threads: too short to say "
                         r"\(0\.\d\d s; 1 s is needed\)\n")

    def test_agents_at_rest_have_no_timer(self):
        """The audit of clients ends with the run, that of servers ten seconds after its last
        message: then what a process wakes up for is its buses."""
        clients = self.agents("--rpc-client", "1")
        servers = self.agents("--rpc-server", "1")
        self.native_run("rpc-call", "--calls", "3", "--expect", "2")
        asked = time.monotonic()
        time.sleep(0.5)
        self.assertLess(wake_ups(clients, 2), 60)  # the timer alone would be 200
        if bus.kind() == "router":
            time.sleep(max(0, asked + 12.5 - time.monotonic()))
            self.assertLess(wake_ups(servers, 2), 60)


if __name__ == "__main__":
    unittest.main(verbosity=2)
