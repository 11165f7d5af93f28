// SPDX-License-Identifier: Apache-2.0
// Any payload of a method or header frame into the codec. The first byte chooses. Every view that
// comes out must lie within the input.
#include "wire/amqp091/codec.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <optional>
#include <string_view>

using namespace ombt::wire::amqp091;

namespace {

void require_inside(std::string_view part, std::string_view whole) {
  const std::less_equal<const char*> before;
  if (part.empty()) return;
  if (!before(whole.data(), part.data()) ||
      !before(part.data() + part.size(), whole.data() + whole.size())) {
    std::abort();
  }
}

void require_inside(const std::optional<std::string_view>& part, std::string_view whole) {
  if (part) require_inside(*part, whole);
}

void check(const decoded_method& method, std::string_view whole) {
  switch (method.id) {
    case AMQP_CONNECTION_START_METHOD: {
      const auto& start = method.as<amqp_connection_start_t>();
      require_inside(to_view(start.mechanisms), whole);
      require_inside(find_string(start.server_properties, "product"), whole);
      break;
    }
    case AMQP_CONNECTION_CLOSE_METHOD:
      require_inside(to_view(method.as<amqp_connection_close_t>().reply_text), whole);
      break;
    case AMQP_BASIC_DELIVER_METHOD: {
      const auto& deliver = method.as<amqp_basic_deliver_t>();
      require_inside(to_view(deliver.consumer_tag), whole);
      require_inside(to_view(deliver.exchange), whole);
      require_inside(to_view(deliver.routing_key), whole);
      break;
    }
    case AMQP_BASIC_RETURN_METHOD: {
      const auto& back = method.as<amqp_basic_return_t>();
      require_inside(to_view(back.reply_text), whole);
      require_inside(to_view(back.exchange), whole);
      require_inside(to_view(back.routing_key), whole);
      break;
    }
    default:
      break;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  static codec code;
  const std::string_view payload(reinterpret_cast<const char*>(data) + 1, size - 1);
  if (data[0] % 2 == 0) {
    const decoded_method method = code.decode_method(payload);
    if ((method.refusal != 0) != (method.why != nullptr)) std::abort();
    if (method.refusal == 0) check(method, payload);
    return 0;
  }
  const content_header header = code.decode_header(payload);
  if (header.why != nullptr) return 0;
  require_inside(header.values.content_type, payload);
  require_inside(header.values.content_encoding, payload);
  require_inside(header.values.compression, payload);
  require_inside(header.values.expiration, payload);
  return 0;
}
