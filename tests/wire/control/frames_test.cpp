// SPDX-License-Identifier: Apache-2.0
#include "wire/control/frames.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <string>
#include <vector>

using ombt::wire::control::append_frame;
using ombt::wire::control::frame_splitter;

namespace {

constexpr std::size_t kib = 1024;

std::string frame(std::string_view text) {
  std::string out;
  append_frame(out, text);
  return out;
}

/// Gives it all bytes, at most `piece` at once, and takes what comes out.
std::vector<std::string> cut(frame_splitter& splitter, std::string_view bytes, std::size_t piece) {
  std::vector<std::string> out;
  while (!bytes.empty()) {
    const std::span<char> room = splitter.read_buffer();
    if (!splitter.failure().empty()) {
      CHECK(room.empty());
      break;
    }
    REQUIRE_FALSE(room.empty());
    const std::size_t n = std::min({bytes.size(), room.size(), piece});
    std::copy_n(bytes.begin(), n, room.begin());
    splitter.read_done(n);
    bytes.remove_prefix(n);
    while (const auto text = splitter.next()) out.emplace_back(*text);
  }
  return out;
}

}  // namespace

TEST_CASE("a frame is four bytes of length, the highest first, and the text") {
  CHECK(frame("{}") == std::string("\0\0\0\2{}", 6));
  CHECK(frame(std::string(0x010203, 'x')).substr(0, 5) == std::string("\0\1\2\3x", 5));
}

TEST_CASE("frames come out whole, whatever pieces they come in") {
  std::vector<std::string> texts;
  std::string bytes;
  for (const std::size_t length : {1u, 2u, 100u, 4092u, 4096u, 5000u, 70'000u, 3u, 9'000u}) {
    texts.emplace_back(length, static_cast<char>('a' + texts.size()));
    bytes += frame(texts.back());
  }
  const auto piece = GENERATE(1u, 2u, 3u, 5u, 7u, 1'000u, 4'096u, 100'000u);
  INFO(piece);
  frame_splitter splitter{100'000};
  CHECK(cut(splitter, bytes, piece) == texts);
  CHECK(splitter.failure().empty());
}

TEST_CASE("a frame is not there before its last byte") {
  frame_splitter splitter{100};
  const std::string bytes = frame("abc");
  CHECK(cut(splitter, bytes.substr(0, bytes.size() - 1), 100).empty());
  CHECK(cut(splitter, "c", 1) == std::vector<std::string>{"abc"});
  CHECK_FALSE(splitter.next());
}

TEST_CASE("empty frames and those above the limit end it, those before come out") {
  const auto [bad, why] = GENERATE(table<std::string, std::string>(
      {{std::string(4, '\0'), "an empty frame"},
       {frame("123456"), "a frame of 6 bytes, above the limit of 5"},
       {"\xff\xff\xff\xff", "a frame of 4294967295 bytes, above the limit of 5"}}));
  const auto piece = GENERATE(1u, 100u);
  frame_splitter splitter{5};
  CHECK(cut(splitter, frame("12345") + bad + frame("123"), piece) ==
        std::vector<std::string>{"12345"});
  CHECK(splitter.failure() == why);
  CHECK(splitter.read_buffer().empty());
  splitter.read_done(0);
  CHECK_FALSE(splitter.next());
  CHECK(splitter.capacity() < 100);
}

TEST_CASE("a limit holds for the frames that are taken after it was set") {
  frame_splitter splitter{5};
  const std::string bytes = frame("12345") + frame("123456");
  std::span<char> room = splitter.read_buffer();
  std::copy(bytes.begin(), bytes.end(), room.begin());
  splitter.read_done(bytes.size());
  CHECK(splitter.next() == "12345");
  splitter.set_limit(6);
  CHECK(splitter.next() == "123456");
}

TEST_CASE("memory follows what has come, not what is announced") {
  const std::size_t length = 64 * kib * kib;
  frame_splitter splitter{length};
  const std::string bytes = frame(std::string(length, 'x'));
  std::size_t come = 0;
  std::size_t most = 0;
  while (come < bytes.size()) {
    const std::span<char> room = splitter.read_buffer();
    CHECK(splitter.capacity() <= std::max(2 * come, bytes.size() / kib) + 4 * kib);
    const std::size_t n = std::min(bytes.size() - come, room.size());
    std::copy_n(bytes.begin() + static_cast<std::ptrdiff_t>(come), n, room.begin());
    splitter.read_done(n);
    come += n;
    most = std::max(most, splitter.capacity());
    const auto text = splitter.next();
    REQUIRE(text.has_value() == (come == bytes.size()));
    if (text) CHECK(text->size() == length);
  }
  CHECK(most <= bytes.size() + 4 * kib);
}

TEST_CASE("memory is given back after a large frame, and while nothing comes") {
  frame_splitter splitter{1'000 * kib};
  const std::string large = frame(std::string(900 * kib, 'x'));
  CHECK(cut(splitter, large.substr(0, large.size() - 1), 64 * kib).empty());
  CHECK(splitter.capacity() > 900 * kib);
  CHECK(cut(splitter, "x", 1).size() == 1);
  CHECK(splitter.capacity() < 100);
  splitter.read_buffer();
  CHECK(splitter.capacity() <= 4 * kib + 100);
}

TEST_CASE("memory is given back though the next frame has begun") {
  frame_splitter splitter{1'000 * kib};
  // With its last 4000 bytes come the first three of the next one.
  const std::string large = frame(std::string(12'188, 'x'));
  CHECK(cut(splitter, large + frame("next").substr(0, 3), 64 * kib).size() == 1);
  CHECK(splitter.capacity() >= large.size());
  splitter.read_buffer();
  CHECK(splitter.capacity() <= 4 * kib + 100);
  CHECK(cut(splitter, frame("next").substr(3), 100) == std::vector<std::string>{"next"});
  CHECK(splitter.capacity() < 100);
}
