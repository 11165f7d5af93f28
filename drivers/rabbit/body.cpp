// SPDX-License-Identifier: Apache-2.0
#include "drivers/rabbit/body.hpp"

#include <algorithm>
#include <iterator>
#include <utility>
#include <zlib.h>

namespace ombt::drivers::rabbit {
namespace {

error_code inflate_all(std::string_view packed, std::uint64_t limit, std::string& out) {
  z_stream z{};
  constexpr int zlib_or_gzip = 15 + 32;
  if (inflateInit2(&z, zlib_or_gzip) != Z_OK) return errc::unreadable_content;
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(packed.data()));
  z.avail_in = static_cast<uInt>(packed.size());
  out.clear();
  int state = Z_OK;
  error_code error;
  while (state == Z_OK) {
    if (out.size() >= limit) {
      error = errc::limit_exceeded;
      break;
    }
    const std::size_t have = out.size();
    const std::size_t room =
        std::min<std::uint64_t>(limit - have, std::max<std::size_t>(have, 4096));
    out.resize(have + room);
    z.next_out = reinterpret_cast<Bytef*>(out.data() + have);
    z.avail_out = static_cast<uInt>(room);
    state = inflate(&z, Z_NO_FLUSH);
    out.resize(have + room - z.avail_out);
    if (state == Z_OK && z.avail_in == 0 && z.avail_out != 0) break;  // cut off
  }
  inflateEnd(&z);
  if (!error && state != Z_STREAM_END) error = errc::unreadable_content;
  return error;
}

/// True for every name that Python's codecs have for UTF-8: in any case, with any punctuation
/// between its parts (encodings.normalize_encoding and aliases).
bool is_utf8(std::string_view name) {
  if (name == "utf-8" || name.empty()) return true;
  std::string plain;
  bool gap = false;
  for (const char c : name) {
    const bool upper = c >= 'A' && c <= 'Z';
    if (!upper && !(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9')) {
      if (c == '.' || c <= 0) return false;  // no punctuation to Python
      gap = true;
      continue;
    }
    if (std::exchange(gap, false) && !plain.empty()) plain += '_';
    plain += upper ? static_cast<char>(c - 'A' + 'a') : c;
  }
  constexpr std::string_view names[] = {"utf_8",   "utf8",      "u8",       "utf",
                                        "cp65001", "utf8_ucs2", "utf8_ucs4"};
  return std::find(std::begin(names), std::end(names), plain) != std::end(names);
}

}  // namespace

error_code readable_text(const wire::amqp091::properties& header, std::string_view body,
                         std::uint64_t limit, std::string& scratch, std::string_view& text) {
  if (header.content_type != "application/json") return errc::unreadable_content;
  if (header.content_encoding && !is_utf8(*header.content_encoding)) {
    return errc::unreadable_content;
  }
  if (header.compression.empty()) {
    text = body;
    return {};
  }
  if (header.compression != "application/x-gzip") return errc::unreadable_content;
  if (const auto error = inflate_all(body, limit, scratch)) return error;
  text = scratch;
  return {};
}

void compress(std::string& body) {
  uLongf size = compressBound(static_cast<uLong>(body.size()));
  std::string packed(size, '\0');
  // Cannot fail: the destination has room for the worst case.
  compress2(reinterpret_cast<Bytef*>(packed.data()), &size,
            reinterpret_cast<const Bytef*>(body.data()), static_cast<uLong>(body.size()),
            Z_DEFAULT_COMPRESSION);
  packed.resize(size);
  body.swap(packed);
}

}  // namespace ombt::drivers::rabbit
