// SPDX-License-Identifier: Apache-2.0
// Fixed encodings, every form of a value, and what is no message; compare_messages.py holds the
// same code against proton.
#include "wire/amqp10/message.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

using namespace ombt;
using namespace ombt::wire::amqp10;
using namespace std::chrono_literals;
using kind = message::body_kind;

namespace {

/// Bytes of a literal, zeros included.
template <std::size_t N>
std::string bytes(const char (&text)[N]) {
  return {text, N - 1};
}

/// The first bytes: enough to tell which message it is.
std::string hex(std::string_view encoded) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string out;
  for (const char c : encoded.substr(0, 100)) {
    const auto byte = static_cast<unsigned char>(c);
    out += {digits[byte >> 4], digits[byte & 0xf], ' '};
  }
  return out;
}

std::string u32(std::size_t number) {
  std::string out;
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(number >> shift & 0xff);
  return out;
}

std::string section(unsigned code, const std::string& content) {
  return bytes("\0S") + static_cast<char>(code) + content;
}
/// One that is right anywhere.
std::string a_section(unsigned code) {
  return section(code, code == 0x75 ? bytes("\xa0\1b") : bytes("E"));
}
std::string list8(std::size_t count, const std::string& elements) {
  return bytes("\xc0") + static_cast<char>(elements.size() + 1) + static_cast<char>(count) +
         elements;
}
std::string list32(std::size_t count, const std::string& elements) {
  return bytes("\xd0") + u32(elements.size() + 4) + u32(count) + elements;
}
std::string body(const std::string& value) { return section(0x77, value); }
const std::string text_x = bytes("\xa1\1x");

std::string appended(const message& m) {
  std::string out;
  append_message(out, m);
  return out;
}

/// Reads from memory that ends where the message does, so that a sanitizer sees a byte too many.
error_code read_copy(const std::string& encoded, message& out) {
  static std::vector<std::unique_ptr<char[]>> kept;
  kept.push_back(std::make_unique<char[]>(encoded.size()));
  std::copy(encoded.begin(), encoded.end(), kept.back().get());
  return read_message({kept.back().get(), encoded.size()}, out);
}

message read(const std::string& encoded) {
  message m;
  INFO(hex(encoded));
  REQUIRE_FALSE(read_copy(encoded, m));
  return m;
}

bool malformed(const std::string& encoded) {
  message m;
  return read_copy(encoded, m) == errc::malformed_message;
}

}  // namespace

TEST_CASE("a call is header with ttl, properties and text") {
  message m;
  m.ttl = 60s;
  m.id = "id";
  m.to = "to";
  m.reply_to = "back";
  m.absolute_expiry_time = 0x123456789;
  m.kind = kind::text;
  m.body = "{}";
  CHECK(appended(m) == section(0x70, bytes("\xc0\x08\3@@p\0\0\xea\x60")) +
                           section(0x73, bytes("\xc0\x1d\x09\xa1\2id@\xa1\2to@\xa1\4back@@@\x83"
                                               "\0\0\0\1\x23\x45\x67\x89")) +
                           body(bytes("\xa1\2{}")));
}

TEST_CASE("what is absent at the end of a list is left out, before that it is null") {
  message m;
  CHECK(appended(m) == bytes("\0SpE\0SsE"));
  m.ttl = 0ms;
  m.absolute_expiry_time = 0;
  CHECK(appended(m) == bytes("\0SpE\0SsE"));
  m.to = "t";
  CHECK(appended(m) == bytes("\0SpE\0Ss\xc0\6\3@@\xa1\1t"));
  m.to = {};
  m.correlation_id = "c";
  m.kind = kind::text;
  CHECK(appended(m) == bytes("\0SpE\0Ss\xc0\x09\6@@@@@\xa1\1c\0Sw\xa1\0"));
}

