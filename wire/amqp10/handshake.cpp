// SPDX-License-Identifier: Apache-2.0
#include "wire/amqp10/handshake.hpp"

#include <algorithm>
#include <cstring>

namespace ombt::wire::amqp10 {
namespace {

/// True when one of text and input begins like the other.
bool may_be(std::string_view input, std::string_view text) noexcept {
  const std::size_t n = std::min(input.size(), text.size());
  return input.substr(0, n) == text.substr(0, n);
}

std::string hex(std::string_view bytes) {
  constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (const char c : bytes) {
    const auto value = static_cast<unsigned char>(c);
    if (!text.empty()) text += ' ';
    text += digits[value >> 4];
    text += digits[value & 15];
  }
  return text;
}

/// Words for a header "AMQP" and four bytes that is none of ours.
std::string describe_amqp(std::string_view header) {
  const std::string_view version = header.substr(4);
  if (version == std::string_view("\0\0\x09\x01", 4)) {
    return "the peer speaks AMQP 0-9-1, not AMQP 1.0";
  }
  if (version == std::string_view("\2\1\0\0", 4)) {
    return "the peer speaks AMQP 1.0 with TLS inside; that is not supported";
  }
  if (version[0] == 1 && version[1] == 1) {
    const int major = static_cast<unsigned char>(version[2]);
    const int minor = static_cast<unsigned char>(version[3]);
    if (major == 8) return "the peer speaks AMQP 0-8, not AMQP 1.0";
    return "the peer speaks AMQP " + std::to_string(major) + "-" + std::to_string(minor) +
           ", not AMQP 1.0";
  }
  return "the peer speaks another version of AMQP (header " + hex(version) + "), not AMQP 1.0";
}

bool is_request_line(std::string_view input, bool& undecided) noexcept {
  for (const std::string_view method : {"GET ", "POST ", "HEAD ", "PUT ", "OPTIONS ", "CONNECT "}) {
    if (!may_be(input, method)) continue;
    undecided = input.size() < method.size();
    return true;
  }
  return false;
}

}  // namespace

greeting judge_greeting(std::string_view input, std::string& words) {
  if (input.empty()) return greeting::undecided;
  if (may_be(input, "AMQP")) {
    if (input.size() < 8) return greeting::undecided;
    const std::string_view header = input.substr(0, 8);
    if (header == amqp_header) return greeting::amqp;
    if (header == sasl_header) return greeting::sasl;
    words = describe_amqp(header);
    return greeting::foreign;
  }
  bool undecided = false;
  if (may_be(input, "HTTP/") || is_request_line(input, undecided)) {
    if (undecided || (input[0] == 'H' && input.size() < 5)) return greeting::undecided;
    words = "the peer speaks HTTP, not AMQP 1.0";
    return greeting::foreign;
  }
  const auto first = static_cast<unsigned char>(input[0]);
  if (first == 0x15 || first == 0x16) {
    if (input.size() < 2) return greeting::undecided;
    if (input[1] == 3) {
      words = "the peer speaks TLS on a connection that is plain on this side";
      return greeting::foreign;
    }
  }
  words = "the peer does not speak AMQP 1.0 (its first bytes are " +
          hex(input.substr(0, std::min<std::size_t>(input.size(), 8))) + ")";
  return greeting::foreign;
}

bool has_name(std::string_view list, std::string_view name) noexcept {
  while (!list.empty()) {
    const std::string_view one = list.substr(0, list.find(' '));
    if (one == name) return !name.empty();
    list.remove_prefix(std::min(one.size() + 1, list.size()));
  }
  return false;
}

std::string printable(std::string_view text) {
  constexpr std::size_t most = 200;
  std::string out(text.substr(0, most));
  std::replace_if(
      out.begin(), out.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  if (text.size() > most) out += "...";
  return out;
}

void wipe(std::string& secret) noexcept {
  secret.resize(secret.capacity());
  explicit_bzero(secret.data(), secret.size());
  secret.clear();
}

login::~login() {
  wipe(user);
  wipe(password);
}

std::string_view choose_mechanism(std::string& out, const login& with, std::string_view offered) {
  const auto both = [&](std::string_view name) {
    return has_name(with.mechanisms, name) && has_name(offered, name);
  };
  if (with.encrypted && both("EXTERNAL")) {
    // The certificate's own identity: a user of the URL is not asked for, as with Cyrus SASL.
    append_init(out, "EXTERNAL", {});
    return "EXTERNAL";
  }
  if (!with.user.empty() && both("PLAIN")) {
    std::string response;
    response.reserve(with.user.size() + with.password.size() + 2);
    response += '\0';
    response += with.user;
    response += '\0';
    response += with.password;
    append_init(out, "PLAIN", response);
    wipe(response);
    return "PLAIN";
  }
  if (both("ANONYMOUS")) {
    append_init(out, "ANONYMOUS", with.user.empty() ? "anonymous" : with.user);
    return "ANONYMOUS";
  }
  return {};
}

bool judge_init(const connection_options& options, const login& with, std::string_view mechanism,
                std::string_view response, std::string& user) {
  if (!has_name(options.mechanisms, mechanism)) return false;
  if (mechanism == "ANONYMOUS") {
    user.clear();
    return true;
  }
  if (mechanism == "EXTERNAL") {
    // The response is the identity that is asked for: its own, or none said.
    if (with.external_user.empty() || (!response.empty() && response != with.external_user)) {
      return false;
    }
    user = with.external_user;
    return true;
  }
  if (mechanism != "PLAIN" || !options.check_password) return false;
  const std::size_t first = response.find('\0');
  if (first == std::string_view::npos) return false;
  const std::size_t second = response.find('\0', first + 1);
  if (second == std::string_view::npos) return false;
  const std::string_view as = response.substr(0, first);
  const std::string_view name = response.substr(first + 1, second - first - 1);
  const std::string_view password = response.substr(second + 1);
  if (name.empty() || (!as.empty() && as != name)) return false;
  if (!options.check_password(name, password)) return false;
  user = name;
  return true;
}

}  // namespace ombt::wire::amqp10
