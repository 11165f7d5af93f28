# SPDX-License-Identifier: Apache-2.0
"""ombt-controller's test with nothing named: it brings a router and agents, and nothing remains.

embedded_test.py FOLDER-OF-THE-PROGRAMS [test…]
"""

import json
import os
import pathlib
import pty
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "controller"))
import schema  # noqa: E402

BIN = pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else None
HERE = pathlib.Path(__file__).resolve().parent
HANGING_ROUTER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "hanging_router.py")
PATIENCE = 150
SAID = "ombt-controller: no bus named: starting ombt-router, %s, %s\n"
USUAL = SAID % ("1 RPC server", "2 RPC clients")
LONG = ("rpc-call", "--calls", "100000000")


def wait_until(condition, what, limit=60.0):
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("waited %g s in vain: %s" % (limit, what))
        time.sleep(0.02)


class Case(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory(prefix="ombt-embedded-")
        self.addCleanup(self.folder.cleanup)
        self.here = pathlib.Path(self.folder.name)
        self.mark = "ombt-mark-" + uuid.uuid4().hex
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("OMBT_")}
        runtime = tempfile.TemporaryDirectory(prefix="ombt-sockets-")  # no other's agents are in it
        self.addCleanup(runtime.cleanup)
        self.sockets = pathlib.Path(runtime.name) / "sockets"
        self.environment.update(OMBT_TEST_MARK=self.mark, TMPDIR=self.folder.name,
                                OMBT_RUNTIME_DIR=str(self.sockets))
        self.addCleanup(self.end_all)

    def end_all(self):
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)

    def processes(self):
        """Live processes of this test: pid -> command line, its words apart by blanks."""
        found = {}
        for folder in pathlib.Path("/proc").iterdir():
            if not folder.name.isdigit():
                continue
            try:
                if self.mark.encode() in (folder / "environ").read_bytes():
                    line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    if line:  # a zombie has none
                        found[int(folder.name)] = line
            except OSError:
                pass
        return found

    def named(self, program):
        return [pid for pid, line in self.processes().items()
                if os.path.basename(line.split()[0]) == program]

    def start(self, *arguments, program=None, **options):
        return subprocess.Popen([str(program or BIN / "ombt-controller"), *map(str, arguments)],
                                text=True, cwd=self.here, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                env=self.environment, **options)

    def run_it(self, *arguments, **options):
        """(status, stdout, stderr); nothing may run afterwards."""
        process = self.start(*arguments, **options)
        out, err = process.communicate(timeout=PATIENCE)
        self.assertEqual(self.processes(), {})
        return process.returncode, out, err

    def running(self, *arguments, **options):
        """A test whose agents have begun to send."""
        process = self.start(*(arguments or LONG), **options)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.stderr.close)
        wait_until(lambda: len(self.named("ombt-agent")) == 2, "for the agents")
        # The controller connects when they are ready.
        wait_until(lambda: any(os.readlink(fd).startswith("socket:") for fd in
                               pathlib.Path("/proc/%d/fd" % process.pid).iterdir()
                               if fd.is_symlink()), "for the controller")
        time.sleep(0.5)
        return process

    def programs(self, **stand_ins):
        """A folder with the real ombt-controller and ombt and these scripts in place of others."""
        folder = self.here / "programs"
        folder.mkdir()
        for name in ("ombt-controller", "ombt"):
            shutil.copy2(BIN / name, folder)
        for name, script in stand_ins.items():
            path = folder / name.replace("_", "-")
            path.write_text("#!/bin/sh\n" + script + "\n")
            path.chmod(0o755)
        return folder


