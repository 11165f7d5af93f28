// SPDX-License-Identifier: Apache-2.0
#include "drivers/descriptor_limit.hpp"

#include <algorithm>
#include <sys/resource.h>
#include <utility>

namespace ombt::drivers {

std::size_t raise_descriptor_limit(std::size_t most) noexcept {
  rlimit limit = {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return std::numeric_limits<std::size_t>::max();
  const rlim_t raised = std::max(limit.rlim_cur, std::min<rlim_t>(limit.rlim_max, most));
  const rlim_t before = std::exchange(limit.rlim_cur, raised);
  return ::setrlimit(RLIMIT_NOFILE, &limit) == 0 ? raised : before;
}

}  // namespace ombt::drivers
