#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Controllers and agents of both kinds: control_test.py CONTROLLER:AGENTS [--control-on KIND].

CONTROLLER is native (ombt-controller) or python (tests/peers/controller.py); AGENTS is native
(ombt-agent), python (tests/peers/agent.py) or mixed: both at once on one topic. Control goes over
the bus under test, or over one of its own of the kind "rabbit" or "router".
"""

import json
import os
import re
import signal
import subprocess
import tempfile
import time
import unittest

import bus
from bus import BIN
from peers import PATIENCE, Peer

CONTROL_ON = bus.option("--control-on")
CONTROLLER, AGENTS, _ = bus.sides()
KINDS = ("RPCClient", "RPCServer", "Listener", "Notifier")
COUNTS = {"native": {"RPCClient": 3, "RPCServer": 2, "Listener": 2, "Notifier": 1},
          "python": {"RPCClient": 2, "RPCServer": 2, "Listener": 1, "Notifier": 1}}


class NativeAgents:
    """An ombt-agent with agents of every kind. Options are those of its command line."""

    def __init__(self, topic, unique, counts, url=None, **options):
        flags = {"RPCClient": "--rpc-client", "RPCServer": "--rpc-server",
                 "Listener": "--listener", "Notifier": "--notifier"}
        command = [os.path.join(BIN, "ombt-agent"), "--topic", topic,
                   "--url", url or bus.url()]
        for kind, count in counts.items():
            command += [flags[kind], str(count)]
        command += ["--unique"] if unique else []
        for name, value in options.items():
            command += ["--" + name, str(value)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True)
        self.ready = []
        for line in self.process.stdout:
            if line.strip().endswith(" is ready"):
                self.ready.append(line.split()[-3])
            if len(self.ready) == sum(counts.values()):
                break
        if len(self.ready) != sum(counts.values()):
            raise AssertionError("ombt-agent: %s" % self.process.stderr.read())

    def wait(self, timeout=PATIENCE):
        return self.process.wait(timeout)

    def kill(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()


class PythonAgents:
    def __init__(self, topic, unique, counts, url=None, **options):
        kinds = [kind for kind, count in counts.items() for _ in range(count)]
        self.peer = Peer("agent", url=url or bus.url(), topic=topic, unique=unique, agents=kinds,
                         **options)
        self.process = self.peer.process
        self.ready = [line["name"] for line in self.peer.lines if line["event"] == "agent"]

    def wait(self, timeout=PATIENCE):
        return self.peer.process.wait(timeout)

    def kill(self):
        self.peer.kill()


class NativeController:
    """ombt-controller, a process a test; what it says as the Python controller says it."""

    def __init__(self, topic, unique, agents, control=None):
        self.common = ["--topic", topic, "--url", bus.url()] + (["--unique"] if unique else [])
        self.common += ["--control", control] if control else []
        self.expect = sum(agents.values())
        self.agents = agents

    def command(self, *arguments, expect=True, timeout=PATIENCE * 2):
        """Exit status, text, report."""
        with tempfile.TemporaryDirectory() as folder:
            file = os.path.join(folder, "report.json")
            command = [os.path.join(BIN, "ombt-controller"), *self.common, *arguments]
            if expect:
                for kind, flag in (("RPCClient", "rpc-client"), ("RPCServer", "rpc-server"),
                                   ("Listener", "listener"), ("Notifier", "notifier")):
                    if self.agents.get(kind):
                        command += ["--expect", "%s=%d" % (flag, self.agents[kind])]
            done = subprocess.run(command + ["--json", file], stdout=subprocess.PIPE,
                                  stderr=subprocess.PIPE, text=True, timeout=timeout, check=False)
            report = {}
            if os.path.exists(file):
                with open(file, encoding="utf-8") as opened:
                    report = json.load(opened)
            return done.returncode, done.stdout + done.stderr, report

    def run(self, mode, count, length=1024, pause=0, severity=None):
        name = mode if mode == "notify" else "rpc-" + mode
        options = ["--events" if mode == "notify" else "--calls", str(count),
                   "--length", str(length), "--pause", str(pause)]
        options += ["--severity", severity] if severity else []
        status, text, report = self.command(name, *options)
        if status != 0:
            raise AssertionError("ombt-controller: status %d\n%s" % (status, text))
        totals = [int(n) for n in re.findall(r"^Total Messages: (\d+)$", text, re.MULTILINE)]
        clients, servers = report["clients"], report["servers"]
        assert totals == [clients["messages_ok"], servers["messages_ok"]], text
        return {"sent": clients["messages_ok"], "received": servers["messages_ok"],
                "failed": clients["messages_failed"] + servers["messages_failed"],
                "clients": clients["agents"], "servers": servers["agents"],
                "problems": report["problems"]}

    def agents_seen(self):
        status, text, report = self.command("status")
        assert status == 0, text
        return report["agent_counts"]

    def shutdown(self):
        status, text, _ = self.command("shutdown", expect=False)
        assert status == 0, text

    def close(self):
        pass


class PythonController:
    def __init__(self, topic, unique, agents, control=None):
        self.peer = Peer("controller", url=control or bus.url(), topic=topic, unique=unique,
                         idle=1.5)
        self.agents = agents

    def run(self, mode, count, **options):
        line = [x for x in self.peer.run("run", mode=mode, count=count, patience=90,
                                         **{k: v for k, v in options.items() if v is not None})
                if x["event"] == "run"][0]
        return {"sent": line["sent"], "received": line["received"], "failed": line["failed"],
                "clients": len(line["clients"]), "servers": len(line["servers"]),
                "problems": line["problems"], "names": line}

    def agents_seen(self):
        line = [x for x in self.peer.run("ping") if x["event"] == "agents"][0]
        return {kind: len(names) for kind, names in line["agents"].items()}

    def shutdown(self):
        self.peer.run("shutdown")

    def close(self):
        self.peer.kill()


class Control:
    """The tests, once with and once without --unique."""

    unique = False

    @classmethod
    def setUpClass(cls):
        # With --unique the control topic is the same for all; tests run one after the other.
        cls.topic = bus.unique("control")
        cls.agents, cls.controller = [], None
        sides = ("native", "python") if AGENTS == "mixed" else (AGENTS,)
        cls.control = {}
        if CONTROL_ON is not None:
            private = bus.Private(CONTROL_ON)
            cls.addClassCleanup(private.end)
            cls.control = {"control": private.url}
        cls.counts = {kind: sum(COUNTS[side][kind] for side in sides) for kind in KINDS}
        try:
            for side in sides:
                make = NativeAgents if side == "native" else PythonAgents
                cls.agents.append(make(cls.topic, cls.unique, COUNTS[side], **cls.control))
            make = NativeController if CONTROLLER == "native" else PythonController
            cls.controller = make(cls.topic, cls.unique, cls.counts, **cls.control)
        except BaseException:
            cls.tearDownClass()
            raise

    @classmethod
    def tearDownClass(cls):
        for agents in cls.agents:
            agents.kill()
        if cls.controller:
            cls.controller.close()

    def check(self, mode, count, client, server, **options):
        found = self.controller.run(mode, count, **options)
        sent = self.counts[client] * count
        received = sent * self.counts[server] if mode == "fanout" else sent
        self.assertEqual((found["sent"], found["received"], found["failed"]), (sent, received, 0),
                         found)
        self.assertEqual(found["problems"], [])
        self.assertEqual(found["clients"], self.counts[client])
        return found

    def test_1_the_roll_call_finds_every_agent_once(self):
        self.assertEqual(self.controller.agents_seen(), self.counts)
        names = [name for agents in self.agents for name in agents.ready]
        self.assertEqual(len(set(names)), sum(self.counts.values()))
        for name in names:
            self.assertRegex(name, "^ombt-%s-(RPCClient|RPCServer|Listener|Notifier)-.+-\\d+-"
                             "[0-9a-f]{32}(-\\d+)?$" % re.escape(self.topic))

    if CONTROL_ON is not None:
        def test_1_control_keeps_to_its_own_bus(self):
            """As the router says, which is the one of them or the other."""
            router = self.control["control"] if CONTROL_ON == "router" else bus.url()
            links = {row["owningAddr"] or "" for row in bus.rows("router.link",
                                                                 bus.Address(router))}
            control = any("/ombt-control/" in address for address in links)
            under_test = any("/ombt-rpc-test/" in address for address in links)
            self.assertEqual((control, under_test),
                             (CONTROL_ON == "router", CONTROL_ON != "router"), links)

    def test_2_calls_sum_to_the_message(self):
        self.check("call", 100, "RPCClient", "RPCServer")

    def test_3_casts_sum_to_the_message(self):
        self.check("cast", 100, "RPCClient", "RPCServer", length=10)

    def test_4_fanouts_sum_to_the_message(self):
        found = self.check("fanout", 30, "RPCClient", "RPCServer")
        self.assertEqual(found["servers"], self.counts["RPCServer"])

    def test_5_notifications_sum_to_the_message(self):
        self.check("notify", 50, "Notifier", "Listener")
        self.check("notify", 10, "Notifier", "Listener", severity="critical")

    def test_6_a_second_run_starts_from_zero(self):
        for mode in ("call", "fanout", "cast"):
            self.check(mode, 7, "RPCClient", "RPCServer", length=0)

    def test_7_a_pause_slows_the_clients(self):
        began = time.monotonic()
        self.check("cast", 5, "RPCClient", "RPCServer", pause=0.3)
        self.assertGreater(time.monotonic() - began, 1.2)

    def test_8_a_big_payload(self):
        self.check("call", 3, "RPCClient", "RPCServer", length=300000)

    def test_9_shutdown_ends_every_agent_with_success(self):
        self.controller.shutdown()
        for agents in self.agents:
            self.assertEqual(agents.wait(), 0)


class Plain(Control, unittest.TestCase):
    pass


class Unique(Control, unittest.TestCase):
    unique = True
    # The control topic's name makes no difference to these.
    test_3_casts_sum_to_the_message = None
    test_6_a_second_run_starts_from_zero = None
    test_7_a_pause_slows_the_clients = None
    test_8_a_big_payload = None


if __name__ == "__main__":
    bus.main()
