// SPDX-License-Identifier: Apache-2.0
// The notifier and the listener of the native peer: tests/peers/notifier.py and listener.py.

#include "tests/interop/native_peer.hpp"

#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

namespace ombt::interop {
namespace {

/// Commands run in order, each notification after the one before it.
class notifier final : public peer, drivers::completion {
 public:
  explicit notifier(environment& in)
      : transport_{in.transport},
        to_{target_of(in.options)},
        publisher_{in.options.value("publisher", "test")},
        envelope_{in.options.value("driver", "messaging") == "messagingv2"} {
    say({{"event", "ready"}});
  }

  void command(const json& given) override {
    waiting_.push_back(given);
    if (waiting_.size() == 1) {
      begin();
    }
  }

  void on_complete(std::uint64_t, const drivers::outcome& result) override {
    if (result.error) {
      ++failed_;
      json line;
      describe_failure(line, result);
      ++errors_[line["error"].get<std::string>()];
    } else {
      ++ok_;
    }
    next();
  }

 private:
  void begin() {
    sent_ = ok_ = failed_ = 0;
    errors_.clear();
    next();
  }

  void next() {
    const json& given = waiting_.front();
    if (sent_ < given.value("count", std::uint64_t{1})) {
      send(given, sent_++);
      return;
    }
    say({{"event", "summary"},
         {"id", given.value("id", json{})},
         {"ok", ok_},
         {"failed", failed_},
         {"errors", errors_}});
    done(given);
    waiting_.pop_front();
    if (!waiting_.empty()) {
      begin();
    }
  }

  void send(const json& given, std::uint64_t n) {
    json payload = given.value("payload", json::object());
    if (given.contains("tag")) {
      payload["tag"] = given["tag"].get<std::string>() + "-" + std::to_string(n);
    }
    const std::string payload_text = python_text(payload);
    const std::string context = python_text(given.value("context", json::object()));
    const std::string priority = given.value("priority", "debug");
    const std::string event_type = given.value("event_type", "test");
    drivers::notification_message message;
    message.publisher_id = publisher_;
    message.event_type = event_type;
    message.priority = priority;
    message.payload_json = payload_text;
    message.context_json = context;
    message.envelope = envelope_;
    transport_.notify(to_, message, {}, *this, n);
  }

  drivers::transport& transport_;
  drivers::target to_;
  std::string publisher_;
  bool envelope_;
  std::deque<json> waiting_;
  std::uint64_t sent_ = 0;
  std::uint64_t ok_ = 0;
  std::uint64_t failed_ = 0;
  std::map<std::string, std::uint64_t> errors_;
};

class listener final : public peer, drivers::notification_handler {
 public:
  explicit listener(environment& in) : requeue_left_{in.options.value("requeue", 0)} {
    const auto priorities = in.options.value("priorities", std::vector<std::string>{"debug"});
    const auto pool = in.options.find("pool");
    listener_ = in.transport.listen_for_notifications(
        target_of(in.options), priorities,
        pool != in.options.end() && pool->is_string() ? pool->get<std::string>() : std::string{},
        *this);
  }

  void command(const json& given) override {
    if (given.value("do", "") == "report") {
      const auto& c = listener_->counters();
      say({{"event", "report"},
           {"id", given.value("id", json{})},
           {"received", c.received},
           {"duplicates", c.duplicates},
           {"malformed", c.malformed},
           {"reconnects", c.reconnects}});
    }
    done(given);
  }

  void on_notification(drivers::listener& from,
                       const drivers::incoming_notification& notification) override {
    const bool requeued = requeue_left_ > 0;
    requeue_left_ -= requeued ? 1 : 0;
    std::string priority{notification.priority};
    for (char& c : priority) {
      c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
    }
    say({{"event", "notification"},
         {"requeued", requeued},
         {"priority", priority},
         {"publisher_id", std::string{notification.publisher_id}},
         {"event_type", std::string{notification.event_type}},
         {"payload", document_of(notification.payload)},
         {"message_id", std::string{notification.message_id}},
         {"timestamp", std::string{notification.timestamp}}});
    if (requeued) {
      from.requeue(notification.id);
    } else {
      from.acknowledge(notification.id);
    }
  }

  void on_listening(drivers::listener&) override {
    if (!std::exchange(ready_, true)) {
      say({{"event", "ready"}});
    }
  }

  void on_listener_error(drivers::listener&, error_code error, std::string_view detail,
                         bool final) override {
    say({{"event", "listener_error"},
         {"error", error.message()},
         {"message", std::string{detail}},
         {"final", final}});
  }

 private:
  int requeue_left_;
  bool ready_ = false;
  std::unique_ptr<drivers::listener> listener_;
};

}  // namespace

std::unique_ptr<peer> make_notifier(environment& in) { return std::make_unique<notifier>(in); }
std::unique_ptr<peer> make_listener(environment& in) { return std::make_unique<listener>(in); }

}  // namespace ombt::interop
