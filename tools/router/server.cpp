// SPDX-License-Identifier: Apache-2.0
#include "tools/router/server.hpp"

#include "wire/configuration_error.hpp"

#include "drivers/descriptor_limit.hpp"
#include "drivers/io/context.hpp"

#include <algorithm>
#include <unistd.h>
#include <utility>
#include <vector>

namespace ombt::tools::router {
namespace {

using drivers::steady_clock;

/// Files that are open beside those of connections.
constexpr std::size_t other_files = 32;
constexpr auto stop_time = std::chrono::seconds(2);

std::string id_of(const router_options& options) {
  return options.id.empty() ? "ombt-router-" + std::to_string(::getpid()) : options.id;
}

connection_settings settings_of(const router_options& options, const users& known) {
  connection_settings made;
  amqp::connection_options& engine = made.engine;
  engine.side = amqp::role::server;
  engine.properties = {{"product", std::string("ombt-router")},
                       {"version", std::string(OMBT_VERSION)}};
  engine.channel_max = static_cast<std::uint16_t>(options.sessions - 1);
  engine.max_frame_size = options.frame_size;
  engine.idle_timeout = options.idle_time;
  engine.message_limit = options.message_size;
  const bool login = !options.users_file.empty();
  engine.mechanisms = login ? "PLAIN" : "ANONYMOUS";
  engine.authentication_required = login;
  if (login) {
    engine.check_password = [&known](std::string_view user, std::string_view password) {
      return known.may_log_in(user, password);
    };
  }
  made.limits.links = options.links;
  made.handshake_time = options.handshake_time;
  made.container = id_of(options);
  return made;
}

std::size_t connections_of(const router_options& options) {
  const std::size_t files = drivers::raise_descriptor_limit();
  const std::size_t possible = files > 2 * other_files ? files - other_files : other_files;
  if (options.connections == 0) return possible;
  if (options.connections > possible) {
    throw configuration_error("--max-connections " + std::to_string(options.connections) +
                              ": only " + std::to_string(files) + " files may be open (ulimit -n)");
  }
  return options.connections;
}

}  // namespace

server::server(drivers::loop& on, const router_options& options)
    : loop_(on),
      options_(options),
      users_(options.users_file.empty() ? users() : users::read(options.users_file)),
      settings_(settings_of(options, users_)),
      core_(settings_.container, options.addresses),
      management_(core_),
      most_connections_(connections_of(options)) {
  if (!options.anonymous && options.users_file.empty() &&
      !drivers::io::acceptor::is_loopback(on.context(), options.host)) {
    throw configuration_error("--host " + options.host +
                              " is no loopback address: others reach it, so it needs --users FILE "
                              "(or --anonymous, if everyone may use it)");
  }
}

server::~server() {
  loop_.cancel_timer(stop_timer_);
  if (acceptor_) acceptor_->close();
  // What waits in the loop holds connections, and these the core: both go before it does.
  while (!connections_.empty()) {
    const auto one = connections_.begin()->second;
    connections_.erase(connections_.begin());
    one->abandon();
  }
  loop_.context().asio().restart();
  loop_.context().asio().poll();
}

std::string server::listen() {
  drivers::io::context& context = loop_.context();
  acceptor_ = std::make_shared<drivers::io::acceptor>(context);
  const std::uint16_t port = acceptor_->listen(
      options_.host, options_.port,
      [this](auto stream, const std::string& from) { take(std::move(stream), from); });
  const bool v6 = options_.host.find(':') != std::string::npos;
  const std::string host = v6 ? "[" + options_.host + "]" : options_.host;
  return "amqp://" + host + ":" + std::to_string(port);
}

void server::take(std::unique_ptr<drivers::io::stream> stream, const std::string& from) {
  if (connections_.size() >= most_connections_) {
    core_.count_refused_connection();
    return;  // closed at once
  }
  const auto made =
      std::make_shared<connection>(loop_.context(), core_, settings_, std::move(stream), from,
                                   [this](connection& gone) { forget(gone); });
  connections_.emplace(made.get(), made);
  made->start();
}

void server::forget(connection& gone) {
  // From the loop: it is in the middle of something.
  loop_.post([this, which = &gone, keep = gone.shared_from_this()] {
    connections_.erase(which);
    if (stopping_ && connections_.empty()) loop_.stop();
  });
}

void server::stop() {
  if (std::exchange(stopping_, true)) return;
  acceptor_->close();
  if (connections_.empty()) return loop_.stop();
  stop_timer_ = loop_.start_timer(steady_clock::now() + stop_time, *this, 0);
  std::vector<std::shared_ptr<connection>> all;
  all.reserve(connections_.size());
  for (const auto& [key, one] : connections_) all.push_back(one);
  for (const auto& one : all) one->close("amqp:connection:forced", "the router is shutting down");
}

void server::on_timer(std::uint64_t) { loop_.stop(); }

}  // namespace ombt::tools::router
