#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Agents on many hosts by plain ssh, a test over all of them, and the hosts as they were before.
#
#   export OMBT_URL=rabbit://user:password@bus.example:5672
#   docs/examples/ssh.sh HOSTS_FILE [COMMAND OF ombt-controller…]   (default: rpc-call --calls 1000)
#
# HOSTS_FILE has a host a line, as ombt-controller --hosts-file reads it: repeats and #-comments are
# allowed, and host:port where agents shall listen on another port than 5700. What is needed: ssh to
# these hosts without a password, ombt-agent on PATH there, ombt-controller here, and the hosts
# reach the bus.
#
# From the environment, each with a default: CLIENTS and SERVERS, agents on each host (10 and 1);
# REMOTE_SHELL, a program that takes ssh's arguments.
set -euo pipefail

: "${OMBT_URL:?say which bus is tested}"
hosts_file=${1:?name a file of hosts}
shift
(($#)) || set -- rpc-call --calls 1000
clients=${CLIENTS:-10} servers=${SERVERS:-1}
remote_shell=${REMOTE_SHELL:-ssh}
at_once=64 # hosts that are started at the same time

# Each host once, in order, without comments and blanks.
mapfile -t places < <(sed 's/#.*//; s/[[:space:]]//g; /^$/d' "$hosts_file" | awk '!seen[$0]++')

# What agents and controllers of one owner have in common. Both make it by themselves in a home
# that they share; other hosts need a copy, so it has to be there before the first agent.
token_file=${OMBT_TOKEN_FILE:-$HOME/.config/ombt/token}
if [[ ! -e $token_file && -z ${OMBT_TOKEN_FILE:-} ]]; then
  (umask 077 && mkdir -p "${token_file%/*}" && head -c 32 /dev/urandom | base64 >"$token_file")
fi
token=$(<"$token_file")

# split PLACE: sets `host` and `port`. h, h:5800, [::1], [::1]:5800
split() {
  host=$1 port=5700
  if [[ $1 =~ ^(.+):([0-9]+)$ ]]; then host=${BASH_REMATCH[1]} port=${BASH_REMATCH[2]}; fi
  host=${host#'['} host=${host%']'}
}

# on_host PLACE NAME=VALUE…: runs the script on standard input there, with these variables. They and
# the script go through ssh's standard input: arguments could be read by everybody on either host.
on_host() {
  local place=$1 host port variable
  shift
  split "$place"
  {
    for variable; do printf 'export %s=%q\n' "${variable%%=*}" "${variable#*=}"; done
    # A folder of its own for each host, as a home may be on all of them.
    # shellcheck disable=SC2016  # that host's HOME
    printf 'folder=$HOME/.cache/ombt/%q\n' "$place"
    cat
  } | "$remote_shell" -o BatchMode=yes -o ConnectTimeout=10 "$host" bash -s
}

# --daemon returns when the agents are ready, so ssh ends then. --idle-exit: should this script and
# its machine be lost, the agents leave by themselves ten minutes later.
start_agents() {
  local host port
  split "$1"
  on_host "$1" OMBT_URL="$OMBT_URL" TOKEN="$token" CLIENTS="$clients" SERVERS="$servers" \
    CONTROL="tcp://:$port" <<'END'
set -eu
umask 077
mkdir -p "$folder"
printf '%s\n' "$TOKEN" >"$folder/token"
unset TOKEN
OMBT_TOKEN_FILE=$folder/token exec ombt-agent --daemon --pid-file "$folder/agents.pid" \
  --idle-exit 600 --control "$CONTROL" --rpc-client "$CLIENTS" --rpc-server "$SERVERS"
END
}

# By the pid file: also where the controller found nobody.
stop_agents() {
  on_host "$1" <<'END'
if [ -e "$folder/agents.pid" ]; then
  kill "$(cat "$folder/agents.pid")" 2>/dev/null
fi
rm -rf "$folder"
END
}

# on_all FUNCTION: calls it for each place, at most so many at once; says where it failed.
on_all() {
  local place failed status=0
  failed=$(mktemp)
  for place in "${places[@]}"; do
    while (($(jobs -rp | wc -l) >= at_once)); do wait -n || true; done
    { "$1" "$place" || echo "$1: failed on $place" >>"$failed"; } &
  done
  wait
  if [[ -s $failed ]]; then
    cat "$failed" >&2
    status=1
  fi
  rm -f "$failed"
  return "$status"
}

trap 'on_all stop_agents' EXIT # however this ends
on_all start_agents

n=${#places[@]}
ombt-controller --hosts-file "$hosts_file" \
  --expect rpc-client=$((clients * n)) --expect rpc-server=$((servers * n)) "$@"
