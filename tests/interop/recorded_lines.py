# SPDX-License-Identifier: Apache-2.0
"""What a client of the bus sent over one recorded connection, as lines of text to be compared: all
that differs from run to run is masked. One class a protocol, the same method `of`."""

import json
import re

import amqp_recorder


class Lines:
    """names: {own name: common name} of exchanges and topics."""

    def __init__(self, names):
        self.names = names

    def mask(self, text):
        for own, common in self.names.items():
            text = text.replace(own, common)
        return amqp_recorder.mask(text)

    @staticmethod
    def about_the_connection(event):
        if "closed" in event:
            return "closed the connection"
        if "protocol" in event:
            return "protocol header " + event["protocol"]
        if "broken" in event:
            return "BROKEN " + event["broken"]
        return None

    @staticmethod
    def without_traceback(body):
        return re.sub(r'(\\*"tb\\*": \[).*?(\], \\*"args)', r"\1<traceback>\2", body)


class RabbitLines(Lines):
    """AMQP 0-9-1: a line a method or content, in the order sent."""

    def of(self, events):
        return [self.line(event) for event in events
                if event["from"] == "client" and "heartbeat" not in event]

    def line(self, event):
        said = self.about_the_connection(event)
        if said is not None:
            return said
        if "method" in event:
            args = {k: v for k, v in event["args"].items() if not k.startswith("reserved")}
            if event["method"] == "connection.start-ok":
                args["client_properties"] = [
                    [key, letter, self.property(key, value)]
                    for key, letter, value in args["client_properties"]]
            if event["method"] in ("basic.ack", "basic.reject"):
                return "%s %s" % (event["method"], json.dumps(args))
            text = "channel %d %s %s" % (event["channel"], event["method"], json.dumps(args))
        else:
            content = event["content"]
            frames = content["frames"]
            if '\\"tb\\' in content["body"] or "compressed" in content:
                frames = "any, compressed as %s" % content.get("compressed")
            text = "content flags %s raw properties %s frames %s body %s" % (
                content["flags"], content["raw"], frames, self.without_traceback(content["body"]))
        return self.mask(text)

    @staticmethod
    def property(key, value):
        if key in ("product", "product_version"):
            return "<own>"
        if key == "connection_name":
            return re.sub(r"^[^:]+:\d+:", "<program>:<pid>:", value)
        return value


class RouterLines(Lines):
    """AMQP 1.0: what is about the connection, then each session in the order of its frames. Sessions
    are in a fixed order, because links that are made at the same time come in any."""

    CONNECTION = ("open", "close", "sasl-init", "sasl-response")

    def of(self, events):
        connection, sessions = [], {}
        for event in events:
            if event["from"] != "client" or "heartbeat" in event:
                continue
            said = self.about_the_connection(event)
            if said is not None or event["frame"] in self.CONNECTION:
                connection.append(said or self.line(event))
            else:
                if any(line.startswith("close ") for line in connection):
                    connection.append("BROKEN %s after close" % event["frame"])
                sessions.setdefault(event["channel"], []).extend(
                    self.line(one) for one in self.singly(event))
        channels = sorted(sessions)
        connection.append("channels %s" % ("0 and on" if channels == list(range(len(channels)))
                                           else channels))
        return connection + [line for lines in sorted(sessions.values())
                             for line in ["session"] + lines]

    @staticmethod
    def singly(event):
        """A disposition of a range as one for each: how many become one is a matter of time."""
        if event["frame"] != "disposition" or "last" not in event["fields"] or \
                event["fields"]["last"].kind == "null":
            return [event]
        fields = dict(event["fields"])
        first, last = fields["first"].value, fields.pop("last").value
        return [dict(event, fields=dict(fields, first=fields["first"]._replace(
            kind="uint0" if n == 0 else "smalluint" if n < 256 else "uint", value=n)))
                for n in range(first, last + 1)]

    def line(self, event):
        text = "%s %s" % (event["frame"], ", ".join(
            "%s=%s" % pair for pair in event["fields"].items() if pair[1].kind != "null"))
        if event["frame"] == "open":
            text = re.sub(r"(sym\w+ process, str8 )[^,]+(, sym\w+ pid, )\w+ \d+",
                          r"\1<program>\2<pid>", text)
            text = re.sub(r"(/container/[^/]+/)[^/]+/\d+/", r"\1<program>/<pid>/", text)
        if event["frame"] == "transfer":
            if "message" not in event:
                return self.mask("%s and %d bytes" % (text, len(event["payload"])))
            body = self.without_traceback("; ".join(str(part) for part in event["message"]))
            pieces = "any" if "<traceback>" in body else event["pieces"]
            text = "%s pieces %s message %s" % (text, pieces, body)
        return self.mask(text)

    def mask(self, text):
        text = re.sub(r"amqp:/_topo/0/[^/]+/temp\.[^ ,\]]+", "<reply address>", text)
        text = re.sub(r"timestamp \d+", "timestamp <time>", text)
        return super().mask(text)


def lines_of(kind, names):
    return {"rabbit": RabbitLines, "router": RouterLines}[kind](names)
