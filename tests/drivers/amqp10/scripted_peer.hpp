// SPDX-License-Identifier: Apache-2.0
#pragma once
// An AMQP 1.0 bus on loopback that agrees to everything, for tests of a transport: it gives credit,
// accepts, and hands out what a test gives it to whoever listens at the address. It routes nothing
// by itself. What it does not do unasked, such as a refusal, a test says for it: see the switches
// and `instead`. One thread, its loop's.

#include "wire/amqp10/connection.hpp"
#include "wire/amqp10/message.hpp"

#include <boost/asio/ip/tcp.hpp>

#include <algorithm>
#include <chrono>
#include <functional>
#include <list>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ombt::tests {

namespace amqp = wire::amqp10;

class scripted_peer {
 public:
  /// A link that the client attached.
  struct seen_link {
    int connection;  ///< the first is 1
    std::string name;
    amqp::terminus source, target;
    bool listens;   ///< the client receives on it
    void* session;  ///< which session it was on
    amqp::link link;
    bool open = true;
    bool for_good = false;  ///< its detach said closed
    int most_credit = 0;    ///< that the client had given at any time
    int credits = 0;        ///< how often it has given some
    int drains = 0;         ///< how often it has asked for some back
  };
  /// A message that the client sent.
  struct seen_message {
    int connection;
    std::string address;  ///< the link's
    std::string tag;
    std::string encoded;
    bool settled;
    amqp::delivery handle;
    amqp::message read() const {
      amqp::message m;
      if (amqp::read_message(encoded, m)) throw std::runtime_error("no message");
      return m;
    }
  };
  /// What the client said of a message that it was given.
  struct verdict {
    amqp::outcome::kind what;
    bool failed, undeliverable;
  };

  explicit scripted_peer(boost::asio::io_context& on)
      : acceptor_(on, tcp::endpoint(boost::asio::ip::make_address("127.0.0.1"), 0)),
        port_(acceptor_.local_endpoint().port()) {
    options.side = amqp::role::server;
    options.properties = {{"product", std::string("scripted")}};
    accept();
  }
  std::uint16_t port() const { return port_; }

  amqp::connection_options options;  ///< of connections to come
  int credit = 1000;                 ///< given to each sending link when it attaches
  bool answers = true;               ///< false: no attach is answered
  bool names_reply_links = true;     ///< false: a dynamic source gets no address
  bool greets = true;                ///< false: connections to come are read, and nothing is said
  bool drains = true;                ///< false: credit is not given back where it is asked for
  bool reads = true;                 ///< false: nothing is read (connections that are there)
  amqp::outcome says;                ///< of unsettled messages; kind other: nothing
  /// Asked at each attach: true if the test has answered.
  std::function<bool(seen_link&)> instead;

  std::list<seen_link> links;
  std::list<seen_message> messages;
  std::vector<verdict> verdicts;
  std::vector<std::string> containers;
  std::vector<std::string> users;
  int connections = 0;  ///< made so far
  int opened = 0;       ///< of them, got as far as open
  int closed = 0;       ///< ended by the client's close
  int ended_sessions = 0;
  int over = 0;  ///< ended in any way
  std::vector<std::chrono::steady_clock::time_point> accepted_at;

