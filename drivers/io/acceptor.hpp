// SPDX-License-Identifier: Apache-2.0
#pragma once
// Listens at one TCP address, all addresses, or a Unix socket, and gives each connection that comes
// as a stream. When the process or the system has no descriptor left it pauses for a second; the
// others wait in the kernel. No limit of its own on connections. One thread.

#include "wire/configuration_error.hpp"

#include "drivers/io/context.hpp"
#include "drivers/io/stream.hpp"

#include <boost/asio/basic_socket_acceptor.hpp>
#include <boost/asio/generic/stream_protocol.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

namespace ombt::drivers::io {

/// Where it could not be listened.
struct listen_error : configuration_error {
  listen_error(const std::string& where, const error_code& why)
      : configuration_error("can't listen on " + where + ": " + why.message()), code(why) {}
  error_code code;
};

class acceptor final : public std::enable_shared_from_this<acceptor>, private timer_target {
 public:
  /// `from` is the peer's address and port, as "127.0.0.1:40000"; of a Unix socket "process 4711".
  using handler = std::function<void(std::unique_ptr<stream>, std::string from)>;
  /// Asked when somebody waits: false leaves him in the kernel until resume().
  using gate = std::function<bool()>;

  explicit acceptor(context& on) : context_(on), socket_(on.asio()) {}
  ~acceptor();
  acceptor(const acceptor&) = delete;
  acceptor& operator=(const acceptor&) = delete;

  /// Listens on `host` (a name or an address; the first that it resolves to; empty: all addresses)
  /// and `port`, 0 for one that is free, and calls `taken` from the loop. Returns the port. Throws
  /// listen_error.
  std::uint16_t listen(const std::string& host, std::uint16_t port, handler taken);
  /// The same at a path where there is no file, which is made with mode 0600. Only connections of
  /// this user's processes and of root's are taken, others are closed.
  void listen_local(const std::string& path, handler taken);
  /// Before listening; without it everybody is taken.
  void set_gate(gate may_take) { may_take_ = std::move(may_take); }
  void resume();
  /// Listens no more; `taken` is not called afterwards.
  void close();

  /// True when `host` is an address of this machine that other machines cannot reach: all that it
  /// resolves to are loopback addresses. Throws configuration_error for a name that is unknown.
  static bool is_loopback(context& on, const std::string& host);

 private:
  using protocol = asio::generic::stream_protocol;
  error_code bind_tcp(const asio::ip::tcp::endpoint& at);
  void start(const std::string& where, handler taken);
  void wait();
  void take();
  void give(stream::socket_type socket, const protocol::endpoint& from);
  void on_timer(std::uint64_t tag) override;

  context& context_;
  asio::basic_socket_acceptor<protocol> socket_;
  handler taken_;
  gate may_take_;
  loop::timer_id pause_ = 0;
  bool local_ = false;  ///< a Unix socket
  bool shut_ = false;   ///< by the gate
  bool waiting_ = false;
  bool closed_ = false;
};

}  // namespace ombt::drivers::io
