// SPDX-License-Identifier: Apache-2.0
#pragma once
// Named errors of operations. An operation ends in success or in exactly one of these;
// what the peer said (code and text) is kept beside it, never inside it.

#include <boost/system/error_code.hpp>

#include <string>
#include <string_view>
#include <type_traits>

namespace ombt {

using boost::system::error_code;

/// Why an operation failed. The names are what reports and JSON print.
enum class errc {
  /// No final reply (or confirm) came in time: oslo.messaging's MessagingTimeout.
  messaging_timeout = 1,
  /// The broker returned a mandatory message: oslo.messaging's MessageUndeliverable.
  message_undeliverable,
  /// The broker refused or lost the message after all retries: MessageDeliveryFailure.
  delivery_failure,
  /// The broker answered a publish with basic.nack.
  nacked,
  /// The remote method raised: RemoteError, or the exception's own class.
  remote_exception,
  /// The connection ended while the operation was in flight.
  connection_lost,
  /// The bus could not be reached within the time given.
  bus_unreachable,
  /// The bus refused the login.
  authentication_failed,
  /// The bus refused the virtual host.
  vhost_refused,
  /// The peer speaks another protocol than the URL says.
  wrong_protocol,
  /// The peer broke the protocol: framing, encoding or state.
  protocol_error,
  /// The broker closed the channel or refused a declaration (404, 406, …).
  channel_refused,
  /// The operation was cancelled because its owner closed.
  cancelled,
  /// A body that is not JSON, no envelope, no request or reply.
  malformed_message,
  /// An envelope version that this side does not read.
  unsupported_envelope,
  /// A content type, encoding or compression that this side does not read.
  unreadable_content,
  /// A length above its limit.
  limit_exceeded,
};

/// The category of errc; name() is "ombt".
const boost::system::error_category& ombt_category() noexcept;

/// The name as reports print it, for instance "messaging_timeout"; never null.
const char* name_of(errc e) noexcept;

inline error_code make_error_code(errc e) noexcept {
  return {static_cast<int>(e), ombt_category()};
}

/// An error and, where there are any, a peer's or a library's words for it: "channel_refused: …".
inline std::string words_of(const error_code& error, std::string_view detail) {
  std::string out = error.message();
  if (!detail.empty()) out.append(": ").append(detail);
  return out;
}

}  // namespace ombt

template <>
struct boost::system::is_error_code_enum<ombt::errc> : std::true_type {};
