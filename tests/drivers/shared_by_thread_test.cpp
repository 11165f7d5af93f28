// SPDX-License-Identifier: Apache-2.0
#include "drivers/shared_by_thread.hpp"

#include "drivers/call_table.hpp"

#include <catch2/catch.hpp>

#include <memory>
#include <string>
#include <vector>

using namespace ombt;
using namespace ombt::drivers;

TEST_CASE("Messages are used again by whichever transport needs one next, up to a limit") {
  spare_messages<std::string> spare;
  auto one = spare.take();
  const std::string* const first = one.get();
  REQUIRE(spare.has_room());
  spare.give(std::move(one));
  CHECK(spare.take().get() == first);
  std::size_t kept = 0;
  for (; spare.has_room(); ++kept) spare.give(std::make_unique<std::string>());
  CHECK(kept == spare_messages<std::string>::most);
}

TEST_CASE("A call is found by its id, and by the transport that it is of only") {
  call_table calls;
  const wire::oslo::hex_id one = wire::oslo::make_hex_id();
  const wire::oslo::hex_id two = wire::oslo::make_hex_id();
  const int transports[2] = {};
  calls.enter(one, &transports[0], 11);
  calls.enter(two, &transports[1], 12);
  CHECK(calls.find(wire::oslo::view(one), &transports[0]) == 11);
  CHECK(calls.find(wire::oslo::view(two), &transports[1]) == 12);
  CHECK(calls.find(wire::oslo::view(one), &transports[1]) == 0);
  for (const std::string& id : {std::string(), std::string(32, 'a'), std::string(33, 'a'),
                                std::string(wire::oslo::view(one)).substr(1)}) {
    CHECK(calls.find(id, &transports[0]) == 0);
  }
  calls.forget(one);
  CHECK(calls.find(wire::oslo::view(one), &transports[0]) == 0);
  calls.forget(one);
  CHECK(calls.size() == 1);
}
