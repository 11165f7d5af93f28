// SPDX-License-Identifier: Apache-2.0
#pragma once
// Frames and performatives of AMQP 1.0, read just far enough to judge them before proton's decoder
// gets them: that one recurses as deep as a value is nested, believes counts, and reads a field of
// a wrong type as 0. Nothing here allocates or recurses beyond `most_depth`.
// Internal to wire/amqp10.
// Source: OASIS AMQP 1.0, part 1 (types), part 2, 2.3 (framing), 2.7 (performatives).

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ombt::wire::amqp10 {

constexpr std::size_t frame_header_size = 8;

/// Descriptors of performatives and of SASL frames.
enum performative_code : std::uint64_t {
  open_code = 0x10,
  begin_code = 0x11,
  attach_code = 0x12,
  flow_code = 0x13,
  transfer_code = 0x14,
  disposition_code = 0x15,
  detach_code = 0x16,
  end_code = 0x17,
  close_code = 0x18,
  sasl_mechanisms_code = 0x40,
  sasl_init_code = 0x41,
  sasl_challenge_code = 0x42,
  sasl_response_code = 0x43,
  sasl_outcome_code = 0x44,
};

struct frame {
  std::uint8_t type;  ///< 0: AMQP, 1: SASL
  std::uint16_t channel;
  std::string_view body;  ///< empty: keeps the connection alive, says nothing
};

struct split_result {
  enum class status : std::uint8_t { incomplete, complete, malformed } what;
  frame found{};
  std::size_t size = 0;       ///< of the whole frame, as far as it is known
  const char* why = nullptr;  ///< of malformed
};

/// The first frame of `input`; one above `limit` bytes is malformed as soon as its size is read.
split_result split_frame(std::string_view input, std::size_t limit) noexcept;

/// A performative's fields, still encoded; views into the frame.
class performative {
 public:
  /// Reads a frame's body. Null, or what is wrong with it: no list with a descriptor of a number,
  /// lengths and counts that do not fit each other, values nested deeper than `most_depth` or more
  /// of them than `most_values`.
  const char* read(std::string_view body) noexcept;

  std::uint64_t code() const noexcept { return code_; }
  /// Bytes of the body that are the performative; a transfer's payload follows.
  std::size_t size() const noexcept { return size_; }

  // A field by its index: nothing where it is null or left out. A field of another type sets
  // `wrong()`.
  std::optional<std::uint32_t> number(std::size_t i) noexcept;  ///< uint, ushort or ubyte
  std::optional<bool> truth(std::size_t i) noexcept;
  std::optional<std::string_view> text(std::size_t i) noexcept;  ///< binary, string or symbol
  /// The encoding of a field, for one that has several types.
  std::string_view raw(std::size_t i) const noexcept;
  bool wrong() const noexcept { return wrong_; }

 private:
  static constexpr std::size_t most_fields = 14;  ///< of attach
  std::uint64_t code_ = 0;
  std::size_t size_ = 0;
  std::size_t fields_ = 0;
  std::array<std::string_view, most_fields> field_;
  bool wrong_ = false;
};

/// Deeper values are refused.
constexpr int most_depth = 16;
/// Values in one performative, those in lists, maps and arrays included; proton keeps about 100
/// bytes for each.
constexpr std::size_t most_values = 1024;

/// Takes the items of an array of symbols (or a single symbol) one by one: the next one at `rest`,
/// which is a field's raw encoding at first. Nothing at the end.
class symbol_list {
 public:
  explicit symbol_list(std::string_view raw) noexcept;
  std::optional<std::string_view> next() noexcept;

 private:
  std::string_view rest_;
  std::size_t left_ = 0;
  std::uint8_t code_ = 0;
};

/// Appends a SASL or close frame that this side writes itself.
void append_mechanisms(std::string& out, std::string_view names);
void append_init(std::string& out, std::string_view mechanism, std::string_view response);
void append_outcome(std::string& out, std::uint8_t code);
void append_close(std::string& out, std::string_view condition, std::string_view description);

}  // namespace ombt::wire::amqp10
