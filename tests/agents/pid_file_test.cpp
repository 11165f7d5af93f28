// SPDX-License-Identifier: Apache-2.0
#include "agents/pid_file.hpp"

#include "wire/configuration_error.hpp"

#include <catch2/catch.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <unistd.h>

using namespace ombt;
using agents::pid_file;
namespace fs = std::filesystem;

namespace {

struct pid_fixture {
  std::string folder = (fs::temp_directory_path() / "ombt-pid-XXXXXX").string();
  std::string file;

  pid_fixture() {
    REQUIRE(::mkdtemp(folder.data()) != nullptr);
    file = folder + "/agent.pid";
  }
  ~pid_fixture() { fs::remove_all(folder); }

  std::string text() const {
    std::ifstream from(file);
    return {std::istreambuf_iterator<char>(from), {}};
  }
  void write(const std::string& what) const { std::ofstream(file) << what; }
  long files() const { return std::distance(fs::directory_iterator(folder), {}); }
};

}  // namespace

TEST_CASE_METHOD(pid_fixture, "The file has the process's id from write() to the end") {
  write("4711\n");  // of one that was killed
  {
    pid_file pid(file);
    CHECK(text() == "4711\n");
    CHECK(pid.write().empty());
    CHECK(text() == std::to_string(::getpid()) + "\n");
    CHECK(files() == 1);
  }
  CHECK(files() == 0);
}

TEST_CASE_METHOD(pid_fixture, "Nothing is left of agents that were never ready") {
  { const pid_file pid(file); }
  CHECK(files() == 0);
}

TEST_CASE_METHOD(pid_fixture, "A relative name stays where it was meant") {
  const fs::path before = fs::current_path();
  fs::current_path(folder);
  {
    pid_file pid("agent.pid");
    fs::current_path(before);
    CHECK(pid.write().empty());
    CHECK(files() == 1);
  }
  CHECK(files() == 0);
}

TEST_CASE_METHOD(pid_fixture, "What another process has written since is left alone") {
  {
    pid_file pid(file);
    CHECK(pid.write().empty());
    write("4711\n");
  }
  CHECK(text() == "4711\n");
}

TEST_CASE_METHOD(pid_fixture, "A file that cannot be written is known before anything starts") {
  CHECK_THROWS_WITH(pid_file(folder), Catch::Contains("is a folder"));
  CHECK_THROWS_AS(pid_file(folder + "/nowhere/agent.pid"), configuration_error);
  pid_file pid(file);
  fs::create_directories(file + "/x");
  CHECK_FALSE(pid.write().empty());
}
