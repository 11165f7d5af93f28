// SPDX-License-Identifier: Apache-2.0
#pragma once
// What others say, made fit to be shown: passwords masked in texts that may not be transport URLs
// after all (mask_passwords of transport_url.hpp: in any text), and on one printable line.

#include <string>
#include <string_view>

namespace ombt::wire::oslo {

/// The one option whose value is a password.
inline constexpr std::string_view secret_option = "ssl_key_password";

/// A text that should be one URL, whole, with passwords masked, printable and cut to one short
/// line.
std::string mask_url(std::string_view text);

/// The text on one line: other than printable bytes as \xNN, cut after 200 characters.
std::string printable(std::string_view text);

}  // namespace ombt::wire::oslo
