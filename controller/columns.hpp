// SPDX-License-Identifier: Apache-2.0
#pragma once
// Lines that fit a terminal. Width is counted in bytes. Pure functions.

#include <cstddef>
#include <string>
#include <string_view>

namespace ombt::controller {

/// What reports keep to.
inline constexpr std::size_t report_columns = 80;

/// The line, broken at blanks where it is longer than report_columns, its further lines indented. A
/// word that is longer stays whole. Without a newline at the end.
std::string wrapped(std::string_view line, std::string_view indent = "  ");

/// As many of its words as fit into so many columns, at least one; a first word that does not fit
/// is cut. Without a colon or comma that nothing follows.
std::string cut_at_word(std::string_view text, std::size_t columns);

}  // namespace ombt::controller
