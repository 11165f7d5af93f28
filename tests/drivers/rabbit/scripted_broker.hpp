// SPDX-License-Identifier: Apache-2.0
#pragma once
// A broker on loopback that agrees to everything, for tests of a transport: it delivers to its
// consumers what a test gives it, counts what is acknowledged, keeps what is published, and
// confirms at once or when it is told to. It has no queues. One thread, its loop's.

#include "tests/wire/amqp091/script.hpp"

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>

#include <array>
#include <list>
#include <map>
#include <string>
#include <vector>

namespace ombt::tests {

namespace script = wire::amqp091::script;

class scripted_broker {
 public:
  explicit scripted_broker(boost::asio::io_context& on)
      : acceptor_(on, tcp::endpoint(boost::asio::ip::make_address("127.0.0.1"), 0)),
        port_(acceptor_.local_endpoint().port()) {
    accept();
  }
  std::uint16_t port() const { return port_; }

  bool confirms = true;                ///< false: kept until confirm_all()
  bool returns = false;                ///< mandatory messages come back as unroutable
  bool greets = true;                  ///< false: nothing is said on connections to come
  unsigned channel_max = 2047;         ///< for the connections to come
  std::vector<unsigned> opened;        ///< channels, in the order asked for, of all connections
  int consuming = 0;                   ///< consumers whose channel is open
  int acknowledged = 0;                ///< deliveries
  int connections = 0;                 ///< made so far
  std::vector<std::string> published;  ///< bodies

  /// Delivers to the consumer that came first on the newest channel that has any.
  void deliver(std::string_view body) {
    for (auto p = peers_.rbegin(); p != peers_.rend(); ++p) {
      if (p->consumers.empty()) continue;
      const unsigned channel = p->consumers.rbegin()->first;
      send(*p, script::message(channel, "1", ++p->delivered[channel], "exchange", "topic", body));
      return;
    }
  }
  void confirm_all() {
    confirms = true;
    for (auto& p : peers_) {
      for (const auto& [channel, tag] : std::exchange(p.unconfirmed, {})) {
        send(p, script::ack(channel, tag));
      }
    }
  }
  /// Greets those that were kept waiting.
  void greet_all() {
    greets = true;
    for (auto& p : peers_) {
      if (std::exchange(p.kept_waiting, false)) send(p, script::start());
    }
  }
  /// Connections break; it goes on listening.
  void drop_all() {
    for (auto& p : peers_) p.socket.close();
  }
  /// Gone: connections break, nobody listens any more.
  void die() {
    acceptor_.close();
    drop_all();
  }

 private:
  using tcp = boost::asio::ip::tcp;
  using error_code = boost::system::error_code;
  struct peer {
    tcp::socket socket;
    std::string in;
    std::array<char, 4096> buffer{};
    bool greeted = false;
    bool kept_waiting = false;
    std::map<unsigned, int> consumers;  ///< of a channel
    std::map<unsigned, std::uint64_t> delivered;
    std::map<unsigned, std::uint64_t> taken;  ///< published, the last tag
    std::vector<std::pair<unsigned, std::uint64_t>> unconfirmed;
  };

  static unsigned number(std::string_view bytes, std::size_t at, int size) {
    unsigned value = 0;
    for (int i = 0; i < size; ++i) value = value << 8 | static_cast<unsigned char>(bytes[at++]);
    return value;
  }
  static void send(peer& p, const std::string& bytes) {
    error_code ignored;
    boost::asio::write(p.socket, boost::asio::buffer(bytes), ignored);
  }

  void accept() {
    acceptor_.async_accept([this](const error_code& error, tcp::socket socket) {
      if (error) return;
      ++connections;
      peers_.push_back({std::move(socket), {}, {}, false, false, {}, {}, {}, {}});
      read(peers_.back());
      accept();
    });
  }
  void read(peer& p) {
    p.socket.async_read_some(boost::asio::buffer(p.buffer),
                             [this, &p](const error_code& error, std::size_t n) {
                               if (error) return;
                               p.in.append(p.buffer.data(), n);
                               const std::string out = answer(p);
                               if (!out.empty()) send(p, out);
                               read(p);
                             });
  }
  std::string answer(peer& p) {
    std::string out;
    if (!p.greeted && p.in.size() >= 8) {
      p.greeted = true;
      p.in.erase(0, 8);
      p.kept_waiting = !greets;
      if (greets) out += script::start();
    }
    while (p.in.size() >= 7) {
      const std::size_t size = number(p.in, 3, 4);
      if (p.in.size() < size + 8) break;
      const unsigned channel = number(p.in, 1, 2);
      const std::string payload = p.in.substr(7, size);
      if (p.in[0] == 1) {
        out += method(p, channel, number(payload, 0, 2), number(payload, 2, 2), payload);
      } else if (p.in[0] == 3) {
        out += body(p, channel, payload);
      }
      p.in.erase(0, size + 8);
    }
    return out;
  }
  std::string method(peer& p, unsigned channel, unsigned class_id, unsigned method_id,
                     const std::string& payload) {
    using script::method;
    using script::u32;
    switch (class_id * 1000 + method_id) {
      case 10011:
        return script::tune(channel_max);
      case 10040:
        return script::open_ok();
      case 10050:
        return script::connection_close_ok();
      case 20010:
        opened.push_back(channel);
        return script::channel_open_ok(channel);
      case 20040:
        consuming -= std::exchange(p.consumers[channel], 0);
        p.consumers.erase(channel);
        p.delivered.erase(channel);
        p.taken.erase(channel);
        return script::channel_close_ok(channel);
      case 40010:
        return method(channel, 40, 11);
      case 40020:
        return method(channel, 40, 21);
      case 50010:
        return method(channel, 50, 11, script::short_text("q") + u32(0) + u32(0));
      case 50020:
        return method(channel, 50, 21);
      case 50040:
        return method(channel, 50, 41, u32(0));
      case 60010:
        return method(channel, 60, 11);
      case 60020: {
        ++consuming;
        ++p.consumers[channel];
        const std::size_t at = 6 + 1 + number(payload, 6, 1);  // ticket, queue, then the tag
        return method(channel, 60, 21, payload.substr(at, 1 + number(payload, at, 1)));
      }
      case 60080:
        ++acknowledged;
        return {};
      case 85010:
        return method(channel, 85, 11);
      default:
        return {};
    }
  }
  std::string body(peer& p, unsigned channel, const std::string& bytes) {
    published.push_back(bytes);
    const std::uint64_t tag = ++p.taken[channel];
    std::string out;
    if (returns) {
      out += script::returned(channel, 312, "NO_ROUTE", "", "reply") +
             script::message_header(channel, bytes.size()) + script::body(channel, bytes);
    }
    if (confirms) return out + script::ack(channel, tag);
    p.unconfirmed.emplace_back(channel, tag);
    return out;
  }

  tcp::acceptor acceptor_;
  std::uint16_t port_;
  std::list<peer> peers_;
};

}  // namespace ombt::tests
