// SPDX-License-Identifier: Apache-2.0
#include "drivers/io/acceptor.hpp"

#include "wire/configuration_error.hpp"

#include <boost/asio/error.hpp>

#include <algorithm>
#include <chrono>
#include <utility>

namespace ombt::drivers::io {
namespace {

using asio::ip::tcp;

/// Connections taken before others get their turn.
constexpr int most_at_once = 64;
constexpr auto pause = std::chrono::seconds(1);

bool is_shortage(const error_code& error) {
  namespace wrong = boost::system::errc;
  return error == wrong::too_many_files_open || error == wrong::too_many_files_open_in_system ||
         error == wrong::no_buffer_space || error == wrong::not_enough_memory;
}

std::string text_of(const tcp::endpoint& from) {
  const std::string host = from.address().to_string();
  const std::string port = ":" + std::to_string(from.port());
  return from.address().is_v6() ? "[" + host + "]" + port : host + port;
}

}  // namespace

acceptor::~acceptor() { context_.cancel_timer(pause_); }

std::uint16_t acceptor::listen(const std::string& host, std::uint16_t port, handler taken) {
  const auto check = [&](const error_code& error, const std::string& what) {
    if (error) throw configuration_error(what + ": " + error.message());
  };
  const std::string where = host + " port " + std::to_string(port);
  error_code error;
  tcp::resolver resolver(context_.asio());
  const auto found = resolver.resolve(host, std::to_string(port), tcp::resolver::passive, error);
  check(error, "can't listen on '" + host + "'");
  const tcp::endpoint at = found.begin()->endpoint();
  socket_.open(at.protocol(), error);
  check(error, "can't listen on " + where);
  socket_.set_option(tcp::acceptor::reuse_address(true), error);
  socket_.bind(at, error);
  check(error, "can't listen on " + where);
  socket_.listen(asio::socket_base::max_listen_connections, error);
  check(error, "can't listen on " + where);
  socket_.non_blocking(true, error);
  check(error, "can't listen on " + where);
  taken_ = std::move(taken);
  wait();
  return socket_.local_endpoint(error).port();
}

bool acceptor::is_loopback(context& on, const std::string& host) {
  error_code error;
  tcp::resolver resolver(on.asio());
  const auto found = resolver.resolve(host, "0", tcp::resolver::passive, error);
  if (error) throw configuration_error("the host '" + host + "' is unknown: " + error.message());
  return std::all_of(found.begin(), found.end(),
                     [](const auto& one) { return one.endpoint().address().is_loopback(); });
}

void acceptor::close() {
  closed_ = true;
  context_.cancel_timer(pause_);
  error_code ignored;
  socket_.close(ignored);
}

void acceptor::wait() {
  socket_.async_wait(tcp::acceptor::wait_read,
                     [self = shared_from_this()](const error_code& error) {
                       if (!error && !self->closed_) self->take();
                     });
}

void acceptor::take() {
  for (int i = 0; i < most_at_once && !closed_; ++i) {
    tcp::endpoint from;
    error_code error;
    tcp::socket made = socket_.accept(context_.asio(), from, error);
    if (error == asio::error::would_block || error == asio::error::try_again) break;
    if (is_shortage(error)) {
      pause_ = context_.start_timer(steady_clock::now() + pause, *this, 0);
      return;
    }
    if (error) continue;  // one that is gone again
    taken_(std::make_unique<stream>(std::move(made)), text_of(from));
  }
  if (!closed_) wait();
}

void acceptor::on_timer(std::uint64_t) {
  if (!closed_) wait();
}

}  // namespace ombt::drivers::io
