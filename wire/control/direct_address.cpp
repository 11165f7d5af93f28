// SPDX-License-Identifier: Apache-2.0
#include "wire/control/direct_address.hpp"

#include "wire/configuration_error.hpp"
#include "wire/control/field_reader.hpp"

#include <algorithm>
#include <charconv>
#include <unordered_set>

namespace ombt::wire::control {
namespace {

constexpr std::string_view blanks = " \t\r";
constexpr std::string_view tcp_scheme = "tcp://";
constexpr std::string_view unix_scheme = "unix:";
/// Longest name of a host, bytes (RFC 1035 has 253 without the last dot).
constexpr std::size_t host_limit = 255;

// What is wrong is not repeated: it may be a URL with a password, or be anything else.
[[noreturn]] void unusable(std::string_view what, std::string_view why) {
  throw configuration_error(std::string{what}.append(": ").append(why));
}

bool is_alphanumeric(char c) noexcept {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/// Whether it has nothing but letters, digits and those further ones.
bool consists_of(std::string_view text, std::string_view further) noexcept {
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return is_alphanumeric(c) || further.find(c) != std::string_view::npos;
  });
}

std::string_view trimmed(std::string_view text) noexcept {
  const auto first = text.find_first_not_of(blanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(blanks) - first + 1);
}

/// Takes what is before the separator off the text, or all.
std::string_view take_until(std::string_view& text, char separator) noexcept {
  const std::string_view part = text.substr(0, text.find(separator));
  text.remove_prefix(std::min(part.size() + 1, text.size()));
  return part;
}

/// Reads [HOST][:PORT]. Null, or what is wrong.
const char* read_tcp_place(std::string_view text, tcp_place& out) {
  std::string_view host;
  std::string_view rest;
  if (text.starts_with('[')) {
    const auto close = text.find(']');
    if (close == std::string_view::npos) return "a bracket is not closed";
    host = text.substr(1, close - 1);
    rest = text.substr(close + 1);
    // Behind a '%' may be an interface.
    if (host.find(':') == std::string_view::npos || !consists_of(host, ":.%-_")) {
      return "in brackets there is no IPv6 address";
    }
  } else {
    host = text.substr(0, text.find(':'));
    rest = text.substr(host.size());
    if (host.find('[') != std::string_view::npos) {
      return "several hosts in one word; 'scontrol show hostnames' makes a list of them";
    }
    if (!consists_of(host, "-._")) return "a character that no host's name has";
    if (rest.find(':', 1) != std::string_view::npos) {
      return "an IPv6 address is to be in brackets, like [::1]:5700";
    }
  }
  if (host.size() > host_limit) return "a host's name is longer than 255 bytes";
  out.host = host;
  out.port = direct_port;
  if (rest.empty()) return nullptr;
  const char* const end = rest.data() + rest.size();
  const auto [behind, error] = std::from_chars(rest.data() + 1, end, out.port);
  if (rest.front() != ':' || error != std::errc{} || behind != end || out.port == 0) {
    return "a port is no number from 1 to 65535";
  }
  return nullptr;
}

/// Gathers places without repeats.
class host_collector {
 public:
  explicit host_collector(std::string_view what) : what_{what} {}

  /// `where` and `number` are of the word: "line", 3.
  void add(std::string_view word, std::string_view where, std::size_t number) {
    tcp_place place;
    const char* wrong = read_tcp_place(word, place);
    if (wrong == nullptr && place.host.empty()) wrong = "the host is missing";
    if (wrong != nullptr) {
      unusable(std::string{what_}.append(", ").append(where).append(" ") + std::to_string(number),
               wrong);
    }
    std::string known = in_words(place);
    for (char& c : known) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    if (!known_.insert(std::move(known)).second) return;
    if (places_.size() == hosts_limit) unusable(what_, "more than 100000 hosts");
    places_.push_back(std::move(place));
  }

  std::vector<tcp_place> take() {
    if (places_.empty()) unusable(what_, "no host is named");
    return std::move(places_);
  }

 private:
  std::string_view what_;
  std::unordered_set<std::string> known_;  ///< in lower case, with port
  std::vector<tcp_place> places_;
};

}  // namespace

std::string in_words(const tcp_place& place) {
  const bool bare = place.host.find(':') == std::string::npos;
  return (bare ? place.host : "[" + place.host + "]") + ":" + std::to_string(place.port);
}

control_address parse_control_address(std::string_view text, std::string_view what) {
  if (text == "bus") return same_bus{};
  if (text.starts_with(tcp_scheme)) {
    text.remove_prefix(tcp_scheme.size());
    tcp_place place;
    if (text.empty()) unusable(what, "neither a host nor a port is named");
    if (const char* wrong = read_tcp_place(text, place)) unusable(what, wrong);
    return place;
  }
  if (text.starts_with(unix_scheme)) {
    text.remove_prefix(unix_scheme.size());
    if (!text.starts_with('/')) unusable(what, "a socket's path is to begin with /");
    if (!is_printable(text)) unusable(what, "a socket's path has control characters");
    if (text.size() > socket_path_limit) {
      unusable(what, "a socket's path is longer than " + std::to_string(socket_path_limit) +
                         " bytes, for which the system has no room");
    }
    return socket_place{std::string{text}};
  }
  if (const auto scheme = text.find("://"); scheme == 0 || scheme == std::string_view::npos) {
    unusable(what, "expected bus, unix:/PATH, the URL of a bus, or tcp://HOST");
  }
  return control_bus{std::string{text}};
}

std::vector<tcp_place> parse_host_list(std::string_view text, std::string_view what) {
  host_collector hosts{what};
  std::size_t number = 0;
  // A comma at the end stands before a host that is missing.
  for (bool more = true; more;) {
    more = text.find(',') != std::string_view::npos;
    hosts.add(trimmed(take_until(text, ',')), "host", ++number);
  }
  return hosts.take();
}

std::vector<tcp_place> parse_hosts_file(std::string_view text, std::string_view what) {
  host_collector hosts{what};
  for (std::size_t number = 1; !text.empty(); ++number) {
    std::string_view line = take_until(text, '\n');
    line = trimmed(take_until(line, '#'));
    if (!line.empty()) hosts.add(line, "line", number);
  }
  return hosts.take();
}

}  // namespace ombt::wire::control
