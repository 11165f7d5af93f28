// SPDX-License-Identifier: Apache-2.0
#include "controller/columns.hpp"

#include <catch2/catch.hpp>

#include <sstream>
#include <string>

using namespace ombt::controller;

TEST_CASE("a line that fits stays as it is, and one that does not is broken at blanks") {
  CHECK(wrapped("").empty());
  const std::string fits(report_columns, 'x');
  CHECK(wrapped(fits) == fits);
  const std::string two = std::string(40, 'a') + ' ' + std::string(39, 'b');
  CHECK(wrapped(two) == two);
  CHECK(wrapped(two + 'b') == std::string(40, 'a') + "\n  " + std::string(40, 'b'));
  std::string words;
  for (int i = 0; i < 60; ++i) words += "word ";
  words.pop_back();
  const std::string out = wrapped("  at 1/s: " + words, "    ");
  CHECK(out.starts_with("  at 1/s: word word"));
  std::string joined;
  std::istringstream lines(out);
  for (std::string one; std::getline(lines, one);) {
    CHECK(one.size() <= report_columns);
    CHECK((joined.empty() || one.starts_with("    word")));
    joined += joined.empty() ? one : one.substr(3);
  }
  CHECK(joined == "  at 1/s: " + words);
}

TEST_CASE("a word that is longer than a line stays whole") {
  const std::string word(100, 'x');
  CHECK(wrapped(word) == word);
  CHECK(wrapped("  " + word + " y") == "  " + word + "\n  y");
  CHECK(wrapped("a " + word + " y") == "a\n  " + word + "\n  y");
}

TEST_CASE("what does not fit is cut at a word") {
  const std::string text = "asking servers 12 s: 1200 of 24000 messages accounted for";
  CHECK(cut_at_word(text, 80) == text);
  CHECK(cut_at_word(text, text.size()) == text);
  CHECK(cut_at_word(text, 39) == "asking servers 12 s: 1200 of 24000");
  CHECK(cut_at_word(text, 22) == "asking servers 12 s");
  CHECK(cut_at_word(text, 3) == "ask");
  CHECK(cut_at_word("", 0).empty());
}
