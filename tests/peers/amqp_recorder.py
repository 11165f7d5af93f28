#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A recording TCP proxy for AMQP 0-9-1: passes bytes on unchanged and decodes what passes.

As a library: `with Recorder(host, port) as r:` gives r.port to connect to and r.connections(),
a list of connections in the order they came, each a list of events in the order they were seen.
An event is a dict:
  {"from": "client"|"broker", "channel": n, "method": "queue.declare", "args": {…}}
  {"from": …, "channel": n, "content": {"flags": "0xf900", "properties": {…}, "body": "…"}}
  {"from": …, "heartbeat": true} and {"from": …, "closed": true}
Tables are lists of [key, type letter, value], so that order and types can be compared.
As a program: amqp_recorder.py --to HOST:PORT prints its own port as a JSON line, then each event.
"""

import argparse
import json
import re
import socket
import struct
import sys
import threading
import time
import zlib

# Arguments of each method by name, from the AMQP 0-9-1 specification. Types: o octet, s short,
# l long, L longlong, t short string, T long string, F table; b are bits, packed eight to an octet.
METHODS = {
    (10, 10): ("connection.start", "version_major:o version_minor:o server_properties:F mechanisms:T locales:T"),
    (10, 11): ("connection.start-ok", "client_properties:F mechanism:t response:T locale:t"),
    (10, 20): ("connection.secure", "challenge:T"),
    (10, 21): ("connection.secure-ok", "response:T"),
    (10, 30): ("connection.tune", "channel_max:s frame_max:l heartbeat:s"),
    (10, 31): ("connection.tune-ok", "channel_max:s frame_max:l heartbeat:s"),
    (10, 40): ("connection.open", "virtual_host:t reserved1:t reserved2:b"),
    (10, 41): ("connection.open-ok", "reserved1:t"),
    (10, 50): ("connection.close", "reply_code:s reply_text:t class_id:s method_id:s"),
    (10, 51): ("connection.close-ok", ""),
    (10, 60): ("connection.blocked", "reason:t"),
    (10, 61): ("connection.unblocked", ""),
    (20, 10): ("channel.open", "reserved1:t"),
    (20, 11): ("channel.open-ok", "reserved1:T"),
    (20, 20): ("channel.flow", "active:b"),
    (20, 21): ("channel.flow-ok", "active:b"),
    (20, 40): ("channel.close", "reply_code:s reply_text:t class_id:s method_id:s"),
    (20, 41): ("channel.close-ok", ""),
    (40, 10): ("exchange.declare", "reserved1:s exchange:t type:t passive:b durable:b auto_delete:b internal:b nowait:b arguments:F"),
    (40, 11): ("exchange.declare-ok", ""),
    (40, 20): ("exchange.delete", "reserved1:s exchange:t if_unused:b nowait:b"),
    (40, 21): ("exchange.delete-ok", ""),
    (50, 10): ("queue.declare", "reserved1:s queue:t passive:b durable:b exclusive:b auto_delete:b nowait:b arguments:F"),
    (50, 11): ("queue.declare-ok", "queue:t message_count:l consumer_count:l"),
    (50, 20): ("queue.bind", "reserved1:s queue:t exchange:t routing_key:t nowait:b arguments:F"),
    (50, 21): ("queue.bind-ok", ""),
    (50, 30): ("queue.purge", "reserved1:s queue:t nowait:b"),
    (50, 31): ("queue.purge-ok", "message_count:l"),
    (50, 40): ("queue.delete", "reserved1:s queue:t if_unused:b if_empty:b nowait:b"),
    (50, 41): ("queue.delete-ok", "message_count:l"),
    (60, 10): ("basic.qos", "prefetch_size:l prefetch_count:s global:b"),
    (60, 11): ("basic.qos-ok", ""),
    (60, 20): ("basic.consume", "reserved1:s queue:t consumer_tag:t no_local:b no_ack:b exclusive:b nowait:b arguments:F"),
    (60, 21): ("basic.consume-ok", "consumer_tag:t"),
    (60, 30): ("basic.cancel", "consumer_tag:t nowait:b"),
    (60, 31): ("basic.cancel-ok", "consumer_tag:t"),
    (60, 40): ("basic.publish", "reserved1:s exchange:t routing_key:t mandatory:b immediate:b"),
    (60, 50): ("basic.return", "reply_code:s reply_text:t exchange:t routing_key:t"),
    (60, 60): ("basic.deliver", "consumer_tag:t delivery_tag:L redelivered:b exchange:t routing_key:t"),
    (60, 70): ("basic.get", "reserved1:s queue:t no_ack:b"),
    (60, 71): ("basic.get-ok", "delivery_tag:L redelivered:b exchange:t routing_key:t message_count:l"),
    (60, 72): ("basic.get-empty", "reserved1:t"),
    (60, 80): ("basic.ack", "delivery_tag:L multiple:b"),
    (60, 90): ("basic.reject", "delivery_tag:L requeue:b"),
    (60, 120): ("basic.nack", "delivery_tag:L multiple:b requeue:b"),
    (85, 10): ("confirm.select", "nowait:b"),
    (85, 11): ("confirm.select-ok", ""),
}
PROPERTIES = [
    ("content_type", "t", 15), ("content_encoding", "t", 14), ("headers", "F", 13),
    ("delivery_mode", "o", 12), ("priority", "o", 11), ("correlation_id", "t", 10),
    ("reply_to", "t", 9), ("expiration", "t", 8), ("message_id", "t", 7), ("timestamp", "L", 6),
    ("type", "t", 5), ("user_id", "t", 4), ("app_id", "t", 3), ("cluster_id", "t", 2),
]


class Bytes:
    """A cursor over the payload of a frame."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def take(self, n):
        if self.at + n > len(self.data):
            raise ValueError("short frame")
        piece = self.data[self.at:self.at + n]
        self.at += n
        return piece

    def number(self, fmt):
        return struct.unpack(">" + fmt, self.take(struct.calcsize(">" + fmt)))[0]

    def short_string(self):
        return self.take(self.number("B")).decode("utf-8", "backslashreplace")

    def long_string(self):
        return self.take(self.number("I")).decode("utf-8", "backslashreplace")

    def table(self):
        inner = Bytes(self.take(self.number("I")))
        rows = []
        while inner.at < len(inner.data):
            key = inner.short_string()
            letter, value = inner.field()
            rows.append([key, letter, value])
        return rows

    def field(self):
        letter = self.take(1).decode("latin-1")
        numbers = {"b": "b", "B": "B", "s": "h", "u": "H", "I": "i", "i": "I", "l": "q",
                   "L": "q", "f": "f", "d": "d", "T": "Q"}
        if letter in numbers:
            return letter, self.number(numbers[letter])
        if letter == "t":
            return letter, bool(self.number("B"))
        if letter == "S":
            return letter, self.long_string()
        if letter == "F":
            return letter, self.table()
        if letter == "V":
            return letter, None
        if letter == "A":
            inner = Bytes(self.take(self.number("I")))
            items = []
            while inner.at < len(inner.data):
                items.append(list(inner.field()))
            return letter, items
        if letter == "D":
            return letter, [self.number("B"), self.number("I")]
        raise ValueError("unknown field type %r" % letter)

    def value(self, kind):
        if kind == "F":
            return self.table()
        if kind == "t":
            return self.short_string()
        if kind == "T":
            return self.long_string()
        return self.number({"o": "B", "s": "H", "l": "I", "L": "Q"}[kind])


