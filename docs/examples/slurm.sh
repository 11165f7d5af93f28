#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#SBATCH --job-name=ombt
#SBATCH --nodes=4
#SBATCH --time=00:30:00
# Agents on all nodes of a Slurm job, and a test over all of them:
#
#   export OMBT_URL=rabbit://user:password@bus.example:5672
#   sbatch docs/examples/slurm.sh [COMMAND OF ombt-controller…]    (default: rpc-call --calls 1000)
#
# What is needed: a home that all nodes share (the token is in it), ombt-agent and ombt-controller on
# PATH of the nodes. From the environment, each with a default: CLIENTS and SERVERS, agents on each
# node (10 and 1), and PORT (5700).
set -euo pipefail

: "${OMBT_URL:?say which bus is tested}" "${SLURM_JOB_NODELIST:?this is to run in a Slurm job}"
(($#)) || set -- rpc-call --calls 1000
clients=${CLIENTS:-10} servers=${SERVERS:-1} port=${PORT:-5700}

# The job's nodes are "node[01-04]"; ombt-controller takes a host a line.
hosts_file=$(mktemp)
scontrol show hostnames "$SLURM_JOB_NODELIST" | sed "s/\$/:$port/" >"$hosts_file"
n=$(wc -l <"$hosts_file")

# An agents' process on each node, as a step of the job in the background. Not --daemon here: Slurm
# ends what a step leaves behind. --idle-exit: should this script be lost, they leave by themselves.
srun --nodes="$n" --ntasks="$n" --ntasks-per-node=1 \
  ombt-agent --control "tcp://:$port" --idle-exit 600 \
  --rpc-client "$clients" --rpc-server "$servers" &

stop_agents() {
  ombt-controller --hosts-file "$hosts_file" --expect "$(((clients + servers) * n))" shutdown ||
    kill %1 # srun passes it on
  wait
  rm -f "$hosts_file"
}
trap stop_agents EXIT # however this ends

# It waits until all that are expected have come, at most --timeout seconds.
ombt-controller --hosts-file "$hosts_file" --timeout 120 \
  --expect rpc-client=$((clients * n)) --expect rpc-server=$((servers * n)) "$@"
