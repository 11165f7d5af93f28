// SPDX-License-Identifier: Apache-2.0
// The bare AMQP 1.0 engine doing an RPC round trip: the connections, sessions, links, credit,
// settlement and bytes of oslo.messaging's amqp driver, with bodies rendered beforehand, no
// statistics but the round trips' times, and no checks. The yardstick of bench/run --bus router,
// and the load under which the router itself is measured; for that there is also a one-way stream
// of settled messages.
//
// Each role prints "ready" when everything is set up. A client and a sender then wait for a line; a
// client and a receiver print one line of JSON when all is done. All stay until SIGTERM.
#include "wire/amqp10/connection.hpp"
#include "wire/amqp10/message.hpp"
#include "wire/oslo/amqp10_messages.hpp"

#include "drivers/io/connector.hpp"
#include "drivers/io/context.hpp"
#include "drivers/io/pump.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace amqp = ombt::wire::amqp10;
namespace io = ombt::drivers::io;
namespace oslo = ombt::wire::oslo;
using ombt::drivers::steady_clock;
using ombt::drivers::time_point;

namespace {

constexpr std::string_view rpc = "openstack.org/om/rpc/";
constexpr std::string_view topic = "/bench-bare/rpc-bench";
constexpr int server_credit = 100;
constexpr int reply_credit = 200;
/// Bytes not yet written above which a sender of a stream waits.
constexpr std::size_t unsent_limit = std::size_t{1} << 20;

std::string rpc_address(std::string_view kind) {
  return std::string(rpc).append(kind).append(topic);
}

amqp::outcome accepted() {
  amqp::outcome how;
  how.what = amqp::outcome::kind::accepted;
  return how;
}

struct bed {
  ombt::drivers::loop loop;
  amqp::connection_options options;
  std::uint16_t port = 0;
};

/// One end of a link; what happens on it are functions.
struct end {
  amqp::link on;
  std::uint64_t sent = 0;
  std::function<void()> on_attached;
  std::function<void()> on_credit;
  std::function<void(const amqp::event::delivered&)> on_delivered;
  std::function<void(const amqp::event::updated&)> on_updated;

  amqp::delivery send(std::string_view message, bool settled) {
    return on.send("pyngus-tag-" + std::to_string(sent++), message, settled);
  }
  void top_up(int most) const {
    const int left = on.credit_given();
    if (left <= (most + 1) / 2) on.add_credit(most - left);
  }
};

/// One connection.
class bus : public std::enable_shared_from_this<bus>, private ombt::drivers::timer_target {
 public:
  explicit bus(bed& on) : bed_(on) {}
  std::function<void()> on_up;
  std::function<void()> on_room = [] {};

  void connect() {
    connector_ = std::make_shared<io::connector>(bed_.loop.context().asio());
    connector_->start(
        "127.0.0.1", bed_.port, nullptr,
        [this](std::unique_ptr<io::stream> s, ombt::error_code error, std::string) {
          if (error) return fail(error.message());
          const auto id = oslo::make_hex_id();
          engine_ = std::make_unique<amqp::connection>(
              bed_.options,
              "openstack.org/om/container/bench/bench/1/" + std::string(oslo::view(id)), "", "",
              false, steady_clock::now());
          pump_ = std::make_shared<io::pump<amqp::connection, bus>>(bed_.loop.context(),
                                                                    std::move(s), *engine_, *this);
          pump_->start();
          on_timer(0);
        });
  }
  void attach(end& what, bool sender, const std::string& address, bool dynamic = false) {
    const std::string name = std::string("openstack.org/om/") + (sender ? "sender" : "receiver") +
                             "/[" + address + "]/" + std::string(oslo::view(oslo::make_hex_id()));
    const amqp::session on = engine_->open_session();  // one a link
    const amqp::terminus source{dynamic ? std::string() : address, dynamic, true};
    const amqp::terminus target{address, false, true};
    what.on =
        sender ? on.open_sender(name, source, target) : on.open_receiver(name, source, target);
    what.on.set_user(&what);
    wake();
  }
  void wake() { pump_->wake(); }
  void on_bytes() {
    engine_->drain(*this);
    pump_->wake();
  }
  void on_written() { on_room(); }

