// SPDX-License-Identifier: Apache-2.0
// A broker that allows fewer channels on a connection than its links want: who gets one, what the
// others are told, and that nobody waits. A real broker is in tests/interop/topology_test.py.
#include "drivers/rabbit/connection.hpp"

#include "tests/agents/drive.hpp"
#include "tests/drivers/rabbit/scripted_broker.hpp"

#include <catch2/catch.hpp>

#include <array>

using namespace ombt;
using namespace ombt::drivers;
using namespace ombt::drivers::rabbit;
using tests::drive;
using tests::settle;

namespace {

struct limited_user final : channel_user {
  int up = 0;
  std::vector<std::string> refused;  ///< of limit_exceeded, final
  int lost = 0;
  std::string other;
  void on_up() override { ++up; }
  void on_down(const trouble& why) override {
    if (why.error == errc::limit_exceeded && why.final && why.what == trouble::scope::attempt) {
      refused.emplace_back(why.detail);
    } else if (why.error == errc::connection_lost) {
      ++lost;
    } else {
      other = why.error.message() + ": " + std::string(why.detail);
    }
  }
};

struct limited_bed {
  loop on;
  amqp::thread_memory memory;
  std::shared_ptr<monitor> told = std::make_shared<monitor>();
  tests::scripted_broker bus{on.context().asio()};
  std::shared_ptr<connection> c;

  limited_bed(unsigned channel_max, const char* topology) {
    bus.channel_max = channel_max;
    auto s = std::make_shared<transport_settings>();
    s->messaging.url.hosts.push_back({"127.0.0.1", bus.port(), "guest", "secret"});
    s->topology = topology::parse(topology);
    c = std::make_shared<connection>(on.context(), memory, std::make_shared<const settings>(s),
                                     told, connection::purpose::listen);
  }
  std::string words(const char* rest) const {
    return "127.0.0.1:" + std::to_string(bus.port()) + ": the broker allows " + rest;
  }
};

}  // namespace

TEST_CASE("links beyond what the broker allows are told so, and the others have their channels") {
  limited_bed b(2, "shared:3");
  std::array<limited_user, 4> users;
  for (auto& u : users) b.c->add(u);
  REQUIRE(drive(b.on, [&] { return users[1].up > 0 && !users[3].refused.empty(); }));
  const auto words =
      b.words("2 channels on a connection: too few for topology shared:3, which needs a larger N");
  for (int i : {0, 1}) {
    CHECK(users[i].up == 1);
    CHECK(users[i].refused.empty());
    CHECK(b.c->is_up(static_cast<amqp::channel_id>(i + 1)));
  }
  for (int i : {2, 3}) {
    CHECK(users[i].up == 0);
    CHECK(users[i].refused == std::vector<std::string>{words});
    CHECK_FALSE(b.c->is_up(static_cast<amqp::channel_id>(i + 1)));
  }
  // To ask the broker for one more would end the connection for all.
  CHECK(b.bus.opened == std::vector<unsigned>{1, 2});
  CHECK(b.told->last_error == words);

  SECTION("who comes later is told from the loop, and again whenever it asks") {
    limited_user late;
    const auto id = b.c->add(late);
    CHECK(late.refused.empty());
    REQUIRE(drive(b.on, [&] { return late.refused.size() == 1; }));
    b.c->need(id);
    CHECK(late.refused.size() == 1);
    REQUIRE(drive(b.on, [&] { return late.refused.size() == 2; }));
    b.c->remove(id);
  }
  SECTION("who leaves makes room for the next") {
    b.c->remove(1);
    settle(b.on);
    limited_user next;
    CHECK(b.c->add(next) == 1);
    REQUIRE(drive(b.on, [&] { return next.up == 1; }));
    CHECK(next.refused.empty());
  }
  SECTION("who is gone before it is told is not told") {
    auto gone = std::make_unique<limited_user>();
    b.c->remove(b.c->add(*gone));
    gone.reset();
    settle(b.on);
  }
  SECTION("links without a channel close as the others do") {
    for (amqp::channel_id id = 1; id <= users.size(); ++id) b.c->remove(id);
    bool closed = false;
    b.c->when_closed([&] { closed = true; });
    CHECK(drive(b.on, [&] { return closed; }));
  }
  for (auto& u : users) {
    CHECK(u.lost == 0);
    CHECK(u.other.empty());
  }
}

TEST_CASE("a broker that allows fewer channels after a restart keeps whom it has room for") {
  limited_bed b(3, "shared:1");
  std::array<limited_user, 3> users;
  for (auto& u : users) b.c->add(u);
  REQUIRE(drive(b.on, [&] { return users[2].up == 1; }));
  b.bus.channel_max = 1;
  b.bus.drop_all();
  REQUIRE(drive(b.on, [&] { return users[0].up == 2 && !users[2].refused.empty(); }));
  CHECK(users[0].refused.empty());
  for (int i : {1, 2}) {
    CHECK(users[i].up == 1);
    CHECK(users[i].refused.size() == 1);
    CHECK_THAT(users[i].refused.at(0), Catch::Contains("allows 1 channels"));
  }
  // And whom it has room for again after the next.
  b.bus.channel_max = 3;
  b.bus.drop_all();
  REQUIRE(drive(b.on, [&] { return users[2].up == 2; }));
  CHECK(users[1].up == 2);
  for (auto& u : users) CHECK(u.lost == 2);
}

TEST_CASE("where no larger N helps none is advised") {
  limited_bed b(1, "lean");
  std::array<limited_user, 2> users;
  for (auto& u : users) b.c->add(u);
  REQUIRE(drive(b.on, [&] { return !users[1].refused.empty(); }));
  CHECK(users[1].refused.at(0) == b.words("1 channels on a connection: too few for topology lean"));
}
