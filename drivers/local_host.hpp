// SPDX-License-Identifier: Apache-2.0
#pragma once
// This machine: its name, its boot, and which of its addresses a host name of a bus means. Owns
// nothing; asks the kernel, the resolver and the interfaces. Any thread.

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace ombt::drivers {

/// As gethostname has it, else "localhost".
std::string host_name();
/// /proc/sys/kernel/random/boot_id, read once; empty where there is none. Two processes share a
/// CLOCK_MONOTONIC where it is the same, which a host name can't tell.
const std::string& boot_id();

/// An IP address in network order; IPv4 as ::ffff:a.b.c.d.
using ip_address = std::array<std::uint8_t, 16>;

/// The addresses that `host`, a name or an address without brackets, resolves to and that are this
/// machine's; all of 127.0.0.0/8 is. Empty: none is, or the name is unknown. Blocks as long as the
/// resolver does.
std::vector<ip_address> local_addresses_of(const std::string& host);

}  // namespace ombt::drivers
