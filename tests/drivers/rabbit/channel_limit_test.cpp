// SPDX-License-Identifier: Apache-2.0
// A broker that allows fewer channels on a connection than its links want: who gets one, what the
// others are told, and that nobody waits. The broker is a script on loopback that answers what it
// is asked; a real one is in tests/interop/topology_test.py.
#include "drivers/rabbit/connection.hpp"

#include "tests/agents/drive.hpp"
#include "tests/wire/amqp091/script.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <catch2/catch.hpp>

#include <list>

using namespace ombt;
using namespace ombt::drivers;
using namespace ombt::drivers::rabbit;
namespace asio = boost::asio;
namespace script = wire::amqp091::script;
using asio::ip::tcp;
using tests::drive;
using tests::settle;

namespace {

/// Proposes a channel_max and opens every channel that it is asked to open.
class broker {
 public:
  explicit broker(asio::io_context& on)
      : acceptor_(on, tcp::endpoint(asio::ip::make_address("127.0.0.1"), 0)) {
    accept();
  }
  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }
  void drop_all() {
    for (auto& p : peers_) p.socket.close();
  }
  unsigned channel_max = 0;      ///< for the connections to come
  std::vector<unsigned> opened;  ///< channels, in the order asked for, of all connections

 private:
  struct peer {
    tcp::socket socket;
    std::string in;
    std::array<char, 4096> buffer{};
    bool greeted = false;
  };
  static unsigned number(std::string_view bytes, std::size_t at, int size) {
    unsigned value = 0;
    for (int i = 0; i < size; ++i) value = value << 8 | static_cast<unsigned char>(bytes[at++]);
    return value;
  }

  void accept() {
    acceptor_.async_accept([this](const error_code& error, tcp::socket socket) {
      if (error) return;
      peers_.push_back({std::move(socket), {}, {}, false});
      read(peers_.back());
      accept();
    });
  }
  void read(peer& p) {
    p.socket.async_read_some(asio::buffer(p.buffer),
                             [this, &p](const error_code& error, std::size_t n) {
                               if (error) return;
                               p.in.append(p.buffer.data(), n);
                               const std::string out = answer(p);
                               error_code ignored;
                               asio::write(p.socket, asio::buffer(out), ignored);
                               read(p);
                             });
  }
  std::string answer(peer& p) {
    std::string out;
    if (!p.greeted && p.in.size() >= 8) {
      p.greeted = true;
      p.in.erase(0, 8);
      out += script::start();
    }
    while (p.in.size() >= 7) {
      const std::size_t size = number(p.in, 3, 4);
      if (p.in.size() < size + 8) break;
      if (p.in[0] == 1) {
        out += answer(number(p.in, 1, 2), number(p.in, 7, 2), number(p.in, 9, 2));
      }
      p.in.erase(0, size + 8);
    }
    return out;
  }
  std::string answer(unsigned channel, unsigned class_id, unsigned method_id) {
    if (class_id == 10 && method_id == 11) return script::tune(channel_max);
    if (class_id == 10 && method_id == 40) return script::open_ok();
    if (class_id == 10 && method_id == 50) return script::connection_close_ok();
    if (class_id == 20 && method_id == 40) return script::channel_close_ok(channel);
    if (class_id != 20 || method_id != 10) return {};
    opened.push_back(channel);
    return script::channel_open_ok(channel);
  }

  tcp::acceptor acceptor_;
  std::list<peer> peers_;
};

struct user final : channel_user {
  int up = 0;
  std::vector<std::string> refused;  ///< of limit_exceeded, final
  int lost = 0;
  std::string other;
  void on_up() override { ++up; }
  void on_down(const trouble& why) override {
    if (why.error == errc::limit_exceeded && why.final && why.what == trouble::scope::attempt) {
      refused.emplace_back(why.detail);
    } else if (why.error == errc::connection_lost) {
      ++lost;
    } else {
      other = why.error.message() + ": " + std::string(why.detail);
    }
  }
};

struct bed {
  loop on;
  amqp::thread_memory memory;
  std::shared_ptr<monitor> told = std::make_shared<monitor>();
  broker bus{on.context().asio()};
  std::shared_ptr<connection> c;

