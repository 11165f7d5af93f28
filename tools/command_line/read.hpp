// SPDX-License-Identifier: Apache-2.0
#pragma once
// Parses a program's command line and ends in the same words whichever program it is.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace CLI {  // NOLINT(readability-identifier-naming): CLI11's
class App;
}

namespace ombt::tools {

/// What `--option ''` means: an error (a script's variable that is not set), or, as in Python
/// programs, that the option was not given.
enum class empty_values : std::uint8_t { refused, not_given };

/// Parses `arguments` (without the program's own name) into the variables of `app`'s options.
/// Options may stand before and after the command that they belong to.
/// Returns nothing if the program is to go on; otherwise its exit status: 0 after --help and
/// --version, 2 after an error, which has been said on standard error in one line, passwords
/// masked.
std::optional<int> read_command_line(CLI::App& app, std::vector<std::string> arguments,
                                     empty_values empty = empty_values::refused);

/// Says "PROGRAM: why (see PROGRAM --help)" on standard error, passwords masked. Returns 2.
int refuse_command_line(const CLI::App& app, const std::string& why);

}  // namespace ombt::tools
