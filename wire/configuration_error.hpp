// SPDX-License-Identifier: Apache-2.0
#pragma once
// The one exception of start-up: a URL, option or configuration file that cannot be used.
// Programs print what() on one line and exit with status 2.

#include <stdexcept>

namespace ombt {

/// A setting that cannot be used; what() is one line that names the setting and the cause.
class configuration_error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace ombt
