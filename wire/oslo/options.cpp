// SPDX-License-Identifier: Apache-2.0
#include "wire/oslo/options.hpp"

#include "wire/configuration_error.hpp"
#include "wire/oslo/ini_file.hpp"
#include "wire/oslo/option_table.hpp"
#include "wire/oslo/password_mask.hpp"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <set>

namespace ombt::wire::oslo {
namespace {

constexpr std::size_t largest_file = std::size_t{4} << 20;

/// As oslo.config: sections are compared in lower case, but DEFAULT must be in capitals.
std::string normal_section(std::string_view text) {
  std::string out{text};
  if (out == default_section) return out;
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return out;
}

bool is_ours(std::string_view section) noexcept {
  return section == default_section || section == rabbit_section || section == amqp_section;
}

/// oslo.config replaces $name by another option's value; here only "$$" and "\$", a dollar sign,
/// are. Source: ConfigOpts._substitute.
std::string substituted(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char next = i + 1 < text.size() ? text[i + 1] : '\0';
    if ((text[i] == '$' || text[i] == '\\') && next == '$') {
      out += '$';
      ++i;
    } else if (text[i] == '$' && (next == '{' || next == '_' || (next >= 'a' && next <= 'z') ||
                                  (next >= 'A' && next <= 'Z'))) {
      throw configuration_error(
          "a $ before a name stands for another option, which is not supported; write $$ for a $");
    } else {
      out += text[i];
    }
  }
  return out;
}

std::string without_line_ends(std::string text) {
  std::erase(text, '\n');
  return text;
}

[[noreturn]] void rethrow(const std::string& where, const configuration_error& e) {
  throw configuration_error(where + ": " + e.what());
}

/// An assignment of one of our sections, looked up.
struct found {
  const option* known;
  bool is_alias;
  const ini_assignment* written;
  std::string text;
};

/// Rules over more than one option.
void check_together(const rabbit_options& rabbit) {
  if (rabbit.rabbit_quorum_queue && rabbit.rabbit_ha_queues) {
    throw configuration_error(
        "options rabbit_quorum_queue and rabbit_ha_queues exclude each other: quorum queues are "
        "replicated by themselves");
  }
}

void apply_query(options_file& into, const transport_url& url) {
  const std::string_view section =
      url.driver == driver_kind::rabbit ? rabbit_section : amqp_section;
  for (const bool aliases : {true, false}) {
    for (const auto& [name, text] : url.options) {
      bool is_alias = false;
      const option* known = find_option(section, name, is_alias);
      if (known == nullptr) {
        if (!aliases) refuse_unknown(section, name, text);
        continue;
      }
      // An empty value is none: parse_qs leaves it out.
      if (is_alias != aliases || text.empty()) continue;
      set_option(into, *known, text, false);
    }
  }
}

}  // namespace

options_file options_file::parse(std::string_view text, std::string_view name,
                                 const default_options& unset) {
  options_file out;
  out.defaults = unset;
  const std::vector<ini_assignment> assignments = parse_ini(text, name);
  const auto where = [&](const ini_assignment& at) {
    return printable(name) + ":" + std::to_string(at.line);
  };

  std::vector<found> ours;
  for (const ini_assignment& at : assignments) {
    const std::string section = normal_section(at.section);
    try {
      bool is_alias = false;
      const option* known = find_option(section, at.key, is_alias);
      if (known != nullptr) {
        ours.push_back({known, is_alias, &at, substituted(at.text)});
      } else if (is_ours(section)) {
        refuse_unknown(section, at.key, at.text);
      }
    } catch (const configuration_error& e) {
      rethrow(where(at), e);
    }
  }

  // Old names first, so that an option's own name wins wherever it stands.
  std::set<const option*> seen;
  for (const bool aliases : {true, false}) {
    for (found& f : ours) {
      if (f.is_alias != aliases) continue;
      try {
        const bool is_url = f.known->field(out) == option_field{&out.defaults.transport_url};
        if (is_url) f.text = without_line_ends(std::move(f.text));
        set_option(out, *f.known, f.text, !seen.insert(f.known).second);
        if (is_url) out.transport_url_at = where(*f.written);
      } catch (const configuration_error& e) {
        rethrow(where(*f.written), e);
      }
    }
  }
  return out;
}

options_file options_file::load(const std::string& path, const default_options& unset) {
  errno = 0;
  std::ifstream file{path, std::ios::binary};
  std::string text;
  char piece[4096];
  while (file.read(piece, sizeof piece) || file.gcount() > 0) {
    text.append(piece, static_cast<std::size_t>(file.gcount()));
    if (text.size() > largest_file) {
      throw configuration_error(printable(path) + ": larger than 4 MiB, which no options file is");
    }
  }
  if (!file.eof()) {
    throw configuration_error(printable(path) +
                              ": cannot be read: " + std::strerror(errno != 0 ? errno : EIO));
  }
  return parse(text, path, unset);
}

messaging_options make_messaging_options(const options_file& file, std::string_view url) {
  options_file merged = file;
  messaging_options out;
  const bool from_file = url.empty() && !file.defaults.transport_url.empty();
  if (from_file) url = file.defaults.transport_url;
  if (url.empty()) url = "rabbit://";
  try {
    out.url = transport_url::parse(url);
    try {
      apply_query(merged, out.url);
      check_together(merged.rabbit);
    } catch (const configuration_error& e) {
      rethrow("transport URL \"" + mask_url(url) + "\"", e);
    }
  } catch (const configuration_error& e) {
    if (from_file && !file.transport_url_at.empty()) rethrow(file.transport_url_at, e);
    throw;
  }
  out.defaults = std::move(merged.defaults);
  out.rabbit = std::move(merged.rabbit);
  out.amqp = std::move(merged.amqp);
  return out;
}

std::vector<option_description> known_options() {
  options_file none;
  std::vector<option_description> out;
  for (const option& o : option_table()) {
    option_description d{o.section, o.name, type_name(o), option_text(none, o), o.help, {}};
    for (const auto& alias : o.aliases) d.other_names.push_back(alias);
    out.push_back(std::move(d));
  }
  return out;
}

std::vector<changed_option> changed_options(const messaging_options& options) {
  options_file none;
  options_file given{options.defaults, options.rabbit, options.amqp, {}};
  const std::string_view unused =
      options.url.driver == driver_kind::rabbit ? amqp_section : rabbit_section;
  std::vector<changed_option> out;
  for (const option& o : option_table()) {
    if (o.section == unused || o.name == "transport_url") continue;
    std::string text = option_text(given, o);
    if (text == option_text(none, o)) continue;
    if (o.name == secret_option) text = "***";
    out.push_back({o.section, o.name, std::move(text)});
  }
  return out;
}

}  // namespace ombt::wire::oslo
