// SPDX-License-Identifier: Apache-2.0
// A broker that does not let a client have its reply queue: calls fail in its words, and nobody is
// asked more than a few times. A real broker is in tests/interop.
#include "drivers/rabbit/reopen_gaps.hpp"

#include "tests/drivers/rabbit/scripted_bed.hpp"

using namespace ombt;
using namespace ombt::drivers;
using rabbit::reopen_gaps;
using std::chrono::milliseconds;
using std::chrono::seconds;
using tests::said_method;
using tests::scripted_client;
using tests::settle;
namespace script = tests::script;
using namespace tests::methods;

namespace {

/// Refuses such a method by closing its channel, a client's first connection being its replies'.
void refuse(scripted_client& c, unsigned id, unsigned code, const char* words) {
  c.bus.instead = [=, &c](const said_method& m) -> std::optional<std::string> {
    if (m.id != id || m.connection != 1) return {};
    c.bus.forget(1, m.channel);
    return script::channel_close(m.channel, code, words, id / 1000, id % 1000);
  };
}

/// Sends the next call as soon as one has ended.
struct endless_client : scripted_client {
  using scripted_client::scripted_client;
  bool again = true;
  void on_complete(std::uint64_t tag, const outcome& result) override {
    scripted_client::on_complete(tag, result);
    if (again) call(tag + 1);
  }
};

/// The call that was published last is answered, and all that were made have ended.
void answer_last(scripted_client& c) {
  const auto before = c.all.size();
  c.deliver_reply(c.msg_id(c.bus.published.size() - 1), "\"answer\"");
  REQUIRE(c.ends(before + 1));
  CHECK(c.all.back().result == "\"answer\"");
}

}  // namespace

TEST_CASE("a channel that is closed opens at once, then after 1 s, doubling to 30 s") {
  reopen_gaps gaps;
  time_point now{std::chrono::hours{1}};
  for (const int s : {0, 1, 2, 4, 8, 16, 30, 30}) {
    CHECK(gaps.closed(now) == seconds{s});
    now += seconds{s};
    gaps.up(now);
    now += milliseconds{29999};
  }
  // It stayed up.
  now += milliseconds{1};
  CHECK(gaps.closed(now) == seconds{0});
  // Never up again, so its age does not count.
  now += std::chrono::hours{1};
  CHECK(gaps.closed(now) == seconds{1});
  now += std::chrono::hours{1};
  CHECK(gaps.closed(now) == seconds{2});
}

TEST_CASE("calls that wait for a refused reply queue fail with the broker's words") {
  struct refusal {
    unsigned id;
    unsigned code;
    const char* topology;
  };
  const auto [id, code, topology] = GENERATE(values<refusal>({{queue_declare, 403, "oslo"},
                                                              {queue_declare, 406, "shared:2"},
                                                              {basic_consume, 404, "lean"},
                                                              {channel_open, 506, "oslo"}}));
  scripted_client c([text = topology](auto& s) { s.topology = topology::parse(text); });
  refuse(c, id, code, "the broker's words");
  c.call(1);
  c.call(2);
  REQUIRE(c.ends(2));
  for (const auto& e : c.all) {
    CHECK(e.error == errc::channel_refused);
    CHECK(e.detail == "127.0.0.1:" + std::to_string(c.bus.port()) + ": the broker's words");
  }
  CHECK(c.t->last_error() == c.all[0].detail);
  CHECK(c.bus.published.empty());
  // Once the broker agrees, the next call has its queue.
  c.bus.instead = {};
  c.call(3);
  REQUIRE(c.drive([&] { return c.bus.published.size() == 1; }));
  answer_last(c);
}

TEST_CASE("a refused reply queue is asked for when a call needs it, and once a second at most") {
  endless_client c;
  const unsigned id = GENERATE(queue_declare, channel_open);
  refuse(c, id, 403, "ACCESS_REFUSED");
  const auto began = steady_clock::now();
  c.call();
  REQUIRE(c.drive([&] { return c.all.size() == 2; }));
  CHECK(steady_clock::now() - began >= seconds{1});
  CHECK(c.bus.count(id) == 2);
  c.again = false;
  REQUIRE(c.drive([&] { return c.all.size() == 3; }));
  CHECK(steady_clock::now() - began >= seconds{2});
  for (const auto& e : c.all) CHECK(e.error == errc::channel_refused);
  // Nobody needs it now.
  settle(c.on, milliseconds{1200});
  CHECK(c.bus.count(id) == 3);
  CHECK(c.bus.connections == 1);
}

