#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Many agents on one bus, a small form of what bench/scale does: every call answered, nothing of a
fanout lost, every agent ready in time.
"""

import time
import unittest

import bus
from control_test import NativeAgents, NativeController

CLIENTS, SERVERS = 200, 5
LISTENING, FANOUTS = 100, 100


class ManyAgents(unittest.TestCase):
    def setUp(self):
        self.topic = bus.unique("many")

    def agents(self, counts, **options):
        began = time.monotonic()
        made = NativeAgents(self.topic, False, counts, **options)
        self.addCleanup(made.kill)
        # Nobody has waited for a limit of the set-up.
        self.assertLess(time.monotonic() - began, 30)
        return made

    def check_calls(self, **options):
        self.agents({"RPCServer": SERVERS}, **options)
        self.agents({"RPCClient": CLIENTS}, **options)
        controller = NativeController(self.topic, False,
                                      {"RPCClient": CLIENTS, "RPCServer": SERVERS})
        for _ in range(2):
            found = controller.run("call", 10)
            self.assertEqual((found["sent"], found["received"], found["failed"]),
                             (10 * CLIENTS, 10 * CLIENTS, 0), found)
            self.assertEqual((found["clients"], found["servers"]), (CLIENTS, SERVERS))

    def test_every_call_of_many_clients_is_answered(self):
        self.check_calls()

    def test_every_call_of_many_clients_on_few_connections_is_answered(self):
        self.check_calls(topology="shared:2", threads=2)

    def test_a_fanout_to_many_servers_loses_nothing(self):
        self.agents({"RPCServer": LISTENING})
        self.agents({"RPCClient": 1})
        controller = NativeController(self.topic, False, {"RPCClient": 1, "RPCServer": LISTENING})
        found = controller.run("fanout", FANOUTS)
        self.assertEqual((found["sent"], found["received"], found["failed"]),
                         (FANOUTS, FANOUTS * LISTENING, 0), found)
        self.assertEqual(found["servers"], LISTENING)


if __name__ == "__main__":
    bus.main()
