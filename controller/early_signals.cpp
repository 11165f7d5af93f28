// SPDX-License-Identifier: Apache-2.0
#include "controller/early_signals.hpp"

#include <cerrno>
#include <fcntl.h>
#include <unistd.h>

namespace ombt::controller {
namespace {

volatile std::sig_atomic_t arrived_signal = 0;
volatile std::sig_atomic_t told_at = -1;  ///< the pipe's end to write

void on_early_signal(int number) {
  const int error = errno;
  arrived_signal = number;
  const char one = 0;
  // It does not block, and a pipe that is full has told already.
  [[maybe_unused]] const auto written = ::write(told_at, &one, 1);
  errno = error;
}

}  // namespace

early_signals::early_signals() noexcept {
  if (::pipe2(ends_.data(), O_CLOEXEC | O_NONBLOCK) != 0) ends_ = {-1, -1};
  arrived_signal = 0;
  told_at = ends_[1];
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    ::sigaction(numbers[i], nullptr, &before_[i]);
    if (numbers[i] == SIGHUP && before_[i].sa_handler == SIG_IGN) continue;
    struct sigaction act {};
    act.sa_handler = on_early_signal;
    act.sa_flags = SA_RESTART;
    ::sigaction(numbers[i], &act, nullptr);
  }
}

early_signals::~early_signals() {
  for (std::size_t i = 0; i < numbers.size(); ++i) ::sigaction(numbers[i], &before_[i], nullptr);
  told_at = -1;
  arrived_signal = 0;
  ::close(ends_[0]);
  ::close(ends_[1]);
}

bool early_signals::arrived() noexcept { return arrived_signal != 0; }

}  // namespace ombt::controller
