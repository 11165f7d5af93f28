// SPDX-License-Identifier: Apache-2.0
// Who gets a message, and what its sender is told.
#include "tests/tools/router/bed.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

namespace {

using namespace ombt::tools::router;
using test::bed;
using test::client;
using test::client_link;
using test::addresses::all;
using test::addresses::any;
using test::addresses::one_server;
using habit = test::pair::habit;
using kind = amqp::outcome::kind;
using texts = std::vector<std::string>;

amqp::outcome make(kind what, bool failed = false, bool undeliverable = false) {
  return {what, failed, undeliverable, what == kind::rejected ? "amqp:not-allowed" : "", ""};
}

}  // namespace

TEST_CASE("an unsettled message reaches a receiver, its outcome the sender") {
  test::pair both(any, 10, habit::holds);
  auto& [router, left, right, to, from] = both;
  left.send(from, "one", "a message", false);
  router.run();
  CHECK(to.messages == texts{"a message"});
  CHECK(from.outcomes.empty());
  right.settle(to, 0, make(kind::accepted));
  router.run();
  CHECK(from.outcomes == texts{"one: accepted"});
}

TEST_CASE("what is sent to a connection that the router is closing comes back as failed") {
  test::pair both(any, 10);
  auto& [router, left, right, to, from] = both;
  right.end_inside();
  left.send(from, "one", "a message", false);
  router.run();
  CHECK(to.messages.empty());
  CHECK(from.outcomes == texts{"one: modified failed"});
}

TEST_CASE("every outcome of a receiver is passed on as it is") {
  test::pair both(any, 10, habit::holds);
  auto& [router, left, right, to, from] = both;
  for (const char* const tag : {"a", "b", "c", "d", "e"}) left.send(from, tag, tag, false);
  router.run();
  REQUIRE(to.messages.size() == 5);
  right.settle(to, 4, make(kind::rejected));
  right.settle(to, 3, make(kind::released));
  right.settle(to, 2, make(kind::modified, true, true));
  right.settle(to, 1, make(kind::modified));
  right.settle(to, 0, make(kind::none));
  router.run();
  std::sort(from.outcomes.begin(), from.outcomes.end());
  CHECK(from.outcomes == texts{"a: none", "b: modified", "c: modified failed undeliverable",
                               "d: released", "e: rejected amqp:not-allowed"});
  const message_counts& counted = router.router().totals();
  CHECK(counted.rejected == 1);
  CHECK(counted.released == 1);
  CHECK(counted.modified == 2);
}

TEST_CASE("a receiver that says its outcome and leaves settling to the router") {
  bed router;
  client& left = router.add();
  client& right = router.add();
  right.receiver(any, 10).update_only = true;
  client_link& from = left.sender(any);
  router.run();
  left.send(from, "one", "x", false);
  router.run();
  CHECK(from.outcomes == texts{"one: accepted"});
}

TEST_CASE("a settled message is passed on settled") {
  test::pair both(any, 10, habit::holds);
  auto& [router, left, right, to, from] = both;
  left.send(from, "one", "x", true);
  router.run();
  CHECK(to.messages == texts{"x"});
  CHECK(to.held.empty());
  CHECK(from.outcomes.empty());
  CHECK(router.router().totals().presettled == 1);
}

TEST_CASE("a receiver of settled messages only has each accepted for it") {
  bed router;
  client& left = router.add();
  client& right = router.add();
  client_link& to = right.receiver(any, 1, amqp::settle_mode::settled);
  to.hold = true;
  client_link& from = left.sender(any);
  router.run();
  left.send(from, "one", "x", false);
  left.send(from, "two", "y", false);
  router.run();
  CHECK(to.messages == texts{"x"});
  CHECK(from.outcomes == texts{"one: accepted"});
  to.wire.add_credit(1);  // the second one has waited
  router.run();
  CHECK(to.messages == texts{"x", "y"});
  CHECK(to.held.empty());
  CHECK(from.outcomes == texts{"one: accepted", "two: accepted"});
}

TEST_CASE("balanced: the receiver with the fewest unsettled messages is next") {
  bed router;
  client& left = router.add();
  client& right = router.add();
  client_link& a = right.receiver(any, 10);
  client_link& b = right.receiver(any, 10);
  client_link& c = right.receiver(any, 10);
  for (client_link* const one : {&a, &b, &c}) one->hold = true;
  client_link& from = left.sender(any);
  router.run();
  for (int i = 0; i < 6; ++i) left.send(from, std::to_string(i), "x", false);
  router.run();
  CHECK(a.messages.size() == 2);
  CHECK(b.messages.size() == 2);
  CHECK(c.messages.size() == 2);
  right.settle(b, 0, make(kind::accepted));
  right.settle(b, 1, make(kind::accepted));
  router.run();
  left.send(from, "6", "x", false);
  left.send(from, "7", "x", false);
  router.run();
  CHECK(b.messages.size() == 4);
}

