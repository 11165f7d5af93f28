#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""docs/examples: each script launches, tests and cleans up.

Launchers (ssh, oarsh, srun, scontrol) are stand-ins that note their arguments and run the command
here; so are ombt-agent and ombt-controller. Ansible is real, its hosts are this machine.
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "docs" / "examples"
SECRET = "s3cret"

NOTE = """#!/bin/bash
# A line a call: the program and its arguments, as JSON.
note=$(/usr/bin/python3 -c 'import json, sys; print(json.dumps(sys.argv[1:]))' "${0##*/}" "$@")
echo "$note" >>"$NOTES/calls"
"""

# Takes ssh's arguments; its hosts are this machine.
SSH = NOTE + """
while [[ $1 == -o ]]; do shift 2; done
host=$1
shift
if [[ $host == *dead* ]]; then echo "ssh: connect to host $host port 22: No route" >&2; exit 255; fi
exec "$@"
"""

SCONTROL = NOTE + """
[[ $* == "show hostnames n[1-2]" ]] && printf '%s\\n' n1 n2
"""

SRUN = NOTE + """
for word; do
  case $word in
    --ntasks=*) n=${word#*=} ;;
    --*) ;;
    *) break ;;
  esac
  shift
done
trap 'kill $(jobs -p)' TERM
for ((i = 0; i < n; i++)); do "$@" & done
wait
"""

# With --daemon it leaves a process behind; without it stays until the controller's shutdown.
AGENT = NOTE + """
env | grep '^OMBT_' >>"$NOTES/environment"
if [[ -n ${OMBT_TOKEN_FILE:-} ]]; then
  stat -c '%a' "$OMBT_TOKEN_FILE" >>"$NOTES/modes"
  cat "$OMBT_TOKEN_FILE" >>"$NOTES/tokens"
fi
pid_file=
daemon=
while (($#)); do
  [[ $1 == --pid-file ]] && pid_file=$2
  [[ $1 == --daemon ]] && daemon=yes
  shift
done
if [[ -n $daemon ]]; then
  setsid sleep 600 </dev/null >/dev/null 2>&1 &
  echo $! >"$pid_file"
  echo $! >>"$NOTES/left"
else
  for ((i = 0; i < 3000; i++)); do
    [[ -e $NOTES/shutdown ]] && exit 0
    sleep 0.02
  done
fi
"""

CONTROLLER = NOTE + """
while (($#)); do
  if [[ $1 == --hosts-file ]]; then cat "$2" >"$NOTES/hosts"; fi
  if [[ $1 == shutdown ]]; then touch "$NOTES/shutdown"; exit 0; fi
  shift
done
for pid in $(cat "$NOTES/left" 2>/dev/null); do kill -0 "$pid" || exit 9; done
echo "the report"
exit "$(cat "$NOTES/status" 2>/dev/null || echo 0)"
"""


def local_inventory(folder, *ports):
    """The example's, but its hosts are this machine, each with its port."""
    text = (EXAMPLES / "ansible" / "inventory.ini").read_text()
    for number, port in enumerate(ports, 1):
        text = text.replace(
            "node%d ansible_host=node%d.example" % (number, number),
            "node%d ansible_host=127.0.0.%d ansible_connection=local ombt_port=%d "
            "ansible_python_interpreter=/usr/bin/python3" % (number, number, port))
    inventory = folder / "inventory.ini"
    inventory.write_text(text)
    return inventory


class ExampleTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="ombt-examples-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.home, self.notes, self.bin = (self.folder / n for n in ("home", "notes", "bin"))
        for part in (self.home, self.notes, self.bin, self.folder / "tmp"):
            part.mkdir()
        self.environment = {
            "HOME": str(self.home), "NOTES": str(self.notes), "TMPDIR": str(self.folder / "tmp"),
            "PATH": "%s:/usr/bin:/bin" % self.bin, "LC_ALL": "C.UTF-8",
            "OMBT_URL": "rabbit://u:%s@bus.example" % SECRET}
        for name, script in (("ssh", SSH), ("oarsh", SSH), ("scontrol", SCONTROL), ("srun", SRUN),
                             ("ombt-agent", AGENT), ("ombt-controller", CONTROLLER)):
            (self.bin / name).write_text(script)
            (self.bin / name).chmod(0o755)
        self.addCleanup(self.end_what_is_left)

    def end_what_is_left(self):
        for pid in self.left():
            os.kill(pid, signal.SIGKILL)

    def left(self):
        """Agents that were left in the background and run still."""
        found = []
        for pid in self.noted("left"):
            try:
                state = pathlib.Path("/proc", pid, "stat").read_text().rsplit(")", 1)[1].split()[0]
            except OSError:
                continue
            if state != "Z":
                found.append(int(pid))
        return found

    def noted(self, name):
        path = self.notes / name
        return path.read_text().splitlines() if path.exists() else []

    def calls(self, program):
        return [call[1:] for call in map(json.loads, self.noted("calls")) if call[0] == program]

    def run_example(self, *command, **environment):
        return subprocess.run([str(word) for word in command], text=True, capture_output=True,
                              env={**self.environment, **environment}, cwd=self.folder,
                              stdin=subprocess.DEVNULL, timeout=150)

    def hosts_file(self, text):
        path = self.folder / "hosts"
        path.write_text(text)
        return path

    def assert_all_is_as_before(self):
        until = time.monotonic() + 10
        while self.left() and time.monotonic() < until:
            time.sleep(0.05)
        self.assertEqual(self.left(), [])
        cache = self.home / ".cache" / "ombt"
        self.assertEqual(list(cache.iterdir()) if cache.exists() else [], [])
        self.assertEqual([p.name for p in (self.folder / "tmp").iterdir()
                          if not p.name.startswith("ansible")], [])

    def assert_nothing_secret_was_said(self):
        said = "\n".join(self.noted("calls"))
        self.assertNotIn(SECRET, said)
        for token in self.noted("tokens"):
            self.assertNotIn(token, said)


