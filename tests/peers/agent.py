#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""ombt agents on oslo.messaging, as docs/wire.md describes ombt 3.0.0's: any number in a process.

Options: url, control (default: url), topic, unique, pool, agents: [kind, …]. Lines: {"event":
"agent", "kind", "name"} for each, then ready; {"event": "left", "name"} after a shutdown, and when
all have left the process closes. Commands: report -> {"event": "report", "pings": n, "runs": n}.
"""

import os
import threading
import time
import uuid

import oslo_messaging

import control
import peer


class Agent:
    """One agent: an endpoint on its control topic, and what its kind does."""

    def __init__(self, kind, given, control_transport, bus, left):
        self.kind, self.given, self.bus = kind, given, bus
        self.name = control.make_name(given["topic"], kind)
        self.control = control_transport
        self.lock = threading.Lock()
        self.results = control.Results()
        self.pings = self.runs = 0
        self.left = left
        self.servers = []
        topic = control.agent_topic(kind, given["topic"], given.get("unique"))
        target = oslo_messaging.Target(exchange=control.CONTROL, topic=topic, server=self.name)
        self._serve(oslo_messaging.get_rpc_server(
            control_transport, target, [ControlEndpoint(self)], executor="threading"))
        if kind == "RPCServer":
            target = oslo_messaging.Target(exchange=control.RPC_TEST,
                                           topic="rpc-" + given["topic"], server=self.name)
            self._serve(oslo_messaging.get_rpc_server(bus, target, [TestEndpoint(self)],
                                                      executor="threading"))
        elif kind == "Listener":
            target = oslo_messaging.Target(exchange=control.NOTIFY_TEST,
                                           topic="notify-" + given["topic"])
            self._serve(oslo_messaging.get_notification_listener(
                bus, [target], [NotificationEndpoint(self)], executor="threading",
                pool=given.get("pool")))
        control.wait_self_ready(control_transport, topic, self.name)

    def _serve(self, server):
        server.start()
        self.servers.append(server)

    def call_controller(self, reply_addr, method, **args):
        # As ombt: an unknown key in reply_addr is an error here.
        client = oslo_messaging.get_rpc_client(self.control, oslo_messaging.Target(**reply_addr))
        client.call({}, method, **args)

    def take_results(self):
        with self.lock:
            record = self.results.record()
            self.results = control.Results()
        return record

    def received(self, timestamp):
        now = time.time()
        with self.lock:
            self.results.seen(now)
            self.results.msgs_ok += 1
            self.results.latency.add(max(0.0, now - timestamp) * 1000)

    def run(self, test, kwargs, reply_addr):
        self.runs += 1
        work = {"test_call": self.test_rpc, "test_cast": self.test_rpc,
                "test_fanout": self.test_rpc, "test_notify": self.test_notify}.get(test)
        if work is None:
            return
        work(test, **{k: v for k, v in kwargs.items()
                      if k in ("pause", "data", "count", "severity")})
        self.call_controller(reply_addr, "client_result", name=self.name, kind=self.kind,
                             results=self.take_results())

    def _repeat(self, count, pause, send):
        run_id = uuid.uuid4().hex
        for n in range(count):
            began = time.time()
            start = time.monotonic()
            try:
                send(began, "%s:%d" % (run_id, n))
                with self.lock:
                    self.results.msgs_ok += 1
                    self.results.latency.add((time.monotonic() - start) * 1000)
            except Exception as error:  # pylint: disable=broad-except
                with self.lock:
                    self.results.msgs_fail += 1
                    text = str(error)
                    self.results.errors[text] = self.results.errors.get(text, 0) + 1
            with self.lock:
                self.results.seen(began)
                self.results.seen(time.time())
            if pause:
                time.sleep(pause)

    def test_rpc(self, test, data="", count=1, pause=0):
        target = oslo_messaging.Target(exchange=control.RPC_TEST,
                                       topic="rpc-" + self.given["topic"])
        client = oslo_messaging.get_rpc_client(self.bus, target, timeout=self.given["timeout"])
        try:
            client.call({}, "self_ready")
        except Exception as error:  # pylint: disable=broad-except
            with self.lock:
                self.results.errors[str(error)] = 1
        if test == "test_call":
            def send(now, msgid):
                back = client.call({}, "echo", data=data, timestamp=now, msgid=msgid)
                if back != data:
                    raise RuntimeError("echo came back changed")
        else:
            if test == "test_fanout":
                client = client.prepare(fanout=True)

            def send(now, msgid):
                client.cast({}, "noop", data=data, timestamp=now, msgid=msgid)
        self._repeat(count, pause, send)

    def test_notify(self, _test, data="", count=1, pause=0, severity="debug"):
        notifier = oslo_messaging.Notifier(self.bus, publisher_id=self.name, driver="messaging",
                                           topics=["notify-" + self.given["topic"]])

        def send(now, msgid):
            getattr(notifier, severity)({}, "notification-test",
                                        {"payload": data, "timestamp": now, "msgid": msgid})
        self._repeat(count, pause, send)

    def leave(self):
        for server in self.servers:
            server.stop()
        for server in self.servers:
            server.wait()
        peer.say(event="left", name=self.name)
        self.left(self)


class ControlEndpoint:
    """The methods of the control protocol; argument names are the protocol's, unknown ones fail."""

    def __init__(self, agent):
        self._agent = agent

    def self_ready(self, ctxt):
        return True

    def client_ping(self, ctxt, reply_addr):
        self._agent.pings += 1
        self._agent.call_controller(reply_addr, "client_pong", kind=self._agent.kind,
                                    name=self._agent.name)

    def run_test(self, ctxt, test, kwargs, reply_addr):
        if self._agent.kind in ("RPCClient", "Notifier"):
            self._agent.run(test, kwargs, reply_addr)

    def get_server_results(self, ctxt, reply_addr):
        if self._agent.kind in ("RPCServer", "Listener"):
            self._agent.call_controller(reply_addr, "client_result", name=self._agent.name,
                                        kind=self._agent.kind, results=self._agent.take_results())

    def shutdown(self, ctxt):
        threading.Thread(target=self._agent.leave).start()


