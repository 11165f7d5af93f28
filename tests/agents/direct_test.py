#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""ombt-agent under direct control, on a router: found, held, run and dismissed by a controller that
frames JSON over the local socket.

To be run under `ombt-bus router --`. OMBT_AGENT names the program."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "interop"), os.path.join(HERE, "..", "peers")]
import bus      # noqa: E402
import direct   # noqa: E402

AGENT = os.environ["OMBT_AGENT"]
PATIENCE = direct.PATIENCE


def free_port():
    with socket.socket() as probe:
        probe.bind(("", 0))
        return probe.getsockname()[1]


def boot_id():
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        return file.read().strip()


class DirectTest(unittest.TestCase):
    def setUp(self):
        self.topic = bus.unique("t")
        self.folder = tempfile.mkdtemp(prefix="ombt-direct-")
        self.addCleanup(shutil.rmtree, self.folder)
        self.port = free_port()
        self.socket = os.path.join(self.folder, "%d.sock" % self.port)
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("OMBT_")}
        self.environment.update(OMBT_RUNTIME_DIR=self.folder, HOME=self.folder)

    def start(self, *arguments):
        started = subprocess.Popen(
            [AGENT, "--topic", self.topic, "--url", bus.url(), "--timeout", "30",
             "--listen", str(self.port), *arguments],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.environment)
        self.addCleanup(started.communicate)
        self.addCleanup(started.kill)
        return started

    def agents(self, *arguments):
        """Started, and ready."""
        started = self.start(*arguments)
        kinds = ("--rpc-client", "--rpc-server")
        for _ in range(sum(int(arguments[i + 1]) for i, a in enumerate(arguments) if a in kinds)):
            line = started.stdout.readline()
            self.assertTrue(line.endswith(" is ready\n"), line or "not ready")
        return started

    def controllers(self, wanted):
        """One a process."""
        limit = time.monotonic() + PATIENCE
        while len(keys := direct.processes(self.socket)["processes"]) < wanted:
            self.assertLess(time.monotonic(), limit, keys)
            time.sleep(0.05)
        self.assertEqual(len(keys), wanted)
        return [self.controller(key) for key in keys]

    def controller(self, key):
        made = direct.Controller(self.socket, key, self.topic)
        self.addCleanup(made.close)
        return made

    def results(self, controller, count):
        found = [one["args"] for one in controller.wait_for("client_result", count)]
        self.assertEqual(len(found), count)
        return found

    def ends(self, process, status=0, says=""):
        out, err = process.communicate(timeout=PATIENCE)
        self.assertEqual((process.returncode, out, err), (status, "", says))


