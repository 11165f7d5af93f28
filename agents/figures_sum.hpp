// SPDX-License-Identifier: Apache-2.0
#pragma once
// Puts together what each I/O thread of a process says of its agents. Any thread.

#include "wire/control/figures.hpp"

#include <cstddef>
#include <functional>
#include <mutex>
#include <utility>

namespace ombt::agents {

/// What the threads say, put together by the last of them.
class figures_sum {
 public:
  figures_sum(std::size_t threads, std::function<void(const wire::control::process_figures&)> done)
      : left_(threads), done_(std::move(done)) {}
  void add(const wire::control::process_figures& more) {
    const std::lock_guard lock(mutex_);
    for (std::size_t kind = 0; kind < sum_.size(); ++kind) sum_[kind].merge(more[kind]);
    if (--left_ == 0) done_(sum_);
  }

 private:
  std::mutex mutex_;
  std::size_t left_;
  wire::control::process_figures sum_;
  std::function<void(const wire::control::process_figures&)> done_;
};

}  // namespace ombt::agents
