// SPDX-License-Identifier: Apache-2.0
#include "wire/amqp091/frame_splitter.hpp"

#include "tests/wire/amqp091/script.hpp"

#include <catch2/catch.hpp>

using namespace ombt::wire::amqp091;
using script::u16;
using script::u32;
using script::u8;

TEST_CASE("A frame is cut at its end, and what follows stays") {
  const std::string one = script::frame(1, 513, "payload");
  const std::string bytes = one + "rest";
  const auto cut = split_frame(bytes, 4096);
  REQUIRE(cut.status == split_status::complete);
  CHECK(cut.size == one.size());
  CHECK(cut.found.type == frame_type::method);
  CHECK(cut.found.channel == 513);
  CHECK(cut.found.payload == "payload");
}

TEST_CASE("A frame that is not whole is incomplete, with the least size that it has") {
  const std::string one = script::frame(3, 1, "payload");
  for (std::size_t n = 0; n < one.size(); ++n) {
    const auto cut = split_frame(std::string_view(one).substr(0, n), 4096);
    REQUIRE(cut.status == split_status::incomplete);
    CHECK(cut.size == (n < 7 ? 8 : one.size()));
  }
}

TEST_CASE("A frame as long as agreed passes, one byte more is refused from its header on") {
  const std::string longest = script::frame(3, 1, std::string(4096 - 8, 'x'));
  CHECK(split_frame(longest, 4096).status == split_status::complete);
  const std::string longer = u8(3) + u16(1) + u32(4096 - 7);
  CHECK(split_frame(longer, 4096).status == split_status::malformed);
  const std::string huge = u8(1) + u16(1) + u32(0xffffffff);
  CHECK(split_frame(huge, 131072).status == split_status::malformed);
}

TEST_CASE("Frames of unknown types, without their end byte, and odd heartbeats are malformed") {
  for (const unsigned type : {0u, 4u, 5u, 6u, 7u, 9u, 65u, 255u}) {
    CHECK(split_frame(u8(type), 4096).status == split_status::malformed);
  }
  std::string open_end = script::frame(1, 0, "x");
  open_end.back() = '\0';
  CHECK(split_frame(open_end, 4096).status == split_status::malformed);
  CHECK(split_frame(script::frame(8, 0, "x"), 4096).status == split_status::malformed);
  CHECK(split_frame(script::frame(8, 1, ""), 4096).status == split_status::malformed);
  CHECK(split_frame(script::heartbeat(), 4096).status == split_status::complete);
}

TEST_CASE("The first bytes of another protocol are named") {
  struct row {
    std::string bytes;
    std::string words;
  };
  const row rows[] = {
      {"HTTP/1.1 400 Bad Request", "the peer speaks HTTP, not AMQP 0-9-1"},
      {std::string("AMQP\0\1\0\0", 8), "the peer speaks AMQP 1.0, not AMQP 0-9-1"},
      {std::string("AMQP\3\1\0\0", 8), "the peer speaks AMQP 1.0 (with SASL), not AMQP 0-9-1"},
      {std::string("AMQP\2\1\0\0", 8), "the peer speaks AMQP 1.0 (with TLS), not AMQP 0-9-1"},
      {std::string("AMQP\1\1\x08\0", 8), "the peer speaks AMQP 0-8, not AMQP 0-9-1"},
      {std::string("AMQP\1\1\0\x0a", 8), "the peer speaks AMQP 0-10, not AMQP 0-9-1"},
      {std::string("AMQP\0\0\x09\1", 8),
       "the peer refused the AMQP 0-9-1 header that it offers itself"},
      {std::string("AMQP\7\7\7\7", 8),
       "the peer speaks another version of AMQP (header 07 07 07 07), not AMQP 0-9-1"},
      {std::string("\x15\3\3\0\2\2\x46", 7),
       "the peer speaks TLS; the URL asks for a plain connection (add ?ssl=1)"},
      {std::string("\x16\3\1\0\2\2\x46", 7),
       "the peer speaks TLS; the URL asks for a plain connection (add ?ssl=1)"},
      {"SSH-2.0-x",
       "the peer does not speak AMQP 0-9-1 (its first bytes are 53 53 48 2d 32 2e 30 2d)"},
      {"AMX", "the peer does not speak AMQP 0-9-1 (its first bytes are 41 4d 58)"},
      {"HTML", "the peer does not speak AMQP 0-9-1 (its first bytes are 48 54 4d 4c)"},
      {"\x16x", "the peer does not speak AMQP 0-9-1 (its first bytes are 16 78)"},
  };
  for (const row& one : rows) {
    INFO(one.words);
    std::string words;
    CHECK(judge_greeting(one.bytes, words) == greeting::foreign);
    CHECK(words == one.words);
  }
}

TEST_CASE("A greeting is not judged before it can be") {
  std::string words;
  CHECK(judge_greeting("", words) == greeting::undecided);
  CHECK(judge_greeting("A", words) == greeting::undecided);
  CHECK(judge_greeting(std::string("AMQP\0\1\0", 7), words) == greeting::undecided);
  CHECK(judge_greeting("HTTP", words) == greeting::undecided);
  CHECK(judge_greeting("\x15", words) == greeting::undecided);
  CHECK(judge_greeting("\x01", words) == greeting::amqp091);
  CHECK(words.empty());
}
