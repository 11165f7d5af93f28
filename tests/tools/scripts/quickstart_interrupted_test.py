# SPDX-License-Identifier: Apache-2.0
"""tools/quickstart, stopped at every step: by a terminal's Ctrl-C, by signals to it alone."""

import os
import signal
import subprocess
import time
import unittest

from tree import TreeTest

LONG_RUN = ("rpc-call", "--calls", "100000000")


def to_group(process, number):
    """As a terminal sends it: the script leads its group."""
    os.killpg(process.pid, number)


def to_script(process, number):
    os.kill(process.pid, number)


class Interrupted(TreeTest):
    def stop_at(self, text, send, number=signal.SIGINT, after=0.0, arguments=LONG_RUN):
        """Runs until standard error has `text`, sends the signal; nothing may be left."""
        before = self.tree.files()
        process = self.tree.start("tools/quickstart", *arguments)
        said = b""
        until = time.monotonic() + 300
        while text.encode() not in said:
            byte = os.read(process.stderr.fileno(), 256)
            self.assertTrue(byte, "ended without '%s': %s" % (text, said.decode()))
            self.assertLess(time.monotonic(), until)
            said += byte
        time.sleep(after)
        send(process, number)
        try:
            out, rest = process.communicate(timeout=180)
        except subprocess.TimeoutExpired:
            self.fail("still there after the signal; " + said.decode())
        said = said.decode() + rest
        self.assertEqual(process.returncode, -number, said)
        self.assertEqual(out, "", said)
        self.assert_nothing_left(before)
        return said

    def both_ways(self, text, **options):
        for send in (to_group, to_script):
            with self.subTest(send=send.__name__):
                self.stop_at(text, send, **options)

    def test_while_it_configures(self):
        self.tree.stand_in("cmake", "sleep 1000 | sleep 1000")
        self.both_ways("configuring", after=0.3)

    def test_while_it_builds(self):
        self.tree.configure(command="sleep 1000")
        self.both_ways("building", after=0.3)

    def test_while_the_bus_starts(self):
        self.tree.configure()
        for after in (0.0, 0.4):
            self.both_ways("starting a private bus", after=after)

    def test_while_the_agents_start(self):
        self.tree.configure()
        self.both_ways("rpc-client …")

    def test_while_the_controller_runs(self):
        self.tree.configure()
        self.both_ways("running ombt-controller")
        self.both_ways("running ombt-controller", after=1.5)

    def test_while_the_agents_stop(self):
        self.tree.configure()
        before = self.tree.files()
        process = self.tree.start("tools/quickstart", "status")
        said = ""
        while "stopping the agents" not in said:
            piece = os.read(process.stderr.fileno(), 256).decode(errors="replace")
            self.assertTrue(piece, said)
            said += piece
        to_group(process, signal.SIGINT)
        process.communicate(timeout=180)
        self.assertIn(process.returncode, (-signal.SIGINT, 0))
        self.assert_nothing_left(before)

    def test_by_other_signals(self):
        self.tree.configure()
        for number in (signal.SIGTERM, signal.SIGHUP):
            self.stop_at("running ombt-controller", to_script, number=number, after=0.5)

    def test_killed_it_leaves_nothing_either(self):
        self.tree.configure()
        before = self.tree.files()
        process = self.tree.start("tools/quickstart", *LONG_RUN)
        said = b""
        while b"running ombt-controller" not in said:
            piece = os.read(process.stderr.fileno(), 256)
            self.assertTrue(piece, said.decode())
            said += piece
        process.kill()
        process.communicate(timeout=180)
        self.assert_nothing_left(before, patience=30)

    def test_a_second_one_at_the_same_time_is_refused(self):
        self.tree.configure()
        process = self.tree.start("tools/quickstart", *LONG_RUN)
        said = b""
        while b"running ombt-controller" not in said:
            said += os.read(process.stderr.fileno(), 256)
        status, out, err = self.tree.run("tools/quickstart", "status")
        self.assertEqual((status, out), (1, ""))
        self.assertIn("another quickstart of this clone is running", err)
        to_script(process, signal.SIGINT)
        process.communicate(timeout=180)


if __name__ == "__main__":
    unittest.main(verbosity=2)
