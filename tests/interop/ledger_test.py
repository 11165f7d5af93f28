#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The ledger against what really happened on a bus: ledger_test.py [native:native:TOPOLOGY].

To be run under an `ombt-bus rabbit --` or `ombt-bus router --` of its own: the broker or router is
killed in runs whose agents write every message down (--output), and what they wrote must be what the
ledger says, to the message. And somebody who takes messages in place of a server drops, delays and
repeats them by script, which the ledger must tell exactly. Control goes over a bus of its own, but
in one case, in which the results have to survive the bus's end too.
"""

import collections
import glob
import json
import os
import signal
import tempfile
import threading
import time
import unittest
import uuid

import amqp
import proton
from proton.utils import BlockingConnection

import bus
import broker_failure_test as broker
from control_test import NativeAgents, NativeController

BUS, TOPOLOGY = broker.BUS, broker.TOPOLOGY
EXCHANGE = "ombt-rpc-test"
CLIENTS, SERVERS = 3, 2

control = None


def setUpModule():
    global control
    control = bus.Private("router")


def tearDownModule():
    control.end()


def truth_of(folder, fanout):
    """The ledger as the agents' own lines say it: totals, and messages missing at each server."""
    sent, had = {}, {}
    for path in glob.glob(os.path.join(folder, "*.jsonl")):
        with open(path, encoding="utf-8") as file:
            lines = [json.loads(line) for line in file]
        kind = lines[0]["kind"]
        for line in lines[1:]:
            if "id" not in line:
                continue
            if kind in ("RPCClient", "Notifier"):
                sent[line["id"]] = line.get("error")
            else:
                had.setdefault(lines[0]["client-name"], collections.Counter())[line["id"]] += 1
        if kind in ("RPCServer", "Listener"):
            had.setdefault(lines[0]["client-name"], collections.Counter())
    out = collections.Counter(sent=len(sent))
    missing = collections.Counter()
    everything = sum(had.values(), collections.Counter())
    for message, error in sent.items():
        copies = [seen[message] for seen in had.values()]
        there = all(copies) if fanout else any(copies)
        again = max(copies) > 1 if fanout else sum(copies) > 1
        if error is not None:
            out["failed"] += 1
            out["failed_but_delivered"] += 1 if any(copies) else 0
        elif not there:
            out["lost"] += 1
        elif again:
            out["duplicated"] += 1
        else:
            out["delivered"] += 1
        for server, seen in had.items():
            missing[server] += error is None and not seen[message]
    out["extra_copies"] = (
        sum(n - 1 for seen in had.values() for n in seen.values()) if fanout
        else sum(n - 1 for n in everything.values()))
    return out, missing


class LedgerCase(unittest.TestCase):
    def setUp(self):
        self.topic = bus.unique("ledger")
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)

    def agents(self, counts, control_on=None, **options):
        agents = NativeAgents(self.topic, False, counts, control=control_on or control.url,
                              topology=TOPOLOGY,
                              output=os.path.join(self.folder.name, "%n.jsonl"), **options)
        self.addCleanup(agents.kill)
        return agents

    def controller(self, counts, control_on=None):
        return NativeController(self.topic, False, counts, control=control_on or control.url)

    def check(self, ledger, expected, text):
        for key in ("sent", "delivered", "duplicated", "lost", "failed", "extra_copies",
                    "failed_but_delivered"):
            self.assertEqual(ledger[key], expected[key], (key, expected, text))
        self.assertEqual(ledger["sent"], sum(
            ledger[key] for key in ("delivered", "duplicated", "lost", "failed")), text)
        self.assertTrue(ledger["complete"], text)


class Killed(LedgerCase):
    def killed(self, test, counts, option="--calls"):
        agents = self.agents(counts, timeout=8)
        messages = 1200
        found = {}

        def work():
            found["run"] = self.controller(counts).command(
                test, option, str(messages), "--pause", "0.003", "--length", "10", "--timeout",
                "15", timeout=120)

        run = threading.Thread(target=work)
        run.start()
        time.sleep(2.5)
        self.assertTrue(run.is_alive(), "the run was over too soon")
        broker.kill_broker()
        time.sleep(1)
        broker.start_broker()
        run.join()
        status, text, report = found["run"]
        agents.process.send_signal(signal.SIGTERM)
        agents.wait()
        senders = counts.get("RPCClient", 0) + counts.get("Notifier", 0)
        self.assertEqual(report["ledger"]["sent"], senders * messages, text)
        expected, missing = truth_of(self.folder.name, test == "rpc-fanout")
        self.check(report["ledger"], expected, text)
        self.assertEqual(status, 0 if report["ok"] else 1, text)
        if expected["lost"]:
            self.assertEqual(status, 1, text)
        if test == "rpc-fanout":
            told = {server["name"]: server["lost"] for server in report["ledger"]["servers"]}
            self.assertEqual({k: v for k, v in told.items() if v},
                             {k: v for k, v in missing.items() if v}, text)
            self.assertEqual(report["ledger"]["copies_lost"], sum(missing.values()), text)
        print("%s over %s, %s, killed: %s" % (test, BUS, TOPOLOGY, dict(expected)), flush=True)

    def test_the_bus_is_killed_during_casts(self):
        self.killed("rpc-cast", {"RPCClient": CLIENTS, "RPCServer": SERVERS})

    def test_the_bus_is_killed_during_fanouts(self):
        self.killed("rpc-fanout", {"RPCClient": CLIENTS, "RPCServer": SERVERS})

    def test_the_bus_is_killed_during_notifications(self):
        self.killed("notify", {"Notifier": CLIENTS, "Listener": SERVERS}, "--events")


