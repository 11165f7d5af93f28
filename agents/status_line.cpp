// SPDX-License-Identifier: Apache-2.0
#include "agents/status_line.hpp"

#include "wire/format.hpp"

#include <cstdio>
#include <unistd.h>

namespace ombt::agents {

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
  return "connecting: " + grouped(ready) + " of " + grouped(agents) + " agents are ready";
}

}  // namespace ombt::agents
