#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The bytes of both sides compared: sequence_test.py REFERENCE:SUBJECT (python:native; with
python:native:lean it must fail).

Each scenario is run by the reference's programs and by the subject's through a recording proxy on
each end. What the clients of the broker sent must be equal, connection by connection and method by
method: properties bytes, frame sizes and bodies included; names, uuids and times masked.
"""

import concurrent.futures as futures
import difflib
import json
import re
import sys
import time
import unittest

import bus
from peers import PYTHON_PEERS, Peer

sys.path.insert(0, PYTHON_PEERS)
import amqp_recorder  # pylint: disable=wrong-import-position

REFERENCE, SUBJECT, TOPOLOGY = bus.sides()


class Scene:
    """The peers of one scenario on one side, and what they sent."""

    def __init__(self, side, hold):
        self.side = side
        base = bus.address()
        self.recorders = {end: amqp_recorder.Recorder(base.host, base.port, hold=hold)
                          for end in ("server", "client")}
        for recorder in self.recorders.values():
            recorder.__enter__()
        self.exchange, self.topic = bus.unique("ex"), bus.unique("topic")
        self.peers = []

    def url(self, end):
        return bus.address().url(port=self.recorders[end].port)

    def start(self, kind, end, **options):
        self.peers.append(Peer(kind, self.side, url=self.url(end), exchange=self.exchange,
                               topology=TOPOLOGY, **options))
        return self.peers[-1]

    def target(self, **more):
        return dict({"exchange": self.exchange, "topic": self.topic}, **more)

    def end(self):
        """Closes all peers cleanly, at once; what each end sent."""
        time.sleep(0.3)
        with futures.ThreadPoolExecutor() as pool:
            list(pool.map(lambda peer: peer.close(), self.peers))
        time.sleep(0.2)
        sent = {end: self.sent(end) for end in self.recorders}
        self.drop()
        return sent

    def drop(self):
        for peer in self.peers:
            peer.kill()
        for recorder in self.recorders.values():
            recorder.__exit__()

    def sent(self, end):
        """Per connection the lines of what its client sent; connections in a fixed order."""
        found = []
        for events in self.recorders[end].connections():
            lines = [self.line(event) for event in events
                     if event["from"] == "client" and "heartbeat" not in event]
            found.append([line for line in lines if line])
        # Concurrent connections come in any order.
        return sorted(found, key=lambda lines: (-len(lines), lines))

    def line(self, event):
        if "closed" in event:
            return "closed the connection"
        if "protocol" in event:
            return "protocol header " + event["protocol"]
        if "broken" in event:
            return "BROKEN " + event["broken"]
        if "method" in event:
            args = {k: v for k, v in event["args"].items() if not k.startswith("reserved")}
            if event["method"] == "connection.start-ok":
                args["client_properties"] = [
                    [key, letter, self.property(key, value)]
                    for key, letter, value in args["client_properties"]]
            if event["method"] in ("basic.ack", "basic.reject"):
                return "%s %s" % (event["method"], json.dumps(args))
            text = "channel %d %s %s" % (event["channel"], event["method"], json.dumps(args))
        else:
            content = event["content"]
            frames = content["frames"]
            if '\\"tb\\' in content["body"] or "compressed" in content:
                frames = "any, compressed as %s" % content.get("compressed")
            return "content flags %s raw properties %s frames %s body %s" % (
                content["flags"], content["raw"], frames, self.mask(self.body(content["body"])))
        return self.mask(text)

    def mask(self, text):
        text = text.replace(self.exchange, "<exchange>").replace(self.topic, "<topic>")
        return amqp_recorder.mask(text)

    @staticmethod
    def property(key, value):
        if key in ("product", "product_version"):
            return "<own>"
        if key == "connection_name":
            return re.sub(r"^[^:]+:\d+:", "<program>:<pid>:", value)
        return value

    @staticmethod
    def body(body):
        return re.sub(r'(\\*"tb\\*": \[).*?(\], \\*"args)', r"\1<traceback>\2", body)


def rpc(scene, server_options=None, rabbit=None):
    """A call, a cast, a fanout, a failing and an unknown method, a named server; one connection
    after the other, so that the order is the same."""
    rabbit = {"rabbit": rabbit} if rabbit else {}
    scene.start("rpc_server", "server", topic=scene.topic, server="srv", **rabbit,
                **(server_options or {}))
    client = scene.start("rpc_client", "client", **rabbit)

    def call(method, target=None, timeout=20, **more):
        # The reply may be here before the server has its confirm; a request that came at once
        # would then be answered on another connection.
        time.sleep(0.2)
        return client.one("call", target=target or scene.target(), method=method, timeout=timeout,
                          **more)

    assert call("echo", args={"data": "hé \"\\ \U0001f600"},
                context={"user": "ü", "n": None, "f": 1.5})["ok"]
    assert call("echo", args={"data": "x" * 300000}, timeout=2.5)["ok"]
    assert client.one("cast", target=scene.target(), method="noop", args={"data": [1, {}]})["ok"]
    assert client.one("cast", target=scene.target(fanout=True), method="noop")["ok"]
    assert call("who", scene.target(server="srv"))["ok"]
    assert call("who", scene.target(version="1.0"))["ok"]
    assert call("boom", args={"message": "ä"})["class"] == "ValueError"
    assert call("nowhere")["class"] == "NoSuchMethod"
    assert call("echo", scene.target(namespace="n", version="2.0"))["class"] == "UnsupportedVersion"
    # The last request must be acknowledged and the fanout delivered before all is closed.
    time.sleep(0.5)


def rpc_in_namespace(scene):
    scene.start("rpc_server", "server", topic=scene.topic, server="srv", namespace="n",
                version="2.1")
    client = scene.start("rpc_client", "client")
    assert client.one("call", target=scene.target(namespace="n", version="2.0"), method="who")["ok"]


def cold_cast(scene):
    """A client that only casts has no reply connection."""
    client = scene.start("rpc_client", "client")
    assert client.one("cast", target=scene.target(), method="noop", timeout=5)["ok"]
    assert client.one("cast", target=scene.target(topic=scene.topic + "2", fanout=True),
                      method="noop")["ok"]


def monitored(scene):
    scene.start("rpc_server", "server", topic=scene.topic, server="srv")
    client = scene.start("rpc_client", "client")
    for seconds, monitor in ((3.4, 2), (2.0, 3.5), (0.5, 1)):
        time.sleep(0.2)
        line = client.one("call", target=scene.target(), method="slow", timeout=20,
                          args={"seconds": seconds}, call_monitor_timeout=monitor)
        assert line.get("result") == "slept", line


def five_at_once(scene):
    """Five calls at once from cold: a connection each, on both sides, because none is set up
    before the last is wanted."""
    scene.start("rpc_server", "server", topic=scene.topic, server="srv")
    client = scene.start("rpc_client", "client")
    summary = client.many("call", target=scene.target(), method="slow", args={"seconds": 1},
                          count=5, threads=5)
    assert summary["ok"] == 5, summary


def notifications(scene, rabbit=None, driver="messaging", pool=None):
    rabbit = {"rabbit": rabbit} if rabbit else {}
    pool = {"pool": scene.topic + pool} if pool else {}
    listener = scene.start("listener", "server", topic=scene.topic, requeue=1, **rabbit, **pool)
    notifier = scene.start("notifier", "client", topic=scene.topic, driver=driver, **rabbit)
    notifier.many("notify", payload={"ä": [1, None]}, event_type="e", context={"user_id": "u"})
    notifier.many("notify", payload={})
    notifier.many("notify", payload={"p": 2.0}, priority="error")
    listener.wait_notifications(3)
    time.sleep(1)


DURABLE = {"amqp_durable_queues": True, "amqp_auto_delete": True, "rabbit_qos_prefetch_count": 7,
           "enable_cancel_on_failover": True, "rabbit_transient_queues_ttl": 60,
           "heartbeat_timeout_threshold": 30, "rabbit_login_method": "PLAIN"}
QUORUM = {"rabbit_quorum_queue": True, "rabbit_quorum_delivery_limit": 5,
          "rabbit_quroum_max_memory_length": 100, "rabbit_quroum_max_memory_bytes": 100000}
SCENES = {
    "rpc": rpc,
    "rpc with a namespace": rpc_in_namespace,
    "durable": lambda s: rpc(s, rabbit=DURABLE),
    "quorum": lambda s: rpc(s, rabbit=QUORUM),
    "mirrored": lambda s: rpc(s, rabbit={"rabbit_ha_queues": True}),
    "compressed": lambda s: rpc(s, rabbit={"kombu_compression": "gzip"}),
    "cold cast": cold_cast,
    "monitored": monitored,
    "concurrent": five_at_once,
    "messaging": notifications,
    "messagingv2 with a pool": lambda s: notifications(s, driver="messagingv2", pool="-pool"),
    "durable notifications": lambda s: notifications(s, rabbit=DURABLE),
    "quorum notifications": lambda s: notifications(s, rabbit=QUORUM),
}
SLOW_SET_UP = {"concurrent"}


def play(name, side):
    scene = Scene(side, hold=0.5 if name in SLOW_SET_UP else 0.0)
    try:
        SCENES[name](scene)
        return scene.end()
    except BaseException:
        scene.drop()
        raise


class Sequences(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        # Most of a scenario is waiting: all are played before the first is compared.
        cls.pool = futures.ThreadPoolExecutor(max_workers=4)
        cls.played = {(name, role): cls.pool.submit(play, name, side) for name in SCENES
                      for role, side in (("reference", REFERENCE), ("subject", SUBJECT))}

    @classmethod
    def tearDownClass(cls):
        cls.pool.shutdown()

    def compare(self, name):
        reference = self.played[name, "reference"].result()
        subject = self.played[name, "subject"].result()
        for end in ("server", "client"):
            self.assertFalse([line for lines in reference[end] + subject[end] for line in lines
                              if line.startswith("BROKEN")])
            self.assertGreater(len(reference["client"]), 0)
            expected = flatten(reference[end])
            found = flatten(subject[end])
            if expected != found:
                lines = difflib.unified_diff(expected, found, REFERENCE, SUBJECT, lineterm="", n=2)
                self.fail("%s, %s end:\n%s" % (name, end, "\n".join(x[:1200] for x in lines)))


def flatten(connections):
    return [line for number, lines in enumerate(connections)
            for line in ["connection %d" % number] + lines]


def _add(name):
    def test(self):
        self.compare(name)
    test.__doc__ = name
    setattr(Sequences, "test_same_sequence_" + name.replace(" ", "_"), test)


for _name in SCENES:
    _add(_name)

if __name__ == "__main__":
    bus.main()
