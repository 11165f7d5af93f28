// SPDX-License-Identifier: Apache-2.0
#pragma once
// The owner's end of the connection that a process has registered over: passes sockets to it, and
// notices when it ends. One thread.

#include "drivers/io/stream.hpp"

#include <deque>
#include <functional>
#include <memory>
#include <string>

namespace ombt::drivers::direct {

class member_link final : public std::enable_shared_from_this<member_link> {
 public:
  /// Sockets that wait for a process that takes none; further ones are closed.
  static constexpr std::size_t most_waiting = 64;

  member_link(std::unique_ptr<io::stream> over, std::function<void()> ended)
      : stream_(std::move(over)), ended_(std::move(ended)) {}
  ~member_link();
  member_link(const member_link&) = delete;
  member_link& operator=(const member_link&) = delete;

  /// Tells the process that it is registered: this text. False: it is gone.
  bool start(std::string_view words);
  void pass(std::unique_ptr<io::stream> connection);
  /// `ended` is not called any more.
  void close();

 private:
  void watch();
  void send();
  void end();

  std::unique_ptr<io::stream> stream_;
  std::function<void()> ended_;
  std::deque<int> waiting_;
  bool writing_ = false;
};

}  // namespace ombt::drivers::direct
