#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What options of ombt-agent and ombt-controller do on the bus, seen by somebody who reads along;
and what the agents count of messages that nobody should send.

To be run under `ombt-bus rabbit --`. OMBT_AGENT names the agents' program, OMBT_BIN the folder of
all."""

import collections
import glob
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "interop"), os.path.join(HERE, "..", "controller")]
import bus                                      # noqa: E402
import peers                                    # noqa: E402
from bus_test import AGENT, Agents, BusTest     # noqa: E402
from controller_case import Cable, controller  # noqa: E402
from spy import Spy, cast, envelope             # noqa: E402

PATIENCE = peers.PATIENCE
NOTHING = {"unreadable_messages": 0, "duplicates_dropped": 0, "late_replies": 0,
           "messages_returned": 0, "messages_refused": 0, "replies_abandoned": 0,
           "sent_without_credit": 0, "lost_without_credit": 0, "connection_errors": 0,
           "reconnects": 0}
GARBAGE = (b"", b"{", b"[]", b"\x00" * 100, b'{"oslo.version": "2.0", "oslo.message": "{"}',
           b'{"oslo.version": "3.0", "oslo.message": "{}"}', b"\xff\xfe")


class OptionsTest(BusTest):
    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name):
        return os.path.join(self.folder, name)

    def file(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def spy(self, exchange, key="", fanout=False):
        return Spy(self, exchange, key, fanout)

    def native_run(self, *arguments, status=0, env=None):
        """ombt-controller's text and JSON report."""
        done = controller("--topic", self.topic, "--json", self.path("report"), *arguments,
                          env=env)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        with open(self.path("report"), encoding="utf-8") as file:
            return done.stdout, json.load(file)

    def in_the_background(self, *arguments):
        """native_run(), started; call the result to wait for it."""
        result = []
        thread = threading.Thread(target=lambda: result.append(self.native_run(*arguments)))
        thread.start()

        def wait():
            thread.join()
            self.assertEqual(len(result), 1, "the run failed")
            return result[0]
        return wait


class Bound(OptionsTest):
    """Where connections begin."""

    @staticmethod
    def connections():
        """Connections to the bus by the address that they begin at."""
        port = bus.Address(bus.url()).port
        found = collections.Counter()
        with open("/proc/net/tcp", encoding="ascii") as file:
            for line in file.readlines()[1:]:
                _, local, peer, state = line.split()[:4]
                if int(peer[9:], 16) == port and state == "01":
                    found[".".join(str(b) for b in bytes.fromhex(local[:8])[::-1])] += 1
        return found

    def test_agents_are_spread_over_the_addresses_and_control_is_not(self):
        before = self.connections()
        self.agents("--rpc-client", "4", "--listener", "2", "--topology", "lean",
                    "--bind-address", "127.0.0.2,127.0.0.3,127.0.0.4")
        self.agents("--rpc-server", "1")
        begun = self.connections() - before
        self.assertEqual({address: begun[address] for address in begun if address > "127.0.0.1"},
                         {"127.0.0.2": 2, "127.0.0.3": 2, "127.0.0.4": 2})
        self.assertGreaterEqual(begun["127.0.0.1"], 3)  # control of both, the server
        _, report = self.native_run("--expect", "5", "rpc-call", "--calls", "3")
        self.assertEqual((report["ok"], report["clients"]["messages_ok"]), (True, 12))


