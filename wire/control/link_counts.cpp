// SPDX-License-Identifier: Apache-2.0
#include "wire/control/link_counts.hpp"

namespace ombt::wire::control {

link_counts link_counts::since(const link_counts& before) const noexcept {
  link_counts growth;
  for (const link_count_name& name : link_count_names) {
    growth.*name.count = this->*name.count - before.*name.count;
  }
  return growth;
}

void link_counts::merge(const link_counts& other) noexcept {
  for (const link_count_name& name : link_count_names) this->*name.count += other.*name.count;
}

std::string in_words(const link_counts& counts) {
  std::string out;
  for (const link_count_name& name : link_count_names) {
    const std::uint64_t times = counts.*name.count;
    if (times == 0) continue;
    if (!out.empty()) out += ", ";
    out += std::to_string(times);
    out += ' ';
    out += times == 1 ? name.one : name.several;
  }
  return out;
}

}  // namespace ombt::wire::control
