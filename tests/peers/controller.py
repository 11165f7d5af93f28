#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""An ombt controller on oslo.messaging, as docs/wire.md describes ombt 3.0.0's.

Options: url (the control bus), topic, unique, timeout (60), idle (2).
Commands, run in order:
  ping -> {"event": "agents", "agents": {kind: [names]}}
  run: mode "call"|"cast"|"fanout"|"notify", count, length, pause, severity ->
    {"event": "run", "clients": {name: results}, "servers": {name: [results, …]}, "sent", "received",
     "expected", "problems": [text]} ("sent" sums msgs_ok of clients, "received" that of servers)
  shutdown -> casts it to every kind
A result with an unknown key is dropped, as ombt does, and named under "problems".
"""

import threading
import time

import oslo_messaging

import control
import peer


class Controller:
    def __init__(self, given):
        self.given = given
        self.transport = peer.rpc_transport(given)
        self.name = control.make_name(given["topic"], "None")
        self.address = {"exchange": control.CONTROL, "topic": "controller-" + given["topic"],
                        "server": self.name}
        self.lock = threading.Condition()
        self.agents = {}
        self.results = []
        self.problems = []
        self.last_pong = 0.0
        self.server = oslo_messaging.get_rpc_server(
            self.transport, oslo_messaging.Target(**self.address), [Endpoint(self)],
            executor="threading")
        self.server.start()
        control.wait_self_ready(self.transport, self.address["topic"], self.name)

    def cast(self, kind, method, **args):
        topic = control.agent_topic(kind, self.given["topic"], self.given.get("unique"))
        target = oslo_messaging.Target(exchange=control.CONTROL, topic=topic, fanout=True)
        oslo_messaging.get_rpc_client(self.transport, target).cast({}, method, **args)

    def ping(self, command=None):
        with self.lock:
            self.agents = {}
            self.last_pong = time.monotonic()
        for kind in control.KINDS:
            self.cast(kind, "client_ping", reply_addr=self.address)
        with self.lock:
            while time.monotonic() - self.last_pong < self.given["idle"]:
                self.lock.wait(0.05)
        if command is not None:
            peer.say(event="agents", id=command["id"], agents=self.agents)

    def wait_results(self, names, deadline):
        """True once every agent named has answered since the last clearing."""
        with self.lock:
            while True:
                if set(names) <= {name for name, _, _ in self.results}:
                    return True
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self.lock.wait(left)

    def run(self, command):
        mode = command["mode"]
        client_kind, server_kind = (("Notifier", "Listener") if mode == "notify"
                                    else ("RPCClient", "RPCServer"))
        self.ping()
        clients = self.agents.get(client_kind, [])
        servers = self.agents.get(server_kind, [])
        count, pause = command.get("count", 1), command.get("pause", 0)
        if not clients or not servers:
            raise RuntimeError("No %s visible" % (server_kind if clients else client_kind))
        kwargs = {"verbose": False, "pause": pause, "data": "X" * command.get("length", 1024),
                  "count": count}
        if mode == "notify":
            kwargs["severity"] = command.get("severity", "debug")
        deadline = time.monotonic() + self.given["timeout"]
        # Once before the run, so that servers start from zero whatever came before.
        with self.lock:
            self.results, self.problems = [], []
        self.cast(server_kind, "get_server_results", reply_addr=self.address)
        self.wait_results(servers, deadline)
        with self.lock:
            self.results = []
        self.cast(client_kind, "run_test", test="test_" + mode, kwargs=kwargs,
                  reply_addr=self.address)
        complete = self.wait_results(clients, deadline)
        with self.lock:
            client_results = {name: r for name, _, r in self.results}
            self.results = []
        if not complete:
            self.problems.append("no results from %s" % sorted(set(clients) - set(client_results)))
        sent = sum(r["msgs_ok"] for r in client_results.values())
        expected = sent * len(servers) if mode == "fanout" else sent
        server_results = {}
        received = 0
        wait = max(0.25, 2 * pause)
        while received < expected and time.monotonic() < deadline:
            with self.lock:
                self.results = []
            self.cast(server_kind, "get_server_results", reply_addr=self.address)
            self.wait_results(servers, min(deadline, time.monotonic() + 5))
            with self.lock:
                found = 0
                for name, _, results in self.results:
                    server_results.setdefault(name, []).append(results)
                    found += results["msgs_ok"]
            received += found
            if received < expected:
                time.sleep(wait)
                wait = 0.25 if found else wait * 2
        for results in list(client_results.values()) + sum(server_results.values(), []):
            self.problems += control.check_record(results)
        peer.say(event="run", id=command["id"], clients=client_results, servers=server_results,
                 sent=sent, received=received, expected=expected,
                 failed=sum(r["msgs_fail"] for r in client_results.values()),
                 problems=self.problems)

    def shutdown(self, _command):
        for kind in control.KINDS:
            self.cast(kind, "shutdown")

    def close(self):
        self.server.stop()
        self.server.wait()
        self.transport.cleanup()


class Endpoint:
    def __init__(self, controller):
        self._controller = controller

    def self_ready(self, ctxt):
        return True

    def client_pong(self, ctxt, kind, name):
        c = self._controller
        with c.lock:
            names = c.agents.setdefault(kind, [])
            if name in names:
                c.problems.append("second pong of %s" % name)
            else:
                names.append(name)
            c.last_pong = time.monotonic()
            c.lock.notify_all()
        return True

    def client_result(self, ctxt, name, kind, results):
        c = self._controller
        unknown = set(results) - set(control.RESULT_KEYS)
        with c.lock:
            if unknown:
                c.problems.append("unknown keys %s from %s" % (sorted(unknown), name))
            else:
                c.results.append((name, kind, results))
            c.lock.notify_all()


def main():
    given = peer.options()
    given.setdefault("topic", "test-topic")
    given.setdefault("timeout", 60)
    given.setdefault("idle", 2)
    controller = Controller(given)
    peer.say(event="ready", name=controller.name)
    peer.serve_commands({"ping": controller.ping, "run": controller.run,
                         "shutdown": controller.shutdown}, controller.close, in_order=True)


if __name__ == "__main__":
    main()
