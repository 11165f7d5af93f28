// SPDX-License-Identifier: Apache-2.0
#pragma once
// What was seen of the bus's processes, as lines of the text report. Pure functions.

#include "controller/watch/bus_watch.hpp"

#include <string>

namespace ombt::controller {

/// Two lines a process, at most 80 columns each, and one a note.
void append_bus_text(std::string& out, const bus_watched& bus);

}  // namespace ombt::controller
