// SPDX-License-Identifier: Apache-2.0
#include "controller/direct_links.hpp"

#include "tests/controller/fake_agents.hpp"

#include <catch2/catch.hpp>

#include <set>
#include <string>
#include <vector>

using namespace ombt;
using namespace std::chrono_literals;
using controller::direct_links;
using controller::process_number;

namespace {

/// Notes what it is told; ends the loop as soon as `enough` says so.
struct links_user final : direct_links::user {
  drivers::loop* loop = nullptr;
  std::function<bool()> enough;
  int settled = 0;
  std::vector<process_number> open;
  std::vector<std::string> messages;
  std::vector<std::string> lost;
  std::vector<std::string> refused;

  void look() {
    if (enough && enough()) loop->stop();
  }
  void on_settled() override {
    ++settled;
    look();
  }
  void on_open(process_number which) override {
    open.push_back(which);
    look();
  }
  void on_message(process_number, const wire::control::direct_message& message) override {
    messages.emplace_back(message.method);
    look();
  }
  void on_lost(process_number, std::string_view why) override {
    lost.emplace_back(why);
    look();
  }
  void on_refused(std::string_view why) override {
    refused.emplace_back(why);
    look();
  }
};

struct fixture {
  drivers::loop loop;
  tests::fake_agents agents{loop};
  links_user user;
  std::unique_ptr<direct_links> links;

  void connect() {
    user.loop = &loop;
    links = std::make_unique<direct_links>(loop, agents.places(), agents.connector(),
                                           wire::control::controller_hello{1, "me", "here", 7});
    links->serve(&user);
  }
  bool until(std::function<bool()> enough, drivers::duration limit = 20s) {
    user.enough = enough;
    if (enough()) return true;
    loop.run_for(limit);
    return enough();
  }
  bool settle() {
    return until([this] { return user.settled > 0 && links->settled(); });
  }
};

}  // namespace

TEST_CASE("processes of all hosts are opened, by what the owners of the ports tell") {
  fixture f;
  f.agents.add("h1", 2, 1);
  f.agents.add("h1", 1, 0);
  f.agents.add("h2", 0, 3);
  f.connect();
  CHECK_FALSE(f.links->settled());
  REQUIRE(f.settle());
  CHECK(f.user.open.size() == 3);
  CHECK(f.links->down().empty());
  CHECK(f.links->hello(1).host == "h1");
  CHECK(f.links->name_of(1) == "process " + std::to_string(f.links->hello(1).pid) + " of host h1");
  CHECK(f.links->find(f.links->hello(3).process) == 3);
  CHECK(f.links->find("nobody") == controller::over_the_bus);
  std::size_t open = 0;
  f.links->for_each_open([&](process_number) { ++open; });
  CHECK(open == 3);
}

TEST_CASE("a thousand processes are opened, at most 64 at once") {
  fixture f;
  for (int i = 0; i < 1000; ++i) f.agents.add(i % 2 == 0 ? "h1" : "h2", 1, 0);
  f.agents.opening_takes = 2ms;
  f.connect();
  REQUIRE(f.settle());
  CHECK(f.user.open.size() == 1000);
  CHECK(f.agents.opened == 1002);
  CHECK(f.agents.most_opening == direct_links::at_once);
}

TEST_CASE("hosts that are down are named, and tried again") {
  fixture f;
  f.agents.add("h1", 1, 0);
  f.agents.host("h2").down = "Connection refused";
  f.agents.host("h3").down = "no route\x1b[31m to host";
  f.connect();
  REQUIRE(f.settle());
  CHECK(f.user.open.size() == 1);
  CHECK(f.links->down() == "h2:5700: Connection refused; h3:5700: no route\\x1b[31m to host");
  f.agents.host("h2").down.clear();
  f.agents.add("h2", 1, 0);
  REQUIRE(f.until([&] { return f.user.open.size() == 2; }));
  CHECK(f.links->down() == "h3:5700: no route\\x1b[31m to host");
}

TEST_CASE("an owner that says nothing is down after its time") {
  fixture f;
  f.agents.host("h1").listens = false;
  f.connect();
  REQUIRE(f.settle());
  CHECK(f.links->down() == "h1:5700: no answer within 5 s");
}

TEST_CASE("the owner's connection is made again, those to processes live on") {
  fixture f;
  f.agents.add("h1", 1, 0);
  f.connect();
  REQUIRE(f.settle());
  f.agents.drop_owner("h1");
  f.loop.run_for(50ms);
  f.agents.add("h1", 1, 0);
  REQUIRE(f.until([&] { return f.user.open.size() == 2; }));
  CHECK(f.user.lost.empty());
  CHECK(f.links->down().empty());
}

TEST_CASE("a process that is gone is told by name, and its successor is opened") {
  fixture f;
  auto& one = f.agents.add("h1", 1, 0);
  f.connect();
  REQUIRE(f.settle());
  f.agents.kill(one);
  REQUIRE(f.until([&] { return f.user.lost.size() == 1; }));
  CHECK(f.user.lost[0] ==
        "process " + std::to_string(one.pid) + " of host h1 is gone (connection reset)");
  CHECK_FALSE(f.links->is_open(1));
  f.agents.add("h1", 1, 0);
  REQUIRE(f.until([&] { return f.user.open.size() == 2; }));
  CHECK(f.links->is_open(2));
}

