// SPDX-License-Identifier: Apache-2.0
// A peer that says more than anybody should: time and memory follow what it has sent.
#include "tests/wire/amqp10/victim.hpp"

#include <catch2/catch.hpp>

namespace ombt::wire::amqp10::test {

TEST_CASE("Links that end with messages unsent, again and again, end the connection") {
  // Credit, but no window: proton keeps what it was given.
  const auto closed_window = [](std::uint64_t handle) {
    return performative(
        0, 0x13,
        {uint(0), uint(0), uint(0), uint(0x7fffffff), uint(handle), uint(0), uint(100000)});
  };
  for (const bool settled : {true, false}) {
    victim server;
    server.feed(opening());
    std::string closed;
    int rounds = 0;
    for (; closed.empty() && rounds < 1000; ++rounds) {
      server.feed(attach(0, 1, "x", true) + closed_window(1));
      REQUIRE(server.last_link.credit() == 100000);
      for (int i = 0; i < 100; ++i) server.last_link.send("t", "m", settled);
      CHECK(server.last_link.unsent() > 100 * 256);
      server.one.take_sent(server.now);
      closed = server.end_of(detach(0, 1));
      if (closed.empty()) closed = server.end_of(frame(0, 0, ""));
    }
    CHECK(is_breach(closed));
    CHECK(rounds < 200);

    // One that opens its window in the end may do so for ever.
    victim patient;
    patient.feed(opening());
    for (int i = 0; i < 1000; ++i) {
      patient.feed(attach(0, 1, "x", true) + flow(0, 1, 0, 100));
      for (int k = 0; k < 100; ++k) patient.last_link.send("t", "m", settled);
      REQUIRE(patient.end_of(detach(0, 1)).empty());
      REQUIRE(patient.end_of(frame(0, 0, "")).empty());
      patient.one.take_sent(patient.now);
    }
  }
}

TEST_CASE("Sessions are bounded by channel-max, links by handle-max") {
  connection_options options;
  options.channel_max = 9;
  options.handle_max = 4;
  std::string sessions = header() + script::open();
  for (unsigned i = 0; i < 10; ++i) sessions += begin(i);
  victim many(options);
  CHECK(many.feed(sessions).size() == 11);
  CHECK(is_breach(many.end_of(begin(10))));

  std::string links = opening();
  for (unsigned i = 0; i < 5; ++i)
    links += attach(0, i * 1000, "l" + std::to_string(i), i % 2 != 0);
  victim linked(options);
  CHECK(linked.feed(links).size() == 7);
  CHECK(is_breach(linked.end_of(attach(0, 77, "one more", true))));

  // Those that were closed by both count no more.
  victim again(options);
  again.feed(opening());
  for (unsigned i = 0; i < 100; ++i) {
    const lines events = again.feed(attach(0, 3, "l" + std::to_string(i), true) + detach(0, 3) +
                                    begin(1) + end_session(1));
    REQUIRE(events.size() == 4);
    again.one.take_sent(again.now);
  }
}

TEST_CASE("Sessions and links that the owner has not closed count, whatever the peer did") {
  connection_options options;
  options.channel_max = 9;
  options.handle_max = 4;
  for (const bool sessions : {true, false}) {
    victim server(options);
    server.one.on_event = nullptr;
    server.feed(opening());
    std::string closed;
    int rounds = 0;
    for (; closed.empty() && rounds < 100; ++rounds) {
      closed = server.end_of(sessions ? begin(1) + end_session(1)
                                      : attach(0, 0, "x", true) + detach(0, 0));
    }
    CHECK(is_breach(closed));
    CHECK(rounds == (sessions ? 10 : 6));
  }
}

TEST_CASE("A sender may skip over its credit, and goes on from there") {
  victim server;
  server.attach_sender();
  CHECK(server.feed(flow(0, 0, 1, 1)).empty());
  CHECK(server.last_link.credit_given() == 1);
  CHECK(server.feed(transfer(0, 0, 0, "m")).size() == 1);
  CHECK(server.feed(flow(0, 0, 2, 0)).empty());
  CHECK(is_breach(server.end_of(transfer(0, 0, 1, "m"))));
}

TEST_CASE("Credit is used up by messages that the owner keeps") {
  victim server;
  server.settles = false;
  server.attach_sender();
  CHECK(server.feed(transfer(0, 0, 0, "m")).size() == 1);
  CHECK(server.last_link.credit_given() == 1);
  CHECK(server.feed(transfer(0, 0, 1, "n", true)) == lines{"delivered in tag 'tag' settled 'n'"});
  CHECK(server.last_link.credit_given() == 0);
  // The first one may still be settled by either side.
  CHECK(server.feed(disposition(0, false, 0, 0, true, null())) ==
        lines{"updated 'tag' none settled"});
  CHECK(is_breach(server.end_of(transfer(0, 0, 2, "m"))));
}

TEST_CASE("Our own sessions are bounded too") {
  end client;
  client.options.channel_max = 3;
  client.start({});
  for (int i = 0; i < 4; ++i) CHECK(client.bus().open_session());
  CHECK(!client.bus().open_session());
  CHECK(!client.take_sent({}).empty());
}

TEST_CASE("A flood of attaches by a peer that reads nothing ends") {
  victim server;
  server.feed(opening());
  std::string flood;
  for (int i = 0; i < 300; ++i) flood += attach(0, 1, "x", true) + detach(0, 1);
  std::string closed;
  int rounds = 0;
  for (; closed.empty() && rounds < 1000; ++rounds) closed = server.end_of(flood);
  CHECK(is_breach(closed));
  CHECK(rounds < 300);

  // The same by one that reads is only tiresome.
  victim patient;
  patient.feed(opening());
  for (int i = 0; i < 300; ++i) {
    REQUIRE(patient.end_of(flood).empty());
    patient.one.take_sent(patient.now);
  }
}

TEST_CASE("Dispositions for all ids at once, again and again, take no time") {
  victim server;
  server.feed(opening() + attach(0, 1, "out", true) + flow(0, 1, 0, 100000));
  for (int i = 0; i < 1000; ++i) {
    REQUIRE(server.last_link.send(std::to_string(i), "m", false));
  }
  server.one.take_sent(server.now);
  std::string all;
  for (const auto& [first, last] : std::initializer_list<std::pair<std::uint64_t, std::uint64_t>>{
           {0, 0x7fffffff}, {0x80000000, 0xffffffff}, {5000, 0x7fffffff}}) {
    all += disposition(0, true, first, last, false, accepted());
    all += disposition(0, false, first, last, true, accepted());
  }
  CHECK(seconds_of([&] {
          const lines events = server.feed(all);
          CHECK(events.back() == "updated '999' accepted");
          CHECK(std::count_if(events.begin(), events.end(), [](const std::string& line) {
                  return line.find("accepted") != std::string::npos;
                }) >= 1000);
        }) < 20);
  victim idle;
  idle.feed(opening());
  CHECK(seconds_of([&] {
          std::string many;
          for (int i = 0; i < 2000; ++i) many += all;
          idle.feed(many);
        }) < 20);
  // Nobody needs that many updates of one message.
  std::string closed;
  for (int i = 0; i < 100 && closed.empty(); ++i) {
    closed = server.end_of(disposition(0, true, 0, 999, false, accepted()));
  }
  CHECK(is_breach(closed));
}

TEST_CASE("Pieces of messages on many links together stay below four times the limit") {
  connection_options options;
  options.message_limit = 10000;
  victim server(options);
  std::string bytes = opening();
  for (unsigned i = 0; i < 10; ++i) bytes += attach(0, i, "in" + std::to_string(i), false);
  server.feed(bytes);
  server.one.take_sent(server.now);
  int oversized = 0;
  for (unsigned i = 0; i < 10; ++i) {
    for (const std::string& line :
         server.feed(transfer(0, i, i, std::string(9000, 'x'), false, true))) {
      oversized += line.compare(0, 9, "oversized") == 0;
    }
  }
  CHECK(oversized == 6);
}

TEST_CASE("Messages in pieces one after the other count no more once they are whole") {
  connection_options options;
  options.message_limit = 10000;
  victim server(options);
  server.credit = 20;
  server.attach_sender();
  for (unsigned i = 0; i < 20; ++i) {
    CHECK(server.feed(transfer(0, 0, i, std::string(5000, 'x'), false, true) +
                      more_transfer(0, 0, std::string(5000, 'x'), false)) ==
          lines{"delivered in tag 'tag' " + describe_message(std::string(10000, 'x'))});
  }
}

TEST_CASE("A message in 100,000 pieces costs linear time") {
  victim server;
  server.attach_sender();
  server.feed(transfer(0, 0, 0, "", false, true));
  std::string piece;
  for (int i = 0; i < 1000; ++i) piece += more_transfer(0, 0, std::string(600, 'x'), true);
  CHECK(seconds_of([&] {
          for (int i = 0; i < 100; ++i) REQUIRE(server.feed(piece).empty());
        }) < 20);
  const lines events = server.feed(more_transfer(0, 0, "end", false));
  CHECK(events ==
        lines{"delivered in tag 'tag' " + describe_message(std::string(60000000, 'x') + "end")});
}

}  // namespace ombt::wire::amqp10::test
