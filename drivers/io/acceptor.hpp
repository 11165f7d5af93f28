// SPDX-License-Identifier: Apache-2.0
#pragma once
// Listens on one TCP address and gives each connection that comes as a stream. When the process or
// the system has no descriptor left it pauses for a second; the others wait in the kernel. No limit
// of its own on connections. One thread.

#include "drivers/io/context.hpp"
#include "drivers/io/stream.hpp"

#include <boost/asio/ip/tcp.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace ombt::drivers::io {

class acceptor final : public std::enable_shared_from_this<acceptor>, private timer_target {
 public:
  /// `from` is the peer's address and port, as "127.0.0.1:40000".
  using handler = std::function<void(std::unique_ptr<stream>, std::string from)>;

  explicit acceptor(context& on) : context_(on), socket_(on.asio()) {}
  ~acceptor();
  acceptor(const acceptor&) = delete;
  acceptor& operator=(const acceptor&) = delete;

  /// Listens on `host` (a name or an address; the first that it resolves to) and `port`, 0 for one
  /// that is free, and calls `taken` from the loop. Returns the port. Throws configuration_error.
  std::uint16_t listen(const std::string& host, std::uint16_t port, handler taken);
  /// Listens no more; `taken` is not called afterwards.
  void close();

  /// True when `host` is an address of this machine that other machines cannot reach: all that it
  /// resolves to are loopback addresses. Throws configuration_error for a name that is unknown.
  static bool is_loopback(context& on, const std::string& host);

 private:
  void wait();
  void take();
  void on_timer(std::uint64_t tag) override;

  context& context_;
  asio::ip::tcp::acceptor socket_;
  handler taken_;
  loop::timer_id pause_ = 0;
  bool closed_ = false;
};

}  // namespace ombt::drivers::io
