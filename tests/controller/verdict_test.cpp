// SPDX-License-Identifier: Apache-2.0
#include "controller/verdict.hpp"

#include "wire/configuration_error.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

using namespace ombt;
using namespace ombt::controller;
using wire::control::agent_kind;
using wire::control::audit_report;

namespace {

/// So many seconds, some of them at 97 % of a core and the others at 20 %.
audit_report audit_of(double seconds, double busy = 0, double delay = 0, double lag_ms = 0.1) {
  audit_report a;
  for (double left = seconds - busy; left > 1e-9; left -= 1) {
    a.add_time(std::min(left, 1.0), 0.2 * std::min(left, 1.0));
  }
  if (busy > 0) a.add_time(busy, 0.97 * busy);
  a.run_delay_seconds = delay;
  a.lag.record(static_cast<std::uint64_t>(lag_ms * 1e6), 100);
  return a;
}

using audits = std::map<audited_thread, audit_report>;

audited_thread thread_of(std::int64_t process, std::uint32_t thread = 0) {
  return {agent_kind::rpc_client, "node-1", process, thread};
}

std::vector<std::string> reasons(const audit_report& of, const audit_limits& limits = {}) {
  return judge({{thread_of(12), of}}, limits).reasons;
}

const std::string who = "harness-limited: I/O thread of agent process 12 on node-1";

std::string text_of(const verdict& v) {
  std::string out;
  append_audit_text(out, v);
  return out;
}

}  // namespace

TEST_CASE("each limit alone makes a run harness-limited, from its threshold on") {
  CHECK(reasons(audit_of(10)).empty());
  CHECK(reasons(audit_of(10, 0.9)).empty());
  CHECK(reasons(audit_of(10, 1)) == std::vector{who + " at 97 % of a core in 10 % of the seconds"});
  CHECK(reasons(audit_of(10, 4)) == std::vector{who + " at 97 % of a core in 40 % of the seconds"});
  CHECK(reasons(audit_of(10, 0, 0.5)).empty());
  CHECK(reasons(audit_of(10, 0, 0.6)) == std::vector{who + " waited for a CPU 6 % of the time"});
  CHECK(reasons(audit_of(10, 0, 0, 1)).empty());
  CHECK(reasons(audit_of(10, 0, 0, 1.4)) == std::vector{who + ": timers 1.4 ms late (p99)"});
  audit_report late = audit_of(10);
  late.scheduled = 10'000;
  late.late = 10;
  CHECK(reasons(late).empty());
  late.late = 11;
  CHECK(reasons(late) == std::vector{who + " was itself too late for 0.11 % of its messages"});
  late = audit_of(10, 10, 10, 900);
  late.scheduled = late.late = 5;
  CHECK(reasons(late) == std::vector{who + " at 97 % of a core in 100 % of the seconds",
                                     who + " waited for a CPU 100 % of the time",
                                     who + ": timers 900 ms late (p99)",
                                     who + " was itself too late for 100 % of its messages"});
}

TEST_CASE("the worst thread is named, once for each limit") {
  const auto judged = judge({{thread_of(12), audit_of(10, 2)},
                             {thread_of(12, 1), audit_of(10, 0, 9)},
                             {thread_of(13), audit_of(10, 8, 1)},
                             {{agent_kind::rpc_server, "joe", 0, 0}, audit_of(10, 0, 0, 50)}},
                            {});
  CHECK(judged.threads == 4);
  CHECK(judged.reasons ==
        std::vector<std::string>{
            "harness-limited: I/O thread of agent process 13 on node-1 at 97 % of a core in 80 % "
            "of the seconds",
            who + " waited for a CPU 90 % of the time",
            "harness-limited: I/O thread of agent joe: timers 50 ms late (p99)"});
  CHECK(text_of(judged) ==
        "4 I/O threads, the worst figures: CPU 82 % of a core,\n"
        "  run delay 90 %, loop lag 50 ms (p99)\n");
}

