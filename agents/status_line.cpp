// SPDX-License-Identifier: Apache-2.0
#include "agents/status_line.hpp"

#include <cstdio>
#include <unistd.h>

namespace ombt::agents {
namespace {

/// 10,000.
std::string in_groups(std::size_t number) {
  std::string text = std::to_string(number);
  for (std::size_t at = text.size(); at > 3;) text.insert(at -= 3, ",");
  return text;
}

}  // namespace

status_line::status_line() : terminal_(::isatty(STDERR_FILENO) == 1) {}

void status_line::show(const std::string& text) {
  const std::lock_guard lock(mutex_);
  if (!terminal_ || text == shown_) return;
  // Written over the text before; the rest of that is erased.
  std::fprintf(stderr, "\r%s\x1b[K", text.c_str());
  std::fflush(stderr);
  shown_ = text;
}

void status_line::clear() {
  const std::lock_guard lock(mutex_);
  hide();
}

void status_line::say(const std::string& line) {
  const std::lock_guard lock(mutex_);
  hide();
  std::fprintf(stderr, "%s\n", line.c_str());
}

void status_line::hide() {
  if (shown_.empty()) return;
  std::fputs("\r\x1b[K", stderr);
  std::fflush(stderr);
  shown_.clear();
}

std::string ready_text(std::size_t ready, std::size_t agents) {
  return "connecting: " + in_groups(ready) + " of " + in_groups(agents) + " agents are ready";
}

}  // namespace ombt::agents
