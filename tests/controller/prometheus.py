# SPDX-License-Identifier: Apache-2.0
"""Reads Prometheus' text format (0.0.4) as strictly as its documents ask writers to be, and more:
HELP and TYPE before the samples of each family, all of a family together, no sample twice, counters
that end in _total, whole histograms. What breaks a rule is a ValueError."""

import collections
import math
import re
import urllib.request

NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"')
TYPES = ("counter", "gauge", "histogram", "summary", "untyped")
ESCAPES = {"\\\\": "\\", '\\"': '"', "\\n": "\n"}

Family = collections.namedtuple("Family", "type help samples")


def must(condition, what, line):
    if not condition:
        raise ValueError("%s: %r" % (what, line))


def labels_of(text, line):
    found = {}
    while text:
        match = LABEL.match(text)
        must(match, "labels", line)
        must(match[1] not in found, "a label twice", line)
        found[match[1]] = re.sub(r'\\[\\"n]', lambda m: ESCAPES[m[0]], match[2])
        text = text[match.end():]
        if text:
            must(text.startswith(",") and len(text) > 1, "labels", line)
            text = text[1:]
    return found


def sample_of(line):
    match = NAME.match(line)
    must(match, "name", line)
    name, rest = match[0], line[match.end():]
    labels = {}
    if rest.startswith("{"):
        end = rest.rindex("}")
        labels, rest = labels_of(rest[1:end], line), rest[end + 1:]
    must(re.fullmatch(r" (?:[+-]Inf|NaN|[-+0-9.e]+)", rest), "value", line)
    return name, labels, float(rest)


def check_histogram(name, samples):
    series = collections.defaultdict(dict)
    for (sample, labels), value in samples.items():
        rest = tuple(pair for pair in labels if pair[0] != "le")
        bound = dict(labels).get("le")
        must((bound is not None) == sample.endswith("_bucket"), "le", sample)
        series[rest][sample[len(name):], bound] = value
    for rest, parts in series.items():
        bounds = [bound for suffix, bound in parts if suffix == "_bucket"]
        numbers = [float(bound) for bound in bounds]
        must(numbers == sorted(set(numbers)) and numbers[-1] == math.inf, "bounds", (name, rest))
        counts = [parts["_bucket", bound] for bound in bounds]
        must(counts == sorted(counts) and counts[0] >= 0, "buckets that fall", (name, rest))
        must(parts.get(("_count", None)) == counts[-1], "count", (name, rest))
        must(("_sum", None) in parts, "sum", (name, rest))
        must(len(parts) == len(bounds) + 2, "parts", (name, rest))


def check_family(name, family):
    for (sample, _), value in family.samples.items():
        if family.type == "histogram":
            must(sample in (name + "_bucket", name + "_sum", name + "_count"), "suffix", sample)
        else:
            must(sample == name, "family", sample)
        if family.type == "counter":
            must(value >= 0 and math.isfinite(value), "a counter below zero", sample)
    must((family.type == "counter") == name.endswith("_total"), "name", name)
    if family.type == "histogram":
        must(name.endswith("_seconds"), "unit", name)
        check_histogram(name, family.samples)


def parse(text):
    """name -> Family; samples: (name, ((label, value), …) sorted) -> number."""
    must(text.endswith("\n") or not text, "last line", text[-80:])
    families = {}
    now = None
    for line in text.split("\n")[:-1]:
        if line.startswith("# HELP "):
            name, _, words = line[7:].partition(" ")
            must(NAME.fullmatch(name) and name not in families and words, "HELP", line)
            must(not re.search(r"\\(?![\\n])", words), "escape", line)
            now = name
            families[name] = Family(None, words, {})
        elif line.startswith("# TYPE "):
            name, _, kind = line[7:].partition(" ")
            must(name == now and families[name].type is None and kind in TYPES, "TYPE", line)
            families[name] = families[name]._replace(type=kind)
        else:
            must(not line.startswith("#") and line, "comment", line)
            name, labels, value = sample_of(line)
            must(now is not None and families[now].type and name.startswith(now), "place", line)
            key = (name, tuple(sorted(labels.items())))
            must(key not in families[now].samples, "a sample twice", line)
            families[now].samples[key] = value
    for name, family in families.items():
        check_family(name, family)
    return families


class Scrape:
    def __init__(self, url):
        with urllib.request.urlopen(url, timeout=30) as answer:
            kind = answer.headers["Content-Type"]
            must(kind.startswith("text/plain; version=0.0.4"), "content type", kind)
            self.text = answer.read().decode("utf-8")
        self.families = parse(self.text)

    def value(self, name, **labels):
        """Of one sample; None if there is none."""
        for family in self.families.values():
            for (sample, pairs), value in family.samples.items():
                if sample == name and dict(pairs) == labels:
                    return value
        return None

    def counters(self):
        """What may only grow."""
        return {key: value for name, family in self.families.items()
                for key, value in family.samples.items()
                if family.type == "counter" or
                family.type == "histogram" and not key[0].endswith("_sum")}

    def must_not_fall_below(self, before):
        now = self.counters()
        for key, value in before.counters().items():
            must(now.get(key, -1) >= value, "a counter fell", (key, value, now.get(key)))
