// SPDX-License-Identifier: Apache-2.0
#pragma once
// One message that is arriving: method, header, body frames. While its frames are in the read
// buffer it only points there; it copies its names when that buffer is about to be left
// (detach), and its body when that comes in several frames, growing with the bytes received and
// never with the size announced. Internal to wire/amqp091.
//
//   phase    frame           next
//   none     deliver/return  header
//   header   header          body, or complete when the body is empty
//   header   header, refused skipping, or complete when the body is empty
//   body     body            body, complete when all announced bytes are there
//   skipping body            skipping, complete when all announced bytes have passed
//
// One that is refused (is_skipped) keeps nothing of what it was.
//
// Any other frame is an error, found by the channel's owner.

#include "wire/amqp091/codec.hpp"
#include "wire/amqp091/memory.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace ombt::wire::amqp091 {

enum class content_phase : std::uint8_t { none, header, body, skipping, complete };

class content {
 public:
  explicit content(block_cache& cache) noexcept : cache_(cache) {}
  ~content() { reset(); }
  content(const content&) = delete;
  content& operator=(const content&) = delete;

  content_phase phase() const noexcept { return phase_; }
  bool is_return() const noexcept { return is_return_; }
  /// True from skip() on: there is no event to come of it.
  bool is_skipped() const noexcept { return is_skipped_; }
  std::uint64_t delivery_tag() const noexcept { return is_return_ ? 0 : delivery_tag_; }
  /// True if a body frame may come now.
  bool takes_body() const noexcept {
    return phase_ == content_phase::body || phase_ == content_phase::skipping;
  }

  void begin(const amqp_basic_deliver_t& method) noexcept;
  void begin(const amqp_basic_return_t& method) noexcept;
  /// Takes the header; the body's size is not checked here.
  void header(const content_header& header) noexcept;
  /// Instead of header(): forgets the message but for where it ends.
  void skip(std::uint64_t body_size) noexcept;
  /// Takes a body frame; false if the body is longer than announced.
  bool body(std::string_view payload);
  /// Copies what points into the read buffer.
  void detach();
  /// Takes all of `other`, which is left empty.
  void take_over(content& other) noexcept;
  /// Frees everything.
  void reset() noexcept;

  /// The complete message as an event; its views are valid until reset() (or, where nothing was
  /// copied, as long as the read buffer).
  event::delivered as_delivered(channel_id channel) const noexcept;
  event::returned as_returned(channel_id channel) const noexcept;

 private:
  void append(std::string_view payload);
  std::string_view whole_body() const noexcept;

  block_cache& cache_;
  std::string_view tag_or_text_;  ///< consumer tag, or a return's reply text
  std::string_view exchange_;
  std::string_view routing_key_;
  std::uint64_t delivery_tag_ = 0;
  std::uint64_t body_size_ = 0;
  std::uint64_t received_ = 0;
  properties header_;
  std::string_view body_;  ///< a single frame's, in the read buffer
  block assembled_;        ///< several frames'
  block names_;            ///< copies of the views above
  std::uint16_t return_code_ = 0;
  bool is_return_ = false;
  bool is_skipped_ = false;
  bool redelivered_ = false;
  bool borrowed_ = false;  ///< views point into the read buffer
  content_phase phase_ = content_phase::none;
};

}  // namespace ombt::wire::amqp091
