// SPDX-License-Identifier: Apache-2.0
#include "agents/measure/trip_notes.hpp"

#include <catch2/catch.hpp>

#include <string>

using namespace ombt;
using namespace ombt::agents;

namespace {

const std::string machine = "0d9a3a3e-6a3b-4f0f-a0b5-0f2f8f6a2c11";

class document {
 public:
  explicit document(const std::string& text) { REQUIRE_FALSE(reader_.parse(text, root_)); }
  wire::json::value root() const { return root_; }

 private:
  wire::json::reader reader_;
  wire::json::value root_;
};

}  // namespace

TEST_CASE("a request's note is read as it was written") {
  std::string text;
  append_context(text, {{machine, 123, 1'795'232'415'062'598'000}, 7, "r\u00e9gion"});
  const document written(text);
  const auto read = read_request_note(written.root()["ombt"]);
  REQUIRE(read);
  CHECK(read->sent.boot == machine);
  CHECK(read->sent.monotonic == 123);
  CHECK(read->sent.real == 1'795'232'415'062'598'000);
  CHECK(read->late == 7);
  CHECK(read->site == "r\u00e9gion");
}

TEST_CASE("what there is nothing to say of is left out") {
  std::string text;
  append_context(text, {{"m", 1, 2}, 0, ""});
  CHECK(text == R"({"ombt": {"boot": "m", "mono": 1, "real": 2}})");
  text.clear();
  append_note(text, {{"m", 1, 2}, 3, ""});
  CHECK(text == R"({"boot": "m", "mono": 1, "real": 2, "took": 3})");
  text.clear();
  append_note(text, {{"m", 1, 2}, 3, "s"});
  CHECK(text == R"({"boot": "m", "mono": 1, "real": 2, "took": 3, "site": "s"})");
  const document written(text);
  const auto read = read_reply_note(written.root());
  REQUIRE(read);
  CHECK(read->took == 3);
  CHECK(read->site == "s");
}

TEST_CASE("instants of one machine are compared by its monotonic clock, others by the real ones") {
  CHECK(between({"a", 100, 5'000}, {"a", 250, 4'000}) == 150);
  CHECK(between({"a", 100, 5'000}, {"b", 250, 4'000}) == -1'000);
  CHECK(between({"", 100, 5'000}, {"", 250, 4'000}) == -1'000);  // nobody knows which machine
}

TEST_CASE("notes that no native agent writes are none") {
  CHECK_FALSE(read_request_note({}));
  CHECK_FALSE(read_reply_note({}));
  const std::string long_boot(37, 'b'), long_site(65, 's');
  for (const std::string& text :
       {std::string("1"), std::string("[]"), std::string("{}"), std::string("null"),
        std::string(R"({"boot": "m", "mono": 1})"),
        std::string(R"({"boot": "m", "real": 1, "took": 1})"),
        std::string(R"({"boot": 5, "mono": 1, "real": 1, "took": 1})"),
        std::string(R"({"boot": "m", "mono": 1.5, "real": 1, "took": 1})"),
        std::string(R"({"boot": "m", "mono": "1", "real": 1, "took": 1})"),
        std::string(R"({"boot": "m", "mono": 9223372036854775807, "real": 1, "took": 1})"),
        std::string(R"({"boot": "m", "mono": 1, "real": -9223372036854775808, "took": 1})"),
        std::string(R"({"boot": "m", "mono": 1, "real": 1, "took": 1, "site": 5})"),
        R"({"boot": ")" + long_boot + R"(", "mono": 1, "real": 1, "took": 1})",
        R"({"boot": "m", "mono": 1, "real": 1, "took": 1, "site": ")" + long_site + R"("})"}) {
    const document given(text);
    INFO(text);
    CHECK_FALSE(read_request_note(given.root()));
    CHECK_FALSE(read_reply_note(given.root()));
  }
  const document negative(R"({"boot": "m", "mono": 1, "real": 1, "took": -1, "late": -1})");
  CHECK_FALSE(read_request_note(negative.root()));
  CHECK_FALSE(read_reply_note(negative.root()));
}
