// SPDX-License-Identifier: Apache-2.0
#include "tests/wire/amqp10/couple.hpp"

#include <algorithm>
#include <stdexcept>

namespace ombt::wire::amqp10::test {
namespace {

std::string condition(std::string_view name, std::string_view description) {
  if (name.empty() && description.empty()) return "";
  return (name.empty() ? "" : " ") + std::string(name) + " '" + std::string(description) + "'";
}

std::string describe(const terminus& what) {
  if (!what.present) return "null";
  return (what.dynamic ? "dynamic " : "") + describe_message(what.address);
}

const char* name_of(event::closed::cause why) {
  constexpr const char* names[] = {"requested", "by_peer", "protocol", "silence", "transport"};
  return names[static_cast<int>(why)];
}

struct writer {
  std::string operator()(const event::opened& e) const {
    std::string line = "opened " + describe_message(e.container);
    if (!e.hostname.empty()) line += " host " + describe_message(e.hostname);
    if (!e.product.empty()) line += " product " + describe_message(e.product);
    if (!e.version.empty()) line += " version " + describe_message(e.version);
    if (!e.user.empty()) line += " user " + describe_message(e.user);
    return line;
  }
  std::string operator()(const event::closed& e) const {
    const std::string error = e.error.category() == ombt_category()
                                  ? ombt::name_of(static_cast<errc>(e.error.value()))
                                  : e.error.message();
    return std::string("closed ") + name_of(e.why) + (e.error ? " " + error : "") +
           condition(e.condition, e.description);
  }
  std::string operator()(const event::session_opened& e) const {
    return std::string("session_opened") + (e.by_peer ? " by peer" : "");
  }
  std::string operator()(const event::session_closed& e) const {
    return "session_closed" + condition(e.condition, e.description);
  }
  std::string operator()(const event::link_opened& e) const {
    const link on = e.on;
    return "link_opened " + std::string(on.name()) + (e.by_peer ? " by peer" : "") +
           (on.is_sender() ? " sender" : " receiver") + " source " + describe(on.peer_source()) +
           " target " + describe(on.peer_target()) + " mode " +
           std::to_string(static_cast<int>(on.peer_sender_mode()));
  }
  std::string operator()(const event::link_closed& e) const {
    return "link_closed " + std::string(e.on.name()) + (e.for_good ? "" : " not for good") +
           condition(e.condition, e.description);
  }
  std::string operator()(const event::credit& e) const {
    return "credit " + std::string(e.on.name()) + " " + std::to_string(e.on.credit()) +
           (e.drain ? " drain" : "");
  }
  std::string operator()(const event::delivered& e) const {
    return "delivered " + std::string(e.on.name()) + " tag " + describe_message(e.what.tag()) +
           (e.what.settled_by_peer() ? " settled " : " ") + describe_message(e.message);
  }
  std::string operator()(const event::updated& e) const {
    return "updated " + describe_message(e.what.tag()) + " " + test::describe(e.how) +
           (e.settled ? " settled" : "");
  }
  std::string operator()(const event::oversized& e) const {
    return "oversized " + std::string(e.on.name());
  }
};

}  // namespace

std::string describe_message(std::string_view message) {
  if (message.size() <= 64) return "'" + std::string(message) + "'";
  std::uint32_t sum = 0;
  for (const char c : message) sum = sum * 31 + static_cast<unsigned char>(c);
  return std::to_string(message.size()) + " bytes " + std::to_string(sum);
}

std::string describe(const outcome& how) {
  switch (how.what) {
    case outcome::kind::none:
      return "none";
    case outcome::kind::accepted:
      return "accepted";
    case outcome::kind::rejected:
      return "rejected" + condition(how.condition, how.description);
    case outcome::kind::released:
      return "released";
    case outcome::kind::modified:
      return std::string("modified") + (how.delivery_failed ? " failed" : "") +
             (how.undeliverable_here ? " undeliverable" : "");
    case outcome::kind::other:
      break;
  }
  return "other";
}

std::string describe(const any_event& event) { return std::visit(writer{}, event); }

void end::start(time_point now) {
  bus_ = std::make_unique<connection>(options, container, user, password, encrypted, now,
                                      external_user);
}

void end::drain() {
  bus_->drain([&](const auto& one) {
    using kind = std::decay_t<decltype(one)>;
    const any_event event = one;
    events.push_back(describe(event));
    if constexpr (std::is_same_v<kind, event::session_opened>) last_session = one.on;
    if constexpr (std::is_same_v<kind, event::link_opened>) last_link = one.on;
    if constexpr (std::is_same_v<kind, event::delivered>) last_delivery = one.what;
    if (on_event) on_event(event);
  });
}

bool end::feed(std::string_view bytes, time_point now, std::size_t piece) {
  while (!bytes.empty()) {
    const auto room = bus_->read_buffer();
    if (room.empty()) return false;
    const std::size_t n = std::min({room.size(), bytes.size(), piece});
    std::copy_n(bytes.begin(), n, room.begin());
    bytes.remove_prefix(n);
    bus_->read_done(n, now);
    drain();
  }
  return true;
}

std::string end::take_sent(time_point now) {
  std::string bytes;
  for (;;) {
    // In odd pieces, so that a half-written buffer is an everyday thing.
    const auto waiting = bus_->write_buffer();
    if (waiting.empty()) return bytes;
    const std::size_t n = std::min<std::size_t>(waiting.size(), 1000);
    bytes.append(waiting.data(), n);
    bus_->write_done(n, now);
  }
}

couple::couple() {
  client.container = "client";
  server.container = "server";
  server.options.side = role::server;
}

void couple::start() {
  client.start(now);
  server.start(now);
}

bool couple::pass(end& from, end& to, std::string& record) {
  std::string bytes = from.take_sent(now);
  if (bytes.empty()) return false;
  record += bytes;
  if (broken >= passed && broken - passed < bytes.size()) {
    char& one = bytes[broken - passed];
    one = static_cast<char>(static_cast<unsigned char>(one) ^ flip);
  }
  const std::size_t n = passed >= cut ? 0 : std::min(bytes.size(), cut - passed);
  passed += bytes.size();
  to.feed(std::string_view(bytes).substr(0, n), now, piece);
  if (passed >= cut) {
    for (end* const one : {&client, &server}) {
      one->bus().transport_closed(errc::connection_lost);
      one->drain();
    }
  }
  return true;
}

void couple::run() {
  client.drain();
  server.drain();
  bool more = true;
  for (int turns = 0; more; ++turns) {
    if (turns == 10000) throw std::runtime_error("two connections that never stop talking");
    more = pass(client, server, to_server);
    more = pass(server, client, to_client) || more;
    if (!more) {
      // As a pump does: closed, and everything is written.
      if (client.bus().is_closed()) server.bus().transport_closed(errc::connection_lost);
      if (server.bus().is_closed()) client.bus().transport_closed(errc::connection_lost);
      client.drain();
      server.drain();
    }
  }
}

void couple::open() {
  if (!server.on_event) {
    server.on_event = [](const any_event& event) {
      if (const auto* e = std::get_if<event::session_opened>(&event)) {
        e->on.accept();
      }
    };
  }
  start();
  run();
  client.last_session = client.bus().open_session();
  run();
  client.events.clear();
  server.events.clear();
}

void play(const scenario& one, couple& on) {
  if (one.prepare) one.prepare(on);
  on.start();
  on.run();
  for (const auto& step : one.steps) {
    step(on);
    on.run();
  }
}

}  // namespace ombt::wire::amqp10::test
