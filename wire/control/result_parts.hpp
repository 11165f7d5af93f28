// SPDX-License-Identifier: Apache-2.0
#pragma once
// The parts of an agent's results that are no sums, for who writes and reads records: results.cpp
// and result_batch.cpp. No state, any thread.

#include "wire/control/results.hpp"

namespace ombt::wire::control {

/// Appends `, "ledger": …, "arrivals": …, "audit": …`, those that there are.
void append_own_parts(std::string& out, const result_details& details);

// False: why says what is wrong.

/// Reads them, where they are there; ledgers into the room.
bool read_own_parts(json::value from, ledger_room& room, result_details& out, std::string& why);
/// Reads {text: count}, or nothing.
bool read_error_counts(json::value from, results& out, std::string& why);

}  // namespace ombt::wire::control
