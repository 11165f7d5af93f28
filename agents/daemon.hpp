// SPDX-License-Identifier: Apache-2.0
#pragma once
// Going to the background the way scripts need it: the command returns when the agents are ready,
// or with the reason when they can't be. To be used from main, before any thread or loop exists.

#include <chrono>
#include <string>
#include <string_view>

namespace ombt::agents {

/// How a process tells whoever started it how the start went. In the foreground that is its own
/// standard output and error, in the background the pipe to the waiting parent.
class startup_link {
 public:
  startup_link() = default;
  ~startup_link();
  startup_link(const startup_link&) = delete;
  startup_link& operator=(const startup_link&) = delete;

  /// Forks. In the parent: waits until the child calls ready() or failed(), ends, or `limit`
  /// passes (the child is ended then), prints what it said, and returns the exit status. In the
  /// child: returns -1, detached (a session of its own, standard streams on /dev/null, all other
  /// descriptors closed). Status 1 too if standard output cannot be written; the child ends then.
  /// SIGINT, SIGTERM, SIGHUP and SIGQUIT to the waiting parent end the child as well: 128 and the
  /// signal's number.
  int go_to_background(std::string_view program, std::chrono::milliseconds limit);

  /// Says a line to standard output, at the latest with ready().
  void say(std::string_view line);
  /// Everything is ready, and nothing more is opened by a relative name: the parent exits with
  /// status 0, a child in the background leaves the folder that it was started in.
  void ready();
  /// It can't be: the parent prints "PROGRAM: why" on standard error and exits with the status.
  void failed(std::string_view program, int status, std::string_view why);

 private:
  void send(std::string_view text);
  int pipe_ = -1;  ///< to the parent; -1: in the foreground, or the parent has gone
  bool background_ = false;
};

}  // namespace ombt::agents
