// SPDX-License-Identifier: Apache-2.0
#include "tests/wire/amqp091/script.hpp"

#include <catch2/catch.hpp>

using namespace ombt;
using namespace ombt::wire::amqp091;
using namespace ombt::wire::amqp091::script;
using lines = std::vector<std::string>;

namespace {

/// Feeds bytes to an open connection and expects a breach with that code, told to the broker.
void expect_breach(const std::string& bytes, unsigned code,
                   const std::function<void(connection&)>& before = nullptr) {
  client one;
  one.open();
  if (before) before(one.bus);
  one.take_sent();
  one.feed(bytes);
  REQUIRE(one.events.size() == 1);
  const std::string begin = "closed protocol protocol_error " + std::to_string(code) + " '";
  CHECK(one.events[0].substr(0, begin.size()) == begin);
  const auto sent = one.take_sent();
  REQUIRE(sent.size() == 1);
  REQUIRE(sent[0].is(10, 50));
  CHECK(sent[0].values().substr(0, 2) == u16(code));
  CHECK(one.bus.is_closed());
}

}  // namespace

TEST_CASE("Every synchronous command goes out as py-amqp encodes it") {
  client one;
  one.open({3});
  auto& bus = one.bus;
  const argument args[] = {{"x-expires", std::int64_t{1800000}},
                           {"big", std::int64_t{1} << 40},
                           {"low", std::int64_t{-2147483648}},
                           {"flag", true},
                           {"x-queue-type", std::string_view("quorum")}};
  bus.exchange_declare(3, "ex", "topic", true, false);
  bus.exchange_declare(3, "fan", "fanout", false, true);
  bus.exchange_delete(3, "ex", true);
  bus.queue_declare(3, "q", false, false, args);
  bus.queue_declare(3, "q", true, true, {});
  bus.queue_bind(3, "q", "ex", "key");
  bus.queue_delete(3, "q", true, false);
  bus.queue_delete(3, "q", false, true);
  bus.basic_qos(3, 7);
  bus.basic_consume(3, "q", "1", {});
  bus.basic_cancel(3, "1");
  bus.confirm_select(3);
  bus.ack(3, 5, true);
  bus.reject(3, 6, false);
  bus.reject(3, 6, true);
  bus.close_channel(3);

  const std::string encoded_args =
      table(entry("x-expires", 'I', u32(1800000)) + entry("big", 'l', u64(std::uint64_t{1} << 40)) +
            entry("low", 'I', u32(0x80000000)) + entry("flag", 't', u8(1)) +
            entry("x-queue-type", 'S', long_text("quorum")));
  const std::string t = u16(0);
  const std::string q = short_text("q");
  const std::string expected =
      method(3, 40, 10, t + short_text("ex") + short_text("topic") + u8(2) + table()) +
      method(3, 40, 10, t + short_text("fan") + short_text("fanout") + u8(4) + table()) +
      method(3, 40, 20, t + short_text("ex") + u8(1)) +
      method(3, 50, 10, t + q + u8(0) + encoded_args) +
      method(3, 50, 10, t + q + u8(2 + 8) + table()) +
      method(3, 50, 20, t + q + short_text("ex") + short_text("key") + u8(0) + table()) +
      method(3, 50, 40, t + q + u8(1)) + method(3, 50, 40, t + q + u8(2)) +
      method(3, 60, 10, u32(0) + u16(7) + u8(0)) +
      method(3, 60, 20, t + q + short_text("1") + u8(0) + table()) +
      method(3, 60, 30, short_text("1") + u8(0)) + method(3, 85, 10, u8(0)) +
      method(3, 60, 80, u64(5) + u8(1)) + method(3, 60, 90, u64(6) + u8(0)) +
      method(3, 60, 90, u64(6) + u8(1)) + method(3, 20, 40, u16(0) + short_text("") + u32(0));
  CHECK(one.take_sent_bytes() == expected);
}

