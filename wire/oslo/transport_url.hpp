// SPDX-License-Identifier: Apache-2.0
#pragma once
// Transport URLs of oslo.messaging: transport://[user:pass@]host:port[,…]/virtual_host?query.
// Owns their syntax and the masking of passwords; which options there are is options.hpp's.
// Source: oslo_messaging/transport.py (TransportURL.parse), impl_rabbit.py and kombu for defaults.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ombt::wire::oslo {

enum class driver_kind { rabbit, amqp10 };

/// One host of a transport URL; IPv6 without brackets.
struct host_address {
  std::string host = "localhost";
  std::uint16_t port = 5672;
  /// User and password, percent-decoded. Each that is missing or empty is "guest" for rabbit, as
  /// kombu has it, and empty for AMQP 1.0.
  std::string user;
  std::string password;
  /// The URL names a user or a password for this host.
  bool login_given = false;
};

/// A parsed transport URL. hosts is never empty.
struct transport_url {
  driver_kind driver = driver_kind::rabbit;
  std::vector<host_address> hosts;
  /// As written after the first '/', percent-decoded; absent (also if empty) means the driver's
  /// default.
  std::optional<std::string> virtual_host;
  /// Query options in order, repeated keys joined with ','; percent-decoded, names unchecked here.
  /// A value may be empty: Python ignores such an option.
  std::vector<std::pair<std::string, std::string>> options;

  /// Throws configuration_error naming the part that is wrong (password masked).
  static transport_url parse(std::string_view text);
  /// The URL with every password (also ssl_key_password) as ***, fit for output. A login that the
  /// URL did not name is left out.
  std::string masked() const;
};

/// Any text that may hold transport URLs, with each password in them replaced by ***. In a URL that
/// cannot be read, for instance with a bare '/' or ',' in the password, rather too much is masked.
std::string mask_passwords(std::string_view text);

}  // namespace ombt::wire::oslo
