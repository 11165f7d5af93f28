// SPDX-License-Identifier: Apache-2.0
#pragma once
// The one port on which all agents' processes of a user on this machine are reached. Whoever has
// the lock of the port's local socket owns it: listens on the socket and on TCP, reads the route of
// each connection (wire/control/direct.hpp), and passes it to the process that it is for, as a
// socket (SCM_RIGHTS), before a byte behind the route is read. Each process registers with the
// owner over the local socket. The kernel frees the lock when the owner ends, however it ends; then
// one of the others takes it. Connections that were passed on live on. One thread, its loop's.
//
// state        event                            what happens                          next state
// joining      lock is free                     listens, on_joined                    owner
//              lock is held, owner takes it     on_joined                             member
//              owner not up yet, or just gone   tries again, 20 to 60 ms later        joining
//              TCP port is another program's    on_failed, or again for 2 s if it failed/joining
//                                               had been in use by ours
// member       owner is gone                    joins again                           joining
//              a connection is passed on        proven, then `taken`                  member
// owner        a connection                     route read (5 s), passed on           owner

#include "drivers/channel.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace ombt::drivers {

/// The folder of this user's local sockets: OMBT_RUNTIME_DIR, else /tmp/ombt-<uid>. Made with mode
/// 0700; throws configuration_error if it is not a folder, another user's, or open to others.
std::string runtime_folder();
/// The local socket that belongs to a TCP port: <runtime_folder>/<port>.sock.
std::string local_socket_of(std::uint16_t port);

/// Of a local socket's port: no agents' process has ever owned it, or none does now, or one does,
/// and is about to listen if it does not yet. For who finds nobody there.
enum class port_use : std::uint8_t { never, free, owned };
port_use port_use_of(const std::string& local_socket);

class shared_port {
 public:
  /// Connections that have not proven who they are, at most, each for 5 s. Further ones wait in the
  /// kernel, until one has its proof or the first of them has had 250 ms, and loses its place.
  /// Counted where they are: at the owner those of TCP until their route is read, at a process
  /// those in the TLS handshake.
  static constexpr std::size_t opening_limit = 64;

  struct settings {
    std::string socket;  ///< path of the local socket
    bool tcp = true;
    std::string host;                     ///< to listen on; empty: all addresses
    std::uint16_t port = 0;               ///< of tcp; 0: one that is free (for tests)
    std::shared_ptr<const token> secret;  ///< with tcp
    std::string process;                  ///< own key, 16 hexadecimal digits
    channel_limits limits;
  };
  struct events {
    /// Once, when it is reached by controllers for the first time; port: the one of TCP, or 0.
    std::function<void(std::uint16_t port)> joined;
    /// It cannot be reached (any more); one line.
    std::function<void(std::string why)> failed;
    /// A controller has opened a channel to this process.
    std::function<void(std::unique_ptr<channel>)> taken;
  };

  /// Events come from the loop. Throws configuration_error for tcp without a secret.
  shared_port(loop& on, settings what, events told);
  /// Leaves: another process takes the port over, if this one owned it.
  ~shared_port();
  shared_port(const shared_port&) = delete;
  shared_port& operator=(const shared_port&) = delete;

  bool owns() const noexcept;

 private:
  struct state;
  std::shared_ptr<state> state_;
};

}  // namespace ombt::drivers
