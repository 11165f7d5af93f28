// SPDX-License-Identifier: Apache-2.0
#include "wire/oslo/ini_file.hpp"

#include "wire/configuration_error.hpp"
#include "wire/oslo/password_mask.hpp"

namespace ombt::wire::oslo {
namespace {

constexpr auto npos = std::string_view::npos;
constexpr std::string_view space = " \t\r\n\v\f";

std::string_view without_trailing_space(std::string_view text) noexcept {
  return text.substr(0, text.find_last_not_of(space) + 1);
}

std::string_view without_leading_space(std::string_view text) noexcept {
  const std::size_t first = text.find_first_not_of(space);
  return first == npos ? std::string_view{} : text.substr(first);
}

class parser {
 public:
  explicit parser(std::string_view name) : name_{name} {}

  void line(std::string_view text) {
    ++number_;
    text = without_trailing_space(text);
    if (text.empty()) {
      open_ = false;
    } else if (text.front() == ' ' || text.front() == '\t') {
      // An indented comment continues a value, too: so it is in oslo.config.
      if (!open_) fail("an indented line that continues nothing");
      (out_.back().text += '\n') += without_leading_space(text);
    } else if (text.front() == '[') {
      open_ = false;
      if (text.back() != ']') fail("a section without its closing bracket");
      if (text.size() <= 2) fail("a section without a name");
      section_ = text.substr(1, text.size() - 2);
    } else if (text.front() == '#' || text.front() == ';') {
      open_ = false;
    } else {
      assignment(text);
    }
  }

  std::vector<ini_assignment> take() { return std::move(out_); }

 private:
  [[noreturn]] void fail(const char* why) const {
    throw configuration_error(printable(name_) + ":" + std::to_string(number_) + ": " + why);
  }

  void assignment(std::string_view text) {
    const std::size_t separator = text.find_first_of(":=");
    if (separator == npos) fail("neither a section, nor key = value, nor a comment");
    const std::string_view key = without_trailing_space(text.substr(0, separator));
    if (key.empty()) fail("an assignment without a key");
    if (section_.empty()) fail("an assignment before any [section]");
    std::string_view value = without_leading_space(text.substr(separator + 1));
    if (value.size() >= 2 && value.front() == value.back() &&
        (value.front() == '"' || value.front() == '\'')) {
      value = value.substr(1, value.size() - 2);
    }
    out_.push_back({section_, std::string{key}, std::string{value}, number_});
    open_ = true;
  }

  std::string_view name_;
  std::string section_;
  std::vector<ini_assignment> out_;
  int number_ = 0;
  bool open_ = false;  // an indented line would continue the last assignment
};

}  // namespace

std::vector<ini_assignment> parse_ini(std::string_view text, std::string_view name) {
  constexpr std::string_view byte_order_mark = "\xef\xbb\xbf";
  if (text.starts_with(byte_order_mark)) text.remove_prefix(byte_order_mark.size());
  parser p{name};
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    p.line(text.substr(0, end));
    text.remove_prefix(end == npos ? text.size() : end + 1);
  }
  return p.take();
}

}  // namespace ombt::wire::oslo