  bed(unsigned channel_max, const char* topology) {
    bus.channel_max = channel_max;
    auto s = std::make_shared<transport_settings>();
    s->messaging.url.hosts.push_back({"127.0.0.1", bus.port(), "guest", "secret"});
    s->topology = topology::parse(topology);
    c = std::make_shared<connection>(on.context(), memory, std::make_shared<const settings>(s),
                                     told, connection::purpose::listen);
  }
  std::string words(const char* rest) const {
    return "127.0.0.1:" + std::to_string(bus.port()) + ": the broker allows " + rest;
  }
};

}  // namespace

TEST_CASE("links beyond what the broker allows are told so, and the others have their channels") {
  bed b(2, "shared:3");
  std::array<user, 4> users;
  for (auto& u : users) b.c->add(u);
  REQUIRE(drive(b.on, [&] { return users[1].up > 0 && !users[3].refused.empty(); }));
  const auto words =
      b.words("2 channels on a connection: too few for topology shared:3, which needs a larger N");
  for (int i : {0, 1}) {
    CHECK(users[i].up == 1);
    CHECK(users[i].refused.empty());
    CHECK(b.c->is_up(static_cast<amqp::channel_id>(i + 1)));
  }
  for (int i : {2, 3}) {
    CHECK(users[i].up == 0);
    CHECK(users[i].refused == std::vector<std::string>{words});
    CHECK_FALSE(b.c->is_up(static_cast<amqp::channel_id>(i + 1)));
  }
  // To ask the broker for one more would end the connection for all.
  CHECK(b.bus.opened == std::vector<unsigned>{1, 2});
  CHECK(b.told->last_error == words);

  SECTION("who comes later is told from the loop, and again whenever it asks") {
    user late;
    const auto id = b.c->add(late);
    CHECK(late.refused.empty());
    REQUIRE(drive(b.on, [&] { return late.refused.size() == 1; }));
    b.c->need(id);
    CHECK(late.refused.size() == 1);
    REQUIRE(drive(b.on, [&] { return late.refused.size() == 2; }));
    b.c->remove(id);
  }
  SECTION("who leaves makes room for the next") {
    b.c->remove(1);
    settle(b.on);
    user next;
    CHECK(b.c->add(next) == 1);
    REQUIRE(drive(b.on, [&] { return next.up == 1; }));
    CHECK(next.refused.empty());
  }
  SECTION("who is gone before it is told is not told") {
    auto gone = std::make_unique<user>();
    b.c->remove(b.c->add(*gone));
    gone.reset();
    settle(b.on);
  }
  SECTION("links without a channel close as the others do") {
    for (amqp::channel_id id = 1; id <= users.size(); ++id) b.c->remove(id);
    bool closed = false;
    b.c->when_closed([&] { closed = true; });
    CHECK(drive(b.on, [&] { return closed; }));
  }
  for (auto& u : users) {
    CHECK(u.lost == 0);
    CHECK(u.other.empty());
  }
}

TEST_CASE("a broker that allows fewer channels after a restart keeps whom it has room for") {
  bed b(3, "shared:1");
  std::array<user, 3> users;
  for (auto& u : users) b.c->add(u);
  REQUIRE(drive(b.on, [&] { return users[2].up == 1; }));
  b.bus.channel_max = 1;
  b.bus.drop_all();
  REQUIRE(drive(b.on, [&] { return users[0].up == 2 && !users[2].refused.empty(); }));
  CHECK(users[0].refused.empty());
  for (int i : {1, 2}) {
    CHECK(users[i].up == 1);
    CHECK(users[i].refused.size() == 1);
    CHECK_THAT(users[i].refused.at(0), Catch::Contains("allows 1 channels"));
  }
  // And whom it has room for again after the next.
  b.bus.channel_max = 3;
  b.bus.drop_all();
  REQUIRE(drive(b.on, [&] { return users[2].up == 2; }));
  CHECK(users[1].up == 2);
  for (auto& u : users) CHECK(u.lost == 2);
}

TEST_CASE("where no larger N helps none is advised") {
  bed b(1, "lean");
  std::array<user, 2> users;
  for (auto& u : users) b.c->add(u);
  REQUIRE(drive(b.on, [&] { return !users[1].refused.empty(); }));
  CHECK(users[1].refused.at(0) == b.words("1 channels on a connection: too few for topology lean"));
}
