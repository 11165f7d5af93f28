// SPDX-License-Identifier: Apache-2.0
// Option names and values as text: finding, checking, setting. What oslo.config's types accept is
// accepted: booleans in eight spellings, numbers with a sign.
#include "wire/configuration_error.hpp"
#include "wire/json/value.hpp"
#include "wire/oslo/option_table.hpp"
#include "wire/oslo/password_mask.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>

namespace ombt::wire::oslo {
namespace {

/// Options of later releases (14.7 and on) that change what is declared on the broker.
constexpr std::string_view later_switches[] = {"rabbit_transient_quorum_queue",
                                               "rabbit_stream_fanout", "use_queue_manager"};
constexpr std::string_view later_texts[] = {"hostname", "processname"};

bool is_secret(const option& o) noexcept {
  return o.name == secret_option || o.name == "transport_url";
}

[[noreturn]] void fail(std::string_view name, const std::string& why) {
  throw configuration_error("option " + printable(name) + ": " + why);
}

[[noreturn]] void fail_value(const option& o, std::string_view text, const std::string& why) {
  fail(o.name, is_secret(o) ? "the value " + why : "\"" + printable(text) + "\" " + why);
}

bool same_letters(std::string_view a, std::string_view b) noexcept {
  const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; };
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](char x, char y) { return lower(x) == lower(y); });
}

/// As oslo_config.types.Boolean.
std::optional<bool> parse_boolean(std::string_view text) noexcept {
  for (const std::string_view yes : {"true", "1", "on", "yes"}) {
    if (same_letters(text, yes)) return true;
  }
  for (const std::string_view no : {"false", "0", "off", "no"}) {
    if (same_letters(text, no)) return false;
  }
  return std::nullopt;
}

std::string number_text(double number) {
  std::string out;
  json::append_number(out, number);
  if (out.size() > 2 && out.ends_with(".0")) out.resize(out.size() - 2);
  return out;
}

void check_range(const option& o, std::string_view text, double number) {
  if (number < o.least) fail_value(o, text, "is below " + number_text(o.least));
  if (number > o.most) fail_value(o, text, "is above " + number_text(o.most));
}

void check_refused(const option& o, std::string_view text) {
  for (const auto& [refused, why] : o.refused) {
    if (same_letters(text, refused)) fail_value(o, text, "is not supported: " + std::string{why});
  }
}

void check_choice(const option& o, std::string_view text) {
  check_refused(o, text);
  if (o.choices.empty()) return;
  if (std::find(o.choices.begin(), o.choices.end(), text) != o.choices.end()) return;
  std::string allowed;
  for (const std::string_view choice : o.choices) {
    if (choice.empty()) continue;
    if (!allowed.empty()) allowed += ", ";
    allowed += choice;
  }
  fail_value(o, text, "is none of " + allowed);
}

template <class Number>
Number parse_number(const option& o, std::string_view text, const char* what) {
  const std::string_view digits = !text.empty() && text.front() == '+' ? text.substr(1) : text;
  Number number{};
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  const bool whole = !digits.empty() && end == digits.data() + digits.size();
  if (whole && error == std::errc::result_out_of_range) fail_value(o, text, "is out of range");
  if (!whole || error != std::errc{} || !std::isfinite(static_cast<double>(number))) {
    fail_value(o, text, std::string{"is no "} + what);
  }
  check_range(o, text, static_cast<double>(number));
  return number;
}

std::string_view trimmed(std::string_view text) noexcept {
  constexpr std::string_view space = " \t\r\n\v\f";
  const std::size_t first = text.find_first_not_of(space);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(space) - first + 1);
}