TEST_CASE("a heartbeat has no body, and neither has what cannot be written") {
  message m;
  m.ttl = 255ms;
  m.body = "ignored";
  for (const kind none : {kind::none, kind::other}) {
    m.kind = none;
    CHECK(appended(m) == bytes("\0Sp\xc0\5\3@@R\xff\0SsE"));
  }
  m.ttl = 256ms;
  CHECK(appended(m) == bytes("\0Sp\xc0\x08\3@@p\0\0\1\0\0SsE"));
}

TEST_CASE("a ttl that no uint holds is the largest, one that is over is none") {
  message m;
  m.ttl = std::chrono::milliseconds{0x100000000};
  CHECK(appended(m) == bytes("\0Sp\xc0\x08\3@@p\xff\xff\xff\xff\0SsE"));
  m.ttl = -1ms;
  CHECK(appended(m) == bytes("\0SpE\0SsE"));
}

TEST_CASE("strings and lists take the short form as long as it holds them") {
  message m;
  for (const std::size_t size : {249, 250, 251, 255, 256, 70000}) {
    const std::string to(size, 't');
    m.to = to;
    m.kind = kind::binary;
    m.body = to;
    const std::string value =
        "@@" + (size < 256 ? bytes("\xa1") + static_cast<char>(size) : bytes("\xb1") + u32(size)) +
        to;
    const std::string content =
        (size < 256 ? bytes("\xa0") + static_cast<char>(size) : bytes("\xb0") + u32(size)) + to;
    const std::string expected = bytes("\0SpE") +
                                 section(0x73, size < 251 ? list8(3, value) : list32(3, value)) +
                                 body(content);
    INFO(size);
    CHECK((appended(m) == expected));
  }
}

TEST_CASE("appending leaves alone what was there") {
  std::string out = "before";
  append_message(out, {});
  CHECK(out == "before" + bytes("\0SpE\0SsE"));
}