  std::size_t open_links(bool listens) const {
    return static_cast<std::size_t>(std::count_if(
        links.begin(), links.end(), [&](const auto& l) { return l.open && l.listens == listens; }));
  }
  /// The last link at that address; null if there is none.
  seen_link* find(std::string_view address, bool listens) {
    for (auto l = links.rbegin(); l != links.rend(); ++l) {
      const auto& a = listens ? l->source.address : l->target.address;
      if (l->listens == listens && a == address) return &*l;
    }
    return nullptr;
  }
  seen_link* reply_link() {
    for (auto l = links.rbegin(); l != links.rend(); ++l) {
      if (l->source.dynamic) return &*l;
    }
    return nullptr;
  }
  /// Gives a message to the newest open receiver at the address; false: nobody listens there.
  bool deliver(std::string_view address, const amqp::message& m, bool settled = false) {
    std::string bytes;
    amqp::append_message(bytes, m);
    return deliver_bytes(address, bytes, settled);
  }
  bool deliver_bytes(std::string_view address, std::string_view bytes, bool settled = false) {
    for (auto l = links.rbegin(); l != links.rend(); ++l) {
      const bool here = l->source.address == address;
      if (!l->listens || !l->open || !here) continue;
      l->link.send("tag-" + std::to_string(++tags_), bytes, settled);
      wake();
      return true;
    }
    return false;
  }
  /// Answers a call.
  bool answer(const seen_message& call, std::string_view body) {
    const amqp::message asked = call.read();
    amqp::message m;
    m.correlation_id = asked.id;
    m.kind = amqp::message::body_kind::text;
    m.body = body;
    return deliver(asked.reply_to, m, true);
  }
  void settle(seen_message& one, const amqp::outcome& how) {
    one.handle.settle(how);
    wake();
  }
  void detach(seen_link& one, std::string_view condition, std::string_view words) {
    one.open = false;
    one.link.close(condition, words);
    wake();
  }
  void give_credit(seen_link& one, int count) {
    one.link.add_credit(count);
    wake();
  }
  /// Gives back credit that `drains` has kept.
  void give_back(std::string_view address) {
    find(address, true)->link.drained();
    wake();
  }
  /// Closes the connections with these words.
  void close_all(std::string_view condition, std::string_view words) {
    for (auto& p : peers_) {
      if (p.engine) p.engine->close(condition, words);
    }
    wake();
  }
  /// Begins a session and a link of its own on connections that are there.
  void begin_foreign() {
    for (auto& p : peers_) {
      if (!p.engine || p.gone) continue;
      const amqp::session s = p.engine->open_session();
      foreign_ = s.open_sender("foreign", {"a", false, true}, {"a", false, true});
    }
    wake();
  }
  bool foreign_refused = false;
  /// Says these bytes, whatever they are, on connections that are there.
  void say(std::string_view bytes) {
    for (auto& p : peers_) {
      error_code ignored;
      p.socket.write_some(boost::asio::buffer(bytes.data(), bytes.size()), ignored);
    }
  }
  /// Connections break; it goes on listening.
  void drop_all() {
    for (auto& p : peers_) drop(p);
  }
  /// Gone: connections break, nobody listens any more.
  void die() {
    acceptor_.close();
    drop_all();
  }
  /// Writes what commands have left.
  void wake() {
    for (auto& p : peers_) flush(p);
  }

 private:
  using tcp = boost::asio::ip::tcp;
  using error_code = boost::system::error_code;
  struct peer {
    explicit peer(tcp::socket s) : socket(std::move(s)) {}
    tcp::socket socket;
    int number = 0;
    std::unique_ptr<amqp::connection> engine;
    bool gone = false;
  };

  void accept() {
    acceptor_.async_accept([this](const error_code& error, tcp::socket socket) {
      if (error) return;
      accepted_at.push_back(std::chrono::steady_clock::now());
      peers_.emplace_back(std::move(socket));
      peer& p = peers_.back();
      p.number = ++connections;
      p.socket.non_blocking(true);
      if (greets) {
        p.engine = std::make_unique<amqp::connection>(options, "scripted", "", "", false,
                                                      std::chrono::steady_clock::now());
      }
      read(p);
      accept();
    });
  }
  void read(peer& p) {
    p.socket.async_wait(tcp::socket::wait_read, [this, &p](const error_code& waited) {
      if (waited || p.gone) return;
      if (!reads) return;
      char scratch[4096];
      error_code error;
      if (!p.engine) {
        p.socket.read_some(boost::asio::buffer(scratch), error);
      } else if (const auto room = p.engine->read_buffer(); !room.empty()) {
        const auto n = p.socket.read_some(boost::asio::buffer(room.data(), room.size()), error);
        if (!error) p.engine->read_done(n, std::chrono::steady_clock::now());
      } else {
        return;
      }
      if (error == boost::asio::error::would_block) return read(p);
      if (error) return ended(p);
      drain(p);
      flush(p);
      if (p.engine && p.engine->is_closed()) return ended(p);
      read(p);
    });
  }
  void drop(peer& p) {
    error_code ignored;
    p.socket.close(ignored);
    ended(p);
  }
  void ended(peer& p) {
    if (std::exchange(p.gone, true)) return;
    ++over;
    for (auto& l : links) {
      if (l.connection == p.number) l.open = false;
    }
    error_code ignored;
    p.socket.close(ignored);
  }
  void flush(peer& p) {
    if (!p.engine || p.gone) return;
    for (;;) {
      const auto bytes = p.engine->write_buffer();
      if (bytes.empty()) return;
      error_code error;
      const auto n = p.socket.write_some(boost::asio::buffer(bytes.data(), bytes.size()), error);
      if (error) return;  // a client that does not read is tried again at the next wake()
      p.engine->write_done(n, std::chrono::steady_clock::now());
    }
  }
  void drain(peer& p) {
    if (!p.engine) return;
    p.engine->drain([&](const auto& e) { on(p, e); });
  }

