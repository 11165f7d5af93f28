# SPDX-License-Identifier: Apache-2.0
"""ombt-controller's test with nothing named, told to end before it has begun.

early_signal_test.py FOLDER-OF-THE-PROGRAMS [test…]
"""

import json
import shutil
import signal
import time

from embedded_test import LONG, PATIENCE, USUAL, Case, main, wait_until


class EarlySignal(Case):
    def interrupted_start(self, number, delay, *arguments):
        """A signal so long after the folder of the results has come."""
        folder = self.here / "od"
        json_file = self.here / "j.json"
        process = self.start(*arguments, "--json", json_file, "--out", folder)
        wait_until(folder.exists, "for the folder")
        time.sleep(delay)
        process.send_signal(number)
        out, err = process.communicate(timeout=PATIENCE)
        self.assertEqual((process.returncode, out), (1, ""), err)
        self.assertTrue(err.endswith("ombt-controller: interrupted\n"), err)
        wait_until(lambda: not self.processes(), "nothing to be left")
        if folder.exists():  # the session had begun
            report = "find-rate.json" if arguments[0] == "find-rate" else "run.json"
            self.assertIn(report, [one.name for one in folder.iterdir()])
            for whole in (folder / report, json_file):
                self.assertEqual(json.loads(whole.read_text())["failure"], "interrupted")
            shutil.rmtree(folder)
            json_file.unlink()
        self.assertEqual(list(self.here.iterdir()), [])

    def test_a_signal_before_the_session_leaves_no_folder(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            for delay in (0, 0.05):
                with self.subTest(number=number, delay=delay):
                    self.interrupted_start(number, delay, "rpc-call", "--calls", "100000000",
                                           "--rpc-clients", "400")
        for number, delay in ((signal.SIGINT, 0), (signal.SIGTERM, 0.05)):
            with self.subTest("find-rate", number=number, delay=delay):
                self.interrupted_start(number, delay, "find-rate", "--target-p99", "20ms",
                                       "--rpc-clients", "400")

    def test_a_signal_at_any_moment_of_the_start_ends_it_in_order(self):
        for step in range(10):
            with self.subTest(step):
                self.interrupted_start(signal.SIGINT, step * 0.03, *LONG)

    def test_a_signal_while_a_program_does_not_get_ready_ends_it(self):
        # The router's first line never comes.
        folder = self.programs(ombt_router="exec sleep 1000", ombt_agent="exec sleep 1000")
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            with self.subTest(number):
                process = self.start("rpc-call", "--out", "od", program=folder / "ombt-controller")
                wait_until(lambda: any("sleep" in line for line in self.processes().values()),
                           "for the router")
                self.assertTrue((self.here / "od").exists())
                process.send_signal(number)
                out, err = process.communicate(timeout=PATIENCE)
                self.assertEqual((process.returncode, out), (1, ""), err)
                self.assertEqual(err, USUAL + "ombt-controller: interrupted\n")
                self.assertEqual(self.processes(), {})
                self.assertFalse((self.here / "od").exists())


if __name__ == "__main__":
    main(EarlySignal)
