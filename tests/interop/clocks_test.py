#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Agents on machines whose clocks are apart: clock_shim makes a process one of another machine, with
another boot id and a clock that is off by as much as a file says, and drifts. Since all of them are on
one machine in truth, what is right is known: a call arrives after it was sent and before it ended.

To be run under `ombt-bus rabbit --` or `ombt-bus router --`; OMBT_CLOCK_SHIM names the library.
"""

import contextlib
import glob
import json
import os
import re
import signal
import struct
import sys
import tempfile
import threading
import time
import unittest
import uuid

import bus
from control_test import NativeAgents, NativeController, PythonAgents

sys.path.insert(0, os.path.join(bus.ROOT, "tests", "controller"))
import schema  # pylint: disable=wrong-import-position

SHIM = os.environ["OMBT_CLOCK_SHIM"]
CALLS = 300


def wake_ups(pid):
    """Of all threads of a process."""
    total = 0
    for status in glob.glob("/proc/%d/task/*/status" % pid):
        with open(status, encoding="utf-8") as file:
            total += int(re.search(r"^voluntary_ctxt_switches:\s+(\d+)", file.read(),
                                   re.MULTILINE).group(1))
    return total


class Machine:
    """Another machine, for the processes that are started inside `with machine.here():`."""

    def __init__(self, folder, ahead, drift=0.0):
        self.boot = str(uuid.uuid4())
        self.path = os.path.join(folder, self.boot)
        self.drift = drift
        self.set_clock(ahead)
        self.started = time.monotonic()

    def set_clock(self, ahead):
        """So many seconds ahead of the true time."""
        self.ahead = ahead
        with open(self.path, "ab"):
            pass
        with open(self.path, "r+b", buffering=0) as file:
            file.write(struct.pack("=q", round(ahead * 1e9)))

    @contextlib.contextmanager
    def here(self):
        before = dict(os.environ)
        # A sanitizer's library would have to be the first.
        sanitizer = ":".join(filter(None, [before.get("ASAN_OPTIONS"), "verify_asan_link_order=0"]))
        os.environ.update(LD_PRELOAD=SHIM, OMBT_SHIM_OFFSET=self.path, OMBT_SHIM_BOOT_ID=self.boot,
                          OMBT_SHIM_DRIFT_PPM=str(self.drift), ASAN_OPTIONS=sanitizer)
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)

    def offsets(self):
        """Between which of them, in ms, its clock's offset has been until now."""
        drifted = self.drift / 1e6 * (time.monotonic() - self.started)
        return sorted([1e3 * self.ahead, 1e3 * (self.ahead + drifted)])


