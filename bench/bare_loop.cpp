// SPDX-License-Identifier: Apache-2.0
// The bare codec doing an RPC round trip: the connections, confirms, mandatory replies,
// acknowledgements and bytes of oslo.messaging's rabbit driver, with JSON rendered beforehand, no
// statistics but the round trips' times, and no checks. The yardstick of bench/run.
//
// A client prints "ready" when everything is set up, waits for a line, runs and prints one line
// of JSON; a server prints "ready". Both then stay until SIGTERM.
#include "wire/amqp091/connection.hpp"

#include "drivers/io/connector.hpp"
#include "drivers/io/context.hpp"
#include "drivers/io/pump.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>
#include <deque>
#include <functional>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

namespace amqp = ombt::wire::amqp091;
namespace io = ombt::drivers::io;
using ombt::drivers::steady_clock;
using ombt::drivers::time_point;

namespace {

constexpr std::string_view exchange = "bench-bare";
constexpr std::string_view topic = "rpc-bench";
constexpr std::size_t queue_name_size = 38;  // reply_<hex32>

struct bed {
  ombt::drivers::loop loop;
  amqp::thread_memory memory;
  amqp::connection_options options;
  std::uint16_t port = 0;
};

/// One connection with one channel; what happens on it are functions.
class link : public std::enable_shared_from_this<link> {
 public:
  explicit link(bed& on) : bed_(on) {}
  std::function<void()> on_up;
  std::function<void()> on_consuming;
  std::function<void(const amqp::event::delivered&)> on_delivered;
  std::function<void()> on_confirmed;

  void connect() {
    connector_ = std::make_shared<io::connector>(bed_.loop.context().asio());
    connector_->start("127.0.0.1", bed_.port, nullptr,
                      [this](std::unique_ptr<io::stream> s, ombt::error_code error, std::string) {
                        if (error) return fail(error.message());
                        engine_ = std::make_unique<amqp::connection>(bed_.options, bed_.memory,
                                                                     "bench", "guest", "guest",
                                                                     steady_clock::now());
                        pump_ = std::make_shared<io::pump<amqp::connection, link>>(
                            bed_.loop.context(), std::move(s), *engine_, *this);
                        pump_->start();
                      });
  }
  amqp::connection& commands() {
    pump_->wake();
    return *engine_;
  }
  void on_bytes() {
    engine_->drain(*this);
    pump_->wake();
  }

  void operator()(const amqp::event::opened&) { engine_->open_channel(1); }
  void operator()(const amqp::event::channel_opened&) { on_up(); }
  void operator()(const amqp::event::completed& e) {
    if (e.what == amqp::event::command::basic_consume && on_consuming) on_consuming();
  }
  void operator()(const amqp::event::delivered& e) { on_delivered(e); }
  void operator()(const amqp::event::confirmed&) { on_confirmed(); }
  void operator()(const amqp::event::closed& e) { fail(std::string(e.text)); }
  template <class Other>
  void operator()(const Other&) {}

 private:
  [[noreturn]] static void fail(const std::string& why) {
    std::fprintf(stderr, "bench_bare_loop: %s\n", why.c_str());
    std::exit(1);
  }
  bed& bed_;
  std::shared_ptr<io::connector> connector_;
  std::unique_ptr<amqp::connection> engine_;
  std::shared_ptr<io::pump<amqp::connection, link>> pump_;
};

amqp::properties message_properties(bool call) {
  amqp::properties p;
  p.content_type = "application/json";
  p.content_encoding = "utf-8";
  p.headers = true;
  p.delivery_mode = 2;
  p.priority = 0;
  if (call) p.expiration = "60000";
  return p;
}

std::string hex32(unsigned seed) {
  char text[33];
  std::snprintf(text, sizeof text, "%08x%08x%08x%08x", seed, seed * 2654435761U, 0x4242U, seed);
  return text;
}

/// As a request of ombt's echo with that payload looks on the bus.
std::string request_body(const std::string& reply_queue, std::size_t length) {
  const std::string id = hex32(7);
  return R"({"oslo.version": "2.0", "oslo.message": "{\"method\": \"echo\", \"args\": {\"data\": \")" +
         std::string(length, 'X') + R"(\", \"timestamp\": 1700000000.123456, \"msgid\": \")" + id +
         R"(:123\"}, \"_msg_id\": \")" + id + R"(\", \"_reply_q\": \")" + reply_queue +
         R"(\", \"_timeout\": null, \"_unique_id\": \")" + id + R"(\"}"})";
}

