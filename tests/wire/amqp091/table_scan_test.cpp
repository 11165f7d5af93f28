// SPDX-License-Identifier: Apache-2.0
#include "wire/amqp091/table_scan.hpp"

#include "tests/wire/amqp091/script.hpp"

#include <catch2/catch.hpp>

using namespace ombt::wire::amqp091;
using script::entry;
using script::long_text;
using script::nested_tables;
using script::table;
using script::u16;
using script::u32;
using script::u64;
using script::u8;

namespace {

const char* scan(const std::string& bytes) {
  std::size_t offset = 0;
  const char* const wrong = scan_table(bytes, offset);
  if (wrong == nullptr) CHECK(offset == bytes.size());
  return wrong;
}

}  // namespace

TEST_CASE("A table with every type passes, and the offset moves behind it") {
  const std::string all =
      entry("void", 'V', "") + entry("bool", 't', u8(1)) + entry("i8", 'b', u8(1)) +
      entry("u8", 'B', u8(1)) + entry("i16", 's', u16(1)) + entry("u16", 'u', u16(1)) +
      entry("i32", 'I', u32(1)) + entry("u32", 'i', u32(1)) + entry("f32", 'f', u32(1)) +
      entry("decimal", 'D', u8(1) + u32(1)) + entry("i64", 'l', u64(1)) +
      entry("u64", 'L', u64(1)) + entry("f64", 'd', u64(1)) + entry("time", 'T', u64(1)) +
      entry("text", 'S', long_text("text")) + entry("bytes", 'x', long_text("bytes")) +
      entry("table", 'F', table(entry("in", 't', u8(0)))) +
      entry("array", 'A', table("t" + u8(1) + "V" + "A" + table()));
  CHECK(scan(table(all)) == nullptr);
  std::size_t offset = 3;
  CHECK(scan_table("xyz" + table(all) + "rest", offset) == nullptr);
  CHECK(offset == 3 + 4 + all.size());
}

TEST_CASE("Tables sixteen deep pass, seventeen or eighteen thousand don't") {
  CHECK(scan(nested_tables(16)) == nullptr);
  CHECK(std::string(scan(nested_tables(17))) == "tables nested too deeply");
  CHECK(scan(nested_tables(18000)) != nullptr);
  std::string arrays = table();
  for (int i = 1; i < 16; ++i) arrays = table("A" + arrays);
  // The outermost is a table, so one array of these is one too many.
  CHECK(scan(table(entry("a", 'A', arrays))) != nullptr);
}

TEST_CASE("A table cut anywhere, or with a length that is too long, is refused") {
  const std::string good =
      table(entry("one", 'S', long_text("text")) + entry("two", 'F', table(entry("x", 'V', ""))) +
            entry("three", 'A', table("I" + u32(3))));
  REQUIRE(scan(good) == nullptr);
  for (std::size_t n = 0; n < good.size(); ++n) {
    CHECK(scan(good.substr(0, n)) != nullptr);
    // The outer length is right for what is left, something inside is not.
    if (n > 4) {
      const std::string shorter = u32(n - 4) + good.substr(4, n - 4);
      std::size_t offset = 0;
      const char* const wrong = scan_table(shorter, offset);
      // Only between two entries is the shorter one a table.
      const bool whole = n == 4 + 13 || n == 4 + 13 + 5 + 4 + 3;
      INFO(n);
      CHECK((wrong == nullptr) == whole);
    }
  }
  CHECK(scan(u32(0xffffffff)) != nullptr);
  CHECK(scan(table(entry("x", 'S', u32(0xffffffff) + "y"))) != nullptr);
  CHECK(scan(table(entry("x", 'F', u32(0xfffffff0)))) != nullptr);
}

TEST_CASE("A value of an unknown type is refused") {
  CHECK(std::string(scan(table(entry("x", '?', "")))) == "a value of an unknown type");
  CHECK(scan(table(entry("x", '\0', ""))) != nullptr);
}
