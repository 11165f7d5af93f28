// SPDX-License-Identifier: Apache-2.0
// What a controller has a process run over its connection: hold, prepare, start, and their ends.
#include "agents/control/direct_session.hpp"
#include "tests/agents/direct_fixture.hpp"

#include <cstddef>

using namespace ombt;
using namespace ombt::tests;

namespace {

constexpr std::int64_t second_ns = 1'000'000'000;

int times_given_back = 0;

}  // namespace

/// In place of the C library's, for this program.
extern "C" int malloc_trim(std::size_t) noexcept { return ++times_given_back; }

TEST_CASE_METHOD(direct_fixture, "One controller holds the process, until it releases it or goes") {
  start();
  direct_peer first(port);
  direct_peer second(port, direct_peer::native_name('b'));
  hold(first);
  greet(second);
  CHECK(answer(first, first.say("hold", "{}", {}, "")).json == R"({"held": true})");
  const direct_word told = answer(second, second.say("hold", "{}", {}, ""));
  CHECK(told.json.starts_with(R"({"held": false)"));
  CHECK(told.text("by") == first.name);
  CHECK(told.text("host") == "their-host");
  CHECK(told.json.find("4711") != std::string::npos);
  CHECK(error(second, second.say("release", "{}", {}, "")).find("not held") != std::string::npos);
  CHECK(error(second, second.prepare(test_kind::call, run("r"))).find("not held") !=
        std::string::npos);
  CHECK(error(second, second.start(in(0, "r"))).find("not held") != std::string::npos);
  SECTION("released") { answer(first, first.say("release", "{}", {}, "")); }
  SECTION("gone") {
    first.go();
    REQUIRE(closed(first));
  }
  CHECK(answer(second, second.say("hold", "{}", {}, "")).json == R"({"held": true})");
  CHECK(commands.empty());
}

TEST_CASE_METHOD(
    direct_fixture,
    "What runs took is given back when the controller has gone that held the process") {
  start();
  times_given_back = 0;
  direct_peer looks(port);
  direct_peer first(port, direct_peer::native_name('b'));
  direct_peer second(port, direct_peer::native_name('c'));
  greet(looks);
  hold(first);
  answer(first, first.say("release", "{}", {}, ""));
  CHECK(times_given_back == 0);
  SECTION("that one alone") {}
  SECTION("while another holds it they are kept until that one has gone") {
    hold(second);
    first.go();
    REQUIRE(closed(first));
    CHECK(times_given_back == 0);
    second.go();
    REQUIRE(closed(second));
    CHECK(times_given_back == 1);
    return;
  }
  first.go();
  REQUIRE(closed(first));
  CHECK(times_given_back == 1);
  looks.go();
  REQUIRE(closed(looks));
  CHECK(times_given_back == 1);
}

TEST_CASE_METHOD(direct_fixture,
                 "A run that is prepared begins when it is told to, and that is said") {
  start();
  direct_peer peer(port);
  hold(peer);
  CHECK(answer(peer, peer.prepare(test_kind::call, run("r"))).json == "null");
  settle(loop);
  CHECK(runs.empty());
  CHECK(error(peer, peer.start(in(0, "another"))) == "no run another is prepared");
  const std::int64_t due = monotonic() + 30'000'000;
  const std::uint64_t asked = peer.start({"r", agents::boot_id(), due, 0});
  CHECK(answer(peer, asked).json == "null");
  CHECK(error(peer, peer.start(in(0, "r"))) == "run r has been started already");
  CHECK(error(peer, peer.prepare(test_kind::call, run("r"))) == "run r has been started already");
  CHECK(error(peer, peer.prepare(test_kind::call, run("s"))) == "run r is about to begin");
  REQUIRE(drive(loop, [&] { return !runs.empty(); }));
  CHECK(monotonic() >= due);
  CHECK(runs[0].parameters.run == "r");
  CHECK(runs[0].reply_to == paths[0]->controller());
  REQUIRE(drive(loop, [&] { return !peer->heard("started").empty(); }));
  CHECK(peer->heard("started").size() == 1);
  CHECK(peer->heard("started")[0].text("run") == "r");
  CHECK(error(peer, peer.start(in(0, "r"))) == "no run r is prepared");
}

