// SPDX-License-Identifier: Apache-2.0
#pragma once
// AMQP 0-9-1 methods, properties and tables as values, over the stateless functions of
// rabbitmq-c's codec and one of its memory pools. Owns the pool, not the bytes: what is decoded
// points into the frame. Tables are scanned before rabbitmq-c, whose decoder recurses, sees
// them, and only methods that a server may send are decoded at all.
// Internal to wire/amqp091. One a thread.

#include "wire/amqp091/connection.hpp"
#include "wire/blocks.hpp"

#include <amqp.h>
#include <amqp_framing.h>

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace ombt::wire::amqp091 {

/// A method of a server; valid until the codec decodes again.
struct decoded_method {
  amqp_method_number_t id = 0;
  const void* arguments = nullptr;
  std::uint16_t refusal = 0;  ///< reply code for what is wrong, 0: nothing
  const char* why = nullptr;  ///< static text with refusal

  /// The arguments as the struct that belongs to id.
  template <class Method>
  const Method& as() const noexcept {
    return *static_cast<const Method*>(arguments);
  }
};

/// What a content header says; its views are into the frame.
struct content_header {
  std::uint64_t body_size = 0;
  properties values;
  const char* why = nullptr;  ///< static text if it is malformed, or beyond a limit
  bool beyond_limit =
      false;  ///< with why: its frame is whole and body_size right, no more is known
};

class codec {
 public:
  codec() noexcept;
  ~codec();
  codec(const codec&) = delete;
  codec& operator=(const codec&) = delete;

  /// Decodes the payload of a method frame.
  decoded_method decode_method(std::string_view payload) noexcept;
  /// Decodes the payload of a header frame.
  content_header decode_header(std::string_view payload) noexcept;

  /// Queues a method frame. bound: what the arguments take at most, in bytes. False, with nothing
  /// queued, if they can't be encoded (a name above 255 bytes) or exceed frame_max.
  static bool write_method(out_buffer& out, channel_id channel, amqp_method_number_t id,
                           void* values, std::size_t bound, std::uint32_t frame_max);
  /// Queues basic.publish, its content header and its body, cut to frame_max. False, with nothing
  /// queued, if a name or property is above 255 bytes.
  static bool write_publish(out_buffer& out, channel_id channel, std::string_view exchange,
                            std::string_view routing_key, bool mandatory, const properties& header,
                            std::string_view body, std::uint32_t frame_max);
  static void write_ack(out_buffer& out, channel_id channel, std::uint64_t tag, bool multiple);
  static void write_heartbeat(out_buffer& out);

 private:
  void reset_pool(std::size_t decoding) noexcept;

  amqp_pool_t pool_;
  bool oversize_ = false;  ///< what was decoded last may have grown the pool for good
};

inline amqp_bytes_t to_bytes(std::string_view text) noexcept {
  return {text.size(), const_cast<char*>(text.data())};
}
inline std::string_view to_view(const amqp_bytes_t& bytes) noexcept {
  return {static_cast<const char*>(bytes.bytes), bytes.len};
}
/// The entry of that name in a table if it is a string, else empty.
std::string_view find_string(const amqp_table_t& table, std::string_view name) noexcept;

}  // namespace ombt::wire::amqp091
