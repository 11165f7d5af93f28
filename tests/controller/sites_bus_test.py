#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Where the time of a call goes, and which sites call which: native agents on a bus, and Python
ones between them.

Run under `ombt-bus rabbit --` or `ombt-bus router --`; OMBT_BIN is the folder of the programs.
"""

import os
import sys
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "agents"))
from controller_case import ControllerCase, bus, controller  # noqa: E402
from spy import Spy                                               # noqa: E402

# A histogram's value is within a thousandth of the one that it stands for.
PRECISION = 1.001
LEGS = ("request", "server", "reply")
on_rabbit = unittest.skipUnless(bus.kind() == "rabbit", "Python agents and a spy, on RabbitMQ")


class Legs(ControllerCase):
    def check_legs(self, report, calls, least=0.0, all_of_them=True):
        legs = report["clients"]["legs"]
        self.assertEqual(legs["calls"], calls)
        for name in LEGS:
            self.assertEqual(legs[name]["samples"] + legs[name]["negative_samples"], calls)
            self.assertEqual(legs[name]["negative_samples"], 0, "one machine has one clock")
        self.assertGreaterEqual(legs["server"]["max_ms"], least)
        # Of each call they are its round trip; so none is longer than the longest of those, nor
        # can half of the calls take longer than their legs together ever did.
        latency = report["clients"]["latency"]
        for name in LEGS:
            self.assertLessEqual(legs[name]["max_ms"], latency["max_ms"] * PRECISION)
        if not all_of_them:
            return
        for name in LEGS:
            self.assertLessEqual(legs[name]["p50_ms"], latency["p50_ms"] * PRECISION)
        self.assertGreaterEqual(legs["server"]["p50_ms"] * PRECISION, least)
        self.assertGreaterEqual(sum(legs[name]["max_ms"] for name in LEGS) * PRECISION,
                                latency["max_ms"])

    def test_a_call_alone_is_the_sum_of_its_legs(self):
        self.native("--rpc-client", 1, "--rpc-server", 1, "--service-time", "20ms")
        done, report = self.run_json("rpc-call", "--legs", "--calls", 1, "--expect", 2)
        self.assertEqual(report["clients"]["legs"]["calls"], 1)
        legs = report["clients"]["legs"]
        self.assertAlmostEqual(sum(legs[name]["max_ms"] for name in LEGS),
                               report["clients"]["latency"]["max_ms"], places=5)
        self.assertGreaterEqual(legs["server"]["max_ms"], 20)
        self.assertIn("\nLegs of 1 of 1 calls (msecs):\n", done.stdout)

    def test_closed_loops_that_ask_for_them_and_open_loops_have_legs(self):
        self.native("--rpc-client", 2, "--rpc-server", 1, "--service-time", "5ms")
        self.native("--rpc-client", 1, "--rpc-server", 1, "--service-time", "5ms")
        _, report = self.run_json("rpc-call", "--legs", "--calls", 50, "--expect", 5)
        self.check_legs(report, 150, 5)
        _, report = self.run_json("rpc-call", "--rate", 100, "--calls", 20, "--expect", 5)
        self.check_legs(report, 60, 5)
        _, report = self.run_json("rpc-call", "--calls", 5, "--expect", 5)
        self.assertIsNone(report["clients"]["legs"])
        self.assertIsNone(report["sites"])

    @on_rabbit
    def test_python_servers_answer_without_a_note_and_python_clients_send_none(self):
        self.native("--rpc-client", 2, "--rpc-server", 1, "--site", "here")
        self.python("RPCServer", "RPCClient")
        done, report = self.run_json("rpc-call", "--legs", "--calls", 100, "--expect", 5)
        self.assertEqual(report["clients"]["messages_ok"], 300)
        self.assertEqual(report["clients"]["messages_failed"], 0)
        known = report["clients"]["legs"]["calls"]
        self.assertTrue(0 < known < 200, known)
        self.check_legs(report, known, all_of_them=False)
        self.assertIn("\nLegs of %d of 300 calls (msecs):\n" % known, done.stdout)
        [cell] = report["sites"]["cells"]
        self.assertEqual((cell["client"], cell["server"], cell["calls"], cell["arrived"]),
                         ("here", "here", known, known))
        self.assertIn("\n  sites of %d of 300 calls\n" % known, done.stdout)

    @on_rabbit
    def test_what_is_on_the_bus_is_the_python_librarys_unless_somebody_wants_to_know(self):
        """Requests have no key of ours without legs and sites."""
        self.native("--rpc-client", 1, "--rpc-server", 1)
        spy = Spy(self, "ombt-rpc-test", "rpc-" + self.topic)
        for arguments, noted in (((), False), (("--duration", "200ms"), False),
                                 (("--legs",), True)):
            with self.subTest(arguments):
                self.run_json("rpc-call", "--expect", 2, *arguments)
                request = spy.take(lambda m: m["method"] == "echo", "request")
                keys = ["method", "args", "namespace", "version", "_msg_id", "_reply_q", "_timeout",
                        "_unique_id"]
                self.assertEqual([k for k in request if k != "_context_ombt"],
                                 [k for k in keys if k in request])
                self.assertEqual("_context_ombt" in request, noted)
                while spy.channel.basic_get(spy.queue, no_ack=True) is not None:
                    pass


class Sites(ControllerCase):
    def start(self):
        """Three sites; the third has two clients and one server."""
        for site, clients in (("eins", 1), ("zwei", 1), ("drei", 2)):
            self.native("--rpc-client", clients, "--rpc-server", 1, "--site", site)

    def test_the_matrix_equals_what_the_servers_counted(self):
        self.start()
        for _ in range(2):  # the second run begins from zero
            done, report = self.run_json("rpc-call", "--calls", 60, "--expect", 7)
            self.check_sums(report, 4, 3, 60)
            cells = report["sites"]["cells"]
            self.assertEqual(sum(c["calls"] for c in cells), 240)
            for cell in cells:
                self.assertEqual(cell["calls"], cell["arrived"], cell)
                self.assertLessEqual(cell["max_ms"],
                                     report["clients"]["latency"]["max_ms"] * PRECISION)
            by_client, by_server, local = {}, {}, 0
            for cell in cells:
                for sums, key in ((by_client, "client"), (by_server, "server")):
                    sums[cell[key]] = sums.get(cell[key], 0) + cell["calls"]
                local += cell["calls"] if cell["client"] == cell["server"] else 0
            self.assertEqual(by_client, {"eins": 60, "zwei": 60, "drei": 120})
            servers = {a["name"]: a["messages_ok"] for a in report["agents"]
                       if a["kind"] == "RPCServer"}
            self.assertEqual(sorted(by_server.values()), sorted(servers.values()))
            share = report["sites"]["all"]
            self.assertEqual((share["messages"], share["local"]), (240, local))
            self.assertAlmostEqual(share["local_percent"], 100 * local / 240)
            table = done.stdout.split("p50/p99 in msecs):\n")[1]
            for site in by_client:
                self.assertRegex(table, r"(?m)^  %s +[0-9,]+ +[0-9,]+ +[0-9,]+ +[0-9.]+%%$" % site)
            self.assertNotIn("arrived at the servers", done.stdout)
            self.assertNotIn("sites of", done.stdout)
            self.assertIsNone(report["clients"]["legs"])

    def test_servers_count_casts_and_fanouts_by_the_site_of_their_clients(self):
        self.start()
        for command, factor in (("rpc-cast", 1), ("rpc-fanout", 3)):
            with self.subTest(command):
                done, report = self.run_json(command, "--calls", 30, "--expect", 7)
                cells = report["sites"]["cells"]
                for site, clients in (("eins", 1), ("zwei", 1), ("drei", 2)):
                    self.assertEqual(sum(c["arrived"] for c in cells if c["client"] == site),
                                     30 * clients * factor)
                self.assertIn("Sites (messages of clients at servers):\n", done.stdout)
                if command == "rpc-fanout":  # a third stays
                    self.assertAlmostEqual(report["sites"]["all"]["local_percent"], 100 / 3)

    def test_agents_without_a_site_stand_apart(self):
        self.native("--rpc-client", 1, "--site", "a")
        self.native("--rpc-server", 1)
        done, report = self.run_json("rpc-call", "--calls", 20, "--expect", 2)
        [cell] = report["sites"]["cells"]
        self.assertEqual((cell["client"], cell["server"], cell["calls"], cell["arrived"]),
                         ("a", "", 20, 20))
        self.assertEqual(report["sites"]["all"]["local_percent"], 0)
        self.assertRegex(done.stdout, r"(?m)^  a +20 +0.0%$")

    def test_legs_of_other_than_calls_are_refused(self):
        for command in ("rpc-cast", "rpc-fanout", "notify"):
            done = controller(command, "--legs")
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn("--legs", done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