class Counted(OptionsTest):
    """What goes wrong at a link is in the report of the run, and in the agent's last line."""

    def test_unreadable_messages_duplicates_and_late_replies_to_the_message(self):
        server = self.agents("--rpc-server", "1", "--service-time", "300ms")
        client = self.agents("--rpc-client", "1")
        spy = self.spy("ombt-rpc-test", "rpc-" + self.topic)
        run = self.in_the_background("rpc-call", "--calls", "6", "--expect", "2")
        first = spy.take(lambda m: m["method"] == "echo", "first call")
        # Neither side ends its run before the server goes on.
        server.process.send_signal(signal.SIGSTOP)
        try:
            for body in GARBAGE:
                spy.publish(body)
            for _ in range(3):
                spy.publish(cast("self_ready", unique_id="1" * 32))
            spy.publish(b"{", key=first["_reply_q"], exchange="")
            spy.publish(envelope({"result": "late", "failure": None, "ending": True,
                                  "_msg_id": "0" * 32, "_unique_id": "2" * 32}),
                        key=first["_reply_q"], exchange="")
            spy.published()
        finally:
            server.process.send_signal(signal.SIGCONT)
        text, report = run()
        self.assertEqual(report["servers"]["links"],
                         dict(NOTHING, unreadable_messages=len(GARBAGE), duplicates_dropped=2))
        self.assertEqual(report["clients"]["links"],
                         dict(NOTHING, unreadable_messages=1, late_replies=1))
        of_clients, of_servers = text.split("Aggregated RPC Server results:\n")
        self.assertIn("\nUnreadable messages: 1\nLate replies: 1\n", of_clients)
        self.assertIn("\nUnreadable messages: 7\nDuplicates dropped: 2\n", of_servers)
        self.assertTrue(report["ok"], report)
        self.assertEqual((report["messages_received"], report["servers"]["errors"]), (6, []))

        # The next run begins from zero; a Python controller is told nothing that it does not know.
        text, report = self.native_run("rpc-call", "--expect", "2")
        self.assertEqual((report["servers"]["links"], report["clients"]["links"]),
                         (NOTHING, NOTHING))
        self.assertNotIn("Unreadable", text)
        for _ in range(2):
            spy.publish(b"{")
        spy.published()
        run = self.run_test(self.controller(), "call", 2)
        self.assertEqual((run["problems"], run["received"]), ([], 2))

        self.assertEqual(server.stop(), (0, "", "ombt-agent: counted on the bus: 9 unreadable "
                                         "messages, 2 duplicates dropped\n"))
        self.assertEqual(client.stop(), (0, "", "ombt-agent: counted on the bus: 1 unreadable "
                                         "message, 1 late reply\n"))

    def test_a_listener_counts_too_and_across_a_lost_connection(self):
        cable = Cable()
        self.addCleanup(cable.cut)
        agents = self.agents("--listener", "1", "--control", bus.url(), url=cable.url())
        topic = "notify-" + self.topic
        spy = self.spy("ombt-notify-test", topic + ".info")
        event = {"message_id": "m", "publisher_id": "p", "event_type": "e", "priority": "INFO",
                 "payload": {"payload": "x", "timestamp": 1.0, "msgid": "i"},
                 "timestamp": "2020-01-01 00:00:00.000000", "_unique_id": "3" * 32}
        for body in (b"{", b"null", b"\xff", envelope(event), envelope(event)):
            spy.publish(body)
        spy.published()
        self.wait_settled(topic)
        cable.cut()
        cable.mend()
        # What comes now is taken when the last queue is consumed again.
        spy.publish(b"{", key=topic + ".critical")
        spy.published()
        self.wait_settled(topic)
        status, out, said = agents.stop()
        self.assertEqual((status, out), (0, ""))
        # It may be back before anybody looks.
        self.assertEqual([line for line in said.splitlines() if "contact with the bus" not in line],
                         ["ombt-agent: counted on the bus: 4 unreadable messages, 1 duplicate "
                          "dropped, 1 connection error, 1 reconnect"])

    def wait_settled(self, topic):
        deadline = time.monotonic() + PATIENCE
        while any(q["messages"] for q in bus.listing("list_queues", "name", "messages")
                  if q["name"].startswith(topic)):
            self.assertLess(time.monotonic(), deadline)

    def test_an_agent_with_nothing_to_tell_says_nothing(self):
        agents = self.agents("--rpc-server", "1", "--rpc-client", "1")
        self.native_run("rpc-call", "--expect", "2", "--calls", "10")
        self.assertEqual(agents.stop(), (0, "", ""))


