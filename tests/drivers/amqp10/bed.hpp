// SPDX-License-Identifier: Apache-2.0
#pragma once
// A transport and the bus that is a script, for tests of the AMQP 1.0 driver: calls, casts and
// notifications with their endings, a server that answers when its test says so. One thread.

#include "drivers/io/context.hpp"
#include "drivers/transport.hpp"

#include "tests/agents/drive.hpp"
#include "tests/drivers/amqp10/scripted_peer.hpp"

#include <catch2/catch.hpp>

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace ombt::tests {

using std::chrono::milliseconds;
using std::chrono::seconds;

struct ended {
  std::uint64_t tag;
  error_code error;
  std::string detail;
  std::string result;     ///< JSON text of a string result, or of a whole number
  std::string exception;  ///< its class
};

struct amqp10_bed : drivers::completion, drivers::request_handler, drivers::notification_handler {
  using change = std::function<void(drivers::transport_settings&)>;

  drivers::loop on;
  scripted_peer bus{on.context().asio()};
  std::shared_ptr<drivers::transport_settings> settings =
      std::make_shared<drivers::transport_settings>();
  std::unique_ptr<drivers::transport> t;
  std::vector<ended> all;
  drivers::target to;
  bool inside = false;
  // Of a server
  std::unique_ptr<drivers::listener> l;
  std::vector<drivers::request_id> got;
  std::vector<std::string> methods;
  int listening = 0;
  std::vector<ended> troubles;  ///< tag 1: final
  std::string answer;           ///< not empty: the result of every request at once

  /// The transport is made here, nothing is connected.
  explicit amqp10_bed(const change& with = {}) {
    settings->messaging.url.driver = wire::oslo::driver_kind::amqp10;
    settings->messaging.url.hosts = {{"127.0.0.1", bus.port(), "", "", false}};
    settings->messaging.amqp.link_retry_delay = 1;
    settings->program = "bed";
    bus.says = simply(amqp::outcome::kind::accepted);
    if (with) with(*settings);
    t = drivers::transport::make(on, settings);
    to.exchange = "ex";
    to.topic = "topic";
  }
  static constexpr const char* anycast = "openstack.org/om/rpc/anycast/ex/topic";

  template <class Condition>
  bool drive(Condition condition) {
    return tests::drive(on, condition);
  }
  bool done(std::size_t count) {
    return drive([&] { return all.size() >= count; });
  }
  drivers::call_options within(drivers::duration timeout, int retry = -1) {
    return {timeout, {}, retry};
  }
  void call(std::uint64_t tag, const drivers::call_options& options) {
    inside = true;
    t->call(to, {"echo", "{\"data\": 1}", {}}, options, *this, tag);
    inside = false;
  }
  void call(std::uint64_t tag) { call(tag, within(seconds{60})); }
  void cast(std::uint64_t tag, const drivers::call_options& options) {
    inside = true;
    t->cast(to, {"noop", "{}", {}}, options, *this, tag);
    inside = false;
  }
  void cast(std::uint64_t tag) { cast(tag, within(seconds{60})); }
  void notify(std::uint64_t tag, const drivers::call_options& options) {
    inside = true;
    drivers::notification_message n;
    n.event_type = "event";
    n.priority = "info";
    t->notify(to, n, options, *this, tag);
    inside = false;
  }
  void on_complete(std::uint64_t tag, const drivers::outcome& result) override {
    CHECK_FALSE(inside);
    all.push_back({tag, result.error, std::string(result.detail),
                   std::string(result.result.string().value_or("")),
                   result.exception != nullptr ? result.exception->class_name : ""});
  }

  void serve(drivers::serve_options options = {}) {
    drivers::target at = to;
    at.server = "one";
    l = t->listen(at, options, *this);
    REQUIRE(drive([&] { return listening > 0; }));
  }
  void request(std::string_view id, std::string_view reply_to, const char* method = "echo",
               std::string_view more = "") {
    const std::string body = std::string(R"({"request": {"method": ")") + method +
                             R"(", "args": {}}, "context": {})" + std::string(more) + "}";
    amqp::message m;
    m.id = id;
    m.reply_to = reply_to;
    m.kind = amqp::message::body_kind::text;
    m.body = body;
    REQUIRE(bus.deliver(anycast, m));
  }
  void on_request(drivers::listener& from, const drivers::incoming_request& r) override {
    got.push_back(r.id);
    methods.emplace_back(r.method);
    if (!answer.empty()) from.reply(r.id, answer);
  }
  void on_notification(drivers::listener&, const drivers::incoming_notification& n) override {
    got.push_back(n.id);
    methods.emplace_back(n.event_type);
  }
  void on_listening(drivers::listener&) override { ++listening; }
  void on_listener_error(drivers::listener&, error_code error, std::string_view detail,
                         bool final) override {
    troubles.push_back({final ? 1U : 0U, error, std::string(detail), "", ""});
  }
  /// The n-th message that the bus got, waited for.
  scripted_peer::seen_message& message(std::size_t n) {
    REQUIRE(drive([&] { return bus.messages.size() > n; }));
    return *std::next(bus.messages.begin(), static_cast<long>(n));
  }
  /// Nothing more happens within a short while.
  void settle(drivers::duration time = milliseconds{50}) { tests::settle(on, time); }
};

/// Unsettled kinds are waited for, and the bus says nothing by itself.
inline const amqp10_bed::change unsettled = [](auto& s) { s.messaging.amqp.pre_settled = {}; };

}  // namespace ombt::tests
