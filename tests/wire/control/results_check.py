# SPDX-License-Identifier: Apache-2.0
"""Computes the results record of sample sets again, from its definition, and compares.

Usage: results_check.py PROGRAM, which prints the sets (see results_samples.cpp).
"""

import json
import math
import subprocess
import sys


def close(a, b):
    return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-12)


def expected_distribution(samples):
    rows = {}
    for sample in samples:
        # The decade and first digit as the decimal notation shows them.
        digits, _, exponent = ("%.17e" % sample).partition("e")
        decade = int(exponent)
        if sample < 1:
            decade, index = 0, 0
        else:
            index = int(digits[0])
        rows.setdefault(str(decade), [0] * 10)[index] += 1
    return rows


def check(line):
    case = json.loads(line)
    record, parts = case["record"], case["parts"]
    samples = [s for part in parts for s in part]
    assert list(record) == ["start_time", "stop_time", "msgs_ok", "msgs_fail", "latency", "errors"]
    latency = record["latency"]
    assert list(latency) == ["min", "max", "total", "count", "sum_of_squares", "distribution"]
    # Byte for byte what json.dumps makes of the same values.
    assert case["record_text"] == json.dumps(record), case["record_text"]
    assert record["msgs_ok"] == latency["count"] == len(samples)
    assert record["msgs_fail"] == 0 and record["errors"] == {}
    if not samples:
        assert record["start_time"] is None and record["stop_time"] is None
        assert latency["min"] is None and latency["max"] is None
        assert latency["total"] == 0 and latency["distribution"] == {}
        assert "Total Messages: 0\n" in case["text"] and "Latency" not in case["text"]
        return
    starts = [1542827906.25 + 100 * p for p, part in enumerate(parts) if part]
    stops = [1542827906.25 + 100 * p + len(part) - 1 for p, part in enumerate(parts) if part]
    assert record["start_time"] == min(starts) and record["stop_time"] == max(stops)
    assert latency["min"] == min(samples) and latency["max"] == max(samples)
    assert close(latency["total"], math.fsum(samples))
    assert close(latency["sum_of_squares"], math.fsum(s * s for s in samples))
    assert latency["distribution"] == expected_distribution(samples), line[:500]
    mean = math.fsum(samples) / len(samples)
    deviation = math.sqrt(max(0.0, math.fsum(s * s for s in samples) / len(samples) - mean ** 2))
    lines = case["text"].splitlines()
    head = [l for l in lines if l.startswith("Latency %d samples (msecs): " % len(samples))]
    assert len(head) == 1, case["text"]
    figures = head[0].split()
    named = dict(zip(figures[4::2], map(float, figures[5::2])))
    assert list(named) == ["Average", "StdDev", "Min", "Max"], head[0]
    assert abs(named["Average"] - mean) < 1e-5 and abs(named["StdDev"] - deviation) < 1e-3
    assert abs(named["Min"] - min(samples)) < 1e-5 and abs(named["Max"] - max(samples)) < 1e-5
    rows = [l for l in lines if l.startswith("[")]
    counted = 0
    for row in rows:
        bounds, _, count = row.partition(":  ")
        low, high = bounds[1:-1].split("..<")
        assert int(count) == sum(1 for s in samples if int(low) <= s < int(high)), row
        counted += int(count)
    assert counted == len(samples)


def main():
    output = subprocess.run([sys.argv[1]], check=True, stdout=subprocess.PIPE, text=True).stdout
    lines = output.splitlines()
    assert len(lines) > 100
    for line in lines:
        check(line)
    print("%d sets of samples agree" % len(lines))


if __name__ == "__main__":
    main()
