#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Logins over AMQP 1.0, native programs and Python peers: SASL PLAIN and ANONYMOUS at a router,
EXTERNAL at a proxy in front of one (tls_proxy.py). To be run under an `ombt-bus router --`.
"""

import bus
import tls_test
from tls_proxy import SASL, sasl_frame
from wrong_peer_test import SECRET, run

USER, PASSWORD = "jürgen@realm", "p:a/s@s w%rd"


class Plain(tls_test.TlsTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        users = cls.certificates.path("users", "txt")
        with open(users, "w", encoding="utf-8") as file:
            file.write("%s %s\n" % (USER, PASSWORD))
        cls.router = bus.Router("--users", users)
        cls.addClassCleanup(cls.router.end)

    def users_at_the_router(self):
        return {(row["user"], row["sasl"]) for row in bus.rows("connection", self.as_user())}

    def as_user(self, user=USER, password=PASSWORD):
        return bus.Address(self.router.address.url(user=user, password=password))

    def works(self, address, query=""):
        for server, client in (("native", "python"), ("python", "native")):
            topic = self.topic + server
            self.start("rpc_server", server, address.url(query=query), topic=topic, server="srv")
            self.echo(self.start("rpc_client", client, address.url(query=query)), "in", topic)

    def test_the_right_password(self):
        self.works(self.as_user())
        self.assertEqual(self.users_at_the_router(), {(USER, "PLAIN")})

    def test_a_realm_by_default(self):
        self.works(self.as_user(user="jürgen"), "?sasl_default_realm=realm")

    def test_the_right_password_within_tls(self):
        proxy = self.proxy(to=self.as_user())
        for side in ("native", "python"):
            line = self.attempt(side, proxy.url(ssl_ca_file=self.ca))
            self.assertTrue(line["ok"], line)

    def test_what_lets_nobody_in(self):
        wrong = {"a wrong password": self.as_user(password=SECRET).url(),
                 "another user": self.as_user(user="eve").url(),
                 "a user without its realm": self.as_user(user="jürgen").url(),
                 "another mechanism": self.as_user().url(query="?sasl_mechanisms=ANONYMOUS"),
                 "no login": self.router.address.url()}
        for name, url in wrong.items():
            for side in ("native", "python"):
                with self.subTest(login=name, side=side):
                    line = self.attempt(side, url)
                    self.assertFalse(line["ok"], line)
                    if side == "native":
                        self.assertEqual(line["error"], "authentication_failed", line)
                        self.refused(line, "127.0.0.1:%d" % self.router.address.port, "login")
                        self.assertNotIn("p:a", line["message"])

    def test_the_programs_say_so_and_give_up(self):
        for query, words in (("", "login"), ("?sasl_mechanisms=ANONYMOUS", "PLAIN")):
            url = self.as_user(user="eve", password=SECRET).url(query=query)
            for command in tls_test.Programs.COMMANDS:
                with self.subTest(command=command, query=query):
                    status, text, seconds = run(*command, "--url", url)
                    self.assertEqual(status, 1, text)
                    self.assertIn(words, text)
                    self.assertNotIn(SECRET, text)
                    self.assertLess(len(text.splitlines()), 5, text)
                    self.assertLess(seconds, 12)


class Anonymous(tls_test.TlsTest):
    """A router without users takes anybody, and believes no name."""

    def test_a_user_is_taken_and_not_known(self):
        address = bus.Address(bus.address().url(user="someone", password=SECRET))
        for side in ("native", "python"):
            client = self.start("rpc_client", side, address.url())
            line = client.one("cast", target=self.target(), method="noop")
            self.assertTrue(line["ok"], line)
            rows = [row for row in bus.rows("connection")
                    if "/%d/" % client.process.pid in row["container"]]
            self.assertEqual([(row["user"], row["sasl"]) for row in rows],
                             [("anonymous", "ANONYMOUS")], side)


class External(tls_test.TlsTest):
    """SASL EXTERNAL: the client's certificate is its login."""

    def play(self, user):
        proxy = self.proxy(ask=True, external=True)
        proxy.bus = bus.Address(proxy.bus.url(user=user)) if user else proxy.bus
        url = proxy.url(ssl_ca_file=self.ca, ssl_cert_file=self.certificates.path("client"),
                        ssl_key_file=self.certificates.path("client", "key"),
                        sasl_mechanisms="EXTERNAL")
        for server, client in (("native", "python"), ("python", "native")):
            topic = self.topic + server
            peers = [self.start("rpc_server", server, url, topic=topic, server="srv"),
                     self.start("rpc_client", client, url)]
            self.echo(peers[1], "in", topic)
        # All four of them logged in the same way, and asked to be nobody else.
        self.assertEqual(proxy.logins, [("EXTERNAL", b"", "client")] * 4)

    def test_the_certificate_is_the_login(self):
        self.play("")

    def test_a_user_of_the_url_makes_no_difference(self):
        self.play("someone")

    def test_it_is_not_used_in_plain(self):
        # A peer that offers it on a plain connection: nothing there would prove anything.
        offer = SASL + sasl_frame(0x40, b"\xa3\x08EXTERNAL")

        def serve(connection):
            connection.sendall(offer)
            while connection.recv(65536):
                pass

        stub = self.stub(serve)
        line = self.attempt("native", tls_test.secret_url(stub.port, "?sasl_mechanisms=EXTERNAL"))
        self.assertEqual(line["error"], "authentication_failed", line)
        self.refused(line, "127.0.0.1:%d" % stub.port, "no common login mechanism")


if __name__ == "__main__":
    bus.main()
