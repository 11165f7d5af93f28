// SPDX-License-Identifier: Apache-2.0
#include "tools/command_line/read.hpp"

#include "wire/oslo/transport_url.hpp"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <cstdio>
#include <utility>

namespace ombt::tools {
namespace {

constexpr int exit_usage = 2;

std::vector<const CLI::App*> all_commands(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

/// The type name of an option of the program or of one of its commands; empty for a flag.
std::string type_of(const CLI::App& app, const std::string& name) {
  if (const CLI::Option* option = app.get_option_no_throw(name)) {
    return option->get_items_expected_max() == 0 ? std::string() : option->get_type_name();
  }
  for (const CLI::App* command : all_commands(app)) {
    if (std::string type = type_of(*command, name); !type.empty()) return type;
  }
  return {};
}

/// "--calls: 1 required N missing" of an option at the end.
std::string missing_value(const std::string& text) {
  constexpr std::string_view middle = ": 1 required ";
  const std::size_t at = text.find(middle);
  if (at == std::string::npos || !text.ends_with(" missing")) return {};
  return text.substr(0, at) + " needs a value";
}

/// "Could not convert: --calls = many" says neither what is wrong with it nor what would be right.
std::string in_our_words(const CLI::App& app, const std::string& text) {
  constexpr std::string_view begin = "Could not convert: ";
  constexpr std::string_view middle = " = ";
  const std::size_t at = text.find(middle);
  if (std::string missing = missing_value(text); !missing.empty()) return missing;
  if (!text.starts_with(begin) || at == std::string::npos) return text;
  const std::string name = text.substr(begin.size(), at - begin.size());
  const std::string value = text.substr(at + middle.size(), 60);
  const std::string type = type_of(app, name);
  return name + ' ' + value + ": expected " +
         (type.empty()  ? "no value"
          : type == "S" ? "seconds"
          : type == "R" ? "a number"
                        : "a whole number");
}

/// The commands that have an option of this name, as they are typed: "rpc-call", "controller
/// notify".
void add_owners(const CLI::App& app, const std::string& option, const std::string& before,
                std::vector<std::string>& out) {
  for (const CLI::App* command : all_commands(app)) {
    const std::string name = before + command->get_name();
    const CLI::Option* const found = command->get_option_no_throw(option);
    if (found != nullptr && !found->get_group().empty()) out.push_back(name);  // a known one
    add_owners(*command, option, name + ' ', out);
  }
}

/// Of an option that was not understood: whose it is. Empty: nobody's.
std::string belonging(const CLI::App& app, const std::string& argument) {
  const std::string option = argument.substr(0, argument.find('='));
  std::vector<std::string> owners;
  add_owners(app, option, "", owners);
  if (owners.empty()) return {};
  std::string out =
      option + (owners.size() == 1 ? " belongs to the command " : " belongs to a command: ");
  for (std::size_t i = 0; i < owners.size(); ++i) out += (i == 0 ? "" : ", ") + owners[i];
  return out;
}

/// CLI11 misses a subcommand before it looks at what it did not understand, which is the cause
/// more often.
std::string cause(const CLI::App& app, const CLI::ParseError& error) {
  const std::vector<std::string> strange = app.remaining(true);
  if (strange.empty()) return in_our_words(app, error.what());
  if (strange.front().starts_with('-')) {
    if (std::string whose = belonging(app, strange.front()); !whose.empty()) return whose;
  }
  const bool has_commands = !all_commands(app).empty();
  const char* kind = strange.front().starts_with('-') ? "option "
                     : has_commands                   ? "command "
                                                      : "argument ";
  return std::string("unknown ") + kind + strange.front();
}

/// Whether an option of that name, of any command, takes the argument after it.
bool takes_value(const CLI::App& app, const std::string& name) {
  const CLI::Option* const option = app.get_option_no_throw(name);
  if (option != nullptr) return option->get_items_expected_min() > 0;
  const auto commands = all_commands(app);
  return std::any_of(commands.begin(), commands.end(),
                     [&name](const CLI::App* one) { return takes_value(*one, name); });
}

/// Puts the commands before all options, so that an option of a command may stand before it.
std::vector<std::string> commands_first(const CLI::App& app, std::vector<std::string> arguments) {
  const CLI::App* at = &app;
  auto commands_end = arguments.begin();
  for (auto one = arguments.begin(); one != arguments.end(); ++one) {
    if (*one == "--") break;
    if (one->starts_with('-')) {
      if (takes_value(app, *one) && one + 1 != arguments.end()) ++one;
      continue;
    }
    const auto named = at->get_subcommands(
        [&one](const CLI::App* command) { return command->get_name() == *one; });
    if (named.empty()) continue;
    at = named.front();
    std::rotate(commands_end, one, one + 1);
    ++commands_end;
  }
  return arguments;
}

/// The name of an option that was given without text, or an empty one.
std::string empty_option(const CLI::App& app) {
  for (const CLI::Option* option : app.get_options()) {
    if (option->get_items_expected_min() == 0) continue;
    for (const std::string& text : option->results()) {
      if (text.empty()) return option->get_name();
    }
  }
  for (const CLI::App* command : app.get_subcommands()) {
    std::string name = empty_option(*command);
    if (!name.empty()) return name;
  }
  return {};
}

}  // namespace

std::optional<int> read_command_line(CLI::App& app, std::vector<std::string> arguments,
                                     empty_values empty) {
  arguments = commands_first(app, std::move(arguments));
  std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants them
  try {
    app.parse(std::move(arguments));
  } catch (const CLI::Success& wanted) {  // --help, --version
    return app.exit(wanted);
  } catch (const CLI::ParseError& error) {
    return refuse_command_line(app, cause(app, error));
  }
  if (empty == empty_values::refused) {
    const std::string name = empty_option(app);
    if (!name.empty()) return refuse_command_line(app, name + " has an empty value");
  }
  return std::nullopt;
}

int refuse_command_line(const CLI::App& app, const std::string& why) {
  const std::string program = app.get_name();
  std::fprintf(stderr, "%s: %s (see %s --help)\n", program.c_str(),
               wire::oslo::mask_passwords(why).c_str(), program.c_str());
  return exit_usage;
}

}  // namespace ombt::tools
