# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: Apache-2.0
# For the scripts of tools/, to be sourced after steps.sh: runs a preset's tests through ctest and
# adds up the counts of all runs. `bus` names the ombt-bus that they share.

passed=0
failed=0
skipped=0
# Two a processor, as those that need a bus wait half of the time; and one that waits nearly always
# (ombt_waits in tests/CMakeLists.txt). Counted here because bash may lose a signal that comes as a
# command substitution ends: there is none between "running" and the wait.
at_once=$((3 * $(nproc)))
broken_runs=0  # runs that did not come to an end, or had nothing to run

# run_tests PRESET LOGNAME TEXT bus|no-bus [ctest argument…]. Returns 0 whatever the tests say: the
# verdict is report_tests's.
run_tests() {
  local preset=$1 log=$2 text=$3 started=$EPOCHREALTIME status=0
  local results=$root/build/$preset/$log.xml
  local run=(group)
  # ombt-bus hands a signal on to ctest, and ends what ctest leaves running.
  [[ $4 == bus ]] && run=(alone "$bus" rabbit --)
  shift 4
  leave_if_signalled
  mkdir -p "$logs"
  rm -f "$results"
  printf '%s: running %s (%s) … ' "$program" "$text" "$preset" >&2
  run_child "${run[@]}" ctest --test-dir "$root/build/$preset" -j"$at_once" --output-on-failure \
    --output-junit "$results" --no-tests=error "$@" >"$logs/$log.log" 2>&1 || status=$?
  if ((signals)); then
    seconds_since "$started"
    printf 'stopped after %s s\n' "$elapsed" >&2
    leave_if_signalled
  fi
  count_tests "$results"
  if ((status != 0 && run_failed == 0)) || ((run_passed + run_failed + run_skipped == 0)); then
    broken_runs=$((broken_runs + 1))
    seconds_since "$started"
    step_failed "$elapsed" "$logs/$log.log"
    return 0
  fi
  seconds_since "$started"
  printf '%s s: %d passed, %d failed, %d skipped\n' "$elapsed" \
    "$run_passed" "$run_failed" "$run_skipped" >&2
  name_tests failed "${run_failed_names[@]}"
  name_tests skipped "${run_skipped_names[@]}"
  if ((run_failed)); then
    printf '  what they said is in %s\n' "${logs#"$root/"}/$log.log" >&2
  fi
}

# count_tests FILE: adds up a JUnit file of ctest. A test that ctest could not run has failed.
count_tests() {
  local line name
  run_passed=0 run_failed=0 run_skipped=0
  run_failed_names=() run_skipped_names=()
  [[ -e $1 ]] || return 0
  while IFS= read -r line; do
    name=${line#*name=\"}
    name=${name%%\"*}
    case $line in
      *' status="run"'*) run_passed=$((run_passed + 1)) ;;
      *' status="skipped"'* | *' status="disabled"'*)
        run_skipped=$((run_skipped + 1))
        run_skipped_names+=("$name")
        ;;
      *)
        run_failed=$((run_failed + 1))
        run_failed_names+=("$name")
        ;;
    esac
  done < <(junit_cases "$1")
  passed=$((passed + run_passed))
  failed=$((failed + run_failed))
  skipped=$((skipped + run_skipped))
}

# A line a test; those that were skipped on purpose say so in their status.
junit_cases() {
  sed -n '/<testcase /{h;n;s/.*<skipped message="SKIP.*/skipped/;t mark;x;p;b;:mark;x;s/ status="notrun"/ status="skipped"/;p}' "$1"
}

# name_tests HOW NAME…: lists them, if there are any.
name_tests() {
  local how=$1 name
  shift
  for name; do
    name=${name//&quot;/\"}
    name=${name//&lt;/<}
    name=${name//&gt;/>}
    printf '  %s: %s\n' "$how" "${name//&amp;/\&}" >&2
  done
}

# The last line, and the exit status.
report_tests() {
  printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
  ((failed == 0 && broken_runs == 0 && passed > 0))
}
