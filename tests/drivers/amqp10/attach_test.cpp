// SPDX-License-Identifier: Apache-2.0
// What a transport attaches, when, on which sessions, and how it leaves.
#include "tests/drivers/amqp10/bed.hpp"
#include "tests/drivers/reach_record.hpp"

#include <map>
#include <set>

using namespace ombt;
using namespace ombt::tests;

namespace {

void is_named(const std::string& name, const std::string& begin) {
  CHECK_THAT(name, Catch::StartsWith(begin));
  CHECK(name.size() == begin.size() + 32);
}

}  // namespace

TEST_CASE("the reply link is attached first, a sender once replies have an address") {
  amqp10_bed b;
  b.bus.instead = [&](scripted_peer::seen_link& l) { return l.source.dynamic; };
  b.call(1);
  REQUIRE(b.drive([&] { return b.bus.links.size() == 1; }));
  b.settle();
  REQUIRE(b.bus.links.size() == 1);
  auto& reply = b.bus.links.front();
  is_named(reply.name, "openstack.org/om/receiver/[rpc-response]/");
  CHECK(reply.source.address.empty());
  CHECK(reply.target.address == "rpc-response");
  CHECK(reply.listens);
  CHECK(reply.most_credit == 0);  // none before the attach is answered
  reply.link.accept({"here", true, true}, reply.target);
  b.bus.wake();
  auto& m = b.message(0);
  auto& sender = b.bus.links.back();
  is_named(sender.name, std::string("openstack.org/om/sender/[") + amqp10_bed::anycast + "]/");
  CHECK(sender.source.address == amqp10_bed::anycast);
  CHECK(sender.target.address == amqp10_bed::anycast);
  CHECK(m.read().reply_to == "here");
  CHECK(reply.most_credit == 200);
}

TEST_CASE("reach() connects, and is done once replies have an address; then nothing is sent") {
  amqp10_bed b;
  b.bus.instead = [&](scripted_peer::seen_link& l) { return l.source.dynamic; };
  reach_record r;
  b.t->reach(r);
  REQUIRE(b.drive([&] { return b.bus.links.size() == 1; }));
  b.settle();
  CHECK(r.reached == 0);
  auto& reply = b.bus.links.front();
  reply.link.accept({"here", true, true}, reply.target);
  b.bus.wake();
  REQUIRE(b.drive([&] { return r.reached == 1; }));
  b.settle();
  CHECK(b.bus.links.size() == 1);
  b.bus.instead = {};
  b.call(1);
  CHECK(b.message(0).read().reply_to == "here");
  CHECK(b.bus.connections == 1);
  CHECK(r.reached == 1);
  CHECK(r.failures.empty());
}

TEST_CASE("reach() ends at RabbitMQ's plugin, with the reason") {
  amqp10_bed b;
  b.bus.options.properties = {{"product", std::string("RabbitMQ")}};
  reach_record r;
  b.t->reach(r);
  REQUIRE(b.drive([&] { return r.final; }));
  CHECK(r.reached == 0);
  REQUIRE(r.failures.size() == 1);
  CHECK_THAT(r.failures[0], Catch::Contains("RabbitMQ's AMQP 1.0 plugin"));
}

TEST_CASE("reach() goes on where an attempt failed, until the transport closes") {
  amqp10_bed b([](auto& s) {
    s.messaging.url.hosts = {{"127.0.0.1", 1, "", "", false}};  // nobody listens there
    s.messaging.amqp.connection_retry_interval = 1;
  });
  reach_record r;
  b.t->reach(r);
  REQUIRE(b.drive([&] { return r.failures.size() == 2; }));
  CHECK_FALSE(r.final);
  b.t->close(seconds{1}, [] {});
  b.settle(milliseconds{1200});
  CHECK(r.failures.size() == 2);
  CHECK(r.reached == 0);
}

