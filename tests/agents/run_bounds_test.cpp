// SPDX-License-Identifier: Apache-2.0
#include "agents/control/run_bounds.hpp"

#include <catch2/catch.hpp>

using namespace ombt;
using agents::addressee;
using agents::asked_rate;
using agents::run_bounds;
using wire::control::agent_kind;
using wire::control::test_parameters;

namespace {

constexpr addressee clients{agent_kind::rpc_client, 0};
constexpr addressee others{agent_kind::rpc_client, 1};
constexpr addressee notifiers{agent_kind::notifier, 0};

test_parameters paused(double seconds) {
  test_parameters out;
  out.pause = seconds;
  return out;
}
test_parameters open_loop(std::vector<wire::control::rate_segment> profile, std::int64_t of) {
  test_parameters out;
  out.load.emplace();
  out.load->profile = std::move(profile);
  out.load->clients = of;
  return out;
}

}  // namespace

TEST_CASE("What a run asks of agents is their share of its highest rate") {
  CHECK(asked_rate(paused(0), 10) == 0);
  CHECK(asked_rate(paused(0.5), 10) == Approx(20));
  CHECK(asked_rate(open_loop({{0, 100, 1}, {300, 200, 1}}, 1), 1) == Approx(300));
  CHECK(asked_rate(open_loop({{0, 100, 1}, {200, 400, 1}}, 100), 25) == Approx(100));
  test_parameters closed = paused(0.1);
  closed.load.emplace().duration = 5;
  CHECK(asked_rate(closed, 3) == Approx(30));
}

TEST_CASE("Without bounds everything may be asked, and a closed loop always") {
  const run_bounds none;
  test_parameters large = open_loop({{1e7, 1e7, 1}}, 1);
  large.data.assign(1 << 20, 'x');
  CHECK(none.refusal(clients, large, 100'000).empty());
  const run_bounds least(0.001, {});
  CHECK(least.refusal(clients, paused(0), 100'000).empty());
}

TEST_CASE("All agents of a process share its rate") {
  run_bounds bounds(100, {});
  const auto asks = [&](addressee who, double rate) {
    return bounds.refusal(who, open_loop({{rate, rate, 1}}, 3), 3);
  };
  CHECK(asks(clients, 100).empty());
  CHECK(asks(clients, 100.001) ==
        "the run asks 100.001 messages/s of this process, and --max-rate allows 100");
  bounds.run(others, 30);
  bounds.promise(others, 20);  // the next of the same agents: one after the other
  bounds.promise(notifiers, 40);
  CHECK(asks(clients, 30).empty());
  CHECK(
      asks(clients, 31) ==
      "the run asks 31 messages/s of this process, beside 70 of other topics and kinds of agents, "
      "and --max-rate allows 100");
  CHECK(asks(others, 60).empty());  // its own take turns
  bounds.run(others, 0);
  CHECK(asks(clients, 40).empty());
  bounds.promise(others, 0);
  bounds.promise(notifiers, 0);
  CHECK(asks(clients, 100).empty());
}
