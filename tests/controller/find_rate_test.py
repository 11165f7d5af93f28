#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""ombt-controller find-rate on a bus: it finds what a server can do, and what ends a search.

Run under `ombt-bus router --`; OMBT_BIN is the folder of the programs.
"""

import json
import pathlib
import re
import signal
import time

from controller_case import PATIENCE, ControllerCase, NativeAgents, bus, controller, schema

# Few messages are enough to say what half of them took.
QUICK = ("--target-p50", "5s", "--from", 40)
FIRST = "probe-01.json"


def value(percentile):
    """Of a percentile over all scheduled, to be compared."""
    return float("inf") if percentile in (">timeout", None) else percentile


class FindRate(ControllerCase):
    def setUp(self):
        super().setUp()
        self.out = pathlib.Path(self.folder.name) / "search"

    def search(self, *arguments, status=0):
        """(what the controller did, the curve as data)"""
        done = controller("--topic", self.topic, "find-rate", "--out", self.out, *arguments,
                          timeout=5 * PATIENCE)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done, self.curve()

    def curve(self):
        return schema.check(json.loads((self.out / "find-rate.json").read_text()))

    def searching(self, *arguments):
        """A search that has made its first probe."""
        process = self.started("find-rate", "--out", self.out, *QUICK, "--step", "1s", *arguments)
        end = time.monotonic() + PATIENCE
        while not (self.out / FIRST).exists():
            self.assertLess(time.monotonic(), end)
            self.assertIsNone(process.poll())
            time.sleep(0.02)
        return process

    def cut_short(self, process, why):
        """What a search says that ends for this reason, and its curve so far."""
        out, err = process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, 1, out + err)
        curve = self.curve()
        self.assertRegex(curve["failure"], why)
        self.assertEqual(err, "ombt-controller: %s\n" % curve["failure"])
        self.assertFalse(curve["ok"])
        self.assertFalse(curve["found"])
        lines = out.splitlines()
        self.assertRegex(lines[0], "^Not found: p50 <= 5 s holds at [0-9,.]+ messages/s")
        self.assertEqual([line for line in lines if line.startswith("Cut short: ")],
                         ["Cut short: " + curve["failure"]])
        self.assertRegex(out, "(?m)^ +40 .* held")
        self.assertTrue(curve["probes"][0]["held"])
        self.assertEqual(curve["probes"][0]["rate"], 40)
        return curve

    def test_what_a_server_can_do_is_found(self):
        # 64 at a time, each for 200 ms: 320 a second, whatever the machine.
        self.native("--rpc-server", 1, "--service-time", "200ms")
        self.native("--rpc-client", 2)
        done, curve = self.search(
            "--target-p50", "350ms", "--from", 250, "--max-rate", 500, "--step", "3s",
            "--precision", "10%", "--outstanding", 100, "--max-late", "2s", "--expect", 3,
            "--audit", "lag=50", "--audit", "delay=30", "--audit", "late=50")
        # What is above it by less than the queue that the target allows does not show so soon.
        self.assertLess(curve["rate"], 320 * 1.2)
        # Agents that are kept from working find less, and say so.
        if not curve["harness_limited"]:
            self.assertGreater(curve["rate"], 320 * 0.8)
        self.assertLessEqual(curve["missed_at"], curve["rate"] * 1.1)
        self.assertTrue(curve["ok"] and curve["found"])
        self.assertEqual((curve["clients"], curve["servers"]), (2, 1))
        self.assertEqual(done.stderr, "")
        lines = done.stdout.splitlines()
        self.assertRegex(lines[0], r"^Highest rate that holds p50 <= 350 ms: [\d.]+ messages/s "
                                   r"\(missed at [\d.]+\)$")
        rows = [line.split() for line in lines if re.match(r" +[\d.]+ +[\d.]+ +3 ", line)]
        self.assertEqual([row[0] for row in rows],
                         ["%.4g" % p["rate"] for p in sorted(curve["probes"],
                                                             key=lambda p: p["rate"])])
        for number, probe in enumerate(curve["probes"], 1):
            self.assertEqual(probe["held"], not probe["reasons"])
            report = schema.check(json.loads((self.out / ("probe-%02d.json" % number)).read_text()))
            clients = report["clients"]
            self.assertEqual(clients["load"]["scheduled"], probe["scheduled"])
            self.assertEqual(clients["latency"]["with_failures_as_infinite"],
                             probe["all_scheduled"])
            self.assertEqual(report["options"]["load"]["profile"],
                             [{"from": probe["rate"], "to": probe["rate"], "seconds": 3.0}])
            self.assertAlmostEqual(probe["scheduled"], probe["rate"] * 3, delta=3)
            if probe["held"]:
                self.assertLessEqual(probe["all_scheduled"]["p50_ms"], 350)
                self.assertEqual(probe["succeeded"], probe["scheduled"])
        missed = [p for p in curve["probes"] if p["rate"] == curve["missed_at"]]
        self.assertEqual([p["held"] for p in missed], [False, False])  # a miss is tried again

    def test_every_kind_of_test_can_be_searched(self):
        self.native("--rpc-server", 2, "--rpc-client", 2, "--listener", 1, "--notifier", 1)
        for test, clients, servers in (("rpc-cast", 2, 2), ("rpc-fanout", 2, 2),
                                       ("notify", 1, 1)):
            with self.subTest(test):
                self.out = pathlib.Path(self.folder.name) / test
                done, curve = self.search(*QUICK, "--step", "1s", "--max-rate", 40, "--test",
                                          test, "--expect", clients + servers)
                self.assertEqual(curve["test"], test)
                self.assertEqual((curve["clients"], curve["servers"]), (clients, servers))
                self.assertEqual(curve["rate"], 40)
                self.assertIsNone(curve["missed_at"])
                self.assertIn(": 40 messages/s, the highest allowed\n", done.stdout)
                self.assertRegex(done.stdout, r"(?m)^%s: %d .*, %d .*; 1 probe$"
                                 % (test, clients, servers))

    def test_the_harness_is_told_of_where_it_was_the_limit(self):
        self.native("--rpc-server", 1, "--rpc-client", 1)
        limit = (*QUICK, "--step", "2s", "--max-rate", 40, "--expect", 2, "--audit", "lag=0")
        done, curve = self.search(*limit)
        self.assertTrue(curve["harness_limited"])
        self.assertTrue(curve["probes"][0]["held"])
        self.assertEqual(done.stdout.splitlines()[1], "harness-limited at 40/s: the agents, not the "
                                                      "bus, may be the limit there")
        self.assertRegex(done.stdout, r"(?m)^ +40 .* held\*$")
        self.out = pathlib.Path(self.folder.name) / "strict"
        done, curve = self.search(*limit, "--strict", status=1)
        self.assertFalse(curve["ok"])
        self.assertIn("ombt-controller: harness-limited: ", done.stderr)

    def test_interrupted_it_tells_the_curve_so_far_and_the_run_ends(self):
        self.native("--rpc-server", 1, "--rpc-client", 2)
        process = self.searching("--expect", 3)
        process.send_signal(signal.SIGINT)
        self.cut_short(process, "^interrupted")
        # A run behind the probe would wait for its end.
        _, report = self.run_json("rpc-call", "--calls", 5, "--expect", 3)
        self.check_sums(report, 2, 1, 5)

    def test_agents_that_vanish_end_it(self):
        self.native("--rpc-server", 1, "--rpc-client", 1)
        leaving = self.native("--rpc-client", 1)
        process = self.searching("--expect", 3, "--timeout", 4)
        leaving.stop(signal.SIGKILL)
        self.cut_short(process, "^RPC client .* sent no results within 4 s|^not all expected agents "
                                "answered within 4 s: expected 2 RPC clients, 1 RPC server; "
                                "answered 1 RPC client .*, 1 RPC server ")

    def test_a_bus_that_fails_ends_it_and_improves_no_percentile(self):
        # Control goes another way.
        dying = bus.Private("router")
        self.addCleanup(dying.end)
        options = ("--url", dying.url, "--control", bus.url())
        for kind in ("--rpc-server", "--rpc-client"):
            agents = NativeAgents(self.topic, *options, "--timeout", 2, kind, 1)
            self.addCleanup(agents.stop)
        process = self.searching(*options, "--expect", 2)
        dying.end()
        curve = self.cut_short(process, "^no message succeeded at [0-9,.]+ messages/s, twice: ")
        failing = [p for p in curve["probes"] if p["failed"] + p["dropped"] > 0]
        self.assertGreaterEqual(len(failing), 2)
        for probe in failing:
            self.assertFalse(probe["held"])
            for name, before in curve["probes"][0]["all_scheduled"].items():
                after = probe["all_scheduled"][name]
                if before is not None and probe["succeeded"] == 0:
                    self.assertEqual(after, ">timeout")
                if before is not None:
                    self.assertGreaterEqual(value(after), before)

    def test_what_contradicts_it_is_refused_before_anything_connects(self):
        for arguments, named in (
                ([], ("--target-p99",)),
                (["--target-p99", "20ms", "--rate", 5], ("--rate",)),
                (["--target-p99", "20ms", "--rate-per-client", 5], ("--rate-per-client",)),
                (["--target-p99", "20ms", "--ramp", "1:5:1s"], ("--ramp",)),
                (["--target-p99", "20ms", "--duration", "5s"], ("--duration",)),
                (["--target-p99", "20ms", "--calls", 5], ("--calls",)),
                (["--target-p99", "20ms", "--test", "notify", "--events", 5], ("--events",)),
                (["--target-p99", "20ms", "--pause", 1], ("--pause",)),
                (["--target-p99", "20ms", "--output", "lines"], ("--output",)),
                (["--target-p99", "20ms", "--target-p50", "1ms"], ("--target-p99",
                                                                   "--target-p50")),
                (["--target-p99", "much"], ("--target-p99 much",)),
                (["--target-p99", "20ms", "--precision", "0"], ("--precision 0",)),
                (["--target-p99", "20ms", "--min-rate", 9, "--max-rate", 5], ("--min-rate 9",
                                                                              "--max-rate 5"))):
            self.check_refused("find-rate", arguments, named)


if __name__ == "__main__":
    bus.main()
