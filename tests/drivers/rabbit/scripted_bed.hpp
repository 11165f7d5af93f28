// SPDX-License-Identifier: Apache-2.0
#pragma once
// A transport at a scripted broker, in one loop: as a client that keeps how its operations ended,
// or as a server that answers when its test says so. One thread.

#include "wire/oslo/messages.hpp"

#include "drivers/io/context.hpp"
#include "drivers/transport.hpp"

#include "tests/agents/drive.hpp"
#include "tests/drivers/rabbit/scripted_broker.hpp"

#include <catch2/catch.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace ombt::tests {

/// said_method's ids, as class * 1000 + method.
namespace methods {
inline constexpr unsigned start_ok = 10011;
inline constexpr unsigned tune_ok = 10031;
inline constexpr unsigned connection_close = 10050;
inline constexpr unsigned channel_open = 20010;
inline constexpr unsigned channel_close = 20040;
inline constexpr unsigned exchange_declare = 40010;
inline constexpr unsigned queue_declare = 50010;
inline constexpr unsigned queue_bind = 50020;
inline constexpr unsigned basic_consume = 60020;
inline constexpr unsigned basic_publish = 60040;
inline constexpr unsigned basic_reject = 60090;
}  // namespace methods

/// What a test changes of the settings.
using changes = std::function<void(drivers::transport_settings&)>;

inline std::shared_ptr<const drivers::transport_settings> settings_for(const scripted_broker& bus,
                                                                       const changes& change) {
  auto s = std::make_shared<drivers::transport_settings>();
  s->messaging.url.hosts.push_back({"127.0.0.1", bus.port(), "guest", "secret"});
  if (change) change(*s);
  return s;
}

struct scripted_client : drivers::completion {
  struct ended {
    std::uint64_t tag;
    error_code error;
    std::string detail;
    std::string result;     ///< JSON
    std::string exception;  ///< its class
  };

  drivers::loop on;
  scripted_broker bus{on.context().asio()};
  std::unique_ptr<drivers::transport> t;
  drivers::target to;
  std::vector<ended> all;

  explicit scripted_client(const changes& change = {}) {
    t = drivers::transport::make(on, settings_for(bus, change));
    to.exchange = "exchange";
    to.topic = "topic";
  }
  void on_complete(std::uint64_t tag, const drivers::outcome& result) override {
    ended e{tag, result.error, std::string(result.detail), {}, {}};
    result.result.append_to(e.result);
    if (result.exception != nullptr) e.exception = result.exception->class_name;
    all.push_back(std::move(e));
  }
  void call(std::uint64_t tag = 1) { t->call(to, {"echo", "{}", {}}, {}, *this, tag); }
  void cast(std::uint64_t tag = 1) { t->cast(to, {"noop", "{}", {}}, {}, *this, tag); }
  void notify(std::uint64_t tag = 1) {
    t->notify(to, {"publisher", "event", "info", "{}", {}, false}, {}, *this, tag);
  }
  /// Until as many operations have ended, in all.
  bool ends(std::size_t count) {
    return drive([&] { return all.size() >= count; }) && all.size() == count;
  }
  template <class Condition>
  bool drive(Condition condition) {
    return tests::drive(on, condition);
  }
  /// The _msg_id of a call that was published.
  std::string msg_id(std::size_t which = 0) const {
    wire::oslo::message_reader reader;
    REQUIRE_FALSE(reader.read(bus.published.at(which)));
    return std::string(reader.msg_id());
  }
  /// Puts a final reply on the reply queue.
  void deliver_reply(const std::string& to_msg_id, const char* result_json) {
    std::string body;
    wire::oslo::append_reply(body, result_json, to_msg_id,
                             wire::oslo::view(wire::oslo::make_hex_id()));
    bus.deliver(body);
  }
};

struct scripted_server : drivers::request_handler {
  drivers::loop on;
  scripted_broker bus{on.context().asio()};
  std::unique_ptr<drivers::transport> t;
  std::unique_ptr<drivers::listener> l;
  std::vector<drivers::request_id> got;
  std::vector<std::string> methods;  ///< of the requests, in order
  int up = 0;
  int lost = 0;

  explicit scripted_server(const changes& change = {}, const drivers::serve_options& options = {},
                           const char* exchange = "exchange") {
    t = drivers::transport::make(on, settings_for(bus, change));
    listen(options, exchange);
    REQUIRE(drive([this] { return up == 1; }));
  }
  void listen(const drivers::serve_options& options, const char* exchange = "exchange") {
    drivers::target at;
    at.exchange = exchange;
    at.topic = "topic";
    at.server = "server";
    l = t->listen(at, options, *this);
  }
  void on_request(drivers::listener&, const drivers::incoming_request& request) override {
    got.push_back(request.id);
    methods.emplace_back(request.method);
  }
  void on_listening(drivers::listener&) override { ++up; }
  void on_listener_error(drivers::listener&, error_code, std::string_view, bool) override {
    ++lost;
  }
  template <class Condition>
  bool drive(Condition condition) {
    return tests::drive(on, condition);
  }
  /// A request, with a reply wanted where call is true; each its own.
  void request(const std::string& method, bool call = false, std::size_t padding = 0) {
    const std::string args = R"({"data": ")" + std::string(padding, 'X') + R"("})";
    const auto id = wire::oslo::make_hex_id();
    wire::oslo::request r;
    r.method = method;
    r.args_json = args;
    if (call) r.msg_id = wire::oslo::view(id);
    if (call) r.reply_queue = "reply_1";
    r.unique_id = wire::oslo::view(id);
    std::string body;
    wire::oslo::append_request(body, r);
    bus.deliver(body);
  }
};

}  // namespace ombt::tests