TEST_CASE("while new ones are not taken, none is opened; then those that are there are") {
  fixture f;
  auto& one = f.agents.add("h1", 1, 0);
  f.connect();
  REQUIRE(f.settle());
  f.links->take_new(false);
  f.agents.add("h1", 1, 0);
  f.loop.run_for(100ms);
  CHECK(f.user.open.size() == 1);
  // One that was lost, though it is still told of, comes back too.
  f.agents.say(one, "no json");
  REQUIRE(f.until([&] { return f.user.lost.size() == 1; }));
  f.links->take_new(true);
  REQUIRE(f.until([&] { return f.user.open.size() == 3; }));
}

TEST_CASE("a process that closes before it is open is tried again, as long as it is told of") {
  fixture f;
  auto& one = f.agents.add("h1", 1, 0);
  one.refuse = 2;
  auto& gone = f.agents.add("h1", 1, 0);
  gone.refuse = 100;
  auto& never = f.agents.add("h1", 1, 0);
  never.refuse = 100;
  f.connect();
  f.agents.after(100ms, [&] { f.agents.kill(gone); });
  std::set<std::string> silent;  // at any time
  for (auto time = 0ms; time < 2s; time += 10ms) {
    f.agents.after(time, [&] { silent.insert(f.links->silent()); });
  }
  REQUIRE(f.settle());
  CHECK(silent.count("process " + never.key + " at h1:5700 does not answer") == 1);
  CHECK(f.links->silent().empty());
  CHECK(f.user.open == std::vector<process_number>{1});
  CHECK(f.user.refused == std::vector<std::string>{"process " + never.key +
                                                   " at h1:5700 cannot be talked to: the "
                                                   "connection was closed"});
}

TEST_CASE("a process that does not answer hello, in time or at all well, is given up and named") {
  fixture f;
  auto& other = f.agents.add("h1", 1, 0);
  other.version = 2;
  f.agents.add("h1", 1, 0).errors["hello"] = "not\nyou";
  f.agents.add("h1", 1, 0).answers["hello"] = R"({"id": ID, "result": {"version": 1}})";
  f.agents.add("h1", 1, 0).answers["hello"] =
      R"({"id": ID, "result": {"version": 1, "process": "ffffffffffffffff", "pid": 7}})";
  auto& silent = f.agents.add("h1", 1, 0);
  silent.silent.insert("hello");
  // Not an answer to hello: passed over.
  auto& early = f.agents.add("h1", 1, 0);
  early.says["hello"] = R"({"id": 99, "result": null})";
  f.connect();
  f.agents.after(100ms, [&] { f.agents.kill(silent); });
  REQUIRE(f.settle());
  CHECK(f.user.open == std::vector<process_number>{6});
  REQUIRE(f.user.refused.size() == 4);
  CHECK(f.user.refused[0].find("process " + other.key +
                               " at h1:5700 cannot be talked to: "
                               "version of direct control is 2, here it is 1") == 0);
  CHECK(f.user.refused[1].find("not you") != std::string::npos);
  CHECK(f.user.refused[2].find("process") != std::string::npos);
  CHECK(f.user.refused[3].find("it is process ffffffffffffffff") != std::string::npos);
}

TEST_CASE("frames of an open process that cannot be read end its connection") {
  const auto bad = GENERATE(values<std::string>(
      {"", "no json", "[]", "7", R"({"id": -1, "result": 1})", R"({"id": "x", "result": 1})",
       R"({"id": 5})", R"({"method": 7})", R"({"method": "a", "args": []})",
       R"({"method": "a", "kind": "Robot"})", "{\"method\": \"\xff\"}",
       R"({"method": ")" + std::string(5000, 'm') + R"("})"}));
  fixture f;
  auto& one = f.agents.add("h1", 1, 0);
  auto& two = f.agents.add("h1", 1, 0);
  f.connect();
  REQUIRE(f.settle());
  f.agents.say(two, R"({"method": "hm", "unknown": [1, 2]})");
  f.agents.say(one, bad);
  REQUIRE(f.until([&] { return f.user.lost.size() + f.user.messages.size() == 2; }));
  CHECK(f.user.messages == std::vector<std::string>{"hm"});
  REQUIRE(f.user.lost.size() == 1);
  CHECK(f.user.lost[0].find("it sent what cannot be read") != std::string::npos);
  CHECK(f.links->is_open(2));
}

TEST_CASE("an owner whose words cannot be read is one that is down") {
  const auto bad = GENERATE(values<std::string>(
      {"no json", "{}", R"({"method": "processes", "args": {"processes": ["short"]}})",
       R"({"method": "processes", "args": {"processes": 7}})",
       R"({"method": "other", "args": {}})"}));
  fixture f;
  auto& host = f.agents.host("h1");
  host.listens = false;
  f.connect();
  f.agents.after(20ms, [&] {
    for (const auto& owner : host.owners) owner->told->on_frame(*owner->end, bad);
  });
  REQUIRE(f.settle());
  CHECK(f.links->down().find("h1:5700: what it says of its processes cannot be read") == 0);
  CHECK(f.user.open.empty());
}

TEST_CASE("two places with the same processes open them once") {
  fixture f;
  f.agents.add("h1", 1, 0);
  f.agents.host("h2").processes = f.agents.host("h1").processes;
  f.connect();
  REQUIRE(f.settle());
  CHECK(f.user.open.size() == 1);
}

TEST_CASE("nobody is told of anything once they serve nobody") {
  fixture f;
  auto& one = f.agents.add("h1", 1, 0);
  f.connect();
  REQUIRE(f.settle());
  f.links->serve(nullptr);
  f.agents.say(one, R"({"method": "hm"})");
  f.agents.kill(one);
  f.loop.run_for(50ms);
  CHECK(f.user.messages.empty());
  CHECK(f.user.lost.empty());
  f.links.reset();
  f.loop.run_for(50ms);
}
