// SPDX-License-Identifier: Apache-2.0
// A server that is slower than its clients: how far it reads ahead, that it goes on where it
// stopped, and that its own silence is not taken for the broker's.
#include "tests/drivers/rabbit/scripted_bed.hpp"

using namespace ombt;
using namespace ombt::drivers;
using std::chrono::milliseconds;
using tests::scripted_server;
using tests::settle;

namespace {

/// What one read may bring beside: the thread's buffer.
constexpr std::size_t read_size = 65536;
constexpr std::size_t padding = 1024;  ///< so that this is few messages

serve_options one_slot(std::size_t waiting_limit = serve_options{}.waiting_limit) {
  serve_options options;
  options.executor_slots = 1;
  options.waiting_limit = waiting_limit;
  return options;
}

tests::changes over(const char* topology_text) {
  return [=](auto& s) { s.topology = topology::parse(topology_text); };
}

struct slow_server : scripted_server {
  using scripted_server::scripted_server;
  void flood(int messages) {
    for (int i = 0; i < messages; ++i) request("m" + std::to_string(i), false, padding);
  }
  std::size_t taken() const { return l->counters().received; }
  /// Ends the request in work.
  void work_off() { l->done(got.back()); }
  /// That every request was served once, in order.
  void check_all_served(std::size_t messages) {
    REQUIRE(drive([&] {
      while (got.size() < messages && got.size() < taken()) work_off();
      return got.size() == messages;
    }));
    std::size_t in_order = 0;
    while (in_order < messages && methods[in_order] == "m" + std::to_string(in_order)) ++in_order;
    CHECK(in_order == messages);
    CHECK(l->counters().duplicates == 0);
    CHECK(drive([&] { return bus.acknowledged == static_cast<int>(messages); }));
  }
};

}  // namespace

TEST_CASE("a full server stops reading at 1,000 requests and goes on at 500") {
  slow_server s({}, one_slot());
  s.flood(3000);
  REQUIRE(s.drive([&] { return s.taken() > 1000; }));
  settle(s.on, milliseconds{100});
  const auto taken = s.taken();
  CHECK(taken <= 1001 + read_size / padding);
  CHECK(s.got.size() == 1);
  CHECK(s.bus.acknowledged == 1);
  while (taken - s.got.size() > 501) s.work_off();
  settle(s.on, milliseconds{50});
  CHECK(s.taken() == taken);
  s.work_off();
  CHECK(s.drive([&] { return s.taken() > taken; }));
  settle(s.on, milliseconds{50});
  CHECK(s.taken() - s.got.size() <= 1000 + read_size / padding);  // and stops again
  s.check_all_served(3000);
  CHECK(s.bus.connections == 1);
  CHECK(s.lost == 0);
}

TEST_CASE("the silence of a broker that is not read is no lost connection") {
  const auto often = [](auto& s) { s.messaging.rabbit.heartbeat_timeout_threshold = 1; };
  slow_server s(often, one_slot(2));
  // A second server, idle, shows that such a silence is a loss where it is read.
  struct idle final : request_handler {
    bool up = false;
    bool lost = false;
    void on_request(listener&, const incoming_request&) override {}
    void on_listening(listener&) override { up = true; }
    void on_listener_error(listener&, error_code, std::string_view, bool) override { lost = true; }
  } idle;
  s.flood(10);
  REQUIRE(s.drive([&] { return s.taken() == 10; }));
  target other;
  other.topic = "other";
  other.server = "server";
  const auto watched = s.t->listen(other, {}, idle);
  REQUIRE(s.drive([&] { return idle.up; }));
  REQUIRE(s.drive([&] { return idle.lost; }));
  settle(s.on, milliseconds{300});
  CHECK(s.lost == 0);
  s.check_all_served(10);
  CHECK(s.lost == 0);
}

TEST_CASE(
    "a server that loses its connection while it does not read is read again, up to its limit") {
  slow_server s({}, one_slot(2));
  s.flood(10);
  REQUIRE(s.drive([&] { return s.taken() == 10; }));
  s.bus.drop_all();
  SECTION("its acknowledgements meet the loss, with requests waiting") {
    REQUIRE(s.drive([&] {
      if (s.lost == 0 && s.got.size() < 6) s.work_off();
      return s.lost == 1;
    }));
    CHECK(s.got.size() <= 6);
  }
  SECTION("it reads again, and meets the loss") {
    while (s.got.size() < 10) s.work_off();
  }
  REQUIRE(s.drive([&] { return s.up == 2; }));
  CHECK(s.lost == 1);
  const auto served = s.got.size();
  s.flood(500);
  REQUIRE(s.drive([&] { return s.taken() > 12; }));
  settle(s.on, milliseconds{50});
  CHECK(s.taken() <= 10 + 3 + read_size / padding);
  REQUIRE(s.drive([&] {
    for (int i = 0; i < 50 && s.got.size() < served + 500; ++i) s.work_off();
    return s.got.size() == served + 500;
  }));
  CHECK(s.methods.back() == "m499");
}

TEST_CASE("a listener that shares its connection has the broker hold the rest") {
  const auto t = GENERATE(as<const char*>{}, "lean", "shared:1");
  slow_server s(over(t), one_slot());
  const auto& qos = s.bus.first(60010);
  CHECK(qos.number(0, 4) == 0);  // no limit in bytes
  CHECK(qos.number(4, 2) == 1000);
  CHECK(qos.number(6, 1) == 0);  // of this channel only
  // Its connection goes on being read, for the other links on it.
  s.flood(1500);
  REQUIRE(s.drive([&] { return s.taken() == 1500; }));
  CHECK(s.bus.acknowledged <= 1);
  s.check_all_served(1500);
}

TEST_CASE("how many messages the broker sends ahead") {
  struct expectation {
    const char* topology;
    int option;
    std::size_t waiting_limit;
    unsigned prefetch;  ///< 0: not said
  };
  const auto e = GENERATE(values<expectation>({{"oslo", 0, 1000, 0},
                                               {"oslo", 7, 1000, 7},
                                               {"lean", 7, 1000, 7},
                                               {"lean", 0, 20, 20},
                                               {"lean", 0, 100000, 65535}}));
  scripted_server s(
      [&](auto& with) {
        with.topology = topology::parse(e.topology);
        with.messaging.rabbit.rabbit_qos_prefetch_count = e.option;
      },
      one_slot(e.waiting_limit));
  REQUIRE(s.bus.count(60010) == (e.prefetch == 0 ? 0 : 1));
  if (e.prefetch != 0) CHECK(s.bus.first(60010).number(4, 2) == e.prefetch);
}
