// SPDX-License-Identifier: Apache-2.0
#pragma once
// The one declaration of every option: name, place in options_file, range, help. The INI file, the
// URL's query and the list of options come from it. Private to wire/oslo.

#include "wire/oslo/options.hpp"

#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace ombt::wire::oslo {

inline constexpr std::string_view default_section = "DEFAULT";
inline constexpr std::string_view rabbit_section = "oslo_messaging_rabbit";
inline constexpr std::string_view amqp_section = "oslo_messaging_amqp";

/// Where an option's value is kept.
using option_field = std::variant<bool*, int*, double*, std::string*, std::vector<std::string>*>;

struct option {
  std::string_view section;
  std::string_view name;
  option_field (*field)(options_file&);
  std::string_view help;
  double least = std::numeric_limits<double>::lowest();
  double most = std::numeric_limits<double>::max();
  /// If not empty, the texts allowed (each of them, for a list).
  std::vector<std::string_view> choices = {};
  /// Texts that the Python library takes and we don't, and why.
  std::vector<std::pair<std::string_view, std::string_view>> refused = {};
  /// Other spellings: (section, name), as deprecated_group and deprecated_name in oslo.messaging.
  std::vector<std::pair<std::string_view, std::string_view>> aliases = {};
};

/// Every option, section by section.
const std::vector<option>& option_table();

/// The option of that name, or of that other spelling; null if there is none.
const option* find_option(std::string_view section, std::string_view name, bool& is_alias);

/// Throws configuration_error (what() begins with `option NAME`) for a name that find_option does
/// not know: later releases' options by name, all others with the nearest name of the section.
/// Returns for a later release's option whose value says that it is off.
void refuse_unknown(std::string_view section, std::string_view name, std::string_view text);

/// Sets the option's value from text; a list is appended to if `append`. Throws configuration_error
/// (what() begins with `option NAME`): bad value, out of range, not supported.
void set_option(options_file& into, const option& o, std::string_view text, bool append);

/// The value as text, as an INI file would have it.
std::string option_text(options_file& from, const option& o);

/// "boolean", "integer", "number", "text" or "list".
std::string_view type_name(const option& o);

}  // namespace ombt::wire::oslo
