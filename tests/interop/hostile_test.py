#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Messages that nobody should send: hostile_test.py CLIENT:SERVER[:TOPOLOGY].

They are published with py-amqp into the queues of a server, a client and a listener, which must
live, take no harm, and go on serving. What becomes of the messages is in rejected_test.py.
"""

import json
import os
import time
import uuid
import zlib

import bus
from hostile_messages import (BODIES, CLIENT, JSON, SERVER, HostileTest, answer_to, envelope,
                              notification, request)

# Half a gigabyte of blanks in half a megabyte: more than the limit of a body.
BOMB = zlib.compress(b'{"a": "' + b" " * (512 << 20) + b'"}', 9)


def resident(pid):
    with open("/proc/%d/statm" % pid, encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Hostile(HostileTest):
    def test_a_server_survives_every_hostile_request(self):
        with bus.address().channel() as channel:
            for name, (body, properties) in BODIES.items():
                with self.subTest(body=name):
                    self.publish(channel, body, properties)
                    self.call_works()
            self.wait_empty(channel, self.topic)
        self.assertIsNone(self.server.process.poll())

    def test_replies_are_taken_though_their_unique_id_was_seen_before(self):
        topic = bus.unique("again")
        client = self.start("rpc_client", CLIENT)
        with bus.address().channel() as channel, self.fake_server(channel, topic) as take:
            for _ in range(3):
                number = client.start("call", target={"exchange": self.exchange, "topic": topic},
                                      method="x", timeout=10)
                taken = take()
                self.publish(channel, answer_to(taken, "0" * 32), JSON, taken["_reply_q"], "")
                self.assertEqual(self.result(client, number).get("result"), "right")

    def test_the_name_of_the_encoding_may_be_spelt_as_python_would_read_it(self):
        self.served(*((name or "an empty name", envelope, {"content_type": "application/json",
                                                           "content_encoding": name})
                      for name in ("UTF-8", "utf8", "UTF8", "Utf_8", "utf 8", "u8", "")))

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
        with bus.address().channel() as channel, self.fake_server(channel, topic) as take:
            def answer(taken, body, properties=None):
                self.publish(channel, body, properties or JSON, taken["_reply_q"], "")

            for name, (body, properties) in BODIES.items():
                with self.subTest(body=name):
                    number = self.client.start(
                        "call", target={"exchange": self.exchange, "topic": topic}, method="x",
                        timeout=10)
                    taken = take()
                    answer(taken, body, properties)
                    answer(taken, envelope({"result": "stranger", "failure": None, "ending": True,
                                            "_msg_id": "0" * 32, "_unique_id": uuid.uuid4().hex}))
                    answer(taken, answer_to(taken))
                    line = self.result(self.client, number)
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
        self.call_works()

    def test_a_listener_survives_every_hostile_notification(self):
        topic = bus.unique("notify")
        listener = self.start("listener", SERVER, topic=topic)
        odd = {
            "no payload": {k: v for k, v in notification().items() if k != "payload"},
            "a priority that is a number": notification(priority=5),
            "another priority than the queue's": notification(priority="NONSENSE"),
            "an event type that is a list": notification(event_type=[1]),
            "nothing but a table": {},
        }
        with bus.address().channel() as channel:
            queue = topic + ".debug"
            for name, (body, properties) in BODIES.items():
                self.publish(channel, body, properties, queue)
            for name, message in odd.items():
                self.publish(channel, envelope(dict(message, _unique_id=uuid.uuid4().hex)), JSON,
                             queue)
            self.publish(channel, envelope(notification(payload={"last": True})), JSON, queue)
            listener.wait_for(lambda line: line["event"] == "notification" and
                              isinstance(line["payload"], dict) and line["payload"].get("last"),
                              "the last notification")
            self.assertIsNone(listener.process.poll())


if __name__ == "__main__":
    bus.main()
