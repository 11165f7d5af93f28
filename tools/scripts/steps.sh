# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# For the scripts of tools/, to be sourced: steps that report themselves in one line each, and
# child processes that never outlive the script. Owns the script's signals: INT, TERM and HUP go to
# the child of the moment, which has time to clean up; then the script ends by that signal.
#
# Why child processes get a process group: a terminal's Ctrl-C reaches a whole group, `kill` one
# process. With the child in a group of its own both arrive here first, and are handled alike.

program=${0##*/}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
logs=$root/build/log

signals=0        # how many came
passed_on=0      # how many of them went to a child
last_signal=''   # the latest, e.g. INT
signal_note=''   # said when a signal comes that takes its time
elapsed=''       # seconds_since's answer
child_log=''     # where its output goes; empty: where the script's goes
child=''         # pid of the child that runs now
child_target=''  # whom its signals go to: -pid is its whole group

say() { printf '%s: %s\n' "$program" "$*" >&2; }

die() {
  local status=$1
  shift
  say "$*"
  exit "$status"
}

on_signal() {
  last_signal=$1
  signals=$((signals + 1))
  pass_on_signal
}

# To the child, if there is one already.
pass_on_signal() {
  local tries
  [[ -n $child ]] || return 0
  passed_on=$signals
  if [[ -n ${signal_note:-} ]]; then printf '(%s) ' "$signal_note" >&2; fi
  # A child that is still a copy of this shell might lose it.
  for ((tries = 0; tries < 50; tries++)); do
    [[ /proc/$child/exe -ef /proc/$$/exe ]] || break
    sleep 0.01
  done
  # A child that runs as root through sudo takes signals from root only.
  kill -s "$last_signal" -- "$child_target" 2>/dev/null ||
    sudo -n kill -s "$last_signal" -- "$child_target" 2>/dev/null || true
}

# Ends the script the way a signal ends it, if one came. To be called when all is cleaned up.
leave_if_signalled() {
  ((signals)) || return 0
  trap '' INT TERM HUP
  trap - EXIT
  [[ $(type -t cleanup) == function ]] && cleanup
  trap - "$last_signal"
  kill -s "$last_signal" $$
  exit 1 # not reached
}

trap 'on_signal INT' INT
trap 'on_signal TERM' TERM
trap 'on_signal HUP' HUP

# run_child group|alone|terminal COMMAND…: runs it to its end and returns its status.
#   group     signals go to all processes of its group
#   alone     signals go to the command only, which passes them on itself
#   terminal  it stays in the script's group, so that it may ask for a password
# The command gets SIGTERM when the script is killed, and a signal that came before it.
run_child() {
  local kind=$1 status=0 again seen target
  shift
  # Only the child's output is redirected: what is said when a signal comes is still the script's.
  if [[ $kind == terminal ]]; then
    # A background command would ignore INT otherwise.
    setpriv --pdeathsig TERM -- env --default-signal=INT,QUIT "$@" &
  else
    set -m
    if [[ -n $child_log ]]; then
      setpriv --pdeathsig TERM -- "$@" </dev/null >"$child_log" 2>&1 &
    else
      setpriv --pdeathsig TERM -- "$@" </dev/null &
    fi
    set +m
  fi
  target=$!
  [[ $kind == group ]] && target=-$!
  child_target=$target
  child=$! # from here on signals are passed on when they come
  ((signals == passed_on)) || pass_on_signal
  seen=$signals
  wait "$child" || status=$?
  while ((signals != seen)); do # a signal cut the wait short
    seen=$signals
    again=0
    wait "$child" || again=$?
    ((again == 127)) || status=$again
  done
  child=''
  return "$status"
}

# seconds_since EPOCHREALTIME: sets `elapsed`, with one decimal. It prints nothing, so that nobody
# needs a command substitution: bash may lose a signal that comes as one ends.
seconds_since() {
  local now=${EPOCHREALTIME/[.,]/} then=${1/[.,]/}
  local tenths=$(((now - then + 50000) / 100000))
  elapsed=$((tenths / 10)).$((tenths % 10))
}

# run_step TEXT LOGNAME group|alone COMMAND…: one line on standard error, everything else in
# build/log/LOGNAME.log, whose last lines are shown if the command fails. Returns its status.
run_step() {
  local text=$1 log=$logs/$2.log kind=$3 started=$EPOCHREALTIME status=0
  shift 3
  leave_if_signalled
  mkdir -p "$logs"
  printf '%s: %s … ' "$program" "$text" >&2
  child_log=$log
  run_child "$kind" "$@" || status=$?
  child_log=''
  if ((signals)); then
    seconds_since "$started"
    printf 'stopped after %s s\n' "$elapsed" >&2
    leave_if_signalled
  elif ((status)); then
    seconds_since "$started"
    step_failed "$elapsed" "$log"
  else
    seconds_since "$started"
    printf '%s s\n' "$elapsed" >&2
  fi
  return "$status"
}

step_failed() {
  printf 'failed after %s s; the end of %s:\n' "$1" "${2#"$root/"}" >&2
  tail -n "${tail_lines:-20}" "$2" | sed 's/^/  /' >&2
}

# install_dependencies PURPOSE…: as tools/install-dependencies; the script ends if that fails.
install_dependencies() {
  leave_if_signalled
  if ! run_child terminal "$root/tools/install-dependencies" "$@"; then
    leave_if_signalled
    exit 1
  fi
  leave_if_signalled
}

# build_preset NAME WHAT-FOR [TARGET…]: configures where that was not done before, and builds.
build_preset() {
  local preset=$1 what=$2 dir=$root/build/$1
  shift 2
  # Nothing outside build/: neither the compiler's temporary files nor its cache.
  local inside=(env "TMPDIR=$root/build/tmp" "CCACHE_DIR=${CCACHE_DIR:-$root/build/ccache}")
  mkdir -p "$root/build/tmp"
  if [[ ! -e $dir/build.ninja || $root/CMakePresets.json -nt $dir/build.ninja ]]; then
    run_step "configuring $preset" "configure-$preset" group \
      "${inside[@]}" cmake -S "$root" --preset "$preset" || return
  fi
  run_step "building $what ($preset)" "build-$preset" group \
    "${inside[@]}" ninja -C "$dir" "$@"
}
