// SPDX-License-Identifier: Apache-2.0
// A connection against peers that fail on demand: a scripted TCP peer on loopback, in the test's
// own loop. Real brokers are in tests/interop.
#include "drivers/rabbit/connection.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read.hpp>
#include <boost/asio/write.hpp>
#include <catch2/catch.hpp>

#include <deque>
#include <functional>
#include <optional>

using namespace ombt;
using namespace ombt::drivers;
using namespace ombt::drivers::rabbit;
namespace asio = boost::asio;
using asio::ip::tcp;

namespace {

/// Accepts connections and answers each with bytes, then closes it or holds it open.
class scripted_peer {
 public:
  struct answer {
    std::string bytes;
    bool hold = true;  ///< keep the socket open afterwards
  };

  scripted_peer(asio::io_context& on, std::deque<answer> answers)
      : acceptor_(on, tcp::endpoint(asio::ip::make_address("127.0.0.1"), 0)),
        answers_(std::move(answers)) {
    accept();
  }
  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
  int accepted = 0;

 private:
  void accept() {
    acceptor_.async_accept([this](const error_code& error, tcp::socket socket) {
      if (error) return;
      ++accepted;
      auto kept = std::make_shared<tcp::socket>(std::move(socket));
      const answer a = answers_.empty() ? answer{} : answers_.front();
      if (answers_.size() > 1) answers_.pop_front();
      // The protocol header first, so that the answer does not race it.
      auto header = std::make_shared<std::array<char, 8>>();
      asio::async_read(*kept, asio::buffer(*header),
                       [this, kept, header, a](const error_code&, std::size_t) {
                         auto bytes = std::make_shared<std::string>(a.bytes);
                         asio::async_write(*kept, asio::buffer(*bytes),
                                           [this, kept, bytes, a](const error_code&, std::size_t) {
                                             if (a.hold) held_.push_back(kept);
                                           });
                       });
      accept();
    });
  }
  tcp::acceptor acceptor_;
  std::deque<answer> answers_;
  std::vector<std::shared_ptr<tcp::socket>> held_;
};

struct connecting_user : channel_user {
  std::vector<std::string> told;
  std::vector<error_code> errors;
  std::function<void()> stop;
  bool final = false;
  void on_up() override { told.push_back("up"); }
  void on_down(const trouble& why) override {
    told.emplace_back(why.detail);
    errors.push_back(why.error);
    final = why.final;
    if (stop) stop();
  }
};

/// A loop, a peer and a connection to it.
struct connecting_bed {
  loop on;
  amqp::thread_memory memory;
  std::shared_ptr<monitor> told = std::make_shared<monitor>();
  std::optional<scripted_peer> peer;
  std::shared_ptr<connection> c;
  connecting_user one;

  explicit connecting_bed(std::deque<scripted_peer::answer> answers) {
    peer.emplace(on.context().asio(), std::move(answers));
    one.stop = [this] { on.stop(); };
    make({peer->port()});
  }
  void make(const std::vector<std::uint16_t>& ports) {
    auto s = std::make_shared<transport_settings>();
    for (const auto port : ports) {
      s->messaging.url.hosts.push_back({"127.0.0.1", port, "guest", "secret"});
    }
    c = std::make_shared<connection>(on.context(), memory, std::make_shared<const settings>(s),
                                     told, connection::purpose::listen);
  }
  void run() {
    c->add(one);
    on.run_for(std::chrono::seconds{15});
  }
  std::string address() const { return "127.0.0.1:" + std::to_string(peer->port()); }
};

std::uint16_t unused_port() {
  asio::io_context io;
  tcp::acceptor a(io, tcp::endpoint(asio::ip::make_address("127.0.0.1"), 0));
  return a.local_endpoint().port();
}

}  // namespace

