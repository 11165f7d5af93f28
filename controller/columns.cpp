// SPDX-License-Identifier: Apache-2.0
#include "controller/columns.hpp"

#include <algorithm>

namespace ombt::controller {

std::string wrapped(std::string_view line, std::string_view indent) {
  std::string out;
  // A blank of the indent is no place to break.
  std::size_t from = std::min(line.find_first_not_of(' '), line.size());
  std::size_t room = report_columns;
  while (line.size() > room) {
    auto end = line.rfind(' ', room);
    if (end == std::string_view::npos || end <= from) end = line.find(' ', std::max(room, from));
    if (end == std::string_view::npos) break;
    out.append(line.substr(0, end)).append("\n").append(indent);
    line.remove_prefix(end + 1);
    from = 0;
    room = report_columns - indent.size();
  }
  return out.append(line);
}

std::string cut_at_word(std::string_view text, std::size_t columns) {
  if (text.size() <= columns) return std::string{text};
  const auto end = text.rfind(' ', columns);
  std::string_view cut = text.substr(0, end == std::string_view::npos ? columns : end);
  while (!cut.empty() && (cut.back() == ' ' || cut.back() == ':' || cut.back() == ',')) {
    cut.remove_suffix(1);
  }
  return std::string{cut};
}

}  // namespace ombt::controller
