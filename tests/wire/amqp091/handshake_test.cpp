// SPDX-License-Identifier: Apache-2.0
#include "tests/wire/amqp091/script.hpp"

#include <catch2/catch.hpp>

using namespace ombt;
using namespace ombt::wire::amqp091;
using namespace ombt::wire::amqp091::script;
using lines = std::vector<std::string>;

TEST_CASE("The protocol header goes out first, then start-ok, tune-ok and open") {
  connection_options options;
  options.product_version = "1.2";
  options.virtual_host = "cloud";
  client one(options, "user", "secret");
  auto sent = one.take_sent();
  REQUIRE(sent.size() == 1);
  CHECK(sent[0].payload == std::string("AMQP\0\0\x09\x01", 8));

  one.feed(start());
  sent = one.take_sent();
  REQUIRE(sent.size() == 1);
  REQUIRE(sent[0].is(10, 11));
  const std::string capabilities =
      table(entry("authentication_failure_close", 't', u8(1)) +
            entry("connection.blocked", 't', u8(1)) + entry("consumer_cancel_notify", 't', u8(1)));
  const std::string properties = table(entry("product", 'S', long_text("ombt")) +
                                       entry("product_version", 'S', long_text("1.2")) +
                                       entry("capabilities", 'F', capabilities) +
                                       entry("connection_name", 'S', long_text("test:1:uuid")));
  const std::string response =
      entry("LOGIN", 'S', long_text("user")) + entry("PASSWORD", 'S', long_text("secret"));
  CHECK(sent[0].values() ==
        properties + short_text("AMQPLAIN") + long_text(response) + short_text("en_US"));

  one.feed(tune());
  sent = one.take_sent();
  REQUIRE(sent.size() == 2);
  REQUIRE(sent[0].is(10, 31));
  CHECK(sent[0].values() == u16(2047) + u32(131072) + u16(60));
  REQUIRE(sent[1].is(10, 40));
  CHECK(sent[1].values() == short_text("cloud") + short_text("") + u8(0));
  CHECK(one.events.empty());

  one.feed(open_ok());
  CHECK(one.take_events() == lines{"opened RabbitMQ 3.10.8 2047 131072 60"});
  CHECK(one.take_sent().empty());
}

TEST_CASE("PLAIN and EXTERNAL answer as their definitions say") {
  connection_options options;
  options.mechanism = sasl_mechanism::plain;
  client plain(options, "user", "secret");
  plain.feed(start());
  auto sent = plain.take_sent();
  REQUIRE(sent.size() == 2);
  const std::string response("\0user\0secret", 12);
  CHECK(sent[1].values().find(short_text("PLAIN") + long_text(response) + short_text("en_US")) !=
        std::string::npos);

  options.mechanism = sasl_mechanism::external;
  client external(options);
  external.feed(start());
  sent = external.take_sent();
  REQUIRE(sent.size() == 2);
  CHECK(sent[1].values().find(short_text("EXTERNAL") + long_text("") + short_text("en_US")) !=
        std::string::npos);
  CHECK(sent[1].values().find("guest") == std::string::npos);
}

TEST_CASE("A mechanism that the broker does not offer is named, with what it offers") {
  connection_options options;
  options.mechanism = sasl_mechanism::external;
  client one(options);
  one.take_sent();
  one.feed(start("PLAIN AMQPLAIN\n"));
  CHECK(one.take_events() == lines{"closed protocol authentication_failed 0 'the broker does not "
                                   "offer the login mechanism EXTERNAL (it offers: PLAIN "
                                   "AMQPLAIN?)'"});
  CHECK(one.bus.is_closed());
  CHECK(one.take_sent().empty());

  // A name that only contains the one wanted is another mechanism.
  client two;
  two.feed(start("XAMQPLAIN AMQPLAINX"));
  REQUIRE(two.events.size() == 1);
  CHECK(two.bus.is_closed());
}

TEST_CASE("A broker that ends the connection during login has refused it") {
  client one;
  one.feed(start());
  one.bus.transport_closed(errc::connection_lost);
  one.drain();
  CHECK(one.take_events() == lines{"closed transport authentication_failed 0 'the broker closed "
                                   "the connection during login'"});

  client stopped;
  stopped.feed(start());
  stopped.bus.transport_closed(
      boost::system::errc::make_error_code(boost::system::errc::operation_canceled));
  stopped.drain();
  REQUIRE(stopped.events.size() == 1);
  CHECK(stopped.events[0].find("authentication_failed") == std::string::npos);
}

TEST_CASE("A transport that ends before the handshake keeps its error, and says when") {
  client one;
  one.bus.transport_closed(
      boost::system::errc::make_error_code(boost::system::errc::connection_reset));
  one.drain();
  REQUIRE(one.events.size() == 1);
  CHECK(one.events[0].find("Connection reset by peer 0 'the peer closed the connection before the "
                           "AMQP handshake'") != std::string::npos);
}

