// SPDX-License-Identifier: Apache-2.0
#include "drivers/closing.hpp"

#include <utility>

namespace ombt::drivers {

closing::closing(loop& on, std::function<void()> cut_short, std::function<void()> done)
    : loop_(on), cut_short_(std::move(cut_short)), done_(std::move(done)) {}

std::shared_ptr<closing> closing::start(loop& on, duration limit, std::function<void()> cut_short,
                                        std::function<void()> done) {
  std::shared_ptr<closing> made(new closing(on, std::move(cut_short), std::move(done)));
  made->self_ = made;
  made->timer_ = on.start_timer(steady_clock::now() + limit, *made, 0);
  return made;
}

std::function<void()> closing::one_more() {
  ++left_;
  return [all = shared_from_this()] { all->one_less(); };
}

void closing::all_named() {
  cut_short_ = nullptr;
  one_less();
}

void closing::one_less() {
  if (left_ == 0 || --left_ > 0) return;
  finish();
}

void closing::on_timer(std::uint64_t) {
  timer_ = 0;
  const auto keep = self_;
  if (const auto cut_short = std::exchange(cut_short_, nullptr)) cut_short();
  if (std::exchange(left_, 0) > 0) finish();
}

void closing::finish() {
  loop_.cancel_timer(std::exchange(timer_, 0));
  // From the loop, never inside close().
  loop_.post([keep = std::exchange(self_, nullptr)] { keep->done_(); });
}

}  // namespace ombt::drivers