class Ssh(ExampleTest):
    hosts = "# the two\nh1\n\nh1\nh2:5801 # slow\n[::1]:5802\n"

    def test_agents_start_on_each_host_are_tested_and_leave(self):
        result = self.run_example(EXAMPLES / "ssh.sh", self.hosts_file(self.hosts), "rpc-cast",
                                  "--calls", "50", CLIENTS="7", SERVERS="2")
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "the report\n", ""))
        started, stopped = self.calls("ssh")[:3], self.calls("ssh")[3:]
        for calls in (started, stopped):
            self.assertEqual(sorted(call[-3] for call in calls), ["::1", "h1", "h2"])
            for call in calls:
                self.assertEqual(call[-2:], ["bash", "-s"])
        agents = self.calls("ombt-agent")
        self.assertEqual(len(agents), 3)
        for agent in agents:
            self.assertIn("--daemon", agent)
            self.assertEqual(agent[agent.index("--rpc-client") + 1], "7")
            self.assertEqual(agent[agent.index("--rpc-server") + 1], "2")
        self.assertEqual(sorted(a[a.index("--control") + 1] for a in agents),
                         ["tcp://:5700", "tcp://:5801", "tcp://:5802"])
        self.assertEqual(len({a[a.index("--pid-file") + 1] for a in agents}), 3)
        self.assertEqual(self.calls("ombt-controller"), [
            ["--hosts-file", str(self.folder / "hosts"), "--expect", "rpc-client=21", "--expect",
             "rpc-server=6", "rpc-cast", "--calls", "50"]])
        self.assert_all_is_as_before()

    def test_url_and_token_reach_the_agents_and_nobody_else(self):
        result = self.run_example(EXAMPLES / "ssh.sh", self.hosts_file(self.hosts))
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(self.noted("environment").count("OMBT_URL=rabbit://u:%s@bus.example"
                                                         % SECRET), 3)
        token = self.home / ".config" / "ombt" / "token"
        self.assertEqual(token.stat().st_mode & 0o777, 0o600)
        self.assertGreater(len(token.read_text().strip()), 40)
        self.assertEqual(self.noted("tokens"), [token.read_text().strip()] * 3)
        self.assertEqual(self.noted("modes"), ["600"] * 3)
        self.assert_nothing_secret_was_said()

    def test_a_token_that_is_there_is_the_one(self):
        token = self.folder / "my token"
        token.write_text("0123456789abcdef'\"$x")
        result = self.run_example(EXAMPLES / "ssh.sh", self.hosts_file("h1\n"),
                                  OMBT_TOKEN_FILE=str(token))
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(self.noted("tokens"), [token.read_text()])
        self.assertFalse((self.home / ".config").exists())

    def test_what_the_controller_ends_with_it_ends_with(self):
        (self.notes / "status").write_text("1")
        result = self.run_example(EXAMPLES / "ssh.sh", self.hosts_file(self.hosts))
        self.assertEqual((result.returncode, result.stdout), (1, "the report\n"))
        self.assert_all_is_as_before()

    def test_a_host_that_is_out_of_reach_ends_it_and_is_named(self):
        result = self.run_example(EXAMPLES / "ssh.sh", self.hosts_file("h1\ndead:5801\nh2\n"))
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("start_agents: failed on dead:5801\n", result.stderr)
        self.assertNotIn("failed on h", result.stderr)
        self.assertEqual(len(self.calls("ombt-agent")), 2)
        self.assertEqual(self.calls("ombt-controller"), [])
        self.assert_all_is_as_before()

    def test_without_a_bus_or_hosts_it_says_what_it_needs(self):
        result = self.run_example(EXAMPLES / "ssh.sh")
        self.assertIn("name a file of hosts", result.stderr)
        result = self.run_example("env", "-u", "OMBT_URL", EXAMPLES / "ssh.sh", "hosts")
        self.assertIn("say which bus is tested", result.stderr)
        self.assertEqual(self.noted("calls"), [])


class Oar(ExampleTest):
    def test_agents_start_on_each_node_of_the_job_once(self):
        nodes = self.hosts_file("n1.x\nn1.x\nn2.x\nn2.x\n")
        result = self.run_example(EXAMPLES / "oar.sh", "rpc-cast", "--calls", "5",
                                  OAR_NODE_FILE=str(nodes))
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "the report\n", ""))
        self.assertEqual(sorted(call[-3] for call in self.calls("oarsh")),
                         ["n1.x", "n1.x", "n2.x", "n2.x"])  # start and stop
        self.assertEqual(len(self.calls("ombt-agent")), 2)
        [controller] = self.calls("ombt-controller")
        self.assertEqual(controller[:2], ["--hosts-file", str(nodes)])
        self.assertEqual(controller[-3:], ["rpc-cast", "--calls", "5"])
        self.assertIn("rpc-client=20", controller)
        self.assertEqual(self.calls("ssh"), [])
        self.assert_all_is_as_before()

    def test_outside_a_job_it_says_so(self):
        result = self.run_example(EXAMPLES / "oar.sh")
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("OAR job", result.stderr)


