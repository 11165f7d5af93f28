#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What shows while a run goes on: the line on a terminal, and the figures for Prometheus of
controller and agents.

To be run under `ombt-bus router --` or `ombt-bus rabbit --`. OMBT_AGENT names the agents' program,
OMBT_BIN the folder of all."""

import fcntl
import json
import os
import pty
import re
import socket
import struct
import subprocess
import sys
import termios
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "agents")]
from bus_test import AGENT, PATIENCE                     # noqa: E402
from bus_options_test import OptionsTest, bus            # noqa: E402
from prometheus import Scrape                            # noqa: E402

CONTROLLER = os.path.join(os.environ["OMBT_BIN"], "ombt-controller")
RUNNING = re.compile(r"running \d+ s, \d+ s left  [\d,]+ msgs  [\d,]+/s  "
                     r"p50 (\d+\.\d+|n/a) p99 (\d+\.\d+|\d+|n/a) ms  0 err  3 up")


def on_a_terminal(command, columns):
    """Standard error of a command that has a terminal of so many columns there; and its output."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=its, text=True)
    os.close(its)
    said = b""

    def read():
        nonlocal said
        while True:
            try:
                part = os.read(ours, 65536)
            except OSError:  # the other end is closed
                return
            if not part:
                return
            said += part
    reader = threading.Thread(target=read)
    reader.start()
    out, _ = process.communicate(timeout=PATIENCE)
    reader.join()
    os.close(ours)
    return process.returncode, out, said.decode()


def ears(process):
    """How many names for datagrams a process listens at."""
    own = set()
    try:
        for descriptor in os.scandir("/proc/%d/fd" % process):
            own.add(os.readlink(descriptor.path))
    except OSError:  # it has gone
        return 0
    with open("/proc/net/unix", encoding="ascii") as file:
        return sum("socket:[%s]" % line.split()[6] in own for line in file
                   if re.search(r" @ombt-[0-9a-f]{32}$", line))


