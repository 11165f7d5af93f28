// SPDX-License-Identifier: Apache-2.0
#pragma once
// The syntax of oslo.config's files: sections, assignments with continuation lines, comments. Knows
// no option. Private to wire/oslo. Source: oslo_config/iniparser.py (BaseParser).

#include <string>
#include <string_view>
#include <vector>

namespace ombt::wire::oslo {

struct ini_assignment {
  std::string section;  ///< as written
  std::string key;
  std::string text;  ///< without quotes around it; continuation lines joined by \n
  int line = 0;      ///< of the key, from 1
};

/// Every assignment in order. Throws configuration_error ("NAME:LINE: ...") for a line that is
/// neither section, assignment, comment nor continuation, and for an assignment before any section.
std::vector<ini_assignment> parse_ini(std::string_view text, std::string_view name);

}  // namespace ombt::wire::oslo
