// SPDX-License-Identifier: Apache-2.0
#pragma once
// Which addresses of this machine a host name of a bus means. Owns nothing; asks the resolver and
// the interfaces. Any thread.

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace ombt::drivers {

/// An IP address in network order; IPv4 as ::ffff:a.b.c.d.
using ip_address = std::array<std::uint8_t, 16>;

/// The addresses that `host`, a name or an address without brackets, resolves to and that are this
/// machine's; all of 127.0.0.0/8 is. Empty: none is, or the name is unknown. Blocks as long as the
/// resolver does.
std::vector<ip_address> local_addresses_of(const std::string& host);

}  // namespace ombt::drivers
