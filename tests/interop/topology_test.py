#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""How many connections and channels the broker counts for a process of agents, in each topology,
and what becomes of agents that it allows no channel.

To be run under an `ombt-bus rabbit --` of its own: its channel_max is changed.
"""

import collections
import concurrent.futures as futures
import os
import subprocess
import sys
import tempfile
import threading
import unittest

import bus
from control_test import BIN, NativeAgents, NativeController
from peers import PATIENCE, PYTHON_PEERS, Peer

sys.path.insert(0, PYTHON_PEERS)
import amqp_recorder  # pylint: disable=wrong-import-position

COUNTS = {"RPCClient": 5, "RPCServer": 3, "Listener": 2, "Notifier": 2}
POOL = 30  # rpc_conn_pool_size
# Options of the native agents' process; None: Python agents.
PROCESSES = {
    "oslo": {"topology": "oslo"},
    "oslo, 2 threads": {"topology": "oslo", "threads": 2},
    "lean": {"topology": "lean"},
    "shared:2": {"topology": "shared:2"},
    "shared:2, 2 threads": {"topology": "shared:2", "threads": 2},
    "python": None,
}
ONE_TO_SEND = {"rpc_conn_pool_size": 1, "conn_pool_min_size": 1}


def config_file(folder):
    """An oslo.config file with ONE_TO_SEND."""
    path = os.path.join(folder, "one.conf")
    with open(path, "w", encoding="ascii") as file:
        file.write("[oslo_messaging_rabbit]\n")
        file.writelines("%s = %d\n" % option for option in ONE_TO_SEND.items())
    return path


class Broker:
    """What the broker has of connections and channels at this moment."""

    def __init__(self):
        self.connections = bus.listing("list_connections", "pid", "vhost", "client_properties")
        self.channels = collections.Counter(
            row["connection"] for row in bus.listing("list_channels", "connection"))

    def of(self, process):
        """{virtual host: the number of channels of each connection that this process has there}."""
        found = collections.defaultdict(list)
        for row in self.connections:
            # connection_name is "<program>:<pid>:<uuid>"
            if ":%d:" % process.pid in str(row["client_properties"]):
                found[row["vhost"]].append(self.channels[row["pid"]])
        return {vhost: sorted(counts) for vhost, counts in found.items()}


class Agents(unittest.TestCase):
    """Five RPC clients, three RPC servers, two listeners and two notifiers in a process, after they
    have called, cast, fanned out and notified. Their control traffic has a virtual host of its own.

    With rpc_conn_pool_size 1 the numbers are exact: with more, a server has as many links for
    replies as it happened to send at once. Then an agent's links are
        RPC client  2   for replies, for sends (it sends one message after the other)
        RPC server  2   to listen, for replies (RabbitMQ serves consumers in turn: each got calls)
        listener    1   to listen, whatever the number of its queues
        notifier    1   for sends
    which is 5 x 2 + 3 x 2 + 2 + 2 = 20 for all."""

    maxDiff = None

    @classmethod
    def setUpClass(cls):
        vhost = bus.unique("control")
        cls.control = bus.add_vhost(vhost)
        cls.addClassCleanup(bus.ctl, "delete_vhost", vhost)
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.config = config_file(folder.name)
        with futures.ThreadPoolExecutor(max_workers=2) as pool:
            jobs = {name: pool.submit(cls.start, options) for name, options in
                    PROCESSES.items()}
        processes = {name: job.result() for name, job in jobs.items()}
        broker = Broker()
        found = {name: broker.of(process) for name, process in processes.items()}
        cls.under_test = {name: one[bus.address().vhost] for name, one in found.items()}
        cls.control_bus = {name: one[vhost] for name, one in found.items()}

    @classmethod
    def start(cls, options):
        """Starts agents and runs a test of each kind; their process."""
        topic = bus.unique("count")
        if options is None:
            agents = Peer("agent", url=bus.url(), control=cls.control, topic=topic,
                          agents=[kind for kind, count in COUNTS.items() for _ in range(count)],
                          rabbit=ONE_TO_SEND)
        else:
            agents = NativeAgents(topic, False, COUNTS, control=cls.control,
                                  **{"oslo-config": cls.config}, **options)
        cls.addClassCleanup(agents.kill)
        controller = NativeController(topic, False, COUNTS)
        controller.common += ["--control", cls.control]
        for mode in ("call", "cast", "fanout", "notify"):
            found = controller.run(mode, 20)
            sent = 20 * COUNTS["Notifier" if mode == "notify" else "RPCClient"]
            assert (found["sent"], found["failed"]) == (sent, 0), found
        return agents.process

    def test_oslo_is_a_connection_a_link(self):
        self.assertEqual(self.under_test["oslo"], [1] * 20)
        self.assertEqual(self.under_test["oslo, 2 threads"], [1] * 20)

    def test_the_python_library_opens_as_many(self):
        self.assertEqual(self.under_test["python"], [1] * 20)

    def test_lean_is_a_connection_an_agent(self):
        # Listeners and notifiers with one link, RPC clients and servers with two.
        self.assertEqual(self.under_test["lean"], [1] * (2 + 2) + [2] * (5 + 3))

    def test_shared_is_n_connections_a_thread(self):
        # All links of a thread go to its two connections in turn.
        self.assertEqual(self.under_test["shared:2"], [10] * 2)
        # Agents are dealt to threads in turn, servers first, then listeners, clients and notifiers:
        # s s l c c n has 10 links, s l c c c n as well.
        self.assertEqual(self.under_test["shared:2, 2 threads"], [5] * 4)

    def test_control_is_a_connection_a_process_in_every_topology(self):
        for name, channels in self.control_bus.items():
            if name != "python":  # whose agents have control connections of their own
                # One for each of the four kinds of agent to be heard on, for replies, for sends.
                self.assertEqual(channels, [4 + 1 + 1], name)


class Gate(amqp_recorder.Recorder):
    """A proxy that passes on its first connection, then none until `wanted` more have come: so all
    who want one at the same time have asked for it, however slow they are."""

    def __init__(self, host, port, wanted):
        super().__init__(host, port)
        self.wanted = wanted
        self.came = threading.Condition()

    def _connect(self, index, client):
        with self.came:
            self.came.notify_all()
            if index > 0:
                # The peers give up after 10 s; if fewer came, the test sees it in their number.
                self.came.wait_for(lambda: len(self.connections()) > self.wanted, 8)
        super()._connect(index, client)


class CallsAtOnce(unittest.TestCase):
    """How many connections a client holds that makes N calls at once, and a server that works on
    them at once: one more than N, as docs/wire.md has it, with N no more than the pool's 30."""

    sides = [(client, server) for client in ("native", "python") for server in ("native", "python")]

    def pair(self, sides, pooled):
        """A server, a client and their target."""
        base = bus.address()
        target = {"exchange": bus.unique("ex"), "topic": bus.unique("at-once")}
        urls = []
        for _ in range(2):
            gate = Gate(base.host, base.port, pooled)
            gate.__enter__()
            self.addCleanup(gate.__exit__)
            urls.append(base.url(port=gate.port))
        client = Peer("rpc_client", sides[0], url=urls[0], wait=False)
        self.addCleanup(client.kill)
        server = Peer("rpc_server", sides[1], url=urls[1], server="srv", wait=False, **target)
        self.addCleanup(server.kill)
        return server, client, target

    def check(self, calls):
        pairs = [self.pair(sides, min(calls, POOL)) for sides in self.sides]
        for server, client, _ in pairs:
            server.wait_ready()
            client.wait_ready()
        for again in (False, True):  # with the connections of the first time
            numbers = [client.start("call", target=target, method="slow", args={"seconds": 1},
                                    count=calls, threads=calls, quiet=True)
                       for _, client, target in pairs]
            for (_, client, _), number in zip(pairs, numbers):
                summary = [x for x in client.finish(number) if x["event"] == "summary"][0]
                self.assertEqual((summary["ok"], summary["failed"]), (calls, 0), summary)
            broker = Broker()
            expected = {bus.address().vhost: [1] * (1 + min(calls, POOL))}
            for sides, (server, client, _) in zip(self.sides, pairs):
                with self.subTest(client=sides[0], server=sides[1], again=again):
                    self.assertEqual(broker.of(client.process), expected, "of the client")
                    self.assertEqual(broker.of(server.process), expected, "of the server")

    def test_five(self):
        self.check(5)

    def test_fifty(self):
        self.check(50)


