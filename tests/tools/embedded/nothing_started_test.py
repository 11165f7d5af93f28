# SPDX-License-Identifier: Apache-2.0
"""ombt-controller brings no router and no agents where something is named, or wrong, or as ombt.

nothing_started_test.py FOLDER-OF-THE-PROGRAMS [test…]
"""

import socket
import subprocess

from embedded_test import PATIENCE, Case, main


class Never(Case):
    """Stand-ins for router and agents would leave a file."""

    def setUp(self):
        super().setUp()
        self.started = self.here / "started"
        leave = "touch %s; exit 1" % self.started
        self.folder_of_programs = self.programs(ombt_router=leave, ombt_agent=leave)
        # A port that refuses as long as this lives.
        self.socket = socket.socket()
        self.addCleanup(self.socket.close)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]

    def check(self, *arguments, program="ombt-controller", status=1, environment=None):
        self.environment.update(environment or {})
        found, out, err = self.run_it(*arguments, program=self.folder_of_programs / program)
        for name in environment or {}:
            del self.environment[name]
        if status is not None:
            self.assertEqual((found, out), (status, ""), err)
        self.assertNotIn("starting", err)
        self.assertFalse(self.started.exists())
        return err

    def check_usual_bus(self, *arguments, **options):
        """Whoever may listen there."""
        err = self.check("--timeout", 1, "--debug", "--topic", self.mark, *arguments, status=None,
                         **options)
        self.assertIn(" on rabbit://localhost:5672", err)

    def check_usual_port(self, *arguments):
        """Where no agents are."""
        err = self.check(*arguments)
        self.assertRegex(err, r"^ombt-controller: .*unix:%s/5700\.sock: No such file or directory; "
                         r"agents that are reached over a bus: --control bus\n$" % self.sockets)

    def test_the_stand_ins_would_show(self):
        self.run_it("rpc-call", program=self.folder_of_programs / "ombt-controller")
        self.assertTrue(self.started.exists())

    def test_a_bus_that_is_named_and_does_not_answer(self):
        for scheme in ("rabbit", "amqp"):
            url = "%s://127.0.0.1:%d" % (scheme, self.port)
            config = self.here / "oslo.conf"
            config.write_text("[DEFAULT]\ntransport_url = %s\n" % url)
            test = ("--timeout", 1, "rpc-call")
            for err in (self.check("--url", url, "--control", "bus", *test),
                        self.check("--control", url, *test),
                        self.check("--oslo-config", config, "--control", "bus", *test),
                        self.check("--control", "bus", *test, environment={"OMBT_URL": url}),
                        self.check(*test, environment={"OMBT_CONTROL": url})):
                self.assertEqual(len(err.splitlines()), 1, err)
                self.assertIn("127.0.0.1:%d" % self.port, err)
            self.check_usual_port("--url", url, *test)
            self.check_usual_port("--oslo-config", config, *test)

    def test_agents_that_are_named_and_are_not_there(self):
        for arguments in (("--hosts", "127.0.0.1:%d" % self.port),
                          ("--control", "tcp://127.0.0.1:%d" % self.port)):
            err = self.check("--timeout", 1, "rpc-call", *arguments)
            self.assertEqual(len(err.splitlines()), 1, err)
            self.assertIn("127.0.0.1:%d: " % self.port, err)

    def test_who_connects_for_long_says_to_what(self):
        for scheme in ("rabbit", "amqp"):
            url = "%s://me:secret@127.0.0.1:%d" % (scheme, self.port)
            for task in ("status", "shutdown", "rpc-call"):
                err = self.check("--timeout", 3, "--control", "bus", "--url", url,
                                 task).splitlines()
                self.assertEqual(len(err), 2, err)
                self.assertRegex(err[0], "^ombt-controller: connecting to %s://me:\\*\\*\\*@127"
                                 "[.]0[.]0[.]1:%d/ [(]127[.]0[.]0[.]1:.*refused.*[)]$"
                                 % (scheme, self.port))
                self.assertNotIn("secret", err[1])

    def test_results_and_figures_that_have_no_place(self):
        self.socket.listen()
        for option, value, cause in (
                ("--json", "/dev/full", "--json /dev/full: No space left on device"),
                ("--output", "/dev/full", "--output /dev/full: No space left on device"),
                ("--metrics", self.port, "--metrics: can't listen on 127.0.0.1 port %d: Address "
                                         "already in use" % self.port),
                ("--metrics", "192.0.2.1:0", "--metrics: can't listen on 192.0.2.1 port 0: Cannot "
                                             "assign requested address")):
            with self.subTest(option=option, value=value):
                err = self.check(option, value, "rpc-call", status=2)
                self.assertEqual(err, "ombt-controller: %s\n" % cause)

    def test_standard_output_that_takes_nothing(self):
        with open("/dev/full", "w", encoding="utf-8") as full:
            done = subprocess.run(
                [self.folder_of_programs / "ombt-controller", "rpc-call", "--json", "-"],
                env=self.environment, stdin=subprocess.DEVNULL, stdout=full,
                stderr=subprocess.PIPE, text=True, timeout=PATIENCE)
        self.assertEqual((done.returncode, done.stderr), (
            2, "ombt-controller: --json standard output: No space left on device\n"))
        self.assertFalse(self.started.exists())

    def test_agents_that_are_expected(self):
        self.check_usual_port("--timeout", 1, "--expect", "rpc-client=2", "rpc-call")

    def test_what_is_no_test(self):
        for task in ("status", "shutdown"):
            self.check_usual_port(task)
            self.check_usual_bus("--control", "bus", task)

    def test_settings_that_are_wrong(self):
        url = "amqp://127.0.0.1:%d" % self.port
        for arguments, word in (
                (("rpc-call", "--calls", 0), "--calls"),
                (("rpc-call", "--rpc-clients", 0), "--rpc-clients"),
                (("find-rate",), "--target-p99"),
                (("find-rate", "--target-p99", "20ms", "--rate", 5), "--rate"),
                (("find-rate", "--target-p99", "20ms", "--url", url, "--rpc-clients", 3),
                 "--rpc-clients"),
                (("rpc-call", "--rpc-servers", "many"), "--rpc-servers"),
                (("rpc-call", "--json", "/no/such/folder/file"), "--json"),
                (("rpc-call", "--oslo-config", "/no/such/file"), "/no/such/file"),
                (("rpc-call", "--url", url, "--rpc-clients", 3), "--rpc-clients"),
                (("rpc-call", "--expect", 3, "--rpc-servers", 3), "--rpc-servers"),
                (("status", "--rpc-clients", 3), "--rpc-clients")):
            err = self.check(*arguments, status=2)
            self.assertEqual(len(err.splitlines()), 1, err)
            self.assertIn(word, err)

    def test_as_ombt_whose_defaults_are_ombts(self):
        for arguments in (("controller", "rpc-call"), ("controller", "notify"),
                          ("--url", "", "controller", "rpc-call")):
            self.check_usual_bus(*arguments, program="ombt")
        self.check("--timeout", 1, "--topic", self.mark, "rpc", program="ombt", status=None)
        url = "amqp://127.0.0.1:%d" % self.port
        self.assertIn(str(self.port), self.check("--timeout", 1, "--url", url, "controller",
                                                 "rpc-call", program="ombt"))


if __name__ == "__main__":
    main(Never)
