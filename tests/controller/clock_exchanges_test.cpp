// SPDX-License-Identifier: Apache-2.0
#include "controller/clock_exchanges.hpp"

#include "wire/json/value.hpp"

#include <catch2/catch.hpp>

#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

using namespace ombt;
using namespace std::chrono_literals;
using controller::clock_exchanges;
using controller::clock_question;
using controller::clocks_summary;
using wire::control::agent_kind;
using wire::control::clock_reply;
using wire::control::clock_request;

namespace {

constexpr std::int64_t us = 1'000, ms = 1'000 * us, second = 1'000 * ms;
constexpr std::int64_t epoch = 1'795'232'415 * second;
const auto client = agent_kind::rpc_client;
const auto server = agent_kind::rpc_server;

/// A process somewhere, as the machine has it.
struct peer {
  std::string boot;
  std::int64_t ahead = 0;
  double drift_ppm = 0;
  std::int64_t way = ms / 10;  ///< of a question, and of its answer
  bool silent = false;
  std::optional<std::int64_t> corrected;
  int asked = 0;
};

/// Plays the bus: one instant for all, on which questions and answers take their time.
struct clock_script {
  explicit clock_script(const std::string& own = "here", std::vector<std::string> topics = {})
      : clocks{plan_of(own, std::move(topics))} {}
  static controller::plan plan_of(const std::string& own, std::vector<std::string> topics) {
    controller::plan p;
    p.topic = "t";
    p.topics = std::move(topics);
    p.boot_id = own;
    return p;
  }

  void pong(agent_kind kind, const std::string& name, const std::string& process,
            const std::string& boot, std::int64_t corrected = 0) {
    peers.try_emplace(process).first->second.boot = boot;
    clocks.add({kind, name, "", {process, boot, corrected}});
  }
  std::int64_t real() const { return epoch + passed; }
  controller::time_point at() const {
    return controller::time_point{} + 1h + std::chrono::nanoseconds(passed);
  }
  /// Sends what there is to send; the answers stay in `on_way`.
  void send() {
    clock_question next;
    while (clocks.next(next_tag, next)) {
      clocks.asked(next_tag, real(), at());
      on_way[next_tag++] = next;
      most_at_once = std::max(most_at_once, on_way.size());
    }
  }
  /// The question of this tag has its way to its process and back.
  void answer(std::uint64_t tag) {
    const clock_question question = on_way.at(tag);
    on_way.erase(tag);
    peer& to = peers.at(question.server);
    ++to.asked;
    if (to.silent) {
      passed += 2 * second;
      CHECK(clocks.ended(tag));
      return;
    }
    wire::json::reader reader;
    wire::json::value root;
    REQUIRE_FALSE(reader.parse(question.args_json, root));
    clock_request request;
    std::string why;
    REQUIRE(read_clock_args(root, request, why));
    if (request.correct) to.corrected = request.correct;
    passed += to.way;
    clock_reply reply{to.boot, reads(to), 0};
    passed += 20 * us;
    reply.replied = reads(to);
    passed += to.way;
    if (twist) twist(reply, to);
    clocks.answered(tag, reply, real());
    CHECK(clocks.ended(tag));
  }
  void play() {
    for (send(); !on_way.empty(); send()) answer(on_way.begin()->first);
    CHECK(clocks.done());
  }
  std::int64_t reads(const peer& of) const {
    return real() + of.ahead +
           static_cast<std::int64_t>(of.drift_ppm * static_cast<double>(passed) / 1e6);
  }
  /// A run of so long between both rounds.
  clocks_summary run(std::int64_t length = 10 * second) {
    if (clocks.begin_before()) play();
    passed += length;
    if (clocks.begin_after(at())) play();
    return summary();
  }
  /// The same with a round in the middle of it, when `meanwhile` has been done.
  clocks_summary long_run(const std::function<void()>& meanwhile) {
    if (clocks.begin_before()) play();
    passed += 10 * second;
    meanwhile();
    if (clocks.begin_during()) play();
    passed += 10 * second;
    if (clocks.begin_after(at())) play();
    return summary();
  }
  clocks_summary summary(std::size_t agents = 2) const {
    return clocks.summary(agents, client, server);
  }

