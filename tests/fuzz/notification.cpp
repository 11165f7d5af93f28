// SPDX-License-Identifier: Apache-2.0
// Notifications off the bus: read, written in both formats and read again, the same.
#include "wire/oslo/messages.hpp"

#include <cstdint>
#include <cstdlib>
#include <string>

using namespace ombt;
using namespace ombt::wire::oslo;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

constexpr std::string_view text_keys[] = {"message_id", "publisher_id", "event_type",
                                          "priority",   "timestamp",    "_unique_id"};

std::string_view member(const message_reader& reader, std::string_view key) {
  return reader.message()[key].string().value_or("");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static message_reader reader;
  static message_reader again;
  if (reader.read({reinterpret_cast<const char*>(data), size})) return 0;

  std::string payload;
  reader.message()["payload"].append_to(payload);
  if (payload.empty()) payload = "null";
  std::string context;
  reader.message()["_context_ombt"].append_to(context);
  notification n;
  n.message_id = member(reader, "message_id");
  n.publisher_id = member(reader, "publisher_id");
  n.event_type = member(reader, "event_type");
  n.priority = member(reader, "priority");
  n.payload_json = payload;
  n.timestamp = member(reader, "timestamp");
  n.unique_id = member(reader, "_unique_id");
  n.context_json = context;
  for (const bool envelope : {false, true}) {
    std::string body;
    append_notification(body, n, envelope);
    require(!again.read(body));
    for (const std::string_view key : text_keys) {
      require(member(again, key) == member(reader, key));
    }
    std::string read_payload;
    again.message()["payload"].append_to(read_payload);
    require(read_payload == payload);
  }
  std::int64_t instant = 0;
  for (std::size_t i = 0; i < size && i < 8; ++i) instant = instant * 256 + data[i];
  require(notification_timestamp(instant).size() >= 19);
  return 0;
}
