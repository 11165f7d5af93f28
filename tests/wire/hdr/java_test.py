#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Interval logs against the Java implementation of HdrHistogram: each side writes one of the same
samples, each reads the other's, and what they found is compared with a computation in Python.

  java_test.py HDR_LOG_PEER

SAMPLES is a text: "interval TAG START LENGTH" (TAG - for none, seconds after the base time), for
Java also " DIGITS LOWEST HIGHEST" of a layout that is not ours (DIGITS 0: grows by itself), and below
it "VALUE TIMES" lines. An answer has for each interval "interval TAG START LENGTH" (milliseconds since
the epoch), "count N", "max N", "percentile P N" and "bucket FIRST LAST COUNT" lines.
"""

import base64
import collections
import os
import pathlib
import random
import subprocess
import sys
import tempfile
import unittest
import zlib

PEER = ""
JAR = "/usr/share/java/hdrhistogram.jar"
HERE = pathlib.Path(__file__).parent
HOUR = 3_600_000_000_000
BASE = 1_700_000_000_000
PERCENTILES = {"50.00": 5000, "90.00": 9000, "99.00": 9900, "99.90": 9990, "99.99": 9999,
               "100.00": 10000}

Interval = collections.namedtuple("Interval", "tag start length layout samples")


def random_values(seed, count):
    rng = random.Random(seed)
    return [(min(int(rng.lognormvariate(13, 3)), HOUR), 1) for _ in range(count)]


def whole_range():
    """Both sides of every power of two up to an hour, and an hour itself."""
    values = {0, HOUR}
    for power in range(42):
        values |= {v for v in ((1 << power) - 1, 1 << power, (1 << power) + 1) if v <= HOUR}
    return [(v, 1) for v in sorted(values)]


COMMON = [
    Interval("-", 0, 1, (), []),
    Interval("empty", 0.5, 1, (), []),
    Interval("-", 1, 0.25, (), [(1_234_567, 1)]),
    Interval("zero", 1, 1, (), [(0, 3)]),
    Interval("one", 1, 1, (), [(1, 1)]),
    Interval("two", 1, 1, (), [(2, 1)]),
    Interval("zeros-between", 2, 1, (), [(5, 1), (7, 2), (10, 1), (5_000_000_000, 1)]),
    Interval("whole-range", 3, 1, (), whole_range()),
    Interval("large-counts", 4, 1, (), [(100, (1 << 32) + 1), (2_000_000, 10 ** 12), (HOUR, 77)]),
    Interval("calls", 5, 1, (), random_values(1, 10_000)),
    Interval("calls", 6, 1, (), random_values(2, 10_000)),
    Interval("casts/ä", 6, 1.5, (), random_values(3, 10_000)),
]
READABLE = [
    Interval("grown", 0, 1, (0, 0, 0), random_values(4, 1_000)),
    Interval("4-digits", 1, 1, (4, 1, HOUR), random_values(5, 1_000)),
    Interval("5-digits", 2, 1, (5, 1, HOUR), random_values(6, 1_000)),
    Interval("1-digit", 3, 1, (1, 1, 1000), [(v, v + 1) for v in range(32)]),
    Interval("microseconds", 4, 1, (3, 1000, HOUR), [(v + (1 << 20), 1) for v in
                                                    range(0, 10 ** 9, 999_983)]),
    Interval("lower", 5, 1, (3, 1, 1_000_000), [(v, 2) for v in range(0, 1_000_000, 9_973)]),
    Interval("higher", 6, 1, (3, 1, 1 << 62), random_values(7, 1_000)),
]
UNREADABLE = [
    (Interval("coarse", 7, 1, (2, 1, HOUR), [(10, 1), (1_000_000, 1)]),
     "unreadable_content: line {}: histogram has fewer digits than ours"),
    (Interval("coarse-units", 8, 1, (3, 1000, HOUR), [(2_000, 1)]),
     "unreadable_content: line {}: histogram has fewer digits than ours"),
    (Interval("above", 9, 1, (3, 1, 1 << 62), [(1, 1), (2 * HOUR, 1)]),
     "unreadable_content: line {}: histogram holds values above one hour"),
    (Interval("shifted", 10, 1, (3, 1, HOUR), [(5_000, 1)]),
     "unreadable_content: line {}: histogram of shifted or scaled values"),
    (Interval("double", 11, 1, (0, 0, 0), [(2, 1)]),
     "unreadable_content: line {}: not HdrHistogram's compressed V2 encoding"),
]


def samples_text(intervals):
    lines = []
    for i in intervals:
        lines.append(" ".join(map(str, ("interval", i.tag, i.start, i.length) + i.layout)))
        lines += [f"{value} {times}" for value, times in i.samples]
    return "\n".join(lines) + "\n"


def bucket_of(value):
    """HdrHistogram's layout for 3 digits: 2048 values one by one, then 1024 buckets an octave."""
    shift = max(0, value.bit_length() - 11)
    first = value >> shift << shift
    return first, first + (1 << shift) - 1


