// SPDX-License-Identifier: Apache-2.0
#include "drivers/token.hpp"

#include "wire/configuration_error.hpp"

#include "drivers/io/psk.hpp"

#include "tests/drivers/direct/bed.hpp"

#include <atomic>
#include <cstdio>
#include <fstream>
#include <sys/stat.h>
#include <thread>

using namespace ombt;
using namespace ombt::drivers;
using Catch::Contains;
using tests::private_folder;

namespace {

std::string hex_of(const std::array<unsigned char, 32>& bytes) {
  std::string out;
  char two[3];
  for (const unsigned char byte : bytes) {
    std::snprintf(two, sizeof two, "%02x", byte);
    out += two;
  }
  return out;
}

std::string token_file(const private_folder& in, const std::string& text, mode_t mode = 0600) {
  const std::string file = in.file("token");
  std::ofstream(file) << text;
  REQUIRE(::chmod(file.c_str(), mode) == 0);
  return file;
}

/// An environment variable for the length of a test.
class variable {
 public:
  variable(const char* name, const std::string& value) : name_(name) {
    if (const char* had = std::getenv(name)) had_ = had;
    ::setenv(name, value.c_str(), 1);
  }
  ~variable() { had_.empty() ? ::unsetenv(name_) : ::setenv(name_, had_.c_str(), 1); }
  variable(const variable&) = delete;
  variable& operator=(const variable&) = delete;

 private:
  const char* name_;
  std::string had_;
};

const std::string sixteen = "0123456789abcdef";

}  // namespace

TEST_CASE("the key is HKDF-SHA256 of the token") {
  // RFC 5869, A.3: no salt, no info.
  CHECK(hex_of(io::psk_settings::derive(std::string(22, '\x0b'), "")) ==
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d");
  // As Python's hmac and hashlib say it of these two texts.
  CHECK(hex_of(token(sixteen).key()) ==
        "323ae38781c0f6f536b30e08c662cf8810238fae26be91704aab2562da8384a7");
  CHECK(token("0123456789abcdeF").key() != token(sixteen).key());
}

TEST_CASE("a token's file is read without the white space around it") {
  const private_folder in;
  for (const std::string text : {"", "\n", "\r\n", " \t\n"}) {
    CHECK(token::read(token_file(in, text + sixteen + text))->key() == token(sixteen).key());
  }
  CHECK(token::read(token_file(in, sixteen, 0400))->key() == token(sixteen).key());
  const std::string longest(token::most_bytes, 'x');
  CHECK(token::read(token_file(in, longest + "\n"))->key() == token(longest).key());
}

TEST_CASE("a token's file that cannot be used is refused with what to do") {
  const private_folder in;
  const auto refused = [](const std::string& file, const std::string& words) {
    INFO(words);
    CHECK_THROWS_WITH(token::read(file),
                      Contains("token file '" + file + "': ") && Contains(words));
  };
  refused(in.file("none"), "there is none: copy it");
  refused(in.path(), "not a regular file");
  refused(token_file(in, "0123456789abcde\n"), "too short, less than 16 bytes");
  refused(token_file(in, ""), "too short");
  refused(token_file(in, std::string(40, ' ')), "too short");
  refused(token_file(in, std::string(4097, 'x')), "too long, more than 4096 bytes");
  refused(token_file(in, sixteen + std::string(1 << 20, ' ')), "too long");
  for (const mode_t mode : {0640, 0604, 0620, 0602, 0660, 0601}) {
    const std::string file = token_file(in, sixteen, mode);
    refused(file, "chmod 600 " + file);
  }
  REQUIRE(::mkfifo(in.file("pipe").c_str(), 0600) == 0);
  refused(in.file("pipe"), "not a regular file");
}

TEST_CASE("another user's token is refused") {
  if (::geteuid() != 0) {
    WARN("not run: only root can make another user's file");
    return;
  }
  const private_folder in;
  const std::string file = token_file(in, sixteen);
  REQUIRE(::chown(file.c_str(), 12345, 12345) == 0);
  CHECK_THROWS_WITH(token::read(file), Contains("another user's (uid 12345)"));
  CHECK_THROWS_WITH(token::read_or_make(file), Contains("another user's"));
}

TEST_CASE("the usual token is made once, with its folders, for its owner only") {
  const private_folder in;
  const variable home("HOME", in.path());
  const variable named("OMBT_TOKEN_FILE", "");
  const auto first = token::find("");
  CHECK(token::find("")->key() == first->key());
  struct stat what {};
  REQUIRE(::stat(in.file(".config/ombt/token").c_str(), &what) == 0);
  CHECK((what.st_mode & 07777) == 0600);
  CHECK(what.st_size == 65);
  REQUIRE(::stat(in.file(".config/ombt").c_str(), &what) == 0);
  CHECK((what.st_mode & 07777) == 0700);
  // Nothing else is left.
  const std::filesystem::directory_iterator files(in.file(".config/ombt"));
  CHECK(std::distance(begin(files), end(files)) == 1);
}

TEST_CASE("a file that is named must exist, and the option goes before the variable") {
  const private_folder in;
  const variable home("HOME", in.path());
  const variable named("OMBT_TOKEN_FILE", in.file("variable"));
  CHECK_THROWS_WITH(token::find(""), Contains(in.file("variable")));
  CHECK_THROWS_WITH(token::find(in.file("option")), Contains(in.file("option")));
  CHECK_FALSE(std::filesystem::exists(in.file("variable")));
  CHECK_FALSE(std::filesystem::exists(in.file(".config")));
  std::filesystem::copy_file(token_file(in, sixteen), in.file("variable"));
  CHECK(token::find("")->key() == token(sixteen).key());
  CHECK(token::find(token_file(in, sixteen + "2"))->key() == token(sixteen + "2").key());
}

TEST_CASE("those that make the token at once agree") {
  const private_folder in;
  const std::string file = in.file("a/token");
  std::vector<std::shared_ptr<const token>> made(8);
  std::vector<std::thread> all;
  std::atomic<bool> go = false;
  for (auto& one : made) {
    all.emplace_back([&one, &go, &file] {
      while (!go) std::this_thread::yield();
      one = token::read_or_make(file);
    });
  }
  go = true;
  for (auto& one : all) one.join();
  for (const auto& one : made) CHECK(one->key() == made.front()->key());
  const std::filesystem::directory_iterator files(in.file("a"));
  CHECK(std::distance(begin(files), end(files)) == 1);
}

TEST_CASE("a folder that cannot be made is told") {
  const private_folder in;
  std::ofstream(in.file("file")) << "x";
  CHECK_THROWS_WITH(token::read_or_make(in.file("file/ombt/token")), Contains("token file"));
}
