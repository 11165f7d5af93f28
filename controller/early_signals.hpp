// SPDX-License-Identifier: Apache-2.0
#pragma once
// SIGINT, SIGTERM and SIGHUP before a session's loop takes them: from before anything is made for a
// run until then. Nothing dies of them while one of these lives; who waits looks here, and
// session_loop asks once it hears signals itself. One at a time, on the main thread.
//
//   state    | event                         | what happens                    | next
//   ---------+-------------------------------+---------------------------------+---------
//   waiting  | a signal                      | noted; descriptor() is readable | arrived
//   arrived  | a signal                      | nothing                         | arrived
//   either   | a loop's on_termination()     | further ones are the loop's     | as it is

#include <array>
#include <csignal>

namespace ombt::controller {

class early_signals {
 public:
  /// Takes them; a SIGHUP that is ignored (nohup) stays so.
  early_signals() noexcept;
  /// What was done about them before is done again, and none has come.
  ~early_signals();
  early_signals(const early_signals&) = delete;
  early_signals& operator=(const early_signals&) = delete;

  /// Whether one has come to the object that lives.
  static bool arrived() noexcept;
  /// Readable once one has come; for poll(), which passes over -1: no descriptors were left.
  int descriptor() const noexcept { return ends_[0]; }

 private:
  static constexpr std::array<int, 3> numbers = {SIGINT, SIGTERM, SIGHUP};
  std::array<struct sigaction, numbers.size()> before_{};
  std::array<int, 2> ends_{-1, -1};  ///< a pipe
};

}  // namespace ombt::controller
