// SPDX-License-Identifier: Apache-2.0
#pragma once
// A test that needs nothing to be there: it brings ombt-router and agents of its own, children of
// this process on a free port of 127.0.0.1. They end with the test, and if this process is killed
// the kernel takes them along (PR_SET_PDEATHSIG): call it on the main thread.

#include "controller/settings.hpp"

namespace ombt::tools {

/// How many agents a test brings with it.
struct embedded_agents {
  int clients = 2;  ///< RPC clients or, of a notification test, notifiers; all in one process
  int servers = 1;  ///< RPC servers or listeners; all in one process
};

/// Says on standard error what it starts, runs the test that `given` asks for, reports its bus as
/// "embedded router", stops what it started. The programs are those beside the running one, else
/// those on PATH. Settings are checked first. Returns the exit status.
int run_embedded(const controller::settings& given, const embedded_agents& agents);

}  // namespace ombt::tools
