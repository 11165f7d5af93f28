// SPDX-License-Identifier: Apache-2.0
#pragma once
// Who may log in, from a file. Passwords are kept in memory as they are. One thread, read once.

#include <map>
#include <string>
#include <string_view>

namespace ombt::tools::router {

class users {
 public:
  /// Reads lines "user password"; empty ones and those that begin with # are skipped. A password
  /// is the rest of its line, spaces included. Throws configuration_error: a file that cannot be
  /// read, a line without a password, with a control character or above 4,096 bytes, a user twice,
  /// nobody at all.
  static users read(const std::string& file);

  /// Takes as long for a wrong password as for the right one.
  bool may_log_in(std::string_view user, std::string_view password) const noexcept;

 private:
  std::map<std::string, std::string, std::less<>> passwords_;
};

}  // namespace ombt::tools::router
