#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Several topics at once on a real bus: native agents and controller, and Python ones among them.

Run under `ombt-bus rabbit --` or `ombt-bus router --`; OMBT_BIN is the folder of the programs.
"""

import json
import os
import sys
import threading
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from controller_case import ControllerCase, URL, controller  # noqa: E402
import bus  # noqa: E402
import schema  # noqa: E402
from peers import Peer  # noqa: E402
from vhosts import vhost  # noqa: E402

RABBIT = unittest.skipUnless(bus.kind() == "rabbit", "RabbitMQ's")


class Topics(ControllerCase):
    def agents(self, topics, *arguments):
        return self.native("--topics", topics, *arguments)

    def python_controller(self, number):
        peer = Peer("controller", url=URL, topic="%s-%d" % (self.topic, number), idle=1)
        self.addCleanup(peer.kill)
        return peer

    def check_topics(self, report, clients, servers, per_client, fanout=False):
        """clients and servers: how many of each topic."""
        self.assertEqual(report["options"]["topics"], len(clients))
        self.assertEqual([t["topic"] for t in report["topics"]],
                         ["%s-%d" % (self.topic, i) for i in range(len(clients))])
        for topic, sending, serving in zip(report["topics"], clients, servers):
            sent = sending * per_client
            had = sent * serving if fanout else sent
            self.assertEqual((topic["clients"]["agents"], topic["servers"]["agents"]),
                             (sending, serving))
            self.assertEqual((topic["clients"]["messages_ok"], topic["messages_expected"],
                              topic["messages_received"]), (sent, had, had), topic)
            self.assertEqual(topic["ledger"]["delivered"], topic["ledger"]["sent"])
            self.assertEqual(topic["ledger"]["lost"], 0)
        self.check_sums(report, sum(clients), sum(servers), per_client,
                        sum(t["messages_received"] for t in report["topics"])
                        // (sum(clients) * per_client))

    def test_every_test_over_three_topics_of_one_process(self):
        self.agents(3, "--rpc-client", 6, "--rpc-server", 3, "--notifier", 3, "--listener", 3)
        for command, option, clients in (("rpc-call", "--calls", 2), ("rpc-cast", "--calls", 2),
                                         ("rpc-fanout", "--calls", 2), ("notify", "--events", 1)):
            with self.subTest(command):
                done, report = self.run_json(command, option, 40, "--topics", 3)
                self.assertEqual(done.stderr, "")
                self.check_topics(report, [clients] * 3, [1] * 3, 40)
                for topic in report["topics"]:
                    self.assertIsNotNone(topic["clients"]["p50_ms"])
                    self.assertRegex(done.stdout, r"\n  %s +%d +0 +0 +[0-9.]+ +[0-9.]+ " % (
                        topic["topic"], clients * 40))

    def test_a_fanout_goes_to_the_servers_of_its_topic(self):
        self.agents(3, "--rpc-client", 3, "--rpc-server", 6)
        _, report = self.run_json("rpc-fanout", "--calls", 20, "--topics", 3, "--expect", 9)
        self.check_topics(report, [1] * 3, [2] * 3, 20, fanout=True)
        self.assertEqual(report["ledger"]["servers_expected"], 6)

    def test_a_python_controller_has_the_agents_of_one_topic(self):
        agents = self.agents(3, "--rpc-client", 6, "--rpc-server", 3, "--notifier", 3,
                             "--listener", 3)
        python = self.python_controller(1)
        here = {name for name in agents.names if name.startswith("ombt-%s-1-" % self.topic)}
        self.assertEqual(len(here), 5)
        for mode, clients in (("call", 2), ("cast", 2), ("fanout", 2), ("notify", 1)):
            run = [line for line in python.run("run", mode=mode, count=15)
                   if line["event"] == "run"][0]
            self.assertEqual(run["problems"], [])
            self.assertEqual((run["sent"], run["received"], run["failed"]),
                             (clients * 15, clients * 15, 0), run)
            self.assertLessEqual(set(run["clients"]) | set(run["servers"]), here)
        # And nothing of it is in the figures of a controller of all.
        _, report = self.run_json("rpc-call", "--calls", 10, "--topics", 3)
        self.check_topics(report, [2] * 3, [1] * 3, 10)

    def test_agents_launched_topic_by_topic_and_python_ones_take_part(self):
        self.native("--rpc-client", 1, "--rpc-server", 1, topic=self.topic + "-0")
        peer = Peer("agent", url=URL, topic=self.topic + "-1", agents=["RPCClient", "RPCServer"])
        self.addCleanup(peer.kill)
        _, report = self.run_json("rpc-call", "--calls", 20, "--topics", 2, "--expect", 4)
        self.assertTrue(report["ok"], report)
        self.assertEqual([t["clients"]["messages_ok"] for t in report["topics"]], [20, 20])
        self.assertEqual([t["messages_received"] for t in report["topics"]], [20, 20])
        self.assertEqual([t["clients"]["p50_ms"] is None for t in report["topics"]], [False, True])
        self.assertEqual({a["topic"] for a in report["agents"] if a["kind"] == "RPCClient"},
                         {self.topic + "-0", self.topic + "-1"})

    def test_two_topics_of_a_process_run_at_the_same_time_for_two_controllers(self):
        self.agents(3, "--rpc-client", 3, "--rpc-server", 3)
        done = {}

        def run(number, calls):
            path = os.path.join(self.folder.name, "report-%d.json" % number)
            result = controller("rpc-call", "--calls", calls, "--topic",
                                "%s-%d" % (self.topic, number), "--json", path)
            with open(path, encoding="utf-8") as file:
                done[number] = (result, schema.check(json.load(file)))

        threads = [threading.Thread(target=run, args=(number, 200 + number))
                   for number in (0, 2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for number, (result, report) in done.items():
            self.assertEqual(result.returncode, 0, result.stderr)
            self.check_sums(report, 1, 1, 200 + number)
            self.assertEqual(report["topics"], [])

    def test_a_rate_is_of_all_topics_together(self):
        self.agents(3, "--rpc-client", 3, "--rpc-server", 3)
        _, report = self.run_json("rpc-call", "--rate", 300, "--duration", "2s", "--topics", 3,
                                  "--expect", 6)
        self.assertEqual([t["clients"]["messages_ok"] for t in report["topics"]], [200] * 3)
        self.assertEqual(report["clients"]["load"]["scheduled"], 600)

    def test_a_topic_without_a_server_is_named(self):
        self.agents(3, "--rpc-client", 3)
        for number in (0, 2):
            self.native("--rpc-server", 1, topic="%s-%d" % (self.topic, number))
        done, report = self.run_json("rpc-call", "--topics", 3, "--idle", 1, status=1)
        said = ("No RPCServer servers visible: no RPC server answered on topic "
                "client-RPCServer-%s-1 (exchange ombt-control)" % self.topic)
        self.assertIn(said, done.stderr)
        self.assertTrue(report["failure"].startswith(said))
        counts = [t["agent_counts"]["RPCServer"] for t in report["topics"]]
        self.assertEqual(counts, [1, 0, 1])

    def test_status_and_shutdown_are_of_all_topics(self):
        agents = self.agents(3, "--rpc-client", 3, "--rpc-server", 3)
        done, report = self.run_json("status", "--topics", 3, "--expect", 6)
        self.assertTrue(done.stdout.startswith("6 agents on 3 topics, %s-0 to %s-2\n" % (
            self.topic, self.topic)), done.stdout)
        self.assertIn("\n  %s-2: 1 RPC client, 1 RPC server\n" % self.topic, done.stdout)
        self.assertEqual(len(report["topics"]), 3)
        # Who leaves one topic stays in the others.
        one = controller("shutdown", "--topic", self.topic + "-1", "--expect", 2)
        self.assertEqual(one.returncode, 0, one.stderr)
        _, report = self.run_json("status", "--topics", 3, "--expect", 4)
        self.assertEqual([t["agent_counts"]["RPCClient"] for t in report["topics"]], [1, 0, 1])
        self.assertIsNone(agents.process.poll())
        self.assertEqual(controller("shutdown", "--topic", self.topic, "--topics", 3,
                                    "--expect", 4).returncode, 0)
        self.assertEqual(agents.process.wait(30), 0)

    def test_a_hundred_topics_share_a_control_connection_on_either_side(self):
        agents = self.agents(100, "--rpc-client", 100, "--rpc-server", 100, "--topology", "lean")
        folder = "/proc/%d/fd" % agents.process.pid
        sockets = [fd for fd in os.listdir(folder)
                   if os.readlink(os.path.join(folder, fd)).startswith("socket:")]
        self.assertEqual(len(sockets), 201)
        out = os.path.join(self.folder.name, "run")
        done, report = self.run_json("rpc-call", "--calls", 5, "--topics", 100, "--expect", 200,
                                     "--out", out)
        self.check_topics(report, [1] * 100, [1] * 100, 5)
        self.assertIn("\n  and 80 more topics, with no more lost or failed; --json has all\n",
                      done.stdout)
        with open(os.path.join(out, "agents.jsonl"), encoding="utf-8") as file:
            lines = [json.loads(line) for line in file]
        self.assertEqual(len(lines), 200)
        for line in lines:
            self.assertTrue(line["name"].startswith("ombt-%s-" % line["topic"]), line)

    @RABBIT
    def test_the_session_leaves_no_queue_or_exchange_of_its_own(self):
        self.agents(2, "--rpc-client", 2, "--rpc-server", 2)
        self.run_json("rpc-call", "--topics", 2, "--expect", 4)
        names = [q["name"] for q in bus.listing("list_queues", "name")]
        names += [e["name"] for e in bus.listing("list_exchanges", "name")]
        self.assertEqual([n for n in names if "controller-" + self.topic in n], [])


class Refused(ControllerCase):
    def test_what_cannot_be_is_refused_by_both_programs(self):
        both = "contradicts --unique: agents of all topics would be heard as one\n"
        for program, arguments, said in (
                ("ombt-agent", ("--topics", 0, "--rpc-client", 1),
                 "--topics 0: expected a number from 1 to 1000\n"),
                ("ombt-agent", ("--topics", 1001, "--rpc-client", 2000),
                 "--topics 1001: expected a number from 1 to 1000\n"),
                ("ombt-agent", ("--topics", 3, "--rpc-client", 2),
                 "--topics 3: --rpc-client 2 would leave a topic without one\n"),
                ("ombt-agent", ("--topics", 2, "--rpc-client", 2, "--unique"), "--topics " + both),
                ("ombt-controller", ("rpc-call", "--topics", 0),
                 "--topics 0: expected a number from 1 to 1000\n"),
                ("ombt-controller", ("rpc-call", "--topics", 2, "--unique"), "--topics " + both)):
            done = controller(*arguments, program=program)
            self.assertEqual((done.returncode, done.stdout, done.stderr),
                             (2, "", "%s: %s" % (program, said)))

    @RABBIT
    def test_the_usual_stem_is_topic(self):
        # The virtual host keeps them apart from other tests'.
        with vhost(bus.unique("vhost")) as url:
            done = controller("--topics", 2, "--rpc-client", 2, "--rpc-server", 2, "--url", url,
                              "--daemon", program="ombt-agent")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(done.stdout.count(" ombt-topic-0-"), 2, done.stdout)
            self.assertEqual(done.stdout.count(" ombt-topic-1-"), 2, done.stdout)
            try:
                run = controller("rpc-call", "--topics", 2, "--expect", 4, "--url", url)
                self.assertEqual(run.returncode, 0, run.stderr)
                self.assertIn("\n2 topics, topic-0 to topic-1\n", run.stdout)
            finally:
                left = controller("shutdown", "--topics", 2, "--expect", 4, "--url", url)
            self.assertEqual(left.returncode, 0, left.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
