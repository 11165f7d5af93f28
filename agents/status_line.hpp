// SPDX-License-Identifier: Apache-2.0
#pragma once
// One line on standard error that says how far something is, written over itself, only where that
// is a terminal; and whole lines, which it makes room for. Any thread.

#include <cstddef>
#include <mutex>
#include <string>

namespace ombt::agents {

class status_line {
 public:
  status_line();
  /// Takes the line away.
  ~status_line() { clear(); }
  status_line(const status_line&) = delete;
  status_line& operator=(const status_line&) = delete;

  /// Shows a text, instead of the last one; nothing where nobody looks on.
  void show(const std::string& text);
  void clear();
  /// Writes a line that stays, terminal or not.
  void say(const std::string& line);

 private:
  void hide();

  const bool terminal_;
  std::mutex mutex_;
  std::string shown_;
};

/// "connecting: 3,200 of 10,000 agents are ready". Pure.
std::string ready_text(std::size_t ready, std::size_t agents);

}  // namespace ombt::agents
