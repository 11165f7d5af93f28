// SPDX-License-Identifier: Apache-2.0
#pragma once
// The process's limit on open files. A connection takes one, and a program's usual limit, 1,024, is
// the end of a test early.

#include <cstddef>
#include <limits>

namespace ombt::drivers {

/// Raises the soft limit (RLIMIT_NOFILE) to the hard one, but not above `most`; never lowers it.
/// Returns the limit as it is then, the largest number where it can't be told.
std::size_t raise_descriptor_limit(
    std::size_t most = std::numeric_limits<std::size_t>::max()) noexcept;

}  // namespace ombt::drivers
