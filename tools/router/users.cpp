// SPDX-License-Identifier: Apache-2.0
#include "tools/router/users.hpp"

#include "wire/configuration_error.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>

namespace ombt::tools::router {
namespace {

constexpr std::size_t line_limit = 4096;

/// Reads a line into `line`, without its end; false at the end of the file. Judges byte by byte, so
/// that what has no lines (a program, /dev/zero) is not read to its end. `wrong` throws.
template <class Wrong>
bool next_line(std::istream& in, std::string& line, const Wrong& wrong) {
  line.clear();
  for (char c = 0; in.get(c);) {
    const bool carriage_return = c == '\r' && in.peek() == '\n';
    if (carriage_return) continue;
    if (c == '\n') return true;
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) wrong("a control character");
    if (line.size() == line_limit) wrong("above 4096 bytes");
    line.push_back(c);
  }
  return !line.empty();
}

}  // namespace

users users::read(const std::string& file) {
  const std::string name = "users file '" + file + "'";
  std::ifstream in(file);
  if (!in) throw configuration_error(name + ": " + std::strerror(errno));
  users all;
  std::string line;
  int number = 1;
  const auto wrong = [&](const char* what) {
    throw configuration_error(name + ", line " + std::to_string(number) + ": " + what);
  };
  for (; next_line(in, line, wrong); ++number) {
    if (line.empty() || line.front() == '#') continue;
    const std::size_t gap = line.find(' ');
    if (gap == 0 || gap == std::string::npos || gap + 1 == line.size()) {
      wrong("not a user, a space and a password");
    }
    if (!all.passwords_.emplace(line.substr(0, gap), line.substr(gap + 1)).second) {
      wrong("this user is there already");
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
