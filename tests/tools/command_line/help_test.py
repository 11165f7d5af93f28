# SPDX-License-Identifier: Apache-2.0
"""help_test.py PROGRAM…: every help text, of the programs and of all their subcommands, fits a
terminal 80 wide and says what an exit status means."""

import re
import subprocess
import sys


def help_of(command):
    done = subprocess.run([*command, "--help"], capture_output=True, text=True, timeout=30,
                          check=True)
    if done.stderr:
        raise SystemExit(f"{command}: {done.stderr}")
    return done.stdout


def subcommands(text):
    part = re.search(r"^Subcommands:\n((?:  .*\n)+)", text, re.M)
    return re.findall(r"^  (\S+)", part[1], re.M) if part else []


def check(command):
    """Returns how many texts were looked at, and what is wrong with them."""
    text = help_of(command)
    wrong = [f"{' '.join(command)}: {len(line)} columns: {line}"
             for line in text.splitlines() if len(line) > 80]
    for word in ("Usage: ", "Options:", "Exit status: "):
        if word not in text:
            wrong.append(f"{' '.join(command)}: no {word!r}")
    looked = 1
    for name in subcommands(text):
        more, problems = check([*command, name])
        looked += more
        wrong += problems
    return looked, wrong


def main():
    looked, wrong = 0, []
    for program in sys.argv[1:]:
        more, problems = check([program])
        looked += more
        wrong += problems
    print(*wrong, f"{looked} help texts, {len(wrong)} problems", sep="\n")
    return 1 if wrong or looked < 20 else 0


if __name__ == "__main__":
    sys.exit(main())
