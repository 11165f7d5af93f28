// SPDX-License-Identifier: Apache-2.0
#include "agents/test_plan.hpp"

#include "wire/json/value.hpp"

#include "agents/measure/boot_id.hpp"

#include <catch2/catch.hpp>

using namespace ombt;
namespace control = wire::control;

namespace {

control::run_test_request request_for(control::test_kind test) {
  control::run_test_request r;
  r.test = test;
  r.parameters.data = "X\"\xc3\xa9";
  r.parameters.count = 3;
  r.parameters.pause = 0.25;
  return r;
}

constexpr std::string_view hex = "0123456789abcdef0123456789abcdef";

}  // namespace

TEST_CASE("A plan holds what was asked, the payload escaped as Python's json.dumps does") {
  auto request = request_for(control::test_kind::call);
  request.parameters.run = "r1";
  request.parameters.detail = 1;
  const auto plan = agents::make_test_plan(request);
  CHECK(plan->count == 3);
  CHECK(plan->pause == std::chrono::milliseconds(250));
  CHECK(plan->data_json == R"("X\"\u00e9")");
  CHECK(plan->run == "r1");
  CHECK(plan->details);
  CHECK(plan->run_tag.empty());
}

TEST_CASE("The plan of a native controller has its run tag") {
  auto request = request_for(control::test_kind::call);
  request.reply_to.server = control::controller_name("t", "host", 12, hex);
  CHECK(agents::make_test_plan(request)->run_tag == control::run_tag_of(request.reply_to.server));
  CHECK(agents::make_test_plan(request)->run_tag.size() == 16);
}

TEST_CASE("Who looks on from this machine is in the plan, who does so from another is not") {
  auto request = request_for(control::test_kind::call);
  CHECK(agents::make_test_plan(request)->progress.empty());
  request.parameters.progress = control::progress_address{agents::boot_id(), "ombt-1"};
  CHECK(agents::make_test_plan(request)->progress == "ombt-1");
  request.parameters.progress->boot = "another";
  CHECK(agents::make_test_plan(request)->progress.empty());
}

TEST_CASE("A call's arguments are data, timestamp and msgid, a notification's payload first") {
  agents::message_text call(agents::make_test_plan(request_for(control::test_kind::call)));
  CHECK(
      call.render(1700000000.25, hex, 7) ==
      R"({"data": "X\"\u00e9", "timestamp": 1700000000.25, "msgid": "0123456789abcdef0123456789abcdef:7"})");
  CHECK(
      call.render(1.0, hex, 123456) ==
      R"({"data": "X\"\u00e9", "timestamp": 1.0, "msgid": "0123456789abcdef0123456789abcdef:123456"})");
  agents::message_text note(agents::make_test_plan(request_for(control::test_kind::notify)));
  CHECK(
      note.render(2.5, hex, 0) ==
      R"({"payload": "X\"\u00e9", "timestamp": 2.5, "msgid": "0123456789abcdef0123456789abcdef:0"})");
}

TEST_CASE("A message of another size has a prefix of the payload, whatever went before") {
  auto request = request_for(control::test_kind::call);
  request.parameters.data.clear();
  for (int i = 0; i < 400; ++i) request.parameters.data += static_cast<char>('a' + i % 26);
  agents::message_text text(agents::make_test_plan(request));
  for (const std::size_t size : {400, 5, 0, 390, 399, 100, 101, 400, 250, 1, 400}) {
    INFO(size);
    CHECK(text.render(2.5, hex, 7, size) ==
          R"({"data": ")" + request.parameters.data.substr(0, size) +
              R"(", "timestamp": 2.5, "msgid": "0123456789abcdef0123456789abcdef:7"})");
  }
  CHECK(text.render(2.5, hex, 7) == text.render(2.5, hex, 7, 400));
  const void* const first = text.render(1.0, hex, 0, 200).data();
  CHECK(text.render(1700000000.123456, hex, 1'000'000'000, 400).data() == first);
}

TEST_CASE("A load's schedule begins at the instant of its machine's clock, or after a time") {
  auto request = request_for(control::test_kind::call);
  auto& load = request.parameters.load.emplace();
  load.profile = {{100, 100, 5}};
  load.clients = 2;
  load.max_late = 2;
  load.start = {agents::boot_id(), 5'000'000'000, 3};
  const auto start_at = [&](std::chrono::nanoseconds now) {
    const auto plan = agents::make_test_plan(request, {}, drivers::time_point(now));
    return std::chrono::nanoseconds(plan->load->start.time_since_epoch());
  };
  CHECK(start_at(std::chrono::seconds(1)) == std::chrono::seconds(5));
  CHECK(start_at(std::chrono::seconds(4)) == std::chrono::seconds(5));
  // An instant that is nowhere near what the message says is not waited for.
  CHECK(start_at(std::chrono::seconds(100)) == std::chrono::seconds(103));
  load.start.boot = "another machine's";
  CHECK(start_at(std::chrono::seconds(1)) == std::chrono::seconds(4));
  const auto plan = agents::make_test_plan(request);
  REQUIRE(plan->load->profile);
  CHECK(plan->load->profile->messages() == 250);
  CHECK(plan->load->max_late == std::chrono::seconds(2));
  CHECK(plan->count > 1'000'000'000);
  load.count = 12;
  CHECK(agents::make_test_plan(request)->count == 12);
}

TEST_CASE("A load without a profile is a closed loop with an end in time") {
  auto request = request_for(control::test_kind::call);
  request.parameters.load.emplace().duration = 1.5;
  const auto plan = agents::make_test_plan(request);
  CHECK_FALSE(plan->load->profile);
  CHECK(plan->load->duration == std::chrono::milliseconds(1500));
  CHECK_FALSE(agents::make_test_plan(request_for(control::test_kind::call))->load);
}

TEST_CASE("A message's text stays where it is once warm") {
  agents::message_text text(agents::make_test_plan(request_for(control::test_kind::cast)));
  const void* const first = text.render(1.0, hex, 0).data();
  CHECK(text.render(1700000000.123456, hex, 1'000'000'000).data() == first);
}