def expected(i):
    """The lines of an answer, without percentiles that are no sample's by each rule of rounding."""
    buckets = collections.Counter()
    for value, times in i.samples:
        buckets[bucket_of(value)] += times
    count = sum(buckets.values())
    yield f"interval {i.tag} {BASE + int(i.start * 1000)} {int(i.length * 1000)}"
    yield f"count {count}"
    ordered = sorted(buckets.items())
    if not i.layout:
        yield f"max {min(HOUR, ordered[-1][0][1]) if ordered else 0}"
        for name, share in PERCENTILES.items():
            if count and count * share % 10_000 == 0:
                rank = count * share // 10_000
                seen = 0
                for (_, last), times in ordered:
                    seen += times
                    if seen >= rank:
                        break
                yield f"percentile {name} {min(HOUR, last)}"
    for (first, last), times in ordered:
        yield f"bucket {first} {last} {times}"


def answers(text):
    """A set of lines an interval."""
    intervals = []
    for line in text.splitlines():
        if line.startswith("interval "):
            intervals.append([])
        words = line.split()
        if words[0] in ("max", "percentile"):  # the last bucket reaches beyond an hour
            line = " ".join(words[:-1] + [str(min(HOUR, int(words[-1])))])
        if words[0] != "refused":
            intervals[-1].append(line)
    return intervals


def encoded(log):
    """What the histograms of a log are once inflated."""
    lines = [line for line in log.read_text(encoding="utf-8").splitlines() if line[0] not in '#"']
    return [zlib.decompress(base64.b64decode(line.split(",")[-1])[8:]) for line in lines]


class Logs(unittest.TestCase):
    maxDiff = 2000

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(cls.folder.cleanup)
        folder = pathlib.Path(cls.folder.name)
        cls.ours, cls.java, cls.foreign = (folder / f"{n}.hlog" for n in ("ours", "java", "foreign"))
        common = folder / "common"
        common.write_text(samples_text(COMMON), encoding="utf-8")
        everything = folder / "everything"
        everything.write_text(samples_text(COMMON + READABLE + [i for i, _ in UNREADABLE]),
                              encoding="utf-8")
        subprocess.run([PEER, "write", common, cls.ours], check=True)
        assert os.path.exists(JAR), f"no {JAR}: tools/install-dependencies test"
        cls.java_read = subprocess.run(
            ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Dfile.encoding=UTF-8", "-cp",
             JAR, HERE / "log_peer.java", everything, cls.java, cls.foreign, cls.ours],
            check=True, stdout=subprocess.PIPE, encoding="utf-8").stdout

    def we_read(self, log):
        return subprocess.run([PEER, "read", log], check=True, stdout=subprocess.PIPE,
                              encoding="utf-8").stdout

    def compare(self, answer, intervals):
        found = answers(answer)
        self.assertEqual(len(found), len(intervals))
        for lines, interval in zip(found, intervals):
            with self.subTest(interval.tag, start=interval.start):
                wanted = list(expected(interval))
                self.assertEqual([line for line in lines if line in set(wanted)], wanted)
                self.assertEqual(sum(line.startswith("bucket") for line in lines),
                                 sum(line.startswith("bucket") for line in wanted))

    def test_java_finds_in_our_log_what_was_recorded(self):
        self.compare(self.java_read, COMMON)

    def test_we_find_in_its_log_what_was_recorded(self):
        answer = self.we_read(self.java)
        self.assertNotIn("refused", answer)
        self.compare(answer, COMMON)

    def test_both_write_the_same_bytes(self):
        self.assertEqual(encoded(self.ours), encoded(self.java))
        self.assertEqual(len(encoded(self.ours)), len(COMMON))

    def test_other_layouts_are_read_exactly_or_refused(self):
        answer = self.we_read(self.foreign)
        self.compare(answer, READABLE)
        refused = [line.split(" ", 1)[1] for line in answer.splitlines()
                   if line.startswith("refused")]
        head = 5
        self.assertEqual(refused, [why.format(head + len(READABLE) + n)
                                   for n, (_, why) in enumerate(UNREADABLE, 1)])


if __name__ == "__main__":
    PEER = sys.argv.pop(1)
    unittest.main(verbosity=2)
