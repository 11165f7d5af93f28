// SPDX-License-Identifier: Apache-2.0
#include "agents/measure/live_sender.hpp"

#include "drivers/datagrams.hpp"

#include "tests/agents/drive.hpp"
#include "tests/drivers/datagram_name.hpp"

#include <catch2/catch.hpp>

#include <chrono>
#include <string>
#include <vector>

using namespace ombt;
using namespace ombt::agents;
using ombt::tests::drive;
using ombt::tests::settle;
using wire::control::agent_kind;
using wire::control::live_report;

namespace {

live_sender::way to_datagrams(const std::string& name) {
  const auto to = std::make_shared<drivers::datagram_sender>(name);
  return [to](std::string_view text) { to->send(text); };
}

double epoch() {
  return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
}

struct live_bed {
  drivers::loop loop;
  std::string name = ombt::tests::unique_datagram_name();
  std::vector<live_report> heard;
  drivers::datagram_receiver ear{loop, name, [this](std::string_view text, std::int64_t) {
                                   wire::json::reader reader;
                                   wire::json::value root;
                                   std::string why;
                                   REQUIRE_FALSE(reader.parse(text, root));
                                   REQUIRE(read_live_report(root, heard.emplace_back(), why));
                                 }};
  live_sender::activity now{3, 7};
  live_sender live{loop, 5, [this](agent_kind, const std::string&) { return now; }};
};

}  // namespace

TEST_CASE_METHOD(live_bed, "A thread says each second how its run goes on, and that it is over") {
  const auto seconds = std::make_shared<second_recorder>();
  CHECK_FALSE(live.at_work());
  live.end(agent_kind::rpc_client, "run-1");
  live.begin(agent_kind::rpc_client, "run-1", to_datagrams(name), seconds);
  CHECK(live.at_work());
  const double first = epoch();
  seconds->success(first, 1'000'000);
  seconds->failure(first);
  REQUIRE(drive(loop, [&] { return !heard.empty(); }));
  CHECK(heard[0].run == "run-1");
  CHECK(heard[0].kind == agent_kind::rpc_client);
  CHECK(heard[0].thread == 5);
  CHECK(heard[0].agents == 3);
  CHECK(heard[0].in_flight == 7);
  CHECK(heard[0].ok == 1);
  CHECK(heard[0].failed == 1);
  CHECK(heard[0].second.start == static_cast<std::int64_t>(first));
  CHECK(heard[0].second.latency.totals().count == 1);
  seconds->success(epoch(), 2'000'000);
  const auto taken = seconds->take();
  live.end(agent_kind::rpc_client, "run-1");
  CHECK_FALSE(live.at_work());
  REQUIRE(drive(loop, [&] { return heard.back().agents == 0; }));
  CHECK(heard.back().ok == 2);
  CHECK(heard.back().in_flight == 0);
  CHECK(heard.back().second.latency.totals().max == 2'000'000);
  const std::size_t said = heard.size();
  settle(loop);
  CHECK(heard.size() == said);
  std::uint64_t sum = 0;  // nothing of it is missing in the results
  for (const auto& row : taken.rows()) sum += row.ok + row.failed;
  CHECK(sum == 3);
}

TEST_CASE_METHOD(live_bed, "Runs of several controllers, and kinds of agents, are told of each") {
  const auto seconds = std::make_shared<second_recorder>();
  live.begin(agent_kind::rpc_client, "run-1", to_datagrams(name), seconds);
  live.begin(agent_kind::notifier, "run-2", to_datagrams(name),
             std::make_shared<second_recorder>());
  live.begin(agent_kind::rpc_client, "run-3", to_datagrams(name),
             std::make_shared<second_recorder>());
  live.begin(agent_kind::rpc_client, "run-3", to_datagrams(name),
             std::make_shared<second_recorder>());
  live.end(agent_kind::rpc_client, "run-1");
  live.end(agent_kind::notifier, "run-1");
  CHECK(live.at_work());
  REQUIRE(drive(loop, [&] { return heard.size() >= 3; }));
  CHECK(heard[0].run == "run-1");
  CHECK(heard[1].run == "run-2");
  CHECK(heard[1].second.ok == 0);
  CHECK(heard[2].run == "run-3");
  live.end(agent_kind::rpc_client, "run-3");
  live.end(agent_kind::notifier, "run-2");
  CHECK_FALSE(live.at_work());
}

TEST_CASE_METHOD(live_bed, "Who is not there is told nothing, and a name that is none neither") {
  live.begin(agent_kind::rpc_client, "run-1", to_datagrams("ombt-" + std::string(32, '0')),
             std::make_shared<second_recorder>());
  live.end(agent_kind::rpc_client, "run-1");
  live.begin(agent_kind::rpc_client, "run-1", to_datagrams("/tmp/anything"),
             std::make_shared<second_recorder>());
  live.end(agent_kind::rpc_client, "run-1");
  settle(loop);
  CHECK(heard.empty());
}
