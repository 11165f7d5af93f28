// SPDX-License-Identifier: Apache-2.0
#pragma once
// Reads what a test message carries, at the agents that receive. No state, any thread.

#include "wire/json/value.hpp"

#include <string_view>

namespace ombt::agents {

/// Views live as long as the message they were read from.
struct test_arguments {
  wire::json::value data;
  double timestamp = 0;    ///< epoch seconds by the sender's clock
  std::string_view msgid;  ///< empty: a sender of before ombt 3
};

/// Reads {data_key: …, "timestamp": T[, "msgid": "…"]}. Null on success, else what is wrong.
const char* read_test_arguments(wire::json::value from, std::string_view data_key,
                                test_arguments& out) noexcept;

}  // namespace ombt::agents
