// SPDX-License-Identifier: Apache-2.0
#include "drivers/amqp10/user_sessions.hpp"

#include <algorithm>

namespace ombt::drivers::amqp10 {

using wire::amqp10::session;

session user_sessions::for_link(wire::amqp10::connection& on) {
  // From the last on: the others have had links enough.
  const auto with_room = std::find_if(all_.rbegin(), all_.rend(),
                                      [](const session& one) { return one.links() < most_links; });
  if (with_room != all_.rend()) return *with_room;
  if (const session begun = on.open_session()) return all_.emplace_back(begun);
  if (all_.empty()) return {};
  return *std::min_element(all_.begin(), all_.end(), [](const session& a, const session& b) {
    return a.links() < b.links();
  });
}

void user_sessions::forget(const session& ended) { std::erase(all_, ended); }

void user_sessions::close() const {
  for (const session& one : all_) one.close();
}

}  // namespace ombt::drivers::amqp10
