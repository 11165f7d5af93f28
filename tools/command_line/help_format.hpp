// SPDX-License-Identifier: Apache-2.0
#pragma once
// How our programs' --help looks: two columns in 80, which CLI11 2.1 does not keep to by itself.

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace CLI {  // NOLINT(readability-identifier-naming): CLI11's
class FormatterBase;
}

namespace ombt::tools {

inline constexpr std::size_t help_width = 80;  ///< columns

/// One formatter for a program and all its subcommands, which inherit it if they are added later.
/// A description is broken between words; line breaks that it has stay.
std::shared_ptr<CLI::FormatterBase> help_format();

/// `name` in the left column and `description` in the right one, which begins at `column`; below
/// each other where the name is too long for that. Ends with a line break.
std::string help_item(std::string_view name, std::string_view description, std::size_t column);

}  // namespace ombt::tools
