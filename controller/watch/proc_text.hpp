// SPDX-License-Identifier: Apache-2.0
#pragma once
// The texts of /proc that say who listens on a port and what a process uses: text in, figures out.
// Owns no file. What does not look as proc(5) says is passed over, never believed. Pure functions,
// any thread.

#include "drivers/local_host.hpp"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ombt::controller {

/// A line of /proc/net/tcp or tcp6: a socket and its own end of a connection.
struct socket_row {
  drivers::ip_address address{};
  std::uint16_t port = 0;
  std::uint8_t state = 0;  ///< as in include/net/tcp_states.h
  std::uint32_t uid = 0;
  std::uint64_t inode = 0;
};
inline constexpr std::uint8_t tcp_established = 0x01;
inline constexpr std::uint8_t tcp_listen = 0x0a;

/// Reads one line, without its newline; none for the heading and for what is no such line.
std::optional<socket_row> read_socket_row(std::string_view line);

/// Cuts a table that comes in pieces into lines, so that never more than one is held.
class socket_table {
 public:
  /// take(socket_row) for every line that ends in this piece.
  template <class Take>
  void feed(std::string_view piece, Take take) {
    for (;;) {
      const std::size_t end = piece.find('\n');
      if (end == std::string_view::npos) break;
      const std::string_view rest = piece.substr(0, end);
      if (held_.empty()) {
        if (const auto row = read_socket_row(rest)) take(*row);
      } else {
        hold(rest);
        if (const auto row = read_socket_row(held_)) take(*row);
        held_.clear();
      }
      piece.remove_prefix(end + 1);
    }
    hold(piece);
  }

 private:
  static constexpr std::size_t longest_line = 1024;
  void hold(std::string_view text) {
    held_ += text.substr(0, longest_line - std::min(longest_line, held_.size()));
  }

  std::string held_;  ///< the beginning of a line
};

/// What /proc/PID/stat says.
struct process_stat {
  std::string command;            ///< at most 64 bytes; anything but printable ASCII as '?'
  std::uint64_t cpu_ticks = 0;    ///< user and system, all threads
  std::uint64_t start_ticks = 0;  ///< since boot: tells a process from a later one of the same id
  std::uint64_t rss_pages = 0;
  bool ended = false;  ///< only its parent has not asked how yet
};
std::optional<process_stat> read_process_stat(std::string_view text);

/// The inode in a descriptor's link "socket:[4711]".
std::optional<std::uint64_t> socket_inode(std::string_view link);

}  // namespace ombt::controller
