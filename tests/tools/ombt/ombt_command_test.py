#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every mode and option of ombt's command line, on a real bus, alone and with Python peers.

Run under `ombt-bus rabbit --`; OMBT_BIN is the folder of the programs.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "../..", folder)
                for folder in ("interop", "controller", "agents")]
import bus  # noqa: E402
from peers import PATIENCE, Peer  # noqa: E402
from spy import Spy  # noqa: E402
from vhosts import vhost  # noqa: E402

BIN = os.environ["OMBT_BIN"]
URL = bus.url()
# ombt's own defaults hold: nothing comes from the environment.
ENVIRONMENT = {k: v for k, v in os.environ.items() if k not in ("OMBT_URL", "OMBT_CONTROL")}
NAME = r"ombt-%s-%s-%s-[0-9]+-[0-9a-f]{32}"


def ombt(*arguments, timeout=PATIENCE, env=None):
    return subprocess.run([os.path.join(BIN, "ombt"), *map(str, arguments)], text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, timeout=timeout, check=False,
                          env=dict(ENVIRONMENT, **(env or {})))


def masked(text):
    """A report with its figures masked."""
    return re.sub(r"[0-9]+\.[0-9]{6}", "F", text)


class OmbtCase(unittest.TestCase):
    maxDiff = 4000

    def setUp(self):
        self.topic = bus.unique("t")
        self.common = ("--url", URL, "--topic", self.topic)
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def path(self, name):
        return os.path.join(self.folder.name, name)

    def ok(self, *arguments, **options):
        done = ombt(*arguments, **options)
        self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        return done.stdout

    def daemon(self, mode, *arguments):
        """Starts an agent in the background; its name."""
        said = self.ok(*self.common, mode, "--daemon", *arguments)
        words = {"rpc-server": "RPC server", "rpc-client": "RPC client", "listener": "Listener",
                 "notifier": "Notifier"}[mode]
        match = re.fullmatch("%s (\\S+) is ready\n" % words, said)
        self.assertIsNotNone(match, said)
        self.addCleanup(self.shutdown)
        return match.group(1)

    def shutdown(self):
        ombt(*self.common, "controller", "--idle", 0.3, "shutdown")

    def lines(self, path):
        with open(path, encoding="utf-8") as file:
            return [json.loads(line) for line in file]