TEST_CASE("balanced: settled messages go where most credit is left") {
  bed router;
  client& left = router.add();
  client& right = router.add();
  client_link& small = right.receiver(any, 2);
  client_link& large = right.receiver(any, 10);
  client_link& from = left.sender(any);
  router.run();
  for (int i = 0; i < 4; ++i) left.send(from, std::to_string(i), "x", true);
  router.run();
  CHECK(small.messages.empty());
  CHECK(large.messages.size() == 4);
  for (int i = 0; i < 8; ++i) left.send(from, std::to_string(i), "x", true);
  router.run();
  CHECK(small.messages.size() == 2);
  CHECK(large.messages.size() == 10);
  CHECK(router.router().totals().dropped_presettled == 0);
}

TEST_CASE("closest: the first receiver as long as it has credit") {
  bed router;
  client& left = router.add();
  client& right = router.add();
  client_link& first = right.receiver(one_server, 3);
  first.hold = true;
  router.run();
  client_link& second = right.receiver(one_server, 10);
  client_link& from = left.sender(one_server);
  router.run();
  for (int i = 0; i < 5; ++i) left.send(from, std::to_string(i), "x", false);
  router.run();
  CHECK(first.messages.size() == 3);
  CHECK(second.messages.size() == 2);
  first.wire.add_credit(1);
  router.run();
  left.send(from, "again", "x", false);
  router.run();
  CHECK(first.messages.size() == 4);
}

TEST_CASE("multicast: everybody gets it once, the sender is told accepted") {
  bed router;
  client& left = router.add();
  client& right = router.add();
  client_link& a = right.receiver(all, 10);
  client_link& b = right.receiver(all, 10);
  client_link& own = left.receiver(all, 10);
  client_link& from = left.sender(all);
  router.run();
  left.send(from, "one", "unsettled", false);
  left.send(from, "two", "settled", true);
  router.run();
  for (const client_link* const to : {&a, &b, &own}) {
    CHECK(to->messages == texts{"unsettled", "settled"});
    CHECK(to->held.empty());
  }
  CHECK(from.outcomes == texts{"one: accepted"});
}

TEST_CASE("multicast where nobody listens is accepted and counted as dropped") {
  bed router;
  client& left = router.add();
  client_link& from = left.sender(all);
  router.run();
  left.send(from, "one", "x", false);
  router.run();
  CHECK(from.outcomes == texts{"one: accepted"});
  CHECK(router.router().totals().dropped_presettled == 1);
}

TEST_CASE("a reply goes to the address that the router made for its receiver") {
  bed router;
  client& left = router.add();
  client& right = router.add();
  client_link& mine = left.receiver_of_its_own(10);
  client_link& other = left.receiver_of_its_own(10);
  router.run();
  const std::string address = mine.wire.peer_source().address;
  CHECK(address.substr(0, 21) == "amqp:/_topo/0/R/temp.");
  CHECK(address.size() == 41);
  CHECK(other.wire.peer_source().address != address);
  CHECK(mine.wire.peer_source().dynamic);
  client_link& from = right.sender(address);
  router.run();
  right.send(from, "one", "a reply", true);
  router.run();
  CHECK(mine.messages == texts{"a reply"});
  CHECK(other.messages.empty());
}

TEST_CASE("messages keep their order while some wait for credit") {
  test::pair both(any, 2);
  auto& [router, left, right, to, from] = both;
  texts sent;
  for (int i = 0; i < 8; ++i) {
    sent.push_back(std::to_string(i));
    left.send(from, sent.back(), sent.back(), i % 2 == 0);
  }
  router.run();
  CHECK(to.messages.size() == 2);
  to.wire.add_credit(3);
  router.run();
  CHECK(to.messages.size() == 5);
  to.wire.add_credit(100);
  router.run();
  CHECK(to.messages == sent);
  CHECK(from.outcomes.size() == 4);
}

TEST_CASE("a message above one frame and of many bytes arrives whole") {
  bed router;
  router.server.max_frame_size = 16384;
  client& left = router.add();
  client& right = router.add();
  client_link& to = right.receiver(any, 10);
  client_link& from = left.sender(any);
  router.run();
  std::string large(3'000'000, 'x');
  for (std::size_t i = 0; i < large.size(); ++i) large[i] = static_cast<char>(i * 31 + i / 256);
  left.send(from, "one", large, false);
  router.run();
  CHECK(left.why() == "");
  CHECK(right.why() == "");
  REQUIRE(to.messages.size() == 1);
  CHECK(to.messages[0] == large);
  CHECK(from.outcomes == texts{"one: accepted"});
}

TEST_CASE("an empty message, which is none, is rejected, or dropped if settled") {
  for (const char* const address : {any, one_server, all, "$management"}) {
    test::pair both(address, 10);
    auto& [router, left, right, to, from] = both;
    left.send(from, "one", "", false);
    left.send(from, "two", "", true);
    left.send(from, "three", "x", true);
    router.run();
    CHECK(from.outcomes == texts{"one: rejected amqp:decode-error"});
    CHECK(to.messages == (std::string(address) == "$management" ? texts{} : texts{"x"}));
    CHECK(router.router().totals().dropped_presettled == 1);
  }
}

