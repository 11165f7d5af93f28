// SPDX-License-Identifier: Apache-2.0
#pragma once
// A controller on a bus in memory: asks agents as ombt's does, and keeps what they answer.

#include "wire/control/messages.hpp"
#include "wire/control/results.hpp"

#include "tests/agents/drive.hpp"
#include "tests/agents/fake_transport.hpp"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

namespace ombt::tests {

class fake_controller final : drivers::request_handler, drivers::completion {
 public:
  fake_controller(fake_bus& bus, drivers::loop& loop, std::string name, std::string topic = "t")
      : loop_(loop), topic_(std::move(topic)), transport_(bus.make(loop)) {
    address = {"ombt-control", wire::control::controller_topic(topic_), std::move(name)};
    drivers::target at;
    at.exchange = address.exchange;
    at.topic = address.topic;
    at.server = address.server;
    listener_ = transport_->listen(at, {}, *this);
  }

  wire::control::reply_address address;
  std::vector<wire::control::client_pong_request> pongs;
  std::vector<wire::control::client_result_request> results;

  void ask(wire::control::agent_kind kind, const std::string& method, const std::string& args) {
    drivers::target to;
    to.exchange = "ombt-control";
    to.topic = wire::control::agent_topic(kind, topic_, false);
    to.fanout = true;
    drivers::request_message r;
    r.method = method;
    r.args_json = args;
    ++sending_;
    transport_->cast(to, r, {}, *this, 0);
    drive(loop_, [&] { return sending_ == 0; });
  }
  void ask(wire::control::agent_kind kind, const std::string& method) {
    std::string args;
    wire::control::append_reply_addr_args(args, address);
    ask(kind, method, args);
  }
  void run(wire::control::agent_kind kind, wire::control::test_kind test,
           const wire::control::test_parameters& parameters) {
    std::string args;
    wire::control::append_run_test_args(args, test, parameters, address);
    ask(kind, "run_test", args);
  }
  /// Answers no more.
  void vanish() { listener_.reset(); }

  std::uint64_t messages_ok() const {
    std::uint64_t sum = 0;
    for (const auto& r : results) sum += r.results.msgs_ok;
    return sum;
  }

 private:
  void on_complete(std::uint64_t, const drivers::outcome&) override { --sending_; }
  void on_request(drivers::listener& from, const drivers::incoming_request& request) override {
    std::string why;
    if (request.method == "client_pong") {
      wire::control::client_pong_request pong;
      if (wire::control::read_client_pong_args(request.args, pong, why)) pongs.push_back(pong);
      from.reply(request.id, "true");
    } else if (request.method == "client_result") {
      wire::control::client_result_request result;
      if (wire::control::read_client_result_args(request.args, result, why)) {
        results.push_back(std::move(result));
      }
      from.reply(request.id, "null");
    } else {
      from.reply(request.id, "true");
    }
  }

  drivers::loop& loop_;
  std::string topic_;
  std::unique_ptr<drivers::transport> transport_;
  std::unique_ptr<drivers::listener> listener_;
  int sending_ = 0;
};

}  // namespace ombt::tests
