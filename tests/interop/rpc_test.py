#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""RPC between a client and servers of either kind: rpc_test.py CLIENT:SERVER[:TOPOLOGY].

Over RabbitMQ or an AMQP 1.0 router, as OMBT_URL says; what a caller may notice of that stands first."""

import tempfile
import unittest

import bus
from peers import Peer

CLIENT, SERVER, TOPOLOGY = bus.sides()
BUS = bus.kind()

# What a bus makes of a call that nobody answers. A router gives no credit where nobody receives.
NO_REPLY = {
    ("rabbit", "python"): "Timed out waiting for a reply to message ID [0-9a-f]{32}",
    ("rabbit", "native"): "Timed out waiting for a reply to message ID [0-9a-f]{32}",
    ("router", "python"): r"RPC Call message sent to <Target .*topic=%s> failed: timed out",
    ("router", "native"): r"RPC Call message not sent: timed out \(no credit: nobody receives at "
                          r"openstack\.org/om/rpc/anycast/[^/]+/%s\)",
}[BUS, CLIENT]
# … and of a body that its server cannot read: only a router tells the caller.
UNREADABLE = {"rabbit": "messaging_timeout", "router": "delivery_failure"}[BUS]


class Rpc(unittest.TestCase):
    maxDiff = 2000

    @classmethod
    def setUpClass(cls):
        cls.exchange = bus.unique("ex")
        cls.topic = bus.unique("topic")
        cls.peers = []
        common = {"url": bus.url(), "exchange": cls.exchange, "topology": TOPOLOGY}
        try:
            cls.server = cls.start("rpc_server", SERVER, topic=cls.topic, server="plain",
                                   ping=True, wait=False, **common)
            cls.versioned = cls.start("rpc_server", SERVER, topic=cls.topic + "-v", server="v",
                                      namespace="ns", version="2.3", wait=False, **common)
            cls.client = cls.start("rpc_client", CLIENT, wait=False, **common)
            for peer in cls.peers:
                peer.wait_ready()
        except BaseException:
            cls.tearDownClass()
            raise

    @classmethod
    def start(cls, kind, side, **options):
        cls.peers.append(Peer(kind, side, **options))
        return cls.peers[-1]

    @classmethod
    def tearDownClass(cls):
        for peer in cls.peers:
            peer.kill()

    def target(self, **more):
        return dict({"exchange": self.exchange, "topic": self.topic}, **more)

    def call(self, method, target=None, **command):
        args = command.pop("args", {})
        return self.client.one("call", target=target or self.target(), method=method, args=args,
                               **command)

    def echo(self, data):
        line = self.call("echo", args={"data": data}, timeout=10)
        self.assertTrue(line["ok"], line)
        self.assertEqual(line["result"], data)

    def test_echoes_no_bytes(self):
        self.echo("")

    def test_echoes_a_kibibyte(self):
        self.echo("X" * 1024)

    def test_echoes_a_mebibyte_over_many_frames(self):
        self.echo("".join(chr(0x20 + i % 95) for i in range(1 << 20)))

    def test_echoes_a_body_of_exactly_a_frame_and_its_neighbours(self):
        # A frame holds 131064 bytes of body; the envelope around the data varies with its sides.
        for size in range(131064 - 320, 131064 - 150, 10):
            self.echo("f" * size)

    def test_echoes_text_that_is_not_ascii(self):
        self.echo("grüße, zażółć, 日本語, \u2028\u2029\ufeff, \U0001f600\U0001f9ea\U0010fffd")

    def test_echoes_a_mebibyte_beyond_the_basic_plane(self):
        self.echo("\U0001f600" * (1 << 16))

    def test_echoes_quotes_backslashes_and_control_characters(self):
        self.echo("\"quoted\" \\ \\\\n \\u0041 /\b\f\n\r\t\x00\x01\x1f\x7f{\"a\": \"\\\"\"}")

    def test_echoes_every_json_type(self):
        self.echo({"null": None, "true": True, "list": [1, [2, [3, []]], {}], "": "empty key",
                   "näme": {"deep": {"er": [{"x": -1}]}}, "big": 9223372036854775807,
                   "small": -9223372036854775808, "float": 0.1, "exp": 1e300, "tiny": 5e-324,
                   "whole": 2.0, "sci": 1e16})

    def test_echoes_unsigned_64_bit_integers(self):
        self.echo([2 ** 63, 2 ** 64 - 1])

    def test_an_integer_beyond_64_bits_disturbs_nothing_else(self):
        # The native client writes it as a double, the native server cannot read it at all.
        line = self.call("echo", args={"data": 2 ** 70}, timeout=1)
        if not line["ok"]:
            self.assertEqual((SERVER, line["error"]), ("native", UNREADABLE), line)
        self.echo("next")

    def test_context_reaches_the_server(self):
        context = {"user": "jürgen", "roles": ["a", "b"], "nothing": None, "n": 5}
        line = self.call("context", context=context)
        line["result"].pop("client_timeout", None)
        self.assertEqual(line["result"], context)

    def test_casts_arrive_exactly_once(self):
        tag = bus.unique("cast")
        summary = self.client.many("cast", target=self.target(), method="noop", tag=tag, count=50,
                                   threads=5)
        self.assertEqual((summary["ok"], summary["failed"]), (50, 0), summary)
        wanted = {"%s-%d" % (tag, n): 1 for n in range(50)}
        report = self.server.wait_report(
            lambda r: len([t for t in r["tags"] if t.startswith(tag)]) >= 50, "50 casts")
        self.assertEqual({t: n for t, n in report["tags"].items() if t.startswith(tag)}, wanted)

    def test_a_cast_of_a_failing_method_answers_nothing_and_the_server_lives(self):
        before = self.server.report()["calls"].get("boom", 0)
        self.assertTrue(self.client.one("cast", target=self.target(), method="boom")["ok"])
        self.server.wait_report(lambda r: r["calls"].get("boom", 0) == before + 1, "boom")
        self.assertTrue(self.client.one("cast", target=self.target(), method="nowhere")["ok"])
        self.echo("still here")

    def test_a_cast_without_any_server_succeeds(self):
        line = self.client.one("cast", target=self.target(topic=bus.unique("nobody")),
                               method="noop")
        self.assertTrue(line["ok"], line)

    def test_call_to_one_named_server(self):
        self.assertEqual(self.call("who", self.target(server="plain"))["result"], "plain")
        line = self.call("who", self.target(server="absent"), timeout=1)
        self.assertEqual(line["error"], "messaging_timeout", line)

    def test_unknown_method(self):
        for method in ("nowhere", "_report", "__init__"):
            line = self.call(method)
            self.assertEqual((line["ok"], line.get("class"), line["message"]), (
                False, "NoSuchMethod", "Endpoint does not support RPC method " + method), line)
            self.assertIn("NoSuchMethod: Endpoint does not support RPC method " + method,
                          line["traceback"])

    def test_an_exception_of_a_class_that_the_caller_knows(self):
        line = self.call("boom", args={"message": "böse \"Sache\" \U0001f4a5"})
        self.assertEqual((line["error"], line["class"], line["message"]),
                         ("remote_exception", "ValueError", "böse \"Sache\" \U0001f4a5"), line)
        self.assertIn("Traceback (most recent call last):", line["traceback"])
        self.assertIn("boom", line["traceback"])
        self.assertTrue(line["traceback"].rstrip().endswith(
            "ValueError: böse \"Sache\" \U0001f4a5"), line["traceback"])

    def test_an_exception_of_a_class_that_nobody_knows(self):
        line = self.call("boom", args={"message": "mine", "kind": "OwnError"})
        self.assertEqual((line["error"], line["class"], line["message"]),
                         ("remote_exception", "OwnError", "mine"), line)
        self.assertIn("OwnError: mine", line["traceback"])

    def test_an_exception_whose_text_is_empty(self):
        line = self.call("boom", args={"message": ""})
        self.assertEqual((line["class"], line["message"]), ("ValueError", ""), line)

    def versioned_target(self, **more):
        return dict({"exchange": self.exchange, "topic": self.topic + "-v"}, **more)

    def test_compatible_versions_in_the_right_namespace_are_served(self):
        for version in ("2.0", "2.3"):
            line = self.call("who", self.versioned_target(namespace="ns", version=version))
            self.assertEqual(line.get("result"), "v", line)

    def test_a_version_that_the_server_cannot_serve(self):
        for version, said in (("2.4", "2.4"), ("1.0", "1.0"), ("3.0", "3.0"), (None, "1.0")):
            line = self.call("who", self.versioned_target(namespace="ns", version=version))
            self.assertEqual((line.get("class"), line.get("message")), (
                "UnsupportedVersion", "Endpoint does not support RPC version %s. Attempted "
                "method: who" % said), line)

    def test_a_namespace_that_the_server_does_not_serve(self):
        for target in (self.versioned_target(version="2.0"),
                       self.versioned_target(namespace="other", version="2.0"),
                       self.target(namespace="ns")):
            line = self.call("who", target)
            self.assertEqual(line.get("class"), "UnsupportedVersion", line)

    def test_a_server_without_version_serves_1_0_only(self):
        self.assertEqual(self.call("who", self.target(version="1.0"))["result"], "plain")
        for version in ("1.1", "2.0"):
            self.assertEqual(self.call("who", self.target(version=version)).get("class"),
                             "UnsupportedVersion")

    def test_ping_where_it_is_enabled_and_where_not(self):
        self.assertEqual(self.call("oslo_rpc_server_ping").get("result"), "pong")
        line = self.call("oslo_rpc_server_ping",
                         self.versioned_target(namespace="ns", version="2.0"))
        self.assertEqual(line.get("class"), "NoSuchMethod", line)

    def test_no_reply_in_time(self):
        nobody = bus.unique("nobody")
        line = self.call("echo", self.target(topic=nobody), timeout=1)
        self.assertEqual(line["error"], "messaging_timeout", line)
        self.assertRegex(line["message"], "^" + NO_REPLY.replace("%s", nobody) + "$")
        self.assertGreaterEqual(line["seconds"], 0.95)
        self.assertLess(line["seconds"], 3)

    def test_a_reply_that_comes_too_late_disturbs_no_later_call(self):
        line = self.call("slow", args={"seconds": 1.5}, timeout=0.5)
        self.assertEqual(line["error"], "messaging_timeout", line)
        for n in range(20):
            self.echo("after %d" % n)
        self.assertEqual(self.call("slow", args={"seconds": 1.5}).get("result"), "slept")

    def test_a_slow_method_outlives_its_monitor_timeout(self):
        line = self.call("slow", args={"seconds": 4}, call_monitor_timeout=2, timeout=30)
        self.assertEqual(line.get("result"), "slept", line)
        self.assertGreaterEqual(line["seconds"], 3.9)

    def test_a_monitored_call_fails_soon_after_its_server_died(self):
        topic = bus.unique("mortal")
        doomed = self.start("rpc_server", SERVER, url=bus.url(), exchange=self.exchange,
                            topic=topic, server="doomed", topology=TOPOLOGY)
        number = self.client.start(
            "call", target=self.target(topic=topic), method="slow", args={"seconds": 60},
            call_monitor_timeout=2, timeout=60)
        doomed.wait_report(lambda r: r["calls"].get("slow"), "the slow call")
        doomed.kill()
        line = [x for x in self.client.finish(number) if x["event"] == "result"][0]
        # A router says so itself where the request was not yet accepted when its server went.
        ends = {"rabbit": ("messaging_timeout",),
                "router": ("messaging_timeout", "delivery_failure")}[BUS]
        self.assertIn(line["error"], ends, line)
        self.assertLess(line["seconds"], 8)

    def test_an_oslo_config_file_sets_both_sides(self):
        exchange, topic = bus.unique("conf"), bus.unique("topic")
        section = {
            "rabbit": "[oslo_messaging_rabbit]\namqp_durable_queues = true\n",
            "router": "[oslo_messaging_amqp]\nrpc_address_prefix = elsewhere\n"}[BUS]
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
            file.write("[DEFAULT]\ncontrol_exchange = %s\n\n%s" % (exchange, section))
            file.flush()
            self.start("rpc_server", SERVER, url=bus.url(), config=file.name, topic=topic,
                       server="conf", topology=TOPOLOGY)
            client = self.start("rpc_client", CLIENT, url=bus.url(), config=file.name,
                                topology=TOPOLOGY)
            line = client.one("call", target={"topic": topic}, method="who", timeout=10)
            self.assertEqual(line.get("result"), "conf", line)
        self.look_at_the_configured_server(exchange, topic)

    def look_at_the_configured_server(self, exchange, topic):
        if BUS == "rabbit":
            # Equivalent declarations pass, others would be refused.
            with bus.address().channel() as channel:
                channel.exchange_declare(exchange, "topic", durable=True, auto_delete=False)
                channel.queue_declare(topic, durable=True, auto_delete=False)
        else:
            # It is not where those without that file look for it.
            line = self.call("who", {"exchange": exchange, "topic": topic}, timeout=1)
            self.assertEqual(line.get("error"), "messaging_timeout", line)

    def test_many_concurrent_calls_are_all_answered(self):
        tag = bus.unique("many")
        summary = self.client.many("call", target=self.target(), method="who", tag=tag, count=400,
                                   threads=40)
        self.assertEqual((summary["ok"], summary["failed"]), (400, 0), summary)
        self.assertEqual(summary["results"], {'"plain"': 400})
        tags = self.server.report()["tags"]
        self.assertEqual({t: n for t, n in tags.items() if t.startswith(tag)},
                         {"%s-%d" % (tag, n): 1 for n in range(400)})


if __name__ == "__main__":
    bus.main()
