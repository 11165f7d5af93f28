// SPDX-License-Identifier: Apache-2.0
// Which links a peer may have.
#include "tests/tools/router/bed.hpp"

#include <catch2/catch.hpp>

namespace {

using namespace ombt::tools::router;
using test::bed;
using test::client;
using test::client_link;
using test::addresses::any;

}  // namespace

TEST_CASE("an attach without an address is refused, in either direction") {
  bed router;
  client& one = router.add();
  client_link& sends = one.attach(true, {"here"}, {});
  client_link& receives = one.attach(false, {}, {"here"});
  client_link& null = one.attach(false, {{}, false, false}, {"here"});
  router.run();
  CHECK(sends.closed == "amqp:invalid-field");
  CHECK(receives.closed == "amqp:invalid-field");
  CHECK(null.closed == "amqp:invalid-field");
  CHECK(router.router().links() == 0);
}

TEST_CASE("a sender that wants an address made for it is refused") {
  bed router;
  client& one = router.add();
  client_link& sends = one.attach(true, {"here"}, {{}, true});
  router.run();
  CHECK(sends.closed == "amqp:not-implemented");
}

TEST_CASE("an address that is too long is refused") {
  bed router;
  client& one = router.add();
  client_link& sends = one.sender(std::string(2049, 'a'));
  client_link& receives = one.receiver(std::string(2049, 'a'), 1);
  client_link& fits = one.sender(std::string(2048, 'a'));
  router.run();
  CHECK(sends.closed == "amqp:invalid-field");
  CHECK(receives.closed == "amqp:invalid-field");
  CHECK(fits.closed.empty());
  CHECK(fits.open);
}

TEST_CASE("links of a connection are bounded, and places become free again") {
  bed router;
  router.limits.links = 3;
  client& one = router.add();
  client_link& first = one.sender(any);
  one.receiver(any, 1);
  one.receiver(any, 1);
  router.run();
  client_link& above = one.sender(any);
  router.run();
  CHECK(above.closed == "amqp:resource-limit-exceeded");
  one.close(first);
  router.run();
  client_link& again = one.sender(any);
  router.run();
  CHECK(again.open);
  CHECK(again.closed.empty());
  CHECK(router.router().links() == 3);
}

TEST_CASE("a message above the limit ends its link, not its connection") {
  bed router;
  router.server.message_limit = 10'000;
  client& left = router.add();
  client& right = router.add();
  client_link& to = right.receiver(any, 10);
  client_link& from = left.sender(any);
  client_link& other = left.sender(any);
  router.run();
  left.send(from, "one", std::string(20'000, 'x'), false);
  router.run();
  CHECK(from.closed == "amqp:link:message-size-exceeded");
  CHECK(to.messages.empty());
  left.send(other, "two", "small", false);
  router.run();
  CHECK(to.messages.size() == 1);
  CHECK_FALSE(left.is_over());
}

TEST_CASE("the router's address for management has other names") {
  bed router;
  client& one = router.add();
  one.sender("$management");
  one.sender("_local/$management");
  one.sender("amqp:/_topo/0/R/$management");
  router.run();
  CHECK(router.router().addresses().size() == 1);
  one.sender("_topo/0/other/$management");
  router.run();
  CHECK(router.router().addresses().size() == 2);
}
