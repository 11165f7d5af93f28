// SPDX-License-Identifier: Apache-2.0
// Peers that do what they should not, before they have proven who they are.
#include "wire/control/frames.hpp"

#include "tests/drivers/direct/port_process.hpp"

#include <random>
#include <sys/resource.h>
#include <sys/stat.h>

using namespace ombt;
using namespace ombt::tests;
using Catch::Contains;

namespace control = ombt::wire::control;

namespace {

std::string frame_of(std::string_view text) {
  std::string out;
  control::append_frame(out, text);
  return out;
}

/// Another uid, in a child; what it returns is its exit status.
template <class Function>
int as_another_user(Function what) {
  forked child([&](int) {
    if (::setresgid(12345, 12345, 12345) != 0 || ::setresuid(12345, 12345, 12345) != 0) {
      ::_exit(99);
    }
    ::_exit(what());
  });
  return child.wait();
}

bool is_root() {
  if (::geteuid() == 0) return true;
  WARN("not run: only root can be two users");
  return false;
}

std::size_t open_files(pid_t of) {
  const std::filesystem::directory_iterator files("/proc/" + std::to_string(of) + "/fd");
  return static_cast<std::size_t>(std::distance(begin(files), end(files)));
}

}  // namespace

TEST_CASE("what is no route is closed at its first wrong byte") {
  port_bed bed;
  for (const bool tcp : {false, true}) {
    const auto peer = [&] {
      return tcp ? raw_peer(bed.notes.port) : raw_peer(bed.folder.file("s"));
    };
    for (const std::string text :
         {"G", "ombt/2", "ombt/1  ", "ombt/1 0123456789ABCDEF\n", "ombt/1 0123456789abcdef\r",
          "ombt/1 -+", "ombt/1 +++++++++++++++++", "\x16\x03\x01"}) {
      INFO(text << (tcp ? " over TCP" : " over the socket"));
      auto one = peer();
      one.say(text);
      CHECK(bed.until([&] { return one.ended(); }));
    }
    CHECK(bed.serves(tcp ? bed.tcp() : bed.local()));
  }
  CHECK(bed.notes.channels.size() == 2);
}

TEST_CASE("nobody registers over TCP, or without a key, or as the owner") {
  port_bed bed;
  const std::string registers(control::register_route);
  raw_peer tcp(bed.notes.port);
  tcp.say(registers + control::route_to(key_of(7)));
  raw_peer nameless(bed.folder.file("s"));
  nameless.say(registers + control::route_to(""));
  raw_peer twice(bed.folder.file("s"));
  twice.say(registers + registers);
  raw_peer owner(bed.folder.file("s"));
  owner.say(registers + control::route_to(own_key));
  CHECK(
      bed.until([&] { return tcp.ended() && nameless.ended() && twice.ended() && owner.ended(); }));
  process_watch watch(bed.on, bed.local());
  REQUIRE(bed.until([&] { return watch.notices > 0; }));
  CHECK(watch.processes == std::vector<std::string>{own_key});
}

TEST_CASE("silent peers are closed in time, wherever they stand still") {
  port_bed bed([](auto& what) { what.limits.opening = 50ms; });
  std::vector<raw_peer> peers;
  const std::string route = control::route_to(own_key);
  for (const std::string& text : {std::string(), route.substr(0, 1), route.substr(0, 23)}) {
    peers.emplace_back(bed.notes.port).say(text);
    peers.emplace_back(bed.folder.file("s")).say(text);
  }
  peers.emplace_back(bed.notes.port).say(route);
  peers.emplace_back(bed.notes.port).say(route + std::string("\x16\x03\x01\x02\x00\x01", 6));
  peers.emplace_back(bed.folder.file("s")).say(control::register_route);
  CHECK(bed.until([&] {
    return std::all_of(peers.begin(), peers.end(), [](raw_peer& one) { return one.ended(); });
  }));
}

