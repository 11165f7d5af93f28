#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""What `cmake --install` and the Debian package bring: programs, manual pages, completion, a unit.

`package_test.py BUILD_FOLDER PROGRAM…`; the build must be complete.
"""

import glob
import gzip
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

BUILD = None
PROGRAMS = []


def run(*command, **options):
    result = subprocess.run(command, text=True, capture_output=True, **options)
    if result.returncode != 0:
        raise AssertionError("%s\n%s%s" % (" ".join(command), result.stdout, result.stderr))
    return result.stdout


def help_of(program, *commands):
    return run(os.path.join(BUILD, "bin", program), *commands, "--help")


def options_in(text):
    return set(re.findall(r"^  (?:-\w,)?(--[\w-]+)", text, re.MULTILINE))


def commands_in(text):
    listed = re.search(r"^Subcommands:\n((?:  .*\n)+)", text, re.MULTILINE)
    return re.findall(r"^  (\S+)", listed.group(1), re.MULTILINE) if listed else []


def expected_files():
    for program in PROGRAMS:
        yield "bin/" + program
        yield "share/man/man1/%s.1.gz" % program
        yield "share/bash-completion/completions/" + program
    yield "share/doc/ombt/copyright"
    yield "share/doc/ombt/README.md"
    yield "lib/systemd/system/ombt-agent@.service"
    yield "lib/sysusers.d/ombt.conf"


def complete(script, *words):
    """What bash offers for the last of `words`."""
    program = words[0]
    quoted = " ".join("'%s'" % word for word in words)
    out = run("bash", "-c", "source '%s'; COMP_WORDS=(%s); COMP_CWORD=%d; %s; "
              'printf "%%s\\n" "${COMPREPLY[@]}"' %
              (script, quoted, len(words) - 1, "_" + program.replace("-", "_")))
    return set(out.split())


class PackageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="ombt_package_test-")
        run("cmake", "--install", BUILD, "--prefix", "/opt/ombt",
            env=dict(os.environ, DESTDIR=cls.folder))
        cls.prefix = os.path.join(cls.folder, "opt/ombt")

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def installed(self, name):
        return os.path.join(self.prefix, name)

    def test_an_install_brings_programs_pages_completion_and_licence_and_nothing_else(self):
        found = set()
        for folder, _, names in os.walk(self.folder):
            for name in names:
                found.add(os.path.relpath(os.path.join(folder, name), self.prefix))
        self.assertEqual(set(expected_files()), found)

    def test_installed_programs_run(self):
        for program in PROGRAMS:
            self.assertIn(program, run(self.installed("bin/" + program), "--version"))

    def test_manual_pages_hold_every_option_and_command_of_the_help(self):
        for program in PROGRAMS:
            with gzip.open(self.installed("share/man/man1/%s.1.gz" % program), "rt") as file:
                page = file.read()
            for heading in ("NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "EXIT STATUS"):
                self.assertIn("\n.SH %s\n" % heading, page, program)
            plain = page.replace("\\-", "-")
            self.assertRegex(plain, r"\.SH NAME\n%s - \w.*\w" % program)
            text = help_of(program)
            commands = commands_in(text)
            for command in commands:
                self.assertIn("\n.SS %s\n" % command, plain)
                text += help_of(program, command)
            options = options_in(text)
            self.assertGreater(len(options), 2)
            for option in options:
                self.assertRegex(plain, r"\.B (-\w,)?%s\b" % option)

    def test_completion_offers_options_commands_and_files(self):
        for program in PROGRAMS:
            script = self.installed("share/bash-completion/completions/" + program)
            text = help_of(program)
            self.assertEqual(options_in(text), complete(script, program, "--"))
            commands = commands_in(text)
            self.assertLessEqual(set(commands), complete(script, program, ""))
            for command in commands:
                offered = complete(script, program, command, "--")
                self.assertLessEqual(options_in(help_of(program, command)), offered)
            with_file = re.findall(r"^  (--[\w-]+) FILE", text, re.MULTILINE)
            for option in with_file:
                file = self.installed("share/doc/ombt/copyright")
                self.assertEqual({file}, complete(script, program, option, file[:-3]))

    def test_completion_after_two_dashes_is_a_command(self):
        script = self.installed("share/bash-completion/completions/ombt-bus")
        self.assertIn("bash", complete(script, "ombt-bus", "rabbit", "--", "bas"))

    def test_the_debian_package_has_the_same_files_and_names_what_it_needs(self):
        out = os.path.join(self.folder, "cpack")
        run("cpack", "-G", "DEB", "--config", os.path.join(BUILD, "CPackConfig.cmake"), "-B", out)
        packages = [name for name in os.listdir(out) if name.endswith(".deb")]
        self.assertEqual(1, len(packages), packages)
        self.assertRegex(packages[0], r"^ombt_\d+\.\d+\.\d+_\w+\.deb$")
        package = os.path.join(out, packages[0])
        listed = {line.split()[5] for line in run("dpkg-deb", "-c", package).splitlines()
                  if not line.startswith("d")}
        self.assertEqual({"./usr/" + name for name in expected_files()}, listed)
        depends = run("dpkg-deb", "-f", package, "Depends")
        for library in ("libc6", "libstdc++6", "librabbitmq4", "libssl3"):
            self.assertRegex(depends, r"(^|\W)%s " % re.escape(library))
        self.assertIn("rabbitmq-server", run("dpkg-deb", "-f", package, "Suggests"))
        self.assertIn("systemd-sysusers ombt.conf", run("dpkg-deb", "-I", package, "postinst"))
        shutil.rmtree(out)


class Service(unittest.TestCase):
    """ombt-agent@.service in a small root: what is installed, and the machine's targets."""

    def setUp(self):
        self.root = tempfile.mkdtemp(prefix="ombt_package_test-")
        run("cmake", "--install", BUILD, "--prefix", "/usr", env=dict(os.environ, DESTDIR=self.root))
        os.symlink("usr/lib", os.path.join(self.root, "lib"))
        self.units = os.path.join(self.root, "usr/lib/systemd/system")
        for target in glob.glob("/lib/systemd/system/*.target"):
            shutil.copy(target, self.units)

    def tearDown(self):
        shutil.rmtree(self.root)

    def analyze(self, *arguments):
        result = subprocess.run(["systemd-analyze", "--root=" + self.root, *arguments], text=True,
                                capture_output=True)
        return result.returncode, result.stdout + result.stderr

    def text(self):
        with open(os.path.join(self.units, "ombt-agent@.service")) as file:
            return file.read()

    def test_systemd_finds_nothing_wrong_with_it(self):
        # --man: its page is there under the same root, which man does not know.
        self.assertEqual(self.analyze("verify", "--man=no", "ombt-agent@demo.service"), (0, ""))
        self.assertIn("Documentation=man:ombt-agent(1)", self.text())

    def test_systemd_would_say_what_is_wrong(self):
        text = self.text()
        for right, wrong in (("/usr/bin/ombt-agent", "/usr/bin/ombt-agents"),
                             ("PrivateTmp", "PrivateTemp")):
            with open(os.path.join(self.units, "ombt-agent@.service"), "w") as file:
                file.write(text.replace(right, wrong))
            self.assertIn(wrong, self.analyze("verify", "--man=no", "ombt-agent@demo.service")[1])

    def test_it_runs_agents_of_its_topic_with_the_options_of_its_file(self):
        text = self.text()
        for line in ("EnvironmentFile=-/etc/ombt/agent-%i.conf", "Type=simple", "User=ombt",
                     "ExecStart=/usr/bin/ombt-agent --topic %i $OMBT_AGENT_OPTIONS",
                     "LimitNOFILE=1048576"):
            self.assertIn("\n%s\n" % line, text)

    def test_it_may_do_little(self):
        status, out = self.analyze("security", "--offline=true", "--threshold=20", "--no-pager",
                                   "ombt-agent@demo.service")
        self.assertEqual(status, 0, out)

    def test_its_user_is_made(self):
        os.makedirs(os.path.join(self.root, "etc"), exist_ok=True)
        run("systemd-sysusers", "--root=" + self.root, "ombt.conf")
        with open(os.path.join(self.root, "etc/passwd")) as file:
            self.assertRegex(file.read(), r"(?m)^ombt:x:\d+:\d+:ombt agents:/var/lib/ombt:")


