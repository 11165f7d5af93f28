#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""An RPC server on oslo.messaging.

Options: exchange, topic, server, namespace and version of its endpoint, ping (rpc_ping_enabled),
slots (executor_thread_pool_size), keep (remember the "tag" of each request for "report").
Methods: echo(data), noop(…), self_ready(), slow(seconds), boom(message, kind), who(),
context() (the request context), private ones refused by the library.
Commands: report -> {"event": "report", "calls": {method: n}, "tags": {tag: n}}; stop.
"""

import threading
import time

import oslo_messaging

import peer


class OwnError(Exception):
    """An exception that no caller knows."""


class Endpoint:
    def __init__(self, given):
        self.server = given["server"]
        if given.get("namespace") is not None or given.get("version") is not None:
            self.target = oslo_messaging.Target(namespace=given.get("namespace"),
                                                version=given.get("version"))
        self._lock = threading.Lock()
        self._calls = {}
        self._tags = {}

    def _count(self, method, tag=None):
        with self._lock:
            self._calls[method] = self._calls.get(method, 0) + 1
            if tag is not None:
                self._tags[tag] = self._tags.get(tag, 0) + 1

    def echo(self, ctxt, data=None, tag=None, **_):
        self._count("echo", tag)
        return data

    def noop(self, ctxt, tag=None, **_):
        self._count("noop", tag)

    def self_ready(self, ctxt):
        self._count("self_ready")
        return True

    def slow(self, ctxt, seconds, tag=None):
        self._count("slow", tag)
        time.sleep(seconds)
        return "slept"

    def boom(self, ctxt, message="", kind="ValueError"):
        self._count("boom")
        raise {"ValueError": ValueError, "KeyError": KeyError, "OwnError": OwnError}[kind](message)

    def who(self, ctxt, tag=None):
        self._count("who", tag)
        return self.server

    def context(self, ctxt):
        self._count("context")
        return ctxt

    def _report(self):
        with self._lock:
            return {"calls": dict(self._calls), "tags": dict(self._tags)}


def main():
    given = peer.options()
    conf = peer.configuration(given)
    transport = peer.rpc_transport(given, conf)
    if given.get("ping"):
        conf.set_override("rpc_ping_enabled", True)
    endpoint = Endpoint(given)
    target = oslo_messaging.Target(exchange=given.get("exchange"), topic=given["topic"],
                                   server=given["server"])
    server = oslo_messaging.get_rpc_server(transport, target, [endpoint], executor="threading")
    if given.get("slots"):
        conf.set_override("executor_thread_pool_size", given["slots"])
    server.start()
    peer.say(event="ready", server=given["server"])
    stopped = []

    def stop(_command=None):
        if not stopped:
            stopped.append(True)
            server.stop()
            server.wait()

    def close():
        stop()
        transport.cleanup()

    peer.serve_commands({
        "report": lambda c: peer.say(event="report", id=c["id"], **endpoint._report()),
        "stop": stop}, close)


if __name__ == "__main__":
    main()