TEST_CASE("What the broker sent before the transport ended still counts") {
  client one;
  one.feed(start());
  const std::string last = connection_close(403, "ACCESS_REFUSED");
  const auto room = one.bus.read_buffer();
  std::copy(last.begin(), last.end(), room.begin());
  one.bus.read_done(last.size(), one.now);
  one.bus.transport_closed(errc::connection_lost);
  one.drain();
  CHECK(one.take_events() == lines{"closed by_peer authentication_failed 403 'ACCESS_REFUSED'"});
}

TEST_CASE("connection.close in the handshake is answered, and means login or virtual host") {
  struct row {
    std::string before;
    unsigned code;
    std::string error;
  };
  const row rows[] = {
      {start(), 403, "authentication_failed"},    {start(), 530, "connection_lost"},
      {start(), 320, "connection_lost"},          {start() + tune(), 403, "authentication_failed"},
      {start() + tune(), 530, "vhost_refused"},   {start() + tune(), 402, "vhost_refused"},
      {start() + tune(), 541, "connection_lost"}, {handshake(), 530, "connection_lost"},
      {handshake(), 403, "connection_lost"},
  };
  for (const row& one : rows) {
    INFO(one.error << " " << one.code);
    client broker;
    broker.feed(one.before);
    broker.take_events();
    broker.take_sent();
    broker.feed(connection_close(one.code, "WHY"));
    CHECK(broker.take_events() ==
          lines{"closed by_peer " + one.error + " " + std::to_string(one.code) + " 'WHY'"});
    const auto sent = broker.take_sent();
    REQUIRE(sent.size() == 1);
    CHECK(sent[0].is(10, 51));
  }
}

TEST_CASE("connection.secure fails the login in words") {
  client one;
  one.feed(start());
  one.feed(method(0, 10, 20, long_text("challenge")));
  CHECK(one.take_events() ==
        lines{"closed protocol authentication_failed 403 'the broker asks for a second login step "
              "(connection.secure), which AMQPLAIN does not have'"});
}

TEST_CASE("Another AMQP version in connection.start is another protocol") {
  client one;
  one.feed(method(0, 10, 10, u8(8) + u8(0) + table() + long_text("AMQPLAIN") + long_text("")));
  CHECK(one.take_events() ==
        lines{"closed protocol wrong_protocol 0 'the peer speaks AMQP 0-8, not AMQP 0-9-1'"});
}

TEST_CASE("Tuning takes the smaller frame_max, the broker's channel_max, the smaller heartbeat") {
  struct row {
    unsigned channel_max;
    std::uint32_t frame_max;
    unsigned heartbeat;
    std::uint16_t our_heartbeat;
    std::string agreed;
  };
  const row rows[] = {
      {2047, 131072, 60, 60, "2047 131072 60"}, {0, 0, 0, 60, "2047 131072 60"},
      {10, 4096, 30, 60, "10 4096 30"},         {65535, 4000000000, 600, 60, "65535 131072 60"},
      {1, 65536, 60, 0, "1 65536 0"},           {1, 65536, 0, 0, "1 65536 0"},
  };
  for (const row& one : rows) {
    INFO(one.agreed);
    connection_options options;
    options.heartbeat = one.our_heartbeat;
    client broker(options);
    broker.feed(start());
    broker.take_sent();
    broker.feed(tune(one.channel_max, one.frame_max, one.heartbeat));
    const auto sent = broker.take_sent();
    REQUIRE(sent.size() == 2);
    broker.feed(open_ok());
    CHECK(broker.take_events() == lines{"opened RabbitMQ 3.10.8 " + one.agreed});
  }
}

TEST_CASE("A frame_max below 4096 is refused") {
  client one;
  one.feed(start());
  one.feed(tune(10, 4095, 60));
  CHECK(one.take_events() ==
        lines{"closed protocol protocol_error 502 'a frame_max of 4095, which is below 4096'"});
}

TEST_CASE("Before tune a frame has at most 4096 bytes, afterwards what was agreed") {
  const std::string fits(4096 - 8 - 4 - 2 - 4 - 4 - 8 - 4, 'x');
  const auto start_with = [](const std::string& locales) {
    return method(0, 10, 10, u8(0) + u8(9) + table() + long_text("AMQPLAIN") + long_text(locales));
  };
  client one;
  one.feed(start_with(fits));
  CHECK(one.events.empty());
  client two;
  two.feed(start_with(fits + "x"));
  CHECK(two.take_events() ==
        lines{"closed protocol protocol_error 501 'a frame longer than agreed'"});

  client three;
  three.open({1}, start() + tune(0, 5000, 60) + open_ok());
  const std::string body_bytes(5000 - 8, 'x');
  three.feed(deliver(1, "1", 1, "e", "k") + header(1, body_bytes.size()) + body(1, body_bytes));
  CHECK(three.take_events().size() == 1);
  CHECK_FALSE(three.bus.is_closed());
  three.feed(deliver(1, "1", 2, "e", "k") + header(1, 5000) + body(1, body_bytes + "x"));
  CHECK(three.take_events() ==
        lines{"closed protocol protocol_error 501 'a frame longer than agreed'"});
}

