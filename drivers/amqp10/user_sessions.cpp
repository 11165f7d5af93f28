// SPDX-License-Identifier: Apache-2.0
#include "drivers/amqp10/user_sessions.hpp"

#include <algorithm>
#include <utility>

namespace ombt::drivers::amqp10 {

using wire::amqp10::session;

session user_sessions::for_link(wire::amqp10::connection& on) {
  const auto has_room = [](const session& one) { return one.links() < most_links; };
  if (current_ && has_room(current_)) return current_;
  const auto other = std::find_if(others_.begin(), others_.end(), has_room);
  if (other != others_.end()) {
    std::swap(*other, current_);
    if (!*other) others_.erase(other);  // the last one was ended by the peer
    return current_;
  }
  const session begun = on.open_session();
  if (!begun) return least_full();
  if (current_) others_.push_back(current_);
  return current_ = begun;
}

session user_sessions::least_full() const {
  session best = current_;
  for (const session& one : others_) {
    if (!best || one.links() < best.links()) best = one;
  }
  return best;
}

void user_sessions::forget(const session& ended) {
  if (current_ == ended) current_ = {};
  std::erase(others_, ended);
}

void user_sessions::close() const {
  if (current_) current_.close();
  for (const session& one : others_) one.close();
}

}  // namespace ombt::drivers::amqp10
