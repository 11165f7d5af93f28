#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""ombt-bus as its users see it, with RabbitMQ. `ombt_bus_test.py PROGRAM [test…]`.

Most tests run a fake broker (fake_rabbitmq_server), a few the real one. After each of them no
process and no file of it may be left.
"""

import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import time

import bus_bed
from bus_bed import PROGRAM, BusTest, accepts, listening_addresses, processes_naming, wait_until

RABBITMQCTL = "/usr/lib/rabbitmq/bin/rabbitmqctl"


class Options(BusTest):
    def check_wrong(self, words, *arguments):
        process = subprocess.run([PROGRAM, *arguments], text=True, capture_output=True,
                                 env=self.environment("good"))
        self.assertEqual(2, process.returncode, process.stderr)
        self.assertEqual(1, process.stderr.count("\n"), process.stderr)
        for word in words:
            self.assertIn(word, process.stderr)

    def test_help_teaches_the_command_the_variables_and_the_exit_status(self):
        for arguments in (["--help"], ["rabbit", "--help"], ["router", "--help"],
                          ["qdrouterd", "--help"]):
            out = subprocess.run([PROGRAM, *arguments], text=True, capture_output=True, check=True)
            self.assertIn("--", out.stdout)
            self.assertLessEqual(max(map(len, out.stdout.splitlines())), 80)
        out = subprocess.run([PROGRAM, "--help"], text=True, capture_output=True, check=True)
        for word in ("OMBT_URL", "Exit status", "rabbitmqctl", "USR1"):
            self.assertIn(word, out.stdout)

    def test_wrong_options_are_one_line_and_status_2(self):
        self.check_wrong(["--prot"], "rabbit", "--prot", "1")
        self.check_wrong(["port", "70000"], "rabbit", "--port", "70000")
        self.check_wrong(["port"], "rabbit", "--port", "x")
        self.check_wrong(["ubcommand"])
        self.check_wrong(["qpid"], "qpid")
        self.check_wrong(["true"], "rabbit", "true")
        self.check_wrong(["no command"], "rabbit", "--")
        self.check_wrong(["--nodes"], "router", "--nodes", "1")
        self.check_wrong(["--plugin"], "router", "--plugin", "rabbitmq_amqp1_0")
        self.check_wrong(["--plugin"], "qdrouterd", "--plugin", "rabbitmq_amqp1_0")
        self.check_wrong(["no command"], "router", "--")

    def test_more_than_one_node_is_refused_plainly(self):
        self.check_wrong(["--nodes 3", "later"], "rabbit", "--nodes", "3", "--", "true")


class Start(BusTest):
    def test_a_plugin_that_rabbitmq_has_not_is_named(self):
        out, err = self.run_bus("--plugin", "rabbitmq_telepathy", "--", "true", mode=None, status=1)
        self.assertEqual("ombt-bus: RabbitMQ has no plugin rabbitmq_telepathy\n", err)

    def test_a_plugin_that_is_asked_for_serves(self):
        speak = ("import os, socket; host, port = os.environ['OMBT_URL'].strip('/')"
                 ".rsplit('@', 1)[1].split(':'); s = socket.create_connection((host, int(port)));"
                 " s.sendall(b'AMQP\\3\\1\\0\\0'); print(s.recv(8))")
        for plugin, answer in ((["--plugin", "rabbitmq_amqp1_0"], b"AMQP\3\1\0\0"),
                               ([], b"AMQP\0\0\t\1")):
            out, err = self.run_bus(*plugin, "--", "/usr/bin/python3", "-c", speak, mode=None)
            self.assertEqual((repr(answer) + "\n", ""), (out, err))

    def test_a_missing_broker_is_named_with_its_package(self):
        out, err = self.run_bus("--", "true", mode="missing", status=1)
        self.assertIn("Debian package rabbitmq-server", err)
        self.assertIn("not installed", err)

    def test_a_port_in_use_is_status_1_and_plain(self):
        with socket.socket() as other:
            other.bind(("127.0.0.1", 0))
            other.listen()
            port = str(other.getsockname()[1])
            out, err = self.run_bus("--port", port, "--", "true", status=1)
        self.assertEqual("ombt-bus: port %s of 127.0.0.1 is in use\n" % port, err)

    def test_a_broker_that_ends_at_once_shows_the_end_of_its_log(self):
        out, err = self.run_bus("--", "true", mode="ends", status=1)
        self.assertIn("exit status 3", err)
        self.assertIn("the last words of the fake", err)
        self.assertIn("fake broker ends starts", err)

    def test_a_port_that_somebody_else_answers_is_said(self):
        out, err = self.run_bus("--", "true", mode="http", status=1)
        self.assertIn("answered by something else", err)

    def test_ports_taken_between_choice_and_use_are_chosen_again(self):
        out, err = self.run_bus("--", "sh", "-c", "echo $OMBT_URL", mode="taken-once")
        self.assertRegex(out, r"^rabbit://guest:guest@127\.0\.0\.1:\d+/$")
        self.assertTrue(os.path.exists(os.path.join(self.temporary, "taken")))

    def test_a_command_that_does_not_exist_is_said_before_the_bus_starts(self):
        out, err = self.run_bus("--", "no-such-program", status=127)
        self.assertIn("no-such-program", err)
        for what in ("/etc/passwd", "/etc"):
            out, err = self.run_bus("--", what, status=126)
            self.assertEqual("ombt-bus: cannot run %s: it is no program\n" % what, err)

    def test_a_folder_whose_name_has_a_blank_is_refused(self):
        self.temporary = os.path.join(self.folder, "two words")
        os.mkdir(self.temporary)
        out, err = self.run_bus("--", "true", status=1)
        self.assertEqual(1, err.count("\n"), err)
        self.assertIn("TMPDIR is " + self.temporary, err)

    def test_a_descriptor_limit_that_rabbitmq_cannot_work_with_is_refused(self):
        out, err = self.run_bus(
            "--", "true", status=1,
            preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (100, 100)))
        self.assertEqual(1, err.count("\n"), err)
        self.assertIn("the limit of this process is 100: raise it (ulimit -n)", err)

    def test_an_interrupt_while_it_starts_leaves_nothing(self):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
            process = self.start("--", "true", mode="silent")
            log = os.path.join(self.bus_folder(), "log", "broker.log")
            wait_until(lambda: os.path.exists(log), "for the fake broker")
            process.send_signal(number)
            self.assertEqual(128 + number, process.wait(timeout=60))

    def test_a_folder_of_a_killed_supervisor_is_removed_by_the_next(self):
        abandoned = os.path.join(self.temporary, "ombt-bus-1-abcdef")
        young = os.path.join(self.temporary, "ombt-bus-2-abcdef")
        for folder in (abandoned, young):
            os.mkdir(folder)
            open(os.path.join(folder, "lock"), "w").close()
        os.utime(abandoned, (0, 0))
        self.run_bus("--", "true")
        self.assertEqual(["ombt-bus-2-abcdef"], os.listdir(self.temporary))
        shutil.rmtree(young)


class Command(BusTest):
    def test_the_status_of_the_command_is_passed_on(self):
        for status in (0, 1, 7):
            self.run_bus("--", "sh", "-c", "exit %d" % status, status=status)

    def test_a_command_that_a_signal_ended_gives_128_and_the_signal(self):
        self.run_bus("--", "sh", "-c", "kill -9 $$", status=137)

    def test_arguments_input_and_output_of_the_command_are_its_own(self):
        process = self.start("--", "sh", "-c", 'cat; echo "$@"', "sh", "--port", "1 2", "--",
                             stdin=subprocess.PIPE)
        out, err = process.communicate("typed\n", timeout=60)
        self.assertEqual("typed\n--port 1 2 --\n", out)
        self.assertEqual("", err)

    def test_passwords_of_the_command_are_not_shown_in_its_own_command_line(self):
        url = "rabbit://user:secret@host/"
        out, _ = self.run_bus("--", "sh", "-c", 'tr "\\0" " " <"/proc/$OMBT_BUS_SUPERVISOR/cmdline"; '
                              'echo "$1"', "sh", url)
        shown, given = out.split(" sh rabbit://")
        self.assertNotIn("secret", shown)
        self.assertTrue(given.startswith("user:***@host/"), out)
        self.assertIn(url, given)

    def test_the_command_finds_the_bus_and_keeps_its_own_home(self):
        out, _ = self.run_bus("--", "env")
        variables = dict(line.split("=", 1) for line in out.splitlines() if "=" in line)
        self.assertRegex(variables["OMBT_URL"], r"^rabbit://guest:guest@127\.0\.0\.1:\d+/$")
        self.assertEqual(os.environ.get("HOME"), variables.get("HOME"))
        self.assertTrue(variables["OMBT_BUS_DIR"].startswith(self.temporary))
        self.assertTrue(variables["OMBT_BUS_PID"].isdigit())
        self.assertEqual(str(self.started[-1].pid), variables["OMBT_BUS_SUPERVISOR"])

    def test_a_signal_to_ombt_bus_reaches_the_command_once_and_its_status_counts(self):
        script = "trap 'echo caught; exit 5' %s; touch %s; while :; do sleep 0.05; done"
        for name in ("INT", "TERM", "HUP"):
            ready = os.path.join(self.folder, "ready-" + name)
            process = self.start("--", "sh", "-c", script % (name, ready))
            self.wait_for_file("ready-" + name)
            process.send_signal(getattr(signal, "SIG" + name))
            out, err = process.communicate(timeout=60)
            self.assertEqual((5, "caught\n"), (process.returncode, out), err)

    def test_a_second_interrupt_ends_a_command_that_ignores_the_first(self):
        ready = os.path.join(self.folder, "ready")
        process = self.start("--", "sh", "-c",
                             "trap '' INT; touch %s; while :; do sleep 0.05; done" % ready)
        self.wait_for_file("ready")
        process.send_signal(signal.SIGINT)
        time.sleep(0.3)
        self.assertIsNone(process.poll())
        process.send_signal(signal.SIGINT)
        self.assertEqual(137, process.wait(timeout=60))

    def test_what_the_command_left_running_is_ended(self):
        left = os.path.join(self.folder, "left")
        script = "setsid sh -c 'trap \"\" TERM; echo $$ >%s.new; mv %s.new %s; while :; do sleep 1; done' &"
        out, err = self.run_bus(
            "--", "sh", "-c", (script + " while [ ! -e %s ]; do sleep 0.02; done") %
            (left, left, left, left), stdin=subprocess.DEVNULL)
        pid = self.wait_for_file("left").strip()
        self.assertFalse(os.path.exists("/proc/" + pid))

    def test_a_broker_that_ignores_sigterm_is_killed(self):
        began = time.monotonic()
        self.run_bus("--", "true", mode="stubborn")
        self.assertGreater(time.monotonic() - began, 4.5)

    def test_a_second_interrupt_does_not_wait_for_a_stubborn_broker(self):
        process = self.start(mode="stubborn")
        self.assertIn("rabbit://", process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(0, process.wait(timeout=4.5))


class Broker(BusTest):
    def test_without_a_command_it_prints_the_url_and_runs_until_a_signal(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            process = self.start()
            port = self.port_of(process)
            self.assertTrue(accepts(port))
            self.assertIsNone(process.poll())
            process.send_signal(number)
            self.assertEqual(0, process.wait(timeout=60))
            self.assertFalse(accepts(port))

    def test_under_nohup_a_hangup_changes_nothing(self):
        process = self.start(preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
        port = self.port_of(process)
        process.send_signal(signal.SIGHUP)
        time.sleep(0.3)
        self.assertIsNone(process.poll())
        self.assertTrue(accepts(port))
        process.send_signal(signal.SIGTERM)
        self.assertEqual(0, process.wait(timeout=60))

    def test_it_stops_in_order_when_nobody_reads_its_url(self):
        read, write = os.pipe()
        os.close(read)
        process = subprocess.Popen([PROGRAM, "rabbit"], stdout=write, stderr=subprocess.PIPE,
                                   env=self.environment("good"))
        self.started.append(process)
        os.close(write)
        folder = self.bus_folder()
        wait_until(lambda: os.path.exists(os.path.join(folder, "broker.pid")), "for the broker")
        time.sleep(0.5)
        process.send_signal(signal.SIGTERM)
        self.assertIn(process.wait(timeout=60), (0, 128 + signal.SIGTERM))

    def test_a_broker_that_dies_without_a_command_is_status_1(self):
        process = self.start()
        self.port_of(process)
        os.kill(self.pid(), signal.SIGKILL)
        out, err = process.communicate(timeout=60)
        self.assertEqual(1, process.returncode)
        self.assertIn("signal 9", err)

    def test_restart_on_exit_brings_a_killed_broker_back_on_its_port(self):
        process = self.start("--restart-on-exit")
        port = self.port_of(process)
        for _ in range(4):  # also in the moment between its port and its first login
            before = self.pid()
            os.kill(before, signal.SIGKILL)
            wait_until(lambda: self.pid() != before and accepts(port), "for the restart")
        process.send_signal(signal.SIGTERM)
        self.assertEqual(0, process.wait(timeout=60))

    def test_restart_on_exit_gives_up_on_a_broker_that_never_serves_again(self):
        process = self.start("--restart-on-exit")
        self.port_of(process)
        with open(os.path.join(self.scripts, "rabbitmq-server"), "w") as script:
            script.write("#!/bin/sh\nexit 3\n")
        os.kill(self.pid(), signal.SIGKILL)
        out, err = process.communicate(timeout=60)
        self.assertEqual(1, process.returncode)
        self.assertEqual(5, err.count("starting it again"), err)
        self.assertIn("exit status 3", err)

    def test_signal_usr1_brings_a_killed_broker_back_and_is_harmless_otherwise(self):
        ready = os.path.join(self.folder, "ready")
        process = self.start("--", "sh", "-c",
                             "echo $OMBT_URL; touch %s; while [ -e %s ]; do sleep 0.05; done; exit 4" %
                             (ready, ready))
        port = self.port_of(process)
        before = self.pid()
        process.send_signal(signal.SIGUSR1)
        time.sleep(0.2)
        self.assertEqual(before, self.pid())
        os.kill(before, signal.SIGKILL)
        wait_until(lambda: not accepts(port), "for the broker to go")
        self.assertIn("signal USR1 to process %d" % process.pid, process.stderr.readline())
        process.send_signal(signal.SIGUSR1)
        wait_until(lambda: self.pid() != before and accepts(port), "for the restart")
        os.remove(ready)
        self.assertEqual(4, process.wait(timeout=60))

    def test_a_killed_ombt_bus_takes_broker_and_epmd_along(self):
        process = self.start()
        self.port_of(process)
        folder, broker = self.bus_folder(), self.pid()
        process.kill()
        process.wait()
        wait_until(lambda: not os.path.exists("/proc/%d" % broker), "for the broker to go", 30)
        # Its helpers are orphans that end with their pipes; the fake's has none.
        for pid, command in processes_naming(self.temporary):
            if command.startswith("sleep"):
                os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not processes_naming(self.temporary), "for epmd to go", 30)
        shutil.rmtree(folder)


class RealBroker(BusTest):
    """RabbitMQ itself; the first one says everything that one start can show."""

    def test_rabbitmq_serves_answers_rabbitmqctl_and_listens_on_the_loopback_only(self):
        out, err = self.run_bus("--", "sh", "-c", RABBITMQCTL + " -q list_queues name && "
                                "cat /proc/net/tcp /proc/net/tcp6 && ls -l /proc/$OMBT_BUS_PID/fd "
                                "&& exit 9", mode=None, status=9)
        mine = set(re.findall(r"socket:\[(\d+)\]", out))
        listening = [line.split() for line in out.splitlines()
                     if re.match(r"\s*\d+: [0-9A-F]+:[0-9A-F]{4} [0-9A-F]+:0000 0A ", line)]
        ours = [entry[1] for entry in listening if entry[9] in mine]
        self.assertEqual(2, len(ours), out)  # AMQP, distribution
        for address in ours:
            self.assertTrue(address.startswith("0100007F:"), address)

    def test_rabbitmq_killed_comes_back_with_its_data_on_its_port(self):
        import amqp
        process = self.start("--restart-on-exit", mode=None)
        port = int(re.search(r":(\d+)/$", process.stdout.readline()).group(1))
        pid_file = os.path.join(self.bus_folder(), "broker.pid")
        with amqp.Connection("127.0.0.1:%d" % port) as connection:
            channel = connection.channel()
            channel.confirm_select()
            channel.queue_declare("kept", durable=True, auto_delete=False)
            channel.basic_publish_confirm(amqp.Message("still here", delivery_mode=2),
                                          routing_key="kept")
            # Its name is in the database's log before the decision that it is to stay; what comes
            # after it in the log shows that this is there too.
            channel.queue_declare("after", durable=True, auto_delete=False)
        wait_until(lambda: self.written(b"after"), "for the queue on the disk")
        with open(pid_file) as file:
            before = int(file.read())
        os.kill(before, signal.SIGKILL)
        wait_until(lambda: open(pid_file).read().strip() != str(before), "for the restart")
        wait_until(lambda: accepts(port), "for the port")
        with amqp.Connection("127.0.0.1:%d" % port) as connection:
            message = connection.channel().basic_get("kept", no_ack=True)
            self.assertEqual("still here", message.body)
        process.send_signal(signal.SIGTERM)
        self.assertEqual(0, process.wait(timeout=60))

    def test_an_agent_that_was_there_first_is_ready_when_rabbitmq_comes_on_the_port_asked_for(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        url = "rabbit://guest:guest@127.0.0.1:%d/" % port
        agent = subprocess.Popen(
            [os.path.join(os.path.dirname(PROGRAM), "ombt-agent"), "--url", url, "--rpc-server",
             "1", "--timeout", "90"], text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.started.append(agent)
        time.sleep(1.5)
        self.assertIsNone(agent.poll())
        process = self.start("--port", str(port), "--nodes", "1", mode=None)
        self.assertIn(url + "\n", process.stdout.readline())
        self.assertRegex(agent.stdout.readline(), "^RPC server .* is ready\n$")
        agent.terminate()
        out, err = agent.communicate(timeout=60)
        self.assertEqual((0, ""), (agent.returncode, out), err)
        self.assertRegex(err, "^ombt-agent: no contact with the bus, trying again: .*refused.*\n"
                              "(ombt-agent: in contact with the bus\n)?"  # seen in time
                              "ombt-agent: counted on the bus: [0-9]+ connection errors?\n$")
        epmd = [pid for pid, command in processes_naming(self.temporary) if "epmd" in
                command.split()[0]]
        self.assertEqual(1, len(epmd), processes_naming(self.temporary))
        addresses = listening_addresses(epmd[0])
        self.assertTrue(addresses)
        for address in addresses:
            self.assertIn(address.split(":")[0], ("0100007F", 24 * "0" + "01000000"))
        process.send_signal(signal.SIGTERM)
        self.assertEqual(0, process.wait(timeout=60))

    def test_rabbitmq_runs_for_an_ordinary_user(self):
        options = {}
        if os.geteuid() == 0:
            nobody = 65534
            for folder in (self.folder, self.temporary):
                os.chown(folder, nobody, nobody)
            # Who may not look into the folder that this was built in.
            program = shutil.copy(PROGRAM, self.folder)
            options = {"program": program, "user": nobody, "group": nobody, "extra_groups": [], "cwd": "/"}
        out, err = self.run_bus("--", "sh", "-c", "id -u; " + RABBITMQCTL + " -q list_users",
                                mode=None, **options)
        self.assertIn("guest", out)
        self.assertNotEqual("0", out.split()[0])


if __name__ == "__main__":
    bus_bed.main(Options, Start, Command, Broker, RealBroker)
