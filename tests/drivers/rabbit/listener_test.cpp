// SPDX-License-Identifier: Apache-2.0
// A broker that closes a listener's channel, cancels its consumers, or delivers what is beyond the
// limits; and frames that are none, in the middle of it. A real broker is in tests/interop.
#include "tests/drivers/rabbit/scripted_bed.hpp"

using namespace ombt;
using namespace ombt::drivers;
using std::chrono::milliseconds;
using std::chrono::seconds;
using tests::said_method;
using tests::scripted_client;
using tests::scripted_server;
using tests::settle;
namespace script = tests::script;
using namespace tests::methods;

namespace {

/// A server whose set-up a test decides on, method by method.
struct listener_bed final : request_handler {
  loop on;
  tests::scripted_broker bus{on.context().asio()};
  std::shared_ptr<const transport_settings> settings;
  std::unique_ptr<transport> t;
  std::unique_ptr<listener> l;
  int up = 0;
  struct trouble {
    error_code error;
    std::string detail;
    bool final;
  };
  std::vector<trouble> troubles;

  explicit listener_bed(const char* topology = "oslo", const tests::changes& change = {}) {
    settings = tests::settings_for(bus, [&](transport_settings& s) {
      s.topology = topology::parse(topology);
      if (change) change(s);
    });
    t = transport::make(on, settings);
  }
  void listen() {
    target at;
    at.exchange = "exchange";
    at.topic = "topic";
    at.server = "server";
    l = t->listen(at, {}, *this);
  }
  void on_request(listener& from, const incoming_request& request) override {
    from.done(request.id);
  }
  void on_listening(listener&) override { ++up; }
  void on_listener_error(listener&, error_code error, std::string_view detail,
                         bool final) override {
    troubles.push_back({error, std::string(detail), final});
  }
  template <class Condition>
  bool drive(Condition condition) {
    return tests::drive(on, condition);
  }
  /// Closes the channel of the next such methods.
  void refuse(unsigned id, int times, unsigned code) {
    auto left = std::make_shared<int>(times);
    bus.instead = [=, this](const said_method& m) -> std::optional<std::string> {
      if (m.id != id || *left == 0) return {};
      --*left;
      bus.forget(m.connection, m.channel);
      return script::channel_close(m.channel, code, "the broker's words", id / 1000, id % 1000);
    };
  }
};

}  // namespace

TEST_CASE("a 404 in a listener's set-up is tried once more, on the same connection") {
  listener_bed b(GENERATE("oslo", "lean"));
  b.refuse(queue_bind, 1, 404);
  b.listen();
  REQUIRE(b.drive([&] { return b.up == 1; }));
  CHECK(b.bus.connections == 1);
  CHECK(b.bus.count(channel_open) == 2);
  CHECK(b.troubles.empty());
  CHECK(b.bus.consuming == 3);
}

TEST_CASE("a listener that is refused at its first set-up fails for good, in the broker's words") {
  const auto [code, times] = GENERATE(table<unsigned, int>({{404u, 2}, {406u, 1}}));
  listener_bed b;
  b.refuse(queue_bind, 1000, code);
  b.listen();
  REQUIRE(b.drive([&] { return !b.troubles.empty(); }));
  CHECK(b.troubles[0].error == errc::channel_refused);
  CHECK_THAT(b.troubles[0].detail, Catch::EndsWith(": the broker's words"));
  CHECK(b.troubles[0].final);
  settle(b.on, milliseconds{1300});
  CHECK(b.bus.count(queue_bind) == static_cast<std::size_t>(3 * times));  // pipelined
  CHECK(b.troubles.size() == 1);
  CHECK(b.up == 0);
}

