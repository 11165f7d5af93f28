// SPDX-License-Identifier: Apache-2.0
#include "drivers/io/connector.hpp"

#include <boost/asio/connect.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>

namespace ombt::drivers::io {

void connector::start(const std::string& host, std::uint16_t port, const tls_settings* tls,
                      handler done, const std::string& tls_name) {
  done_ = std::move(done);
  tls_ = tls;
  host_ = tls_name.empty() ? host : tls_name;
  auto connect = [self = shared_from_this()](const auto& endpoints) {
    asio::async_connect(self->socket_, endpoints,
                        [self](const error_code& error, const asio::ip::tcp::endpoint&) {
                          if (error) return self->finish(error, error.message());
                          self->stream_ = std::make_unique<stream>(std::move(self->socket_));
                          if (self->tls_ == nullptr) return self->finish({}, {});
                          self->stream_->start_tls(*self->tls_, self->host_);
                          self->handshake();
                        });
  };
  // An address needs no resolver, whose thread each loop would otherwise start.
  error_code no_address;
  const auto address = asio::ip::make_address(host, no_address);
  if (!no_address) {
    const asio::ip::tcp::endpoint one[] = {{address, port}};
    connect(std::vector<asio::ip::tcp::endpoint>(one, one + 1));
    return;
  }
  resolver_.async_resolve(
      host, std::to_string(port), asio::ip::resolver_base::numeric_service,
      [self = shared_from_this(), connect](const error_code& error, const auto& results) {
        if (error) return self->finish(error, "cannot resolve the host name: " + error.message());
        std::vector<asio::ip::tcp::endpoint> endpoints;
        for (const auto& r : results) endpoints.push_back(r.endpoint());
        connect(endpoints);
      });
}

void connector::handshake() {
  const io_result r = stream_->handshake();
  const auto again = [self = shared_from_this()](const error_code& error) {
    if (error) return self->finish(error, error.message());
    self->handshake();
  };
  switch (r.status) {
    case io_status::done:
      return finish({}, {});
    case io_status::want_read:
      return stream_->socket().async_wait(asio::ip::tcp::socket::wait_read, again);
    case io_status::want_write:
      return stream_->socket().async_wait(asio::ip::tcp::socket::wait_write, again);
    case io_status::end_of_file:
      // It may be starting, or nobody is behind it yet: worth another attempt.
      return finish(asio::error::eof,
                    "the peer closed the connection in the TLS handshake: it may not speak TLS");
    case io_status::failed:
      if (r.error.category() != tls_category()) return finish(r.error, r.error.message());
      return finish(errc::wrong_protocol, "TLS handshake failed: " + r.error.message());
  }
}

void connector::finish(error_code error, std::string detail) {
  if (!done_) return;
  handler done = std::move(done_);
  done_ = nullptr;
  done(error ? nullptr : std::move(stream_), error, std::move(detail));
}

void connector::cancel() {
  done_ = nullptr;
  resolver_.cancel();
  error_code ignored;
  socket_.close(ignored);
  if (stream_) stream_->close();
}

}  // namespace ombt::drivers::io
