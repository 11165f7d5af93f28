# SPDX-License-Identifier: Apache-2.0
"""The bus that the interop tests run on: its URL and kind, what it shows of itself, further buses.

OMBT_URL names it. `ombt-bus rabbit -- COMMAND` sets that and what rabbitmqctl needs;
`ombt-bus router -- COMMAND` sets it to an AMQP 1.0 router, with neither rabbitmqctl nor channel
but answers management queries.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import unittest
import urllib.parse
import uuid

import amqp
import proton
import proton.utils

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests", "peers"))
import amqp10_recorder  # pylint: disable=wrong-import-position
import amqp_recorder  # pylint: disable=wrong-import-position

RABBITMQCTL = "/usr/lib/rabbitmq/bin/rabbitmqctl"
BIN = os.environ.get("OMBT_BIN", os.path.join(ROOT, "build/dev/bin"))
KINDS = {"rabbit": "rabbit", "amqp": "router"}  # by the scheme of the URL


def unique(prefix):
    """A name that no other test uses."""
    return "%s-%s" % (prefix, uuid.uuid4().hex[:10])


class Address:
    """A transport URL with one host, in parts. A router may have no login."""

    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        self.scheme = parts.scheme
        self.host = parts.hostname or "localhost"
        self.port = parts.port or 5672
        nobody = "guest" if self.scheme == "rabbit" else ""
        self.user = urllib.parse.unquote(parts.username or nobody)
        self.password = urllib.parse.unquote(parts.password or nobody)
        self.vhost = urllib.parse.unquote(parts.path[1:]) or self.no_vhost

    @property
    def no_vhost(self):
        return "/" if self.scheme == "rabbit" else ""

    def url(self, port=None, vhost=None, user=None, password=None, query="", host=None):
        quote = lambda text: urllib.parse.quote(text, safe="")
        vhost = self.vhost if vhost is None else vhost
        user, password = user or self.user, password or self.password
        login = "%s:%s@" % (quote(user), quote(password)) if user else ""
        return "%s://%s%s:%d/%s%s" % (
            self.scheme, login, host or self.host, port or self.port,
            "" if vhost == self.no_vhost else quote(vhost), query)

    def recorder(self, **options):
        """A recording proxy in front of this bus."""
        decoder = {"rabbit": amqp_recorder, "amqp": amqp10_recorder}[self.scheme].Decoder
        return amqp_recorder.Recorder(self.host, self.port, decoder=decoder, **options)

    @contextlib.contextmanager
    def channel(self, **options):
        """A py-amqp channel on this bus."""
        connection = amqp.Connection("%s:%d" % (self.host, self.port), userid=self.user,
                                     password=self.password, virtual_host=self.vhost, **options)
        connection.connect()
        try:
            yield connection.channel()
        finally:
            try:
                connection.close()
            except (OSError, amqp.AMQPError):
                pass


def url():
    found = os.environ.get("OMBT_URL")
    if not found:
        raise RuntimeError("OMBT_URL is not set: run this under `ombt-bus rabbit --`")
    return found


def kind_of(some_url):
    """"rabbit" or "router": what a URL's scheme says."""
    scheme = urllib.parse.urlsplit(some_url).scheme
    if scheme not in KINDS:
        raise RuntimeError("a URL of no kind that is known here: %s" % scheme)
    return KINDS[scheme]


def kind():
    """What the bus under test is."""
    return kind_of(url())


def address():
    return Address(url())


class Private:
    """A bus beside the one under test: kind "rabbit" or "router". To be ended by its user."""

    def __init__(self, kind):
        self.process = subprocess.Popen([os.path.join(BIN, "ombt-bus"), kind],
                                        stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().strip()
        if not self.url:
            raise RuntimeError("ombt-bus %s gave no URL" % kind)

    def end(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        self.process.stdout.close()


class Router(Private):
    """A router of its own with options of its own."""

    def __init__(self, *options):  # pylint: disable=super-init-not-called
        self.process = subprocess.Popen([os.path.join(BIN, "ombt-router"), *options],
                                        stdout=subprocess.PIPE, text=True)
        self.url = self.process.stdout.readline().strip()
        if not self.url:
            raise RuntimeError("ombt-router gave no URL")
        self.address = Address(self.url)


def rows(entity, at=None):
    """What a router's management says of "connection", "router.link", "router.address" or "router":
    a list of dicts. Its own connection is among them."""
    at = at or address()
    login = {"user": at.user, "password": at.password} if at.user else {}
    connection = proton.utils.BlockingConnection("%s:%d" % (at.host, at.port), timeout=30,
                                                 allow_insecure_mechs=True, **login)
    try:
        client = proton.utils.SyncRequestResponse(connection, "$management")
        answer = client.call(proton.Message(
            properties={"operation": "QUERY", "type": "org.amqp.management", "name": "self",
                        "entityType": "org.apache.qpid.dispatch." + entity},
            body={"attributeNames": []}))
        names = answer.body["attributeNames"]
        return [dict(zip(names, row)) for row in answer.body["results"]]
    finally:
        connection.close()


def wait_serving(at=None, patience=60):
    """Until the bus answers a protocol header, or takes a login."""
    at = at or address()
    deadline = time.monotonic() + patience
    while True:
        try:
            if at.scheme == "rabbit":
                with at.channel():
                    return
            with socket.create_connection((at.host, at.port), timeout=5) as peer:
                peer.sendall(b"AMQP\x00\x01\x00\x00")
                if peer.recv(8):
                    return
        except (OSError, amqp.AMQPError):
            if time.monotonic() > deadline:
                raise
        time.sleep(0.1)


def ctl(*arguments, timeout=60):
    """rabbitmqctl's standard output."""
    done = subprocess.run([RABBITMQCTL, "-q", *arguments], stdout=subprocess.PIPE, timeout=timeout,
                          stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError("rabbitmqctl %s: %s%s" % (" ".join(arguments), done.stdout, done.stderr))
    return done.stdout


def listing(what, *columns, vhost=None):
    """One of rabbitmqctl's listings as a list of dicts."""
    where = ["-p", vhost] if vhost is not None else []
    return json.loads(ctl(*where, "--formatter", "json", what, *columns) or "[]")


def add_vhost(name):
    """Makes a virtual host that this bus's user may do all in; its URL."""
    base = address()
    ctl("add_vhost", name)
    ctl("set_permissions", "-p", name, base.user, ".*", ".*", ".*")
    return base.url(vhost=name)


def sides(argv=sys.argv):
    """Takes FIRST:SECOND[:TOPOLOGY] off the command line: which side is native, which Python."""
    first, second, topology = "python", "python", "oslo"
    if len(argv) > 1 and ":" in argv[1] and not argv[1].startswith("-"):
        parts = argv.pop(1).split(":", 2)
        first, second = parts[0], parts[1]
        if len(parts) > 2:
            topology = parts[2]
    for side in (first, second):
        if side not in ("python", "native", "mixed"):
            raise SystemExit("no side %s" % side)
    return first, second, topology


def option(name, argv=sys.argv):
    """Takes NAME VALUE off the command line: the value, or None."""
    if name not in argv:
        return None
    at = argv.index(name)
    argv.pop(at)
    return argv.pop(at)


def main():
    unittest.main(verbosity=2)
