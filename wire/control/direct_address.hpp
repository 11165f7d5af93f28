// SPDX-License-Identifier: Apache-2.0
#pragma once
// Where control goes and where agents are: the values of --control, and lists of hosts
// (docs/direct.md, "Addresses"). Reading only: nothing is resolved, opened or connected. No state,
// any thread.

#include "wire/control/direct.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace ombt::wire::control {

/// Longest path of a Unix socket, bytes: what sockaddr_un has room for, and a zero behind it.
inline constexpr std::size_t socket_path_limit = 107;
/// Most hosts of a list, repeats not counted.
inline constexpr std::size_t hosts_limit = 100'000;

/// Agents behind a TCP port.
struct tcp_place {
  std::string host;  ///< a name or an address, IPv6 without brackets; empty: all of this machine
  std::uint16_t port = direct_port;

  friend bool operator==(const tcp_place&, const tcp_place&) = default;
};
/// "h1:5700", "[::1]:5800", ":5700".
std::string in_words(const tcp_place& place);

/// Agents behind a Unix socket.
struct socket_place {
  std::string path;  ///< absolute

  friend bool operator==(const socket_place&, const socket_place&) = default;
};

/// Control goes over the bus under test, as ombt's does.
struct same_bus {
  friend bool operator==(const same_bus&, const same_bus&) = default;
};

/// Control goes over another bus.
struct control_bus {
  std::string url;  ///< has a scheme; what else is wrong with it shows where it is parsed

  friend bool operator==(const control_bus&, const control_bus&) = default;
};

using control_address = std::variant<tcp_place, socket_place, same_bus, control_bus>;

/// Reads tcp://[HOST][:PORT], one of which must be there, unix:/PATH, "bus", or a URL. `what`
/// begins an error's text: the option or variable that the address is of. Throws
/// configuration_error.
control_address parse_control_address(std::string_view text, std::string_view what = "--control");

/// Reads HOST[:PORT] by HOST[:PORT], separated by commas, without repeats, in order: the value of
/// --hosts. IPv6 addresses are in brackets. Throws configuration_error, also where there is none or
/// are more than hosts_limit; `what` begins its text.
std::vector<tcp_place> parse_host_list(std::string_view text, std::string_view what = "--hosts");

/// The same of a file's text, one a line, as batch systems write them: repeats, empty lines, blanks
/// around and comments from '#' on are allowed. Errors name the line.
std::vector<tcp_place> parse_hosts_file(std::string_view text, std::string_view what);

}  // namespace ombt::wire::control
