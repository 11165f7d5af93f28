#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`ombt-bus router` as its users see it. `ombt_bus_router_test.py PROGRAM [test…]`."""

import os
import shutil
import signal
import socket
import time

import bus_bed
from bus_bed import PROGRAM, BusTest, accepts, listening_addresses, wait_until


class Router(BusTest):
    """ombt-router as the bus: the one beside ombt-bus, or a script in its place."""
    KIND = "router"

    def speaks_amqp_1_0(self, port):
        with socket.create_connection(("127.0.0.1", port), timeout=60) as peer:
            peer.sendall(b"AMQP\0\1\0\0")
            return peer.recv(8, socket.MSG_WAITALL)[:4] == b"AMQP"

    def beside(self, script=None):
        """A copy of ombt-bus in a folder of its own, with a script as ombt-router or none."""
        folder = os.path.join(self.folder, "bin")
        os.mkdir(folder)
        if script:
            path = os.path.join(folder, "ombt-router")
            with open(path, "w") as file:
                file.write(script)
            os.chmod(path, 0o755)
        return shutil.copy(PROGRAM, folder)

    def test_a_router_serves_a_command_and_its_status_is_passed_on(self):
        ready = os.path.join(self.folder, "ready")
        process = self.start("--", "sh", "-c", "env >%s.new; mv %s.new %s; "
                             "while [ -e %s ]; do sleep 0.05; done; exit 6" % (4 * (ready,)))
        lines = self.wait_for_file("ready").splitlines()
        variables = dict(line.split("=", 1) for line in lines if "=" in line)
        self.assertRegex(variables["OMBT_URL"], r"^amqp://127\.0\.0\.1:\d+$")
        self.assertEqual(str(process.pid), variables["OMBT_BUS_SUPERVISOR"])
        self.assertEqual(self.bus_folder(), variables["OMBT_BUS_DIR"])
        router = int(variables["OMBT_BUS_PID"])
        self.assertEqual(self.pid(), router)
        self.assertEqual(os.path.join(os.path.dirname(os.path.realpath(PROGRAM)), "ombt-router"),
                         os.readlink("/proc/%d/exe" % router))
        port = int(variables["OMBT_URL"].rsplit(":", 1)[1])
        self.assertEqual(["0100007F:%04X" % port], listening_addresses(router))
        self.assertTrue(self.speaks_amqp_1_0(port))
        os.remove(ready)
        out, err = process.communicate(timeout=60)
        self.assertEqual((6, "", ""), (process.returncode, out, err))
        self.assertFalse(os.path.exists("/proc/%d" % router))

    def test_a_router_without_a_command_prints_its_url_and_runs_until_a_signal(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            process = self.start()
            port = self.port_of(process)
            self.assertTrue(self.speaks_amqp_1_0(port))
            self.assertIsNone(process.poll())
            process.send_signal(number)
            self.assertEqual(0, process.wait(timeout=60))
            self.assertFalse(accepts(port))

    def test_a_router_comes_on_the_port_asked_for(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        out, _ = self.run_bus("--port", str(port), "--", "sh", "-c", "echo $OMBT_URL")
        self.assertEqual("amqp://127.0.0.1:%d\n" % port, out)

    def test_a_router_s_port_in_use_is_status_1_and_plain(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = str(other.getsockname()[1])
            out, err = self.run_bus("--port", port, "--", "true", status=1)
        self.assertEqual("ombt-bus: port %s of 127.0.0.1 is in use\n" % port, err)

    def test_a_router_s_port_taken_between_choice_and_use_is_chosen_again(self):
        taken = os.path.join(self.folder, "taken")
        program = self.beside(
            "#!/usr/bin/python3\n"
            "import os, socket, subprocess, sys\n"
            "if os.path.exists(%r):\n"
            "    os.execv(%r, sys.argv)\n"
            "with socket.socket() as other, open(%r, 'w') as file:\n"
            "    other.bind(('127.0.0.1', int(sys.argv[2])))\n"
            "    other.listen()\n"
            "    subprocess.Popen(['sleep', '1000'], pass_fds=[other.fileno()])\n"
            "    file.write(sys.argv[2])\n"
            "sys.exit(1)\n" % (taken, os.path.join(os.path.dirname(PROGRAM), "ombt-router"), taken))
        out, _ = self.run_bus("--", "sh", "-c", "echo $OMBT_URL", program=program)
        self.assertRegex(out, r"^amqp://127\.0\.0\.1:\d+\n$")
        self.assertNotEqual(self.wait_for_file("taken"), out.strip().rsplit(":", 1)[1])

    def test_a_missing_router_is_named(self):
        program = self.beside()
        out, err = self.run_bus("--", "true", program=program, status=1)
        self.assertEqual("ombt-bus: ombt-router is missing: there is no program %s (it belongs "
                         "beside ombt-bus)\n" % os.path.join(self.folder, "bin", "ombt-router"), err)

    def test_a_router_that_ends_at_once_shows_its_last_words(self):
        program = self.beside("#!/bin/sh\necho no mood today\nexit 3\n")
        out, err = self.run_bus("--", "true", program=program, status=1)
        self.assertIn("ombt-router ended before it served (exit status 3)", err)
        self.assertIn("no mood today", err)

    def test_a_router_that_ignores_sigterm_is_killed(self):
        program = self.beside("#!/bin/sh\ntrap '' TERM\necho amqp://127.0.0.1:$2\n"
                              "while :; do sleep 0.1; done\n")
        began = time.monotonic()
        self.run_bus("--", "true", program=program)
        self.assertGreater(time.monotonic() - began, 4.5)

    def test_a_router_that_dies_without_a_command_is_status_1(self):
        process = self.start()
        self.port_of(process)
        os.kill(self.pid(), signal.SIGKILL)
        out, err = process.communicate(timeout=60)
        self.assertEqual((1, "ombt-bus: the router ended (signal 9)\n"), (process.returncode, err))

    def test_signal_usr1_brings_a_killed_router_back_on_its_port(self):
        ready = os.path.join(self.folder, "ready")
        process = self.start("--", "sh", "-c", "echo $OMBT_URL; touch %s; "
                             "while [ -e %s ]; do sleep 0.05; done; exit 4" % (ready, ready))
        port = self.port_of(process)
        self.wait_for_file("ready")
        before = self.pid()
        process.send_signal(signal.SIGUSR1)
        time.sleep(0.2)
        self.assertEqual(before, self.pid())
        os.kill(before, signal.SIGKILL)
        self.assertIn("the router ended (signal 9); signal USR1 to process %d" % process.pid,
                      process.stderr.readline())
        self.assertFalse(accepts(port))
        process.send_signal(signal.SIGUSR1)
        wait_until(lambda: self.pid() != before and accepts(port), "for the restart")
        self.assertTrue(self.speaks_amqp_1_0(port))
        os.remove(ready)
        self.assertEqual(4, process.wait(timeout=60))

    def test_restart_on_exit_brings_a_killed_router_back_on_its_port(self):
        process = self.start("--restart-on-exit")
        port = self.port_of(process)
        for _ in range(2):
            before = self.pid()
            os.kill(before, signal.SIGKILL)
            self.assertIn("starting it again", process.stderr.readline())
            wait_until(lambda: self.pid() != before and accepts(port), "for the restart")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(0, process.wait(timeout=60))

    def test_restart_on_exit_gives_up_on_a_router_that_never_serves_again(self):
        once = os.path.join(self.folder, "once")
        program = self.beside("#!/bin/sh\nif [ -e %s ]; then sleep 0.3; exit 3; fi\ntouch %s\n"
                              "echo amqp://127.0.0.1:$2\nsleep 0.5\nexit 3\n" % (once, once))
        out, err = self.run_bus("--restart-on-exit", program=program, status=1)
        self.assertRegex(out, r"^amqp://127\.0\.0\.1:\d+\n$")
        self.assertEqual(5, err.count("starting it again"), err)


if __name__ == "__main__":
    bus_bed.main(Router)
