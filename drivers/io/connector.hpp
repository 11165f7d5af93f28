// SPDX-License-Identifier: Apache-2.0
#pragma once
// Makes one connected stream: resolves a host and tries its addresses in turn, then TLS where it
// is wanted. No retries, no time limit of its own: the owner cancels. One thread.

#include "drivers/io/handshake.hpp"
#include "drivers/io/stream.hpp"

#include <boost/asio/io_context.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace ombt::drivers::io {

class connector : public std::enable_shared_from_this<connector> {
 public:
  /// Gets the stream, or null with an error and words for it.
  using handler = std::function<void(std::unique_ptr<stream>, error_code, std::string detail)>;

  explicit connector(asio::io_context& on) : resolver_(on), socket_(on) {}
  /// done runs once on the loop, never inside start(), not at all after cancel(). tls_name: what
  /// the certificate must name where that is not the host. from: this machine's address to connect
  /// from, empty: whichever the kernel takes.
  void start(const std::string& host, std::uint16_t port, const tls_settings* tls, handler done,
             const std::string& tls_name = {}, const std::string& from = {});
  void cancel();

 private:
  using endpoint = asio::ip::tcp::endpoint;

  void connect(std::vector<endpoint> to);
  void try_next(const error_code& before);
  error_code bind();
  void on_connected();
  void on_handshake(std::unique_ptr<stream> secured, error_code error);
  void finish(error_code error, std::string detail);

  asio::ip::tcp::resolver resolver_;
  asio::ip::tcp::socket socket_;
  std::vector<endpoint> endpoints_;
  std::size_t next_ = 0;
  std::optional<endpoint> from_;
  std::unique_ptr<stream> stream_;
  std::weak_ptr<handshake> handshake_;
  const tls_settings* tls_ = nullptr;
  std::string host_;
  handler done_;
};

}  // namespace ombt::drivers::io