def decode_method(payload):
    data = Bytes(payload)
    ids = (data.number("H"), data.number("H"))
    if ids not in METHODS:
        return "%d.%d" % ids, {}
    name, signature = METHODS[ids]
    args = {}
    bit = 8
    for part in signature.split():
        key, kind = part.split(":")
        if kind == "b":
            if bit == 8:
                octet, bit = data.number("B"), 0
            args[key] = (octet >> bit) & 1
            bit += 1
        else:
            bit = 8
            args[key] = data.value(kind)
    return name, args


def decode_properties(flags, data):
    found = {}
    for name, kind, bit in PROPERTIES:
        if flags & (1 << bit):
            found[name] = data.value(kind)
    return found


class Decoder:
    """Decodes one direction of one connection; `emit` gets the events."""

    def __init__(self, side, emit):
        self.side = side
        self.emit = emit
        self.buffer = b""
        self.started = side == "broker"
        self.content = {}

    def feed(self, data):
        self.buffer += data
        if not self.started:
            if len(self.buffer) < 8:
                return
            self.emit({"from": self.side, "protocol": self.buffer[:8].hex()})
            self.buffer = self.buffer[8:]
            self.started = True
        while len(self.buffer) >= 7:
            if self.buffer[:4] == b"AMQP":
                self.emit({"from": self.side, "protocol": self.buffer[:8].hex()})
                self.buffer = self.buffer[8:]
                continue
            kind, channel, size = struct.unpack(">BHI", self.buffer[:7])
            if len(self.buffer) < 8 + size:
                return
            payload, end = self.buffer[7:7 + size], self.buffer[7 + size]
            self.buffer = self.buffer[8 + size:]
            if end != 0xCE:
                self.emit({"from": self.side, "broken": "frame end %#x" % end})
                return
            self.frame(kind, channel, payload)

    def frame(self, kind, channel, payload):
        event = {"from": self.side, "channel": channel}
        if kind == 8:
            self.emit({"from": self.side, "heartbeat": True})
            return
        if kind == 1:
            event["method"], event["args"] = decode_method(payload)
            self.emit(event)
            return
        if kind == 2:
            data = Bytes(payload)
            data.number("H")
            data.number("H")
            size = data.number("Q")
            flags = data.number("H")
            raw = data.data[data.at:]
            self.content[channel] = {
                "size": size, "flags": "0x%04x" % flags, "raw": raw.hex(),
                "properties": decode_properties(flags, data), "frames": [], "body": b""}
        elif kind == 3:
            self.content[channel]["frames"].append(len(payload))
            self.content[channel]["body"] += payload
        content = self.content.get(channel)
        if content is not None and len(content["body"]) >= content["size"]:
            del self.content[channel]
            if any(key == "compression" for key, _, _ in content["properties"].get("headers", [])):
                content["compressed"] = content["body"][:2].hex()
                content["body"] = zlib.decompress(content["body"])
            content["body"] = content["body"].decode("utf-8", "backslashreplace")
            event["content"] = content
            self.emit(event)


