#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The bytes of both sides compared: sequence_test.py REFERENCE:SUBJECT (python:native; with
python:native:lean it must fail).

Each scenario is run by the reference's programs and by the subject's through a recording proxy on
each end. What the clients of the bus sent must be equal: over RabbitMQ connection by connection and
method by method, over a router connection by connection, session by session and frame by frame;
encodings, frame sizes and bodies included; names, uuids and times masked. One thing is more on
purpose: a native listener over a router asks for its credit back before it detaches.
"""

import concurrent.futures as futures
import difflib
import tempfile
import time
import unittest

import bus
from peers import Peer
from recorded_lines import lines_of

REFERENCE, SUBJECT, TOPOLOGY = bus.sides()
BUS = bus.kind()


class Scene:
    """The peers of one scenario on one side, and what they sent. at: another bus than the one under
    test; options: of the driver, for all peers."""

    def __init__(self, side, hold=0.0, at=None, vhost=None, options=None, config=None):
        self.side, self.config = side, config
        self.base = at or bus.address()
        self.vhost, self.options = vhost, options or {}
        self.recorders = {end: self.base.recorder(hold=hold) for end in ("server", "client")}
        for recorder in self.recorders.values():
            recorder.__enter__()
        self.exchange, self.topic = bus.unique("ex"), bus.unique("topic")
        self.peers = []

    def url(self, end):
        options = "&".join("%s=%s" % pair for pair in self.options.items())
        return self.base.url(port=self.recorders[end].port, vhost=self.vhost,
                             query="?" + options if options and BUS == "router" else "")

    def start(self, kind, end, **options):
        if BUS == "rabbit" and self.options:
            options["rabbit"] = self.options
        if self.config:
            options["config"] = self.config
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
        lines = lines_of(BUS, {self.exchange: "<exchange>", self.topic: "<topic>"})
        found = [lines.of(events) for events in self.recorders[end].connections()]
        # Concurrent connections come in any order.
        return sorted(found, key=lambda lines: (-len(lines), lines))


def rpc(scene):
    """A call, a cast, a fanout, a failing and an unknown method, a named server; one connection
    after the other, so that the order is the same."""
    scene.start("rpc_server", "server", topic=scene.topic, server="srv")
    client = scene.start("rpc_client", "client")

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


def pinged(scene):
    """Where ping is enabled the server answers it itself."""
    scene.start("rpc_server", "server", topic=scene.topic, server="srv", ping=True)
    client = scene.start("rpc_client", "client")
    line = client.one("call", target=scene.target(), method="oslo_rpc_server_ping", timeout=20)
    assert line.get("result") == "pong", line


def many_calls(scene):
    """More than the credit of any link: when it is topped up, and by how much."""
    scene.start("rpc_server", "server", topic=scene.topic, server="srv")
    client = scene.start("rpc_client", "client")
    for target in (scene.target(), scene.target(server="srv")):
        summary = client.many("call", target=target, method="who", count=230, timeout=30,
                              patience=60)
        assert summary["ok"] == 230, summary


def notifications(scene, driver="messaging", pool=None, count=1):
    pool = {"pool": scene.topic + pool} if pool else {}
    # A router releases what is requeued, and its sender waits for link_retry_delay.
    requeue = {"rabbit": 1, "router": 0}[BUS]
    priorities = {"rabbit": ["debug"], "router": ["debug", "error"]}[BUS]
    listener = scene.start("listener", "server", topic=scene.topic, requeue=requeue,
                           priorities=priorities, **pool)
    notifier = scene.start("notifier", "client", topic=scene.topic, driver=driver)
    notifier.many("notify", payload={"ä": [1, None]}, event_type="e", context={"user_id": "u"})
    notifier.many("notify", payload={})
    notifier.many("notify", payload={"p": 2.0}, priority="error")
    notifier.many("notify", payload={"n": 5}, count=count)
    listener.wait_notifications(3 + count)  # on rabbit one comes twice, and the error to nobody
    time.sleep(1)


DURABLE = {"amqp_durable_queues": True, "amqp_auto_delete": True, "rabbit_qos_prefetch_count": 7,
           "enable_cancel_on_failover": True, "rabbit_transient_queues_ttl": 60,
           "heartbeat_timeout_threshold": 30, "rabbit_login_method": "PLAIN"}
QUORUM = {"rabbit_quorum_queue": True, "rabbit_quorum_delivery_limit": 5,
          "rabbit_quroum_max_memory_length": 100, "rabbit_quroum_max_memory_bytes": 100000}
# Name: what is done, how the scene differs from a plain one.
EVERYWHERE = {
    "rpc": (rpc, {}),
    "rpc with a namespace": (rpc_in_namespace, {}),
    "cold cast": (cold_cast, {}),
    "monitored": (monitored, {}),
    "pinged": (pinged, {}),
    "concurrent": (five_at_once, {"hold": 0.5}),  # as a slow network would have it
    "messaging": (notifications, {}),
}
RABBIT = {
    "durable": (rpc, {"options": DURABLE}),
    "quorum": (rpc, {"options": QUORUM}),
    "mirrored": (rpc, {"options": {"rabbit_ha_queues": True}}),
    "compressed": (rpc, {"options": {"kombu_compression": "gzip"}}),
    "messagingv2 with a pool":
        (lambda s: notifications(s, driver="messagingv2", pool="-pool"), {}),
    "durable notifications": (notifications, {"options": DURABLE}),
    "quorum notifications": (notifications, {"options": QUORUM}),
}
ADDRESSES = {"rpc_address_prefix": "elsewhere", "notify_address_prefix": "news",
             "unicast_address": "one", "multicast_address": "", "anycast_address": "any",
             "default_notification_exchange": "papers", "rpc_server_credit": 7,
             "reply_link_credit": 5, "notify_server_credit": 3, "container_name": "box"}
LEGACY = {"addressing_mode": "legacy", "server_request_prefix": "only", "broadcast_prefix": "every",
          "group_request_prefix": "some"}
SETTLED = "[oslo_messaging_amqp]\npre_settled = rpc-call\npre_settled = notify\n"
UNSETTLED = "[oslo_messaging_amqp]\npre_settled = rpc-reply\n"
ROUTER = {
    "many calls": (many_calls, {}),
    "messagingv2": (lambda s: notifications(s, driver="messagingv2", count=230), {}),
    "other addresses and credits": (rpc, {"options": ADDRESSES}),
    "other addresses of notifications": (notifications, {"options": ADDRESSES}),
    "many calls with little credit": (many_calls, {"options": ADDRESSES}),
    "legacy addresses": (rpc, {"options": LEGACY}),
    "legacy notifications": (notifications, {"options": LEGACY}),
    "a virtual host": (rpc, {"vhost": "some/host"}),
    "a virtual host of notifications": (notifications, {"vhost": "some/host"}),
    "a virtual host in open": (rpc_in_namespace, {"vhost": "host",
                                                  "options": {"pseudo_vhost": False}}),
    "an idle time": (rpc_in_namespace, {"options": {"idle_timeout": 20}}),
    "other kinds settled": (rpc, {"config": SETTLED}),
    "other notifications settled": (notifications, {"config": SETTLED}),
    "casts that are not settled": (rpc, {"config": UNSETTLED}),
    "a login": (rpc_in_namespace, {"login": True}),
    "a login with a mechanism": (rpc_in_namespace, {
        "login": True, "options": {"sasl_mechanisms": "PLAIN",
                                   "sasl_default_realm": "realm"}}),
    "no login by mechanism": (rpc_in_namespace, {"options": {"sasl_mechanisms": "ANONYMOUS"}}),
}
SCENES = {**EVERYWHERE, **{"rabbit": RABBIT, "router": ROUTER}[BUS]}


def play(name, side, with_login):
    act, given = SCENES[name]
    given = dict(given)
    with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
        if given.pop("login", False):
            given["at"] = with_login
        if "config" in given:
            file.write(given["config"])
            file.flush()
            given["config"] = file.name
        scene = Scene(side, **given)
        try:
            act(scene)
            return scene.end()
        except BaseException:
            scene.drop()
            raise


class Sequences(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        with_login = cls.router_with_login() if BUS == "router" else None
        # Most of a scenario is waiting: all are played before the first is compared.
        cls.pool = futures.ThreadPoolExecutor(max_workers=4)
        cls.played = {(name, role): cls.pool.submit(play, name, side, with_login)
                      for name in SCENES
                      for role, side in (("reference", REFERENCE), ("subject", SUBJECT))}

    @classmethod
    def router_with_login(cls):
        """Its address, with a login."""
        with tempfile.NamedTemporaryFile("w", prefix="users") as users:
            users.write("someone s3cr3t\nsomeone@realm s3cr3t\n")
            users.flush()
            router = bus.Router("--users", users.name)
        cls.addClassCleanup(router.end)
        return bus.Address(router.address.url(user="someone", password="s3cr3t"))

    @classmethod
    def tearDownClass(cls):
        cls.pool.shutdown()

    def without_drains(self, lines):
        """The lines of a listener's connection without those that ask for credit back: one for each
        address that it listens at, right before the detach."""
        kept, drained = [], 0
        for line, following in zip(lines, lines[1:] + [""]):
            if line.startswith("flow ") and line.endswith("drain=true"):
                self.assertTrue(following.startswith("detach "), following)
                drained += 1
            else:
                kept.append(line)
        listens = [line for line in lines if line.startswith("attach ") and "role=true" in line
                   and "rpc-response" not in line]
        self.assertEqual(drained, len(listens), lines)
        return kept

    def compare(self, name):
        reference = self.played[name, "reference"].result()
        subject = self.played[name, "subject"].result()
        if BUS == "router" and SUBJECT == "native":
            subject["server"] = [self.without_drains(lines) for lines in subject["server"]]
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
