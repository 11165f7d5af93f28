// SPDX-License-Identifier: Apache-2.0
#include "agents/measure/audit.hpp"

#include <catch2/catch.hpp>

#include <thread>
#include <vector>

using namespace ombt;
using namespace ombt::agents;
using namespace std::chrono_literals;
using drivers::steady_clock;
using std::chrono::nanoseconds;
using wire::control::agent_kind;

namespace {

const drivers::time_point start = drivers::time_point{} + 1h;

thread_reading reading(nanoseconds at, nanoseconds cpu, nanoseconds waited) {
  return {start + at, cpu, waited};
}

/// Uses CPU until so much time has gone by.
void work(drivers::duration time) {
  const auto until = steady_clock::now() + time;
  while (steady_clock::now() < until) {
  }
}

/// A beat, and how late it was for each instant up to the last time it fired.
struct beat_fixture {
  probe_beat beat;
  std::vector<nanoseconds> late;

  void fire(drivers::duration at) {
    late.clear();
    beat.fired(start + at, [&](nanoseconds by, int instants) {
      late.insert(late.end(), static_cast<std::size_t>(instants), by);
    });
  }
};

}  // namespace

TEST_CASE("a schedstat file tells how long its thread waited; what is cut or wrong tells nothing") {
  CHECK(run_delay_in("6569119 1234 7\n") == 1234ns);
  CHECK(run_delay_in("0 0 0\n") == 0ns);
  for (const char* wrong :
       {"", "1", "1 ", "1 2", "1 x 3", "1 -2 3", "x", "1 99999999999999999999999 3", "  1 2 3"}) {
    INFO(wrong);
    CHECK_FALSE(run_delay_in(wrong));
  }
}

TEST_CASE("a thread's own figures grow with what it does") {
  const thread_reading before = read_thread();
  work(30ms);
  const thread_reading after = read_thread();
  CHECK(after.cpu > before.cpu);
  CHECK(after.cpu - before.cpu <= after.at - before.at + 1ms);
  REQUIRE(before.waited);  // every kernel since 2.6.9 that Debian built
  REQUIRE(after.waited);
  CHECK(*after.waited >= *before.waited);
}

TEST_CASE_METHOD(beat_fixture,
                 "a timer that fires late was late for every instant that it missed") {
  beat.start(start);
  CHECK(beat.next() == start + 10ms);
  fire(9ms);
  CHECK(late.empty());
  fire(10ms);
  CHECK(late == std::vector<nanoseconds>{0ns});
  fire(20ms + 500us);
  CHECK(late == std::vector<nanoseconds>{500us});
  CHECK(beat.next() == start + 30ms);  // by the beat, not by the delay
  fire(64ms);
  CHECK(late == std::vector<nanoseconds>{34ms, 24ms, 14ms, 4ms});
  CHECK(beat.next() == start + 70ms);
  fire(1h);
  CHECK(late.size() == probe_beat::most_at_once);
  CHECK(late.front() == 1h - 70ms);
  CHECK(beat.next() == start + 1h + 10ms);
}

