#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What is said of a bus that is none, or that lets nobody in: the driver, the agent, the controller.

Needs a broker or router for the logins; everything else is stub servers (stubs.py).
"""

import concurrent.futures as futures
import os
import socket
import subprocess
import time
import unittest

import bus
import stubs
from bus import BIN
from peers import Peer

SECRET = "s3cr3t-w0rd"

BUS = bus.kind()
SCHEME = bus.address().scheme
# Stub: error of the driver, what its text must hold beside the address.
RABBIT = {
    "HTTP": ("wrong_protocol", "HTTP"),
    "AMQP 1.0": ("wrong_protocol", "AMQP 1.0"),
    "AMQP 1.0 with SASL": ("wrong_protocol", "AMQP 1.0"),
    "AMQP 0-8": ("wrong_protocol", "0-9-1"),
    "TLS": ("wrong_protocol", "TLS"),
    "SSH": ("wrong_protocol", "does not speak AMQP"),
    "closes at once": ("bus_unreachable", "closed the connection"),
    "closes after the header": ("bus_unreachable", "closed the connection"),
    "noise": ("wrong_protocol", "does not speak AMQP"),
    "noise without end": ("bus_unreachable", "frame"),
    "a frame of 4 GiB": ("bus_unreachable", "frame"),
    "a frame without its end": ("bus_unreachable", "frame"),
    "a table longer than its frame": ("bus_unreachable", "table"),
    "a mechanism that nobody knows": ("authentication_failed", "mechanism"),
    "tune before start": ("bus_unreachable", "unexpected method"),
    "a method of another class after start": ("bus_unreachable", "unexpected method"),
    "frames of 10 bytes at most": ("bus_unreachable", "frame_max"),
    "login refused by closing": ("authentication_failed", "login"),
}
ROUTER = {
    "HTTP": ("wrong_protocol", "HTTP"),
    "AMQP 0-9-1": ("wrong_protocol", "AMQP 0-9-1"),
    "AMQP 0-8": ("wrong_protocol", "AMQP 0-8"),
    "AMQP 2.0": ("wrong_protocol", "another version of AMQP"),
    "AMQP 1.0's own TLS": ("wrong_protocol", "TLS inside"),
    "TLS": ("wrong_protocol", "TLS"),
    "SSH": ("wrong_protocol", "does not speak AMQP"),
    "closes at once": ("bus_unreachable", "closed"),
    "closes after the header": ("bus_unreachable", "closed"),
    "noise": ("wrong_protocol", "does not speak AMQP"),
    "noise without end": ("wrong_protocol", "does not speak AMQP"),
    "wants a login": ("authentication_failed", "asks for a login"),
    "a mechanism that nobody knows": ("authentication_failed", "GSSAPI SCRAM-SHA-1"),
    "login refused": ("authentication_failed", "login"),
    "a frame of 4 GiB": ("bus_unreachable", "frame"),
    "a frame shorter than its header": ("bus_unreachable", "frame"),
    "an offset beyond its frame": ("bus_unreachable", "frame"),
    "a frame that is no performative": ("bus_unreachable", "performative"),
    "begin before open": ("bus_unreachable", "open"),
    "an open 100 deep": ("bus_unreachable", "too complex"),
    # A bus that was there comes back, perhaps; what is short in its open is forgiven.
    "closed with a reason": ("messaging_timeout", "closed for the night"),
    "an open without its name": ("messaging_timeout", "not sent"),
    "frames of 10 bytes at most": ("messaging_timeout", "not sent"),
    "RabbitMQ's plugin": ("wrong_protocol", "RabbitMQ"),
}
EXPECTED = {"rabbit": RABBIT, "router": ROUTER}[BUS]
STUBS = {"rabbit": stubs.STUBS, "router": stubs.ROUTER_STUBS}[BUS]
ANOTHER_AMQP = {"rabbit": "AMQP 1.0", "router": "AMQP 0-9-1"}[BUS]
A_NUMBER, NEARLY_IT = {"rabbit": ("rabbit_qos_prefetch_count", "rabbit_qos_prefetch"),
                       "router": ("rpc_server_credit", "rpc_server_credits")}[BUS]
# Over AMQP 1.0 nobody logs in who has no user.
LOGIN = {"rabbit": set(RABBIT), "router": {"a mechanism that nobody knows", "login refused"}}[BUS]
SILENT = ("says nothing", "one byte at a time")
brokers_only = unittest.skipUnless(BUS == "rabbit", "login_test.py has the logins of AMQP 1.0")


def refused_port():
    """A port that is held but not listened on, and its holder."""
    holder = socket.socket()
    holder.bind(("127.0.0.1", 0))
    return holder


def url_of(port, login=True):
    return "%s://%s127.0.0.1:%d/" % (SCHEME, "someone:%s@" % SECRET if login else "", port)


def run(program, *arguments, timeout=60):
    """Exit status, all output, seconds."""
    began = time.monotonic()
    done = subprocess.run([os.path.join(BIN, program), *arguments], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=timeout, check=False)
    return done.returncode, done.stdout, time.monotonic() - began


class Driver(unittest.TestCase):
    @staticmethod
    def attempt(url, timeout=3):
        peer = Peer("rpc_client", "native", url=url)
        try:
            return peer.one("call", target={"exchange": "e", "topic": "t"}, method="m",
                            timeout=timeout)
        finally:
            peer.kill()

    def check(self, line, port, error, text):
        self.assertEqual(line["ok"], False)
        self.assertEqual(line["error"], error, line)
        self.assertIn("127.0.0.1:%d" % port, line["message"])
        self.assertIn(text.lower(), line["message"].lower())
        self.assertNotIn(SECRET, line["message"])
        self.assertLess(line["seconds"], 4)

    @staticmethod
    def play(name):
        with stubs.Stub(STUBS[name]) as stub:
            return stub.port, Driver.attempt(url_of(stub.port, name in LOGIN))

    def test_a_peer_that_says_nothing_or_too_little_is_named_when_the_time_is_over(self):
        for name in SILENT:
            port, line = self.play(name)
            self.check(line, port, "bus_unreachable", "has not answered")

    def test_the_cause_of_each_wrong_peer_is_said_with_its_address(self):
        self.assertEqual(set(EXPECTED) | set(SILENT), set(STUBS))
        with futures.ThreadPoolExecutor(max_workers=8) as pool:
            played = dict(zip(EXPECTED, pool.map(self.play, EXPECTED)))
        for name, (error, text) in EXPECTED.items():
            with self.subTest(peer=name):
                port, line = played[name]
                self.check(line, port, error, text)

    def test_a_port_where_nobody_listens(self):
        with refused_port() as holder:
            port = holder.getsockname()[1]
            self.check(self.attempt(url_of(port)), port, "bus_unreachable", "refused")

    def test_a_host_that_has_no_address(self):
        line = self.attempt("%s://u:%s@no-such-host.invalid:5672/" % (SCHEME, SECRET))
        self.assertEqual(line["error"], "bus_unreachable", line)
        self.assertIn("no-such-host.invalid", line["message"])

    @brokers_only
    def test_a_wrong_password(self):
        for mechanism in ("PLAIN", "AMQPLAIN"):
            line = self.attempt(bus.address().url(
                password=SECRET, query="?rabbit_login_method=" + mechanism))
            self.check(line, bus.address().port, "authentication_failed", "login")

    @brokers_only
    def test_a_virtual_host_that_is_not_there(self):
        line = self.attempt(bus.address().url(vhost="no/such vhost"))
        self.check(line, bus.address().port, "vhost_refused", "no/such vhost")


class Programs(unittest.TestCase):
    """The agent and the controller: a plain cause, exit 1, no password, in time."""

    def both(self, url, *texts):
        parts = bus.Address(url)
        address = "%s:%d" % (parts.host, parts.port)
        for command in (("ombt-agent", "--rpc-server", "1", "--timeout", "4"),
                        ("ombt-agent", "--rpc-client", "1", "--timeout", "4", "--daemon"),
                        ("ombt-controller", "--timeout", "4", "status")):
            with self.subTest(command=command):
                status, text, seconds = run(*command, "--url", url)
                self.assertEqual(status, 1, text)
                self.assertIn(address, text)
                for expected in texts:
                    self.assertIn(expected.lower(), text.lower())
                self.assertNotIn(SECRET, text)
                self.assertLess(len(text.splitlines()), 5, text)
                self.assertLess(seconds, 12)

    def test_nobody_listens(self):
        with refused_port() as holder:
            self.both(url_of(holder.getsockname()[1]), "refused")

    def test_http(self):
        with stubs.Stub(STUBS["HTTP"]) as stub:
            self.both(url_of(stub.port), "HTTP")

    def test_another_amqp(self):
        with stubs.Stub(STUBS[ANOTHER_AMQP]) as stub:
            self.both(url_of(stub.port), ANOTHER_AMQP)

    @unittest.skipUnless(BUS == "router", "it is for AMQP 1.0")
    def test_rabbitmqs_plugin(self):
        with stubs.Stub(STUBS["RabbitMQ's plugin"]) as stub:
            self.both("amqp://127.0.0.1:%d" % stub.port, "RabbitMQ", "rabbit://")

    def test_tls(self):
        with stubs.Stub(STUBS["TLS"]) as stub:
            self.both(url_of(stub.port), "TLS")

    def test_a_peer_that_says_nothing(self):
        with stubs.Stub(STUBS["says nothing"]) as stub:
            self.both(url_of(stub.port))

    @brokers_only
    def test_a_wrong_password(self):
        self.both(bus.address().url(password=SECRET), "login")

    @brokers_only
    def test_a_virtual_host_that_is_not_there(self):
        self.both(bus.address().url(vhost="nowhere"), "nowhere")

    def test_settings_that_are_wrong_are_named_before_anything_connects(self):
        with stubs.Stub(STUBS["says nothing"]) as stub:
            good = url_of(stub.port)
            for url, named in (("http://localhost", "http"), ("localhost", "localhost"),
                               (SCHEME + "://localhost:99999", "99999"),
                               (SCHEME + "://localhost:port", "port"),
                               (good + "?%s=5" % NEARLY_IT, A_NUMBER),
                               (good + "?%s=many" % A_NUMBER, "many"),
                               (good + "?ssl=perhaps", "perhaps")):
                for command in (("ombt-agent", "--rpc-server", "1"), ("ombt-controller", "status")):
                    with self.subTest(url=url, command=command):
                        status, text, seconds = run(*command, "--url", url)
                        self.assertEqual(status, 2, text)
                        self.assertIn(named, text)
                        self.assertNotIn(SECRET, text)
                        self.assertLessEqual(len(text.strip().splitlines()), 2, text)
                        self.assertLess(seconds, 5)
            self.assertEqual(stub.connections, 0)

    def test_a_topic_without_agents(self):
        topic = bus.unique("empty")
        for mode, kind in (("rpc-call", "RPC client"), ("notify", "otifier")):
            status, text, _ = run("ombt-controller", "--url", bus.url(), "--topic", topic,
                                  "--idle", "1", mode)
            self.assertEqual(status, 1, text)
            self.assertIn(topic, text)
            self.assertIn(kind.replace(" ", ""), text.replace(" ", ""))


if __name__ == "__main__":
    bus.main()
