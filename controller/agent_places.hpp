// SPDX-License-Identifier: Apache-2.0
#pragma once
// Where agents are, as reports tell it.

#include "controller/outcome.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

namespace ombt::controller {

class agent_places {
 public:
  struct place {
    std::string host;
    std::int64_t process = 0;  ///< its id
  };

  /// The processes must outlive it.
  explicit agent_places(const std::vector<process_record>& processes);
  /// By direct control as its process says, on the bus as its name does; none there if that was
  /// chosen by hand.
  std::optional<place> of(const agent_record& agent) const;

 private:
  std::unordered_map<process_number, const wire::control::process_hello*> told_;
};

}  // namespace ombt::controller
