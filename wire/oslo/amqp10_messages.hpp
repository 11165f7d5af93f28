// SPDX-License-Identifier: Apache-2.0
#pragma once
// What oslo.messaging's AMQP 1.0 driver puts in a message body: requests, replies, notifications.
// Who a message is from and which one it answers is not here but in its AMQP properties, and a
// call-monitor heartbeat has no body at all. Rendering appends to a caller's string; reading gives
// views that are valid until the reader reads again. One thread a reader.
// Source: oslo_messaging/_drivers/impl_amqp1.py (marshal_request, marshal_response,
// unmarshal_request, unmarshal_response), rpc/client.py, notify/notifier.py.

#include "wire/error.hpp"
#include "wire/json/value.hpp"
#include "wire/oslo/messages.hpp"

#include <array>
#include <optional>
#include <string>
#include <string_view>

namespace ombt::wire::oslo {

/// Appends a request, never in an envelope: `{"request": {…}, "context": {…}}`, then the call
/// monitor's timeout in seconds if it is set and finite (an integral one as Python writes an int).
/// Of the request msg_id, reply_queue and unique_id are ignored. An empty context is {}; any other
/// is written as it is.
void append_amqp10_request(std::string& out, const request& r);

/// Appends a reply with a result, a JSON text: `{"response": …}`. A note, a JSON text, becomes the
/// value of the key _ombt, which oslo.messaging ignores.
void append_amqp10_reply(std::string& out, std::string_view result_json,
                         std::string_view note_json = {});
/// Appends a reply with a failure, the JSON text of a remote exception: `{"failure": "…"}`.
void append_amqp10_failure(std::string& out, std::string_view failure_json);

/// Appends a notification in the place of a request: driver messagingv2 (envelope true: that place
/// holds an envelope 2.0 around the notification; the context stays outside) or messaging (false).
/// unique_id is ignored; the context is written as a request's.
void append_amqp10_notification(std::string& out, const notification& n, bool envelope);

/// Reads bodies off the bus; text and binary bodies alike.
class amqp10_message_reader {
 public:
  /// Reads a body. What stands in the place of the request is unwrapped if it is an envelope 2.0,
  /// also from RPC clients. Errors: malformed_message (no object, or a request that is none),
  /// unsupported_envelope (major version not 2, or minor above 0), limit_exceeded (no memory).
  /// After an error every member below is empty.
  error_code read(std::string_view body);

  /// Gives back the memory of the readers; every view becomes invalid.
  void release() noexcept;

  /// The request or notification inside, an object; absent where the body has none (or null), as in
  /// a reply.
  json::value message() const noexcept { return message_; }
  /// The sender's context, of any type.
  json::value context() const noexcept { return get(field::context); }

  // Request
  std::string_view method() const noexcept;  ///< empty if absent or no string
  json::value args() const noexcept;
  std::optional<std::string_view> name_space() const noexcept;  ///< absent also for null
  std::optional<std::string_view> version() const noexcept;     ///< absent: 1.0
  std::optional<double> call_monitor_timeout() const noexcept;  ///< seconds

  // Reply
  /// Absent also where the reply has neither result nor failure, which Python takes for null.
  json::value result() const noexcept { return get(field::response); }
  /// The JSON text of the remote exception; absent if the reply has none, or null. Empty (and
  /// unreadable) if there is one that is no text.
  std::optional<std::string_view> failure() const noexcept;
  json::value note() const noexcept {
    return get(field::note);
  }  ///< of a native server; else absent

 private:
  enum class field {
    request,
    context,
    timeout,
    response,
    failure,
    note,
    method,
    args,
    name_space,
    version
  };
  json::value get(field f) const noexcept { return fields_[static_cast<std::size_t>(f)]; }

  json::reader outer_;
  json::reader inner_;
  json::value message_;
  std::array<json::value, 10> fields_;
};

}  // namespace ombt::wire::oslo
