// SPDX-License-Identifier: Apache-2.0
#pragma once
// One line of progress on standard error, only where that is a terminal. One thread.

#include "controller/session.hpp"

namespace ombt::controller {

class progress_line {
 public:
  progress_line();
  /// Shows where the session is, at most five times a second and at each new phase.
  void show(const session& machine);
  /// Takes the line away.
  void clear();

 private:
  bool terminal_;
  bool shown_ = false;
  phase last_ = phase::finished;
  time_point next_{};
};

/// "running: 3 of 10 clients done"; pure.
std::string progress_text(phase p, session::progress how_far);

}  // namespace ombt::controller
