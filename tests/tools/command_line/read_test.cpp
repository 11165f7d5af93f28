// SPDX-License-Identifier: Apache-2.0
#include "tools/command_line/read.hpp"

#include <CLI/CLI.hpp>
#include <catch2/catch.hpp>

#include <cstdio>
#include <unistd.h>

namespace {

using ombt::tools::empty_values;

/// What is written to standard error during its life.
class error_output {
 public:
  error_output() : file_(std::tmpfile()), before_(::dup(STDERR_FILENO)) {
    REQUIRE(file_ != nullptr);
    std::fflush(stderr);
    ::dup2(::fileno(file_), STDERR_FILENO);
  }
  error_output(const error_output&) = delete;
  error_output& operator=(const error_output&) = delete;
  ~error_output() {
    std::fflush(stderr);
    ::dup2(before_, STDERR_FILENO);
    ::close(before_);
    std::fclose(file_);
  }
  std::string text() {
    std::fflush(stderr);
    std::string out(4096, '\0');
    const ssize_t length = ::pread(::fileno(file_), out.data(), out.size(), 0);
    out.resize(length > 0 ? static_cast<std::size_t>(length) : 0);
    return out;
  }

 private:
  std::FILE* file_;
  int before_;
};

struct program {
  CLI::App app{"does something", "program"};
  std::string url;
  int count = 0;
  bool fast = false;

  program() {
    app.add_option("--url", url);
    app.add_option("--count", count);
    app.add_flag("--fast", fast);
  }
  /// Its exit status or -1, and what it says.
  std::pair<int, std::string> run(std::vector<std::string> arguments,
                                  empty_values empty = empty_values::refused) {
    error_output error;
    const auto status = ombt::tools::read_command_line(app, std::move(arguments), empty);
    return {status.value_or(-1), error.text()};
  }
};

struct program_with_commands : program {
  program_with_commands() {
    app.require_subcommand(1);
    app.fallthrough();
    app.add_subcommand("go", "goes")->fallthrough()->add_option("--far", count);
  }
};

using outcome = std::pair<int, std::string>;

TEST_CASE("Arguments in their order reach the program's variables") {
  program p;
  CHECK(p.run({"--url", "a://b", "--count=3", "--fast"}) == outcome{-1, ""});
  CHECK(p.url == "a://b");
  CHECK(p.count == 3);
  CHECK(p.fast);
}

TEST_CASE("A value that is none is named with what was expected") {
  CHECK(program().run({"--count", "many"}) ==
        outcome{2, "program: --count many: expected a whole number (see program --help)\n"});
  CHECK(program().run({"--count=1.5"}) ==
        outcome{2, "program: --count 1.5: expected a whole number (see program --help)\n"});
  CHECK(program().run({"--fast=maybe"}) ==
        outcome{2, "program: --fast maybe: expected no value (see program --help)\n"});
  CHECK(program_with_commands().run({"go", "--far", "x"}) ==
        outcome{2, "program: --far x: expected a whole number (see program --help)\n"});
}

TEST_CASE("What is not known is named for what it looks like") {
  CHECK(program().run({"--ulr", "x"}) ==
        outcome{2, "program: unknown option --ulr (see program --help)\n"});
  CHECK(program().run({"fast"}) ==
        outcome{2, "program: unknown argument fast (see program --help)\n"});
  CHECK(program_with_commands().run({"og"}) ==
        outcome{2, "program: unknown command og (see program --help)\n"});
  CHECK(program_with_commands().run({"--ulr", "x"}) ==
        outcome{2, "program: unknown option --ulr (see program --help)\n"});
  CHECK(program_with_commands().run({"go", "--fra", "1"}) ==
        outcome{2, "program: unknown option --fra (see program --help)\n"});
}

TEST_CASE("An option whose command is missing, or is another, is said to be of its own") {
  program_with_commands p;
  p.app.get_subcommand("go")->add_subcommand("on")->add_option("--deep", p.count);
  p.app.add_subcommand("run", "runs")->add_option("--far", p.count);
  p.app.add_subcommand("stay", "stays")->add_option("--near", p.count);
  const auto says = [&](std::vector<std::string> arguments) { return p.run(std::move(arguments)); };
  CHECK(says({"--far", "10"}) ==
        outcome{2, "program: --far belongs to a command: go, run (see program --help)\n"});
  CHECK(says({"--far=10"}) ==
        outcome{2, "program: --far belongs to a command: go, run (see program --help)\n"});
  CHECK(says({"stay", "--far", "10"}) ==
        outcome{2, "program: --far belongs to a command: go, run (see program --help)\n"});
  CHECK(says({"--deep", "1"}) ==
        outcome{2, "program: --deep belongs to the command go on (see program --help)\n"});
  CHECK(says({"--fat", "10"}) ==
        outcome{2, "program: unknown option --fat (see program --help)\n"});
}

TEST_CASE("An option at the end without its value is said to need one") {
  CHECK(program().run({"--count"}) ==
        outcome{2, "program: --count needs a value (see program --help)\n"});
  CHECK(program_with_commands().run({"go", "--far"}) ==
        outcome{2, "program: --far needs a value (see program --help)\n"});
}

TEST_CASE("Options of a command may stand before it") {
  const auto far = [](std::vector<std::string> arguments) {
    program_with_commands p;
    p.app.get_subcommand("go")->add_subcommand("on")->fallthrough();
    CHECK(p.run(std::move(arguments)) == outcome{-1, ""});
    CHECK(p.app.get_subcommands().front()->get_name() == "go");
    return std::pair{p.count, p.url};
  };
  using result = std::pair<int, std::string>;
  CHECK(far({"--far", "7", "go"}) == result{7, ""});
  CHECK(far({"--far=7", "--fast", "go", "--url", "x"}) == result{7, "x"});
  CHECK(far({"--url", "go", "go", "--far", "8", "on"}) == result{8, "go"});  // a value, no command
  CHECK(program_with_commands().run({"--url", "go"}).first == 2);
  CHECK(program_with_commands().run({"--far", "7"}).first == 2);
}

TEST_CASE("Other errors are said in CLI11's words") {
  CHECK(program_with_commands().run({}) ==
        outcome{2, "program: A subcommand is required (see program --help)\n"});
}

TEST_CASE("No password is in what is said") {
  CHECK(program().run({"rabbit://me:secret@host"}) ==
        outcome{2, "program: unknown argument rabbit://me:***@host (see program --help)\n"});
}

TEST_CASE("An empty value is an error, of a subcommand's option too, or as if not given") {
  CHECK(program().run({"--url", ""}) ==
        outcome{2, "program: --url has an empty value (see program --help)\n"});
  CHECK(program().run({"--url="}).first == 2);
  CHECK(program().run({"--url", ""}, empty_values::not_given) == outcome{-1, ""});
  program_with_commands p;
  std::string name;
  p.app.get_subcommand("go")->add_option("--name", name);
  CHECK(p.run({"go", "--name", ""}) ==
        outcome{2, "program: --name has an empty value (see program --help)\n"});
  CHECK(program().run({"--fast"}) == outcome{-1, ""});
}

}  // namespace
