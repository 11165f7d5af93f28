#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What the broker shows of both sides compared: broker_view_test.py REFERENCE:SUBJECT (with
python:native:lean it must fail).

Each side gets a fresh virtual host and the same targets: a server, a client, a notifier and a
listener, kept running while rabbitmqctl lists them. Messages are taken with basic.get from queues
that no one consumes. uuids, process ids and times are masked; product and version are each side's.
"""

import concurrent.futures as futures
import json
import re
import sys
import time
import unittest

import bus
from peers import PYTHON_PEERS, Peer

sys.path.insert(0, PYTHON_PEERS)
import amqp_recorder  # pylint: disable=wrong-import-position

REFERENCE, SUBJECT, TOPOLOGY = bus.sides()
EXCHANGE, TOPIC = "view-exchange", "view-topic"

LISTINGS = {
    "connections": ["list_connections", "vhost", "user", "auth_mechanism", "protocol", "state",
                    "channels", "channel_max", "frame_max", "timeout", "ssl", "client_properties"],
    "channels": ["list_channels", "vhost", "user", "number", "confirm", "transactional",
                 "prefetch_count", "global_prefetch_count", "consumer_count",
                 "messages_unacknowledged", "messages_unconfirmed", "acks_uncommitted"],
    "exchanges": ["list_exchanges", "name", "type", "durable", "auto_delete", "internal",
                  "arguments", "policy"],
    "queues": ["list_queues", "name", "durable", "auto_delete", "exclusive", "arguments", "type",
               "consumers", "messages", "policy"],
    "bindings": ["list_bindings", "source_name", "source_kind", "destination_name",
                 "destination_kind", "routing_key", "arguments"],
    "consumers": ["list_consumers", "queue_name", "consumer_tag", "ack_required", "prefetch_count",
                  "active", "arguments"],
}
SCOPED = ("exchanges", "queues", "bindings", "consumers")
OPTIONS = {
    "defaults": {},
    "quorum": {"rabbit_quorum_queue": True, "rabbit_quorum_delivery_limit": 3,
               "rabbit_qos_prefetch_count": 5, "rabbit_transient_queues_ttl": 60,
               "heartbeat_timeout_threshold": 30, "rabbit_login_method": "PLAIN"},
}


def masked(value, names):
    if isinstance(value, dict):
        return {k: masked(v, names) for k, v in value.items()}
    if isinstance(value, list):
        return [masked(v, names) for v in value]
    if isinstance(value, str):
        for own, common in names.items():
            value = value.replace(own, common)
        value = amqp_recorder.mask(value)
        return re.sub(r"^[\w.-]+:\d+:<uuid>$", "<program>:<pid>:<uuid>", value)
    return value


def properties_text(properties):
    """client_properties as keys with values, in the broker's order, product and version masked."""
    if isinstance(properties, dict):
        properties = list(properties.items())
    # rabbitmqctl prints a table as a list of [key, type, value] or as an object.
    text = []
    for row in properties:
        key, value = row[0], row[-1]
        text.append([key, "<own>" if key in ("product", "product_version", "version") else value])
    return text


def take_listing(name, vhost):
    what, *columns = LISTINGS[name]
    rows = bus.listing(what, *columns, vhost=vhost)
    for row in rows:
        if "client_properties" in row:
            row["client_properties"] = properties_text(row["client_properties"])
    return rows