class Slurm(ExampleTest):
    def test_a_step_of_the_job_runs_agents_on_each_node(self):
        result = self.run_example(EXAMPLES / "slurm.sh", "rpc-cast", "--calls", "5",
                                  SLURM_JOB_NODELIST="n[1-2]", PORT="5803")
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "the report\n", ""))
        [step] = self.calls("srun")
        self.assertEqual(step[:3], ["--nodes=2", "--ntasks=2", "--ntasks-per-node=1"])
        agents = self.calls("ombt-agent")
        self.assertEqual(agents, [step[4:]] * 2)
        self.assertNotIn("--daemon", step)
        self.assertEqual(step[step.index("--control") + 1], "tcp://:5803")
        self.assertEqual(self.noted("hosts"), ["n1:5803", "n2:5803"])
        test, shutdown = self.calls("ombt-controller")
        self.assertEqual(test[-3:], ["rpc-cast", "--calls", "5"])
        self.assertIn("rpc-client=20", test)
        self.assertIn("rpc-server=2", test)
        self.assertEqual(shutdown[-3:], ["--expect", "22", "shutdown"])
        self.assert_nothing_secret_was_said()
        self.assert_all_is_as_before()

    def test_what_the_controller_ends_with_it_ends_with(self):
        (self.notes / "status").write_text("1")
        result = self.run_example(EXAMPLES / "slurm.sh", SLURM_JOB_NODELIST="n[1-2]")
        self.assertEqual((result.returncode, result.stdout), (1, "the report\n"))
        self.assert_all_is_as_before()

    def test_agents_that_no_shutdown_reaches_end_with_their_step(self):
        with open(self.bin / "ombt-controller", "w") as file:
            file.write(NOTE + "exit 1\n")
        result = self.run_example(EXAMPLES / "slurm.sh", SLURM_JOB_NODELIST="n[1-2]")
        self.assertEqual(result.returncode, 1)
        self.assert_all_is_as_before()


class Ansible(ExampleTest):
    def setUp(self):
        super().setUp()
        self.inventory = local_inventory(self.folder, 5804, 5805)

    def play(self, *arguments):
        # Ansible's ~ is what the machine has for the user, whatever HOME says.
        folder = {"folder": str(self.home / ".cache" / "ombt" / "{{ inventory_hostname }}")}
        return self.run_example("ansible-playbook", "-i", self.inventory, "-e", json.dumps(folder),
                                EXAMPLES / "ansible" / "agents.yml", *arguments)

    def test_agents_start_on_each_host_are_tested_and_leave(self):
        result = self.play("-e", "clients=7", "-e", '{"test": ["rpc-cast", "--calls", "50"]}')
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertIn("the report", result.stdout)
        agents = self.calls("ombt-agent")
        self.assertEqual(sorted(a[a.index("--control") + 1] for a in agents),
                         ["tcp://:5804", "tcp://:5805"])
        for agent in agents:
            self.assertIn("--daemon", agent)
            self.assertEqual(agent[agent.index("--rpc-client") + 1], "7")
        self.assertEqual(self.calls("ombt-controller"), [
            ["--hosts", "127.0.0.1:5804,127.0.0.2:5805", "--expect", "rpc-client=14", "--expect",
             "rpc-server=2", "rpc-cast", "--calls", "50"]])
        token = self.home / ".config" / "ombt" / "token"
        self.assertEqual(token.stat().st_mode & 0o777, 0o600)
        self.assertEqual(self.noted("tokens"), [token.read_text().strip()] * 2)
        self.assertEqual(self.noted("modes"), ["600"] * 2)
        self.assertEqual(self.noted("environment").count("OMBT_URL=rabbit://u:%s@bus.example"
                                                         % SECRET), 2)
        self.assert_nothing_secret_was_said()
        self.assertNotIn(SECRET, result.stdout)
        self.assertNotIn(token.read_text().strip(), result.stdout)
        self.assert_all_is_as_before()

    def test_a_test_that_fails_leaves_no_agents(self):
        (self.notes / "status").write_text("1")
        result = self.play()
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("the report", result.stdout)
        self.assertEqual(len(self.noted("left")), 2)
        self.assert_all_is_as_before()

    def test_a_host_without_agents_is_missed_and_the_others_leave(self):
        with open(self.bin / "ombt-agent", "w") as file:
            file.write(AGENT.replace("pid_file=\n", "pid_file=\n[[ $* == *5805* ]] && exit 1\n"))
        result = self.play()
        self.assertNotEqual(result.returncode, 0)
        self.assertEqual(len(self.noted("left")), 1)
        self.assertIn("rpc-client=20", self.calls("ombt-controller")[0])
        self.assert_all_is_as_before()


if __name__ == "__main__":
    sys.dont_write_bytecode = True
    unittest.main(verbosity=2)
