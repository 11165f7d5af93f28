// SPDX-License-Identifier: Apache-2.0
#include "wire/control/assign.hpp"

#include <catch2/catch.hpp>

#include <string>

using namespace ombt::wire;
using namespace ombt::wire::control;

namespace {

struct assign_reading {
  assign_request out;
  std::string why;
  bool ok = false;

  explicit assign_reading(const std::string& text) {
    json::reader reader;
    json::value root;
    INFO(text.substr(0, 300));
    REQUIRE_FALSE(reader.parse(text, root));
    ok = read_assign_request(root, out, why);
    CHECK(ok == why.empty());
  }
};

std::string assign_complaint(const std::string& text) { return assign_reading(text).why; }

std::string entry(const std::string& kind, const std::string& topic, const std::string& count) {
  return R"({"kind": )" + kind + R"(, "topic": )" + topic + R"(, "count": )" + count + "}";
}

std::string entries(std::size_t n) {
  std::string out;
  for (std::size_t i = 0; i < n; ++i) {
    if (i > 0) out += ", ";
    out += entry(R"("RPCClient")", "\"t-" + std::to_string(i) + '"', "1");
  }
  return R"({"agents": [)" + out + "]}";
}

}  // namespace

TEST_CASE("what a process is asked to be survives the wire") {
  assign_request request;
  request.agents = {{agent_kind::rpc_client, "t \"0\"", 3}, {agent_kind::listener, "t", 1}};
  SECTION("on a bus") { request.bus = "rabbit://u:p\u00e4ss@h:5672/v"; }
  SECTION("on its own") {}
  SECTION("with nothing to be") { request.agents.clear(); }
  std::string text;
  append_assign_request(text, request);
  const assign_reading read(text);
  INFO(read.why);
  REQUIRE(read.ok);
  CHECK(read.out == request);
  CHECK((text.find("bus") == std::string::npos) == request.bus.empty());
  CHECK(request.total() == (request.agents.empty() ? 0 : 4));
}

TEST_CASE("nothing is believed of an assignment beyond its bounds") {
  const auto one = [](const std::string& what) { return R"({"agents": [)" + what + "]}"; };
  const std::string good = entry(R"("RPCServer")", R"("t")", "1");
  CHECK(assign_complaint(one(good)).empty());
  CHECK(assign_complaint(R"({"agents": []})").empty());
  CHECK(assign_complaint(R"({"agents": [], "topology": "lean"})").empty());  // of a later version
  CHECK(assign_complaint("{}") == "agents is missing");
  CHECK(assign_complaint("[]") == "agents is missing");
  CHECK(assign_complaint(R"({"agents": {}})") == "agents is no list");
  CHECK(assign_complaint(one("7")) == "agents has one that is no object");
  CHECK(assign_complaint(one(entry(R"("Boss")", R"("t")", "1"))) ==
        "agents has a kind that is none of RPCClient, RPCServer, Listener, Notifier");
  CHECK(assign_complaint(one(entry("1", R"("t")", "1"))) ==
        "agents has a kind that is none of RPCClient, RPCServer, Listener, Notifier");
  CHECK(assign_complaint(one(entry(R"("RPCServer")", R"("")", "1"))) == "agents: topic is empty");
  CHECK(assign_complaint(one(entry(R"("RPCServer")", R"("a\nb")", "1"))) ==
        "agents: topic has control characters");
  CHECK(assign_complaint(one(entry(R"("RPCServer")", '"' + std::string(256, 't') + '"', "1"))) ==
        "agents: topic is too long");
  for (const char* count : {"0", "-1", "1.5", "1000001", "\"1\"", "null", "4294967297"}) {
    CHECK(assign_complaint(one(entry(R"("RPCServer")", R"("t")", count))) ==
          "agents: count is no whole number that it may be");
  }
  CHECK(assign_complaint(one(good + ", " + good)) == "agents has a kind of a topic twice");
  CHECK(assign_complaint(one(entry(R"("RPCServer")", R"("t")", "1000000"))).empty());
  CHECK(assign_complaint(one(entry(R"("RPCServer")", R"("t")", "1000000") + ", " +
                             entry(R"("RPCServer")", R"("u")", "1"))) ==
        "agents are more than there can be");
  CHECK(assign_complaint(entries(placements_limit)).empty());
  CHECK(assign_complaint(entries(placements_limit + 1)) == "agents has more than there can be");
  CHECK(assign_complaint(R"({"agents": [], "bus": 7})") == "bus is no string");
  CHECK(assign_complaint(R"({"agents": [], "bus": "rabbit://a\u001bb"})") ==
        "bus has control characters");
  CHECK(assign_complaint(R"({"agents": [], "bus": ")" + std::string(4'097, 'r') + "\"}") ==
        "bus is too long");
}
