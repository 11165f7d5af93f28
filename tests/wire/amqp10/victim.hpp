// SPDX-License-Identifier: Apache-2.0
#pragma once
// A server for a hostile peer to talk to, which is bytes made by hand (script.hpp). One thread.

#include "tests/wire/amqp10/couple.hpp"
#include "tests/wire/amqp10/script.hpp"

#include <chrono>
#include <functional>
#include <string>
#include <string_view>
#include <utility>

// Inside, because the C library has names like link, uint and close too.
namespace ombt::wire::amqp10::test {
using namespace script;

/// A server whose owner takes everything, gives credit on receivers, and closes what is closed.
class victim {
 public:
  explicit victim(connection_options options = {}) {
    one.options = std::move(options);
    one.options.side = role::server;
    one.on_event = [this](const any_event& event) {
      if (const auto* s = std::get_if<event::session_opened>(&event)) {
        last_session = s->on;
        s->on.accept();
      }
      if (const auto* l = std::get_if<event::link_opened>(&event)) {
        last_link = l->on;
        last_link.accept({"a"}, {"a"});
        if (!last_link.is_sender()) last_link.add_credit(credit);
      }
      if (const auto* l = std::get_if<event::link_closed>(&event)) l->on.close();
      if (const auto* s = std::get_if<event::session_closed>(&event)) s->on.close();
      if (const auto* d = std::get_if<event::delivered>(&event)) {
        if (settles) d->what.settle();
      }
    };
    one.start(now);
  }
  /// Begins a session and attaches a link that the peer sends on, and lets it know of the credit.
  void attach_sender() {
    feed(opening() + attach(0, 0, "in", false));
    one.take_sent(now);
  }
  /// Events of it.
  lines feed(std::string_view bytes, std::size_t piece = SIZE_MAX) {
    one.feed(bytes, now, piece);
    return one.take_events();
  }
  /// The reason of the closed event; empty if there is none.
  std::string end_of(std::string_view bytes, std::size_t piece = SIZE_MAX) {
    const lines events = feed(bytes, piece);
    return !events.empty() && events.back().compare(0, 7, "closed ") == 0 ? events.back() : "";
  }
  end one;
  time_point now{std::chrono::hours(1)};
  session last_session;
  link last_link;
  int credit = 2;
  bool settles = true;
};

inline bool is_breach(const std::string& closed) {
  return closed.compare(0, 30, "closed protocol protocol_error") == 0;
}

inline double seconds_of(const std::function<void()>& what) {
  const auto begin = std::chrono::steady_clock::now();
  what();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace ombt::wire::amqp10::test
