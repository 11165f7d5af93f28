// SPDX-License-Identifier: Apache-2.0
#include "tools/router/links.hpp"

namespace ombt::tools::router {

bool is_over(const amqp::outcome& how, bool settled) noexcept {
  using kind = amqp::outcome::kind;
  return settled || (how.what != kind::none && how.what != kind::other);
}

void count(const amqp::outcome& how, message_counts& in) noexcept {
  switch (how.what) {
    case amqp::outcome::kind::rejected:
      ++in.rejected;
      break;
    case amqp::outcome::kind::released:
      ++in.released;
      break;
    case amqp::outcome::kind::modified:
      ++in.modified;
      break;
    default:
      ++in.accepted;
      break;
  }
}

}  // namespace ombt::tools::router
