#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Peers of ombt-router that mean no good, each beside an honest pair that must not notice."""

import os
import random
import resource
import struct
import time

import proton
from proton.utils import BlockingConnection, LinkDetached

import routers
from routers import (ATTACH, BEGIN, DISPOSITION, FLOW, OPEN, PATIENCE, TRANSFER, RawPeer, frame,
                     uint)

ADDRESS = "openstack.org/om/rpc/anycast/x/t"
MIB = 1 << 20
# Of the router's memory: the thread sanitizer keeps as much again beside what it watches.
MORE = 2 if "thread" in os.environ.get("OMBT_SANITIZE", "") else 1


class Hostile(routers.RouterTest):
    def setUp(self):
        self.of = self.router("--max-message-size", str(MIB), "--handshake-timeout", "2")
        self.honest = BlockingConnection(self.of.url, timeout=PATIENCE)
        self.receiver = self.honest.create_receiver("honest", credit=100)
        self.sender = self.honest.create_sender("honest")
        self.count = 0
        self.addCleanup(self.honest.close)
        self.exchange()

    def exchange(self):
        """A message of the honest pair comes through."""
        self.count += 1
        self.sender.link.send(proton.Message(body=self.count))
        self.assertEqual(self.receiver.receive(timeout=PATIENCE).body, self.count)
        self.receiver.accept()

    def raw(self):
        peer = RawPeer(self.of.port)
        self.addCleanup(peer.close)
        return peer

    def opened(self):
        peer = self.raw()
        peer.open()
        return peer

    def transfer(self, handle, number, payload, more=False, settled=False, tag=True):
        return frame(TRANSFER, uint(handle), uint(number) if tag else None,
                     struct.pack(">I", number) if tag else None, uint(0) if tag else None, settled,
                     more, payload=payload)

    def test_garbage_instead_of_a_protocol(self):
        dice = random.Random(1)
        for start in (b"", routers.AMQP, routers.SASL, routers.AMQP + frame(OPEN, "raw"),
                      b"GET / HTTP/1.1\r\n\r\n", b"AMQP\0\0\x09\x01", b"\x16\x03\x01\x02\x00"):
            peer = self.raw()
            try:
                peer.send(start, bytes(dice.randrange(256) for _ in range(4096)))
            except OSError:
                pass
            self.assertTrue(peer.is_over())
        self.exchange()

    def test_frames_with_one_byte_changed(self):
        dice = random.Random(2)
        good = b"".join((
            frame(BEGIN, None, uint(0), uint(1000), uint(1000)),
            frame(ATTACH, "out", uint(0), False, None, None, (0x28, ADDRESS), (0x29, ADDRESS), None,
                  None, uint(0)),
            frame(ATTACH, "in", uint(1), True, None, None, (0x28, ADDRESS), (0x29, ADDRESS)),
            frame(FLOW, uint(0), uint(1000), uint(0), uint(1000), uint(1), uint(0), uint(10)),
            self.transfer(0, 0, proton.Message(body="x").encode()),
            frame(DISPOSITION, True, uint(0), uint(0), True, (0x24,))))
        for _ in range(300):
            at, bit = dice.randrange(len(good)), 1 << dice.randrange(8)
            bad = good[:at] + bytes([good[at] ^ bit]) + good[at + 1:]
            peer = RawPeer(self.of.port)
            peer.send(routers.AMQP, frame(OPEN, "raw"), bad)
            peer.close()
        self.exchange()

    def test_thousands_that_never_speak(self):
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit[1], limit[1]))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, limit)
        peers = [RawPeer(self.of.port) for _ in range(3000)]
        self.exchange()
        for peer in peers:
            self.assertTrue(peer.is_over())
            peer.close()
        self.exchange()

    def test_a_credit_flood_does_not_pull_in_more_than_is_sent(self):
        peer = self.opened()
        peer.attach("in", 0, "honest", sends=False)
        for _ in range(20000):
            peer.send(frame(FLOW, uint(0), uint(1000), uint(0), uint(1000), uint(0), uint(0),
                            uint(0x7fffffff)))
        peer.expect(ATTACH)
        before = self.of.memory()
        # It takes part as a receiver; what it does not settle is modified when it goes.
        sent = [self.sender.link.send(proton.Message(body=n)) for n in range(20)]
        self.receive_rest()
        peer.expect(TRANSFER)
        peer.close()
        self.honest.wait(lambda: all(one.settled for one in sent), timeout=PATIENCE)
        states = [one.remote_state for one in sent]
        self.assertEqual(set(states), {proton.Delivery.ACCEPTED, proton.Delivery.MODIFIED})
        self.assertLess(self.of.memory() - before, 8 * MORE * MIB)
        self.exchange()

    def receive_rest(self):
        while True:
            try:
                self.receiver.receive(timeout=0.5)
            except proton.Timeout:
                return
            self.receiver.accept()

    def test_a_receiver_that_reads_nothing_is_not_fed_without_bound(self):
        peer = self.opened()
        peer.attach("in", 0, "slow", sends=False)
        peer.send(frame(FLOW, uint(0), uint(0x7fffffff), uint(0), uint(1000), uint(0), uint(0),
                        uint(0x7fffffff)))
        peer.expect(ATTACH)
        sender = self.honest.create_sender("slow", name="to slow")
        text = b"x" * 100000
        before = self.of.memory()
        sent = 0
        deadline = time.monotonic() + PATIENCE
        quiet = 0
        while quiet < 10 and time.monotonic() < deadline:
            quiet += 1
            while sender.link.credit > 0:
                sender.link.delivery(str(sent))
                sender.link.stream(text)
                sender.link.advance()
                sent += 1
                quiet = 0
            self.exchange()
        self.assertGreater(sent, 50)
        # Its window, 250 messages, and what is written for it.
        self.assertLess(self.of.memory() - before, 60 * MORE * MIB)
        self.assertLess(sent, 1000)
        self.exchange()

    def test_dispositions_for_what_is_not_theirs(self):
        peer = self.opened()
        peer.attach("in", 0, "mine", sends=False)
        peer.attach("out", 1, "mine", sends=True)
        peer.send(frame(FLOW, uint(0), uint(1000), uint(0), uint(1000), uint(0), uint(0), uint(9)))
        for first, last in ((0, 0), (0, 1000), (5, 1000000)):
            for receiver in (True, False):
                peer.send(frame(DISPOSITION, receiver, uint(first), uint(last), True, (0x24,)))
        peer.expect(FLOW)
        peer.send(self.transfer(1, 0, proton.Message(body="x").encode()))
        peer.expect(TRANSFER)
        # A range around the one that it has; then again.
        for _ in range(3):
            peer.send(frame(DISPOSITION, True, uint(0), uint(0xffff), True, (0x24,)))
        outcome = peer.expect(DISPOSITION)
        self.assertEqual(outcome[1], 0)
        self.exchange()

    def test_dispositions_for_ranges_that_are_none(self):
        for first, last in ((0, 0xffffffff), (0xfffffff0, 5), (9, 3)):
            peer = self.opened()
            peer.attach("in", 0, "mine", sends=False)
            peer.send(frame(DISPOSITION, True, uint(first), uint(last), True, (0x24,)))
            peer.send(frame(routers.CLOSE))
            peer.condition()
            self.exchange()

    def test_a_message_that_never_ends(self):
        peer = self.opened()
        peer.attach("out", 0, "honest", sends=True)
        peer.expect(FLOW)
        before = self.of.memory()
        piece = b"x" * 16000
        try:
            peer.send(self.transfer(0, 0, piece, more=True))
            for _ in range(3000):
                peer.send(self.transfer(0, 0, piece, more=True, tag=False))
        except OSError:
            pass
        self.assertLess(self.of.memory() - before, 16 * MORE * MIB)
        code = None
        while code != routers.DETACH:
            code, fields, _ = peer.next_frame()
        self.assertEqual(str(fields[2].value[0]), "amqp:link:message-size-exceeded")
        self.exchange()

    def test_messages_in_pieces_on_many_links(self):
        peer = self.opened()
        before = self.of.memory()
        piece = b"x" * 16000
        try:
            for handle in range(200):
                peer.attach("out%d" % handle, handle, "honest", sends=True)
            for handle in range(200):
                peer.expect(FLOW)
            for handle in range(200):
                peer.send(self.transfer(handle, handle, piece, more=True))
                for _ in range(50):
                    peer.send(self.transfer(handle, handle, piece, more=True, tag=False))
        except OSError:
            pass
        self.exchange()
        self.assertLess(self.of.memory() - before, 32 * MORE * MIB)

    def test_a_transfer_without_credit(self):
        peer = self.opened()
        peer.attach("out", 0, "nobody listens here", sends=True)
        peer.expect(ATTACH)
        peer.send(self.transfer(0, 0, b"x"))
        self.assertNotIn(peer.condition(), ("", "none"))
        self.exchange()

    def test_a_frame_above_the_size_agreed(self):
        peer = self.opened()
        peer.attach("out", 0, "honest", sends=True)
        peer.expect(FLOW)
        peer.send(self.transfer(0, 0, b"x" * 20000))
        self.assertEqual(peer.condition(), "amqp:connection:framing-error")
        self.exchange()

    def test_a_message_above_the_limit_ends_its_link(self):
        sender = self.honest.create_sender("honest", name="large")
        with self.assertRaisesRegex(LinkDetached, "message-size-exceeded"):
            sender.send(proton.Message(body="x" * (2 * MIB)))
        self.exchange()

    def test_transactions_are_refused(self):
        peer = self.opened()
        peer.attach("tx", 0, "ignored", sends=True, target=(0x30, None))
        fields = None
        while True:
            code, fields, _ = peer.next_frame()
            if code == routers.DETACH:
                break
        self.assertEqual(str(fields[2].value[0]), "amqp:not-implemented")
        self.exchange()

    def test_links_attached_and_detached_over_and_over(self):
        peer = self.opened()
        before = self.of.memory()
        for n in range(3000):
            peer.attach("link%d" % n, 0, "address%d" % n, sends=bool(n % 2))
            peer.send(frame(routers.DETACH, uint(0), True))
            while peer.next_frame()[0] != routers.DETACH:
                pass
        self.assertLess(self.of.memory() - before, 8 * MORE * MIB)
        self.exchange()

    def test_replies_to_an_address_that_is_gone(self):
        other = BlockingConnection(self.of.url, timeout=PATIENCE)
        address = other.create_receiver(None, dynamic=True, credit=10).link.remote_source.address
        sender = self.honest.create_sender(address, name="replies")
        self.until(lambda: self.exchange() or sender.link.credit > 0, "no credit")
        other.close()
        delivery = None
        while delivery is None or delivery.remote_state != proton.Delivery.RELEASED:
            delivery = sender.link.send(proton.Message(body=os.urandom(8)))
            self.exchange()
            self.honest.wait(lambda: delivery.settled, timeout=PATIENCE)
            self.assertGreater(sender.link.credit, 0)


if __name__ == "__main__":
    routers.main()