class FewChannels(unittest.TestCase):
    """A broker that allows 10 channels on a connection, and agents that share one."""

    allowed = 10
    words = ("the broker allows 10 channels on a connection: too few for topology shared:1, which "
             "needs a larger N")

    def setUp(self):
        self.topic = bus.unique("few")
        self.set_channel_max(self.allowed)
        self.addCleanup(self.set_channel_max, 2047)
        # The control connections of agents and controller have to do with 10 as well.
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.config = config_file(folder.name)

    @staticmethod
    def set_channel_max(channels):
        bus.ctl("eval", "application:set_env(rabbit, channel_max, %d)." % channels)

    def agents(self, counts, **options):
        made = NativeAgents(self.topic, False, counts, **{"oslo-config": self.config}, **options)
        self.addCleanup(made.kill)
        controller = NativeController(self.topic, False, counts)
        controller.common += ["--oslo-config", self.config]
        return made, controller

    def test_agents_that_find_no_channel_to_listen_on_are_refused_in_one_line(self):
        for extra in ((), ("--daemon",)):
            with self.subTest(extra=extra):
                # 12 links; the time limit of the agents is none of the reasons to end.
                done = subprocess.run(
                    [os.path.join(BIN, "ombt-agent"), "--topic", self.topic, "--url", bus.url(),
                     "--oslo-config", self.config, "--rpc-server", "6", "--listener", "6",
                     "--topology", "shared:1", "--timeout", "600", *extra],
                    capture_output=True, text=True, timeout=PATIENCE * 2, check=False)
                self.assertEqual((done.returncode, done.stdout), (1, ""), done.stderr)
                self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
                self.assertRegex(done.stderr, "^ombt-agent: (RPC Server|Listener) .*%s$"
                                 % self.words)

    def test_what_it_advises_helps(self):
        agents, controller = self.agents({"RPCServer": 6, "Listener": 6}, topology="shared:2")
        self.assertEqual(Broker().of(agents.process), {bus.address().vhost: [4, 6, 6]})
        controller.shutdown()
        self.assertEqual(agents.wait(), 0)

    def test_who_finds_no_channel_fails_by_name_and_the_others_go_on(self):
        # A channel for the listener leaves 9 for 14 notifiers.
        agents, controller = self.agents({"Listener": 1, "Notifier": 14}, topology="shared:1")
        for _ in range(2):
            status, text, report = controller.command("notify", "--events", "20")
            self.assertEqual(status, 1, text)
            clients, servers = report["clients"], report["servers"]
            self.assertEqual((clients["messages_ok"], clients["messages_failed"]),
                             (9 * 20, 5 * 20), text)
            self.assertEqual([e["count"] for e in clients["errors"]], [5 * 20], text)
            self.assertRegex(clients["errors"][0]["error"], "^limit_exceeded: .*" + self.words)
            self.assertEqual((servers["messages_ok"], servers["messages_failed"]), (9 * 20, 0))
        # The control channels: two kinds to be heard on, replies, sends.
        self.assertEqual(Broker().of(agents.process), {bus.address().vhost: [4, 10]})
        controller.shutdown()
        self.assertEqual(agents.wait(), 0)


    def test_a_server_with_a_single_channel_for_replies_sends_them_all_over_it(self):
        # 9 channels to listen leave 1, where 4 replies at once would have taken 4.
        vhost = bus.unique("control")
        control = bus.add_vhost(vhost) + "?" + "&".join("%s=%d" % o for o in ONE_TO_SEND.items())
        self.addCleanup(bus.ctl, "delete_vhost", vhost)
        agents = NativeAgents(self.topic, False, {"RPCServer": 1, "Listener": 8}, control=control,
                              topology="shared:1", **{"service-time": "10ms"})
        self.addCleanup(agents.kill)
        clients = NativeAgents(self.topic, False, {"RPCClient": 4}, control=control)
        self.addCleanup(clients.kill)
        controller = NativeController(self.topic, False, {"RPCServer": 1, "RPCClient": 4})
        controller.common += ["--control", control]
        found = controller.run("call", 50)
        self.assertEqual((found["sent"], found["received"], found["failed"]), (200, 200, 0), found)
        self.assertEqual(Broker().of(agents.process)[bus.address().vhost], [10])


if __name__ == "__main__":
    bus.main()
