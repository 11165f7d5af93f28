// SPDX-License-Identifier: Apache-2.0
// Operations of a rabbit transport whose bus is not there or not a bus: each ends once, with a
// named error, from the loop. How a server closes, at a broker that is a script. With a real one:
// tests/interop.
#include "drivers/transport.hpp"

#include "wire/configuration_error.hpp"

#include "drivers/io/context.hpp"

#include "tests/agents/drive.hpp"
#include "tests/drivers/rabbit/scripted_broker.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <catch2/catch.hpp>

#include <memory>
#include <string>
#include <vector>

using namespace ombt;
using namespace ombt::drivers;
using std::chrono::milliseconds;
using std::chrono::seconds;
using tcp = boost::asio::ip::tcp;

namespace {

struct ended {
  std::uint64_t tag;
  error_code error;
  std::string detail;
};

struct transport_bed : completion {
  loop on;
  boost::asio::io_context io;
  tcp::acceptor reserved{io, tcp::endpoint(boost::asio::ip::make_address("127.0.0.1"), 0)};
  std::uint16_t port = reserved.local_endpoint().port();
  std::unique_ptr<transport> t;
  std::vector<ended> all;
  bool inside_call = false;
  target to;

  transport_bed() {
    reserved.close();  // nobody listens there
    auto s = std::make_shared<transport_settings>();
    s->messaging.url.hosts.push_back({"127.0.0.1", port, "guest", "guest"});
    t = transport::make(on, s);
    to.topic = "topic";
    to.exchange = "exchange";
  }
  void on_complete(std::uint64_t tag, const outcome& result) override {
    CHECK_FALSE(inside_call);
    all.push_back({tag, result.error, std::string(result.detail)});
  }
  void call(std::uint64_t tag, const call_options& options) {
    inside_call = true;
    t->call(to, {"echo", "{}", {}}, options, *this, tag);
    inside_call = false;
  }
  void cast(std::uint64_t tag, const call_options& options) {
    inside_call = true;
    t->cast(to, {"noop", "{}", {}}, options, *this, tag);
    inside_call = false;
  }
  std::string address() const { return "127.0.0.1:" + std::to_string(port); }
};

call_options within(duration timeout, int retry = -1) { return {timeout, {}, retry}; }

/// A limit that a test which ends well never meets.
constexpr seconds far{60};

/// A server that answers when its test says so.
struct server final : request_handler {
  loop on;
  tests::scripted_broker bus{on.context().asio()};
  std::unique_ptr<transport> t;
  std::unique_ptr<listener> l;
  std::vector<request_id> got;
  bool answers_at_once = false;
  bool up = false;
  bool lost = false;
  int closed = 0;

  explicit server(const char* topology = "oslo", int slots = 64) {
    auto s = std::make_shared<transport_settings>();
    s->messaging.url.hosts.push_back({"127.0.0.1", bus.port(), "guest", "guest"});
    s->topology = topology::parse(topology);
    t = transport::make(on, s);
    target at;
    at.exchange = "exchange";
    at.topic = "topic";
    at.server = "server";
    serve_options options;
    options.executor_slots = slots;
    l = t->listen(at, options, *this);
    REQUIRE(drive([this] { return up; }));
  }
  template <class Condition>
  bool drive(Condition condition) {
    return tests::drive(on, condition);
  }
  void on_request(listener& from, const incoming_request& request) override {
    got.push_back(request.id);
    if (answers_at_once) from.reply(request.id, "true");
  }
  void on_listening(listener&) override { up = true; }
  void on_listener_error(listener&, error_code, std::string_view, bool) override { lost = true; }

  void request(const char* msg_id, const char* unique_id) {
    std::string body;
    wire::oslo::request r;
    r.method = "echo";
    r.args_json = "{}";
    r.msg_id = msg_id;
    if (*msg_id != 0) r.reply_queue = "reply_1";
    r.unique_id = unique_id;
    wire::oslo::append_request(body, r);
    bus.deliver(body);
  }
  /// Has a call in work.
  void take_call() {
    const auto before = got.size();
    request("call-1", "unique-1");
    REQUIRE(drive([&] { return got.size() > before && bus.acknowledged == 1; }));
  }
  void close(duration limit) {
    const int before = closed;
    t->close(limit, [this] { ++closed; });
    CHECK(closed == before);  // never inside
  }
  bool stays_open() {
    tests::settle(on, milliseconds{50});
    return closed == 0;
  }
};

}  // namespace

