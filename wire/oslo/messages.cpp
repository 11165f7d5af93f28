// SPDX-License-Identifier: Apache-2.0
// Rendering. Key order and separators are those of json.dumps over the dicts that oslo.messaging
// builds; a message goes into its envelope as it is written, without a copy of its own.
#include "wire/oslo/messages.hpp"

#include "wire/oslo/message_parts.hpp"

#include <cstdio>
#include <ctime>

namespace ombt::wire::oslo {
namespace {

/// Each member K of a JSON object as `_context_K`. Source: amqp.pack_context.
void write_context(message_writer& to, std::string_view object) {
  if (object.empty() || object == "{}") return;
  thread_local json::reader reader;
  thread_local std::string text;
  json::value root;
  if (reader.parse(object, root)) return;
  text.clear();
  root.for_each_member([&](std::string_view key, json::value value) {
    text += R"(, "_context_)";
    json::append_escaped(text, key);
    text += "\": ";
    value.append_to(text);
  });
  to.json(text);
}

/// Ends a reply after its `, "ending": E, "_msg_id": `.
void close_reply(message_writer& to, std::string_view msg_id, std::string_view unique_id) {
  to.string(msg_id);
  to.member<R"(, "_unique_id": )">(unique_id);
  to.fixed<"}">();
  to.close();
}

}  // namespace

void append_request(std::string& out, const request& r) {
  message_writer to{out, true};
  write_request(to, r);
  if (!r.msg_id.empty()) {
    to.member<R"(, "_msg_id": )">(r.msg_id);
    to.member<R"(, "_reply_q": )">(r.reply_queue);
    to.fixed<R"(, "_timeout": )">();
    write_timeout(to, r.call_monitor_timeout);
  }
  to.member<R"(, "_unique_id": )">(r.unique_id);
  write_context(to, r.context_json);
  to.fixed<"}">();
  to.close();
}

void append_reply(std::string& out, std::string_view result_json, std::string_view msg_id,
                  std::string_view unique_id, std::string_view note_json) {
  message_writer to{out, true};
  to.fixed<R"({"result": )">();
  to.json(result_json);
  to.fixed<R"(, "failure": null, "ending": true, )">();
  if (!note_json.empty()) {
    to.fixed<R"("_ombt": )">();
    to.json(note_json);
    to.fixed<", ">();
  }
  to.fixed<R"("_msg_id": )">();
  close_reply(to, msg_id, unique_id);
}

void append_failure(std::string& out, std::string_view failure_json, std::string_view msg_id,
                    std::string_view unique_id) {
  message_writer to{out, true};
  to.member<R"({"result": null, "failure": )">(failure_json);
  to.fixed<R"(, "ending": true, "_msg_id": )">();
  close_reply(to, msg_id, unique_id);
}

void append_heartbeat(std::string& out, std::string_view msg_id, std::string_view unique_id) {
  message_writer to{out, true};
  to.fixed<R"({"result": null, "failure": null, "ending": false, "_msg_id": )">();
  close_reply(to, msg_id, unique_id);
}

void append_notification(std::string& out, const notification& n, bool envelope) {
  message_writer to{out, envelope};
  write_notification(to, n);
  to.member<R"(, "_unique_id": )">(n.unique_id);
  write_context(to, n.context_json);
  to.fixed<"}">();
  to.close();
}

std::string notification_timestamp(std::int64_t epoch_nanoseconds) {
  constexpr std::int64_t second = 1'000'000'000;
  std::int64_t seconds = epoch_nanoseconds / second;
  std::int64_t rest = epoch_nanoseconds % second;
  if (rest < 0) {
    rest += second;
    --seconds;
  }
  const std::time_t time = seconds;
  std::tm parts{};
  gmtime_r(&time, &parts);
  char text[64];
  // str(datetime) leaves the fraction out where it is zero.
  const int micros = static_cast<int>(rest / 1000);
  const int length = micros == 0
                         ? std::snprintf(text, sizeof text, "%04d-%02d-%02d %02d:%02d:%02d",
                                         parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday,
                                         parts.tm_hour, parts.tm_min, parts.tm_sec)
                         : std::snprintf(text, sizeof text, "%04d-%02d-%02d %02d:%02d:%02d.%06d",
                                         parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday,
                                         parts.tm_hour, parts.tm_min, parts.tm_sec, micros);
  return {text, static_cast<std::size_t>(length)};
}

}  // namespace ombt::wire::oslo
