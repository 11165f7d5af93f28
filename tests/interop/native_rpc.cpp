// SPDX-License-Identifier: Apache-2.0
// The RPC server and the RPC client of the native peer: tests/peers/rpc_server.py and
// rpc_client.py.

#include "tests/interop/native_peer.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <set>
#include <string>
#include <utility>

namespace ombt::interop {
namespace {

using clock = drivers::steady_clock;

std::chrono::nanoseconds seconds(double s) {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::duration<double>{s});
}

wire::oslo::remote_exception exception_of(const std::string& kind, const std::string& message) {
  wire::oslo::remote_exception e;
  e.class_name = kind;
  e.module = kind == "OwnError" ? "native_peer" : "builtins";
  // str(KeyError("x")) is "'x'".
  e.message = kind == "KeyError" ? "'" + message + "'" : message;
  e.traceback = {"Traceback (most recent call last):\n", "  File \"native_peer\", in boom\n",
                 kind + ": " + message + "\n"};
  e.args_json = "[" + python_text(message) + "]";
  return e;
}

class rpc_server final : public peer, drivers::request_handler, drivers::timer_target {
 public:
  explicit rpc_server(environment& in) : loop_{in.loop} {
    drivers::target at = target_of(in.options);
    name_ = at.server;
    drivers::serve_options options;
    options.ping = in.options.value("ping", false);
    options.executor_slots = in.options.value("slots", 64);
    listener_ = in.transport.listen(at, options, *this);
  }

  void command(const json& given) override {
    if (given.value("do", "") == "report") {
      const auto& c = listener_->counters();
      say({{"event", "report"},
           {"id", given.value("id", json{})},
           {"calls", calls_},
           {"tags", tags_},
           {"duplicates", c.duplicates},
           {"malformed", c.malformed},
           {"replies_abandoned", c.replies_abandoned},
           {"reconnects", c.reconnects}});
    }
    done(given);
  }

  void on_listening(drivers::listener&) override {
    if (!std::exchange(ready_, true)) {
      say({{"event", "ready"}, {"server", name_}});
    }
  }

  void on_listener_error(drivers::listener&, error_code error, std::string_view detail,
                         bool final) override {
    say({{"event", "listener_error"},
         {"error", error.message()},
         {"message", std::string{detail}},
         {"final", final}});
  }

  void on_request(drivers::listener& from, const drivers::incoming_request& request) override {
    const std::string method{request.method};
    const auto known = {"echo", "noop", "self_ready", "slow", "boom", "who", "context"};
    if (std::find(known.begin(), known.end(), method) == known.end()) {
      end(from, request, wire::oslo::no_such_method(method));
      return;
    }
    ++calls_[method];
    if (const auto tag = request.args["tag"].string()) {
      ++tags_[std::string{*tag}];
    }
    if (method == "echo") {
      end(from, request, text_of(request.args["data"]));
    } else if (method == "noop") {
      end(from, request, "null");
    } else if (method == "self_ready") {
      end(from, request, "true");
    } else if (method == "slow") {
      const std::uint64_t tag = next_timer_++;
      slow_[tag] = {request.id, request.wants_reply};
      loop_.start_timer(clock::now() + seconds(request.args["seconds"].number().value_or(0)), *this,
                        tag);
    } else if (method == "boom") {
      end(from, request,
          exception_of(std::string{request.args["kind"].string().value_or("ValueError")},
                       std::string{request.args["message"].string().value_or("")}));
    } else if (method == "who") {
      end(from, request, python_text(name_));
    } else {
      end(from, request, context_of(request));
    }
  }

  void on_timer(std::uint64_t tag) override {
    const auto found = slow_.find(tag);
    const auto [id, wants_reply] = found->second;
    slow_.erase(found);
    if (wants_reply) {
      listener_->reply(id, "\"slept\"");
    } else {
      listener_->done(id);
    }
  }

 private:
  static std::string context_of(const drivers::incoming_request& request) {
    if (request.context) return python_text(document_of(request.context));  // AMQP 1.0
    constexpr std::string_view prefix = "_context_";
    json context = json::object();
    request.message.for_each_member([&](std::string_view key, wire::json::value value) {
      if (key.substr(0, prefix.size()) == prefix) {
        context[std::string{key.substr(prefix.size())}] = document_of(value);
      }
    });
    return python_text(context);
  }

  static void end(drivers::listener& from, const drivers::incoming_request& request,
                  std::string_view result) {
    if (request.wants_reply) {
      from.reply(request.id, result);
    } else {
      from.done(request.id);
    }
  }

  static void end(drivers::listener& from, const drivers::incoming_request& request,
                  const wire::oslo::remote_exception& exception) {
    from.fail(request.id, exception);
  }

