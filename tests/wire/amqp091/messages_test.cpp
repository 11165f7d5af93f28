// SPDX-License-Identifier: Apache-2.0
#include "tests/wire/amqp091/script.hpp"

#include <catch2/catch.hpp>

using namespace ombt;
using namespace ombt::wire::amqp091;
using namespace ombt::wire::amqp091::script;
using lines = std::vector<std::string>;

TEST_CASE("A message is published as method, header with flags 0xf800, and body") {
  client one;
  one.open();
  one.bus.confirm_select(1);
  CHECK(one.bus.publish(1, "topic", "key", true, oslo_properties(), "hello") == 1);
  auto sent = one.take_sent();
  REQUIRE(sent.size() == 4);
  CHECK(sent[0].is(85, 10));
  REQUIRE(sent[1].is(60, 40));
  CHECK(sent[1].values() == u16(0) + short_text("topic") + short_text("key") + u8(1));
  CHECK(sent[2].type == 2);
  CHECK(sent[2].payload == u16(60) + u16(0) + u64(5) + u16(0xf800) +
                               short_text("application/json") + short_text("utf-8") + table() +
                               u8(2) + u8(0));
  CHECK(sent[3].type == 3);
  CHECK(sent[3].payload == "hello");
  one.feed(method(1, 85, 11));
  one.feed(ack(1, 1));
  CHECK(one.take_events() == lines{"1 completed confirm_select", "1 acked 1"});
}

TEST_CASE("A delivered message arrives with its properties and its body") {
  client one;
  one.open();
  one.feed(message(1, "1", 7, "ombt", "rpc", "hello"));
  CHECK(one.take_events() ==
        lines{"1 delivered 1 7 ombt/rpc [application/json utf-8 headers 2 0 -] 'hello'"});
  one.bus.ack(1, 7, false);
  const auto sent = one.take_sent();
  REQUIRE(sent.size() == 1);
  REQUIRE(sent[0].is(60, 80));
  CHECK(sent[0].values() == u64(7) + u8(0));
}

TEST_CASE(
    "A call's expiration makes the flags 0xf900, compression a header, and nothing is sent "
    "that is unset") {
  client one;
  one.open();
  properties header = oslo_properties();
  header.expiration = "2000";
  CHECK(one.bus.publish(1, "", "q", false, header, "x") == 0);  // no confirms asked for
  header.expiration.reset();
  header.compression = "application/x-gzip";
  one.bus.publish(1, "", "q", false, header, "x");
  one.bus.publish(1, "", "q", false, {}, "x");
  const auto sent = one.take_sent();
  REQUIRE(sent.size() == 9);
  const std::string texts = short_text("application/json") + short_text("utf-8");
  CHECK(sent[1].payload.substr(12) ==
        u16(0xf900) + texts + table() + u8(2) + u8(0) + short_text("2000"));
  CHECK(sent[4].payload.substr(12) ==
        u16(0xf800) + texts + table(entry("compression", 'S', long_text("application/x-gzip"))) +
            u8(2) + u8(0));
  CHECK(sent[7].payload.substr(12) == u16(0));
}

TEST_CASE("A body goes out in frames of frame_max - 8, an empty one in none") {
  client one;
  one.open({1}, start() + tune(0, 4096, 60) + open_ok());
  const std::size_t chunk = 4096 - 8;
  for (const std::size_t size : {std::size_t{0}, chunk - 1, chunk, chunk + 1, 3 * chunk + 5}) {
    INFO(size);
    std::string text(size, 'x');
    for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + i % 23);
    one.bus.publish(1, "e", "k", false, {}, text);
    const auto sent = one.take_sent();
    REQUIRE(sent.size() == 2 + (size + chunk - 1) / chunk);
    CHECK(sent[1].payload.substr(4, 8) == u64(size));
    std::string joined;
    for (std::size_t i = 2; i < sent.size(); ++i) {
      CHECK(sent[i].type == 3);
      CHECK(sent[i].payload.size() <= chunk);
      joined += sent[i].payload;
    }
    CHECK(joined == text);
  }
}

TEST_CASE("A body of one frame is given where it was read, without a copy") {
  client one;
  one.open();
  const std::string bytes = message(1, "1", 1, "e", "k", "payload");
  const char* body_at = nullptr;
  one.on_event = [&](const any_event& event) {
    body_at = std::get<event::delivered>(event).body.data();
  };
  const auto room = one.bus.read_buffer();
  std::copy(bytes.begin(), bytes.end(), room.begin());
  one.bus.read_done(bytes.size(), one.now);
  one.drain();
  CHECK(body_at == room.data() + bytes.size() - 8);
}