/// Visits the parts of a list, which commas or line ends separate.
template <class Visit>
void each_part(std::string_view text, Visit&& visit) {
  while (!text.empty()) {
    const std::size_t end = text.find_first_of(",\n");
    const std::string_view part = trimmed(text.substr(0, end));
    if (!part.empty()) visit(part);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
}

/// Levenshtein's distance.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t above = row[j + 1];
      row[j + 1] = std::min({above + 1, row[j] + 1, diagonal + (a[i] == b[j] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row.back();
}

/// The known name that was probably meant: one that begins like this, or has few other letters.
/// Empty if there is none.
std::string near_name(std::string_view section, std::string_view name) {
  std::string_view best;
  std::size_t least = std::max<std::size_t>(1, name.size() / 3) + 1;
  for (const option& o : option_table()) {
    if (o.section != section) continue;
    const bool begins = name.size() >= 4 && o.name.starts_with(name);
    if (const std::size_t d = begins ? 1 : distance(name, o.name); d < least) {
      least = d;
      best = o.name;
    }
  }
  return std::string{best};
}

}  // namespace

const option* find_option(std::string_view section, std::string_view name, bool& is_alias) {
  is_alias = false;
  for (const option& o : option_table()) {
    if (o.section == section && o.name == name) return &o;
  }
  is_alias = true;
  for (const option& o : option_table()) {
    for (const auto& alias : o.aliases) {
      if (alias.first == section && alias.second == name) return &o;
    }
  }
  return nullptr;
}

/// Options of old releases.
constexpr std::string_view parts_of_the_url[] = {"rabbit_host",     "rabbit_hosts",
                                                 "rabbit_port",     "rabbit_userid",
                                                 "rabbit_password", "rabbit_virtual_host"};

void refuse_unknown(std::string_view section, std::string_view name, std::string_view text) {
  constexpr std::size_t longest_name = 200;  // the distance takes time
  if (section == rabbit_section) {
    const std::string later = "not supported yet (an option of oslo.messaging 14.7 and later)";
    for (const std::string_view known : later_switches) {
      if (name != known) continue;
      if (parse_boolean(text) == false) return;
      fail(name, later);
    }
    for (const std::string_view known : later_texts) {
      if (name == known) fail(name, later);
    }
  }
  for (const std::string_view part : parts_of_the_url) {
    if (name == part) fail(name, "it is a part of transport_url now");
  }
  std::string why = "unknown in [" + std::string{section} + "]";
  bool is_alias = false;
  for (const std::string_view other : {default_section, rabbit_section, amqp_section}) {
    if (other == section) continue;
    const option* o = find_option(other, name, is_alias);
    if (o != nullptr && !is_alias) {
      fail(name, why + "; it belongs to [" + std::string{other} + "]");
    }
  }
  const std::string near = near_name(section, name.substr(0, longest_name));
  if (!near.empty()) why += "; the nearest known name is " + near;
  fail(name, why);
}

void set_option(options_file& into, const option& o, std::string_view text, bool append) {
  const option_field field = o.field(into);
  if (auto* const* b = std::get_if<bool*>(&field)) {
    const auto value = parse_boolean(text);
    if (!value) fail_value(o, text, "is no boolean (true or false)");
    check_refused(o, *value ? "true" : "false");
    **b = *value;
  } else if (auto* const* i = std::get_if<int*>(&field)) {
    **i = parse_number<int>(o, trimmed(text), "integer");
  } else if (auto* const* d = std::get_if<double*>(&field)) {
    **d = parse_number<double>(o, trimmed(text), "number");
  } else if (auto* const* s = std::get_if<std::string*>(&field)) {
    for (const char c : text) {
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
        fail_value(o, text, "has a line end or control character");
      }
    }
    check_choice(o, text);
    **s = text;
  } else {
    std::vector<std::string> parts;
    each_part(text, [&](std::string_view part) {
      check_choice(o, part);
      parts.emplace_back(part);
    });
    auto& list = *std::get<std::vector<std::string>*>(field);
    if (!append) list.clear();
    for (std::string& part : parts) {
      if (std::find(list.begin(), list.end(), part) == list.end()) list.push_back(std::move(part));
    }
  }
}

std::string option_text(options_file& from, const option& o) {
  struct {
    std::string operator()(const bool* b) const { return *b ? "true" : "false"; }
    std::string operator()(const int* i) const { return std::to_string(*i); }
    std::string operator()(const double* d) const { return number_text(*d); }
    std::string operator()(const std::string* s) const { return *s; }
    std::string operator()(const std::vector<std::string>* list) const {
      std::string out;
      for (const std::string& part : *list) {
        if (!out.empty()) out += ',';
        out += part;
      }
      return out;
    }
  } const as_text;
  return std::visit(as_text, o.field(from));
}

std::string_view type_name(const option& o) {
  options_file any;
  constexpr std::string_view names[] = {"boolean", "integer", "number", "text", "list"};
  static_assert(std::size(names) == std::variant_size_v<option_field>);
  return names[o.field(any).index()];
}

}  // namespace ombt::wire::oslo
