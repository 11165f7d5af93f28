// SPDX-License-Identifier: Apache-2.0
#pragma once
// How the messages of an address are distributed: by the longest prefix that is known of it. The
// defaults are what oslo.messaging's guide configures qpid-dispatch with. Knows no links. One
// thread, set up once.

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ombt::tools::router {

enum class distribution : std::uint8_t {
  closest,    ///< the first receiver that has credit
  balanced,   ///< the receiver with the fewest messages that it has not settled
  multicast,  ///< every receiver
};

/// "closest", "balanced", "multicast": as qpid-dispatch spells them.
const char* name_of(distribution how) noexcept;

class address_rules {
 public:
  /// The addresses of oslo.messaging's amqp driver, routable and legacy; all others are balanced.
  address_rules();

  /// Adds a rule, or replaces the one of the same prefix.
  void add(std::string prefix, distribution how);
  /// Reads PREFIX=DISTRIBUTION, as of a command line; throws configuration_error.
  void add(std::string_view rule);

  /// A prefix counts where it is the whole address or ends before a '/' or '.'.
  distribution of(std::string_view address) const noexcept;

 private:
  std::vector<std::pair<std::string, distribution>> rules_;  ///< the longest first
};

}  // namespace ombt::tools::router
