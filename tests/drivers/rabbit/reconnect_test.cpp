// SPDX-License-Identifier: Apache-2.0
// When a connection is tried again: the waits by table, and in short sequences with a broker that
// goes away; how many connections are set up at once. A real broker that fails is in tests/interop.
#include "drivers/rabbit/connection.hpp"
#include "drivers/rabbit/reconnect_wait.hpp"

#include "tests/drivers/rabbit/scripted_bed.hpp"

#include <deque>

using namespace ombt;
using namespace ombt::drivers;
using namespace ombt::drivers::rabbit;
using std::chrono::milliseconds;
using std::chrono::seconds;
using tests::drive;
using tests::scripted_client;
using tests::settle;

namespace {

std::vector<long> in_seconds(int attempts, const std::function<duration(std::size_t)>& wait) {
  std::vector<long> all;
  for (int i = 0; i < attempts; ++i) {
    all.push_back(std::chrono::duration_cast<seconds>(wait(static_cast<std::size_t>(i))).count());
  }
  return all;
}

struct cut_user final : channel_user {
  int up = 0;
  int down = 0;
  std::string words;
  void on_up() override { ++up; }
  void on_down(const trouble& why) override {
    ++down;
    words = why.detail;
  }
};

/// Connections of one loop to a scripted broker.
struct cut_bed {
  loop on;
  amqp::thread_memory memory;
  std::shared_ptr<monitor> told = std::make_shared<monitor>();
  tests::scripted_broker bus{on.context().asio()};
  std::deque<cut_user> users;
  std::vector<std::shared_ptr<connection>> all;

  void connect(connection::purpose why, const tests::changes& change = {}) {
    all.push_back(std::make_shared<connection>(
        on.context(), memory, std::make_shared<const settings>(tests::settings_for(bus, change)),
        told, why));
    all.back()->add(users.emplace_back());
  }
  std::size_t up() const {
    std::size_t count = 0;
    for (const auto& u : users) count += u.up > 0 ? 1 : 0;
    return count;
  }
  /// From one accepted connection to the next, the first being 1.
  duration gap(std::size_t after) const {
    return bus.accepted_at.at(after) - bus.accepted_at.at(after - 1);
  }
};

/// Timers have a resolution of 1 ms, and the broker sees a loss after the client may have.
constexpr milliseconds tolerance{20};

}  // namespace

TEST_CASE("waits after attempts that failed, by options and hosts") {
  struct expectation {
    int interval, backoff, most;
    std::size_t hosts;
    std::vector<long> waits;  ///< after the first, the second, … failure
  };
  const auto e = GENERATE(values<expectation>({
      {1, 2, 30, 1, {1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31, 31, 31}},
      {1, 2, 30, 2, {0, 1, 0, 3, 0, 5, 0, 7}},
      {1, 2, 30, 3, {0, 0, 1, 0, 0, 3, 0, 0, 5}},
      {4, 10, 25, 1, {4, 14, 24, 24, 24}},  // 34 would be above 25 + 4
      {2, 3, 6, 1, {2, 5, 8, 8}},
      {5, 0, 30, 1, {5, 5, 5}},
      {2, 7, 3, 1, {2, 2, 2}},
      {1, 2000000000, 2000000000, 1, {1, 2000000001, 2000000001}},
  }));
  wire::oslo::rabbit_options o;
  o.rabbit_retry_interval = e.interval;
  o.rabbit_retry_backoff = e.backoff;
  o.rabbit_interval_max = e.most;
  CHECK(in_seconds(static_cast<int>(e.waits.size()), [&](std::size_t i) {
          return wait_after_failures(o, i + 1, e.hosts);
        }) == e.waits);
}

TEST_CASE("waits of a listener that was up begin anew each time") {
  CHECK(in_seconds(7, [](std::size_t i) { return wait_of_listener(i, 1); }) ==
        std::vector<long>{1, 2, 4, 1, 2, 4, 1});
  CHECK(in_seconds(5, [](std::size_t i) { return wait_of_listener(i, 2); }) ==
        std::vector<long>{1, 2, 1, 2, 1});
  CHECK(in_seconds(3, [](std::size_t i) { return wait_of_listener(i, 5); }) ==
        std::vector<long>{1, 2, 1});
}

