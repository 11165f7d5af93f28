#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The checker of figures finds what is wrong with them."""

import unittest

import prometheus

GOOD = ('# HELP a_total What\\n it "is".\n# TYPE a_total counter\na_total{k="x\\"y\\\\z\\n"} 7\n'
        'a_total{k="",l="2"} 0.5\n# HELP g G.\n# TYPE g gauge\ng -1e-05\n'
        '# HELP h_seconds H.\n# TYPE h_seconds histogram\nh_seconds_bucket{le="0.5"} 1\n'
        'h_seconds_bucket{le="+Inf"} 3\nh_seconds_sum 7.5\nh_seconds_count 3\n')


class Checker(unittest.TestCase):
    def test_what_is_right_is_read(self):
        families = prometheus.parse(GOOD)
        self.assertEqual(sorted(families), ["a_total", "g", "h_seconds"])
        self.assertEqual(families["a_total"].samples[("a_total", (("k", 'x"y\\z\n'),))], 7)
        self.assertEqual(families["g"].samples[("g", ())], -1e-05)
        self.assertEqual(prometheus.parse(""), {})

    def test_what_is_wrong_is_found(self):
        for old, new in (
                ("g -1e-05\n", "g\n"), ("g -1e-05\n", "g x\n"), ("g -1e-05\n", "g 1 2 3\n"),
                ("g -1e-05\n", "g 1\ng 1\n"), ("g -1e-05\n", "other 1\n"),
                ("# TYPE g gauge\n", ""), ("# HELP g G.\n", ""), ("# HELP g G.", "# HELP g "),
                ("gauge", "gauges"), ("# HELP g G.", "# HELP a_total G."),
                ("# HELP g G.\n# TYPE g gauge\n", "# HELP g G.\n# TYPE g gauge\n" * 2),
                ("g -1e-05\n", "g -1e-05\na_total 3\n"), ("g -1e-05\n", "g -1e-05\n\n"),
                ('{k="",l="2"}', '{k="",k="2"}'), ('{k="",l="2"}', '{k="" l="2"}'),
                ('{k="",l="2"}', '{k="",}'), ('{k="",l="2"}', '{k=x}'), ('\\"y', '"y'),
                ('\\"y', '\\qy'), ("a_total", "a_count"), ("} 7\n", "} -7\n"),
                ('le="0.5"} 1', 'le="0.5"} 4'), ('le="0.5"', 'lf="0.5"'), ("+Inf", "9"),
                ("h_seconds_count 3", "h_seconds_count 2"), ("h_seconds_sum 7.5\n", ""),
                ("h_seconds", "h_minutes"), ("h_seconds_count 3\n", "h_seconds_count 3")):
            with self.subTest(old=old, new=new):
                self.assertIn(old, GOOD)
                self.assertRaises(ValueError, prometheus.parse, GOOD.replace(old, new))


if __name__ == "__main__":
    unittest.main(verbosity=2)
