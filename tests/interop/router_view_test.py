#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How many connections, sessions and links a process of agents has at an AMQP 1.0 router, in each
topology, and that the Python library has as many: topology_test.py's counterpart.

Connections and links are the router's own account of them ($management); sessions, which it does
not show, are counted on the way to it.
"""

import collections
import concurrent.futures as futures
import re
import unittest

import bus
from control_test import NativeAgents, NativeController, PythonAgents
from peers import Peer
from topology_test import PROCESSES

COUNTS = {"RPCClient": 5, "RPCServer": 3, "Listener": 2, "Notifier": 2}
AGENTS = sum(COUNTS.values())
PRIORITIES = ("audit", "critical", "debug", "error", "info", "warn")
# What an agent's links are for, once it has worked; a server has one to each client that it
# answered.
REPLIES = "in rpc-response"
SHAPES = {
    "RPCClient": (REPLIES, "out rpc/anycast", "out rpc/multicast"),
    "RPCServer": (REPLIES, "in rpc/anycast", "in rpc/multicast", "in rpc/unicast", "out reply"),
    "Listener": (REPLIES,) + tuple("in notify/anycast." + p for p in PRIORITIES),
    "Notifier": (REPLIES, "out notify/anycast.debug"),
}


class Connection:
    """One recorded connection, and what the router says of it."""

    def __init__(self, events, connections, links):
        sent = [event for event in events if event["from"] == "client" and "frame" in event]
        container = [event["fields"]["container-id"].value for event in sent
                     if event["frame"] == "open"][0]
        self.sessions = [event["frame"] for event in sent].count("begin")
        # A shared connection's container is one, so there is one row for each of these.
        row = [row for row in connections if row["container"] == container]
        assert len(row) == 1, (container, row)
        self.links = [link for link in links if link["connectionId"] == row[0]["identity"]]

    def shape(self):
        """What its links are for; how many senders of replies is in reply_senders()."""
        return tuple(sorted(set(self.use(link) for link in self.links)))

    def reply_senders(self):
        return [self.use(link) for link in self.links].count("out reply")

    @staticmethod
    def use(link):
        # "out" of the router is in for its peer.
        way = {"out": "in", "in": "out"}[link["linkDir"]]
        name = link["linkName"]
        if "[rpc-response]" in name:
            return REPLIES
        address = re.match(r"openstack\.org/om/(?:sender|receiver)/\[(.*)\]/[0-9a-f]{32}$", name)[1]
        if address.startswith("amqp:/_topo/"):
            return way + " reply"
        kind = re.match("openstack.org/om/((?:rpc|notify)/[a-z]+)/", address)[1]
        return way + " " + kind + (address[address.rfind("."):] if "notify" in kind else "")


class Agents(unittest.TestCase):
    """Five RPC clients, three RPC servers, two listeners and two notifiers in a process, after they
    have called, cast, fanned out and notified. Their control traffic has a router of its own."""

    maxDiff = None

    @classmethod
    def setUpClass(cls):
        private = bus.Private("router")
        cls.addClassCleanup(private.end)
        cls.control = private.url
        with futures.ThreadPoolExecutor(max_workers=2) as pool:
            jobs = {name: pool.submit(cls.start, options)
                    for name, options in PROCESSES.items()}
        played = {name: job.result() for name, job in jobs.items()}
        connections, links = bus.rows("connection"), bus.rows("router.link")
        cls.under_test = {
            name: [Connection(events, connections, links) for events in recorder.connections()]
            for name, (_, recorder) in played.items()}
        containers = [row["container"] for row in bus.rows("connection", bus.Address(cls.control))]
        cls.on_control = {
            name: len([c for c in containers if "/%d/" % process.pid in c])
            for name, (process, _) in played.items()}

    @classmethod
    def start(cls, options):
        """Starts agents and runs a test of each kind; their process and what it sent."""
        recorder = bus.address().recorder()
        cls.addClassCleanup(recorder.__exit__)
        recorder.__enter__()
        topic = bus.unique("count")
        make = NativeAgents if options is not None else PythonAgents
        agents = make(topic, False, COUNTS, url=bus.address().url(port=recorder.port),
                      control=cls.control, **(options or {}))
        cls.addClassCleanup(agents.kill)
        controller = NativeController(topic, False, COUNTS, control=cls.control)
        for mode in ("call", "cast", "fanout", "notify"):
            found = controller.run(mode, 20)
            sent = 20 * COUNTS["Notifier" if mode == "notify" else "RPCClient"]
            assert (found["sent"], found["failed"]) == (sent, 0), found
        return agents.process, recorder

    def check_an_agent_a_connection(self, name):
        found = self.under_test[name]
        expected = collections.Counter({tuple(sorted(SHAPES[kind])): count
                                        for kind, count in COUNTS.items()})
        self.assertEqual(collections.Counter(one.shape() for one in found), expected)
        for one in found:
            if one.reply_senders():
                self.assertLessEqual(one.reply_senders(), COUNTS["RPCClient"])
            self.assertEqual(len(one.links), len(one.shape()) + max(one.reply_senders() - 1, 0))

    def test_oslo_is_a_connection_an_agent_and_a_session_a_link(self):
        for name in ("oslo", "oslo, 2 threads"):
            self.check_an_agent_a_connection(name)
            for one in self.under_test[name]:
                self.assertEqual(one.sessions, len(one.links), name)

    def test_the_python_library_has_as_many(self):
        self.check_an_agent_a_connection("python")
        for one in self.under_test["python"]:
            self.assertEqual(one.sessions, len(one.links))

    def test_lean_is_a_connection_and_a_session_an_agent(self):
        self.check_an_agent_a_connection("lean")
        self.assertEqual([one.sessions for one in self.under_test["lean"]], [1] * AGENTS)

    def test_shared_is_n_connections_a_thread_and_a_session_an_agent(self):
        for name, connections in (("shared:2", 2), ("shared:2, 2 threads", 4)):
            found = self.under_test[name]
            self.assertEqual([one.sessions for one in found],
                             [AGENTS // connections] * connections, name)
            uses = collections.Counter(one.use(link) for one in found for link in one.links)
            replies = uses.pop("out reply")
            self.assertLessEqual(replies, COUNTS["RPCClient"] * COUNTS["RPCServer"])
            expected = collections.Counter()
            for kind, count in COUNTS.items():
                expected.update({use: count for use in SHAPES[kind] if use != "out reply"})
            self.assertEqual(uses, expected, name)

    def test_control_is_a_connection_a_process_in_every_topology(self):
        for name, connections in self.on_control.items():
            # A Python agent has a connection of its own for control.
            self.assertEqual(connections, AGENTS if name == "python" else 1, name)


class CallsAtOnce(unittest.TestCase):
    """However many calls are under way at once, they share the links of their client and server."""

    def check(self, side):
        recorders = [bus.address().recorder() for _ in range(2)]
        for recorder in recorders:
            recorder.__enter__()
            self.addCleanup(recorder.__exit__)
        urls = [bus.address().url(port=recorder.port) for recorder in recorders]
        target = {"exchange": bus.unique("ex"), "topic": bus.unique("at-once")}
        server = Peer("rpc_server", side, url=urls[0], server="srv", **target)
        self.addCleanup(server.kill)
        client = Peer("rpc_client", side, url=urls[1])
        self.addCleanup(client.kill)
        summary = client.many("call", target=target, method="slow", args={"seconds": 1}, count=50,
                              threads=50)
        self.assertEqual((summary["ok"], summary["failed"]), (50, 0), summary)
        connections, links = bus.rows("connection"), bus.rows("router.link")
        for recorder, expected in zip(recorders, (5, 2)):
            found = [Connection(events, connections, links) for events in recorder.connections()]
            self.assertEqual([(one.sessions, len(one.links)) for one in found],
                             [(expected, expected)], side)

    def test_native(self):
        self.check("native")

    def test_python(self):
        self.check("python")


if __name__ == "__main__":
    bus.main()
