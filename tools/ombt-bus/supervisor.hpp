// SPDX-License-Identifier: Apache-2.0
#pragma once
// What `ombt-bus` does: a private bus for as long as a command runs, or until a signal. Owns the
// process as a whole: its signals, all its children (as their subreaper also orphans of theirs),
// its exit status. One call, one thread.
//
// | phase    | what happens in it                               | next                            |
// |----------|--------------------------------------------------|---------------------------------|
// | starting | the bus starts                                   | running; stopping if it can't   |
// | running  | the command runs, or without one nothing         | clearing, at its end or a signal|
// | clearing | what the command left running is ended           | stopping                        |
// | stopping | the bus stops                                    | sweeping                        |
// | sweeping | helpers that the broker left behind are killed   | done                            |

#include "tools/ombt-bus/private_bus.hpp"

#include <string>
#include <vector>

namespace ombt::tools::bus {

struct run_options {
  std::vector<std::string> command;  ///< empty: run until a signal
  bool restart_on_exit = false;      ///< start the broker again whenever it dies
};

/// Runs a bus that was not started yet. Returns the exit status: the command's (128 + n where
/// signal n ended it), 128 + n for signal n while the bus was starting, 126 for a command
/// that is no program, 127 for one that does not exist, 1 for a bus that can't be had, 0 for one
/// that ran without a command until a signal. Messages go to stderr.
int supervise(const run_options& options, private_bus& bus);

}  // namespace ombt::tools::bus