  clock_exchanges clocks;
  std::map<std::string, peer> peers;
  std::map<std::uint64_t, clock_question> on_way;
  std::uint64_t next_tag = 1;
  std::int64_t passed = 0;
  std::size_t most_at_once = 0;
  std::function<void(clock_reply&, peer&)> twist;
};

}  // namespace

TEST_CASE("in a run clocks are compared again, and nobody is told a correction") {
  clock_script s;
  s.pong(client, "c", "far", "there");
  s.pong(server, "s", "home", "here");
  peer& far = s.peers.at("far");
  far.ahead = 5 * ms;
  const auto found = s.long_run([&] {
    CHECK(far.corrected == -5 * ms);
    far.corrected.reset();
    far.ahead = 6 * ms;
  });
  CHECK_FALSE(far.corrected);
  CHECK(far.asked == 3 * clock_exchanges::round_length + 1);
  REQUIRE(found.machines.size() == 1);
  CHECK(found.machines[0].good());
  CHECK(found.machines[0].known->bound >= ms);
}

TEST_CASE("who is silent in a run has answers after it all the same") {
  clock_script s;
  s.pong(client, "c", "far", "there");
  s.pong(server, "s", "home", "here");
  const auto found = s.long_run([&] { s.peers.at("far").silent = true; });
  REQUIRE(found.machines.size() == 1);
  REQUIRE(found.machines[0].known);  // by the round before
}

TEST_CASE("agents on the controller's machine need no exchange, whatever their host is called") {
  clock_script s;
  s.pong(client, "ombt-t-RPCClient-a-1-0123456789abcdef0123456789abcdef", "p1", "here");
  s.pong(server, "ombt-t-RPCServer-b-2-0123456789abcdef0123456789abcdef", "p2", "here");
  CHECK_FALSE(s.clocks.begin_before());
  CHECK_FALSE(s.clocks.begin_after(s.at()));
  CHECK(s.summary().alone());
  CHECK(s.summary().complete());
}

TEST_CASE("another machine's clock is compared and all its processes are told, before and after") {
  clock_script s;
  s.pong(client, "ombt-t-RPCClient-far-1-0123456789abcdef0123456789abcdef-0", "p1", "there");
  s.pong(client, "ombt-t-RPCClient-far-1-0123456789abcdef0123456789abcdef-1", "p1", "there");
  s.pong(server, "s", "p2", "there");
  s.pong(server, "own", "p3", "here");
  s.peers.at("p1").ahead = s.peers.at("p2").ahead = 50 * ms;
  s.peers.at("p1").drift_ppm = s.peers.at("p2").drift_ppm = 200;
  REQUIRE(s.clocks.begin_before());
  s.play();
  CHECK(s.peers.at("p1").asked == clock_exchanges::round_length + 1);
  CHECK(s.peers.at("p2").asked == 1);
  CHECK(s.peers.at("p3").asked == 0);
  CHECK(s.peers.at("p1").corrected == s.peers.at("p2").corrected);
  CHECK(std::abs(*s.peers.at("p1").corrected + 50 * ms) <= s.peers.at("p1").way);
  s.passed += 10 * second;
  REQUIRE(s.clocks.begin_after(s.at()));
  s.play();
  CHECK(s.peers.at("p2").asked == 1);  // nobody is told after the run
  const auto found = s.summary(4);
  REQUIRE(found.machines.size() == 1);
  const auto& far = found.machines[0];
  CHECK(far.host == "far");
  CHECK(far.boot == "there");
  CHECK(far.agents == 3);
  CHECK(far.processes == 2);
  CHECK(far.processes_untold == 0);
  CHECK(far.sends);
  CHECK(far.receives);
  REQUIRE(far.known);
  CHECK(far.known->offset == -*s.peers.at("p1").corrected);
  CHECK_FALSE(far.known->stepped);
  CHECK(std::abs(far.known->drift - 200) <= far.known->drift_error);
  CHECK(far.known->drift_error < 50);
  // 2 ms of drift in 10 s.
  CHECK(far.known->bound >= 2 * ms);
  CHECK(far.known->bound < 3 * ms);
  CHECK(found.complete());
  REQUIRE(found.bound);
  CHECK(*found.bound == far.known->bound);  // from there to the controller's machine
}