TEST_CASE("calls and casts to a bus that is not there end at their time limits with its address") {
  transport_bed b;
  b.call(1, within(milliseconds{200}));
  b.cast(2, within(milliseconds{300}));
  b.on.run_for(milliseconds{1000});
  REQUIRE(b.all.size() == 2);
  for (const auto& e : b.all) {
    CHECK(e.error == errc::bus_unreachable);
    CHECK_THAT(e.detail, Catch::StartsWith(b.address()) && Catch::Contains("refused"));
  }
  CHECK(b.all[0].tag == 1);
  CHECK(b.t->last_error() == b.all[0].detail);
}

TEST_CASE("with retry 0 a cast fails with the first attempt") {
  transport_bed b;
  b.cast(1, within(seconds{30}, 0));
  b.on.run_for(milliseconds{1000});
  REQUIRE(b.all.size() == 1);
  CHECK(b.all[0].error == errc::delivery_failure);
  CHECK_THAT(b.all[0].detail, Catch::Contains("after 0 tries") && Catch::Contains(b.address()));
}

TEST_CASE("names that no frame can carry are refused at once") {
  transport_bed b;
  b.to.topic = std::string(300, 't');
  b.call(1, within(seconds{30}));
  b.cast(2, within(seconds{30}));
  b.on.run_for(milliseconds{500});
  REQUIRE(b.all.size() == 2);
  CHECK(b.all[0].error == errc::limit_exceeded);
  CHECK(b.all[1].error == errc::limit_exceeded);
}

TEST_CASE("closing cancels what is pending, and says so once it is closed") {
  transport_bed b;
  b.call(1, within(seconds{30}));
  b.cast(2, within(seconds{30}));
  b.on.run_for(milliseconds{100});
  int closed = 0;
  b.t->close(seconds{2}, [&] { ++closed; });
  CHECK(closed == 0);
  b.on.run_for(milliseconds{500});
  CHECK(closed == 1);
  REQUIRE(b.all.size() == 2);
  CHECK(b.all[0].error == errc::cancelled);
  CHECK(b.all[1].error == errc::cancelled);
  b.call(3, within(seconds{30}));
  b.on.run_for(milliseconds{100});
  REQUIRE(b.all.size() == 3);
  CHECK(b.all[2].error == errc::cancelled);
}

TEST_CASE("a server that closes answers the call that it has acknowledged, and takes no other") {
  server s(GENERATE("oslo", "lean", "shared:1"), 1);
  s.take_call();
  s.request("call-2", "unique-2");  // waits for the slot
  s.bus.confirms = false;
  REQUIRE(s.drive([&] { return s.l->counters().received == 2; }));
  s.close(far);
  REQUIRE(s.drive([&] { return s.bus.consuming == 0; }));
  CHECK(s.stays_open());
  s.l->reply(s.got.at(0), "\"answer\"");
  REQUIRE(s.drive([&] { return s.bus.published.size() == 1; }));
  CHECK(s.stays_open());  // until it is confirmed
  s.bus.confirm_all();
  REQUIRE(s.drive([&] { return s.closed == 1; }));
  CHECK_THAT(s.bus.published.at(0), Catch::Contains("call-1") && Catch::Contains("answer"));
  CHECK(s.bus.acknowledged == 1);
  CHECK(s.got.size() == 1);
  CHECK(s.l->counters().replies_abandoned == 0);
}

TEST_CASE("on one connection a server that closes answers there, even its first call") {
  server s("lean");
  s.take_call();
  s.close(far);
  REQUIRE(s.drive([&] { return s.bus.consuming == 0; }));
  s.l->reply(s.got.at(0), "1");
  REQUIRE(s.drive([&] { return s.closed == 1; }));
  CHECK(s.bus.published.size() == 1);
  CHECK(s.bus.connections == 1);
}

TEST_CASE("a reply whose connection is still being made is sent before a server closes") {
  server s;
  s.answers_at_once = true;
  s.bus.greets = false;
  s.take_call();
  REQUIRE(s.drive([&] { return s.bus.connections == 2; }));
  s.close(far);
  REQUIRE(s.drive([&] { return s.bus.consuming == 0; }));
  CHECK(s.stays_open());
  s.bus.greet_all();
  REQUIRE(s.drive([&] { return s.closed == 1; }));
  CHECK(s.bus.published.size() == 1);
}

TEST_CASE("a server that owes nothing closes at once") {
  server s;
  SECTION("it had no request") {}
  SECTION("its call is answered") {
    s.answers_at_once = true;
    s.take_call();
    REQUIRE(s.drive([&] { return s.bus.published.size() == 1; }));
  }
  SECTION("a cast is in work") {
    s.request("", "unique-1");
    REQUIRE(s.drive([&] { return s.bus.acknowledged == 1; }));
  }
  SECTION("its reply came back: the caller's queue is gone") {
    s.answers_at_once = true;
    s.bus.returns = true;
    s.take_call();
    REQUIRE(s.drive([&] { return s.t->counters().returned >= 1; }));
  }
  s.close(far);
  REQUIRE(s.drive([&] { return s.closed == 1; }));
}

