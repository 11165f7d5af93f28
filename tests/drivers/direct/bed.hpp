// SPDX-License-Identifier: Apache-2.0
#pragma once
// What tests of the direct control plane share: a private folder, a loop that runs until something
// has happened, raw peers that say what they like, and handlers that note what they are told.

#include "drivers/channel.hpp"
#include "drivers/loop.hpp"
#include "drivers/token.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <arpa/inet.h>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <functional>
#include <memory>
#include <netinet/in.h>
#include <string>
#include <string_view>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <utility>
#include <vector>

namespace ombt::tests {

using namespace std::chrono_literals;

/// A folder of mode 0700 that goes with it.
class private_folder {
 public:
  private_folder() {
    std::string name = "/tmp/ombt-test-XXXXXX";
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path_ = name;
  }
  ~private_folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  private_folder(const private_folder&) = delete;
  private_folder& operator=(const private_folder&) = delete;
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

/// Whether it became true; the limit is for what hangs.
inline bool run_until(drivers::loop& on, const std::function<bool()>& happened,
                      drivers::duration limit = 20s) {
  const auto end = drivers::steady_clock::now() + limit;
  while (!happened()) {
    if (drivers::steady_clock::now() > end) return false;
    on.run_for(2ms);
  }
  return true;
}

inline std::shared_ptr<const drivers::token> a_token(char letter = 'a') {
  return std::make_shared<const drivers::token>(std::string(32, letter));
}

/// Notes what happens to channels.
class note_taker final : public drivers::channel_handler {
 public:
  void on_open(drivers::channel&) override { ++opened; }
  void on_frame(drivers::channel& from, std::string_view frame) override {
    frames.emplace_back(frame);
    if (answer) answer(from, frame);
  }
  void on_closed(drivers::channel&, error_code why, std::string_view words) override {
    ++closed;
    error = why;
    detail = words;
  }
  void on_written(drivers::channel&) override { ++written; }

  std::function<void(drivers::channel&, std::string_view)> answer;
  int opened = 0;
  int closed = 0;
  int written = 0;
  std::vector<std::string> frames;
  error_code error;
  std::string detail;
};

/// A socket without manners. Never blocks.
class raw_peer {
 public:
  explicit raw_peer(std::uint16_t port) : descriptor_(::socket(AF_INET, kind, 0)) {
    sockaddr_in at{};
    at.sin_family = AF_INET;
    at.sin_port = htons(port);
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connect(reinterpret_cast<const sockaddr*>(&at), sizeof at);
  }
  explicit raw_peer(const std::string& path) : descriptor_(::socket(AF_UNIX, kind, 0)) {
    sockaddr_un at{};
    at.sun_family = AF_UNIX;
    path.copy(at.sun_path, sizeof at.sun_path - 1);
    connect(reinterpret_cast<const sockaddr*>(&at), sizeof at);
  }
  raw_peer(raw_peer&& other) noexcept
      : descriptor_(std::exchange(other.descriptor_, -1)),
        connected_(other.connected_),
        ended_(other.ended_) {}
  ~raw_peer() { close(); }

  void close() {
    if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
  }
  bool connected() const { return connected_; }
  /// How many bytes found room.
  std::size_t say(std::string_view text) {
    const auto n = ::send(descriptor_, text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    return n < 0 ? 0 : static_cast<std::size_t>(n);
  }
  /// What has come now.
  std::string hear() {
    std::string all;
    char part[4096];
    for (;;) {
      const auto n = ::recv(descriptor_, part, sizeof part, MSG_DONTWAIT);
      if (n > 0) {
        all.append(part, static_cast<std::size_t>(n));
        continue;
      }
      if (n == 0 || errno != EAGAIN) ended_ = true;
      return all;
    }
  }
  /// Whether the other side has closed it.
  bool ended() {
    hear();
    return ended_;
  }
  int descriptor() const { return descriptor_; }

 private:
  static constexpr int kind = SOCK_STREAM | SOCK_CLOEXEC;
  void connect(const sockaddr* at, socklen_t size) {
    connected_ = ::connect(descriptor_, at, size) == 0;
  }

  int descriptor_;
  bool connected_ = false;
  bool ended_ = false;
};

}  // namespace ombt::tests
