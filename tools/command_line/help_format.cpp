// SPDX-License-Identifier: Apache-2.0
#include "tools/command_line/help_format.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>

namespace ombt::tools {
namespace {

constexpr std::size_t second_column = 28;

/// Columns that a word takes: UTF-8's continuation bytes take none.
std::size_t columns_of(std::string_view word) {
  std::size_t columns = 0;
  for (const char c : word) columns += (static_cast<unsigned char>(c) & 0xc0U) != 0x80U ? 1 : 0;
  return columns;
}

class two_columns final : public CLI::Formatter {
 public:
  two_columns() { column_width(second_column); }

  std::string make_option(const CLI::Option* option, bool is_positional) const override {
    return help_item(make_option_name(option, is_positional) + make_option_opts(option),
                     make_option_desc(option), get_column_width());
  }
  std::string make_subcommand(const CLI::App* command) const override {
    return help_item(command->get_display_name(true), command->get_description(),
                     get_column_width());
  }
  std::string make_description(const CLI::App* app) const override {
    return app->get_description() + "\n\n";
  }
};

}  // namespace

std::shared_ptr<CLI::FormatterBase> help_format() { return std::make_shared<two_columns>(); }

std::string help_item(std::string_view name, std::string_view description, std::size_t column) {
  std::string out = "  " + std::string(name);
  std::size_t at = 2 + columns_of(name);
  bool line_begins = true;
  const auto next_line = [&] {
    out += '\n';
    at = 0;
    line_begins = true;
  };
  if (at + 1 > column && !description.empty()) next_line();
  while (!description.empty()) {
    const std::size_t end = std::min(description.find_first_of(" \n"), description.size());
    const std::string_view word = description.substr(0, end);
    if (!line_begins && at + 1 + columns_of(word) > help_width) next_line();
    if (line_begins) {
      out.append(column - at, ' ');
      at = column;
    } else {
      out += ' ';
      ++at;
    }
    out += word;
    at += columns_of(word);
    line_begins = false;
    const bool broken = end < description.size() && description[end] == '\n';
    description.remove_prefix(std::min(end + 1, description.size()));
    if (broken) next_line();
  }
  return out + '\n';
}

}  // namespace ombt::tools
