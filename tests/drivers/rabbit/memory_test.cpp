// SPDX-License-Identifier: Apache-2.0
// What a listener remembers: the last message ids, and the reply queues that are gone.
#include "drivers/rabbit/gone_queues.hpp"
#include "drivers/rabbit/recent_ids.hpp"

#include <catch2/catch.hpp>

using namespace ombt::drivers;
using namespace ombt::drivers::rabbit;

TEST_CASE("the last 16 ids are known, the seventeenth pushes out the first") {
  recent_ids ids;
  for (int i = 0; i < 17; ++i) ids.add("id" + std::to_string(i));
  CHECK_FALSE(ids.contains("id0"));
  for (int i = 1; i < 17; ++i) CHECK(ids.contains("id" + std::to_string(i)));
}

TEST_CASE("an id that is added again takes no second place") {
  recent_ids ids;
  ids.add("first");
  for (int i = 0; i < 100; ++i) ids.add("again");
  CHECK(ids.contains("first"));
}

TEST_CASE("a message without an id is never a duplicate") {
  recent_ids ids;
  ids.add("");
  CHECK_FALSE(ids.contains(""));
}

TEST_CASE("a gone queue is remembered for 60 s") {
  gone_queues gone;
  const time_point now{};
  gone.add("reply_a", now);
  CHECK(gone.contains("reply_a", now + std::chrono::seconds{59}));
  CHECK_FALSE(gone.contains("reply_b", now));
  CHECK_FALSE(gone.contains("reply_a", now + std::chrono::seconds{60}));
}

TEST_CASE("the last 200 gone queues are remembered") {
  gone_queues gone;
  const time_point now{};
  for (int i = 0; i < 201; ++i) gone.add("q" + std::to_string(i), now);
  CHECK_FALSE(gone.contains("q0", now));
  CHECK(gone.contains("q1", now));
  CHECK(gone.contains("q200", now));
}
