// SPDX-License-Identifier: Apache-2.0
// Peers whose addresses belong to another core: what is still on its way between the two when
// something happens. That a router of several cores does what one of one does is shown by the other
// tests, which run with both.
#include "tests/tools/router/bed.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <set>

namespace {

using namespace ombt::tools::router;
using test::bed;
using test::client;
using test::client_link;
using kind = amqp::outcome::kind;
using texts = std::vector<std::string>;

const amqp::outcome accepted{kind::accepted, false, false, {}, {}};

/// An address whose home is the second core of two.
std::string far_address(const std::string& prefix = "") {
  for (int i = 0;; ++i) {
    bed router({}, {}, 2);
    const std::string name = prefix + "a" + std::to_string(i);
    router.add_to(0).receiver(name, 1);
    router.run();
    if (!router.part(1).addresses().empty()) return name;
  }
}

/// A sender and a receiver of the first core at an address of the second.
struct far_pair {
  explicit far_pair(int credit, core_limits limits = {}, const std::string& prefix = "")
      : router(limits, {}, 2),
        left(router.add_to(0)),
        right(router.add_to(0)),
        name(far_address(prefix)),
        to(right.receiver(name, credit)),
        from(left.sender(name)) {
    router.run();
  }
  bool is_empty() {
    router.run();
    return router.router().links() == 0 && router.router().addresses().empty();
  }
  bed router;
  client& left;
  client& right;
  std::string name;
  client_link& to;
  client_link& from;
};

}  // namespace

TEST_CASE("an address belongs to one core, whosever its peers are") {
  far_pair it(10);
  CHECK(it.router.part(0).addresses().empty());
  REQUIRE(it.router.part(1).addresses().size() == 1);
  const address& at = *it.router.part(1).addresses().begin()->second;
  CHECK(at.senders.size() == 1);
  CHECK(at.receivers.size() == 1);
  it.left.send(it.from, "one", "a message", false);
  it.router.run();
  CHECK(it.to.messages == texts{"a message"});
  CHECK(it.from.outcomes == texts{"one: accepted"});
  it.left.lose();
  it.right.lose();
  CHECK(it.is_empty());
}

TEST_CASE("a dynamic address belongs to its receiver's core, and to no other one's") {
  bed router({}, {}, 3);
  std::set<std::string> names;
  for (int i = 0; i < 30; ++i) {
    const client_link& made = router.add_to(static_cast<std::size_t>(i) % 3).receiver_of_its_own(1);
    router.run();
    names.insert(made.wire.peer_source().address);
  }
  CHECK(names.size() == 30);
  for (std::size_t i = 0; i < 3; ++i) CHECK(router.part(i).addresses().size() == 10);
}

TEST_CASE("a sender gives a message up while its outcome is on its way") {
  for (const bool outcome_first : {true, false}) {
    far_pair it(10);
    client& third = it.router.add_to(1);  // where the address is
    client_link& other = third.sender(it.name);
    it.to.hold = true;
    it.router.run();
    const amqp::delivery sent = it.from.wire.send("one", "x", false);
    it.router.run();
    REQUIRE(it.to.held.size() == 1);
    if (outcome_first) {
      it.right.settle(it.to, 0, accepted);
      it.router.pass_bytes();
      it.router.pass_notes_of(0);  // to the address's core, whose answer waits
      // Another message takes the place there of the one that is settled.
      third.send(other, "two", "y", false);
      third.pass();
      sent.settle();
      it.left.pass();
    } else {
      third.send(other, "two", "y", false);
      sent.settle();
      it.left.pass();
      it.right.settle(it.to, 0, accepted);
    }
    it.router.run();
    CHECK(it.from.outcomes.size() <= 1);
    REQUIRE(it.to.held.size() == 2);
    it.right.settle(it.to, 1, accepted);
    it.router.run();
    CHECK(other.outcomes == texts{"two: accepted"});
    it.left.lose();
    it.right.lose();
    third.lose();
    CHECK(it.is_empty());
  }
}

