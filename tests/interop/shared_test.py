#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Native and Python servers on one topic: shared_test.py CLIENT:mixed[:TOPOLOGY].

Over RabbitMQ or an AMQP 1.0 router, as OMBT_URL says. With CLIENT:python all servers are Python's: the control of the test itself.
"""

import time
import unittest

import bus
from peers import Peer

CLIENT, SERVERS, TOPOLOGY = bus.sides()
BUS = bus.kind()
KINDS = ("native", "python", "native", "python") if SERVERS == "mixed" else (SERVERS,) * 4


class Shared(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.exchange, cls.topic = bus.unique("ex"), bus.unique("topic")
        common = {"url": bus.url(), "exchange": cls.exchange, "topology": TOPOLOGY, "wait": False}
        cls.servers = [Peer("rpc_server", side, topic=cls.topic, server="s%d" % i, **common)
                       for i, side in enumerate(KINDS)]
        cls.client = Peer("rpc_client", CLIENT, **common)
        try:
            for peer in cls.servers + [cls.client]:
                peer.wait_ready()
        except BaseException:
            cls.tearDownClass()
            raise

    @classmethod
    def tearDownClass(cls):
        for peer in cls.servers + [cls.client]:
            peer.kill()

    def tags(self, server, tag):
        return {t: n for t, n in server.report()["tags"].items() if t.startswith(tag)}

    def wait_total(self, tag, count):
        """The tags of each server, once they sum to count and have had time to grow beyond it."""
        deadline = time.monotonic() + 20
        while True:
            found = [self.tags(server, tag) for server in self.servers]
            if sum(sum(f.values()) for f in found) >= count or time.monotonic() > deadline:
                break
            time.sleep(0.1)
        time.sleep(0.5)
        return [self.tags(server, tag) for server in self.servers]

    def target(self, **more):
        return dict({"exchange": self.exchange, "topic": self.topic}, **more)

    def test_a_fanout_reaches_every_server_exactly_once(self):
        tag = bus.unique("fan")
        summary = self.client.many("cast", target=self.target(fanout=True), method="noop", tag=tag,
                                   count=25)
        self.assertEqual((summary["ok"], summary["failed"]), (25, 0), summary)
        wanted = {"%s-%d" % (tag, n): 1 for n in range(25)}
        for server, found in zip(self.servers, self.wait_total(tag, 100)):
            self.assertEqual(found, wanted, server.name)

    def test_casts_are_shared_between_all_servers_and_none_is_lost_or_doubled(self):
        tag = bus.unique("any")
        summary = self.client.many("cast", target=self.target(), method="noop", tag=tag, count=200)
        self.assertEqual((summary["ok"], summary["failed"]), (200, 0), summary)
        found = self.wait_total(tag, 200)
        total = {}
        for server, tags in zip(self.servers, found):
            self.assertGreater(len(tags), 0, "%s got nothing" % server.name)
            for t, n in tags.items():
                total[t] = total.get(t, 0) + n
        self.assertEqual(total, {"%s-%d" % (tag, n): 1 for n in range(200)})

    def test_calls_are_shared_between_all_servers(self):
        summary = self.client.many("call", target=self.target(), method="who", count=200,
                                   threads=4)
        self.assertEqual((summary["ok"], summary["failed"]), (200, 0), summary)
        self.assertEqual(set(summary["results"]), {'"s%d"' % i for i in range(4)}, summary)
        self.assertEqual(sum(summary["results"].values()), 200)

    def test_a_call_to_one_server_reaches_that_server_only(self):
        for i, server in enumerate(self.servers):
            summary = self.client.many("call", target=self.target(server="s%d" % i), method="who",
                                       count=10)
            self.assertEqual(summary["results"], {'"s%d"' % i: 10}, server.name)

    def test_a_clean_leave_takes_no_message_along(self):
        topic = bus.unique("leave")
        leaving = KINDS[0]
        pair = [Peer("rpc_server", side, url=bus.url(), exchange=self.exchange, topic=topic,
                     server=name, topology=TOPOLOGY)
                for side, name in ((KINDS[1], "stays"), (leaving, "leaves"))]
        try:
            number = self.client.start("call", target=self.target(topic=topic), method="who",
                                       count=600, threads=4, quiet=True, timeout=5)
            pair[1].wait_report(lambda r: r["calls"].get("who", 0) > 5, "calls")
            pair[1].close()
            summary = [line for line in self.client.finish(number) if line["event"] == "summary"][0]
            # The Python library can lose what it had read ahead when it stopped, and what a router
            # has on its way to it. One call of each thread at most.
            self.assertLessEqual(summary["failed"], 0 if leaving == "native" else 4, summary)
            self.assertLessEqual(set(summary["errors"]), {"messaging_timeout", "delivery_failure"})
            self.assertEqual(summary["ok"] + summary["failed"], 600, summary)
            self.assertEqual(set(summary["results"]), {'"stays"', '"leaves"'}, summary)
        finally:
            for peer in pair:
                peer.kill()

    def owed_replies(self, side):
        base, topic = bus.address(), bus.unique("owed")
        # A server on rabbit has a connection of its own for its first reply.
        work = {"rabbit": {"method": "who"},
                "router": {"method": "slow", "args": {"seconds": 1.5}}}[BUS]
        with base.recorder(hold=1.5) as slow_network:
            server = Peer("rpc_server", side, url=base.url(port=slow_network.port),
                          exchange=self.exchange, topic=topic, server="srv", topology=TOPOLOGY)
            try:
                number = self.client.start("call", target=self.target(topic=topic), timeout=15,
                                           **work)
                server.wait_report(lambda r: r["calls"].get(work["method"]), "the call")
                server.close()
                line = [x for x in self.client.finish(number) if x["event"] == "result"][0]
                self.assertIn(line.get("result"), ("srv", "slept"), line)
            finally:
                server.kill()

    def test_a_python_server_sends_the_replies_it_owes_before_it_leaves(self):
        self.owed_replies("python")

    if SERVERS == "mixed":
        def test_a_native_server_sends_the_replies_it_owes_before_it_leaves(self):
            self.owed_replies("native")


if __name__ == "__main__":
    bus.main()