TEST_CASE("a server attaches unicast, multicast, anycast, each with credit at once") {
  amqp10_bed b;
  b.bus.answers = false;
  drivers::target at = b.to;
  at.server = "one";
  b.l = b.t->listen(at, {}, b);
  REQUIRE(b.drive([&] { return b.bus.links.size() == 4 && b.bus.links.front().most_credit > 0; }));
  const std::string parts[] = {"unicast/ex/topic/one", "multicast/ex/topic", "anycast/ex/topic"};
  auto link = b.bus.links.begin();
  for (const auto& part : parts) {
    const std::string address = "openstack.org/om/rpc/" + part;
    is_named(link->name, "openstack.org/om/receiver/[" + address + "]/");
    CHECK(link->source.address == address);
    CHECK(link->target.address == address);
    CHECK(link->most_credit == 100);
    ++link;
  }
  CHECK(link->source.dynamic);
  b.settle();
  CHECK(b.listening == 0);
}

TEST_CASE("a notification listener has a receiver a priority and takes no pool") {
  amqp10_bed b;
  CHECK_THROWS_WITH(b.t->listen_for_notifications(b.to, {"info"}, "pool", b),
                    Catch::Contains("not implemented by this transport driver"));
  b.l = b.t->listen_for_notifications(b.to, {"info", "error"}, "", b);
  REQUIRE(b.drive([&] { return b.listening == 1; }));
  CHECK(b.bus.find("openstack.org/om/notify/anycast/openstack/topic.info", true) != nullptr);
  CHECK(b.bus.find("openstack.org/om/notify/anycast/openstack/topic.error", true) != nullptr);
}

TEST_CASE("sessions and connections are those of the topology") {
  const std::string topology = GENERATE("oslo", "lean", "shared:1");
  amqp10_bed b([&](auto& s) { s.topology = drivers::topology::parse(topology); });
  b.serve();
  b.cast(1);
  REQUIRE(b.done(1));
  b.message(0);
  std::set<void*> sessions;
  for (const auto& l : b.bus.links) sessions.insert(l.session);
  CHECK(b.bus.links.size() == 5);
  CHECK(sessions.size() == (topology == "oslo" ? 5 : 1));
  CHECK(b.bus.connections == 1);
}

TEST_CASE("transports of a thread share connections in topology shared:N, with a session each") {
  amqp10_bed b([](auto& s) { s.topology = drivers::topology::parse("shared:2"); });
  std::vector<std::unique_ptr<drivers::transport>> more;
  for (int i = 0; i < 3; ++i) more.push_back(drivers::transport::make(b.on, b.settings));
  b.cast(1);
  for (auto& one : more) one->cast(b.to, {"noop", "{}", {}}, b.within(seconds{60}), b, 2);
  REQUIRE(b.done(4));
  REQUIRE(b.drive([&] { return b.bus.messages.size() == 4; }));
  CHECK(b.bus.connections == 2);
  std::set<void*> sessions;
  for (const auto& l : b.bus.links) sessions.insert(l.session);
  CHECK(sessions.size() == 4);

  int closed = 0;
  more[0]->close(seconds{10}, [&] { ++closed; });
  REQUIRE(b.drive([&] { return closed == 1; }));
  b.settle();
  CHECK(b.bus.over == 0);  // another still uses that connection
  CHECK(b.bus.open_links(true) == 3);
}

TEST_CASE("many links are spread over sessions, which take others when these have gone") {
  amqp10_bed b([](auto& s) {
    s.topology = drivers::topology::parse("shared:1");
    s.messaging.amqp.default_sender_link_timeout = 1;
  });
  const auto cast_to_topics = [&b](int first, int count) {
    for (int i = first; i < first + count; ++i) {
      auto at = b.to;
      at.topic = "topic-" + std::to_string(i);
      b.t->cast(at, {"noop", "{}", {}}, b.within(seconds{60}), b, static_cast<std::uint64_t>(i));
    }
  };
  const auto open_links = [&b] {
    std::map<void*, std::size_t> by_session;
    for (const auto& l : b.bus.links) by_session[l.session] += l.open ? 1 : 0;
    return by_session;
  };
  cast_to_topics(0, 600);
  REQUIRE(b.done(600));
  auto links = open_links();
  CHECK(links.size() == 3);
  for (const auto& [session, count] : links) CHECK(count <= 256);
  REQUIRE(b.drive([&] { return b.bus.open_links(false) == 0; }));
  b.settle();  // the bus has detached them too
  cast_to_topics(600, 600);
  REQUIRE(b.done(1200));
  CHECK(open_links().size() == 3);
  CHECK(b.bus.open_links(false) == 600);
  CHECK(b.bus.ended_sessions == 0);

  // All of them end with their user, where another is left on the connection.
  auto other = drivers::transport::make(b.on, b.settings);
  other->cast(b.to, {"noop", "{}", {}}, b.within(seconds{60}), b, 9999);
  REQUIRE(b.done(1201));
  int closed = 0;
  b.t->close(seconds{10}, [&] { ++closed; });
  REQUIRE(b.drive([&] { return closed == 1 && b.bus.ended_sessions == 3; }));
  CHECK(b.bus.connections == 1);
}

