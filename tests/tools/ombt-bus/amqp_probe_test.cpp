// SPDX-License-Identifier: Apache-2.0
#include "tools/ombt-bus/amqp_probe.hpp"

#include <catch2/catch.hpp>

#include <chrono>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <thread>
#include <unistd.h>

namespace ombt::tools::bus {
namespace {

using namespace std::string_literals;
using result = amqp_probe::result;

// A socket that listens on a port of its own.
struct listening {
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  std::uint16_t port = 0;
  listening() {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(bind(fd, reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(listen(fd, 8) == 0);
    REQUIRE(getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0);
    port = ntohs(address.sin_port);
  }
  ~listening() { close(fd); }
};

std::string method_frame(std::string payload) {
  std::string out{'\1', '\0', '\0', '\0', '\0', '\0', static_cast<char>(payload.size())};
  return out + payload + '\xce';
}

const std::string start =
    method_frame("\0\x0a\0\x0a\0\x09\0\0\0\0\0\0\0\x0ePLAIN AMQPLAIN\0\0\0\5en_US"s);
const std::string tune = method_frame("\0\x0a\0\x1e\x07\xff\0\2\0\0\0\x3c"s);
const std::string open_ok = method_frame("\0\x0a\0\x29\0"s);
const std::string access_refused =
    method_frame("\0\x0a\0\x32\1\x93\x0e"s + "ACCESS_REFUSED" + "\0\0\0\0"s);

// Steps the probe, with this peer at the other end: it says each of `answers` after having read
// something, byte by byte if asked to, then hangs up if asked to.
result outcome_with(const std::vector<std::string>& answers, bool bytewise = false,
                    bool hang_up = false) {
  const listening peer;
  amqp_probe probe(peer.port);
  auto last = probe.step(std::chrono::steady_clock::now());
  const int fd = accept(peer.fd, nullptr, nullptr);
  const int yes = 1;  // or single bytes wait for each other's acknowledgement
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  const auto settle = [&] {
    for (int turn = 0; turn < 5 && last == result::pending; ++turn) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      last = probe.step(std::chrono::steady_clock::now());
    }
  };
  for (const auto& answer : answers) {
    settle();
    char buffer[4096];
    if (recv(fd, buffer, sizeof buffer, 0) <= 0) break;
    if (!bytewise) REQUIRE(send(fd, answer.data(), answer.size(), MSG_NOSIGNAL) > 0);
    for (std::size_t i = 0; bytewise && i < answer.size(); ++i) {
      REQUIRE(send(fd, &answer[i], 1, MSG_NOSIGNAL) == 1);
      if (i % 8 == 0) settle();
    }
    settle();
  }
  if (hang_up) close(fd);
  settle();
  if (!hang_up) close(fd);
  return last;
}

TEST_CASE("a broker that lets guest in is serving, also when it speaks byte by byte") {
  CHECK(outcome_with({start, tune + open_ok}) == result::serving);
  CHECK(outcome_with({start, tune + open_ok}, true) == result::serving);
}

TEST_CASE("a broker is not serving before open-ok") {
  CHECK(outcome_with({}) == result::pending);
  CHECK(outcome_with({start}) == result::pending);
  CHECK(outcome_with({start, tune}) == result::pending);
}

TEST_CASE("one that hangs up in the middle is not serving yet") {
  CHECK(outcome_with({}, false, true) == result::refused);
  CHECK(outcome_with({start}, false, true) == result::refused);
}

TEST_CASE("something that is not a broker is foreign, and said so") {
  const listening peer;
  amqp_probe probe(peer.port);
  probe.step(std::chrono::steady_clock::now());
  const int fd = accept(peer.fd, nullptr, nullptr);
  const std::string_view words = "HTTP/1.1 400 Bad Request\r\n\r\n";
  REQUIRE(send(fd, words.data(), words.size(), 0) > 0);
  auto last = result::pending;
  for (int turn = 0; turn < 500 && last == result::pending; ++turn) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    last = probe.step(std::chrono::steady_clock::now());
  }
  close(fd);
  CHECK(last == result::foreign);
  CHECK_FALSE(probe.detail().empty());
}

TEST_CASE("a broker that refuses guest is foreign") {
  CHECK(outcome_with({start, access_refused}) == result::foreign);
}

TEST_CASE("nobody there is refused") {
  std::uint16_t port = 0;
  {
    const listening peer;
    port = peer.port;
    CHECK(accepts_connections(port));
    CHECK_FALSE(port_is_free(port));
  }
  CHECK_FALSE(accepts_connections(port));
  CHECK(port_is_free(port));
  amqp_probe probe(port);
  auto last = result::pending;
  for (int turn = 0; turn < 100 && last == result::pending; ++turn) {
    last = probe.step(std::chrono::steady_clock::now());
  }
  CHECK(last == result::refused);
}

TEST_CASE("ports picked are free and differ") {
  const auto first = pick_port();
  const auto second = pick_port();
  REQUIRE(first != 0);
  CHECK(port_is_free(first));
  CHECK(first != second);  // by chance equal once in 20,000 runs
  CHECK(first < 32768);
}

}  // namespace
}  // namespace ombt::tools::bus
