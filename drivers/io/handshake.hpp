// SPDX-License-Identifier: Apache-2.0
#pragma once
// Carries the TLS handshake of one stream through. No time limit of its own: the owner cancels. One
// thread.

#include "drivers/io/stream.hpp"

#include <functional>
#include <memory>

namespace ombt::drivers::io {

class handshake : public std::enable_shared_from_this<handshake> {
 public:
  /// Gets the stream, or null with an error: asio::error::eof, tls_category's, or the socket's.
  using handler = std::function<void(std::unique_ptr<stream>, error_code)>;

  /// start_tls() of the stream has been called.
  explicit handshake(std::unique_ptr<stream> of) : stream_(std::move(of)) {}
  /// done runs once, maybe inside start(), not at all after cancel().
  void start(handler done);
  void cancel();

 private:
  void step();
  void wait(stream::socket_type::wait_type side);
  void finish(error_code error);

  std::unique_ptr<stream> stream_;
  handler done_;
};

}  // namespace ombt::drivers::io
