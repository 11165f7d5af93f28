// SPDX-License-Identifier: Apache-2.0
#include "tools/command_line/help_format.hpp"

#include <CLI/CLI.hpp>
#include <catch2/catch.hpp>

#include <sstream>

namespace {

using ombt::tools::help_item;

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> out;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) out.push_back(line);
  return out;
}

TEST_CASE("A description that fits stands beside its name") {
  CHECK(help_item("--topic T", "who finds whom", 14) == "  --topic T   who finds whom\n");
  CHECK(help_item("--topic T", "", 14) == "  --topic T\n");
}

TEST_CASE("A name that is too long has its description below") {
  CHECK(help_item("--control URL", "a bus", 14) == "  --control URL\n              a bus\n");
  // One column is between the two at least.
  CHECK(help_item("--abcdefghi", "x", 14) == "  --abcdefghi x\n");
  CHECK(help_item("--abcdefghij", "x", 14) == "  --abcdefghij\n              x\n");
}

TEST_CASE("A long description is broken between words") {
  std::string text;
  std::string words;
  for (int i = 0; i < 100; ++i) {
    text += (i == 0 ? "" : " ") + std::to_string(i * 37);
    words += std::to_string(i * 37);
  }
  const auto lines = lines_of(help_item("--name N", text, 28));
  REQUIRE(lines.size() > 5);
  std::string seen;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    CHECK(lines[i].size() <= ombt::tools::help_width);
    if (i + 1 < lines.size()) CHECK(lines[i].size() > 70);
    CHECK(lines[i].substr(0, 28) ==
          (i == 0 ? "  --name N                  " : std::string(28, ' ')));
    for (const char c : lines[i].substr(28)) {
      if (c != ' ') seen += c;
    }
  }
  CHECK(seen == words);
}

TEST_CASE("Line breaks of a description stay, and a word too long for a line is not lost") {
  CHECK(help_item("-a", "one\ntwo", 6) == "  -a  one\n      two\n");
  const std::string word(200, 'w');
  CHECK(help_item("-a", "see " + word + " there", 6) ==
        "  -a  see\n      " + word + "\n      there\n");
}

TEST_CASE("A character of several bytes takes one column") {
  std::string word;
  for (int i = 0; i < 75; ++i) word += "…";
  CHECK(lines_of(help_item("-a", word + " b", 5)).size() == 2);
  CHECK(lines_of(help_item("-a", word.substr(6) + " b", 5)).size() == 1);
}

TEST_CASE("A program's help has its options and subcommands in two columns") {
  CLI::App app("What it does.", "program");
  app.formatter(ombt::tools::help_format());
  std::string value;
  app.add_option("--bus-under-test", value,
                 "a description that is so long that it has to go on in "
                 "a line of its own")
      ->type_name("URL");
  app.add_subcommand("run", "does it");
  const std::string text = app.help();
  CHECK_THAT(text, Catch::StartsWith("What it does.\n\nUsage: program [OPTIONS] [SUBCOMMAND]\n"));
  CHECK_THAT(text, Catch::Contains("  --bus-under-test URL      a description that is so long"));
  CHECK_THAT(text, Catch::Contains("\n                            "));
  CHECK_THAT(text, Catch::Contains("\n  run                       does it\n"));
  for (const auto& line : lines_of(text)) CHECK(line.size() <= 80);
}

}  // namespace
