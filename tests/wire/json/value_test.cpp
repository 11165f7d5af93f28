// SPDX-License-Identifier: Apache-2.0
#include "wire/json/value.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

using namespace ombt;
using wire::json::reader;
using wire::json::value;

namespace {

std::string rewritten(std::string_view text) {
  reader r;
  value root;
  REQUIRE_FALSE(r.parse(text, root));
  std::string out;
  root.append_to(out);
  return out;
}

error_code error_of(std::string_view text) {
  reader r;
  value root;
  const error_code error = r.parse(text, root);
  CHECK(static_cast<bool>(root) == !error);
  return error;
}

std::string nested(int depth) { return std::string(depth, '[') + std::string(depth, ']'); }

}  // namespace

TEST_CASE("each type is seen as itself and as nothing else") {
  reader r;
  value root;
  REQUIRE_FALSE(
      r.parse(R"({"o": {}, "a": [1, 2], "s": "tä\u0000x", "t": true, "f": false, "n": null,
    "i": -7, "u": 18446744073709551615, "d": 1.5, "w": 2.0})",
              root));
  REQUIRE(root.is_object());
  CHECK(root.size() == 10);
  CHECK(root["o"].is_object());
  CHECK_FALSE(root["o"].is_array());
  CHECK(root["o"].size() == 0);
  CHECK(root["a"].is_array());
  CHECK(root["a"].size() == 2);
  CHECK(root["s"].string() == std::string_view("t\xc3\xa4\0x", 5));
  CHECK(root["t"].boolean() == true);
  CHECK(root["f"].boolean() == false);
  CHECK(root["n"].is_null());
  CHECK(root["i"].integer() == -7);
  CHECK(root["i"].number() == -7.0);
  CHECK_FALSE(root["u"].integer());
  CHECK(root["u"].number() == 18446744073709551615.0);
  CHECK_FALSE(root["d"].integer());
  CHECK(root["d"].number() == 1.5);
  CHECK_FALSE(root["w"].integer());
  CHECK_FALSE(root["i"].boolean());
  CHECK_FALSE(root["i"].string());
  CHECK_FALSE(root["s"].number());
  CHECK_FALSE(root["t"].number());
  CHECK_FALSE(root["n"].boolean());
  CHECK(root["s"].size() == 0);
}

TEST_CASE("a missing key is an empty value that answers every question with no") {
  reader r;
  value root;
  REQUIRE_FALSE(r.parse(R"({"a": 1})", root));
  const value none = root["b"];
  CHECK_FALSE(none);
  CHECK_FALSE(none.is_null());
  CHECK_FALSE(none.is_object());
  CHECK_FALSE(none.string());
  CHECK_FALSE(none["x"]["y"]);
  CHECK_FALSE(root["a"]["x"]);
  CHECK(none.size() == 0);
  none.for_each_element([](value) { FAIL("no elements"); });
  none.for_each_member([](std::string_view, value) { FAIL("no members"); });
  std::string out = "x";
  none.append_to(out);
  CHECK(out == "x");
}

TEST_CASE("members and elements are visited in order") {
  reader r;
  value root;
  REQUIRE_FALSE(r.parse(R"({"b": [1, [2, 3], {"x": 4}, "5"], "a": {"y": {}}, "c": 3})", root));
  std::vector<std::string> keys;
  root.for_each_member([&](std::string_view key, value) { keys.emplace_back(key); });
  CHECK(keys == std::vector<std::string>{"b", "a", "c"});
  std::string seen;
  root["b"].for_each_element([&](value element) {
    element.append_to(seen);
    seen += ';';
  });
  CHECK(seen == R"(1;[2, 3];{"x": 4};"5";)");
}

TEST_CASE("of a repeated key the last counts, as in Python") {
  reader r;
  value root;
  REQUIRE_FALSE(r.parse(R"({"a": 1, "b": 2, "a": 3})", root));
  CHECK(root["a"].integer() == 3);
}

TEST_CASE("a value is written as json.dumps writes it") {
  CHECK(rewritten(R"( { "a":[1,2.0,-0.5,1e22,true,false,null],"b":{},"c":[],"d":"\u00e4\/x" } )") ==
        R"({"a": [1, 2.0, -0.5, 1e+22, true, false, null], "b": {}, "c": [], "d": "\u00e4/x"})");
  CHECK(rewritten("18446744073709551615") == "18446744073709551615");
  CHECK(rewritten("-9223372036854775808") == "-9223372036854775808");
  CHECK(rewritten("\"\xf0\x9f\x98\x80\"") == R"("\ud83d\ude00")");
}

TEST_CASE("what is not JSON is malformed") {
  for (const char* text : {"",
                           " ",
                           "{",
                           "[1,]",
                           "{\"a\"}",
                           "{\"a\": 1} x",
                           "{} {}",
                           "NaN",
                           "[Infinity]",
                           "nul",
                           "01",
                           "'a'",
                           "\"\xff\"",
                           "\"\xed\xa0\x80\"",
                           "\"a\nb\"",
                           "\"\\x\"",
                           "\"\\ud800\"",
                           "\"abc",
                           "1e999",
                           "18446744073709551616",
                           "-9223372036854775809",
                           "[1 2]",
                           "{1: 2}"}) {
    INFO(text);
    CHECK(error_of(text) == errc::malformed_message);
  }
  CHECK(error_of(std::string_view("{}\0", 3)) == errc::malformed_message);
}

TEST_CASE("nesting is read to 64 levels and refused beyond") {
  CHECK_FALSE(error_of(nested(64)));
  CHECK(error_of(nested(65)) == errc::malformed_message);
  CHECK(error_of(nested(100000)) == errc::malformed_message);
  CHECK(rewritten(nested(64)) == nested(64));
  std::string objects;
  for (int i = 0; i < 65; ++i) objects += "{\"a\":";
  CHECK(error_of(objects + "1" + std::string(65, '}')) == errc::malformed_message);
}

TEST_CASE("a reader is used again after an error, for larger and for smaller texts") {
  reader r;
  value root;
  for (const std::size_t size : {10, 3000, 100, 2 << 20, 50, 600000, 3 << 20, 4 << 20, 1}) {
    const std::string text = "[\"" + std::string(size, 'x') + "\", 7]";
    REQUIRE_FALSE(r.parse(text, root));
    REQUIRE(root.size() == 2);
    CHECK(root.is_array());
    std::string out;
    root.append_to(out);
    CHECK(out == text);
    CHECK(r.parse("[", root) == errc::malformed_message);
    CHECK_FALSE(root);
  }
  r.release();
  REQUIRE_FALSE(r.parse("[1]", root));
  reader moved = std::move(r);
  std::string out;
  root.append_to(out);
  CHECK(out == "[1]");
  REQUIRE_FALSE(moved.parse("[2]", root));
}

TEST_CASE("a document of many small values is read whole") {
  std::string text = "[0";
  for (int i = 1; i < 20000; ++i) text += "," + std::to_string(i);
  text += "]";
  reader r;
  value root;
  REQUIRE_FALSE(r.parse(text, root));
  CHECK(root.size() == 20000);
  std::int64_t sum = 0;
  root.for_each_element([&](value element) { sum += element.integer().value_or(-1000000); });
  CHECK(sum == 20000LL * 19999 / 2);
}