TEST_CASE("a listener that worked once goes on when it is refused, from a second later") {
  listener_bed b(GENERATE("oslo", "lean", "shared:2"));
  b.listen();
  REQUIRE(b.drive([&] { return b.up == 1; }));
  const bool alone = b.bus.count(60010) == 0;  // else it set a prefetch
  const auto began = steady_clock::now();
  b.refuse(queue_bind, 1, 406);
  b.bus.say(1, script::channel_close(1, 406, "PRECONDITION_FAILED - delivery acknowledgement"));
  b.bus.forget(1, 1);
  // After the close and after the refusal a second each.
  REQUIRE(b.drive([&] { return b.up == 2; }));
  CHECK(steady_clock::now() - began >= seconds{2});
  CHECK(b.bus.connections == (alone ? 3 : 1));
  CHECK(b.bus.consuming == 3);
  for (const auto& one : b.troubles) CHECK_FALSE(one.final);
  CHECK(b.l->counters().reconnects == 1);
}

TEST_CASE("a broker that closes a listener as soon as it listens is not asked in a tight loop") {
  const auto [topology, code] =
      GENERATE(table<const char*, unsigned>({{"oslo", 404u}, {"lean", 404u}, {"oslo", 406u}}));
  listener_bed b(topology);
  b.bus.instead = [&, code = code](const said_method& m) -> std::optional<std::string> {
    if (m.id != basic_consume || m.text(m.behind_text(2)) != "3") return {};
    b.bus.forget(m.connection, m.channel);
    return script::method(m.channel, 60, 21, script::short_text("3")) +
           script::channel_close(m.channel, code, "closed again");
  };
  const auto began = steady_clock::now();
  b.listen();
  REQUIRE(b.drive([&] { return b.up == 2; }));
  CHECK(steady_clock::now() - began >= seconds{1});
  settle(b.on, milliseconds{500});
  CHECK(b.up == 2);
}

TEST_CASE("a closed channel of one link does not disturb the others of its connection") {
  listener_bed b("lean");
  b.listen();
  REQUIRE(b.drive([&] { return b.up == 1; }));
  struct sender final : completion {
    std::vector<error_code> all;
    void on_complete(std::uint64_t, const outcome& r) override { all.push_back(r.error); }
  } sender;
  target to;
  to.exchange = "exchange";
  to.topic = "other";
  b.t->cast(to, {"noop", "{}", {}}, {}, sender, 1);
  REQUIRE(b.drive([&] { return sender.all.size() == 1; }));
  b.bus.say(1, script::channel_close(1, 406, "PRECONDITION_FAILED"));
  b.bus.forget(1, 1);
  REQUIRE(b.drive([&] { return !b.troubles.empty(); }));
  b.t->cast(to, {"noop", "{}", {}}, {}, sender, 2);
  REQUIRE(b.drive([&] { return sender.all.size() == 2; }));
  CHECK_FALSE(sender.all[1]);
  REQUIRE(b.drive([&] { return b.up == 2; }));
  CHECK(b.bus.connections == 1);
  CHECK(b.t->counters().connection_errors == 0);
}

TEST_CASE("a listener that waits to open its channel again may be stopped or destroyed") {
  listener_bed b("shared:1");
  b.listen();
  REQUIRE(b.drive([&] { return b.up == 1; }));
  // Another transport, for which the connection goes on.
  struct sender final : completion {
    int ended = 0;
    void on_complete(std::uint64_t, const outcome&) override { ++ended; }
  } sender;
  const auto other = transport::make(b.on, b.settings);
  target to;
  to.exchange = "exchange";
  to.topic = "other";
  other->cast(to, {"noop", "{}", {}}, {}, sender, 1);
  REQUIRE(b.drive([&] { return sender.ended == 1; }));
  b.bus.say(1, script::channel_close(1, 406, "PRECONDITION_FAILED"));
  b.bus.forget(1, 1);
  REQUIRE(b.drive([&] { return !b.troubles.empty(); }));
  SECTION("stopped") {
    bool closed = false;
    b.t->close(seconds{60}, [&] { closed = true; });
    REQUIRE(b.drive([&] { return closed; }));
  }
  SECTION("destroyed") { b.l.reset(); }
  settle(b.on, milliseconds{1300});
  CHECK(b.bus.count(channel_open) == 2);
  CHECK(b.bus.count(basic_consume) == 3);
  CHECK(b.bus.connections == 1);
}

