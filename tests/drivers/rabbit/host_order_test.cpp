// SPDX-License-Identifier: Apache-2.0
// Which host a connection tries first and next, by itself and against hosts that note who came.
#include "drivers/rabbit/host_order.hpp"

#include "drivers/rabbit/connection.hpp"

#include "tests/agents/drive.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <catch2/catch.hpp>

#include <deque>
#include <map>
#include <set>

using namespace ombt;
using namespace ombt::drivers;
using namespace ombt::drivers::rabbit;
using tests::drive;
using tcp = boost::asio::ip::tcp;

namespace {

using strategy = host_order::strategy;

/// Hosts that accept a connection, note which of them it was, and hang up.
struct hosts {
  loop& on;
  std::deque<tcp::acceptor> acceptors;
  std::vector<std::size_t> came;

  hosts(loop& in, std::size_t count) : on(in) {
    for (std::size_t i = 0; i < count; ++i) {
      acceptors.emplace_back(on.context().asio(),
                             tcp::endpoint(boost::asio::ip::make_address("127.0.0.1"), 0));
      accept(i);
    }
  }
  void accept(std::size_t i) {
    acceptors[i].async_accept([this, i](const error_code& error, tcp::socket) {
      if (error) return;
      came.push_back(i);
      accept(i);
    });
  }
};

struct ordered_user final : channel_user {
  std::size_t failures = 0;
  void on_up() override {}
  void on_down(const trouble&) override { ++failures; }
};

/// The hosts that each of some connections tried, as many as there are.
std::vector<std::vector<std::size_t>> tries_of(std::size_t connections, std::size_t count,
                                               const char* failover_strategy) {
  loop on;
  hosts all(on, count);
  auto s = std::make_shared<transport_settings>();
  s->messaging.rabbit.kombu_failover_strategy = failover_strategy;
  for (const auto& a : all.acceptors) {
    s->messaging.url.hosts.push_back({"127.0.0.1", a.local_endpoint().port(), "guest", "secret"});
  }
  const auto with = std::make_shared<const settings>(s);
  amqp::thread_memory memory;
  std::vector<std::vector<std::size_t>> tries;
  for (std::size_t i = 0; i < connections; ++i) {
    all.came.clear();
    ordered_user one;
    const auto c = std::make_shared<connection>(
        on.context(), memory, with, std::make_shared<monitor>(), connection::purpose::listen);
    const auto channel = c->add(one);
    // A round is not waited for.
    REQUIRE(drive(on, [&] { return one.failures == count && all.came.size() == count; }));
    c->remove(channel);
    tries.push_back(all.came);
  }
  return tries;
}

}  // namespace

TEST_CASE("each connection begins with the list in an order of its own") {
  for (const char* how : {"round-robin", "shuffle"}) {
    std::map<std::size_t, int> first;
    for (const auto& one : tries_of(40, 2, how)) ++first[one[0]];
    CHECK(first.size() == 2);
  }
}

TEST_CASE("round-robin goes round that order, each host once a round") {
  for (const auto& one : tries_of(20, 3, "round-robin")) {
    CHECK(std::set<std::size_t>(one.begin(), one.end()).size() == 3);
  }
}

TEST_CASE("shuffle takes any host at each failover, the one that just failed too") {
  int again = 0;
  int other = 0;
  for (const auto& one : tries_of(40, 2, "shuffle")) ++(one[0] == one[1] ? again : other);
  CHECK(again > 0);
  CHECK(other > 0);
}

TEST_CASE("an order of hosts, by itself") {
  SECTION("one host is always the next") {
    host_order one(1, GENERATE(strategy::round_robin, strategy::shuffle));
    one.next();
    CHECK(one.current() == 0);
    CHECK_FALSE(one.all_refused(false));
    CHECK(one.all_refused(true));
  }
  SECTION("round-robin repeats its order for ever") {
    host_order o(5, strategy::round_robin);
    std::vector<std::size_t> seen;
    for (int i = 0; i < 15; ++i, o.next()) seen.push_back(o.current());
    CHECK(std::set<std::size_t>(seen.begin(), seen.begin() + 5).size() == 5);
    for (std::size_t i = 5; i < seen.size(); ++i) CHECK(seen[i] == seen[i - 5]);
  }
  SECTION("shuffle orders anew each time") {
    host_order o(5, strategy::shuffle);
    std::vector<std::size_t> seen;
    for (int i = 0; i < 300; ++i, o.next()) seen.push_back(o.current());
    CHECK(std::set<std::size_t>(seen.begin(), seen.end()).size() == 5);
    int same_as_a_round_ago = 0;
    for (std::size_t i = 5; i < seen.size(); ++i) same_as_a_round_ago += seen[i] == seen[i - 5];
    CHECK(same_as_a_round_ago < 200);
  }
}

TEST_CASE("hosts have refused once each of them has, at its last attempt") {
  SECTION("going round") {
    host_order o(3, strategy::round_robin);
    const auto tried = [&](bool refused) {
      const bool all = o.all_refused(refused);
      o.next();
      return all;
    };
    CHECK_FALSE(tried(true));
    CHECK_FALSE(tried(false));
    CHECK_FALSE(tried(true));
    CHECK_FALSE(tried(true));
    CHECK(tried(true));  // the second too, now
    // Told: they count anew.
    CHECK_FALSE(tried(true));
    CHECK_FALSE(tried(true));
    o.forget_refusals();  // one was let in
    CHECK_FALSE(tried(true));
    CHECK_FALSE(tried(true));
    CHECK(tried(true));
  }
  SECTION("shuffled: all of them, however often one is drawn") {
    host_order o(4, strategy::shuffle);
    std::set<std::size_t> refused;
    bool all = false;
    for (int i = 0; i < 10000 && !all; ++i) {
      refused.insert(o.current());
      all = o.all_refused(true);
      CHECK(all == (refused.size() == 4));
      o.next();
    }
    CHECK(all);
  }
}
