// SPDX-License-Identifier: Apache-2.0
// Links and connections that are lost, and what becomes of messages then.
#include "tests/drivers/amqp10/bed.hpp"

#include <algorithm>

using namespace ombt;
using namespace ombt::tests;
using kind = amqp::outcome::kind;

TEST_CASE("a sender that the peer detaches fails what was sent, keeps what waits, comes back") {
  amqp10_bed b(unsettled);
  b.bus.says = simply(kind::other);
  b.bus.credit = 1;
  b.cast(1);
  b.message(0);
  b.cast(2);                            // waits for credit
  b.cast(3, b.within(seconds{60}, 0));  // may not fail once
  b.settle();
  const auto start = drivers::steady_clock::now();
  b.bus.detach(b.bus.links.back(), "amqp:resource-deleted", "gone");
  REQUIRE(b.done(2));
  CHECK(b.all[0].tag == 1);
  CHECK(b.all[1].tag == 3);
  for (const auto& e : b.all) {
    CHECK(e.error == errc::delivery_failure);
    CHECK_THAT(e.detail, Catch::Contains("amqp:resource-deleted: gone"));
  }
  b.message(1);
  CHECK(drivers::steady_clock::now() - start > milliseconds{900});
  CHECK(b.bus.connections == 1);
}

TEST_CASE("a refused sender's messages wait for their limit, and tell its reason") {
  const std::string condition = GENERATE("amqp:not-found", "amqp:unauthorized-access");
  amqp10_bed b(unsettled);
  b.bus.instead = [&](scripted_peer::seen_link& l) {
    if (l.listens) return false;
    l.link.refuse(condition, "not here");
    return true;
  };
  b.cast(1, b.within(milliseconds{300}));
  REQUIRE(b.done(1));
  CHECK(b.all[0].error == errc::messaging_timeout);
  CHECK_THAT(b.all[0].detail, Catch::Contains(condition + ": not here"));
}

TEST_CASE("a refused listener tells the reason, and listens once it is let in") {
  const std::string condition = GENERATE("amqp:not-found", "amqp:unauthorized-access");
  amqp10_bed b;
  bool lets_in = false;
  b.bus.instead = [&](scripted_peer::seen_link& l) {
    if (l.source.dynamic || lets_in) return false;
    l.link.refuse(condition, "not here");
    return true;
  };
  b.l = b.t->listen(b.to, {}, b);
  REQUIRE(b.drive([&] { return b.troubles.size() == 3; }));
  for (const auto& one : b.troubles) {
    CHECK(one.error == errc::channel_refused);
    CHECK(one.tag == 0);  // not for good
    CHECK_THAT(one.detail, Catch::Contains(condition + ": not here"));
  }
  CHECK(b.listening == 0);
  lets_in = true;
  REQUIRE(b.drive([&] { return b.listening == 1; }));
}

TEST_CASE("a lost connection fails what was sent, carries over what waits, calls end by limit") {
  amqp10_bed b(unsettled);
  b.bus.says = simply(kind::accepted);
  b.call(1, b.within(seconds{3}));
  b.message(0);
  b.settle();  // accepted
  b.bus.says = simply(kind::other);
  b.cast(2);
  b.message(1);
  b.bus.credit = 0;
  b.to.topic = "other";
  b.cast(3);
  REQUIRE(b.drive([&] { return b.bus.links.size() == 3; }));
  b.settle();
  b.bus.credit = 10;
  b.bus.says = simply(kind::accepted);
  b.bus.drop_all();
  REQUIRE(b.done(2));
  CHECK(b.all[0].tag == 2);
  CHECK(b.all[0].error == errc::delivery_failure);
  CHECK(b.all[1].tag == 3);
  CHECK(!b.all[1].error);
  REQUIRE(b.bus.accepted_at.size() == 2);
  REQUIRE(b.done(3));
  CHECK(b.all[2].error == errc::messaging_timeout);
  CHECK(b.t->counters().connects == 2);
  CHECK(b.t->counters().connection_errors == 1);
}