TEST_CASE("a cancelled consumer: a new connection after kombu_reconnect_delay, without a goodbye") {
  const double delay = GENERATE(0.3, 1.2);
  listener_bed b("oslo", [&](auto& s) { s.messaging.rabbit.kombu_reconnect_delay = delay; });
  b.listen();
  REQUIRE(b.drive([&] { return b.up == 1; }));
  const auto began = steady_clock::now();
  b.bus.say(1, script::method(1, 60, 30, script::short_text("2") + script::u8(1)));
  REQUIRE(b.drive([&] { return b.up == 2; }));
  CHECK(steady_clock::now() - began >= std::chrono::duration<double>(delay));
  CHECK(b.bus.connections == 2);
  CHECK(b.bus.ended == 1);
  CHECK(b.bus.count(connection_close) == 0);
  CHECK(b.bus.count(channel_close) == 0);
  CHECK(b.bus.count(basic_consume, 2) == 3);
  CHECK(b.bus.consuming == 6);  // three of which nobody hears any more
}

TEST_CASE("a request beyond a limit is refused alone, and what is behind it is served") {
  const char* topology = GENERATE("oslo", "lean", "shared:1");
  scripted_server s([&](auto& of) {
    of.messaging.body_limit = 1000;
    of.topology = topology::parse(topology);
  });
  const std::string deep = script::nested_tables(17);
  s.bus.say(1, script::message(1, "1", 101, "exchange", "topic", std::string(1001, 'x'), 300) +
                   script::deliver(1, "1", 102, "exchange", "topic") +
                   script::header(1, 3, 0x2000, deep) + script::body(1, "abc") +
                   script::deliver(1, "1", 103, "exchange", "topic") +
                   script::header(1, 0, 0x2000, deep));
  s.request("behind");
  REQUIRE(s.drive([&] { return s.bus.acknowledged == 1; }));
  CHECK(s.methods == std::vector<std::string>{"behind"});
  REQUIRE(s.bus.count(basic_reject) == 3);
  for (const auto& m : s.bus.methods) {
    if (m.id == basic_reject) CHECK(m.number(8, 1) == 0);
  }
  CHECK(s.l->counters().malformed == 3);
  CHECK(s.l->counters().received == 4);
  CHECK_THAT(s.t->last_error(), Catch::Contains("nested too deeply"));
  CHECK(s.up == 1);
  CHECK(s.lost == 0);
  CHECK(s.bus.connections == 1);
  CHECK(s.bus.count(channel_close) == 0);
}

TEST_CASE("a notification beyond a limit is refused alone too") {
  struct notified final : notification_handler {
    int got = 0;
    bool up = false;
    void on_notification(listener& from, const incoming_notification& n) override {
      ++got;
      from.acknowledge(n.id);
    }
    void on_listening(listener&) override { up = true; }
  } handler;
  loop on;
  tests::scripted_broker bus{on.context().asio()};
  const auto t =
      transport::make(on, tests::settings_for(bus, [](auto& s) { s.messaging.body_limit = 1000; }));
  target at;
  at.exchange = "exchange";
  at.topic = "topic";
  const auto l = t->listen_for_notifications(at, {"info"}, "", handler);
  REQUIRE(tests::drive(on, [&] { return handler.up; }));
  bus.say(1, script::message(1, "1", 101, "exchange", "topic", std::string(1001, 'x')) +
                 script::deliver(1, "1", 102, "exchange", "topic") +
                 script::header(1, 0, 0x2000, script::nested_tables(17)));
  bus.deliver("{}");
  REQUIRE(tests::drive(on, [&] { return bus.acknowledged == 1; }));
  CHECK(handler.got == 1);
  CHECK(bus.count(basic_reject) == 2);
  CHECK(l->counters().malformed == 2);
}