  void operator()(const amqp::event::opened&) { on_up(); }
  void operator()(const amqp::event::link_opened& e) {
    if (of(e.on).on_attached) of(e.on).on_attached();
  }
  void operator()(const amqp::event::credit& e) { of(e.on).on_credit(); }
  void operator()(const amqp::event::delivered& e) { of(e.on).on_delivered(e); }
  void operator()(const amqp::event::updated& e) { of(e.what.on()).on_updated(e); }
  void operator()(const amqp::event::link_closed& e) { fail(std::string(e.description)); }
  void operator()(const amqp::event::closed& e) { fail(std::string(e.description)); }
  template <class Other>
  void operator()(const Other&) {}

 private:
  static end& of(const amqp::link& on) { return *static_cast<end*>(on.user()); }
  /// The peer wants to hear something now and then.
  void on_timer(std::uint64_t) override {
    engine_->tick(steady_clock::now());
    pump_->wake();
    bed_.loop.start_timer(steady_clock::now() + std::chrono::seconds{1}, *this, 0);
  }
  [[noreturn]] static void fail(const std::string& why) {
    std::fprintf(stderr, "bench_bare_loop_amqp10: %s\n", why.c_str());
    std::_Exit(1);
  }
  bed& bed_;
  std::shared_ptr<io::connector> connector_;
  std::unique_ptr<amqp::connection> engine_;
  std::shared_ptr<io::pump<amqp::connection, bus>> pump_;
};

void say_ready() {
  std::puts("ready");
  std::fflush(stdout);
}

void wait_for_go() {
  say_ready();
  std::string line;
  std::getline(std::cin, line);
}

std::string encoded(const amqp::message& m) {
  std::string out;
  amqp::append_message(out, m);
  return out;
}

/// As a request of ombt with that payload looks on the bus: a call, or without reply_to a cast.
std::string request(std::size_t length, std::string_view method, std::string_view reply_to) {
  const auto id = oslo::make_hex_id();
  const std::string args = R"({"data": ")" + std::string(length, 'X') +
                           R"(", "timestamp": 1700000000.123456, "msgid": ")" +
                           std::string(oslo::view(id)) + R"(:123"})";
  oslo::request r;
  r.method = method;
  r.args_json = args;
  std::string body;
  oslo::append_amqp10_request(body, r);
  const std::string to = rpc_address("anycast");
  amqp::message m;
  m.to = to;
  m.kind = amqp::message::body_kind::text;
  m.body = body;
  if (reply_to.empty()) return encoded(m);
  m.ttl = std::chrono::milliseconds{60000};
  m.absolute_expiry_time = 1700000000123;
  m.id = oslo::view(id);
  m.reply_to = reply_to;
  return encoded(m);
}

/// As its reply looks.
std::string reply(std::size_t length, std::string_view to, std::string_view correlation_id) {
  std::string body;
  oslo::append_amqp10_reply(body, '"' + std::string(length, 'X') + '"');
  amqp::message m;
  m.to = to;
  m.correlation_id = correlation_id;
  m.kind = amqp::message::body_kind::text;
  m.body = body;
  return encoded(m);
}

class server {
 public:
  server(bed& on, std::size_t length) : length_(length), bus_(std::make_shared<bus>(on)) {
    bus_->on_up = [this] {
      const std::string own = "/" + std::string(oslo::view(oslo::make_hex_id()));
      const std::string addresses[] = {rpc_address("unicast") + own, rpc_address("multicast"),
                                       rpc_address("anycast")};
      for (std::size_t i = 0; i < receivers_.size(); ++i) {
        bus_->attach(receivers_[i], false, addresses[i]);
        receivers_[i].on.add_credit(server_credit);
      }
    };
    for (end& r : receivers_) {
      r.on_attached = [this] {
        if (++attached_ == receivers_.size()) say_ready();
      };
      r.on_delivered = [this, &r](const auto& e) {
        amqp::message m;
        amqp::read_message(e.message, m);
        e.what.settle(accepted());
        r.top_up(server_credit);
        answer(m);
        bus_->wake();
      };
    }
    bus_->connect();
  }

