// SPDX-License-Identifier: Apache-2.0
#include "drivers/metrics_server.hpp"

#include "wire/configuration_error.hpp"

#include "drivers/io/acceptor.hpp"
#include "drivers/io/context.hpp"

#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http.hpp>

#include <charconv>
#include <optional>
#include <unordered_set>
#include <utility>

namespace ombt::drivers {
namespace {

namespace beast = boost::beast;
namespace http = beast::http;
using asio_tcp = io::asio::ip::tcp;

constexpr std::string_view text_format = "text/plain; version=0.0.4; charset=utf-8";

}  // namespace

listen_address listen_address::parse(std::string_view text, std::string_view option) {
  const auto refuse = [&] {
    return configuration_error(std::string{option} + ' ' + std::string{text.substr(0, 80)} +
                               ": expected PORT or HOST:PORT, the port from 0 to 65535");
  };
  listen_address out;
  std::string_view port = text;
  if (const auto colon = text.rfind(':'); colon != std::string_view::npos) {
    port = text.substr(colon + 1);
    std::string_view host = text.substr(0, colon);
    const bool bracketed = host.starts_with('[') && host.ends_with(']');
    if (bracketed) host = host.substr(1, host.size() - 2);
    if (host.find(':') != std::string_view::npos && !bracketed) throw refuse();
    if (bracketed && host.empty()) throw refuse();
    if (!host.empty()) out.host = host;
  }
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), out.port);
  if (error != std::errc{} || end != port.data() + port.size()) throw refuse();
  return out;
}

struct metrics_server::state {
  state(loop& its, source its_text)
      : on(its.context()),
        text(std::move(its_text)),
        acceptor(std::make_shared<io::acceptor>(its.context())) {}

  io::context& on;
  source text;  ///< empty once the server is gone
  std::shared_ptr<io::acceptor> acceptor;
  std::size_t connections = 0;

  class connection;
  /// Those that wait for their text: an answer does not hold its connection, it may outlive the
  /// loop.
  std::unordered_set<std::shared_ptr<connection>> asking;
};

/// reading  a request came                      asks for the text, or answers at once    asking
/// asking   the text came                       writes                                   writing
/// writing  written, the peer keeps it alive    the next request                         reading
/// any      error, too long, too large, server gone: the connection ends
class metrics_server::state::connection final : public std::enable_shared_from_this<connection> {
 public:
  connection(std::shared_ptr<state> owner, asio_tcp::socket socket)
      : owner_(std::move(owner)), stream_(std::move(socket)) {
    ++owner_->connections;
  }
  ~connection() { --owner_->connections; }
  connection(const connection&) = delete;
  connection& operator=(const connection&) = delete;

  void read() {
    parser_.emplace();
    parser_->header_limit(header_limit);
    parser_->body_limit(std::uint64_t{0});
    stream_.expires_after(step_limit);
    http::async_read(stream_, buffer_, *parser_,
                     [self = shared_from_this()](const error_code& error, std::size_t) {
                       self->on_read(error);
                     });
  }

 private:
  void on_read(const error_code& error) {
    if (!owner_->text || error == http::error::end_of_stream) return;
    if (error) {
      // What is no HTTP is told so; a peer that is slow or gone is not.
      if (error.category() == http::make_error_code(http::error::bad_method).category()) {
        write(http::status::bad_request, "no HTTP request that is answered here\n", false);
      }
      return;
    }
    const auto& request = parser_->get();
    const std::string_view target{request.target().data(), request.target().size()};
    const bool known = request.method() == http::verb::get || request.method() == http::verb::head;
    if (!known) {
      return write(http::status::method_not_allowed, "GET only\n", request.keep_alive());
    }
    if (target.substr(0, target.find('?')) != "/metrics") {
      return write(http::status::not_found, "the figures are at /metrics\n", request.keep_alive());
    }
    stream_.expires_never();
    owner_->asking.insert(shared_from_this());
    owner_->text([weak = weak_from_this(), keep = request.keep_alive()](std::string figures) {
      const auto self = weak.lock();
      if (!self || self->owner_->asking.erase(self) == 0) return;
      self->write(http::status::ok, std::move(figures), keep);
    });
  }

  void write(http::status status, std::string body, bool keep_alive) {
    reply_.emplace(status, 11);
    reply_->set(http::field::content_type,
                beast::string_view(text_format.data(), text_format.size()));
    reply_->keep_alive(keep_alive);
    reply_->body() = std::move(body);
    reply_->prepare_payload();
    if (parser_->get().method() == http::verb::head) reply_->body().clear();
    stream_.expires_after(step_limit);
    http::async_write(stream_, *reply_,
                      [self = shared_from_this()](const error_code& error, std::size_t) {
                        if (error || !self->owner_->text) return;
                        if (self->reply_->keep_alive()) return self->read();
                        error_code ignored;
                        self->stream_.socket().shutdown(asio_tcp::socket::shutdown_send, ignored);
                      });
  }

  std::shared_ptr<state> owner_;
  beast::tcp_stream stream_;
  beast::flat_buffer buffer_{header_limit};
  std::optional<http::request_parser<http::empty_body>> parser_;
  std::optional<http::response<http::string_body>> reply_;
};

metrics_server::metrics_server(loop& on, source text)
    : state_(std::make_shared<state>(on, std::move(text))) {}

metrics_server::~metrics_server() {
  state_->acceptor->close();
  state_->text = nullptr;
  state_->asking.clear();
}

std::string metrics_server::listen(const listen_address& at, std::string_view option) try {
  const std::uint16_t port = state_->acceptor->listen(
      at.host, at.port,
      [weak = std::weak_ptr(state_)](std::unique_ptr<io::stream> stream, const std::string&) {
        const auto owner = weak.lock();
        if (!owner || owner->connections >= most_connections) return;  // closed at once
        const auto socket = stream->release();
        if (!socket) return;
        const bool v6 = socket->protocol.family() == asio_tcp::v6().family();
        std::make_shared<state::connection>(
            owner, asio_tcp::socket(owner->on.asio(), v6 ? asio_tcp::v6() : asio_tcp::v4(),
                                    socket->descriptor))
            ->read();
      });
  const bool v6 = at.host.find(':') != std::string::npos;
  return (v6 ? "[" + at.host + "]" : at.host) + ":" + std::to_string(port);
} catch (const configuration_error& e) {
  if (option.empty()) throw;
  throw configuration_error(std::string{option} + ": " + e.what());
}

}  // namespace ombt::drivers
