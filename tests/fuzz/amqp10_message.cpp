// SPDX-License-Identifier: Apache-2.0
// Any bytes as a message of AMQP 1.0. Every view that comes out lies within the input; what was
// read is written and read again, and must be the same.
#include "wire/amqp10/message.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <string>
#include <string_view>

using namespace ombt::wire::amqp10;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void require_inside(std::string_view part, std::string_view whole) {
  const std::less_equal<const char*> before;
  require(part.empty() || (before(whole.data(), part.data()) &&
                           before(part.data() + part.size(), whole.data() + whole.size())));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using kind = message::body_kind;
  const std::string_view bytes{reinterpret_cast<const char*>(data), size};
  message m;
  if (read_message(bytes, m)) return 0;
  for (const std::string_view part : {m.id, m.to, m.reply_to, m.correlation_id, m.body}) {
    require_inside(part, bytes);
  }
  require(m.body.empty() || m.kind == kind::text || m.kind == kind::binary);
  if (m.kind == kind::other) m.kind = kind::none;

  std::string written;
  append_message(written, m);
  message again;
  require(!read_message(written, again));
  require(again.ttl == m.ttl);
  require(again.id == m.id && again.to == m.to && again.reply_to == m.reply_to);
  require(again.correlation_id == m.correlation_id);
  require(again.absolute_expiry_time == m.absolute_expiry_time);
  require(again.kind == m.kind && again.body == m.body);
  return 0;
}