TEST_CASE("Channels open between 1 and channel_max, each once, and only in an open connection") {
  client one;
  one.open({}, start() + tune(3) + open_ok());
  one.bus.open_channel(0);
  one.bus.open_channel(4);
  CHECK(one.take_sent().empty());
  one.bus.open_channel(3);
  one.bus.open_channel(3);
  const auto sent = one.take_sent();
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].is(20, 10));
  CHECK(sent[0].channel == 3);
  CHECK(sent[0].values() == short_text(""));
  one.feed(channel_open_ok(3));
  one.bus.open_channel(3);
  CHECK(one.take_sent().empty());
  CHECK(one.take_events() == lines{"3 channel_opened"});
}

TEST_CASE("Commands on a channel that is not open are ignored") {
  client one;
  one.open({});
  const auto try_all = [&](channel_id id) {
    one.bus.exchange_declare(id, "e", "topic", false, false);
    one.bus.exchange_delete(id, "e", false);
    one.bus.queue_declare(id, "q", false, false, {});
    one.bus.queue_bind(id, "q", "e", "k");
    one.bus.queue_delete(id, "q", false, false);
    one.bus.basic_qos(id, 1);
    one.bus.basic_consume(id, "q", "1", {});
    one.bus.basic_cancel(id, "1");
    one.bus.confirm_select(id);
    one.bus.ack(id, 1, false);
    one.bus.reject(id, 1, false);
    one.bus.close_channel(id);
    CHECK(one.bus.publish(id, "e", "k", false, {}, "x") == 0);
    CHECK(one.take_sent().empty());
  };
  try_all(0);
  try_all(1);
  try_all(2000);
  one.bus.open_channel(1);
  one.take_sent();
  try_all(1);  // opening
  one.feed(channel_open_ok(1));
  one.bus.close_channel(1);
  CHECK(one.take_sent().size() == 1);
  try_all(1);  // closing
  one.feed(channel_close_ok(1));
  try_all(1);  // closed
  CHECK(one.take_events() == lines{"1 channel_opened", "1 channel_closed by_us 0 '' 0.0"});
}

TEST_CASE("Commands may be given from within an event") {
  client one;
  one.open({});
  one.on_event = [&](const any_event& event) {
    if (std::holds_alternative<event::channel_opened>(event)) one.bus.confirm_select(1);
    if (std::holds_alternative<event::completed>(event)) {
      one.bus.publish(1, "", "q", true, {}, "x");
      one.bus.open_channel(900);  // moves the channels
    }
    if (std::holds_alternative<event::delivered>(event)) one.bus.close_channel(1);
  };
  one.bus.open_channel(1);
  one.feed(channel_open_ok(1) + method(1, 85, 11) + ack(1, 1) +
           message(1, "1", 1, "e", "k", "first") + message(1, "1", 2, "e", "k", "dropped") +
           channel_close_ok(1) + channel_open_ok(900));
  CHECK(one.take_events() ==
        lines{"1 channel_opened", "1 completed confirm_select", "1 acked 1",
              "1 delivered 1 1 e/k [application/json utf-8 headers 2 0 -] 'first'",
              "1 channel_closed by_us 0 '' 0.0", "900 channel_opened"});
}

TEST_CASE("channel.close from the broker is answered, and the channel can be opened again") {
  client one;
  one.open();
  one.bus.queue_declare(1, "q", false, false, {});
  one.bus.confirm_select(1);
  one.take_sent();
  one.feed(channel_close(1, 406, "PRECONDITION_FAILED", 50, 10));
  CHECK(one.take_events() == lines{"1 channel_closed by_peer 406 'PRECONDITION_FAILED' 50.10"});
  auto sent = one.take_sent();
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].is(20, 41));
  one.bus.open_channel(1);
  one.feed(channel_open_ok(1));
  // Nothing is left of its first life: no answers owed, no confirms, tags from 1.
  one.bus.queue_declare(1, "q", false, false, {});
  one.feed(method(1, 50, 11, short_text("q") + u32(0) + u32(0)));
  CHECK(one.bus.publish(1, "", "q", false, {}, "x") == 0);
  one.bus.confirm_select(1);
  CHECK(one.bus.publish(1, "", "q", false, {}, "x") == 1);
  CHECK(one.take_events() == lines{"1 channel_opened", "1 completed queue_declare"});
}

