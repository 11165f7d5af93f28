// SPDX-License-Identifier: Apache-2.0
// Operations of a rabbit transport whose bus is not there or not a bus: each ends once, with a
// named error, from the loop. With a broker: tests/interop.
#include "drivers/transport.hpp"

#include "wire/configuration_error.hpp"

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

struct bed : completion {
  loop on;
  boost::asio::io_context io;
  tcp::acceptor reserved{io, tcp::endpoint(boost::asio::ip::make_address("127.0.0.1"), 0)};
  std::uint16_t port = reserved.local_endpoint().port();
  std::unique_ptr<transport> t;
  std::vector<ended> all;
  bool inside_call = false;
  target to;

  bed() {
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

}  // namespace

TEST_CASE("calls and casts to a bus that is not there end at their time limits with its address") {
  bed b;
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
  bed b;
  b.cast(1, within(seconds{30}, 0));
  b.on.run_for(milliseconds{1000});
  REQUIRE(b.all.size() == 1);
  CHECK(b.all[0].error == errc::delivery_failure);
  CHECK_THAT(b.all[0].detail, Catch::Contains("after 0 tries") && Catch::Contains(b.address()));
}

TEST_CASE("names that no frame can carry are refused at once") {
  bed b;
  b.to.topic = std::string(300, 't');
  b.call(1, within(seconds{30}));
  b.cast(2, within(seconds{30}));
  b.on.run_for(milliseconds{500});
  REQUIRE(b.all.size() == 2);
  CHECK(b.all[0].error == errc::limit_exceeded);
  CHECK(b.all[1].error == errc::limit_exceeded);
}

TEST_CASE("closing cancels what is pending, and says so once it is closed") {
  bed b;
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

TEST_CASE("amqp:// is refused before anything connects") {
  loop on;
  auto s = std::make_shared<transport_settings>();
  s->messaging.url.driver = wire::oslo::driver_kind::amqp10;
  s->messaging.url.hosts.resize(1);
  CHECK_THROWS_AS(transport::make(on, s), configuration_error);
}
