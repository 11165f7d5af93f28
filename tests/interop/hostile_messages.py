# SPDX-License-Identifier: Apache-2.0
"""Messages that nobody should send, and what the tests of them share: peers to send them to, their
queues, and the dead letters that a policy makes of what is rejected. Who is native and who Python
is taken from the command line."""

import collections
import contextlib
import json
import os
import re
import time
import unittest
import uuid
import zlib

import amqp

import bus
from peers import Peer

CLIENT, SERVER, TOPOLOGY = bus.sides()
JSON = {"content_type": "application/json", "content_encoding": "utf-8"}


def envelope(message, version="2.0"):
    return json.dumps({"oslo.version": version,
                       "oslo.message": message if isinstance(message, str) else
                       json.dumps(message)}).encode()


def request(method="noop", **more):
    message = {"method": method, "args": {}, "_unique_id": uuid.uuid4().hex}
    message.update(more)
    return {k: v for k, v in message.items() if v != "absent"}


def notification(**more):
    return dict({"message_id": str(uuid.uuid4()), "publisher_id": "p", "event_type": "e",
                 "priority": "DEBUG", "payload": {"n": 1}, "_unique_id": uuid.uuid4().hex,
                 "timestamp": "2026-01-01 00:00:00.000000"}, **more)


def answer_to(taken, unique_id=None):
    """The right reply to a request."""
    return envelope({"result": "right", "failure": None, "ending": True,
                     "_msg_id": taken["_msg_id"], "_unique_id": unique_id or uuid.uuid4().hex})


def nested_headers(depth):
    table = {}
    for _ in range(depth):
        table = {"t": table}
    return table


# Name: body, properties, what the Python library makes of it where it differs.
BODIES = {
    "nothing": (b"", JSON),
    "an open brace": (b"{", JSON),
    "null": (b"null", JSON),
    "a list": (b"[]", JSON),
    "a string": (b'"text"', JSON),
    "bytes that are no UTF-8": (b'{"method": "\xff\xfe\xc0\x80"}', JSON),
    "a lone surrogate": (b'{"method": "\\ud800"}', JSON),
    "a truncated request": (envelope(request("echo"))[:-20], JSON),
    "a truncated inner message": (envelope('{"method": "no'), JSON),
    "an inner message that is a number": (b'{"oslo.version": "2.0", "oslo.message": 5}', JSON),
    "an inner message that is a list": (envelope("[1, 2]"), JSON),
    "envelope 3.0": (envelope(request(), "3.0"), JSON),
    "envelope 2.1": (envelope(request(), "2.1"), JSON),
    "envelope 1.0": (envelope(request(), "1.0"), JSON),
    "an envelope version that is no number": (envelope(request(), "two"), JSON),
    "an envelope version that is a number": (
        b'{"oslo.version": 2, "oslo.message": "{}"}', JSON),
    "no method": (envelope(request(method="absent")), JSON),
    "a method that is a number": (envelope(request(method=7)), JSON),
    "arguments that are a list": (envelope(request(args=[1])), JSON),
    "arguments that are null": (envelope(request(args=None)), JSON),
    "no arguments": (envelope(request(args="absent")), JSON),
    "a version that is a list": (envelope(request(version=[1])), JSON),
    "a version that is no version": (envelope(request(version="x.y")), JSON),
    "an endless version": (envelope(request(version="1" * 5000)), JSON),
    "a namespace that is a table": (envelope(request(namespace={})), JSON),
    "a reply queue without a message id": (envelope(request(_reply_q="r")), JSON),
    "a message id without a reply queue": (envelope(request(_msg_id="m" * 32)), JSON),
    "a message id that is a number": (envelope(request(_msg_id=5, _reply_q=6)), JSON),
    "an endless reply queue": (envelope(request(_msg_id="m", _reply_q="q" * 300)), JSON),
    "a unique id that is a list": (envelope(request(_unique_id=[])), JSON),
    "text/plain": (envelope(request()), {"content_type": "text/plain",
                                         "content_encoding": "utf-8"}),
    "no content type": (envelope(request()), {}),
    "an encoding that nobody knows": (envelope(request()), {"content_type": "application/json",
                                                            "content_encoding": "ebcdic-9"}),
    "a compression that nobody knows": (envelope(request()), dict(
        JSON, application_headers={"compression": "application/x-7z"})),
    "compressed garbage": (os.urandom(100), dict(
        JSON, application_headers={"compression": "application/x-gzip"})),
    "a truncated compression": (zlib.compress(envelope(request("echo")))[:-8], dict(
        JSON, application_headers={"compression": "application/x-gzip"})),
    "a compression that is a number": (envelope(request()), dict(
        JSON, application_headers={"compression": 5})),
    "headers fifteen deep": (envelope(request()), dict(
        JSON, application_headers=nested_headers(15))),
    "wide headers": (envelope(request()), dict(
        JSON, application_headers={"k%d" % n: "v" * 50 for n in range(1000)})),
    "deep JSON": (b"[" * 50000, JSON),
    "deep JSON inside": (envelope('{"method": "noop", "args": {"data": ' + "[" * 20000 +
                                  "]" * 20000 + "}}"), JSON),
    "a million keys": (envelope(request(args={"data": {str(n): 0 for n in range(100000)}})), JSON),
    "NaN": (envelope('{"method": "noop", "args": {"data": NaN}}'), JSON),
    "a number without end": (envelope('{"method": "noop", "args": {"data": ' + "9" * 100000 +
                                      "}}"), JSON),
    "monitor of a string": (envelope(request(_msg_id="m" * 32, _reply_q="r-gone",
                                             _timeout="soon")), JSON),
    "monitor below zero": (envelope(request(_msg_id="m" * 32, _reply_q="r-gone2",
                                            _timeout=-5)), JSON),
    "monitor beyond all time": (envelope(request(_msg_id="m" * 32, _reply_q="r-gone3",
                                                 _timeout=1e308)), JSON),
    "zero bytes": (b"\x00" * 4096, JSON),
    "all properties": (envelope(request()), dict(
        JSON, delivery_mode=1, priority=200, correlation_id="c" * 255, reply_to="r" * 255,
        expiration="60000", message_id="m", timestamp=2 ** 62, type="t", app_id="a")),
}


class HostileTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.peers = []
        cls.addClassCleanup(lambda: [peer.kill() for peer in cls.peers])
        cls.exchange, cls.topic = bus.unique("ex"), bus.unique("topic")
        cls.server = cls.start("rpc_server", SERVER, topic=cls.topic, server="srv",
                               rabbit={"kombu_missing_consumer_retry_timeout": 1})
        cls.client = cls.start("rpc_client", CLIENT)

    @classmethod
    def start(cls, kind, side, **options):
        cls.peers.append(Peer(kind, side, url=bus.url(), exchange=cls.exchange,
                              topology=TOPOLOGY, **options))
        return cls.peers[-1]

    def publish(self, channel, body, properties, key=None, exchange=None):
        channel.basic_publish(amqp.Message(body, **properties),
                              exchange=self.exchange if exchange is None else exchange,
                              routing_key=key or self.topic)

    def call_works(self, data="fine", topic=None):
        line = self.client.one("call", target={"exchange": self.exchange,
                                               "topic": topic or self.topic},
                               method="echo", args={"data": data}, timeout=15)
        self.assertEqual(line.get("result"), data, line)

    def counters(self, peer):
        return [line for line in peer.run("counters") if line["event"] == "counters"][0]

    def result(self, client, number):
        return [line for line in client.finish(number) if line["event"] == "result"][0]

    @contextlib.contextmanager
    def fake_server(self, channel, topic):
        """A queue for the topic; call the value for the next request that comes there."""
        channel.exchange_declare(self.exchange, "topic", durable=False, auto_delete=False)
        channel.queue_declare(topic, auto_delete=False)
        channel.queue_bind(topic, self.exchange, topic)

        def take():
            deadline = time.monotonic() + 10
            while time.monotonic() < deadline:
                found = channel.basic_get(topic, no_ack=True)
                if found is not None:
                    return json.loads(json.loads(found.body)["oslo.message"])
                time.sleep(0.02)
            raise AssertionError("no request")
        try:
            yield take
        finally:
            channel.queue_delete(topic)

    def wait_empty(self, channel, queue):
        deadline = time.monotonic() + 20
        while channel.queue_declare(queue, passive=True).message_count:
            self.assertLess(time.monotonic(), deadline, "%s is not read" % queue)
            time.sleep(0.1)

    def wait_settled(self, prefix):
        """Until nothing in the queues of that prefix waits, or waits to be acknowledged."""
        deadline = time.monotonic() + 20
        while True:
            left = [row for row in bus.listing("list_queues", "name", "messages_ready",
                                               "messages_unacknowledged")
                    if row["name"].startswith(prefix) and
                    (row["messages_ready"] or row["messages_unacknowledged"])]
            if not left:
                return
            self.assertLess(time.monotonic(), deadline, left)
            time.sleep(0.2)

    @contextlib.contextmanager
    def dead_letters(self, channel, queue):
        """What is rejected without requeue from that queue: call the value for a Counter of message
        ids so far. Whatever else a message may be, each that is rejected comes there once."""
        name = bus.unique("dead")
        channel.exchange_declare(name, "fanout", durable=False, auto_delete=False)
        channel.queue_declare(name, auto_delete=False)
        channel.queue_bind(name, name)
        bus.ctl("set_policy", name, "^%s$" % re.escape(queue),
                json.dumps({"dead-letter-exchange": name}), "--apply-to", "queues")
        found = collections.Counter()

        def take():
            while True:
                message = channel.basic_get(name, no_ack=True)
                if message is None:
                    return found
                reasons = [death["reason"] for death in message.headers["x-death"]]
                self.assertEqual(reasons, ["rejected"], message.properties)
                found[message.properties.get("message_id")] += 1
        try:
            yield take
        finally:
            bus.ctl("clear_policy", name)
            channel.queue_delete(name)
            channel.exchange_delete(name)

    def wait_dead(self, take, expected):
        """Until the messages of these ids have been rejected, each once and nothing else."""
        deadline = time.monotonic() + 20
        while take() != expected and time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(0.3)
        self.assertEqual(take(), expected)
