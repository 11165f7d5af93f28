#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""ombt-controller on a real bus: over native agents, Python agents and both, and what goes wrong.

Run under `ombt-bus rabbit --`; OMBT_BIN is the folder of the programs.
"""

import json
import os
import signal
import socket
import threading
import time

from controller_case import (PATIENCE, Cable, ControllerCase, NativeAgents, Peer, bus, controller,
                             schema)
from vhosts import vhost


class Runs(ControllerCase):
    def test_native_agents(self):
        self.native("--rpc-client", 3, "--rpc-server", 2, "--listener", 2, "--notifier", 2)
        self.every_test(3, 2, 2, 2)

    def test_python_agents(self):
        self.python("RPCClient", "RPCClient", "RPCServer", "RPCServer", "Listener", "Notifier")
        self.every_test(2, 2, 1, 1)

    def test_native_and_python_agents_at_once(self):
        self.native("--rpc-client", 2, "--rpc-server", 1, "--listener", 1, "--notifier", 1)
        self.python("RPCClient", "RPCServer", "Listener", "Notifier")
        self.every_test(3, 2, 2, 2)

    def test_unique_agents(self):
        # On topic "singleton" every run of this suite would meet: the virtual host keeps them apart.
        with vhost(bus.unique("vhost")) as url:
            agents = NativeAgents(self.topic, "--rpc-client", 2, "--rpc-server", 1, "--listener",
                                  1, "--notifier", 1, "--unique", "--url", url)
            python = Peer("agent", url=url, topic=self.topic, agents=["RPCServer"], unique=True)
            try:
                self.every_test(2, 2, 1, 1, "--unique", "--url", url)
                missed = controller("rpc-call", "--url", url, "--topic", self.topic, "--idle", 0.5)
                self.assertEqual(missed.returncode, 1)
            finally:
                python.kill()
                agents.stop()

    def test_percentiles_come_from_native_agents_only(self):
        self.native("--rpc-client", 1, "--rpc-server", 1)
        done, report = self.run_json("rpc-call", "--calls", 100, "--expect", 2)
        self.assertIsNotNone(report["clients"]["latency"]["p50_ms"])
        self.assertIsNotNone(report["clients"]["latency"]["p90_ms"])
        self.assertIsNone(report["clients"]["latency"]["p99_ms"])
        self.assertRegex(done.stdout, r"Latency Percentiles \(msecs\): 50% [0-9.]+ 90% [0-9.]+ "
                                      r"99% n/a 99.9% n/a Max [0-9.]+\n")
        self.python("RPCClient")
        done, report = self.run_json("rpc-call", "--calls", 100, "--expect", 3)
        self.assertIsNone(report["clients"]["latency"]["p50_ms"])
        self.assertIn("n/a (1 of 2 agents send no histogram)", done.stdout)

    def test_output_has_the_agents_results_of_each_phase(self):
        agents = self.native("--rpc-client", 2, "--rpc-server", 1)
        path = os.path.join(self.folder.name, "output")
        self.run_json("rpc-cast", "--calls", 5, "--expect", 3, "--output", path)
        with open(path, encoding="utf-8") as file:
            clients, servers = map(json.loads, file)
        self.assertEqual(set(clients) | set(servers), set(agents.names))
        self.assertEqual([r["msgs_ok"] for r in clients.values()], [5, 5])
        self.assertEqual([r["msgs_ok"] for r in servers.values()], [10])
        self.assertEqual(sorted(os.listdir(self.folder.name)), ["output", "report.json"])

    def test_messages_are_as_long_as_asked(self):
        self.native("--rpc-client", 1, "--rpc-server", 1)
        for length in (0, 1, 1 << 20):
            _, report = self.run_json("rpc-call", "--length", length, "--calls", 3, "--expect", 2)
            self.check_sums(report, 1, 1, 3)

    def test_a_second_controller_at_the_same_time_has_its_own_figures(self):
        self.native("--rpc-client", 2, "--rpc-server", 2)
        reports = {}

        def run(calls):
            path = os.path.join(self.folder.name, "report-%d.json" % calls)
            done = controller("rpc-cast", "--calls", calls, "--expect", 4, "--topic", self.topic,
                              "--json", path)
            with open(path, encoding="utf-8") as file:
                reports[calls] = (done, schema.check(json.load(file)))

        threads = [threading.Thread(target=run, args=(calls,)) for calls in (300, 500)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for calls, (done, report) in reports.items():
            self.assertEqual(done.returncode, 0, done.stderr)
            self.check_sums(report, 2, 2, calls)

    def test_the_session_leaves_no_queue_or_exchange_of_its_own(self):
        self.native("--rpc-client", 1, "--rpc-server", 1)
        self.run_json("rpc-call", "--expect", 2)
        names = [q["name"] for q in bus.listing("list_queues", "name")]
        names += [e["name"] for e in bus.listing("list_exchanges", "name")]
        self.assertEqual([n for n in names if "controller-" + self.topic in n], [])

    def test_failed_calls_are_counted_by_their_error_and_are_no_latency(self):
        # Slow for its clients' patience: the calls fail, the requests arrive all the same.
        self.native("--rpc-client", 2, "--timeout", 0.5)
        self.native("--rpc-server", 1, "--service-time", "1500ms")
        done, report = self.run_json("rpc-call", "--calls", 2, "--expect", 3, status=1)
        clients = report["clients"]
        self.assertEqual((clients["messages_ok"], clients["messages_failed"]), (0, 4))
        self.assertEqual(report["problems"], ["4 of 4 messages failed"])
        self.assertEqual(clients["latency"]["samples"], 0)
        self.assertGreaterEqual(sum(e["count"] for e in clients["errors"]), 4)
        self.assertIn("Error: 4 message transfers failed\n", done.stdout)
        self.assertIn("  RPC clients: 4 x ", done.stdout)


class Status(ControllerCase):
    def test_lists_agents_by_kind_host_and_process(self):
        native = self.native("--rpc-client", 3, "--listener", 1)
        python = self.python("RPCServer")
        done, report = self.run_json("status", "--expect", 5)
        host = socket.gethostname()
        self.assertEqual(done.stdout, (
            "5 agents on topic %s\n\nRPC clients: 3\n  host %s  process %d  3 agents\n\n"
            "RPC servers: 1\n  host %s  process %d  1 agent\n\n"
            "Listeners: 1\n  host %s  process %d  1 agent\n\nNotifiers: 0\n") % (
                self.topic, host, native.process.pid, host, python.process.pid, host,
                native.process.pid))
        self.assertEqual({a["name"] for a in report["agents"]} & set(native.names),
                         set(native.names))
        named = controller("status", "--topic", self.topic, "--expect", 5, "--verbose")
        for name in native.names:
            self.assertIn("    %s\n" % name, named.stdout)

    def test_an_expectation_that_is_met_does_not_cut_the_list_short(self):
        self.native("--rpc-client", 9, "--rpc-server", 8)
        done, _ = self.run_json("status", "--expect", "rpc-client=1")
        self.assertTrue(done.stdout.startswith("17 agents on topic"), done.stdout)

    def test_nobody_is_there(self):
        done, report = self.run_json("status", "--idle", 0.3)
        self.assertTrue(done.stdout.startswith("0 agents on topic"))
        self.assertEqual(report["agents"], [])

    def test_expect_waits_for_agents_that_start_later(self):
        result = []
        thread = threading.Thread(target=lambda: result.append(self.run_json(
            "rpc-call", "--expect", "rpc-client=2", "--expect", "rpc-server=1", "--calls", 5)))
        thread.start()
        time.sleep(1)
        self.native("--rpc-client", 2)
        self.native("--rpc-server", 1)
        thread.join()
        self.check_sums(result[0][1], 2, 1, 5)

    def test_expect_that_is_not_met_says_what_is_missing(self):
        self.native("--rpc-client", 1)
        done = controller("rpc-call", "--expect", 4, "--topic", self.topic, "--timeout", 1.5)
        self.assertEqual(done.returncode, 1)
        self.assertEqual(done.stdout, "")
        self.assertEqual(done.stderr, (
            "ombt-controller: not all expected agents answered within 1.5 s: expected 4 agents; "
            "answered 1 RPC client (topic client-RPCClient-%s), 0 RPC servers (topic "
            "client-RPCServer-%s)\n") % (self.topic, self.topic))

    def test_shutdown_sends_native_and_python_agents_away(self):
        native = self.native("--rpc-client", 2)
        python = self.python("Listener", "RPCServer")
        done = controller("shutdown", "--topic", self.topic, "--expect", 4)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout, "4 agents told to leave\n")
        self.assertEqual(native.process.wait(PATIENCE), 0)
        python.wait_for(lambda line: line["event"] == "closed", "end")


class Trouble(ControllerCase):
    def fails(self, status, *arguments, **options):
        done = controller(*arguments, **options)
        self.assertEqual(done.returncode, status, done)
        self.assertEqual(done.stdout, "")
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertTrue(done.stderr.startswith("ombt-controller: "), done.stderr)
        self.assertNotIn("secret", done.stderr)
        return done.stderr

    def test_no_agents(self):
        said = self.fails(1, "rpc-call", "--topic", self.topic, "--idle", 0.5)
        self.assertRegex(said, "No RPCClient clients visible: no RPC client answered on topic "
                               r"client-RPCClient-%s \(exchange ombt-control\) within [0-9.]+ s; "
                               % self.topic)
        self.assertIn("No RPCServer servers visible", said)
        self.native("--rpc-client", 1)
        said = self.fails(1, "rpc-call", "--topic", self.topic, "--idle", 0.5)
        self.assertNotIn("RPCClient", said)
        self.assertIn("client-RPCServer-" + self.topic, said)
        said = self.fails(1, "notify", "--topic", self.topic, "--idle", 0.5)
        self.assertIn("No Notifier clients visible", said)

    def test_settings_that_cannot_be_used_are_named_before_anything_connects(self):
        for arguments, named in (
                (["rpc-call", "--url", "carrier-pigeon://u:secret@h"], "carrier-pigeon"),
                (["rpc-call", "--url", "rabbit://u:secret@h:port"], "port"),
                (["--control", "rabbit://u:secret@h:99999", "rpc-call"], "port"),
                (["rpc-call", "--url", "rabbit://u:secret@h?no_such_option=1"], "no_such_option"),
                (["rpc-call", "--calls", "0"], "--calls"),
                (["rpc-call", "--calls", "many"], "--calls many: expected a whole number"),
                (["rpc-call", "--topic", "t\udcff"], "--topic is no UTF-8"),
                (["rpc-call", "--expect", "1", "--expect", "2"], "--expect 2"),
                (["rpc-call", "--url", "rabbit://h", "--rpc-clients", "3"], "--url names one"),
                (["rpc-call", "--expect", "1", "--rpc-clients", "3"], "OMBT_URL names one"),
                (["rpc-call", "--colour", "blue"], "--colour"),
                (["rpc-shout"], "rpc-shout"),
                ([], "subcommand"),
                (["rpc-call", "--expect", "robot=1"], "--expect robot=1"),
                (["notify", "--severity", "loud"], "--severity loud"),
                (["rpc-call", "--json", "/no/such/place"], "--json /no/such/place"),
                (["rpc-call", "--json", "./same", "--output", "same"], "name the same file"),
                (["rpc-call", "--oslo-config", "/no/such.conf"], "/no/such.conf")):
            with self.subTest(arguments):
                self.assertIn(named, self.fails(2, *arguments))

    def test_options_are_valid_before_and_after_the_command(self):
        self.native("--rpc-client", 1, "--rpc-server", 1)
        for arguments in (["--topic", self.topic, "--expect", 2, "rpc-call", "--calls", 3],
                          ["rpc-call", "--calls", 3, "--topic", self.topic, "--expect", 2],
                          ["--expect", 2, "rpc-call", "--topic", self.topic, "--calls", 3]):
            done = controller(*arguments)
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("Total Messages: 3\n", done.stdout)

    def test_no_bus_there(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
            began = time.monotonic()
            said = self.fails(1, "rpc-call", "--timeout", 2, "--url",
                              "rabbit://u:secret@127.0.0.1:%d" % port)
            self.assertLess(time.monotonic() - began, 10)
            self.assertIn("127.0.0.1:%d" % port, said)
            self.assertIn("refused", said)

    def test_a_login_and_a_virtual_host_that_are_refused(self):
        address = bus.address()
        said = self.fails(1, "rpc-call", "--timeout", 5, "--url", address.url(password="secret"))
        self.assertIn("login", said)
        self.assertIn("127.0.0.1:%d" % address.port, said)
        said = self.fails(1, "rpc-call", "--timeout", 5, "--url", address.url(vhost="nowhere"))
        self.assertIn("virtual host", said)

    def test_a_peer_that_speaks_another_protocol(self):
        with socket.socket() as server:
            server.bind(("127.0.0.1", 0))
            server.listen()

            def answer():
                while True:
                    try:
                        peer, _ = server.accept()
                    except OSError:
                        return
                    with peer:
                        peer.recv(100)
                        peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

            threading.Thread(target=answer, daemon=True).start()
            said = self.fails(1, "rpc-call", "--timeout", 2, "--url",
                              "rabbit://127.0.0.1:%d" % server.getsockname()[1])
            self.assertIn("protocol", said)
            server.shutdown(socket.SHUT_RDWR)

    def test_an_agent_that_vanishes_is_named_and_the_rest_reported(self):
        stays = self.native("--rpc-client", 1, "--rpc-server", 1)
        goes = self.native("--rpc-client", 1, "--name", "goes")
        result = []
        thread = threading.Thread(target=lambda: result.append(self.run_json(
            "rpc-call", "--expect", 3, "--calls", 20, "--pause", 0.1, "--timeout", 3, status=1)))
        thread.start()
        time.sleep(1.2)
        goes.stop(signal.SIGKILL)
        thread.join()
        done, report = result[0]
        self.assertIn("RPC client goes sent no results within 3 s", done.stderr)
        self.assertIn("Fell short:", done.stdout)
        self.assertFalse(report["ok"])
        self.assertEqual(report["clients"]["messages_ok"], 20)
        self.assertEqual([a["name"] for a in report["agents"] if a["missing"]], ["goes"])
        del stays

    def test_a_server_that_vanishes_is_named_too(self):
        self.native("--rpc-client", 1, "--timeout", 1)
        self.native("--rpc-server", 1)
        goes = self.native("--rpc-server", 1, "--name", "goes")
        result = []
        thread = threading.Thread(target=lambda: result.append(self.run_json(
            "rpc-fanout", "--expect", 3, "--calls", 20, "--pause", 0.1, "--timeout", 3, status=1)))
        thread.start()
        time.sleep(1.2)
        goes.stop(signal.SIGKILL)
        thread.join()
        done, report = result[0]
        self.assertIn("RPC server goes did not answer within 3 s", done.stderr)
        self.assertIn("messages are not accounted for", done.stderr)
        self.assertEqual(report["clients"]["messages_ok"], 20)

    def test_a_control_connection_that_is_cut_in_a_run_costs_nothing(self):
        # The agents answer while the controller is away: its queue keeps that for it.
        self.native("--rpc-client", 2, "--rpc-server", 1)
        self.python("RPCClient")
        cable = Cable()
        self.addCleanup(cable.cut)
        result = []
        thread = threading.Thread(target=lambda: result.append(self.run_json(
            "rpc-call", "--expect", 4, "--calls", 20, "--pause", 0.1, "--control", cable.url())))
        thread.start()
        time.sleep(1.5)
        self.assertGreater(cable.cut(), 0)
        time.sleep(2)
        cable.mend()
        thread.join()
        self.check_sums(result[0][1], 3, 1, 20)

    def test_a_bus_that_is_gone_for_good_ends_the_run_at_its_timeout(self):
        self.native("--rpc-client", 1, "--rpc-server", 1)
        cable = Cable()
        self.addCleanup(cable.cut)
        result = []
        thread = threading.Thread(target=lambda: result.append(controller(
            "rpc-call", "--topic", self.topic, "--expect", 2, "--calls", 20, "--pause", 0.1,
            "--timeout", 2, "--control", cable.url())))
        began = time.monotonic()
        thread.start()
        time.sleep(1.5)
        cable.cut()
        thread.join()
        # 2 s of pauses, then twice the timeout: for the clients, then for the servers.
        self.assertLess(time.monotonic() - began, 15)
        self.assertEqual(result[0].returncode, 1, result[0])
        self.assertIn("sent no results within 2 s", result[0].stderr)

    def test_an_interrupt_ends_it_cleanly(self):
        process = self.started("rpc-call", "--expect", 5, "--url", bus.address().url(), "--json",
                               os.path.join(self.folder.name, "j"))
        deadline = time.monotonic() + PATIENCE
        while not any("controller-" + self.topic in q["name"]
                      for q in bus.listing("list_queues", "name")):
            self.assertLess(time.monotonic(), deadline)
        with open("/proc/%d/cmdline" % process.pid, encoding="utf-8") as file:
            command_line = file.read()
        password = bus.address().password
        self.assertNotIn(":%s@" % password, command_line)
        self.assertIn("***", command_line)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
        self.assertEqual((process.returncode, out), (1, ""))
        self.assertEqual(err.count("\n"), 1)
        self.assertTrue(err.endswith("interrupted\n"), err)
        names = [q["name"] for q in bus.listing("list_queues", "name")]
        self.assertEqual([n for n in names if self.topic in n], [])

    def test_control_may_be_another_bus(self):
        with vhost(bus.unique("control")) as url:
            agents = NativeAgents(self.topic, "--rpc-client", 1, "--rpc-server", 1, "--control",
                                  url)
            try:
                done, report = self.run_json("rpc-call", "--control", url, "--expect", 2,
                                             "--calls", 4)
                self.check_sums(report, 1, 1, 4)
                self.assertNotEqual(report["control"], report["url"])
                _, report = self.run_json("rpc-call", "--expect", 2, env={"OMBT_CONTROL": url})
                self.check_sums(report, 1, 1, 1)
                self.assertEqual(done.stderr, "")
                self.fails(1, "rpc-call", "--topic", self.topic, "--idle", 0.3)
            finally:
                agents.stop()


if __name__ == "__main__":
    bus.main()