TEST_CASE("the bound is the largest sum of two different machines that send and receive") {
  clock_script s;
  s.pong(client, "c1", "c1", "one");
  s.pong(server, "s1", "s1", "one");
  s.pong(client, "c2", "c2", "two");
  s.pong(server, "s3", "s3", "three");
  s.peers.at("c1").way = 5 * ms;  // asked before s1
  s.peers.at("c2").way = 2 * ms;
  s.peers.at("s3").way = ms;
  const auto found = s.run(ms);
  REQUIRE(found.machines.size() == 3);
  const auto bound = [&](std::size_t i) { return found.machines[i].known->bound; };
  CHECK(bound(0) >= 5 * ms);
  CHECK(bound(1) >= 2 * ms);
  CHECK(bound(2) >= ms);
  REQUIRE(found.bound);
  CHECK(*found.bound == std::max({bound(0) + bound(2), bound(1) + bound(0), bound(1) + bound(2)}));
}

TEST_CASE("a machine to itself is no pair, however wide its bound") {
  clock_script s;
  s.pong(client, "c1", "c1", "one");
  s.pong(server, "s1", "s1", "one");
  s.pong(client, "c2", "c2", "here");
  s.peers.at("c1").way = 5 * ms;
  const auto found = s.run(ms);
  REQUIRE(found.machines.size() == 1);
  // From the controller's machine to it.
  REQUIRE(found.bound);
  CHECK(*found.bound == found.machines[0].known->bound);
}

TEST_CASE("where all agents are on one machine, however far, nothing is between two") {
  clock_script s;
  s.pong(client, "c", "c", "there");
  s.pong(server, "s", "s", "there");
  const auto found = s.run();
  CHECK(found.complete());
  CHECK_FALSE(found.bound);
}

TEST_CASE("a process that is silent twice is left for another one of its machine") {
  clock_script s;
  for (const char* name : {"p1", "p2", "p3", "p4"}) s.pong(client, name, name, "there");
  s.pong(server, "s", "own", "here");
  s.peers.at("p1").silent = s.peers.at("p2").silent = true;
  const auto found = s.run();
  CHECK(s.peers.at("p3").asked == 2 * clock_exchanges::round_length + 1);
  REQUIRE(found.machines.size() == 1);
  REQUIRE(found.machines[0].known);
  // p1 and p2 have not heard of the correction, which was tried twice.
  CHECK(s.peers.at("p1").asked == 4);
  CHECK(found.machines[0].processes_untold == 2);
  CHECK_FALSE(found.complete());
  CHECK_FALSE(found.bound);
}

TEST_CASE("a machine that answers nothing is unknown, and holds up no other") {
  clock_script s;
  for (const char* name : {"p1", "p2", "p3", "p4"}) s.pong(client, name, name, "there");
  for (const char* name : {"p1", "p2", "p3", "p4"}) s.peers.at(name).silent = true;
  s.pong(server, "s", "s", "other");
  REQUIRE(s.clocks.begin_before());
  s.play();
  CHECK(s.peers.at("p3").asked == 2);
  CHECK(s.peers.at("p4").asked == 0);  // three were enough
  CHECK(s.peers.at("s").corrected);
  s.passed += second;
  for (auto& [name, one] : s.peers) one.silent = false;
  REQUIRE(s.clocks.begin_after(s.at()));
  s.play();
  CHECK(s.peers.at("p1").asked == 2);  // too late: figures are not corrected
  const auto found = s.summary(5);
  REQUIRE(found.machines.size() == 2);
  CHECK_FALSE(found.machines[0].known);
  CHECK(found.machines[1].good());
  CHECK_FALSE(found.complete());
}