TEST_CASE("a run of less than a second says nothing about its seconds, and the report says so") {
  const auto judged = judge({{thread_of(12), audit_of(0.99, 0.99, 0.9, 500)}}, {});
  CHECK_FALSE(judged.limited());
  CHECK(judged.too_short);
  CHECK(text_of(judged) == "1 I/O thread: too short to say (0.99 s; 1 s is needed)\n");
  CHECK_FALSE(judge({{thread_of(12), audit_of(1)}}, {}).too_short);
  // What was sent late was so in a short run too.
  audit_report late = audit_of(0.5);
  late.scheduled = 100;
  late.late = 50;
  const auto short_one = judge({{thread_of(12), late}}, {});
  CHECK(short_one.limited());
  CHECK(text_of(short_one) ==
        "1 I/O thread: too short to say (0.50 s; 1 s is needed)\n"
        "Late by the agents, not by --outstanding: 50 of 100 messages\n");
  CHECK(judge({}, {}).threads == 0);
}

TEST_CASE("limits are settable one by one") {
  audit_limits limits;
  limits.set("core=20");
  limits.set("seconds=50");
  CHECK(reasons(audit_of(10), limits) ==
        std::vector{who + " at 20 % of a core in 100 % of the seconds"});
  limits = {};
  limits.set("delay=0");
  limits.set("lag=0.05");
  limits.set("late=0");
  CHECK(reasons(audit_of(10, 0, 0.001), limits).size() == 2);
  audit_report late = audit_of(10, 0, 0, 0.01);
  late.scheduled = 1'000'000;
  late.late = 1;
  CHECK(reasons(late, limits) ==
        std::vector{who + " was itself too late for 0.0001 % of its messages"});
  for (const char* wrong :
       {"", "core", "core=", "=5", "cpu=5", "core=92", "core=0", "core=105", "seconds=0",
        "seconds=101", "delay=-1", "lag=x", "lag=1ms", "late=nan", "delay=inf", "core=9e9"}) {
    INFO(wrong);
    const audit_limits before = limits;
    CHECK_THROWS_AS(limits.set(wrong), configuration_error);
    CHECK(limits.core == before.core);
  }
}

TEST_CASE("a thread's reports are added up, and told from those of other threads") {
  outcome found;
  agent_record client;
  client.kind = agent_kind::rpc_client;
  client.name = wire::control::agent_name("t", agent_kind::rpc_client, "node-1", 12,
                                          "0123456789abcdef0123456789abcdef") +
                "-0";
  found.add_audit(client, audit_of(2));
  client.name.back() = '1';
  found.add_audit(client, audit_of(3));
  REQUIRE(found.audits.size() == 1);
  CHECK(found.audits.begin()->first == thread_of(12));
  CHECK(found.audits.begin()->second.total().seconds == Approx(5));
  audit_report other = audit_of(1);
  other.thread = 1;
  found.add_audit(client, other);
  client.kind = agent_kind::rpc_server;
  found.add_audit(client, other);
  client.name = "joe";
  found.add_audit(client, other);
  CHECK(found.audits.size() == 4);
}

TEST_CASE("a thread with agents of two kinds is one thread") {
  audited_thread server = thread_of(12);
  server.kind = agent_kind::rpc_server;
  audits one{{thread_of(12), audit_of(10)}, {server, audit_of(10)}};
  CHECK(judge(one, {}).threads == 1);
  CHECK(text_of(judge(one, {})).starts_with("1 I/O thread, the worst figures: "));
  one[thread_of(12, 1)] = audit_of(10);
  one[thread_of(13)] = audit_of(10);
  CHECK(judge(one, {}).threads == 3);
  // Of a name that was chosen by hand nobody knows the process.
  one[{agent_kind::rpc_client, "joe", 0, 0}] = audit_of(10);
  one[{agent_kind::rpc_server, "joe", 0, 0}] = audit_of(10);
  CHECK(judge(one, {}).threads == 5);
}