class View:
    """What the broker shows of one side with one set of options."""

    def __init__(self, side, options):
        self.side = side
        self.options = {"rabbit": OPTIONS[options]} if OPTIONS[options] else {}
        self.peers = []
        self.vhost = bus.unique("view")
        self.url = bus.add_vhost(self.vhost)
        self.address = bus.Address(self.url)
        self.listings, self.messages = {}, {}
        try:
            self.run_all()
        except BaseException:
            self.end()
            raise

    def end(self):
        for peer in self.peers:
            peer.kill()
        bus.ctl("delete_vhost", self.vhost)

    def start(self, kind, **options):
        self.peers.append(Peer(kind, self.side, url=self.url, exchange=EXCHANGE, wait=False,
                               topology=TOPOLOGY, **self.options, **options))
        return self.peers[-1]

    def run_all(self):
        server = self.start("rpc_server", topic=TOPIC, server="srv")
        client = self.start("rpc_client")
        listener = self.start("listener", topic=TOPIC + "-n", priorities=["debug"])
        pooled = self.start("listener", topic=TOPIC + "-n", priorities=["debug"], pool="view-pool")
        notifier = self.start("notifier", topic=TOPIC + "-n")
        for peer in (server, client, listener, pooled, notifier):
            peer.wait_ready()
        target = {"exchange": EXCHANGE, "topic": TOPIC}
        for n in range(3):
            assert client.one("call", target=target, method="echo", args={"data": n})["ok"]
            time.sleep(0.2)  # one reply connection: the last must be free again
        assert client.one("cast", target=target, method="noop")["ok"]
        assert client.one("cast", target=dict(target, fanout=True), method="noop")["ok"]
        notifier.many("notify", payload={"a": 1})
        listener.wait_notifications(1)
        pooled.wait_notifications(1)
        server.wait_report(lambda r: r["calls"].get("noop", 0) == 2, "two casts")

    def get(self, channel, queue):
        deadline = time.monotonic() + 10
        while True:
            message = channel.basic_get(queue, no_ack=True)
            if message is not None:
                return {"properties": [[k, masked(v, {})] for k, v in message.properties.items()],
                        "body": masked(message.body if isinstance(message.body, str)
                                       else message.body.decode(), {}),
                        "exchange": message.delivery_info["exchange"],
                        "routing_key": message.delivery_info["routing_key"]}
            if time.monotonic() > deadline:
                raise AssertionError("%s: nothing in %s" % (self.side, queue))
            time.sleep(0.05)

    def take_messages(self):
        """One message of each kind, off queues that nobody consumes."""
        found = {}
        client = self.peers[1]
        topic = TOPIC + "-unserved"
        target = {"exchange": EXCHANGE, "topic": topic}
        args = {"data": "ä \"q\" \\ \U0001f600", "n": [1, 2.5, None, True], "o": {"k": {}}}
        context = {"user": "ü", "roles": ["r"]}
        with self.address.channel() as channel:
            channel.queue_declare("taken", auto_delete=False)
            channel.queue_bind("taken", EXCHANGE, topic)
            channel.exchange_declare(topic + "_fanout", "fanout", auto_delete=True)
            channel.queue_bind("taken", topic + "_fanout", topic)
            # A call expires with its timeout in the queue too, so it is taken while it waits.
            number = client.start("call", target=target, method="echo", args=args, timeout=5,
                                  call_monitor_timeout=30)
            found["call"] = self.get(channel, "taken")
            client.finish(number)
            number = client.start("call", target=dict(target, namespace="ns", version="1.5"),
                                  method="echo", args=args, context=context, timeout=5)
            found["call with namespace, version and context"] = self.get(channel, "taken")
            client.finish(number)
            client.one("cast", target=target, method="noop", args=args, context=context)
            found["cast"] = self.get(channel, "taken")
            client.one("cast", target=dict(target, fanout=True), method="noop", args=args)
            found["fanout"] = self.get(channel, "taken")
            for name, method, data in (("reply", "echo", args), ("failure", "boom", None),
                                       ("unknown method", "nowhere", None)):
                found[name] = self.reply(channel, method, data)
            self.peers[2].kill()
            for driver in ("messaging", "messagingv2"):
                notifier = self.start("notifier", topic=TOPIC + "-m", driver=driver)
                notifier.wait_ready()
                notifier.many("notify", payload=args, context={"user_id": "u"}, priority="info")
                found["notification of " + driver] = self.get(channel, TOPIC + "-m.info")
        return found

    def reply(self, channel, method, data):
        """Has the server answer a request of ours into a queue of ours."""
        channel.queue_declare("answers")
        request = json.dumps({
            "oslo.version": "2.0", "oslo.message": json.dumps({
                "method": method, "args": {"data": data} if data else {}, "_msg_id": "0" * 32,
                "_reply_q": "answers", "_timeout": None, "_unique_id": bus.uuid.uuid4().hex})})
        channel.basic_publish(bus.amqp.Message(
            request, content_type="application/json", content_encoding="utf-8"),
            exchange=EXCHANGE, routing_key=TOPIC)
        message = self.get(channel, "answers")
        # The text of a traceback is its own program's.
        message["body"] = re.sub(r'(\\*"tb\\*": \[).*?(\], \\*"args)', r"\1<traceback>\2",
                                 message["body"])
        return message


