# SPDX-License-Identifier: Apache-2.0
"""What amqp_recorder.Recorder needs to record AMQP 1.0: decodes the frames that pass.

An event is a dict:
  {"from": "client"|"broker", "channel": n, "frame": "attach", "fields": {name: Value, …}}
  a transfer has "payload": bytes, and the one that ends its message "message": [Value, …], its
  sections, and "pieces": [bytes in each of its frames]
  {"from": …, "protocol": hex}, {"from": …, "heartbeat": true} for an empty frame, {"closed": true}
A Value keeps the constructor it was written with, so that encodings can be compared too.
"""

import struct
import typing

from amqp_recorder import Bytes

PERFORMATIVES = {
    0x10: ("open", "container-id hostname max-frame-size channel-max idle-time-out outgoing-locales"
                   " incoming-locales offered-capabilities desired-capabilities properties"),
    0x11: ("begin", "remote-channel next-outgoing-id incoming-window outgoing-window handle-max"
                    " offered-capabilities desired-capabilities properties"),
    0x12: ("attach", "name handle role snd-settle-mode rcv-settle-mode source target unsettled"
                     " incomplete-unsettled initial-delivery-count max-message-size"
                     " offered-capabilities desired-capabilities properties"),
    0x13: ("flow", "next-incoming-id incoming-window next-outgoing-id outgoing-window handle"
                   " delivery-count link-credit available drain echo properties"),
    0x14: ("transfer", "handle delivery-id delivery-tag message-format settled more"
                       " rcv-settle-mode state resume aborted batchable"),
    0x15: ("disposition", "role first last settled state batchable"),
    0x16: ("detach", "handle closed error"),
    0x17: ("end", "error"),
    0x18: ("close", "error"),
    0x40: ("sasl-mechanisms", "sasl-server-mechanisms"),
    0x41: ("sasl-init", "mechanism initial-response hostname"),
    0x42: ("sasl-challenge", "challenge"),
    0x43: ("sasl-response", "response"),
    0x44: ("sasl-outcome", "code additional-data"),
}
# Of what is described inside: sections, termini, outcomes.
DESCRIPTORS = {
    0x1d: "error", 0x23: "received", 0x24: "accepted", 0x25: "rejected", 0x26: "released",
    0x27: "modified", 0x28: "source", 0x29: "target", 0x70: "header",
    0x71: "delivery-annotations", 0x72: "message-annotations", 0x73: "properties",
    0x74: "application-properties", 0x75: "data", 0x76: "amqp-sequence", 0x77: "amqp-value",
    0x78: "footer",
}
# Constructor: its name, struct format of its value; without format the value is in the name.
FIXED = {
    0x40: ("null", None), 0x41: ("true", None), 0x42: ("false", None), 0x43: ("uint0", None),
    0x44: ("ulong0", None), 0x50: ("ubyte", "B"), 0x51: ("byte", "b"), 0x52: ("smalluint", "B"),
    0x53: ("smallulong", "B"), 0x54: ("smallint", "b"), 0x55: ("smalllong", "b"),
    0x56: ("boolean", "B"), 0x60: ("ushort", "H"), 0x61: ("short", "h"), 0x70: ("uint", "I"),
    0x71: ("int", "i"), 0x72: ("float", "f"), 0x73: ("char", "I"), 0x80: ("ulong", "Q"),
    0x81: ("long", "q"), 0x82: ("double", "d"), 0x83: ("timestamp", "q"), 0x98: ("uuid", "16s"),
}
IMPLIED = {"null": None, "true": True, "false": False, "uint0": 0, "ulong0": 0}
SIZED = {0xa0: ("vbin8", "B"), 0xb0: ("vbin32", "I"), 0xa1: ("str8", "B"), 0xb1: ("str32", "I"),
         0xa3: ("sym8", "B"), 0xb3: ("sym32", "I")}
COMPOUND = {0xc0: ("list8", "B"), 0xd0: ("list32", "I"), 0xc1: ("map8", "B"), 0xd1: ("map32", "I")}
ARRAYS = {0xe0: ("array8", "B"), 0xf0: ("array32", "I")}