class UnderAController(DirectTest):
    def test_two_processes_share_a_port_and_run_together(self):
        servers = self.agents("--rpc-server", "2")
        clients = self.agents("--rpc-client", "5")
        found = self.controllers(2)
        self.assertEqual([one.hello["host"] for one in found], [socket.gethostname()] * 2)
        self.assertEqual({one.hello["boot"] for one in found}, {boot_id()})
        self.assertEqual({one.hello["pid"] for one in found}, {servers.pid, clients.pid})
        self.assertEqual([one.hello["topics"] for one in found], [[self.topic]] * 2)
        self.assertTrue(all(one.hello["program"].startswith("ombt-agent ") for one in found))
        client = [one for one in found if one.hello["agents"] == {"RPCClient": 5}][0]
        server = [one for one in found if one.hello["agents"] == {"RPCServer": 2}][0]
        for one, kind, count in ((client, "RPCClient", 5), (server, "RPCServer", 2)):
            self.assertEqual(one.result("hold"), {"held": True})
            one.command("client_ping", kind)
            self.assertEqual(len(one.wait_for("client_pong", count)), count)
        server.command("get_server_results", "RPCServer")
        self.results(server, 2)
        for run, test in (("r-1", "test_call"), ("r-2", "test_cast")):
            self.assertEqual(client.prepare(run, test=test, count=20,
                                            progress={"direct": True})["result"], None)
            begins = time.clock_gettime_ns(time.CLOCK_MONOTONIC) + 200_000_000
            self.assertIn("result", client.start(run, boot_id(), begins))
            started = client.wait_for("started")[0]["args"]
            self.assertEqual(started["run"], run)
            self.assertGreaterEqual(time.clock_gettime_ns(time.CLOCK_MONOTONIC), begins)
            results = self.results(client, 5)
            self.assertEqual([one["results"]["msgs_ok"] for one in results], [20] * 5)
            self.assertEqual({one["results"]["ombt"]["run"] for one in results}, {run})
            self.assertEqual(client.wait_for("progress")[-1]["args"]["run"], run)
            received = 0
            while received < 100:
                server.command("get_server_results", "RPCServer")
                received += sum(one["results"]["msgs_ok"] for one in self.results(server, 2))
            self.assertEqual(received, 100)
        clock = client.result("clock")
        self.assertEqual(clock["boot"], boot_id())
        self.assertLessEqual(clock["received"], clock["replied"])
        self.assertIn("result", server.command("shutdown", "Listener"))  # there is none
        for one, kind in ((client, "RPCClient"), (server, "RPCServer")):
            self.assertIn("result", one.command("shutdown", kind))
            with self.assertRaises(direct.Gone):
                one.frame()
        self.ends(clients)
        self.ends(servers)

    def test_a_controller_that_dies_frees_the_agents_and_leaves_no_load(self):
        agents = self.agents("--rpc-client", "3", "--rpc-server", "1")
        first, = self.controllers(1)
        second, = self.controllers(1)
        self.assertEqual(first.result("hold"), {"held": True})
        told = second.result("hold")
        self.assertEqual((told["held"], told["by"], told["pid"]), (False, first.name, os.getpid()))
        first.prepare("endless", count=10**9, pause=0.001)
        self.assertIn("result", first.start("endless"))
        first.wait_for("started")
        self.assertIn("not held", second.prepare("r")["error"])
        first.close()
        limit = time.monotonic() + PATIENCE
        while not second.result("hold")["held"]:
            self.assertLess(time.monotonic(), limit)
        self.assertIn("result", second.prepare("r", count=5))
        self.assertIn("result", second.start("r"))
        results = self.results(second, 3)  # behind what the first left
        self.assertEqual([one["results"]["msgs_ok"] for one in results], [5] * 3)
        agents.send_signal(signal.SIGTERM)
        self.ends(agents, says="ombt-agent: control: 1 commands refused (last: prepare: the process "
                  "is not held by this controller), 0 too many, 3 answers lost\n")

    def test_the_ports_owner_is_killed_and_runs_go_on(self):
        owner = self.agents("--rpc-client", "1")
        self.agents("--rpc-client", "2", "--rpc-server", "1")
        found = self.controllers(2)
        staying = [one for one in found if one.hello["pid"] != owner.pid][0]
        self.assertEqual(staying.result("hold"), {"held": True})
        staying.prepare("r", count=100, pause=0.01)
        staying.start("r")
        staying.wait_for("started")
        owner.kill()
        results = self.results(staying, 2)
        self.assertEqual([one["results"]["msgs_ok"] for one in results], [100] * 2)
        limit = time.monotonic() + PATIENCE
        while True:
            try:
                if direct.processes(self.socket)["processes"] == [staying.hello["process"]]:
                    break
            except (OSError, direct.Gone):
                pass
            self.assertLess(time.monotonic(), limit)
            time.sleep(0.05)
        self.controller(staying.hello["process"])

    def test_what_a_process_was_not_started_for_is_refused(self):
        self.agents("--rpc-client", "2", "--max-rate", "1000", "--max-length", "1K")
        controller, = self.controllers(1)
        controller.result("hold")
        self.assertEqual(controller.prepare("r", pause=0.0005)["error"],
                         "the run asks 4000 messages/s of this process, and --max-rate allows 1000")
        self.assertEqual(controller.prepare("r", data="X" * 1025)["error"],
                         "the run has a payload of 1025 bytes, and --max-length allows 1024")
        load = {"seed": 1, "profile": [[10, 1001, 1]], "clients": 2,
                "start": {"in": 1, "boot": boot_id(), "monotonic_ns": time.monotonic_ns()}}
        self.assertIn("1001 messages/s", controller.prepare("r", load=load)["error"])
        self.assertIn("result", controller.prepare("r", pause=0.002, data="X" * 1024))

    def test_garbage_changes_nothing(self):
        agents = self.agents("--rpc-client", "1", "--rpc-server", "1")
        controller, = self.controllers(1)
        key = controller.hello["process"]
        for data in (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\0\0\0\x05", b"\0\0\x20\0" + b"x" * 8192,
                     b"GET / HTTP/1.1\r\n\r\n", b"\0\0\0\x02[]", b"\0\0\x10\0" + b"[" * 4096):
            with self.subTest(data=data[:20]):
                other = direct.Connection(self.socket, key)
                self.addCleanup(other.close)
                try:
                    other.send_bytes(data)
                    other.socket.shutdown(socket.SHUT_WR)
                    with self.assertRaises(direct.Gone):
                        other.frame()
                except ConnectionError:
                    pass
        for text in (b"[" * 1_000_000, b"7", b'{"id": 1e99}', b'"' + b"\\u0000" * 100_000 + b'"'):
            with self.subTest(text=text[:20]):
                other = self.controller(key)
                other.send_text(text)
                with self.assertRaises(direct.Gone):
                    other.frame()
        silent = direct.Connection(self.socket, key)
        self.addCleanup(silent.close)
        self.assertEqual(controller.error("no such method"), "unknown method")
        controller.result("hold")
        controller.prepare("r", count=3)
        controller.start("r")
        self.assertEqual(self.results(controller, 1)[0]["results"]["msgs_ok"], 3)
        self.assertEqual(agents.poll(), None)

    def test_controllers_of_another_version_are_told(self):
        self.agents("--rpc-client", "1")
        key, = direct.processes(self.socket)["processes"]
        other = direct.Connection(self.socket, key)
        self.addCleanup(other.close)
        self.assertIn("version", other.error("hello", {"version": 2, "controller": "c"}))
        with self.assertRaises(direct.Gone):
            other.frame()


