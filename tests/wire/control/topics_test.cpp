// SPDX-License-Identifier: Apache-2.0
#include "wire/control/topics.hpp"

#include "wire/configuration_error.hpp"

#include <catch2/catch.hpp>

#include <functional>
#include <string>
#include <vector>

using namespace ombt;
using namespace ombt::wire::control;

namespace {

std::string refusal(const std::function<void()>& of) {
  try {
    of();
  } catch (const configuration_error& e) {
    return e.what();
  }
  return {};
}

}  // namespace

TEST_CASE("Several topics are the stem and a number, one is what it is called") {
  CHECK(topics_of("t", {}, false) == std::vector<std::string>{"t"});
  CHECK(topics_of("t", {}, true) == std::vector<std::string>{"t"});
  CHECK(topics_of("t", 1, false) == std::vector<std::string>{"t-0"});
  CHECK(topics_of("t", 3, false) == std::vector<std::string>{"t-0", "t-1", "t-2"});
  CHECK(topics_of("t", most_topics, false).size() == 1'000);
}

TEST_CASE("A number of topics that cannot be is refused, and several under one control topic") {
  for (const int topics : {0, -1, 1'001}) {
    CHECK(refusal([&] { topics_of("t", topics, false); }) ==
          "--topics " + std::to_string(topics) + ": expected a number from 1 to 1000");
  }
  CHECK(refusal([] { topics_of("t", 2, true); }) ==
        "--topics contradicts --unique: agents of all topics would be heard as one");
  CHECK(refusal([] { topics_of("a b", 2, false); }).starts_with("--topic: no spaces"));
  // The stem may be as long as a topic, its last name may not.
  const std::string longest(64, 't');
  CHECK(topics_of(longest, {}, false).size() == 1);
  CHECK(refusal([&] { topics_of(longest, 2, false); }) == "--topic: expected 1 to 64 bytes");
}

TEST_CASE("Agents that would leave a topic without one are refused; none at all are not") {
  CHECK(refusal([] { check_spread(10, "--rpc-client", 9); }) ==
        "--topics 10: --rpc-client 9 would leave a topic without one");
  CHECK(refusal([] { check_spread(10, "--rpc-client", 3); }) ==
        "--topics 10: --rpc-client 3 would leave topics without one");
  CHECK(refusal([] { check_spread(10, "--rpc-client", 10); }).empty());
  CHECK(refusal([] { check_spread(10, "--rpc-client", 0); }).empty());
  CHECK(refusal([] { check_spread({}, "--rpc-client", 1); }).empty());
}

TEST_CASE("Agents are spread evenly, the first topics have one more") {
  CHECK(share_of(0, 3, 7) == 3);
  CHECK(share_of(1, 3, 7) == 2);
  CHECK(share_of(2, 3, 7) == 2);
  CHECK(share_of(0, 1, 7) == 7);
}

TEST_CASE("Topics in words are the one, or how many from which to which") {
  CHECK(topics_in_words({"t"}) == "topic t");
  CHECK(topics_in_words({"t-0", "t-1", "t-2"}) == "3 topics, t-0 to t-2");
}
