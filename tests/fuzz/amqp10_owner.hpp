// SPDX-License-Identifier: Apache-2.0
#pragma once
// An owner of an AMQP 1.0 connection, for the fuzz targets: uses every command, keeps to the rules
// for handles and reads every byte it is given. A closed event that is not the last aborts.

#include "wire/amqp10/connection.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

namespace ombt::wire::amqp10::fuzz {

class owner {
 public:
  owner(connection& bus, bool client, std::uint8_t habits)
      : bus_(bus), client_(client), habits_(habits) {}

  bool closed() const noexcept { return closed_; }
  std::size_t read() const noexcept { return read_; }

  void operator()(const event::opened& e) {
    see(e.container, e.hostname, e.product, e.version, e.user);
    if (!client_) return;
    for (int i = 0; i < 2; ++i) {
      session on = bus_.open_session();
      if (!on) continue;
      sessions_.push_back(on);
      add(on.open_sender("out", {"a"}, {"b"}));
      add(on.open_receiver("in", {"", true}, {"b"}, settle_mode::settled));
    }
    // What waits for credit, too.
    if (!links_.empty()) send(links_.front());
  }
  void operator()(const event::closed& e) {
    see(e.condition, e.description);
    closed_ = true;
  }
  void operator()(event::session_opened e) {
    if (!e.by_peer) return;
    sessions_.push_back(e.on);
    e.on.set_user(this);
    if (!wants(0x01)) e.on.accept();
    if (wants(0x02)) add(e.on.open_sender("mine", {"a"}, {"b"}));
  }
  void operator()(event::session_closed e) {
    see(e.condition, e.description);
    // All links of it have been told to be closed before.
    for (link& one : links_) {
      if (one.on() == e.on && !one.closed_by_peer()) std::abort();
    }
    forget_session(e.on);
    e.on.close();
  }
  void operator()(event::link_opened e) {
    see(e.on.name(), e.on.peer_source().address, e.on.peer_target().address);
    read_ += static_cast<std::size_t>(e.on.peer_sender_mode());
    if (e.by_peer) {
      add(e.on);
      if (wants(0x04)) {
        e.on.refuse("amqp:not-found", "no");
      } else {
        e.on.accept(e.on.peer_source(), e.on.peer_target());
      }
    }
    if (!e.on.is_sender()) e.on.add_credit(3);
    if (e.on.is_sender()) send(e.on);
  }
  void operator()(event::link_closed e) {
    see(e.condition, e.description, e.on.name());
    forget_link(e.on);
    if (!wants(0x08)) e.on.close("amqp:internal-error", "so what");
  }
  void operator()(event::credit e) {
    if (e.on.credit() < 0) std::abort();
    for (int i = 0; i < 2 && e.on.credit() > 0; ++i) send(e.on);
    if (e.drain) e.on.drained();
  }
  void operator()(event::delivered e) {
    see(e.message, e.what.tag(), e.what.on().name());
    if (e.what.on() != e.on) std::abort();
    const char first = e.message.empty() ? '\0' : e.message.front();
    const outcome how{static_cast<outcome::kind>(first & 3), (first & 4) != 0, (first & 8) != 0,
                      "amqp:not-found", "text"};
    if ((first & 16) != 0) e.what.update(how);
    if ((first & 32) == 0) e.what.settle(how);
    if (wants(0x10)) e.on.add_credit(1);
    if (first == 'd') e.on.drain();
    if (first == 'c') e.on.close();
    if (first == 's') close_session(e.on.on());
    if (first == 'x') bus_.close("amqp:connection:forced", "x");
    for (link& one : links_) {
      if (one.is_sender()) send(one);
    }
  }
  void operator()(event::updated e) {
    see(e.what.tag(), e.how.condition, e.how.description);
    see(e.what.peer_outcome().condition);
    if (e.settled || wants(0x20)) {
      deliveries_.erase(std::remove(deliveries_.begin(), deliveries_.end(), e.what),
                        deliveries_.end());
      e.what.settle();
    }
  }
  void operator()(event::oversized e) { see(e.on.name()); }

 private:
  bool wants(unsigned habit) const noexcept { return (habits_ & habit) != 0; }