class ByItself(DirectTest):
    def test_agents_in_the_background_leave_when_no_controller_came(self):
        file = os.path.join(self.folder, "agents.pid")
        begun = time.monotonic()
        done = subprocess.run(
            [AGENT, "--topic", self.topic, "--url", bus.url(), "--listen", str(self.port),
             "--rpc-client", "1", "--daemon", "--pid-file", "agents.pid", "--idle-exit", "2"],
            env=self.environment, cwd=self.folder, timeout=PATIENCE, capture_output=True, check=True)
        self.assertIn(b" is ready\n", done.stdout)
        with open(file, encoding="ascii") as said:
            pid = int(said.read())
        controller, = self.controllers(1)
        self.assertEqual(controller.hello["pid"], pid)
        time.sleep(2.5)
        self.assertTrue(os.path.exists(file))  # one is there
        controller.close()
        limit = time.monotonic() + PATIENCE
        while os.path.exists("/proc/%d" % pid):
            self.assertLess(time.monotonic(), limit)
            time.sleep(0.05)
        self.assertGreater(time.monotonic(), begun + 4)
        self.assertFalse(os.path.exists(file))

    def test_the_file_with_the_process_id_is_there_in_the_foreground_too(self):
        file = os.path.join(self.folder, "agents.pid")
        agents = self.agents("--rpc-client", "1", "--pid-file", file)
        with open(file, encoding="ascii") as said:
            self.assertEqual(int(said.read()), agents.pid)
        agents.send_signal(signal.SIGTERM)
        self.ends(agents)
        self.assertFalse(os.path.exists(file))

    def test_a_port_of_another_program_is_an_error_that_says_so(self):
        with socket.socket() as taken:
            taken.bind(("", self.port))
            taken.listen()
            agents = self.start("--rpc-client", "1")
            out, err = agents.communicate(timeout=PATIENCE)
        self.assertEqual((agents.returncode, out), (1, ""))
        self.assertTrue(err.startswith("ombt-agent: control: "), err)
        self.assertIn(str(self.port), err)

    def test_a_token_that_others_can_read_is_refused_before_anything_starts(self):
        token = os.path.join(self.folder, "token")
        with open(token, "w", encoding="ascii") as file:
            file.write("0123456789abcdef0123456789abcdef\n")
        os.chmod(token, 0o644)
        agents = self.start("--rpc-client", "1", "--token-file", token)
        out, err = agents.communicate(timeout=PATIENCE)
        self.assertEqual((agents.returncode, out), (2, ""))
        self.assertIn(token, err)
        self.assertEqual(len(err.splitlines()), 1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
