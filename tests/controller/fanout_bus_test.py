#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""When the messages of a fanout were at the first, the median and the last of many servers, in
several processes with several threads each, on a real bus.

Run under `ombt-bus rabbit --` or `ombt-bus router --`; OMBT_BIN is the folder of the programs.
"""

import unittest

from controller_case import ControllerCase

FIGURES = ("first", "median", "last")


class FanoutTimes(ControllerCase):
    def check_figures(self, report, messages, servers):
        """All messages came to all servers, and what is said of them fits what is said of all
        arrivals."""
        fanout = report["fanout"]
        self.assertEqual((fanout["messages"], fanout["servers"]), (messages, servers))
        self.assertEqual((fanout["first_and_last_only"], fanout["contradicting_messages"],
                          fanout["arrivals_not_kept"]), (False, 0, 0))
        for name in FIGURES:
            figure = fanout[name]
            self.assertEqual((figure["samples"] + figure["negative_samples"], figure["never"]),
                             (messages, 0), name)
        for percentile in ("p50_ms", "max_ms"):
            values = [fanout[name][percentile] for name in FIGURES]
            self.assertEqual(values, sorted(values))
        arrivals = report["servers"]["latency"]
        self.assertEqual(arrivals["samples"] + arrivals["negative_samples"], messages * servers)
        # The last arrival of all is the last of its message. Microseconds, in three digits.
        greatest = fanout["last"]["max_ms"]
        self.assertAlmostEqual(greatest, arrivals["max_ms"], delta=0.001 + arrivals["max_ms"] / 500)
        if arrivals["negative_samples"] == 0:
            self.assertLessEqual(arrivals["min_ms"], fanout["first"]["p50_ms"] + 0.001)

    def test_of_each_message_over_two_processes_of_servers(self):
        for _ in range(2):
            self.native("--rpc-server", 4, "--threads", 2)
        self.native("--rpc-client", 2)
        for more in ((), ("--warmup", "300ms", "--pause", "0.01"), ()):  # each begins from zero
            with self.subTest(more):
                done, report = self.run_json("rpc-fanout", "--calls", 60, "--expect", 10, *more)
                self.assertTrue(report["ok"], report["problems"])
                self.check_figures(report, 120, 8)
                self.assertEqual(report["fanout"]["servers_without_times"], 0)
                for name in FIGURES:
                    self.assertRegex(done.stdout,
                                     r"\n  Until the %s server \(msecs\): 50%% \d+\.\d{3} 90%% "
                                     r"\d+\.\d{3} 99%% n/a 99\.9%% n/a Max \d+\.\d{3}\n" % name)
                self.assertIn("\n  (120 messages of native clients, at 8 native servers)\n",
                              done.stdout)
        done, report = self.run_json("rpc-cast", "--calls", 10, "--expect", 10)
        self.assertNotIn("fanout", report)
        self.assertNotIn("Until the", done.stdout)

    def test_the_last_is_of_the_native_servers_where_there_are_python_ones(self):
        self.native("--rpc-server", 2, "--rpc-client", 1)
        self.python("RPCServer")
        done, report = self.run_json("rpc-fanout", "--calls", 30, "--expect", 4)
        fanout = report["fanout"]
        self.assertEqual((fanout["servers"], fanout["servers_without_times"]), (2, 1))
        last = fanout["last"]
        self.assertEqual((last["samples"] + last["negative_samples"], last["never"]), (30, 0))
        self.assertIn("\n  (30 messages of native clients, at 2 native servers; 1 more that can't "
                      "say when a message arrived, as Python ones: the last is of the others)\n",
                      done.stdout)

    def test_python_servers_alone_say_nothing_of_it(self):
        self.native("--rpc-client", 1)
        self.python("RPCServer")
        done, report = self.run_json("rpc-fanout", "--calls", 10, "--expect", 2)
        self.assertIsNone(report["fanout"])
        self.assertNotIn("Until the", done.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
