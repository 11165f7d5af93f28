// SPDX-License-Identifier: Apache-2.0
#include "agents/load/sizes.hpp"

#include <algorithm>

namespace ombt::agents {

size_choice::size_choice(const std::vector<wire::control::size_range>& ranges) {
  double sum = 0;
  entries_.reserve(ranges.size());
  for (const wire::control::size_range& range : ranges) {
    sum += range.weight;
    entries_.push_back({sum, range.least, range.most});
  }
}

std::size_t size_choice::choose(random_source& random) const noexcept {
  const entry* chosen = &entries_.front();
  if (entries_.size() > 1) {
    const double at = random.unit() * entries_.back().until;
    const auto found = std::upper_bound(entries_.begin(), entries_.end(), at,
                                        [](double w, const entry& e) { return w < e.until; });
    chosen = found == entries_.end() ? &entries_.back() : &*found;
  }
  const double span = static_cast<double>(chosen->most) - chosen->least + 1;
  return chosen->least + static_cast<std::size_t>(random.unit() * span);
}

}  // namespace ombt::agents
