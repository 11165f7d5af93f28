// SPDX-License-Identifier: Apache-2.0
#include "tools/router/users.hpp"

#include "wire/configuration_error.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>

namespace ombt::tools::router {

users users::read(const std::string& file) {
  const std::string name = "users file '" + file + "'";
  std::ifstream in(file);
  if (!in) throw configuration_error(name + ": " + std::strerror(errno));
  users all;
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (line.empty() || line.front() == '#') continue;
    const std::size_t gap = line.find(' ');
    if (gap == 0 || gap == std::string::npos || gap + 1 == line.size()) {
      throw configuration_error(name + ", line " + std::to_string(number) +
                                ": not a user, a space and a password");
    }
    if (!all.passwords_.emplace(line.substr(0, gap), line.substr(gap + 1)).second) {
      throw configuration_error(name + ", line " + std::to_string(number) +
                                ": this user is there already");
    }
  }
  if (in.bad()) throw configuration_error(name + ": it cannot be read");
  if (all.passwords_.empty()) throw configuration_error(name + ": nobody is in it");
  return all;
}

bool users::may_log_in(std::string_view user, std::string_view password) const noexcept {
  const auto found = passwords_.find(user);
  const std::string_view right = found != passwords_.end() ? found->second : std::string_view();
  unsigned difference = right.size() == password.size() ? 0 : 1;
  for (std::size_t i = 0; i < password.size(); ++i) {
    const char other = right.empty() ? '\0' : right[i % right.size()];
    difference |= static_cast<unsigned char>(password[i] ^ other);
  }
  return found != passwords_.end() && difference == 0;
}

}  // namespace ombt::tools::router