TEST_CASE("A broker may refuse to open a channel by closing it") {
  client one;
  one.open({});
  one.bus.open_channel(1);
  one.feed(channel_close(1, 506, "RESOURCE_ERROR"));
  CHECK(one.take_events() == lines{"1 channel_closed by_peer 506 'RESOURCE_ERROR' 0.0"});
}

TEST_CASE("channel.flow is answered as it asks") {
  client one;
  one.open();
  one.feed(method(1, 20, 20, u8(0)) + method(1, 20, 20, u8(1)));
  CHECK(one.take_sent_bytes() == method(1, 20, 21, u8(0)) + method(1, 20, 21, u8(1)));
  CHECK(one.events.empty());
}

TEST_CASE("basic.cancel of the broker is answered only if it waits for that") {
  client one;
  one.open();
  one.feed(method(1, 60, 30, short_text("1") + u8(1)));
  CHECK(one.take_sent().empty());
  one.feed(method(1, 60, 30, short_text("2") + u8(0)));
  CHECK(one.take_sent_bytes() == method(1, 60, 31, short_text("2")));
  CHECK(one.take_events() == lines{"1 cancelled 1", "1 cancelled 2"});
}

TEST_CASE("A peer that asks for ever and reads no answer is cut off") {
  client one;
  one.open();
  const std::string flow = method(1, 20, 20, u8(1));
  for (int i = 0; i < 1000; ++i) one.feed(flow);
  CHECK_FALSE(one.bus.is_closed());
  one.take_sent_bytes();
  for (int i = 0; i < 1000; ++i) one.feed(flow);
  CHECK_FALSE(one.bus.is_closed());
  one.feed(flow);
  CHECK(one.bus.is_closed());
  CHECK(one.take_events() == lines{"closed protocol protocol_error 506 'more requests than the "
                                   "peer reads answers of'"});
}

TEST_CASE("Answers that nothing waits for are breaches") {
  expect_breach(method(1, 40, 11), 503);
  expect_breach(method(1, 85, 11), 503);
  expect_breach(method(1, 50, 21), 503,
                [](connection& bus) { bus.queue_declare(1, "q", false, false, {}); });
  expect_breach(channel_open_ok(1), 503);
  expect_breach(channel_close_ok(1), 503);
  expect_breach(open_ok(), 503);
  expect_breach(connection_close_ok(), 503);
}

TEST_CASE("Confirms of messages that were not published are breaches") {
  const auto publish_two = [](connection& bus) {
    bus.confirm_select(1);
    bus.publish(1, "", "q", false, {}, "x");
    bus.publish(1, "", "q", false, {}, "x");
  };
  expect_breach(ack(1, 1), 503);  // not a confirming channel
  expect_breach(ack(1, 0), 503, publish_two);
  expect_breach(ack(1, 3), 503, publish_two);
  expect_breach(nack(1, 3, true), 503, publish_two);
}

TEST_CASE("Frames on channels that are not open are breaches") {
  expect_breach(message(2, "1", 1, "e", "k", "x"), 504);
  expect_breach(header(2, 1), 504);
  expect_breach(body(2000, "x"), 504);
  expect_breach(body(0, "x"), 504);
  expect_breach(header(0, 1), 504);
  expect_breach(channel_close(2, 404, "x"), 504);
}

