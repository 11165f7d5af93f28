// SPDX-License-Identifier: Apache-2.0
#include "drivers/shared_port.hpp"

#include "wire/configuration_error.hpp"

#include "drivers/local_host.hpp"

#include "tests/drivers/direct/port_process.hpp"

#include <fstream>
#include <sys/file.h>
#include <sys/stat.h>

using namespace ombt;
using namespace ombt::tests;
using Catch::Contains;
using drivers::direct_place;

namespace {

/// A TCP port of loopback that was free a moment ago.
std::uint16_t free_port() {
  const int made = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  REQUIRE(::bind(made, reinterpret_cast<sockaddr*>(&at), size) == 0);
  REQUIRE(::getsockname(made, reinterpret_cast<sockaddr*>(&at), &size) == 0);
  ::close(made);
  return ntohs(at.sin_port);
}

/// Processes that share a port, and a controller's loop.
struct host {
  host() : port(free_port()), tcp{"127.0.0.1", port, {}}, local{{}, 0, folder.file("s")} {}

  drivers::shared_port::settings settings(unsigned number) const {
    auto out = port_settings(folder.file("s"));
    out.port = port;
    out.process = key_of(number);
    return out;
  }
  void start(unsigned number) {
    processes.push_back(std::make_unique<port_process>(settings(number)));
  }
  /// Of these numbers from 1 on the first owns the port.
  bool start_behind_the_first(unsigned last) {
    start(1);
    if (!all_joined()) return false;
    for (unsigned i = 2; i <= last; ++i) start(i);
    return all_joined();
  }
  bool all_joined() {
    return run_until(
        on,
        [this] {
          return std::all_of(processes.begin(), processes.end(),
                             [](const auto& one) { return one->joined(); });
        },
        60s);
  }
  /// What that process says to a question; empty: its connection ended.
  std::string ask(const direct_place& where, unsigned number) {
    note_taker mine;
    const auto by = drivers::connect_channel(on, where, key_of(number), a_token(), mine);
    by->send("who?");
    run_until(on, [&] { return !mine.frames.empty() || mine.closed > 0; });
    return mine.frames.empty() ? std::string() : mine.frames.front();
  }

  private_folder folder;
  std::uint16_t port;
  direct_place tcp;
  direct_place local;
  drivers::loop on;
  std::vector<std::unique_ptr<port_process>> processes;
};

std::vector<std::string> keys(unsigned from, unsigned to) {
  std::vector<std::string> out;
  for (unsigned i = from; i <= to; ++i) out.push_back(key_of(i));
  return out;
}

bool same(std::vector<std::string> some, std::vector<std::string> others) {
  std::sort(some.begin(), some.end());
  std::sort(others.begin(), others.end());
  return some == others;
}

/// An environment variable for the length of a test.
class runtime_dir {
 public:
  explicit runtime_dir(const std::string& value) {
    if (const char* had = std::getenv("OMBT_RUNTIME_DIR")) had_ = had;
    ::setenv("OMBT_RUNTIME_DIR", value.c_str(), 1);
  }
  ~runtime_dir() {
    had_.empty() ? ::unsetenv("OMBT_RUNTIME_DIR") : ::setenv("OMBT_RUNTIME_DIR", had_.c_str(), 1);
  }

 private:
  std::string had_;
};

/// What the port says that cannot be joined.
std::string failure_of(const drivers::shared_port::settings& what) {
  drivers::loop on;
  port_notes notes;
  const drivers::shared_port port(on, what, notes.events());
  REQUIRE(run_until(on, [&] { return notes.joined || !notes.failure.empty(); }));
  return notes.failure;
}

}  // namespace

TEST_CASE("processes share a port: each is reached by its key, and the owner tells them all") {
  host h;
  for (unsigned i = 1; i <= 3; ++i) h.start(i);
  REQUIRE(h.all_joined());
  for (const auto& where : {h.local, h.tcp}) {
    for (unsigned i = 1; i <= 3; ++i) CHECK(h.ask(where, i) == key_of(i) + " who?");
    CHECK(h.ask(where, 4).empty());
    process_watch watch(h.on, where);
    CHECK(run_until(h.on, [&] { return watch.processes.size() == 3; }));
    CHECK(same(watch.processes, keys(1, 3)));
  }
}