TEST_CASE("a reply link that does not stay up comes back at once, then ever later") {
  scripted_client c;
  // It is closed as soon as it consumes.
  c.bus.instead = [&](const said_method& m) -> std::optional<std::string> {
    if (m.id != basic_consume) return {};
    c.bus.forget(m.connection, m.channel);
    return script::method(m.channel, 60, 21, script::short_text("1")) +
           script::channel_close(m.channel, 404, "NOT_FOUND");
  };
  const auto began = steady_clock::now();
  c.call();
  REQUIRE(c.drive([&] { return c.bus.count(basic_consume) == 2; }));
  REQUIRE(c.drive([&] { return c.bus.count(basic_consume) == 3; }));
  CHECK(steady_clock::now() - began >= seconds{1});
  settle(c.on, milliseconds{500});
  CHECK(c.bus.count(basic_consume) == 3);
  // It was there, so the call is under way: its reply comes when the link has been let up.
  CHECK(c.all.empty());
  REQUIRE(c.bus.published.size() == 1);
  c.bus.instead = {};
  REQUIRE(c.drive([&] { return c.bus.consuming == 1; }));
  CHECK(steady_clock::now() - began >= seconds{3});
  answer_last(c);
  CHECK(c.bus.count(basic_consume) == 4);
}

TEST_CASE("a reply link that was up once and is refused then lets calls fail, and comes back") {
  scripted_client c;
  c.call(1);
  REQUIRE(c.drive([&] { return c.bus.published.size() == 1; }));
  refuse(c, queue_declare, 403, "ACCESS_REFUSED");
  c.bus.say(1, script::channel_close(1, 404, "NOT_FOUND"));
  c.bus.forget(1, 1);
  REQUIRE(c.drive([&] { return c.bus.count(queue_declare) == 2; }));
  settle(c.on);
  CHECK(c.all.empty());  // its request is on its way
  c.call(2);
  REQUIRE(c.ends(1));
  CHECK(c.all[0].tag == 2);
  CHECK_THAT(c.all[0].detail, Catch::EndsWith("ACCESS_REFUSED"));
  // By itself, without a call that needs it: the first one still waits.
  c.bus.instead = {};
  REQUIRE(c.drive([&] { return c.bus.consuming == 1; }));
  c.deliver_reply(c.msg_id(0), "1");
  REQUIRE(c.ends(2));
  CHECK_FALSE(c.all[1].error);
}

TEST_CASE("a connection that is lost while its reply channel is closed brings the queue back") {
  scripted_client c;
  refuse(c, queue_declare, 403, "ACCESS_REFUSED");
  c.call(1);
  REQUIRE(c.ends(1));
  c.call(2);  // waits for its second
  c.bus.instead = {};
  c.bus.drop_all();
  REQUIRE(c.drive([&] { return c.bus.published.size() == 1; }));
  answer_last(c);
  CHECK(c.bus.count(queue_declare) == 2);
}

TEST_CASE("a client may close, or go, while its reply channel is closed") {
  scripted_client c;
  refuse(c, queue_declare, 403, "ACCESS_REFUSED");
  c.call(1);
  REQUIRE(c.ends(1));
  c.call(2);
  SECTION("by closing") {
    bool closed = false;
    c.t->close(seconds{60}, [&] { closed = true; });
    CHECK(c.ends(2));
    REQUIRE(c.drive([&] { return closed; }));
  }
  SECTION("at once") { c.t.reset(); }
  settle(c.on, milliseconds{1200});
  CHECK(c.bus.count(queue_declare) == 1);
}

TEST_CASE("a client may close its transport where it is told that its reply queue is refused") {
  struct closer : scripted_client {
    int closed = 0;
    void on_complete(std::uint64_t tag, const outcome& result) override {
      scripted_client::on_complete(tag, result);
      if (tag == 1) t->close(seconds{60}, [this] { ++closed; });
    }
  } c;
  refuse(c, queue_declare, 403, "ACCESS_REFUSED");
  c.call(1);
  c.call(2);
  REQUIRE(c.drive([&] { return c.closed == 1; }));
  CHECK(c.all.size() == 2);
}

TEST_CASE("a reply beyond a limit is refused alone; the one behind it and the next call succeed") {
  const char* topology = GENERATE("oslo", "lean");
  scripted_client c([&](auto& s) {
    s.messaging.body_limit = 1000;
    s.topology = topology::parse(topology);
  });
  c.call(1);
  REQUIRE(c.drive([&] { return c.bus.published.size() == 1; }));
  const unsigned channel = c.bus.first(basic_consume).channel;
  const std::string deep = script::nested_tables(17);
  c.bus.say(1, script::message(channel, "1", 101, "", "q", std::string(5000, 'x'), 700) +
                   script::deliver(channel, "1", 102, "", "q") +
                   script::header(channel, 3, 0x2000, deep) + script::body(channel, "abc"));
  REQUIRE(c.drive([&] { return c.bus.count(basic_reject) == 2; }));
  for (const auto& m : c.bus.methods) {
    if (m.id != basic_reject) continue;
    CHECK(m.channel == channel);
    CHECK(m.values.substr(0, 7) == std::string(7, '\0'));
    CHECK((m.values[7] == 101 || m.values[7] == 102));
    CHECK(m.number(8, 1) == 0);  // not requeued
  }
  CHECK(c.t->counters().malformed == 2);
  CHECK_THAT(c.t->last_error(), Catch::Contains("nested too deeply"));
  answer_last(c);
  c.call(2);
  REQUIRE(c.drive([&] { return c.bus.published.size() == 2; }));
  answer_last(c);
  CHECK(c.t->counters().connection_errors == 0);
  CHECK(c.bus.count(queue_declare) == 1);
  CHECK(c.bus.count(20040) == 0);  // no channel.close
}
