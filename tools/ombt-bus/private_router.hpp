// SPDX-License-Identifier: Apache-2.0
#pragma once
// A private AMQP 1.0 router as a bus (private_bus.hpp), in a folder of its own, on 127.0.0.1: the
// ombt-router beside the running program, or qpid-dispatch's qdrouterd on PATH.
//
// | state          | leaves it when                                   | for            |
// |----------------|--------------------------------------------------|----------------|
// | idle           | start()                                          | starting       |
// | starting       | it listens: ombt-router has printed its URL,     | serving        |
// |                | qdrouterd accepts connections                    |                |
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

enum class router_kind : std::uint8_t { ombt_router, qdrouterd };

struct router_options {
  router_kind kind = router_kind::ombt_router;
  std::uint16_t port = 0;  ///< 0: one that is free
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
  bool is_ours() const noexcept { return options_.kind == router_kind::ombt_router; }
  const char* name() const noexcept { return is_ours() ? "ombt-router" : "qdrouterd"; }
  void start_router(time_point now);
  bool listens() const;
  std::string output() const;
  void fail(const std::string& why);

  router_options options_;
  std::string program_;  ///< its file
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
