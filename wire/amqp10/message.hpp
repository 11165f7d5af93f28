// SPDX-License-Identifier: Apache-2.0
#pragma once
// The encoding of a message as oslo.messaging's 1.0 driver writes and reads it: header, properties,
// and a body that is one string. Knows nothing of what the text means.
// Source: OASIS AMQP 1.0 part 3, 3.2; oslo_messaging/_drivers/amqp1_driver/controller.py.

#include "wire/error.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ombt::wire::amqp10 {

struct message {
  enum class body_kind : std::uint8_t {
    none,    ///< no body section, or an amqp-value null: a call monitor's heartbeat
    text,    ///< amqp-value string
    binary,  ///< amqp-value binary, or data sections with one part
    other,   ///< anything else
  };
  /// Of ttl and expiry time zero means none, as for proton: it is not written, and read as absent.
  std::optional<std::chrono::milliseconds> ttl;
  std::string_view id;  ///< where it is text; empty: absent
  std::string_view to;
  std::string_view reply_to;
  std::string_view correlation_id;                   ///< where it is text
  std::optional<std::int64_t> absolute_expiry_time;  ///< ms, as written
  body_kind kind = body_kind::none;
  std::string_view body;
};

/// Appends the encoding, each value in the shortest form that holds it, as proton does: a header
/// always (an empty list without a ttl; above 2^32 - 1 ms it is that), properties with what is
/// there, then the body (text as amqp-value string, binary as amqp-value binary, none and other not
/// at all). Lengths above 2^32 - 1 are the caller's to avoid.
void append_message(std::string& out, const message& m);

/// Reads an encoding, in any legal form; every view points into `bytes`. Sections that are not used
/// (annotations, application properties, footer) are skipped by their size, however deep they are;
/// a property of an unexpected type reads as absent. Error: malformed_message for what is no
/// sequence of sections in the order of the specification, has none, or is cut short; `out` is then
/// unspecified.
error_code read_message(std::string_view bytes, message& out);

}  // namespace ombt::wire::amqp10
