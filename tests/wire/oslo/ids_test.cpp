// SPDX-License-Identifier: Apache-2.0
#include "wire/oslo/messages.hpp"

#include <catch2/catch.hpp>

#include <set>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

using namespace ombt::wire::oslo;

TEST_CASE("an id is a version 4 UUID in lower case hex") {
  std::set<char> variants;
  for (int i = 0; i < 1000; ++i) {
    const hex_id id = make_hex_id();
    const std::string text{view(id)};
    REQUIRE(text.size() == 32);
    REQUIRE(text.find_first_not_of("0123456789abcdef") == std::string::npos);
    REQUIRE(text[12] == '4');
    variants.insert(text[16]);
  }
  CHECK(variants == std::set<char>{'8', '9', 'a', 'b'});
}

TEST_CASE("ids do not repeat, in a thread and between threads") {
  std::set<std::string> ids;
  std::set<std::string> other;
  std::thread thread{[&] {
    for (int i = 0; i < 20000; ++i) other.emplace(view(make_hex_id()));
  }};
  for (int i = 0; i < 20000; ++i) ids.emplace(view(make_hex_id()));
  thread.join();
  ids.merge(other);
  CHECK(ids.size() == 40000);
}

TEST_CASE("a dashed id is grouped 8-4-4-4-12") {
  const std::string id = make_dashed_uuid();
  REQUIRE(id.size() == 36);
  for (std::size_t i = 0; i < id.size(); ++i) {
    CHECK((id[i] == '-') == (i == 8 || i == 13 || i == 18 || i == 23));
  }
  CHECK(id[14] == '4');
}

TEST_CASE("a forked child draws other ids than its parent") {
  make_hex_id();  // seeds the generator before the fork
  int ends[2];
  REQUIRE(pipe(ends) == 0);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const hex_id id = make_hex_id();
    const bool sent = write(ends[1], id.data(), id.size()) == static_cast<ssize_t>(id.size());
    _exit(sent ? 0 : 1);
  }
  const hex_id mine = make_hex_id();
  hex_id theirs{};
  CHECK(read(ends[0], theirs.data(), theirs.size()) == static_cast<ssize_t>(theirs.size()));
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  close(ends[0]);
  close(ends[1]);
  CHECK(view(theirs).find_first_not_of("0123456789abcdef") == std::string_view::npos);
  CHECK(view(mine) != view(theirs));
}
