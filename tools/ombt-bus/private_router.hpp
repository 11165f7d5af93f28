// SPDX-License-Identifier: Apache-2.0
#pragma once
// A private ombt-router as a bus (private_bus.hpp): the program beside the running one, in a folder
// of its own, on 127.0.0.1.
//
// | state          | leaves it when                                   | for            |
// |----------------|--------------------------------------------------|----------------|
// | idle           | start()                                          | starting       |
// | starting       | it has printed its URL, that is: it listens      | serving        |
// | serving        | it ends by itself                                | down           |
// | starting       | the same, once it has served                     | down           |
// | down           | start_again(): same port                         | starting       |
// | any but idle   | stop(): SIGTERM, after stop_limit SIGKILL        | stopping       |
// | stopping       | it is reaped                                     | stopped        |
// | starting       | it ends too early or start_limit is over         | failed         |

#include "tools/ombt-bus/bus_folder.hpp"
#include "tools/ombt-bus/private_bus.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace ombt::tools::bus {

struct router_options {
  std::uint16_t port = 0;  ///< 0: one that is free
  std::string program;     ///< empty: the ombt-router beside the running program
  std::string folder_parent = "/tmp";
  std::chrono::milliseconds start_limit{60'000};
  std::chrono::milliseconds stop_limit{5'000};
};

class private_router final : public private_bus {
 public:
  explicit private_router(router_options options);
  /// Kills it if it still runs, waits for it, removes the folder.
  ~private_router() override;

  void start(time_point now) override;
  void start_again(time_point now) override;
  void stop(time_point now, bool now_or_never) override;
  void advance(time_point now) override;
  bool on_child_exit(pid_t pid, int wait_status) override;

  state current() const noexcept override { return state_; }
  const char* noun() const noexcept override { return "router"; }
  const std::string& failure() const noexcept override { return failure_; }
  const std::string& last_end() const noexcept override { return last_end_; }
  std::string url() const override;
  std::vector<pid_t> processes() const override;
  std::vector<std::string> client_environment() const override;

 private:
  void start_router(time_point now);
  std::string output() const;
  void fail(const std::string& why);

  router_options options_;
  std::uint16_t port_ = 0;
  state state_ = state::idle;
  std::unique_ptr<bus_folder> folder_;
  pid_t router_ = -1;
  std::size_t output_before_ = 0;  ///< what earlier processes of it have written
  time_point deadline_{};
  int attempts_left_ = 3;  ///< with ports of our choice, when somebody else was faster
  bool served_ = false;    ///< clients know its port
  std::string failure_;
  std::string last_end_;
};

}  // namespace ombt::tools::bus