class TestEndpoint:
    def __init__(self, agent):
        self._agent = agent

    def self_ready(self, ctxt):
        return True

    def echo(self, ctxt, data, timestamp, msgid):
        self._agent.received(timestamp)
        return data

    def noop(self, ctxt, data, timestamp, msgid):
        self._agent.received(timestamp)


class NotificationEndpoint:
    def __init__(self, agent):
        self._agent = agent

    def _receive(self, ctxt, publisher_id, event_type, payload, metadata):
        self._agent.received(payload["timestamp"])

    audit = debug = info = warn = error = critical = _receive


def main():
    given = peer.options()
    given.setdefault("topic", "test-topic")
    given.setdefault("timeout", 60)
    given["exchange"] = control.NOTIFY_TEST  # the Notifier takes no other way to name it
    conf = peer.configuration(given)
    # A transport an agent, as ombt has.
    transports = []

    def make(make_transport, url):
        transports.append(make_transport(dict(given, url=url), conf))
        return transports[-1]

    agents = []
    gone = []
    done = threading.Event()

    def left(agent):
        gone.append(agent)
        if len(gone) == len(given["agents"]):
            done.set()

    for kind in given["agents"]:
        bus = make(peer.notification_transport if kind in ("Listener", "Notifier")
                   else peer.rpc_transport, given["url"])
        agent = Agent(kind, given, make(peer.rpc_transport, given.get("control") or given["url"]),
                      bus, left)
        agents.append(agent)
        peer.say(event="agent", kind=kind, name=agent.name)
    peer.say(event="ready")

    def close():
        for agent in agents:
            if agent not in gone:
                agent.leave()
        for transport in transports:
            transport.cleanup()

    def close_after_shutdown():
        done.wait()
        peer.say(event="closed")
        os._exit(0)  # the command loop is blocked in a read

    threading.Thread(target=close_after_shutdown, daemon=True).start()
    peer.serve_commands({
        "report": lambda c: peer.say(event="report", id=c["id"],
                                     pings=sum(a.pings for a in agents),
                                     runs=sum(a.runs for a in agents))}, close)


if __name__ == "__main__":
    main()
