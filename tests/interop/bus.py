# SPDX-License-Identifier: Apache-2.0
"""The bus that the interop tests run on: its URL and kind, rabbitmqctl on it, a raw AMQP channel.

OMBT_URL names it. `ombt-bus rabbit -- COMMAND` sets that and what rabbitmqctl needs;
`ombt-bus router -- COMMAND` sets it to an AMQP 1.0 router, which has neither rabbitmqctl nor channel.
"""

import contextlib
import json
import os
import subprocess
import sys
import unittest
import urllib.parse
import uuid

import amqp

RABBITMQCTL = "/usr/lib/rabbitmq/bin/rabbitmqctl"


def unique(prefix):
    """A name that no other test uses."""
    return "%s-%s" % (prefix, uuid.uuid4().hex[:10])


class Address:
    """A transport URL with one host, in parts."""

    def __init__(self, url):
        parts = urllib.parse.urlsplit(url)
        self.host = parts.hostname or "localhost"
        self.port = parts.port or 5672
        self.user = urllib.parse.unquote(parts.username or "guest")
        self.password = urllib.parse.unquote(parts.password or "guest")
        self.vhost = urllib.parse.unquote(parts.path[1:]) or "/"

    def url(self, port=None, vhost=None, user=None, password=None, query=""):
        quote = lambda text: urllib.parse.quote(text, safe="")
        vhost = self.vhost if vhost is None else vhost
        return "rabbit://%s:%s@%s:%d/%s%s" % (
            quote(user or self.user), quote(password or self.password), self.host,
            port or self.port, "" if vhost == "/" else quote(vhost), query)

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


def kind():
    """"rabbit" or "router": what the URL's scheme says."""
    scheme = urllib.parse.urlsplit(url()).scheme
    kinds = {"rabbit": "rabbit", "amqp": "router"}
    if scheme not in kinds:
        raise RuntimeError("OMBT_URL is of no kind that is known here: %s" % scheme)
    return kinds[scheme]


def address():
    return Address(url())


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


def main():
    unittest.main(verbosity=2)