class Embedded(Case):
    def test_the_literal_command_needs_nothing_else(self):
        status, out, err = self.run_it("rpc-call", "--calls", "1000")
        self.assertEqual((status, err), (0, USUAL), out)
        # What a busy machine does to the agents stands first.
        lines = re.sub(r"\A(harness-limited: .*\n(  .*\n)*)*", "", out).splitlines()
        self.assertEqual(lines[:3], [
            "RPC call test results", "2 RPC clients, 1 RPC Servers (3 total)",
            "bus: embedded router"])
        self.assertEqual(out.count("Total Messages: 2000\n"), 2, out)
        self.assertLessEqual(len(err.rstrip()), 80)
        self.assertEqual(list(self.here.iterdir()), [])

    def test_every_kind_of_test_has_the_agents_that_it_needs(self):
        for task, count, said in (
                ("rpc-cast", "--calls", ("2 RPC servers", "3 RPC clients")),
                ("rpc-fanout", "--calls", ("2 RPC servers", "3 RPC clients")),
                ("notify", "--events", ("2 listeners", "3 notifiers"))):
            status, out, err = self.run_it(task, count, 20, "--rpc-clients", 3,
                                           "--rpc-servers", 2)
            self.assertEqual((status, err), (0, SAID % said), out)
            self.assertIn("\nbus: embedded router\n", out)
            self.assertIn("(5 total)", out)
            self.assertIn("Total Messages: %d\n" % (120 if task == "rpc-fanout" else 60),
                          out.split("(Server)" if task == "notify" else "RPC Server results")[1])

    def test_several_topics_have_a_client_and_a_server_each(self):
        said = SAID % ("20 RPC servers", "20 RPC clients")
        status, out, err = self.run_it("rpc-call", "--topics", 20, "--calls", 30, "--json", "-")
        self.assertEqual((status, err), (0, said), out)
        report = schema.check(json.loads(out))
        self.assertEqual([t["topic"] for t in report["topics"]],
                         ["topic-%d" % i for i in range(20)])
        for topic in report["topics"]:
            self.assertEqual((topic["clients"]["messages_ok"], topic["messages_received"]),
                             (30, 30))
        self.assertEqual(report["ledger"]["delivered"], 600)
        status, out, err = self.run_it("rpc-fanout", "--topics", 2, "--topic", "mine",
                                       "--rpc-servers", 4, "--calls", 10)
        self.assertEqual((status, err), (0, SAID % ("4 RPC servers", "2 RPC clients")), out)
        self.assertIn("\n2 topics, mine-0 to mine-1\n", out)
        self.assertIn("Total Messages: 40\n", out.split("RPC Server results")[1])
        self.assertEqual(self.run_it("rpc-call", "--topics", 5, "--rpc-clients", 3), (
            2, "", "ombt-controller: --topics 5: --rpc-clients 3 would leave topics without one\n"))

    def test_the_report_as_data_names_the_bus_and_its_address(self):
        status, out, err = self.run_it("rpc-call", "--json", "-")
        self.assertEqual((status, err), (0, USUAL), out)
        report = schema.check(json.loads(out))
        self.assertEqual(report["bus"], "embedded router")
        self.assertRegex(report["url"], r"^amqp://127\.0\.0\.1:[0-9]+/\?idle_timeout=6$")
        self.assertEqual(report["url"], report["control"])

    def test_a_folder_gets_the_report_and_the_agents_and_is_never_taken_twice(self):
        asked = ("rpc-call", "--calls", 20, "--out", self.here / "run", "--json", self.here / "same")
        self.assertEqual(self.run_it(*asked)[0], 0)
        files = {path.name: path.read_text() for path in (self.here / "run").iterdir()}
        self.assertEqual(sorted(files), ["agents.jsonl", "latency.hlog", "run.json"])
        self.assertEqual(files["run.json"], (self.here / "same").read_text())
        self.assertEqual({line.split(",")[0] for line in files["latency.hlog"].splitlines()
                          if line.startswith("Tag=")}, {"Tag=RPCClient", "Tag=RPCServer"})
        agents = [json.loads(line) for line in files["agents.jsonl"].splitlines()]
        self.assertEqual(agents, schema.check(json.loads(files["run.json"]))["agents"])
        self.assertEqual([one["messages_ok"] for one in agents if one["kind"] == "RPCClient"],
                         [20, 20])
        status, _, err = self.run_it(*asked)
        self.assertEqual(status, 2)
        self.assertIn("--out %s: exists already" % (self.here / "run"), err)

    def test_a_disk_that_fills_up_in_the_run_leaves_what_could_be_written_by_another_name(self):
        process = self.start("rpc-call", "--duration", "2s", "--out", self.here / "run")
        wait_until((self.here / "run").exists, "for the folder")
        # In the place of the file that is being written.
        (self.here / "run" / ("run.json.ombt-%d" % process.pid)).mkdir()
        out, err = process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, 1, err)
        self.assertIn("RPC call test results", out)
        self.assertEqual(err, USUAL + "ombt-controller: %s/run/run.json: Is a directory\n"
                         "ombt-controller: --out %s/run: incomplete; what could be written is in "
                         "%s/run.incomplete\n" % (self.here, self.here, self.here))
        self.assertFalse((self.here / "run").exists())
        self.assertEqual(sorted(path.name for path in (self.here / "run.incomplete").iterdir()
                                if path.is_file()), ["agents.jsonl", "latency.hlog"])

    def test_a_search_for_the_highest_rate_brings_them_once(self):
        status, out, err = self.run_it("find-rate", "--target-p50", "5s", "--step", "1s", "--from",
                                       20, "--max-rate", 40, "--test", "notify", "--json", "-")
        self.assertEqual((status, err), (0, SAID % ("1 listener", "2 notifiers")), out)
        curve = schema.check(json.loads(out))
        self.assertEqual([(p["rate"], p["held"]) for p in curve["probes"]], [(20, True), (40, True)])
        self.assertEqual((curve["rate"], curve["missed_at"]), (40, None))
        self.assertEqual(curve["bus"], "embedded router")

    def test_a_terminal_is_told_of_each_probe(self):
        ours, theirs = pty.openpty()
        process = subprocess.Popen(
            [BIN / "ombt-controller", "find-rate", "--target-p50", "5s", "--step", "1s", "--from",
             "20", "--max-rate", "40"], cwd=self.here, env=self.environment,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=theirs)
        os.close(theirs)
        out = process.communicate(timeout=PATIENCE)[0].decode()
        said = b""
        while True:
            try:
                said += os.read(ours, 65536)
            except OSError:  # nothing is left of it
                break
        os.close(ours)
        said = said.decode()
        self.assertEqual(process.returncode, 0, said)
        for number, rate in ((1, 20), (2, 40)):
            self.assertRegex(said, r"\rprobe %d at %d/s, r(oll call|unning)" % (number, rate))
            self.assertRegex(said, r"probe %d: %d messages/s for 1 s: p50 [\d.]+ ms, held"
                             % (number, rate))
        self.assertTrue(out.startswith("Highest rate that holds p50 <= 5 s: 40 messages/s, "), out)

    def test_a_router_that_ends_in_a_search_ends_it_with_the_curve_so_far(self):
        process = self.start("find-rate", "--target-p50", "5s", "--step", "1s", "--from", 20,
                             "--out", self.here / "search")
        wait_until((self.here / "search" / "probe-01.json").exists, "for the first probe")
        (router,) = self.named("ombt-router")
        os.kill(router, signal.SIGKILL)
        out, err = process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, 1, err)
        # A probe that was just connecting says what it had from the bus, too.
        why = r"ombt-router ended by itself \(signal 9\)( \(127[.]0[.]0[.]1:.*\))?\n"
        self.assertRegex(err, "^" + re.escape(USUAL) + "ombt-controller: " + why + "$")
        self.assertRegex(out, r"^Not found: p50 <= 5 s holds at \d+ messages/s\nCut short: " + why)
        self.assertRegex(out, r"\n +20 .* held")
        self.assertEqual(self.processes(), {})

    def test_the_seconds_of_a_run_sum_up_to_it_and_other_programs_read_them(self):
        status, out, _ = self.run_it("rpc-call", "--rate", 200, "--duration", "2.5s",
                                     "--out", self.here / "run")
        self.assertEqual(status, 0, out)
        report = schema.check(json.loads((self.here / "run" / "run.json").read_text()))
        for side in "clients", "servers":
            seconds = report[side]["intervals"]
            self.assertGreaterEqual(len(seconds), 3)
            self.assertEqual(sum(one["ok"] for one in seconds), report[side]["messages_ok"])
            self.assertEqual(sum(one["failed"] for one in seconds), 0)
            self.assertAlmostEqual(max(one["max_ms"] for one in seconds),
                                   report[side]["latency"]["max_ms"], 3)
        java = subprocess.run(["java", "-cp", "/usr/share/java/hdrhistogram.jar", HERE / "log_totals.java",
                               self.here / "run" / "latency.hlog"],
                              text=True, capture_output=True, timeout=PATIENCE)
        self.assertEqual(java.returncode, 0, java.stderr)
        found = {}
        for tag, start, length, count in map(str.split, java.stdout.splitlines()):
            self.assertEqual((int(start) % 1000, int(length)), (0, 1000))
            found.setdefault(tag, {})[int(start) // 1000] = int(count)
        self.assertEqual(sorted(found), ["RPCClient", "RPCClient-intended", "RPCServer"])
        for tag, side in (("RPCClient", "clients"), ("RPCServer", "servers")):
            self.assertEqual(found[tag], {one["start"]: one["ok"]
                                          for one in report[side]["intervals"]})
        self.assertEqual(found["RPCClient-intended"], found["RPCClient"])

    def test_options_that_agents_share_reach_them(self):
        config = self.here / "oslo.conf"
        config.write_text("[oslo_messaging_amqp]\naddressing_mode = legacy\n")
        process = self.running("--topic", "mine", "--unique", "--oslo-config", config, *LONG)
        lines = [self.processes()[pid] for pid in self.named("ombt-agent")]
        for line in lines:
            self.assertIn(" --topic mine --unique --oslo-config %s " % config, line)
        process.terminate()
        process.communicate(timeout=PATIENCE)
        self.assertEqual(self.run_it("--unique", "--topic", "mine", "rpc-call")[0], 0)

    def test_router_and_agents_are_processes_of_their_own_on_a_loopback_port(self):
        first, second = self.running(), self.start(*LONG)
        wait_until(lambda: len(self.named("ombt-agent")) == 4, "for the second's agents")
        urls = set()
        for pid, line in self.processes().items():
            words = line.split()
            with open("/proc/%d/stat" % pid) as file:
                parent = int(file.read().rsplit(") ", 1)[1].split()[1])
            if pid not in (first.pid, second.pid):
                self.assertIn(parent, (first.pid, second.pid))
            if "--url" in words:
                urls.add(words[words.index("--url") + 1])
        self.assertEqual(len(urls), 2)
        for url in urls:
            self.assertRegex(url, r"^amqp://127\.0\.0\.1:[0-9]+\?idle_timeout=6$")
        for process in (first, second):
            process.terminate()
            process.communicate(timeout=PATIENCE)
        self.assertEqual(self.processes(), {})

    def test_programs_are_found_on_the_path_too(self):
        alone = self.programs() / "ombt-controller"
        self.environment["PATH"] = "%s:/usr/bin:/bin" % BIN
        status, out, err = self.run_it("rpc-call", program=alone)
        self.assertEqual((status, err), (0, USUAL), out)

    # ---- how it ends -----------------------------------------------------------------------------

    def test_a_signal_in_the_run_leaves_nothing(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(number):
                process = self.running()
                process.send_signal(number)
                out, err = process.communicate(timeout=PATIENCE)
                self.assertEqual((process.returncode, out), (1, ""), err)
                self.assertEqual(err, USUAL + "ombt-controller: interrupted\n")
                self.assertEqual(self.processes(), {})

    def test_a_run_that_is_interrupted_has_no_figures_as_its_help_says(self):
        process = self.running("--json", self.here / "report", *LONG)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=PATIENCE)
        report = schema.check(json.loads((self.here / "report").read_text()))
        self.assertEqual((report["failure"], report["ok"], report["ledger"],
                          report["clients"]["messages_ok"]), ("interrupted", False, None, 0))
        for command in ((), ("rpc-call",)):
            _, text, _ = self.run_it(*command, "--help")
            self.assertIn("A run that is interrupted (Ctrl-C) has no figures.\n", text)

    def test_ctrl_c_of_a_terminal_leaves_nothing(self):
        process = self.running(start_new_session=True)
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, 1, err)
        self.assertEqual(err, USUAL + "ombt-controller: interrupted\n")
        self.assertEqual(self.processes(), {})

    def test_killed_it_leaves_nothing_either(self):
        process = self.running()
        process.kill()
        process.communicate(timeout=PATIENCE)
        wait_until(lambda: not self.processes(), "for the kernel to end them")

    def test_a_signal_at_any_moment_of_the_start_leaves_nothing(self):
        for number in (signal.SIGINT, signal.SIGKILL):
            for step in range(12):
                process = self.start(*LONG)
                time.sleep(step * 0.02)
                process.send_signal(number)
                process.communicate(timeout=PATIENCE)
                self.assertIn(process.returncode, (-number, 1))
                wait_until(lambda: not self.processes(), "nothing to be left")

    def ends_with(self, what, number=signal.SIGKILL):
        """One of them, by a part of its command line, ends in the run: so does the run, which waits
        for no limit."""
        process = self.running("--timeout", 100, *LONG)
        ending = [pid for pid, line in self.processes().items() if what in line]
        self.assertEqual(len(ending), 1, what)
        begun = time.monotonic()
        os.kill(ending[0], number)
        out, err = process.communicate(timeout=PATIENCE)
        took = time.monotonic() - begun
        self.assertEqual((process.returncode, out), (1, ""), err)
        self.assertEqual(self.processes(), {})
        return took, err

    def test_an_agent_that_ends_in_the_run_ends_it_and_is_named(self):
        for option, what in (("--rpc-server", "1 RPC server"), ("--rpc-client", "2 RPC clients")):
            took, err = self.ends_with(option)
            self.assertEqual(err, USUAL + "ombt-controller: ombt-agent (%s) ended by itself "
                             "(signal 9)\n" % what)
            self.assertLess(took, 5)

    def test_a_router_that_ends_in_the_run_ends_it_and_is_named(self):
        for number, how in ((signal.SIGKILL, "signal 9"), (signal.SIGTERM, "exit status 0")):
            took, err = self.ends_with("ombt-router", number)
            self.assertEqual(err, USUAL +
                             "ombt-controller: ombt-router ended by itself (%s)\n" % how)
            self.assertLess(took, 5)

    def test_who_stands_still_ends_the_run_and_is_named(self):
        for option, who in (("ombt-router", "ombt-router"),
                            ("--rpc-server", "ombt-agent (1 RPC server)"),
                            ("--rpc-client", "ombt-agent (2 RPC clients)")):
            took, err = self.ends_with(option, signal.SIGSTOP)
            self.assertEqual(err, USUAL +
                             "ombt-controller: %s stands still (signal 19)\n" % who)
            self.assertLess(took, 10)

    def test_a_router_that_hangs_ends_the_run(self):
        folder = self.programs(ombt_router="exec /usr/bin/python3 %s %s"
                               % (HANGING_ROUTER, BIN / "ombt-router"))
        shutil.copy2(BIN / "ombt-agent", folder)
        process = self.running("--timeout", 100, *LONG, program=folder / "ombt-controller")
        (router,) = [pid for pid, line in self.processes().items() if HANGING_ROUTER in line]
        os.kill(router, signal.SIGUSR1)
        begun = time.monotonic()
        out, err = process.communicate(timeout=PATIENCE)
        self.assertLess(time.monotonic() - begun, 30)
        self.assertEqual((process.returncode, out), (1, ""), err)
        self.assertRegex(err, "^" + re.escape(USUAL) +
                         r"ombt-controller: ombt-router does not answer: 127\.0\.0\.1:.*\n$")
        self.assertEqual(self.processes(), {})

    def test_what_agents_say_is_passed_on_and_tells_them_apart(self):
        folder = self.programs(ombt_agent='echo "ombt-agent: a word" >&2; exec %s "$@"'
                               % (BIN / "ombt-agent"))
        shutil.copy2(BIN / "ombt-router", folder)
        status, out, err = self.run_it("rpc-call", program=folder / "ombt-controller")
        self.assertEqual(status, 0, err)
        self.assertEqual(err, USUAL + "ombt-agent (2 RPC clients): a word\n"
                         "ombt-agent (1 RPC server): a word\n", out)

    def test_a_program_that_is_missing_is_named(self):
        folder = self.programs()
        self.environment["PATH"] = "/usr/bin:/bin"
        for missing in ("ombt-router", "ombt-agent"):
            status, out, err = self.run_it("rpc-call", program=folder / "ombt-controller")
            self.assertEqual((status, out), (1, ""), err)
            self.assertEqual(err, USUAL + "ombt-controller: %s is missing: it is neither in the "
                             "folder of this program nor on PATH\n" % missing)
            shutil.copy2(BIN / "ombt-router", folder)

    def test_programs_that_do_not_start_are_told_of_with_their_own_words(self):
        folder = self.programs(ombt_router="echo no route >&2; exit 3")
        controller = folder / "ombt-controller"
        status, out, err = self.run_it("rpc-call", program=controller)
        self.assertEqual((status, out), (1, ""), err)
        self.assertEqual(err, USUAL + "no route\nombt-controller: ombt-router ended before it was "
                         "ready (exit status 3)\n")
        (folder / "ombt-router").unlink()
        shutil.copy2(BIN / "ombt-router", folder)
        (folder / "ombt-agent").write_text("#!/bin/sh\necho no luck >&2; exit 4\n")
        (folder / "ombt-agent").chmod(0o755)
        status, out, err = self.run_it("rpc-call", program=controller)
        self.assertEqual((status, out), (1, ""), err)
        self.assertIn("no luck\n", err)
        self.assertIn("ombt-controller: ombt-agent ended before it was ready (exit status 4)\n",
                      err)


def main(*cases):
    """Runs the tests that the command line names, or all."""
    wanted = {"test_" + name.replace(" ", "_") for name in sys.argv[2:]}
    tests = [case(name) for case in cases
             for name in unittest.defaultTestLoader.getTestCaseNames(case)
             if not wanted or name in wanted]
    if len(tests) < max(1, len(wanted)):
        sys.exit("no such test: %s" % sorted(wanted))
    result = unittest.TextTestRunner(verbosity=2).run(unittest.TestSuite(tests))
    sys.exit(0 if result.wasSuccessful() else 1)


if __name__ == "__main__":
    main(Embedded)
