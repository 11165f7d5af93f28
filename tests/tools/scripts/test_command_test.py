# SPDX-License-Identifier: Apache-2.0
"""tools/test: its last line counts every test, and its status tells whether all is well."""

import os
import signal
import unittest

from tree import TreeTest

# A bus in name only: runs what follows "--".
BUS = """
while [[ $1 != -- ]]; do shift; done
shift
trap 'trap "" TERM; kill -TERM 0; trap - INT; kill -INT $$' INT
"$@" & wait $!"""


class TestCommand(TreeTest):
    def setUp(self):
        super().setUp()
        self.dev = self.suite("dev", one="true")

    def suite(self, preset, skip=(), label="unit", **tests):
        """A build folder with these tests: name -> shell command."""
        folder = self.tree.root / "build" / preset
        (folder / "bin").mkdir(parents=True, exist_ok=True)
        (folder / "build.ninja").write_text("build all: phony\n")
        self.tree.stand_in("ombt-bus", BUS, folder / "bin")
        lines = []
        for name, command in tests.items():
            lines.append('add_test([=[%s]=] "/bin/sh" "-c" [=[%s]=])' % (name, command))
            skipping = " SKIP_RETURN_CODE 77" if name in skip else ""
            lines.append('set_tests_properties([=[%s]=] PROPERTIES LABELS "%s"%s)'
                         % (name, label, skipping))
        (folder / "CTestTestfile.cmake").write_text("\n".join(lines) + "\n")
        return folder

    def check(self, *arguments):
        before = self.tree.files()
        result = self.tree.run("tools/test", *arguments)
        self.assert_nothing_left(before)
        return result

    def test_all_passed(self):
        self.suite("dev", one="true", two="true")
        status, out, err = self.check()
        self.assertEqual((status, out), (0, "2 passed, 0 failed, 0 skipped\n"), err)

    def test_failed_and_skipped_tests_are_counted_and_named(self):
        self.suite("dev", skip=["later"], good="true", bad="echo whatever; false",
                   killed="kill -SEGV $$", later="exit 77")
        status, out, err = self.check()
        self.assertEqual((status, out), (1, "1 passed, 2 failed, 1 skipped\n"), err)
        for line in ("failed: bad", "failed: killed", "skipped: later", "build/log/test.log"):
            self.assertIn(line, err)

    def test_a_skip_alone_is_no_failure(self):
        self.suite("dev", skip=["later"], good="true", later="exit 77")
        self.assertEqual(self.check()[:2], (0, "1 passed, 0 failed, 1 skipped\n"))

    def test_a_test_whose_program_is_missing_has_failed(self):
        with open(self.dev / "CTestTestfile.cmake", "a", encoding="utf-8") as file:
            file.write('add_test(ghost "/nonexistent/program")\n')
        self.assertEqual(self.check()[:2], (1, "1 passed, 1 failed, 0 skipped\n"))

    def test_markup_in_names_and_output_misleads_nobody(self):
        self.suite("dev", **{'a <b> & "c"': "echo '<testcase name=\"x\" status=\"fail\">'; false"})
        status, out, err = self.check()
        self.assertEqual((status, out), (1, "0 passed, 1 failed, 0 skipped\n"), err)
        self.assertIn('failed: a <b> & "c"\n', err)

    def test_no_tests_at_all_is_a_failure(self):
        status, out, _ = self.check("-R", "no such test")
        self.assertEqual((status, out), (1, "0 passed, 0 failed, 0 skipped\n"))

    def test_arguments_are_ctests(self):
        self.suite("dev", one="true", two="false")
        self.assertEqual(self.check("-R", "one")[:2], (0, "1 passed, 0 failed, 0 skipped\n"))

    def test_ci_runs_unit_tests_with_sanitizers_and_the_others_without(self):
        with open(self.suite("ci", label="unit", one="false") / "CTestTestfile.cmake",
                  encoding="utf-8") as file:
            unit = file.read()
        with open(self.suite("ci", label="unit-unsanitized", two="true") / "CTestTestfile.cmake",
                  "a", encoding="utf-8") as file:
            file.write(unit)
        self.suite("asan", three="true", four="false")
        status, out, err = self.check("--ci")
        self.assertEqual((status, out), (1, "2 passed, 1 failed, 0 skipped\n"), err)
        self.assertIn("failed: four", err)

    def test_what_ci_runs_is_just_that(self):
        self.suite("ci", label="bus", one="true")
        self.suite("asan", three="true", four="true")
        before = self.tree.files()
        status, out, err = self.tree.run(".ci/run")
        self.assert_nothing_left(before)
        self.assertEqual((status, out), (0, "3 passed, 0 failed, 0 skipped\n"), err)
        self.assertIn("fuzz corpora", err)

    def test_what_is_missing_is_installed_first(self):
        self.tree.lacks("python3-kombu")
        status, out, err = self.tree.run_as_nobody("tools/test")
        self.assertEqual((status, out), (1, ""), err)
        self.assertEqual(err, "install-dependencies: sudo refused; needed: python3-kombu\n")

    def test_a_build_that_fails_names_its_log(self):
        (self.dev / "build.ninja").write_text(
            "rule fail\n  command = echo 'of no use'; exit 1\nbuild all: fail\n")
        status, out, err = self.check()
        self.assertEqual((status, out), (1, ""))
        self.assertIn("build/log/build-dev.log", err)
        self.assertIn("of no use", err)

    def test_a_bus_that_cannot_start_is_a_failure(self):
        self.tree.stand_in("ombt-bus", "echo 'no bus today' >&2; exit 1", self.dev / "bin")
        status, out, err = self.check()
        self.assertEqual((status, out), (1, "0 passed, 0 failed, 0 skipped\n"))
        self.assertIn("no bus today", err)

    def test_interrupted_it_ends_its_tests(self):
        self.suite("dev", slow="sleep 1000")
        before = self.tree.files()
        process = self.tree.start("tools/test")
        said = ""
        while "running all tests" not in said:
            said += os.read(process.stderr.fileno(), 256).decode(errors="replace")
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=180)
        self.assertEqual(process.returncode, -signal.SIGINT)
        self.assert_nothing_left(before, patience=15)


if __name__ == "__main__":
    unittest.main(verbosity=2)
