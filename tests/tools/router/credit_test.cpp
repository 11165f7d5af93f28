// SPDX-License-Identifier: Apache-2.0
// Who may send how much, and what is kept at most.
#include "tests/tools/router/bed.hpp"

#include <catch2/catch.hpp>

namespace {

using namespace ombt::tools::router;
using test::bed;
using test::client;
using test::client_link;
using test::addresses::all;
using test::addresses::any;
using habit = test::pair::habit;
using texts = std::vector<std::string>;

}  // namespace

TEST_CASE("a sender gets no credit where nobody receives, and some as soon as somebody does") {
  bed router;
  client& left = router.add();
  client& right = router.add();
  client_link& from = left.sender(any);
  router.run();
  CHECK(from.open);
  CHECK(from.wire.credit() == 0);
  client_link& to = right.receiver(any, 0);
  router.run();
  CHECK(from.wire.credit() == 0);
  to.wire.add_credit(100);
  router.run();
  CHECK(from.wire.credit() == 100);
}

TEST_CASE("a sender's credit is bounded, however much receivers give") {
  bed router;
  client& left = router.add();
  client& right = router.add();
  right.receiver(any, 100'000);
  client_link& from = left.sender(any);
  router.run();
  CHECK(from.wire.credit() == 250);
}

TEST_CASE("senders share what receivers have, each gets some") {
  bed router;
  client& left = router.add();
  client& right = router.add();
  right.receiver(any, 100);
  router.run();
  std::vector<client_link*> senders;
  for (int i = 0; i < 4; ++i) senders.push_back(&left.sender(any));
  router.run();
  CHECK(senders[3]->wire.credit() == 25);
  for (int i = 0; i < 40; ++i) senders.push_back(&left.sender(any));
  router.run();
  CHECK(senders.back()->wire.credit() == 10);
}

TEST_CASE("credit is given anew in batches, as long as receivers have some") {
  test::pair both(any, 1000);
  auto& [router, left, right, to, from] = both;
  CHECK(from.wire.credit() == 250);
  for (int i = 0; i < 124; ++i) left.send(from, "t", "x", true);
  router.run();
  CHECK(from.wire.credit() == 126);
  left.send(from, "t", "x", true);
  router.run();
  CHECK(from.wire.credit() == 250);
  for (int i = 0; i < 8; ++i) {
    for (int k = 0; k < 250; ++k) left.send(from, "t", "x", true);
    router.run();
  }
  CHECK(to.messages.size() == 1000);
  CHECK(from.wire.credit() == 0);
}

TEST_CASE("a receiver that drains gets what waits for it, and its other credit back") {
  const char* const name = GENERATE(any, all);
  test::pair both(name, 0);
  auto& [router, left, right, to, from] = both;
  to.wire.add_credit(1);
  router.run();
  for (int i = 0; i < 4; ++i) left.send(from, std::to_string(i), "x", false);
  router.run();
  REQUIRE(to.messages.size() == 1);
  to.wire.add_credit(5);
  to.wire.drain();
  router.run();
  CHECK(to.messages.size() == 4);
  CHECK(to.wire.credit_given() == 0);
  left.send(from, "more", "x", false);
  router.run();
  CHECK(to.messages.size() == 4);
  to.wire.add_credit(5);
  router.run();
  CHECK(to.messages.size() == 5);
  CHECK(to.wire.credit_given() == 4);
}

TEST_CASE("nothing is lost to a receiver that drains and goes while it is sent to") {
  test::pair both(any, 100);
  auto& [router, left, right, to, from] = both;
  client& third = router.add();
  client_link& stays = third.receiver(any, 100);
  router.run();
  for (int i = 0; i < 40; ++i) left.send(from, std::to_string(i), "x", false);
  to.wire.drain();
  while (to.wire.credit_given() > 0) {
    const bool noted = router.pass_notes();
    const bool passed = router.pass_bytes();
    REQUIRE((noted || passed));
  }
  right.close(to);
  for (int i = 40; i < 50; ++i) left.send(from, std::to_string(i), "x", false);
  router.run();
  CHECK(to.messages.size() + stays.messages.size() == 50);
  REQUIRE(from.outcomes.size() == 50);
  for (const auto& o : from.outcomes) CHECK(o.find("accepted") != std::string::npos);
}

TEST_CASE("messages wait while no receiver has credit, never more than was allowed") {
  test::pair both(any, 20, habit::holds);
  auto& [router, left, right, to, from] = both;
  CHECK(from.wire.credit() == 20);
  for (int i = 0; i < 200; ++i) left.send(from, std::to_string(i), "x", false);
  router.run();
  CHECK(to.messages.size() == 20);
  CHECK(from.wire.credit() == 0);
  CHECK(router.router().addresses().at(any)->queue.size() <= 20);
  CHECK(from.outcomes.empty());
  to.hold = false;
  to.wire.add_credit(1000);
  router.run();
  CHECK(to.messages.size() == 200);
  CHECK(from.outcomes.size() == 180);
}

TEST_CASE("a receiver that settles nothing gets no more than it may have, and more as it settles") {
  core_limits limits;
  limits.unsettled_messages = 30;
  test::pair both(any, 1000, habit::holds, limits);
  auto& [router, left, right, to, from] = both;
  for (int i = 0; i < 300; ++i) left.send(from, std::to_string(i), "x", false);
  router.run();
  CHECK(to.messages.size() == 30);
  CHECK(router.router().addresses().at(any)->queue.size() <= 250);
  to.wire.add_credit(100);
  router.run();
  CHECK(to.messages.size() == 30);
  const amqp::outcome accepted{amqp::outcome::kind::accepted, false, false, {}, {}};
  for (std::size_t i = 0; i < 10; ++i) right.settle(to, i, accepted);
  router.run();
  CHECK(to.messages.size() == 40);
  client_link& other = right.receiver(any, 1000);
  router.run();
  CHECK(to.messages.size() + other.messages.size() == 300);
  CHECK(from.outcomes.size() == 270);
}

TEST_CASE("messages whose sender has given them up count for their receiver too") {
  core_limits limits;
  limits.unsettled_messages = 30;
  test::pair both(any, 1000, habit::holds, limits);
  auto& [router, left, right, to, from] = both;
  left.close(from);
  for (int i = 0; i < 10; ++i) {
    client_link& one = left.sender(any);
    router.run();
    for (int k = 0; k < 10; ++k) left.send(one, std::to_string(k), "x", false);
    router.run();
    left.close(one);
    router.run();
  }
  CHECK(to.messages.size() == 30);
}

TEST_CASE("messages that wait count against the credit of their sender") {
  test::pair both(any, 20);
  auto& [router, left, right, to, from] = both;
  for (int i = 0; i < 200; ++i) left.send(from, std::to_string(i), "x", true);
  router.run();
  const address& at = *router.router().addresses().at(any);
  while (to.messages.size() < 200) {
    const std::size_t before = to.messages.size();
    to.wire.add_credit(3);
    router.run();
    REQUIRE(to.messages.size() > before);
    REQUIRE(at.queue.size() <= 20);
  }
}

TEST_CASE(
    "bytes that wait at an address are bounded: the rest is released, or dropped if settled") {
  core_limits limits;
  limits.queue_bytes = 1000;
  test::pair both(any, 1, habit::holds, limits);
  auto& [router, left, right, to, from] = both;
  left.send(from, "taken", std::string(600, 'x'), false);
  left.send(from, "waits", std::string(600, 'x'), false);
  left.send(from, "released", std::string(600, 'x'), false);
  left.send(from, "dropped", std::string(600, 'x'), true);
  router.run();
  CHECK(from.outcomes == texts{"released: released"});
  CHECK(router.router().totals().dropped_presettled == 1);
  to.wire.add_credit(10);
  router.run();
  CHECK(to.messages.size() == 2);
}

TEST_CASE("multicast: credit always, and a slow receiver holds up nobody") {
  core_limits limits;
  limits.buffer_messages = 5;
  bed router(limits);
  client& left = router.add();
  client& right = router.add();
  client_link& fast = right.receiver(all, 1000);
  client_link& slow = right.receiver(all, 2);
  client_link& from = left.sender(all);
  router.run();
  CHECK(from.wire.credit() == 250);
  texts sent;
  for (int i = 0; i < 20; ++i) {
    sent.push_back(std::to_string(i));
    left.send(from, sent.back(), sent.back(), true);
  }
  router.run();
  CHECK(fast.messages == sent);
  CHECK(slow.messages.size() == 2);
  CHECK(router.router().totals().dropped_presettled == 13);
  slow.wire.add_credit(100);
  router.run();
  CHECK(slow.messages == texts(sent.begin(), sent.begin() + 7));
  left.send(from, "later", "later", true);
  router.run();
  CHECK(slow.messages.back() == "later");
}

TEST_CASE("multicast: a receiver's buffer is bounded in bytes, one message always fits") {
  core_limits limits;
  limits.buffer_bytes = 1000;
  bed router(limits);
  client& left = router.add();
  client& right = router.add();
  client_link& slow = right.receiver(all, 0);
  client_link& from = left.sender(all);
  router.run();
  left.send(from, "a", std::string(5000, 'a'), true);
  left.send(from, "b", std::string(10, 'b'), true);
  router.run();
  slow.wire.add_credit(10);
  router.run();
  CHECK(slow.messages == texts{std::string(5000, 'a')});
  CHECK(router.router().totals().dropped_presettled == 1);
}

TEST_CASE("a peer that does not read what it has credit for gets no more than its bytes") {
  core_limits limits;
  limits.unsent_bytes = 10'000;
  bed router(limits);
  client& left = router.add();
  client& stopped = router.add();
  client& works = router.add();
  client_link& lazy = stopped.receiver(any, 1000);
  router.run();
  stopped.stuck = true;
  client_link& from = left.sender(any);
  router.run();
  for (int i = 0; i < 100; ++i) left.send(from, std::to_string(i), std::string(1000, 'x'), false);
  router.run();
  CHECK(from.outcomes.empty());
  // Somebody else gets all that the other one has not taken.
  client_link& other = works.receiver(any, 1000);
  router.run();
  CHECK(other.messages.size() >= 85);
  CHECK(other.messages.size() < 100);
  stopped.stuck = false;
  router.run();
  CHECK(other.messages.size() + lazy.messages.size() == 100);
  CHECK(from.outcomes.size() == 100);
  // And it takes part again.
  lazy.messages.clear();
  for (int i = 0; i < 20; ++i) left.send(from, std::to_string(i), "x", false);
  router.run();
  CHECK(!lazy.messages.empty());
}

TEST_CASE("multicast to a peer that does not read: buffered, then dropped, the others get all") {
  core_limits limits;
  limits.unsent_bytes = 10'000;
  limits.buffer_messages = 30;
  bed router(limits);
  client& left = router.add();
  client& stopped = router.add();
  client& works = router.add();
  client_link& lazy = stopped.receiver(all, 1000);
  client_link& other = works.receiver(all, 1000);
  router.run();
  stopped.stuck = true;
  client_link& from = left.sender(all);
  router.run();
  for (int i = 0; i < 100; ++i) {
    left.send(from, std::to_string(i), std::string(1000, 'x'), true);
    router.run();
  }
  CHECK(other.messages.size() == 100);
  CHECK(router.router().totals().dropped_presettled > 50);
  stopped.stuck = false;
  router.run();
  CHECK(lazy.messages.size() + router.router().totals().dropped_presettled == 100);
}