  drivers::loop& loop_;
  std::string name_;
  bool ready_ = false;
  std::map<std::string, int> calls_;
  std::map<std::string, int> tags_;
  std::map<std::uint64_t, std::pair<drivers::request_id, bool>> slow_;
  std::uint64_t next_timer_ = 0;
  std::unique_ptr<drivers::listener> listener_;
};

/// One command of the client: `count` operations, at most `threads` of them under way.
class operation final : public drivers::completion {
 public:
  operation(environment& in, json given, std::function<void()> ended)
      : loop_{in.loop},
        transport_{in.transport},
        given_(std::move(given)),  // braces would make an array of it
        to_{target_of(given_["target"])},
        args_(given_.value("args", json::object())),
        method_{given_.value("method", "")},
        context_{python_text(given_.value("context", json::object()))},
        is_call_{given_.value("do", "") == "call"},
        quiet_{given_.value("quiet", false)},
        total_{given_.value("count", std::uint64_t{1})},
        ended_{std::move(ended)} {
    if (given_.contains("timeout")) {
      options_.timeout = seconds(given_["timeout"].get<double>());
    }
    if (given_.contains("call_monitor_timeout")) {
      options_.call_monitor_timeout = given_["call_monitor_timeout"].get<double>();
    }
    options_.retry = given_.value("retry", -1);
    began_.resize(total_);
  }

  void start() {
    const auto width = given_.value("threads", std::uint64_t{1});
    for (std::uint64_t i = 0; i < width && next_ < total_; ++i) {
      send();
    }
    if (total_ == 0) {
      end();
    }
  }

  void on_complete(std::uint64_t tag, const drivers::outcome& result) override {
    json line{{"event", "result"}, {"id", given_.value("id", json{})}, {"n", tag}};
    if (result.error) {
      ++failed_;
      describe_failure(line, result);
      ++errors_[line["error"].get<std::string>()];
    } else {
      ++ok_;
      const std::string text = is_call_ ? text_of(result.result) : "null";
      line["ok"] = true;
      line["result"] = quiet_ ? json{} : json::parse(text);
      if (text.size() <= 100) {
        ++results_[text];
      }
    }
    line["seconds"] = std::chrono::duration<double>(clock::now() - began_[tag]).count();
    if (!quiet_) {
      say(line);
    }
    if (next_ < total_) {
      send();
    } else if (ok_ + failed_ == total_) {
      end();
    }
  }

 private:
  void send() {
    const std::uint64_t n = next_++;
    if (given_.contains("tag")) {
      args_["tag"] = given_["tag"].get<std::string>() + "-" + std::to_string(n);
    }
    if (n == 0 || given_.contains("tag")) {
      args_text_ = python_text(args_);
    }
    began_[n] = clock::now();
    drivers::request_message request;
    request.method = method_;
    request.args_json = args_text_;
    request.context_json = context_;
    if (is_call_) {
      transport_.call(to_, request, options_, *this, n);
    } else {
      transport_.cast(to_, request, options_, *this, n);
    }
  }

  void end() {
    say({{"event", "summary"},
         {"id", given_.value("id", json{})},
         {"ok", ok_},
         {"failed", failed_},
         {"errors", errors_},
         {"results", results_}});
    done(given_);
    // Not from inside the completion: the owner destroys this.
    loop_.post(ended_);
  }

  drivers::loop& loop_;
  drivers::transport& transport_;
  json given_;
  drivers::target to_;
  drivers::call_options options_;
  json args_;
  std::string args_text_;
  std::string method_;
  std::string context_;
  bool is_call_;
  bool quiet_;
  std::uint64_t total_;
  std::uint64_t next_ = 0;
  std::uint64_t ok_ = 0;
  std::uint64_t failed_ = 0;
  std::map<std::string, std::uint64_t> errors_;
  std::map<std::string, std::uint64_t> results_;
  std::vector<drivers::time_point> began_;
  std::function<void()> ended_;
};

class rpc_client final : public peer {
 public:
  explicit rpc_client(environment& in) : in_{in} { say({{"event", "ready"}}); }

  void command(const json& given) override {
    const std::uint64_t number = next_++;
    auto [place, added] = running_.emplace(
        number,
        std::make_unique<operation>(in_, given, [this, number] { running_.erase(number); }));
    place->second->start();
  }

 private:
  environment& in_;
  std::uint64_t next_ = 0;
  std::map<std::uint64_t, std::unique_ptr<operation>> running_;
};

}  // namespace

std::unique_ptr<peer> make_rpc_server(environment& in) { return std::make_unique<rpc_server>(in); }
std::unique_ptr<peer> make_rpc_client(environment& in) { return std::make_unique<rpc_client>(in); }

}  // namespace ombt::interop
