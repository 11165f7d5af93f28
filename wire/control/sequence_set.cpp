// SPDX-License-Identifier: Apache-2.0
#include "wire/control/sequence_set.hpp"

#include <array>
#include <bit>
#include <charconv>

namespace ombt::wire::control {
namespace {

constexpr std::uint64_t ones = ~std::uint64_t{0};
constexpr std::uint32_t bits = 64;
/// So many full words at least are taken out at once.
constexpr std::uint32_t least_drop = 16;
constexpr std::string_view base64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

constexpr std::array<std::int8_t, 256> make_values() {
  std::array<std::int8_t, 256> values{};
  values.fill(-1);
  for (std::size_t i = 0; i < base64.size(); ++i) {
    values[static_cast<unsigned char>(base64[i])] = static_cast<std::int8_t>(i);
  }
  return values;
}
constexpr auto base64_values = make_values();

void append_number(std::string& out, std::uint64_t number) {
  char digits[24];
  out.append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
}

void append_range(std::string& out, std::uint64_t first, std::uint64_t last) {
  append_number(out, first);
  if (last == first) return;
  out += '-';
  append_number(out, last);
}

/// Takes a number below the limit off the text.
bool take_number(std::string_view& text, std::uint64_t& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (error != std::errc{} || out >= sequence_limit) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return true;
}

}  // namespace

bool sequence_set::reach(std::uint32_t index, ledger_room& room) {
  const std::size_t needed = index - full_ + 1;
  if (needed <= words_.size()) return true;
  if (const std::size_t have = words_.capacity(); needed > have) {
    const std::size_t next = std::max(needed, 2 * have);
    if (!room.take((next - have) * sizeof(std::uint64_t))) return false;
    words_.reserve(next);
  }
  words_.resize(needed);
  return true;
}

/// All numbers of the first `count` words are in the set; words that are no longer needed go.
void sequence_set::fill_to(std::uint32_t count) {
  if (count <= full_) return;
  const auto end =
      words_.begin() + std::min<std::ptrdiff_t>(count - full_, words_.end() - words_.begin());
  std::uint32_t there = 0;
  for (auto at = words_.begin(); at != end; ++at) {
    there += static_cast<std::uint32_t>(std::popcount(*at));
  }
  size_ += (count - full_) * bits - there;
  words_.erase(words_.begin(), end);
  full_ = count;
  lead_ = 0;
  drop_full_words();
}

void sequence_set::drop_full_words() {
  while (lead_ < words_.size() && words_[lead_] == ones) ++lead_;
  if (lead_ < least_drop || lead_ < words_.size() / 2) return;
  words_.erase(words_.begin(), words_.begin() + lead_);
  full_ += lead_;
  lead_ = 0;
}

bool sequence_set::add(std::uint32_t index, std::uint32_t count, std::uint64_t added,
                       ledger_room& room) {
  if (added == 0 || index + count <= full_) return true;
  if (count > 1 && index <= full_) {
    fill_to(index + count);
    return true;
  }
  if (!reach(index + count - 1, room)) return false;
  for (std::uint32_t i = index - full_; i < index - full_ + count; ++i) {
    std::uint64_t& word = words_[i];
    size_ += static_cast<std::uint32_t>(std::popcount(added & ~word));
    word |= added;
  }
  if (lead_ < words_.size() && words_[lead_] == ones) drop_full_words();
  return true;
}

sequence_set::inserted sequence_set::insert(std::uint64_t sequence, ledger_room& room) {
  if (sequence >= sequence_limit) return inserted::no_room;
  if (contains(sequence)) return inserted::again;
  const auto index = static_cast<std::uint32_t>(sequence / bits);
  return add(index, 1, std::uint64_t{1} << sequence % bits, room) ? inserted::fresh
                                                                  : inserted::no_room;
}

bool sequence_set::contains(std::uint64_t sequence) const noexcept {
  return sequence < sequence_limit &&
         (word(static_cast<std::uint32_t>(sequence / bits)) >> sequence % bits & 1) != 0;
}

std::uint64_t sequence_set::merge(const sequence_set& other, ledger_room& room) {
  std::uint64_t refused = 0;
  each_block(
      other.words(),
      [&](std::uint32_t index, std::uint32_t count, std::uint64_t word) {
        if (!add(index, count, word, room)) {
          refused += std::uint64_t{count} * static_cast<std::uint64_t>(std::popcount(word));
        }
      },
      other);
  return refused;
}

template <class Visit>
void sequence_set::each_range(Visit&& visit) const {
  std::uint64_t first = 0;
  bool open = full_ > 0;
  for (std::uint32_t index = full_; index < words(); ++index) {
    const std::uint64_t here = word(index);
    std::uint32_t at = 0;
    while (at < bits) {
      // A range that is open ends at the next zero, else one begins at the next bit.
      const std::uint64_t rest = (open ? ~here : here) >> at;
      if (rest == 0) break;
      at += static_cast<std::uint32_t>(std::countr_zero(rest));
      const std::uint64_t number = std::uint64_t{index} * bits + at;
      if (open && !visit(first, number - 1)) return;
      first = number;
      open = !open;
    }
  }
  if (open) visit(first, std::uint64_t{words()} * bits - 1);
}

void sequence_set::append_text(std::string& out) const {
  if (empty()) return;
  // The bitmap: what is behind the full words, without zeros at its end.
  const std::uint32_t begin = full_ + lead_;
  std::uint32_t end = words();
  while (end > begin && word(end - 1) == 0) --end;
  std::size_t bytes = std::size_t{end - begin} * 8;
  if (bytes > 0) bytes -= static_cast<std::size_t>(std::countl_zero(word(end - 1))) / 8;
  const std::size_t bitmap_text = (bytes * 4 + 2) / 3 + 9;  // with the number before it

  const std::size_t start = out.size();
  bool first_range = true;
  bool short_enough = true;
  each_range([&](std::uint64_t first, std::uint64_t last) {
    if (!first_range) out += ',';
    first_range = false;
    append_range(out, first, last);
    short_enough = out.size() - start <= bitmap_text + 16;
    return short_enough;
  });
  if (short_enough) return;

  out.resize(start);
  if (begin > 0) {
    append_range(out, 0, std::uint64_t{begin} * bits - 1);
    out += ',';
  }
  append_number(out, std::uint64_t{begin} * bits);
  out += '=';
  std::uint32_t held = 0;
  std::uint32_t held_bits = 0;
  for (std::size_t i = 0; i < bytes; ++i) {
    const std::uint64_t from = word(begin + static_cast<std::uint32_t>(i / 8));
    held = held << 8 | static_cast<std::uint32_t>(from >> i % 8 * 8 & 0xff);
    for (held_bits += 8; held_bits >= 6; held_bits -= 6) {
      out += base64[held >> (held_bits - 6) & 63];
    }
  }
  if (held_bits > 0) out += base64[held << (6 - held_bits) & 63];
}

void sequence_set::append_ranges(std::string& out, std::size_t most) const {
  std::size_t told = 0;
  each_range([&](std::uint64_t first, std::uint64_t last) {
    if (told > 0) out += ", ";
    if (++told > most) {
      out += "…";
      return false;
    }
    append_range(out, first, last);
    return true;
  });
}

/// How many of these found no room.
std::uint64_t sequence_set::add_range(std::uint64_t first, std::uint64_t last, ledger_room& room) {
  const auto begin = static_cast<std::uint32_t>(first / bits);
  const auto end = static_cast<std::uint32_t>(last / bits);
  const std::uint64_t head = ones << first % bits;
  const std::uint64_t tail = ones >> (bits - 1 - last % bits);
  if (begin == end) return add(begin, 1, head & tail, room) ? 0 : last - first + 1;
  // The whole words first: where there is no room for the last of them, there is none.
  const std::uint32_t from = head == ones ? begin : begin + 1;
  const std::uint32_t to = tail == ones ? end + 1 : end;
  bool kept = to == from || add(from, to - from, ones, room);
  kept = kept && (head == ones || add(begin, 1, head, room));
  kept = kept && (tail == ones || add(end, 1, tail, room));
  return kept ? 0 : last - first + 1;
}

bool sequence_set::read_text(std::string_view text, ledger_room& room, sequence_set& out,
                             std::uint64_t& not_kept) {
  out = {};
  std::uint64_t least = 0;  // what the next part may begin with
  while (!text.empty()) {
    std::uint64_t first = 0;
    if (!take_number(text, first) || first < least) return false;
    if (!text.empty() && text.front() == '=') {
      text.remove_prefix(1);
      if (first % bits != 0) return false;
      const std::string_view digits = text.substr(0, text.find(','));
      const std::size_t bytes = digits.size() * 6 / 8;
      if (digits.size() % 4 == 1 || bytes == 0 || first + bytes * 8 > sequence_limit) return false;
      text.remove_prefix(digits.size());
      std::uint32_t held = 0;
      std::uint32_t held_bits = 0;
      std::uint64_t word = 0;
      std::size_t done = 0;
      const auto begin = static_cast<std::uint32_t>(first / bits);
      const auto last = begin + static_cast<std::uint32_t>((bytes - 1) / 8);
      const bool room_for_it = out.reach(last, room);
      for (const char digit : digits) {
        const int value = base64_values[static_cast<unsigned char>(digit)];
        if (value < 0) return false;
        held = held << 6 | static_cast<std::uint32_t>(value);
        held_bits += 6;
        if (held_bits < 8 || done == bytes) continue;
        held_bits -= 8;
        word |= std::uint64_t{held >> held_bits & 0xff} << done % 8 * 8;
        if (++done % 8 != 0 && done != bytes) continue;
        const auto index = begin + static_cast<std::uint32_t>((done - 1) / 8);
        if (!room_for_it || !out.add(index, 1, word, room)) {
          not_kept += static_cast<std::uint64_t>(std::popcount(word));
        }
        word = 0;
      }
      least = first + bytes * 8;
    } else {
      std::uint64_t last = first;
      if (!text.empty() && text.front() == '-') {
        text.remove_prefix(1);
        if (!take_number(text, last) || last <= first) return false;
      }
      not_kept += out.add_range(first, last, room);
      least = last + 1;
    }
    if (text.empty()) break;
    if (text.front() != ',' || text.size() == 1) return false;
    text.remove_prefix(1);
  }
  return true;
}

bool operator==(const sequence_set& a, const sequence_set& b) noexcept {
  if (a.size_ != b.size_) return false;
  bool equal = true;
  each_block(
      std::max(a.words(), b.words()),
      [&](std::uint32_t, std::uint32_t, std::uint64_t x, std::uint64_t y) {
        equal = equal && x == y;
      },
      a, b);
  return equal;
}

}  // namespace ombt::wire::control
