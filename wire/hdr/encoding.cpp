// SPDX-License-Identifier: Apache-2.0
#include "wire/hdr/encoding.hpp"

#include "wire/hdr/base64.hpp"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <iterator>
#include <vector>
#include <zlib.h>

namespace ombt::wire::hdr {
namespace {

// Bits 4 to 7 of a cookie are the word size, which V2 always gives as 1.
constexpr std::uint32_t plain_cookie = 0x1c849303 | 0x10;
constexpr std::uint32_t compressed_cookie = 0x1c849304 | 0x10;
constexpr std::size_t plain_header = 40;
constexpr std::size_t compressed_header = 8;
constexpr std::size_t number_limit = 9;  // bytes of a count
static_assert(plain_header + number_limit * index_limit < encoded_limit);

// ---- Writing

void append_big_endian(std::string& out, std::uint64_t value, unsigned bytes) {
  for (unsigned shift = 8 * bytes; shift > 0; shift -= 8) {
    out += static_cast<char>(value >> (shift - 8) & 0xff);
  }
}

/// Zig-zag LEB128 of at most 9 bytes: the ninth holds 8 bits.
void append_number(std::string& out, std::int64_t value) {
  std::uint64_t rest =
      static_cast<std::uint64_t>(value) << 1 ^ static_cast<std::uint64_t>(value >> 63);
  for (std::size_t n = 1; n < number_limit && rest > 0x7f; ++n) {
    out += static_cast<char>((rest & 0x7f) | 0x80);
    rest >>= 7;
  }
  out += static_cast<char>(rest);
}

/// All counts up to the last that is not 0. A negative number stands for that many zeros, a zero
/// alone for itself; so does the one count of an empty histogram.
void append_counts(std::string& out, const std::vector<bucket>& buckets) {
  std::uint32_t next = 0;
  for (const bucket& b : buckets) {
    const std::int64_t zeros = b.index - next;
    if (zeros > 0) append_number(out, zeros == 1 ? 0 : -zeros);
    append_number(out, static_cast<std::int64_t>(b.count));
    next = b.index + 1;
  }
  if (buckets.empty()) append_number(out, 0);
}

// ---- Reading

error_code fail(errc error, const char* reason, sparse_histogram& out, std::string& why) {
  out.clear();
  why = reason;
  return error;
}

std::uint64_t big_endian(std::string_view bytes, std::size_t at, std::size_t size) {
  std::uint64_t value = 0;
  for (const char c : bytes.substr(at, size)) value = value << 8 | static_cast<std::uint8_t>(c);
  return value;
}

/// Takes a number off the front of bytes; null, or why that cannot be.
const char* take_number(std::string_view& bytes, std::int64_t& out) {
  std::uint64_t bits = 0;
  std::size_t n = 0;
  std::uint8_t byte = 0x80;
  for (; n < number_limit && byte >= 0x80; ++n) {
    if (n == bytes.size()) return "histogram counts are cut off";
    byte = static_cast<std::uint8_t>(bytes[n]);
    const std::uint64_t digits = n + 1 == number_limit ? byte : byte & 0x7f;
    bits |= digits << (7 * n);
  }
  if (n > 1 && byte == 0) return "a histogram count has more bytes than it needs";
  bytes.remove_prefix(n);
  out = static_cast<std::int64_t>(bits >> 1) ^ -static_cast<std::int64_t>(bits & 1);
  return nullptr;
}

/// A producer's buckets: AbstractHistogram.init and valueFromIndex.
class layout {
 public:
  /// False for one that no histogram has.
  bool set(std::uint64_t digits, std::uint64_t low, std::uint64_t high) {
    // The power of two that reaches 2 x 10^digits.
    constexpr unsigned magnitudes[] = {1, 5, 8, 11, 15, 18};
    if (digits >= std::size(magnitudes) || low < 1 || high / 2 < low || high >> 63 != 0) {
      return false;
    }
    half_magnitude_ = magnitudes[digits] - 1;
    unit_magnitude_ = static_cast<unsigned>(std::bit_width(low)) - 1;
    if (unit_magnitude_ + half_magnitude_ > 61) return false;
    const unsigned first = unit_magnitude_ + half_magnitude_ + 1;
    const auto width = static_cast<unsigned>(std::bit_width(high));
    const std::uint64_t buckets = 1 + (width > first ? width - first : 0);
    counters_ = (buckets + 1) << half_magnitude_;
    return true;
  }

