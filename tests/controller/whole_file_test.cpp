// SPDX-License-Identifier: Apache-2.0
#include "controller/whole_file.hpp"

#include "wire/configuration_error.hpp"

#include "tests/controller/folder.hpp"

#include <catch2/catch.hpp>

#include <cstdlib>
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

  const whole_file full("/dev/full", "--json");
  CHECK_FALSE(full.commit("new", why));
  CHECK(why.find("No space left") != std::string::npos);
  const whole_file null("/dev/null", "--json");
  CHECK(null.commit("new", why));
  CHECK(fs::is_character_file("/dev/null"));
}