class Standalone(OmbtCase):
    def rows(self, text):
        self.assertRegex(text, r"\[0\.\.<1\):  [0-9]+\n\[1\.\.<2\):  [0-9]+\n")

    def test_rpc(self):
        text = self.ok(*self.common, "rpc", "--calls", 30, "--length", 10)
        self.assertTrue(masked(text).startswith(
            "RPC call test results\n1 RPC clients, 1 RPC Servers (2 total)\n\n\n"
            "Aggregated RPC Client results:\n------------------------------\n"
            "Total Messages: 30\nTest Interval: F - F (F secs)\nAggregate throughput: F msgs/sec\n"
            "Latency 30 samples (msecs): Average F StdDev F Min F Max F\nLatency Distribution: \n"),
            text)
        self.assertEqual(text.count("Total Messages: 30\n"), 2)
        self.rows(text)

    def test_rpc_defaults_to_one_call(self):
        self.assertEqual(self.ok(*self.common, "rpc").count("Total Messages: 1\n"), 2)

    def test_rpc_cast(self):
        text = self.ok("rpc", "--cast", "--calls", 20, *self.common)
        self.assertTrue(text.startswith("RPC cast test results\n"), text)
        self.assertEqual(text.count("Total Messages: 20\n"), 2)

    def test_notify(self):
        for more in ((), ("--pool", "p")):
            text = self.ok(*self.common, "notify", "--calls", 20, *more)
            self.assertTrue(text.startswith(
                "Notification test results\n1 Notifiers, 1 Listeners (2 total)\n\n\n"
                "Aggregated Notifier (Client) results:\n"), text)
            self.assertIn("\n\n\nAggregated Listener (Server) results:\n", text)
            self.assertEqual(text.count("Total Messages: 20\n"), 2)

    def test_executor_and_verbose_are_accepted(self):
        for verbose in (["--verbose"], ["--verbose", "True"], ["--verbose=1"]):
            self.ok(*self.common, "rpc", "--executor", "eventlet", *verbose)
        self.ok(*self.common, "notify", "--verbose", "yes", "--executor=threading")
        self.assertEqual(ombt("--help").stdout.count("--executor"), 1)

    def test_nothing_is_left_of_its_control_traffic(self):
        self.ok(*self.common, "rpc")
        left = [q["name"] for q in bus.listing("list_queues", "name") if self.topic in q["name"]]
        self.assertEqual([name for name in left if name.startswith(("client-", "controller-"))], [])


    def names(self, url):
        where = url.rsplit("/", 1)[1]
        return {what: {one["name"] for one in bus.listing("list_" + what, "name", vhost=where)}
                for what in ("queues", "exchanges")}

    def test_without_a_topic_others_take_no_part_and_nothing_is_left(self):
        with vhost(bus.unique("vhost")) as url:
            for mode in ("rpc-server", "rpc-server", "rpc-client", "listener", "notifier"):
                self.ok("--url", url, mode, "--daemon")
            before = self.names(url)
            for arguments, said in (
                    (("rpc",), "1 RPC clients, 1 RPC Servers (2 total)\n"),
                    (("rpc", "--cast"), "1 RPC clients, 1 RPC Servers (2 total)\n"),
                    (("--unique", "rpc"), "1 RPC clients, 1 RPC Servers (2 total)\n"),
                    (("notify",), "1 Notifiers, 1 Listeners (2 total)\n")):
                with self.subTest(arguments):
                    text = self.ok("--url", url, *arguments, "--calls", 20)
                    self.assertIn(said, text)
                    self.assertEqual(text.count("Total Messages: 20\n"), 2, text)
                    deadline = time.monotonic() + PATIENCE
                    while self.names(url) != before and time.monotonic() < deadline:
                        time.sleep(0.1)
                    self.assertEqual(self.names(url), before)
            self.assertEqual(self.ok("--url", url, "controller", "shutdown"),
                             "5 agents told to leave\n")

    def test_with_a_topic_its_agents_take_part_and_stay(self):
        self.daemon("rpc-server")
        self.daemon("rpc-client")
        text = self.ok(*self.common, "rpc", "--calls", 10)
        self.assertIn("2 RPC clients, 2 RPC Servers (4 total)\n", text)
        self.assertEqual(text.count("Total Messages: 20\n"), 2, text)
        self.assertEqual(self.ok(*self.common, "controller", "shutdown"),
                         "2 agents told to leave\n")


