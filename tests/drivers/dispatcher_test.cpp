// SPDX-License-Identifier: Apache-2.0
#include "drivers/dispatcher.hpp"

#include <catch2/catch.hpp>

using namespace ombt;
using namespace ombt::drivers;

TEST_CASE("a dispatcher refuses what the target does not serve") {
  target plain;
  target named;
  named.name_space = "ns";
  named.version = "2.3";
  const auto refused = [](const target& at, const requested_method& r) {
    const auto e = refusal_of(at, {}, r);
    return e ? e->class_name : std::string();
  };
  CHECK(refused(plain, {"echo", {}, {}}).empty());
  CHECK(refused(plain, {"echo", {}, "1.0"}).empty());
  CHECK(refused(plain, {"echo", {}, "1.1"}) == "UnsupportedVersion");
  CHECK(refused(plain, {"echo", "ns", {}}) == "UnsupportedVersion");
  CHECK(refused(plain, {"", {}, {}}) == "NoSuchMethod");
  CHECK(refused(plain, {"_echo", {}, {}}) == "NoSuchMethod");
  CHECK(refused(named, {"echo", "ns", "2.1"}).empty());
  CHECK(refused(named, {"echo", {}, "2.1"}) == "UnsupportedVersion");
  CHECK(refused(named, {"echo", "ns", {}}) == "UnsupportedVersion");
}

TEST_CASE("the ping is answered by servers that have it, whatever their target") {
  target named;
  named.name_space = "ns";
  serve_options pinged;
  pinged.ping = true;
  const std::string_view ping = "oslo_rpc_server_ping";
  CHECK(is_ping(pinged, ping));
  CHECK_FALSE(is_ping(pinged, "echo"));
  CHECK_FALSE(is_ping({}, ping));
  CHECK_FALSE(refusal_of(named, pinged, {ping, {}, {}}));
  CHECK(refusal_of(named, {}, {ping, {}, {}}));
}
