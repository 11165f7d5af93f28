// SPDX-License-Identifier: Apache-2.0
// A peer that says what nobody should: it must end in the closed event or have no effect, in time
// and memory that follow what it has sent.
#include "tests/wire/amqp10/couple.hpp"
#include "tests/wire/amqp10/script.hpp"

#include <catch2/catch.hpp>

#include <chrono>
#include <pthread.h>
#include <unistd.h>

// Inside, because the C library has names like link, uint and close too.
namespace ombt::wire::amqp10::test {
using namespace script;

namespace {

/// A server whose owner takes everything, gives credit on receivers, and closes what is closed.
class victim {
 public:
  explicit victim(connection_options options = {}) {
    one.options = std::move(options);
    one.options.side = role::server;
    one.on_event = [this](const any_event& event) {
      if (const auto* s = std::get_if<event::session_opened>(&event)) {
        last_session = s->on;
        s->on.accept();
      }
      if (const auto* l = std::get_if<event::link_opened>(&event)) {
        last_link = l->on;
        last_link.accept({"a"}, {"a"});
        if (!last_link.is_sender()) last_link.add_credit(credit);
      }
      if (const auto* l = std::get_if<event::link_closed>(&event)) l->on.close();
      if (const auto* s = std::get_if<event::session_closed>(&event)) s->on.close();
      if (const auto* d = std::get_if<event::delivered>(&event)) {
        if (settles) d->what.settle();
      }
    };
    one.start(now);
  }
  /// Begins a session and attaches a link that the peer sends on, and lets it know of the credit.
  void attach_sender() {
    feed(opening() + attach(0, 0, "in", false));
    one.take_sent(now);
  }
  /// Events of it.
  lines feed(std::string_view bytes, std::size_t piece = SIZE_MAX) {
    one.feed(bytes, now, piece);
    return one.take_events();
  }
  /// The reason of the closed event; empty if there is none.
  std::string end_of(std::string_view bytes, std::size_t piece = SIZE_MAX) {
    const lines events = feed(bytes, piece);
    return !events.empty() && events.back().compare(0, 7, "closed ") == 0 ? events.back() : "";
  }
  end one;
  time_point now{std::chrono::hours(1)};
  session last_session;
  link last_link;
  int credit = 2;
  bool settles = true;
};

bool is_breach(const std::string& closed) {
  return closed.compare(0, 30, "closed protocol protocol_error") == 0;
}

double seconds_of(const std::function<void()>& what) {
  const auto begin = std::chrono::steady_clock::now();
  what();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
}

}  // namespace

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
  CHECK(server.feed(disposition(0, false, 0, 0, true, null())).empty());
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
