#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""An RPC client on oslo.messaging: one transport, any number of threads.

Commands: {"do": "call"|"cast", "id", "target": {exchange, topic, namespace, version, server,
fanout}, "method", "args": {…}, "context": {…}, "timeout", "call_monitor_timeout", "retry",
"count": N, "threads": M, "tag": PREFIX (argument "tag" becomes PREFIX-<n>), "quiet": bool}.
Each operation gives {"event": "result", "id", "n", "ok": true, "result": …, "seconds": s} or
{"ok": false, "error", "message"[, "class", "traceback"]} (not with quiet), the end {"event":
"summary", "ok": n, "failed": n, "errors": {name: n}, "results": {JSON of a result: n} if short}.
"""

import itertools
import json
import threading
import time

import oslo_messaging

import peer


class Client:
    def __init__(self, given):
        self.transport = peer.rpc_transport(given)

    def run(self, command):
        extra = {k: command[k] for k in ("timeout", "call_monitor_timeout", "retry")
                 if command.get(k) is not None}
        client = oslo_messaging.get_rpc_client(self.transport, peer.target(command["target"]))
        client = client.prepare(**extra)
        total = command.get("count", 1)
        numbers = itertools.count()
        lock = threading.Lock()
        summary = {"ok": 0, "failed": 0, "errors": {}, "results": {}}

        def work():
            while True:
                with lock:
                    n = next(numbers)
                if n >= total:
                    return
                args = dict(command.get("args", {}))
                if "tag" in command:
                    args["tag"] = "%s-%d" % (command["tag"], n)
                line = {"event": "result", "id": command.get("id"), "n": n}
                began = time.monotonic()
                try:
                    send = client.call if command["do"] == "call" else client.cast
                    line["result"] = send(command.get("context", {}), command["method"], **args)
                    line["ok"] = True
                except Exception as error:  # pylint: disable=broad-except
                    line["ok"] = False
                    line.update(peer.describe_error(error))
                line["seconds"] = round(time.monotonic() - began, 4)
                with lock:
                    summary["ok" if line["ok"] else "failed"] += 1
                    if not line["ok"]:
                        errors = summary["errors"]
                        errors[line["error"]] = errors.get(line["error"], 0) + 1
                    else:
                        key = json.dumps(line["result"])
                        if len(key) <= 100:
                            summary["results"][key] = summary["results"].get(key, 0) + 1
                if not command.get("quiet"):
                    peer.say(**line)

        threads = [threading.Thread(target=work, daemon=True)
                   for _ in range(command.get("threads", 1))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        peer.say(event="summary", id=command.get("id"), **summary)


def main():
    client = Client(peer.options())
    peer.say(event="ready")
    peer.serve_commands({"call": client.run, "cast": client.run}, client.transport.cleanup)


if __name__ == "__main__":
    main()
