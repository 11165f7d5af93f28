// SPDX-License-Identifier: Apache-2.0
// Bodies off the bus: requests, replies, remote exceptions, in an envelope or bare. What is read is
// written and read again, and must be the same.
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

std::string text_of(wire::json::value v) {
  std::string out;
  v.append_to(out);
  return out;
}

void check_exception(std::string_view text) {
  static wire::json::reader reader;
  remote_exception e;
  if (read_remote_exception(reader, text, e)) return;
  std::string once;
  append_remote_exception(once, e);
  require(!read_remote_exception(reader, once, e));
  std::string twice;
  append_remote_exception(twice, e);
  require(once == twice);
}

void check_request(const message_reader& read) {
  const std::string args = read.args().is_object() ? text_of(read.args()) : "{}";
  request r;
  r.method = read.method();
  r.args_json = args;
  r.name_space = read.name_space().value_or("");
  r.version = read.version().value_or("");
  r.msg_id = read.msg_id();
  r.reply_queue = read.reply_queue();
  r.call_monitor_timeout = read.call_monitor_timeout();
  r.unique_id = read.unique_id();
  const std::string context = text_of(read.message());
  r.context_json = context;
  std::string body;
  append_request(body, r);

  static message_reader again;
  require(!again.read(body) || context.size() > 4096);
  if (!again.message()) return;
  require(again.method() == read.method());
  require(text_of(again.args()) == args);
  require(again.unique_id() == read.unique_id());
  require(again.msg_id() == read.msg_id());
  if (!r.msg_id.empty()) {
    require(again.reply_queue() == read.reply_queue());
    require(again.call_monitor_timeout() == read.call_monitor_timeout());
  }
  if (r.version != "None") (void)version_is_compatible("1.0", r.version);
}

void check_reply(const message_reader& read) {
  const std::string result = read.result() ? text_of(read.result()) : "null";
  std::string body;
  if (const auto failure = read.failure()) {
    check_exception(*failure);
    append_failure(body, *failure, read.msg_id(), read.unique_id());
  } else {
    append_reply(body, result, read.msg_id(), read.unique_id());
  }
  static message_reader again;
  require(!again.read(body));
  require(again.ending());
  require(again.msg_id() == read.msg_id());
  if (read.failure()) {
    require(again.failure().value_or("") == *read.failure());
  } else {
    require(!again.failure() && text_of(again.result()) == result);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  static message_reader reader;
  if (!reader.read(text)) {
    require(reader.message().is_object());
    check_request(reader);
    check_reply(reader);
  }
  check_exception(text);
  // Any bytes at all can be a string of ours.
  std::string body;
  request r;
  r.method = text;
  append_request(body, r);
  static message_reader own;
  require(!own.read(body));
  return 0;
}
