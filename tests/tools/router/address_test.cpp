// SPDX-License-Identifier: Apache-2.0
#include "tools/router/address.hpp"

#include "wire/configuration_error.hpp"

#include <catch2/catch.hpp>

using ombt::configuration_error;
using ombt::tools::router::address_rules;
using ombt::tools::router::distribution;

TEST_CASE("oslo.messaging's addresses are distributed as its guide configures qpid-dispatch") {
  const address_rules rules;
  for (const std::string kind : {"rpc", "notify"}) {
    const std::string common = "openstack.org/om/" + kind;
    CHECK(rules.of(common + "/multicast/exchange/topic") == distribution::multicast);
    CHECK(rules.of(common + "/unicast/exchange/topic/server") == distribution::closest);
    CHECK(rules.of(common + "/anycast/exchange/topic") == distribution::balanced);
  }
  CHECK(rules.of("exclusive.exchange.topic.server") == distribution::closest);
  CHECK(rules.of("broadcast.exchange.topic.all") == distribution::multicast);
  CHECK(rules.of("unicast.exchange.topic") == distribution::balanced);
}

TEST_CASE("an address that no rule knows is balanced") {
  const address_rules rules;
  CHECK(rules.of("anything") == distribution::balanced);
  CHECK(rules.of("") == distribution::balanced);
}

TEST_CASE("a prefix ends at a slash, at a dot or with the address") {
  address_rules rules;
  rules.add("a/b", distribution::multicast);
  CHECK(rules.of("a/b") == distribution::multicast);
  CHECK(rules.of("a/b/c") == distribution::multicast);
  CHECK(rules.of("a/b.c") == distribution::multicast);
  CHECK(rules.of("a/bc") == distribution::balanced);
  CHECK(rules.of("a") == distribution::balanced);
}

TEST_CASE("the longest prefix counts, in whatever order they were added") {
  address_rules rules;
  rules.add("a/b/c", distribution::closest);
  rules.add("a", distribution::multicast);
  rules.add("a/b", distribution::balanced);
  CHECK(rules.of("a/b/c/d") == distribution::closest);
  CHECK(rules.of("a/b/x") == distribution::balanced);
  CHECK(rules.of("a/x") == distribution::multicast);
}

TEST_CASE("a rule of the command line replaces one that is there") {
  address_rules rules;
  rules.add("openstack.org/om/rpc/anycast=closest");
  CHECK(rules.of("openstack.org/om/rpc/anycast/x") == distribution::closest);
  rules.add("with=sign/=multicast");
  CHECK(rules.of("with=sign/x") == distribution::multicast);
}

TEST_CASE("a rule that is none is refused") {
  address_rules rules;
  CHECK_THROWS_AS(rules.add("a"), configuration_error);
  CHECK_THROWS_AS(rules.add("=closest"), configuration_error);
  CHECK_THROWS_AS(rules.add("a=nearest"), configuration_error);
  CHECK_THROWS_AS(rules.add(""), configuration_error);
}
