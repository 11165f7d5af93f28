// SPDX-License-Identifier: Apache-2.0
#include "tools/command_line/mask.hpp"

#include <catch2/catch.hpp>

#include <cstring>
#include <string>
#include <vector>

namespace {

/// Arguments laid out as the kernel does: one after the other.
struct arguments {
  std::vector<char> memory;
  std::vector<char*> argv;

  explicit arguments(const std::vector<std::string>& texts) {
    for (const auto& t : texts) memory.insert(memory.end(), t.c_str(), t.c_str() + t.size() + 1);
    char* at = memory.data();
    for (const auto& t : texts) {
      argv.push_back(at);
      at += t.size() + 1;
    }
    argv.push_back(nullptr);
  }
  void mask() { ombt::tools::mask_command_line(static_cast<int>(argv.size()) - 1, argv.data()); }
  std::vector<std::string> texts() const {
    return std::vector<std::string>(argv.begin(), argv.end() - 1);
  }
  bool holds(const std::string& text) const {
    return std::string(memory.begin(), memory.end()).find(text) != std::string::npos;
  }
};

}  // namespace

TEST_CASE("Passwords in arguments are masked where the kernel shows them") {
  arguments a({"ombt-agent", "--url", "rabbit://user:secret@host:5672/vhost", "--rpc-client", "3",
               "--control=rabbit://a:hunter2@h1,b:hunter3@h2/x"});
  a.mask();
  CHECK(a.texts() == std::vector<std::string>{"ombt-agent", "--url",
                                              "rabbit://user:***@host:5672/vhost", "--rpc-client",
                                              "3", "--control=rabbit://a:***@h1,b:***@h2/x"});
  CHECK_FALSE(a.holds("secret"));
  CHECK_FALSE(a.holds("hunter"));
}

TEST_CASE("Nothing else changes, and the memory keeps its size") {
  const std::vector<std::string> texts = {"prog", "--topic", "a:b@c", "", "rabbit://host:1/x", "ü"};
  arguments a(texts);
  const auto before = a.memory;
  a.mask();
  CHECK(a.texts() == texts);
  CHECK(a.memory == before);
}

TEST_CASE("A password shorter than the mask is hidden too") {
  for (const char* password : {"x", "xy", "*x", "xyz"}) {
    arguments a({"prog", std::string("rabbit://user:") + password + "@host", "then"});
    a.mask();
    CHECK_FALSE(a.holds("x"));
    CHECK(a.texts()[2] == "then");
    CHECK(a.texts()[1].starts_with("rabbit://user:*"));
    CHECK(a.texts()[1].ends_with("*@host"));
  }
}

TEST_CASE("Arguments that do not lie together stay where they are") {
  std::string one = "prog";
  std::string two = "rabbit://user:secret@host";
  std::string three = "rabbit://user:geheim@host";
  char* argv[] = {three.data(), one.data(), two.data(), nullptr};
  ombt::tools::mask_command_line(3, argv);
  CHECK(argv[2] == two.data());
  CHECK(std::strcmp(argv[2], "rabbit://user:***@host") == 0);
  CHECK(std::strcmp(argv[0], "rabbit://user:***@host") == 0);
  CHECK(std::strcmp(argv[1], "prog") == 0);
  CHECK((two + three).find("ret") == std::string::npos);
  CHECK((two + three).find("heim") == std::string::npos);
}

TEST_CASE("No arguments are no trouble") {
  char* argv[] = {nullptr};
  ombt::tools::mask_command_line(0, argv);
  ombt::tools::mask_command_line(0, nullptr);
  SUCCEED();
}
