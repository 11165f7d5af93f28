#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Under direct control a broker has and carries nothing but the test: nothing of control is declared
there, agents that wait send heartbeats alone, and a run adds what its messages need.

Run under `ombt-bus rabbit --`; OMBT_BIN is the folder of the programs.
"""

import os
import sys
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "interop"), HERE]
import bus  # noqa: E402
from direct_case import DirectCase  # noqa: E402

HEARTBEAT = 8  # bytes of its frame


class QuietBus(DirectCase):
    def setUp(self):
        super().setUp()
        self.vhost = bus.unique("quiet")
        self.url = bus.add_vhost(self.vhost)
        self.addCleanup(bus.ctl, "delete_vhost", self.vhost)

    def agents(self, *arguments):
        return self.native("--url", self.url, "--control", self.tcp, *arguments)

    def octets(self):
        """What the broker has received on each of the connections there are."""
        return {one["pid"]: one["recv_oct"]
                for one in bus.listing("list_connections", "pid", "vhost", "recv_oct")
                if one["vhost"] == self.vhost}

    def names(self):
        return {kind: {one["name"] for one in bus.listing(kind, "name", vhost=self.vhost)}
                for kind in ("list_exchanges", "list_queues")}

    def test_control_adds_nothing_to_the_bus(self):
        self.agents("--rpc-client", 3, "--notifier", 1)
        self.agents("--rpc-server", 2, "--listener", 1)
        before = self.octets()
        self.assertGreaterEqual(len(before), 3)  # of the servers and the listener
        end = time.monotonic() + 5
        while time.monotonic() < end:
            self.assertEqual(self.status()["agent_counts"]["RPCServer"], 2)
            time.sleep(0.5)
        after = self.octets()
        self.assertEqual(set(after), set(before))
        for pid, count in after.items():
            self.assertIn(count - before[pid], (0, HEARTBEAT, 2 * HEARTBEAT), pid)
        for command in ("rpc-call", "rpc-cast", "rpc-fanout"):
            self.run_json(command, "--calls", 10, "--control", self.tcp)
        self.run_json("notify", "--events", 10, "--control", self.tcp)
        for kind, names in self.names().items():
            self.assertGreater(len(names), 0)
            for name in names:
                for of_control in ("ombt-control", "controller-", "client-RPC", "client-Notifier",
                                   "client-Listener"):
                    self.assertNotIn(of_control, name, kind)


if __name__ == "__main__":
    unittest.main()
