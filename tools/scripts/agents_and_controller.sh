#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The part of tools/quickstart that runs on the bus, as ombt-bus's command: starts the agents, a
# process each, runs the controller, stops the agents.
#   agents_and_controller.sh CLIENTS SERVERS CONTROLLER-ARGUMENT…
# From its environment: OMBT_URL; OMBT_QUICKSTART_DIR (logs, marks, and agent-options, which is what
# ombt-controller --agent-options says to the same arguments), OMBT_QUICKSTART_PROGRAM and
# OMBT_QUICKSTART_STARTED (the line that the caller began). Standard error is descriptor 3.
set -euo pipefail
exec 2>&3 3>&-
# shellcheck source-path=SCRIPTDIR source=steps.sh
source "$(cd "$(dirname "$0")" && pwd)/steps.sh"
program=$OMBT_QUICKSTART_PROGRAM
dir=$OMBT_QUICKSTART_DIR
bin=$root/build/release/bin
export OMBT_CONTROL=bus # the same, whatever the caller uses otherwise

clients=$1 servers=$2
shift 2
client_kind=rpc-client server_kind=rpc-server
mapfile -t agent_options <"$dir/agent-options"
if [[ ${agent_options[0]} == notify ]]; then client_kind=notifier server_kind=listener; fi
agent_options=("${agent_options[@]:1}")
stem='' topics=0
if [[ ${agent_options[2]-} == --topics ]]; then # each process is in one of them
  stem=${agent_options[1]} topics=${agent_options[3]}
  agent_options=("${agent_options[@]:4}")
fi
expect=(--expect $((clients + servers)))
for word; do
  [[ $word == --expect || $word == --expect=* ]] && expect=() # as the user likes
done

agent_names=() agent_pids=()

start_agents() { # KIND NUMBER
  local i topic=()
  for ((i = 1; i <= $2; i++)); do
    if ((topics)); then topic=(--topic "$stem-$(((i - 1) % topics))"); fi
    : >"$dir/$1-$i.log" # it is looked at, perhaps before the agent's process has opened it
    setpriv --pdeathsig TERM -- "$bin/ombt-agent" "--$1" 1 "${topic[@]}" \
      "${agent_options[@]}" \
      >"$dir/$1-$i.log" 2>&1 </dev/null &
    agent_names+=("$1-$i")
    agent_pids+=($!)
  done
}

running() { kill -0 "$1" 2>/dev/null; }

# Until each agent has said that it is ready. Returns 1 if one ended instead, or after a minute.
agents_ready() {
  local i log deadline=$((SECONDS + 60))
  for i in "${!agent_names[@]}"; do
    log=$dir/${agent_names[i]}.log
    until grep -q 'is ready' "$log"; do
      leave_if_signalled
      if ! running "${agent_pids[i]}" || ((SECONDS > deadline)); then
        slow_agent=$i
        return 1
      fi
      sleep 0.02
    done
  done
}

# Names agents that failed. One that left as it was told, by shutdown, has status 0.
report_lost_agents() {
  local i
  for i in "${!agent_pids[@]}"; do
    running "${agent_pids[i]}" && continue
    wait "${agent_pids[i]}" && continue
    say "${agent_names[i]} ended by itself; the end of build/quickstart/${agent_names[i]}.log:"
    tail -n 5 "$dir/${agent_names[i]}.log" | sed 's/^/  /' >&2
  done
}

stop_agents() {
  local pid deadline=$((SECONDS + 10))
  for pid in "${agent_pids[@]}"; do kill -s TERM "$pid" 2>/dev/null || true; done
  for pid in "${agent_pids[@]}"; do
    while running "$pid"; do
      if ((SECONDS > deadline)); then kill -s KILL "$pid" 2>/dev/null || true; fi
      sleep 0.02
    done
  done
  agent_pids=()
}

cleanup() {
  if ((${#agent_pids[@]})); then
    local started=$EPOCHREALTIME
    printf '%s: stopping the agents … ' "$program" >&2
    stop_agents
    seconds_since "$started"
    printf '%s s\n' "$elapsed" >&2
  fi
  if [[ ! -e $dir/bus-stops ]]; then
    printf '%s: stopping the bus … ' "$program" >&2
    printf '%s' "$EPOCHREALTIME" >"$dir/bus-stops"
  fi
}

: >"$dir/bus-serves"
seconds_since "$OMBT_QUICKSTART_STARTED"
printf '%s s\n' "$elapsed" >&2
trap cleanup EXIT
leave_if_signalled

started=$EPOCHREALTIME
printf '%s: starting %d × %s, %d × %s … ' "$program" "$servers" "$server_kind" "$clients" \
  "$client_kind" >&2
start_agents "$server_kind" "$servers"
start_agents "$client_kind" "$clients"
slow_agent=
if ! agents_ready; then
  seconds_since "$started"
  step_failed "$elapsed" "$dir/${agent_names[slow_agent]}.log"
  exit 1
fi
seconds_since "$started"
printf '%s s\n' "$elapsed" >&2

say "running ombt-controller $*"
leave_if_signalled
status=0
run_child alone "$bin/ombt-controller" "${expect[@]}" "$@" || status=$?
leave_if_signalled
report_lost_agents
exit "$status"