TEST_CASE("the owner's notice names the machine") {
  port_bed bed;
  note_taker mine;
  const auto by = drivers::connect_channel(bed.on, bed.local(), {}, nullptr, mine);
  REQUIRE(bed.until([&] { return !mine.frames.empty(); }));
  CHECK_THAT(mine.frames.front(),
             Contains("\"method\": \"processes\"") && Contains('"' + drivers::boot_id() + '"') &&
                 Contains('"' + drivers::host_name() + '"') && Contains('"' + own_key + '"'));
  // Nothing that is said on that connection is a command.
  by->send("anything");
  bed.on.run_for(20ms);
  CHECK(mine.closed == 0);
  CHECK(bed.notes.channels.empty());
}

TEST_CASE("when the owner ends, another process takes the port, and connections stay") {
  const int signal = GENERATE(SIGKILL, SIGTERM);
  host h;
  REQUIRE(h.start_behind_the_first(4));
  process_watch watch(h.on, h.tcp);
  REQUIRE(run_until(h.on, [&] { return same(watch.processes, keys(1, 4)); }));
  note_taker local, tcp;
  const auto by_socket = drivers::connect_channel(h.on, h.local, key_of(2), nullptr, local);
  const auto by_tcp = drivers::connect_channel(h.on, h.tcp, key_of(3), a_token(), tcp);
  by_socket->send("before");
  by_tcp->send("before");
  REQUIRE(run_until(h.on, [&] { return local.frames.size() + tcp.frames.size() == 2; }));
  h.processes.front()->kill(signal);
  REQUIRE(run_until(h.on, [&] { return same(watch.processes, keys(2, 4)); }));
  by_socket->send("after");
  by_tcp->send("after");
  REQUIRE(run_until(h.on, [&] { return local.frames.size() + tcp.frames.size() == 4; }));
  CHECK(local.frames.back() == key_of(2) + " after");
  CHECK(tcp.frames.back() == key_of(3) + " after");
  CHECK(local.closed + tcp.closed == 0);
  for (unsigned i = 2; i <= 4; ++i) {
    CHECK(h.ask(h.tcp, i) == key_of(i) + " who?");
    CHECK(h.ask(h.local, i) == key_of(i) + " who?");
  }
  // It comes again under another key.
  h.start(5);
  CHECK(run_until(h.on, [&] { return same(watch.processes, keys(2, 5)); }));
}

TEST_CASE("who comes as the owner has gone is told of the others once they are there") {
  const int signal = GENERATE(SIGKILL, SIGTERM);
  host h;
  REQUIRE(h.start_behind_the_first(8));
  h.processes.front()->kill(signal);
  process_watch watch(h.on, h.local);
  REQUIRE(run_until(h.on, [&] { return watch.notices > 0 && !watch.has(key_of(1)); }));
  CHECK(same(watch.processes, keys(2, 8)));
}

TEST_CASE("a process that has just started and takes a port over waits for the others too") {
  const private_folder in;
  const auto settings = port_settings(in.file("s"));
  for (const bool again : {false, true}) {
    drivers::loop on;
    port_notes notes;
    const auto begun = drivers::steady_clock::now();
    const drivers::shared_port port(on, settings, notes.events());
    REQUIRE(run_until(on, [&] { return notes.joined; }));
    CHECK(drivers::port_use_of(settings.socket) == drivers::port_use::owned);
    process_watch watch(on, {{}, 0, settings.socket});
    REQUIRE(run_until(on, [&] { return watch.notices > 0; }));
    // Who was the first ever has nobody to wait for.
    if (again) CHECK(drivers::steady_clock::now() - begun >= 150ms);
  }
  CHECK(drivers::port_use_of(settings.socket) == drivers::port_use::free);
  CHECK(drivers::port_use_of(in.file("other")) == drivers::port_use::never);
}

TEST_CASE("a process that is killed is gone from the list at once, and its connections end") {
  host h;
  REQUIRE(h.start_behind_the_first(2));
  process_watch watch(h.on, h.local);
  REQUIRE(run_until(h.on, [&] { return watch.has(key_of(2)); }));
  note_taker mine;
  const auto by = drivers::connect_channel(h.on, h.local, key_of(2), nullptr, mine);
  by->send("there?");
  REQUIRE(run_until(h.on, [&] { return !mine.frames.empty(); }));
  h.processes[1]->kill(SIGKILL);
  CHECK(run_until(h.on, [&] { return same(watch.processes, keys(1, 1)) && mine.closed > 0; }));
  CHECK(watch.ends == 0);
}

