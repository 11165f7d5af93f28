// SPDX-License-Identifier: Apache-2.0
#pragma once
// Cuts a byte stream into AMQP 0-9-1 frames: 7-byte header (type, channel, length), payload, the
// end byte 0xCE. Owns no bytes and no state. Also says which other protocol answered, as far as
// its first bytes show. Internal to wire/amqp091.
// Source: AMQP 0-9-1 specification 4.2.2 (protocol header) and 4.2.3 (frames).

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace ombt::wire::amqp091 {

enum class frame_type : std::uint8_t { method = 1, header = 2, body = 3, heartbeat = 8 };

/// Bytes that a frame has around its payload.
inline constexpr std::size_t frame_overhead = 8;
inline constexpr std::uint32_t frame_min_size = 4096;

struct frame {
  frame_type type;
  std::uint16_t channel;
  std::string_view payload;  ///< into the input
};

enum class split_status {
  incomplete,  ///< more bytes are needed; `size` is the least that the frame takes
  complete,    ///< `found` is a frame of `size` bytes
  malformed,   ///< no frame can begin like this; `why` says what is wrong
};

struct split_result {
  split_status status;
  frame found;
  std::size_t size;
  const char* why;  ///< static text
};

/// Looks at the frame that input begins with. A length is refused before its payload is there:
/// payload and frame_overhead are at most frame_max bytes.
split_result split_frame(std::string_view input, std::uint32_t frame_max) noexcept;

enum class greeting {
  undecided,  ///< too few bytes
  amqp091,    ///< begins like a frame
  foreign,    ///< another protocol
};

/// Judges the first bytes that a peer ever sent. For a foreign protocol `words` says which one.
greeting judge_greeting(std::string_view input, std::string& words);

/// The name of a protocol version before 1.0, as header and connection.start number it: "0-8".
std::string amqp_version(unsigned major, unsigned minor);

}  // namespace ombt::wire::amqp091
