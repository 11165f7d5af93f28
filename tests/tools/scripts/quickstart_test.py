# SPDX-License-Identifier: Apache-2.0
"""tools/quickstart, left to itself: results, failures, what it builds, what it leaves."""

import os
import re
import shutil
import unittest

from tree import TreeTest

STEPS = ["building", "starting a private bus (router)", "starting 1 × rpc-server, 2 × rpc-client",
         "running ombt-controller rpc-call", "stopping the agents", "stopping the bus"]


class Quickstart(TreeTest):
    def setUp(self):
        super().setUp()
        self.release = self.tree.configure()
        self.before = self.tree.files()

    def check(self, *arguments):
        result = self.tree.run("tools/quickstart", *arguments)
        self.assert_nothing_left(self.before)
        return result

    def test_a_run_prints_the_result_and_its_steps_one_line_each(self):
        status, out, err = self.check("rpc-call", "--calls", "20")
        self.assertEqual(status, 0, out + err)
        self.assertRegex(out, r"\A(harness-limited: .*\n(  .*\n)*)*RPC call test results\n")
        self.assertIn("2 RPC clients, 1 RPC Servers (3 total)", out)
        self.assertIn("Total Messages: 40", out)
        lines = err.splitlines()
        self.assertEqual(len(lines), len(STEPS), err)
        for step, line in zip(STEPS, lines):
            self.assertRegex(line, r"^quickstart: " + re.escape(step))
            if "running" not in line:
                self.assertRegex(line, r" … [0-9]+\.[0-9] s$")

    def test_what_is_missing_is_installed_first(self):
        self.tree.lacks("cmake")
        status, out, err = self.tree.run_as_nobody("tools/quickstart", "rpc-call")
        self.assertEqual((status, out), (1, ""), err)
        self.assertEqual(err, "install-dependencies: sudo refused; needed: cmake\n")
        self.assertFalse((self.release / "taken").exists())

    def test_rabbitmq_is_missed_only_where_it_is_to_be_the_bus(self):
        self.tree.lacks("rabbitmq-server")
        self.tree.environment["OMBT_RABBITMQ_SCRIPTS"] = "/nonexistent"
        self.tree.stand_in("apt-get", "exit 1")  # should it be asked after all
        status, out, err = self.tree.run("tools/quickstart", "rpc-call", "--calls", "20")
        self.assertEqual(status, 0, out + err)
        self.assertIn("Total Messages: 40", out)
        status, out, err = self.tree.run_as_nobody("tools/quickstart", "--bus=rabbit", "rpc-call")
        self.assertEqual((status, out), (1, ""), err)
        self.assertEqual(err, "install-dependencies: sudo refused; needed: rabbitmq-server\n")

    def test_each_agent_is_a_process_of_its_own(self):
        status, out, err = self.check("--bus", "rabbit", "status", "--expect", "3")
        self.assertEqual(status, 0, out + err)
        self.assertIn("starting a private bus (rabbit)", err)
        self.assertEqual(len((self.release / "taken").read_text().split()), 4)
        self.assertTrue(out.startswith("3 agents on topic"), out)
        self.assertEqual(len(set(re.findall(r"process ([0-9]+)  1 agent\n", out))), 3, out)

    def test_a_second_run_builds_nothing(self):
        self.assertEqual(self.check("rpc-call", "--calls", "1")[0], 0)
        taken = self.release / "taken"
        self.assertEqual(len(taken.read_text().split()), 4)
        self.assertEqual(self.check("rpc-call", "--calls", "1")[0], 0)
        self.assertEqual(len(taken.read_text().split()), 4)

    def test_the_numbers_of_agents_are_as_asked_for(self):
        status, out, err = self.check("--rpc-clients=3", "rpc-fanout", "--calls", "10",
                                      "--rpc-servers", "2")
        self.assertEqual(status, 0, out + err)
        self.assertIn("3 RPC clients, 2 RPC Servers (5 total)", out)

    def test_notify_gets_notifiers_and_listeners(self):
        status, out, err = self.check("notify", "--events", "10")
        self.assertEqual(status, 0, out + err)
        self.assertIn("starting 1 × listener, 2 × notifier", err)

    def test_the_controllers_status_is_the_commands(self):
        status, _, err = self.check("rpc-call", "--calls", "1", "--expect", "99", "--timeout", "2")
        self.assertEqual(status, 1, err)

    def test_an_agent_that_cannot_start_ends_the_run(self):
        self.check("--rpc-clients", "1", "rpc-call", "--calls", "1")
        self.tree.stand_in("ombt-agent", "echo 'no such luck' >&2; exit 3", self.release / "bin")
        status, out, err = self.check("rpc-call", "--calls", "1")
        self.assertEqual((status, out), (1, ""), err)
        self.assertIn("build/quickstart/rpc-server-1.log", err)
        self.assertIn("no such luck", err)

    def test_an_agent_that_ends_in_a_run_is_named(self):
        self.check("--rpc-clients", "1", "rpc-call", "--calls", "1")
        self.tree.stand_in("ombt-controller", r"""
          if [[ $1 == --agent-options ]]; then printf '%s\n--topic\nt\n' "$2"; exit; fi
          sleep 1; exit 1""", self.release / "bin")
        self.tree.stand_in("ombt-agent", "echo it is ready; sleep 0.5; echo 'gone again'; exit 1",
                           self.release / "bin")
        status, _, err = self.check("rpc-call")
        self.assertEqual(status, 1)
        self.assertIn("rpc-client-2 ended by itself", err)
        self.assertIn("gone again", err)

    def test_a_bus_that_cannot_start_ends_the_run(self):
        self.check("rpc-call", "--calls", "1")
        # The router that ombt-bus starts is the one beside itself.
        programs = self.release / "bin"
        (programs / "ombt-bus").unlink()
        shutil.copy2(os.path.join(os.environ["OMBT_PROGRAMS"], "ombt-bus"), programs)
        self.tree.stand_in("ombt-router", "echo 'no route' >&2; exit 1", programs)
        self.tree.environment["OMBT_RABBITMQ_SCRIPTS"] = "/nonexistent"
        for bus, why in (("router", "no route"), ("rabbit", "RabbitMQ is not installed")):
            status, out, err = self.check("--bus", bus, "rpc-call", "--calls", "1")
            self.assertEqual((status, out), (1, ""), err)
            self.assertIn("starting a private bus (%s)" % bus, err)
            self.assertIn("build/quickstart/ombt-bus.log", err)
            self.assertIn(why, err)
            self.assertNotIn("running", err)

    def test_a_build_that_fails_names_its_log(self):
        (self.release / "build.ninja").write_text(
            "rule fail\n  command = echo 'of no use'; exit 1\nbuild ombt-bus: fail\n"
            "build ombt-agent ombt-router ombt-controller: phony ombt-bus\n")
        status, out, err = self.check("rpc-call", "--calls", "1")
        self.assertEqual((status, out), (1, ""), err)
        self.assertIn("build/log/build-release.log", err)
        self.assertIn("of no use", err)

    def test_wrong_options_end_in_2_before_anything_starts(self):
        for arguments, word in ((["--bus", "qpid", "rpc-call"], "qpid"),
                                (["--bus=", "rpc-call"], "--bus"),
                                (["--rpc-clients", "many", "rpc-call"], "many"),
                                (["--rpc-servers", "-1", "rpc-call"], "-1"),
                                (["rpc-call", "--rpc-servers"], "--rpc-servers"),
                                (["--rpc-servers=0", "--rpc-clients=0", "status"], "neither"),
                                ([], "nothing to run")):
            status, out, err = self.check(*arguments)
            self.assertEqual((status, out), (2, ""), err)
            self.assertEqual(len(err.splitlines()), 1, err)
            self.assertIn(word, err)
        self.assertFalse((self.release / "taken").exists())

    def test_what_the_controller_refuses_ends_in_2_before_the_bus_starts(self):
        for arguments, word in ((["rpc-call", "--no-such-option"], "--no-such-option"),
                                (["rpc-call", "--calls", "x"], "--calls"),
                                (["rpc-call", "--calls", "0"], "--calls"),
                                (["rpc-cast", "--topic", "a b"], "--topic"),
                                (["rpc-kall"], "rpc-kall"),
                                (["status", "--json", "/no/such/folder/x"], "/no/such/folder")):
            status, out, err = self.check(*arguments)
            self.assertEqual((status, out), (2, ""), err)
            self.assertIn(word, err)
            self.assertNotIn("starting", err)

    def test_a_url_is_refused_at_once(self):
        for arguments in (["--url", "rabbit://h"], ["--url=rabbit://h"]):
            status, out, err = self.check("rpc-call", *arguments)
            self.assertEqual((status, out), (2, ""), err)
            self.assertIn("quickstart starts a bus of its own", err)
        self.assertFalse((self.release / "taken").exists())

    def test_the_agents_get_what_they_need_to_be_found(self):
        # A word that is another command's name changes nothing.
        status, out, err = self.check("rpc-call", "--calls", "20", "--topic", "notify", "--unique")
        self.assertEqual(status, 0, out + err)
        self.assertIn("2 RPC clients, 1 RPC Servers (3 total)", out)
        self.assertIn("starting 1 × rpc-server, 2 × rpc-client", err)

    def test_several_topics_have_a_client_and_a_server_each(self):
        status, out, err = self.check("rpc-call", "--calls", "20", "--topics", "3")
        self.assertEqual(status, 0, out + err)
        self.assertIn("3 topics, topic-0 to topic-2\n", out)
        self.assertIn("starting 3 × rpc-server, 3 × rpc-client", err)
        self.assertEqual(len(re.findall(r"\n  topic-[0-2] +20 +0 +0 ", out)), 3, out)
        status, out, err = self.check("--rpc-clients", "2", "rpc-call", "--topics", "3")
        self.assertEqual((status, out), (2, ""), err)
        self.assertIn("--topics 3: --rpc-clients 2 would leave topics without one\n", err)
        self.assertNotIn("starting", err)

    def test_agents_that_shutdown_has_leave_are_not_lost(self):
        status, out, err = self.check("shutdown")
        self.assertEqual(status, 0, out + err)
        self.assertIn("3 agents told to leave", out)
        self.assertNotIn("ended by itself", err)

    def test_help_goes_to_standard_output(self):
        status, out, err = self.check("--help")
        self.assertEqual((status, err), (0, ""))
        for option in ("--bus", "--rpc-clients", "--rpc-servers"):
            self.assertIn(option, out)


if __name__ == "__main__":
    unittest.main(verbosity=2)