TEST_CASE("fifty processes that start at once settle, again when their owner is killed") {
  constexpr unsigned count = 50;
  host h;
  for (unsigned i = 1; i <= count; ++i) h.start(i);
  const auto begin = drivers::steady_clock::now();
  process_watch watch(h.on, h.local);
  REQUIRE(run_until(
      h.on, [&] { return watch.processes.size() == count; }, 60s));
  REQUIRE(h.all_joined());
  // Coalesced: at once, and then ten a second.
  CHECK(watch.notices <= (drivers::steady_clock::now() - begin) / 100ms + 2 + watch.ends);
  // Who owns it is not known: the one that has the lock.
  unsigned killed = 0;
  for (unsigned i = 1; i <= count && watch.ends == 0; ++i) {
    const auto ends = watch.ends;
    h.processes[i - 1]->kill(SIGKILL);
    killed = i;
    if (i < 3) continue;
    run_until(h.on, [&] { return watch.ends > ends || watch.processes.size() == count - i; });
    if (watch.ends > ends) break;
  }
  CHECK(run_until(
      h.on, [&] { return same(watch.processes, keys(killed + 1, count)); }, 60s));
}

TEST_CASE("a lock's file and a socket that a dead process left are no hindrance") {
  port_bed bed;
  const std::string socket = bed.folder.file("s");
  bed.port.reset();
  CHECK_FALSE(std::filesystem::exists(socket));
  CHECK(std::filesystem::exists(socket + ".lock"));
  { port_process(port_settings(socket)).kill(SIGKILL); }
  {
    port_process one(port_settings(socket));
    REQUIRE(run_until(bed.on, [&] { return one.joined(); }));
    one.kill(SIGKILL);
  }
  CHECK(std::filesystem::exists(socket));
  port_notes notes;
  const drivers::shared_port port(bed.on, port_settings(socket), notes.events());
  CHECK(run_until(bed.on, [&] { return notes.joined; }));
  CHECK(port.owns());
}

TEST_CASE("the socket is its owner's only, whatever the umask") {
  const mode_t before = ::umask(0);
  port_bed bed;
  ::umask(before);
  struct stat what {};
  REQUIRE(::stat(bed.folder.file("s").c_str(), &what) == 0);
  CHECK((what.st_mode & 0777) == 0600);
  REQUIRE(::stat(bed.folder.file("s.lock").c_str(), &what) == 0);
  CHECK((what.st_mode & 0777) == 0600);
}

TEST_CASE("a TCP port that another program has is told, and the local socket is not left") {
  const int foreign = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  REQUIRE(::bind(foreign, reinterpret_cast<sockaddr*>(&at), size) == 0);
  REQUIRE(::listen(foreign, 1) == 0);
  REQUIRE(::getsockname(foreign, reinterpret_cast<sockaddr*>(&at), &size) == 0);
  const private_folder in;
  auto what = port_settings(in.file("s"));
  what.port = ntohs(at.sin_port);
  const std::string port = "port " + std::to_string(what.port);
  CHECK_THAT(failure_of(what),
             Contains(port) && Contains("another program or user has it") && Contains("--listen"));
  CHECK_FALSE(std::filesystem::exists(what.socket));
  what.host = "";  // all addresses: that one is among them
  CHECK_THAT(failure_of(what), Contains(port) && Contains("--listen"));
  // The lock is free: who has another port at that place gets it.
  what.port = 0;
  CHECK(failure_of(what).empty());
  ::close(foreign);
}

TEST_CASE("without a host both IPv4 and IPv6 are listened to") {
  port_bed bed([](auto& what) { what.host = ""; });
  CHECK(bed.serves({"127.0.0.1", bed.notes.port, {}}));
  if (std::filesystem::exists("/proc/sys/net/ipv6")) {
    CHECK(bed.serves({"::1", bed.notes.port, {}}));
  }
}

TEST_CASE("without TCP there is the socket alone") {
  port_bed bed([](auto& what) {
    what.tcp = false;
    what.secret = nullptr;
  });
  CHECK(bed.notes.port == 0);
  CHECK(bed.serves(bed.local()));
  auto what = port_settings(bed.folder.file("t"));
  what.secret = nullptr;
  CHECK_THROWS_AS(drivers::shared_port(bed.on, what, {}), configuration_error);
}

TEST_CASE("a place that cannot be is told") {
  const private_folder in;
  CHECK_THAT(failure_of(port_settings(in.file("none/s"))), Contains(in.file("none/s.lock")));
  CHECK_THAT(failure_of(port_settings(in.file(std::string(100, 'x')))), Contains("too long"));
  REQUIRE(::mkdir(in.file("d.lock").c_str(), 0700) == 0);
  CHECK_THAT(failure_of(port_settings(in.file("d"))), Contains(in.file("d.lock")));
}

