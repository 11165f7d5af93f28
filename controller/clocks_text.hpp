// SPDX-License-Identifier: Apache-2.0
#pragma once
// Machines' clocks as the text report shows them. Pure functions.

#include "controller/clocks_summary.hpp"

#include <string>

namespace ombt::controller {

/// Lines of the block "Clocks:", indented; nothing where clocks.alone().
void append_clocks_text(std::string& out, const clocks_summary& clocks);

}  // namespace ombt::controller