  std::uint64_t counters() const { return counters_; }
  /// The values that counter holds; they end below 2^63.
  std::uint64_t lowest_at(std::uint64_t index) const {
    return (index - (doublings(index) << half_magnitude_)) << shift_at(index);
  }
  std::uint64_t width_at(std::uint64_t index) const { return std::uint64_t{1} << shift_at(index); }

 private:
  std::uint64_t doublings(std::uint64_t index) const {
    const std::uint64_t halves = index >> half_magnitude_;
    return halves < 2 ? 0 : halves - 1;
  }
  std::uint64_t shift_at(std::uint64_t index) const { return doublings(index) + unit_magnitude_; }

  unsigned half_magnitude_ = 0;
  unsigned unit_magnitude_ = 0;
  std::uint64_t counters_ = 0;
};

error_code read_counts(std::string_view bytes, const layout& from, sparse_histogram& out,
                       std::string& why) {
  std::uint64_t next = 0;
  while (!bytes.empty()) {
    std::int64_t number = 0;
    if (const char* wrong = take_number(bytes, number)) {
      return fail(errc::malformed_message, wrong, out, why);
    }
    const std::uint64_t index = next;
    // Also right for the least number, whose negative is none.
    const std::uint64_t counters = number < 0 ? 0 - static_cast<std::uint64_t>(number) : 1;
    if (counters > from.counters() - next) {
      return fail(errc::malformed_message, "histogram counts go beyond its highest value", out,
                  why);
    }
    next += counters;
    if (number <= 0) continue;
    const auto count = static_cast<std::uint64_t>(number);
    if (count > sample_limit - out.totals().count) {
      return fail(errc::malformed_message, "histogram counts are absurd", out, why);
    }
    const std::uint64_t least = from.lowest_at(index);
    const std::uint64_t width = from.width_at(index);
    if (least > highest) {
      return fail(errc::unreadable_content, "histogram holds values above one hour", out, why);
    }
    if (!out.record_within(least, width, count)) {
      return fail(errc::unreadable_content, "histogram has fewer digits than ours", out, why);
    }
  }
  return {};
}

/// Inflates all of packed, which must end where its stream does.
error_code inflate_all(std::string_view packed, std::string& out) {
  z_stream z{};
  if (inflateInit(&z) != Z_OK) return errc::unreadable_content;
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  z.avail_in = static_cast<uInt>(packed.size());
  int state = Z_OK;
  while (state == Z_OK && out.size() <= encoded_limit) {
    const std::size_t have = out.size();
    const std::size_t room = std::min(std::max<std::size_t>(have, 1024), encoded_limit + 1 - have);
    out.resize(have + room);
    z.next_out = reinterpret_cast<Bytef*>(out.data() + have);
    z.avail_out = static_cast<uInt>(room);
    state = inflate(&z, Z_NO_FLUSH);  // Z_BUF_ERROR where its input is cut off
    out.resize(have + room - z.avail_out);
  }
  const bool whole = state == Z_STREAM_END && z.avail_in == 0;
  inflateEnd(&z);
  if (out.size() > encoded_limit) return errc::limit_exceeded;
  return whole ? error_code{} : errc::malformed_message;
}

}  // namespace

void append_v2(std::string& out, const sparse_histogram& from) {
  std::string counts;
  append_counts(counts, from.buckets());
  append_big_endian(out, plain_cookie, 4);
  append_big_endian(out, counts.size(), 4);
  append_big_endian(out, 0, 4);  // normalizing index offset: values are not shifted
  append_big_endian(out, significant_digits, 4);
  append_big_endian(out, lowest, 8);
  append_big_endian(out, highest, 8);
  append_big_endian(out, std::bit_cast<std::uint64_t>(1.0), 8);  // values are not scaled
  out += counts;
}

void append_compressed_v2(std::string& out, const sparse_histogram& from) {
  std::string plain;
  append_v2(plain, from);
  uLongf size = compressBound(static_cast<uLong>(plain.size()));
  std::string packed(size, '\0');
  // Cannot fail: the destination has room for the worst case.
  compress2(reinterpret_cast<Bytef*>(packed.data()), &size,
            reinterpret_cast<const Bytef*>(plain.data()), static_cast<uLong>(plain.size()),
            Z_DEFAULT_COMPRESSION);
  append_big_endian(out, compressed_cookie, 4);
  append_big_endian(out, size, 4);
  out.append(packed, 0, size);
}

void append_compressed_v2(std::string& out, const histogram& from) {
  append_compressed_v2(out, from.to_sparse());
}

void append_base64_v2(std::string& out, const sparse_histogram& from) {
  std::string packed;
  append_compressed_v2(packed, from);
  append_base64(out, packed);
}

void append_base64_v2(std::string& out, const histogram& from) {
  append_base64_v2(out, from.to_sparse());
}

error_code read_v2(std::string_view bytes, sparse_histogram& out, std::string& why) {
  out.clear();
  if (bytes.size() > encoded_limit) {
    return fail(errc::limit_exceeded, "histogram is too large", out, why);
  }
  if (bytes.size() < plain_header) {
    return fail(errc::malformed_message, "histogram is cut off", out, why);
  }
  if (big_endian(bytes, 0, 4) != plain_cookie) {
    return fail(errc::unreadable_content, "not HdrHistogram's V2 encoding", out, why);
  }
  if (big_endian(bytes, 4, 4) != bytes.size() - plain_header) {
    return fail(errc::malformed_message, "histogram is longer or shorter than it says", out, why);
  }
  if (big_endian(bytes, 8, 4) != 0 || std::bit_cast<double>(big_endian(bytes, 32, 8)) != 1.0) {
    return fail(errc::unreadable_content, "histogram of shifted or scaled values", out, why);
  }
  layout from;
  if (!from.set(big_endian(bytes, 12, 4), big_endian(bytes, 16, 8), big_endian(bytes, 24, 8))) {
    return fail(errc::unreadable_content, "no histogram has such digits, lowest and highest value",
                out, why);
  }
  return read_counts(bytes.substr(plain_header), from, out, why);
}

error_code read_compressed_v2(std::string_view bytes, sparse_histogram& out, std::string& why) {
  out.clear();
  if (bytes.size() > encoded_limit) {
    return fail(errc::limit_exceeded, "histogram is too large", out, why);
  }
  if (bytes.size() < compressed_header) {
    return fail(errc::malformed_message, "histogram is cut off", out, why);
  }
  if (big_endian(bytes, 0, 4) != compressed_cookie) {
    return fail(errc::unreadable_content, "not HdrHistogram's compressed V2 encoding", out, why);
  }
  if (big_endian(bytes, 4, 4) != bytes.size() - compressed_header) {
    return fail(errc::malformed_message, "histogram is longer or shorter than it says", out, why);
  }
  std::string plain;
  const error_code error = inflate_all(bytes.substr(compressed_header), plain);
  if (error == errc::limit_exceeded) {
    return fail(errc::limit_exceeded, "histogram is too large", out, why);
  }
  if (error) return fail(errc::malformed_message, "histogram does not inflate", out, why);
  return read_v2(plain, out, why);
}

error_code read_base64_v2(std::string_view text, sparse_histogram& out, std::string& why) {
  if (text.size() > base64_limit) {
    return fail(errc::limit_exceeded, "histogram is too large", out, why);
  }
  std::string bytes;
  if (!read_base64(text, bytes)) {
    return fail(errc::malformed_message, "histogram is no base64", out, why);
  }
  return read_compressed_v2(bytes, out, why);
}

}  // namespace ombt::wire::hdr