class Agents(OmbtCase):
    def test_the_whole_of_a_session_with_daemons(self):
        host = re.escape(socket.gethostname())
        server = self.daemon("rpc-server", "--executor", "threading")
        self.assertRegex(server, "^" + NAME % (self.topic, "RPCServer", host) + "$")
        self.assertEqual(self.daemon("rpc-client", "--name", "joe"), "joe")
        self.daemon("rpc-client")
        self.daemon("listener", "--pool", "p")
        self.daemon("notifier")
        for test, count, title, totals in (
                ("rpc-call", "--calls", "RPC call test results", (20, 20)),
                ("rpc-cast", "--calls", "RPC cast test results", (20, 20)),
                ("rpc-fanout", "--calls", "RPC fanout test results", (20, 20)),
                ("notify", "--events", "Notification test results", (10, 10))):
            with self.subTest(test):
                text = self.ok(*self.common, "controller", "--idle", 1, test, count, 10,
                               "--length", 100, "--pause", 0.001)
                self.assertRegex(text, r"\A(harness-limited: .*\n(  .*\n)*)*" + title)
                self.assertEqual([int(n) for n in re.findall("Total Messages: ([0-9]+)", text)],
                                 list(totals))
                if test == "rpc-fanout":
                    self.assertRegex(masked(text), (
                        "Fanout propagation delay:\n-------------------------\n"
                        "  First client transmit time: F\n  Last server receive time: F\n"
                        "  Duration \\(secs\\): F\n"))
        text = self.ok("controller", "shutdown", *self.common)
        self.assertEqual(text, "5 agents told to leave\n")
        time.sleep(0.5)
        done = ombt(*self.common, "controller", "--idle", 0.5, "rpc-call")
        self.assertEqual(done.returncode, 1)
        self.assertIn("No RPCClient clients visible", done.stderr)

    def test_output_of_agents_and_controller(self):
        self.daemon("rpc-client", "--output", self.path("client"), "--name", "c")
        self.daemon("rpc-server", "--output", self.path("server"), "--name", "s")
        self.ok(*self.common, "controller", "--output", self.path("all"), "--idle", 1, "rpc-cast",
                "--calls", 5, "--delay", 0.1)
        clients, servers = self.lines(self.path("all"))
        self.assertEqual((list(clients), list(servers)), (["c"], ["s"]))
        self.assertEqual(clients["c"]["msgs_ok"], 5)
        self.assertEqual(servers["s"]["latency"]["count"], 5)
        self.shutdown()
        sent = self.lines(self.path("client"))
        self.assertEqual(sent[0], {"client-name": "c", "kind": "RPCClient"})
        self.assertEqual([line["id"].split(":")[1] for line in sent if "id" in line],
                         ["0", "1", "2", "3", "4"])
        received = self.lines(self.path("server"))
        self.assertEqual({line["id"] for line in received if "id" in line},
                         {line["id"] for line in sent if "id" in line})

    def test_pools_and_output_of_notifications(self):
        pool = bus.unique("pool")
        self.ok(*self.common, "notify", "--calls", 2, "--pool", pool)
        self.daemon("listener", "--pool", pool, "--output", self.path("heard"), "--name", "l")
        self.daemon("notifier", "--output", self.path("sent"), "--name", "n")
        with bus.address().channel() as channel:
            # Both were of the pool: one's queue is the other's.
            self.assertEqual(channel.queue_declare(pool, passive=True).consumer_count, 1)
            self.ok(*self.common, "controller", "--idle", 1, "notify", "--events", 3,
                    "--severity", "error")
            self.shutdown()
            channel.queue_delete(pool)
        # Only what the senders declare, each its priority; the listeners' would be six.
        names = {q["name"] for q in bus.listing("list_queues", "name")}
        self.assertEqual({n for n in names if n.startswith("notify-" + self.topic)},
                         {"notify-%s.%s" % (self.topic, p) for p in ("debug", "error")})
        heard, sent = self.lines(self.path("heard")), self.lines(self.path("sent"))
        self.assertEqual(heard[0], {"client-name": "l", "kind": "Listener"})
        self.assertEqual(sent[0], {"client-name": "n", "kind": "Notifier"})
        self.assertEqual([line["id"] for line in heard if "id" in line],
                         [line["id"] for line in sent if "id" in line])
        self.assertEqual(len(heard), 4)

    def test_pause_severity_and_the_oslo_configuration(self):
        path = self.path("bus.conf")
        with open(path, "w", encoding="utf-8") as file:
            file.write("[DEFAULT]\nrpc_ping_enabled = true\n")
        self.daemon("rpc-client")
        self.daemon("notifier")
        self.daemon("listener")
        self.ok(*self.common, "--oslo-config", path, "rpc-server", "--daemon")
        peer = Peer("rpc_client", url=URL)
        self.addCleanup(peer.kill)
        answer = peer.one("call", target={"exchange": "ombt-rpc-test", "topic": "rpc-" + self.topic},
                          method="oslo_rpc_server_ping", timeout=10)
        self.assertEqual(answer.get("result"), "pong", answer)
        calls = Spy(self, "client-RPCClient-%s_fanout" % self.topic, fanout=True)
        events = Spy(self, "client-Notifier-%s_fanout" % self.topic, fanout=True)
        ordered = lambda spy: spy.take(lambda m: m["method"] == "run_test")["args"]["kwargs"]
        self.ok(*self.common, "--oslo-config", path, "controller", "--idle", 1, "--verbose=yes",
                "rpc-call", "--pause", 0.25, "--calls", 2, "--length", 5)
        kwargs = ordered(calls)
        self.assertEqual([kwargs[k] for k in ("pause", "verbose", "count", "data")],
                         [0.25, True, 2, "XXXXX"])
        self.ok(*self.common, "controller", "--idle", 1, "notify", "--severity", "audit")
        kwargs = ordered(events)
        self.assertEqual([kwargs[k] for k in ("pause", "verbose", "severity")],
                         [0.0, False, "audit"])

    def test_severities(self):
        self.daemon("listener")
        self.daemon("notifier")
        for severity in ("audit", "debug", "info", "warn", "error", "critical"):
            text = self.ok(*self.common, "controller", "--idle", 0.5, "notify", "--severity",
                           severity, "--events", 3)
            self.assertEqual(text.count("Total Messages: 3\n"), 2, severity)

    def test_unique_agents_are_heard_on_singleton(self):
        with vhost(bus.unique("vhost")) as url:
            common = ("--url", url, "--topic", self.topic, "--unique")
            for mode in ("rpc-server", "rpc-client", "listener", "notifier"):
                self.ok(*common, mode, "--daemon")
            queues = [q["name"] for q in bus.listing("list_queues", "name",
                                                     vhost=url.rsplit("/", 1)[1])]
            for kind in ("RPCServer", "RPCClient", "Listener", "Notifier"):
                self.assertIn("client-%s-singleton" % kind, queues)
            self.assertIn("Total Messages: 1\n", self.ok(*common, "controller", "rpc-call"))
            self.assertIn("Total Messages: 1\n", self.ok(*common, "controller", "notify"))
            self.assertEqual(self.ok(*common, "controller", "shutdown"), "4 agents told to leave\n")

    def test_control_on_another_bus(self):
        with vhost(bus.unique("control")) as url:
            common = (*self.common, "--control", url)
            self.ok(*common, "rpc-server", "--daemon")
            self.ok(*common, "rpc-client", "--daemon")
            self.assertIn("Total Messages: 3\n",
                          self.ok(*common, "controller", "rpc-call", "--calls", 3))
            self.assertIn("Total Messages: 2\n", self.ok(*common, "rpc", "--calls", 2,
                                                          "--topic", self.topic + "-alone"))
            self.ok(*common, "controller", "shutdown")

    def test_an_agent_in_the_foreground_leaves_on_a_signal(self):
        for how in (signal.SIGTERM, signal.SIGINT):
            process = subprocess.Popen([os.path.join(BIN, "ombt"), *self.common, "rpc-server"],
                                       env=ENVIRONMENT, stdout=subprocess.PIPE,
                                       stderr=subprocess.PIPE, text=True)
            self.assertRegex(process.stdout.readline(), "^RPC server .* is ready$")
            process.send_signal(how)
            self.assertEqual(process.communicate(timeout=PATIENCE), ("", ""))
            self.assertEqual(process.returncode, 0)

    def test_python_agents_and_a_python_controller(self):
        peer = Peer("agent", url=URL, topic=self.topic, agents=["RPCServer", "RPCClient"])
        self.addCleanup(peer.kill)
        self.daemon("rpc-client")
        self.daemon("rpc-server")
        text = self.ok(*self.common, "controller", "--idle", 1, "rpc-call", "--calls", 10)
        self.assertIn("2 RPC clients, 2 RPC Servers (4 total)\n", text)
        self.assertEqual(text.count("Total Messages: 20\n"), 2)
        controller = Peer("controller", url=URL, topic=self.topic, idle=1)
        self.addCleanup(controller.kill)
        for mode, factor in (("call", 1), ("cast", 1), ("fanout", 2)):
            lines = controller.run("run", mode=mode, count=10)
            report = [line for line in lines if line["event"] == "run"][0]
            self.assertEqual((report["sent"], report["received"], report["problems"]),
                             (20, 20 * factor, []))

    def test_options_may_be_shortened(self):
        # A value that is a mode's name stays what it is.
        text = self.ok("--ur=" + URL, "--top", "rpc", "rpc", "--call", 3, "--len", 10, "--exec",
                       "eventlet")
        self.assertIn("Total Messages: 3\n", text)

    def test_the_log_goes_to_the_file_named(self):
        self.ok(*self.common, "--debug", "--logfile-prefix", self.path("log-"), "rpc-server",
                "--daemon")
        self.addCleanup(self.shutdown)
        self.ok(*self.common, "--debug", "--logfile-prefix", self.path("alone-"), "--topic",
                self.topic + "-alone", "rpc")
        logs = os.listdir(self.folder.name)
        self.assertEqual(sorted(re.sub("[0-9]+", "N", name) for name in logs),
                         ["alone-N", "log-N"])
        for name in logs:
            with open(self.path(name), encoding="utf-8") as file:
                said = file.read()
            self.assertIn("ombt: ", said)
            self.assertIn(":***@", said)
            self.assertNotIn(":%s@" % bus.address().password, said)

    def test_passwords_are_not_in_the_command_line(self):
        url = "rabbit://ali:secret@127.0.0.1:1"
        for mode in (("rpc-server",), ("--control", url, "controller", "rpc-call"), ("rpc",)):
            process = subprocess.Popen([os.path.join(BIN, "ombt"), "--url=" + url, *mode],
                                       env=ENVIRONMENT, stderr=subprocess.DEVNULL)
            self.addCleanup(process.wait)
            self.addCleanup(process.kill)
            shown = b""
            deadline = time.monotonic() + PATIENCE
            while b"***" not in shown or b"secret" in shown:  # it may be read half-way
                self.assertLess(time.monotonic(), deadline, shown)
                with open("/proc/%d/cmdline" % process.pid, "rb") as file:
                    shown = file.read()
            self.assertIn(b"ali:***@127.0.0.1", shown)


