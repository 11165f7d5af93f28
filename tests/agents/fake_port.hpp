// SPDX-License-Identifier: Apache-2.0
#pragma once
// The port of a machine's agents and a controller's connection to it, in memory. What a controller
// says travels by loop::post(), so agents may live on another thread than the test.

#include "wire/control/direct.hpp"
#include "wire/json/value.hpp"

#include "drivers/shared_port.hpp"

#include "agents/control/direct_carrier.hpp"

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace ombt::tests {

/// What a process said, read.
struct direct_word {
  std::uint64_t id = 0;
  std::string method;  ///< empty: an answer
  std::optional<wire::control::agent_kind> kind;
  std::string topic;
  std::string json;   ///< args or result
  std::string error;  ///< of an answer

  /// A text among the args or the result.
  std::string text(std::string_view key) const {
    wire::json::reader reader;
    wire::json::value root;
    if (reader.parse(json, root)) return {};
    return std::string(root[key].string().value_or(""));
  }
};

/// One connection; shared by the agents' end, a drivers::channel, and the test's.
class fake_connection {
 private:
  template <class Work>
  auto with(Work work) const {
    const std::lock_guard lock(mutex_);
    return work();
  }

 public:
  std::vector<direct_word> heard() const {
    const std::lock_guard lock(mutex_);
    return heard_;
  }
  std::vector<direct_word> heard(std::string_view method) const {
    auto all = heard();
    std::erase_if(all, [&](const direct_word& one) { return one.method != method; });
    return all;
  }
  /// The answer to the command of that id; nothing: none yet.
  std::optional<direct_word> answer(std::uint64_t id) const {
    for (const direct_word& one : heard("")) {
      if (one.id == id) return one;
    }
    return {};
  }
  /// The agents' end has ended it.
  bool closed() const {
    return with([&] { return closed_; });
  }
  bool finished() const {
    return with([&] { return finished_; });
  }
  /// What the agents' end is told of bytes that wait.
  void set_unsent(std::size_t bytes) {
    with([&] { return unsent_ = bytes; });
  }

 private:
  friend class fake_channel;
  friend class direct_peer;

  void hear(std::string_view frame) {
    const std::lock_guard lock(mutex_);
    wire::json::value root;
    wire::control::direct_message read;
    std::string why;
    direct_word& word = heard_.emplace_back();
    if (reader_.parse(frame, root) || !wire::control::read_direct_message(root, read, why)) {
      word.error = "unreadable: " + why;
      return;
    }
    word.id = read.id;
    word.method = read.method;
    word.kind = read.kind;
    word.topic = read.topic;
    word.error = read.error;
    (read.method.empty() ? read.result : read.args).append_to(word.json);
  }

  mutable std::mutex mutex_;
  wire::json::reader reader_;
  std::vector<direct_word> heard_;
  std::size_t unsent_ = 0;
  bool finished_ = false;
  bool closed_ = false;
  drivers::channel_handler* handler_ = nullptr;  ///< on the agents' thread, as what follows
  drivers::channel* channel_ = nullptr;
};

class fake_channel final : public drivers::channel {
 public:
  explicit fake_channel(std::shared_ptr<fake_connection> with) : with_(std::move(with)) {
    with_->channel_ = this;
  }
  ~fake_channel() override { close(); }
  void set_handler(drivers::channel_handler& handler) override { with_->handler_ = &handler; }
  void send(std::string_view frame) override {
    if (with_->channel_ != nullptr) with_->hear(frame);
  }
  std::size_t unsent() const noexcept override {
    return with_->with([&] { return with_->unsent_; });
  }
  void finish() override {
    with_->with([&] { return with_->finished_ = true; });
  }
  void close() override {
    with_->channel_ = nullptr;
    with_->handler_ = nullptr;
    with_->with([&] { return with_->closed_ = true; });
  }
  const std::string& peer() const noexcept override { return peer_; }

 private:
  std::shared_ptr<fake_connection> with_;
  std::string peer_ = "process 1";
};

/// The port, where one process is.
class fake_port {
 public:
  agents::port_factory joining() {
    return [at = at_](drivers::loop& on, drivers::shared_port::settings what,
                      drivers::shared_port::events told) -> std::shared_ptr<void> {
      at->on = &on;
      at->settings = std::move(what);
      at->told = std::move(told);
      at->joined = true;
      if (at->ready) on.post([at] { at->told.joined(at->settings.port); });
      return {at.get(), [at](void*) { at->joined = false; }};
    };
  }
  /// Whether a process that joins is told that it is reached.
  void set_ready(bool ready) { at_->ready = ready; }
  void fail(const std::string& why) {
    at_->on->post([at = at_, why] { at->told.failed(why); });
  }
  bool joined() const { return at_->joined; }
  const drivers::shared_port::settings& settings() const { return at_->settings; }

 private:
  friend class direct_peer;
  struct place {
    drivers::loop* on = nullptr;
    drivers::shared_port::settings settings;
    drivers::shared_port::events told;
    std::atomic<bool> joined = false;
    bool ready = true;
  };
  std::shared_ptr<place> at_ = std::make_shared<place>();
};

/// A controller at a port.
class direct_peer {
 public:
  explicit direct_peer(fake_port& port, std::string named = native_name('a'))
      : name(std::move(named)), at_(port.at_) {
    at_->on->post([at = at_, with = with_] {
      auto channel = std::make_unique<fake_channel>(with);
      if (at->joined) at->told.taken(std::move(channel));
    });
  }
  static std::string native_name(char tag) {
    return wire::control::controller_name("t", "h", 1, std::string(32, tag));
  }

  const std::string name;

  const fake_connection* operator->() const { return with_.get(); }
  fake_connection& connection() { return *with_; }

  /// Has the process get this frame.
  void say_frame(std::string frame) {
    at_->on->post([with = with_, frame = std::move(frame)] {
      if (with->handler_ != nullptr) with->handler_->on_frame(*with->channel_, frame);
    });
  }
  /// Where answers go; the topic in it says nothing here.
  wire::control::reply_address address() const { return {"ombt-control", "controller-t", name}; }
  std::string reply() const {
    std::string args;
    wire::control::append_reply_addr_args(args, address());
    return args;
  }
  /// A command to the clients of a topic, unless another kind, or none, is named; its id. Without
  /// arguments it says where answers go.
  std::uint64_t say(
      std::string_view method, std::string_view args = {},
      std::optional<wire::control::agent_kind> kind = wire::control::agent_kind::rpc_client,
      std::string_view topic = "t") {
    std::string frame;
    wire::control::append_direct_command(frame, ++ids_, method, kind, topic,
                                         args.empty() ? reply() : std::string(args));
    say_frame(std::move(frame));
    return ids_;
  }
  std::uint64_t greet(int version = wire::control::direct_version) {
    std::string args;
    wire::control::append_controller_hello(args, {version, name, "their-host", 4711});
    return say("hello", args, {}, "");
  }
  /// "prepare", or another method with the same arguments.
  std::uint64_t prepare(wire::control::test_kind test, const wire::control::test_parameters& what,
                        std::string_view topic = "t", std::string_view method = "prepare") {
    std::string args;
    append_run_test_args(args, test, what, address());
    return say(method, args, wire::control::client_kind(test), topic);
  }
  std::uint64_t start(const wire::control::start_request& when) {
    std::string args;
    append_start_request(args, when);
    return say("start", args, {}, "");
  }
  /// Reads all that waits.
  void read() {
    with_->set_unsent(0);
    at_->on->post([with = with_] {
      if (with->handler_ != nullptr) with->handler_->on_written(*with->channel_);
    });
  }
  /// The connection ends, by this side.
  void go() {
    at_->on->post([with = with_] {
      if (with->handler_ != nullptr) with->handler_->on_closed(*with->channel_, {}, "");
    });
  }

 private:
  std::shared_ptr<fake_port::place> at_;
  std::shared_ptr<fake_connection> with_ = std::make_shared<fake_connection>();
  std::uint64_t ids_ = 0;
};

}  // namespace ombt::tests