TEST_CASE_METHOD(direct_fixture, "An open loop is planned at once, with its instant") {
  start();
  direct_peer peer(port);
  hold(peer);
  auto open = run("r");
  open.load.emplace();
  open.load->profile = {{10, 10, 1}};
  answer(peer, peer.prepare(test_kind::call, open));
  const std::int64_t due = monotonic() + 600 * second_ns;
  const auto before = agents::real_now();
  answer(peer, peer.start({"r", agents::boot_id(), due, 0}));
  REQUIRE(runs.size() == 1);
  REQUIRE(runs[0].parameters.load);
  CHECK(runs[0].parameters.load->start.boot == agents::boot_id());
  CHECK(runs[0].parameters.load->start.monotonic_ns == due);
  CHECK(runs[0].parameters.load->start.in == Approx(600).margin(5));
  const auto started = peer->heard("started");
  REQUIRE(started.size() == 1);
  wire::json::reader reader;
  wire::json::value root;
  REQUIRE_FALSE(reader.parse(started[0].json, root));
  wire::control::started_notice read;
  std::string why;
  REQUIRE(read_started_notice(root, read, why));
  CHECK(std::abs(read.realtime_ns - (before + 600 * second_ns)) < 5 * second_ns);
}

TEST_CASE_METHOD(direct_fixture, "Processes of other machines go by the corrected clock") {
  start();
  direct_peer peer(port);
  hold(peer);
  const std::int64_t hour = 3600 * second_ns;
  CHECK(answer(peer, peer.say("clock", R"({"correct": )" + std::to_string(hour) + "}", {}, ""))
            .text("boot") == agents::boot_id());
  answer(peer, peer.prepare(test_kind::call, run("r")));
  const std::int64_t theirs = agents::uncorrected_now() + hour;
  const std::uint64_t asked = peer.start({"r", "another boot", 1, theirs + 30'000'000});
  CHECK(answer(peer, asked).json == "null");
  REQUIRE(drive(loop, [&] { return !runs.empty(); }));
  CHECK(agents::uncorrected_now() + hour >= theirs + 29'000'000);
}

TEST_CASE_METHOD(direct_fixture, "An instant in the past means now, one too far ahead is refused") {
  start();
  direct_peer peer(port);
  hold(peer);
  answer(peer, peer.prepare(test_kind::call, run("r")));
  CHECK(error(peer, peer.start(in(3'700'000, "r"))) ==
        "a run begins at most 3600 s ahead, not 3699 s");
  CHECK_FALSE(
      error(peer, peer.start({"r", "other", 0, agents::real_now() + 7200 * second_ns})).empty());
  CHECK_FALSE(error(peer, peer.start({"r", "other", 0, wire::control::clock_limit - 1})).empty());
  CHECK(runs.empty());
  const std::int64_t past = GENERATE(0, -10, -3'700'000);
  auto when = in(past, "r");
  when.monotonic_ns = std::max<std::int64_t>(when.monotonic_ns, 0);
  answer(peer, peer.start(when));
  REQUIRE(drive(loop, [&] { return runs.size() == 1; }));
}

TEST_CASE_METHOD(direct_fixture,
                 "A run in several topics begins in all of them, and says so once") {
  start();
  direct_peer peer(port);
  hold(peer);
  answer(peer, peer.prepare(test_kind::call, run("r"), "t"));
  answer(peer, peer.prepare(test_kind::call, run("r"), "u"));
  answer(peer, peer.prepare(test_kind::notify, run("n"), "t"));
  answer(peer, peer.start(in(0, "r")));
  REQUIRE(drive(loop, [&] { return !peer->heard("started").empty(); }));
  CHECK(runs.size() == 1);
  CHECK(others.runs.size() == 1);
  settle(loop);
  CHECK(peer->heard("started").size() == 1);
  answer(peer, peer.start(in(0, "n")));
  CHECK(runs.size() == 2);
}