TEST_CASE("a peer of another protocol is named and not tried again") {
  struct foreign {
    std::string bytes;
    const char* words;
  };
  const auto f = GENERATE(values<foreign>({
      {"HTTP/1.1 400 Bad Request\r\n\r\n", "HTTP"},
      {std::string("AMQP\0\1\0\0", 8), "1.0"},
      {std::string("\x15\x03\x03\x00\x02\x02\x46", 7), "TLS"},
  }));
  connecting_bed b({{f.bytes, true}});
  b.run();
  REQUIRE(b.one.told.size() == 1);
  CHECK_THAT(b.one.told[0], Catch::StartsWith(b.address() + ": ") && Catch::Contains(f.words));
  CHECK(b.one.errors[0] == errc::wrong_protocol);
  CHECK(b.one.final);
  CHECK(b.told->last_error == b.one.told[0]);
  CHECK(b.told->counters.connection_errors == 1);
}

TEST_CASE("a port where nobody listens is refused with its address, and tried again") {
  connecting_bed b({});
  const auto port = unused_port();
  b.make({port});
  b.run();
  REQUIRE(b.one.told.size() == 1);
  CHECK_THAT(b.one.told[0],
             Catch::Contains("127.0.0.1:" + std::to_string(port)) && Catch::Contains("refused"));
  CHECK(b.one.errors[0] == errc::bus_unreachable);
  CHECK_FALSE(b.one.final);
  b.on.run_for(std::chrono::milliseconds{1500});
  CHECK(b.one.told.size() == 2);
}

TEST_CASE("every host of the list is tried before any is waited for") {
  connecting_bed b({{"HTTP/1.1 400\r\n", true}});
  b.make({unused_port(), b.peer->port()});
  std::size_t wanted = 2;
  b.one.stop = [&] {
    if (b.one.told.size() == wanted) b.on.stop();
  };
  const auto start = steady_clock::now();
  b.run();
  CHECK(b.one.told.size() == 2);
  CHECK(steady_clock::now() - start < std::chrono::milliseconds{900});
  CHECK_FALSE(b.one.final);  // one of the two may come up yet
}

TEST_CASE("a peer that closes without a word is an error with words") {
  connecting_bed b({{"", false}});
  b.run();
  REQUIRE(b.one.told.size() == 1);
  CHECK_THAT(b.one.told[0], Catch::StartsWith(b.address() + ": "));
  CHECK(b.one.told[0].size() > b.address().size() + 10);
}

TEST_CASE("garbage instead of a frame ends the attempt, not the process") {
  connecting_bed b({{std::string(5000, '\xff'), true}});
  b.run();
  REQUIRE(b.one.told.size() == 1);
  CHECK(b.one.errors[0]);
}

TEST_CASE("a peer that never answers is given up after 10 s", "[slow]") {
  connecting_bed b({{"", true}});
  const auto start = steady_clock::now();
  b.run();
  REQUIRE(b.one.told.size() == 1);
  CHECK_THAT(b.one.told[0], Catch::Contains("10 s"));
  CHECK(steady_clock::now() - start > std::chrono::seconds{9});
}

TEST_CASE("closing a connection that never came up ends at once, once") {
  connecting_bed b({{"", true}});
  int closed = 0;
  b.c->add(b.one);
  b.on.run_for(std::chrono::milliseconds{50});
  b.c->when_closed([&] {
    ++closed;
    b.on.stop();
  });
  CHECK(closed == 0);  // never inside the call
  b.on.run_for(std::chrono::seconds{1});
  CHECK(closed == 1);
  CHECK(b.one.told.empty());
  CHECK(b.c->is_ending());
}

TEST_CASE("a connection that is destroyed in any phase leaves nothing behind") {
  const int milliseconds = GENERATE(0, 1, 5, 20);
  connecting_bed b({{"", true}});
  b.c->add(b.one);
  b.on.run_for(std::chrono::milliseconds{milliseconds});
  b.c.reset();
  b.on.run_for(std::chrono::milliseconds{20});
  CHECK(b.one.told.empty());
}
