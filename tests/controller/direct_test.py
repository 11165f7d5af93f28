#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Direct control, with real processes: a controller, ombt-agents behind one port, and what becomes of
a run when one of them goes.

Run under `ombt-bus router --`; OMBT_BIN is the folder of the programs. Port, folder of local sockets
and token are the test's own.
"""

import json
import os
import re
import signal
import sys
import time
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from controller_case import URL, controller  # noqa: E402
from direct_case import DirectCase, free_port  # noqa: E402
from peers import PATIENCE  # noqa: E402


class Direct(DirectCase):
    def test_every_test_over_tcp_and_over_the_local_socket(self):
        self.agents("--rpc-client", 3, "--notifier", 2)
        self.agents("--rpc-client", 2, "--rpc-server", 2)
        self.agents("--rpc-server", 1, "--listener", 2, "--site", "here")
        for place in (self.tcp, self.unix):
            self.every_test(5, 3, 2, 2, "--control", place)
        done, report = self.run_json("rpc-call", "--calls", 10, "--control", self.tcp)
        self.check_sums(report, 5, 3, 10)
        self.assertEqual(report["start"]["processes"], 2)
        self.assertGreaterEqual(report["start"]["skew_ms"], 0)
        self.assertRegex(done.stdout, r"\n2 processes started within [0-9.e-]+ ms of each other\n")
        self.assertEqual(report["control"], "127.0.0.1:%d" % self.port)
        self.assertEqual(len(report["processes"]), 3)
        self.assertEqual(report["url"], report["processes"][0]["bus"])

    def test_loads_with_warm_up_and_a_search(self):
        self.agents("--rpc-client", 3)
        self.agents("--rpc-client", 1, "--rpc-server", 1)
        _, report = self.run_json("rpc-call", "--control", self.unix, "--rate", 200, "--duration",
                                  "2s", "--warmup", "500ms")
        self.assertTrue(report["ok"], report)
        self.assertEqual(report["clients"]["load"]["scheduled"], 400)
        self.assertGreater(report["warm_up_messages"], 0)
        _, report = self.run_json("rpc-call", "--control", self.unix, "--duration", "500ms",
                                  "--length", 2_000_000)
        self.assertTrue(report["ok"], report)
        done = controller("find-rate", "--topic", self.topic, "--control", self.unix,
                          "--target-p99", "1s", "--from", 50, "--max-rate", 100, "--step", "1s",
                          timeout=4 * PATIENCE)
        self.assertIn("Highest rate that holds p99 <= 1 s: 100 messages/s", done.stdout)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def test_results_are_the_same_merged_and_of_each_agent(self):
        """Also casts and a site's calls; what is asked for agent by agent is there."""
        self.agents("--rpc-client", 4, "--threads", 2, "--site", "a")
        self.agents("--rpc-client", 2, "--site", "b")
        self.agents("--rpc-server", 3, "--site", "a")
        lines = os.path.join(self.folder.name, "lines")
        for options in ((), ("--per-agent",), ("--output", lines)):
            with self.subTest(options):
                _, report = self.run_json("rpc-call", "--calls", 25, "--control", self.tcp, *options)
                self.check_sums(report, 6, 3, 25)
                self.assertTrue(report["ok"], report["problems"])
                self.assertTrue(report["ledger"]["complete"])
                self.assertEqual(report["ledger"]["delivered"], 150)
                self.assertEqual(report["ignored"]["malformed_requests"], 0)
                self.assertEqual(report["sites"]["all"]["messages"], 150)
                self.assertEqual(sum(row["ok"] for row in report["clients"]["intervals"]), 150)
                self.assertIsNotNone(report["clients"]["latency"]["p90_ms"])
                clients = [a for a in report["agents"] if a["kind"] == "RPCClient"]
                self.assertEqual([a["messages_ok"] for a in clients], [25] * 6)
                self.assertAlmostEqual(sum(a["average_ms"] for a in clients) / 6,
                                       report["clients"]["latency"]["average_ms"], places=6)
                for agent in clients:
                    self.assertEqual("latency" in agent, bool(options))
                if options:
                    self.assertEqual(max(a["latency"]["max_ms"] for a in clients),
                                     report["clients"]["latency"]["max_ms"])
        with open(lines, encoding="utf-8") as file:
            records = json.loads(file.readline())
        self.assertEqual(len(records), 6)
        for record in records.values():
            self.assertEqual(record["latency"]["count"], 25)
            self.assertTrue(record["latency"]["distribution"])

    def test_several_topics(self):
        self.native("--url", URL, "--control", self.tcp, "--topics", 3, "--rpc-client", 6)
        self.native("--url", URL, "--control", self.tcp, "--topics", 3, "--rpc-server", 3)
        _, report = self.run_json("rpc-fanout", "--calls", 7, "--topics", 3, "--control", self.tcp)
        self.check_sums(report, 6, 3, 7)
        self.assertEqual([t["clients"]["messages_ok"] for t in report["topics"]], [14] * 3)

    def test_status_says_what_each_process_is(self):
        self.agents("--rpc-client", 2, "--topology", "lean", "--site", "rack-1")
        self.agents("--rpc-server", 1)
        report = self.status()
        self.assertEqual(report["agent_counts"]["RPCClient"], 2)
        by_site = {p["site"]: p for p in report["processes"]}
        self.assertEqual(by_site["rack-1"]["topology"], "lean")
        self.assertEqual(by_site["rack-1"]["agents"]["RPCClient"], 2)
        self.assertEqual(by_site[None]["topology"], "oslo")
        done = controller("status", "--control", self.tcp, "--topic", self.topic)
        self.assertRegex(done.stdout, r"  process \d+  2 agents  lean, amqp://\S+, site rack-1\n")
        started = time.monotonic()
        self.status()
        self.assertLess(time.monotonic() - started, 1.9)  # no quiet time of 2 s

    def test_shutdown_reaches_all(self):
        agents = [self.agents("--rpc-client", 1), self.agents("--rpc-server", 1)]
        done = controller("shutdown", "--control", self.unix, "--topic", self.topic)
        self.assertEqual((done.returncode, done.stdout), (0, "2 agents told to leave\n"), done.stderr)
        self.assertEqual([one.process.wait(PATIENCE) for one in agents], [0, 0])

    def test_who_comes_as_the_port_changes_hands_finds_all(self):
        """At once, over the socket and over TCP."""
        for place, end in ((self.unix, signal.SIGKILL), (self.unix, signal.SIGTERM),
                           (self.tcp, signal.SIGKILL)):
            with self.subTest(place=place, end=end):
                owner = self.agents("--listener", 1)
                others = [self.agents("--rpc-client", 2) for _ in range(6)]
                others.append(self.agents("--rpc-server", 1))
                owner.process.send_signal(end)
                _, report = self.run_json("rpc-call", "--calls", 5, "--control", place)
                self.check_sums(report, 12, 1, 5)
                for one in others:
                    one.process.terminate()
                for one in others:
                    one.process.wait(PATIENCE)

    def test_the_owner_of_the_port_is_killed_in_a_run(self):
        owner = self.agents("--listener", 1, "--rpc-client", 1)
        self.agents("--rpc-client", 2)
        self.agents("--rpc-server", 1)
        run = self.begun("rpc-call", "--control", self.tcp, "--duration", "4s", "--json",
                         os.path.join(self.folder.name, "killed.json"))
        owner.process.kill()
        out, err = run.communicate(timeout=2 * PATIENCE)
        self.assertEqual(run.returncode, 1, out + err)
        with open(os.path.join(self.folder.name, "killed.json"), encoding="utf-8") as file:
            report = json.load(file)
        self.assertIsNone(report["failure"])
        self.assertIn("RPC client %s sent no results: process %d of host" % (
            owner.names[1], owner.process.pid), err + out)
        self.assertGreater(report["clients"]["messages_ok"], 0)
        self.assertEqual({a["name"] for a in report["agents"] if a["missing"]}, {owner.names[1]})
        # Another one has the port.
        _, report = self.run_json("rpc-call", "--calls", 5, "--control", self.tcp, "--expect", 3)
        self.check_sums(report, 2, 1, 5)

    def test_a_server_killed_in_a_run_is_not_waited_for(self):
        self.agents("--rpc-client", 1)
        server = self.agents("--rpc-server", 1)
        self.agents("--rpc-server", 1)
        run = self.begun("rpc-cast", "--control", self.tcp, "--duration", "3s")
        server.process.kill()
        started = time.monotonic()
        out, err = run.communicate(timeout=2 * PATIENCE)
        self.assertLess(time.monotonic() - started, 30)  # not the timeout of 60 s
        self.assertEqual(run.returncode, 1, out + err)
        self.assertIn("RPC server %s did not answer: process %d of host" % (
            server.names[0], server.process.pid), err + out)

    def test_a_killed_controller_frees_the_agents_which_stop(self):
        self.agents("--rpc-client", 2, "--rpc-server", 1)
        run = self.begun("rpc-call", "--control", self.tcp, "--duration", "10m")
        run.kill()
        run.communicate()
        _, report = self.run_json("rpc-call", "--calls", 5, "--control", self.tcp, "--wait", 10)
        self.check_sums(report, 2, 1, 5)

    def test_a_second_controller_is_told_who_has_the_agents_and_may_wait(self):
        self.agents("--rpc-client", 1)
        self.agents("--rpc-server", 1)
        run = self.begun("rpc-call", "--control", self.tcp, "--duration", "3s")
        command = ("--control", self.unix, "--topic", self.topic)
        done = controller("rpc-call", *command)
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, r"another controller holds 2 of 2 processes of agents: "
                         r"controller ombt-%s-None-\S+-native \(host \S+, process %d, since "
                         r"20\d\d-\d\d-\d\d \d\d:\d\d:\d\d\)\n" % (re.escape(self.topic), run.pid))
        done = controller("shutdown", *command)
        self.assertEqual(done.returncode, 1)
        self.assertIn("another controller holds", done.stderr)
        self.assertEqual(self.status()["agent_counts"]["RPCClient"], 1)
        done, report = self.run_json("rpc-call", "--calls", 5, "--control", self.unix, "--wait")
        self.check_sums(report, 1, 1, 5)
        self.assertEqual(done.stderr.count("waiting: another controller holds"), 1)
        out, err = run.communicate(timeout=PATIENCE)
        self.assertEqual(run.returncode, 0, out + err)

    def test_interrupted_the_agents_stop_at_once(self):
        self.agents("--rpc-client", 2, "--rpc-server", 1)
        run = self.begun("rpc-call", "--control", self.tcp, "--duration", "10m")
        run.send_signal(signal.SIGINT)
        out, err = run.communicate(timeout=PATIENCE)
        self.assertEqual(run.returncode, 1, out + err)
        self.assertIn("interrupted", err)
        _, report = self.run_json("rpc-call", "--calls", 5, "--control", self.tcp, "--wait", 5)
        self.check_sums(report, 2, 1, 5)

    def test_direct_agents_and_python_ones_on_the_bus_in_one_run(self):
        self.agents("--rpc-client", 2, "--rpc-server", 1, "--notifier", 1)
        self.python("RPCClient", "RPCServer", "Listener", "Notifier")
        both = ("--url", URL, "--control", self.tcp, "--control", "bus")
        for command, factor in (("rpc-call", 1), ("rpc-cast", 1), ("rpc-fanout", 2)):
            with self.subTest(command):
                _, report = self.run_json(command, "--calls", 20, *both, "--expect", 5)
                self.check_sums(report, 3, 2, 20, factor)
        _, report = self.run_json("notify", "--events", 20, *both, "--expect", 3)
        self.check_sums(report, 2, 1, 20)

    def test_with_nothing_named_the_agents_of_this_machine_are_taken(self):
        usual = "unix:" + os.path.join(self.runtime, "5700.sock")
        self.agents("--rpc-client", 2, "--rpc-server", 1, control=usual)
        self.environment(OMBT_URL=None)
        done = controller("rpc-call", "--calls", 5, "--topic", self.topic)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr.splitlines()[0],
                         "ombt-controller: no bus named: using the agents of this machine")
        self.assertIn("2 RPC clients, 1 RPC Servers (3 total)\n", done.stdout)
        done = controller("status", "--topic", self.topic)
        self.assertIn("RPC clients: 2\n", done.stdout, done.stderr)
        # Where processes have answered, nobody is pointed to a bus.
        done = controller("notify", "--topic", self.topic)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("no Notifier answered on topic %s" % self.topic, done.stderr)
        self.assertNotIn("--control bus", done.stderr)

    def test_what_cannot_be_reached_is_named(self):
        nobody = free_port()
        done = controller("status", "--control", "tcp://127.0.0.1:%d" % nobody)
        self.assertEqual(done.returncode, 1)
        self.assertIn("127.0.0.1:%d: " % nobody, done.stderr)
        done = controller("status", "--control", "unix:/nowhere/at.sock")
        self.assertEqual(done.returncode, 1)
        self.assertIn("unix:/nowhere/at.sock: ", done.stderr)
        self.agents("--rpc-client", 1, "--rpc-server", 1)
        self.assertEqual(self.status()["agent_counts"]["RPCServer"], 1)
        other = os.path.join(self.folder.name, "other-token")
        with open(other, "w", encoding="ascii") as file:
            os.fchmod(file.fileno(), 0o600)
            file.write("not the token of this test\n")
        done = controller("status", "--control", self.tcp, "--token-file", other)
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("127.0.0.1:%d: " % self.port, done.stderr)
        hosts = os.path.join(self.folder.name, "hosts")
        with open(hosts, "w", encoding="ascii") as file:
            file.write("# this machine, twice\n127.0.0.1:%d\n127.0.0.1:%d\n" % (self.port, self.port))
        _, report = self.run_json("rpc-call", "--hosts-file", hosts)
        self.check_sums(report, 1, 1, 1)
        _, report = self.run_json("rpc-call", "--hosts", "127.0.0.1:%d" % self.port)
        self.check_sums(report, 1, 1, 1)
        # What is named counts, instead of hosts of the environment.
        nowhere = "127.0.0.1:%d" % nobody
        here = "127.0.0.1:%d" % self.port
        for named, given in (
                (("--control", self.tcp), {"OMBT_HOSTS": nowhere}),
                (("--hosts-file", hosts), {"OMBT_HOSTS": nowhere, "OMBT_CONTROL": "tcp://" + nowhere}),
                (("--hosts", here), {"OMBT_CONTROL": "tcp://" + nowhere}),
                ((), {"OMBT_CONTROL": self.tcp, "OMBT_HOSTS": nowhere})):
            with self.subTest(named, **given):
                _, report = self.run_json("status", *named, env=given)
                self.assertEqual(report["agent_counts"]["RPCClient"], 1)
        # A host that never answers is told, though the others have what is expected.
        done, report = self.run_json("rpc-call", "--expect", 2, "--hosts",
                                     "127.0.0.1:%d,127.0.0.1:%d" % (self.port, nobody))
        self.assertIn("no contact with the agents at 127.0.0.1:%d: " % nobody, done.stderr)
        self.assertEqual(len(report["notes"]), 1)
        done = controller("status", "--topic", "another", "--control", self.tcp)
        self.assertEqual(done.stdout.splitlines()[0],
                         "0 agents on topic another; agents are there on topic " + self.topic)
        for option, value, says in (("--control", "carrier-pigeon", "--control"),
                                    ("--hosts", "a,,b", "--hosts"),
                                    ("--hosts-file", "/nowhere/at/all", "--hosts-file"),
                                    ("--wait", "soon", "--wait"),
                                    ("--wait", "-1", "--wait")):
            self.check_refused("rpc-call", (option, value), [says])

    def test_hosts_come_through_a_pipe(self):
        self.agents("--rpc-client", 1, "--rpc-server", 1)
        pipe = os.path.join(self.folder.name, "hosts")
        os.mkfifo(pipe)
        waits = self.started("status", "--hosts-file", pipe)
        self.wait_for("the pipe is open", lambda: self.has_open(waits, pipe))
        waits.send_signal(signal.SIGINT)
        _, told = waits.communicate(timeout=PATIENCE)
        self.assertEqual(waits.returncode, 1, told)
        self.assertIn("--hosts-file %s: interrupted" % pipe, told)
        waits = self.started("status", "--hosts-file", pipe)
        with open(pipe, "w", encoding="ascii") as writer:
            for part in ("127.0.0", ".1:%d\n# that is all" % self.port):
                writer.write(part)
                writer.flush()
                time.sleep(0.2)
        told, errors = waits.communicate(timeout=PATIENCE)
        self.assertEqual(waits.returncode, 0, errors)
        self.assertIn("RPC clients: 1\n", told)

    @staticmethod
    def has_open(process, file):
        descriptors = "/proc/%d/fd/" % process.pid
        return any(os.readlink(descriptors + one) == file for one in os.listdir(descriptors))


if __name__ == "__main__":
    unittest.main()
