// SPDX-License-Identifier: Apache-2.0
#include "tools/router/server.hpp"

#include "wire/configuration_error.hpp"

#include "drivers/descriptor_limit.hpp"
#include "drivers/io/context.hpp"

#include <algorithm>
#include <latch>
#include <unistd.h>
#include <utility>
#include <vector>

namespace ombt::tools::router {
namespace {

using drivers::steady_clock;

/// Files that are open beside those of connections.
constexpr std::size_t other_files = 32;
constexpr auto stop_time = std::chrono::seconds(2);

constexpr std::size_t id_limit = 64;

/// The id is a step of reply addresses, which a slash would divide.
std::string id_of(const router_options& options) {
  if (options.id.empty()) return "ombt-router-" + std::to_string(::getpid());
  const bool plain = std::all_of(options.id.begin(), options.id.end(),
                                 [](char c) { return c >= ' ' && c <= '~' && c != '/'; });
  if (plain && options.id.size() <= id_limit) return options.id;
  throw configuration_error("--id: expected at most 64 printable ASCII characters, none of them /");
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
      most_connections_(connections_of(options)) {
  if (!options.anonymous && options.users_file.empty() &&
      !drivers::io::acceptor::is_loopback(on.context(), options.host)) {
    throw configuration_error("--host " + options.host +
                              " is no loopback address: others reach it, so it needs --users FILE "
                              "(or --anonymous, if everyone may use it)");
  }
  std::vector<shard*> all;
  std::vector<const core*> cores;
  for (std::size_t i = 0; i < options.threads; ++i) {
    if (i != 0) workers_.push_back(std::make_unique<worker>());
    drivers::loop& its = i == 0 ? loop_ : workers_.back()->loop;
    shards_.push_back(std::make_unique<shard>(its, settings_, options.addresses, core_limits(), i,
                                              options.threads, [this] { count_gone(); }));
    all.push_back(shards_.back().get());
    cores.push_back(&all.back()->router());
  }
  for (shard* const one : all) one->join(all);
  management_ = std::make_unique<management>(
      shards_.front()->router(), std::move(cores),
      [this](const std::function<void()>& work) { while_all_wait(work); });
  for (const auto& one : workers_) {
    // A loop without anything to wait for ends.
    one->loop.start_timer(drivers::time_point::max() - std::chrono::hours(1), *one, 0);
    one->thread = std::thread([&its = one->loop] { its.run(); });
  }
}

server::~server() {
  loop_.cancel_timer(stop_timer_);
  if (acceptor_) acceptor_->close();
  // Posted: run() of a thread that has only begun would undo a stop().
  for (const auto& one : workers_) one->loop.post([&its = one->loop] { its.stop(); });
  for (const auto& one : workers_) one->thread.join();
  // What waits in the loops holds connections, and these the cores: all go before they do. Then
  // they say to each other what is gone.
  for (bool any = true; std::exchange(any, false);) {
    for (const auto& one : shards_) {
      one->abandon_all();
      one->loop().context().asio().restart();
      any = one->loop().context().asio().poll() != 0 || any;
    }
  }
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
  if (connections_ >= most_connections_) {
    shards_.front()->router().count_refused_connection();
    return;  // closed at once
  }
  shard& to = *shards_[next_];
  next_ = (next_ + 1) % shards_.size();
  if (&to == shards_.front().get()) {
    ++connections_;
    return to.take(std::move(stream), from);
  }
  const auto socket = stream->release();
  if (!socket) return;  // it is gone again
  ++connections_;
  to.loop().post([&to, socket = *socket, from] {
    to.take(std::make_unique<drivers::io::stream>(to.loop().context().asio(), socket), from);
  });
}

/// From any part's thread.
void server::count_gone() {
  loop_.post([this] {
    --connections_;
    if (stopping_ && connections_ == 0) loop_.stop();
  });
}

void server::stop() {
  if (std::exchange(stopping_, true)) return;
  acceptor_->close();
  if (connections_ == 0) return loop_.stop();
  stop_timer_ = loop_.start_timer(steady_clock::now() + stop_time, *this, 0);
  for (const auto& one : shards_) {
    one->loop().post(
        [&it = *one] { it.close_all("amqp:connection:forced", "the router is shutting down"); });
  }
}

void server::on_timer(std::uint64_t) { loop_.stop(); }

/// Has the other threads wait; for management, which reads what they own.
void server::while_all_wait(const std::function<void()>& work) {
  struct meeting {
    explicit meeting(std::ptrdiff_t others) : here(others), over(1) {}
    std::latch here;
    std::latch over;
  };
  const auto all = std::make_shared<meeting>(static_cast<std::ptrdiff_t>(workers_.size()));
  for (const auto& one : workers_) {
    one->loop.post([all] {
      all->here.count_down();
      all->over.wait();
    });
  }
  all->here.wait();
  work();
  all->over.count_down();
}

}  // namespace ombt::tools::router