class MakingDocuments(unittest.TestCase):
    """make_man_page and make_completion on programs that are not as they should be."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="ombt_package_test-")
        self.packaging = os.path.join(os.path.dirname(os.path.abspath(__file__)),
                                      "../../../tools/packaging")

    def tearDown(self):
        shutil.rmtree(self.folder)

    def program(self, script):
        path = os.path.join(self.folder, "some-program")
        with open(path, "w") as file:
            file.write("#!/bin/sh\n" + script)
        os.chmod(path, 0o755)
        return path

    def write(self, kind, program):
        file = os.path.join(self.folder, kind)
        result = subprocess.run([os.path.join(self.packaging, "write_document"), kind, program,
                                 "1.2.3", file], capture_output=True, text=True)
        return result, file

    def test_a_program_whose_help_fails_gives_no_document(self):
        for script in ("echo 'Does things.'; exit 3", "kill -9 $$"):
            for kind in ("page", "completion"):
                result, file = self.write(kind, self.program(script))
                self.assertNotEqual(0, result.returncode)
                self.assertEqual(["some-program"], os.listdir(self.folder))

    def test_a_help_without_a_description_gives_no_page(self):
        result, file = self.write("page", self.program("echo 'Usage: some-program'"))
        self.assertNotEqual(0, result.returncode)
        self.assertIn("describes nothing", result.stderr)

    def test_characters_that_mean_something_to_a_manual_page_stay_themselves(self):
        result, file = self.write("page", self.program(
            "cat <<'END'\nDoes \\n things-with-dashes.\n.dot at the start\nUsage: some-program\n\n"
            "Options:\n  --one X                   what\\ever\n\nEND\n"))
        self.assertEqual(0, result.returncode, result.stderr)
        with gzip.open(file, "rt") as page:
            text = page.read()
        self.assertIn("Does \\en things\\-with\\-dashes.", text)
        self.assertIn("\n\\&.dot at the start", text)
        self.assertIn("what\\eever", text)


if __name__ == "__main__":
    BUILD, PROGRAMS = os.path.abspath(sys.argv[1]), sys.argv[2:]
    if not PROGRAMS:
        sys.exit("no programs named")
    unittest.main(argv=sys.argv[:1], verbosity=2)
