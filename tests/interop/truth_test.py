#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The report against a truth that was injected: a server by hand takes calls beside a native one
and answers them late, never, twice, with an exception, or after a known time, by script.

To be run under an `ombt-bus rabbit --` of its own. What the client wrote of each message (--output)
and what the script did must be what the report says: counts exactly, percentiles to the three
digits of a histogram."""

import collections
import heapq
import json
import math
import os
import signal
import time
import unittest
import uuid

import amqp

import bus
import ledger_test
from ledger_test import LedgerCase, Thief, setUpModule, tearDownModule  # noqa: F401

TIMEOUT = 8
AFTER_TIMEOUT = TIMEOUT + 0.7
CALLS, RATE = 600, 150


def way_with(number):
    """What is done with the call of that number, and seconds until it is answered."""
    ways = {3: ("silence", None), 7: ("twice", 0.02), 11: ("late", AFTER_TIMEOUT),
            15: ("exception", 0.01)}
    # Numbers that go to the script are every second one as a rule: both halves see all the ways.
    step = number // 2 % 20
    return ways.get(step, ("sleep", 0.01 * (step % 7)))


class Server(Thief):
    """Answers calls of the topic's queue in place of its server."""

    def __init__(self, topic, server):
        self.answers = []  # (due, order, reply queue, body)
        self.slept = {}
        super().__init__(topic, server)

    def answer(self, got):
        request = json.loads(json.loads(got.body)["oslo.message"])
        if "msgid" not in request["args"]:  # self_ready, before the run
            self.at(0, request, result=True)
            return
        number = int(request["args"]["msgid"].rpartition(":")[2])
        self.taken.append(number)
        what, after = way_with(number)
        if what == "exception":
            self.at(after, request, failure=json.dumps({
                "class": "ValueError", "module": "builtins", "message": "by script",
                "tb": ["Traceback\n"], "args": ["by script"], "kwargs": {}}))
        elif what != "silence":
            for _ in range(2 if what == "twice" else 1):
                self.at(after, request, result=request["args"]["data"])
            if what != "late":
                self.slept[number] = after

    def at(self, after, request, result=None, failure=None):
        body = json.dumps({"oslo.version": "2.0", "oslo.message": json.dumps(
            {"result": result, "failure": failure, "ending": True, "_msg_id": request["_msg_id"],
             "_unique_id": uuid.uuid4().hex})})
        heapq.heappush(self.answers, (time.monotonic() + after, len(self.answers) + len(self.taken),
                                      uuid.uuid4().hex, request["_reply_q"], body))

    def work(self):
        with bus.address().channel() as channel:
            def take(got):
                self.answer(got)
                channel.basic_ack(got.delivery_tag)

            channel.basic_qos(0, 20, False)
            channel.basic_consume("rpc-" + self.topic, callback=take)
            self.ready.set()
            while not self.ended.is_set() or self.answers:
                due = self.answers[0][0] - time.monotonic() if self.answers else 0.1
                try:
                    channel.connection.drain_events(timeout=min(0.1, max(0.001, due)))
                except OSError:  # nothing came
                    pass
                while self.answers and self.answers[0][0] <= time.monotonic():
                    *_, to, body = heapq.heappop(self.answers)
                    channel.basic_publish(
                        amqp.Message(body, content_type="application/json",
                                     content_encoding="utf-8"), exchange="", routing_key=to)


def percentile(samples, p):
    return sorted(samples)[max(1, math.ceil(p / 100 * len(samples))) - 1]


class Truth(LedgerCase):
    def test_the_report_is_what_was_done_to_the_calls(self):
        counts = {"RPCClient": 1, "RPCServer": 1}
        agents = self.agents(counts, timeout=TIMEOUT)
        (name,) = [name for name in agents.ready if "-RPCServer-" in name]
        server = Server(self.topic, name)
        self.addCleanup(server.ended.set)
        status, text, report = self.controller(counts).command(
            "rpc-call", "--rate", str(RATE), "--calls", str(CALLS), "--length", "10", "--max-late",
            "60s", "--timeout", "20", timeout=120)
        server.end()
        agents.process.send_signal(signal.SIGTERM)
        agents.wait()

        taken = collections.Counter(way_with(number)[0] for number in server.taken)
        self.assertTrue(all(taken[way] > 3 for way in ("silence", "twice", "late", "exception",
                                                       "sleep")), taken)
        timeouts, exceptions = taken["silence"] + taken["late"], taken["exception"]
        clients = report["clients"]
        self.assertEqual(status, 1, text)
        self.assertEqual((clients["messages_ok"], clients["messages_failed"]),
                         (CALLS - timeouts - exceptions, timeouts + exceptions), text)
        self.assertEqual({error["error"]: error["count"] for error in clients["errors"]},
                         {"messaging_timeout": timeouts,
                          "remote_exception: ValueError": exceptions}, text)
        # Of the late answers those that came while the client still listened.
        late = clients["links"]["late_replies"]
        self.assertGreaterEqual(late, taken["twice"], text)
        self.assertLessEqual(late, taken["twice"] + taken["late"], text)
        # What the script answered well has arrived at no server that keeps a ledger.
        ledger, answered = report["ledger"], taken["twice"] + taken["sleep"]
        self.assertEqual((ledger["sent"], ledger["failed"], ledger["lost"], ledger["delivered"],
                          ledger["duplicated"]),
                         (CALLS, timeouts + exceptions, answered, CALLS - len(server.taken), 0), text)
        self.check_percentiles(clients, server, text)
        print("by script: %s of %d calls" % (dict(taken), CALLS), flush=True)

    def check_percentiles(self, clients, server, text):
        """Against the client's lines, and the script's times, which no call can have beaten."""
        took, failed = {}, 0
        for path in os.listdir(self.folder.name):
            with open(os.path.join(self.folder.name, path), encoding="utf-8") as file:
                lines = [json.loads(line) for line in file]
            if lines[0]["kind"] != "RPCClient":
                continue
            for line in lines[1:]:
                if "error" in line:
                    failed += 1
                elif "id" in line:
                    took[int(line["id"].rpartition(":")[2])] = line["stop"] - line["start"]
        self.assertEqual((len(took), failed), (clients["messages_ok"], clients["messages_failed"]))
        for number, slept in server.slept.items():
            if number in took:
                self.assertGreater(took[number], slept - 0.001, (number, text))
        latency = clients["latency"]
        for p, key in ((50, "p50_ms"), (90, "p90_ms")):
            exact = 1000 * percentile(took.values(), p)
            self.assertAlmostEqual(latency[key], exact, delta=0.001 * exact + 0.005, msg=text)
        self.assertAlmostEqual(latency["max_ms"], 1000 * max(took.values()), delta=0.005)
        # The failed ones as infinite: a rank among all calls, not among those that succeeded.
        ordered = sorted(took.values())
        everything = latency["with_failures_as_infinite"]
        rank = math.ceil(0.5 * CALLS)
        self.assertGreaterEqual(everything["p50_ms"], 1000 * ordered[rank - 1] * 0.999 - 0.005, text)
        self.assertEqual(everything["p99_ms"] or ">timeout", ">timeout", text)


if __name__ == "__main__":
    unittest.main(argv=[ledger_test.__file__], verbosity=2)