class BrokerView(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.views = {}
        cls.addClassCleanup(lambda: [view.end() for view in cls.views.values()])
        with futures.ThreadPoolExecutor(max_workers=2) as pool:
            jobs = {(options, role): pool.submit(View, side, options) for options in OPTIONS
                    for role, side in (("reference", REFERENCE), ("subject", SUBJECT))}
        cls.views = {key: job.result() for key, job in jobs.items() if not job.exception()}
        for job in jobs.values():
            job.result()
        # The Python listener acknowledges at its next turn, which may take some seconds.
        deadline = time.monotonic() + 15
        while True:
            channels = take_listing("channels", None)
            if not any(row["messages_unacknowledged"] for row in channels) or \
                    time.monotonic() > deadline:
                break
        connections = take_listing("connections", None)
        with futures.ThreadPoolExecutor(max_workers=2) as pool:
            for view in cls.views.values():
                view.listings = {name: pool.submit(take_listing, name, view.vhost)
                                 for name in SCOPED}
        for view in cls.views.values():
            view.listings = {name: job.result() for name, job in view.listings.items()}
            for name, rows in (("connections", connections), ("channels", channels)):
                view.listings[name] = [row for row in rows if row["vhost"] == view.vhost]
            view.listings = {name: sorted(masked(rows, {view.vhost: "<vhost>"}), key=json.dumps)
                             for name, rows in view.listings.items()}
        for role in ("reference", "subject"):
            view = cls.views["defaults", role]
            view.messages = view.take_messages()

    def test_listings_show_the_same(self):
        for options in OPTIONS:
            for name in LISTINGS:
                with self.subTest(options=options, listing=name):
                    reference = self.views[options, "reference"].listings[name]
                    self.assertTrue(reference)
                    self.assertEqual(self.views[options, "subject"].listings[name], reference)

    def test_the_listings_hold_what_they_should(self):
        # So that two empty or wrong listings cannot pass as equal.
        for role in ("reference", "subject"):
            found = self.views["defaults", role].listings
            # Server and its reply connection, client's two, two listeners, notifier.
            self.assertEqual(len(found["connections"]), 7, found["connections"])
            self.assertEqual(len(found["channels"]), 7)
            self.assertEqual(len([c for c in found["channels"] if c["confirm"]]), 3)
            queues = {q["name"] for q in found["queues"]}
            self.assertEqual(queues, {
                TOPIC, TOPIC + ".srv", TOPIC + "_fanout_<hex32>", "reply_<hex32>",
                TOPIC + "-n.debug", "view-pool"})
            self.assertEqual(len(found["consumers"]), 6)

    def test_messages_are_the_same_to_the_byte(self):
        reference = self.views["defaults", "reference"].messages
        subject = self.views["defaults", "subject"].messages
        self.assertEqual(len(reference), 9)
        for kind, message in reference.items():
            with self.subTest(kind=kind):
                self.assertEqual(subject[kind], message)


if __name__ == "__main__":
    bus.main()