 private:
  struct sender {
    end link;
    std::string message;  ///< the same each time: so are its caller's ids
    int waiting = 0;      ///< for credit
  };

  void answer(const amqp::message& call) {
    auto& s = senders_[std::string(call.reply_to)];
    if (!s) {
      s = std::make_unique<sender>();
      s->message = reply(length_, call.reply_to, call.id);
      s->link.on_credit = [this, one = s.get()] { send(*one); };
      bus_->attach(s->link, true, std::string(call.reply_to));
    }
    ++s->waiting;
    send(*s);
  }
  void send(sender& s) {
    for (; s.waiting > 0 && s.link.on.credit() > 0; --s.waiting) s.link.send(s.message, true);
    bus_->wake();
  }

  std::size_t length_;
  std::shared_ptr<bus> bus_;
  std::array<end, 3> receivers_;
  std::size_t attached_ = 0;
  std::unordered_map<std::string, std::unique_ptr<sender>> senders_;
};

class clients {
 public:
  clients(bed& on, int count, long calls, std::size_t length) : calls_(calls) {
    for (int i = 0; i < count; ++i) {
      all_.push_back(std::make_unique<client>());
      client& c = *all_.back();
      c.on = std::make_shared<bus>(on);
      c.on->on_up = [&c] { c.on->attach(c.replies, false, "rpc-response", true); };
      c.replies.on_attached = [&c, length] {
        const std::string address = c.replies.on.peer_source().address;
        c.message = request(length, "echo", address);
        c.replies.on.add_credit(reply_credit);
        c.on->attach(c.requests, true, rpc_address("anycast"));
      };
      c.requests.on_credit = [this, &c] {
        if (std::exchange(c.ready, true)) return;
        if (++ready_ == all_.size()) start();
      };
      c.requests.on_updated = [this, &c](const auto& e) {
        e.what.settle();
        part_done(c);
      };
      c.replies.on_delivered = [this, &c](const auto& e) {
        e.what.settle(accepted());
        c.replies.top_up(reply_credit);
        part_done(c);
      };
    }
    latencies_.reserve(static_cast<std::size_t>(count) * static_cast<std::size_t>(calls));
    for (auto& c : all_) c->on->connect();
  }

 private:
  struct client {
    std::shared_ptr<bus> on;
    end replies;
    end requests;
    std::string message;
    time_point sent;
    long done = 0;
    int parts = 0;
    bool ready = false;
  };

  void start() {
    wait_for_go();
    begin_ = steady_clock::now();
    for (auto& c : all_) call(*c);
  }
  void call(client& c) {
    c.parts = 0;
    c.sent = steady_clock::now();
    c.requests.send(c.message, false);
    c.on->wake();
  }
  void part_done(client& c) {
    if (++c.parts < 2) return;  // the outcome and the reply
    const auto now = steady_clock::now();
    latencies_.push_back(std::chrono::duration<float, std::micro>(now - c.sent).count());
    if (++c.done < calls_) return call(c);
    if (++finished_ == all_.size()) report(now);
  }
  void report(time_point now) {
    const double seconds = std::chrono::duration<double>(now - begin_).count();
    const auto middle = latencies_.begin() + static_cast<long>(latencies_.size() / 2);
    std::nth_element(latencies_.begin(), middle, latencies_.end());
    std::printf("{\"calls\": %zu, \"seconds\": %.6f, \"p50_ms\": %.6f}\n", latencies_.size(),
                seconds, static_cast<double>(*middle) / 1000);
    std::fflush(stdout);
  }

  long calls_;
  std::vector<std::unique_ptr<client>> all_;
  std::vector<float> latencies_;
  std::size_t ready_ = 0;
  std::size_t finished_ = 0;
  time_point begin_;
};

