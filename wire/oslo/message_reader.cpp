// SPDX-License-Identifier: Apache-2.0
// Reading bodies: the envelope, then the keys that oslo.messaging knows, found in one pass.
#include "wire/oslo/message_parts.hpp"
#include "wire/oslo/messages.hpp"

#include <charconv>

namespace ombt::wire::oslo {
namespace {

/// In the order of message_reader::field.
constexpr std::string_view field_names[] = {"method",  "args",     "namespace", "version",
                                            "_msg_id", "_reply_q", "_timeout",  "_unique_id",
                                            "result",  "failure",  "ending",    "_ombt"};

constexpr std::string_view unset_version = "1.0";

/// What Python calls true.
bool is_true(json::value v) noexcept {
  if (const auto b = v.boolean()) return *b;
  if (const auto n = v.number()) return *n != 0;
  if (const auto s = v.string()) return !s->empty();
  return v.size() != 0;
}

struct version_parts {
  int major = 0, minor = 0, revision = 0;
};

/// "A.B" or "A.B.C…"; nothing for what int() would not take or has no minor.
std::optional<version_parts> parse_version(std::string_view text) noexcept {
  version_parts parts;
  int* const into[] = {&parts.major, &parts.minor, &parts.revision};
  std::size_t count = 0;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (count < 3) {
    const auto [next, error] = std::from_chars(at, end, *into[count]);
    if (error != std::errc{} || *into[count] < 0) return std::nullopt;
    ++count;
    at = next;
    if (at == end) break;
    if (*at != '.') return std::nullopt;
    ++at;
  }
  if (count < 2) return std::nullopt;
  return parts;
}

}  // namespace

error_code message_reader::read(std::string_view body) {
  message_ = {};
  fields_ = {};
  static_assert(std::size(field_names) == std::tuple_size_v<decltype(fields_)>);

  json::value root;
  if (const error_code error = outer_.parse(body, root)) return error;
  if (const error_code error = open_envelope(root, inner_)) return error;
  root.for_each_member([&](std::string_view key, json::value member) {
    for (std::size_t i = 0; i < std::size(field_names); ++i) {
      if (key == field_names[i]) {
        fields_[i] = member;
        break;
      }
    }
  });
  message_ = root;
  return {};
}

void message_reader::release() noexcept {
  message_ = {};
  fields_ = {};
  outer_.release();
  inner_.release();
}

std::string_view message_reader::method() const noexcept { return text_of(get(field::method)); }

json::value message_reader::args() const noexcept { return get(field::args); }

std::optional<std::string_view> message_reader::name_space() const noexcept {
  return name_space_of(get(field::name_space));
}

std::optional<std::string_view> message_reader::version() const noexcept {
  return version_of(get(field::version));
}

std::string_view message_reader::msg_id() const noexcept { return text_of(get(field::msg_id)); }

std::string_view message_reader::reply_queue() const noexcept {
  return text_of(get(field::reply_queue));
}

std::optional<double> message_reader::call_monitor_timeout() const noexcept {
  return get(field::timeout).number();
}

std::string_view message_reader::unique_id() const noexcept {
  return text_of(get(field::unique_id));
}

json::value message_reader::result() const noexcept { return get(field::result); }

json::value message_reader::note() const noexcept { return get(field::note); }

std::optional<std::string_view> message_reader::failure() const noexcept {
  const json::value v = get(field::failure);
  if (!is_true(v)) return std::nullopt;
  // A failure that is no text is one all the same: an empty text, which nobody can read.
  return v.string().value_or("");
}

bool message_reader::ending() const noexcept { return is_true(get(field::ending)); }

bool version_is_compatible(std::string_view endpoint_version, std::string_view requested) {
  if (endpoint_version.empty()) endpoint_version = unset_version;
  if (requested.empty()) requested = unset_version;
  const auto has = parse_version(endpoint_version);
  const auto wants = parse_version(requested);
  if (!has || !wants || wants->major != has->major || wants->minor > has->minor) return false;
  return wants->minor < has->minor || wants->revision <= has->revision;
}

}  // namespace ombt::wire::oslo
