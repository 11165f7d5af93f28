// SPDX-License-Identifier: Apache-2.0
#include "drivers/io/context.hpp"

#include <catch2/catch.hpp>

#include <vector>

using ombt::drivers::io::setup_pacer;

TEST_CASE("no more connections than the limit are set up at once, the rest in order") {
  setup_pacer pacer(2);
  std::vector<int> admitted;
  std::vector<setup_pacer::ticket> tickets;
  for (int i = 0; i < 5; ++i) {
    tickets.push_back(pacer.acquire([&admitted, i] { admitted.push_back(i); }));
  }
  CHECK(admitted == std::vector<int>{0, 1});
  pacer.release(tickets[1]);
  CHECK(admitted == std::vector<int>{0, 1, 2});
  pacer.release(tickets[0]);
  pacer.release(tickets[2]);
  CHECK(admitted == std::vector<int>{0, 1, 2, 3, 4});
}

TEST_CASE("one that leaves the queue is not admitted, and takes nobody's place") {
  setup_pacer pacer(1);
  std::vector<int> admitted;
  const auto first = pacer.acquire([&] { admitted.push_back(1); });
  const auto second = pacer.acquire([&] { admitted.push_back(2); });
  pacer.acquire([&] { admitted.push_back(3); });
  pacer.release(second);
  pacer.release(second);
  pacer.release(0);
  CHECK(admitted == std::vector<int>{1});
  pacer.release(first);
  CHECK(admitted == std::vector<int>{1, 3});
}

TEST_CASE("a pacer that was shut admits nobody any more") {
  setup_pacer pacer(1);
  int admitted = 0;
  const auto first = pacer.acquire([&] { ++admitted; });
  pacer.acquire([&] { ++admitted; });
  pacer.shut();
  pacer.release(first);
  CHECK(admitted == 1);
}