TEST_CASE("where the peer allows no more sessions, those that there are take all links") {
  amqp10_bed b([](auto& s) { s.topology = drivers::topology::parse("lean"); });
  b.bus.options.channel_max = GENERATE(0, 1);
  for (int i = 0; i < 600; ++i) {
    auto at = b.to;
    at.topic = "topic-" + std::to_string(i);
    b.t->cast(at, {"noop", "{}", {}}, b.within(seconds{60}), b, static_cast<std::uint64_t>(i));
  }
  REQUIRE(b.done(600));
  std::map<void*, std::size_t> by_session;
  for (const auto& l : b.bus.links) ++by_session[l.session];
  CHECK(by_session.size() == b.bus.options.channel_max + 1U);
  for (const auto& [session, count] : by_session) CHECK(count >= 256);
}

TEST_CASE("what had no session is attached later, when others have gone") {
  amqp10_bed b([](auto& s) { s.messaging.amqp.default_sender_link_timeout = 3; });
  b.bus.options.channel_max = 1;  // the reply link has one
  const auto cast_to = [&b](const char* topic, std::uint64_t tag) {
    auto at = b.to;
    at.topic = topic;
    b.t->cast(at, {"noop", "{}", {}}, b.within(seconds{60}), b, tag);
  };
  cast_to("first", 1);
  REQUIRE(b.done(1));
  cast_to("second", 2);
  REQUIRE(b.done(2));
  CHECK_FALSE(b.all[0].error);
  CHECK(b.all[1].error == errc::limit_exceeded);
  CHECK(b.all[1].detail.find("the peer allows no more sessions on a connection") !=
        std::string::npos);
  // The first link goes since it is not used; the second is tried again.
  std::uint64_t tag = 2;
  while (b.all.back().error && tag < 10) {
    cast_to("second", ++tag);
    REQUIRE(b.done(tag));
  }
  CHECK_FALSE(b.all.back().error);
  CHECK(b.bus.links.size() == 3);
}

TEST_CASE("closing detaches every link for good, then closes, and ends no session") {
  amqp10_bed b;
  b.serve();
  b.cast(1);
  REQUIRE(b.done(1));
  b.message(0);
  int closed = 0;
  b.t->close(seconds{10}, [&] { ++closed; });
  CHECK(closed == 0);
  REQUIRE(b.drive([&] { return closed == 1; }));
  CHECK(b.bus.closed == 1);
  CHECK(b.bus.ended_sessions == 0);
  for (const auto& l : b.bus.links) CHECK((!l.open && l.for_good));
  b.t->close(seconds{10}, [&] { ++closed; });
  REQUIRE(b.drive([&] { return closed == 2; }));
  b.cast(2);
  REQUIRE(b.done(2));
  CHECK(b.all[1].error == errc::cancelled);
}

TEST_CASE("sender links that are idle for long are closed, those in use are not") {
  amqp10_bed b([](auto& s) { s.messaging.amqp.default_sender_link_timeout = 1; });
  b.cast(1);
  REQUIRE(b.done(1));
  const auto start = drivers::steady_clock::now();
  std::uint64_t casts = 1;
  auto used = b.to;
  used.topic = "used";
  REQUIRE(b.drive([&] {
    b.t->cast(used, {"noop", "{}", {}}, b.within(seconds{60}), b, ++casts);
    return b.bus.open_links(false) == 1 && b.bus.links.size() == 3;
  }));
  CHECK(drivers::steady_clock::now() - start > seconds{1});
  CHECK(b.bus.find("openstack.org/om/rpc/anycast/ex/used", false)->open);
  CHECK_FALSE(b.bus.find(amqp10_bed::anycast, false)->open);
  b.cast(100000);  // attaches anew
  REQUIRE(b.drive([&] { return b.bus.links.size() == 4; }));
}