TEST_CASE("without an answer after the run the bound grows with its length") {
  clock_script s;
  s.pong(client, "c", "c", "there");
  s.pong(server, "s", "own", "here");
  REQUIRE(s.clocks.begin_before());
  s.play();
  s.passed += 100 * second;
  s.peers.at("c").silent = true;
  REQUIRE(s.clocks.begin_after(s.at()));
  s.play();
  const auto found = s.summary();
  REQUIRE(found.machines[0].good());
  CHECK(found.machines[0].known->bound >= 50 * ms);  // 500 ppm
  CHECK(found.machines[0].known->bound < 55 * ms);
  CHECK(found.machines[0].known->drift_error == 0);
}

TEST_CASE("a clock that is set during the run is found out") {
  clock_script s;
  s.pong(client, "c", "c", "there");
  s.pong(server, "s", "own", "here");
  REQUIRE(s.clocks.begin_before());
  s.play();
  s.passed += second;
  s.peers.at("c").ahead = -30 * ms;
  REQUIRE(s.clocks.begin_after(s.at()));
  s.play();
  const auto found = s.summary();
  CHECK(found.machines[0].known->stepped);
  CHECK_FALSE(found.machines[0].good());
  CHECK_FALSE(found.complete());
  CHECK_FALSE(found.bound);
}

TEST_CASE("a clock that is set while it is compared is compared anew, once") {
  clock_script s;
  s.pong(client, "c", "c", "there");
  s.pong(server, "s", "own", "here");
  int answers = 0;
  s.twist = [&](clock_reply&, peer& from) {
    if (++answers == 3) from.ahead = 70 * ms;
  };
  auto found = s.run();
  REQUIRE(found.machines[0].good());
  CHECK(std::abs(found.machines[0].known->offset - 70 * ms) <= found.machines[0].known->bound);
  CHECK(s.peers.at("c").asked == 3 * clock_exchanges::round_length + 1);

  clock_script restless;
  restless.pong(client, "c", "c", "there");
  restless.twist = [&](clock_reply&, peer& from) { from.ahead += 70 * ms; };
  found = restless.run();
  CHECK(found.machines[0].known->stepped);
}

TEST_CASE("answers that no clock of that machine can give count for nothing") {
  constexpr auto most = wire::control::clock_limit - 1;
  const std::vector<std::function<void(clock_reply&)>> hostile = {
      [](clock_reply& r) { r.boot = "another"; },
      [](clock_reply& r) { r.boot.clear(); },
      [](clock_reply& r) { r.replied = r.received - 1; },
      [](clock_reply& r) { r.replied += second; },  // longer at work than away
      [](clock_reply& r) { r.received = -most, r.replied = most; },
  };
  for (const auto& twist : hostile) {
    clock_script s;
    s.pong(client, "c", "c", "there");
    s.twist = [&](clock_reply& r, peer&) { twist(r); };
    const auto found = s.run();
    CHECK_FALSE(found.machines[0].known);
    CHECK(s.peers.at("c").asked == 2);
    CHECK_FALSE(s.peers.at("c").corrected);
  }
}

TEST_CASE("clocks as far off as they can be are corrected without overflow") {
  constexpr auto most = wire::control::clock_limit - 1;
  for (const std::int64_t instant : {most, -most, std::int64_t{0}}) {
    clock_script s;
    s.pong(client, "c", "c", "there");
    s.twist = [&](clock_reply& r, peer&) { r.received = r.replied = instant; };
    const auto found = s.run(ms);
    // It stands still, which no clock does for long, but an offset is all that it is.
    if (!s.peers.at("c").corrected) continue;
    CHECK(std::abs(found.machines[0].known->offset - (instant - epoch)) < 10 * second);
  }
}