TEST_CASE("A login or a virtual host too long for the wire fails before it is sent") {
  client one({}, "user", std::string(5000, 'p'));
  one.take_sent();
  one.feed(start());
  CHECK(one.take_events() == lines{"closed protocol authentication_failed 0 'the login is too long "
                                   "for a frame of 4096 bytes'"});
  client edge({}, "user", std::string(3900, 'p'));
  edge.take_sent();
  edge.feed(start());
  CHECK(edge.bus.is_closed());
  CHECK(edge.take_sent().empty());

  connection_options options;
  options.virtual_host = std::string(256, 'v');
  client two(options);
  two.feed(start() + tune());
  REQUIRE(two.events.size() == 1);
  CHECK(two.events[0].find("closed protocol vhost_refused 402") == 0);
}

TEST_CASE("Methods and frames out of turn in the handshake are breaches") {
  const std::string wrong_first[] = {tune(),
                                     open_ok(),
                                     heartbeat(),
                                     channel_open_ok(1),
                                     body(1, "x"),
                                     connection_close(320, "x"),
                                     method(0, 60, 60, ""),
                                     method(0, 10, 10, ""),
                                     frame(1, 0, "x")};
  for (const std::string& bytes : wrong_first) {
    client one;
    one.take_sent();
    one.feed(bytes);
    REQUIRE(one.events.size() == 1);
    CHECK(one.events[0].find("closed protocol protocol_error 50") == 0);
    CHECK(one.take_sent().empty());  // nothing is said to a peer that has not begun
  }
  const std::string wrong_second[] = {start(),
                                      open_ok(),
                                      message(1, "1", 1, "e", "k", "x"),
                                      header(0, 1),
                                      method(0, 10, 60, short_text("x")),
                                      method(0, 10, 61)};
  for (const std::string& bytes : wrong_second) {
    client one;
    one.feed(start());
    one.take_sent();
    one.feed(bytes);
    REQUIRE(one.events.size() == 1);
    CHECK(one.events[0].find("closed protocol protocol_error 50") == 0);
    const auto sent = one.take_sent();
    REQUIRE(sent.size() == 1);
    CHECK(sent[0].is(10, 50));
  }
  client patient;
  patient.feed(start() + heartbeat() + tune() + heartbeat() + open_ok());
  CHECK(patient.events.size() == 1);
}

TEST_CASE("Tables in connection.start are scanned before they are decoded") {
  std::string deep = table();
  for (int i = 0; i < 500; ++i) deep = table(entry("", 'F', deep));
  client one;
  one.feed(method(0, 10, 10, u8(0) + u8(9) + deep + long_text("AMQPLAIN") + long_text("")));
  CHECK(one.take_events() == lines{"closed protocol protocol_error 502 'tables nested too deeply "
                                   "(AMQP_CONNECTION_START_METHOD)'"});
}

TEST_CASE("close() during the handshake ends it at once") {
  client one;
  one.feed(start());
  one.bus.close();
  CHECK(one.bus.is_closed());
  one.drain();
  CHECK(one.take_events() == lines{"closed requested none 0 ''"});
  CHECK(one.take_sent().empty());
}

TEST_CASE("Commands before the connection is open are ignored") {
  client one;
  one.feed(start());
  one.take_sent();
  one.bus.open_channel(1);
  one.bus.confirm_select(1);
  CHECK(one.bus.publish(1, "", "q", false, {}, "x") == 0);
  CHECK(one.take_sent().empty());
}

TEST_CASE("The password is gone from memory once start-ok is written") {
  client one({}, "user", "a-secret-of-some-length");
  one.take_sent();
  one.feed(start());
  const auto waiting = one.bus.write_buffer();
  // The block goes back to the thread's spare ones, so its bytes can be looked at afterwards.
  const std::string_view block(waiting.data(), waiting.size());
  REQUIRE(block.find("a-secret-of-some-length") != std::string_view::npos);
  one.bus.write_done(10, one.now);
  one.feed(tune());
  one.bus.write_done(one.bus.write_buffer().size(), one.now);
  CHECK(one.bus.unsent() == 0);
  CHECK(block.find("secret") == std::string_view::npos);
}
