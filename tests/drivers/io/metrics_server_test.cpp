// SPDX-License-Identifier: Apache-2.0
#include "drivers/metrics_server.hpp"

#include "wire/configuration_error.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <arpa/inet.h>
#include <atomic>
#include <memory>
#include <netinet/in.h>
#include <string>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

using namespace ombt;
using namespace ombt::drivers;
using namespace std::chrono_literals;
using Catch::Contains;

namespace {

/// A blocking client, on a thread of its own while the loop runs.
class client {
 public:
  explicit client(std::uint16_t port) : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(port);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const timeval patience{20, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    connected_ = ::connect(socket_, reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0;
  }
  ~client() { ::close(socket_); }
  client(const client&) = delete;
  client& operator=(const client&) = delete;

  bool connected() const { return connected_; }
  void say(const std::string& text) {
    (void)!::send(socket_, text.data(), text.size(), MSG_NOSIGNAL);
  }
  /// Until the peer ends, or so many bytes.
  std::string hear(std::size_t limit = 1 << 20) {
    std::string all;
    char part[4096];
    while (all.size() < limit) {
      const auto got = ::recv(socket_, part, std::min(sizeof part, limit - all.size()), 0);
      if (got <= 0) break;
      all.append(part, static_cast<std::size_t>(got));
    }
    return all;
  }

 private:
  int socket_;
  bool connected_ = false;
};

/// A server whose loop runs while `act` does.
struct bed {
  loop on;
  std::string text = "ombt_up 1\n";
  int asked = 0;
  std::vector<metrics_server::answer> waiting;
  bool later = false;
  metrics_server server{on, [this](metrics_server::answer answer) {
                          ++asked;
                          if (later) {
                            waiting.push_back(std::move(answer));
                          } else {
                            answer(text);
                          }
                        }};
  std::uint16_t port = 0;