TEST_CASE("attempts come after 1 and then 2 seconds, and use up retries") {
  amqp10_bed b(unsettled);
  b.bus.greets = false;
  b.cast(1, b.within(seconds{60}, 1));
  REQUIRE(b.drive([&] { return b.bus.connections == 1; }));
  b.bus.drop_all();
  REQUIRE(b.drive([&] { return b.bus.connections == 2; }));
  CHECK(b.all.empty());
  b.bus.drop_all();
  REQUIRE(b.done(1));
  CHECK(b.all[0].error == errc::delivery_failure);
  REQUIRE(b.drive([&] { return b.bus.connections == 3; }));
  const auto& at = b.bus.accepted_at;
  CHECK(at[1] - at[0] > milliseconds{950});
  CHECK(at[2] - at[1] > milliseconds{1950});
}

TEST_CASE("the options say how long attempts wait: at first, by what factor longer, at most") {
  struct waits {
    int first, factor, most;
    std::vector<double> expected;
  };
  const auto w = GENERATE(waits{2, 2, 30, {2}}, waits{1, 1, 30, {1, 1}}, waits{1, 9, 1, {1, 1}});
  amqp10_bed b([&](auto& s) {
    s.messaging.amqp.connection_retry_interval = w.first;
    s.messaging.amqp.connection_retry_backoff = w.factor;
    s.messaging.amqp.connection_retry_interval_max = w.most;
  });
  b.bus.greets = false;
  b.cast(1);
  for (std::size_t i = 0; i < w.expected.size(); ++i) {
    REQUIRE(b.drive([&] { return b.bus.accepted_at.size() == i + 1; }));
    const auto begun = drivers::steady_clock::now();
    b.bus.drop_all();
    REQUIRE(b.drive([&] { return b.bus.accepted_at.size() == i + 2; }));
    const std::chrono::duration<double> took = b.bus.accepted_at.back() - begun;
    CHECK(took.count() > w.expected[i] - 0.05);
    CHECK(took.count() < w.expected[i] + 0.9);
  }
}

TEST_CASE("longest_wait bounds what is waited for the next attempt") {
  amqp10_bed b([](auto& s) {
    s.messaging.amqp.connection_retry_interval = 60;
    s.longest_wait = milliseconds{100};
  });
  const auto begun = drivers::steady_clock::now();
  b.bus.greets = false;
  b.cast(1);
  for (std::size_t i = 1; i <= 3; ++i) {
    REQUIRE(b.drive([&] { return b.bus.accepted_at.size() == i; }));
    b.bus.drop_all();
  }
  b.bus.greets = true;
  REQUIRE(b.done(1));
  CHECK_FALSE(b.all[0].error);
  CHECK(drivers::steady_clock::now() - begun < seconds{30});
}

TEST_CASE("the next host of the list is tried, beginning with any of them") {
  bool first = false;
  bool second = false;
  for (int i = 0; i < 40 && !(first && second); ++i) {
    amqp10_bed b([](auto& s) {
      s.messaging.url.hosts.push_back({"127.0.0.1", 1, "", "", false});  // nobody is there
    });
    b.cast(1);
    b.settle(milliseconds{30});
    (b.bus.connections == 1 ? first : second) = true;
    if (second && b.bus.connections == 0) {
      REQUIRE(b.done(1));
      CHECK(!b.all[0].error);
      CHECK(b.t->counters().connection_errors == 1);
    }
  }
  CHECK((first && second));
}

TEST_CASE("the reply link's end makes the connection anew, so that calls can be answered") {
  amqp10_bed b;
  b.serve();
  b.call(1, b.within(seconds{30}));
  b.message(0);
  b.bus.detach(*b.bus.reply_link(), "amqp:internal-error", "");
  REQUIRE(b.drive([&] { return b.listening == 2 && b.bus.open_links(true) == 4; }));
  CHECK(b.bus.connections == 2);
  CHECK_THAT(b.t->last_error(), Catch::Contains("amqp:internal-error"));
  b.call(2);
  b.bus.answer(b.message(1), R"({"response": "new"})");
  REQUIRE(b.done(1));
  CHECK(b.all[0].tag == 2);
  CHECK(b.l->counters().reconnects == 1);
}

