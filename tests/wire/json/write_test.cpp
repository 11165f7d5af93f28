// SPDX-License-Identifier: Apache-2.0
#include "wire/json/value.hpp"

#include <catch2/catch.hpp>

#include <cmath>
#include <cstdlib>
#include <limits>
#include <random>
#include <string>

using namespace ombt::wire::json;

namespace {

std::string escaped(std::string_view text) {
  std::string out = "<";
  append_escaped(out, text);
  REQUIRE(out.front() == '<');
  return out.substr(1);
}

std::string number(double value) {
  std::string out;
  append_number(out, value);
  return out;
}

}  // namespace

TEST_CASE("a string is escaped as json.dumps escapes it") {
  CHECK(escaped("") == "");
  CHECK(escaped("plain ~!#[]^_ text/") == "plain ~!#[]^_ text/");
  CHECK(escaped("a\"b\\c") == "a\\\"b\\\\c");
  CHECK(escaped("\b\t\n\f\r") == "\\b\\t\\n\\f\\r");
  CHECK(escaped(std::string_view("\0\x01\x1f\x7f", 4)) == "\\u0000\\u0001\\u001f\\u007f");
  CHECK(escaped("\xc3\xa4 \xe2\x82\xac \xf0\x9f\x98\x80") == "\\u00e4 \\u20ac \\ud83d\\ude00");
  CHECK(escaped("\xf4\x8f\xbf\xbf") == "\\udbff\\udfff");
  std::string out;
  append_string(out, "x\"y");
  CHECK(out == "\"x\\\"y\"");
}

TEST_CASE("each invalid byte becomes one replacement character") {
  const std::string r = "\\ufffd";
  CHECK(escaped("a\xff"
                "b") == "a" + r + "b");
  CHECK(escaped("\x80") == r);
  CHECK(escaped("\xc0\x80") == r + r);                  // overlong
  CHECK(escaped("\xe0\x80\x80") == r + r + r);          // overlong
  CHECK(escaped("\xed\xa0\x80") == r + r + r);          // a surrogate
  CHECK(escaped("\xf4\x90\x80\x80") == r + r + r + r);  // above U+10FFFF
  CHECK(escaped("\xe2\x82") == r + r);                  // cut off
  CHECK(escaped("\xe2\x82z") == r + r + "z");
}

TEST_CASE("a special character is found at every place of a text of every length") {
  for (std::size_t length = 1; length <= 70; ++length) {
    for (std::size_t at = 0; at < length; ++at) {
      std::string text(length, 'x');
      text[at] = '"';
      REQUIRE(escaped(text) == std::string(at, 'x') + "\\\"" + std::string(length - at - 1, 'x'));
    }
  }
}

TEST_CASE("long texts are escaped whole, whatever they hold") {
  for (const std::size_t size : {1000, 1023, 1024, 1025, 5000, 100000}) {
    CHECK(escaped(std::string(size, 'x')) == std::string(size, 'x'));
    std::string twice;
    for (std::size_t i = 0; i < size; ++i) twice += "\\\\";
    CHECK(escaped(std::string(size, '\\')) == twice);
    std::string emoji, expected;
    for (std::size_t i = 0; i < size; ++i) {
      emoji += "\xf0\x9f\x98\x80";
      expected += "\\ud83d\\ude00";
    }
    CHECK(escaped(emoji) == expected);
  }
}

TEST_CASE("what is escaped reads back the same") {
  std::mt19937 random{7};
  reader r;
  value root;
  for (int round = 0; round < 2000; ++round) {
    std::string text;
    const std::size_t length = random() % 100;
    for (std::size_t i = 0; i < length; ++i) {
      switch (random() % 4) {
        case 0:
          text += static_cast<char>(random() % 128);
          break;
        case 1:
          text += "\xc3\xa9";
          break;
        case 2:
          text += "\xf0\x9f\x8e\x89";
          break;
        default:
          text += static_cast<char>('a' + random() % 26);
          break;
      }
    }
    std::string json;
    append_string(json, text);
    REQUIRE_FALSE(r.parse(json, root));
    REQUIRE(root.string() == text);
  }
}

TEST_CASE("a number is written as Python's repr writes a float") {
  CHECK(number(0) == "0.0");
  CHECK(number(-0.0) == "-0.0");
  CHECK(number(1) == "1.0");
  CHECK(number(-12) == "-12.0");
  CHECK(number(0.1) == "0.1");
  CHECK(number(1.5) == "1.5");
  CHECK(number(100) == "100.0");
  CHECK(number(123456.789) == "123456.789");
  CHECK(number(1700000000.1234567) == "1700000000.1234567");
  CHECK(number(0.0001) == "0.0001");
  CHECK(number(0.00012345) == "0.00012345");
  CHECK(number(0.00001) == "1e-05");
  CHECK(number(1.5e-7) == "1.5e-07");
  CHECK(number(1e15) == "1000000000000000.0");
  CHECK(number(9999999999999998) == "9999999999999998.0");
  CHECK(number(1e16) == "1e+16");
  CHECK(number(1.25e16) == "1.25e+16");
  CHECK(number(1e22) == "1e+22");
  CHECK(number(1e100) == "1e+100");
  CHECK(number(5e-324) == "5e-324");
  CHECK(number(1.7976931348623157e308) == "1.7976931348623157e+308");
  CHECK(number(std::nan("")) == "NaN");
  CHECK(number(std::numeric_limits<double>::infinity()) == "Infinity");
  CHECK(number(-std::numeric_limits<double>::infinity()) == "-Infinity");
}

TEST_CASE("every number written reads back as itself") {
  std::mt19937_64 random{11};
  for (int i = 0; i < 20000; ++i) {
    const auto bits = random();
    double value = 0;
    static_assert(sizeof value == sizeof bits);
    __builtin_memcpy(&value, &bits, sizeof value);
    if (!std::isfinite(value)) continue;
    const std::string text = number(value);
    REQUIRE(std::strtod(text.c_str(), nullptr) == value);
    REQUIRE(text.find_first_of(".e") != std::string::npos);
  }
}

TEST_CASE("a text is plain exactly if escaping leaves it as it is") {
  for (int c = 0; c < 256; ++c) {
    for (const std::size_t at : {0, 7, 15, 16, 31, 32, 39}) {
      std::string text(40, 'x');
      text[at] = static_cast<char>(c);
      REQUIRE(is_plain(text) == (escaped(text) == text));
    }
  }
  CHECK(is_plain(""));
}
