// SPDX-License-Identifier: Apache-2.0
#include "tools/router/users.hpp"

#include "wire/configuration_error.hpp"

#include <catch2/catch.hpp>

#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>
#include <unistd.h>

using ombt::configuration_error;
using ombt::tools::router::users;

namespace {

/// A file with that text, for as long as it lives.
class text_file {
 public:
  explicit text_file(const std::string& text) {
    char name[] = "/tmp/ombt-router-test-XXXXXX";
    const int file = ::mkstemp(name);
    REQUIRE(file >= 0);
    ::close(file);
    name_ = name;
    std::ofstream(name_) << text;
  }
  ~text_file() { std::remove(name_.c_str()); }
  text_file(const text_file&) = delete;
  text_file& operator=(const text_file&) = delete;
  const std::string& name() const { return name_; }

 private:
  std::string name_;
};

}  // namespace

TEST_CASE("a user is let in with the right password only") {
  const text_file file("# a comment\n\nme secret\nother two words\r\n");
  const users all = users::read(file.name());
  CHECK(all.may_log_in("me", "secret"));
  CHECK(all.may_log_in("other", "two words"));
  CHECK_FALSE(all.may_log_in("me", ""));
  CHECK_FALSE(all.may_log_in("me", "secre"));
  CHECK_FALSE(all.may_log_in("me", "secret "));
  CHECK_FALSE(all.may_log_in("me", "secretsecret"));
  CHECK_FALSE(all.may_log_in("me", "two words"));
  CHECK_FALSE(all.may_log_in("nobody", "secret"));
  CHECK_FALSE(all.may_log_in("nobody", ""));
  CHECK_FALSE(all.may_log_in("", ""));
  CHECK_FALSE(all.may_log_in("#", "a comment"));
}

TEST_CASE("a users file that is none is refused, with the line") {
  for (const auto& [text, word] :
       std::initializer_list<std::pair<const char*, const char*>>{{"", "nobody"},
                                                                  {"me\n", "line 1"},
                                                                  {"a b\nme \n", "line 2"},
                                                                  {" a b\n", "line 1"},
                                                                  {"a b\na c\n", "line 2"},
                                                                  {"a b\n\x01 c\n", "line 2"},
                                                                  {"a b\rc d\n", "line 1"}}) {
    const text_file file(text);
    try {
      users::read(file.name());
      FAIL("taken: " << text);
    } catch (const configuration_error& error) {
      CHECK_THAT(error.what(), Catch::Contains(word));
    }
  }
  CHECK_THROWS_AS(users::read("/nowhere/at/all"), configuration_error);
  CHECK_THROWS_AS(users::read("/tmp"), configuration_error);
}
