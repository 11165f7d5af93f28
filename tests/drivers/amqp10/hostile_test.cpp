// SPDX-License-Identifier: Apache-2.0
// Peers that are no bus, or a bad one: operations end, nothing hangs or grows.
#include "tests/drivers/amqp10/bed.hpp"

#include <algorithm>

using namespace ombt;
using namespace ombt::tests;

TEST_CASE("a peer that never speaks leaves operations to their limits, and closing at once") {
  amqp10_bed b;
  b.bus.greets = false;
  b.call(1, b.within(milliseconds{200}));
  REQUIRE(b.done(1));
  CHECK(b.all[0].error == errc::bus_unreachable);
  int closed = 0;
  b.t->close(seconds{60}, [&] { ++closed; });
  REQUIRE(b.drive([&] { return closed == 1; }));
}

TEST_CASE("another protocol on the port is refused with its name") {
  amqp10_bed b;
  b.bus.greets = false;
  b.cast(1);
  REQUIRE(b.drive([&] { return b.bus.connections == 1; }));
  b.bus.say(
      GENERATE(as<std::string>{}, std::string("AMQP\0\0\x9\1", 8), "HTTP/1.1 400 Bad\r\n\r\n"));
  REQUIRE(b.done(1));
  CHECK(b.all[0].error == errc::wrong_protocol);
}

TEST_CASE("garbage on an open connection ends it, and it comes back") {
  amqp10_bed b;
  b.serve();
  b.bus.say(std::string("\0\0\0\x10\2\0\0\0garbage!", 16));
  REQUIRE(b.drive([&] { return b.listening == 2; }));
  CHECK(b.troubles.at(0).error == errc::protocol_error);
  CHECK(b.bus.connections == 2);
}

TEST_CASE("a peer that gives credit and reads nothing holds senders up, and memory with them") {
  amqp10_bed b;
  b.bus.credit = 1000000;
  b.cast(0);
  REQUIRE(b.done(1));
  b.bus.reads = false;
  const std::string args = "{\"data\": \"" + std::string(100000, 'x') + "\"}";
  for (std::uint64_t i = 1; i <= 500; ++i) {
    b.t->cast(b.to, {"noop", args, {}}, b.within(seconds{2}), b, i);
    b.settle(milliseconds{1});
  }
  // The first may have met their limit by now, where this takes long.
  const auto sent =
      std::count_if(b.all.begin(), b.all.end(), [](const auto& one) { return !one.error; });
  CHECK(sent < 300);  // the socket's buffers and one mebibyte
  REQUIRE(b.done(501));
  CHECK(b.all.back().error == errc::messaging_timeout);
}

TEST_CASE("a peer that is silent for the idle time is left") {
  amqp10_bed b([](auto& s) { s.messaging.amqp.idle_timeout = 1; });
  b.serve();
  b.bus.reads = false;  // and so answers no empty frame
  REQUIRE(b.drive([&] { return !b.troubles.empty(); }));
  CHECK_THAT(b.troubles[0].detail, Catch::Contains("nothing was received"));
}

TEST_CASE("an oversized message ends its link, which comes back") {
  amqp10_bed b([](auto& s) { s.messaging.body_limit = 10000; });
  b.serve();
  amqp::message m;
  const std::string body(20000, 'x');
  m.kind = amqp::message::body_kind::text;
  m.body = body;
  b.bus.deliver(amqp10_bed::anycast, m);
  REQUIRE(b.drive([&] { return b.listening == 2; }));
  CHECK(b.t->counters().malformed == 1);
  CHECK(b.bus.connections == 1);
  CHECK_THAT(b.troubles.at(0).detail, Catch::Contains("size limit"));
}

TEST_CASE("sessions and links that the peer begins are refused, and disturb nothing") {
  amqp10_bed b;
  b.serve();
  b.bus.begin_foreign();
  b.settle();
  b.request("id-1", "caller");
  REQUIRE(b.drive([&] { return b.got.size() == 1; }));
  CHECK(b.bus.foreign_refused);
}

TEST_CASE("a reply-to that no frame could carry gets no answer") {
  amqp10_bed b;
  b.answer = "1";
  b.serve();
  b.request("id-1", std::string(3000, 'r'));
  b.request("id-2", "caller");
  CHECK(b.message(0).read().correlation_id == "id-2");
  CHECK(b.l->counters().malformed == 1);
}

TEST_CASE("a bus that closes the connection tells why") {
  amqp10_bed b;
  b.serve();
  b.bus.close_all("amqp:connection:forced", "maintenance");
  REQUIRE(b.drive([&] { return b.listening == 2; }));
  CHECK(b.troubles.at(0).error == errc::connection_lost);
  CHECK_THAT(b.troubles.at(0).detail, Catch::Contains("amqp:connection:forced: maintenance"));
}
