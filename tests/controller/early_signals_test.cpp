// SPDX-License-Identifier: Apache-2.0
#include "controller/early_signals.hpp"

#include "controller/run_session.hpp"

#include <catch2/catch.hpp>

#include <csignal>
#include <poll.h>

using namespace ombt;
using controller::early_signals;

namespace {

bool readable(int descriptor) {
  pollfd one{descriptor, POLLIN, 0};
  return ::poll(&one, 1, 0) == 1;
}

auto action_of(int number) {
  struct sigaction now {};
  ::sigaction(number, nullptr, &now);
  return now.sa_handler;
}

}  // namespace

TEST_CASE("a signal that comes early is noted, and nothing dies of it") {
  for (const int number : {SIGINT, SIGTERM, SIGHUP}) {
    INFO(number);
    const auto before = action_of(number);
    {
      const early_signals taken;
      CHECK_FALSE(early_signals::arrived());
      CHECK_FALSE(readable(taken.descriptor()));
      std::raise(number);
      std::raise(number);
      CHECK(early_signals::arrived());
      CHECK(readable(taken.descriptor()));
    }
    CHECK_FALSE(early_signals::arrived());
    CHECK(action_of(number) == before);
  }
}

TEST_CASE("a hang-up that is ignored stays ignored") {
  const auto before = std::signal(SIGHUP, SIG_IGN);
  {
    const early_signals taken;
    std::raise(SIGHUP);
    CHECK_FALSE(early_signals::arrived());
  }
  CHECK(action_of(SIGHUP) == SIG_IGN);
  std::signal(SIGHUP, before);
}

TEST_CASE("what came before a session's loop interrupts it") {
  controller::settings given;
  given.task = "rpc-call";
  given.control = {"bus"};
  const auto checked = controller::check_settings(given);
  CHECK_FALSE(controller::session_loop(checked).interrupted);
  const early_signals taken;
  std::raise(SIGTERM);
  CHECK(controller::session_loop(checked).interrupted);
}
