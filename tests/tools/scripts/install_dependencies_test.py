# SPDX-License-Identifier: Apache-2.0
"""tools/install-dependencies: nothing to do, nobody to do it, and its list of packages.

Installing for real is for tools/clean-root-test.
"""

import os
import re
import unittest

from tree import NOBODY, REPOSITORY, TreeTest


class InstallDependencies(TreeTest):
    def setUp(self):
        super().setUp()
        self.called = self.tree.temporary / "called"
        self.called.touch(mode=0o666)
        self.called.chmod(0o666)
        for name in ("apt-get", "sudo"):
            self.tree.stand_in(name, 'echo "%s $*" >> "%s"; echo "%s says no"; exit 1'
                               % (name, self.called, name))

    def as_nobody(self, *arguments):
        (self.tree.root / "build").chmod(0o777)
        options = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        process = self.tree.start("tools/install-dependencies", *arguments, **options)
        out, err = process.communicate(timeout=180)
        return process.returncode, out, err

    def test_with_everything_there_it_says_and_does_nothing(self):
        before = self.tree.files()
        self.assertEqual(self.tree.run("tools/install-dependencies", "build", "rabbit", "test"),
                         (0, "", ""))
        self.assert_nothing_left(before)
        self.assertEqual(self.called.read_text(), "")

    def test_unknown_purposes_end_in_2(self):
        status, out, err = self.tree.run("tools/install-dependencies", "build", "play")
        self.assertEqual((status, out), (2, ""))
        self.assertIn("play", err)

    def test_without_root_and_sudo_it_says_what_to_install(self):
        (self.tree.bin / "sudo").unlink()
        self.tree.stand_in("dpkg-query", "exit 1")
        # No sudo of the machine either.
        for name in ("bash", "dirname", "env", "setpriv", "sed", "grep", "mkdir", "tail"):
            (self.tree.bin / name).symlink_to("/usr/bin/" + name)
        self.tree.environment["PATH"] = str(self.tree.bin)
        status, out, err = self.as_nobody()
        self.assertEqual((status, out), (1, ""), err)
        self.assertEqual(len(err.splitlines()), 1, err)
        self.assertIn("apt-get install --no-install-recommends g++ cmake ", err)
        self.assertNotIn("rabbitmq-server", err)
        self.assertNotIn("oslo", err)

    def test_sudo_that_refuses_ends_it(self):
        self.tree.stand_in("dpkg-query", "exit 1")
        status, out, err = self.as_nobody()
        self.assertEqual((status, out.replace("sudo says no\n", "")), (1, ""))
        self.assertIn("sudo refused", err)

    def test_only_what_is_missing_is_installed_through_sudo(self):
        self.tree.stand_in("dpkg-query", r"""
          for name; do
            if [[ $name == [a-z]* && $name != cmake ]]; then echo "ii  $name"; fi
          done
          echo 'rc  cmake'""")
        self.tree.stand_in("sudo", 'echo "$*" >> "%s"; [[ $* == "-n true" ]] && exit 0; '
                           'echo "out of paper"; exit 1' % self.called)
        status, out, err = self.as_nobody()
        self.assertEqual((status, out), (1, ""), err)
        self.assertIn("installing 1 packages (cmake)", err)
        self.assertIn("build/log/install-dependencies.log", err)
        self.assertIn("out of paper", err)
        self.assertRegex(self.called.read_text(), r"--as-root cmake\n$")

    def test_the_list_is_in_order(self):
        _, out, _ = self.tree.run("tools/install-dependencies", "--list")
        lines = out.splitlines()
        names = [line.split()[1] for line in lines]
        self.assertEqual(len(names), len(set(names)))
        for line in lines:
            self.assertRegex(line, r"^(build|rabbit|test|check) +[a-z0-9.+-]+ +\S")
        self.assertEqual({line.split()[0] for line in lines}, {"build", "rabbit", "test", "check"})

    def test_the_peers_of_the_tests_are_for_the_tests(self):
        _, out, _ = self.tree.run("tools/install-dependencies", "--list")
        tests = {line.split()[1] for line in out.splitlines() if line.startswith("test ")}
        self.assertLessEqual({"python3", "python3-oslo.messaging", "python3-oslo.config",
                              "python3-kombu", "python3-amqp", "python3-qpid-proton",
                              "python3-pyngus", "libhdrhistogram-java",
                              "openjdk-17-jre-headless"}, tests)

    def test_rabbitmq_is_only_for_those_who_ask_for_it(self):
        _, out, _ = self.tree.run("tools/install-dependencies", "--list")
        self.assertEqual([line.split()[:2] for line in out.splitlines() if "rabbitmq-server" in line],
                         [["rabbit", "rabbitmq-server"]])
        self.tree.lacks("rabbitmq-server")
        self.assertEqual(self.as_nobody(), (0, "", ""))
        status, out, err = self.as_nobody("build", "rabbit")
        self.assertEqual((status, out, err), (
            1, "", "install-dependencies: sudo refused; needed: rabbitmq-server\n"))

    def test_the_build_finds_nothing_that_is_not_in_the_list(self):
        _, out, _ = self.tree.run("tools/install-dependencies", "--list")
        text = (REPOSITORY / "tools/cmake/ombt_dependencies.cmake").read_text(encoding="utf-8")
        found = set(re.findall(r"find_package\((\w+)", text)) - {"Threads"}
        packages = {"Boost": "libboost1.81-dev", "nlohmann_json": "nlohmann-json3-dev",
                    "simdjson": "libsimdjson-dev", "CLI11": "libcli11-dev",
                    "OpenSSL": "libssl-dev", "ZLIB": "zlib1g-dev", "Catch2": "catch2",
                    "Proton": "libqpid-proton-cpp12-dev", "ProtonCpp": "libqpid-proton-cpp12-dev",
                    "PkgConfig": "pkg-config"}
        self.assertLessEqual(found, set(packages))
        for name in found:
            self.assertRegex(out, r"(?m)^\w+ +%s " % re.escape(packages[name]))


if __name__ == "__main__":
    unittest.main(verbosity=2)