TEST_CASE("Large bodies arrive whole whatever the reads and frames are") {
  std::string text(1 << 20, ' ');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>(i * 2654435761u >> 13);
  for (const std::size_t chunk : {std::size_t{131064}, std::size_t{70000}, std::size_t{4088}}) {
    const std::string bytes = message(1, "1", 1, "ex", "key", text, chunk) +
                              message(1, "1", 2, "ex", "key", text.substr(0, 131064), 131064) +
                              message(1, "1", 3, "ex", "key", "small");
    for (const std::size_t piece : {std::size_t{SIZE_MAX}, std::size_t{1460}, std::size_t{65536}}) {
      INFO(chunk << " " << piece);
      client one;
      one.open();
      std::vector<bool> equal;
      one.on_event = [&](const any_event& event) {
        const auto& got = std::get<event::delivered>(event);
        equal.push_back(got.body == (got.delivery_tag == 1 ? std::string_view(text)
                                     : got.delivery_tag == 2
                                         ? std::string_view(text).substr(0, 131064)
                                         : std::string_view("small")) &&
                        got.exchange == "ex" && got.routing_key == "key" &&
                        got.header.content_type == "application/json");
      };
      one.feed(bytes, piece);
      CHECK(equal == std::vector<bool>{true, true, true});
    }
  }
}

TEST_CASE("Returned messages come with their body, then their confirm") {
  client one;
  one.open();
  one.bus.confirm_select(1);
  one.feed(method(1, 85, 11));
  CHECK(one.bus.publish(1, "", "gone", true, oslo_properties(), "reply") == 1);
  one.feed(returned(1, 312, "NO_ROUTE", "", "gone") + message_header(1, 5) + body(1, "re") +
           body(1, "ply") + ack(1, 1));
  CHECK(one.take_events() == lines{"1 completed confirm_select",
                                   "1 returned 312 'NO_ROUTE' /gone 'reply'", "1 acked 1"});
}

TEST_CASE("A message beyond a limit is told of at its header, and passed over without an answer") {
  connection_options options;
  options.body_limit = 100;
  client one(options);
  one.open({1, 2});
  SECTION("a body of any size") {
    one.feed(deliver(1, "1", 1, "e", "k") + header(1, std::uint64_t{1} << 62));
    CHECK(one.take_events() ==
          lines{"1 oversized 1 4611686018427387904 'a body above the size limit'"});
    one.feed(body(1, std::string(1000, 'x')) + message(2, "1", 1, "e", "k", std::string(100, 'y')));
    const auto events = one.take_events();
    REQUIRE(events.size() == 1);
    CHECK(events[0].substr(0, 13) == "2 delivered 1");
  }
  SECTION("headers of any depth, with a body") {
    one.feed(deliver(1, "1", 2, "e", "k") + header(1, 3, 0x2000, nested_tables(5000)));
    CHECK(one.take_events() == lines{"1 oversized 2 3 'tables nested too deeply'"});
    one.feed(body(1, "abc") + deliver(1, "1", 3, "e", "k") +
             header(1, 0, 0x2000, nested_tables(16)));
    CHECK(one.take_events() == lines{"1 delivered 1 3 e/k [- - headers - - -] ''"});
  }
  SECTION("the largest and the deepest that there is room for") {
    one.feed(deliver(1, "1", 1, "e", "k") + header(1, 101, 0x2000, nested_tables(16)));
    CHECK(one.take_events() == lines{"1 oversized 1 101 'a body above the size limit'"});
    one.feed(body(1, std::string(101, 'x')) + deliver(1, "1", 2, "e", "k") +
             header(1, 100, 0x2000, nested_tables(16)) + body(1, std::string(100, 'x')));
    CHECK(one.take_events().size() == 1);
  }
  CHECK(one.take_sent().empty());
  CHECK_FALSE(one.bus.is_closed());
  one.bus.reject(1, 1, false);
  const auto sent = one.take_sent();
  REQUIRE(sent.size() == 1);
  REQUIRE(sent[0].is(60, 90));
  CHECK(sent[0].values() == u64(1) + u8(0));
}

TEST_CASE("What is passed over is framed as strictly as any other message") {
  connection_options options;
  options.body_limit = 4;
  const std::string begun = deliver(1, "1", 1, "e", "k") + header(1, 5);
  struct wrong {
    std::string bytes;
    const char* code;
  };
  const wrong all[] = {
      {begun + body(1, "123456"), "501"},
      {begun + body(1, "123") + body(1, "456"), "501"},
      {begun + header(1, 5), "505"},
      {begun + deliver(1, "1", 2, "e", "k"), "505"},
      {begun + body(1, "12345") + body(1, "6"), "505"},
      {deliver(1, "1", 1, "e", "k") + header(1, 0, 0x2000, nested_tables(17)) + body(1, ""),
       "505"}};
  for (const auto& one : all) {
    client player(options);
    player.open();
    player.feed(one.bytes);
    REQUIRE(player.events.size() == 2);
    CHECK(player.events[0].substr(0, 13) == "1 oversized 1");
    CHECK_THAT(player.events[1],
               Catch::StartsWith(std::string("closed protocol protocol_error ") + one.code));
  }
}