class Value(typing.NamedTuple):
    """kind: the constructor's name, or "described". value: a number, text or bytes; of a list, map
    (keys and values in turn) or array a list of Values; of a described one its Value."""

    kind: str
    value: typing.Any
    descriptor: str = ""

    @property
    def fields(self):
        """The Values of a described list."""
        return self.value.value if self.value.kind.startswith("list") else []

    def __str__(self):
        if self.kind == "described":
            return "%s:%s" % (self.descriptor, self.value)
        if self.kind in IMPLIED:
            return self.kind
        if isinstance(self.value, list):
            return "%s[%s]" % (self.kind, ", ".join(str(item) for item in self.value))
        return "%s %s" % (self.kind, self.value)


class Cursor(Bytes):
    """Reads typed values one after the other."""

    def value(self, code=None):
        code = self.number("B") if code is None else code
        if code == 0x00:
            descriptor = self.value()
            known = DESCRIPTORS.get(descriptor.value, str(descriptor.value))
            return Value("described", self.value(), known)
        if code in FIXED:
            name, form = FIXED[code]
            return Value(name, IMPLIED[name] if form is None else self.number(form))
        if code in SIZED:
            name, form = SIZED[code]
            raw = self.take(self.number(form))
            if name.startswith("vbin"):
                return Value(name, raw)
            return Value(name, raw.decode("utf-8", "backslashreplace"))
        if code == 0x45:
            return Value("list0", [])
        if code in COMPOUND or code in ARRAYS:
            name, form = {**COMPOUND, **ARRAYS}[code]
            inner = Cursor(self.take(self.number(form)))
            count = inner.number(form)
            if code in ARRAYS:
                item = inner.number("B")
                return Value(name, [inner.value(item) for _ in range(count)])
            return Value(name, [inner.value() for _ in range(count)])
        raise ValueError("no type has the code %#x" % code)


def sections(message):
    """The sections of a message, as Values."""
    cursor = Cursor(message)
    found = []
    while cursor.at < len(message):
        found.append(cursor.value())
    return found


class Decoder:
    """Decodes one direction of one connection; `emit` gets the events."""

    def __init__(self, side, emit):
        self.side = side
        self.emit = emit
        self.buffer = b""
        self.messages = {}  # (channel, handle): the pieces of the message that is arriving

    def feed(self, data):
        self.buffer += data
        while len(self.buffer) >= 8:
            if self.buffer[:4] == b"AMQP":
                self.emit({"from": self.side, "protocol": self.buffer[:8].hex()})
                self.buffer = self.buffer[8:]
                continue
            size, offset, _, channel = struct.unpack(">IBBH", self.buffer[:8])
            if size < 8 or offset < 2:
                raise ValueError("a frame of %d bytes" % size)
            if len(self.buffer) < size:
                return
            body, self.buffer = self.buffer[offset * 4:size], self.buffer[size:]
            self.frame(channel, body)

    def frame(self, channel, body):
        if not body:
            self.emit({"from": self.side, "heartbeat": True})
            return
        cursor = Cursor(body)
        if cursor.number("B") != 0:
            raise ValueError("a frame without a performative")
        code = cursor.value().value
        name, fields = PERFORMATIVES[code]
        event = {"from": self.side, "channel": channel, "frame": name,
                 "fields": dict(zip(fields.split(), cursor.value().value))}
        if name == "transfer":
            event["payload"] = body[cursor.at:]
            self.gather(channel, event)
        elif name == "detach":
            self.messages.pop((channel, event["fields"]["handle"].value), None)
        self.emit(event)

    def gather(self, channel, event):
        fields = event["fields"]
        key = channel, fields["handle"].value
        self.messages.setdefault(key, []).append(event["payload"])
        if "more" in fields and fields["more"].value:
            return
        pieces = self.messages.pop(key)
        event["pieces"] = [len(piece) for piece in pieces]
        event["message"] = sections(b"".join(pieces))
