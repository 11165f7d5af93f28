// SPDX-License-Identifier: Apache-2.0
#include "drivers/io/acceptor.hpp"

#include "drivers/io/local.hpp"
#include "drivers/io/peer.hpp"

#include <boost/asio/error.hpp>
#include <boost/asio/ip/v6_only.hpp>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <sys/socket.h>
#include <utility>

namespace ombt::drivers::io {
namespace {

using asio::ip::tcp;

/// Connections taken before others get their turn.
constexpr int most_at_once = 64;
constexpr auto pause_after_shortage = std::chrono::seconds(1);

bool is_shortage(const error_code& error) {
  namespace wrong = boost::system::errc;
  return error == wrong::too_many_files_open || error == wrong::too_many_files_open_in_system ||
         error == wrong::no_buffer_space || error == wrong::not_enough_memory;
}

}  // namespace

acceptor::~acceptor() { context_.cancel_timer(pause_); }

std::uint16_t acceptor::listen(const std::string& host, std::uint16_t port, handler taken) {
  const std::string where = (host.empty() ? "" : host + ' ') + "port " + std::to_string(port);
  error_code error;
  if (host.empty()) {
    // An IPv6 socket takes IPv4 connections too, where there is IPv6.
    error = bind_tcp({asio::ip::address_v6::any(), port});
    if (error == asio::error::address_family_not_supported ||
        error == boost::system::errc::address_not_available) {
      error = bind_tcp({asio::ip::address_v4::any(), port});
    }
  } else {
    tcp::resolver resolver(context_.asio());
    const auto found = resolver.resolve(host, std::to_string(port), tcp::resolver::passive, error);
    if (error) throw listen_error('\'' + host + '\'', error);
    error = bind_tcp(found.begin()->endpoint());
  }
  if (error) throw listen_error(where, error);
  start(where, std::move(taken));
  tcp::endpoint bound;
  const auto at = socket_.local_endpoint(error);
  std::memcpy(bound.data(), at.data(), std::min(at.size(), bound.capacity()));
  return bound.port();
}

error_code acceptor::bind_tcp(const tcp::endpoint& at) {
  error_code error;
  socket_.close(error);
  socket_.open(at.protocol(), error);
  if (error) return error;
  socket_.set_option(tcp::acceptor::reuse_address(true), error);
  if (at.address().is_v6())
    socket_.set_option(asio::ip::v6_only(!at.address().is_unspecified()), error);
  socket_.bind(at, error);
  return error;
}

void acceptor::listen_local(const std::string& path, handler taken) {
  error_code error;
  const int bound = bind_local(path, error);
  if (!error) socket_.assign({AF_UNIX, 0}, bound, error);
  if (error) throw listen_error(path, error);
  local_ = true;
  start(path, std::move(taken));
}

void acceptor::start(const std::string& where, handler taken) {
  error_code error;
  socket_.listen(asio::socket_base::max_listen_connections, error);
  if (error) throw listen_error(where, error);
  socket_.non_blocking(true, error);
  if (error) throw listen_error(where, error);
  taken_ = std::move(taken);
  wait();
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

void acceptor::resume() {
  if (std::exchange(shut_, false)) wait();
}

void acceptor::wait() {
  if (closed_ || shut_ || waiting_) return;
  waiting_ = true;
  socket_.async_wait(asio::socket_base::wait_read,
                     [self = shared_from_this()](const error_code& error) {
                       self->waiting_ = false;
                       if (!error) self->take();
                     });
}

void acceptor::take() {
  // Behind the first one it is not known whether somebody waits.
  const int most = may_take_ ? 1 : most_at_once;
  for (int i = 0; i < most && !closed_; ++i) {
    if (may_take_ && !may_take_()) {
      shut_ = true;
      return;
    }
    protocol::endpoint from;
    error_code error;
    auto made = socket_.accept(context_.asio(), from, error);
    if (error == asio::error::would_block || error == asio::error::try_again) break;
    if (is_shortage(error)) {
      pause_ = context_.start_timer(steady_clock::now() + pause_after_shortage, *this, 0);
      return;
    }
    if (error) continue;  // one that is gone again
    give(std::move(made), from);
  }
  wait();
}

void acceptor::give(stream::socket_type socket, const protocol::endpoint& from) {
  auto made = std::make_unique<stream>(std::move(socket));
  if (!local_) return taken_(std::move(made), name_of(from));
  const auto who = peer_of(*made);
  if (who && who->is_friend()) taken_(std::move(made), "process " + std::to_string(who->pid));
}

void acceptor::on_timer(std::uint64_t) {
  pause_ = 0;
  wait();
}

}  // namespace ombt::drivers::io