TEST_CASE("answers that come when the round is over, or are none's, change nothing") {
  clock_script s;
  s.pong(client, "c", "c", "there");
  REQUIRE(s.clocks.begin_before());
  s.send();
  const auto tag = s.on_way.begin()->first;
  CHECK(s.clocks.waits_for(tag));
  CHECK_FALSE(s.clocks.waits_for(tag + 1));
  CHECK_FALSE(s.clocks.ended(tag + 1));
  s.clocks.give_up();
  CHECK(s.clocks.done());
  s.clocks.answered(tag, {"there", epoch, epoch}, epoch + ms);
  CHECK_FALSE(s.clocks.ended(tag));
  CHECK_FALSE(s.summary().machines[0].known);
  CHECK_FALSE(s.clocks.begin_after(s.at()));
}

TEST_CASE("many machines are compared at once, but not all of them") {
  clock_script s;
  for (int i = 0; i < 100; ++i) {
    const std::string name = "p" + std::to_string(i);
    s.pong(client, name, name, "boot-" + name);
  }
  const auto found = s.run();
  CHECK(s.most_at_once == clock_exchanges::at_once);
  CHECK(found.machines.size() == 100);
  for (const auto& [name, one] : s.peers) {
    CHECK(one.corrected);
    CHECK(one.asked == 2 * clock_exchanges::round_length + 1);
  }
}

TEST_CASE("processes at home that another controller has corrected are told 0") {
  clock_script s;
  s.pong(client, "c", "c", "here", 5 * ms);
  s.pong(server, "s", "s", "here");
  REQUIRE(s.clocks.begin_before());
  s.play();
  CHECK(s.peers.at("c").corrected == 0);
  CHECK(s.peers.at("s").asked == 0);
  CHECK_FALSE(s.clocks.begin_after(s.at()));
  CHECK(s.summary().alone());

  clock_script deaf;
  deaf.pong(client, "c", "c", "here", 5 * ms);
  deaf.peers.at("c").silent = true;
  CHECK(deaf.run().own_untold == 1);
  CHECK_FALSE(deaf.summary().complete());
}

TEST_CASE("agents that say nothing of their machine are counted") {
  clock_script s;
  s.clocks.add({client, "python", {}});
  s.clocks.add({client, "older", ""});
  // A control server whose address would be too long to call.
  s.clocks.add({server, "s", "", {std::string(250, 'p'), "there"}});
  CHECK_FALSE(s.clocks.begin_before());
  const auto found = s.summary(3);
  CHECK(found.unknown_agents == 3);
  CHECK_FALSE(found.complete());
  CHECK_FALSE(found.alone());
}

TEST_CASE("a process that says two machines is at the first") {
  clock_script s;
  s.pong(client, "a", "p", "there");
  s.clocks.add({client, "b", "", {"p", "elsewhere"}});
  s.pong(server, "s", "own", "here");
  const auto found = s.run();
  REQUIRE(found.machines.size() == 1);
  CHECK(found.machines[0].agents == 2);
  CHECK(found.machines[0].good());
}

TEST_CASE("a process is asked in one of its topics, and told in all of them") {
  clock_script s{"here", {"t-0", "t-1"}};
  s.peers["p"].boot = "there";
  for (const std::uint32_t topic : {0U, 1U}) {
    for (const auto kind : {client, server}) s.clocks.add({kind, "a", "", {"p", "there"}}, topic);
  }
  REQUIRE(s.clocks.begin_before());
  std::set<std::pair<agent_kind, std::uint32_t>> told;
  for (s.send(); !s.on_way.empty(); s.send()) {
    const auto [tag, question] = *s.on_way.begin();
    if (question.args_json == "{}") {
      CHECK(question.topic == 0);
    } else {
      told.insert({question.to, question.topic});
    }
    s.answer(tag);
  }
  CHECK(told.size() == 4);
  const auto found = s.summary(4);
  CHECK(found.machines[0].agents == 4);
  CHECK(found.machines[0].processes == 4);
  CHECK(found.machines[0].processes_untold == 0);
}

TEST_CASE("a controller that does not know its own machine compares all") {
  clock_script s{""};
  s.pong(client, "c", "c", "there");
  CHECK(s.run().machines.size() == 1);
}
