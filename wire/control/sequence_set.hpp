// SPDX-License-Identifier: Apache-2.0
#pragma once
// Which messages of one client are meant: a set of sequence numbers as a bitmap, whose complete
// beginning takes no memory, so that what arrives in order and whole is a few bytes. Bounded twice:
// by sequence_limit, and by a ledger_room that many sets share. Owns its words, not the room; no
// clock, one thread.

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ombt::wire::control {

/// Sequence numbers that are kept are below this (2 MiB of bitmap).
inline constexpr std::uint64_t sequence_limit = std::uint64_t{1} << 24;

/// Memory that the sets of a ledger may still take. What they took is given back by whoever drops
/// them (sequence_set::bytes).
class ledger_room {
 public:
  explicit ledger_room(std::size_t bytes) noexcept : left_{bytes} {}
  bool take(std::size_t bytes) noexcept {
    if (bytes > left_) return false;
    left_ -= bytes;
    return true;
  }
  void give(std::size_t bytes) noexcept { left_ += bytes; }
  std::size_t left() const noexcept { return left_; }

 private:
  std::size_t left_;
};

class sequence_set {
 public:
  enum class inserted : std::uint8_t { fresh, again, no_room };

  /// Adds a number and says whether it was there. Allocates where the bitmap grows only (by
  /// doubling), never for numbers that come in order without a gap.
  inserted insert(std::uint64_t sequence, ledger_room& room);
  bool contains(std::uint64_t sequence) const noexcept;
  std::uint64_t size() const noexcept { return size_; }
  bool empty() const noexcept { return size_ == 0; }
  /// What it took of its room.
  std::size_t bytes() const noexcept { return words_.capacity() * sizeof(std::uint64_t); }

  /// Adds all numbers of other; how many of these found no room.
  std::uint64_t merge(const sequence_set& other, ledger_room& room);

  // The bitmap, 64 numbers a word, least significant bit first.

  /// Words that are not all zero end before this one.
  std::uint32_t words() const noexcept { return full_ + static_cast<std::uint32_t>(words_.size()); }
  std::uint64_t word(std::uint32_t index) const noexcept {
    if (index < full_) return ~std::uint64_t{0};
    return index < words() ? words_[index - full_] : 0;
  }
  /// All words from index to before this one are equal; what loops over sets need not look at.
  std::uint32_t same_until(std::uint32_t index) const noexcept {
    if (index < full_) return full_;
    return index < words() ? index + 1 : ~std::uint32_t{0};
  }
  /// Adds the bits to `count` words from index on (several: all ones or all zeros). False: no room,
  /// nothing was added.
  bool add(std::uint32_t index, std::uint32_t count, std::uint64_t bits, ledger_room& room);

  /// Appends the shortest of "0-99,101,200-299" and the same with a bitmap behind the complete
  /// beginning: "0-63,64=<base64 without padding>", 8 numbers a byte. Empty for an empty set.
  void append_text(std::string& out) const;
  /// Appends numbers and ranges only, at most so many, then ", …".
  void append_ranges(std::string& out, std::size_t most) const;
  /// Reads what append_text wrote, in one pass: parts in ascending order, numbers below
  /// sequence_limit, bitmaps that begin at a multiple of 64. False for anything else. Numbers that
  /// find no room are left out and added to not_kept.
  static bool read_text(std::string_view text, ledger_room& room, sequence_set& out,
                        std::uint64_t& not_kept);

  friend bool operator==(const sequence_set& a, const sequence_set& b) noexcept;

 private:
  bool reach(std::uint32_t index, ledger_room& room);
  void fill_to(std::uint32_t count);
  void drop_full_words();
  std::uint64_t add_range(std::uint64_t first, std::uint64_t last, ledger_room& room);
  /// Calls visit(first, last) for each range until that returns false.
  template <class Visit>
  void each_range(Visit&& visit) const;

  std::vector<std::uint64_t> words_;  ///< behind the full ones
  std::uint32_t full_ = 0;            ///< words at the beginning that are all ones, not in words_
  std::uint32_t lead_ = 0;            ///< full words at the beginning of words_
  std::uint32_t size_ = 0;
};

/// Calls visit(index, count, word of each set …) for words 0 to before `words`, with one call for
/// neighbours that are equal in every set. Takes as many steps as the sets have words in memory.
template <class Visit, class... Sets>
void each_block(std::uint32_t words, Visit&& visit, const Sets&... sets) {
  std::uint32_t index = 0;
  while (index < words) {
    const std::uint32_t end = std::min({words, sets.same_until(index)...});
    visit(index, end - index, sets.word(index)...);
    index = end;
  }
}

}  // namespace ombt::wire::control
