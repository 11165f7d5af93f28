#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""ombt-router as a program: its options, its end, logins, limits, management."""

import os
import re
import signal
import subprocess
import tempfile
import time

import proton
from proton.utils import BlockingConnection, LinkDetached, SyncRequestResponse

import routers
from routers import PATIENCE, PROGRAM, RawPeer

DISPATCH = "org.apache.qpid.dispatch."


class Options(routers.RouterTest):
    def refused(self, *options):
        done = subprocess.run([PROGRAM, *options], capture_output=True, text=True, check=False,
                              timeout=PATIENCE)
        self.assertEqual(done.stdout, "")
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        return done.returncode, done.stderr

    def test_settings_that_cannot_work_are_refused_in_one_line(self):
        for options, word in (
                (["--port", "70000"], "--port"),
                (["--address", "a=nearest"], "nearest"),
                (["--address", "a"], "PREFIX=DISTRIBUTION"),
                (["--users", "/nowhere/users"], "/nowhere/users"),
                (["--host", "0.0.0.0"], "--users"),
                (["--host", "no-such-host.invalid"], "'no-such-host.invalid' is unknown: Host not"),
                (["--users", __file__, "--anonymous"], "--users excludes --anonymous"),
                (["--id", "a/b"], "--id"),
                (["--id", "a\nb"], "--id"),
                (["--id", b"\xff"], "--id"),
                (["--id", "ü"], "--id"),
                (["--id", "x" * 65], "--id: expected at most 64"),
                (["--max-frame-size", "100"], "--max-frame-size"),
                (["--max-connections", "999999999"], "--max-connections"),
                (["--idle-timeout", "nan"], "expected 0 to 3600"),
                (["--handshake-timeout", "inf"], "expected 0.1 to 3600"),
                (["--bogus"], "bogus")):
            status, said = self.refused(*options)
            self.assertEqual(status, 2, said)
            self.assertIn(word, said)

    def test_users_files_that_are_none_are_refused(self):
        for text, word in (("", "nobody"), ("me\n", "line 1"), ("# x\nme a\nme b\n", "line 3"),
                           (" x y\n", "line 1"), ("me a\n\x7fELF\x02 b\n", "line 2: a control"),
                           ("a b\n" + "x" * 5000, "line 2: above 4096 bytes")):
            with tempfile.NamedTemporaryFile("w", prefix="ombt-router-test-") as file:
                file.write(text)
                file.flush()
                status, said = self.refused("--users", file.name)
            self.assertEqual(status, 2)
            self.assertIn(word, said)
        for endless in ("/dev/zero", "/dev/urandom"):
            status, said = self.refused("--users", endless)
            self.assertEqual(status, 2)
            self.assertRegex(said, "'%s', line [0-9]+: " % endless)

    def test_an_id_may_have_64_characters(self):
        self.router("--id", "x" * 64)

    def test_a_port_that_is_taken_is_exit_status_1(self):
        first = self.router()
        status, said = self.refused("--port", str(first.port))
        self.assertEqual(status, 1)
        self.assertIn(str(first.port), said)

    def test_help_says_what_it_is_not(self):
        said = subprocess.run([PROGRAM, "--help"], capture_output=True, text=True, check=True).stdout
        for word in ("holds no messages", "RabbitMQ", "Artemis", "no\nmesh", "qpid-dispatch",
                     "skupper-router"):
            self.assertIn(word, said)
        self.assertLessEqual(max(map(len, said.splitlines())), 80)

    def test_an_address_of_the_command_line(self):
        router = self.router("--address", "news=multicast")
        bus = BlockingConnection(router.url, timeout=PATIENCE)
        self.addCleanup(bus.close)
        receivers = [bus.create_receiver("news/today", credit=5, name=str(n)) for n in range(2)]
        bus.create_sender("news/today").send(proton.Message(body="x"))
        for one in receivers:
            self.assertEqual(one.receive(timeout=PATIENCE).body, "x")