TEST_CASE("what was written is read, as views of the input") {
  message m;
  m.ttl = 2500ms;
  m.id = "id";
  m.to = "to";
  m.reply_to = "back";
  m.correlation_id = "c";
  m.absolute_expiry_time = -5;
  m.kind = kind::text;
  const std::string long_body(100'000, 'x');
  m.body = long_body;
  const std::string encoded = appended(m);
  message back;
  REQUIRE_FALSE(read_message(encoded, back));
  CHECK(back.ttl == 2500ms);
  CHECK(back.id == "id");
  CHECK(back.to == "to");
  CHECK(back.reply_to == "back");
  CHECK(back.correlation_id == "c");
  CHECK(back.absolute_expiry_time == -5);
  CHECK(back.kind == kind::text);
  CHECK((back.body == long_body));
  for (const std::string_view view :
       {back.id, back.to, back.reply_to, back.correlation_id, back.body}) {
    CHECK(view.data() > encoded.data());
    CHECK(view.data() + view.size() <= encoded.data() + encoded.size());
  }
}

TEST_CASE("nothing of what was read before stays") {
  message m =
      read(section(0x70, list8(3, "@@R\5")) + section(0x73, list8(1, text_x)) + body(text_x));
  REQUIRE(m.id == "x");
  const std::string empty = bytes("\0SpE");
  REQUIRE_FALSE(read_message(empty, m));
  CHECK_FALSE(m.ttl);
  CHECK(m.id.empty());
  CHECK(m.kind == kind::none);
  CHECK(m.body.empty());
}

TEST_CASE("a section is named by a ulong or a symbol, long or short") {
  for (const std::string& name :
       {bytes("Sp"), bytes("\x80\0\0\0\0\0\0\0p"), bytes("\xa3\x10") + "amqp:header:list",
        bytes("\xb3\0\0\0\x10") + "amqp:header:list"}) {
    CHECK(read(bytes("\0") + name + list8(3, "@@R\5") + body(text_x)).ttl == 5ms);
  }
  const std::pair<std::string, unsigned> names[] = {{"amqp:delivery-annotations:map", 0x71},
                                                    {"amqp:message-annotations:map", 0x72},
                                                    {"amqp:properties:list", 0x73},
                                                    {"amqp:application-properties:map", 0x74},
                                                    {"amqp:data:binary", 0x75},
                                                    {"amqp:amqp-sequence:list", 0x76},
                                                    {"amqp:amqp-value:*", 0x77},
                                                    {"amqp:footer:map", 0x78}};
  // A list is wrong for a data section only, text for these three; what may follow tells the rest.
  for (const auto& [name, code] : names) {
    INFO(name);
    const std::string head = bytes("\0\xa3") + static_cast<char>(name.size()) + name;
    CHECK(malformed(head + "E") == (code == 0x75));
    CHECK(malformed(head + text_x) == (code == 0x73 || code == 0x75 || code == 0x76));
    CHECK(malformed(head + text_x + section(code - 1, "E")));
    if (code < 0x75) CHECK_FALSE(malformed(head + "E" + a_section(code + 1)));
  }
}

TEST_CASE("lists and strings are read in every form") {
  const std::string long_text = bytes("\xb1\0\0\0\1x");
  for (const auto& list : {list8, list32}) {
    for (const std::string& text : {text_x, long_text}) {
      const message m =
          read(section(0x73, list(6, text + "@" + text + "@" + text + text)) + body(text));
      CHECK(m.id == "x");
      CHECK(m.to == "x");
      CHECK(m.reply_to == "x");
      CHECK(m.correlation_id == "x");
      CHECK(m.kind == kind::text);
      CHECK(m.body == "x");
    }
    CHECK_FALSE(read(section(0x70, list(0, ""))).ttl);
    CHECK(read(section(0x70, list(3, bytes("@@p\0\0\1\0")))).ttl == 256ms);
    CHECK_FALSE(read(section(0x70, list(3, "@@C"))).ttl);
    CHECK_FALSE(read(section(0x70, list(3, bytes("@@R\0")))).ttl);
    CHECK_FALSE(read(section(0x70, list(3, "@@@"))).ttl);
    const std::string expiry = bytes("\x83\0\0\0\0\0\0\0");
    CHECK_FALSE(
        read(section(0x73, list(9, "@@@@@@@@" + expiry + bytes("\0")))).absolute_expiry_time);
    CHECK(read(section(0x73, list(9, "@@@@@@@@" + expiry + bytes("\1")))).absolute_expiry_time ==
          1);
  }
}

TEST_CASE("an id that is no text reads as absent, and so does any property of another type") {
  for (const std::string& id :
       {bytes("S\7"), bytes("\x80\0\0\0\0\0\0\0\7"), bytes("D"),
        bytes("\x98") + std::string(16, 'u'), bytes("\xa0\1b"), bytes("\xb0\0\0\0\1b"),
        bytes("\xa3\1s"), bytes("@"), bytes("\0S\5\xa1\1x"), list8(1, text_x)}) {
    const message m =
        read(section(0x73, list8(9, id + "@" + id + "@" + id + id + "@@" + id)) + body(text_x));
    CHECK(m.id.empty());
    CHECK(m.to.empty());
    CHECK(m.reply_to.empty());
    CHECK(m.correlation_id.empty());
    CHECK_FALSE(m.absolute_expiry_time);
    CHECK(m.body == "x");
    CHECK_FALSE(read(section(0x70, list8(3, "@@" + id))).ttl);
  }
}

TEST_CASE("a value of any type is a body, and is passed over where it is not used") {
  struct {
    std::string value;
    kind what;
    std::string body;
  } const cases[] = {
      {bytes("@"), kind::none, ""},
      {bytes("\xa1\0"), kind::text, ""},
      {bytes("\xb1\0\0\0\1x"), kind::text, "x"},
      {bytes("\xa0\1\0"), kind::binary, bytes("\0")},
      {bytes("\xb0\0\0\0\1b"), kind::binary, "b"},
      {bytes("A"), kind::other, ""},                            // true
      {bytes("V\1"), kind::other, ""},                          // boolean
      {bytes("P\1"), kind::other, ""},                          // ubyte
      {bytes("\x60\1\2"), kind::other, ""},                     // ushort
      {bytes("p\1\2\3\4"), kind::other, ""},                    // uint
      {bytes("D"), kind::other, ""},                            // ulong 0
      {bytes("\x82") + std::string(8, '1'), kind::other, ""},   // double
      {bytes("\x94") + std::string(16, '1'), kind::other, ""},  // decimal128
      {bytes("\xa3\1s"), kind::other, ""},                      // symbol
      {bytes("\xb3\0\0\0\1s"), kind::other, ""},                // symbol
      {bytes("E"), kind::other, ""},                            // list
      {list8(1, text_x), kind::other, ""},                      //
      {list32(1, text_x), kind::other, ""},                     //
      {bytes("\xc1\1\0"), kind::other, ""},                     // map
      {bytes("\xd1\0\0\0\4\0\0\0\0"), kind::other, ""},         //
      {bytes("\xe0\4\1\xa1\1x"), kind::other, ""},              // array
      {bytes("\xf0\0\0\0\7\0\0\0\1\xa1\1x"), kind::other, ""},  //
      {bytes("\0S\5\xa1\1x"), kind::other, ""},                 // described
      {bytes("\0\0S\5\xa1\1d\0\xa3\1s@"), kind::other, ""},     // by a described value
  };
  for (const auto& one : cases) {
    INFO(hex(one.value));
    const message m = read(body(one.value));
    CHECK(m.kind == one.what);
    CHECK(m.body == one.body);
    // Also as an annotation, an application property, a footer, and a property that is not used.
    const message around =
        read(section(0x71, one.value) + section(0x72, one.value) +
             section(0x73, list32(5, "@" + one.value + "@" + one.value + text_x)) +
             section(0x74, one.value) + body(text_x) + section(0x78, one.value));
    CHECK(around.reply_to == "x");
    CHECK(around.body == "x");
    for (std::size_t cut = 0; cut < one.value.size(); ++cut) {
      CHECK(malformed(body(one.value.substr(0, cut))));
    }
  }
}

TEST_CASE("one data section is a binary body, several or sequences are another") {
  const std::string part = section(0x75, bytes("\xa0\1b"));
  CHECK(read(part).kind == kind::binary);
  CHECK(read(part).body == "b");
  CHECK(read(section(0x75, bytes("\xb0\0\0\0\1b")) + section(0x78, bytes("\xc1\1\0"))).body == "b");
  CHECK(read(part + part).kind == kind::other);
  CHECK(read(part + part + part).kind == kind::other);
  CHECK(read(part + part).body.empty());
  for (const std::string& list : {bytes("E"), list8(1, "@"), list32(0, "")}) {
    CHECK(read(section(0x76, list)).kind == kind::other);
    CHECK(read(section(0x76, list) + section(0x76, list)).kind == kind::other);
  }
  CHECK(malformed(section(0x75, text_x)));
  CHECK(malformed(section(0x75, "@")));
  CHECK(malformed(section(0x76, text_x)));
  CHECK(malformed(section(0x76, bytes("\xc1\1\0"))));
}

TEST_CASE("sections come in order, each once, with one kind of body") {
  std::string parts[9];
  for (std::size_t i = 0; i < std::size(parts); ++i) {
    parts[i] = a_section(static_cast<unsigned>(0x70 + i));
  }
  const auto is_body = [](std::size_t i) { return i >= 5 && i <= 7; };
  for (std::size_t first = 0; first < std::size(parts); ++first) {
    CHECK_FALSE(malformed(parts[first]));
    for (std::size_t next = 0; next < std::size(parts); ++next) {
      INFO(first << " " << next);
      const bool repeated = first == next && (first == 5 || first == 6);
      const bool later = next > first && !(is_body(first) && is_body(next));
      CHECK(malformed(parts[first] + parts[next]) == !(repeated || later));
    }
  }
}

TEST_CASE("what is no message is malformed") {
  const std::pair<const char*, std::string> cases[] = {
      {"nothing", bytes("")},
      {"half a descriptor", bytes("\0")},
      {"half a descriptor", bytes("\0S")},
      {"no section", bytes("\0Sp")},
      {"text", bytes("{}")},
      {"a value not described", text_x},
      {"another mark than a described value's", bytes("@Sp") + "E"},
      {"a section below the first", bytes("\0So") + "E"},
      {"a section above the last", bytes("\0Sy") + "E"},
      {"descriptor zero", bytes("\0D") + "E"},
      {"a descriptor of another domain", bytes("\0\x80\1\0\0\0\0\0\0p") + "E"},
      {"an unknown symbol", bytes("\0\xa3\4amqp") + "E"},
      {"an empty symbol", bytes("\0\xa3\0") + "E"},
      {"a string as descriptor", bytes("\0\xa1\x10") + "amqp:header:list" + "E"},
      {"a described descriptor", bytes("\0\0SpE") + "E"},
      {"null as header", section(0x70, "@")},
      {"text as properties", section(0x73, text_x)},
      {"binary as properties", section(0x73, bytes("\xa0\4\0\0\0\0"))},
      {"a map as properties", section(0x73, bytes("\xc1\4\0\0\0\0"))},
      {"fewer elements than counted", section(0x70, list8(1, ""))},
      {"more elements than counted", section(0x70, list8(0, "@"))},
      {"fewer elements than counted", section(0x73, list8(2, text_x))},
      {"far fewer", section(0x73, list32(0xffffffff, "@@@"))},
      {"a list without a count", section(0x73, bytes("\xc0\0"))},
      {"a list without a whole count", section(0x73, bytes("\xd0\0\0\0\3\0\0\0"))},
      {"an element longer than its list", section(0x73, bytes("\xc0\4\1\xa1\2x"))},
      {"no such constructor", body(bytes("\x01"))},
      {"no such constructor", body(bytes("\x0f"))},
      {"no such constructor", body(bytes("\x3f"))}};
  for (const auto& [what, bad] : cases) {
    INFO(what);
    CHECK(malformed(bad));
    CHECK(malformed(bytes("\0SpE") + bad) != bad.empty());
  }
}

TEST_CASE("a message that is cut short is malformed but where a section ends") {
  const std::string parts[] = {section(0x70, list8(3, "@@R\5")),
                               section(0x72, bytes("\xc1\6\2\xa3\1a\xa1\0")),
                               section(0x73, list32(3, "@@" + text_x)), body(text_x)};
  std::string whole;
  std::vector<std::size_t> ends;
  for (const std::string& part : parts) {
    whole += part;
    ends.push_back(whole.size());
  }
  for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
    INFO(cut);
    CHECK(malformed(whole.substr(0, cut)) ==
          (std::find(ends.begin(), ends.end(), cut) == ends.end()));
  }
  CHECK(malformed(whole + bytes("\0")));
}

TEST_CASE("lengths beyond the message are not believed") {
  for (unsigned constructor = 0xa0; constructor <= 0xff; ++constructor) {
    INFO(constructor);
    const std::string head(1, static_cast<char>(constructor));
    CHECK(malformed(body(head + bytes("\xff\xff\xff\xff") + "x")));
    CHECK(malformed(body(head + bytes("\x7f\xff\xff\xff") + "x")));
  }
}

TEST_CASE("depth costs no stack") {
  constexpr std::size_t depth = 1'000'000;
  // Descriptions of descriptions, each complete: a mark and a value more.
  std::string chain(depth, '\0');
  chain += std::string(depth + 1, '@');
  CHECK(read(body(chain)).kind == kind::other);
  CHECK(read(section(0x72, chain) + body(text_x)).body == "x");
  chain.pop_back();
  CHECK(malformed(body(chain)));
  std::string nested = text_x;
  while (nested.size() < 200'000) nested = list32(1, nested);
  CHECK(read(body(nested)).kind == kind::other);
  CHECK(read(section(0x74, nested) + body(text_x)).body == "x");
}