TEST_CASE("Methods on the wrong channel, of clients, and unknown ones are breaches") {
  expect_breach(method(1, 10, 60, short_text("x")), 503);
  expect_breach(method(1, 10, 50, u16(1) + short_text("") + u32(0)), 503);
  expect_breach(deliver(0, "1", 1, "e", "k"), 503);
  expect_breach(start(), 503);
  expect_breach(tune(), 503);
  expect_breach(method(1, 60, 40, u16(0) + short_text("") + short_text("q") + u8(0)), 503);
  expect_breach(method(1, 60, 71, u64(1)), 503);
  expect_breach(method(1, 999, 1), 503);
  expect_breach(method(0, 999, 1), 503);
  // A method of clients with a table that would overflow a recursive decoder's stack.
  std::string deep = table();
  for (int i = 0; i < 18000; ++i) deep = u32(deep.size() + 2) + std::string("\0F", 2) + deep;
  expect_breach(method(1, 50, 10, u16(0) + short_text("q") + u8(0) + deep), 503);
}

TEST_CASE("Methods that are cut short are breaches") {
  expect_breach(frame(1, 1, ""), 502);
  expect_breach(frame(1, 1, u16(60)), 502);
  expect_breach(method(1, 60, 60, short_text("1") + u32(1)), 502);
  expect_breach(method(1, 60, 80, u32(1)), 502);
  expect_breach(method(1, 20, 40, u16(404) + u8(200) + "short"), 502);
  expect_breach(method(0, 10, 50, u16(404)), 502);
}

TEST_CASE("Content out of order is a breach") {
  expect_breach(header(1, 1), 505);
  expect_breach(body(1, "x"), 505);
  const std::string begun = deliver(1, "1", 1, "e", "k");
  expect_breach(begun + body(1, "x"), 505);
  expect_breach(begun + begun, 505);
  expect_breach(begun + ack(1, 1), 505);
  expect_breach(begun + header(1, 1) + header(1, 1), 505);
  expect_breach(begun + header(1, 1) + begun, 505);
  expect_breach(begun + header(1, 2) + body(1, "abc"), 501);
  expect_breach(begun + header(1, 2) + body(1, "a") + body(1, "bc"), 501);
}

TEST_CASE("Content headers that are malformed are breaches") {
  const std::string begun = deliver(1, "1", 1, "e", "k");
  expect_breach(begun + frame(2, 1, ""), 502);
  expect_breach(begun + frame(2, 1, u16(60) + u16(0) + u64(0)), 502);
  expect_breach(begun + frame(2, 1, u16(50) + u16(0) + u64(0) + u16(0)), 502);
  expect_breach(begun + frame(2, 1, u16(60) + u16(1) + u64(0) + u16(0)), 502);
  expect_breach(begun + header(1, 0, 1), 502);  // a second word of flags
  expect_breach(begun + header(1, 0, 2), 502);  // an undefined one
  expect_breach(begun + header(1, 0, 0x8000, u8(5) + "abc"), 502);
  expect_breach(begun + header(1, 0, 0x2000, u32(100)), 502);
  expect_breach(begun + header(1, 0, 0x1000), 502);
  expect_breach(begun + header(1, 0, 0x0100, u8(1)), 502);
  expect_breach(begun + header(1, 0, 0x0080, u8(9)), 502);  // message-id
  // Tables that are as deep as they may be, the innermost longer than what is there.
  std::string deep = nested_tables(16);
  deep.back() = 1;
  expect_breach(begun + header(1, 0, 0x2000, deep), 502);
}

TEST_CASE("Names that the wire can't hold close the channel, or are not published") {
  client one;
  one.open();
  const std::string name(256, 'n');
  CHECK(one.bus.publish(1, name, "k", false, {}, "x") == 0);
  CHECK(one.bus.publish(1, "e", name, false, {}, "x") == 0);
  properties header;
  header.expiration = name;
  CHECK(one.bus.publish(1, "e", "k", false, header, "x") == 0);
  CHECK(one.take_sent().empty());
  one.bus.queue_declare(1, name, false, false, {});
  const auto sent = one.take_sent();
  REQUIRE(sent.size() == 1);
  REQUIRE(sent[0].is(20, 40));
  one.feed(channel_close_ok(1));
  CHECK(one.take_events() == lines{"1 channel_closed by_us 502 'a name above 255 bytes or "
                                   "arguments above a frame' 0.0"});
}
