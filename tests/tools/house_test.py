#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The house: the top level, the presets and where they build, and that docs/design.md says of the
layers what check_layers.py checks."""

import json
import os
import re
import shutil
import subprocess
import sys
import unittest

import check_layers

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
TOP_FOLDERS = {"agents", "controller", "drivers", "wire", "tools", "tests", "bench", "docs", ".ci"}
TOP_FILES = {"CMakeLists.txt", "CMakePresets.json", "LICENSE", "README.md", "CONTRIBUTING.md",
             "CHANGELOG.md", ".clang-format", ".clang-tidy", ".gitignore"}
PRESETS = ["dev", "ci", "release", "asan", "tsan", "fuzz", "tidy", "coverage"]


def text_of(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as file:
        return file.read()


class TopLevel(unittest.TestCase):
    def test_it_is_as_fixed_and_nothing_else_is_kept_there(self):
        # What git keeps, where it is installed: a developer's own files may lie beside it.
        kept = ""
        if shutil.which("git"):
            kept = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True,
                                  check=False).stdout
        names = {path.split("/")[0] for path in kept.splitlines()} or (
            set(os.listdir(ROOT)) - {".git", "build"})
        self.assertEqual({n for n in names if os.path.isdir(os.path.join(ROOT, n))}, TOP_FOLDERS)
        self.assertEqual({n for n in names if os.path.isfile(os.path.join(ROOT, n))}, TOP_FILES)

    def test_the_licence_is_apache_2(self):
        self.assertRegex(text_of("LICENSE"), r"\A\s+Apache License\s+Version 2\.0, January 2004")

    def test_what_ci_runs_is_there_to_be_run(self):
        self.assertTrue(os.access(os.path.join(ROOT, ".ci", "run"), os.X_OK))


class Presets(unittest.TestCase):
    def test_cmake_lists_all_of_them(self):
        for kind in ("configure", "build"):
            listed = subprocess.run(["cmake", "--list-presets=" + kind], cwd=ROOT, check=True,
                                    capture_output=True, text=True).stdout
            self.assertEqual(re.findall(r'^  "(\w+)"', listed, re.M), PRESETS, kind)

    def test_each_builds_into_a_folder_of_its_name_its_programs_into_bin(self):
        presets = {p["name"]: p for p in json.loads(text_of("CMakePresets.json"))["configurePresets"]}
        for name in PRESETS:
            self.assertEqual(presets[name]["inherits"], "base")
            self.assertNotIn("binaryDir", presets[name])
            self.assertNotIn("CMAKE_RUNTIME_OUTPUT_DIRECTORY", presets[name]["cacheVariables"])
        folder = "${sourceDir}/build/${presetName}"
        self.assertEqual(presets["base"]["binaryDir"], folder)
        self.assertEqual(presets["base"]["cacheVariables"]["CMAKE_RUNTIME_OUTPUT_DIRECTORY"],
                         folder + "/bin")


class Design(unittest.TestCase):
    maxDiff = None

    def test_its_table_of_layers_is_the_one_that_is_checked(self):
        table = text_of("docs", "design.md").split("| may include, beside itself |\n|---|---|\n")[1]
        said = {}
        for line in table.split("\n\n")[0].splitlines():
            _, folders, may, _ = line.split("|")
            may = may.split(";")[0]
            for folder in re.findall(r"`([^`]+)`", folders):
                said[folder] = [e.replace("/*.hpp", "/*") for e in re.findall(r"`([^`]+)`", may)]
        self.assertEqual({f: sorted(may) for f, may in said.items()},
                         {f: sorted(may) for f, may in check_layers.LAYERS.items()})


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    unittest.main(verbosity=2)
