// SPDX-License-Identifier: Apache-2.0
#pragma once
// The sessions that a connection's user has for its links, but in topology oslo. One is enough
// until the links are many: an RPC server has one to each client that it answers. A value; its
// sessions end with the connection, and are to be forgotten then.

#include "wire/amqp10/connection.hpp"

#include <cstddef>
#include <vector>

namespace ombt::drivers::amqp10 {

class user_sessions {
 public:
  /// Links on a session. Both ends look for a link's name among all of its session when it is
  /// attached, and allow no more than 16,384.
  static constexpr std::size_t most_links = 256;

  /// One that has room: of these, or begun now; where the peer allows no more, the one that has
  /// fewest links. Empty where there is none.
  wire::amqp10::session for_link(wire::amqp10::connection& on);
  /// One that the peer has ended.
  void forget(const wire::amqp10::session& ended);
  /// Closes those that there are, on a connection that is up.
  void close() const;

 private:
  std::vector<wire::amqp10::session> all_;
};

}  // namespace ombt::drivers::amqp10
