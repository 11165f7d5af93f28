// SPDX-License-Identifier: Apache-2.0
#include "drivers/io/connector.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>

#include <netinet/in.h>
#include <sys/socket.h>
#include <utility>

namespace ombt::drivers::io {

void connector::start(const std::string& host, std::uint16_t port, const tls_settings* tls,
                      handler done, const std::string& tls_name, const std::string& from) {
  done_ = std::move(done);
  tls_ = tls;
  host_ = tls_name.empty() ? host : tls_name;
  error_code no_address;
  if (!from.empty()) from_ = endpoint(asio::ip::make_address(from, no_address), 0);
  // An address needs no resolver, whose thread each loop would otherwise start.
  const auto address = asio::ip::make_address(host, no_address);
  if (!no_address) return connect({{address, port}});
  resolver_.async_resolve(
      host, std::to_string(port), asio::ip::resolver_base::numeric_service,
      [self = shared_from_this()](const error_code& error, const auto& results) {
        if (!self->done_) return;
        if (error) return self->finish(error, "cannot resolve the host name: " + error.message());
        self->connect(std::vector<endpoint>(results.begin(), results.end()));
      });
}

void connector::connect(std::vector<endpoint> to) {
  endpoints_ = std::move(to);
  if (from_) {
    std::erase_if(endpoints_,
                  [this](const endpoint& one) { return one.protocol() != from_->protocol(); });
  }
  // Told from the loop, as everything.
  asio::post(socket_.get_executor(), [self = shared_from_this()] {
    self->try_next(asio::error::address_family_not_supported);
  });
}

/// Goes on with the next address; `before` is what was wrong with the last.
void connector::try_next(const error_code& before) {
  if (!done_) return;
  error_code error;
  socket_.close(error);
  if (next_ == endpoints_.size()) {
    std::string words = before.message();
    if (before == asio::error::address_family_not_supported && from_) {
      words = "the host has no address that " + from_->address().to_string() + " can connect to";
    } else if (before == boost::system::errc::address_not_available) {
      words +=
          ": it may be that no local port is left; several addresses (--bind-address) have more";
    }
    return finish(before, words);
  }
  const endpoint& to = endpoints_[next_++];
  socket_.open(to.protocol(), error);
  if (!error && from_) error = bind();
  if (error) return try_next(error);
  socket_.async_connect(to, [self = shared_from_this()](const error_code& failed) {
    if (!self->done_) return;
    if (failed) return self->try_next(failed);
    self->on_connected();
  });
}

/// The kernel chooses the port when it knows the peer, so that each peer may have it once more.
error_code connector::bind() {
  const int yes = 1;
  error_code error;
  ::setsockopt(socket_.native_handle(), SOL_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
  socket_.bind(*from_, error);
  return error;
}

void connector::on_connected() {
  stream_ = std::make_unique<stream>(std::move(socket_));
  if (tls_ == nullptr) return finish({}, {});
  stream_->start_tls(*tls_, host_);
  const auto its = std::make_shared<handshake>(std::move(stream_));
  handshake_ = its;
  its->start([self = shared_from_this()](std::unique_ptr<stream> secured, error_code error) {
    self->on_handshake(std::move(secured), error);
  });
}

void connector::on_handshake(std::unique_ptr<stream> secured, error_code error) {
  stream_ = std::move(secured);
  if (!error) return finish({}, {});
  if (error == asio::error::eof) {
    // It may be starting, or nobody is behind it yet: worth another attempt.
    return finish(error,
                  "the peer closed the connection in the TLS handshake: it may not speak TLS");
  }
  if (error.category() != tls_category()) return finish(error, error.message());
  finish(errc::wrong_protocol, "TLS handshake failed: " + error.message());
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
  if (const auto its = handshake_.lock()) its->cancel();
}

}  // namespace ombt::drivers::io
