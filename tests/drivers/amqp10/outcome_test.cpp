// SPDX-License-Identifier: Apache-2.0
// What the bus says of a message, and what it does not: outcomes, retries, credit.
#include "tests/drivers/amqp10/bed.hpp"

using namespace ombt;
using namespace ombt::tests;
using kind = amqp::outcome::kind;

TEST_CASE("an unsettled message is done when it is accepted, and not before") {
  amqp10_bed b(unsettled);
  b.bus.says = simply(kind::other);
  b.cast(1);
  auto& m = b.message(0);
  CHECK_FALSE(m.settled);
  b.settle();
  CHECK(b.all.empty());
  b.bus.settle(m, simply(kind::accepted));
  REQUIRE(b.done(1));
  CHECK(!b.all[0].error);
}

TEST_CASE("rejected, modified with a flag, and settled without an outcome fail at once") {
  amqp10_bed b(unsettled);
  b.bus.says = simply(kind::other);
  b.cast(1);
  auto& m = b.message(0);
  amqp::outcome how = simply(kind::rejected);
  std::string words;
  SECTION("rejected") {
    how.condition = "amqp:unauthorized-access";
    how.description = "not here";
    words = "rejected amqp:unauthorized-access: not here";
  }
  SECTION("modified, failed") {
    how = simply(kind::modified);
    how.delivery_failed = true;
    words = "modified (delivery failed)";
  }
  SECTION("modified, undeliverable") {
    how = simply(kind::modified);
    how.undeliverable_here = true;
    words = "modified (undeliverable here)";
  }
  SECTION("settled without an outcome") {
    how = {};
    words = "without an outcome";
  }
  b.bus.settle(m, how);
  REQUIRE(b.done(1));
  CHECK(b.all[0].error == errc::delivery_failure);
  CHECK_THAT(b.all[0].detail, Catch::Contains(words));
  b.settle();
  CHECK(b.bus.messages.size() == 1);
}

TEST_CASE("released and plainly modified calls are sent again later, under a new id") {
  amqp10_bed b;
  b.bus.says = simply(kind::other);
  b.call(1, b.within(seconds{30}));
  auto& first = b.message(0);
  const auto start = drivers::steady_clock::now();
  b.bus.settle(first, simply(GENERATE(kind::released, kind::modified)));
  b.settle();
  b.call(2, b.within(seconds{30}));  // waits behind it
  auto& again = b.message(1);
  CHECK(drivers::steady_clock::now() - start > milliseconds{900});
  CHECK(again.read().id != first.read().id);
  CHECK(again.read().ttl == milliseconds{30000});  // the full one
  b.message(2);
  // The first id is nobody's any more.
  b.bus.answer(first, R"({"response": "old"})");
  REQUIRE(b.drive([&] { return b.t->counters().late_replies == 1; }));
  b.bus.answer(b.message(1), R"({"response": "a"})");
  b.bus.answer(b.message(2), R"({"response": "b"})");
  REQUIRE(b.done(2));
  CHECK((!b.all[0].error && !b.all[1].error));
}

TEST_CASE("a call that must get there once fails at once when it is given back") {
  amqp10_bed b;
  b.bus.says = simply(kind::other);
  auto options = b.within(seconds{30});
  options.at_least_once = true;
  b.call(1, options);
  b.bus.settle(b.message(0), simply(GENERATE(kind::released, kind::modified)));
  REQUIRE(b.done(1));
  CHECK(b.all[0].error == errc::message_undeliverable);
  CHECK_THAT(b.all[0].detail, Catch::Contains("remote disposition: "));
  b.call(2, b.within(seconds{30}));  // waits for nothing
  b.bus.answer(b.message(1), R"({"response": "a"})");
  REQUIRE(b.done(2));
  CHECK_FALSE(b.all[1].error);
}

TEST_CASE("a message is sent again as often as retry says") {
  amqp10_bed b(unsettled);
  b.bus.says = simply(kind::released);
  b.cast(1, b.within(seconds{30}, 0));
  REQUIRE(b.done(1));
  CHECK(b.bus.messages.size() == 1);
  CHECK(b.all[0].error == errc::delivery_failure);
  CHECK_THAT(b.all[0].detail, Catch::Contains("retries exhausted"));
  b.cast(2, b.within(seconds{30}, 1));
  REQUIRE(b.done(2));
  CHECK(b.bus.messages.size() == 3);
}

TEST_CASE("a settled message without credit counts as sent after a while, and is counted") {
  amqp10_bed b;
  b.bus.credit = 0;
  const auto start = drivers::steady_clock::now();
  b.cast(1, b.within(seconds{3}));
  REQUIRE(b.done(1));
  CHECK(!b.all[0].error);
  CHECK(drivers::steady_clock::now() - start > milliseconds{900});
  CHECK(b.t->counters().sent_without_credit == 1);
  b.cast(2, b.within(seconds{60}));  // at once now
  b.settle(milliseconds{300});
  REQUIRE(b.all.size() == 2);
  CHECK(b.t->counters().sent_without_credit == 2);
  CHECK(b.bus.messages.empty());
  SECTION("credit that comes in time still carries them") {
    b.bus.give_credit(*b.bus.find(amqp10_bed::anycast, false), 10);
    REQUIRE(b.drive([&] { return b.bus.messages.size() == 2; }));
    b.cast(3);
    REQUIRE(b.drive([&] { return b.bus.messages.size() == 3; }));
    CHECK(b.t->counters().lost_without_credit == 0);
    CHECK(b.t->counters().sent_without_credit == 2);
  }
  SECTION("one whose time is over is lost") {
    REQUIRE(b.drive([&] { return b.t->counters().lost_without_credit == 1; }));
    b.bus.give_credit(*b.bus.find(amqp10_bed::anycast, false), 10);
    REQUIRE(b.drive([&] { return b.bus.messages.size() == 1; }));
  }
  SECTION("those that the connection takes with it are lost") {
    b.bus.drop_all();
    REQUIRE(b.drive([&] { return b.t->counters().lost_without_credit == 2; }));
  }
}

TEST_CASE("what is kept without credit is bounded") {
  amqp10_bed b;
  b.bus.credit = 0;
  b.cast(0);
  REQUIRE(b.done(1));
  for (std::uint64_t i = 1; i < 1500; ++i) b.cast(i);
  REQUIRE(b.done(1500));
  CHECK(b.t->counters().sent_without_credit == 1500);
  CHECK(b.t->counters().lost_without_credit == 500);
  b.bus.give_credit(*b.bus.find(amqp10_bed::anycast, false), 5000);
  REQUIRE(b.drive([&] { return b.bus.messages.size() == 1000; }));
}

TEST_CASE("a settled message waits for credit that is only late") {
  amqp10_bed b;
  b.bus.credit = 2;
  for (std::uint64_t i = 0; i < 6; ++i) b.cast(i);
  REQUIRE(b.done(2));
  b.settle();
  CHECK(b.all.size() == 2);
  b.bus.give_credit(*b.bus.find(amqp10_bed::anycast, false), 10);
  REQUIRE(b.done(6));
  REQUIRE(b.drive([&] { return b.bus.messages.size() == 6; }));
  CHECK(b.t->counters().sent_without_credit == 0);
}