class Recorder:
    """hold: seconds before a new connection is passed on, as a slow network would make it.
    decoder: of the protocol that passes; amqp10_recorder.Decoder for AMQP 1.0."""

    def __init__(self, host, port, on_event=None, hold=0.0, decoder=Decoder):
        self.to = (host, port)
        self.hold = hold
        self.decoder = decoder
        self.on_event = on_event
        self.lock = threading.Lock()
        self.recorded = []
        self.sockets = []
        self.listening = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port = self.listening.getsockname()[1]
        self.thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.listening.close()
        with self.lock:
            for s in self.sockets:
                try:
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def connections(self):
        """All that was recorded so far: a list of events per connection, oldest first."""
        with self.lock:
            return [list(events) for events in self.recorded]

    def drop_all(self):
        """Cuts every connection that passes now, without a word."""
        with self.lock:
            for s in self.sockets:
                try:
                    s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass

    def _accept(self):
        while True:
            try:
                client, _ = self.listening.accept()
            except OSError:
                return
            with self.lock:
                index = len(self.recorded)
                self.recorded.append([])
            threading.Thread(target=self._connect, args=(index, client), daemon=True).start()

    def _connect(self, index, client):
        time.sleep(self.hold)
        try:
            broker = socket.create_connection(self.to)
        except OSError:
            client.close()
            return
        for s in (client, broker):
            s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self.lock:
            self.sockets += [client, broker]
        back = threading.Thread(target=self._pass, args=(index, "broker", broker, client),
                                daemon=True)
        back.start()
        self._pass(index, "client", client, broker)
        back.join()
        with self.lock:
            for s in (client, broker):
                if s in self.sockets:
                    self.sockets.remove(s)
                s.close()

    def _pass(self, index, side, source, sink):
        def emit(event):
            event["at"] = round(time.monotonic(), 4)
            with self.lock:
                self.recorded[index].append(event)
            if self.on_event:
                self.on_event(index, event)

        decoder = self.decoder(side, emit)
        try:
            while True:
                data = source.recv(65536)
                if not data:
                    break
                # Decoded before it is passed on, so that an answer is never seen before its question.
                try:
                    decoder.feed(data)
                except (ValueError, KeyError, IndexError, struct.error, zlib.error) as problem:
                    emit({"from": side, "broken": str(problem)})
                sink.sendall(data)
        except OSError:
            pass
        emit({"from": side, "closed": True})
        try:
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass


def mask(text):
    """Replaces what differs from run to run: uuids, message ids, process ids in connection names."""
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<uuid>", text)
    text = re.sub(r"[0-9a-f]{32}", "<hex32>", text)
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}", "<time>", text)
    return text


def describe(event):
    """One event as one line of text, masked."""
    arrow = ">" if event["from"] == "client" else "<"
    if "method" in event:
        args = json.dumps({k: v for k, v in event["args"].items() if not k.startswith("reserved")})
        return mask("%s ch%d %s %s" % (arrow, event["channel"], event["method"], args))
    if "content" in event:
        content = event["content"]
        return mask("%s ch%d content flags=%s properties=%s frames=%s body=%s" % (
            arrow, event["channel"], content["flags"], json.dumps(content["properties"]),
            content["frames"], content["body"][:2000]))
    return "%s %s" % (arrow, json.dumps({k: v for k, v in event.items() if k not in ("from", "at")}))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("--to", required=True, metavar="HOST:PORT")
    parser.add_argument("--text", action="store_true", help="masked lines instead of JSON")
    args = parser.parse_args()
    host, port = args.to.rsplit(":", 1)
    lock = threading.Lock()

    def on_event(index, event):
        with lock:
            if args.text:
                print("#%d %s" % (index, describe(event)), flush=True)
            else:
                print(json.dumps({"connection": index, **event}), flush=True)

    with Recorder(host, int(port), on_event) as recorder:
        print(json.dumps({"port": recorder.port}), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
