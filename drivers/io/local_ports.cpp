// SPDX-License-Identifier: Apache-2.0
#include "drivers/local_ports.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <fstream>
#include <netdb.h>
#include <netinet/in.h>
#include <sstream>
#include <sys/socket.h>
#include <unistd.h>

namespace ombt::drivers {
namespace {

constexpr std::string_view listening_state = "0A";

std::string text_of_file(const char* path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

/// Takes the next word.
std::string_view next_word(std::string_view& line) {
  line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
  const std::size_t end = std::min(line.find_first_of(" \t\n"), line.size());
  const std::string_view taken = line.substr(0, end);
  line.remove_prefix(end);
  return taken;
}

template <class Number>
bool read_number(std::string_view text, int base, Number& out) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out, base);
  return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

/// "0100007F:1F90": each word of an address is in the machine's own order.
std::optional<ip_endpoint> read_endpoint(std::string_view text) {
  ip_endpoint out;
  const std::size_t colon = text.find(':');
  if ((colon != 8 && colon != 32) || !read_number(text.substr(colon + 1), 16, out.port)) return {};
  std::size_t at = 0;
  if (colon == 8) {
    out.address[10] = out.address[11] = 0xff;
    at = 12;
  }
  for (std::size_t i = 0; i < colon; i += 8, at += 4) {
    std::uint32_t part = 0;
    if (!read_number(text.substr(i, 8), 16, part)) return {};
    std::memcpy(&out.address[at], &part, sizeof part);
  }
  return out;
}

bool is_any(const ip_address& a) {
  constexpr std::array<std::uint8_t, 10> none{};
  return std::equal(none.begin(), none.end(), a.begin()) && a[10] == a[11] &&
         std::equal(none.begin(), none.begin() + 4, a.begin() + 12);
}

ip_address version_4(const in_addr& from) {
  ip_address out{};
  out[10] = out[11] = 0xff;
  std::memcpy(&out[12], &from, sizeof from);
  return out;
}

ip_address version_6(const in6_addr& from) {
  ip_address out{};
  std::memcpy(out.data(), &from, sizeof from);
  return out;
}

}  // namespace

std::size_t port_range::size() const noexcept {
  return static_cast<std::size_t>(last - first) + 1 -
         static_cast<std::size_t>(std::count(reserved.begin(), reserved.end(), true));
}

bool port_range::has(std::uint16_t port) const noexcept {
  if (port < first || port > last) return false;
  return reserved.empty() || !reserved[static_cast<std::size_t>(port - first)];
}

std::string port_range::text() const { return std::to_string(first) + ' ' + std::to_string(last); }

port_range read_port_range(std::string_view range, std::string_view reserved) {
  port_range out;
  std::uint16_t first = 0;
  std::uint16_t last = 0;
  const bool has_first = read_number(next_word(range), 10, first);
  if (has_first && read_number(next_word(range), 10, last) && first <= last) {
    out.first = first;
    out.last = last;
  }
  reserved = next_word(reserved);
  while (!reserved.empty()) {
    const std::string_view part = reserved.substr(0, reserved.find(','));
    reserved.remove_prefix(std::min(part.size() + 1, reserved.size()));
    const std::size_t dash = std::min(part.find('-'), part.size());
    if (!read_number(part.substr(0, dash), 10, first)) continue;
    last = first;
    if (dash < part.size() && !read_number(part.substr(dash + 1), 10, last)) continue;
    for (std::uint32_t port = first; port <= last; ++port) {
      if (port < out.first || port > out.last) continue;
      out.reserved.resize(static_cast<std::size_t>(out.last - out.first) + 1);
      out.reserved[port - out.first] = true;
    }
  }
  return out;
}

port_range local_port_range() {
  return read_port_range(text_of_file("/proc/sys/net/ipv4/ip_local_port_range"),
                         text_of_file("/proc/sys/net/ipv4/ip_local_reserved_ports"));
}

std::size_t ports_in_use(std::string_view table, const port_range& range,
                         const std::vector<ip_endpoint>& peers,
                         const std::optional<ip_address>& from) {
  std::vector<bool> used(static_cast<std::size_t>(range.last - range.first) + 1);
  while (!table.empty()) {
    std::string_view line = table.substr(0, table.find('\n'));
    table.remove_prefix(std::min(line.size() + 1, table.size()));
    next_word(line);  // its number
    const auto local = read_endpoint(next_word(line));
    const auto peer = read_endpoint(next_word(line));
    if (!local || !peer || !range.has(local->port)) continue;
    const bool ours = std::any_of(peers.begin(), peers.end(), [&](const ip_endpoint& one) {
      return one.port == peer->port && one.address == peer->address;
    });
    if (!ours && next_word(line) != listening_state) continue;
    const bool elsewhere = from && local->address != *from && !is_any(local->address);
    if (!elsewhere) used[static_cast<std::size_t>(local->port - range.first)] = true;
  }
  return static_cast<std::size_t>(std::count(used.begin(), used.end(), true));
}

std::size_t ports_in_use_now(const port_range& range, const std::string& host, std::uint16_t port,
                             const std::optional<ip_address>& from) {
  std::vector<ip_endpoint> peers;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  // A name that cannot be resolved is for the agents to tell of.
  if (::getaddrinfo(host.c_str(), nullptr, &hints, &found) == 0) {
    for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
      if (one->ai_family == AF_INET) {
        const auto* at = reinterpret_cast<const sockaddr_in*>(one->ai_addr);
        peers.push_back({version_4(at->sin_addr), port});
      } else if (one->ai_family == AF_INET6) {
        const auto* at = reinterpret_cast<const sockaddr_in6*>(one->ai_addr);
        peers.push_back({version_6(at->sin6_addr), port});
      }
    }
    ::freeaddrinfo(found);
  }
  return ports_in_use(text_of_file("/proc/net/tcp") + text_of_file("/proc/net/tcp6"), range, peers,
                      from);
}

std::optional<ip_address> read_address(const std::string& text) {
  in_addr v4{};
  in6_addr v6{};
  if (::inet_pton(AF_INET, text.c_str(), &v4) == 1) return version_4(v4);
  if (::inet_pton(AF_INET6, text.c_str(), &v6) == 1) return version_6(v6);
  return {};
}

std::string trouble_with_local_address(const std::string& text) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_NUMERICHOST;
  addrinfo* found = nullptr;
  if (::getaddrinfo(text.c_str(), nullptr, &hints, &found) != 0) return "no IP address";
  std::string trouble;
  const int probe = ::socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int yes = 1;  // nor need a port be free yet
  if (probe >= 0) ::setsockopt(probe, SOL_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
  if (probe < 0 || ::bind(probe, found->ai_addr, found->ai_addrlen) != 0) {
    trouble = std::strerror(errno);
  }
  if (probe >= 0) ::close(probe);
  ::freeaddrinfo(found);
  return trouble;
}

}  // namespace ombt::drivers