TEST_CASE("a receiver goes while a message is on its way to it") {
  for (const bool settled : {false, true}) {
    far_pair it(10);
    it.left.send(it.from, "one", "x", settled);
    it.left.pass();
    it.router.pass_notes_of(0);  // to the address's core, which sends it
    it.right.close(it.to);
    it.right.pass();
    it.router.run();
    CHECK(it.to.messages.empty());
    CHECK(it.from.outcomes == (settled ? texts{} : texts{"one: modified failed"}));
    it.left.lose();
    CHECK(it.is_empty());
  }
}

TEST_CASE("a receiver goes and what it said last is on its way") {
  far_pair it(10);
  it.to.hold = true;
  it.left.send(it.from, "one", "x", false);
  it.left.send(it.from, "two", "y", false);
  it.router.run();
  it.right.settle(it.to, 0, accepted);
  it.right.close(it.to);
  it.router.run();
  std::sort(it.from.outcomes.begin(), it.from.outcomes.end());
  CHECK(it.from.outcomes == texts{"one: accepted", "two: modified failed"});
}

TEST_CASE("a sender goes while its message, its credit and an outcome are on their way") {
  far_pair it(10);
  it.left.send(it.from, "one", "x", false);
  it.router.run();
  for (int i = 0; i < 6; ++i) it.left.send(it.from, "t", "y", false);
  it.left.pass();
  it.left.lose();
  it.router.run();
  CHECK(it.to.messages.size() == 7);
  it.right.lose();
  CHECK(it.is_empty());
}

TEST_CASE("a router ends with notes on their way") {
  for (int turns = 0; turns < 6; ++turns) {
    bed router({}, {}, 2);
    const std::string name = far_address();
    client& left = router.add_to(0);
    client& right = router.add_to(0);
    client_link& to = right.receiver(name, 10);
    to.hold = true;
    client_link& from = left.sender(name);
    if (turns > 3) router.run();
    for (int i = 0; i < turns; ++i) {
      left.send(from, "t", "x", i % 2 == 0);
      router.pass_bytes();
      if (i % 2 == 0) router.pass_notes();
    }
    CHECK(to.messages.size() <= 10);
  }
}

TEST_CASE("a sender whose messages another thread does not take is not read from") {
  core_limits limits;
  limits.untaken_bytes = 10'000;
  far_pair it(1000, limits);
  REQUIRE(it.from.wire.credit() == 250);
  for (int i = 0; i < 30; ++i)
    it.left.send(it.from, std::to_string(i), std::string(1000, 'x'), false);
  it.left.pass();
  CHECK(it.left.is_held());
  it.router.run();
  CHECK_FALSE(it.left.is_held());
  CHECK(it.to.messages.size() == 30);
  CHECK(it.from.outcomes.size() == 30);
  // One that goes while it is held is not let go afterwards.
  for (int i = 0; i < 30; ++i)
    it.left.send(it.from, std::to_string(i), std::string(1000, 'x'), true);
  it.left.pass();
  REQUIRE(it.left.is_held());
  it.router.remove(it.left);
  it.router.run();
  CHECK(it.to.messages.size() == 60);
}

TEST_CASE("what a peer of another thread does not read is bounded") {
  core_limits limits;
  limits.unsent_bytes = 10'000;
  for (const char* const prefix : {"", "multicast."}) {
    address_rules rules;
    rules.add("multicast", distribution::multicast);
    limits.buffer_messages = 1;
    bed router(limits, rules, 2);
    client& left = router.add_to(1);
    client& right = router.add_to(0);
    const std::string name = far_address(prefix);
    client_link& to = right.receiver(name, 1000);
    client_link& from = left.sender(name);
    router.run();
    // Sent within one turn of the address's core: it has not heard of the other's socket.
    for (int i = 0; i < 100; ++i) left.send(from, "t", std::string(1000, 'x'), true);
    left.pass();
    std::size_t bytes = 0;
    router.part(1).said().hand_over([&](std::size_t where, std::vector<note> said) {
      for (const note& one : said) {
        bytes += one.shared ? one.shared->size() : one.text.size();
      }
      router.part(where).take(std::move(said), 1);
    });
    CHECK(bytes >= 9'000);
    CHECK(bytes <= 12'000);
    router.run();
    if (*prefix == '\0') CHECK(to.messages.size() == 100);
  }
}