TEST_CASE("A channel that is closed while a message is passed over opens anew without a trace") {
  connection_options options;
  options.body_limit = 4;
  client one(options);
  one.open();
  SECTION("by the broker, between two messages") {
    one.feed(message(1, "1", 1, "e", "k", "12345") + channel_close(1, 404, "NOT_FOUND"));
    one.bus.open_channel(1);
  }
  SECTION("by its owner, in the event") {
    one.on_event = [&](const any_event& event) {
      if (std::holds_alternative<event::oversized>(event)) one.bus.close_channel(1);
    };
    one.feed(deliver(1, "1", 1, "e", "k") + header(1, 5) + body(1, "12") + body(1, "345") +
             channel_close_ok(1));
    one.bus.open_channel(1);
  }
  one.take_events();
  one.feed(channel_open_ok(1) + message(1, "1", 1, "e", "k", "1234"));
  CHECK(one.take_events() ==
        lines{"1 channel_opened",
              "1 delivered 1 1 e/k [application/json utf-8 headers 2 0 -] '1234'"});
}

TEST_CASE("Synchronous commands are reported in their order, though answers come in another") {
  client one;
  one.open();
  one.bus.basic_consume(1, "q", "1", {});
  one.bus.confirm_select(1);
  one.bus.basic_qos(1, 1);
  one.feed(method(1, 85, 11));
  one.feed(method(1, 60, 11));
  CHECK(one.take_events().empty());
  one.feed(method(1, 60, 21, short_text("1")));
  CHECK(one.take_events() ==
        lines{"1 completed basic_consume", "1 completed confirm_select", "1 completed basic_qos"});
}

TEST_CASE("Reads that are not drained one by one lose nothing") {
  std::string bytes;
  lines expected;
  for (int i = 1; i <= 400; ++i) {
    bytes += message(1, "1", static_cast<std::uint64_t>(i), "e", "k", std::string(500, 'x'));
    expected.push_back("1 delivered 1 " + std::to_string(i));
  }
  client one;
  one.open();
  std::string_view rest = bytes;
  while (!rest.empty()) {
    const auto room = one.bus.read_buffer();
    REQUIRE(room.size() >= 1000);
    const std::size_t n = std::min<std::size_t>({room.size(), rest.size(), 7000});
    std::copy_n(rest.begin(), n, room.begin());
    rest.remove_prefix(n);
    one.bus.read_done(n, one.now);
  }
  one.drain();
  lines got = one.take_events();
  for (auto& line : got) line = line.substr(0, line.find(" e/k"));
  CHECK(got == expected);
}

TEST_CASE("Headers of any size are read, one after the other") {
  std::string many;
  for (int i = 0; i < 9000; ++i) many += entry("x", 'I', u32(1));
  const std::string headers = table(many + entry("compression", 'S', long_text("zip")));
  client one;
  one.open();
  for (int i = 0; i < 3; ++i) {
    one.feed(deliver(1, "1", 1, "e", "k") + header(1, 0, 0x2000, headers));
    one.feed(deliver(1, "1", 2, "e", "k") +
             header(1, 0, 0x2000, table(entry("compression", 't', u8(1)))));
  }
  const lines pair{"1 delivered 1 1 e/k [- - headers zip - - -] ''",
                   "1 delivered 1 2 e/k [- - headers - - -] ''"};
  CHECK(one.take_events() == lines{pair[0], pair[1], pair[0], pair[1], pair[0], pair[1]});
}

TEST_CASE("What is queued behind a half-written buffer goes out after it, in order") {
  client one;
  one.open();
  std::string expected;
  std::string written;
  const auto write = [&](std::size_t n) {
    const auto waiting = one.bus.write_buffer();
    n = std::min(n, waiting.size());
    written.append(waiting.data(), n);
    one.bus.write_done(n, one.now);
  };
  for (std::uint64_t i = 1; i <= 2000; ++i) {
    one.bus.ack(1, i, false);
    expected += method(1, 60, 80, u64(i) + u8(0));
    // A steady backlog, then one that shrinks and grows.
    write(i < 50 ? 0 : i < 1000 ? 21 : i * 7 % 45);
  }
  CHECK(one.bus.unsent() == expected.size() - written.size());
  while (one.bus.unsent() != 0) write(100);
  CHECK(written == expected);
}

TEST_CASE("Each answer counts for one command, even while an earlier one is still open") {
  client one;
  one.open();
  one.bus.basic_qos(1, 1);
  one.bus.basic_consume(1, "q", "1", {});
  one.bus.basic_consume(1, "q", "2", {});
  const std::string consumed = method(1, 60, 21, short_text("1"));
  one.feed(consumed + consumed);
  CHECK(one.take_events().empty());
  one.feed(method(1, 60, 11));
  CHECK(one.take_events() ==
        lines{"1 completed basic_qos", "1 completed basic_consume", "1 completed basic_consume"});

  client two;
  two.open();
  two.bus.basic_qos(1, 1);
  two.bus.basic_consume(1, "q", "1", {});
  two.feed(consumed + consumed);
  CHECK(two.bus.is_closed());
}
