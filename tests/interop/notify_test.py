#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Notifications between a notifier and a listener: notify_test.py NOTIFIER:LISTENER[:TOPOLOGY].

Over RabbitMQ or an AMQP 1.0 router, as OMBT_URL says. A router holds no messages and knows no pools:
what is about those is skipped there."""

import datetime
import time
import unittest

import bus
from peers import Peer

NOTIFIER, LISTENER, TOPOLOGY = bus.sides()
BUS = bus.kind()

stores = unittest.skipUnless(BUS == "rabbit", "a router holds no messages")
pools = unittest.skipUnless(BUS == "rabbit", "a router knows no pools")


def in_order(items):
    """What came, in the order that can be expected: the Python listener hands to threads."""
    return list(items) if LISTENER == "native" else sorted(items)


class Notify(unittest.TestCase):
    def setUp(self):
        self.exchange, self.topic = bus.unique("ex"), bus.unique("notify")
        self.peers = []
        self.addCleanup(lambda: [peer.kill() for peer in self.peers])

    def start(self, kind, **options):
        side = NOTIFIER if kind == "notifier" else LISTENER
        self.peers.append(Peer(kind, side, url=bus.url(), exchange=self.exchange,
                               topic=self.topic, topology=TOPOLOGY, **options))
        return self.peers[-1]

    def start_all(self, **peers):
        """Starts several at once: {name: (kind, options)}."""
        started = {name: self.start(kind, wait=False, **options)
                   for name, (kind, options) in peers.items()}
        for peer in started.values():
            peer.wait_ready()
        return list(started.values())

    def both_formats(self, driver):
        listener, notifier = self.start_all(
            l=("listener", {"priorities": ["debug", "error"]}),
            n=("notifier", {"driver": driver, "publisher": "pub.hôst"}))
        payload = {"text": "ä \"q\" \\ \U0001f600", "n": [1, 2.5, None]}
        for priority in ("debug", "error"):
            summary = notifier.many("notify", priority=priority, event_type="some.event",
                                    payload=payload, tag=priority, count=10)
            self.assertEqual((summary["ok"], summary["failed"]), (10, 0), summary)
        if BUS == "rabbit":
            # One that nobody listens for; a router would have its sender wait for a listener.
            notifier.many("notify", priority="info", payload=payload, tag="info")
        listener.wait_notifications(20)
        time.sleep(0.3)
        found = listener.notifications()
        self.assertEqual(len(found), 20)
        self.assertEqual(len({line["message_id"] for line in found}), 20)
        for priority in ("debug", "error"):
            mine = [line for line in found if line["priority"] == priority]
            # In the order sent: one queue, one connection.
            self.assertEqual(in_order(line["payload"]["tag"] for line in mine),
                             ["%s-%d" % (priority, n) for n in range(10)])
        for line in found:
            self.assertEqual((line["publisher_id"], line["event_type"], line["requeued"]),
                             ("pub.hôst", "some.event", False))
            self.assertEqual({k: line["payload"][k] for k in payload}, payload)
            self.assertRegex(line["message_id"],
                             "^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$")
            sent = datetime.datetime.strptime(line["timestamp"], "%Y-%m-%d %H:%M:%S.%f")
            self.assertLess(abs((datetime.datetime.utcnow() - sent).total_seconds()), 60)

    def test_messaging_sends_notifications_without_an_envelope(self):
        self.both_formats("messaging")

    def test_messagingv2_sends_notifications_in_an_envelope(self):
        self.both_formats("messagingv2")

    @pools
    def test_pools_each_get_a_copy_and_share_it_between_their_members(self):
        one, first, second, notifier = self.start_all(
            one=("listener", {"pool": self.topic + "-one"}),
            first=("listener", {"pool": self.topic + "-two"}),
            second=("listener", {"pool": self.topic + "-two"}),
            n=("notifier", {}))
        notifier.many("notify", tag="p", count=40)
        wanted = ["p-%d" % n for n in range(40)]
        found = [x["payload"]["tag"] for x in one.wait_notifications(40)]
        self.assertEqual(in_order(found), in_order(wanted))
        deadline = time.monotonic() + 20
        while len(first.notifications()) + len(second.notifications()) < 40 and \
                time.monotonic() < deadline:
            time.sleep(0.1)
        time.sleep(0.3)
        halves = [[x["payload"]["tag"] for x in peer.notifications()] for peer in (first, second)]
        self.assertTrue(halves[0] and halves[1], halves)
        self.assertEqual(sorted(halves[0] + halves[1]), sorted(wanted))
        self.assertEqual(len(one.notifications()), 40)

    @pools
    def test_a_pool_hears_every_priority_in_one_queue(self):
        listener, notifier = self.start_all(
            l=("listener", {"pool": self.topic + "-p", "priorities": ["debug", "info", "audit"]}),
            n=("notifier", {"driver": "messagingv2"}))
        for priority in ("info", "debug", "audit"):
            notifier.many("notify", priority=priority, tag=priority)
        found = listener.wait_notifications(3)
        self.assertEqual(in_order(x["priority"] for x in found),
                         in_order(["info", "debug", "audit"]))

    @stores
    def test_a_requeued_notification_comes_again(self):
        listener, notifier = self.start_all(l=("listener", {"requeue": 3}), n=("notifier", {}))
        notifier.many("notify", tag="r", count=10)
        found = listener.wait_notifications(13)
        time.sleep(0.3)
        found = listener.notifications()
        self.assertEqual(len(found), 13)
        self.assertEqual([x["requeued"] for x in found].count(True), 3)
        handled = sorted(x["payload"]["tag"] for x in found if not x["requeued"])
        self.assertEqual(handled, sorted("r-%d" % n for n in range(10)))
        # Nothing may be left unacknowledged.
        with bus.address().channel() as channel:
            listener.kill()
            time.sleep(0.5)
            ready = channel.queue_declare(self.topic + ".debug", passive=True).message_count
        self.assertEqual(ready, 0)

    @stores
    def test_unread_notifications_wait_for_the_next_listener(self):
        notifier = self.start("notifier")
        notifier.many("notify", tag="early", count=5)
        listener = self.start("listener")
        self.assertEqual(in_order(x["payload"]["tag"] for x in listener.wait_notifications(5)),
                         ["early-%d" % n for n in range(5)])

    @stores
    def test_an_acknowledged_notification_is_gone_for_good(self):
        notifier = self.start("notifier")
        first = self.start("listener")
        notifier.many("notify", tag="a")
        first.wait_notifications(1)
        # Acknowledged ones are gone …
        time.sleep(1.5)
        first.kill()
        notifier.many("notify", tag="b")
        second = self.start("listener")
        second.wait_notifications(1)
        time.sleep(0.3)
        self.assertEqual([x["payload"]["tag"] for x in second.notifications()], ["b-0"])


if __name__ == "__main__":
    bus.main()
