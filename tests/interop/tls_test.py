#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""TLS of the drivers: native programs and Python peers behind a proxy that ends TLS.

Behind it (tls_proxy.py) is the real broker or router, spoken to in plain.
"""

import concurrent.futures as futures
import contextlib
import os
import ssl
import subprocess
import time
import unittest
import unittest.mock

import bus
import stubs
from peers import PATIENCE, Peer
from tls_proxy import FALSE_RECORD, GARBAGE, HALF_A_RECORD, Certificates, Link, Proxy
from wrong_peer_test import BIN, SECRET, run

BUS = bus.kind()
NAMED = {"messaging_timeout", "delivery_failure", "connection_lost", "bus_unreachable"}
MEBIBYTE = "".join(chr(0x20 + i % 95) for i in range(1 << 20))


def secret_url(port, query):
    return "%s://someone:%s@127.0.0.1:%d/%s" % (bus.address().scheme, SECRET, port, query)


class TlsTest(unittest.TestCase):
    maxDiff = 2000

    @classmethod
    def setUpClass(cls):
        cls.certificates = Certificates()
        cls.addClassCleanup(cls.certificates.folder.cleanup)
        cls.ca = cls.certificates.path("ca")

    def setUp(self):
        self.exchange, self.topic = bus.unique("ex"), bus.unique("topic")

    def proxy(self, to=None, external=False, **server):
        proxy = Proxy(self.certificates.server(**server), to, external)
        self.addCleanup(proxy.__exit__)
        return proxy.__enter__()

    def stub(self, serve):
        stub = stubs.Stub(serve)
        self.addCleanup(stub.__exit__)
        return stub.__enter__()

    def start(self, kind, side, url, **options):
        peer = Peer(kind, side, url=url, exchange=self.exchange, **options)
        self.addCleanup(peer.kill)
        return peer

    def target(self, topic=None):
        return {"exchange": self.exchange, "topic": topic or self.topic}

    def attempt(self, side, url):
        """One cast that may fail; its result line."""
        peer = self.start("rpc_client", side, url)
        return peer.one("cast", target=self.target(), method="noop", retry=1, timeout=10)

    def refused(self, line, address, *texts):
        self.assertFalse(line["ok"], line)
        for text in (address, *texts):
            self.assertIn(text, line["message"])
        for password in filter(None, (SECRET, bus.address().password)):
            self.assertNotIn(password, line["message"].replace(address, ""))

    @staticmethod
    def counters(peer):
        return [x for x in peer.run("counters") if x["event"] == "counters"][0]

    def echo(self, client, data, topic=None, **command):
        line = client.one("call", target=self.target(topic), method="echo", args={"data": data},
                          timeout=PATIENCE, **command)
        self.assertEqual(line.get("result"), data, str(line)[:300])


class Traffic(TlsTest):
    def test_calls_and_casts_in_both_directions(self):
        proxy = self.proxy()
        url = proxy.url(ssl_ca_file=self.ca)
        servers = {side: self.start("rpc_server", side, url, topic=self.topic + side, server="srv",
                                    wait=False) for side in ("native", "python")}
        clients = {side: self.start("rpc_client", side, url, wait=False)
                   for side in ("native", "python")}
        for peer in (*servers.values(), *clients.values()):
            peer.wait_ready()
        for client, server in (("native", "python"), ("python", "native"), ("native", "native")):
            with self.subTest(client=client, server=server):
                topic = self.topic + server
                for size in (0, 1, 16383, 16384, 16385):  # a record holds 16 KiB
                    self.echo(clients[client], "r" * size, topic)
                self.echo(clients[client], MEBIBYTE, topic)
                for do, threads in (("call", 8), ("cast", 4)):
                    tag = bus.unique(do)
                    summary = clients[client].many(
                        do, target=self.target(topic), method="noop", tag=tag, count=100,
                        threads=threads)
                    self.assertEqual((summary["ok"], summary["failed"]), (100, 0), summary)
                    report = servers[server].wait_report(
                        lambda r: len([t for t in r["tags"] if t.startswith(tag)]) == 100, do)
                    self.assertEqual({n for t, n in report["tags"].items() if t.startswith(tag)},
                                     {1})
        for peer in (servers["native"], clients["native"]):
            self.assertEqual(self.counters(peer)["connection_errors"], 0)
        self.assertEqual((set(proxy.versions), proxy.refusals), ({"TLSv1.3"}, []))

    def test_mebibytes_that_have_to_wait_until_the_peer_takes_them(self):
        proxy = self.proxy(version=ssl.TLSVersion.TLSv1_2)
        url = proxy.url(ssl_ca_file=self.ca)
        # One connection a process, which is given more than the kernel holds for it.
        server = self.start("rpc_server", "native", url, topic=self.topic, server="srv",
                            topology="lean")
        client = self.start("rpc_client", "native", url, topology="lean")
        # A channel for each of the calls below.
        client.many("call", target=self.target(), method="slow", args={"seconds": 0.5}, count=9,
                    threads=9)
        proxy.hold_all(True)
        numbers = []
        for more in (6, 3):  # as many as have to wait; then the rest, for which those are moved
            numbers += [client.start("call", target=self.target(), method="echo",
                                     args={"data": MEBIBYTE}, timeout=PATIENCE)
                        for _ in range(more)]
            self.counters(client)  # after them: all are sent as far as they can be
        proxy.hold_all(False)
        for number in numbers:
            line = [x for x in client.finish(number) if x["event"] == "result"][0]
            self.assertEqual(line.get("result"), MEBIBYTE, str(line)[:300])
        for peer in (client, server):
            self.assertEqual(self.counters(peer)["connection_errors"], 0)

    def test_agents_and_their_controller(self):
        proxy = self.proxy()
        common = ["--url", proxy.url(ssl_ca_file=self.ca), "--topic", self.topic]
        agents = subprocess.Popen(
            [os.path.join(BIN, "ombt-agent"), *common, "--rpc-client", "4", "--rpc-server", "2",
             "--listener", "1", "--notifier", "1"], stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True)
        self.addCleanup(agents.stdout.close)
        self.addCleanup(agents.wait)
        self.addCleanup(agents.kill)
        ready = [agents.stdout.readline() for _ in range(8)]
        self.assertTrue(all(line.strip().endswith("is ready") for line in ready), ready)
        for kind, mode, sent in (("client", ("rpc-call", "--calls", "25"), 4 * 25),
                                 ("client", ("rpc-fanout", "--calls", "10"), 4 * 10),
                                 ("notifier", ("notify", "--events", "20"), 20)):
            with self.subTest(mode=mode[0]):
                expect = ["--expect", "rpc-client=4", "--expect", "rpc-server=2"]
                if kind == "notifier":
                    expect = ["--expect", "notifier=1", "--expect", "listener=1"]
                status, text, _ = run("ombt-controller", *common, *mode, *expect)
                self.assertEqual(status, 0, text)
                self.assertIn("Total Messages: %d\n" % sent, text)
        status, text, _ = run("ombt-controller", *common, "shutdown")
        self.assertEqual((status, agents.wait(PATIENCE)), (0, 0), text)
        self.assertEqual(proxy.refusals, [])
        self.assertGreaterEqual(len(proxy.versions), 8)


class ClientCertificates(TlsTest):
    def options(self, key="client"):
        return {"ssl_ca_file": self.ca, "ssl_cert_file": self.certificates.path("client"),
                "ssl_key_file": self.certificates.path(key, "key")}

    def test_a_peer_that_asks_for_one_gets_it(self):
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            proxy = self.proxy(ask=True, version=version)
            line = self.attempt("native", proxy.url(**self.options()))
            self.assertTrue(line["ok"], line)

    def test_key_and_certificate_in_one_file(self):
        both = self.certificates.path("both")
        with open(both, "w", encoding="ascii") as file:
            for kind in ("key", "pem"):
                with open(self.certificates.path("client", kind), encoding="ascii") as part:
                    file.write(part.read())
        line = self.attempt("native", self.proxy(ask=True).url(ssl_ca_file=self.ca,
                                                               ssl_cert_file=both))
        self.assertTrue(line["ok"], line)

    @unittest.skipUnless(BUS == "router", "the rabbit driver has no such option")
    def test_a_key_with_a_password(self):
        proxy = self.proxy(ask=True)
        options = dict(self.options(key="encrypted"),
                       ssl_key_password=self.certificates.PASSWORD)
        for side in ("native", "python"):
            line = self.attempt(side, proxy.url(**options))
            self.assertTrue(line["ok"], line)

    def test_a_missing_one_is_said(self):
        proxy = self.proxy(ask=True, version=ssl.TLSVersion.TLSv1_2)
        self.refused(self.attempt("native", proxy.url(ssl_ca_file=self.ca)), proxy.address,
                     "client certificate (ssl_cert_file)")

    def test_a_missing_one_fails_at_tls_1_3_too(self):
        # There the client is through with the handshake before the peer has looked.
        proxy = self.proxy(ask=True, version=ssl.TLSVersion.TLSv1_3)
        line = self.attempt("native", proxy.url(ssl_ca_file=self.ca))
        self.refused(line, proxy.address)
        self.assertIn("PEER_DID_NOT_RETURN_A_CERTIFICATE", proxy.refusals[0])

    def test_a_missing_one_is_said_at_tls_1_3_too(self):
        proxy = self.proxy(ask=True, version=ssl.TLSVersion.TLSv1_3)
        self.refused(self.attempt("native", proxy.url(ssl_ca_file=self.ca)), proxy.address,
                     "client certificate (ssl_cert_file)")

    def test_files_of_no_use_are_named_before_anything_connects(self):
        path = self.certificates.path
        empty = path("empty")
        with open(empty, "w", encoding="ascii"):
            pass
        cases = (
            ({"ssl_ca_file": "/nowhere/ca"}, "ssl_ca_file '/nowhere/ca': No such file"),
            ({"ssl_ca_file": empty}, "ssl_ca_file '%s': no usable certificate" % empty),
            ({"ssl_ca_file": path("ca", "key")}, "no usable certificate"),
            ({"ssl_cert_file": "/nowhere/c"}, "ssl_cert_file '/nowhere/c': No such file"),
            ({"ssl_cert_file": empty}, "ssl_cert_file '%s': no usable certificate" % empty),
            ({"ssl_cert_file": path("client")}, "without ssl_key_file"),
            (self.options(key="server"), "belongs to another certificate"),
            (dict(self.options(), ssl_key_file="/nowhere/k"), "'/nowhere/k': No such file"),
            (self.options(key="encrypted"), "is encrypted"),  # and nobody is asked at a terminal
            # The rabbit driver has no such option.
            (dict(self.options(key="encrypted"), ssl_key_password=SECRET),
             {"rabbit": "ssl_key_password", "router": "encrypted with another password"}[BUS]),
        )
        proxy = self.proxy(ask=True)
        for options, words in cases:
            for command in (("ombt-agent", "--rpc-server", "1"), ("ombt-controller", "status")):
                with self.subTest(words=words, command=command[0]):
                    status, text, seconds = run(*command, "--url", proxy.url(**options))
                    self.assertEqual(status, 2, text)
                    self.assertIn(words, text)
                    self.assertNotIn(SECRET, text)
                    self.assertEqual(len(text.strip().splitlines()), 1, text)
                    self.assertLess(seconds, 5)
        self.assertEqual(proxy.connections, 0)


class Verification(TlsTest):
    """Each case at the Python library too: it lets the same peers in. A case is what the server is,
    what the client is given, and what a refusal says."""

    def common_cases(self):
        other, self_signed = (self.certificates.path(n) for n in ("other-ca", "self-signed"))
        given = {"ssl_ca_file": self.ca}
        return {
            "the wrong authority": ({}, {"ssl_ca_file": other}, "no trusted authority"),
            "the right address": ({}, given, None),
            "the right name": ({}, dict(given, host="localhost"), None),
            "expired": ({"name": "expired"}, given, "has expired"),
            "self-signed without a file": ({"name": "self-signed"}, {}, "self-signed"),
            "self-signed, given as the authority":
                ({"name": "self-signed"}, {"ssl_ca_file": self_signed}, None),
            "the system's authority": ({}, {}, None),
        }

    def rabbit_cases(self):
        enforced = {"ssl_ca_file": self.ca, "ssl_enforce_hostname_verification": "1"}
        v13 = {"version": ssl.TLSVersion.TLSv1_3}
        return dict(self.common_cases(), **{
            "another host's name": ({"name": "elsewhere"}, {"ssl_ca_file": self.ca}, None),
            "another host's name, enforced": ({"name": "elsewhere"}, enforced, "name the host"),
            "another host's name, enforced without a file":
                ({"name": "elsewhere"}, {"ssl_enforce_hostname_verification": "1"}, None),
            "the right address, enforced": ({}, enforced, None),
            "the right name, enforced": ({}, dict(enforced, host="localhost"), None),
            "self-signed without a file, but a version":
                ({"name": "self-signed"}, {"ssl_version": "TLSv1_2"}, None),
            "TLS 1.2 only at a peer of 1.3 only":
                (v13, {"ssl_ca_file": self.ca, "ssl_version": "TLSv1_2"}, "version of TLS"),
        })

    def router_cases(self):
        given = {"ssl_ca_file": self.ca}
        by_vhost = dict(given, ssl_verify_vhost="1")
        return dict(self.common_cases(), **{
            "another host's name": ({"name": "elsewhere"}, given, "name the host"),
            "another host's name without a file": ({"name": "elsewhere"}, {}, "name the host"),
            "the virtual host's name":
                ({"name": "elsewhere"}, dict(by_vhost, vhost="elsewhere.invalid"), None),
            "the virtual host's name is another":
                ({}, dict(by_vhost, vhost="elsewhere.invalid"), "name the host"),
            "a file alone wants TLS": ({}, dict(given, ssl="0"), None),
            "the system's authority beside a file of others":
                ({}, {"ssl_ca_file": self.certificates.path("other-ca")}, None),
        })

    def test_the_same_certificates_are_trusted_as_by_the_python_library(self):
        cases = {"rabbit": self.rabbit_cases, "router": self.router_cases}[BUS]()

        def play(case):
            server, options, _ = cases[case]
            found = {}
            for side in ("native", "python"):
                proxy = self.proxy(**server)
                line = self.attempt(side, proxy.url(**options))
                found[side] = line, proxy
            return found

        # "ca" is the system's authority, but where none is to be trusted: over AMQP 1.0 a file adds
        # to those of the system.
        played = {"the wrong authority": play("the wrong authority")}
        others = [case for case in cases if case not in played]
        with unittest.mock.patch.dict(os.environ, SSL_CERT_FILE=self.ca):
            with futures.ThreadPoolExecutor(max_workers=6) as pool:
                played.update(zip(others, pool.map(play, others)))
        for case, (_, options, words) in cases.items():
            for side in ("native", "python"):
                with self.subTest(case=case, side=side):
                    line, proxy = played[case][side]
                    self.assertEqual(line["ok"], words is None, line)
                    if words is None and "ssl_version" in options:
                        self.assertEqual(set(proxy.versions), {"TLSv1.2"})
            if words is not None:
                with self.subTest(case=case):
                    line, proxy = played[case]["native"]
                    self.refused(line, proxy.address, words)
                    self.assertEqual(line["error"], "wrong_protocol", line)
                    self.assertLess(line["seconds"], 5)


class Programs(TlsTest):
    """The agent and the controller: a plain cause, its address, exit 1, no password, in time."""

    COMMANDS = (("ombt-agent", "--rpc-server", "1", "--timeout", "4"),
                ("ombt-agent", "--rpc-client", "1", "--timeout", "4", "--daemon"),
                ("ombt-controller", "--timeout", "4", "status"))

    def with_login(self):
        """A bus that takes guest only."""
        if BUS == "rabbit":
            return bus.address()
        users = self.certificates.path("users", "txt")
        with open(users, "w", encoding="ascii") as file:
            file.write("guest guest\n")
        router = bus.Router("--users", users)
        self.addCleanup(router.end)
        return router.address

    def test_the_cause_of_each_failure_is_said(self):
        plain, tls = bus.address().port, self.proxy(to=self.with_login()).port
        trusted = "?ssl=1&ssl_ca_file=" + self.ca
        other = "?ssl=1&ssl_ca_file=" + self.certificates.path("other-ca")
        alert, silent = (self.stub(stubs.STUBS[n]).port for n in ("TLS", "says nothing"))
        closing = self.stub(lambda connection: connection.recv(4096)).port
        cases = {
            "TLS to a plain port": (plain, "?ssl=1", {"rabbit": "not TLS",
                                                      "router": "may not speak TLS"}[BUS]),
            "plain to a TLS port": (tls, "", "closed the connection"),
            "plain to a TLS port that sends an alert": (alert, "", {"rabbit": "ssl=1",
                                                                    "router": "TLS"}[BUS]),
            "a certificate that is not trusted": (tls, other, "certificate is refused"),
            "a wrong password within TLS": (tls, trusted, "login"),
            "a peer that closes in the handshake": (closing, "?ssl=1", "in the TLS handshake"),
            "a peer that never answers the handshake": (silent, "?ssl=1", ""),
        }
        with futures.ThreadPoolExecutor(max_workers=12) as pool:
            played = {(case, command): pool.submit(
                run, *command, "--url", secret_url(port, query))
                for case, (port, query, _) in cases.items() for command in self.COMMANDS}
        for (case, command), job in played.items():
            port, _, words = cases[case]
            with self.subTest(case=case, command=command):
                status, text, seconds = job.result()
                self.assertEqual(status, 1, text)
                self.assertIn(words, text)
                self.assertIn("127.0.0.1:%d" % port, text)
                self.assertNotIn(SECRET, text)
                self.assertLess(len(text.splitlines()), 5, text)
                self.assertLess(seconds, 12)


class Cuts(TlsTest):
    """Peers whose connections end in the middle of what TLS does."""

    def lives(self, *peers):
        for peer in peers:
            self.assertIsNone(peer.process.poll(), "%s died: %s" % (peer.name, peer.errors))

    def works_again(self, client, topic, *peers):
        deadline = time.monotonic() + 40
        while True:
            line = client.one("call", target=self.target(topic), method="echo", args={"data": 1},
                              timeout=2)
            self.lives(*peers)
            if line["ok"]:
                break
            self.assertIn(line["error"], NAMED, line)
            self.assertLess(time.monotonic(), deadline, line)
        summary = client.many("call", target=self.target(topic), method="echo", count=20,
                              threads=4)
        self.assertEqual((summary["ok"], summary["failed"]), (20, 0), summary)

    def end_during_calls(self, last_words, reset):
        proxy, topic = self.proxy(), bus.unique("cut")
        url = proxy.url(ssl_ca_file=self.ca)
        server = self.start("rpc_server", "native", url, topic=topic, server="srv")
        client = self.start("rpc_client", "native", url)
        self.works_again(client, topic, client, server)
        common = {"target": self.target(topic), "timeout": 3, "quiet": True}
        slow = client.start("call", method="slow", args={"seconds": 1}, count=4, threads=4,
                            **common)
        busy = client.start("call", method="echo", args={"data": "x" * 100000}, count=200,
                            threads=8, **common)
        server.wait_report(lambda r: r["calls"].get("slow", 0) == 4 and r["calls"]["echo"] > 30,
                           "calls under way")
        # On rabbit a connection a call under way, on a router one for each of both.
        self.assertGreaterEqual(proxy.end_all(last_words, reset), {"rabbit": 10, "router": 2}[BUS])
        for number, count in ((slow, 4), (busy, 200)):
            summary = [x for x in client.finish(number, 2 * PATIENCE)
                       if x["event"] == "summary"][0]
            self.assertEqual(summary["ok"] + summary["failed"], count, summary)
            self.assertLessEqual(set(summary["errors"]), NAMED, summary)
        self.works_again(client, topic, client, server)
        for peer in (client, server):
            counters = self.counters(peer)
            self.assertGreater(counters["connection_errors"], 0, counters)
            self.assertIn(proxy.address, counters["last_error"])

    def test_connections_that_end_during_calls(self):
        ends = {
            "in the middle of a record": (HALF_A_RECORD, False),
            "in the middle of a record, with a reset": (HALF_A_RECORD, True),
            "with a record that nobody encrypted": (FALSE_RECORD, False),
            "with garbage": (GARBAGE, False),
        }
        with futures.ThreadPoolExecutor() as pool:
            played = {name: pool.submit(self.end_during_calls, *end) for name, end in ends.items()}
        for name, job in played.items():
            with self.subTest(end=name):
                job.result()

    def test_how_a_connection_ended_is_said(self):
        for last_words, said in ((HALF_A_RECORD, "End of file"), (GARBAGE, "not TLS"),
                                 (FALSE_RECORD, "bad record")):
            with self.subTest(said=said):
                proxy = self.proxy()
                server = self.start("rpc_server", "native", proxy.url(ssl_ca_file=self.ca),
                                    topic=bus.unique("idle"), server="srv")
                time.sleep(0.3)  # what it has still to say must be read, or the end is a reset
                self.assertEqual(proxy.end_all(last_words), 1)
                deadline = time.monotonic() + PATIENCE
                while self.counters(server)["connection_errors"] == 0:
                    self.assertLess(time.monotonic(), deadline)
                    time.sleep(0.05)
                last_error = self.counters(server)["last_error"]
                self.assertIn(proxy.address, last_error)
                self.assertIn(said, last_error)

    def test_a_peer_that_is_not_there_yet_is_tried_again(self):
        proxy = self.proxy()
        serve = proxy.serve
        # As a balancer whose broker is still starting.
        proxy.serve = lambda link: link.recv(65536) if proxy.connections == 1 else serve(link)
        client = self.start("rpc_client", "native", proxy.url(ssl_ca_file=self.ca))
        line = client.one("cast", target=self.target(), method="noop", retry=-1)
        self.assertTrue(line["ok"], line)
        self.assertEqual(proxy.connections, 2)

    def test_garbage_right_after_the_handshake(self):
        context = self.certificates.server()

        def serve(connection):
            link = Link(connection, context)
            link.handshake()
            connection.sendall(GARBAGE)
            with contextlib.suppress(OSError):
                while connection.recv(65536):
                    pass

        stub = self.stub(serve)
        line = self.attempt("native", secret_url(stub.port, "?ssl=1&ssl_ca_file=" + self.ca))
        self.refused(line, "127.0.0.1:%d" % stub.port)

    def test_another_protocol_within_tls(self):
        context = self.certificates.server()

        def serve(connection):
            with context.wrap_socket(connection, server_side=True) as tls:
                stubs.STUBS["HTTP"](tls)

        stub = self.stub(serve)
        line = self.attempt("native", secret_url(stub.port, "?ssl=1&ssl_ca_file=" + self.ca))
        self.refused(line, "127.0.0.1:%d" % stub.port, "HTTP")


if __name__ == "__main__":
    bus.main()
