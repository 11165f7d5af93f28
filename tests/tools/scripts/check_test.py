# SPDX-License-Identifier: Apache-2.0
"""tools/check: every part runs, and each has its verdict in the last lines."""

import unittest

from tree import TreeTest


class Check(TreeTest):
    def setUp(self):
        super().setUp()
        # What the presets would have built; the packages of the machine do not matter here.
        self.tree.stand_in("dpkg-query", 'for name; do echo "ii  $name"; done')
        self.tree.stand_in("clang-format-14", "exit 0")
        for preset in ("tidy", "asan", "tsan", "fuzz"):
            folder = self.tree.root / "build" / preset
            (folder / "bin").mkdir(parents=True)
            (folder / "build.ninja").write_text("build all: phony\n")
            self.tree.stand_in("ombt-bus", 'shift 2; exec "$@"', folder / "bin")
            (folder / "CTestTestfile.cmake").write_text(
                'add_test(one "/bin/true")\nset_tests_properties(one PROPERTIES LABELS unit)\n')
        (self.tree.root / "tests/fuzz/corpus/frames").mkdir(parents=True)
        self.fuzz = self.tree.root / "build" / "fuzz" / "bin"
        self.tree.stand_in("fuzz_frames", 'echo "$@" > "$0.arguments"', self.fuzz)

    def check(self, *arguments):
        before = self.tree.files()
        status, out, err = self.tree.run("tools/check", *arguments)
        self.assert_nothing_left(before)
        return status, out.splitlines(), err

    def test_all_is_well(self):
        status, lines, err = self.check("--fuzz-seconds", "3")
        self.assertEqual(status, 0, err)
        self.assertEqual([line.split()[0] for line in lines], ["ok"] * 5)
        for part, line in zip(("formatting", "clang-tidy", "address", "thread", "frames"), lines):
            self.assertIn(part, line)
        said = (self.fuzz / "fuzz_frames.arguments").read_text()
        self.assertIn("-max_total_time=3 ", said)
        self.assertIn("tests/fuzz/corpus/frames", said)

    def test_quick_leaves_clang_tidy_out(self):
        status, lines, err = self.check("--quick")
        self.assertEqual((status, len(lines)), (0, 4), err)
        self.assertNotIn("tidy", " ".join(lines))

    def test_every_part_runs_whatever_the_others_say(self):
        self.tree.stand_in("clang-format-14", "echo 'badly formatted'; exit 1")
        (self.tree.root / "a.cpp").write_text("int a;\n")
        (self.tree.root / "build/tsan/CTestTestfile.cmake").write_text('add_test(two "/bin/false")')
        self.tree.stand_in("fuzz_frames", "echo 'a crash'; exit 77", self.fuzz)
        self.tree.stand_in("fuzz_more", "exit 0", self.fuzz)
        status, lines, err = self.check("--fuzz-seconds=1")
        self.assertEqual(status, 1)
        self.assertEqual([line.split()[0] for line in lines],
                         ["FAILED", "ok", "ok", "FAILED", "FAILED", "ok"])
        self.assertIn("badly formatted", err)
        self.assertIn("failed: two", err)
        self.assertIn("a crash", err)

    def test_wrong_options_end_in_2(self):
        for arguments in (["--slow"], ["--fuzz-seconds", "soon"], ["--fuzz-seconds"]):
            status, lines, err = self.check(*arguments)
            self.assertEqual((status, lines), (2, []), err)
            self.assertEqual(len(err.splitlines()), 1, err)


if __name__ == "__main__":
    unittest.main(verbosity=2)
