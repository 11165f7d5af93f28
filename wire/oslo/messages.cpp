// SPDX-License-Identifier: Apache-2.0
// Rendering. Key order and separators are those of json.dumps over the dicts that oslo.messaging
// builds; a message goes into its envelope as it is written, without a copy of its own.
#include "wire/oslo/messages.hpp"

#include <charconv>
#include <cmath>
#include <cstdio>
#include <ctime>

namespace ombt::wire::oslo {
namespace {

constexpr std::string_view envelope_open = R"({"oslo.version": "2.0", "oslo.message": ")";
constexpr std::string_view envelope_close = R"("})";

/// A text known to the compiler, and what it is inside an envelope.
template <std::size_t N>
struct literal {
  consteval literal(const char (&text)[N]) {
    for (std::size_t i = 0; i + 1 < N; ++i) {
      bare[i] = text[i];
      if (text[i] == '"') escaped[escaped_size++] = '\\';
      escaped[escaped_size++] = text[i];
    }
  }
  char bare[N] = {};
  char escaped[2 * N] = {};
  std::size_t escaped_size = 0;
};

/// Writes one message, escaped once more if it stands in an envelope.
class message_writer {
 public:
  message_writer(std::string& out, bool envelope) : out_{out}, envelope_{envelope} {
    if (envelope_) out_ += envelope_open;
  }

  /// Fixed JSON text: needs no scan.
  template <literal Text>
  void fixed() {
    if (envelope_) {
      out_.append(Text.escaped, Text.escaped_size);
    } else {
      out_.append(Text.bare, sizeof Text.bare - 1);
    }
  }

  /// JSON text as it is.
  void json(std::string_view text) {
    if (envelope_) {
      json::append_escaped(out_, text);
    } else {
      out_ += text;
    }
  }

  /// A string, to be quoted and escaped.
  void string(std::string_view text) {
    if (!envelope_) return json::append_string(out_, text);
    if (json::is_plain(text)) {
      out_ += R"(\")";
      out_ += text;
      out_ += R"(\")";
      return;
    }
    constexpr std::size_t keep = std::size_t{64} << 10;
    thread_local std::string scratch;
    scratch.clear();
    json::append_string(scratch, text);
    json::append_escaped(out_, scratch);
    if (scratch.capacity() > keep) scratch = {};
  }

  /// A member with a string; Key is the text before it: `, "key": `.
  template <literal Key>
  void member(std::string_view text) {
    fixed<Key>();
    string(text);
  }

  /// Each member K of a JSON object as `_context_K`. Source: amqp.pack_context.
  void context(std::string_view object) {
    if (object.empty() || object == "{}") return;
    thread_local json::reader reader;
    json::value root;
    if (reader.parse(object, root)) return;
    std::string text;
    root.for_each_member([&](std::string_view key, json::value value) {
      text += ", ";
      std::string name = "_context_";
      name += key;
      json::append_string(text, name);
      text += ": ";
      value.append_to(text);
    });
    json(text);
  }

  void close() {
    if (envelope_) out_ += envelope_close;
  }

 private:
  std::string& out_;
  bool envelope_;
};

/// A number as Python prints what a caller gave: an int if it is one.
void write_timeout(message_writer& to, std::optional<double> seconds) {
  if (!seconds || !std::isfinite(*seconds)) return to.fixed<"null">();
  constexpr double exact = 9007199254740992;  // 2^53
  if (std::trunc(*seconds) == *seconds && std::abs(*seconds) < exact) {
    char text[24];
    const auto written =
        std::to_chars(text, text + sizeof text, static_cast<std::int64_t>(*seconds));
    return to.json({text, static_cast<std::size_t>(written.ptr - text)});
  }
  std::string text;
  json::append_number(text, *seconds);
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
  to.member<R"({"method": )">(r.method);
  to.fixed<R"(, "args": )">();
  to.json(r.args_json);
  if (!r.name_space.empty()) to.member<R"(, "namespace": )">(r.name_space);
  if (!r.version.empty()) to.member<R"(, "version": )">(r.version);
  if (!r.msg_id.empty()) {
    to.member<R"(, "_msg_id": )">(r.msg_id);
    to.member<R"(, "_reply_q": )">(r.reply_queue);
    to.fixed<R"(, "_timeout": )">();
    write_timeout(to, r.call_monitor_timeout);
  }
  to.member<R"(, "_unique_id": )">(r.unique_id);
  to.context(r.context_json);
  to.fixed<"}">();
  to.close();
}

void append_reply(std::string& out, std::string_view result_json, std::string_view msg_id,
                  std::string_view unique_id) {
  message_writer to{out, true};
  to.fixed<R"({"result": )">();
  to.json(result_json);
  to.fixed<R"(, "failure": null, "ending": true, "_msg_id": )">();
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
  to.member<R"({"message_id": )">(n.message_id);
  to.member<R"(, "publisher_id": )">(n.publisher_id);
  to.member<R"(, "event_type": )">(n.event_type);
  to.member<R"(, "priority": )">(n.priority);
  to.fixed<R"(, "payload": )">();
  to.json(n.payload_json);
  to.member<R"(, "timestamp": )">(n.timestamp);
  to.member<R"(, "_unique_id": )">(n.unique_id);
  to.context(n.context_json);
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