TEST_CASE("a reply link without an address is no reply link") {
  amqp10_bed b;
  b.bus.names_reply_links = false;
  b.call(1);
  REQUIRE(b.drive([&] { return b.bus.connections == 2; }));
  CHECK_THAT(b.t->last_error(), Catch::Contains("names no address"));
  b.bus.names_reply_links = true;
  b.message(0);
}

TEST_CASE("on a shared connection only the transport whose reply link ended begins anew") {
  amqp10_bed b([](auto& s) { s.topology = drivers::topology::parse("shared:1"); });
  auto other = drivers::transport::make(b.on, b.settings);
  auto to = b.to;
  to.topic = "other";
  other->call(to, {"echo", "{}", {}}, b.within(seconds{30}), b, 7);
  auto& m = b.message(0);
  b.cast(1);
  REQUIRE(b.done(1));
  b.bus.detach(*b.bus.reply_link(), "amqp:internal-error", "");
  b.settle();
  b.cast(2);
  b.message(2);
  CHECK(b.bus.connections == 1);
  b.bus.answer(m, R"({"response": "undisturbed"})");
  REQUIRE(b.drive([&] { return b.all.size() == 3; }));
  CHECK(std::any_of(b.all.begin(), b.all.end(),
                    [](const auto& e) { return e.result == "undisturbed"; }));
}

TEST_CASE("a receiver that the peer detaches is told, and attached again under its name") {
  amqp10_bed b;
  b.serve();
  auto* link = b.bus.find(amqp10_bed::anycast, true);
  const std::string name = link->name;
  b.bus.detach(*link, "amqp:not-found", "no more");
  REQUIRE(b.drive([&] { return b.listening == 2; }));
  REQUIRE(b.troubles.size() == 1);
  CHECK(b.troubles[0].tag == 0);
  CHECK(b.troubles[0].error == errc::channel_refused);
  CHECK_THAT(b.troubles[0].detail, Catch::Contains("amqp:not-found: no more"));
  CHECK(b.bus.links.size() == 5);
  CHECK(b.bus.links.back().name == name);
}

TEST_CASE("RabbitMQ's AMQP 1.0 plugin is refused with the reason, for good") {
  amqp10_bed b([](auto&) {});
  b.bus.options.properties = {{"product", std::string("RabbitMQ")}};
  b.cast(1);
  drivers::target at = b.to;
  at.server = "one";
  b.l = b.t->listen(at, {}, b);
  REQUIRE(b.done(1));
  CHECK(b.all[0].error == errc::wrong_protocol);
  CHECK_THAT(b.all[0].detail, Catch::Contains("use rabbit://"));
  REQUIRE(b.troubles.size() == 1);
  CHECK(b.troubles[0].tag == 1);
  b.settle(milliseconds{1200});
  CHECK(b.bus.connections == 1);
  CHECK(b.bus.links.empty());
}

TEST_CASE("a login that is refused is final, one that is taken is the URL's") {
  amqp10_bed b([](auto& s) {
    s.messaging.url.hosts[0].user = "user";
    s.messaging.url.hosts[0].password = "secret";
  });
  b.bus.options.mechanisms = "PLAIN";
  b.bus.options.authentication_required = true;
  bool right = false;
  b.bus.options.check_password = [&](std::string_view user, std::string_view password) {
    return right && user == "user" && password == "secret";
  };
  b.cast(1);
  REQUIRE(b.done(1));
  CHECK(b.all[0].error == errc::authentication_failed);
  b.settle(milliseconds{1200});
  CHECK(b.bus.connections == 1);
  right = true;
  b.cast(2);
  REQUIRE(b.done(2));
  CHECK(!b.all[1].error);
  CHECK(b.bus.users == std::vector<std::string>{"user"});
}

TEST_CASE("legacy addresses are for peers that name no product") {
  amqp10_bed b;
  b.bus.options.properties.clear();
  b.cast(1);
  CHECK(b.message(0).address == "unicast.ex.topic");
}
