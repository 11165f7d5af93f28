// SPDX-License-Identifier: Apache-2.0
#pragma once
// Who is at the other end of a stream, and whether its machine still is. One thread.

#include "drivers/io/stream.hpp"

#include <optional>
#include <string>
#include <sys/types.h>

namespace ombt::drivers::io {

/// Who connected, or listened when one connected (SO_PEERCRED).
struct local_peer {
  uid_t uid;
  pid_t pid;
  /// The same user, or root.
  bool is_friend() const noexcept;
};
std::optional<local_peer> peer_of(stream& s) noexcept;
/// Whether it is a Unix socket.
bool is_local(stream& s) noexcept;

/// "127.0.0.1:40000", "[::1]:40000".
std::string name_of(const asio::generic::stream_protocol::endpoint& address);
/// The same of the peer; of a Unix socket "process 4711".
std::string name_of_peer(stream& s);

/// Keeps a TCP connection alive while it is idle, and ends it 11 s after the peer's machine was
/// heard of for the last time: the first probe after 5 s, then every 2 s.
void watch_peer(stream& s) noexcept;

}  // namespace ombt::drivers::io
