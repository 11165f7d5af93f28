// SPDX-License-Identifier: Apache-2.0
#pragma once
// The last 16 _unique_ids that a listener took, against a message that is delivered twice.
// Source: _drivers/amqp.py (_MsgIdCache).

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <string_view>

namespace ombt::drivers::rabbit {

class recent_ids {
 public:
  static constexpr std::size_t window = 16;

  bool contains(std::string_view id) const {
    return std::find(ids_.begin(), ids_.end(), id) != ids_.end() && !id.empty();
  }
  /// Remembers an id, forgetting the oldest; empty and known ones are ignored.
  void add(std::string_view id) {
    if (id.empty() || contains(id)) return;
    ids_[next_].assign(id);
    next_ = (next_ + 1) % window;
  }

 private:
  std::array<std::string, window> ids_;
  std::size_t next_ = 0;
};

}  // namespace ombt::drivers::rabbit
