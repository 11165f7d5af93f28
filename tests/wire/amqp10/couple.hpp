// SPDX-License-Identifier: Apache-2.0
#pragma once
// Two connections joined in memory, client and server, for tests: bytes go over in pieces of any
// size, may be cut off or broken at any place; each end records its events as lines of text.

#include "wire/amqp10/connection.hpp"

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ombt::wire::amqp10::test {

using lines = std::vector<std::string>;

/// A line for an event; messages above 64 bytes as their length and a checksum.
std::string describe(const any_event& event);
std::string describe(const outcome& how);
std::string describe_message(std::string_view message);

/// A connection with everything around it that a test needs.
class end {
 public:
  connection_options options;
  std::string container = "a container";
  std::string user;
  std::string password;
  bool encrypted = false;
  std::string external_user;
  /// Called with each event, after it was recorded.
  std::function<void(const any_event&)> on_event;

  void start(time_point now);
  connection& bus() { return *bus_; }
  bool started() const { return bus_ != nullptr; }
  void drain();
  /// Feeds bytes as a socket would, in pieces of at most `piece`, draining after each. False: the
  /// connection takes no more.
  bool feed(std::string_view bytes, time_point now, std::size_t piece = SIZE_MAX);
  /// Everything that waits to be written.
  std::string take_sent(time_point now);
  lines take_events() { return std::exchange(events, {}); }

  lines events;
  // What the events brought last; empty handles until then.
  session last_session;
  link last_link;
  delivery last_delivery;

 private:
  std::unique_ptr<connection> bus_;
};

class couple {
 public:
  couple();
  end client;
  end server;
  time_point now{std::chrono::hours(1000)};
  std::size_t piece = SIZE_MAX;   ///< bytes at a time
  std::size_t cut = SIZE_MAX;     ///< both transports end after so many bytes in all
  std::size_t broken = SIZE_MAX;  ///< the byte that is changed
  unsigned flip = 0;              ///< by this
  std::size_t passed = 0;         ///< bytes so far
  std::string to_server;          ///< all that the client has sent
  std::string to_client;

  /// Starts both as options and users have been set.
  void start();
  /// Passes bytes until nobody says anything more.
  void run();
  /// start, run, and one session opened by the client and accepted.
  void open();

 private:
  bool pass(end& from, end& to, std::string& record);
};

/// What both ends do, step after step, and the events that come of it.
struct scenario {
  std::string name;
  std::function<void(couple&)> prepare;
  std::vector<std::function<void(couple&)>> steps;  ///< bytes are passed after each
  lines client;
  lines server;
};
std::vector<scenario> all_scenarios();
/// Runs it on a fresh couple whose piece, cut and so on are set.
void play(const scenario& one, couple& on);

}  // namespace ombt::wire::amqp10::test
