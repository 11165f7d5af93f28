// SPDX-License-Identifier: Apache-2.0
#pragma once
// How long the payload of each message is, where a run has messages of several sizes. Immutable,
// shared by the clients of a run; each has random numbers of its own.

#include "wire/control/load.hpp"

#include "agents/load/random.hpp"

#include <cstddef>
#include <vector>

namespace ombt::agents {

class size_choice {
 public:
  /// Nothing to choose from.
  size_choice() = default;
  explicit size_choice(const std::vector<wire::control::size_range>& ranges);

  bool empty() const noexcept { return entries_.empty(); }
  /// Bytes of the next message: a range by its weight, then any size in it. Not of an empty one.
  std::size_t choose(random_source& random) const noexcept;

 private:
  struct entry {
    double until = 0;  ///< sum of the weights up to and with it
    std::uint32_t least = 0;
    std::uint32_t most = 0;
  };
  std::vector<entry> entries_;
};

}  // namespace ombt::agents
