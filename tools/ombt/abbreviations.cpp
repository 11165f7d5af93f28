// SPDX-License-Identifier: Apache-2.0
#include "tools/ombt/abbreviations.hpp"

#include "wire/configuration_error.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <string_view>

namespace ombt::tools {
namespace {

struct found_option {
  std::string name;
  bool takes_value;
};

/// The options whose names begin with this one, or the one that is called so.
std::vector<found_option> options_like(const std::vector<const CLI::App*>& modes,
                                       std::string_view start) {
  std::vector<found_option> out;
  for (const CLI::App* mode : modes) {
    for (const CLI::Option* option : mode->get_options()) {
      const bool takes_value = option->get_items_expected_min() > 0;
      for (const std::string& name : option->get_lnames()) {
        if (name == start) return {{name, takes_value}};
        if (name.starts_with(start)) out.push_back({name, takes_value});
      }
    }
  }
  return out;
}

const CLI::App* mode_called(const CLI::App& parent, const std::string& name) {
  const auto modes =
      parent.get_subcommands([&name](const CLI::App* mode) { return mode->get_name() == name; });
  return modes.empty() ? nullptr : modes.front();
}

}  // namespace

std::vector<std::string> expand_abbreviations(const CLI::App& app,
                                              std::vector<std::string> arguments) {
  std::vector<const CLI::App*> modes{&app};
  bool value = false;  // the argument belongs to the option before it
  for (std::string& argument : arguments) {
    if (value) {
      value = false;
      continue;
    }
    if (argument == "--") break;
    if (!argument.starts_with("--")) {
      if (const CLI::App* mode = mode_called(*modes.back(), argument)) modes.push_back(mode);
      continue;
    }
    const std::size_t equals = argument.find('=');
    const std::string start = argument.substr(2, equals == std::string::npos ? equals : equals - 2);
    const auto candidates = options_like(modes, start);
    if (candidates.empty()) continue;
    if (candidates.size() > 1) {
      std::string names;
      for (const found_option& each : candidates)
        names += (names.empty() ? "--" : ", --") + each.name;
      throw configuration_error("--" + start + " could be " + names);
    }
    argument.replace(2, start.size(), candidates.front().name);
    value = candidates.front().takes_value && equals == std::string::npos;
  }
  return arguments;
}

}  // namespace ombt::tools
