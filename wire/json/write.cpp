// SPDX-License-Identifier: Apache-2.0
// Writing strings and numbers as Python's json.dumps does with ensure_ascii: everything outside
// ' ' to '~' is escaped, DEL included.
#include "wire/json/value.hpp"

#include <bit>
#include <charconv>
#include <cmath>
#include <cstring>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace ombt::wire::json {
namespace {

constexpr std::size_t block = 16;
constexpr std::size_t longest_escape = 12;  // a surrogate pair

/// Copies a block and gives a mask with a bit for each byte that needs an escape.
unsigned copy_block(char* to, const char* from) noexcept {
#if defined(__SSE2__)
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to), bytes);
  // Signed: bytes from 0x80 on are negative, so "below ' '" takes them too.
  const __m128i low = _mm_cmplt_epi8(bytes, _mm_set1_epi8(0x20));
  const __m128i quote = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('"'));
  const __m128i slash = _mm_cmpeq_epi8(bytes, _mm_set1_epi8('\\'));
  const __m128i del = _mm_cmpeq_epi8(bytes, _mm_set1_epi8(0x7f));
  return static_cast<unsigned>(
      _mm_movemask_epi8(_mm_or_si128(_mm_or_si128(low, quote), _mm_or_si128(slash, del))));
#else
  std::memcpy(to, from, block);
  unsigned special = 0;
  for (std::size_t i = 0; i < block; ++i) {
    const auto c = static_cast<unsigned char>(from[i]);
    special |= static_cast<unsigned>(c < 0x20 || c >= 0x7f || c == '"' || c == '\\') << i;
  }
  return special;
#endif
}

char* put_unit(char* to, unsigned unit) noexcept {
  constexpr char digits[] = "0123456789abcdef";
  *to++ = '\\';
  *to++ = 'u';
  for (int shift = 12; shift >= 0; shift -= 4) *to++ = digits[(unit >> shift) & 0xf];
  return to;
}

struct code_point {
  unsigned value;
  std::size_t length;
};

/// Decodes one UTF-8 sequence (RFC 3629: no surrogates, no overlong forms); U+FFFD for the first
/// byte of anything else.
code_point decode(const unsigned char* at, std::size_t left) noexcept {
  constexpr code_point invalid{0xfffd, 1};
  const unsigned lead = at[0];
  std::size_t length = 0;
  unsigned value = 0;
  unsigned least = 0;
  if (lead < 0x80) return {lead, 1};
  if ((lead & 0xe0) == 0xc0) {
    length = 2, value = lead & 0x1f, least = 0x80;
  } else if ((lead & 0xf0) == 0xe0) {
    length = 3, value = lead & 0x0f, least = 0x800;
  } else if ((lead & 0xf8) == 0xf0) {
    length = 4, value = lead & 0x07, least = 0x10000;
  } else {
    return invalid;
  }
  if (left < length) return invalid;
  for (std::size_t i = 1; i < length; ++i) {
    if ((at[i] & 0xc0) != 0x80) return invalid;
    value = value << 6 | (at[i] & 0x3fU);
  }
  if (value < least || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff)) return invalid;
  return {value, length};
}

struct written_escape {
  char* to;              ///< behind what was written
  std::size_t consumed;  ///< bytes of the text
};

/// Writes the escape of the character at `from`. All by value: a variable whose address is known
/// would be read again after every byte written.
written_escape put_escape(char* to, const char* from, std::size_t left) noexcept {
  char letter = 0;
  switch (*from) {
    case '"':
      letter = '"';
      break;
    case '\\':
      letter = '\\';
      break;
    case '\n':
      letter = 'n';
      break;
    case '\r':
      letter = 'r';
      break;
    case '\t':
      letter = 't';
      break;
    case '\f':
      letter = 'f';
      break;
    case '\b':
      letter = 'b';
      break;
    default:
      break;
  }
  if (letter != 0) {
    *to++ = '\\';
    *to++ = letter;
    return {to, 1};
  }
  const code_point c = decode(reinterpret_cast<const unsigned char*>(from), left);
  if (c.value < 0x10000) return {put_unit(to, c.value), c.length};
  const unsigned above = c.value - 0x10000;
  return {put_unit(put_unit(to, 0xd800 | above >> 10), 0xdc00 | (above & 0x3ff)), c.length};
}

}  // namespace