class ControlKilled(LedgerCase):
    def test_results_survive_the_end_of_the_bus_that_they_go_over(self):
        """The run ends while the bus is gone: its results are the first that go over the new one,
        where the controller may not listen yet."""
        counts = {"RPCClient": CLIENTS, "RPCServer": SERVERS}
        agents = self.agents(counts, control_on=bus.url(), timeout=40)
        found = {}

        def work():
            began = time.monotonic()
            found["run"] = self.controller(counts, control_on=bus.url()).command(
                "rpc-cast", "--rate", "50", "--duration", "6s", "--length", "10", "--timeout",
                "60", timeout=200)
            found["seconds"] = time.monotonic() - began

        run = threading.Thread(target=work)
        run.start()
        time.sleep(4)
        self.assertTrue(run.is_alive(), "the run was over too soon")
        broker.kill_broker()
        time.sleep(3)  # a router is back at once
        broker.start_broker()
        run.join()
        status, text, report = found["run"]
        agents.process.send_signal(signal.SIGTERM)
        agents.wait()
        self.assertNotIn("sent no results", text)
        self.assertNotIn("did not answer", text)
        self.assertLess(found["seconds"], 120, text)  # messages that are lost are asked for 60 s
        self.assertEqual(report["ledger"]["sent"], 300 - report["clients"]["load"]["dropped"], text)
        expected, _ = truth_of(self.folder.name, False)
        self.check(report["ledger"], expected, text)
        self.assertEqual(report["servers"]["messages_ok"] + report["servers"]["messages_failed"],
                         expected["delivered"] + expected["duplicated"] +
                         expected["extra_copies"] + expected["failed_but_delivered"], text)
        self.assertEqual(status, 0 if report["ok"] else 1, text)
        said = agents.process.stderr.read()
        self.assertNotIn("answers lost", said.replace(" 0 answers lost", ""))
        print("control over %s, %s, killed: %s" % (BUS, TOPOLOGY, dict(expected)), flush=True)


def way_with(number):
    """0: dropped, 1: passed on, 2: passed on twice as a new message, 3: twice as the same, 4: late,
    5: three times as new ones. (RabbitMQ gives its two consumers every second message each.)"""
    return number // 2 % 6


class Thief:
    """Takes messages from a topic's queue beside its server, and has its own way with them."""

    def __init__(self, topic, server):
        self.topic, self.server = topic, server
        self.taken, self.late = [], []
        self.ended = threading.Event()
        self.ready = threading.Event()
        self.trouble = None
        self.thread = threading.Thread(target=self._run)
        self.thread.start()
        if not self.ready.wait(30):
            raise AssertionError("the thief does not work: %s" % self.trouble)

    def _run(self):
        try:
            self.work()
        except Exception as error:  # pylint: disable=broad-except
            self.trouble = error

    def end(self):
        self.ended.set()
        self.thread.join()
        if self.trouble:
            raise AssertionError("the thief failed") from self.trouble

    def handle(self, request, message):
        """Copies to pass on now: (message, new identity)."""
        if "msgid" not in request["args"]:  # self_ready, before the run
            return [(message, False)]
        number = int(request["args"]["msgid"].rpartition(":")[2])
        self.taken.append(number)
        copies = {0: [], 1: [False], 2: [True, True], 3: [False, False], 4: [], 5: [True] * 3}
        if way_with(number) == 4:
            self.late.append((time.monotonic() + 1.5, message))
        return [(message, new) for new in copies[way_with(number)]]

    def due(self):
        now = time.monotonic()
        due = [message for at, message in self.late if at <= now]
        self.late = [one for one in self.late if one[0] > now]
        return [(message, False) for message in due]


