// SPDX-License-Identifier: Apache-2.0
#include "wire/control/messages.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <utility>
#include <vector>

using namespace ombt::wire;
using namespace ombt::wire::control;

namespace {

const reply_address asker{"ombt-control", "controller-t", "s"};

/// Arguments of a run_test with this load and a payload of ten bytes.
std::string run_with(const std::string& load, const std::string& data = "XXXXXXXXXX") {
  return R"({"test": "test_call", "kwargs": {"count": 1, "data": ")" + data +
         R"(", "ombt": {"run": "r", "detail": 1, "load": )" + load +
         R"(}}, "reply_addr": {"exchange": "e", "topic": "t", "server": "s"}})";
}

bool read(const std::string& args, run_test_request& out, std::string& why) {
  json::reader reader;
  json::value root;
  REQUIRE_FALSE(reader.parse(args, root));
  return read_run_test_args(root, out, why);
}

load open_loop() {
  load what;
  what.profile = {{1000, 1000, 30}, {1000, 5000.5, 60}};
  what.clients = 10;
  what.arrive = arrivals::poisson;
  what.seed = 7;
  what.count = 12;
  what.outstanding = 5;
  what.max_late = 2.5;
  what.sizes = {{0, 10, 1}, {4, 4, 0.25}};
  what.start = {"boot-1", 1'234'567'890'123, 0.5};
  return what;
}

}  // namespace

TEST_CASE("a load survives being sent, and a run without one has none") {
  test_parameters parameters;
  parameters.count = 1;
  parameters.data = "XXXXXXXXXX";
  parameters.run = "r";
  load closed;
  closed.duration = 5.5;
  load sized;
  sized.count = 3;
  sized.sizes = {{1, 2, 1}};
  for (const auto& what : {std::optional<load>{}, std::optional{open_loop()}, std::optional{closed},
                           std::optional{sized}}) {
    parameters.load = what;
    std::string args;
    append_run_test_args(args, test_kind::cast, parameters, asker);
    run_test_request back;
    std::string why;
    INFO(args);
    REQUIRE(read(args, back, why));
    CHECK(back.parameters.load == what);
  }
}

TEST_CASE("a load's defaults are an even load of one client that ends with its profile") {
  run_test_request request;
  std::string why;
  REQUIRE(read(run_with(R"({"profile": [[1, 1, 1]], "later": {}})"), request, why));
  REQUIRE(request.parameters.load);
  const load& what = *request.parameters.load;
  CHECK(what.open_loop());
  CHECK(what.clients == 1);
  CHECK(what.arrive == arrivals::uniform);
  CHECK(what.outstanding == 1000);
  CHECK_FALSE(what.count);
  CHECK_FALSE(what.max_late);
  CHECK(what.sizes.empty());
  CHECK(what.start == load_start{});
}

TEST_CASE("a profile's time and messages are the sums over its pieces") {
  CHECK(seconds_of(open_loop().profile) == 90);
  CHECK(messages_of(open_loop().profile) == 30'000 + 180'015);
}

TEST_CASE("loads that nobody sane asks for are refused with a reason") {
  std::string many = "[[1, 1, 1]";
  for (int i = 0; i < 1000; ++i) many += ", [1, 1, 1]";
  many += "]";
  const auto open = [](const std::string& more) {
    return R"({"profile": [[1, 1, 1]], )" + more + "}";
  };
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"5", "load is no object"},
      {"{}", "load.count is missing"},
      {R"({"count": 0})", "load.count"},
      {R"({"count": 1000000001})", "load.count"},
      {R"({"count": 1.5})", "load.count"},
      {R"({"duration": -1})", "load.duration"},
      {R"({"duration": 604801})", "load.duration"},
      {R"({"duration": "1s"})", "load.duration"},
      {R"({"profile": []})", "load.profile"},
      {R"({"profile": 1000})", "load.profile"},
      {R"({"profile": )" + many + "}", "load.profile"},
      {R"({"profile": [[1, 1]]})", "load.profile"},
      {R"({"profile": [[1, 1, "1"]]})", "load.profile"},
      {R"({"profile": [[-1, 1, 1]]})", "load.profile"},
      {R"({"profile": [[1, 10000001, 1]]})", "load.profile"},
      {R"({"profile": [[1, 1, 0]]})", "load.profile"},
      {R"({"profile": [[1, 1, 604801]]})", "load.profile"},
      {R"({"profile": [[1, 1, 604800], [1, 1, 1]]})", "load.profile is above 7 days"},
      {R"({"profile": [[0, 0, 1]]})", "load.profile asks for no messages"},
      {open(R"("clients": 0)"), "load.clients"},
      {open(R"("arrivals": "bursty")"), "load.arrivals"},
      {open(R"("arrivals": 1)"), "load.arrivals"},
      {open(R"("seed": -1)"), "load.seed"},
      {open(R"("outstanding": 0)"), "load.outstanding"},
      {open(R"("outstanding": 100001)"), "load.outstanding"},
      {open(R"("max_late": -0.5)"), "load.max_late"},
      {open(R"("start": {"in": 3601})"), "load.start"},
      {open(R"("start": 5)"), "load.start"},
      {open(R"("start": {"in": 1, "boot": ""})"), "load.start"},
      {open(R"("start": {"in": 1, "boot": "b", "monotonic_ns": -1})"), "load.start"},
      {open(R"("sizes": [[0, 11, 1]])"), "load.sizes"},
      {open(R"("sizes": [[5, 4, 1]])"), "load.sizes"},
      {open(R"("sizes": [[1.5, 4, 1]])"), "load.sizes"},
      {open(R"("sizes": [[1, 4, 0]])"), "load.sizes"},
  };
  for (const auto& [text, reason] : cases) {
    run_test_request request;
    std::string why;
    INFO(text);
    CHECK_FALSE(read(run_with(text), request, why));
    INFO(why);
    CHECK(why.find(reason) != std::string::npos);
    CHECK(why.find('\n') == std::string::npos);
  }
  run_test_request request;
  std::string why;
  CHECK_FALSE(read(run_with(open(R"("sizes": [[1, 1, 1]])"), "\\u00e9XXX"), request, why));
  CHECK(why.find("plain") != std::string::npos);
}
