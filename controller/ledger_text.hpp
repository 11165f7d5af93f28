// SPDX-License-Identifier: Apache-2.0
#pragma once
// The ledger of a run as text: one line where every message succeeded and arrived once, else the
// equation and who is concerned. Pure functions.

#include "controller/ledger_summary.hpp"

#include <string>
#include <string_view>

namespace ombt::controller {

/// Appends the block. `clients` and `receivers` are what the agents of each side are called
/// ("RPC client", "RPC server").
void append_ledger_text(std::string& out, const ledger_summary& ledger, std::string_view clients,
                        std::string_view receivers);

}  // namespace ombt::controller
