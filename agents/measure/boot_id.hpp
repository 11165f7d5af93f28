// SPDX-License-Identifier: Apache-2.0
#pragma once
// Whether two processes share a CLOCK_MONOTONIC: they do where the kernel's boot id is the same,
// which a host name can't tell. Any thread.

#include "drivers/local_host.hpp"

namespace ombt::agents {

using drivers::boot_id;

}  // namespace ombt::agents