/// Takes a stream and times it, from the first message on.
class receiver {
 public:
  receiver(bed& on, long messages) : left_(messages), bus_(std::make_shared<bus>(on)) {
    bus_->on_up = [this] {
      bus_->attach(messages_, false, rpc_address("anycast"));
      messages_.on.add_credit(server_credit);
    };
    messages_.on_attached = say_ready;
    messages_.on_delivered = [this, messages](const auto& e) {
      if (left_ == messages) begin_ = steady_clock::now();
      e.what.settle(accepted());
      messages_.top_up(server_credit);
      if (--left_ != 0) return;
      const std::chrono::duration<double> took = steady_clock::now() - begin_;
      std::printf("{\"calls\": %ld, \"seconds\": %.6f}\n", messages, took.count());
      std::fflush(stdout);
    };
    bus_->connect();
  }

 private:
  long left_;
  std::shared_ptr<bus> bus_;
  end messages_;
  time_point begin_;
};

/// Send streams of settled messages, each as fast as credit allows.
class senders {
 public:
  senders(bed& on, int count, long messages, std::size_t length)
      : message_(request(length, "noop", {})) {
    for (int i = 0; i < count; ++i) {
      all_.push_back(std::make_unique<sender>());
      sender& s = *all_.back();
      s.left = messages;
      s.on = std::make_shared<bus>(on);
      s.on->on_up = [&s] { s.on->attach(s.messages, true, rpc_address("anycast")); };
      s.on->on_room = [this, &s] { go_on(s); };
      s.messages.on_credit = [this, &s] {
        go_on(s);
        if (!std::exchange(s.ready, true) && ++ready_ == all_.size()) start();
      };
      s.on->connect();
    }
  }

 private:
  struct sender {
    std::shared_ptr<bus> on;
    end messages;
    long left = 0;
    bool ready = false;
  };

  void start() {
    wait_for_go();
    going_ = true;
    for (auto& s : all_) go_on(*s);
  }
  void go_on(sender& s) {
    if (!going_) return;
    for (; s.left > 0 && s.messages.on.credit() > 0; --s.left) {
      if (s.messages.on.unsent() >= unsent_limit) break;
      s.messages.send(message_, true);
    }
    s.on->wake();
  }

  std::string message_;
  std::vector<std::unique_ptr<sender>> all_;
  std::size_t ready_ = 0;
  bool going_ = false;
};

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{
      "Calls, answers or streams over AMQP 1.0 with the bare engine (see bench/README.md)."};
  std::string role;
  int count = 1;
  long calls = 1000;
  std::size_t length = 1024;
  bed b;
  app.add_option("role", role, "server or client; of a stream receiver or sender")
      ->required()
      ->check(CLI::IsMember({"server", "client", "receiver", "sender"}));
  app.add_option("--port", b.port, "the bus's port on 127.0.0.1")->required();
  app.add_option("--clients", count, "closed-loop clients, or senders")
      ->check(CLI::Range(1, 10000));
  app.add_option("--calls", calls, "calls of each client, messages of each sender or in all")
      ->check(CLI::Range(1, 100000000));
  app.add_option("--length", length, "payload, bytes");
  CLI11_PARSE(app, argc, argv);
  b.options.properties = {{"process", "bench"}, {"pid", std::int64_t{1}}, {"node", "bench"}};
  b.options.frame_limit = b.options.message_limit;
  std::unique_ptr<server> answers;
  std::unique_ptr<clients> asks;
  std::unique_ptr<receiver> takes;
  std::unique_ptr<senders> gives;
  if (role == "server") {
    answers = std::make_unique<server>(b, length);
  } else if (role == "client") {
    asks = std::make_unique<clients>(b, count, calls, length);
  } else if (role == "receiver") {
    takes = std::make_unique<receiver>(b, calls);
  } else {
    gives = std::make_unique<senders>(b, count, calls, length);
  }
  b.loop.on_termination([&](int) { b.loop.stop(); });
  b.loop.run();
  // The process ends here; the bus sees its connections close.
  std::_Exit(0);
}
