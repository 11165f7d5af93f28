// SPDX-License-Identifier: Apache-2.0
#pragma once
// Which buses standby agents may be assigned to: their process's own, and what --allow-url says
// beside it. Pure functions.

#include "wire/oslo/transport_url.hpp"

#include "drivers/transport.hpp"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace ombt::agents {

/// Whether a text is as a pattern says: * stands for any characters, ? for one. All else, brackets
/// too, stands for itself.
bool matches(std::string_view pattern, std::string_view text) noexcept;

/// Whether these are the same bus: scheme, virtual host, and hosts with their ports in any order.
bool same_bus(const wire::oslo::transport_url& a, const wire::oslo::transport_url& b);

/// Why agents must not be assigned to that bus, one line, passwords masked; empty: they may. It is
/// the own one, without options in its query or with the same, or each host of it, with the rest of
/// the URL but without user and password, is as a pattern says: "rabbit://h:5672/vhost?ssl=1".
std::string bus_refusal(const wire::oslo::transport_url& asked,
                        const wire::oslo::transport_url& own,
                        const std::vector<std::string>& allowed);

/// What agents need to be on that bus. The own one keeps its options, and its login where `url` has
/// none; another is what `url` and the file say. Throws configuration_error: that and
/// bus_refusal's.
std::shared_ptr<const drivers::transport_settings> settings_on(
    const std::string& url, const std::shared_ptr<const drivers::transport_settings>& own,
    const wire::oslo::options_file& file, const std::vector<std::string>& allowed);

}  // namespace ombt::agents
