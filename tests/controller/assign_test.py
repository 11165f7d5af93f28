#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Standby agents, with real processes: launched once, assigned to one role after another, and what a
controller may not ask of them.

Run under `ombt-bus router --`; OMBT_BIN is the folder of the programs. Port, folder of local sockets
and token are the test's own.
"""

import json
import os
import re
import signal
import subprocess
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "peers")]
from controller_case import BIN, URL, controller  # noqa: E402
import direct  # noqa: E402
from direct_case import DirectCase, free_port  # noqa: E402
from peers import PATIENCE  # noqa: E402

PASSWORD = "hidden-from-all"


class Standby(DirectCase):
    def setUp(self):
        super().setUp()
        self.socket = self.unix.removeprefix("unix:")
        self.environment(OMBT_CONTROL=self.tcp)

    def standby(self, count, *arguments):
        """A process of so many, ready."""
        process = subprocess.Popen(
            [os.path.join(BIN, "ombt-agent"), "--standby", str(count), "--url", URL,
             "--listen", str(self.port), *map(str, arguments)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

        def end():
            process.kill()
            process.communicate()
        self.addCleanup(end)
        bound = " (%d at once)" % arguments[1] if arguments[:1] == ("--max-agents",) else ""
        self.assertEqual(process.stdout.readline(),
                         "%d standby agents are ready%s\n" % (count, bound))
        return process

    def assign(self, *arguments, status=0):
        done = controller("assign", *arguments)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        self.assertNotIn(PASSWORD, done.stdout + done.stderr)
        return done.stderr if status else done.stdout

    def status(self, *arguments):
        return self.run_json("status", *arguments)

    def run_test(self, *arguments, topic="test-topic", status=0):
        self.topic = topic
        return self.run_json(*arguments, status=status)[1]

    def ends(self, process):
        out, err = process.communicate(timeout=PATIENCE)
        self.assertEqual((process.returncode, out), (0, ""), err)


class OneLaunch(Standby):
    def test_agents_are_assigned_to_one_role_after_another(self):
        first = self.standby(12)
        second = self.standby(6, "--threads", 2)
        done, report = self.status()
        self.assertIn("\nStandby agents: 18\n", done.stdout)
        self.assertEqual(sorted(one["standby"] for one in report["processes"]), [6, 12])
        failed = controller("rpc-call")
        self.assertEqual(failed.returncode, 1, failed.stdout)
        self.assertIn("18 standby agents are there: assign gives them roles", failed.stderr)

        self.assertEqual(
            self.assign("--rpc-clients", 9, "--rpc-servers", 3),
            "12 agents on 2 processes of 1 host: 9 RPC clients, 3 RPC servers, 1 topic\n")
        report = self.run_test("rpc-call", "--calls", 20)
        self.check_sums(report, 9, 3, 20)
        self.assertEqual({(one["agents"]["RPCClient"], one["agents"]["RPCServer"], one["standby"])
                          for one in report["processes"]}, {(6, 2, 4), (3, 1, 2)})

        # Servers become clients, and clients servers.
        self.assign("--rpc-clients", 3, "--rpc-servers", 15)
        report = self.run_test("rpc-call", "--calls", 30)
        self.check_sums(report, 3, 15, 30)
        self.assertEqual([one["standby"] for one in report["processes"]], [0, 0])

        self.assign("--notifiers", 6, "--listeners", 2)
        report = self.run_test("notify", "--events", 10)
        self.check_sums(report, 6, 2, 10)
        failed = controller("rpc-call")
        self.assertIn("no RPC client answered", failed.stderr)

        self.assertEqual(
            self.assign(),
            "no roles: 18 agents of 2 processes of 1 host are on standby\n")
        self.assertIn("\nStandby agents: 18\n", self.status()[0].stdout)
        done = controller("shutdown")
        self.assertEqual((done.returncode, done.stdout), (0, "18 agents told to leave\n"),
                         done.stderr)
        self.ends(first)
        self.ends(second)

    def test_several_topics_whose_agents_are_in_different_processes(self):
        processes = [self.standby(n) for n in (3, 5, 7)]
        self.topic = "topic"
        said = self.assign("--topics", 5, "--rpc-clients", 10, "--rpc-servers", 5)
        self.assertEqual(said, "15 agents on 3 processes of 1 host: 10 RPC clients, "
                               "5 RPC servers, 5 topics\n")
        report = self.run_test("rpc-call", "--calls", 10, "--topics", 5, topic="topic")
        self.check_sums(report, 10, 5, 10)
        self.assertEqual([one["agent_counts"]["RPCClient"] for one in report["topics"]], [2] * 5)
        self.assertEqual([one["agent_counts"]["RPCServer"] for one in report["topics"]], [1] * 5)
        # One topic after the other is told to leave; with its last role a process ends.
        done = controller("shutdown", "--topics", 5)
        self.assertEqual((done.returncode, done.stdout), (0, "15 agents told to leave\n"),
                         done.stderr)
        for one in processes:
            self.ends(one)

    def test_each_process_may_be_on_another_way_into_the_bus(self):
        for _ in range(2):
            self.standby(5, "--allow-url", "amqp://*:%s/*" % URL.rsplit(":", 1)[1].strip("/"))
        other = re.sub(r"//[^/]*:", "//u:%s@localhost:" % PASSWORD, URL)
        said = self.assign("--rpc-clients", 4, "--rpc-servers", 4, "--bus", URL, "--bus", other)
        self.assertIn("2 buses", said)
        report = self.run_test("rpc-call", "--calls", 10)
        self.check_sums(report, 4, 4, 10)
        self.assertNotIn(PASSWORD, json.dumps(report))
        self.assertEqual(len({one["bus"] for one in report["processes"]}), 2)

    def test_what_was_done_as_data(self):
        self.standby(4)
        name = os.path.join(self.folder.name, "assign.json")
        self.assign("--rpc-clients", 3, "--json", name)
        with open(name, encoding="utf-8") as file:
            report = json.load(file)
        self.assertEqual((report["task"], report["ok"], report["failure"], report["problems"]),
                         ("assign", True, None, []))
        self.assertEqual(report["agent_counts"],
                         {"RPCClient": 3, "RPCServer": 0, "Listener": 0, "Notifier": 0})
        process, = report["processes"]
        self.assertEqual((process["capacity"], process["agents"]["RPCClient"], process["bus"],
                          process["done"]), (4, 3, None, True))


class Bounds(Standby):
    def test_more_agents_than_there_are_or_may_be(self):
        self.standby(4)
        self.standby(8, "--max-agents", 3)
        self.assign("--rpc-clients", 6, "--rpc-servers", 1)
        self.assertIn("8 agents are wanted, and 2 processes can have 7",
                      self.assign("--rpc-clients", 8, status=1))
        # And what they were stays.
        self.check_sums(self.run_test("rpc-call", "--calls", 5), 6, 1, 5)
        for key in direct.processes(self.socket)["processes"]:
            peer = direct.Controller(self.socket, key, "t")
            if peer.hello["capacity"] == 3:
                peer.result("hold")
                self.assertEqual(
                    peer.error("assign", {"agents": [{"kind": "Listener", "topic": "t",
                                                      "count": 4}]}),
                    "4 agents are asked for, and --max-agents allows 3")
            peer.close()

    def test_a_bus_that_they_were_not_started_for(self):
        self.standby(4)
        foreign = "amqp://me:%s@192.0.2.1" % PASSWORD
        why = self.assign("--rpc-clients", 2, "--bus", foreign, status=1)
        self.assertIn("bus amqp://me:***@192.0.2.1:5672/ is not the process's own", why)
        self.assertIn("no --allow-url allows it", why)
        self.assign("--rpc-clients", 2, "--bus", URL)

    def test_a_bus_that_is_not_there(self):
        nowhere = "amqp://127.0.0.1:%d" % free_port()
        self.standby(4, "--allow-url", nowhere + "/", "--timeout", 2)
        why = self.assign("--rpc-clients", 2, "--bus", nowhere, status=1)
        self.assertIn("RPC client", why)
        self.assertIn("not ready in time", why)
        self.assertIn("\nStandby agents: 4\n", self.status()[0].stdout)
        self.assign("--rpc-clients", 2, "--rpc-servers", 1)
        self.check_sums(self.run_test("rpc-call", "--calls", 5), 2, 1, 5)

    def test_a_bus_that_only_one_process_may_use(self):
        allowed = self.standby(4, "--allow-url", "amqp://*")
        self.standby(4)
        other = re.sub(r"//[^/]*:", "//u:%s@localhost:" % PASSWORD, URL)
        why = self.assign("--rpc-clients", 8, "--bus", other, status=1)
        self.assertIn("no --allow-url allows it", why)
        self.assertIn("1 of 2 processes have their new roles, the others those that they had; "
                      "status says who has which", why)
        done, report = self.status()
        self.assertIn("\nStandby agents: 4\n", done.stdout)
        self.assertEqual({one["pid"]: one["standby"] for one in report["processes"]}[allowed.pid], 0)

    def test_runs_are_bounded_as_those_of_other_agents(self):
        self.standby(4, "--max-rate", 100, "--max-length", 100)
        self.assign("--rpc-clients", 2, "--rpc-servers", 1)
        failed = controller("rpc-call", "--length", 101)
        self.assertEqual(failed.returncode, 1)
        self.assertIn("--max-length allows 100", failed.stderr)
        failed = controller("rpc-call", "--length", 10, "--rate", 200, "--duration", "1s")
        self.assertIn("--max-rate allows 100", failed.stderr)
        self.check_sums(self.run_test("rpc-call", "--calls", 5, "--length", 10), 2, 1, 5)

    def test_agents_that_another_controller_holds(self):
        agents = self.standby(4)
        self.assign("--rpc-clients", 2, "--rpc-servers", 1)
        self.topic = "test-topic"
        run = self.started("rpc-call", "--calls", 10**6, "--wait")
        key, = direct.processes(self.socket)["processes"]
        peer = direct.Controller(self.socket, key, "t")
        limit = time.monotonic() + PATIENCE
        while (answer := peer.result("hold"))["held"]:
            peer.result("release")
            self.assertLess(time.monotonic(), limit)
            time.sleep(0.1)
        self.assertEqual(answer["pid"], run.pid)
        self.assertIn("process %d" % run.pid, self.assign("--notifiers", 1, status=1))
        waits = subprocess.Popen([os.path.join(BIN, "ombt-controller"), "assign", "--notifiers", "1",
                                  "--listeners", "1", "--wait"], text=True,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.addCleanup(waits.communicate)
        self.addCleanup(waits.kill)
        self.assertIn("waiting: another controller holds", waits.stderr.readline())
        peer.close()
        run.kill()
        run.communicate()
        self.assertEqual(waits.wait(PATIENCE), 0)
        self.check_sums(self.run_test("notify", "--events", 5), 1, 1, 5)
        agents.send_signal(signal.SIGTERM)
        self.ends(agents)

    def test_a_controller_that_dies_in_the_middle(self):
        nowhere = "amqp://127.0.0.1:%d" % free_port()
        self.standby(4, "--allow-url", nowhere + "/", "--timeout", 3)
        key, = direct.processes(self.socket)["processes"]
        peer = direct.Controller(self.socket, key, "t")
        self.assertEqual(peer.result("hold"), {"held": True})
        peer.send(id=99, method="assign", args={
            "agents": [{"kind": "RPCClient", "topic": "t", "count": 4}], "bus": nowhere})
        time.sleep(0.2)
        peer.close()
        # Who comes next has the agents when that is over.
        self.assign("--rpc-clients", 2, "--rpc-servers", 2)
        self.check_sums(self.run_test("rpc-call", "--calls", 5), 2, 2, 5)


class CommandLine(Standby):
    def refused(self, program, *arguments):
        done = controller(*arguments, program=program)
        self.assertEqual((done.returncode, done.stdout), (2, ""), done.stderr)
        self.assertNotIn(PASSWORD, done.stderr)
        return done.stderr

    def test_of_the_agents(self):
        agent = lambda *arguments: self.refused("ombt-agent", *arguments)  # noqa: E731
        self.assertIn("--standby needs direct control",
                      agent("--standby", 3, "--control", "bus", "--url", URL))
        self.assertIn("get their roles from ombt-controller assign",
                      agent("--standby", 3, "--rpc-client", 1))
        self.assertIn("--topic: ombt-controller assign", agent("--standby", 3, "--topic", "x"))
        self.assertIn("--topics: ombt-controller assign", agent("--standby", 3, "--topics", 2))
        self.assertIn("--max-agents is for --standby", agent("--rpc-client", 1, "--max-agents", 3))
        self.assertIn("--allow-url is for --standby",
                      agent("--rpc-client", 1, "--allow-url", "*"))

    def test_of_the_controller(self):
        assign = lambda *arguments: self.refused(  # noqa: E731
            "ombt-controller", "assign", *arguments)
        self.assertIn("assign takes the agents' bus as --bus", assign("--url", URL))
        self.assertIn("assign needs direct control", assign("--control", "bus"))
        self.assertIn("would leave topics without one",
                      assign("--topics", 5, "--rpc-clients", 3))
        self.assertIn("--rpc-clients -1", assign("--rpc-clients=-1"))
        self.assertIn("gopher", assign("--bus", "gopher://u:%s@h" % PASSWORD))
        self.assertIn("--expect is not for assign", assign("--expect", 3))

    def test_its_help_names_what_it_takes(self):
        done = controller("assign", "--help")
        self.assertEqual(done.returncode, 0, done.stderr)
        named = re.search(r"before or after the command: ([^.]*)\.\n", done.stdout)
        options = re.findall(r"--[\w-]+", named.group(1))
        self.assertGreater(len(options), 4)
        general = controller("--help").stdout
        for option in options:
            self.assertIn(option, general)
            self.assertNotIn("is not for assign", controller("assign", option, "").stderr, option)

    def test_nobody_is_there(self):
        self.assertIn("127.0.0.1:%d" % self.port, self.assign("--rpc-clients", 1, status=1))
        self.native("--url", URL, "--listen", self.port, "--rpc-client", 1)
        self.assertIn("no standby agents are there", self.assign("--rpc-clients", 1, status=1))


if __name__ == "__main__":
    unittest.main()
