// SPDX-License-Identifier: Apache-2.0
#include "controller/run_directory.hpp"

#include "wire/configuration_error.hpp"

#include "controller/whole_file.hpp"
#include "tests/controller/folder.hpp"

#include <catch2/catch.hpp>

#include <filesystem>
#include <iterator>
#include <string>

using namespace ombt;
using Catch::Contains;
using controller::run_directory;
using controller::test::content;
using controller::test::folder;
using controller::test::longest_file;
namespace fs = std::filesystem;

namespace {

std::string refusal(const std::string& path) {
  try {
    const run_directory made(path);
  } catch (const configuration_error& e) {
    return e.what();
  }
  return {};
}

}  // namespace

TEST_CASE("a run's folder is made at once, and gone if nothing came into it") {
  const folder f;
  {
    const run_directory made(f.at("run"));
    CHECK(fs::is_directory(f.at("run")));
    CHECK(fs::is_empty(f.at("run")));
  }
  CHECK_FALSE(fs::exists(f.at("run")));
}

TEST_CASE("a run's files stay, whole, and nothing else") {
  const folder f;
  std::string why;
  {
    run_directory made(f.at("run"));
    REQUIRE(made.put("run.json", "{}\n", why));
    REQUIRE(made.put("agents.jsonl", std::string(100'000, 'x'), why));
    CHECK(made.finish(why));
  }
  CHECK(content(f.at("run/run.json")) == "{}\n");
  CHECK(content(f.at("run/agents.jsonl")).size() == 100'000);
  CHECK(std::distance(fs::directory_iterator(f.at("run")), fs::directory_iterator()) == 2);
}

TEST_CASE("a run's folder that exists, or has no place, is refused by name and cause") {
  const folder f;
  fs::create_directory(f.at("old"));
  CHECK_THAT(refusal(f.at("old")), Contains("--out " + f.at("old") + ": exists already"));
  CHECK(fs::is_directory(f.at("old")));
  CHECK_THAT(refusal(f.at("none/run")), Contains("No such file or directory"));
  CHECK_THAT(refusal(""), Contains("empty folder name"));
}

TEST_CASE("a disk without room is found before the run, and no folder is left on it") {
  const folder f;
  const longest_file small(controller::room_for_results / 2);
  CHECK_THAT(refusal(f.at("run")), Contains("File too large"));
  CHECK_FALSE(fs::exists(f.at("run")));
}

TEST_CASE("a file that cannot be written to the end is told and not there") {
  const folder f;
  run_directory made(f.at("run"));
  const longest_file small(1000);
  std::string why;
  CHECK_FALSE(made.put("run.json", std::string(2000, 'x'), why));
  CHECK_THAT(why, Contains("run.json: File too large"));
  CHECK(fs::is_empty(f.at("run")));
}

TEST_CASE("what could be written of a run stays, in a folder that says that it is incomplete") {
  const folder f;
  std::string why;
  for (const char* const name : {"run.incomplete", "run.incomplete-2"}) {
    run_directory made(f.at("run/"));
    const longest_file small(1000);
    CHECK_FALSE(made.put("run.json", std::string(2000, 'x'), why));
    CHECK(made.put("agents.jsonl", "{}\n", why));
    CHECK_FALSE(made.finish(why));
    CHECK(why ==
          "--out " + f.at("run") + ": incomplete; what could be written is in " + f.at(name));
    CHECK_FALSE(fs::exists(f.at("run")));
    CHECK(content(f.at(std::string(name) + "/agents.jsonl")) == "{}\n");
    CHECK_FALSE(fs::exists(f.at(std::string(name) + "/run.json")));
  }
}

TEST_CASE("a folder into which nothing could be written goes, and that is told") {
  const folder f;
  std::string why;
  run_directory made(f.at("run"));
  const longest_file small(1000);
  CHECK_FALSE(made.put("run.json", std::string(2000, 'x'), why));
  CHECK_FALSE(made.finish(why));
  CHECK(why == "--out " + f.at("run") + ": nothing could be written");
  CHECK(f.files() == 0);
}

TEST_CASE("a small file is written where there is no room for a large one") {
  const folder f;
  std::string why;
  run_directory made(f.at("run"));
  const longest_file small(controller::room_for_results / 2);
  CHECK(made.put("run.json", "{}\n", why));
  CHECK(made.finish(why));
  CHECK(fs::is_directory(f.at("run")));
}
