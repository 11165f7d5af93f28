// SPDX-License-Identifier: Apache-2.0
#include "wire/oslo/message_parts.hpp"

#include <charconv>
#include <cmath>

namespace ombt::wire::oslo {
namespace {

constexpr std::string_view version_key = "oslo.version";
constexpr std::string_view message_key = "oslo.message";
constexpr std::string_view envelope_version = "2.0";

}  // namespace

void write_request(message_writer& to, const request& r) {
  to.member<R"({"method": )">(r.method);
  to.fixed<R"(, "args": )">();
  to.json(r.args_json);
  if (!r.name_space.empty()) to.member<R"(, "namespace": )">(r.name_space);
  if (!r.version.empty()) to.member<R"(, "version": )">(r.version);
}

void write_notification(message_writer& to, const notification& n) {
  to.member<R"({"message_id": )">(n.message_id);
  to.member<R"(, "publisher_id": )">(n.publisher_id);
  to.member<R"(, "event_type": )">(n.event_type);
  to.member<R"(, "priority": )">(n.priority);
  to.fixed<R"(, "payload": )">();
  to.json(n.payload_json);
  to.member<R"(, "timestamp": )">(n.timestamp);
}

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

error_code open_envelope(json::value& message, json::reader& inner) {
  if (!message.is_object()) return errc::malformed_message;
  json::value version;
  json::value text;
  message.for_each_member([&](std::string_view key, json::value member) {
    if (key == version_key) version = member;
    if (key == message_key) text = member;
  });
  if (!version || !text) return {};
  const auto version_text = version.string();
  if (!version_text || !version_is_compatible(envelope_version, *version_text)) {
    return errc::unsupported_envelope;
  }
  const auto inside = text.string();
  if (!inside) return errc::malformed_message;
  if (const error_code error = inner.parse(*inside, message)) return error;
  return message.is_object() ? error_code{} : errc::malformed_message;
}

std::optional<std::string_view> name_space_of(json::value v) noexcept {
  if (!v || v.is_null()) return std::nullopt;
  return v.string().value_or("\xff");
}

std::optional<std::string_view> version_of(json::value v) noexcept {
  if (!v) return std::nullopt;
  // As Python prints null, which no endpoint is compatible with.
  return v.string().value_or("None");
}

}  // namespace ombt::wire::oslo
