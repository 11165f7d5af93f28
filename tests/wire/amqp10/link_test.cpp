// SPDX-License-Identifier: Apache-2.0
// Links and messages: what the scenarios do not show.
#include "tests/wire/amqp10/couple.hpp"
#include "tests/wire/amqp10/script.hpp"

#include <catch2/catch.hpp>

namespace ombt::wire::amqp10::test {
using namespace script;

namespace {

/// A client with a session and a sender "out" that a peer of bytes has answered.
struct sender {
  sender() {
    one.start(now);
    on = one.bus().open_session();
    out = on.open_sender("out", {"a"}, {"a"});
    one.take_sent(now);
    feed(opening_answers());
  }
  static std::string opening_answers() {
    return header() + script::open() + begin_answer(0, 0) + attach(0, 0, "out", true);
  }
  lines feed(std::string_view bytes) {
    one.feed(bytes, now);
    return one.take_events();
  }
  std::string sent() { return one.take_sent(now); }
  end one;
  time_point now{std::chrono::hours(1)};
  session on;
  link out;
};

}  // namespace

TEST_CASE("A peer that drains is told, and gets its credit back") {
  sender it;
  CHECK(it.feed(flow(0, 0, 0, 7, true)) == lines{"credit out 7 drain"});
  CHECK(it.out.send("1", "m", true).operator bool() == false);
  it.sent();
  it.out.drained();
  CHECK(it.out.credit() == 0);
  // All seven are used up: the delivery-count says so, and the link-credit is 0.
  const std::string said = it.sent();
  CHECK(said.find("\x52\x07\x43") != std::string::npos);
  CHECK(it.feed(flow(0, 0, 7, 2)) == lines{"credit out 2"});
  it.out.drained();
  CHECK(it.sent().empty());
  CHECK(it.out.credit() == 2);
}

TEST_CASE("A receiver that drains is told what comes back, and goes on with new credit") {
  sender it;
  link in = it.on.open_receiver("in", {"a"}, {"a"});
  in.add_credit(3);
  it.feed(attach(0, 1, "in", false));
  it.sent();
  // Without being asked a peer may give credit back too; that is told by credit_given() alone.
  CHECK(it.feed(flow(0, 1, 1, 2)).empty());
  CHECK(in.credit_given() == 2);
  in.drain();
  const std::string asked = it.sent();
  CHECK(asked.find("\x52\x01\x52\x02\x40\x41") != std::string::npos);  // count, credit, drain
  CHECK(it.sent().empty());
  CHECK(it.feed(transfer(0, 1, 0, "the last", true)) ==
        lines{"delivered in tag 'tag' settled 'the last'"});
  CHECK(in.credit_given() == 1);
  CHECK(it.feed(flow(0, 1, 3, 0, true)) == lines{"credit in 0"});
  CHECK(in.credit_given() == 0);
  in.add_credit(5);
  CHECK(it.sent().find("\x52\x03\x52\x05\x40\x42") != std::string::npos);
  CHECK(it.feed(flow(0, 1, 4, 4)).empty());
  in.close();
  in.drain();
  it.out.drain();
}

TEST_CASE("Credit above what proton counts in is very much") {
  constexpr std::uint64_t most = std::uint64_t{1} << 30;
  for (const std::uint64_t given : {most - 1, most, most + 1, std::uint64_t{0x7fffffff},
                                    std::uint64_t{0x80000000}, std::uint64_t{0xffffffff}}) {
    CAPTURE(given);
    sender it;
    it.feed(flow(0, 0, 0, given));
    CHECK(it.out.credit() == static_cast<int>(std::min(given, most)));
    it.out.send("1", "a message", true);
    CHECK(it.sent().find("a message") != std::string::npos);
    it.feed(flow(0, 0, 1, given));
    CHECK(it.out.credit() == static_cast<int>(std::min(given, most)));
  }
}

TEST_CASE("A sender that settles its own message tells so, once") {
  sender it;
  link in = it.on.open_receiver("in", {"a"}, {"a"});
  in.add_credit(10);
  it.sent();
  it.feed(attach(0, 1, "in", false));
  it.feed(transfer(0, 1, 0, "kept"));
  const delivery kept = it.one.last_delivery;
  it.feed(transfer(0, 1, 1, "settled"));
  it.one.last_delivery.settle({outcome::kind::accepted, false, false, {}, {}});
  it.sent();
  delivery told;
  it.one.on_event = [&](const any_event& event) {
    if (const auto* e = std::get_if<event::updated>(&event)) told = e->what;
  };
  CHECK(it.feed(disposition(0, false, 0, 1, false, accepted())).empty());
  CHECK(it.feed(disposition(0, false, 0, 1, true, accepted())) ==
        lines{"updated 'tag' accepted settled"});
  CHECK(told == kept);
  CHECK(it.feed(disposition(0, false, 0, 1, true, accepted())).empty());
  kept.settle();
  in.close();
  CHECK(it.feed(disposition(0, false, 0, 1, true, accepted())).empty());
}

TEST_CASE("A detach that is not for good is answered in kind") {
  for (const bool closed : {true, false}) {
    sender it;
    CHECK(it.feed(detach(0, 0, closed)) ==
          lines{closed ? "link_closed out" : "link_closed out not for good"});
    CHECK(it.out.closed_by_peer());
    it.out.close();
    const std::string said = it.sent();
    CHECK((said.find('\x41') != std::string::npos) == closed);
    CHECK(said.find(described(0x16, "")) != std::string::npos);
    // The handle of the peer is free again.
    CHECK(it.feed(attach(0, 0, "another", true)).size() == 1);
  }
}

TEST_CASE("Nothing is sent on a link that either side has closed") {
  sender it;
  it.feed(flow(0, 0, 0, 10));
  REQUIRE(it.out.credit() == 10);
  sender other;
  other.feed(flow(0, 0, 0, 10) + detach(0, 0));
  CHECK(other.out.credit() == 0);
  CHECK(!other.out.send("1", "message", false));
  it.out.close();
  CHECK(it.out.credit() == 0);
  CHECK(!it.out.send("1", "message", false));
  const std::string said = it.sent() + other.sent();
  CHECK(said.find("message") == std::string::npos);
}

TEST_CASE("What waits for credit is counted as unsent, and forgotten with its link") {
  sender it;
  it.sent();
  CHECK(it.out.unsent() == 0);
  REQUIRE(it.out.send("1", std::string(1000, 'x'), false));
  CHECK(it.out.unsent() == 1000);
  CHECK(it.sent().empty());
  it.feed(flow(0, 0, 0, 1));
  CHECK(it.out.unsent() >= 1000);
  CHECK(it.sent().size() > 1000);
  CHECK(it.out.unsent() == 0);
  REQUIRE(it.out.send("2", std::string(500, 'x'), false));
  CHECK(it.out.unsent() == 500);
  it.out.close();
  CHECK(it.out.unsent() == 0);
  CHECK(it.feed(flow(0, 0, 1, 5)).empty());
  CHECK(it.sent().find("xxxx") == std::string::npos);
}

TEST_CASE("A tag has at most 32 bytes") {
  sender it;
  it.feed(flow(0, 0, 0, 1));
  const std::string longer(40, 't');
  CHECK(it.out.send(longer, "m", false).tag() == longer.substr(0, 32));
  CHECK(it.out.send(longer, "waits", false).tag() == longer.substr(0, 32));
}

TEST_CASE("A sender's mode is told to the other side and answered with the same") {
  for (const auto& [mode, line] :
       {std::pair(settle_mode::unsettled, "mode 0"), std::pair(settle_mode::settled, "mode 1"),
        std::pair(settle_mode::mixed, "mode 2")}) {
    couple on;
    on.server.on_event = [](const any_event& event) {
      if (const auto* s = std::get_if<event::session_opened>(&event)) s->on.accept();
      if (const auto* l = std::get_if<event::link_opened>(&event)) l->on.accept({"a"}, {"b"});
    };
    on.open();
    on.client.last_session.open_sender("out", {"a"}, {"b"}, mode);
    on.client.last_session.open_receiver("in", {"a"}, {"b"}, mode);
    on.run();
    REQUIRE(on.client.events.size() == 2);
    REQUIRE(on.server.events.size() == 2);
    for (const lines& events : {on.client.events, on.server.events}) {
      for (const std::string& one : events) CHECK(one.find(line) != std::string::npos);
    }
  }
}

TEST_CASE("Sessions that this side ended first make room, and so do links") {
  couple on;
  on.server.options.channel_max = 3;
  on.server.on_event = [](const any_event& event) {
    if (const auto* s = std::get_if<event::session_opened>(&event)) s->on.accept();
    if (const auto* l = std::get_if<event::link_opened>(&event)) l->on.accept({"a"}, {"b"});
    if (const auto* l = std::get_if<event::link_closed>(&event)) l->on.close();
    if (const auto* s = std::get_if<event::session_closed>(&event)) s->on.close();
  };
  on.open();
  for (int i = 0; i < 20; ++i) {
    session one = on.client.bus().open_session();
    session two = on.client.bus().open_session();
    REQUIRE(two);
    one.open_sender("x", {"a"}, {"b"});
    on.run();
    one.close();
    two.close();
    on.run();
  }
  CHECK(std::count(on.client.events.begin(), on.client.events.end(), "session_closed") == 40);
}

TEST_CASE("The user's data stay with their session, link and delivery") {
  sender it;
  int a = 0;
  int b = 0;
  it.on.set_user(&a);
  it.out.set_user(&b);
  it.feed(flow(0, 0, 0, 3));
  const delivery first = it.out.send("1", "m", false);
  const delivery second = it.out.send("2", "m", false);
  CHECK(first.user() == nullptr);
  second.set_user(&it);
  CHECK(it.on.user() == &a);
  CHECK(it.out.user() == &b);
  CHECK(it.out.on() == it.on);
  CHECK(second.user() == &it);
  CHECK(second.on() == it.out);
  CHECK(first != second);
  second.settle();
  // What is used again has forgotten them.
  CHECK(it.out.send("3", "m", false).user() == nullptr);
}

TEST_CASE("What the peer says of a message that was settled meanwhile is dropped") {
  sender it;
  it.feed(flow(0, 0, 0, 3));
  const delivery first = it.out.send("1", "m", false);
  it.sent();
  first.settle();
  REQUIRE(it.out.send("2", "m", false));  // in the place of the first, as it may be
  CHECK(it.feed(disposition(0, true, 0, 0, true, accepted())).empty());
  it.sent();
  CHECK(it.feed(disposition(0, true, 0, 1, true, accepted())) ==
        lines{"updated '2' accepted settled"});
}

TEST_CASE("Handles have no effect, and no harm, once the connection is closed") {
  sender it;
  it.feed(flow(0, 0, 0, 3));
  const delivery one = it.out.send("1", "m", false);
  it.sent();
  it.feed(close());
  CHECK(it.one.bus().is_closed());
  it.sent();
  CHECK(one.tag() == "1");
  one.settle();
  one.update({outcome::kind::accepted, false, false, {}, {}});
  it.out.drained();
  it.out.add_credit(1);
  CHECK(!it.out.send("2", "m", false));
  it.out.close();
  it.on.accept();
  it.on.close();
  CHECK(!it.on.open_sender("x", {"a"}, {"a"}));
  CHECK(it.out.name() == "out");
  CHECK(it.sent().empty());
}

}  // namespace ombt::wire::amqp10::test
