// SPDX-License-Identifier: Apache-2.0
#include "drivers/rabbit/body.hpp"

#include <catch2/catch.hpp>

using namespace ombt;
using drivers::rabbit::compress;
using drivers::rabbit::readable_text;

namespace {

wire::amqp091::properties json_properties() {
  wire::amqp091::properties p;
  p.content_type = "application/json";
  p.content_encoding = "utf-8";
  return p;
}

struct reading {
  error_code error;
  std::string text;
};
reading read(const wire::amqp091::properties& p, std::string_view body,
             std::uint64_t limit = 1000) {
  std::string scratch;
  std::string_view text;
  const auto error = readable_text(p, body, limit, scratch, text);
  return {error, error ? std::string() : std::string(text)};
}

}  // namespace

TEST_CASE("a JSON body is taken as it is") {
  const auto r = read(json_properties(), "{}");
  CHECK(!r.error);
  CHECK(r.text == "{}");
}

TEST_CASE("another content type, or none, or another encoding is unreadable") {
  auto p = json_properties();
  p.content_type.reset();
  CHECK(read(p, "{}").error == errc::unreadable_content);
  p.content_type = "application/x-python-serialize";
  CHECK(read(p, "{}").error == errc::unreadable_content);
  p = json_properties();
  p.content_encoding = "utf-16";
  CHECK(read(p, "{}").error == errc::unreadable_content);
}

TEST_CASE("UTF-8 is spelt as Python's codecs spell it; any other encoding is unreadable") {
  auto p = json_properties();
  for (const char* name :
       {"utf-8", "UTF-8", "Utf-8", "utf8", "UTF8", "utf_8", "U8", "utf", "UTF 8", " utf--8 ",
        "utf/8", "cp65001", "CP65001", "utf8_ucs2", "UTF8-UCS4", ""}) {
    INFO(name);
    p.content_encoding = name;
    CHECK_FALSE(read(p, "{}").error);
  }
  for (const char* name : {"utf-16", "utf-7", "utf-8-sig", "utf.8", "u-8", "utf80",
                           "\xc3\xbc"
                           "tf-8",
                           "utf\xff"
                           "8",
                           "latin-1", "ascii", "binary", "ebcdic-9", "8", "-", " "}) {
    INFO(name);
    p.content_encoding = name;
    CHECK(read(p, "{}").error == errc::unreadable_content);
  }
  p.content_encoding = std::string_view("utf\0008", 5);
  CHECK(read(p, "{}").error == errc::unreadable_content);
  p.content_encoding = std::string_view("\0", 1);
  CHECK(read(p, "{}").error == errc::unreadable_content);
  p.content_encoding.reset();
  CHECK_FALSE(read(p, "{}").error);
}

TEST_CASE("what compress() makes is read back, and is zlib's format") {
  std::string body(5000, 'x');
  body += "tail";
  std::string packed = body;
  compress(packed);
  CHECK(packed.size() < 200);
  CHECK(static_cast<unsigned char>(packed[0]) == 0x78);
  auto p = json_properties();
  p.compression = "application/x-gzip";
  CHECK(read(p, packed, 10000).text == body);
}

TEST_CASE("compressed data that is cut, broken, unknown or too large is refused") {
  std::string packed(3000, 'y');
  compress(packed);
  auto p = json_properties();
  p.compression = "application/x-gzip";
  for (std::size_t n = 0; n < packed.size(); ++n) {
    CHECK(read(p, std::string_view(packed).substr(0, n), 10000).error == errc::unreadable_content);
  }
  CHECK(read(p, "no zlib at all", 10000).error == errc::unreadable_content);
  CHECK(read(p, packed, 2999).error == errc::limit_exceeded);
  CHECK(!read(p, packed, 3001).error);
  p.compression = "application/x-bz2";
  CHECK(read(p, packed, 10000).error == errc::unreadable_content);
}