TEST_CASE("a handshake of more than 4 KiB is not read on") {
  port_bed bed([](auto& what) { what.limits.opening = 60s; });
  raw_peer peer(bed.notes.port);
  // A record of 16 KiB that begins as a ClientHello, and never ends.
  peer.say(control::route_to(own_key) +
           std::string("\x16\x03\x01\x40\x00\x01\x00\x3f\xfc\x03\x03", 11));
  const std::string part(100, 'x');
  std::size_t said = 11;
  CHECK(bed.until(
            [&] {
              if (peer.ended()) return true;
              if (said < 4'000) said += peer.say(part);
              return false;
            },
            300ms) == false);
  CHECK(bed.until([&] {
    if (peer.ended()) return true;
    said += peer.say(part);
    return false;
  }));
  CHECK(said < 20'000);
}

TEST_CASE("garbage in place of a handshake is closed at once") {
  port_bed bed([](auto& what) { what.limits.opening = 60s; });
  std::minstd_rand random(1);
  for (int i = 0; i < 50; ++i) {
    std::string text(std::uniform_int_distribution<std::size_t>(8, 3'000)(random), 0);
    for (char& byte : text) byte = static_cast<char>(random());
    text[0] = 'x';
    raw_peer peer(bed.notes.port);
    peer.say(control::route_to(own_key) + text);
    REQUIRE(bed.until([&] { return peer.ended(); }));
  }
  CHECK(bed.notes.channels.empty());
  CHECK(bed.serves(bed.tcp()));
}

TEST_CASE("a flood of silent peers keeps nobody out") {
  port_bed bed([](auto& what) { what.limits.opening = 60s; });
  std::vector<raw_peer> peers;
  for (int i = 0; i < 200; ++i) {
    peers.emplace_back(bed.notes.port);
    REQUIRE(peers.back().connected());
    if (i % 2 == 1) peers.back().say(control::route_to(own_key));
  }
  // Not behind 60 s of each of them, but behind the grace time of each 64.
  CHECK(bed.serves(bed.tcp()));
  // Who comes over the socket does not stand in that line.
  CHECK(bed.serves(bed.local()));
  CHECK(bed.notes.channels.size() == 2);
}

TEST_CASE("a peer that goes away, at whatever byte, leaves nothing behind") {
  port_bed bed;
  const std::string text = control::route_to(own_key) + frame_of("hello");
  const std::size_t files = open_files(::getpid());
  for (std::size_t size = 0; size <= text.size(); ++size) {
    for (const bool tcp : {false, true}) {
      auto peer = tcp ? raw_peer(bed.notes.port) : raw_peer(bed.folder.file("s"));
      peer.say(std::string_view(text).substr(0, size));
      if (size % 2 == 0) bed.on.run_for(1ms);
    }
  }
  CHECK(bed.until([&] {
    for (auto& one : bed.notes.channels) one.reset();
    return open_files(::getpid()) == files;
  }));
  CHECK(bed.serves(bed.tcp()));
}

TEST_CASE("connections for a process that takes none do not pile up at the owner") {
  private_folder folder;
  const auto settings = [&](unsigned number) {
    auto out = port_settings(folder.file("s"));
    out.tcp = false;
    out.process = key_of(number);
    return out;
  };
  drivers::loop on;
  port_process owner(settings(1));
  REQUIRE(run_until(on, [&] { return owner.joined(); }));
  port_process member(settings(2));
  REQUIRE(run_until(on, [&] { return member.joined(); }));
  const std::size_t files = open_files(owner.pid());
  member.kill(SIGSTOP);
  std::vector<raw_peer> peers;
  for (int i = 0; i < 800; ++i) {
    peers.emplace_back(folder.file("s")).say(control::route_to(key_of(2)));
  }
  // The kernel holds some on their way, the owner 64; the others are closed.
  const auto closed = [&] {
    return std::count_if(peers.begin(), peers.end(), [](raw_peer& one) { return one.ended(); });
  };
  CHECK(run_until(on, [&] { return closed() > 100 && open_files(owner.pid()) <= files + 64; }));
  note_taker mine;
  const auto by = drivers::connect_channel(on, {{}, 0, folder.file("s")}, key_of(1), nullptr, mine);
  by->send("still there?");
  CHECK(run_until(on, [&] { return !mine.frames.empty(); }));
  member.kill(SIGCONT);
  peers.clear();
  CHECK(run_until(on, [&] { return open_files(owner.pid()) <= files + 1; }));
}

TEST_CASE("connections that come while the owner is killed end or are served") {
  private_folder folder;
  std::vector<std::unique_ptr<port_process>> all;
  drivers::loop on;
  const auto start = [&](unsigned number) {
    auto what = port_settings(folder.file("s"));
    what.tcp = false;
    what.process = key_of(number);
    all.push_back(std::make_unique<port_process>(what));
    REQUIRE(run_until(on, [&] { return all.back()->joined(); }));
  };
  start(1);
  start(2);
  start(3);
  std::vector<std::unique_ptr<note_taker>> notes;
  std::vector<std::unique_ptr<drivers::channel>> channels;
  for (int i = 0; i < 100; ++i) {
    notes.push_back(std::make_unique<note_taker>());
    channels.push_back(
        drivers::connect_channel(on, {{}, 0, folder.file("s")}, key_of(3), nullptr, *notes.back()));
    channels.back()->send("hello");
    if (i == 40) all[0]->kill(SIGKILL);
    if (i % 10 == 0) on.run_for(1ms);
  }
  CHECK(run_until(on, [&] {
    return std::all_of(notes.begin(), notes.end(),
                       [](const auto& one) { return one->closed > 0 || one->frames.size() == 1; });
  }));
  // Until the second has taken over.
  CHECK(run_until(on, [&] {
    note_taker mine;
    const auto by =
        drivers::connect_channel(on, {{}, 0, folder.file("s")}, key_of(3), nullptr, mine);
    by->send("again");
    run_until(on, [&] { return mine.closed > 0 || !mine.frames.empty(); });
    return !mine.frames.empty();
  }));
}

TEST_CASE("without descriptors the port pauses, and goes on when there are some") {
  port_bed bed;
  raw_peer peer(bed.notes.port);
  raw_peer local(bed.folder.file("s"));
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  rlimit low = before;
  low.rlim_cur = open_files(::getpid()) - 1;  // the listing's own is closed again
  std::vector<int> fill;
  for (int one = ::dup(0); one >= 0 && fill.size() < 64; one = ::dup(0)) fill.push_back(one);
  low.rlim_cur = static_cast<rlim_t>(fill.back()) + 1;
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &low) == 0);
  bed.on.run_for(50ms);
  peer.say(control::route_to(own_key));
  bed.on.run_for(50ms);
  CHECK(bed.notes.channels.empty());
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  for (const int one : fill) ::close(one);
  CHECK(bed.serves(bed.tcp()));
  CHECK(bed.serves(bed.local()));
}

TEST_CASE("another user cannot reach the local socket") {
  if (!is_root()) return;
  port_bed bed;
  const std::string path = bed.folder.file("s");
  // The folder keeps them out …
  CHECK(as_another_user([&] { return raw_peer(path).connected() ? 1 : 0; }) == 0);
  // … and where it does not, the kernel says who comes.
  REQUIRE(::chmod(bed.folder.path().c_str(), 0755) == 0);
  CHECK(as_another_user([&] { return raw_peer(path).connected() ? 1 : 0; }) == 0);
  REQUIRE(::chmod(path.c_str(), 0666) == 0);
  forked stranger([&](int told) {
    if (::setresuid(12345, 12345, 12345) != 0) ::_exit(99);
    raw_peer peer(path);
    peer.say(control::route_to(own_key) + frame_of(R"({"id": 1, "method": "shutdown"})"));
    while (!peer.ended()) ::usleep(1000);
    say_to(told, "closed");
  });
  CHECK(bed.until([&] { return stranger.said() == "closed"; }));
  CHECK(bed.notes.channels.empty());
  CHECK(bed.serves(bed.local()));
}

TEST_CASE("another user is not taken for an agent") {
  if (!is_root()) return;
  const private_folder folder;
  REQUIRE(::chmod(folder.path().c_str(), 0777) == 0);
  const std::string path = folder.file("s");
  auto what = port_settings(path);
  what.tcp = false;
  drivers::loop on;
  SECTION("who listens") {
    forked squatter([&](int told) {
      if (::setresuid(12345, 12345, 12345) != 0) ::_exit(99);
      const int listener = ::socket(AF_UNIX, SOCK_STREAM, 0);
      sockaddr_un at{};
      at.sun_family = AF_UNIX;
      path.copy(at.sun_path, sizeof at.sun_path - 1);
      if (::bind(listener, reinterpret_cast<sockaddr*>(&at), sizeof at) != 0) ::_exit(98);
      ::listen(listener, 8);
      ::chmod(path.c_str(), 0777);
      say_to(told, "listens");
      ::pause();
    });
    REQUIRE(run_until(on, [&] { return squatter.said() == "listens"; }));
    note_taker mine;
    const auto by = drivers::connect_channel(on, {{}, 0, path}, own_key, nullptr, mine);
    by->send("never");
    REQUIRE(run_until(on, [&] { return mine.closed > 0; }));
    CHECK(mine.error == errc::authentication_failed);
    CHECK(mine.opened == 0);
  }
  SECTION("who has made the lock") {
    REQUIRE(as_another_user([&] {
              const int made = ::open((path + ".lock").c_str(), O_CREAT | O_RDWR, 0666);
              return made >= 0 && ::fchmod(made, 0666) == 0 ? 0 : 1;
            }) == 0);
    port_notes notes;
    const drivers::shared_port port(on, what, notes.events());
    REQUIRE(run_until(on, [&] { return notes.joined || !notes.failure.empty(); }));
    CHECK_THAT(notes.failure, Contains(path + ".lock") && Contains("another user's"));
  }
  SECTION("whose folder it is") {
    REQUIRE(::chmod(folder.path().c_str(), 0700) == 0);
    REQUIRE(::chown(folder.path().c_str(), 12345, 12345) == 0);
    ::setenv("OMBT_RUNTIME_DIR", folder.path().c_str(), 1);
    CHECK_THROWS_WITH(drivers::runtime_folder(), Contains("another user's"));
    ::unsetenv("OMBT_RUNTIME_DIR");
  }
}
