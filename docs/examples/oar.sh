#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#OAR -n ombt
#OAR -l nodes=4,walltime=0:30:00
# Agents on all nodes of an OAR job, and a test over all of them:
#
#   export OMBT_URL=rabbit://user:password@bus.example:5672
#   oarsub -S "$PWD/docs/examples/oar.sh"            (-S: the #OAR lines above count)
#   oarsub -I -l nodes=4, then there: docs/examples/oar.sh rpc-cast --calls 500
#
# OAR runs this on the job's first node. OAR_NODE_FILE has a line a core, so each host many times:
# that is how --hosts-file may have it. oarsh is ssh, by OAR's rules: it reaches the nodes of the
# job, and what it starts there goes to the job's cores and ends with the job.
set -euo pipefail
: "${OAR_NODE_FILE:?this is to run in an OAR job}"
export REMOTE_SHELL=oarsh
exec "$(dirname "$0")/ssh.sh" "$OAR_NODE_FILE" "$@"
