// SPDX-License-Identifier: Apache-2.0
#pragma once
// What oslo.messaging's rabbit driver puts in a message body: requests, replies, heartbeats,
// remote exceptions, notifications, and the 2.0 envelope around them. Rendering appends to a
// caller's string; reading gives views that are valid until the reader reads again.
// Source: oslo_messaging/_drivers/amqpdriver.py (_send, _send_reply), common.py
// (serialize_msg, deserialize_msg, serialize_remote_exception), rpc/client.py, notify/.

#include "wire/error.hpp"
#include "wire/json/value.hpp"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ombt::wire::oslo {

/// 32 lower-case hexadecimal digits, as uuid.uuid4().hex.
using hex_id = std::array<char, 32>;
inline std::string_view view(const hex_id& id) { return {id.data(), id.size()}; }
/// A random version 4 UUID in hex, from a fast per-thread generator seeded by the system.
/// Unique, not secret; a child of fork() draws others than its parent.
hex_id make_hex_id();
/// The same in dashed form, as str(uuid.uuid4()).
std::string make_dashed_uuid();

/// An RPC request to render. All views are the caller's; *_json are JSON texts (ASCII, as
/// Python's json.dumps writes).
struct request {
  std::string_view method;
  std::string_view args_json = "{}";
  std::string_view name_space;  ///< empty: the key is left out
  std::string_view version;     ///< empty: the key is left out
  std::string_view msg_id;      ///< empty: a cast, none of the next two is written
  std::string_view reply_queue;
  std::optional<double> call_monitor_timeout;  ///< seconds; null on the wire when unset
  std::string_view unique_id;
  std::string_view context_json;  ///< a JSON object; each key K becomes _context_K; may be empty
};

/// Appends the request in its 2.0 envelope. Integral call_monitor_timeout is written as Python
/// writes an int.
void append_request(std::string& out, const request& r);

/// What to say of an exception. Source: common.serialize_remote_exception.
struct remote_exception {
  std::string class_name;
  std::string module;
  std::string message;
  std::vector<std::string> traceback;  ///< lines, each ending in \n
  std::string args_json = "[]";        ///< JSON array
};

/// Appends the JSON text of a remote exception (no envelope, not escaped).
void append_remote_exception(std::string& out, const remote_exception& e);
/// Reads the JSON text of a remote exception; error malformed_message. What is missing or of
/// another type stays empty. The text must not be of the reader's own document.
error_code read_remote_exception(json::reader& reader, std::string_view text,
                                 remote_exception& out);

/// NoSuchMethod and UnsupportedVersion as oslo_messaging/rpc/dispatcher.py raises them (version
/// empty: 1.0).
remote_exception no_such_method(std::string_view method);
remote_exception unsupported_version(std::string_view version, std::string_view method);

/// Appends a final reply with a result, in its envelope. A note, a JSON text, becomes the value of
/// the key _ombt, which oslo.messaging ignores.
void append_reply(std::string& out, std::string_view result_json, std::string_view msg_id,
                  std::string_view unique_id, std::string_view note_json = {});
/// Appends a final reply with a failure (the JSON text of a remote exception), in its envelope.
void append_failure(std::string& out, std::string_view failure_json, std::string_view msg_id,
                    std::string_view unique_id);
/// Appends a call-monitor heartbeat (ending false), in its envelope.
void append_heartbeat(std::string& out, std::string_view msg_id, std::string_view unique_id);

/// A notification to render; priority is upper case ("DEBUG").
struct notification {
  std::string_view message_id;  ///< dashed uuid
  std::string_view publisher_id;
  std::string_view event_type;
  std::string_view priority;
  std::string_view payload_json = "{}";
  std::string_view timestamp;  ///< "YYYY-MM-DD HH:MM:SS.ffffff", UTC
  std::string_view unique_id;
  std::string_view context_json;
};
/// Appends a notification: driver messagingv2 (envelope true) or messaging (false).
void append_notification(std::string& out, const notification& n, bool envelope);
/// Formats a notification timestamp (UTC) from nanoseconds since the epoch, as str(datetime) does:
/// microseconds rounded down, left out where they are zero.
std::string notification_timestamp(std::int64_t epoch_nanoseconds);

/// Reads bodies off the bus. One per thread; every view it gives lives until the next read.
class message_reader {
 public:
  /// Reads a body: unwraps an envelope 2.0 where both its keys are there, else takes the body
  /// as a bare 1.x message. Errors: malformed_message (also where the message is no object),
  /// unsupported_envelope (major version not 2, or minor above 0), limit_exceeded (no memory).
  /// After an error every member below is empty.
  error_code read(std::string_view body);

  /// Gives back the memory of the readers; every view becomes invalid.
  void release() noexcept;

  /// The message inside, an object (any member access below reads from it).
  json::value message() const noexcept { return message_; }

  // Request
  std::string_view method() const noexcept;  ///< empty if absent or no string
  json::value args() const noexcept;
  std::optional<std::string_view> name_space() const noexcept;  ///< absent also for null
  std::optional<std::string_view> version() const noexcept;     ///< absent: 1.0
  std::string_view msg_id() const noexcept;                     ///< empty: no reply wanted
  std::string_view reply_queue() const noexcept;
  std::optional<double> call_monitor_timeout() const noexcept;
  std::string_view unique_id() const noexcept;

  // Reply
  json::value result() const noexcept;
  json::value note() const noexcept;  ///< of a native server; else absent
  /// The JSON text of the remote exception; absent if the reply has none. Empty (and unreadable) if
  /// there is one that is no text.
  std::optional<std::string_view> failure() const noexcept;
  bool ending() const noexcept;  ///< false if absent

 private:
  enum class field {
    method,
    args,
    name_space,
    version,
    msg_id,
    reply_queue,
    timeout,
    unique_id,
    result,
    failure,
    ending,
    note
  };
  json::value get(field f) const noexcept { return fields_[static_cast<std::size_t>(f)]; }

  json::reader outer_;
  json::reader inner_;
  json::value message_;
  std::array<json::value, 12> fields_;
};

/// True if an endpoint of that version serves a request of the version requested: equal major,
/// minor not above, and with an equal minor the revision not above. Empty is unset: 1.0. What is no
/// version
/// ("1", "x.y") is compatible with none. Source: oslo_messaging._utils.version_is_compatible.
bool version_is_compatible(std::string_view endpoint_version, std::string_view requested);

}  // namespace ombt::wire::oslo
