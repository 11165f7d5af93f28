#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""oslo.messaging's amqp driver on both sides of ombt-router: every kind of message gets across."""

import os
import sys
import time

import routers

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "interop"))
import peers  # noqa: E402  pylint: disable=wrong-import-position

TOPIC = {"exchange": "x", "topic": "t"}


class Clients(routers.RouterTest):
    def peer(self, router, kind, **options):
        options.setdefault("url", router.url)
        made = peers.Peer(kind, **options)
        self.addCleanup(made.close)
        return made

    def server(self, router, name, **options):
        return self.peer(router, "rpc_server", **TOPIC, server=name, **options)

    def run_client(self, client, do, target, method, **more):
        """Its summary and its results."""
        lines = client.finish(client.start(do, target=target, method=method, **more))
        results = [line for line in lines if line["event"] == "result"]
        summary = [line for line in lines if line["event"] == "summary"][0]
        return summary, results

    def tags(self, server):
        lines = server.finish(server.start("report"))
        return [line for line in lines if line["event"] == "report"][0]["tags"]

    def test_calls_of_all_sizes_are_answered(self):
        router = self.router()
        self.server(router, "s1")
        client = self.peer(router, "rpc_client")
        for data in ("", "X" * 1024, "é" * 30000, "X" * (3 << 20)):
            summary, results = self.run_client(client, "call", TOPIC, "echo", args={"data": data})
            self.assertEqual(summary["ok"], 1, summary)
            self.assertEqual(results[0]["result"], data)

    def test_many_calls_at_once_are_each_answered_once(self):
        router = self.router()
        servers = [self.server(router, name, keep=True) for name in ("s1", "s2")]
        client = self.peer(router, "rpc_client")
        summary, _ = self.run_client(client, "call", TOPIC, "who", tag="a", count=400, threads=16,
                                     quiet=True)
        self.assertEqual(summary["ok"], 400, summary)
        both = [self.tags(server) for server in servers]
        self.assertEqual(set(both[0]) | set(both[1]), {"a-%d" % n for n in range(400)})
        self.assertEqual(sum(sum(tags.values()) for tags in both), 400)
        self.assertTrue(both[0] and both[1], "one server got nothing")

    def test_a_call_to_one_server_reaches_that_one(self):
        router = self.router()
        for name in ("s1", "s2", "s3"):
            self.server(router, name)
        client = self.peer(router, "rpc_client")
        for name in ("s2", "s1", "s3"):
            _, results = self.run_client(client, "call", dict(TOPIC, server=name), "who", count=5)
            self.assertEqual([line["result"] for line in results], [name] * 5)

    def test_a_cast_reaches_one_server_and_a_fanout_all(self):
        router = self.router()
        servers = [self.server(router, name, keep=True) for name in ("s1", "s2", "s3")]
        client = self.peer(router, "rpc_client")
        summary, _ = self.run_client(client, "cast", TOPIC, "noop", tag="c", count=30)
        self.assertEqual(summary["ok"], 30)
        summary, _ = self.run_client(client, "cast", dict(TOPIC, fanout=True), "noop", tag="f",
                                     count=20)
        self.assertEqual(summary["ok"], 20)

        def all_there():
            both = [self.tags(server) for server in servers]
            casts = sum(n for tags in both for tag, n in tags.items() if tag[0] == "c")
            fanouts = [sum(n for tag, n in tags.items() if tag[0] == "f") for tags in both]
            return casts == 30 and fanouts == [20, 20, 20]
        self.until(all_there, "casts or fanouts are missing")

    def test_an_exception_comes_back(self):
        router = self.router()
        self.server(router, "s1")
        client = self.peer(router, "rpc_client")
        _, results = self.run_client(client, "call", TOPIC, "boom", args={"message": "no"})
        self.assertFalse(results[0]["ok"])
        self.assertEqual((results[0]["class"], results[0]["message"]), ("ValueError", "no"))

    def test_without_a_server_a_call_times_out_and_one_that_starts_later_answers(self):
        router = self.router()
        client = self.peer(router, "rpc_client")
        _, results = self.run_client(client, "call", TOPIC, "echo", timeout=2)
        self.assertEqual(results[0]["error"], "messaging_timeout")
        waits = client.start("call", target=TOPIC, method="who", timeout=routers.PATIENCE)
        time.sleep(0.3)
        self.server(router, "late")
        lines = client.finish(waits)
        self.assertEqual([line.get("result", line) for line in lines if line["event"] == "result"],
                         ["late"])

    def test_a_server_that_leaves_hands_over_to_the_other(self):
        router = self.router()
        first = self.server(router, "s1")
        client = self.peer(router, "rpc_client")
        self.assertEqual(self.run_client(client, "call", TOPIC, "echo", count=10)[0]["ok"], 10)
        self.server(router, "s2")
        first.close()
        summary, results = self.run_client(client, "call", TOPIC, "who", count=10)
        self.assertEqual(summary["ok"], 10)
        self.assertEqual({line["result"] for line in results}, {"s2"})

    def test_notifications_are_shared_by_listeners(self):
        router = self.router()
        listeners = [self.peer(router, "listener", **TOPIC, priorities=["info", "error"])
                     for _ in range(2)]
        notifier = self.peer(router, "notifier", **TOPIC)
        for priority in ("info", "error"):
            lines = notifier.finish(notifier.start("notify", priority=priority, tag=priority,
                                                   count=20))
            self.assertEqual(lines[0]["ok"], 20)

        def got():
            return sorted(line["payload"]["tag"] for one in listeners for line in list(one.lines)
                          if line["event"] == "notification")
        self.until(lambda: len(got()) >= 40, "notifications are missing")
        self.assertEqual(got(), sorted("%s-%d" % (p, n) for p in ("info", "error")
                                       for n in range(20)))

    def test_with_a_login(self):
        users = os.path.join(self.folder(), "users")
        with open(users, "w", encoding="ascii") as file:
            file.write("# who\n\nme secret word\n")
        router = self.router("--users", users)
        url = router.url.replace("//", "//me:secret%20word@")
        self.server(router, "s1", url=url)
        client = self.peer(router, "rpc_client", url=url)
        self.assertEqual(self.run_client(client, "call", TOPIC, "echo")[0]["ok"], 1)

    def folder(self):
        import tempfile
        made = tempfile.TemporaryDirectory(prefix="ombt-router-test-")
        self.addCleanup(made.cleanup)
        return made.name


if __name__ == "__main__":
    routers.main()
