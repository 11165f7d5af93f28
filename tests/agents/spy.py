# SPDX-License-Identifier: Apache-2.0
"""Reads along on the bus: a queue of its own beside those of the agents; and writes by hand."""

import json
import time
import uuid

import amqp

import bus
from peers import PATIENCE

JSON = {"content_type": "application/json", "content_encoding": "utf-8"}


def envelope(message):
    return json.dumps({"oslo.version": "2.0", "oslo.message": json.dumps(message)}).encode()


def cast(method, unique_id=None, **args):
    """The body of a cast."""
    return envelope({"method": method, "args": args, "_unique_id": unique_id or uuid.uuid4().hex})


class Spy:
    """A queue bound to an exchange (a fanout's must be there already), and a channel."""

    def __init__(self, test, exchange, key="", fanout=False):
        address = bus.address()
        self.connection = amqp.Connection(
            "%s:%d" % (address.host, address.port), userid=address.user,
            password=address.password, virtual_host=address.vhost)
        self.connection.connect()
        test.addCleanup(self.connection.close)
        self.channel = self.connection.channel()
        self.exchange, self.key = exchange, key
        if not fanout:
            self.channel.exchange_declare(exchange, "topic", durable=False, auto_delete=False)
        self.queue = self.channel.queue_declare(exclusive=True).queue
        self.channel.queue_bind(self.queue, exchange, key)

    def take(self, condition=lambda message: True, what="message", timeout=PATIENCE):
        """The next message for which condition holds; others, and what is none, are thrown away."""
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            found = self.channel.basic_get(self.queue, no_ack=True)
            if found is None:
                time.sleep(0.005)
                continue
            try:
                message = json.loads(found.body)
                if "oslo.message" in message:  # notifications come without an envelope
                    message = json.loads(message["oslo.message"])
                dict(message)
            except (ValueError, TypeError):
                continue
            if condition(message):
                return message
        raise AssertionError("no %s on %s %s" % (what, self.exchange, self.key))

    def publish(self, body, key=None, exchange=None):
        self.channel.basic_publish(amqp.Message(body, **JSON),
                                   exchange=self.exchange if exchange is None else exchange,
                                   routing_key=self.key if key is None else key)

    def published(self):
        """What was published is in its queues: the broker answers in order."""
        self.channel.queue_declare(self.queue, passive=True)
