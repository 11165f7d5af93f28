# SPDX-License-Identifier: Apache-2.0
"""What the tests of ombt-bus share: the program, started and watched, with nothing left of it.

A test program takes `PROGRAM [test…]`.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest

HERE = os.path.dirname(os.path.abspath(__file__))
PROGRAM = os.path.abspath(sys.argv[1]) if len(sys.argv) > 1 else None


def wait_until(condition, what, limit=60.0):
    end = time.monotonic() + limit
    while not condition():
        if time.monotonic() > end:
            raise AssertionError("waited %g s in vain: %s" % (limit, what))
        time.sleep(0.02)


def processes_naming(text):
    """Live processes whose command line or environment holds `text`: the broker's, its helpers'
    and the command's all hold the name of the test's folder."""
    found = []
    for pid in os.listdir("/proc"):
        if not pid.isdigit() or int(pid) == os.getpid():
            continue
        try:
            with open("/proc/%s/cmdline" % pid, "rb") as line:
                command = line.read()
            with open("/proc/%s/environ" % pid, "rb") as environ:
                everything = command + environ.read()
        except OSError:
            continue
        if command and text.encode() in everything:
            found.append((int(pid), command.replace(b"\0", b" ").decode(errors="replace")))
    return found


def listening_addresses(pid):
    """Where a process listens, as the kernel writes it: hexadecimal address:port."""
    mine = set()
    for descriptor in os.listdir("/proc/%d/fd" % pid):
        try:
            link = os.readlink("/proc/%d/fd/%s" % (pid, descriptor))
        except FileNotFoundError:
            continue  # closed meanwhile
        mine.update(re.findall(r"socket:\[(\d+)\]", link))
    found = []
    for table in ("tcp", "tcp6"):
        with open("/proc/net/" + table) as file:
            for fields in map(str.split, file):
                if fields[3] == "0A" and fields[9] in mine:
                    found.append(fields[1])
    return found


def accepts(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class BusTest(unittest.TestCase):
    KIND = "rabbit"

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="ombt_bus_test-")
        self.scripts = os.path.join(self.folder, "scripts")
        os.mkdir(self.scripts)
        self.temporary = os.path.join(self.folder, "tmp")
        os.mkdir(self.temporary)
        self.started = []

    def tearDown(self):
        for process in self.started:
            if process.poll() is None:
                process.kill()
                process.wait()
            for stream in (process.stdout, process.stderr):
                if stream:
                    stream.close()
        try:
            wait_until(lambda: not processes_naming(self.temporary), "for the processes to go", 30)
        except AssertionError:
            self.fail("still running: %s" % processes_naming(self.temporary))
        finally:
            self.assertEqual([], [f for f in os.listdir(self.temporary) if f != "taken"])
            shutil.rmtree(self.folder)

    def environment(self, mode):
        out = {k: v for k, v in os.environ.items() if not k.startswith(("OMBT_", "RABBITMQ_"))}
        out["TMPDIR"] = self.temporary
        if mode:
            out["OMBT_RABBITMQ_SCRIPTS"] = self.scripts
            out["FAKE_BROKER"] = mode
            if mode != "missing" and not os.listdir(self.scripts):
                shutil.copy(os.path.join(HERE, "fake_rabbitmq_server"),
                            os.path.join(self.scripts, "rabbitmq-server"))
        return out

    def start(self, *arguments, mode="good", program=None, **options):
        process = subprocess.Popen([program or PROGRAM, self.KIND, *arguments], text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env=self.environment(mode), **options)
        self.started.append(process)
        return process

    def written(self, word):
        """Whether the bus's database holds a word on its disk: it is written some time later."""
        for folder, _, names in os.walk(self.bus_folder()):
            for name in names:
                if name.endswith((".LOG", ".DCL", ".DCD")):
                    with open(os.path.join(folder, name), "rb") as file:
                        if word in file.read():
                            return True
        return False

    def run_bus(self, *arguments, mode="good", status=0, **options):
        process = self.start(*arguments, mode=mode, **options)
        out, err = process.communicate(timeout=100)
        self.assertEqual(status, process.returncode, err)
        return out, err

    def bus_folder(self):
        """The bus's, whatever else (a sanitizer, for instance) has files beside it."""
        def folders():
            return [name for name in os.listdir(self.temporary) if name.startswith("ombt-bus-")]
        wait_until(folders, "for the bus's folder")
        return os.path.join(self.temporary, folders()[0])

    def pid(self):
        with open(os.path.join(self.bus_folder(), "broker.pid")) as file:
            return int(file.read())

    def port_of(self, process):
        return int(re.search(r":(\d+)/?$", process.stdout.readline()).group(1))

    def wait_for_file(self, name):
        path = os.path.join(self.folder, name)
        wait_until(lambda: os.path.exists(path), "for " + name)
        with open(path) as file:
            return file.read()


def main(*cases):
    """Runs the tests that the command line names, or all."""
    tests = [(case, name) for case in cases
             for name in unittest.defaultTestLoader.getTestCaseNames(case)]
    wanted = {"test_" + name.replace(" ", "_") for name in sys.argv[2:]}
    suite = unittest.TestSuite(case(name) for case, name in tests if not wanted or name in wanted)
    if suite.countTestCases() < max(1, len(wanted)):
        sys.exit("no such test: %s" % sorted(wanted))
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    sys.exit(0 if result.wasSuccessful() else 1)
