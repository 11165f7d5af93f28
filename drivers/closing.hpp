// SPDX-License-Identifier: Apache-2.0
#pragma once
// One close() of a transport: what it waits for, its time limit, and its done, which runs once,
// from the loop. First a transport waits for answers that it owes; then it closes its links and
// names the connections that are to close. One loop.

#include "drivers/loop.hpp"

#include <cstddef>
#include <functional>
#include <memory>

namespace ombt::drivers {

class closing final : private timer_target, public std::enable_shared_from_this<closing> {
 public:
  /// cut_short: to be called where the limit passes before all_named(); closes what is to close and
  /// calls all_named(). Lives until done has run.
  static std::shared_ptr<closing> start(loop& on, duration limit, std::function<void()> cut_short,
                                        std::function<void()> done);
  /// One more thing to wait for: call the result, once, when it has closed.
  std::function<void()> one_more();
  /// Nothing more will be named, and cut_short is not called any more.
  void all_named();

 private:
  closing(loop& on, std::function<void()> cut_short, std::function<void()> done);
  void one_less();
  void on_timer(std::uint64_t tag) override;
  void finish();

  loop& loop_;
  std::function<void()> cut_short_;
  std::function<void()> done_;
  std::shared_ptr<closing> self_;
  std::size_t left_ = 1;  ///< things to wait for, and the naming itself
  loop::timer_id timer_ = 0;
};

}  // namespace ombt::drivers
