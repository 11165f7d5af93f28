// SPDX-License-Identifier: Apache-2.0
#include "drivers/datagrams.hpp"

#include "tests/agents/drive.hpp"
#include "tests/drivers/datagram_name.hpp"

#include <catch2/catch.hpp>

#include <memory>
#include <string>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>
#include <vector>

using namespace ombt;
using namespace ombt::drivers;
using ombt::tests::drive;
using ombt::tests::settle;
using ombt::tests::unique_datagram_name;

namespace {

struct datagram_bed {
  loop on;
  std::string name = unique_datagram_name();
  std::vector<std::pair<std::string, std::int64_t>> heard;
  std::unique_ptr<datagram_receiver> ear = std::make_unique<datagram_receiver>(
      on, name, [this](std::string_view text, std::int64_t process) {
        heard.emplace_back(std::string(text), process);
      });
};

}  // namespace

TEST_CASE("a name has one form only") {
  CHECK(is_datagram_name("ombt-0123456789abcdef0123456789abcdef"));
  for (const char* wrong :
       {"", "ombt-", "ombt-0123456789abcdef0123456789abcde",
        "ombt-0123456789ABCDEF0123456789abcdef", "/tmp/-0123456789abcdef0123456789abcdef",
        "ombt-0123456789abcdef0123456789abcdefa", "ombt-0123456789abcdef/123456789abcdef",
        "@/tmp/.X11-unix/X0"}) {
    INFO(wrong);
    CHECK_FALSE(is_datagram_name(wrong));
  }
}

TEST_CASE_METHOD(datagram_bed, "datagrams are heard whole, with the process that sent them") {
  REQUIRE(ear->is_listening());
  datagram_sender to{name};
  const std::string longest(datagram_receiver::most_bytes, 'x');
  CHECK(to.send("one"));
  CHECK(to.send(longest));
  CHECK(to.send(""));
  REQUIRE(drive(on, [&] { return heard.size() == 3; }));
  CHECK(heard[0].first == "one");
  CHECK(heard[0].second == ::getpid());
  CHECK(heard[1].first == longest);
  CHECK(heard[2].first.empty());
  CHECK(to.send(longest + "x"));
  CHECK(to.send("after"));
  REQUIRE(drive(on, [&] { return heard.size() == 4; }));
  CHECK(heard[3].first == "after");
  CHECK(ear->refused() == 1);
}

TEST_CASE_METHOD(datagram_bed, "a sender never waits: what finds no room or no ear is dropped") {
  datagram_sender to{name};
  int taken = 0;
  while (taken < 100'000 && to.send(std::string(1'000, 'x'))) ++taken;
  CHECK(taken > 0);
  CHECK(taken < 100'000);
  REQUIRE(drive(on, [&] { return heard.size() == static_cast<std::size_t>(taken); }));
  CHECK(to.send("again"));
  ear.reset();
  settle(on);
  CHECK_FALSE(to.send("nobody"));
  CHECK_FALSE(datagram_sender{name}.send("nobody"));
  CHECK_FALSE(datagram_sender{"no name"}.send("nobody"));
}

TEST_CASE_METHOD(datagram_bed, "a name that is taken, or none, is not listened at") {
  datagram_receiver second{on, name, [](std::string_view, std::int64_t) {}};
  CHECK_FALSE(second.is_listening());
  datagram_receiver none{on, "ombt", [](std::string_view, std::int64_t) {}};
  CHECK_FALSE(none.is_listening());
  CHECK(none.refused() == 0);
}

TEST_CASE_METHOD(datagram_bed, "another user is not heard") {
  if (::geteuid() != 0) return;  // only root may become somebody else
  const pid_t other = ::fork();
  if (other == 0) {
    const bool sent = ::setuid(65'534) == 0 && datagram_sender{name}.send("hostile");
    ::_exit(sent ? 0 : 1);
  }
  int status = -1;
  REQUIRE(::waitpid(other, &status, 0) == other);
  REQUIRE(status == 0);
  CHECK(datagram_sender{name}.send("own"));
  REQUIRE(drive(on, [&] { return !heard.empty(); }));
  CHECK(heard[0].first == "own");
  CHECK(ear->refused() == 1);
}

TEST_CASE("an ear may go while it hears") {
  loop on;
  const std::string name = unique_datagram_name();
  int heard = 0;
  std::unique_ptr<datagram_receiver> ear;
  ear = std::make_unique<datagram_receiver>(on, name, [&](std::string_view, std::int64_t) {
    ++heard;
    ear.reset();
  });
  datagram_sender to{name};
  CHECK(to.send("one"));
  CHECK(to.send("two"));
  REQUIRE(drive(on, [&] { return heard > 0; }));
  settle(on);
  CHECK(heard == 1);
}
