// SPDX-License-Identifier: Apache-2.0
#include "drivers/io/peer.hpp"

#include <boost/asio/ip/tcp.hpp>

#include <algorithm>
#include <cstring>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

namespace ombt::drivers::io {
namespace {

constexpr int idle_seconds = 5;
constexpr int probe_seconds = 2;
constexpr int most_probes = 3;
constexpr int lost_milliseconds = (idle_seconds + most_probes * probe_seconds) * 1000;

}  // namespace

bool local_peer::is_friend() const noexcept { return uid == ::geteuid() || uid == 0; }

std::optional<local_peer> peer_of(stream& s) noexcept {
  ucred who{};
  socklen_t size = sizeof who;
  if (::getsockopt(s.socket().native_handle(), SOL_SOCKET, SO_PEERCRED, &who, &size) != 0) {
    return {};
  }
  return local_peer{who.uid, who.pid};
}

bool is_local(stream& s) noexcept {
  int family = 0;
  socklen_t size = sizeof family;
  return ::getsockopt(s.socket().native_handle(), SOL_SOCKET, SO_DOMAIN, &family, &size) == 0 &&
         family == AF_UNIX;
}

std::string name_of(const asio::generic::stream_protocol::endpoint& address) {
  asio::ip::tcp::endpoint tcp;
  std::memcpy(tcp.data(), address.data(), std::min(address.size(), tcp.capacity()));
  const std::string port = ":" + std::to_string(tcp.port());
  if (tcp.address().is_v4()) return tcp.address().to_string() + port;
  const auto v6 = tcp.address().to_v6();
  if (!v6.is_v4_mapped()) return "[" + v6.to_string() + "]" + port;
  return asio::ip::make_address_v4(asio::ip::v4_mapped, v6).to_string() + port;
}

std::string name_of_peer(stream& s) {
  if (is_local(s)) {
    const auto who = peer_of(s);
    return "process " + (who ? std::to_string(who->pid) : "unknown");
  }
  error_code gone;
  const auto address = s.socket().remote_endpoint(gone);
  return gone ? "a peer that is gone" : name_of(address);
}

void watch_peer(stream& s) noexcept {
  const auto set = [of = s.socket().native_handle()](int level, int option, int value) {
    ::setsockopt(of, level, option, &value, sizeof value);
  };
  set(SOL_SOCKET, SO_KEEPALIVE, 1);
  set(IPPROTO_TCP, TCP_KEEPIDLE, idle_seconds);
  set(IPPROTO_TCP, TCP_KEEPINTVL, probe_seconds);
  set(IPPROTO_TCP, TCP_KEEPCNT, most_probes);
  // Where something is on its way keepalive is silent.
  set(IPPROTO_TCP, TCP_USER_TIMEOUT, lost_milliseconds);
}

}  // namespace ombt::drivers::io
