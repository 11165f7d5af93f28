// SPDX-License-Identifier: Apache-2.0
#include "controller/progress.hpp"

#include "controller/session_text.hpp"

#include <cstdio>
#include <unistd.h>

namespace ombt::controller {

std::string progress_text(phase p, session::progress how_far) {
  std::string out{name_of(p)};
  const std::string done = std::to_string(how_far.done);
  const std::string of = done + " of " + std::to_string(how_far.total);
  switch (p) {
    case phase::roll_call:
      out += ": " + count_text(how_far.done, "agent");
      break;
    case phase::resetting:
      out += ": " + of;
      break;
    case phase::running:
      out += ": " + of + " clients done";
      break;
    case phase::settling:
    case phase::polling:
      out += ": " + of + " messages accounted for";
      break;
    default:
      break;
  }
  return out;
}

progress_line::progress_line() : terminal_{::isatty(STDERR_FILENO) == 1} {}

void progress_line::show(const session& machine) {
  if (!terminal_ || machine.finished()) return;
  const time_point now = clock::now();
  if (machine.current() == last_ && now < next_) return;
  last_ = machine.current();
  next_ = now + std::chrono::milliseconds{200};
  // Written over the line before; the rest of that is erased.
  std::fprintf(stderr, "\r%s\x1b[K", progress_text(last_, machine.how_far()).c_str());
  std::fflush(stderr);
  shown_ = true;
}

void progress_line::clear() {
  if (!shown_) return;
  std::fputs("\r\x1b[K", stderr);
  std::fflush(stderr);
  shown_ = false;
}

}  // namespace ombt::controller