TEST_CASE_METHOD(direct_fixture,
                 "A run that waits is forgotten when it is cancelled, released or left") {
  start();
  direct_peer peer(port);
  hold(peer);
  answer(peer, peer.prepare(test_kind::call, run("r")));
  const bool waits = GENERATE(false, true);
  if (waits) answer(peer, peer.start(in(60, "r")));
  const std::string what = GENERATE("cancel", "release", "go");
  if (what == "cancel") {
    answer(peer, peer.prepare(test_kind::call, run("another"), "t", "run_test"));  // no cancel
    std::string args;
    wire::control::append_cancel_run_args(args, "r", peer.address());
    answer(peer, peer.say("run_test", args));
  } else if (what == "release") {
    answer(peer, peer.say("release", "{}", {}, ""));
  } else {
    peer.go();
    REQUIRE(closed(peer));
  }
  REQUIRE(drive(loop, [&] { return count("forget") == 1; }));
  settle(loop, std::chrono::milliseconds(100));
  CHECK(runs.empty());
}

TEST_CASE_METHOD(direct_fixture,
                 "A run may be prepared anew, and is refused beyond the process's bounds") {
  start();
  direct_peer peer(port);
  hold(peer);
  answer(peer, peer.prepare(test_kind::call, run("r")));
  answer(peer, peer.prepare(test_kind::call, run("s")));
  CHECK(error(peer, peer.start(in(0, "r"))) == "no run r is prepared");
  refusal = "the run asks too much";
  CHECK(error(peer, peer.prepare(test_kind::call, run("q"))) == "the run asks too much");
  CHECK(carrier->last_refusal() == "prepare: the run asks too much");
  answer(peer, peer.start(in(0, "s")));  // what was taken stays
  CHECK(runs.size() == 1);
  number = 0;
  refusal.clear();
  CHECK(error(peer, peer.prepare(test_kind::call, run("q"))) ==
        "no RPCClient of that topic is here");
}

TEST_CASE_METHOD(direct_fixture,
                 "When a connection ends its runs are, and what goes its way is lost") {
  start();
  direct_peer peer(port);
  hold(peer);
  answer(peer, peer.prepare(test_kind::call, run("r")));
  answer(peer, peer.start(in(0, "r")));
  answer(peer, peer.say("get_server_results", {}, agent_kind::rpc_client, "u"));
  REQUIRE(drive(loop, [&] { return paths.size() == 1 && others.paths.size() == 1; }));
  peer.go();
  REQUIRE(drive(loop, [&] { return !gone.empty(); }));
  CHECK(gone == std::vector<const answer_path*>{paths[0].get()});
  CHECK(others.gone == std::vector<const answer_path*>{others.paths[0].get()});
  const auto progress = paths[0]->progress();
  paths[0]->send_pong(agent_kind::rpc_client, "c", "");
  paths[0]->send_result(agent_kind::rpc_client, "c", {}, false);
  paths[0]->run_begun("r");
  progress("{}");
  bool alive = true;
  paths[0]->check_alive([&](bool is) { alive = is; });
  CHECK_FALSE(alive);
  CHECK(carrier->counters().answers_lost == 2);
  carrier.reset();
  paths[0]->send_pong(agent_kind::rpc_client, "c", "");
  settle(loop);
}

TEST_CASE_METHOD(direct_fixture,
                 "A connection is of one controller, its sessions have addresses of their own") {
  start();
  direct_peer peer(port);
  hold(peer);
  const auto ask = [&](const std::string& name, const std::string& reply_topic = "r") {
    std::string args;
    wire::control::append_reply_addr_args(args, {"e", reply_topic, name});
    answer(peer, peer.say("client_ping", args));
    return paths.back();
  };
  const auto first = ask("session-1");
  CHECK(ask("session-1") == first);
  const auto second = ask("session-2");
  const auto third = ask("session-2", "another");
  CHECK(second->controller().server == "session-2");
  CHECK(second != first);
  CHECK(third != second);
  paths.clear();
  for (int i = 0; i < 1000; ++i) {
    ask("session-" + std::to_string(i + 10));
    paths.clear();
  }
  CHECK(ask("session-1") == first);
  peer.go();
  REQUIRE(drive(loop, [&] { return gone.size() == 3; }));
  first->send_pong(agent_kind::rpc_client, "c", "");
  second->send_pong(agent_kind::rpc_client, "c", "");
  third->send_pong(agent_kind::rpc_client, "c", "");
  CHECK(carrier->counters().answers_lost == 3);
}
