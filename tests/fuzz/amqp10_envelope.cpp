// SPDX-License-Identifier: Apache-2.0
// Bodies of AMQP 1.0 off the bus: requests, replies, notifications. What is read is written and
// read again, and must be the same.
#include "wire/oslo/amqp10_messages.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

using namespace ombt;
using namespace ombt::wire::oslo;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

std::string text_of(wire::json::value v) {
  std::string out;
  v.append_to(out);
  return out;
}

/// Null where what stood in an envelope is too deep a level further out.
const amqp10_message_reader* read_again(const std::string& body) {
  static amqp10_message_reader again;
  constexpr std::ptrdiff_t deep = 60;
  if (!again.read(body)) return &again;
  require(std::count(body.begin(), body.end(), '[') + std::count(body.begin(), body.end(), '{') >
          deep);
  return nullptr;
}

void check_request(const amqp10_message_reader& read) {
  const std::string args = read.args().is_object() ? text_of(read.args()) : "{}";
  const std::string context = read.context().is_object() ? text_of(read.context()) : "{}";
  request r;
  r.method = read.method();
  r.args_json = args;
  r.name_space = read.name_space().value_or("");
  r.version = read.version().value_or("");
  r.call_monitor_timeout = read.call_monitor_timeout();
  r.context_json = context;
  std::string body;
  append_amqp10_request(body, r);
  const amqp10_message_reader* const again = read_again(body);
  if (!again) return;
  require(again->method() == read.method());
  require(text_of(again->args()) == args);
  require(text_of(again->context()) == context);
  require(again->version().value_or("") == r.version);
  require(again->call_monitor_timeout() == read.call_monitor_timeout());
}

void check_notification(const amqp10_message_reader& read) {
  const std::string payload =
      read.message()["payload"] ? text_of(read.message()["payload"]) : "null";
  const std::string_view event = read.message()["event_type"].string().value_or("");
  notification n;
  n.event_type = event;
  n.payload_json = payload;
  for (const bool envelope : {false, true}) {
    std::string body;
    append_amqp10_notification(body, n, envelope);
    const amqp10_message_reader* const again = read_again(body);
    if (!again) continue;
    require(again->message()["event_type"].string() == event);
    require(text_of(again->message()["payload"]) == payload);
  }
}

void check_reply(const amqp10_message_reader& read) {
  std::string body;
  if (const auto failure = read.failure()) {
    append_amqp10_failure(body, *failure);
    const amqp10_message_reader* const again = read_again(body);
    require(!again || again->failure() == failure);
    return;
  }
  const std::string result = read.result() ? text_of(read.result()) : "null";
  append_amqp10_reply(body, result);
  const amqp10_message_reader* const again = read_again(body);
  if (!again) return;
  require(!again->failure() && !again->message() && text_of(again->result()) == result);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  static amqp10_message_reader reader;
  if (!reader.read(text)) {
    require(!reader.message() || reader.message().is_object());
    check_request(reader);
    check_notification(reader);
    check_reply(reader);
  }
  // Any bytes at all can be a string of ours.
  std::string body;
  append_amqp10_failure(body, text);
  const amqp10_message_reader* const again = read_again(body);
  require(!again || again->failure().has_value());
  return 0;
}