class OfAgents(OptionsTest):
    def test_output_of_notifiers_and_listeners_who_stay_on_their_topic(self):
        agents = self.agents("--listener", "1", "--notifier", "1", "--output", self.path("o-%n"))
        _, report = self.native_run("notify", "--events", "4", "--expect", "2")
        self.assertEqual(report["messages_received"], 4)
        agents.stop()
        lines = {}
        for path in glob.glob(self.path("o-*")):
            with open(path, encoding="utf-8") as file:
                lines[path[-1]] = [json.loads(line) for line in file]
        self.assertEqual(sorted(lines), ["0", "1"])
        heard, sent = lines["0"], lines["1"]
        self.assertEqual(heard[0], {"client-name": agents.names[0], "kind": "Listener"})
        self.assertEqual(sent[0], {"client-name": agents.names[1], "kind": "Notifier"})
        self.assertEqual(sent[1]["test-name"], "test_notify")
        self.assertEqual([line["id"].split(":")[1] for line in sent[2:-1]], ["0", "1", "2", "3"])
        self.assertEqual(list(sent[-1]), ["test-end"])
        self.assertEqual([(line["id"], line["start"]) for line in heard[1:]],
                         [(line["id"], line["start"]) for line in sent[2:-1]])
        for line in heard[1:]:
            self.assertIn("recv", line)

    def test_each_pool_has_a_queue_of_its_name_and_gets_everything(self):
        one, other = bus.unique("pool"), bus.unique("pool")
        self.agents("--notifier", "1", "--listener", "2", "--pool", one)
        self.agents("--listener", "1", "--pool", other)
        _, report = self.native_run("notify", "--events", "20", "--expect", "4", status=1)
        self.assertEqual(report["problems"], [
            "20 more messages than expected arrived at the receivers: 20 messages arrived more than "
            "once"])
        received = sorted(a["messages_ok"] for a in report["agents"] if a["kind"] == "Listener")
        self.assertEqual((sum(received), received[2]), (40, 20))
        consumers = {q["name"]: q["consumers"]
                     for q in bus.listing("list_queues", "name", "consumers")}
        self.assertEqual((consumers.get(one), consumers.get(other)), (2, 1))
        self.assertNotIn("notify-%s.info" % self.topic, consumers)
        for name in (one, other):
            self.addCleanup(self.delete_queue, name)

    @staticmethod
    def delete_queue(name):
        with bus.address().channel() as channel:
            channel.queue_delete(name)

    def test_slots_and_ping_are_the_files_and_else_the_librarys(self):
        config = self.file("few.conf", "[DEFAULT]\nexecutor_thread_pool_size = 3\n"
                                       "rpc_ping_enabled = true\n")
        client = peers.Peer("rpc_client", url=bus.url())
        self.addCleanup(client.kill)
        expected = {}
        for slots, arguments in ((64, ()), (3, ("--oslo-config", config))):
            self.topic = bus.unique("t")
            self.agents("--rpc-server", "1", "--service-time", "1000s", *arguments)
            target = {"exchange": "ombt-rpc-test", "topic": "rpc-" + self.topic}
            answer = client.one("call", target=target, method="oslo_rpc_server_ping", timeout=10)
            if slots == 3:
                self.assertEqual(answer.get("result"), "pong", answer)
            else:
                self.assertFalse(answer["ok"], answer)
                self.assertIn("NoSuchMethod", json.dumps(answer))
            spy = self.spy("ombt-rpc-test", "rpc-" + self.topic)
            for _ in range(slots + 2):
                spy.publish(cast("noop", data="X", timestamp=time.time(), msgid="x"))
            spy.published()
            expected["rpc-" + self.topic] = (0, 2)
        # What has a slot is acknowledged, the rest waits unacknowledged.
        deadline = time.monotonic() + PATIENCE
        while self.waiting(expected) != expected:
            self.assertLess(time.monotonic(), deadline, self.waiting(expected))
        self.assertEqual(self.waiting(expected), expected)

    @staticmethod
    def waiting(names):
        return {q["name"]: (q["messages_ready"], q["messages_unacknowledged"])
                for q in bus.listing("list_queues", "name", "messages_ready",
                                     "messages_unacknowledged") if q["name"] in names}

    def test_the_files_transport_url_where_no_other_is_given(self):
        clean = {k: v for k, v in os.environ.items() if k != "OMBT_URL"}
        config = self.file("bus.conf", "[DEFAULT]\ntransport_url = %s\n" % bus.url())
        process = subprocess.Popen(
            [AGENT, "--topic", self.topic, "--oslo-config", config, "--rpc-server", "1",
             "--rpc-client", "1", "--timeout", "20"], stdout=subprocess.PIPE, text=True, env=clean)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)
        for _ in range(2):
            self.assertIn(" is ready", process.stdout.readline())
        done = subprocess.run(
            [os.path.join(os.environ["OMBT_BIN"], "ombt-controller"), "--oslo-config", config,
             "--topic", self.topic, "--expect", "2", "--timeout", "20", "rpc-call", "--calls", "3"],
            capture_output=True, text=True, env=clean, timeout=PATIENCE * 2, check=False)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        self.assertEqual(done.stdout.count("Total Messages: 3\n"), 2)
        # What is given wins.
        other = self.file("other.conf", "[DEFAULT]\ntransport_url = rabbit://no-such.invalid\n")
        _, report = self.native_run("status", "--oslo-config", other, "--expect", "2", "--url",
                                    bus.url(), env={"OMBT_CONTROL": "bus"})
        self.assertEqual(report["agent_counts"]["RPCServer"], 1)