TEST_CASE("a reply that comes back beyond the limit has come back, not arrived") {
  // The caller's queue is gone, and the reply is larger than what this server would read.
  scripted_server s([](auto& of) {
    of.messaging.body_limit = 1000;
    of.messaging.rabbit.kombu_missing_consumer_retry_timeout = 1;
  });
  s.bus.returns = true;
  s.request("large", true);
  REQUIRE(s.drive([&] { return s.got.size() == 1; }));
  s.l->reply(s.got[0], "\"" + std::string(2000, 'x') + "\"");
  REQUIRE(s.drive([&] { return s.t->counters().returned >= 2; }));  // tried again
  REQUIRE(s.drive([&] { return s.l->counters().replies_abandoned == 1; }));
  CHECK(s.l->counters().malformed == 0);
  CHECK(s.t->counters().malformed == 0);
  CHECK(s.t->counters().connection_errors == 0);
  CHECK(s.bus.count(channel_close) == 0);
}

TEST_CASE("a broker that refuses every channel to a sender is asked once for each message") {
  scripted_client c;
  c.cast(1);
  REQUIRE(c.ends(1));
  c.bus.instead = [&](const said_method& m) -> std::optional<std::string> {
    if (m.id != channel_open) return {};
    c.bus.forget(m.connection, m.channel);
    return script::channel_close(m.channel, 506, "no channel for you");
  };
  c.bus.say(1, script::channel_close(1, 404, "NOT_FOUND"));
  c.bus.forget(1, 1);
  settle(c.on, milliseconds{100});
  CHECK(c.bus.count(channel_open) == 1);  // nobody has anything to send
  for (std::size_t i = 2; i <= 4; ++i) {
    c.cast(i);
    REQUIRE(c.ends(i));
    CHECK(c.all.back().error == errc::channel_refused);
    CHECK_THAT(c.all.back().detail, Catch::EndsWith("no channel for you"));
    settle(c.on, milliseconds{50});
    CHECK(c.bus.count(channel_open) == i);
  }
  c.bus.instead = {};
  c.cast(5);
  REQUIRE(c.ends(5));
  CHECK_FALSE(c.all.back().error);
  CHECK(c.bus.connections == 1);
}

TEST_CASE("broken framing on an open connection ends that one, and all goes on behind it") {
  SECTION("of replies, during a call") {
    scripted_client c;
    c.call(1);
    REQUIRE(c.drive([&] { return c.bus.published.size() == 1; }));
    settle(c.on);
    c.bus.forget(1, 1);
    c.bus.say(1, "\xff\xff\xff\xff\xff\xff\xff\xff");
    REQUIRE(c.drive([&] { return c.t->counters().connection_errors == 1; }));
    REQUIRE(c.drive([&] { return c.bus.consuming == 1; }));
    CHECK(c.bus.count(connection_close, 1) == 1);
    c.deliver_reply(c.msg_id(0), "1");
    REQUIRE(c.ends(1));
    CHECK_FALSE(c.all[0].error);
    c.call(2);
    REQUIRE(c.drive([&] { return c.bus.published.size() == 2; }));
    c.deliver_reply(c.msg_id(1), "2");
    REQUIRE(c.ends(2));
    CHECK(c.all[1].result == "2");
    CHECK(c.t->counters().connection_errors == 1);
    CHECK(c.bus.connections == 3);
  }
  SECTION("of sends, before the confirm: the message goes out again") {
    scripted_client c;
    c.bus.confirms = false;
    c.cast(1);
    REQUIRE(c.drive([&] { return c.bus.published.size() == 1; }));
    c.bus.confirms = true;
    c.bus.say(1, script::frame(2, 1, "a header without a message"));
    REQUIRE(c.ends(1));
    CHECK_FALSE(c.all[0].error);
    CHECK(c.bus.published.size() == 2);
    CHECK(c.t->counters().connection_errors == 1);
    CHECK(c.bus.connections == 2);
  }
  SECTION("of a server: it listens again") {
    scripted_server s;
    s.bus.forget(1, 1);
    s.bus.say(1, "HTTP/1.1 400 Bad Request\r\n\r\n");
    REQUIRE(s.drive([&] { return s.up == 2; }));
    s.request("behind");
    REQUIRE(s.drive([&] { return s.got.size() == 1; }));
    CHECK(s.t->counters().connection_errors == 1);
    CHECK(s.lost == 1);
  }
}
