// SPDX-License-Identifier: Apache-2.0
#include "controller/whole_file.hpp"

#include "wire/configuration_error.hpp"

#include "tests/controller/folder.hpp"

#include <catch2/catch.hpp>

#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <string>
#include <sys/stat.h>
#include <thread>
#include <unistd.h>

using namespace ombt;
using controller::whole_file;
using controller::test::content;
using controller::test::folder;
using controller::test::longest_file;
namespace fs = std::filesystem;

TEST_CASE("a file appears whole, or not at all") {
  const folder f;
  std::string why;
  {
    const whole_file file(f.at("report"), "--json");
    CHECK(f.files() == 0);  // nothing until it is written
  }
  CHECK(f.files() == 0);
  const whole_file file(f.at("report"), "--json");
  REQUIRE(file.commit("first\n", why));
  CHECK(content(f.at("report")) == "first\n");
  REQUIRE(file.commit(std::string(1'000'000, 'x'), why));
  CHECK(content(f.at("report")).size() == 1'000'000);
  CHECK(f.files() == 1);
}

TEST_CASE("a link is followed, not replaced") {
  const folder f;
  std::ofstream(f.at("real")) << "old";
  fs::create_symlink(f.at("real"), f.at("link"));
  const whole_file file(f.at("link"), "--json");
  std::string why;
  REQUIRE(file.commit("new", why));
  CHECK(fs::is_symlink(f.at("link")));
  CHECK(content(f.at("real")) == "new");
}

TEST_CASE("a pipe is written, not replaced") {
  const folder f;
  REQUIRE(::mkfifo(f.at("pipe").c_str(), 0600) == 0);
  const whole_file file(f.at("pipe"), "--json");
  std::string got;
  std::thread reader([&] { got = content(f.at("pipe")); });
  std::string why;
  CHECK(file.commit("through", why));
  reader.join();
  CHECK(got == "through");
  CHECK(fs::is_fifo(f.at("pipe")));
}

TEST_CASE("what cannot be written is refused before anything runs") {
  const folder f;
  CHECK_THROWS_AS(whole_file("", "--json"), configuration_error);
  CHECK_THROWS_AS(whole_file(f.at(""), "--json"), configuration_error);
  CHECK_THROWS_AS(whole_file(f.at("no/such/file"), "--json"), configuration_error);
  try {
    whole_file(f.at("no/file"), "--output");
    FAIL("not refused");
  } catch (const configuration_error& e) {
    CHECK(std::string(e.what()) == "--output " + f.at("no/file") + ": No such file or directory");
  }
  CHECK_FALSE(whole_file());
}

TEST_CASE("a write that fails says why and leaves the old file") {
  const folder f;
  std::ofstream(f.at("report")) << "old";
  const whole_file file(f.at("report"), "--json");
  // The temporary name is taken by a folder: the write cannot begin.
  fs::create_directory(f.at("report") + ".ombt-" + std::to_string(::getpid()));
  std::string why;
  CHECK_FALSE(file.commit("new", why));
  CHECK(why.find("report") != std::string::npos);
  CHECK(content(f.at("report")) == "old");

  const whole_file null("/dev/null", "--json");
  CHECK(null.commit("new", why));
  CHECK(fs::is_character_file("/dev/null"));
}

TEST_CASE(
    "a disk without room is found before anything runs, and so is a device that takes nothing") {
  const folder f;
  const auto why_not = [](const std::string& path, const char* option = "--json") -> std::string {
    try {
      const whole_file file(path, option);
    } catch (const configuration_error& e) {
      return e.what();
    }
    return {};
  };
  std::ofstream(f.at("report")) << "old";
  const longest_file small(controller::room_for_results / 2);
  CHECK(why_not(f.at("report"), "--output") == "--output " + f.at("report") + ": File too large");
  CHECK(content(f.at("report")) == "old");
  CHECK(f.files() == 1);
  CHECK(why_not("/dev/full") == "--json /dev/full: No space left on device");
  CHECK(why_not("/dev/null").empty());
}

TEST_CASE("standard output is called so") {
  const int before = ::dup(STDOUT_FILENO);
  std::string refused;
  std::string why;
  {
    const folder f;
    const whole_file out("-", "--json");
    const int shut = ::open(f.at("read-only").c_str(), O_RDONLY | O_CREAT, 0600);
    ::dup2(shut, STDOUT_FILENO);
    ::close(shut);
    out.commit("new", why);
  }
  const int full = ::open("/dev/full", O_WRONLY);
  ::dup2(full, STDOUT_FILENO);
  ::close(full);
  try {
    whole_file("-", "--json");
  } catch (const configuration_error& e) {
    refused = e.what();
  }
  ::dup2(before, STDOUT_FILENO);
  ::close(before);
  CHECK(why == "standard output: Bad file descriptor");
  CHECK(refused == "--json standard output: No space left on device");
}