TEST_CASE("an idle sender looks at its lost connection as often as the heartbeat is checked") {
  wire::oslo::rabbit_options o;
  CHECK(wait_of_idle_sender(o) == seconds{15});
  o.heartbeat_rate = 5;
  CHECK(wait_of_idle_sender(o) == seconds{6});
  o.heartbeat_timeout_threshold = 1;
  CHECK(wait_of_idle_sender(o) == milliseconds{100});
  o.heartbeat_timeout_threshold = 0;
  CHECK(wait_of_idle_sender(o) == seconds{15});
}

TEST_CASE("a first connect is tried again after rabbit_retry_interval") {
  cut_bed b;
  b.bus.greets = false;
  b.connect(connection::purpose::listen,
            [](auto& s) { s.messaging.rabbit.rabbit_retry_interval = 3; });
  REQUIRE(drive(b.on, [&] { return b.bus.connections == 1; }));
  settle(b.on);
  b.bus.greets = true;
  b.bus.drop_all();
  REQUIRE(drive(b.on, [&] { return b.users[0].up == 1; }));
  CHECK(b.gap(1) >= seconds{3} - tolerance);
  CHECK(b.bus.connections == 2);
  CHECK(b.users[0].down == 1);
  CHECK(b.told->counters.connection_errors == 1);
  CHECK(b.told->counters.connects == 1);
}

TEST_CASE("a listener that was up comes back after 1 s, and after 2 more if that fails") {
  cut_bed b;
  b.connect(connection::purpose::listen, [](auto& s) {
    s.messaging.rabbit.rabbit_retry_interval = 60;  // not asked
  });
  REQUIRE(drive(b.on, [&] { return b.users[0].up == 1; }));
  b.bus.greets = false;
  const auto lost = steady_clock::now();
  b.bus.drop_all();
  REQUIRE(drive(b.on, [&] { return b.bus.connections == 2; }));
  CHECK(b.bus.accepted_at.at(1) - lost >= seconds{1} - tolerance);
  b.bus.greets = true;
  b.bus.drop_all();
  REQUIRE(drive(b.on, [&] { return b.users[0].up == 2; }));
  CHECK(b.gap(2) >= seconds{2} - tolerance);
}

TEST_CASE("longest_wait bounds what anybody waits for the next attempt") {
  const auto why = GENERATE(connection::purpose::listen, connection::purpose::send);
  cut_bed b;
  b.connect(why, [](auto& s) {
    s.messaging.rabbit.rabbit_retry_interval = 60;
    s.longest_wait = milliseconds{100};
  });
  const auto begun = steady_clock::now();
  b.bus.greets = false;
  REQUIRE(drive(b.on, [&] { return b.bus.connections == 1; }));
  b.bus.drop_all();  // before it was ever up
  REQUIRE(drive(b.on, [&] { return b.bus.connections == 2; }));
  b.bus.greets = true;
  b.bus.drop_all();
  REQUIRE(drive(b.on, [&] { return b.users[0].up == 1; }));
  b.bus.drop_all();
  REQUIRE(drive(b.on, [&] { return b.users[0].up == 2; }));
  CHECK(steady_clock::now() - begun < seconds{30});
  CHECK(b.gap(3) >= milliseconds{100} - tolerance);
}

TEST_CASE("a lost sender that nobody wants comes back by itself, at its next look") {
  cut_bed b;
  b.connect(connection::purpose::send, [](auto& s) {
    s.messaging.rabbit.heartbeat_timeout_threshold = 6;
    s.messaging.rabbit.heartbeat_rate = 6;
  });
  REQUIRE(drive(b.on, [&] { return b.users[0].up == 1; }));
  const auto lost = steady_clock::now();
  b.bus.drop_all();
  REQUIRE(drive(b.on, [&] { return b.users[0].up == 2; }));
  CHECK(b.bus.accepted_at.at(1) - lost >= milliseconds{500} - tolerance);
}

