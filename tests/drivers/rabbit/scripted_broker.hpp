// SPDX-License-Identifier: Apache-2.0
#pragma once
// A broker on loopback that agrees to everything, for tests of a transport: it delivers to its
// consumers what a test gives it, counts what is acknowledged, keeps every method and what is
// published, and confirms at once or when it is told to. It has no queues. What it does not do by
// itself, such as a refusal, a test says for it: see `instead`. One thread, its loop's.

#include "tests/wire/amqp091/script.hpp"

#include <boost/asio/ip/tcp.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ombt::tests {

namespace script = wire::amqp091::script;

/// A method that a client sent.
struct said_method {
  int connection;  ///< the first is 1
  unsigned channel;
  unsigned id;         ///< class * 1000 + method: 60040 is basic.publish
  std::string values;  ///< its arguments, encoded

  /// The short string that begins at this byte.
  std::string text(std::size_t at) const {
    return values.substr(at + 1, static_cast<unsigned char>(values.at(at)));
  }
  /// Where the field behind that short string begins.
  std::size_t behind_text(std::size_t at) const {
    return at + 1 + static_cast<unsigned char>(values.at(at));
  }
  unsigned number(std::size_t at, int size) const {
    unsigned value = 0;
    for (int i = 0; i < size; ++i) value = value << 8 | static_cast<unsigned char>(values.at(at++));
    return value;
  }
};

class scripted_broker {
 public:
  explicit scripted_broker(boost::asio::io_context& on, const char* address = "127.0.0.1")
      : acceptor_(on, tcp::endpoint(boost::asio::ip::make_address(address), 0)),
        port_(acceptor_.local_endpoint().port()) {
    accept();
  }
  std::uint16_t port() const { return port_; }

  bool confirms = true;                ///< false: kept until confirm_all() or nack_all()
  bool nacks = false;                  ///< confirms with basic.nack
  bool returns = false;                ///< mandatory messages come back as unroutable
  bool greets = true;                  ///< false: nothing is said on connections to come
  unsigned channel_max = 2047;         ///< for the connections to come
  std::vector<unsigned> opened;        ///< channels, in the order asked for, of all connections
  int consuming = 0;                   ///< consumers whose channel is open
  int acknowledged = 0;                ///< deliveries
  int connections = 0;                 ///< made so far
  std::vector<std::string> published;  ///< bodies
  std::vector<said_method> methods;    ///< all, in the order they came
  /// When each connection was accepted.
  std::vector<std::chrono::steady_clock::time_point> accepted_at;
  int ended = 0;            ///< connections that their client closed or dropped
  int setting_up = 0;       ///< connections that have not sent connection.open
  int most_setting_up = 0;  ///< at any time
  /// Asked at each method: bytes to say instead of the usual answer (none: to say nothing), or
  /// nullopt. A channel that is closed here is forgotten with forget().
  std::function<std::optional<std::string>(const said_method&)> instead;

  /// How often this method came, of this connection if one is named.
  std::size_t count(unsigned id, int connection = 0) const {
    return static_cast<std::size_t>(
        std::count_if(methods.begin(), methods.end(), [&](const said_method& m) {
          return m.id == id && (connection == 0 || m.connection == connection);
        }));
  }
  /// The arguments of the first such method; a test fails where there is none.
  const said_method& first(unsigned id) const {
    const auto found = std::find_if(methods.begin(), methods.end(),
                                    [id](const said_method& m) { return m.id == id; });
    return found != methods.end() ? *found : throw std::out_of_range("no such method came");
  }

