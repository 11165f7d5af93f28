// SPDX-License-Identifier: Apache-2.0
#pragma once
// The local ports that this machine has for connections it begins: how many, and which of them no
// further connection to a peer can have. Linux gives one port to connections to several peers, so
// only those to the same one count, and those that somebody listens on. No state, any thread.
// Source: ip(7) and the kernel's ip-sysctl (ip_local_port_range, ip_local_reserved_ports); proc(5),
// /proc/net/tcp.

#include "drivers/local_host.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ombt::drivers {

/// What the kernel chooses from.
struct port_range {
  std::uint16_t first = 32768;
  std::uint16_t last = 60999;
  std::vector<bool> reserved = {};  ///< of each from `first` on; empty: none is

  std::size_t size() const noexcept;
  bool has(std::uint16_t port) const noexcept;
  /// "32768 60999", as the two files have it.
  std::string text() const;
};

/// Reads "first last" and "8080,9000-9010"; the kernel's usual range for what cannot be read.
port_range read_port_range(std::string_view range, std::string_view reserved);
/// This machine's, or rather this network namespace's.
port_range local_port_range();

/// One end of a connection.
struct ip_endpoint {
  ip_address address{};
  std::uint16_t port = 0;
};

/// Ports of the range that a connection from `from` (none: any address) to one of `peers` cannot
/// have. `table` is the text of /proc/net/tcp or tcp6; what it has no sockets in counts nothing.
std::size_t ports_in_use(std::string_view table, const port_range& range,
                         const std::vector<ip_endpoint>& peers,
                         const std::optional<ip_address>& from);
/// The same of this machine, of a host that is resolved; blocks as long as that takes.
std::size_t ports_in_use_now(const port_range& range, const std::string& host, std::uint16_t port,
                             const std::optional<ip_address>& from);

/// An address as text has it; none for any other text.
std::optional<ip_address> read_address(const std::string& text);
/// What is wrong with an address to connect from, in words: it is none, or not this machine's.
/// Empty: nothing.
std::string trouble_with_local_address(const std::string& text);

}  // namespace ombt::drivers