class Trouble(OmbtCase):
    def fails(self, status, *arguments, **options):
        done = ombt(*arguments, **options)
        self.assertEqual((done.returncode, done.stdout), (status, ""), done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertTrue(done.stderr.startswith("ombt: "), done.stderr)
        self.assertNotIn("secret", done.stderr)
        return done.stderr

    def test_settings_that_cannot_be_used(self):
        for arguments, named in (
                ((), "subcommand"),
                (("shout",), "shout"),
                (("controller",), "subcommand"),
                (("controller", "shout"), "shout"),
                (("rpc", "--colour", "blue"), "--colour"),
                (("--logfile-prefix", "/no/such/folder/x", "rpc"), "/no/such/folder/x: No such"),
                (("rpc", "--l", "3"), "--l could be --logfile-prefix, --length"),
                (("controller", "--even", "3", "rpc-call"), "--even"),
                (("rpc", "--calls", "x"), "--calls"),
                (("rpc", "--calls", "0"), "--calls"),
                (("rpc", "--length", "-1"), "--length"),
                (("controller", "notify", "--severity", "loud"), "--severity"),
                (("controller", "--output", "/no/such/file", "rpc-call"), "--output"),
                (("--url", "carrier-pigeon://u:secret@h", "rpc"), "carrier-pigeon"),
                (("--url", "carrier-pigeon://u:secret@h", "rpc-server", "--daemon"),
                 "carrier-pigeon"),
                (("--control", "rabbit://u:secret@h:x", "controller", "rpc-call"), "port"),
                (("--oslo-config", "/no/such.conf", "rpc-server"), "/no/such.conf"),
                (("--timeout", "0", "controller", "rpc-call"), "--timeout"),
                (("rpc-server", "--output", "/no/such/file"), "/no/such/file")):
            with self.subTest(arguments):
                self.assertIn(named, self.fails(2, *arguments))

    def test_the_url_defaults_to_ombts_and_to_nothing_else(self):
        # Nobody listens there: the connection is refused, though OMBT_URL names a bus.
        with socket.socket() as probe:
            if probe.connect_ex(("localhost", 5672)) == 0:
                self.fail("something listens on localhost:5672")
        said = self.fails(1, "--timeout", 1, "rpc", env={"OMBT_URL": URL, "OMBT_CONTROL": URL})
        self.assertIn("5672", said)
        said = self.fails(1, "--timeout", 1, "controller", "rpc-call", env={"OMBT_URL": URL})
        self.assertIn("5672", said)

    def test_a_daemon_that_cannot_be_ready_says_why_and_fails(self):
        address = bus.address()
        silent = socket.socket()
        self.addCleanup(silent.close)
        silent.bind(("127.0.0.1", 0))
        nobody = "rabbit://u:secret@127.0.0.1:%d" % silent.getsockname()[1]
        for url, said in ((nobody, "refused"),
                          (address.url(password="secret"), "login"),
                          (address.url(vhost="nowhere"), "virtual host")):
            for mode in ("rpc-server", "rpc-client", "listener", "notifier"):
                with self.subTest(url=url, mode=mode):
                    began = time.monotonic()
                    self.assertIn(said, self.fails(1, "--url", url, "--timeout", 2, mode,
                                                   "--daemon"))
                    self.assertLess(time.monotonic() - began, 15)

    def test_a_bus_that_takes_the_connection_and_says_nothing(self):
        with socket.socket() as server:
            server.bind(("127.0.0.1", 0))
            server.listen()
            url = "rabbit://u:secret@127.0.0.1:%d" % server.getsockname()[1]
            began = time.monotonic()
            for mode in (("rpc-server", "--daemon"), ("rpc",), ("controller", "rpc-call")):
                self.fails(1, "--url", url, "--timeout", 1, *mode)
            self.assertLess(time.monotonic() - began, 30)

    def test_no_agents(self):
        for test, kind in (("rpc-call", "RPCClient"), ("rpc-cast", "RPCClient"),
                           ("rpc-fanout", "RPCClient"), ("notify", "Notifier")):
            said = self.fails(1, *self.common, "controller", "--idle", 0.3, test)
            self.assertIn("No %s clients visible" % kind, said)
            self.assertIn("client-%s-%s" % (kind, self.topic), said)

    def test_an_interrupt_of_a_standalone_run_ends_it(self):
        process = subprocess.Popen(
            [os.path.join(BIN, "ombt"), *self.common, "rpc", "--calls", "100000000"],
            env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        deadline = time.monotonic() + PATIENCE
        while not any("controller-" + self.topic in q["name"]
                      for q in bus.listing("list_queues", "name")):
            self.assertLess(time.monotonic(), deadline)
        timer = threading.Timer(0.5, process.send_signal, [signal.SIGINT])
        timer.start()
        out, err = process.communicate(timeout=PATIENCE)
        self.assertEqual((process.returncode, out), (1, ""))
        self.assertIn("interrupted", err)
        left = [q["name"] for q in bus.listing("list_queues", "name") if self.topic in q["name"]]
        self.assertEqual([name for name in left if name.startswith(("client-", "controller-"))], [])


if __name__ == "__main__":
    bus.main()