  /// Says these bytes on a connection.
  void say(int connection, const std::string& bytes) {
    for (auto& p : peers_) {
      if (p.number == connection) send(p, bytes);
    }
  }
  /// A channel was closed by what a test said: its consumers are gone, and nothing that comes on it
  /// is looked at until it is opened again.
  void forget(int connection, unsigned channel) {
    for (auto& p : peers_) {
      if (p.number == connection) forget(p, channel);
    }
  }
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
    for (auto& p : peers_) confirm(p);
  }
  /// What was published on this connection so far.
  void confirm(int connection) {
    for (auto& p : peers_) {
      if (p.number == connection) confirm(p);
    }
  }
  /// The same with basic.nack; what comes later is confirmed again.
  void nack_all() {
    nacks = true;
    confirm_all();
    nacks = false;
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
    explicit peer(tcp::socket s) : socket(std::move(s)) {}
    tcp::socket socket;
    int number = 0;
    std::string in;
    std::string out;  ///< what the socket would not take yet
    std::array<char, 4096> buffer{};
    bool greeted = false;
    bool kept_waiting = false;
    bool writing = false;
    bool set_up = false;                ///< sent connection.open
    std::set<unsigned> closed;          ///< channels that are not open any more
    std::map<unsigned, int> consumers;  ///< of a channel
    std::map<unsigned, std::uint64_t> delivered;
    std::map<unsigned, std::uint64_t> taken;  ///< published, the last tag
    std::map<unsigned, bool> mandatory;       ///< the message that is being published
    std::vector<std::pair<unsigned, std::uint64_t>> unconfirmed;
  };

  static unsigned number(std::string_view bytes, std::size_t at, int size) {
    unsigned value = 0;
    for (int i = 0; i < size; ++i) value = value << 8 | static_cast<unsigned char>(bytes[at++]);
    return value;
  }
  /// At once as far as the socket takes it, so that a test may drop the connection right after.
  static void send(peer& p, const std::string& bytes) {
    p.out += bytes;
    if (!p.writing) flush(p);
  }
  static void flush(peer& p) {
    error_code error;
    while (!p.out.empty() && !error) {
      p.out.erase(0, p.socket.write_some(boost::asio::buffer(p.out), error));
    }
    if (error != boost::asio::error::would_block) return p.out.clear();
    // Its client does not read. The loop, which is the client's too, must not wait for it.
    p.writing = true;
    p.socket.async_wait(tcp::socket::wait_write, [&p](const error_code& failed) {
      p.writing = false;
      if (!failed) flush(p);
    });
  }
  void confirm(peer& p) {
    for (const auto& [channel, tag] : std::exchange(p.unconfirmed, {})) {
      send(p, verdict(channel, tag));
    }
  }
  std::string verdict(unsigned channel, std::uint64_t tag) const {
    return nacks ? script::nack(channel, tag) : script::ack(channel, tag);
  }

  void accept() {
    acceptor_.async_accept([this](const error_code& error, tcp::socket socket) {
      if (error) return;
      accepted_at.push_back(std::chrono::steady_clock::now());
      most_setting_up = std::max(most_setting_up, ++setting_up);
      peers_.emplace_back(std::move(socket)).number = ++connections;
      peers_.back().socket.non_blocking(true);
      read(peers_.back());
      accept();
    });
  }
  void read(peer& p) {
    p.socket.async_read_some(boost::asio::buffer(p.buffer),
                             [this, &p](const error_code& error, std::size_t n) {
                               if (error) return over(p);
                               p.in.append(p.buffer.data(), n);
                               const std::string out = answer(p);
                               if (!out.empty()) send(p, out);
                               read(p);
                             });
  }
  void over(peer& p) {
    ++ended;
    is_set_up(p);
  }
  void is_set_up(peer& p) {
    if (!std::exchange(p.set_up, true)) --setting_up;
  }
  void forget(peer& p, unsigned channel) {
    if (const auto found = p.consumers.find(channel); found != p.consumers.end()) {
      consuming -= found->second;
      p.consumers.erase(found);
    }
    p.delivered.erase(channel);
    p.taken.erase(channel);
    p.closed.insert(channel);
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
    methods.push_back({p.number, channel, class_id * 1000 + method_id, payload.substr(4)});
    if (methods.back().id == 10040) is_set_up(p);
    if (methods.back().id == 60040) {  // the bits behind exchange and routing key
      const said_method& publish = methods.back();
      p.mandatory[channel] = publish.number(publish.behind_text(publish.behind_text(2)), 1) & 1;
    }
    if (methods.back().id == 20010) {
      p.closed.erase(channel);
    } else if (p.closed.count(channel) != 0) {
      return {};
    }
    if (instead) {
      if (auto said = instead(said_method(methods.back()))) return *std::move(said);
    }
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
        forget(p, channel);
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
    if (returns && p.mandatory[channel]) {
      out += script::returned(channel, 312, "NO_ROUTE", "", "reply") +
             script::message_header(channel, bytes.size()) + script::body(channel, bytes);
    }
    if (confirms) return out + verdict(channel, tag);
    p.unconfirmed.emplace_back(channel, tag);
    return out;
  }

  tcp::acceptor acceptor_;
  std::uint16_t port_;
  std::list<peer> peers_;
};

}  // namespace ombt::tests
