// SPDX-License-Identifier: Apache-2.0
#pragma once
// Unix sockets between processes of one user, and connected sockets that are passed over them from
// one process to another (SCM_RIGHTS). One thread.

#include "drivers/io/stream.hpp"

#include <boost/asio/io_context.hpp>

#include <memory>
#include <optional>
#include <string>

namespace ombt::drivers::io {

/// Longest path of a socket, bytes.
inline constexpr std::size_t local_path_limit = 107;

/// A stream to who listens at that path, if that is a friend. Never waits. Errors: would_block: too
/// many are waiting for that listener, try again; no_permission: another user's process; the
/// kernel's. Null with each.
std::unique_ptr<stream> connect_local(asio::io_context& on, const std::string& path,
                                      error_code& error);

/// Sends a socket's descriptor, which stays open here too; want_write: later.
io_result send_descriptor(stream& over, int descriptor) noexcept;

/// One that was sent. With `done` none means that this process had no descriptor left for it.
struct received_descriptor {
  io_result result;
  std::optional<int> descriptor;  ///< the caller's
};
received_descriptor receive_descriptor(stream& over) noexcept;
/// The protocol of a descriptor that was received; nothing if it is no connected TCP or Unix
/// socket.
std::optional<loose_socket> as_socket(int descriptor) noexcept;

/// A socket that is bound to a path, with mode 0600. Throws nothing; the error's words are the
/// kernel's.
int bind_local(const std::string& path, error_code& error) noexcept;

}  // namespace ombt::drivers::io
