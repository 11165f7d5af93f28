// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the message bodies of both drivers have in common, for messages.cpp, amqp10_messages.cpp and
// their readers only: the writer that escapes what stands in an envelope, the members of requests
// and notifications, opening an envelope, and what Python makes of unexpected types.
// Source: oslo_messaging/_drivers/common.py (serialize_msg, deserialize_msg).

#include "wire/error.hpp"
#include "wire/json/value.hpp"
#include "wire/oslo/messages.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace ombt::wire::oslo {

// ---- Writing ------------------------------------------------------------------------------------

inline constexpr std::string_view envelope_open = R"({"oslo.version": "2.0", "oslo.message": ")";
inline constexpr std::string_view envelope_close = R"("})";

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

  void close() {
    if (envelope_) out_ += envelope_close;
  }

 private:
  std::string& out_;
  bool envelope_;
};

/// Writes `{"method": …` to the version: what a request has with both drivers.
void write_request(message_writer& to, const request& r);
/// Writes `{"message_id": …` to the timestamp: what a notification has with both drivers.
void write_notification(message_writer& to, const notification& n);
/// Writes a number of seconds as Python prints what a caller gave: an int if it is one, null if it
/// is unset or no finite number.
void write_timeout(message_writer& to, std::optional<double> seconds);

// ---- Reading ------------------------------------------------------------------------------------

/// Where `message` is an envelope, that is an object with both its keys: replaces it by the message
/// inside, read by `inner`. Errors: malformed_message (no object, or none inside),
/// unsupported_envelope, limit_exceeded.
error_code open_envelope(json::value& message, json::reader& inner);

/// The string, or nothing.
inline std::string_view text_of(json::value v) noexcept { return v.string().value_or(""); }
/// A request's namespace: absent also for null; one that is no string equals none that an endpoint
/// can have.
std::optional<std::string_view> name_space_of(json::value v) noexcept;
/// A request's version: absent means 1.0; one that is no string is compatible with none.
std::optional<std::string_view> version_of(json::value v) noexcept;

}  // namespace ombt::wire::oslo
