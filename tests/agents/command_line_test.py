#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""ombt-agent's command line without a bus: what is refused, how, and what it costs.

OMBT_AGENT names the program."""

import os
import pty
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import uuid

AGENT = os.environ["OMBT_AGENT"]


def run(*arguments, env=None, timeout=30):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("OMBT_")}
    clean.update({"OMBT_CONTROL": "bus", **(env or {})})
    return subprocess.run([AGENT, *arguments], capture_output=True, text=True, env=clean,
                          timeout=timeout, check=False)


class Peer:
    """A listener that answers every connection with some bytes, or none, and says who came."""

    def __init__(self, answer=b"", close=True):
        self.answer, self.close_at_once = answer, close
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(16)
        self.port = self.socket.getsockname()[1]
        self.connections = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            self.connections.append(connection)
            try:
                connection.recv(100)
                connection.sendall(self.answer)
                if self.close_at_once:
                    connection.close()
            except OSError:
                pass

    def close(self):
        self.socket.close()
        for connection in self.connections:
            connection.close()


class Refused(unittest.TestCase):
    def refused(self, *arguments, says, env=None, status=2):
        result = run(*arguments, env=env)
        self.assertEqual(result.returncode, status, result)
        self.assertEqual(result.stdout, "")
        self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
        self.assertTrue(result.stderr.startswith("ombt-agent: "), result.stderr)
        for word in [says] if isinstance(says, str) else says:
            self.assertIn(word, result.stderr)
        return result.stderr

    def test_nothing_to_do(self):
        self.refused(says=["--rpc-server", "--help"])
        self.refused("--rpc-server", "0", says="no agents")

    def test_settings_are_refused_in_one_line_that_names_them(self):
        client = ("--rpc-client", "1")
        for arguments, says in (
                (("--rpc-client",), "--rpc-client"),
                (("--rpc-client", "x"), "--rpc-client x: expected a whole number"),
                (("--rpc-client", "-1"), "--rpc-client -1: expected a number from 0 to 100000"),
                (("--no-such-option",), "--no-such-option"),
                (client + ("stray", "--timeout", "3"), "unknown argument stray"),
                (client + ("--url", "http://localhost"), "http"),
                (client + ("--url", "rabbit://localhost:port"), "port"),
                (client + ("--url", "rabbit://localhost:70000"), "70000"),
                (client + ("--url", "rabbit://localhost?nonsense=1"), "nonsense"),
                (client + ("--control", "telegraph://localhost"), "telegraph"),
                (client + ("--control", "somewhere"), "--control: expected bus, unix:/PATH, the URL of a bus, or tcp://HOST"),
                (client + ("--control", "unix:here"), "--control: a socket's path"),
                (client + ("--listen", "here"), "--listen: expected a port, or HOST:PORT"),
                (client + ("--listen", "5800", "--control", "bus"),
                 "--listen takes the place of --control"),
                (client + ("--listen", "5800", "--token-file", "/no/such/token"), "/no/such/token"),
                (client + ("--token-file", "token"), "--token-file is for control over TCP"),
                (client + ("--max-rate", "0"), "--max-rate 0: expected messages/s from 0.001"),
                (client + ("--max-rate", "fast"), "--max-rate fast: expected a number"),
                (client + ("--idle-exit", "0"), "--idle-exit 0: expected seconds from 0.1"),
                (client + ("--idle-exit", "soon"), "--idle-exit soon: expected seconds"),
                (client + ("--pid-file", "/no/such/folder/file"), "/no/such/folder/file"),
                (client + ("--pid-file", "/tmp"), "--pid-file /tmp: is a folder"),
                (client + ("--oslo-config", "/no/such/file"), "/no/such/file"),
                (client + ("--topology", "ring"), "ring"),
                (client + ("--topology", "shared:x"), "shared:x"),
                (client + ("--threads", "0"), "threads"),
                (client + ("--bind-address", "localhost"), "--bind-address 'localhost': no IP"),
                (client + ("--bind-address", "192.0.2.1"), "'192.0.2.1': Cannot assign"),
                (client + ("--bind-address", "127.0.0.2,"), "--bind-address ''"),
                (client + ("--bind-address", ""), "--bind-address has an empty value"),
                (client + ("--timeout", "0"), "--timeout 0: expected seconds from 0.001 to"),
                (client + ("--timeout", "soon"), "--timeout soon: expected seconds"),
                (("--rpc-server", "1", "--service-time", "5"), "service time"),
                (client + ("--service-time", "5ms"), "--service-time is for RPC servers"),
                (client + ("--pool", "p"), "--pool is for listeners"),
                (client + ("--pool", ""), "--pool has an empty value"),
                (("--listener", "1", "--site", "s"), "--site is for RPC clients and servers"),
                (client + ("--site", ""), "--site has an empty value"),
                (client + ("--site", "s" * 65), "--site: expected at most 64 bytes"),
                (client + ("--site", "a\x1b[2J"), "--site has a control character"),
                (client + ("--site", b"s\xff"), "--site is no UTF-8"),
                (client + ("--site", "-"), "--site -: expected a name"),
                (client + ("--topic", ""), "topic"),
                (client + ("--topic", "my topic"), "--topic"),
                (client + ("--topic", "t" * 65), "--topic"),
                (client + ("--topic", b"a\xff"), "--topic is no UTF-8"),
                (client + ("--name", b"n\xff"), "--name is no UTF-8"),
                (("--listener", "1", "--pool", b"\xc3"), "--pool is no UTF-8"),
                (client + ("--url", "rabbit://localhost/%ff"), "virtual host"),
                (client + ("--output", "/no/such/folder/file"), "/no/such/folder/file"),
                (client + ("--output", "x-%z"), "%n")):
            with self.subTest(arguments=arguments):
                self.refused(*arguments, says=says)
                if arguments[:1] in (("--rpc-client",), ("--rpc-server",)) and len(arguments) > 2:
                    self.refused(*arguments, "--daemon", says=says)

    def test_agents_that_cannot_share_their_connections_are_refused_before_any_is_made(self):
        peer = Peer()
        self.addCleanup(peer.close)
        url = ("--url", "rabbit://127.0.0.1:%d" % peer.port)
        # 2 channels a client: 4000 on each of 2 threads.
        said = self.refused("--rpc-client", "4000", "--threads", "2", "--topology", "shared:1",
                            *url, says=["shared:1:", "4000 channels", "2047", "shared:2 would do"])
        self.assertEqual(said, self.refused(
            "--rpc-client", "4000", "--threads", "2", "--topology", "shared:1", "--daemon", *url,
            says="shared:2"))
        time.sleep(0.1)
        self.assertEqual(peer.connections, [])
        # What it proposes is accepted, and connects.
        result = run("--rpc-client", "4000", "--threads", "2", "--topology", "shared:2",
                     "--timeout", "1", *url)
        self.assertEqual(result.returncode, 1, result)
        self.assertNotIn("shared", result.stderr)
        self.assertGreater(len(peer.connections), 0)

    def test_agents_that_need_more_files_than_they_may_open_are_refused(self):
        def few():
            resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        for extra in ((), ("--daemon",)):
            result = subprocess.run([AGENT, "--rpc-client", "30", *extra], capture_output=True,
                                    text=True, timeout=60, check=False, preexec_fn=few)
            self.assertEqual((result.returncode, result.stdout), (2, ""), result)
            self.assertRegex(result.stderr, "^ombt-agent: the agents need 81 file descriptors at "
                             r"least, .* is 64: .*ulimit -n.*\n$")

    def test_the_environment_is_checked_as_the_options_are(self):
        self.refused("--rpc-client", "1", env={"OMBT_URL": "gopher://x"}, says="gopher")
        self.refused("--rpc-client", "1", env={"OMBT_CONTROL": "gopher://x"}, says="gopher")

    def test_an_option_of_the_file_that_is_unknown_is_named(self):
        with tempfile.NamedTemporaryFile("w", suffix=".conf") as file:
            file.write("[oslo_messaging_rabbit]\nrabbit_quorum_queu = true\n")
            file.flush()
            self.refused("--rpc-client", "1", "--oslo-config", file.name,
                         says=["rabbit_quorum_queu", "rabbit_quorum_queue", file.name])

    def test_passwords_are_in_no_message(self):
        for arguments in (("--rpc-client", "1", "--url", "rabbit://u:topsecret@localhost:70000"),
                          ("--rpc-client", "1", "rabbit://u:topsecret@localhost"),
                          ("--rpc-client", "1", "--url", "rabbit://u:topsecret@h?nonsense=1"),
                          ("--rpc-client", "1", "--control", "x://u:topsecret@localhost")):
            result = run(*arguments)
            self.assertEqual(result.returncode, 2)
            self.assertNotIn("topsecret", result.stdout + result.stderr)

    def test_nothing_connects_before_everything_is_checked(self):
        peer = Peer()
        self.addCleanup(peer.close)
        for arguments in (("--topology", "ring"), ("--threads", "0"), ("--service-time", "x"),
                          ("--control", "x://y")):
            result = run("--rpc-server", "1", "--url", "rabbit://127.0.0.1:%d" % peer.port,
                         *arguments)
            self.assertEqual(result.returncode, 2)
        time.sleep(0.1)
        self.assertEqual(peer.connections, [])


class Help(unittest.TestCase):
    def test_help_has_every_option_and_examples(self):
        result = run("--help")
        self.assertEqual(result.returncode, 0)
        for word in ("--rpc-server", "--rpc-client", "--listener", "--notifier", "--topic", "--url",
                     "--control", "--unique", "--oslo-config", "--name", "--timeout", "--topology",
                     "--threads", "--bind-address", "--output", "--pool", "--service-time", "--site",
                     "--daemon", "--listen", "--token-file", "--max-rate", "--max-length", "--idle-exit",
                     "--pid-file", "OMBT_URL", "OMBT_CONTROL", "Examples", "ombt-controller"):
            self.assertIn(word, result.stdout)

    def test_version(self):
        result = run("--version")
        self.assertEqual(result.returncode, 0)
        self.assertRegex(result.stdout, r"^ombt-agent \d+\.\d+\.\d+\n$")


class Progress(unittest.TestCase):
    """Agents that are not ready yet say how many are, to a terminal and nobody else."""

    def setUp(self):
        silent = Peer(close=False)
        self.addCleanup(silent.close)
        self.command = [AGENT, "--rpc-client", "2", "--timeout", "2", "--url",
                        "rabbit://127.0.0.1:%d" % silent.port]

    def on_a_terminal(self, *arguments):
        """What it says there until it ends."""
        ours, theirs = pty.openpty()
        self.addCleanup(os.close, ours)
        agent = subprocess.Popen(self.command + list(arguments), stderr=theirs,
                                 stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        self.addCleanup(agent.kill)
        os.close(theirs)
        said = b""
        try:
            while part := os.read(ours, 4096):
                said += part
        except OSError:
            pass  # nobody has the other end any more
        self.assertEqual(agent.wait(30), 1)
        return said.decode()

    def test_a_line_is_written_over_itself_and_goes_before_anything_else_is_said(self):
        said = self.on_a_terminal()
        self.assertEqual(said.count("connecting: "), 1, said)
        self.assertRegex(said, r"\A\rconnecting: 0 of 2 agents are ready\x1b\[K\r\x1b\[K"
                               r"ombt-agent: [^\r]*not ready in time[^\r]*\r\n\Z")

    def test_the_background_says_nothing_of_it(self):
        self.assertNotIn("connecting", self.on_a_terminal("--daemon"))

    def test_nor_does_a_file_get_it(self):
        result = subprocess.run(self.command, capture_output=True, text=True, timeout=60,
                                check=False)
        self.assertEqual((result.returncode, result.stdout), (1, ""), result)
        self.assertNotIn("connecting", result.stderr)
        self.assertNotIn("\r", result.stderr)


class NoBus(unittest.TestCase):
    """Each reason why the agents cannot be ready; the same with --daemon and without."""

    def fails(self, *arguments, says, within=20):
        topic = "nobus-" + uuid.uuid4().hex
        for extra in ((), ("--daemon",)):
            with self.subTest(arguments=arguments, extra=extra):
                before = time.monotonic()
                result = run(*arguments, "--timeout", "2", "--topic", topic, *extra)
                took = time.monotonic() - before
                self.assertEqual(result.returncode, 1, result)
                self.assertEqual(result.stdout, "")
                # In the foreground a failure is also told when it is met.
                said = [line for line in result.stderr.splitlines()
                        if extra or "trying again" not in line]
                self.assertEqual(len(said), 1, result.stderr)
                self.assertTrue(said[0].startswith("ombt-agent: "), result.stderr)
                for word in says:
                    self.assertIn(word, said[0])
                self.assertNotIn("secret", result.stderr)
                self.assertLess(took, within)
        # The reason is told first; the background process ends right after.
        limit = time.monotonic() + 5
        while left := subprocess.run(["pgrep", "-f", topic], capture_output=True,
                                     check=False).stdout:
            self.assertLess(time.monotonic(), limit, left)
            time.sleep(0.02)

    def closed_port(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            return probe.getsockname()[1]

    def test_nobody_listens(self):
        port = self.closed_port()
        url = "rabbit://u:secret@127.0.0.1:%d" % port
        self.fails("--rpc-server", "2", "--url", url, says=["127.0.0.1:%d" % port, "refused"])
        self.fails("--rpc-client", "1", "--url", url, says=["127.0.0.1:%d" % port, "refused"])

    def gone(self, mark, within=10):
        limit = time.monotonic() + within
        while left := subprocess.run(["pgrep", "-f", mark], capture_output=True,
                                     check=False).stdout:
            self.assertLess(time.monotonic(), limit, left)
            time.sleep(0.02)

    def test_a_signal_to_a_parent_that_waits_takes_the_child_along(self):
        numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
        for number in numbers:
            with self.subTest(number):
                silent = Peer(close=False)
                self.addCleanup(silent.close)
                topic = "parent-" + uuid.uuid4().hex
                parent = subprocess.Popen(
                    [AGENT, "--rpc-server", "1", "--daemon", "--topic", topic, "--url",
                     "rabbit://127.0.0.1:%d" % silent.port], stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
                self.addCleanup(parent.kill)
                limit = time.monotonic() + 60
                while not silent.connections:  # the child is at work
                    self.assertLess(time.monotonic(), limit)
                    time.sleep(0.02)
                parent.send_signal(number)
                self.assertEqual(parent.communicate(timeout=30), ("", ""))
                self.assertEqual(parent.returncode, 128 + number)
                self.gone(topic)

    def test_under_nohup_a_hang_up_ends_neither_parent_nor_child(self):
        silent = Peer(close=False)
        self.addCleanup(silent.close)
        topic = "nohup-" + uuid.uuid4().hex
        parent = subprocess.Popen(
            [AGENT, "--rpc-server", "1", "--daemon", "--topic", topic, "--url",
             "rabbit://127.0.0.1:%d" % silent.port], stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
        self.addCleanup(parent.kill)
        limit = time.monotonic() + 60
        while not silent.connections:
            self.assertLess(time.monotonic(), limit)
            time.sleep(0.02)
        parent.send_signal(signal.SIGHUP)
        with self.assertRaises(subprocess.TimeoutExpired):
            parent.wait(0.5)
        parent.terminate()
        self.assertEqual(parent.communicate(timeout=30), ("", ""))
        self.assertEqual(parent.returncode, 128 + signal.SIGTERM)
        self.gone(topic)

    def test_what_debug_says_has_no_password(self):
        port = self.closed_port()
        result = run("--rpc-client", "1", "--debug", "--timeout", "1",
                     "--url", "rabbit://u:topsecret@127.0.0.1:%d" % port,
                     "--control", "rabbit://v:topsecret@127.0.0.1:%d" % port)
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        self.assertIn("ombt-agent: bus rabbit://u:***@127.0.0.1:%d/" % port, result.stderr)
        self.assertIn("ombt-agent: control rabbit://v:***@127.0.0.1:%d/\n" % port, result.stderr)
        self.assertNotIn("topsecret", result.stderr)

    def test_a_host_that_does_not_exist(self):
        self.fails("--rpc-client", "1", "--url", "rabbit://no-such-host.invalid",
                   says=["no-such-host.invalid"])

    def test_a_peer_that_speaks_something_else(self):
        for answer in (b"HTTP/1.1 400 Bad Request\r\n\r\n", b"AMQP\x00\x01\x00\x00",
                       b"\x15\x03\x03\x00\x02\x02\x28"):
            peer = Peer(answer)
            self.addCleanup(peer.close)
            self.fails("--rpc-server", "1", "--url", "rabbit://127.0.0.1:%d" % peer.port,
                       says=["127.0.0.1:%d" % peer.port])

    def test_the_first_failure_to_reach_the_bus_is_told_once(self):
        url = "rabbit://u:topsecret@127.0.0.1:%d" % self.closed_port()
        result = run("--rpc-client", "3", "--rpc-server", "3", "--timeout", "4", "--url", url)
        self.assertEqual((result.returncode, result.stdout), (1, ""))
        told = [line for line in result.stderr.splitlines() if "trying again" in line]
        self.assertEqual(len(told), 1, result.stderr)
        self.assertRegex(told[0], "^ombt-agent: no contact with the bus, trying again: .*refused")
        self.assertNotIn("topsecret", result.stderr)

    def test_a_peer_that_says_nothing(self):
        peer = Peer(b"", close=False)
        self.addCleanup(peer.close)
        for kind in ("--rpc-client", "--rpc-server"):
            self.fails(kind, "1", "--url", "rabbit://127.0.0.1:%d" % peer.port,
                       says=["ready in time", "127.0.0.1:%d/ has not answered" % peer.port])


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0], "-v", *sys.argv[1:]])
