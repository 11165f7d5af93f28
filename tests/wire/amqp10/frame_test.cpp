// SPDX-License-Identifier: Apache-2.0
#include "wire/amqp10/frame.hpp"

#include "tests/wire/amqp10/script.hpp"

#include <catch2/catch.hpp>

using namespace ombt::wire::amqp10;
namespace script = ombt::wire::amqp10::script;
using namespace std::string_literals;

namespace {

/// The body of an open whose only field is that.
std::string with_field(std::string_view value) {
  return script::described(0x10, script::list({std::string(value)}));
}

bool readable(std::string_view value) {
  performative fields;
  return fields.read(with_field(value)) == nullptr;
}

}  // namespace

TEST_CASE("Frames are found at their size, and refused by it alone") {
  const std::string one = script::frame(0, 0x1234, "body");
  for (std::size_t n = 0; n < one.size(); ++n) {
    CHECK(split_frame(one.substr(0, n), 100).what == split_result::status::incomplete);
  }
  const std::string with_more = one + "more";
  const split_result whole = split_frame(with_more, 100);
  CHECK(whole.what == split_result::status::complete);
  CHECK(whole.size == one.size());
  CHECK(whole.found.type == 0);
  CHECK(whole.found.channel == 0x1234);
  CHECK(whole.found.body == "body");
  const std::string extended = "\0\0\0\x10\3\0\0\0exthbody"s;
  CHECK(split_frame(extended, 100).found.body == "body");
  for (const std::string& bad : {"\0\0\0\7"s, "\0\0\0\x65"s, "\xff\xff\xff\xff"s,
                                 "\0\0\0\x08\1\0\0\0"s, "\0\0\0\x08\3\0\0\0"s}) {
    CHECK(split_frame(bad, 100).what == split_result::status::malformed);
  }
}

TEST_CASE("A performative's fields are read where they are") {
  const std::string body = script::described(
      0x14, script::list({script::uint(7), script::null(), script::binary("tag"),
                          script::boolean(true), script::u8(0x43), "\x52\x09"s, "\x56\0"s}));
  performative fields;
  const std::string with_payload = body + "payload";
  REQUIRE(fields.read(with_payload) == nullptr);
  CHECK(fields.code() == transfer_code);
  CHECK(fields.size() == body.size());
  CHECK(fields.number(0) == 7u);
  CHECK(!fields.number(1));
  CHECK(fields.text(2) == "tag");
  CHECK(fields.truth(3) == true);
  CHECK(fields.number(4) == 0u);
  CHECK(fields.number(5) == 9u);
  CHECK(fields.truth(6) == false);
  CHECK(!fields.number(13));
  CHECK(!fields.wrong());
  CHECK(!fields.number(2));
  CHECK(fields.wrong());

  REQUIRE(fields.read("\0\x80\0\0\0\0\0\0\0\x18\x45"s) == nullptr);
  CHECK(fields.code() == close_code);
  CHECK(!fields.wrong());
  REQUIRE(fields.read("\0\x53\x18\xc0\1\0rest"s) == nullptr);
  CHECK(fields.size() == 6);
}

TEST_CASE("Values of all kinds are walked over") {
  for (const std::string& good :
       {"\x40"s, "\x56\1"s, "\x60\1\2"s, "\x71\1\2\3\4"s, "\x83\1\2\3\4\5\6\7\x08"s,
        "\x98" + std::string(16, 'u'), "\xa1\3abc"s, "\xb1\0\0\0\3abc"s, "\x45"s, "\xc0\1\0"s,
        "\xc1\5\2\xa1\1k\x41"s, "\xe0\5\2\xa3\1a\0"s, "\xf0\0\0\0\6\0\0\0\1\x50\7"s,
        "\xe0\2\2\x40"s, "\xe0\6\1\0\x53\1\xa1\0"s, "\0\x53\x28\x45"s, "\0\xa3\1x\x45"s}) {
    INFO(Catch::rangeToString(good));
    CHECK(readable(good));
  }
}

