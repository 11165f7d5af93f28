#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""ombt-controller's loads on a bus: open loops, durations, warm-ups and sizes, and who can't have
them.

Run under `ombt-bus rabbit --`; OMBT_BIN is the folder of the programs.
"""

import os
import signal
import time

from controller_case import PATIENCE, ControllerCase, bus


class Loads(ControllerCase):
    def check_open_loop(self, report, scheduled):
        """Every message of the schedule was sent, answered and counted."""
        clients = report["clients"]
        self.assertTrue(report["ok"], report["problems"])
        self.assertEqual(clients["load"]["scheduled"], scheduled)
        self.assertEqual(clients["load"]["dropped"], 0)
        self.assertEqual(clients["messages_ok"], scheduled)
        self.assertEqual(clients["load"]["slip"]["samples"], scheduled)
        latency = clients["latency"]
        self.assertEqual(latency["intended"]["samples"], scheduled)
        self.assertGreaterEqual(latency["intended"]["p50_ms"], latency["p50_ms"])
        self.assertGreaterEqual(latency["intended"]["max_ms"], latency["max_ms"])

    def test_an_open_loop_sends_what_it_is_asked_for_over_all_clients(self):
        # Two processes: their clients share one rate and one start.
        self.native("--rpc-client", 3, "--rpc-server", 1)
        self.native("--rpc-client", 2, "--rpc-server", 1)
        done, report = self.run_json("rpc-call", "--rate", 100, "--duration", "3s", "--expect", 7)
        self.check_open_loop(report, 300)
        self.assertEqual(report["messages_received"], 300)
        self.assertIn("open loop, uniform arrivals, 100/s for 3 s over 5 clients\n", done.stdout)
        self.assertIn("Offered: 100.0 msgs/sec, achieved: ", done.stdout)
        taken = report["clients"]["stop_time"] - report["clients"]["start_time"]
        self.assertGreater(taken, 2.95)
        self.assertEqual(sorted(a["messages_ok"] for a in report["agents"]
                                if a["kind"] == "RPCClient"), [60] * 5)

    def test_each_client_ends_with_its_number_of_messages(self):
        self.native("--rpc-client", 2, "--rpc-server", 1, "--listener", 1, "--notifier", 1)
        for command, kinds, count in (("rpc-cast", 3, "--calls"), ("rpc-fanout", 3, "--calls"),
                                      ("notify", 2, "--events")):
            with self.subTest(command):
                _, report = self.run_json(command, "--rate-per-client", 200, count, 40,
                                          "--arrivals", "poisson", "--seed", 3, "--expect", kinds)
                self.check_open_loop(report, 40 * (kinds - 1))
                self.assertEqual(report["options"]["load"]["seed"], 3)

    def test_a_profile_and_a_ramp_end_by_their_own_time(self):
        self.native("--rpc-client", 2, "--rpc-server", 1)
        _, report = self.run_json("rpc-call", "--rate", "50:1s,200:500ms", "--expect", 3)
        self.check_open_loop(report, 150)
        _, report = self.run_json("rpc-call", "--ramp", "0:200:1s", "--expect", 3)
        self.check_open_loop(report, 100)

    def test_a_slow_server_shows_in_the_intended_latency_where_few_are_outstanding(self):
        self.native("--rpc-client", 1, "--rpc-server", 1, "--service-time", "20ms")
        _, report = self.run_json("rpc-call", "--rate", 100, "--calls", 60, "--outstanding", 1,
                                  "--expect", 2)
        self.check_open_loop(report, 60)
        latency = report["clients"]["latency"]
        # Each takes 20 ms at least and 10 ms are there for it: the last one waits 600 ms.
        self.assertGreater(latency["intended"]["max_ms"], 500)
        self.assertGreater(report["clients"]["load"]["late"], 50)
        _, report = self.run_json("rpc-call", "--rate", 100, "--calls", 100, "--outstanding", 1,
                                  "--max-late", "200ms", "--expect", 2, status=1)
        load = report["clients"]["load"]
        self.assertEqual(load["scheduled"], 100)
        self.assertGreater(load["dropped"], 10)
        self.assertEqual(report["clients"]["messages_ok"] + load["dropped"], 100)
        self.assertIn("scheduled messages were dropped: more than 0.2 s late",
                      report["problems"][0])
        self.assertLessEqual(load["slip"]["max_ms"], 200)

    def test_a_warm_up_is_in_no_figure(self):
        self.native("--rpc-client", 2, "--rpc-server", 1)
        done, report = self.run_json("rpc-cast", "--rate", 100, "--calls", 30, "--warmup", "1s",
                                     "--expect", 3)
        self.check_open_loop(report, 60)
        self.assertEqual(report["messages_received"], 60)
        self.assertEqual(report["warm_up_messages"], 100)
        self.assertIn("warm-up: 1 s before it, 100 messages, in no figure\n", done.stdout)

    def test_a_closed_loop_may_end_by_time(self):
        self.native("--rpc-client", 2, "--rpc-server", 1)
        _, report = self.run_json("rpc-call", "--duration", "1s", "--expect", 3)
        sent = report["clients"]["messages_ok"]
        self.assertGreater(sent, 2)
        self.assertEqual(report["messages_received"], sent)
        self.assertNotIn("load", report["clients"])
        self.assertIsNone(report["options"]["messages_per_client"])

    def test_messages_of_several_sizes(self):
        self.native("--rpc-client", 1, "--rpc-server", 1)
        path = os.path.join(self.folder.name, "sizes")
        with open(path, "w", encoding="utf-8") as file:
            file.write("# mostly small\n0 5\n100-2000 4\n300000 1\n")
        for length in ("10-20000", "@" + path):
            _, report = self.run_json("rpc-call", "--length", length, "--calls", 50, "--expect", 2)
            self.check_sums(report, 1, 1, 50)

    def test_python_clients_cannot_and_python_servers_can(self):
        self.native("--rpc-client", 1)
        self.python("RPCServer")
        _, report = self.run_json("rpc-call", "--rate", 50, "--duration", "1s", "--expect", 2)
        self.check_open_loop(report, 50)
        self.python("RPCClient")
        for option, value in (("--rate", "50:1s"), ("--duration", "1s"), ("--warmup", "1s"),
                              ("--length", "1-5")):
            with self.subTest(option):
                done, report = self.run_json("rpc-call", option, value, "--expect", 3, status=1)
                self.assertRegex(report["failure"], "^%s.* needs native clients: 1 of 2 RPC "
                                                    "clients is not" % option)
                self.assertIn(report["failure"], done.stderr)

    def test_an_interrupted_open_loop_ends_at_the_clients(self):
        self.native("--rpc-client", 2, "--rpc-server", 1)
        process = self.started("rpc-call", "--expect", 3, "--rate", 100, "--duration", "24h")
        time.sleep(3)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=PATIENCE)
        self.assertIn("interrupted", said)
        # A run behind it would wait for ever, were it not over.
        _, report = self.run_json("rpc-call", "--calls", 5, "--expect", 3)
        self.check_sums(report, 2, 1, 5)

    def test_contradictions_name_both_options_before_anything_connects(self):
        for arguments, named in (
                (["--pause", 1, "--rate", "5:1s"], ("--pause", "--rate")),
                (["--rate", 5, "--rate-per-client", 5], ("--rate", "--rate-per-client")),
                (["--rate", "5:1s", "--duration", "1s"], ("--rate", "--duration")),
                (["--rate", 5], ("--duration", "--calls")),
                (["--outstanding", 5], ("--outstanding", "--rate")),
                (["--rate", "0", "--duration", "1s"], ("--rate 0",)),
                (["--rate", "5:1s", "--outstanding", 0], ("--outstanding 0",)),
                (["--length", "5-1"], ("--length 5-1",))):
            self.check_refused("rpc-call", arguments, named)


if __name__ == "__main__":
    bus.main()