TEST_CASE_METHOD(beat_fixture, "where the timer is due seldom, instants count all the same") {
  beat.start(start);
  beat.set_seldom(true);
  fire(10ms);
  CHECK(late == std::vector<nanoseconds>{0ns});
  CHECK(beat.next() == start + 110ms);
  fire(110ms + 300us);
  CHECK(late == std::vector<nanoseconds>(10, 300us));
  CHECK(beat.next() == start + 210ms);
  fire(234ms);  // 240 ms is the next instant
  std::vector<nanoseconds> held_up(10, 24ms);
  held_up.insert(held_up.end(), {14ms, 4ms});
  CHECK(late == held_up);
  CHECK(beat.next() == start + 330ms);
  beat.set_seldom(false);
  fire(330ms);
  CHECK(late == std::vector<nanoseconds>(10, 0ns));
  CHECK(beat.next() == start + 340ms);
  fire(340ms);
  CHECK(late == std::vector<nanoseconds>{0ns});
  // What begins anew does not go by what was before.
  beat.set_seldom(true);
  beat.start(start + 1s);
  fire(1'010ms);
  CHECK(beat.next() == start + 1'020ms);
}

TEST_CASE("a window takes each second for itself, and what is left at its end") {
  audit_window w;
  CHECK_FALSE(w.take(reading(0s, 0s, 0s)));
  w.open(reading(0s, 5s, 100ms));
  CHECK_FALSE(w.second_is_over(start + 999ms));
  CHECK(w.second_is_over(start + 1s));
  w.end_second(reading(1s, 5500ms, 150ms));
  CHECK_FALSE(w.second_is_over(start + 1999ms));
  w.probed(40us);
  w.probed(1500us);
  w.probed(-1us);
  w.add_late(3, 10);
  w.end_second(reading(2s, 6470ms, 150ms));
  const auto taken = w.take(reading(2500ms, 6470ms, 400ms));
  REQUIRE(taken);
  CHECK(taken->total().seconds == Approx(2.5));
  CHECK(taken->total().cpu_seconds == Approx(1.47));
  CHECK(taken->above(90).seconds == Approx(1));
  CHECK(taken->cpu_most == Approx(0.97));
  CHECK(taken->run_delay_seconds == Approx(0.3));
  CHECK(taken->lag.totals().count == 3);
  CHECK(taken->lag.totals().max == 1'500'000);
  CHECK(taken->late == 3);
  CHECK(taken->scheduled == 10);
  CHECK_FALSE(w.take(reading(3s, 0s, 0s)));
  w.probed(1ms);
  w.add_late(1, 1);
  w.open(reading(4s, 7s, 1s));
  const auto second = w.take(reading(5s, 7s, 1s));
  REQUIRE(second);
  CHECK(second->lag.totals().count == 0);
  CHECK(second->scheduled == 0);
  CHECK(second->total().seconds == Approx(1));
}

TEST_CASE("a window that was closed keeps what it has until it is taken") {
  audit_window w;
  w.open(reading(0s, 0s, 0s));
  w.close(reading(2s, 1s, 0s));
  CHECK_FALSE(w.is_open());
  CHECK_FALSE(w.second_is_over(start + 9s));
  w.probed(1ms);
  const auto taken = w.take(reading(60s, 30s, 9s));
  REQUIRE(taken);
  CHECK(taken->total().seconds == Approx(2));
  CHECK(taken->lag.totals().count == 0);
}

TEST_CASE("without a word from the kernel there is no run delay") {
  audit_window w;
  w.open({start, 0s, {}});
  w.end_second({start + 1s, 0s, {}});
  CHECK_FALSE(w.take(reading(2s, 0s, 0s))->run_delay_seconds);
}

TEST_CASE("the timer runs while a kind of agent is in a run, and not otherwise") {
  drivers::loop loop;
  thread_audit audit{loop, 7, [](agent_kind) { return true; }};
  CHECK_FALSE(audit.at_work());
  CHECK_FALSE(audit.take(agent_kind::rpc_client));
  audit.open(agent_kind::rpc_client);
  loop.run_for(60ms);
  audit.open(agent_kind::rpc_server);
  audit.add_late(agent_kind::rpc_client, 1, 2);
  loop.run_for(60ms);
  const auto clients = audit.take(agent_kind::rpc_client);
  CHECK(audit.at_work());
  const auto servers = audit.take(agent_kind::rpc_server);
  CHECK_FALSE(audit.at_work());
  REQUIRE(clients);
  REQUIRE(servers);
  CHECK(clients->thread == 7);
  CHECK(clients->scheduled == 2);
  CHECK(servers->scheduled == 0);
  // However busy the machine is, an instant is missed by none: at most the last is not due yet.
  CHECK(clients->lag.totals().count >= 10);
  CHECK(servers->lag.totals().count >= 4);
  CHECK(servers->lag.totals().count < clients->lag.totals().count);
  CHECK(clients->total().seconds > servers->total().seconds);
  loop.run_for(30ms);
  CHECK_FALSE(audit.take(agent_kind::rpc_client));
}

TEST_CASE("a thread with little to do probes seldom, from its second second on") {
  drivers::loop loop;
  nanoseconds cpu{0};
  int readings = 0;
  int busy = 0;  // of a second, percent
  thread_audit audit{loop, 0, [](agent_kind) { return true; },
                     [&] {
                       ++readings;
                       return thread_reading{steady_clock::now(), cpu += busy * 10ms, {}};
                     }};
  int wakes = 0;
  const auto run = [&](drivers::duration time) {
    const auto until = steady_clock::now() + time;
    wakes = 0;
    for (auto now = steady_clock::now(); now < until; now = steady_clock::now()) {
      const auto before = audit.next_probe();
      loop.run_for(std::min<drivers::duration>(until - now, 5ms));
      wakes += audit.next_probe() != before;
    }
  };
  audit.open(agent_kind::rpc_client);
  run(1'050ms);
  CHECK(readings == 2);
  run(500ms);
  CHECK(wakes <= 6);
  busy = 50;
  run(700ms);
  CHECK(readings == 3);
  run(300ms);
  CHECK(wakes > 6);
  CHECK(audit.take(agent_kind::rpc_client)->lag.totals().count >= 240);
}

TEST_CASE("a loop that is held up says so") {
  drivers::loop loop;
  thread_audit audit{loop, 0, [](agent_kind) { return true; }};
  audit.open(agent_kind::notifier);
  loop.run_for(15ms);
  work(300ms);
  loop.run_for(15ms);
  const auto taken = audit.take(agent_kind::notifier);
  REQUIRE(taken);
  CHECK(taken->lag.totals().count >= 30);
  CHECK(taken->lag_ms(50) > 100);
  CHECK(taken->lag_ms(99) < 5'000);
}

TEST_CASE("a window that nobody wants any more is closed, by the second, and the timer ends") {
  drivers::loop loop;
  int asked = 0;
  thread_audit audit{loop, 0, [&](agent_kind kind) {
                       CHECK(kind == agent_kind::listener);
                       return ++asked < 2;
                     }};
  audit.open(agent_kind::listener);
  for (int i = 0; i < 100 && audit.at_work(); ++i) loop.run_for(50ms);
  CHECK_FALSE(audit.at_work());
  CHECK(asked == 2);
  const auto taken = audit.take(agent_kind::listener);
  REQUIRE(taken);
  CHECK(taken->total().seconds >= 2);
}
