#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""ombt-agent on a RabbitMQ: found and run by a controller on the Python library, started in the
background, stopped, disturbed.

To be run under `ombt-bus rabbit --`. OMBT_AGENT names the program."""

import glob
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "interop"))
import bus      # noqa: E402
import peers    # noqa: E402

AGENT = os.environ["OMBT_AGENT"]
PATIENCE = peers.PATIENCE


class Agents:
    """One ombt-agent in the foreground; ready when made."""

    def __init__(self, topic, *arguments, url=None, **environment):
        self.topic = topic
        self.process = subprocess.Popen(
            [AGENT, "--topic", topic, "--url", url or bus.url(),
             *(() if "--timeout" in arguments else ("--timeout", "30")), *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, **environment})
        self.names = []
        for _ in range(self.wanted(arguments)):
            line = self.process.stdout.readline()
            if not line:
                raise AssertionError("not ready: " + self.process.stderr.read())
            self.names.append(line.split()[-3])

    @staticmethod
    def wanted(arguments):
        kinds = ("--rpc-client", "--rpc-server", "--listener", "--notifier")
        return sum(int(arguments[i + 1]) for i, a in enumerate(arguments) if a in kinds)

    def wait(self):
        out, err = self.process.communicate(timeout=PATIENCE)
        return self.process.returncode, out, err

    def stop(self, how=signal.SIGTERM):
        self.process.send_signal(how)
        return self.wait()

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


class BusTest(unittest.TestCase):
    def setUp(self):
        self.topic = bus.unique("t")

    def agents(self, *arguments, **more):
        started = Agents(self.topic, *arguments, **more)
        self.addCleanup(started.kill)
        return started

    def controller(self, timeout=40, **options):
        made = peers.Peer("controller", url=bus.url(), topic=self.topic, idle=0.5,
                          timeout=timeout, **options)
        self.addCleanup(made.kill)
        return made

    def run_test(self, controller, mode, count, **more):
        lines = controller.run("run", patience=60, mode=mode, count=count, **more)
        return [line for line in lines if line["event"] == "run"][0]


class UnderAPythonController(BusTest):
    def check(self, run, clients, count, servers, copies=1):
        self.assertEqual(run["problems"], [])
        self.assertEqual(len(run["clients"]), clients)
        self.assertEqual(run["sent"], clients * count)
        self.assertEqual(run["received"], clients * count * copies)
        self.assertEqual(len(run["servers"]), servers)
        for results in run["clients"].values():
            self.assertEqual(results["msgs_ok"], count)
            self.assertEqual(results["latency"]["count"], count)
            self.assertEqual(results["errors"], {})
            self.assertLess(results["start_time"], results["stop_time"])
            self.assertEqual(list(results), ["start_time", "stop_time", "msgs_ok", "msgs_fail",
                                             "latency", "errors"])

    def test_every_mode_sums_to_the_message_and_again_from_zero(self):
        for topology in ("oslo", "lean", "shared:2"):
            with self.subTest(topology=topology):
                self.topic = bus.unique("t")
                agents = self.agents("--rpc-client", "5", "--rpc-server", "2", "--listener", "1",
                                     "--notifier", "3", "--threads", "2", "--topology", topology)
                controller = self.controller()
                for _ in range(2 if topology == "oslo" else 1):
                    self.check(self.run_test(controller, "call", 20), 5, 20, 2)
                    self.check(self.run_test(controller, "cast", 20), 5, 20, 2)
                    self.check(self.run_test(controller, "fanout", 20), 5, 20, 2, copies=2)
                    self.check(self.run_test(controller, "notify", 20, severity="warn"), 3, 20, 1)
                self.assertEqual(set(controller.run("ping")[0]["agents"]["RPCClient"]),
                                 {n for n in agents.names if "-RPCClient-" in n})
                controller.run("shutdown")
                status, _, err = agents.wait()
                self.assertEqual((status, err), (0, ""))

    def test_native_and_python_agents_together(self):
        agents = self.agents("--rpc-client", "2", "--rpc-server", "1")
        python = peers.Peer("agent", url=bus.url(), topic=self.topic, timeout=30,
                            agents=["RPCClient", "RPCServer"])
        self.addCleanup(python.kill)
        controller = self.controller()
        for mode, copies in (("call", 1), ("cast", 1), ("fanout", 2)):
            self.check(self.run_test(controller, mode, 15), 3, 15, 2, copies)
        controller.run("shutdown")
        self.assertEqual(agents.wait()[0], 0)

    def test_unique(self):
        self.agents("--rpc-client", "1", "--rpc-server", "1", "--unique")
        controller = self.controller(unique=True)
        self.check(self.run_test(controller, "call", 5), 1, 5, 1)

    def test_names_given(self):
        agents = self.agents("--rpc-client", "2", "--rpc-server", "1", "--name", "mine")
        self.assertEqual(agents.names, ["mine-0", "mine-1", "mine-2"])
        found = self.controller().run("ping")[0]["agents"]
        self.assertEqual({kind: sorted(names) for kind, names in found.items()},
                         {"RPCServer": ["mine-0"], "RPCClient": ["mine-1", "mine-2"]})

    def test_a_service_time_is_in_the_latency_and_slots_work_at_once(self):
        self.agents("--rpc-client", "10", "--rpc-server", "1", "--service-time", "100ms")
        run = self.run_test(self.controller(), "call", 3)
        self.check(run, 10, 3, 1)
        lowest = min(r["latency"]["min"] for r in run["clients"].values())
        self.assertGreater(lowest, 99)
        first = min(r["start_time"] for r in run["clients"].values())
        last = max(r["stop_time"] for r in run["clients"].values())
        self.assertLess(last - first, 3)  # one after the other they would take 3 s

    def test_a_server_that_dies_is_a_failure_by_name(self):
        self.agents("--rpc-client", "2", "--timeout", "1")
        server = self.agents("--rpc-server", "1")
        controller = peers.Peer("controller", url=bus.url(), topic=self.topic, idle=0.5,
                                timeout=15)
        self.addCleanup(controller.kill)
        number = controller.start("run", mode="call", count=20, pause=0.1)
        time.sleep(2.2)
        server.kill()
        run = [line for line in controller.finish(number) if line["event"] == "run"][0]
        self.assertEqual(len(run["clients"]), 2)
        for results in run["clients"].values():
            self.assertEqual(results["msgs_ok"] + results["msgs_fail"], 20)
            self.assertGreater(results["msgs_fail"], 0)
            self.assertEqual(results["latency"]["count"], results["msgs_ok"])
            self.assertLess(results["latency"]["max"] or 0, 900)
            self.assertEqual(results["errors"], {"messaging_timeout": results["msgs_fail"]})

    def test_control_on_another_bus(self):
        name = bus.unique("control")
        control = bus.address().url(vhost=name)
        bus.ctl("add_vhost", name)
        self.addCleanup(bus.ctl, "delete_vhost", name)
        bus.ctl("set_permissions", "-p", name, bus.address().user, ".*", ".*", ".*")
        self.agents("--rpc-client", "2", "--rpc-server", "1", "--control", control)
        controller = peers.Peer("controller", url=control, topic=self.topic, idle=0.5, timeout=40)
        self.addCleanup(controller.kill)
        self.check(self.run_test(controller, "call", 5), 2, 5, 1)
        exchanges = {e["name"] for e in bus.listing("list_exchanges", "name", vhost=name)}
        self.assertIn("ombt-control", exchanges)
        self.assertNotIn("ombt-rpc-test", exchanges)

    def test_a_pool_shares_notifications(self):
        self.agents("--notifier", "2", "--listener", "3", "--pool", "p")
        run = self.run_test(self.controller(), "notify", 30)
        self.check(run, 2, 30, 3)

    def test_output(self):
        with tempfile.TemporaryDirectory() as folder:
            agents = self.agents("--rpc-client", "2", "--rpc-server", "1", "--output",
                                 os.path.join(folder, "o-%n"))
            self.check(self.run_test(self.controller(), "call", 4), 2, 4, 1)
            agents.stop()
            lines = {}
            for path in glob.glob(folder + "/*"):
                with open(path, encoding="utf-8") as file:
                    lines[os.path.basename(path)] = [json.loads(line) for line in file]
            self.assertEqual(set(lines), {"o-0", "o-1", "o-2"})
            self.assertEqual(len(lines["o-0"]), 9)
            self.assertEqual(lines["o-0"][0], {"client-name": agents.names[0], "kind": "RPCServer"})
            sent = {line["id"]: line for n in ("o-1", "o-2") for line in lines[n] if "id" in line}
            self.assertEqual(len(sent), 8)
            for line in lines["o-0"][1:]:
                self.assertEqual(line["start"], sent[line["id"]]["start"])
            for n in ("o-1", "o-2"):
                self.assertEqual([sorted(line) for line in lines[n]],
                                 [["client-name", "kind"], ["test-name", "test-start"]] +
                                 [["id", "start", "stop"]] * 4 + [["test-end"]])

    def test_output_that_is_lost_is_told_to_the_controller_and_at_the_end(self):
        agents = self.agents("--rpc-client", "1", "--rpc-server", "1", "--output", "/dev/full")
        run = self.run_test(self.controller(), "call", 4)
        self.assertIn("/dev/full: No space left", json.dumps(run))
        status, _, err = agents.stop()
        self.assertEqual(status, 1)
        self.assertEqual([line for line in err.splitlines() if "/dev/full" not in line], [])
        self.assertTrue(all(line.startswith("ombt-agent: ") for line in err.splitlines()), err)
        self.assertTrue(err.endswith("lines are missing\n"), err)


class Controllers(BusTest):
    def test_one_that_vanishes_in_a_run_does_not_hold_up_the_next(self):
        self.agents("--rpc-client", "3", "--rpc-server", "1")
        first = self.controller()
        first.start("run", mode="call", count=1000000)
        deadline = time.monotonic() + PATIENCE
        while not any(q["name"] == "rpc-" + self.topic for q in bus.listing("list_queues", "name")):
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.1)
        time.sleep(1.5)  # roll call is over and the run is on its way
        first.kill()
        second = self.controller()
        before = time.monotonic()
        run = self.run_test(second, "call", 10)
        self.assertEqual(run["sent"], 30)
        self.assertLess(time.monotonic() - before, 20)

    def test_hostile_commands_are_counted_and_the_agents_live(self):
        agents = self.agents("--rpc-client", "2", "--rpc-server", "1")
        client = peers.Peer("rpc_client", url=bus.url())
        self.addCleanup(client.kill)
        to = {"exchange": "ombt-control", "topic": "client-RPCClient-" + self.topic}
        nowhere = {"exchange": "ombt-control", "topic": "controller-x", "server": "nobody"}
        for method, args in (
                ("client_ping", {}), ("client_ping", {"reply_addr": 5}),
                ("client_ping", {"reply_addr": {"exchange": None, "topic": 1, "server": []}}),
                ("run_test", {}), ("run_test", {"test": [], "kwargs": 1, "reply_addr": nowhere}),
                ("run_test", {"test": "test_call", "kwargs": {"count": -5}, "reply_addr": nowhere}),
                ("run_test", {"test": "test_call", "kwargs": {"count": 1e99},
                              "reply_addr": nowhere}),
                ("run_test", {"test": "test_call", "kwargs": {"pause": 1e99, "count": 1},
                              "reply_addr": nowhere}),
                ("get_server_results", {"reply_addr": {}}), ("rm_rf", {"path": "/"}),
                ("client_result", {"name": 1})):
            client.one("cast", target={**to, "fanout": True}, method=method, args=args)
            answer = client.one("call", target=to, method=method, args=args, timeout=10)
            self.assertFalse(answer["ok"], (method, answer))
            self.assertNotEqual(answer["error"], "messaging_timeout", (method, answer))
        run = self.run_test(self.controller(), "call", 5)
        self.assertEqual(run["sent"], 10)
        status, _, err = agents.stop()
        self.assertEqual(status, 0)
        self.assertIn("22 commands refused", err)

    def test_clients_outlive_their_servers_and_work_with_the_next(self):
        clients = self.agents("--rpc-client", "3")
        controller = self.controller()
        for _ in range(3):  # the last server to go takes queue and exchange with it
            server = self.agents("--rpc-server", "1")
            run = self.run_test(controller, "call", 5)
            self.assertEqual((run["sent"], run["failed"], run["received"]), (15, 0, 15))
            self.assertEqual(server.stop()[0], 0)
        self.assertEqual(clients.stop()[0], 0)

    def test_a_run_for_a_controller_that_is_nowhere_ends_in_nothing(self):
        agents = self.agents("--rpc-client", "2", "--rpc-server", "1")
        client = peers.Peer("rpc_client", url=bus.url())
        self.addCleanup(client.kill)
        client.one("cast", target={"exchange": "ombt-control", "fanout": True,
                                   "topic": "client-RPCClient-" + self.topic},
                   method="run_test",
                   args={"test": "test_call", "kwargs": {"count": 5, "data": "X"},
                         "reply_addr": {"exchange": "ombt-control", "topic": "controller-x",
                                        "server": "nobody"}})
        run = self.run_test(self.controller(), "call", 5)
        self.assertEqual(run["sent"], 10)
        self.assertEqual(agents.stop()[0], 0)


class BrokerKilled(BusTest):
    def test_every_call_is_accounted_for_and_the_next_run_has_no_failure(self):
        clients = self.agents("--rpc-client", "4", "--timeout", "20")
        self.agents("--rpc-server", "2", "--timeout", "20")
        # So long a broker may take to come back on a busy machine.
        controller = self.controller(timeout=150)
        number = controller.start("run", mode="call", count=150, pause=0.05)
        time.sleep(3.5)
        with open(os.path.join(os.environ["OMBT_BUS_DIR"], "broker.pid"), encoding="ascii") as file:
            os.kill(int(file.read()), signal.SIGKILL)
        time.sleep(1)  # until ombt-bus has seen it
        os.kill(int(os.environ["OMBT_BUS_SUPERVISOR"]), signal.SIGUSR1)
        run = [line for line in controller.finish(number, 200) if line["event"] == "run"][0]
        self.assertEqual(len(run["clients"]), 4, run["problems"])
        for results in run["clients"].values():
            self.assertEqual(results["msgs_ok"] + results["msgs_fail"], 150)
            self.assertEqual(results["latency"]["count"], results["msgs_ok"])
            self.assertEqual(sum(results["errors"].values()), results["msgs_fail"])
            for name in results["errors"]:
                self.assertRegex(name, "^(messaging_timeout|connection_lost|bus_unreachable|"
                                 "delivery_failure|message_undeliverable)")
        again = self.run_test(controller, "call", 20)
        self.assertEqual((again["sent"], again["failed"]), (80, 0))
        status, _, err = clients.stop()
        self.assertEqual(status, 0)
        told = [line for line in err.splitlines() if "contact with the bus" in line]
        self.assertGreaterEqual(len(told), 2, err)  # a broker that starts may hang up once more
        self.assertRegex(told[0], "^ombt-agent: no contact with the bus, trying again: .")
        self.assertEqual(told[-1], "ombt-agent: in contact with the bus")


class Leaving(BusTest):
    def queues(self, part):
        return [q["name"] for q in bus.listing("list_queues", "name") if part in q["name"]]

    def test_signals_close_cleanly_and_leave_nothing_of_their_own(self):
        for how in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            with self.subTest(signal=how):
                self.topic = bus.unique("t")
                replies = self.queues("reply_")
                agents = self.agents("--rpc-client", "2", "--rpc-server", "2", "--listener", "1",
                                     "--notifier", "1", "--threads", "2")
                controller = self.controller()
                self.run_test(controller, "call", 5)
                controller.close()
                before = time.monotonic()
                status, _, err = agents.stop(how)
                self.assertEqual((status, err), (0, ""))
                self.assertLess(time.monotonic() - before, 4)
                # Notifications outlive their listeners; everything else has gone but what is the
                # Python controller's.
                self.assertEqual([q for q in self.queues(self.topic)
                                  if not q.startswith(("notify-", "controller-"))], [])
                self.assertLessEqual(len(self.queues("reply_")) - len(replies), 1)
                with open(os.path.join(os.environ["OMBT_BUS_DIR"], "log", "broker.log"),
                          encoding="utf-8") as log:
                    text = log.read()
                    self.assertIn("ombt-agent:%d:" % agents.process.pid, text)
                    self.assertNotRegex(text, r"ombt-agent:%d:[^)]*\):\s*client unexpectedly"
                                        % agents.process.pid)

    def test_a_signal_in_the_middle_of_a_run(self):
        agents = self.agents("--rpc-client", "5", "--rpc-server", "1")
        controller = self.controller()
        controller.start("run", mode="call", count=1000000)
        time.sleep(2)
        before = time.monotonic()
        self.assertEqual(agents.stop()[0], 0)
        self.assertLess(time.monotonic() - before, 4)


class InTheBackground(BusTest):
    def processes(self):
        found = subprocess.run(["pgrep", "-f", "topic " + self.topic], capture_output=True,
                               text=True, check=False).stdout.split()
        return [int(pid) for pid in found]

    def daemon(self, *arguments, url=None):
        started = subprocess.run([AGENT, "--daemon", "--topic", self.topic, "--url",
                                  url or bus.url(), *arguments], capture_output=True, text=True,
                                 timeout=PATIENCE, check=False)
        for pid in self.processes():
            self.addCleanup(self.end, pid)
        return started

    @staticmethod
    def end(pid):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def test_the_command_returns_when_all_are_ready_and_they_stay(self):
        started = self.daemon("--rpc-client", "2", "--rpc-server", "1", "--listener", "1",
                              "--notifier", "1", "--name", "n")
        self.assertEqual(started.returncode, 0, started)
        self.assertEqual(started.stderr, "")
        self.assertEqual(started.stdout, "RPC server n-0 is ready\nListener n-1 is ready\n"
                         "RPC client n-2 is ready\nRPC client n-3 is ready\n"
                         "Notifier n-4 is ready\n")
        (pid,) = self.processes()
        self.assertEqual(os.getsid(pid), pid)
        for stream in (0, 1, 2):
            self.assertEqual(os.readlink("/proc/%d/fd/%d" % (pid, stream)), "/dev/null")
        controller = self.controller()
        self.assertEqual(self.run_test(controller, "call", 5)["sent"], 10)
        controller.run("shutdown")
        deadline = time.monotonic() + PATIENCE
        while self.processes():
            self.assertLess(time.monotonic(), deadline)
            time.sleep(0.05)

    def test_it_keeps_nothing_of_where_it_was_started(self):
        with tempfile.TemporaryDirectory() as folder:
            kept = os.open(folder, os.O_RDONLY)
            self.addCleanup(os.close, kept)
            os.set_inheritable(kept, True)
            started = subprocess.run(
                [AGENT, "--daemon", "--topic", self.topic, "--url", bus.url(), "--rpc-client", "1",
                 "--output", "lines"], cwd=folder, close_fds=False, timeout=PATIENCE, check=False,
                stdout=subprocess.PIPE)
            (pid,) = self.processes()
            self.addCleanup(self.end, pid)
            self.assertEqual(started.returncode, 0)
            self.assertTrue(os.path.exists(os.path.join(folder, "lines")))
            self.assertEqual(os.readlink("/proc/%d/cwd" % pid), "/")
            links = [os.readlink(link) for link in glob.glob("/proc/%d/fd/*" % pid)]
            self.assertNotIn(folder, links)

    def test_ready_lines_that_cannot_be_written_are_a_failure(self):
        with open("/dev/full", "w", encoding="utf-8") as full:
            started = subprocess.run(
                [AGENT, "--daemon", "--topic", self.topic, "--url", bus.url(), "--rpc-client", "1"],
                stdout=full, stderr=subprocess.PIPE, text=True, timeout=PATIENCE, check=False)
        self.assertEqual(started.returncode, 1)
        self.assertEqual(started.stderr, "ombt-agent: standard output: No space left on device; "
                                         "the agents leave\n")
        self.assertEqual(self.processes(), [])

    def fails(self, *arguments, says, status=1, url=None):
        started = self.daemon("--timeout", "3", *arguments, url=url)
        self.assertEqual(started.returncode, status, started)
        self.assertEqual(started.stdout, "")
        self.assertEqual(started.stderr.count("\n"), 1, started.stderr)
        for word in says:
            self.assertIn(word, started.stderr)
        self.assertNotIn("sesame", started.stderr)
        self.assertEqual(self.processes(), [])

    def test_a_login_that_is_refused(self):
        address = bus.address()
        url = address.url(user="ali", password="sesame")
        self.fails("--rpc-server", "1", url=url, says=["%d" % address.port, "login"])
        self.fails("--rpc-client", "1", url=url, says=["%d" % address.port, "login"])

    def test_a_login_that_is_refused_where_control_is_elsewhere(self):
        address = bus.address()
        url = address.url(user="ali", password="sesame")
        for kind in ("RPC client", "Notifier"):
            option = "--" + kind.lower().replace(" ", "-")
            self.fails(option, "1", "--control", bus.url(), url=url,
                       says=[kind, "%d" % address.port, "login"])
            self.fails(option, "1", "--control", bus.url(), url=address.url(vhost="nowhere"),
                       says=[kind, "%d" % address.port, "nowhere"])

    def test_a_bus_under_test_that_nobody_listens_at_where_control_is_elsewhere(self):
        with socket.socket() as holder:
            holder.bind(("127.0.0.1", 0))
            port = holder.getsockname()[1]
            self.fails("--rpc-client", "1", "--control", bus.url(),
                       url="rabbit://127.0.0.1:%d/" % port,
                       says=["RPC client", "not ready in time", ":%d" % port, "refused"])

    def test_a_vhost_that_is_refused(self):
        address = bus.address()
        self.fails("--rpc-server", "1", url=address.url(vhost="nowhere"),
                   says=["%d" % address.port, "nowhere"])

    def test_a_declaration_that_is_refused(self):
        with bus.address().channel() as channel:
            channel.exchange_declare("ombt-rpc-test", "topic", durable=False, auto_delete=False)
            channel.queue_declare("rpc-" + self.topic, durable=True, auto_delete=False)
            self.addCleanup(self.delete_queue, "rpc-" + self.topic)
            self.fails("--rpc-server", "1", says=["rpc-" + self.topic, "RPC server"])

    @staticmethod
    def delete_queue(name):
        with bus.address().channel() as channel:
            channel.queue_delete(name)

    def test_a_configuration_that_is_wrong(self):
        self.fails("--rpc-client", "1", "--topology", "ring", status=2, says=["ring"])

    def test_passwords_are_not_in_the_command_line(self):
        address = bus.address()
        bus.ctl("add_user", "ali", "opensesame")
        self.addCleanup(bus.ctl, "delete_user", "ali")
        bus.ctl("set_permissions", "-p", address.vhost, "ali", ".*", ".*", ".*")
        url = address.url(user="ali", password="opensesame")
        started = self.daemon("--rpc-client", "1", "--control=" + url, url=url)
        self.assertEqual(started.returncode, 0, started)
        (pid,) = self.processes()
        with open("/proc/%d/cmdline" % pid, "rb") as file:
            line = file.read()
        self.assertNotIn(b"opensesame", line)
        self.assertIn(b"ali:***@", line)
        self.assertIn(self.topic.encode(), line)


if __name__ == "__main__":
    bus.main()
