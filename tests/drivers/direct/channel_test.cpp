// SPDX-License-Identifier: Apache-2.0
#include "drivers/channel.hpp"

#include "wire/control/frames.hpp"

#include "drivers/io/stream.hpp"

#include "tests/drivers/direct/port_bed.hpp"

using namespace ombt;
using namespace ombt::tests;
using Catch::Contains;
using drivers::channel;
using drivers::channel_limits;
using drivers::direct_place;

namespace control = ombt::wire::control;

// An agent's connection is as large as it was before there were Unix sockets and keys.
static_assert(sizeof(drivers::io::stream) == sizeof(boost::asio::ip::tcp::socket) + sizeof(void*));

namespace {

std::string framed(std::string_view text) {
  std::string out;
  control::append_frame(out, text);
  return out;
}

std::string text_of_size(std::size_t size) {
  std::string out(size, 'x');
  for (std::size_t i = 0; i < size; i += 997) out[i] = static_cast<char>('a' + i % 26);
  return out;
}

/// What a test does over each of the two carriers.
direct_place place_in(const port_bed& bed, bool tcp) { return tcp ? bed.tcp() : bed.local(); }

}  // namespace

TEST_CASE("frames come whole and in order, over a Unix socket and over TLS") {
  const bool tcp = GENERATE(false, true);
  port_bed bed;
  note_taker mine;
  const auto by = bed.connect(place_in(bed, tcp), mine);
  CHECK(by->peer() == (tcp ? "127.0.0.1:" + std::to_string(bed.notes.port) : bed.folder.file("s")));
  // What is sent before it is open waits.
  by->send("first");
  CHECK(by->unsent() == 9);
  CHECK(mine.opened == 0);
  REQUIRE(bed.until([&] { return mine.frames.size() == 1; }));
  CHECK(mine.opened == 1);
  CHECK(by->unsent() == 0);
  std::vector<std::string> all{"first"};
  for (const std::size_t size : {1u, 4095u, 4096u, 70'000u, 3u, 5'000'000u, 2u}) {
    all.push_back(text_of_size(size));
    by->send(all.back());
  }
  REQUIRE(bed.until([&] { return mine.frames.size() == all.size() || mine.closed > 0; }));
  CHECK(mine.frames == all);
  CHECK(mine.written >= 2);
  const std::string& from = bed.notes.channels.front()->peer();
  if (tcp) {
    CHECK_THAT(from, Catch::StartsWith("127.0.0.1:"));
  } else {
    CHECK(from == "process " + std::to_string(::getpid()));
  }
}

TEST_CASE("a frame that comes a byte at a time is one") {
  port_bed bed;
  raw_peer peer(bed.folder.file("s"));
  for (const char byte : control::route_to(own_key) + framed("slowly") + framed("twice")) {
    REQUIRE(peer.say({&byte, 1}) == 1);
    bed.on.run_for(1ms);
  }
  std::string heard;
  REQUIRE(bed.until([&] { return (heard += peer.hear()).size() >= 19; }));
  CHECK(heard == framed("slowly") + framed("twice"));
}

TEST_CASE("a peer with another token is refused, and told which files must be the same") {
  port_bed bed;
  note_taker mine;
  const auto by = drivers::connect_channel(bed.on, bed.tcp(), own_key, a_token('b'), mine);
  by->send("never");
  REQUIRE(bed.until([&] { return mine.closed > 0; }));
  CHECK(mine.error == errc::authentication_failed);
  CHECK_THAT(mine.detail, Contains("another token") && Contains("--token-file"));
  CHECK(mine.opened == 0);
  CHECK(bed.notes.channels.empty());
  CHECK(bed.serves(bed.tcp()));
}

TEST_CASE("TCP without a token is refused before anything is sent") {
  port_bed bed;
  note_taker mine;
  const auto by = drivers::connect_channel(bed.on, bed.tcp(), own_key, nullptr, mine);
  REQUIRE(bed.until([&] { return mine.closed > 0; }));
  CHECK(mine.error == errc::authentication_failed);
  const auto local = drivers::connect_channel(bed.on, bed.local(), own_key, nullptr, mine);
  CHECK(bed.until([&] { return mine.opened > 0; }));
}

TEST_CASE("over TCP nothing in the clear is taken") {
  port_bed bed;
  raw_peer peer(bed.notes.port);
  peer.say(control::route_to(own_key) + framed(R"({"id": 1, "method": "shutdown"})"));
  CHECK(bed.until([&] { return peer.ended(); }));
  CHECK(bed.notes.channels.empty());
}

TEST_CASE("a process that is not there ends the connection") {
  const bool tcp = GENERATE(false, true);
  port_bed bed;
  note_taker mine;
  const auto by =
      drivers::connect_channel(bed.on, place_in(bed, tcp), "0123456789abcdef", a_token(), mine);
  REQUIRE(bed.until([&] { return mine.closed > 0; }));
  CHECK(mine.error == errc::connection_lost);
  if (tcp) CHECK_THAT(mine.detail, Contains("that process is gone"));
}

TEST_CASE("where nobody listens that is told") {
  drivers::loop on;
  const private_folder in;
  note_taker mine;
  const auto nothing = drivers::connect_channel(on, {{}, 0, in.file("none")}, own_key, {}, mine);
  REQUIRE(run_until(on, [&] { return mine.closed == 1; }));
  CHECK(mine.error == boost::system::errc::no_such_file_or_directory);
  const auto too_long =
      drivers::connect_channel(on, {{}, 0, in.file(std::string(108, 'x'))}, own_key, {}, mine);
  REQUIRE(run_until(on, [&] { return mine.closed == 2; }));
  CHECK(mine.error == boost::system::errc::filename_too_long);
  std::uint16_t port = 0;
  { port = port_bed().notes.port; }
  const auto refused =
      drivers::connect_channel(on, {"127.0.0.1", port, {}}, own_key, a_token(), mine);
  REQUIRE(run_until(on, [&] { return mine.closed == 3; }));
  CHECK(mine.error == boost::system::errc::connection_refused);
  CHECK(mine.detail == "Connection refused");
}

TEST_CASE("a listener that does not answer, or with something else, is given up") {
  const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  REQUIRE(::bind(listener, reinterpret_cast<sockaddr*>(&at), size) == 0);
  REQUIRE(::listen(listener, 8) == 0);
  REQUIRE(::getsockname(listener, reinterpret_cast<sockaddr*>(&at), &size) == 0);
  const direct_place place{"127.0.0.1", ntohs(at.sin_port), {}};
  drivers::loop on;
  note_taker mine;
  SECTION("silent") {
    channel_limits limits;
    limits.opening = 50ms;
    const auto by = drivers::connect_channel(on, place, own_key, a_token(), mine, limits);
    REQUIRE(run_until(on, [&] { return mine.closed > 0; }));
    CHECK(mine.error == errc::messaging_timeout);
  }
  SECTION("something else") {
    const auto by = drivers::connect_channel(on, place, own_key, a_token(), mine);
    on.run_for(20ms);
    const int taken = ::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    const std::string_view words = "HTTP/1.1 400 Bad Request\r\n\r\n";
    CHECK(::send(taken, words.data(), words.size(), MSG_NOSIGNAL) > 0);
    REQUIRE(run_until(on, [&] { return mine.closed > 0; }));
    CHECK(mine.error == errc::wrong_protocol);
    ::close(taken);
  }
  CHECK(mine.opened == 0);
  ::close(listener);
}

TEST_CASE("the first frame of who connects is short") {
  const bool tcp = GENERATE(false, true);
  port_bed bed;
  note_taker mine;
  const auto by = bed.connect(place_in(bed, tcp), mine);
  by->send(text_of_size(channel::first_frame_limit + 1));
  REQUIRE(bed.until([&] { return mine.closed > 0; }));
  CHECK(bed.notes.notes.frames.empty());
  CHECK(bed.notes.notes.error == errc::protocol_error);
  CHECK_THAT(bed.notes.notes.detail, Contains("4097 bytes, above the limit of 4096"));
}

TEST_CASE("frames above the limit and empty ones end the channel") {
  port_bed bed([](auto& what) { what.limits.frame = 10'000; });
  raw_peer peer(bed.folder.file("s"));
  const std::string begin = control::route_to(own_key) + framed("hello");
  SECTION("too long: nothing of it is waited for") {
    peer.say(begin + std::string("\0\0\x27\x11", 4));
  }
  SECTION("the longest that can be said") { peer.say(begin + "\xff\xff\xff\xff"); }
  SECTION("empty") { peer.say(begin + std::string(4, '\0')); }
  REQUIRE(bed.until([&] { return peer.ended(); }));
  CHECK(bed.notes.notes.frames.size() == 1);
  CHECK(bed.notes.notes.error == errc::protocol_error);
}

TEST_CASE("a peer that does not read loses its channel, at a limit of bytes") {
  port_bed bed([](auto& what) { what.limits.unsent = 100'000; });
  raw_peer peer(bed.folder.file("s"));
  peer.say(control::route_to(own_key) + framed("hello"));
  REQUIRE(bed.until([&] { return bed.notes.notes.frames.size() == 1; }));
  channel& to = *bed.notes.channels.front();
  const std::string text = text_of_size(5'000);
  std::size_t most = 0;
  for (int i = 0; i < 10'000 && bed.notes.notes.closed == 0; ++i) {
    to.send(text);
    most = std::max(most, to.unsent());
    if (i % 10 == 9) bed.on.run_for(1ms);
  }
  CHECK(bed.notes.notes.error == errc::limit_exceeded);
  CHECK(most <= 105'008);
  CHECK(bed.serves(bed.local()));
}

TEST_CASE("a frame longer than the unsent limit is sent all the same") {
  port_bed bed([](auto& what) { what.limits.unsent = 1'000; });
  note_taker mine;
  const auto by = bed.connect(bed.tcp(), mine);
  by->send("hello");
  by->send(text_of_size(50'000));
  REQUIRE(bed.until([&] { return mine.frames.size() == 2 || mine.closed > 0; }));
  CHECK(mine.closed == 0);
}

TEST_CASE("a peer's end is told without words, and with words in the middle of a frame") {
  port_bed bed;
  raw_peer peer(bed.folder.file("s"));
  const std::string text = control::route_to(own_key) + framed("hello");
  std::string words;
  SECTION("behind a frame") { peer.say(text); }
  SECTION("within a length") {
    peer.say(text + std::string(3, '\0'));
    words = "it ended in the middle of a frame";
  }
  SECTION("within a frame") {
    peer.say(text + framed("again").substr(0, 8));
    words = "it ended in the middle of a frame";
  }
  REQUIRE(bed.until([&] { return bed.notes.notes.frames.size() == 1; }));
  peer.close();
  REQUIRE(bed.until([&] { return bed.notes.notes.closed == 1; }));
  CHECK(bed.notes.notes.error == errc::connection_lost);
  CHECK(bed.notes.notes.detail == words);
}

TEST_CASE("finish() writes what is queued, though the channel is destroyed") {
  const bool tcp = GENERATE(false, true);
  port_bed bed;
  note_taker mine;
  auto by = bed.connect(place_in(bed, tcp), mine);
  bed.notes.notes.answer = nullptr;
  by->send("hello");
  REQUIRE(bed.until([&] { return !bed.notes.notes.frames.empty(); }));
  // The peer says something meanwhile, which must not cut it off.
  bed.notes.channels.front()->send(text_of_size(300'000));
  const std::string last = text_of_size(8'000'000);
  by->send(last);
  by->finish();
  by->send("too late");
  by.reset();
  REQUIRE(bed.until([&] { return bed.notes.notes.closed > 0; }));
  CHECK(bed.notes.notes.error == errc::connection_lost);
  CHECK(bed.notes.notes.detail.empty());
  REQUIRE(bed.notes.notes.frames.size() == 2);
  CHECK(bed.notes.notes.frames[1] == last);
  CHECK(mine.closed == 0);
}

TEST_CASE("after close() nothing is told, and nothing is sent") {
  const bool tcp = GENERATE(false, true);
  port_bed bed;
  note_taker mine;
  const auto by = bed.connect(place_in(bed, tcp), mine);
  SECTION("at once") {}
  SECTION("in the middle") { bed.on.run_for(2ms); }
  SECTION("open") {
    REQUIRE(bed.until([&] { return mine.opened > 0; }));
  }
  by->close();
  const int opened = mine.opened;
  by->send("never");
  bed.on.run_for(20ms);
  CHECK(mine.opened == opened);
  CHECK(mine.closed == 0);
  CHECK(bed.notes.notes.frames.empty());
}

TEST_CASE("a channel may be destroyed in each of its events") {
  const bool tcp = GENERATE(false, true);
  const int which = GENERATE(0, 1, 2, 3);
  port_bed bed;
  struct : drivers::channel_handler {
    void on_open(channel& c) override {
      c.send("hello");
      ++events;
      if (which == 0) by.reset();
    }
    void on_frame(channel&, std::string_view) override {
      ++events;
      if (which == 1) by.reset();
    }
    void on_closed(channel&, error_code, std::string_view) override {
      ++events;
      by.reset();
    }
    void on_written(channel&) override {
      if (which == 3) by.reset();
    }
    std::unique_ptr<channel> by;
    int which = 0;
    int events = 0;
  } mine;
  mine.which = which;
  bed.notes.notes.answer = [](channel& from, std::string_view) {
    from.send("one");
    from.send("two");
    from.finish();
  };
  mine.by = bed.connect(place_in(bed, tcp), mine);
  REQUIRE(bed.until([&] { return mine.by == nullptr; }));
  bed.on.run_for(10ms);
  CHECK(mine.events == (which == 0 ? 1 : which == 1 ? 2 : which == 2 ? 4 : 1));
}

TEST_CASE("the loop may go before its channels have said all") {
  const private_folder in;
  note_taker mine;
  auto bed = std::make_unique<port_bed>();
  auto by = bed->connect(bed->tcp(), mine);
  REQUIRE(bed->until([&] { return mine.opened > 0; }));
  by->send(text_of_size(1'000'000));
  by->finish();
  by.reset();
}
