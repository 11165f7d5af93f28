// SPDX-License-Identifier: Apache-2.0
#include "controller/watch/proc_text.hpp"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace ombt::controller {
namespace {

template <class Number>
bool read_number(std::string_view text, Number& out, int base = 10) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out, base);
  return error == std::errc{} && end == text.data() + text.size() && !text.empty();
}

/// The next word, and the text behind it; empty at the end.
std::string_view next_word(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  const std::string_view word = text.substr(0, text.find(' '));
  text.remove_prefix(word.size());
  return word;
}

/// "0100007F:1F90": words of 32 bits as the machine's own numbers, each of network order.
bool read_address(std::string_view text, socket_row& out) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos || !read_number(text.substr(colon + 1), out.port, 16)) {
    return false;
  }
  const std::size_t words = colon / 8;
  if (colon != 8 && colon != 32) return false;
  out.address = {};
  if (words == 1) out.address[10] = out.address[11] = 0xff;
  for (std::size_t i = 0; i < words; ++i) {
    std::uint32_t word = 0;
    if (!read_number(text.substr(i * 8, 8), word, 16)) return false;
    std::memcpy(&out.address[16 - 4 * words + 4 * i], &word, sizeof word);
  }
  return true;
}

}  // namespace

std::optional<socket_row> read_socket_row(std::string_view line) {
  socket_row out;
  next_word(line);  // "17:"
  if (!read_address(next_word(line), out)) return {};
  next_word(line);  // the other end
  const std::string_view state = next_word(line);
  if (state.size() != 2 || !read_number(state, out.state, 16)) return {};
  // What follows costs as much again; of a connection nobody asks for it.
  if (out.state != tcp_listen) return out;
  for (int i = 0; i < 3; ++i) next_word(line);  // queues, timer, retransmissions
  if (!read_number(next_word(line), out.uid)) return {};
  next_word(line);
  if (!read_number(next_word(line), out.inode)) return {};
  return out;
}

std::optional<process_stat> read_process_stat(std::string_view text) {
  // The command may hold anything, also blanks and parentheses; nothing behind it does.
  const std::size_t open = text.find('(');
  const std::size_t close = text.rfind(')');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) return {};
  process_stat out;
  out.command = text.substr(open + 1, std::min<std::size_t>(close - open - 1, 64));
  for (char& c : out.command) {
    if (c < 0x20 || c > 0x7e) c = '?';
  }
  text = text.substr(close + 1);
  while (text.ends_with('\n')) text.remove_suffix(1);
  std::uint64_t user = 0;
  std::uint64_t system = 0;
  // One field more than is used: the last one of a text that was cut is not whole.
  for (int field = 3; field <= 25; ++field) {
    const std::string_view word = next_word(text);
    if (word.empty()) return {};
    bool good = true;
    if (field == 3) out.ended = word == "Z" || word == "X";
    if (field == 14) good = read_number(word, user);
    if (field == 15) good = read_number(word, system);
    if (field == 22) good = read_number(word, out.start_ticks);
    if (field == 24) good = read_number(word, out.rss_pages);
    if (!good) return {};
  }
  out.cpu_ticks = user + system;
  return out;
}

std::optional<std::uint64_t> socket_inode(std::string_view link) {
  constexpr std::string_view before = "socket:[";
  std::uint64_t inode = 0;
  if (!link.starts_with(before) || !link.ends_with(']')) return {};
  link.remove_prefix(before.size());
  link.remove_suffix(1);
  if (!read_number(link, inode)) return {};
  return inode;
}

}  // namespace ombt::controller