std::string reply_body(std::size_t length) {
  const std::string id = hex32(7);
  return R"({"oslo.version": "2.0", "oslo.message": "{\"result\": \")" + std::string(length, 'X') +
         R"(\", \"failure\": null, \"ending\": true, \"_msg_id\": \")" + id +
         R"(\", \"_unique_id\": \")" + id + R"(\"}"})";
}

class server {
 public:
  server(bed& on, std::size_t length) : bed_(on), reply_(reply_body(length)) {
    const std::size_t tail = request_body(hex32(1) + "123456", length).size() -
                             request_body(hex32(1) + "123456", length).find("reply_q");
    from_end_ = tail - std::string_view("reply_q\\\": \\\"").size();
    listen_ = std::make_shared<link>(bed_);
    listen_->on_up = [this] {
      auto& c = listen_->commands();
      c.exchange_declare(1, exchange, "topic", false, false);
      c.queue_declare(1, topic, false, false, {});
      c.queue_bind(1, topic, exchange, topic);
      c.basic_consume(1, topic, "1", {});
    };
    listen_->on_consuming = [] {
      std::puts("ready");
      std::fflush(stdout);
    };
    listen_->on_delivered = [this](const auto& e) {
      listen_->commands().ack(1, e.delivery_tag, false);
      reply_to(std::string(e.body.substr(e.body.size() - from_end_, queue_name_size)));
    };
    listen_->connect();
  }

 private:
  struct sender {
    std::shared_ptr<link> on;
    std::string queue;
    bool up = false;
  };

  void reply_to(std::string queue) {
    if (!free_.empty()) {
      sender* s = free_.back();
      free_.pop_back();
      s->queue = std::move(queue);
      return publish(*s);
    }
    if (senders_.size() == 30) return waiting_.push_back(std::move(queue));
    senders_.push_back(std::make_unique<sender>());
    sender* s = senders_.back().get();
    s->queue = std::move(queue);
    s->on = std::make_shared<link>(bed_);
    s->on->on_up = [this, s] {
      s->on->commands().confirm_select(1);
      publish(*s);
    };
    s->on->on_confirmed = [this, s] {
      if (waiting_.empty()) return free_.push_back(s);
      s->queue = std::move(waiting_.front());
      waiting_.pop_front();
      publish(*s);
    };
    s->on->connect();
  }
  void publish(sender& s) { s.on->commands().publish(1, "", s.queue, true, properties_, reply_); }

  bed& bed_;
  std::string reply_;
  amqp::properties properties_ = message_properties(false);
  std::size_t from_end_;
  std::shared_ptr<link> listen_;
  std::vector<std::unique_ptr<sender>> senders_;
  std::vector<sender*> free_;
  std::deque<std::string> waiting_;
};