class RabbitThief(Thief):
    def work(self):
        with bus.address().channel() as channel:
            def take(got):
                envelope = json.loads(got.body)
                request = json.loads(envelope["oslo.message"])
                for copy in self.handle(request, (got, envelope, request)):
                    self.give(channel, copy)
                channel.basic_ack(got.delivery_tag)

            channel.basic_qos(0, 1, False)
            channel.basic_consume("rpc-" + self.topic, callback=take)
            self.ready.set()
            while not self.ended.is_set():
                try:
                    channel.connection.drain_events(timeout=0.1)
                except OSError:
                    pass
                for copy in self.due():
                    self.give(channel, copy)

    def give(self, channel, copy):
        (got, envelope, request), new = copy
        if new:
            request = dict(request, _unique_id=uuid.uuid4().hex)
        body = json.dumps(dict(envelope, **{"oslo.message": json.dumps(request)}))
        channel.basic_publish(
            amqp.Message(body, **{k: got.properties[k] for k in ("content_type",
                                                                 "content_encoding")}),
            exchange="", routing_key="rpc-%s.%s" % (self.topic, self.server))


class RouterThief(Thief):
    def work(self):
        at = bus.address()
        connection = BlockingConnection("%s:%d" % (at.host, at.port), timeout=20)
        # The router gives to the one with most credit where both are idle; the server has 100.
        receiver = connection.create_receiver(
            "openstack.org/om/rpc/anycast/%s/rpc-%s" % (EXCHANGE, self.topic), credit=200)
        sender = connection.create_sender("openstack.org/om/rpc/unicast/%s/rpc-%s/%s" % (
            EXCHANGE, self.topic, self.server))
        self.ready.set()
        while not self.ended.is_set():
            try:
                message = receiver.receive(timeout=0.1)
                if receiver.fetcher.unsettled:  # casts come settled
                    receiver.accept()
                request = json.loads(message.body)["request"]
                if "oslo.message" in request:
                    request = json.loads(request["oslo.message"])
                copies = self.handle(request, message)
            except proton.Timeout:
                copies = []
            for message, _ in copies + self.due():
                sender.send(message)
        connection.close()


class Scripted(LedgerCase):
    def test_what_somebody_on_the_bus_drops_repeats_and_delays_is_told_exactly(self):
        counts = {"RPCClient": 1, "RPCServer": 1}
        agents = self.agents(counts)
        server = [name for name in agents.ready if "-RPCServer-" in name][0]
        thief = {"rabbit": RabbitThief, "router": RouterThief}[BUS](self.topic, server)
        self.addCleanup(thief.ended.set)
        sent = 240
        status, text, report = self.controller(counts).command(
            "rpc-cast", "--calls", str(sent), "--pause", "0.005", "--length", "10", "--timeout",
            "6", timeout=60)
        thief.end()
        how = collections.Counter(map(way_with, thief.taken))
        self.assertTrue(all(how[n] > 3 for n in range(6)), how)
        # The same message twice is caught where the driver has a window: on RabbitMQ.
        caught = how[3] if BUS == "rabbit" else 0
        expected = collections.Counter(
            sent=sent, lost=how[0], duplicated=how[2] + how[5] + how[3] - caught,
            extra_copies=how[2] + 2 * how[5] + how[3] - caught)
        expected["delivered"] = sent - how[0] - expected["duplicated"]
        self.check(report["ledger"], expected, text)
        self.assertEqual(report["ledger"]["caught_by_window"], caught, text)
        self.assertEqual(status, 1, text)
        lost = sorted(n for n in thief.taken if way_with(n) == 0)
        (client,) = report["ledger"]["clients"]
        told = [list(map(int, part.split("-"))) for part in client["lost_sequences"].split(", ")
                if part != "…"]
        told = [n for part in told for n in range(part[0], part[-1] + 1)]
        self.assertEqual(told, lost[:len(told)], text)
        self.assertGreaterEqual(len(told), 15)
        print("by script over %s: %s, caught %d" % (BUS, dict(expected), caught), flush=True)


class Whole(LedgerCase):
    def test_a_run_without_trouble_has_one_line(self):
        counts = {"RPCClient": CLIENTS, "RPCServer": SERVERS, "Listener": 2, "Notifier": 2}
        self.agents(counts)
        for test, option, clients in (("rpc-call", "--calls", CLIENTS),
                                      ("rpc-cast", "--calls", CLIENTS),
                                      ("rpc-fanout", "--calls", CLIENTS),
                                      ("notify", "--events", 2)):
            with self.subTest(test):
                status, text, report = self.controller(counts).command(test, option, "500")
                self.assertEqual(status, 0, text)
                self.assertIn("\nLedger: sent {0:,} = delivered once {0:,}\n".format(500 * clients),
                              text)
                self.assertTrue(report["ledger"]["complete"])
                self.assertEqual(report["ledger"]["clients"], [])


if __name__ == "__main__":
    bus.main()
