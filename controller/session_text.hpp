// SPDX-License-Identifier: Apache-2.0
#pragma once
// Words that a session uses in its failures and problems. Pure functions.

#include "controller/plan.hpp"

#include <string>

namespace ombt::controller {

/// "60 s", "0.3 s"
std::string seconds_text(duration d);

}  // namespace ombt::controller