class End(routers.RouterTest):
    def test_it_closes_connections_with_forced_and_ends(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            router = routers.Router()
            peer = RawPeer(router.port)
            peer.open()
            router.process.send_signal(number)
            self.assertEqual(peer.condition(), "amqp:connection:forced")
            self.assertEqual(router.stop(), (0, ""))

    def test_a_peer_that_does_not_answer_holds_it_up_for_2_seconds_only(self):
        router = routers.Router()
        stuck = RawPeer(router.port)
        stuck.open()
        silent = RawPeer(router.port)
        began = time.monotonic()
        self.assertEqual(router.stop(), (0, ""))
        self.assertLess(time.monotonic() - began, PATIENCE / 2)
        stuck.close()
        silent.close()

    def test_it_ends_even_if_it_has_only_begun(self):
        for _ in range(40):
            made = self.router()
            self.assertEqual(made.stop(), (0, ""))

    def test_a_router_that_is_started_again_takes_the_same_port(self):
        router = routers.Router()
        peer = RawPeer(router.port)
        peer.open()
        self.assertEqual(router.stop(signal.SIGKILL)[0], -signal.SIGKILL)
        again = self.router("--port", str(router.port))
        self.assertEqual(again.port, router.port)
        peer.close()


class Login(routers.RouterTest):
    def setUp(self):
        file = tempfile.NamedTemporaryFile("w", prefix="ombt-router-test-")
        self.addCleanup(file.close)
        file.write("me secret\nother more secret\n")
        file.flush()
        self.with_users = self.router("--users", file.name)

    def log_in(self, user, password):
        bus = BlockingConnection(self.with_users.url, timeout=PATIENCE, user=user,
                                 password=password, sasl_enabled=True, allow_insecure_mechs=True)
        bus.close()

    def test_the_right_password_and_no_other(self):
        self.log_in("me", "secret")
        self.log_in("other", "more secret")
        for user, password in (("me", "wrong"), ("me", "secre"), ("me", "secretsecret"),
                               ("nobody", "secret"), ("other", "secret")):
            with self.assertRaises(proton.ProtonException, msg=(user, password)):
                self.log_in(user, password)

    def test_nobody_without_a_login(self):
        peer = RawPeer(self.with_users.port)
        peer.send(routers.AMQP, routers.frame(routers.OPEN, "raw"))
        self.assertTrue(peer.is_over())
        with self.assertRaises(proton.ProtonException):
            BlockingConnection(self.with_users.url, timeout=PATIENCE,
                               allowed_mechs="ANONYMOUS").close()


class Limits(routers.RouterTest):
    def test_peers_that_never_speak_are_dropped_after_the_handshake_time(self):
        router = self.router("--handshake-timeout", "0.5")
        peers = [RawPeer(router.port) for _ in range(300)]
        peers[0].send(b"AM")
        peers[1].send(routers.AMQP)
        for peer in peers:
            self.assertTrue(peer.is_over())
            peer.close()
        peer = RawPeer(router.port)
        peer.open()
        time.sleep(1)
        peer.send(routers.frame(routers.CLOSE))
        self.assertEqual(peer.condition(), "none")

    def test_a_silent_peer_is_dropped_after_the_idle_time(self):
        router = self.router("--idle-timeout", "0.5")
        peer = RawPeer(router.port)
        peer.open()
        self.assertEqual(peer.condition(), "amqp:resource-limit-exceeded")
        bus = BlockingConnection(router.url, timeout=PATIENCE)
        receiver = bus.create_receiver("here", credit=1)
        with self.assertRaises(proton.Timeout):
            receiver.receive(timeout=2)  # proton's heartbeats go out meanwhile
        bus.create_sender("here").link.send(proton.Message(body="still there"))
        self.assertEqual(receiver.receive(timeout=PATIENCE).body, "still there")
        bus.close()

    def test_connections_above_the_limit_are_closed_and_places_become_free(self):
        router = self.router("--max-connections", "3")
        peers = [RawPeer(router.port) for _ in range(3)]
        for peer in peers:
            peer.open()
        above = RawPeer(router.port)
        self.assertTrue(above.is_over())
        peers[0].close()

        def opens():
            peer = RawPeer(router.port)
            try:
                peer.open()
                return True
            except (EOFError, OSError):
                return False
            finally:
                peer.close()
        self.until(opens, "no place became free")

    def test_without_descriptors_it_waits_and_goes_on(self):
        def few():
            import resource
            resource.setrlimit(resource.RLIMIT_NOFILE, (70, 70))
        router = self.router("--handshake-timeout", "3600", preexec_fn=few)
        peers = [RawPeer(router.port) for _ in range(100)]
        for peer in peers[:90]:
            peer.close()

        def opens():
            peer = RawPeer(router.port)
            try:
                peer.open()
                return True
            except (EOFError, OSError):
                return False
            finally:
                peer.close()
        self.until(opens, "it takes nobody any more")

    def test_links_of_a_connection(self):
        router = self.router("--max-links", "2")
        bus = BlockingConnection(router.url, timeout=PATIENCE)
        self.addCleanup(bus.close)
        bus.create_receiver("a", name="1")
        bus.create_receiver("b", name="2")
        with self.assertRaisesRegex(LinkDetached, "resource-limit-exceeded"):
            bus.create_receiver("c", name="3")

    def test_sessions_of_a_connection(self):
        router = self.router("--max-sessions", "2")
        peer = RawPeer(router.port)
        peer.open()
        for channel in (1, 2):
            peer.send(routers.frame(routers.BEGIN, None, routers.uint(0), routers.uint(1000),
                                    routers.uint(1000), channel=channel))
        self.assertNotIn(peer.condition(), ("", "none"))

    def test_what_open_says(self):
        router = self.router("--max-frame-size", "4096", "--id", "its name")
        peer = RawPeer(router.port)
        peer.send(routers.AMQP, routers.frame(routers.OPEN, "raw"))
        fields = peer.expect(routers.OPEN)
        self.assertEqual((fields[0], fields[2], fields[4]), ("its name", 4096, 8000))
        version = subprocess.run([PROGRAM, "--version"], capture_output=True, text=True,
                                 check=True).stdout.split()[1]
        self.assertEqual(fields[9], {"product": "ombt-router", "version": version})


class Management(routers.RouterTest):
    def setUp(self):
        self.of = self.router("--id", "R")
        self.bus = BlockingConnection(self.of.url, timeout=PATIENCE)
        self.addCleanup(self.bus.close)
        self.asking = SyncRequestResponse(self.bus, "$management")

    def ask(self, operation="QUERY", body=None, **properties):
        properties.update(operation=operation, type="org.amqp.management", name="self")
        return self.asking.call(proton.Message(properties=properties, body=body or {}))

    def query(self, kind, *names, **more):
        answer = self.ask(entityType=DISPATCH + kind, body={"attributeNames": list(names)}, **more)
        self.assertEqual(answer.properties["statusCode"], 200)
        self.assertTrue(not names or answer.body["attributeNames"] == list(names))
        return [dict(zip(answer.body["attributeNames"], row)) for row in answer.body["results"]]

    def test_the_router(self):
        rows = self.query("router")
        self.assertEqual(len(rows), 1)
        row = rows[0]
        self.assertEqual((row["id"], row["mode"], row["connectionCount"], row["linkCount"]),
                         ("R", "standalone", 1, 2))
        for name in ("version", "area", "linkRouteCount", "autoLinkCount", "nodeCount", "addrCount",
                     "presettledDeliveries", "droppedPresettledDeliveries", "acceptedDeliveries",
                     "rejectedDeliveries", "releasedDeliveries", "modifiedDeliveries",
                     "deliveriesIngress", "deliveriesEgress", "deliveriesTransit",
                     "deliveriesIngressRouteContainer", "deliveriesEgressRouteContainer"):
            self.assertIn(name, row)

    def test_connections(self):
        other = BlockingConnection(self.of.url, timeout=PATIENCE)
        self.assertEqual(len(self.query("connection", "container")), 2)
        other.close()
        self.until(lambda: len(self.query("connection")) == 1, "the connection stays")
        row = self.query("connection")[0]
        self.assertEqual((row["container"], row["sasl"], row["user"], row["dir"], row["role"],
                          row["isEncrypted"], row["opened"]),
                         (self.bus.container.container_id, "ANONYMOUS", "anonymous", "in",
                          "normal", False, True))
        self.assertRegex(row["host"], r"^127\.0\.0\.1:\d+$")

    def test_links_and_addresses_count(self):
        address = "openstack.org/om/rpc/anycast/x/t"
        receiver = self.bus.create_receiver(address, credit=10)
        sender = self.bus.create_sender(address)
        self.until(lambda: self.query("router") and sender.link.credit > 0, "no credit")
        for n in range(3):
            sender.link.send(proton.Message(body=n))
        for _ in range(3):
            receiver.receive(timeout=PATIENCE)
            receiver.accept()
        fields = ("linkDir", "owningAddr", "deliveryCount", "acceptedCount", "unsettledCount",
                  "capacity", "linkType", "connectionId")

        def rows():
            return {row["linkDir"]: row for row in self.query("router.link", *fields)
                    if row["owningAddr"] == "M0" + address}
        self.until(lambda: rows()["out"]["acceptedCount"] == 3, "not all are accepted")
        for direction in ("in", "out"):
            row = rows()[direction]
            self.assertEqual((row["deliveryCount"], row["acceptedCount"], row["unsettledCount"],
                              row["capacity"]), (3, 3, 0, 250))
        found = [row for row in self.query("router.address") if row["name"] == "M0" + address][0]
        self.assertEqual((found["distribution"], found["subscriberCount"],
                          found["deliveriesIngress"], found["deliveriesEgress"]),
                         ("balanced", 1, 3, 3))
        self.assertEqual(self.query("router.address", "key", "nonsense")[0]["nonsense"], None)

    def test_offset_and_count(self):
        for n in range(10):
            self.bus.create_receiver("address%d" % n, name=str(n))
        everything = [row["key"] for row in self.query("router.address", "key")]
        self.assertEqual([row["key"] for row in self.query("router.address", "key", count=3)],
                         everything[:3])
        self.assertEqual(
            [row["key"] for row in self.query("router.address", "key", offset=8, count=100)],
            everything[8:])
        self.assertEqual(self.query("router.address", "key", offset=1000), [])

    def test_more_than_one_answer_holds_is_told_and_can_be_asked_for_in_parts(self):
        for n in range(130):
            self.bus.create_receiver("address%d" % n, name=str(n))
        names = ["key"] * 500
        said = self.ask(entityType=DISPATCH + "router.address", body={"attributeNames": names})
        self.assertEqual(said.properties["statusCode"], 400)
        self.assertIn("count and offset", said.properties["statusDescription"])
        said = self.ask(entityType=DISPATCH + "router.address", body={"attributeNames": names},
                        count=3)
        self.assertEqual(said.properties["statusCode"], 200)
        self.assertEqual([len(row) for row in said.body["results"]], [500] * 3)

    def test_what_never_says_anything_is_what_the_documentation_lists(self):
        listed = {}
        with open(os.path.join(os.path.dirname(os.path.abspath(__file__)),
                               "../../../docs/router.md"), encoding="utf-8") as file:
            for line in file:
                row = re.fullmatch(r"\| an? (router|connection|link|address) \|(.*)\|(.*)\|\n",
                                   line)
                if row:
                    listed[row.group(1)] = [re.findall(r"[a-z]\w+", cell)
                                            for cell in row.groups()[1:]]
        receiver = self.bus.create_receiver("t", credit=10)
        sender = self.bus.create_sender("t")
        self.until(lambda: self.query("router") and sender.link.credit > 0, "no credit")
        sender.link.send(proton.Message(body="x"))
        receiver.receive(timeout=PATIENCE)
        for kind, of in (("router", "router"), ("connection", "connection"),
                         ("router.link", "link"), ("router.address", "address")):
            with self.subTest(kind):
                zeros, nothings = listed[of]
                rows = self.query(kind)
                for row in rows:
                    self.assertEqual({name: row[name] for name in zeros}, dict.fromkeys(zeros, 0))
                    self.assertEqual([name for name in nothings if row[name]], [])
                # What is null in every row is one of them.
                null = {name for name in rows[0] if all(row[name] is None for row in rows)}
                self.assertEqual(null - set(nothings), set())

    def test_a_request_above_4096_bytes_gets_no_answer(self):
        replies = self.bus.create_receiver(None, dynamic=True, credit=10)
        to = replies.link.remote_source.address
        sender = self.bus.create_sender("$management", name="large")
        for names in (["key"] * 2000, ["key"]):
            sender.send(proton.Message(
                reply_to=to, correlation_id=str(len(names)), body={"attributeNames": names},
                properties={"operation": "QUERY", "entityType": DISPATCH + "router.address",
                            "count": 1}))
        self.assertEqual(replies.receive(timeout=PATIENCE).correlation_id, "1")

    def test_what_it_does_not_know_gets_an_error(self):
        self.assertEqual(self.ask(entityType=DISPATCH + "nothing").properties["statusCode"], 404)
        self.assertEqual(self.ask("QUERY").properties["statusCode"], 404)
        self.assertEqual(self.ask("DELETE", entityType=DISPATCH + "router")
                         .properties["statusCode"], 501)

    def test_what_it_cannot_read_is_survived(self):
        sender = self.bus.create_sender("$management", name="odd")
        for body in ({"attributeNames": 5}, {"attributeNames": [1, None]}, [1], "text", None):
            self.ask(entityType=DISPATCH + "router", body=body)
        deep = b"\x00\x53\x77" + b"\x00" * 4000
        wide = b"\x00\x53\x77" + b"\xd0\xff\xff\xff\xff\xff\xff\xff\xff"
        for text in (b"\x00", b"garbage", deep, wide, b"\xff" * 5000,
                     proton.Message(reply_to="nowhere").encode(), proton.Message().encode()):
            sender.link.delivery(os.urandom(8).hex())
            sender.link.stream(text)
            sender.link.advance()
        self.assertEqual(len(self.query("router")), 1)


if __name__ == "__main__":
    routers.main()