  void on(peer&, const amqp::event::opened& e) {
    ++opened;
    containers.emplace_back(e.container);
    users.emplace_back(e.user);
  }
  void on(peer&, const amqp::event::closed& e) {
    if (e.why == amqp::event::closed::cause::by_peer) ++closed;
  }
  void on(peer&, const amqp::event::session_opened& e) {
    amqp::session s = e.on;
    s.set_user(&sessions_[next_session_++ % 64]);
    s.accept();
  }
  void on(peer&, const amqp::event::session_closed& e) {
    ++ended_sessions;
    amqp::session s = e.on;
    s.close();
  }
  void on(peer& p, const amqp::event::link_opened& e) {
    if (!e.by_peer) return;
    amqp::link l = e.on;
    const bool listens = l.is_sender();
    links.push_back({p.number, std::string(l.name()), l.peer_source(), l.peer_target(), listens,
                     l.on().user(), l});
    seen_link& mine = links.back();
    l.set_user(&mine);
    if (instead && instead(mine)) return;
    if (!answers) return;
    amqp::terminus source = mine.source;
    if (source.dynamic) {
      source.address = names_reply_links ? "reply-" + std::to_string(links.size()) : "";
      mine.source.address = source.address;
    }
    l.accept(source, mine.target);
    if (!listens && credit > 0) l.add_credit(credit);
  }
  void on(peer&, const amqp::event::link_closed& e) {
    amqp::link l = e.on;
    if (l == foreign_) foreign_refused = true;
    if (auto* mine = static_cast<seen_link*>(l.user())) {
      mine->open = false;
      mine->for_good = e.for_good;
    }
    l.close();
  }
  void on(peer&, const amqp::event::credit& e) {
    auto* mine = static_cast<seen_link*>(e.on.user());
    if (mine == nullptr) return;
    mine->most_credit = std::max(mine->most_credit, e.on.credit());
    ++mine->credits;
    if (!e.drain) return;
    ++mine->drains;
    amqp::link l = e.on;
    if (drains) l.drained();
  }
  void on(peer& p, const amqp::event::delivered& e) {
    auto* from = static_cast<seen_link*>(e.on.user());
    amqp::delivery what = e.what;
    messages.push_back({p.number,
                        from->target.address,
                        std::string(what.tag()),
                        std::string(e.message),
                        what.settled_by_peer(),
                        {}});
    if (what.settled_by_peer() || says.what != amqp::outcome::kind::other) {
      what.settle(what.settled_by_peer() ? amqp::outcome() : says);
    } else {
      messages.back().handle = what;
    }
  }
  void on(peer&, const amqp::event::updated& e) {
    verdicts.push_back({e.how.what, e.how.delivery_failed, e.how.undeliverable_here});
    amqp::delivery what = e.what;
    if (e.settled) what.settle();
  }
  void on(peer&, const amqp::event::oversized&) {}

  tcp::acceptor acceptor_;
  std::uint16_t port_;
  std::list<peer> peers_;
  int tags_ = 0;
  amqp::link foreign_;
  std::size_t next_session_ = 0;
  char sessions_[64] = {};
};

/// An outcome without any words.
inline amqp::outcome simply(amqp::outcome::kind what) {
  amqp::outcome how;
  how.what = what;
  return how;
}

}  // namespace ombt::tests