TEST_CASE("a sender that gives up its message hears no more of it, the receiver has it") {
  test::pair both(any, 2, habit::holds);
  auto& [router, left, right, to, from] = both;
  std::vector<amqp::delivery> sent;
  for (const char* const tag : {"one", "two", "waits"}) {
    sent.push_back(from.wire.send(tag, tag, false));
  }
  router.run();
  CHECK(to.messages == texts{"one", "two"});
  for (const std::size_t which : {0, 2}) sent[which].settle();
  router.run();
  const in_link& inside = *router.router().addresses().at(any)->senders.front();
  CHECK(inside.flights.size() == 2);  // the second, and the one that waits
  for (const std::size_t which : {0, 1}) right.settle(to, which, make(kind::rejected));
  to.wire.add_credit(1);
  router.run();
  CHECK(from.outcomes == texts{"two: rejected amqp:not-allowed"});
  CHECK(to.messages.size() == 3);
  CHECK(to.held.size() == 2);  // the last came settled
  CHECK(inside.flights.empty());
}

TEST_CASE("what a sender has given up is dropped if nobody can take it any more") {
  test::pair both(any, 1);
  auto& [router, left, right, to, from] = both;
  std::vector<amqp::delivery> sent;
  for (const char* const tag : {"one", "two"}) sent.push_back(from.wire.send(tag, tag, false));
  router.run();
  sent[1].settle();
  router.run();
  right.close(to);
  router.run();
  CHECK(from.outcomes == texts{"one: accepted"});
  CHECK(router.router().totals().dropped_presettled == 1);
  CHECK(router.router().totals().released == 0);
}

// ---- Somebody goes
// -------------------------------------------------------------------------------

TEST_CASE("the receiver goes with unsettled messages: modified, delivery-failed") {
  for (const bool whole_connection : {false, true}) {
    test::pair both(any, 10, habit::holds);
    auto& [router, left, right, to, from] = both;
    left.send(from, "one", "x", false);
    left.send(from, "two", "x", false);
    router.run();
    if (whole_connection) {
      right.lose();
    } else {
      right.close(to);
    }
    router.run();
    CHECK(from.outcomes == texts{"one: modified failed", "two: modified failed"});
    CHECK(router.router().totals().modified == 2);
  }
}

TEST_CASE("the last receiver goes while messages wait: released, or dropped if settled") {
  test::pair both(any, 1, habit::holds);
  auto& [router, left, right, to, from] = both;
  left.send(from, "sent", "x", false);
  left.send(from, "waits", "x", false);
  left.send(from, "settled", "x", true);
  router.run();
  right.lose();
  router.run();
  CHECK(from.outcomes == texts{"sent: modified failed", "waits: released"});
  CHECK(router.router().totals().dropped_presettled == 1);
  CHECK(router.router().totals().released == 1);
}

TEST_CASE("what is sent with credit left over and nobody there any more is released or dropped") {
  test::pair both(any, 10);
  auto& [router, left, right, to, from] = both;
  right.close(to);
  router.run();
  REQUIRE(from.wire.credit() > 1);
  left.send(from, "one", "x", false);
  left.send(from, "two", "x", true);
  router.run();
  CHECK(from.outcomes == texts{"one: released"});
  CHECK(router.router().totals().dropped_presettled == 1);
}

TEST_CASE("the sender goes: its waiting messages too, receivers keep what they have") {
  test::pair both(any, 1, habit::holds);
  auto& [router, left, right, to, from] = both;
  left.send(from, "one", "has it", false);
  left.send(from, "two", "waits", false);
  router.run();
  left.lose();
  router.run();
  right.settle(to, 0, make(kind::accepted));
  to.wire.add_credit(10);
  router.run();
  CHECK(to.messages == texts{"has it"});
  client& third = router.add();
  client_link& later = third.sender(any);
  router.run();
  third.send(later, "three", "of another", false);
  router.run();
  CHECK(to.messages == texts{"has it", "of another"});
}

TEST_CASE("a receiver that comes back on the same address gets the next messages") {
  test::pair both(any, 5);
  auto& [router, left, right, to, from] = both;
  right.close(to);
  router.run();
  CHECK(to.closed == "-");
  client_link& again = right.receiver(any, 5);
  router.run();
  left.send(from, "one", "x", false);
  router.run();
  CHECK(again.messages == texts{"x"});
}

TEST_CASE("nothing is left of addresses and links when all are gone") {
  bed router;
  client& left = router.add();
  client& right = router.add();
  right.receiver(any, 1).hold = true;
  client_link& from = left.sender(any);
  left.receiver_of_its_own(1);
  right.sender(all);
  router.run();
  CHECK(router.router().links() == 4);
  for (int i = 0; i < 5; ++i) left.send(from, std::to_string(i), "x", i == 3);
  router.run();
  left.lose();
  right.lose();
  router.run();
  CHECK(router.router().links() == 0);
  CHECK(router.router().addresses().empty());
}
