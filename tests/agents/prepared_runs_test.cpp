// SPDX-License-Identifier: Apache-2.0
#include "agents/control/prepared_runs.hpp"

#include "tests/agents/silent_commands.hpp"

#include <catch2/catch.hpp>

using namespace ombt;
using namespace ombt::tests;
using agents::prepared_runs;
using wire::control::agent_kind;
using wire::control::run_test_request;

namespace {

struct one_topic final : silent_commands {
  int begun = 0;
  void on_run(agent_kind, const run_test_request&, path) override { ++begun; }
};

run_test_request with(const std::string& id, std::size_t bytes = 0) {
  run_test_request out;
  out.test = wire::control::test_kind::call;
  out.parameters.run = id;
  out.parameters.data.assign(bytes, 'x');
  return out;
}

}  // namespace

TEST_CASE("The payloads of all runs that are prepared are bounded together") {
  drivers::loop loop;
  prepared_runs runs(loop);
  std::vector<one_topic> topics(5);
  constexpr std::size_t quarter = prepared_runs::payload_limit / 4;
  const auto prepare = [&](std::size_t topic, std::size_t bytes) {
    return runs.prepare(topics[topic], agent_kind::rpc_client, with("r", bytes), nullptr);
  };
  for (std::size_t i = 0; i < 4; ++i) CHECK(prepare(i, quarter).empty());
  CHECK(prepare(4, 1) == "the payloads of prepared runs are above 256 MiB");
  CHECK(prepare(0, quarter).empty());  // in the place of its own
  CHECK_FALSE(prepare(0, quarter + 1).empty());
  CHECK(prepare(0, quarter - 1).empty());
  CHECK(prepare(4, 1).empty());
  runs.cancel(topics[1], agent_kind::rpc_client, "r");
  CHECK(prepare(4, quarter + 1).empty());
  int taken = 0;
  CHECK(runs.start({"r", "", 0, 0}, [&] { ++taken; }).empty());
  CHECK(taken == 1);
  int begun = 0;
  for (const one_topic& topic : topics) begun += topic.begun;
  CHECK(begun == 4);
  for (std::size_t i = 0; i < 4; ++i) CHECK(prepare(i, quarter).empty());
  runs.drop();
  CHECK(runs.start({"r", "", 0, 0}, [] {}) == "no run r is prepared");
}

TEST_CASE("A run has begun when its agents of all topics and kinds have, and no other id has") {
  drivers::loop loop;
  prepared_runs runs(loop);
  one_topic here;
  one_topic there;
  CHECK(runs.prepare(here, agent_kind::rpc_client, with("r"), nullptr).empty());
  CHECK(runs.prepare(here, agent_kind::notifier, with("r"), nullptr).empty());
  CHECK(runs.prepare(there, agent_kind::rpc_client, with("r"), nullptr).empty());
  CHECK(runs.prepare(there, agent_kind::notifier, with("s"), nullptr).empty());
  CHECK_FALSE(runs.begun("r"));
  CHECK(runs.start({"r", "", 0, 0}, [] {}).empty());
  CHECK(here.begun == 2);
  CHECK(there.begun == 1);
  CHECK_FALSE(runs.begun("s"));
  CHECK_FALSE(runs.begun("r"));
  CHECK_FALSE(runs.begun("r"));
  CHECK(runs.begun("r"));
  CHECK_FALSE(runs.begun("r"));
}
