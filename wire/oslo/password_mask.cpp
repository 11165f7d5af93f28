// SPDX-License-Identifier: Apache-2.0
// The rule: what the parser would take as a password is masked, and in a URL that it would refuse
// everything that may be (part of) one.
#include "wire/oslo/password_mask.hpp"

#include "wire/oslo/transport_url.hpp"

#include <algorithm>

namespace ombt::wire::oslo {
namespace {

constexpr auto npos = std::string_view::npos;
constexpr std::string_view mask = "***";
constexpr std::size_t longest_shown = 200;

bool is_port(std::string_view text) noexcept {
  return text.find_first_not_of("0123456789") == npos;
}

/// Where a piece of the authority that has no '@' holds something that is no port, behind a ':'.
std::size_t suspicious(std::string_view piece) noexcept {
  std::size_t colon = 0;
  if (!piece.empty() && piece.front() == '[') {
    const std::size_t close = piece.find(']');
    if (close == npos || close + 1 >= piece.size()) return npos;
    colon = close + 1;
    if (piece[colon] != ':') return colon;
  } else {
    colon = piece.find(':');
    if (colon == npos) return npos;
  }
  return is_port(piece.substr(colon + 1)) ? npos : colon + 1;
}

/// Masks values of the secret option behind '?' or '&'.
void append_rest(std::string& out, std::string_view rest) {
  const std::string key = std::string{secret_option} + "=";
  while (!rest.empty()) {
    const std::size_t at = rest.find(key);
    if (at == npos) break;
    const bool whole = at > 0 && (rest[at - 1] == '?' || rest[at - 1] == '&');
    const std::size_t value = at + key.size();
    out += rest.substr(0, value);
    rest.remove_prefix(value);
    if (!whole) continue;
    out += mask;
    rest.remove_prefix(std::min(rest.find('&'), rest.size()));
  }
  out += rest;
}

/// What follows "://" up to the end of the URL, or to another "://" in place of a port. Returns
/// what follows that; empty: nothing.
std::string_view append_hosts(std::string& out, std::string_view url) {
  std::string_view authority = url.substr(0, url.find_first_of("/?#"));
  std::string_view rest = url.substr(authority.size());
  const bool another = authority.ends_with(':') && rest.starts_with("//");
  bool open = false;  // a password seems to go on
  while (!authority.empty()) {
    const std::size_t comma = authority.find(',');
    const std::string_view piece = authority.substr(0, comma);
    const std::size_t at = piece.rfind('@');
    if (open) {
      // Still the password of an earlier piece, up to its '@'.
      if (at != npos) {
        out += piece.substr(at);
        open = false;
      }
    } else if (at != npos) {
      const std::size_t colon = piece.substr(0, at).find(':');
      if (colon == npos) {
        out += piece;
      } else {
        out += piece.substr(0, colon + 1);
        out += mask;
        out += piece.substr(at);
      }
    } else if (const std::size_t from = suspicious(piece); from != npos) {
      out += piece.substr(0, from);
      out += mask;
      open = true;
    } else {
      out += piece;
    }
    if (comma == npos) break;
    if (!open) out += ',';
    authority.remove_prefix(comma + 1);
  }
  if (open) {
    const std::size_t at = rest.rfind('@');
    if (at != npos) rest.remove_prefix(at);
  }
  if (another && !open) {
    out += rest.substr(0, 2);
    return rest.substr(2);
  }
  append_rest(out, rest);
  return {};
}

/// What follows "://" up to the end of the URL.
void append_masked(std::string& out, std::string_view url) {
  while (!url.empty()) url = append_hosts(out, url);
}

/// Where a URL ends in running text, counted from behind its "://": at a space or quote. But a
/// quote can be part of a login, so one that an '@' follows before any '/' is none.
std::size_t url_end(std::string_view text) noexcept {
  constexpr std::string_view space = " \t\r\n";
  constexpr std::string_view space_or_quote = " \t\r\n\"'`<>";
  const std::size_t end = std::min(text.find_first_of(space_or_quote), text.size());
  if (end == text.size() || text.substr(0, end).find_first_of("/?#") != npos) return end;
  const std::string_view login =
      text.substr(0, std::min({text.find_first_of(space), text.find_first_of("/?#"), text.size()}));
  const std::size_t at = login.rfind('@');
  if (at == npos || at < end) return end;
  return std::min(text.find_first_of(space_or_quote, at), text.size());
}

}  // namespace

std::string printable(std::string_view text) {
  constexpr char digits[] = "0123456789abcdef";
  std::string out;
  for (const char c : text) {
    if (out.size() >= longest_shown) return out + "...";
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x20 && byte != 0x7f) {
      out += c;
    } else {
      out += "\\x";
      out += digits[byte >> 4];
      out += digits[byte & 0xf];
    }
  }
  return out;
}

std::string mask_url(std::string_view text) {
  std::string out;
  if (const std::size_t separator = text.find("://"); separator != npos) {
    out = text.substr(0, separator + 3);
    append_masked(out, text.substr(separator + 3));
  } else if (const std::size_t at = text.rfind('@'); at != npos) {
    const std::size_t colon = text.substr(0, at).find(':');
    out = text.substr(0, colon == npos ? 0 : colon + 1);
    out += mask;
    out += text.substr(at);
  } else {
    out = text;
  }
  return printable(out);
}

std::string mask_passwords(std::string_view text) {
  std::string out;
  while (true) {
    const std::size_t separator = text.find("://");
    if (separator == npos) break;
    out += text.substr(0, separator + 3);
    text.remove_prefix(separator + 3);
    const std::size_t end = url_end(text);
    append_masked(out, text.substr(0, end));
    text.remove_prefix(end);
  }
  out += text;
  return out;
}

}  // namespace ombt::wire::oslo
