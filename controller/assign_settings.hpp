// SPDX-License-Identifier: Apache-2.0
#pragma once
// The options of assign as a user gives them, and the checking of them. Pure.

#include "controller/placement.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ombt::controller {

/// The subcommand that gives standby agents their roles.
inline constexpr std::string_view assign_task = "assign";
inline constexpr int most_assigned = 200'000;  ///< of a kind; as many as a run listens to

struct assign_settings {
  int rpc_clients = 0;
  int rpc_servers = 0;
  int listeners = 0;
  int notifiers = 0;
  std::vector<std::string> buses;  ///< URLs
};

/// The topics are those of --topic and --topics. Throws configuration_error, passwords masked.
placement read_placement(const assign_settings& given, std::vector<std::string> topics,
                         const std::optional<int>& spread);

}  // namespace ombt::controller
