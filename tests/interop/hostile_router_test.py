#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Messages that nobody should send, over AMQP 1.0: hostile_router_test.py CLIENT:native[:TOPOLOGY].

A proton client sends them through a router to a server, a client and a listener, which must live,
take no harm, and go on serving. What a native server makes of each is said in the table. (The Python
library's server ends with its thread over some of them.)
"""

import json
import struct
import unittest
import uuid

import proton
from proton.reactor import AtMostOnce
from proton.utils import BlockingConnection

import bus
from peers import PATIENCE, Peer

CLIENT, SERVER, TOPOLOGY = bus.sides()
OUTCOMES = {proton.Delivery.ACCEPTED: "accepted", proton.Delivery.REJECTED: "rejected",
            proton.Delivery.RELEASED: "released", proton.Delivery.MODIFIED: "modified"}


def request(method="noop", **more):
    """A body; a key of the request whose value is ... is left out."""
    inner = {"method": method, "args": {}, **more}
    return json.dumps({"request": {k: v for k, v in inner.items() if v is not ...},
                       "context": {}})


class Raw:
    """A message as it is on the wire, in place of a proton.Message."""

    def __init__(self, data):
        self.data = data

    def send(self, sender, tag=None):
        delivery = sender.delivery(tag or sender.delivery_tag())
        sender.stream(self.data)
        sender.advance()
        if sender.snd_settle_mode == proton.Link.SND_SETTLED:
            delivery.settle()
        return delivery


def of(body, **properties):
    return proton.Message(body=body, inferred=True, **properties)


def value_section(text):
    data = text.encode()
    return b"\x00\x53\x77\xb1" + struct.pack(">I", len(data)) + data


def data_section(data):
    return b"\x00\x53\x75\xb0" + struct.pack(">I", len(data)) + data


def nested_lists(depth):
    encoded = b"\x45"
    for _ in range(depth):
        encoded = b"\xd0" + struct.pack(">II", len(encoded) + 4, 1) + encoded
    return encoded


GOOD = request()
DEEP = '{"request": {"method": "noop", "args": {"data": %s}}, "context": {}}'
# Name: message, what a native server does with it.
REQUESTS = {
    # no message of AMQP 1.0
    "garbage": (Raw(bytes(range(256)) * 16), "rejected"),
    "zero bytes": (Raw(b"\x00" * 4096), "rejected"),
    "a section cut short": (Raw(value_section(GOOD)[:-7]), "rejected"),
    "a section twice": (Raw(value_section(GOOD) * 2), "rejected"),
    "sections in the wrong order": (Raw(value_section(GOOD) + b"\x00\x53\x70\x45"), "rejected"),
    "a section that nobody knows": (Raw(b"\x00\x53\x60\x45" + value_section(GOOD)), "rejected"),
    "a length of 4 GiB": (Raw(b"\x00\x53\x77\xb1\xff\xff\xff\xff{}"), "rejected"),
    # no body that is a string
    "no body": (of(None), "rejected"),
    "a header alone": (Raw(b"\x00\x53\x70\x45"), "rejected"),
    "a number": (of(5), "rejected"),
    "a list": (of([GOOD]), "rejected"),
    "a map": (of({"request": {"method": "noop"}}), "rejected"),
    "a symbol": (of(proton.symbol(GOOD)), "rejected"),
    "a sequence section": (Raw(b"\x00\x53\x76\x45"), "rejected"),
    "a list 1000 deep": (Raw(b"\x00\x53\x77" + nested_lists(1000)), "rejected"),
    # a string that is no request
    "an empty string": (of(""), "rejected"),
    "an open brace": (of("{"), "rejected"),
    "null": (of("null"), "rejected"),
    "a JSON list": (of("[]"), "rejected"),
    "a JSON string": (of('"text"'), "rejected"),
    "a truncated request": (of(GOOD[:-5]), "rejected"),
    "text behind a request": (of(GOOD + "x"), "rejected"),
    "bytes that are no UTF-8": (
        Raw(b"\x00\x53\x77\xa1\x20" + b'{"request": {"method": "\xff\xfe\xc0"}}'[:32]), "rejected"),
    "a lone surrogate": (of(request("\ud800")), "rejected"),
    "NaN": (of(DEEP % "NaN"), "rejected"),
    "a number without end": (of(DEEP % ("9" * 100000)), "rejected"),
    "deep JSON": (of("[" * 50000), "rejected"),
    "deep JSON inside": (of(DEEP % ("[" * 20000 + "]" * 20000)), "rejected"),
    "a request that is a list": (of('{"request": [], "context": {}}'), "rejected"),
    "a request that is a string": (of('{"request": "noop", "context": {}}'), "rejected"),
    "an envelope 3.0": (of(json.dumps({"request": {
        "oslo.version": "3.0", "oslo.message": "{}"}, "context": {}})), "rejected"),
    "an envelope around no JSON": (of(json.dumps({"request": {
        "oslo.version": "2.0", "oslo.message": "{"}, "context": {}})), "rejected"),
    # a request of which no method comes, which is the caller's to hear
    "no request": (of("{}"), "accepted"),
    "no method": (of(request(method=...)), "accepted"),
    "a method that is a number": (of(request(method=7)), "accepted"),
    "arguments that are a list": (of(request(args=[1])), "accepted"),
    "no arguments": (of(request(args=...)), "accepted"),
    "a version that is a list": (of(request(version=[1])), "accepted"),
    "an endless version": (of(request(version="1" * 5000)), "accepted"),
    "a namespace that is a table": (of(request(namespace={})), "accepted"),
    "a context that is a list": (of('{"request": {"method": "noop", "args": {}}, "context": []}'),
                                 "accepted"),
    "a monitor of a string": (of(GOOD[:-1] + ', "call_monitor_timeout": "soon"}', reply_to="gone",
                                 id="m"), "accepted"),
    "a monitor below zero": (of(GOOD[:-1] + ', "call_monitor_timeout": -5}', reply_to="gone",
                                id="m"), "accepted"),
    "a monitor beyond all time": (of(GOOD[:-1] + ', "call_monitor_timeout": 1e308}',
                                     reply_to="gone", id="m"), "accepted"),
    "many keys": (of(request(args={"data": {str(n): 0 for n in range(100000)}})), "accepted"),
    # where to answer
    "an answer to nowhere": (of(GOOD, reply_to="nowhere/at/all", id="1"), "accepted"),
    "an answer without an id": (of(GOOD, reply_to="nowhere"), "accepted"),
    "an id that is a number": (of(GOOD, reply_to="nowhere", id=2 ** 63), "accepted"),
    "an id that is a uuid": (of(GOOD, reply_to="nowhere", id=uuid.uuid4()), "accepted"),
    "an id that is bytes": (of(GOOD, reply_to="nowhere", id=b"\xff\x00"), "accepted"),
    "an address of 100 KB": (of(GOOD, reply_to="a" * 100000, id="1"), "accepted"),
    "an answer to itself": ("itself", "accepted"),
    # what is odd but legal
    "a binary body": (of(GOOD.encode()), "accepted"),
    "a data section": (Raw(data_section(GOOD.encode())), "accepted"),
    "all properties": (of(GOOD, user_id=b"u", subject="s", correlation_id="c", content_type="x/y",
                          content_encoding="z", expiry_time=1, creation_time=2, group_id="g",
                          group_sequence=3, reply_to_group_id="r", durable=True, priority=9,
                          ttl=1000, first_acquirer=True, delivery_count=5), "accepted"),
    "wide application properties": (proton.Message(
        body=GOOD, inferred=True, properties={"k%d" % n: "v" * 50 for n in range(1000)}),
        "accepted"),
    "annotations 500 deep": (Raw(b"\x00\x53\x72\xd1" + struct.pack(
        ">II", len(nested_lists(500)) + 4 + 3, 2) + b"\xa3\x01x" + nested_lists(500) +
        value_section(GOOD)), "accepted"),
    "an envelope 2.0": (of(json.dumps({"request": {
        "oslo.version": "2.0", "oslo.message": '{"method": "noop", "args": {}}'}, "context": {}})),
        "accepted"),
    "white space around": (of(" \n\t" + GOOD + "\r\n "), "accepted"),
}
# Of a reply: what a client makes of it before the right one comes. "ends": the call is over.
REPLIES = {
    "garbage": Raw(bytes(range(256)) * 16),
    "no correlation id": of('{"response": "stranger"}'),
    "an unknown correlation id": of('{"response": "stranger"}', correlation_id="0" * 32),
    "a correlation id that is a number": of('{"response": "stranger"}', correlation_id=5),
    "an id of a megabyte": of('{"response": "stranger"}', correlation_id="c" * (1 << 20)),
    "a heartbeat for nobody": of(None, correlation_id="1" * 32),
    "a request": of(GOOD, reply_to="nowhere", id="x"),
}
ENDS = {
    "no JSON": "{",
    "a list": "[]",
    "a failure that is no JSON": '{"failure": "{"}',
    "a failure that is a table": '{"failure": {"class": 5}}',
    "a failure without anything": '{"failure": "{}"}',
    "neither response nor failure": "{}",
    "deep JSON": "[" * 50000,
}


class Hostile(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.peers = []
        cls.addClassCleanup(lambda: [peer.kill() for peer in cls.peers])
        cls.exchange, cls.topic = bus.unique("ex"), bus.unique("topic")
        cls.server = cls.start("rpc_server", SERVER, topic=cls.topic, server="srv")
        cls.client = cls.start("rpc_client", CLIENT)

    def setUp(self):
        at = bus.address()
        self.connection = BlockingConnection("%s:%d" % (at.host, at.port), timeout=PATIENCE)
        self.addCleanup(self.connection.close)

    @classmethod
    def start(cls, kind, side, **options):
        cls.peers.append(Peer(kind, side, url=bus.url(), exchange=cls.exchange, topology=TOPOLOGY,
                              **options))
        return cls.peers[-1]

    def address(self, topic=None, service="rpc"):
        return "openstack.org/om/%s/anycast/%s/%s" % (service, self.exchange, topic or self.topic)

    def sender(self, address):
        made = self.connection.create_sender(address, name=bus.unique("sender"))
        self.addCleanup(made.close)
        return made

    def call_works(self):
        line = self.client.one("call", target={"exchange": self.exchange, "topic": self.topic},
                               method="echo", args={"data": "fine"}, timeout=15)
        self.assertEqual(line.get("result"), "fine", line)

    @staticmethod
    def counters(peer):
        return [line for line in peer.run("counters") if line["event"] == "counters"][0]

    def send(self, sender, message):
        """What became of it; "" where nobody said."""
        return OUTCOMES.get(sender.send(message, error_states=[]).remote_state, "")

    def test_a_server_tells_the_sender_of_each_hostile_request(self):
        before = self.server.report()["malformed"]
        sender = self.sender(self.address())
        for name, (message, expected) in REQUESTS.items():
            with self.subTest(message=name):
                if message == "itself":
                    message = of(GOOD, reply_to=self.address(), id="me")
                self.assertEqual(self.send(sender, message), expected)
                self.call_works()
        rejected = [name for name, (_, expected) in REQUESTS.items() if expected == "rejected"]
        # One more is counted: the reply address that is too long.
        self.assertEqual(self.server.report()["malformed"] - before, len(rejected) + 1)
        self.assertIsNone(self.server.process.poll())
        self.assertEqual(self.counters(self.server)["connection_errors"], 0)

    def fake_server(self, topic):
        """Takes requests, and the senders to their reply addresses."""
        receiver = self.connection.create_receiver(self.address(topic), credit=10)
        self.addCleanup(receiver.close)
        senders = {}

        def take():
            taken = receiver.receive(timeout=PATIENCE)
            receiver.accept()
            if taken.reply_to not in senders:
                senders[taken.reply_to] = self.sender(taken.reply_to)
            return taken, senders[taken.reply_to]
        return take

    def call(self, topic, timeout=15):
        return self.client.start("call", target={"exchange": self.exchange, "topic": topic},
                                 method="x", timeout=timeout)

    def result(self, number):
        return [line for line in self.client.finish(number) if line["event"] == "result"][0]

    def test_a_client_waits_for_the_right_reply_whatever_comes_before(self):
        topic = bus.unique("fake")
        take = self.fake_server(topic)
        for name, message in REPLIES.items():
            with self.subTest(reply=name):
                number = self.call(topic)
                taken, sender = take()
                outcome = self.send(sender, message)
                if CLIENT == "native":
                    # An unknown correlation id is refused as undeliverable here and failed.
                    self.assertIn(outcome, ("modified", "rejected"), name)
                self.assertEqual(self.send(sender, of('{"response": "right"}',
                                                      correlation_id=taken.id)), "accepted")
                self.assertEqual(self.result(number).get("result"), "right")
        self.call_works()

    def test_a_reply_that_cannot_be_read_ends_its_call(self):
        topic = bus.unique("fake")
        take = self.fake_server(topic)
        for name, body in ENDS.items():
            with self.subTest(reply=name):
                number = self.call(topic)
                taken, sender = take()
                self.send(sender, of(body, correlation_id=taken.id))
                line = self.result(number)
                if name == "neither response nor failure":
                    self.assertEqual(line.get("result", "missing"), None, line)
                else:
                    self.assertFalse(line["ok"], line)
                self.assertLess(line["seconds"], 10, "it waited for its limit")
        self.call_works()

    def test_a_second_reply_is_refused(self):
        topic = bus.unique("fake")
        take = self.fake_server(topic)
        number = self.call(topic)
        taken, sender = take()
        for n in range(3):
            outcome = self.send(sender, of('{"response": %d}' % n, correlation_id=taken.id))
            self.assertEqual(outcome, "modified" if n else "accepted")
        self.assertEqual(self.result(number).get("result"), 0)
        if CLIENT == "native":
            self.assertGreaterEqual(self.counters(self.client)["late_replies"], 2)
        self.call_works()

    def test_a_listener_survives_every_hostile_notification(self):
        topic = bus.unique("notify")
        listener = self.start("listener", SERVER, topic=topic)
        last = {"message_id": str(uuid.uuid4()), "publisher_id": "p", "event_type": "e",
                "priority": "DEBUG", "payload": {"last": True},
                "timestamp": "2026-01-01 00:00:00.000000"}
        odd = {
            "no payload": {k: v for k, v in last.items() if k != "payload"},
            "a priority that is a number": dict(last, priority=5, payload={}),
            "an event type that is a list": dict(last, event_type=[1], payload={}),
            "nothing but a table": {},
        }
        address = self.address(topic + ".debug", "notify")
        sender = self.connection.create_sender(address, options=AtMostOnce())
        self.addCleanup(sender.close)
        for message, _ in REQUESTS.values():
            if message != "itself":
                self.send(sender, message)
        for message in odd.values():
            self.send(sender, of(json.dumps({"request": message, "context": {}})))
        # Settled ones are not written before somebody waits for something.
        self.send(self.sender(address), of(json.dumps({"request": last, "context": {}})))
        listener.wait_for(lambda line: line["event"] == "notification" and
                          isinstance(line["payload"], dict) and line["payload"].get("last"),
                          "the last notification", timeout=4 * PATIENCE)
        self.assertIsNone(listener.process.poll())


class TooLarge(unittest.TestCase):
    def test_a_call_above_the_routers_limit_fails_and_the_next_waits_for_the_link(self):
        router = bus.Router("--max-message-size", "100000")
        self.addCleanup(router.end)
        url = router.address.url(query="?link_retry_delay=6")
        target = {"exchange": bus.unique("ex"), "topic": bus.unique("topic")}
        server = Peer("rpc_server", SERVER, url=url, server="srv", topology=TOPOLOGY, **target)
        self.addCleanup(server.kill)
        client = Peer("rpc_client", CLIENT, url=url, topology=TOPOLOGY)
        self.addCleanup(client.kill)

        def call(size, timeout=PATIENCE):
            return client.one("call", target=target, method="echo", args={"data": "x" * size},
                              timeout=timeout)
        self.assertTrue(call(10)["ok"])
        self.assertIn(call(200000)["error"], ("MessageDeliveryFailure", "delivery_failure"))
        self.assertIn(call(10, timeout=1)["error"], ("MessagingTimeout", "messaging_timeout"))
        self.assertTrue(call(10)["ok"])


if __name__ == "__main__":
    bus.main()