void append_escaped(std::string& out, std::string_view text) {
  constexpr std::size_t slack = 2 * block + longest_escape;
  const char* from = text.data();
  std::size_t left = text.size();
  std::size_t used = out.size();
  while (left != 0) {
    // Room for the rest as if it were plain; escapes that need more get it in a further round.
    out.resize(used + left + 4 * slack);
    char* to = out.data() + used;
    const char* const full = out.data() + out.size() - slack;
    while (left != 0 && to < full) {
      unsigned special = 0;
      if (left >= 2 * block) {
        special = copy_block(to, from);
        const unsigned further = copy_block(to + block, from + block);
        if ((special | further) == 0) [[likely]] {
          // By a constant: the next load then waits for a guess, not for this comparison.
          to += 2 * block;
          from += 2 * block;
          left -= 2 * block;
          continue;
        }
        special |= further << block;
      } else {
        // Zeros behind the end: they are not plain, so the blocks end there.
        char tail[2 * block] = {};
        std::memcpy(tail, from, left);
        special = copy_block(to, tail) | copy_block(to + block, tail + block) << block;
      }
      const auto plain = static_cast<std::size_t>(std::countr_zero(special));
      to += plain;
      from += plain;
      left -= plain;
      if (left != 0) {
        const written_escape escape = put_escape(to, from, left);
        to = escape.to;
        from += escape.consumed;
        left -= escape.consumed;
      }
    }
    used = static_cast<std::size_t>(to - out.data());
  }
  out.resize(used);
}

bool is_plain(std::string_view text) noexcept {
  const char* from = text.data();
  std::size_t left = text.size();
  char copy[block];
  for (; left >= block; from += block, left -= block) {
    if (copy_block(copy, from) != 0) return false;
  }
  for (; left != 0; ++from, --left) {
    const auto c = static_cast<unsigned char>(*from);
    if (c < 0x20 || c >= 0x7f || c == '"' || c == '\\') return false;
  }
  return true;
}

void append_string(std::string& out, std::string_view text) {
  out += '"';
  append_escaped(out, text);
  out += '"';
}

void append_number(std::string& out, double number) {
  if (std::isnan(number)) {
    out += "NaN";
    return;
  }
  if (std::isinf(number)) {
    out += number < 0 ? "-Infinity" : "Infinity";
    return;
  }
  // Shortest digits that read back the same, which is what repr prints; only the layout differs.
  char text[32];
  const auto written =
      std::to_chars(text, text + sizeof text, number, std::chars_format::scientific);
  std::string_view digits{text, static_cast<std::size_t>(written.ptr - text)};
  if (digits.front() == '-') {
    out += '-';
    digits.remove_prefix(1);
  }
  const std::size_t e = digits.find('e');
  int exponent = 0;
  const char* exponent_text = digits.data() + e + 1;
  if (*exponent_text == '+') ++exponent_text;
  std::from_chars(exponent_text, written.ptr, exponent);
  const char first = digits[0];
  const std::string_view rest = e > 2 ? digits.substr(2, e - 2) : std::string_view{};

  if (exponent < -4 || exponent >= 16) {
    out += first;
    if (!rest.empty()) (out += '.').append(rest);
    out += exponent < 0 ? "e-" : "e+";
    const int magnitude = std::abs(exponent);
    if (magnitude < 10) out += '0';
    out += std::to_string(magnitude);
  } else if (exponent < 0) {
    out += "0.";
    out.append(static_cast<std::size_t>(-exponent - 1), '0');
    (out += first).append(rest);
  } else {
    const auto whole = static_cast<std::size_t>(exponent);
    out += first;
    if (rest.size() > whole) {
      out.append(rest.substr(0, whole));
      (out += '.').append(rest.substr(whole));
    } else {
      out.append(rest);
      out.append(whole - rest.size(), '0');
      out += ".0";
    }
  }
}

}  // namespace ombt::wire::json
