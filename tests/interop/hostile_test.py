#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Messages that nobody should send: hostile_test.py CLIENT:SERVER[:TOPOLOGY].

They are published with py-amqp into the queues of a server, a client and a listener, which must
live, take no harm, leave nothing unacknowledged, and go on serving.
"""

import json
import os
import time
import unittest
import uuid
import zlib

import amqp

import bus
from peers import Peer

CLIENT, SERVER, TOPOLOGY = bus.sides()
# What the native driver does otherwise than the Python library, as found by these tests. A test
# that passes in spite of it fails the suite, so that the mark goes with the difference.
known_difference = unittest.expectedFailure if "native" in SERVER else (lambda test: test)
JSON = {"content_type": "application/json", "content_encoding": "utf-8"}


def envelope(message, version="2.0"):
    return json.dumps({"oslo.version": version,
                       "oslo.message": message if isinstance(message, str) else
                       json.dumps(message)}).encode()


def request(method="noop", **more):
    message = {"method": method, "args": {}, "_unique_id": uuid.uuid4().hex}
    message.update(more)
    return {k: v for k, v in message.items() if v != "absent"}


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
# Half a gigabyte of blanks in half a megabyte: more than the limit of a body.
BOMB = zlib.compress(b'{"a": "' + b" " * (512 << 20) + b'"}', 9)


def resident(pid):
    with open("/proc/%d/statm" % pid, encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Hostile(unittest.TestCase):
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

    def call_works(self):
        line = self.client.one("call", target={"exchange": self.exchange, "topic": self.topic},
                               method="echo", args={"data": "fine"}, timeout=15)
        self.assertEqual(line.get("result"), "fine", line)

    def wait_empty(self, channel, queue):
        deadline = time.monotonic() + 20
        while channel.queue_declare(queue, passive=True).message_count:
            self.assertLess(time.monotonic(), deadline, "%s is not read" % queue)
            time.sleep(0.1)

    def test_a_server_survives_every_hostile_request(self):
        with bus.address().channel() as channel:
            for name, (body, properties) in BODIES.items():
                with self.subTest(body=name):
                    self.publish(channel, body, properties)
                    self.call_works()
            self.wait_empty(channel, self.topic)
        self.assertIsNone(self.server.process.poll())

    @known_difference
    def test_headers_two_hundred_deep_do_not_come_back_for_ever(self):
        # A message that fails its connection instead of being refused is delivered again after
        # each reconnect, and nothing behind it ever is.
        topic = bus.unique("deep")
        self.start("rpc_server", SERVER, topic=topic, server="srv")
        with bus.address().channel() as channel:
            self.publish(channel, envelope(request()), dict(
                JSON, application_headers=nested_headers(200)), topic)
        line = self.client.one("call", target={"exchange": self.exchange, "topic": topic},
                               method="echo", args={"data": "behind it"}, timeout=10)
        self.assertEqual(line.get("result"), "behind it", line)

    @known_difference
    def test_the_name_of_an_encoding_may_be_in_capitals(self):
        self.served(("UTF-8 in capitals", envelope, {"content_type": "application/json",
                                                     "content_encoding": "UTF-8"}))

    def test_what_is_odd_but_right_is_served(self):
        self.served(
            ("bare 1.x", lambda m: json.dumps(m).encode(), JSON),
            ("no blanks", lambda m: json.dumps({
                "oslo.message": json.dumps(m, separators=(",", ":")),
                "oslo.version": "2.0"}, separators=(",", ":")).encode(), JSON),
            ("raw UTF-8", lambda m: json.dumps(
                {"oslo.version": "2.0", "oslo.message": json.dumps(
                    dict(m, _context_user="jürgen \U0001f600"), ensure_ascii=False)},
                ensure_ascii=False).encode(), JSON),
            ("keys from a later release", lambda m: envelope(
                dict(m, _later={"x": [1]}, client_timeout=5)), JSON),
            ("compressed", lambda m: zlib.compress(envelope(m)), dict(
                JSON, application_headers={"compression": "application/x-gzip"})),
            ("other headers", envelope, dict(
                JSON, application_headers={"a": 1, "b": {"c": [1, "x"]}})),
            ("white space around", lambda m: b" \n\t" + envelope(m) + b"\r\n ", JSON))

    def served(self, *variants):
        """Each variant (name, request -> body, properties) of an echo is answered."""
        with bus.address().channel() as channel:
            answers = channel.queue_declare(bus.unique("answers"), auto_delete=False).queue

            def ask(body_of, properties, expected="odd"):
                msg_id = uuid.uuid4().hex
                message = request("echo", args={"data": "odd"}, _msg_id=msg_id, _reply_q=answers,
                                  _timeout=None)
                self.publish(channel, body_of(message), properties)
                deadline = time.monotonic() + 10
                found = None
                while found is None and time.monotonic() < deadline:
                    found = channel.basic_get(answers, no_ack=True)
                    time.sleep(0.05)
                self.assertIsNotNone(found, "no answer")
                reply = json.loads(json.loads(found.body)["oslo.message"])
                self.assertEqual((reply["result"], reply["failure"], reply["_msg_id"]),
                                 (expected, None, msg_id))

            for name, body_of, properties in variants:
                with self.subTest(name=name):
                    ask(body_of, properties)
            channel.queue_delete(answers)

    def test_a_request_that_comes_twice_is_served_once(self):
        tag = bus.unique("dup")
        body = envelope(request(args={"tag": tag}))
        other = envelope(request(args={"tag": tag + "-end"}))
        with bus.address().channel() as channel:
            for _ in range(3):
                self.publish(channel, body, JSON)
            self.publish(channel, other, JSON)
            report = self.server.wait_report(lambda r: tag + "-end" in r["tags"], "the last")
            time.sleep(0.3)
            self.wait_empty(channel, self.topic)
        self.assertEqual(self.server.report()["tags"][tag], 1, report)

    def compression_bomb(self):
        before = resident(self.server.process.pid)
        with bus.address().channel() as channel:
            self.publish(channel, BOMB, dict(
                JSON, application_headers={"compression": "application/x-gzip"}))
        self.call_works()
        grown = resident(self.server.process.pid) - before
        self.assertLess(grown, 256 << 20)

    if SERVER == "native":  # the Python library has no limit
        test_a_compression_bomb_takes_no_memory = compression_bomb

    def test_a_client_survives_every_hostile_reply(self):
        # This test is the server: it takes each request and answers what it should not.
        topic = bus.unique("fake")
        with bus.address().channel() as channel:
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

            def answer(taken, body, properties=None):
                self.publish(channel, body, properties or JSON, taken["_reply_q"], "")

            def right(taken):
                return envelope({"result": "right", "failure": None, "ending": True,
                                 "_msg_id": taken["_msg_id"], "_unique_id": uuid.uuid4().hex})

            for name, (body, properties) in BODIES.items():
                with self.subTest(body=name):
                    number = self.client.start(
                        "call", target={"exchange": self.exchange, "topic": topic}, method="x",
                        timeout=10)
                    taken = take()
                    answer(taken, body, properties)
                    answer(taken, envelope({"result": "stranger", "failure": None, "ending": True,
                                            "_msg_id": "0" * 32, "_unique_id": uuid.uuid4().hex}))
                    answer(taken, right(taken))
                    line = [x for x in self.client.finish(number) if x["event"] == "result"][0]
                    self.assertEqual(line.get("result"), "right", line)

            replies = {
                "a failure that is no JSON": {"result": None, "failure": "{", "ending": True},
                "a failure that is a table": {"result": None, "failure": {"class": 5},
                                              "ending": True},
                "a failure that is a list in text": {"result": None, "failure": "[1]",
                                                     "ending": True},
                "a failure without anything": {"result": None, "failure": "{}", "ending": True},
                "no failure at all": {"result": 5, "ending": True},
                "an end that is a word": {"result": 5, "failure": None, "ending": "yes"},
            }
            for name, reply in replies.items():
                with self.subTest(reply=name):
                    number = self.client.start(
                        "call", target={"exchange": self.exchange, "topic": topic}, method="x",
                        timeout=2)
                    taken = take()
                    answer(taken, envelope(dict(reply, _msg_id=taken["_msg_id"],
                                                _unique_id=uuid.uuid4().hex)))
                    # Any outcome will do as long as there is one.
                    self.client.finish(number)
            channel.queue_delete(topic)
        self.call_works()

    def test_a_listener_survives_every_hostile_notification(self):
        topic = bus.unique("notify")
        listener = self.start("listener", SERVER, topic=topic)
        notification = {"message_id": str(uuid.uuid4()), "publisher_id": "p", "event_type": "e",
                        "priority": "DEBUG", "payload": {"n": 1},
                        "timestamp": "2026-01-01 00:00:00.000000"}
        odd = {
            "no payload": {k: v for k, v in notification.items() if k != "payload"},
            "a priority that is a number": dict(notification, priority=5),
            "another priority than the queue's": dict(notification, priority="NONSENSE"),
            "an event type that is a list": dict(notification, event_type=[1]),
            "nothing but a table": {},
        }
        with bus.address().channel() as channel:
            queue = topic + ".debug"
            for name, (body, properties) in BODIES.items():
                self.publish(channel, body, properties, queue)
            for name, message in odd.items():
                self.publish(channel, envelope(dict(message, _unique_id=uuid.uuid4().hex)), JSON,
                             queue)
            self.publish(channel, envelope(dict(notification, payload={"last": True},
                                                _unique_id=uuid.uuid4().hex)), JSON, queue)
            listener.wait_for(lambda line: line["event"] == "notification" and
                              isinstance(line["payload"], dict) and line["payload"].get("last"),
                              "the last notification")
            self.assertIsNone(listener.process.poll())


if __name__ == "__main__":
    bus.main()
