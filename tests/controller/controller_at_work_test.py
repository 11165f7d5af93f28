#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""ombt-controller and clients that are at work for long, or by themselves, or share a name.

Run under `ombt-bus rabbit --`; OMBT_BIN is the folder of the programs.
"""

import signal
import time

from controller_case import PATIENCE, ControllerCase, bus, controller


class AtWork(ControllerCase):
    def test_a_run_may_take_longer_than_the_timeout_while_its_clients_are_at_work(self):
        self.native("--rpc-client", 2, "--rpc-server", 1, "--service-time", "100ms")
        _, report = self.run_json("rpc-call", "--expect", 3, "--calls", 100, "--timeout", 5)
        self.assertTrue(report["ok"])
        self.check_sums(report, 2, 1, 100)

    def sent_so_far(self):
        """What the slow server has not taken yet of all that was cast."""
        return sum(q["messages_ready"] + q["messages_unacknowledged"]
                   for q in bus.listing("list_queues", "name", "messages_ready",
                                        "messages_unacknowledged")
                   if q["name"] == "rpc-" + self.topic)

    def test_clients_end_their_run_when_their_controller_is_interrupted_or_killed(self):
        # The server is slow: casts that are still being sent pile up in its queue.
        for how, patience in ((signal.SIGINT, 5), (signal.SIGKILL, 40)):
            with self.subTest(how=how.name):
                agents = self.native("--rpc-client", 1, "--rpc-server", 1, "--service-time", "60s")
                process = self.started("rpc-cast", "--expect", 2, "--calls", 100000000, "--pause",
                                       0.001)
                deadline = time.monotonic() + PATIENCE
                while self.sent_so_far() < 100:
                    self.assertLess(time.monotonic(), deadline)
                    time.sleep(0.1)
                process.send_signal(how)
                process.communicate(timeout=PATIENCE)
                # To list queues may take seconds: at least three times.
                deadline = time.monotonic() + patience
                counts = [-1, self.sent_so_far()]
                while counts[-2] != counts[-1]:
                    self.assertTrue(time.monotonic() < deadline or len(counts) < 5, counts)
                    time.sleep(1)
                    counts.append(self.sent_so_far())
                agents.stop(signal.SIGKILL)
                bus.ctl("purge_queue", "rpc-" + self.topic)

    def test_a_run_that_clients_ended_early_falls_short(self):
        """They take a controller that stands still for one that is gone, and say so."""
        self.native("--rpc-client", 2, "--rpc-server", 1)
        process = self.started("rpc-call", "--expect", 3, "--calls", 100000, "--pause", 0.01)
        time.sleep(3)
        process.send_signal(signal.SIGSTOP)
        time.sleep(30)  # three questions, 5 s apart, have 2 s each
        process.send_signal(signal.SIGCONT)
        out, err = process.communicate(timeout=PATIENCE)
        self.assertEqual(process.returncode, 1, out + err)
        self.assertRegex(err, r" and 1 more client ended the run early, the first of them after "
                              r"\d+ of 100000 messages: ")

    def test_agents_of_the_same_name_are_told(self):
        for _ in range(2):
            self.native("--rpc-server", 1, "--name", "same")
        done = controller("status", "--topic", self.topic)
        self.assertEqual(done.returncode, 1)
        self.assertIn("1 more agent answered by the name same", done.stderr)


if __name__ == "__main__":
    bus.main()
