// SPDX-License-Identifier: Apache-2.0
// A peer that says what nobody should: it must end in the closed event or have no effect.
#include "tests/wire/amqp10/victim.hpp"

#include <catch2/catch.hpp>

#include <pthread.h>
#include <unistd.h>

namespace ombt::wire::amqp10::test {

TEST_CASE("What a peer may not say is a breach of the protocol, in whatever pieces") {
  const std::string a = opening();
  const std::string in = a + attach(0, 0, "in", false);   // it sends
  const std::string out = a + attach(0, 1, "out", true);  // it receives
  const std::pair<const char*, std::string> breaches[] = {
      {"a frame before open", header() + begin(0)},
      {"a close before open", header() + close()},
      {"a second open", a + script::open()},
      {"a SASL frame", a + sasl(0x41, {})},
      {"a frame of type 7", a + frame(7, 0, described(0x18, u8(0x45)))},
      {"no performative", a + frame(0, 0, "x")},
      {"an unknown performative", a + performative(0, 0x77, {})},
      {"a frame of 5 bytes", a + u32(5)},
      {"a frame above 1 MiB", a + u32((1 << 20) + 1)},
      {"a frame above 2 GiB", a + u32(0xffffffff)},
      {"a begin on a channel in use", a + begin(0)},
      {"a begin above channel-max", a + begin(40000)},
      {"an answer to a session that was never begun", a + begin_answer(1, 7)},
      {"an answer to the peer's own session, already answered", a + begin_answer(1, 0)},
      {"a flow on no session", a + flow(3, 0, 0, 1)},
      {"an attach on no session", a + attach(3, 0, "x", true)},
      {"an end of no session", a + end_session(3)},
      {"an attach of a handle in use", in + attach(0, 0, "other", false)},
      {"an attach of a link that is attached", in + attach(0, 7, "in", false)},
      {"an attach with a handle of all ones", a + attach(0, 0xffffffff, "x", true)},
      {"an attach without a name", a + performative(0, 0x12, {null(), uint(0), boolean(true)})},
      {"an attach without a handle", a + performative(0, 0x12, {text("x"), null(), boolean(true)})},
      {"an attach without a role", a + performative(0, 0x12, {text("x"), uint(0)})},
      {"an attach whose handle is text",
       a + performative(0, 0x12, {text("x"), text("0"), boolean(true)})},
      {"an attach with 1,000,000 bytes of name", a + attach(0, 0, std::string(1000000, 'x'), true)},
      {"a transfer on no handle", a + transfer(0, 0, 0, "m")},
      {"a transfer on no session", a + transfer(9, 0, 0, "m")},
      {"a transfer to a sender", out + transfer(0, 1, 0, "m")},
      {"a transfer to a sender that has credit", out + flow(0, 1, 0, 5) + transfer(0, 1, 0, "m")},
      {"a transfer whose `more` is a number",
       in + performative(0, 0x14, {uint(0), uint(0), binary("t"), null(), null(), uint(1)})},
      {"a flow whose window is text",
       a + performative(0, 0x13, {null(), text("1"), uint(0), uint(1)})},
      {"a transfer without credit",
       in + transfer(0, 0, 0, "m") + transfer(0, 0, 1, "m") + transfer(0, 0, 2, "m")},
      {"a transfer without an id", in + more_transfer(0, 0, "m", false)},
      {"a first transfer of many without an id", in + more_transfer(0, 0, "m", true)},
      {"a transfer with an id out of order", in + transfer(0, 0, 0, "m") + transfer(0, 0, 5, "m")},
      {"a transfer with another message's id inside one",
       in + transfer(0, 0, 0, "m", false, true) + transfer(0, 0, 1, "m")},
      {"a delivery-tag of 33 bytes",
       in + performative(0, 0x14, {uint(0), uint(0), binary(std::string(33, 't'))})},
      {"a flow on no handle", a + flow(0, 5, 0, 1)},
      {"a flow by which a sender gives itself credit", in + flow(0, 0, 0xfffffff0, 1)},
      {"a flow of a sender over more than its credit", in + flow(0, 0, 3, 0)},
      {"a disposition without an id", a + performative(0, 0x15, {boolean(true)})},
      {"a disposition of an id that is text",
       a + performative(0, 0x15, {boolean(true), text("0")})},
      {"a disposition backwards", a + disposition(0, true, 5, 4, true, accepted())},
      {"a disposition over half of all ids",
       a + disposition(0, true, 0xffffff00, 0x7fffff00, true, accepted())},
      {"a detach of no handle", a + detach(0, 3)},
      {"a detach twice", in + detach(0, 0) + detach(0, 0)},
      {"nested lists in open", header() + script::open("p", map({symbol("k"), nested(100000)}))},
      {"nested lists in a disposition's state",
       a + disposition(0, true, 0, 0, true, described(0x27, nested(1500)))},
      {"many small values in an attach",
       a + performative(0, 0x12,
                        {text("x"), uint(0), boolean(true),
                         u8(0xd0) + u32(2004) + u32(2000) + std::string(2000, '\x40')})},
      {"a list with a count of 2^32 - 1",
       a + frame(0, 0, described(0x13, u8(0xd0) + u32(4) + u32(0xffffffff)))},
      {"an array with a count of 2^32 - 1",
       a + performative(0, 0x12, {u8(0xf0) + u32(5) + u32(0xffffffff) + u8(0x40)})},
  };
  for (const auto& [what, bytes] : breaches) {
    for (const std::size_t piece : {std::size_t{SIZE_MAX}, std::size_t{1}}) {
      if (piece == 1 && bytes.size() > 100000) continue;
      INFO(what);
      victim server;
      // What is right about it goes first and is answered, so that the peer has a window and
      // credit.
      std::string_view rest = bytes;
      for (const std::string& right : {in, out, a}) {
        if (rest.substr(0, right.size()) != right) continue;
        server.feed(right, piece);
        server.one.take_sent(server.now);
        rest.remove_prefix(right.size());
        break;
      }
      const std::string closed = server.end_of(rest, piece);
      INFO(closed);
      CHECK(is_breach(closed));
      // It says so, as far as it can, and then it is deaf.
      const std::string sent = server.one.take_sent(server.now);
      CHECK(server.one.bus().read_buffer().empty());
      if (bytes.compare(0, a.size(), a) == 0) {
        CHECK(sent.find(described(0x18, "")) != std::string::npos);
      }
    }
  }
}

TEST_CASE("A client judges its server as strictly") {
  const std::string a = header() + script::open();
  for (const auto& [what, bytes] : std::initializer_list<std::pair<const char*, std::string>>{
           {"two answers to one begin", a + begin_answer(0, 0) + begin_answer(1, 0)},
           {"an answer to no begin", a + begin_answer(0, 3)},
           {"a second answer behind the end",
            a + begin_answer(0, 0) + end_session(0) + begin_answer(1, 0)},
           {"a transfer before an attach", a + begin_answer(0, 0) + transfer(0, 0, 0, "m")},
           {"a transfer without credit",
            a + begin_answer(0, 0) + attach(0, 0, "in", false) + transfer(0, 0, 0, "m")},
           {"two attaches in answer to one",
            a + begin_answer(0, 0) + attach(0, 0, "in", false) + attach(0, 1, "in", false)}}) {
    INFO(what);
    end client;
    client.start({});
    session on = client.bus().open_session();
    on.open_receiver("in", {"a"}, {"a"});
    client.take_sent({});
    client.on_event = [](const any_event& event) {
      if (const auto* e = std::get_if<event::session_closed>(&event)) e->on.close();
    };
    client.feed(bytes, {});
    REQUIRE(!client.events.empty());
    CHECK(is_breach(client.events.back()));
  }
}

TEST_CASE("A session that the peer has ended cannot be begun again, though we keep it") {
  end client;
  client.start({});
  session on = client.bus().open_session();
  on.open_sender("out", {"a"}, {"a"});
  client.take_sent({});
  client.on_event = [](const any_event& event) {
    if (const auto* e = std::get_if<event::link_closed>(&event)) e->on.close();
  };
  client.feed(header() + script::open() + begin_answer(0, 0) + attach(0, 0, "out", true), {});
  client.feed(end_session(0), {});
  CHECK(client.take_events().back() == "session_closed");
  client.feed(begin_answer(0, 0) + flow(0, 0, 0, 1), {});  // the link's handle
  REQUIRE(!client.events.empty());
  CHECK(is_breach(client.events.back()));
}

TEST_CASE("100,000 nested lists take no stack") {
  struct on_thread {
    static void* run(void*) {
      victim server;
      server.feed(header() + script::open("p", map({symbol("k"), nested(100000)})));
      victim other;
      other.feed(opening() + attach(0, 0, "in", false) +
                 performative(0, 0x14,
                              {uint(0), uint(0), binary("t"), null(), null(), null(), null(),
                               nested(1600)}));
      return nullptr;
    }
  };
  pthread_attr_t small;
  pthread_attr_init(&small);
  pthread_attr_setstacksize(&small, 512 * 1024);
  pthread_t thread{};
  REQUIRE(pthread_create(&thread, &small, on_thread::run, nullptr) == 0);
  pthread_join(thread, nullptr);
  pthread_attr_destroy(&small);
}

TEST_CASE("A refused frame leaves what came before in place") {
  victim server;
  server.attach_sender();
  const lines events = server.feed(transfer(0, 0, 0, "first") + transfer(0, 0, 1, "second") +
                                   transfer(0, 0, 2, "too much"));
  REQUIRE(events.size() == 3);
  CHECK(events[0] == "delivered in tag 'tag' 'first'");
  CHECK(events[1] == "delivered in tag 'tag' 'second'");
  CHECK(events[2] == "closed protocol protocol_error amqp:not-allowed 'a transfer without credit'");
}

TEST_CASE("What was closed before it was answered is not told to be open") {
  end client;
  client.start({});
  const session first = client.bus().open_session();
  const session second = client.bus().open_session();
  const link on = second.open_sender("x", {"a"}, {"a"});
  client.take_sent({});
  first.close();
  on.close();
  client.feed(header() + script::open() + begin_answer(0, 0) + begin_answer(1, 1) +
                  attach(1, 0, "x", true) + flow(1, 0, 0, 5) + end_session(0) + detach(1, 0),
              {});
  CHECK(client.take_events() ==
        lines{"opened 'peer'", "session_opened", "session_closed", "link_closed x"});
}

TEST_CASE("Ids that go round at 2^32 are nothing special") {
  victim server;
  server.attach_sender();
  CHECK(server.feed(transfer(0, 0, 0xffffffff, "last") + transfer(0, 0, 0, "first")) ==
        lines{"delivered in tag 'tag' 'last'", "delivered in tag 'tag' 'first'"});
  CHECK(server.end_of(flow(0, 0, 2, 0)).empty());
}

TEST_CASE("An aborted message is forgotten, its credit used") {
  for (const bool at_once : {true, false}) {
    victim server;
    server.attach_sender();
    lines events;
    if (at_once) {
      events = server.feed(transfer(0, 0, 0, "never seen", false, false, true));
    } else {
      events = server.feed(transfer(0, 0, 0, "never ", false, true) +
                           more_transfer(0, 0, "seen", true) + more_transfer(0, 0, "", true, true));
    }
    CHECK(events.empty());
    CHECK(server.last_link.credit_given() == 1);
    CHECK(server.feed(transfer(0, 0, 1, "whole")) == lines{"delivered in tag 'tag' 'whole'"});
    CHECK(server.last_link.credit_given() == 0);
    CHECK(server.feed(flow(0, 0, 2, 0)).empty());
    CHECK(is_breach(server.end_of(transfer(0, 0, 2, "without credit"))));
  }
}

TEST_CASE("A transaction's coordinator and a null target have no address") {
  victim server;
  const std::string coordinator =
      performative(0, 0x12,
                   {text("tx"), uint(0), boolean(false), null(), null(),
                    described(0x28, list({text("here")})), described(0x30, list({}))});
  server.feed(opening() + coordinator);
  CHECK(server.last_link.peer_target().address.empty());
  CHECK(server.last_link.peer_target().present);
  server.feed(performative(0, 0x12, {text("n"), uint(1), boolean(false)}));
  CHECK_FALSE(server.last_link.peer_target().present);
  CHECK_FALSE(server.last_link.peer_source().present);
}

TEST_CASE("States that are no outcome are told as such") {
  victim server;
  server.feed(opening() + attach(0, 1, "out", true) + flow(0, 1, 0, 10));
  server.last_link.send("1", "m", false);
  server.one.take_sent(server.now);
  CHECK(
      server.feed(disposition(0, true, 0, 0, false, described(0x23, list({uint(0), u8(0x44)})))) ==
      lines{"updated '1' other"});
  CHECK(server.feed(disposition(0, true, 0, 0, false, described(0x34, list({binary("tx")})))) ==
        lines{"updated '1' other"});
  CHECK(server.feed(disposition(0, true, 0, 0, true, null())) ==
        lines{"updated '1' other settled"});
}

TEST_CASE("Nothing that a peer sends is printed") {
  int saved = ::dup(2);
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  ::dup2(ends[1], 2);
  {
    // A max-frame-size that proton warns about, names in errors, garbage.
    victim small;
    small.feed(header() + performative(0, 0x10, {text("p"), null(), uint(1)}) + begin(0) +
               attach(0, 0, "in", false) + transfer(0, 0, 7, "m") + transfer(0, 0, 9, "m"));
    small.one.take_sent(small.now);
    victim garbage;
    garbage.feed(opening() + performative(0, 0x77, {text("shout")}) + "garbage");
    victim foreign;
    foreign.feed("GET /shout HTTP/1.1\r\n\r\n");
  }
  ::dup2(saved, 2);
  ::close(saved);
  ::close(ends[1]);
  char byte = 0;
  CHECK(::read(ends[0], &byte, 1) == 0);
  ::close(ends[0]);
}

TEST_CASE("What comes behind a close is not looked at") {
  victim server;
  CHECK(server.end_of(opening() + close() + "garbage") == "closed by_peer connection_lost");
  CHECK(server.feed("more").empty());
}

TEST_CASE("After our close only the peer's is waited for") {
  victim server;
  server.attach_sender();
  server.one.bus().close();
  CHECK(server.feed(transfer(0, 0, 0, "late") + performative(0, 0x77, {}) + begin(4) + detach(0, 9))
            .empty());
  CHECK(server.end_of(close()) == "closed requested");
}

}  // namespace ombt::wire::amqp10::test
