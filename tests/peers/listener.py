#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A notification listener on oslo.messaging.

Options: exchange, topic, priorities (default: debug), pool, requeue (how many to requeue first).
Lines: {"event": "notification", "requeued": bool, "priority", "publisher_id", "event_type",
"payload", "message_id", "timestamp", "context"}.
"""

import threading

import oslo_messaging

import peer


class Endpoint:
    """Has a method for each priority asked for, which is how the library learns of them."""

    def __init__(self, priorities, requeue):
        self._left = requeue
        self._lock = threading.Lock()
        for priority in priorities:
            setattr(self, priority, self._receiver(priority))

    def _receiver(self, priority):
        def receive(ctxt, publisher_id, event_type, payload, metadata):
            with self._lock:
                requeued = self._left > 0
                self._left -= requeued
            peer.say(event="notification", requeued=requeued, priority=priority,
                     publisher_id=publisher_id, event_type=event_type, payload=payload,
                     message_id=metadata["message_id"], timestamp=metadata["timestamp"],
                     context=ctxt)
            if requeued:
                return oslo_messaging.NotificationResult.REQUEUE
            return oslo_messaging.NotificationResult.HANDLED
        return receive


def main():
    given = peer.options()
    transport = peer.notification_transport(given)
    endpoint = Endpoint(given.get("priorities", ["debug"]), given.get("requeue", 0))
    target = oslo_messaging.Target(exchange=given.get("exchange"), topic=given["topic"])
    listener = oslo_messaging.get_notification_listener(
        transport, [target], [endpoint], executor="threading", allow_requeue=True,
        pool=given.get("pool"))
    listener.start()
    peer.say(event="ready")

    def close():
        listener.stop()
        listener.wait()
        transport.cleanup()

    peer.serve_commands({}, close)


if __name__ == "__main__":
    main()