class OfControllers(OptionsTest):
    def test_what_debug_says_has_no_password(self):
        address = bus.address()
        done = controller("status", "--topic", self.topic, "--idle", "0.1", "--debug", "--url",
                          address.url(), env={"OMBT_CONTROL": "bus"})
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertRegex(done.stderr, "^ombt-controller: .*-native on rabbit://%s:\\*\\*\\*@"
                         % address.user)
        self.assertNotIn(":%s@" % address.password, done.stderr + done.stdout)

    def test_length_pause_and_verbose(self):
        self.agents("--rpc-client", "1", "--rpc-server", "1")
        messages = self.spy("ombt-rpc-test", "rpc-" + self.topic)
        commands = self.spy("client-RPCClient-%s_fanout" % self.topic, fanout=True)
        for length, pause, more in ((0, 0.0, ()), (1, 0.001, ("--verbose",)), (1000, 0.0, ())):
            self.native_run("rpc-call", "--calls", "2", "--length", str(length), "--pause",
                            str(pause), "--expect", "2", *more)
            ordered = commands.take(lambda m: m["method"] == "run_test", "run_test")["args"]
            self.assertEqual(ordered["test"], "test_call")
            asked = {k: ordered["kwargs"][k] for k in ("verbose", "pause", "data", "count")}
            self.assertEqual(asked, {"verbose": bool(more), "pause": pause, "data": "X" * length,
                                     "count": 2})
            for _ in range(2):
                call = messages.take(lambda m: m["method"] == "echo", "call")
                self.assertEqual(call["args"]["data"], "X" * length)

    def test_a_pause_is_made(self):
        self.agents("--rpc-client", "1", "--rpc-server", "1")
        messages = self.spy("ombt-rpc-test", "rpc-" + self.topic)
        self.native_run("rpc-call", "--calls", "4", "--pause", "0.3", "--expect", "2")
        sent = [messages.take(lambda m: m["method"] == "echo")["args"]["timestamp"]
                for _ in range(4)]
        for earlier, later in zip(sent, sent[1:]):
            self.assertGreaterEqual(later - earlier, 0.299)

    def test_severity(self):
        self.agents("--notifier", "1", "--listener", "1")
        for severity in ("critical", "audit"):
            messages = self.spy("ombt-notify-test", "notify-%s.%s" % (self.topic, severity))
            _, report = self.native_run("notify", "--severity", severity, "--expect", "2")
            self.assertEqual(report["messages_received"], 1)
            self.assertEqual(messages.take()["priority"], severity.upper())

    def test_nobody_is_asked_before_the_delay_is_over(self):
        self.agents("--rpc-client", "1", "--rpc-server", "1")
        messages = self.spy("ombt-rpc-test", "rpc-" + self.topic)
        commands = self.spy("client-RPCServer-%s_fanout" % self.topic, fanout=True)
        run = self.in_the_background("rpc-cast", "--delay", "2", "--expect", "2")
        asked = lambda m: m["method"] == "get_server_results"
        commands.take(asked, "question before the run")
        sent = messages.take(lambda m: m["method"] == "noop", "cast")["args"]["timestamp"]
        commands.take(asked, "question after the run")
        self.assertGreaterEqual(time.time() - sent, 1.99)
        run()


if __name__ == "__main__":
    bus.main()
