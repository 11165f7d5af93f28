#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What is rejected, and that nothing else comes of it: rejected_test.py CLIENT:SERVER[:TOPOLOGY].

Every message that cannot be read, or is beyond a limit, must come to the dead letters of its queue
once, nobody is answered, nothing stays unacknowledged, and what is behind it is served.
"""

import json
import time
import uuid
import zlib

import bus
from hostile_messages import (BODIES, CLIENT, JSON, SERVER, HostileTest, answer_to, envelope,
                              nested_headers, notification, request)

# Those of them that are rejected: nobody can say what they ask for. The rest is served, or answered
# by an exception.
REJECTED = {
    "nothing", "an open brace", "null", "a list", "a string", "bytes that are no UTF-8",
    "a lone surrogate", "a truncated request", "a truncated inner message",
    "an inner message that is a number", "an inner message that is a list", "envelope 3.0",
    "envelope 2.1", "envelope 1.0", "an envelope version that is no number",
    "an envelope version that is a number", "text/plain", "no content type",
    "an encoding that nobody knows", "a compression that nobody knows", "compressed garbage",
    "a truncated compression", "deep JSON", "deep JSON inside", "NaN", "a number without end",
    "zero bytes"}
ONLY_HERE = {"nothing", "a list", "a lone surrogate", "an encoding that nobody knows",
             "a compression that nobody knows", "NaN"}  # docs/differences.md


def rejected_by(side):
    """How often each message is rejected."""
    return {name: 1 for name in REJECTED - (set() if side == "native" else ONLY_HERE)}


# A server or client of ours that is started with LIMITED rejects these too.
LIMITED = {"body_limit": 1 << 20}
BEYOND_LIMITS = {
    "headers seventeen deep": (envelope(request()), dict(
        JSON, application_headers=nested_headers(17))),
    "headers two hundred deep": (envelope(request()), dict(
        JSON, application_headers=nested_headers(200))),
    "a deep header and no body": (b"", dict(JSON, application_headers=nested_headers(200))),
    "a byte above the limit": (b" " * ((1 << 20) + 1), JSON),
    "five times the limit": (b" " * (5 << 20), JSON),
}


class Rejected(HostileTest):
    def test_headers_two_hundred_deep_do_not_come_back_for_ever(self):
        # A message that fails its connection instead of being refused is delivered again after
        # each reconnect, and nothing behind it ever is.
        topic = bus.unique("deep")
        self.start("rpc_server", SERVER, topic=topic, server="srv")
        with bus.address().channel() as channel:
            self.publish(channel, envelope(request()), dict(
                JSON, application_headers=nested_headers(200)), topic)
        self.call_works("behind it", topic)
        self.wait_settled(topic)

    def test_unreadable_requests_are_rejected_once_each(self):
        topic = bus.unique("rejected")
        with bus.address().channel() as channel, self.dead_letters(channel, topic) as take:
            server = self.start("rpc_server", SERVER, topic=topic, server="srv",
                                rabbit={"kombu_missing_consumer_retry_timeout": 1})
            for name, (body, properties) in BODIES.items():
                self.publish(channel, body, dict(properties, message_id=name), topic)
            self.call_works("behind them", topic)
            self.wait_dead(take, rejected_by(SERVER))
            self.wait_settled(topic)
            if SERVER == "native":
                self.assertEqual(server.report()["malformed"], len(REJECTED) + 1)  # reply queue

    def test_nobody_is_answered_that_cannot_be_read(self):
        topic = bus.unique("unanswered")
        with bus.address().channel() as channel, self.dead_letters(channel, topic) as take:
            self.start("rpc_server", SERVER, topic=topic, server="srv", **LIMITED)
            answers = channel.queue_declare(bus.unique("answers"), auto_delete=False).queue

            def asking(**more):
                return request("echo", _msg_id=uuid.uuid4().hex, _reply_q=answers, _timeout=None,
                               **more)

            whole = envelope(asking())
            calls = {
                "envelope 3.0": (envelope(asking(), "3.0"), JSON),
                "envelope 2.1": (envelope(asking(), "2.1"), JSON),
                "text/plain": (whole, dict(JSON, content_type="text/plain")),
                "truncated inside": (envelope(json.dumps(asking())[:-1]), JSON),
                "truncated": (whole[:-1], JSON),
                "a truncated compression": (zlib.compress(whole)[:-4], dict(
                    JSON, application_headers={"compression": "application/x-gzip"})),
            }
            if SERVER == "native":
                calls["too large"] = (envelope(asking(data="x" * (1 << 20))), JSON)
                calls["too deep"] = (whole, dict(JSON, application_headers=nested_headers(17)))
            for name, (body, properties) in calls.items():
                self.publish(channel, body, dict(properties, message_id=name), topic)
            # One that is answered, so that an empty queue means something.
            self.publish(channel, envelope(asking()), JSON, topic)
            self.wait_dead(take, {name: 1 for name in calls})
            self.wait_settled(topic)
            time.sleep(0.5)
            count = channel.queue_delete(answers)
        self.assertEqual(count, 1)

    def beyond_limits_for_a_server(self):
        topic = bus.unique("beyond")
        with bus.address().channel() as channel, self.dead_letters(channel, topic) as take:
            server = self.start("rpc_server", SERVER, topic=topic, server="srv", **LIMITED)
            for name, (body, properties) in BEYOND_LIMITS.items():
                self.publish(channel, body, dict(properties, message_id=name), topic)
                self.call_works("behind " + name, topic)
            self.wait_dead(take, {name: 1 for name in BEYOND_LIMITS})
            self.wait_settled(topic)
        report = server.report()
        self.assertEqual(report["malformed"], len(BEYOND_LIMITS), report)
        self.assertEqual(report["reconnects"], 0, report)
        counters = self.counters(server)
        self.assertEqual(counters["connection_errors"], 0, counters)
        self.assertIn("above the size limit", counters["last_error"])

    def beyond_limits_for_a_listener(self):
        topic = bus.unique("beyond")
        queue = topic + ".debug"
        with bus.address().channel() as channel, self.dead_letters(channel, queue) as take:
            listener = self.start("listener", SERVER, topic=topic, **LIMITED)
            for name, (body, properties) in BEYOND_LIMITS.items():
                self.publish(channel, body, dict(properties, message_id=name), queue)
            self.publish(channel, envelope(notification()), JSON, queue)
            listener.wait_notifications(1)
            self.wait_dead(take, {name: 1 for name in BEYOND_LIMITS})
            self.wait_settled(topic)
        report = listener.report()
        self.assertEqual((report["malformed"], report["reconnects"]), (len(BEYOND_LIMITS), 0))

    def beyond_limits_for_a_client(self):
        topic = bus.unique("beyond")
        client = self.start("rpc_client", CLIENT, **LIMITED)
        with bus.address().channel() as channel, self.fake_server(channel, topic) as take:
            def ask():
                return client.start("call", target={"exchange": self.exchange, "topic": topic},
                                    method="x", timeout=20)

            def right(taken):
                self.publish(channel, answer_to(taken), JSON, taken["_reply_q"], "")

            number = ask()
            taken = take()
            with self.dead_letters(channel, taken["_reply_q"]) as dead:
                for name, (body, properties) in BEYOND_LIMITS.items():
                    self.publish(channel, body, dict(properties, message_id=name),
                                 taken["_reply_q"], "")
                right(taken)
                self.assertEqual(self.result(client, number)["result"], "right")
                number = ask()
                right(take())
                self.assertEqual(self.result(client, number)["result"], "right")
                self.wait_dead(dead, {name: 1 for name in BEYOND_LIMITS})
            self.wait_settled(taken["_reply_q"])
        counters = self.counters(client)
        self.assertEqual((counters["malformed"], counters["connection_errors"]),
                         (len(BEYOND_LIMITS), 0), counters)

    if SERVER == "native":  # the Python library has no limits
        test_requests_beyond_the_limits_are_rejected_alone = beyond_limits_for_a_server
        test_notifications_beyond_the_limits_are_rejected_alone = beyond_limits_for_a_listener
    if CLIENT == "native":
        test_replies_beyond_the_limits_are_rejected_alone = beyond_limits_for_a_client

    def test_unreadable_notifications_are_rejected_once_each(self):
        topic = bus.unique("rejected")
        queue = topic + ".debug"
        with bus.address().channel() as channel, self.dead_letters(channel, queue) as take:
            listener = self.start("listener", SERVER, topic=topic)
            for name, (body, properties) in BODIES.items():
                self.publish(channel, body, dict(properties, message_id=name), queue)
            self.publish(channel, envelope(notification(payload={"last": True})), JSON, queue)
            listener.wait_for(lambda line: line["event"] == "notification" and
                              line["payload"] == {"last": True}, "the last notification")
            self.wait_dead(take, rejected_by(SERVER))
            self.wait_settled(topic)
            if SERVER == "native":
                self.assertEqual(listener.report()["malformed"], len(REJECTED))

    def test_unreadable_replies_are_rejected_once_each(self):
        topic = bus.unique("rejected")
        client = self.start("rpc_client", CLIENT)
        with bus.address().channel() as channel, self.fake_server(channel, topic) as take:
            number = client.start("call", target={"exchange": self.exchange, "topic": topic},
                                  method="x", timeout=20)
            taken = take()
            with self.dead_letters(channel, taken["_reply_q"]) as dead:
                for name, (body, properties) in BODIES.items():
                    self.publish(channel, body, dict(properties, message_id=name),
                                 taken["_reply_q"], "")
                self.publish(channel, answer_to(taken), JSON, taken["_reply_q"], "")
                self.assertEqual(self.result(client, number)["result"], "right")
                self.wait_dead(dead, rejected_by(CLIENT))
            self.wait_settled(taken["_reply_q"])
        if CLIENT == "native":
            self.assertEqual(self.counters(client)["malformed"], len(REJECTED))

    def no_heartbeats_for_what_is_refused(self):
        with bus.address().channel() as channel:
            refused = {"an unknown method": {"method": "nowhere"},
                       "a private method": {"method": "_echo"},
                       "an unserved version": {"version": "9.0"},
                       "an unserved namespace": {"namespace": "nowhere"}}
            queues = {}
            for name, more in refused.items():
                queues[name] = channel.queue_declare(bus.unique("monitored"),
                                                     auto_delete=False).queue
                self.publish(channel, envelope(request(
                    **{"method": "echo", "_msg_id": uuid.uuid4().hex, "_timeout": 2,
                       "_reply_q": queues[name], **more})), JSON)
            # One that is run, and so has heartbeats every second.
            slow = channel.queue_declare(bus.unique("monitored"), auto_delete=False).queue
            self.publish(channel, envelope(request(
                "slow", args={"seconds": 3.5}, _msg_id=uuid.uuid4().hex, _timeout=2,
                _reply_q=slow)), JSON)
            deadline = time.monotonic() + 20
            while channel.queue_declare(slow, passive=True).message_count < 4:
                self.assertLess(time.monotonic(), deadline, "no heartbeats at all")
                time.sleep(0.1)
            channel.queue_delete(slow)
            for name, queue in queues.items():
                with self.subTest(refused=name):
                    found = channel.basic_get(queue, no_ack=True)
                    reply = json.loads(json.loads(found.body)["oslo.message"])
                    self.assertTrue(reply["failure"])
                    self.assertTrue(reply["ending"])
                    self.assertEqual(channel.queue_delete(queue), 0)

    def duplicate_notifications(self):
        topic = bus.unique("duplicates")
        queue = topic + ".debug"
        listener = self.start("listener", SERVER, topic=topic)
        with bus.address().channel() as channel:
            body = envelope(notification(payload={"n": "same"}))
            for _ in range(3):
                self.publish(channel, body, JSON, queue)
            self.publish(channel, envelope(notification(payload={"n": "last"})), JSON, queue)
            listener.wait_notifications(2)
            self.wait_settled(topic)
        self.assertEqual([n["payload"]["n"] for n in listener.notifications()], ["same", "last"])
        self.assertEqual(listener.report()["duplicates"], 2)

    if SERVER == "native":  # what the Python library does otherwise: docs/differences.md
        test_what_is_refused_has_no_heartbeats = no_heartbeats_for_what_is_refused
        test_a_notification_that_comes_again_is_dropped_and_acknowledged = duplicate_notifications


if __name__ == "__main__":
    bus.main()