TEST_CASE("Lengths and counts that do not fit are refused, wherever they are cut") {
  for (const std::string& bad :
       {""s, "\x10"s, "\xa1\4abc"s, "\xb1\xff\xff\xff\xff"s, "\xc0\0\0"s, "\xc0\1\1"s,
        "\xc0\3\1\x40\x40"s, "\xd0\0\0\0\4\xff\xff\xff\xff"s, "\xf0\0\0\0\5\xff\xff\xff\xff\x40"s,
        "\xe0\1\0"s, "\xc0\3\2\x40"s, "\0\0\x53\1\x40\x40"s, "\0\x53\1\0\x53\1\x40"s, "\0\x40"s}) {
    INFO(Catch::rangeToString(bad));
    CHECK_FALSE(readable(bad));
  }
  const std::string whole = with_field(
      script::map({script::symbol("k"), script::list({script::text("v"), script::uint(1)})}));
  performative fields;
  REQUIRE(fields.read(whole) == nullptr);
  for (std::size_t n = 0; n < whole.size(); ++n) {
    CHECK(fields.read(std::string_view(whole).substr(0, n)) != nullptr);
  }
}

TEST_CASE("Depth and number of values are bounded") {
  CHECK(readable(script::nested(most_depth - 2)));
  CHECK_FALSE(readable(script::nested(most_depth)));
  CHECK_FALSE(readable(script::nested(100000)));
  std::string described(100000, '\0');
  CHECK_FALSE(readable(described));
  const auto nulls = [](std::size_t n) {
    return "\xd0" + script::u32(n + 4) + script::u32(n) + std::string(n, '\x40');
  };
  CHECK(readable(nulls(most_values - 1)));
  CHECK_FALSE(readable(nulls(most_values)));
  // Descriptors count too.
  std::string pairs;
  for (int i = 0; i < 600; ++i) pairs += "\0\x40\x40"s;
  CHECK_FALSE(readable("\xd0" + script::u32(pairs.size() + 4) + script::u32(600) + pairs));
  // Elements without a byte each.
  CHECK_FALSE(readable("\xf0" + script::u32(5) + script::u32(most_values) + "\x40"));
}

TEST_CASE("A list of symbols is taken apart") {
  performative fields;
  const std::string names = with_field("\xe0\x0a\2\xa3\5PLAIN\1X"s);
  REQUIRE(fields.read(names) == nullptr);
  symbol_list list(fields.raw(0));
  CHECK(list.next() == "PLAIN");
  CHECK(list.next() == "X");
  CHECK(!list.next());
  for (const std::string& none : {"\x40"s, "\xe0\2\0\xa3"s, "\xe0\3\1\x50\1"s, "\x45"s}) {
    const std::string body = with_field(none);
    REQUIRE(fields.read(body) == nullptr);
    CHECK(!symbol_list(fields.raw(0)).next());
  }
}

TEST_CASE("Frames of our own are readable, long texts included") {
  const std::string longer(300, 'x');
  std::string out;
  append_close(out, "amqp:not-found", longer);
  append_close(out, "", "");
  append_mechanisms(out, "PLAIN  ANONYMOUS ");
  append_init(out, "PLAIN", longer);
  append_outcome(out, 1);
  std::string_view rest = out;
  performative fields;
  const auto next = [&] {
    const split_result cut = split_frame(rest, 1000);
    REQUIRE(cut.what == split_result::status::complete);
    REQUIRE(fields.read(cut.found.body) == nullptr);
    CHECK(fields.size() == cut.found.body.size());
    rest.remove_prefix(cut.size);
    return cut.found.type;
  };
  CHECK(next() == 0);
  CHECK(fields.code() == close_code);
  CHECK(fields.raw(0).find(longer) != std::string_view::npos);
  CHECK(next() == 0);
  CHECK(fields.raw(0) == "\x40");
  CHECK(next() == 1);
  symbol_list names(fields.raw(0));
  CHECK(names.next() == "PLAIN");
  CHECK(names.next() == "ANONYMOUS");
  CHECK(!names.next());
  CHECK(next() == 1);
  CHECK(fields.text(0) == "PLAIN");
  CHECK(fields.text(1) == longer);
  CHECK(next() == 1);
  CHECK(fields.number(0) == 1u);
  CHECK(rest.empty());
}