class clients {
 public:
  clients(bed& on, int count, long calls, std::size_t length) : bed_(on), calls_(calls) {
    for (int i = 0; i < count; ++i) {
      all_.push_back(std::make_unique<client>());
      client& c = *all_.back();
      c.queue = "reply_" + hex32(static_cast<unsigned>(::getpid()) * 1000003U + unsigned(i));
      c.body = request_body(c.queue, length);
      c.replies = std::make_shared<link>(bed_);
      c.sends = std::make_shared<link>(bed_);
      c.replies->on_up = [&c] {
        auto& e = c.replies->commands();
        const amqp::argument expires[] = {{"x-expires", std::int64_t{60000}}};
        e.queue_declare(1, c.queue, false, false, expires);
        e.basic_consume(1, c.queue, "1", {});
      };
      c.replies->on_consuming = [&c] { c.sends->connect(); };
      c.sends->on_up = [this, &c] {
        c.sends->commands().exchange_declare(1, exchange, "topic", false, false);
        c.sends->commands().confirm_select(1);
        if (++ready_ == all_.size()) start();
      };
      c.replies->on_delivered = [this, &c](const auto& e) {
        c.replies->commands().ack(1, e.delivery_tag, false);
        part_done(c);
      };
      c.sends->on_confirmed = [this, &c] { part_done(c); };
    }
    latencies_.reserve(static_cast<std::size_t>(count) * static_cast<std::size_t>(calls));
    for (auto& c : all_) c->replies->connect();
  }

 private:
  struct client {
    std::shared_ptr<link> replies;
    std::shared_ptr<link> sends;
    std::string queue;
    std::string body;
    time_point sent;
    long done = 0;
    int parts = 0;
  };

  void start() {
    std::puts("ready");
    std::fflush(stdout);
    std::string line;
    std::getline(std::cin, line);
    begin_ = steady_clock::now();
    for (auto& c : all_) call(*c);
  }
  void call(client& c) {
    c.parts = 0;
    c.sent = steady_clock::now();
    c.sends->commands().publish(1, exchange, topic, false, properties_, c.body);
  }
  void part_done(client& c) {
    if (++c.parts < 2) return;  // the confirm and the reply
    const auto now = steady_clock::now();
    latencies_.push_back(std::chrono::duration<float, std::micro>(now - c.sent).count());
    if (++c.done < calls_) return call(c);
    if (++finished_ == all_.size()) report(now);
  }
  void report(time_point end) {
    const double seconds = std::chrono::duration<double>(end - begin_).count();
    const auto middle = latencies_.begin() + static_cast<long>(latencies_.size() / 2);
    std::nth_element(latencies_.begin(), middle, latencies_.end());
    std::printf("{\"calls\": %zu, \"seconds\": %.6f, \"p50_ms\": %.6f}\n", latencies_.size(),
                seconds, static_cast<double>(*middle) / 1000);
    std::fflush(stdout);  // and stays until SIGTERM, so that its CPU time can be read
  }

  bed& bed_;
  long calls_;
  amqp::properties properties_ = message_properties(true);
  std::vector<std::unique_ptr<client>> all_;
  std::vector<float> latencies_;
  std::size_t ready_ = 0;
  std::size_t finished_ = 0;
  time_point begin_;
};

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Calls or answers over RabbitMQ with the bare codec (see bench/README.md)."};
  std::string role;
  int count = 1;
  long calls = 1000;
  std::size_t length = 1024;
  bed b;
  app.add_option("role", role, "server or client")
      ->required()
      ->check(CLI::IsMember({"server", "client"}));
  app.add_option("--port", b.port, "RabbitMQ's port on 127.0.0.1")->required();
  app.add_option("--clients", count, "closed-loop clients")->check(CLI::Range(1, 10000));
  app.add_option("--calls", calls, "calls of each client")->check(CLI::Range(1, 100000000));
  app.add_option("--length", length, "payload, bytes");
  CLI11_PARSE(app, argc, argv);
  std::unique_ptr<server> answers;
  std::unique_ptr<clients> asks;
  if (role == "server") {
    answers = std::make_unique<server>(b, length);
  } else {
    asks = std::make_unique<clients>(b, count, calls, length);
  }
  b.loop.on_termination([&](int) { b.loop.stop(); });
  b.loop.run();
  // The process ends here; the broker sees its connections close.
  std::_Exit(0);
}
