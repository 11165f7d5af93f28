# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=sh
# Reading what our programs print with --help; sourced by make_man_page and make_completion.

# put TEXT: prints it as it is (echo may take a backslash for its own).
put() { printf '%s\n' "$1"; }

# help_of PROGRAM [COMMAND…]: its help text; fails if it can't be had.
help_of() {
  "$@" --help || { echo "$0: $* --help failed" >&2 && exit 1; }
}

# commands_of: reads a help text, prints the names of the subcommands that it lists.
commands_of() {
  awk '/^Subcommands:/ { on = 1; next } on && /^$/ { exit } on && /^  [^ ]/ { print $1 }'
}

# options_of: reads a help text, prints "NAME VALUE" a line for each name of an option that it
# lists; VALUE is what the text calls it, or empty for a flag.
options_of() {
  awk '/^Options:/ { on = 1; next } on && /^$/ { exit }
    on && /^  -/ {
      line = substr($0, 3)
      sub(/  .*/, "", line)
      value = line
      if (!sub(/^[^ ]+ /, "", value)) value = ""
      sub(/[= ].*/, "", value)
      sub(/ .*/, "", line)
      count = split(line, names, ",")
      for (i = 1; i <= count; ++i) print names[i], value
    }'
}