class Spectator(OptionsTest):
    def command(self, *arguments):
        return [CONTROLLER, "--url", bus.url(), "--topic", self.topic, *map(str, arguments)]

    def lines_of(self, columns, *arguments):
        """The lines that were written one over the other."""
        status, out, said = on_a_terminal(self.command(*arguments), columns)
        self.assertEqual(status, 0, out + said)
        self.assertTrue(said.endswith("\r\x1b[K"), said[-200:])
        lines = said.split("\r")
        self.assertEqual(lines[0], "")
        for line in lines[1:]:
            self.assertTrue(line.endswith("\x1b[K"), line)
            self.assertEqual(line.count("\x1b"), 1)  # no other command, so nothing flickers
            self.assertLess(len(line) - 3, columns)
        return [line[:-3] for line in lines[1:-1]], out

    def test_a_terminal_shows_how_a_run_goes_on_and_nothing_is_left_of_it(self):
        self.agents("--rpc-server", "1")
        self.agents("--rpc-client", "3", "--threads", "2")
        run = ("--expect", 4, "rpc-call", "--rate", 300, "--duration", "4s")
        lines, out = self.lines_of(80, *run)
        running = [line for line in lines if RUNNING.fullmatch(line)]
        self.assertGreaterEqual(len(running), 2, lines)
        self.assertTrue(any(re.search(r"  [1-9][\d,]*/s  ", line) for line in running), running)
        self.assertIn("RPC call test results", out)
        # In its order of importance where there is no room.
        lines, _ = self.lines_of(40, *run)
        self.assertTrue(any(re.fullmatch(r"running \d+ s(, \d+ s left)?  [\d,]+ msgs( .*)?", line)
                            for line in lines), lines)
        asking = [line for line in lines if line.startswith("asking servers")]
        self.assertTrue(asking, lines)
        for line in asking:
            self.assertRegex(line, r"^asking servers: \d+ of \d+( messages)?$")  # no part of a word

    def test_a_warm_up_is_called_so(self):
        self.agents("--rpc-server", "1", "--rpc-client", "1")
        lines, _ = self.lines_of(80, "--expect", 2, "rpc-call", "--duration", "2s", "--warmup", "3s")
        self.assertTrue(any(line.startswith("warming up ") for line in lines), lines)
        self.assertTrue(any(line.startswith("running ") for line in lines), lines)

    def test_without_a_terminal_there_is_no_line_and_nobody_listens_for_it(self):
        self.agents("--rpc-server", "1", "--rpc-client", "1")
        for more, wanted in ((), 0), (("--metrics", "0"), 1):
            run = subprocess.Popen(self.command("--expect", 2, *more, "rpc-call", "--duration", "2s"),
                                   text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            self.addCleanup(run.communicate)
            self.addCleanup(run.kill)
            most = 0
            while run.poll() is None:
                most = max(most, ears(run.pid))
                time.sleep(0.05)
            self.assertEqual(most, wanted)
            self.assertEqual(run.wait(), 0)
            self.assertEqual(re.sub("ombt-controller: figures are at .*\n", "", run.stderr.read()), "")


class Figures(OptionsTest):
    def serving_agents(self, *arguments, ready=0):
        """An ombt-agent that serves figures, ready, and where."""
        process = subprocess.Popen(
            [AGENT, "--topic", self.topic, "--url", bus.url(), "--timeout", "30", "--metrics", "0",
             *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(process.communicate)
        self.addCleanup(process.kill)
        said = process.stdout.readline()
        match = re.fullmatch(r"figures are at (http://127\.0\.0\.1:\d+/metrics)\n", said)
        self.assertTrue(match, said)
        for _ in range(ready):
            self.assertIn(" is ready", process.stdout.readline())
        return process, match[1]

    def test_agents_and_controller_serve_figures_during_a_run_and_no_counter_falls(self):
        clients, at = self.serving_agents("--rpc-client", "3", "--threads", "2", ready=3)
        servers, servers_at = self.serving_agents("--rpc-server", "2", ready=2)
        before = Scrape(at)
        self.assertEqual(before.value("ombt_agents", kind="RPCClient"), 3)
        self.assertEqual(before.value("ombt_run_active", kind="RPCClient"), 0)
        self.assertEqual(before.value("ombt_messages_total", kind="RPCClient", result="ok"), 0)
        self.assertIsNone(before.value("ombt_agents", kind="RPCServer"))
        run = subprocess.Popen(
            [CONTROLLER, "--url", bus.url(), "--topic", self.topic, "--expect", "5", "--metrics",
             "127.0.0.1:0", "--json", self.path("report"), "rpc-call", "--rate", "200", "--duration",
             "5s"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(run.communicate)
        self.addCleanup(run.kill)
        said = run.stderr.readline()
        match = re.fullmatch(r"ombt-controller: figures are at (http://127\.0\.0\.1:\d+/metrics)\n",
                             said)
        self.assertTrue(match, said)
        shown = Scrape(match[1])
        last = before
        ok = {"kind": "RPCClient", "result": "ok"}
        active = 0
        deadline = time.monotonic() + 60
        while shown.value("ombt_messages_total", **ok) in (None, 0) or active < 3:
            self.assertLess(time.monotonic(), deadline, shown.text)
            time.sleep(0.2)
            agents, again = Scrape(at), Scrape(match[1])
            agents.must_not_fall_below(last)
            again.must_not_fall_below(shown)
            last, shown = agents, again
            active += agents.value("ombt_run_active", kind="RPCClient") == 1
        self.assertEqual(shown.value("ombt_phase", phase="running"), 1)
        self.assertEqual(shown.value("ombt_run_active", kind="RPCClient"), 1)
        self.assertEqual(shown.value("ombt_agents", kind="RPCServer"), 2)
        self.assertGreater(shown.value("ombt_latency_seconds_count", kind="RPCClient"), 0)
        out, err = run.communicate(timeout=PATIENCE)
        self.assertEqual((run.returncode, err), (0, ""), out)
        with open(self.path("report"), encoding="utf-8") as file:
            report = json.load(file)
        after = Scrape(at)
        after.must_not_fall_below(last)
        sent = report["clients"]["messages_ok"]
        self.assertEqual(after.value("ombt_messages_total", **ok), sent)
        self.assertEqual(after.value("ombt_latency_seconds_count", kind="RPCClient"), sent)
        self.assertEqual(after.value("ombt_messages_in_flight", kind="RPCClient"), 0)
        self.assertEqual(after.value("ombt_run_active", kind="RPCClient"), 0)
        received = Scrape(servers_at)
        self.assertEqual(received.value("ombt_messages_total", kind="RPCServer", result="ok"), sent)
        self.assertEqual(received.value("ombt_link_events_total", kind="RPCServer",
                                        event="reconnects"), 0)
        # Over the life of the process: the next run adds to it.
        self.native_run("rpc-call", "--calls", "10", "--expect", "5")
        self.assertEqual(Scrape(at).value("ombt_messages_total", **ok), sent + 30)
        for process in clients, servers:
            process.terminate()
            self.assertEqual(process.wait(PATIENCE), 0)

    def test_an_address_that_cannot_be_had_is_one_plain_line_and_status_2(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            for address, words in (
                    (str(port), "--metrics: can't listen on 127.0.0.1 port %d: Address already in "
                                "use" % port),
                    ("x", "--metrics x: expected PORT or HOST:PORT, the port from 0 to 65535"),
                    ("127.0.0.1:70000", "--metrics 127.0.0.1:70000: expected PORT or HOST:PORT, the "
                                        "port from 0 to 65535")):
                for command in ([CONTROLLER, "--url", bus.url(), "--metrics", address, "rpc-call"],
                                [AGENT, "--url", bus.url(), "--metrics", address, "--rpc-client",
                                 "1"],
                                [AGENT, "--url", bus.url(), "--metrics", address, "--rpc-client",
                                 "1", "--daemon"]):
                    with self.subTest(command=command):
                        done = subprocess.run(command, text=True, capture_output=True,
                                              timeout=PATIENCE)
                        self.assertEqual((done.returncode, done.stdout, done.stderr),
                                         (2, "", "%s: %s\n" % (os.path.basename(command[0]),
                                                               words)))

    def test_in_the_background_the_command_says_where_they_are(self):
        started = subprocess.run([AGENT, "--url", bus.url(), "--topic", self.topic, "--metrics",
                                  "127.0.0.1:0", "--rpc-server", "1", "--daemon"], text=True,
                                 capture_output=True, timeout=PATIENCE)
        try:
            self.assertEqual(started.returncode, 0, started.stderr)
            url = re.match(r"figures are at (\S+)\n", started.stdout)[1]
            self.assertEqual(Scrape(url).value("ombt_agents", kind="RPCServer"), 1)
        finally:
            done = subprocess.run(self.shutdown_command(), text=True, capture_output=True,
                                  timeout=PATIENCE)
        self.assertEqual(done.returncode, 0, done.stderr)

    def shutdown_command(self):
        return [CONTROLLER, "--url", bus.url(), "--topic", self.topic, "--expect", "1", "shutdown"]


if __name__ == "__main__":
    unittest.main(verbosity=2)
