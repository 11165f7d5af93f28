// SPDX-License-Identifier: Apache-2.0
#include "wire/control/clock.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <utility>
#include <vector>

using namespace ombt::wire;
using namespace ombt::wire::control;

namespace {

template <class Record>
bool read(bool (*reads)(json::value, Record&, std::string&), const std::string& text, Record& out,
          std::string& why) {
  json::reader reader;
  json::value root;
  REQUIRE_FALSE(reader.parse(text, root));
  return reads(root, out, why);
}

}  // namespace

TEST_CASE("a question about a clock has no arguments, or the correction") {
  std::string out;
  append_clock_args(out, {});
  CHECK(out == "{}");
  out.clear();
  append_clock_args(out, {-50'000'000});
  CHECK(out == R"({"correct": -50000000})");
  clock_request request;
  std::string why;
  REQUIRE(read(read_clock_args, out, request, why));
  CHECK(request.correct == -50'000'000);
  REQUIRE(read(read_clock_args, R"({"correct": 0, "later": 1})", request, why));
  CHECK(request.correct == 0);
  REQUIRE(read(read_clock_args, "{}", request, why));
  CHECK_FALSE(request.correct);
}

TEST_CASE("an answer says whose clock it is, and both instants") {
  const clock_reply told{"3e7a", 1'795'232'415'000'000'001, 1'795'232'415'000'000'002};
  std::string out;
  append_clock_reply(out, told);
  CHECK(out ==
        R"({"boot": "3e7a", "received": 1795232415000000001, "replied": 1795232415000000002})");
  clock_reply back;
  std::string why;
  REQUIRE(read(read_clock_reply, out, back, why));
  CHECK(back == told);
}

TEST_CASE("corrections and instants that no clock has are refused") {
  const std::string limit = std::to_string(clock_limit);
  for (const std::string& correct : std::vector<std::string>{
           limit, "-" + limit, "9223372036854775807", "1.5", "\"1\"", "null", "true", "[1]"}) {
    INFO(correct);
    clock_request request;
    std::string why;
    CHECK_FALSE(read(read_clock_args, "{\"correct\": " + correct + "}", request, why));
    CHECK(why == "correct is no whole number of nanoseconds that a clock may have");
  }
  const std::string instants = R"("received": 1, "replied": 2})";
  const std::vector<std::pair<std::string, std::string>> replies = {
      {"{}", "boot is no short string"},
      {"true", "boot is no short string"},
      {R"({"boot": 1, )" + instants, "boot is no short string"},
      {R"({"boot": ")" + std::string(65, 'b') + "\", " + instants, "boot is no short string"},
      {R"({"boot": "b", "replied": 2})", "received is no whole number"},
      {R"({"boot": "b", "received": 1})", "replied is no whole number"},
      {R"({"boot": "b", "received": 1e3, "replied": 2})", "received is no whole number"},
      {R"({"boot": "b", "received": 1, "replied": )" + limit + "}", "replied is no whole number"},
  };
  for (const auto& [text, reason] : replies) {
    INFO(text);
    clock_reply reply;
    std::string why;
    CHECK_FALSE(read(read_clock_reply, text, reply, why));
    CHECK(why.find(reason) == 0);
  }
}
