# SPDX-License-Identifier: Apache-2.0
"""What the control peers share: names, the results record, and readiness (docs/wire.md, ombt)."""

import math
import os
import socket
import time
import uuid

import oslo_messaging

CONTROL = "ombt-control"
RPC_TEST = "ombt-rpc-test"
NOTIFY_TEST = "ombt-notify-test"
KINDS = ("RPCClient", "RPCServer", "Listener", "Notifier")
# The keys of a results record; a Python controller knows no others.
RESULT_KEYS = ("start_time", "stop_time", "msgs_ok", "msgs_fail", "latency", "errors")


def make_name(topic, kind):
    return "ombt-%s-%s-%s-%d-%s" % (topic, kind, socket.gethostname(), os.getpid(),
                                    uuid.uuid4().hex)


def agent_topic(kind, topic, unique):
    # ombt 3.0.0's listeners and notifiers ignore --unique, so that its own controller cannot find
    # them then; here all kinds honour it.
    return "client-%s-%s" % (kind, "singleton" if unique else topic)


def wait_self_ready(transport, topic, server):
    """Calls self_ready on the process's own control name until it answers."""
    target = oslo_messaging.Target(exchange=CONTROL, topic=topic, server=server)
    client = oslo_messaging.get_rpc_client(transport, target, timeout=2)
    for _ in range(25):
        try:
            if client.call({}, "self_ready") is True:
                return
        except oslo_messaging.MessagingTimeout:
            pass
    raise RuntimeError("%s: not ready" % server)


class Latency:
    """min, max, total, count, sum of squares and a distribution by decade and first digit, ms."""

    def __init__(self):
        self.min = self.max = None
        self.total = self.sum_of_squares = 0.0
        self.count = 0
        self.distribution = {}

    def add(self, ms):
        self.min = ms if self.min is None else min(self.min, ms)
        self.max = ms if self.max is None else max(self.max, ms)
        self.total += ms
        self.sum_of_squares += ms * ms
        self.count += 1
        decade = 0 if ms < 1 else int(math.floor(math.log10(ms)))
        digit = 0 if ms < 1 else int(ms / 10 ** decade)
        self.distribution.setdefault(decade, [0] * 10)[min(digit, 9)] += 1

    def record(self):
        return {"min": self.min, "max": self.max, "total": self.total, "count": self.count,
                "sum_of_squares": self.sum_of_squares,
                "distribution": {str(k): v for k, v in sorted(self.distribution.items())}}


class Results:
    def __init__(self):
        self.start_time = self.stop_time = None
        self.msgs_ok = self.msgs_fail = 0
        self.latency = Latency()
        self.errors = {}

    def seen(self, at):
        self.start_time = at if self.start_time is None else min(self.start_time, at)
        self.stop_time = at if self.stop_time is None else max(self.stop_time, at)

    def record(self):
        return {"start_time": self.start_time, "stop_time": self.stop_time,
                "msgs_ok": self.msgs_ok, "msgs_fail": self.msgs_fail,
                "latency": self.latency.record(), "errors": dict(self.errors)}


def check_record(results):
    """What is wrong with a results record that came over the bus; empty if nothing is."""
    problems = []
    if list(results) != [k for k in RESULT_KEYS if k in results]:
        problems.append("keys %s" % list(results))
    latency = results.get("latency", {})
    if list(latency) != ["min", "max", "total", "count", "sum_of_squares", "distribution"]:
        problems.append("latency keys %s" % list(latency))
    binned = 0
    for decade, counts in latency.get("distribution", {}).items():
        int(decade)
        if len(counts) != 10:
            problems.append("decade %s has %d counts" % (decade, len(counts)))
        binned += sum(counts)
    if binned != latency.get("count"):
        problems.append("%d in the distribution, count %s" % (binned, latency.get("count")))
    if latency.get("count"):
        mean = latency["total"] / latency["count"]
        if not latency["min"] <= mean <= latency["max"]:
            problems.append("mean %s outside %s..%s" % (mean, latency["min"], latency["max"]))
        if not 0 <= latency["min"] < 600000:
            problems.append("minimum %s ms" % latency["min"])
    if results.get("msgs_ok"):
        if not time.time() - 3600 < results["start_time"] <= results["stop_time"] <= \
                time.time() + 5:
            problems.append("times %s %s" % (results["start_time"], results["stop_time"]))
    return problems
