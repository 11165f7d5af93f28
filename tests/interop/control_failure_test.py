#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""ombt-controller over agents when the bus or an agent fails, and when two run at once.

To be run under an `ombt-bus rabbit --` of its own: the broker is killed.
"""

import concurrent.futures as futures
import re
import threading
import time
import unittest

import bus
import broker_failure_test as broker
from control_test import NativeAgents, NativeController, PythonAgents

CLIENTS, SERVERS = 4, 2
COUNTS = {"RPCClient": CLIENTS, "RPCServer": SERVERS, "Listener": 1, "Notifier": 1}


class Run:
    """An ombt-controller at work in the background."""

    def __init__(self, controller, *arguments):
        self.thread = threading.Thread(target=self._run, args=(controller, arguments))
        self.began = time.monotonic()
        self.thread.start()

    def _run(self, controller, arguments):
        self.status, self.text, self.report = controller.command(*arguments, timeout=120)
        self.seconds = time.monotonic() - self.began

    def end(self):
        self.thread.join()
        return self


class ControlFailures(unittest.TestCase):
    def setUp(self):
        self.topic = bus.unique("fail")
        self.agents = []
        self.addCleanup(lambda: [agents.kill() for agents in self.agents])

    def start(self, make=NativeAgents, counts=None, **options):
        self.agents.append(make(self.topic, False, counts or COUNTS, **options))
        return self.agents[-1]

    def test_the_broker_is_killed_and_started_again_during_a_run(self):
        self.start(timeout=10)
        controller = NativeController(self.topic, False, COUNTS)
        calls = 2500
        run = Run(controller, "rpc-call", "--calls", str(calls), "--pause", "0.003", "--timeout",
                  "60", "--length", "10")
        time.sleep(2.5)
        self.assertTrue(run.thread.is_alive(), "the run was over too soon")
        broker.kill_broker()
        time.sleep(1)
        broker.start_broker()
        run.end()
        self.assertIn(run.status, (0, 1), run.text)
        clients = run.report["clients"]
        answered = clients["messages_ok"] + clients["messages_failed"]
        silent = len(re.findall("RPC client ombt-.* sent no results",
                                "\n".join(str(x) for x in run.report["problems"])))
        # A result that was on its way when the broker died is lost; then its agent is named.
        self.assertEqual(answered, (CLIENTS - silent) * calls, run.text)
        self.assertLess(silent, CLIENTS, run.text)
        # What the broker lost came to an end in an error with a name.
        failed = sum(error["count"] for error in clients["errors"])
        self.assertGreaterEqual(failed, clients["messages_failed"])
        self.assertLess(run.seconds, 100)
        again = Run(controller, "rpc-call", "--calls", "500").end()
        self.assertEqual(again.status, 0, again.text)
        for side in ("clients", "servers"):
            self.assertEqual(
                (again.report[side]["messages_ok"], again.report[side]["messages_failed"]),
                (500 * CLIENTS, 0), again.text)

    def test_an_agent_that_vanishes_is_named_and_the_rest_reported(self):
        for make in (NativeAgents, PythonAgents):
            with self.subTest(agents=make.__name__):
                self.topic = bus.unique("vanish")
                self.start()
                doomed = self.start(make, {"RPCClient": 1})
                counts = dict(COUNTS, RPCClient=CLIENTS + 1)
                controller = NativeController(self.topic, False, counts)
                run = Run(controller, "rpc-call", "--calls", "40", "--pause", "0.1",
                          "--timeout", "15")
                time.sleep(3)
                doomed.kill()
                run.end()
                self.assertEqual(run.status, 1, run.text)
                self.assertIn(doomed.ready[0], run.text)
                self.assertFalse(run.report["ok"])
                self.assertEqual(run.report["clients"]["messages_ok"], 40 * CLIENTS)
                self.assertLess(run.seconds, 40)

    def test_two_controllers_at_once_are_told_apart(self):
        self.start()
        with futures.ThreadPoolExecutor() as pool:
            jobs = [pool.submit(
                lambda n: NativeController(self.topic, False, COUNTS).command(
                    "rpc-call", "--calls", str(n), "--pause", "0.005", timeout=90), n)
                    for n in (300, 200)]
            found = [job.result() for job in jobs]
        for (status, text, report), calls in zip(found, (300, 200)):
            self.assertEqual(status, 0, text)
            self.assertEqual(report["clients"]["messages_ok"], calls * CLIENTS, text)
            self.assertEqual(report["servers"]["messages_ok"], calls * CLIENTS, text)

    def test_a_server_that_never_comes_back_ends_the_run_at_the_timeout(self):
        clients = {"RPCClient": 2}
        self.start(counts=clients, timeout=3)
        doomed = self.start(counts={"RPCServer": 1})
        controller = NativeController(self.topic, False, {"RPCClient": 2, "RPCServer": 1})
        run = Run(controller, "rpc-call", "--calls", "6", "--pause", "0.5", "--timeout", "40")
        time.sleep(2)
        doomed.kill()
        run.end()
        self.assertEqual(run.status, 1, run.text)
        clients = run.report["clients"]
        self.assertEqual(clients["messages_ok"] + clients["messages_failed"], 12, run.text)
        self.assertGreater(clients["messages_failed"], 0)
        self.assertTrue(any(re.search("messaging_timeout|Timed out waiting", str(error))
                            for error in clients["errors"]), clients["errors"])


if __name__ == "__main__":
    bus.main()
