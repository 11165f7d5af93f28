// SPDX-License-Identifier: Apache-2.0
#include "drivers/direct/pending_peers.hpp"

#include "tests/drivers/direct/bed.hpp"

using namespace ombt;
using namespace ombt::tests;
using drivers::direct::pending_peers;

namespace {

struct pending_bed {
  explicit pending_bed(drivers::duration limit)
      : peers(on.context(), 2, limit, [this] { ++rooms; }) {}
  pending_peers::ticket enter(int who) {
    return peers.enter([this, who] { ended.push_back(who); });
  }

  drivers::loop on;
  int rooms = 0;
  std::vector<int> ended;
  pending_peers peers;
};

}  // namespace

TEST_CASE("peers that are not proven in time are ended, in order") {
  pending_bed bed(20ms);
  bed.enter(1);
  bed.on.run_for(5ms);
  bed.enter(2);
  const auto third = bed.enter(3);
  bed.peers.leave(third);
  bed.peers.leave(third);
  REQUIRE(run_until(bed.on, [&] { return bed.ended.size() == 2; }));
  CHECK(bed.ended == std::vector<int>{1, 2});
  CHECK(bed.peers.size() == 0);
  CHECK(bed.rooms == 0);
}

TEST_CASE("who waits for a place gets one when somebody leaves") {
  pending_bed bed(20s);
  CHECK(bed.peers.has_room());
  const auto first = bed.enter(1);
  bed.enter(2);
  CHECK_FALSE(bed.peers.has_room());
  CHECK(bed.rooms == 0);
  bed.peers.leave(first);
  CHECK(bed.rooms == 1);
  CHECK(bed.peers.has_room());
  CHECK(bed.ended.empty());
}

TEST_CASE("who has had the grace time gives its place to who waits, and to nobody else") {
  pending_bed bed(20s);
  bed.enter(1);
  bed.enter(2);
  bed.on.run_for(pending_peers::grace + 20ms);
  CHECK(bed.ended.empty());
  CHECK(bed.peers.has_room());
  CHECK(bed.ended == std::vector<int>{1});
  bed.enter(3);
  CHECK(bed.peers.has_room());
  CHECK(bed.ended == std::vector<int>{1, 2});
  bed.enter(4);
  // Those two have just come.
  CHECK_FALSE(bed.peers.has_room());
  REQUIRE(run_until(bed.on, [&] { return bed.rooms == 1; }));
  CHECK(bed.peers.has_room());
  CHECK(bed.ended == std::vector<int>{1, 2, 3});
}