TEST_CASE("a server that closes waits for its answers up to the limit") {
  server s;
  s.take_call();
  const auto before = steady_clock::now();
  std::size_t published = 0;
  SECTION("a handler that does not answer") { s.close(milliseconds{100}); }
  SECTION("a broker that does not confirm") {
    s.bus.confirms = false;
    s.l->reply(s.got.at(0), "1");
    REQUIRE(s.drive([&] { return s.bus.published.size() == 1; }));
    published = 1;
    s.close(milliseconds{100});
  }
  SECTION("the shortest of several limits") {
    s.close(far);
    s.close(milliseconds{100});
  }
  REQUIRE(s.drive([&] { return s.closed > 0; }));
  CHECK(steady_clock::now() - before >= milliseconds{100});
  s.l->reply(s.got.at(0), "2");  // too late, and harmless
  tests::settle(s.on, milliseconds{50});
  CHECK(s.bus.published.size() == published);
}

TEST_CASE("a bus that is gone does not hold up a server that owes replies") {
  server s(GENERATE("oslo", "lean"));
  SECTION("gone before its handler answers") {
    s.take_call();
    s.bus.die();
    REQUIRE(s.drive([&] { return s.lost; }));
    s.close(far);
  }
  SECTION("gone before a reply is confirmed") {
    s.bus.confirms = false;
    s.answers_at_once = true;
    s.take_call();
    REQUIRE(s.drive([&] { return s.bus.published.size() == 1; }));
    s.bus.die();
    REQUIRE(s.drive([&] { return s.lost; }));
    tests::settle(s.on);
    s.close(far);
  }
  SECTION("gone while it closes, its handler has not answered") {
    s.take_call();
    s.close(far);
    CHECK(s.stays_open());
    s.bus.die();
  }
  SECTION("gone while it closes, a reply is not confirmed") {
    s.bus.confirms = false;
    s.take_call();
    s.close(far);
    s.l->reply(s.got.at(0), "1");
    REQUIRE(s.drive([&] { return s.bus.published.size() == 1; }));
    s.bus.die();
  }
  REQUIRE(s.drive([&] { return s.closed == 1; }));
}

TEST_CASE("closing ends whoever of it goes first, and each of several close() is told once") {
  server s;
  s.take_call();
  s.close(far);
  s.close(far);
  CHECK(s.stays_open());
  std::size_t published = 0;
  SECTION("the reply") {
    s.l->reply(s.got.at(0), "1");
    published = 1;
  }
  SECTION("the listener") { s.l.reset(); }
  SECTION("the listener, with a reply on its way") {
    s.bus.confirms = false;
    s.l->reply(s.got.at(0), "1");
    REQUIRE(s.drive([&] { return s.bus.published.size() == 1; }));
    s.l.reset();
    s.bus.confirm_all();
    published = 1;
  }
  SECTION("the transport") { s.t.reset(); }
  REQUIRE(s.drive([&] { return s.closed == 2; }));
  CHECK(s.bus.published.size() == published);
  if (s.t) {
    s.close(far);
    REQUIRE(s.drive([&] { return s.closed == 3; }));
  }
}

TEST_CASE("operations of a transport that still answers are cancelled at once") {
  server s;
  s.take_call();
  struct sender final : completion {
    std::vector<error_code> all;
    void on_complete(std::uint64_t, const outcome& result) override { all.push_back(result.error); }
  } sender;
  target to;
  to.topic = "other";
  to.exchange = "exchange";
  s.bus.confirms = false;
  s.t->cast(to, {"noop", "{}", {}}, within(far), sender, 1);
  s.t->call(to, {"echo", "{}", {}}, within(far), sender, 2);
  tests::settle(s.on);
  s.close(far);
  CHECK(sender.all == std::vector<error_code>{errc::cancelled, errc::cancelled});
  s.t->cast(to, {"noop", "{}", {}}, within(far), sender, 3);
  CHECK(sender.all.size() == 2);
  REQUIRE(s.drive([&] { return sender.all.size() == 3; }));
  CHECK(sender.all.at(2) == errc::cancelled);
  s.bus.confirm_all();
  CHECK(s.stays_open());
  s.l->reply(s.got.at(0), "1");
  REQUIRE(s.drive([&] { return s.closed == 1; }));
  CHECK_THAT(s.bus.published.back(), Catch::Contains("call-1"));
}