TEST_CASE("a lost sender is back for the next message, after kombu_reconnect_delay") {
  scripted_client c([](auto& s) { s.messaging.rabbit.kombu_reconnect_delay = 1.3; });
  c.bus.greets = false;
  c.cast(1);
  REQUIRE(c.drive([&] { return c.bus.connections == 1; }));
  c.bus.greets = true;
  c.bus.drop_all();  // an attempt that failed before changes nothing
  REQUIRE(c.ends(1));
  c.bus.drop_all();
  settle(c.on);
  CHECK(c.bus.connections == 2);  // its next look is far
  const auto wanted = steady_clock::now();
  c.cast(2);
  REQUIRE(c.ends(2));
  CHECK_FALSE(c.all[1].error);
  CHECK(c.bus.accepted_at.at(2) - wanted >= milliseconds{1300} - tolerance);
}

TEST_CASE("the consumer that a broker cancels is back after kombu_reconnect_delay") {
  const bool replies = GENERATE(false, true);
  const auto delay = [](auto& s) { s.messaging.rabbit.kombu_reconnect_delay = 1.4; };
  const auto check = [](auto& bed, auto is_back) {
    const auto cancelled = steady_clock::now();
    const auto before = bed.bus.accepted_at.size();
    bed.bus.say(1, tests::script::method(1, 60, 30, tests::script::short_text("1") + '\1'));
    REQUIRE(bed.drive(is_back));
    CHECK(bed.bus.accepted_at.at(before) - cancelled >= milliseconds{1400} - tolerance);
    CHECK(bed.bus.ended == 1);
    CHECK(bed.bus.count(10050) == 0);  // dropped, without connection.close
  };
  if (replies) {
    scripted_client c(delay);
    c.call();
    REQUIRE(c.drive([&] { return c.bus.published.size() == 1; }));
    check(c, [&] { return c.bus.count(60020) == 2; });
    CHECK(c.bus.connections == 3);  // the one that sends stays
    CHECK(c.bus.count(50010) == 2);
  } else {
    tests::scripted_server s(delay);
    check(s, [&] { return s.up == 2; });
    CHECK(s.bus.connections == 2);
  }
}

TEST_CASE("at most 32 connections of a loop are set up at once, and all come up") {
  cut_bed b;
  b.bus.greets = false;
  for (int i = 0; i < 100; ++i) b.connect(connection::purpose::listen);
  REQUIRE(drive(b.on, [&] { return b.bus.connections >= 32; }));
  settle(b.on, milliseconds{100});
  CHECK(b.bus.connections == 32);
  b.bus.greet_all();
  REQUIRE(drive(b.on, [&] { return b.up() == 100; }));
  CHECK(b.bus.connections == 100);
  CHECK(b.bus.most_setting_up == 32);
}

TEST_CASE("an attempt that fails gives its place to the next") {
  cut_bed b;
  b.bus.greets = false;
  for (int i = 0; i < 40; ++i) b.connect(connection::purpose::listen);
  REQUIRE(drive(b.on, [&] { return b.bus.connections == 32; }));
  SECTION("its peer hung up") {
    b.bus.greets = true;  // those to come
    b.bus.drop_all();
  }
  SECTION("its owner gave up") {
    for (std::size_t i = 0; i < 8; ++i) b.all[i]->remove(1);
    b.bus.greets = true;
  }
  REQUIRE(drive(b.on, [&] { return b.users[39].up == 1; }));
}

TEST_CASE("a broker at an IPv6 address is reached, and named in brackets") {
  loop on;
  std::optional<tests::scripted_broker> bus;
  try {
    bus.emplace(on.context().asio(), "::1");
  } catch (const boost::system::system_error&) {
    WARN("this system has no IPv6 loopback: nothing was tested");
    return;
  }
  const std::string address = "[::1]:" + std::to_string(bus->port());
  auto s = std::make_shared<transport_settings>();
  s->messaging = wire::oslo::make_messaging_options({}, "rabbit://user:secret@" + address + "/");
  amqp::thread_memory memory;
  cut_user one;
  const auto c = std::make_shared<connection>(
      on.context(), memory, std::make_shared<const settings>(std::move(s)),
      std::make_shared<monitor>(), connection::purpose::listen);
  c->add(one);
  REQUIRE(drive(on, [&] { return one.up == 1; }));
  bus->die();
  REQUIRE(drive(on, [&] { return one.down == 1; }));
  CHECK_THAT(one.words, Catch::StartsWith(address + ": "));
}
