// SPDX-License-Identifier: Apache-2.0
#include "drivers/local_host.hpp"

#include <climits>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <optional>
#include <sys/socket.h>
#include <unistd.h>

namespace ombt::drivers {
namespace {

std::optional<ip_address> address_in(const sockaddr* from) {
  ip_address out{};
  if (from == nullptr) return {};
  if (from->sa_family == AF_INET) {
    out[10] = out[11] = 0xff;
    std::memcpy(&out[12], &reinterpret_cast<const sockaddr_in*>(from)->sin_addr, 4);
    return out;
  }
  if (from->sa_family == AF_INET6) {
    std::memcpy(out.data(), &reinterpret_cast<const sockaddr_in6*>(from)->sin6_addr, 16);
    return out;
  }
  return {};
}

bool is_loopback_v4(const ip_address& a) {
  return a[10] == 0xff && a[11] == 0xff && a[12] == 127 &&
         std::all_of(a.begin(), a.begin() + 10, [](std::uint8_t byte) { return byte == 0; });
}

std::vector<ip_address> own_addresses() {
  std::vector<ip_address> out;
  ifaddrs* all = nullptr;
  if (::getifaddrs(&all) != 0) return out;
  for (const ifaddrs* one = all; one != nullptr; one = one->ifa_next) {
    if (const auto address = address_in(one->ifa_addr)) out.push_back(*address);
  }
  ::freeifaddrs(all);
  return out;
}

}  // namespace

std::string host_name() {
  char name[HOST_NAME_MAX + 1] = {};
  if (::gethostname(name, sizeof name - 1) != 0 || name[0] == '\0') return "localhost";
  return name;
}

const std::string& boot_id() {
  static const std::string id = [] {
    std::string line;
    std::ifstream file("/proc/sys/kernel/random/boot_id");
    std::getline(file, line);
    return line;
  }();
  return id;
}

std::vector<ip_address> local_addresses_of(const std::string& host) {
  std::vector<ip_address> out;
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0) return out;
  const auto own = own_addresses();
  for (const addrinfo* one = found; one != nullptr; one = one->ai_next) {
    const auto address = address_in(one->ai_addr);
    if (!address || std::find(out.begin(), out.end(), *address) != out.end()) continue;
    if (is_loopback_v4(*address) || std::find(own.begin(), own.end(), *address) != own.end()) {
      out.push_back(*address);
    }
  }
  ::freeaddrinfo(found);
  return out;
}

}  // namespace ombt::drivers
