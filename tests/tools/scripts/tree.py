# SPDX-License-Identifier: Apache-2.0
"""A clone in small: the scripts, and a build that links programs that exist instead of compiling.

OMBT_PROGRAMS is the folder of the real programs.
"""

import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import unittest
import uuid

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
NOBODY = 65534
PROGRAMS = ("ombt-bus", "ombt-router", "ombt-agent", "ombt-controller")
COPIED = ("CMakePresets.json", ".ci/run", "tools/quickstart", "tools/test", "tools/check",
          "tools/install-dependencies", "tools/scripts")


def processes_with(mark):
    """pids whose environment holds the mark, with their command lines."""
    found = {}
    for folder in pathlib.Path("/proc").iterdir():
        if not folder.name.isdigit() or int(folder.name) == os.getpid():
            continue
        try:
            if mark.encode() in (folder / "environ").read_bytes():
                line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                if line:  # a zombie has none
                    found[int(folder.name)] = line
        except OSError:
            pass
    return found


class Tree:
    """The clone at `root`; `home` and `temporary` are what its commands see as such."""

    def __init__(self):
        self._folder = tempfile.TemporaryDirectory(prefix="ombt-scripts-")
        os.chmod(self._folder.name, 0o755)
        top = pathlib.Path(self._folder.name)
        self.root, self.home, self.temporary = top / "a clone", top / "home", top / "tmp"
        for folder in (self.root, self.home, self.temporary, self.root / "build"):
            folder.mkdir()
        for name in COPIED:
            source, target = REPOSITORY / name, self.root / name
            target.parent.mkdir(exist_ok=True)
            (shutil.copytree if source.is_dir() else shutil.copy2)(source, target)
        self.bin = self.root / "stand-ins"
        self.bin.mkdir()
        self.mark = "ombt-mark-" + uuid.uuid4().hex
        self.environment = dict(
            os.environ, HOME=str(self.home), TMPDIR=str(self.temporary), OMBT_TEST_MARK=self.mark,
            PATH="%s:/usr/sbin:/usr/bin:/sbin:/bin" % self.bin)
        for name in ("OMBT_URL", "OMBT_CONTROL", "OMBT_BUS_DIR", "CCACHE_DIR"):
            self.environment.pop(name, None)

    def close(self):
        for pid in processes_with(self.mark):
            os.kill(pid, signal.SIGKILL)
        self._folder.cleanup()

    def configure(self, preset="release", command="true"):
        """A build folder whose ninja takes the real programs, runs `command` and keeps a log."""
        folder = self.root / "build" / preset
        folder.mkdir()
        rules = ["rule take",
                 "  command = %s && echo $out >> taken && mkdir -p bin && ln -s $program $out"
                 % command]
        for name in PROGRAMS:
            rules += ["build bin/%s: take" % name,
                      "  program = %s" % (pathlib.Path(os.environ["OMBT_PROGRAMS"]) / name),
                      "build %s: phony bin/%s" % (name, name)]
        (folder / "build.ninja").write_text("\n".join(rules) + "\n")
        return folder

    def stand_in(self, name, script, folder=None):
        """An executable shell script in front of every other on PATH."""
        path = (folder or self.bin) / name
        if path.is_symlink():
            path.unlink()
        path.write_text("#!/bin/bash\n" + script + "\n")
        path.chmod(0o755)

    def lacks(self, package):
        """This package seems to be missing, and nobody may install it. Commands must run as nobody:
        root would begin."""
        self.stand_in("dpkg-query", """
          for name; do
            if [[ $name == [a-z]* && $name != %s ]]; then echo "ii  $name"; fi
          done""" % package)
        self.stand_in("sudo", "exit 1")
        (self.root / "build").chmod(0o777)

    def run_as_nobody(self, *command):
        options = {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        process = self.start(*command, **options)
        out, err = process.communicate(timeout=300)
        return process.returncode, out, err

    def start(self, *command, **options):
        return subprocess.Popen([str(self.root / command[0]), *command[1:]], text=True,
                                stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, env=self.environment,
                                start_new_session=True, cwd=self.home, **options)

    def run(self, *command):
        """(status, stdout, stderr)"""
        process = self.start(*command)
        out, err = process.communicate(timeout=300)
        return process.returncode, out, err

    def files(self):
        """All files that a command must not touch: path -> (size, time)."""
        found = {}
        for top in (self.root, self.home, self.temporary):
            for folder, folders, names in os.walk(top):
                if pathlib.Path(folder) == self.root:
                    folders.remove("build")
                for name in names + folders:
                    path = pathlib.Path(folder) / name
                    info = path.lstat()
                    found[str(path)] = (info.st_size if path.is_file() else 0,
                                        info.st_mtime_ns if path.is_file() else 0)
        return found


class TreeTest(unittest.TestCase):
    """A test with a tree that must be as it was in the end, with nothing running."""

    def setUp(self):
        self.tree = Tree()
        self.addCleanup(self.tree.close)

    def assert_nothing_left(self, before, patience=3.0):
        until = time.monotonic() + patience
        while processes_with(self.tree.mark) and time.monotonic() < until:
            time.sleep(0.05)
        self.assertEqual(processes_with(self.tree.mark), {})
        self.assertEqual(self.tree.files(), before)
