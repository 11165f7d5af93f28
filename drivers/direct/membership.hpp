// SPDX-License-Identifier: Apache-2.0
#pragma once
// A process's end of the connection that it registers over, and takes the sockets from that the
// owner of the port passes to it. One thread.
//
// state        event                          what happens               next state
// registering  the owner names our key        registered                 registered
//              it ends, or 5 s                lost                       over
// registered   a socket                       taken, while there is      registered
//                                             room for it
//              the owner ends                 lost                       over
// any          close()                        no event                   over

#include "drivers/io/context.hpp"
#include "drivers/io/stream.hpp"

#include <functional>
#include <memory>
#include <string>

namespace ombt::drivers::direct {

class membership final : public std::enable_shared_from_this<membership>, private timer_target {
 public:
  struct events {
    std::function<void()> registered;
    std::function<void()> lost;
    /// Asked when a socket waits: false leaves it until resume().
    std::function<bool()> has_room;
    std::function<void(std::unique_ptr<io::stream>)> taken;
  };

  membership(io::context& on, events told) : context_(on), told_(std::move(told)) {}
  ~membership();
  membership(const membership&) = delete;
  membership& operator=(const membership&) = delete;

  /// Connects and asks. Errors as io::connect_local's; then there are no events.
  error_code start(const std::string& socket, const std::string& process);
  void resume();
  void close();

 private:
  void wait();
  void read();
  void read_answer();
  void lose();
  void on_timer(std::uint64_t tag) override;

  io::context& context_;
  events told_;
  std::unique_ptr<io::stream> stream_;
  std::string expected_;  ///< answer
  std::string answer_;    ///< what of it has come
  bool registered_ = false;
  bool full_ = false;  ///< there was no room
  bool over_ = false;
  loop::timer_id timer_ = 0;
};

}  // namespace ombt::drivers::direct
