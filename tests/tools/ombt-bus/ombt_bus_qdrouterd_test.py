#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""`ombt-bus qdrouterd` as its users see it, with a stand-in for qpid-dispatch's program on PATH: it
reads the file that it is given and becomes ombt-router on the port that the listener says.
`ombt_bus_qdrouterd_test.py PROGRAM [test…]`."""

import os
import signal
import socket
import subprocess

import bus_bed
from bus_bed import PROGRAM, BusTest, accepts, listening_addresses, wait_until

BIN = os.path.dirname(os.path.realpath(PROGRAM)) if PROGRAM else ""
# Takes its file as the program does, and says nothing of where it listens.
STAND_IN = """#!/bin/bash
[[ $# == 2 && $1 == --conf ]] || { echo "wrong arguments: $*"; exit 9; }
cp "$2" %(folder)s/conf.new && mv %(folder)s/conf.new %(folder)s/conf
port=$(sed -n '/^listener {/,/^}/s/^ *port: //p' "$2")
exec %(bin)s/ombt-router --port "$port" >/dev/null
"""


class Qdrouterd(BusTest):
    KIND = "qdrouterd"

    def setUp(self):
        super().setUp()
        self.programs = os.path.join(self.folder, "bin")
        os.mkdir(self.programs)

    def environment(self, mode):
        return dict(super().environment(None), PATH=self.programs + ":/usr/bin:/bin")

    def stand_in(self, script=STAND_IN):
        path = os.path.join(self.programs, "qdrouterd")
        with open(path, "w") as file:
            file.write(script % {"folder": self.folder, "bin": BIN} if script == STAND_IN
                       else script)
        os.chmod(path, 0o755)

    def test_a_qdrouterd_that_is_not_there_is_status_1_and_plain(self):
        out, err = self.run_bus("--", "true", status=1)
        self.assertEqual(("", "ombt-bus: qdrouterd (qpid-dispatch) is not on PATH; ombt-bus router "
                          "needs none\n"), (out, err))
        self.assertLessEqual(len(err), 81)

    def test_qdrouterd_serves_a_command_on_the_port_that_its_file_says(self):
        self.stand_in()
        out, err = self.run_bus("--", "sh", "-c", "echo $OMBT_URL $OMBT_BUS_PID; "
                                "cat $OMBT_BUS_DIR/qdrouterd.conf; exit 6", status=6)
        self.assertEqual("", err)
        line, _, configuration = out.partition("\n")
        self.assertRegex(line, r"^amqp://127\.0\.0\.1:\d+ \d+$")
        port = line.split()[0].rsplit(":", 1)[1]
        self.assertIn("port: %s\n" % port, configuration)
        self.assertEqual(configuration, self.wait_for_file("conf"))

    def test_a_whole_test_runs_over_it(self):
        self.stand_in()
        process = self.start("--", os.path.join(BIN, "ombt-agent"), "--rpc-server", "1",
                             "--rpc-client", "2")
        for _ in range(3):
            self.assertIn(" is ready", process.stdout.readline())
        port = self.port_in_file()
        done = subprocess.run(
            [os.path.join(BIN, "ombt-controller"), "--url", "amqp://127.0.0.1:%d" % port,
             "--expect", "3", "rpc-call", "--calls", "20"], text=True, capture_output=True,
            env=self.environment(None), timeout=100)
        self.assertEqual((0, ""), (done.returncode, done.stderr), done.stdout)
        self.assertIn("Total Messages: 40\n", done.stdout)
        process.terminate()
        process.communicate(timeout=60)

    def port_in_file(self):
        return int(self.wait_for_file("conf").split("port: ")[1].split()[0])

    def test_qdrouterd_runs_until_a_signal_on_the_port_asked_for(self):
        self.stand_in()
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        process = self.start("--port", str(port))
        self.assertEqual(port, self.port_of(process))
        self.assertEqual(["0100007F:%04X" % port], listening_addresses(self.pid()))
        process.send_signal(signal.SIGINT)
        self.assertEqual(0, process.wait(timeout=60))
        self.assertFalse(accepts(port))

    def test_qdrouterd_that_is_killed_comes_back_on_its_port(self):
        self.stand_in()
        process = self.start("--restart-on-exit")
        port = self.port_of(process)
        before = self.pid()
        os.kill(before, signal.SIGKILL)
        self.assertIn("the router ended (signal 9), starting it again", process.stderr.readline())
        wait_until(lambda: self.pid() != before and accepts(port), "for the restart")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(0, process.wait(timeout=60))

    def test_qdrouterd_that_ends_at_once_shows_its_last_words(self):
        self.stand_in("#!/bin/sh\necho Configuration: no such entity\nexit 1\n")
        out, err = self.run_bus("--", "true", status=1)
        self.assertIn("qdrouterd ended before it served (exit status 1)", err)
        self.assertIn("Configuration: no such entity", err)


if __name__ == "__main__":
    bus_bed.main(Qdrouterd)
