#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A bus that fails under running peers: broker_failure_test.py CLIENT:SERVER[:TOPOLOGY].

To be run under an `ombt-bus rabbit --` or `ombt-bus router --` of its own: the broker or router is
killed and stopped, RabbitMQ is blocked and its connections are closed. What needs queues, or words
of a broker's, is skipped over a router.
"""

import contextlib
import os
import signal
import socket
import time
import unittest

import amqp

import bus
from peers import Peer

CLIENT, SERVER, TOPOLOGY = bus.sides()
BUS = bus.kind()
NAMED = {"messaging_timeout", "delivery_failure", "connection_lost", "message_undeliverable",
         "bus_unreachable"}
# That the bus is to be noticed when it is silent, and how to see that it was.
NOTICE = {"rabbit": {"heartbeat_timeout_threshold": 2}, "router": {"idle_timeout": 4}}[BUS]
brokers_only = unittest.skipUnless(BUS == "rabbit", "a router has no queues and gives no such words")


def broker_pid():
    """The broker of the moment: ombt-bus writes a new number after each start."""
    with open(os.path.join(os.environ["OMBT_BUS_DIR"], "broker.pid"), encoding="ascii") as file:
        return int(file.read())


def kill_broker():
    pid = broker_pid()
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while os.path.exists("/proc/%d" % pid) and time.monotonic() < deadline:
        time.sleep(0.05)


def start_broker():
    """Has the dead broker started again on its port and waits until it serves."""
    os.kill(int(os.environ["OMBT_BUS_SUPERVISOR"]), signal.SIGUSR1)
    bus.wait_serving()


@contextlib.contextmanager
def stopped_broker():
    pid = broker_pid()
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def with_options(url, options):
    return url + "?" + "&".join("%s=%s" % pair for pair in options.items())


class Failures(unittest.TestCase):
    def setUp(self):
        self.exchange, self.topic = bus.unique("ex"), bus.unique("topic")
        self.peers = []
        self.addCleanup(lambda: [peer.kill() for peer in self.peers])

    def start(self, kind, side, **options):
        options.setdefault("url", bus.url())
        self.peers.append(Peer(kind, side, exchange=self.exchange, topology=TOPOLOGY, **options))
        return self.peers[-1]

    def pair(self, **options):
        server = self.start("rpc_server", SERVER, topic=self.topic, server="srv", wait=False,
                            **options)
        client = self.start("rpc_client", CLIENT, wait=False, **options)
        server.wait_ready()
        client.wait_ready()
        return server, client

    def target(self, **more):
        return dict({"exchange": self.exchange, "topic": self.topic}, **more)

    def works_again(self, client, target=None, within=40):
        """Calls until one succeeds, then ten that must all succeed."""
        deadline = time.monotonic() + within
        while True:
            line = client.one("call", target=target or self.target(), method="echo",
                              args={"data": "again"}, timeout=5, patience=60)
            if line["ok"]:
                break
            self.assertIn(line["error"], NAMED, line)
            self.assertLess(time.monotonic(), deadline, line)
        summary = client.many("call", target=target or self.target(), method="who", count=10,
                              timeout=10)
        self.assertEqual((summary["ok"], summary["failed"]), (10, 0), summary)

    def test_the_broker_is_killed_and_started_again_during_a_run(self):
        server, client = self.pair()
        listener = self.start("listener", SERVER, topic=self.topic + "-n")
        notifier = self.start("notifier", CLIENT, topic=self.topic + "-n")
        self.works_again(client)
        number = client.start("call", target=self.target(), method="echo", count=20000, threads=10,
                              args={"data": "x" * 100}, timeout=8, quiet=True)
        server.wait_report(lambda r: r["calls"].get("echo", 0) > 100, "calls")
        kill_broker()
        time.sleep(1)
        start_broker()
        summary = [x for x in client.finish(number, 150) if x["event"] == "summary"][0]
        # Every call ended, once, and the failed ones in an error with a name.
        self.assertEqual(summary["ok"] + summary["failed"], 20000, summary)
        self.assertLessEqual(set(summary["errors"]), NAMED, summary)
        self.assertEqual(sum(summary["errors"].values()), summary["failed"])
        self.works_again(client)
        # A fanout shows that the queue with no other name than its own is declared again.
        client.one("cast", target=self.target(fanout=True), method="noop", patience=60)
        server.wait_report(lambda r: r["calls"].get("noop", 0) == 1, "the fanout")
        notifier.many("notify", tag="after", count=5, patience=60)
        listener.wait_notifications(5)

    @brokers_only
    def test_the_broker_closes_every_connection_during_slow_calls(self):
        server, client = self.pair()
        self.works_again(client)
        number = client.start("call", target=self.target(), method="slow", args={"seconds": 3},
                              count=5, threads=5, timeout=20, quiet=True)
        server.wait_report(lambda r: r["calls"].get("slow", 0) == 5, "slow calls")
        bus.ctl("close_all_connections", "closed by the test")
        summary = [x for x in client.finish(number, 60) if x["event"] == "summary"][0]
        # The requests were acknowledged before; their replies find the reply queue again.
        self.assertEqual((summary["ok"], summary["failed"]), (5, 0), summary)
        self.works_again(client)

    @unittest.skipUnless(BUS == "router", "RabbitMQ keeps queues for those that come back")
    def test_calls_in_work_when_the_router_dies_end_at_their_limit(self):
        server, client = self.pair()
        self.works_again(client)
        number = client.start("call", target=self.target(), method="slow", args={"seconds": 2},
                              count=5, threads=5, timeout=7)
        server.wait_report(lambda r: r["calls"].get("slow", 0) == 5, "slow calls")
        time.sleep(0.5)  # until the caller knows that they were accepted
        kill_broker()
        start_broker()
        results = [x for x in client.finish(number, 60) if x["event"] == "result"]
        # Accepted before; where to answer was the dead router's to know.
        self.assertEqual([line.get("error") for line in results], ["messaging_timeout"] * 5)
        self.assertTrue(all(6.9 < line["seconds"] < 20 for line in results), results)
        self.works_again(client)

    def test_a_network_that_drops_all_connections(self):
        base = bus.address()
        with base.recorder() as network:
            _, client = self.pair(url=base.url(port=network.port))
            for _ in range(3):
                self.works_again(client)
                network.drop_all()
            self.works_again(client)

    @brokers_only
    def test_the_queue_of_a_topic_is_deleted(self):
        server, client = self.pair()
        self.works_again(client)
        for queue in (self.topic, self.topic + ".srv"):
            with bus.address().channel() as channel:
                channel.queue_delete(queue)
            time.sleep(1.5)
            self.works_again(client, self.target(server="srv") if "." in queue else None)
        self.assertIsNone(server.process.poll())

    @brokers_only
    def test_the_reply_queue_is_deleted_during_a_call(self):
        base = bus.address()
        with base.recorder() as recorder:
            _, client = self.pair(url=base.url(port=recorder.port))
            self.works_again(client)
            number = client.start("call", target=self.target(), method="slow",
                                  args={"seconds": 2}, timeout=20)
            time.sleep(0.5)
            queues = {event["args"]["queue"] for events in recorder.connections()
                      for event in events if event.get("method") == "queue.declare"
                      and event["args"]["queue"].startswith("reply_")}
            with bus.address().channel() as channel:
                for queue in queues:
                    channel.queue_delete(queue)
            # Declared again under the same name, it gets the reply that was returned before.
            line = [x for x in client.finish(number) if x["event"] == "result"][0]
            self.assertEqual(line.get("result"), "slept", line)
            self.works_again(client)

    @brokers_only
    def test_a_reply_queue_that_is_gone_is_tried_and_then_remembered(self):
        base = bus.address()
        with base.recorder() as recorder:
            self.start("rpc_server", SERVER, topic=self.topic, server="srv",
                       url=base.url(port=recorder.port),
                       rabbit={"kombu_missing_consumer_retry_timeout": 1})
            client = self.start("rpc_client", CLIENT)

            def replies():
                return [event for events in recorder.connections() for event in events
                        if event.get("method") == "basic.publish" and event["from"] == "client"
                        and event["args"]["routing_key"] == "reply_gone"]

            def ask():
                body = ('{"method": "noop", "args": {}, "_msg_id": "%032x", "_reply_q": '
                        '"reply_gone", "_unique_id": "%032x"}' % (id(self), time.time_ns()))
                with bus.address().channel() as channel:
                    channel.basic_publish(
                        amqp.Message(body, content_type="application/json",
                                     content_encoding="utf-8"),
                        exchange=self.exchange, routing_key=self.topic)

            ask()
            time.sleep(3)
            tries = len(replies())
            self.assertTrue(3 <= tries <= 6, tries)  # every 0.25 s for a second
            gaps = [b["at"] - a["at"] for a, b in zip(replies(), replies()[1:])]
            self.assertTrue(all(0.2 <= gap <= 0.6 for gap in gaps), gaps)
            ask()
            time.sleep(1)
            self.assertEqual(len(replies()), tries)
            self.works_again(client)

    @brokers_only
    def test_an_exchange_of_another_type_fails_the_send_with_the_brokers_words(self):
        _, client = self.pair()
        wrong = bus.unique("wrong")
        with bus.address().channel() as channel:
            channel.exchange_declare(wrong, "direct", durable=False, auto_delete=False)
            for do in ("call", "cast"):
                line = client.one(do, target={"exchange": wrong, "topic": "t"}, method="noop",
                                  timeout=10, retry=1)
                self.assertFalse(line["ok"], line)
                self.assertIn("inequivalent arg 'type'", line["message"])
            self.works_again(client)
            channel.exchange_delete(wrong)

    @brokers_only
    def test_a_refused_reply_queue_fails_the_calls_with_the_brokers_words(self):
        base = bus.address()
        user = bus.unique("user")
        allowed = "^%s.*" % self.exchange
        bus.ctl("add_user", user, "secret")
        self.addCleanup(bus.ctl, "delete_user", user)
        bus.ctl("set_permissions", "-p", base.vhost, user, allowed, ".*", ".*")
        self.start("rpc_server", SERVER, topic=self.topic, server="srv")
        client = self.start("rpc_client", CLIENT, url=base.url(user=user, password="secret"))
        begin = time.monotonic()
        for _ in range(3):
            line = client.one("call", target=self.target(), method="echo", timeout=20)
            self.assertFalse(line["ok"], line)
            self.assertIn("ACCESS_REFUSED", line["message"])
        spent = time.monotonic() - begin
        self.assertLess(spent, 20)
        if CLIENT == "native":  # asked for once a second at most
            self.assertGreater(spent, 1.9)
        self.assertTrue(client.one("cast", target=self.target(), method="noop", timeout=20)["ok"])
        bus.ctl("set_permissions", "-p", base.vhost, user, ".*", ".*", ".*")
        self.works_again(client)

    @brokers_only
    def test_the_broker_blocks_publishers_for_a_while(self):
        _, client = self.pair()
        self.works_again(client)
        bus.ctl("set_vm_memory_high_watermark", "0.0000001")
        try:
            time.sleep(1)
            number = client.start("call", target=self.target(), method="echo",
                                  args={"data": "held"}, timeout=40)
            time.sleep(2)
            self.assertFalse([x for x in client.lines if x.get("id") == number])
        finally:
            bus.ctl("set_vm_memory_high_watermark", "0.6")
        line = [x for x in client.finish(number, 60) if x["event"] == "result"][0]
        self.assertEqual(line.get("result"), "held", line)
        self.works_again(client)

    @staticmethod
    def failover_url(*ports):
        base = bus.address()
        login = "%s:%s@" % (base.user, base.password) if base.user else ""
        return "%s://%s/" % (base.scheme, ",".join("%s127.0.0.1:%d" % (login, port)
                                                   for port in ports))

    def test_a_failover_list_whose_other_hosts_are_dead(self):
        with contextlib.ExitStack() as stack:
            dead = []
            for _ in range(2):  # bound but not listening: refused, and nobody else can take them
                holder = stack.enter_context(socket.socket())
                holder.bind(("127.0.0.1", 0))
                dead.append(holder.getsockname()[1])
            _, client = self.pair(url=self.failover_url(*dead, bus.address().port))
            self.works_again(client)

    def test_a_failover_to_the_other_host_when_the_first_goes_away(self):
        first = bus.address().recorder()
        with bus.address().recorder() as second:
            with first:
                server, client = self.pair(url=self.failover_url(first.port, second.port))
                self.works_again(client)
            # Out of the with: the first host refuses and its connections are gone.
            self.works_again(client)
            self.assertIsNone(server.process.poll())

    def test_idle_connections_are_kept_by_heartbeats(self):
        base = bus.address()
        with base.recorder() as recorder:
            _, client = self.pair(url=with_options(base.url(port=recorder.port), NOTICE))
            self.works_again(client)
            # A router asks for a frame every 8 s, to miss it after 16.
            time.sleep({"rabbit": 9, "router": 18}[BUS])
            for events in recorder.connections():
                beats = [event for event in events
                         if event.get("heartbeat") and event["from"] == "client"]
                self.assertGreaterEqual(len(beats), 2, events[-5:])
                self.assertFalse([event for event in events if "closed" in event])
            kept = len(recorder.connections())
            self.works_again(client)
            for events in recorder.connections()[:kept]:
                self.assertFalse([event for event in events if "closed" in event])

    def silent_broker(self):
        _, client = self.pair(url=with_options(bus.url(), NOTICE))
        self.works_again(client)
        with stopped_broker():
            time.sleep(1)
            line = client.one("call", target=self.target(), method="echo", timeout=10)
            self.assertIn(line["error"], NAMED, line)
            counters = [x for x in client.run("counters") if x["event"] == "counters"][0]
            self.assertGreater(counters["connection_errors"], 0, counters)
        self.works_again(client)

    if "python" not in (CLIENT, SERVER):  # that library looks every 15 s only, or counts nothing
        test_a_silent_broker_is_noticed_by_heartbeats = silent_broker

    def test_a_broker_that_stands_still_for_a_while_only_delays(self):
        server, client = self.pair()
        self.works_again(client)
        number = client.start("call", target=self.target(), method="echo", count=3000, threads=10,
                              args={"data": "x" * 100}, timeout=25, quiet=True)
        before = server.report()["calls"].get("echo", 0)
        server.wait_report(lambda r: r["calls"].get("echo", 0) > before + 20, "calls")
        with stopped_broker():
            time.sleep(3)
        summary = [x for x in client.finish(number, 60) if x["event"] == "summary"][0]
        self.assertEqual((summary["ok"], summary["failed"]), (3000, 0), summary)


if __name__ == "__main__":
    bus.main()