  template <class... Text>
  void see(const Text&... text) {
    (see_one(text), ...);
  }
  void see_one(std::string_view text) {
    if (text.size() > 4096) text = text.substr(text.size() - 4096);
    for (const char c : text) read_ += static_cast<unsigned char>(c);
  }

  void add(link one) {
    if (one) links_.push_back(one);
  }
  void send(link& on) {
    if (deliveries_.size() > 20) return;
    const std::string tag = std::to_string(++sent_);
    const delivery made = on.send(tag, std::string(sent_ % 3 * 300, 'm'), sent_ % 4 == 0);
    if (made) deliveries_.push_back(made);
    // Taken back, perhaps before it was sent.
    if (made && sent_ % 5 == 0) {
      deliveries_.back().settle({outcome::kind::released, false, false, {}, {}});
      deliveries_.pop_back();
    }
    read_ += on.unsent();
  }
  void close_session(session on) { on.close("amqp:internal-error", ""); }

  // Handles end: what is on them goes first.
  void forget_link(const link& gone) {
    deliveries_.erase(std::remove_if(deliveries_.begin(), deliveries_.end(),
                                     [&](const delivery& one) { return one.on() == gone; }),
                      deliveries_.end());
    links_.erase(std::remove(links_.begin(), links_.end(), gone), links_.end());
  }
  void forget_session(const session& gone) {
    sessions_.erase(std::remove(sessions_.begin(), sessions_.end(), gone), sessions_.end());
    const std::vector<link> all = links_;
    for (const link& one : all) {
      if (one.on() == gone) forget_link(one);
    }
  }

  connection& bus_;
  bool client_;
  std::uint8_t habits_;
  bool closed_ = false;
  std::size_t read_ = 0;
  int sent_ = 0;
  std::vector<session> sessions_;
  std::vector<link> links_;
  std::vector<delivery> deliveries_;  ///< unsettled ones of ours
};

/// A whole conversation. data: the size of pieces, the owner's habits, a choice of the connection's
/// options, then what the peer sends.
inline void converse(connection_options options, std::string_view user, std::string_view data) {
  if (data.size() < 3) return;
  const std::size_t piece = data[0] == 0 ? SIZE_MAX : static_cast<std::uint8_t>(data[0]);
  const auto choice = static_cast<std::uint8_t>(data[2]);
  if ((choice & 1) != 0) options.message_limit = 100;
  if ((choice & 2) != 0) options.max_frame_size = 512;
  if ((choice & 4) != 0) options.channel_max = 1;
  if ((choice & 8) != 0) options.handle_max = 1;
  if ((choice & 16) != 0) options.idle_timeout = std::chrono::seconds(1);
  if ((choice & 32) != 0) options.mechanisms.clear();
  const bool client = options.side == role::client;
  if ((choice & 32) != 0) user = {};
  time_point now{std::chrono::hours(1)};
  connection bus(options, "fuzz", user, "secret", (choice & 64) != 0, now,
                 (choice & 64) != 0 ? "cert" : "");
  owner of(bus, client, static_cast<std::uint8_t>(data[1]));
  const auto turn = [&] {
    bus.drain([&](const auto& one) {
      if (of.closed()) std::abort();
      of(one);
    });
    // Read, as a socket would.
    for (auto waiting = bus.write_buffer(); !waiting.empty(); waiting = bus.write_buffer()) {
      const std::string copy(waiting.data(), waiting.size());
      bus.write_done(std::max<std::size_t>(copy.size() / 2, 1), now);
    }
  };
  turn();
  data.remove_prefix(3);
  while (!data.empty()) {
    const auto room = bus.read_buffer();
    if (room.empty()) break;
    const std::size_t n = std::min({room.size(), data.size(), piece});
    std::memcpy(room.data(), data.data(), n);
    data.remove_prefix(n);
    now += std::chrono::milliseconds(100);
    bus.read_done(n, now);
    turn();
    if (bus.next_deadline() <= now) bus.tick(now);
  }
  bus.transport_closed(errc::connection_lost);
  turn();
  if (!of.closed()) std::abort();
  turn();
  // Keeps the reading from being dropped.
  if (of.read() == SIZE_MAX) std::abort();
}

}  // namespace ombt::wire::amqp10::fuzz