TEST_CASE("the folder of local sockets is made for its user alone") {
  const private_folder in;
  const std::string folder = in.file("run");
  const runtime_dir named(folder);
  CHECK(drivers::local_socket_of(5700) == folder + "/5700.sock");
  struct stat what {};
  REQUIRE(::stat(folder.c_str(), &what) == 0);
  CHECK((what.st_mode & 0777) == 0700);
  CHECK(drivers::runtime_folder() == folder);
  for (const mode_t mode : {0755, 0750, 0710, 0701, 0707}) {
    REQUIRE(::chmod(folder.c_str(), mode) == 0);
    CHECK_THROWS_WITH(drivers::local_socket_of(5700), Contains("chmod 700 " + folder));
  }
  {
    const runtime_dir relative("run");
    CHECK_THROWS_WITH(drivers::runtime_folder(), Contains("'run': it is no absolute path"));
  }
  {
    const std::string deep = in.file(std::string(100, 'd'));
    const runtime_dir too_deep(deep);
    CHECK_THROWS_WITH(drivers::local_socket_of(5700),
                      Contains("longer than 107 bytes: '" + deep + "/5700.sock'"));
    REQUIRE(::rmdir(deep.c_str()) == 0);
  }
  REQUIRE(::chmod(folder.c_str(), 01777) == 0);
  CHECK_THROWS_WITH(drivers::local_socket_of(5700),
                    Contains("for all to use") && !Contains("chmod"));
  REQUIRE(::rmdir(folder.c_str()) == 0);
  std::ofstream(folder) << "a file";
  CHECK_THROWS_WITH(drivers::runtime_folder(), Contains("not a folder"));
  REQUIRE(::unlink(folder.c_str()) == 0);
  REQUIRE(::symlink(in.path().c_str(), folder.c_str()) == 0);
  CHECK_THROWS_WITH(drivers::runtime_folder(), Contains("not a folder"));
}

TEST_CASE("a key that is taken is not given twice") {
  host h;
  REQUIRE(h.start_behind_the_first(2));
  process_watch watch(h.on, h.local);
  port_process second(h.settings(2));
  h.on.run_for(200ms);
  CHECK_FALSE(second.joined());
  CHECK(h.ask(h.local, 2) == key_of(2) + " who?");
  h.processes[1]->kill(SIGKILL);
  CHECK(run_until(h.on, [&] { return second.joined(); }));
}

TEST_CASE("an owner that stands still is waited for") {
  host h;
  h.start(1);
  REQUIRE(h.all_joined());
  h.processes.front()->kill(SIGSTOP);
  h.start(2);
  h.on.run_for(100ms);
  CHECK_FALSE(h.processes.back()->joined());
  h.processes.front()->kill(SIGCONT);
  CHECK(h.all_joined());
}

TEST_CASE("the port may be destroyed in its events, and before them") {
  drivers::loop on;
  const private_folder in;
  std::optional<drivers::shared_port> port;
  int events = 0;
  SECTION("before") {
    port.emplace(on, port_settings(in.file("s")), drivers::shared_port::events{});
    port.reset();
    on.run_for(20ms);
  }
  SECTION("joined") {
    drivers::shared_port::events told;
    told.joined = [&](std::uint16_t) {
      ++events;
      port.reset();
    };
    port.emplace(on, port_settings(in.file("s")), told);
    REQUIRE(run_until(on, [&] { return events == 1; }));
  }
  SECTION("taken") {
    drivers::shared_port::events told;
    std::unique_ptr<drivers::channel> kept;
    note_taker theirs, mine;
    told.taken = [&](std::unique_ptr<drivers::channel> by) {
      ++events;
      by->set_handler(theirs);
      kept = std::move(by);
      port.reset();
    };
    port.emplace(on, port_settings(in.file("s")), told);
    const auto by = drivers::connect_channel(on, {{}, 0, in.file("s")}, own_key, nullptr, mine);
    on.run_for(20ms);
    if (mine.closed > 0) return;  // it was not there yet
    by->send("the channel lives on");
    REQUIRE(run_until(on, [&] { return theirs.frames.size() == 1; }));
  }
  SECTION("failed") {
    drivers::shared_port::events told;
    told.failed = [&](const std::string&) {
      ++events;
      port.reset();
    };
    port.emplace(on, port_settings(in.file("none/s")), told);
    REQUIRE(run_until(on, [&] { return events == 1; }));
  }
  CHECK_FALSE(port.has_value());
}
