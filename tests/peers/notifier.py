#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A notifier on oslo.messaging.

Options: exchange, topic, publisher, driver ("messaging" or "messagingv2").
Commands, run in order: {"do": "notify", "id", "priority", "event_type", "payload", "context",
"count", "tag"}; gives {"event": "summary", "ok", "failed", "errors"}. With "tag" the payload's key
"tag" becomes PREFIX-<n>.
"""

import oslo_messaging

import peer


def main():
    given = peer.options()
    transport = peer.notification_transport(given)
    # The driver reports failures by logging them only; retry=0 and the library's own logger are
    # what there is, so "ok" here means "returned".
    notifier = oslo_messaging.Notifier(transport, publisher_id=given.get("publisher", "test"),
                                       driver=given.get("driver", "messaging"),
                                       topics=[given["topic"]])
    peer.say(event="ready")

    def notify(command):
        summary = {"ok": 0, "failed": 0, "errors": {}}
        for n in range(command.get("count", 1)):
            payload = command.get("payload", {})
            if "tag" in command:
                payload = dict(payload, tag="%s-%d" % (command["tag"], n))
            try:
                getattr(notifier, command.get("priority", "debug"))(
                    command.get("context", {}), command.get("event_type", "test"), payload)
                summary["ok"] += 1
            except Exception as error:  # pylint: disable=broad-except
                summary["failed"] += 1
                name = peer.describe_error(error)["error"]
                summary["errors"][name] = summary["errors"].get(name, 0) + 1
        peer.say(event="summary", id=command.get("id"), **summary)

    peer.serve_commands({"notify": notify}, transport.cleanup, in_order=True)


if __name__ == "__main__":
    main()