  bed() {
    const std::string at = server.listen({});
    port = static_cast<std::uint16_t>(std::stoi(at.substr(at.rfind(':') + 1)));
    CHECK_THAT(at, Contains("127.0.0.1:"));
  }
  template <class Act>
  void run(Act&& act) {
    std::thread other([&] {
      act();
      on.post([this] { on.stop(); });
    });
    on.run();
    other.join();
  }
  std::string ask(const std::string& request) {
    std::string heard;
    run([&] {
      client one(port);
      one.say(request);
      heard = one.hear();
    });
    return heard;
  }
};

const std::string get = "GET /metrics HTTP/1.1\r\nHost: x\r\n";
const std::string close_it = "Connection: close\r\n\r\n";

}  // namespace

TEST_CASE("a scrape gets the text in Prometheus' format") {
  bed one;
  const std::string heard = one.ask(get + close_it);
  CHECK_THAT(heard, Contains("HTTP/1.1 200 OK\r\n"));
  CHECK_THAT(heard, Contains("text/plain; version=0.0.4"));
  CHECK_THAT(heard, Contains("Content-Length: 10\r\n"));
  CHECK_THAT(heard, Catch::EndsWith("\r\n\r\nombt_up 1\n"));
  CHECK(one.asked == 1);
}

TEST_CASE("a connection is kept for the next scrape, and arguments of a query are ignored") {
  bed one;
  const std::string heard =
      one.ask(get + "\r\n" + "GET /metrics?x=1 HTTP/1.1\r\nHost: x\r\n" + close_it);
  CHECK(one.asked == 2);
  CHECK(heard.find("ombt_up 1") != heard.rfind("ombt_up 1"));
}

TEST_CASE("whatever else is asked for is told what there is") {
  bed one;
  CHECK_THAT(one.ask("GET / HTTP/1.1\r\nHost: x\r\n" + close_it), Contains(" 404 "));
  CHECK_THAT(one.ask("POST /metrics HTTP/1.1\r\nHost: x\r\n" + close_it), Contains(" 405 "));
  const std::string head = one.ask("HEAD /metrics HTTP/1.1\r\nHost: x\r\n" + close_it);
  CHECK_THAT(head, Contains("Content-Length: 10\r\n") && Catch::EndsWith("\r\n\r\n"));
  CHECK_THAT(one.ask("nonsense\r\n\r\n"), Contains(" 400 "));
  CHECK_THAT(one.ask(get + "X: " + std::string(10'000, 'x') + "\r\n" + close_it),
             Contains(" 400 "));
  CHECK_THAT(one.ask("GET /metrics HTTP/1.1\r\nContent-Length: 5\r\n\r\nabcde"), Contains(" 400 "));
  CHECK(one.asked == 1);
}

TEST_CASE("a text may come later, also when its peer or its server is gone") {
  bed one;
  one.later = true;
  std::string heard;
  one.run([&] {
    client gone(one.port);
    gone.say(get + "\r\n");
    client stays(one.port);
    stays.say(get + close_it);
    std::atomic<bool> told = false;
    for (int i = 0; i < 1000 && !told; ++i) {
      one.on.post([&] {
        if (told || one.waiting.size() < 2) return;
        for (auto& answer : std::exchange(one.waiting, {})) answer("late\n");
        told = true;
      });
      std::this_thread::sleep_for(2ms);
    }
    heard = stays.hear();
  });
  CHECK_THAT(heard, Catch::EndsWith("late\n"));

  metrics_server::answer last;
  {
    loop on;
    metrics_server short_lived(on,
                               [&](metrics_server::answer answer) { last = std::move(answer); });
    const std::string at = short_lived.listen({});
    client one_more(static_cast<std::uint16_t>(std::stoi(at.substr(at.rfind(':') + 1))));
    one_more.say(get + "\r\n");
    for (int i = 0; i < 100 && !last; ++i) on.run_for(20ms);
    REQUIRE(last);
  }
  last("too late\n");
}

TEST_CASE("connections are bounded: one above is closed at once") {
  bed one;
  std::string above = "not asked";
  std::string first;
  one.run([&] {
    std::vector<std::unique_ptr<client>> all;
    for (std::size_t i = 0; i < metrics_server::most_connections; ++i) {
      all.push_back(std::make_unique<client>(one.port));
      all.back()->say("GET ");
    }
    std::this_thread::sleep_for(200ms);
    client last(one.port);
    last.say(get + close_it);
    above = last.hear();
    all.front()->say("/metrics HTTP/1.1\r\nHost: x\r\n" + close_it);
    first = all.front()->hear();
  });
  CHECK(above.empty());
  CHECK_THAT(first, Contains(" 200 OK"));
}

TEST_CASE("addresses to listen on are read, and refused by name") {
  const auto read = [](const char* text) {
    const auto at = listen_address::parse(text, "--metrics");
    return at.host + " " + std::to_string(at.port);
  };
  CHECK(read("9100") == "127.0.0.1 9100");
  CHECK(read(":9100") == "127.0.0.1 9100");
  CHECK(read("0.0.0.0:0") == "0.0.0.0 0");
  CHECK(read("host:65535") == "host 65535");
  CHECK(read("[::1]:80") == "::1 80");
  for (const char* text : {"", "x", "host", "host:", "host:x", "host:65536", "host:-1", "::1:80",
                           "[]:80", "host:80 "}) {
    INFO(text);
    CHECK_THROWS_WITH(read(text), Contains("--metrics ") && Contains("HOST:PORT"));
  }
}

TEST_CASE("an address that cannot be listened on is told") {
  loop on;
  metrics_server first(on, [](const metrics_server::answer&) {});
  const std::string at = first.listen({});
  const auto port = static_cast<std::uint16_t>(std::stoi(at.substr(at.rfind(':') + 1)));
  metrics_server second(on, [](const metrics_server::answer&) {});
  CHECK_THROWS_AS(second.listen({"127.0.0.1", port}), configuration_error);
}
