// SPDX-License-Identifier: Apache-2.0
#include "wire/hdr/encoding.hpp"

#include "wire/hdr/base64.hpp"

#include <catch2/catch.hpp>

#include <bit>
#include <limits>
#include <random>
#include <string>
#include <vector>
#include <zlib.h>

using namespace ombt;
using namespace ombt::wire::hdr;

namespace {

using numbers = std::vector<std::int64_t>;

std::string big_endian_bytes(std::uint64_t value, int bytes) {
  std::string out;
  for (int i = bytes - 1; i >= 0; --i) out += static_cast<char>(value >> (8 * i) & 0xff);
  return out;
}

/// Zig-zag LEB128 as the format has it, written apart from the code that is tested.
std::string zig_zag(std::int64_t value) {
  std::uint64_t bits = value >= 0 ? 2 * static_cast<std::uint64_t>(value)
                                  : 2 * (0 - static_cast<std::uint64_t>(value)) - 1;
  std::string out;
  while (out.size() < 8 && bits >= 128) {
    out += static_cast<char>(bits % 128 + 128);
    bits /= 128;
  }
  return out + static_cast<char>(bits);
}

struct plain_fields {
  std::uint32_t cookie = 0x1c849313;
  std::uint32_t shifted = 0;
  std::uint32_t digits = 3;
  std::uint64_t low = lowest;
  std::uint64_t high = highest;
  double ratio = 1;
};

std::string plain_bytes(const plain_fields& f, const std::string& counts) {
  return big_endian_bytes(f.cookie, 4) + big_endian_bytes(counts.size(), 4) +
         big_endian_bytes(f.shifted, 4) + big_endian_bytes(f.digits, 4) +
         big_endian_bytes(f.low, 8) + big_endian_bytes(f.high, 8) +
         big_endian_bytes(std::bit_cast<std::uint64_t>(f.ratio), 8) + counts;
}

std::string plain_bytes(const plain_fields& f, const numbers& counts) {
  std::string payload;
  for (const auto n : counts) payload += zig_zag(n);
  return plain_bytes(f, payload);
}

std::string compressed_bytes(const std::string& plain, std::uint32_t cookie = 0x1c849314) {
  uLongf size = compressBound(static_cast<uLong>(plain.size()));
  std::string packed(size, '\0');
  REQUIRE(compress(reinterpret_cast<Bytef*>(packed.data()), &size,
                   reinterpret_cast<const Bytef*>(plain.data()),
                   static_cast<uLong>(plain.size())) == Z_OK);
  packed.resize(size);
  return big_endian_bytes(cookie, 4) + big_endian_bytes(size, 4) + packed;
}

bool equal_buckets(const sparse_histogram& a, const sparse_histogram& b) {
  return std::equal(
      a.buckets().begin(), a.buckets().end(), b.buckets().begin(), b.buckets().end(),
      [](const bucket& x, const bucket& y) { return x.index == y.index && x.count == y.count; });
}

std::vector<sparse_histogram> various_histograms() {
  std::vector<sparse_histogram> all(8);
  all[1].record(0);
  all[2].record(5);
  all[3].record(1, 2);
  all[3].record(3, (std::uint64_t{1} << 32) + 1);
  all[4].record(highest);
  all[5].record(77, std::uint64_t{1} << 52);
  for (std::uint32_t i = 0; i <= index_of(highest); ++i) {
    all[6].record(std::min(highest, lowest_value_at(i)), 1 + i % 300);
  }
  std::mt19937_64 random{7};
  for (int i = 0; i < 10'000; ++i) all[7].record(random() >> (23 + random() % 40));
  return all;
}

sparse_histogram small_histogram() {
  sparse_histogram h;
  for (std::uint64_t v = 1; v < 60; ++v) h.record(v * v * 1'000, v);
  return h;
}

void check_refusal(error_code error, errc wanted, const sparse_histogram& out,
                   const std::string& why, const std::string& reason) {
  CHECK(error == wanted);
  CHECK(why == reason);
  CHECK(out.buckets().empty());
  CHECK(out.totals().count == 0);
}

}  // namespace

TEST_CASE("base64 is RFC 4648's") {
  const std::vector<std::pair<std::string, std::string>> pairs = {
      {"", ""},
      {"f", "Zg=="},
      {"fo", "Zm8="},
      {"foo", "Zm9v"},
      {"foob", "Zm9vYg=="},
      {"fooba", "Zm9vYmE="},
      {"foobar", "Zm9vYmFy"},
      {"\xff\xfe\xfd\xfb\xef", "//79++8="}};
  for (const auto& [bytes, text] : pairs) {
    std::string out = ".";
    append_base64(out, bytes);
    CHECK(out == "." + text);
    REQUIRE(read_base64(text, out));
    CHECK(out == bytes);
  }
  for (const char* bad : {"Z", "Zg", "Zg=", "Zm9vYg", "Zg=a", "=g==", "====", "Zm9=Zg==", "Zh==",
                          "Zm9=", "Zm9v\n", "Zm 9", "Zm-_", "\xc3\xa4 a"}) {
    std::string out;
    INFO(bad);
    CHECK_FALSE(read_base64(bad, out));
  }
}

TEST_CASE("the bytes are those that the format prescribes") {
  std::string out;
  sparse_histogram h;
  append_v2(out, h);
  CHECK(out == plain_bytes({}, std::string(1, '\0')));
  // A run of zeros is a negative number, a zero alone is itself.
  h.record(1, 3);
  h.record(2, 1);
  h.record(5, 64);
  out.clear();
  append_v2(out, h);
  CHECK(out == plain_bytes({}, numbers{0, 3, 1, -2, 64}));
  CHECK(out.substr(40) == std::string("\x00\x06\x02\x03\x80\x01", 6));
  out.clear();
  append_base64_v2(out, h);
  CHECK(out.substr(0, 9) == "HISTFAAAA");
}

TEST_CASE("a histogram survives every encoding; min, max and total are those of its buckets") {
  for (const sparse_histogram& h : various_histograms()) {
    histogram dense;
    dense.merge(h);
    std::string plain;
    std::string packed;
    std::string text;
    append_v2(plain, h);
    append_compressed_v2(packed, h);
    append_base64_v2(text, h);
    CHECK(plain.size() <= 304'168);
    std::string of_dense;
    append_compressed_v2(of_dense, dense);
    CHECK(of_dense == packed);
    of_dense.clear();
    append_base64_v2(of_dense, dense);
    CHECK(of_dense == text);
    sparse_histogram read[3];
    std::string why;
    REQUIRE_FALSE(read_v2(plain, read[0], why));
    REQUIRE_FALSE(read_compressed_v2(packed, read[1], why));
    REQUIRE_FALSE(read_base64_v2(text, read[2], why));
    for (const sparse_histogram& r : read) {
      REQUIRE(equal_buckets(r, h));
      CHECK(r.totals().count == h.totals().count);
      CHECK(r.totals().total == Approx(h.totals().total).epsilon(0.0005));
      if (h.buckets().empty()) continue;
      CHECK(r.totals().min == lowest_value_at(h.buckets().front().index));
      CHECK(r.totals().max == std::min(highest, highest_value_at(h.buckets().back().index)));
    }
  }
}

TEST_CASE("overflow is not carried") {
  sparse_histogram h;
  h.record(5);
  h.record(highest + 1, 9);
  std::string text;
  append_base64_v2(text, h);
  sparse_histogram read;
  std::string why;
  REQUIRE_FALSE(read_base64_v2(text, read, why));
  CHECK(read.totals().count == 1);
  CHECK(read.totals().overflow == 0);
  CHECK(read.totals().max == 5);
}

TEST_CASE("a histogram that is cut off anywhere is refused") {
  const sparse_histogram h = small_histogram();
  std::string plain;
  std::string packed;
  std::string text;
  append_v2(plain, h);
  append_compressed_v2(packed, h);
  append_base64_v2(text, h);
  sparse_histogram out;
  std::string why;
  for (std::size_t size = 0; size < plain.size(); ++size) {
    out = h;
    INFO(size);
    CHECK(read_v2(plain.substr(0, size), out, why) == errc::malformed_message);
    CHECK(out.buckets().empty());
    // Also where the length was made to fit.
    if (size < 41) continue;
    const std::string shorter = plain_bytes({}, plain.substr(40, size - 40));
    if (!read_v2(shorter, out, why)) CHECK(out.totals().count < h.totals().count);
  }
  for (std::size_t size = 0; size < packed.size(); ++size) {
    out = h;
    INFO(size);
    CHECK(read_compressed_v2(packed.substr(0, size), out, why) == errc::malformed_message);
    CHECK(out.buckets().empty());
    if (size < 8) continue;
    const std::string shorter =
        packed.substr(0, 4) + big_endian_bytes(size - 8, 4) + packed.substr(8, size - 8);
    check_refusal(read_compressed_v2(shorter, out, why), errc::malformed_message, out, why,
                  "histogram does not inflate");
  }
  for (std::size_t size = 0; size < text.size(); ++size) {
    CHECK(read_base64_v2(text.substr(0, size), out, why) == errc::malformed_message);
    CHECK(out.buckets().empty());
  }
}

TEST_CASE("a flipped bit is found, or changes no count") {
  const sparse_histogram h = small_histogram();
  std::string packed;
  append_compressed_v2(packed, h);
  std::string plain;
  append_v2(plain, h);
  sparse_histogram out;
  std::string why;
  for (std::size_t bit = 0; bit < 8 * packed.size(); ++bit) {
    std::string damaged = packed;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ 1 << bit % 8);
    INFO(bit);
    if (!read_compressed_v2(damaged, out, why)) CHECK(equal_buckets(out, h));
  }
  // Nothing guards a plain encoding: whatever is believed must be a histogram.
  for (std::size_t bit = 0; bit < 8 * plain.size(); ++bit) {
    std::string damaged = plain;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ 1 << bit % 8);
    INFO(bit);
    if (read_v2(damaged, out, why)) continue;
    std::string again;
    sparse_histogram back;
    append_v2(again, out);
    REQUIRE_FALSE(read_v2(again, back, why));
    CHECK(equal_buckets(out, back));
  }
}

TEST_CASE("counts that no histogram has are refused") {
  constexpr std::int64_t least = std::numeric_limits<std::int64_t>::min();
  constexpr std::int64_t most = std::numeric_limits<std::int64_t>::max();
  constexpr std::int64_t half = std::int64_t{1} << 52;
  const auto at = [](const char* bytes, std::size_t size) { return std::string(bytes, size); };
  const std::vector<std::pair<std::string, std::string>> bad = {
      {plain_bytes({}, numbers{-33'792, 1}), "histogram counts go beyond its highest value"},
      {plain_bytes({}, numbers{-33'793}), "histogram counts go beyond its highest value"},
      {plain_bytes({}, numbers{1, -33'792}), "histogram counts go beyond its highest value"},
      {plain_bytes({}, numbers{1, least}), "histogram counts go beyond its highest value"},
      {plain_bytes({}, numbers{1, least, least}), "histogram counts go beyond its highest value"},
      {plain_bytes({}, std::string(33'793, '\0')), "histogram counts go beyond its highest value"},
      {plain_bytes({}, numbers{most}), "histogram counts are absurd"},
      {plain_bytes({}, numbers{2 * half, 1}), "histogram counts are absurd"},
      {plain_bytes({}, numbers{half, half, 1}), "histogram counts are absurd"},
      {plain_bytes({}, at("\x80\x00", 2)), "a histogram count has more bytes than it needs"},
      {plain_bytes({}, at("\x82\x80\x00", 3)), "a histogram count has more bytes than it needs"},
      {plain_bytes({}, at("\x82\x80\x80\x80\x80\x80\x80\x80\x00", 9)),
       "a histogram count has more bytes than it needs"},
      {plain_bytes({}, at("\x02\x80", 2)), "histogram counts are cut off"},
      {plain_bytes({}, at("\xff\xff\xff\xff\xff\xff\xff\xff", 8)), "histogram counts are cut off"},
  };
  sparse_histogram out;
  std::string why;
  for (const auto& [bytes, reason] : bad) {
    check_refusal(read_v2(bytes, out, why), errc::malformed_message, out, why, reason);
    check_refusal(read_compressed_v2(compressed_bytes(bytes), out, why), errc::malformed_message,
                  out, why, reason);
  }
  // Up to the limits they are believed, zeros at the end included.
  REQUIRE_FALSE(read_v2(plain_bytes({}, numbers{half, half, -33'790}), out, why));
  CHECK(out.totals().count == std::uint64_t{1} << 53);
  REQUIRE_FALSE(read_v2(plain_bytes({}, numbers{}), out, why));
  CHECK(out.buckets().empty());
}

TEST_CASE("lengths that lie, bombs and what follows a histogram are refused") {
  sparse_histogram out;
  std::string why;
  std::string plain = plain_bytes({}, numbers{1});
  const std::string whole = compressed_bytes(plain);
  plain[4] = '\x7f';
  check_refusal(read_v2(plain, out, why), errc::malformed_message, out, why,
                "histogram is longer or shorter than it says");
  check_refusal(read_compressed_v2(compressed_bytes(plain), out, why), errc::malformed_message, out,
                why, "histogram is longer or shorter than it says");
  for (const std::uint64_t length : {std::uint64_t{0}, std::uint64_t{0xffffffff}, whole.size()}) {
    const std::string bytes = whole.substr(0, 4) + big_endian_bytes(length, 4) + whole.substr(8);
    check_refusal(read_compressed_v2(bytes, out, why), errc::malformed_message, out, why,
                  "histogram is longer or shorter than it says");
  }
  check_refusal(read_compressed_v2(whole + "x", out, why), errc::malformed_message, out, why,
                "histogram is longer or shorter than it says");
  const std::string trailing =
      whole.substr(0, 4) + big_endian_bytes(whole.size() - 7, 4) + whole.substr(8) + "x";
  check_refusal(read_compressed_v2(trailing, out, why), errc::malformed_message, out, why,
                "histogram does not inflate");
  const std::string bomb = compressed_bytes(plain_bytes({}, std::string(20'000'000, '\0')));
  CHECK(bomb.size() < 30'000);
  check_refusal(read_compressed_v2(bomb, out, why), errc::limit_exceeded, out, why,
                "histogram is too large");
  check_refusal(read_v2(std::string(encoded_limit + 1, 'x'), out, why), errc::limit_exceeded, out,
                why, "histogram is too large");
  check_refusal(read_compressed_v2(std::string(encoded_limit + 1, 'x'), out, why),
                errc::limit_exceeded, out, why, "histogram is too large");
  check_refusal(read_base64_v2(std::string(base64_limit + 1, 'x'), out, why), errc::limit_exceeded,
                out, why, "histogram is too large");
  // The largest that is inflated.
  check_refusal(
      read_compressed_v2(compressed_bytes(plain_bytes({}, std::string(encoded_limit - 40, '\0'))),
                         out, why),
      errc::malformed_message, out, why, "histogram counts go beyond its highest value");
}

TEST_CASE("other formats and other meanings are named as what they are") {
  sparse_histogram out;
  std::string why;
  const numbers one = {1};
  for (const std::uint32_t cookie : {0x1c849301u, 0x1c849302u, 0x1c849303u, 0x1c849314u, 0u}) {
    plain_fields f;
    f.cookie = cookie;
    check_refusal(read_v2(plain_bytes(f, one), out, why), errc::unreadable_content, out, why,
                  "not HdrHistogram's V2 encoding");
  }
  for (const std::uint32_t cookie : {0x1c849302u, 0x1c849304u, 0x1c849313u, 0x0c72124eu}) {
    check_refusal(read_compressed_v2(compressed_bytes(plain_bytes({}, one), cookie), out, why),
                  errc::unreadable_content, out, why, "not HdrHistogram's compressed V2 encoding");
  }
  for (const plain_fields& f :
       {plain_fields{.shifted = 1}, plain_fields{.shifted = 0xffffffff}, plain_fields{.ratio = 0.5},
        plain_fields{.ratio = std::numeric_limits<double>::quiet_NaN()}}) {
    check_refusal(read_v2(plain_bytes(f, one), out, why), errc::unreadable_content, out, why,
                  "histogram of shifted or scaled values");
  }
  for (const plain_fields& f :
       {plain_fields{.digits = 6}, plain_fields{.digits = 0xffffffff}, plain_fields{.low = 0},
        plain_fields{.high = 1}, plain_fields{.high = 0}, plain_fields{.high = ~std::uint64_t{0}},
        plain_fields{.high = std::uint64_t{1} << 63}, plain_fields{.low = highest},
        plain_fields{.low = std::uint64_t{1} << 52, .high = std::uint64_t{1} << 62}}) {
    check_refusal(read_v2(plain_bytes(f, one), out, why), errc::unreadable_content, out, why,
                  "no histogram has such digits, lowest and highest value");
  }
}

TEST_CASE("buckets of another layout are read where ours hold them, and refused where not") {
  sparse_histogram out;
  std::string why;
  // 4 digits: one by one to 32,767, then two by two; 30,000 and 30,001 are in one of our buckets.
  REQUIRE_FALSE(read_v2(plain_bytes({.digits = 4}, numbers{-30'000, 1, 2, -4'998, 4}), out, why));
  REQUIRE(out.buckets().size() == 2);
  CHECK(out.buckets()[0].index == index_of(30'000));
  CHECK(out.buckets()[0].count == 3);
  CHECK(out.buckets()[1].index == index_of(37'232));
  CHECK(out.totals().min == 30'000);
  CHECK(out.totals().max == 37'233);
  CHECK(out.totals().total == 30'000 + 2 * 30'001 + 4 * 37'233.0);
  // 0 digits: 0, 1, then 2 to 3, which we tell apart.
  REQUIRE_FALSE(read_v2(plain_bytes({.digits = 0}, numbers{5, 6}), out, why));
  CHECK(out.totals().count == 11);
  check_refusal(read_v2(plain_bytes({.digits = 0}, numbers{5, 6, 7}), out, why),
                errc::unreadable_content, out, why, "histogram has fewer digits than ours");
  // Units of 1,024 ns: from 2^20 on our buckets are as wide.
  const plain_fields units{.low = 2'000};
  REQUIRE_FALSE(read_v2(plain_bytes(units, numbers{-1'024, 1}), out, why));
  CHECK(out.totals().min == 1'048'576);
  CHECK(out.totals().max == 1'049'599);
  check_refusal(read_v2(plain_bytes(units, numbers{-1'023, 1}), out, why), errc::unreadable_content,
                out, why, "histogram has fewer digits than ours");
  // A higher limit does no harm; a value above ours does.
  const plain_fields higher{.high = (std::uint64_t{1} << 63) - 1};
  const std::int64_t last = index_of(highest);
  REQUIRE_FALSE(read_v2(plain_bytes(higher, numbers{-last, 1}), out, why));
  CHECK(out.totals().max == highest);
  check_refusal(read_v2(plain_bytes(higher, numbers{1, -last, 1}), out, why),
                errc::unreadable_content, out, why, "histogram holds values above one hour");
  const std::int64_t end = 54 * 1'024;
  check_refusal(read_v2(plain_bytes(higher, numbers{1 - end, 1}), out, why),
                errc::unreadable_content, out, why, "histogram holds values above one hour");
  check_refusal(read_v2(plain_bytes(higher, numbers{-end, 1}), out, why), errc::malformed_message,
                out, why, "histogram counts go beyond its highest value");
}