class Clocks(unittest.TestCase):
    def setUp(self):
        self.topic = bus.unique("clocks")
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.agents = []

    def machine(self, ahead, drift=0.0):
        return Machine(self.folder.name, ahead, drift)

    def start(self, machine, kind, count=1):
        where = machine.here() if machine else contextlib.nullcontext()
        with where:
            agents = NativeAgents(self.topic, False, {kind: count}, output=os.path.join(
                self.folder.name, kind + uuid.uuid4().hex + ".jsonl"))
        self.addCleanup(agents.kill)
        self.agents.append(agents)
        return agents

    def run_test(self, counts, *arguments, status=0):
        """The text and the report of a controller, which must have a valid one."""
        got, text, report = NativeController(self.topic, False, counts).command(*arguments)
        self.assertEqual(got, status, text)
        return text, schema.check(report)

    def run_and_set(self, machine, where=contextlib.nullcontext()):
        """The text and the report of a run in which a machine's clock is set, a minute ahead."""
        found = {}

        def work():
            found["run"] = self.run_test({"RPCServer": 1, "RPCClient": 1}, "rpc-call",
                                         "--duration", "8s", "--pause", "0.005")

        client = self.agents[-1].process.pid
        idle = wake_ups(client)
        run = threading.Thread(target=work)
        with where:
            run.start()
            # All that comes before the run wakes it some dozen times; messages do by the hundreds.
            while run.is_alive() and wake_ups(client) < idle + 300:
                time.sleep(0.02)
            self.assertTrue(run.is_alive(), found)
        machine.set_clock(60)
        run.join()
        return found["run"]

    def lines(self, kind):
        """What the agents of a kind wrote down: id -> the line. Ends the agents."""
        for agents in self.agents:
            if agents.process.poll() is None:
                agents.process.send_signal(signal.SIGTERM)
                agents.wait()
        found = {}
        for path in glob.glob(os.path.join(self.folder.name, kind + "*.jsonl")):
            with open(path, encoding="utf-8") as file:
                for line in map(json.loads, file):
                    if "id" in line:
                        found[line["id"]] = line
        return found

    def check_machine(self, report, machine):
        """Its offset is right within the bound. Returns the entry."""
        (entry,) = [m for m in report["clocks"]["machines"] if m["boot"] == machine.boot]
        least, most = machine.offsets()
        self.assertGreaterEqual(entry["offset_ms"], least - entry["bound_ms"], entry)
        self.assertLessEqual(entry["offset_ms"], most + entry["bound_ms"], entry)
        self.assertFalse(entry["stepped"])
        self.assertEqual(entry["processes_not_corrected"], 0)
        self.assertLessEqual(abs(entry["drift_ppm"] - machine.drift), entry["drift_error_ppm"], entry)
        return entry

    def check_calls(self, bound, count):
        """Each call arrived after it was sent and before it ended, within the bound (ms)."""
        bound /= 1e3
        sent, had = self.lines("RPCClient"), self.lines("RPCServer")
        self.assertEqual(set(sent), set(had))
        self.assertEqual(len(sent), count)
        for message, line in sent.items():
            arrived = had[message]["recv"]
            self.assertGreaterEqual(arrived, line["start"] - bound - 1e-6, line)
            self.assertLessEqual(arrived, line["stop"] + bound + 1e-6, line)

    def check_interval(self, report):
        """The test's interval is within the controller's, by its clock."""
        for side in ("clients", "servers"):
            self.assertGreater(report[side]["start_time"], report["started"] - 1, report)
            self.assertLess(report[side]["stop_time"], report["finished"] + 1, report)

    def check_negative(self, report, bound):
        latency = report["servers"]["latency"]
        self.assertGreaterEqual(latency["negative_min_ms"] or 0, -bound - 1e-3, latency)
        self.assertEqual(latency["samples"] + latency["negative_samples"],
                         report["servers"]["messages_ok"])

    def test_one_way_times_to_a_clock_that_is_50_ms_ahead_and_drifts_are_right_within_the_bound(self):
        far = self.machine(0.050, 200)
        self.start(far, "RPCServer")
        self.start(None, "RPCClient", 2)
        text, report = self.run_test({"RPCServer": 1, "RPCClient": 2}, "rpc-call", "--calls",
                                     str(CALLS), "--pause", "0.005")
        entry = self.check_machine(report, far)
        self.assertEqual(entry["agents"], 1)
        bound = report["clocks"]["one_way_bound_ms"]
        self.assertEqual(bound, entry["bound_ms"])
        self.assertRegex(text, r"\nClocks:\n-------\n  host \S+ \(1 agent\): clock %.3f ms ahead, "
                               r"corrected; right within %.3f ms" % (entry["offset_ms"], bound))
        self.assertIn("\n  one-way times between hosts: right within %.3f ms\n" % bound, text)
        self.check_negative(report, bound)
        self.check_calls(bound, 2 * CALLS)
        print("offset %.3f ms, bound %.3f ms, one way %.3f to %.3f ms, round trips %.3f to %.3f" % (
            entry["offset_ms"], bound, *(report[side]["latency"][key] for side in (
                "servers", "clients") for key in ("min_ms", "max_ms"))), flush=True)

    def test_between_two_foreign_machines_both_bounds_count(self):
        one, other = self.machine(-3600, -200), self.machine(0.050, 200)
        self.start(one, "RPCClient")
        self.start(other, "RPCServer")
        _, report = self.run_test({"RPCServer": 1, "RPCClient": 1}, "rpc-call", "--calls",
                                  str(CALLS), "--pause", "0.005")
        bounds = [self.check_machine(report, machine)["bound_ms"] for machine in (one, other)]
        bound = report["clocks"]["one_way_bound_ms"]
        self.assertAlmostEqual(bound, sum(bounds), places=6)
        self.check_negative(report, bound)
        self.check_interval(report)
        self.check_calls(bound, CALLS)

    def test_all_processes_of_a_machine_are_corrected_alike(self):
        far = self.machine(7.5)
        self.start(far, "RPCServer", 2)
        self.start(far, "RPCServer")
        self.start(far, "RPCClient")
        text, report = self.run_test({"RPCServer": 3, "RPCClient": 1}, "rpc-fanout", "--calls", "50")
        (entry,) = report["clocks"]["machines"]
        self.assertEqual((entry["agents"], entry["processes"]), (4, 3))
        # They are on one machine: nothing is between two clocks, whatever the controller's is.
        self.assertEqual(report["clocks"]["one_way_bound_ms"], 0)
        self.assertEqual(report["servers"]["latency"]["negative_samples"], 0)
        self.assertNotIn("one-way times between hosts", text)
        self.check_machine(report, far)

    def test_casts_and_notifications_that_would_arrive_before_they_were_sent_do_not(self):
        far = self.machine(-2)
        self.start(far, "RPCServer")
        self.start(far, "Listener")
        self.start(None, "RPCClient")
        self.start(None, "Notifier")
        counts = {"RPCServer": 1, "RPCClient": 1, "Listener": 1, "Notifier": 1}
        for task, option in (("rpc-cast", "--calls"), ("notify", "--events")):
            with self.subTest(task):
                _, report = self.run_test(counts, task, option, str(CALLS))
                self.check_machine(report, far)
                self.check_negative(report, report["clocks"]["one_way_bound_ms"])

    def test_a_clock_that_is_set_during_the_run_is_told(self):
        far = self.machine(0.050)
        self.start(far, "RPCServer")
        self.start(None, "RPCClient")
        text, report = self.run_and_set(far)
        (entry,) = report["clocks"]["machines"]
        self.assertTrue(entry["stepped"])
        self.assertIsNone(entry["bound_ms"])
        self.assertIsNone(report["clocks"]["one_way_bound_ms"])
        self.assertIn("ms ahead, corrected; a clock was set during the run: its one-way times are "
                      "not to be believed\n", text)

    def test_the_controllers_own_clock_that_is_set_during_the_run_is_told(self):
        home = self.machine(0)
        self.start(home, "RPCServer")
        self.start(home, "RPCClient")
        text, report = self.run_and_set(home, home.here())
        self.assertEqual(report["clocks"]["machines"], [])
        self.assertIsNone(report["clocks"]["one_way_bound_ms"])
        self.assertAlmostEqual(report["clocks"]["own_step_ms"], 60e3, delta=1)
        self.assertIn("\n  the clock of the controller's host was set by ", text)

    def test_a_controller_at_home_takes_back_what_another_one_corrected(self):
        far = self.machine(30)
        self.start(far, "RPCServer")
        self.start(far, "RPCClient")
        counts = {"RPCServer": 1, "RPCClient": 1}
        _, report = self.run_test(counts, "rpc-call", "--calls", "10")
        self.check_machine(report, far)
        self.check_interval(report)
        with far.here():
            text, report = self.run_test(counts, "rpc-call", "--calls", "10")
        self.assertEqual(report["clocks"], {"one_way_bound_ms": 0, "machines": [],
                                            "own_processes_not_corrected": 0, "own_step_ms": 0,
                                            "agents_unknown": 0})
        self.assertNotIn("Clocks:", text)
        self.check_interval(report)  # by the clock that is theirs and the controller's

    def test_python_agents_go_on_as_they_are_and_the_report_says_so(self):
        far = self.machine(0.050)
        self.start(far, "RPCClient")
        python = PythonAgents(self.topic, False, {"RPCServer": 1})
        self.addCleanup(python.kill)
        text, report = self.run_test({"RPCServer": 1, "RPCClient": 1}, "rpc-call", "--calls", "20")
        self.assertEqual(report["clocks"]["agents_unknown"], 1)
        self.assertIsNone(report["clocks"]["one_way_bound_ms"])
        self.check_machine(report, far)
        self.assertIn("\n  1 agent of unknown clocks (Python, or came during the run): one-way "
                      "times not corrected\n", text)
        self.assertTrue(re.search(r"\n  host \S+ \(1 agent\): clock ", text), text)


if __name__ == "__main__":
    bus.main()
