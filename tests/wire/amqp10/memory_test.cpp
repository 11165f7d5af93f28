// SPDX-License-Identifier: Apache-2.0
// What a connection owns, counted at malloc: the whole process is watched, proton included.
// Not built with sanitizers, which replace malloc themselves.
#include "tests/wire/amqp10/couple.hpp"
#include "tests/wire/amqp10/script.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <malloc.h>
#include <memory>
#include <sstream>

namespace {

struct heap_use {
  std::size_t calls = 0;  ///< of malloc, calloc and realloc
  std::size_t bytes = 0;  ///< in use
  std::size_t most = 0;
};
heap_use heap;

}  // namespace

extern "C" {
// glibc's own functions, below the names that are replaced here.
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* old, std::size_t size);
void __libc_free(void* old);

void* malloc(std::size_t size) {
  void* const made = __libc_malloc(size);
  ++heap.calls;
  heap.bytes += malloc_usable_size(made);
  heap.most = std::max(heap.most, heap.bytes);
  return made;
}
void* calloc(std::size_t count, std::size_t size) {
  void* const made = __libc_calloc(count, size);
  ++heap.calls;
  heap.bytes += malloc_usable_size(made);
  heap.most = std::max(heap.most, heap.bytes);
  return made;
}
void* realloc(void* old, std::size_t size) {
  heap.bytes -= malloc_usable_size(old);
  void* const made = __libc_realloc(old, size);
  ++heap.calls;
  heap.bytes += malloc_usable_size(made);
  heap.most = std::max(heap.most, heap.bytes);
  return made;
}
void free(void* old) {
  heap.bytes -= malloc_usable_size(old);
  __libc_free(old);
}
}

namespace ombt::wire::amqp10::test {
using namespace script;

namespace {

/// Takes events without recording (and allocating) anything.
struct counter {
  std::size_t delivered = 0;
  std::size_t updated = 0;
  link in, out;
  void operator()(const event::delivered& e) {
    ++delivered;
    e.what.settle({outcome::kind::accepted, false, false, {}, {}});
    e.on.add_credit(1);
  }
  void operator()(const event::updated& e) {
    ++updated;
    e.what.settle();
  }
  template <class Other>
  void operator()(const Other&) {}
};

void feed(connection& bus, std::string_view bytes, counter& events, std::size_t piece = SIZE_MAX) {
  while (!bytes.empty()) {
    const auto room = bus.read_buffer();
    REQUIRE(!room.empty());
    const std::size_t n = std::min({room.size(), bytes.size(), piece});
    std::copy_n(bytes.begin(), n, room.begin());
    bytes.remove_prefix(n);
    bus.read_done(n, {});
    bus.drain([&](const auto& one) { events(one); });
  }
}

void flush(connection& bus) {
  for (auto all = bus.write_buffer(); !all.empty(); all = bus.write_buffer()) {
    bus.write_done(all.size(), {});
  }
}

/// A client as the oslo driver has it: two sessions with a link each.
std::unique_ptr<connection> open_client(const connection_options& options, counter& events) {
  auto bus = std::make_unique<connection>(options, "openstack.org/om/container/a/b/1/0123456789",
                                          "", "", false, time_point{});
  feed(*bus, header() + script::open(), events);
  events.in = bus->open_session().open_receiver("openstack.org/om/receiver/[rpc-response]/0",
                                                {"", true}, {"rpc-response"});
  events.out =
      bus->open_session().open_sender("openstack.org/om/sender/[addr]/0", {"address"}, {"address"});
  flush(*bus);
  feed(*bus, begin_answer(0, 0), events);
  feed(*bus, begin_answer(1, 1), events);
  feed(*bus, attach(0, 0, "openstack.org/om/receiver/[rpc-response]/0", false, "a/made/up/address"),
       events);
  feed(*bus, attach(1, 0, "openstack.org/om/sender/[addr]/0", true), events);
  events.in.add_credit(200);
  feed(*bus, flow(1, 0, 0, 1000000), events);
  flush(*bus);
  return bus;
}

/// Takes everything the peer begins, closes what it closes.
struct host {
  void operator()(const event::session_opened& e) { e.on.accept(); }
  void operator()(const event::link_opened& e) { e.on.accept({"a"}, {"a"}); }
  void operator()(const event::link_closed& e) { e.on.close(); }
  void operator()(const event::session_closed& e) { e.on.close(); }
  template <class Other>
  void operator()(const Other&) {}
};

}  // namespace

TEST_CASE("An idle connection with two links owns less than 40 KB, nearly all of it proton's") {
  const connection_options options;
  counter events;
  const std::string small = transfer(0, 0, 0, std::string(1024, 'x'));
  std::string pieces = transfer(0, 0, 1, "", false, true);
  for (int i = 0; i < 100; ++i) pieces += more_transfer(0, 0, std::string(10000, 'x'), i != 99);
  const std::string large = transfer(0, 0, 2, std::string(1000000, 'y'));
  const auto use = [&](connection& bus) {
    feed(bus, small, events, 10);
    feed(bus, pieces, events, 1460);
    feed(bus, large, events);
    flush(bus);
  };
  use(*open_client(options, events));  // what the process or thread keeps is not the connection's

  const std::size_t before = heap.bytes;
  auto bus = open_client(options, events);
  const std::size_t idle = heap.bytes - before;
  CAPTURE(idle);  // 37,784 on x86-64: 26 KB without sessions, 3 KB a session, 2.6 KB a link
  CHECK(idle < 40 * 1024);

  // Using it leaves little behind: neither a message in pieces nor a large one.
  use(*bus);
  CHECK(events.delivered == 6);
  const std::size_t used = heap.bytes - before;
  CAPTURE(used);  // 46,424
  CHECK(used > idle);
  CHECK(used < idle + 12 * 1024);
}

TEST_CASE("A connection gives back everything, open or closed, with all that was on it") {
  const connection_options options;
  counter events;
  const std::string some =
      transfer(0, 0, 0, "m") + transfer(0, 0, 1, std::string(5000, 'x'), false, true);
  const auto live = [&] {
    auto bus = open_client(options, events);
    feed(*bus, some, events);
    for (int i = 0; i < 10; ++i) (void)events.out.send("tag", some, false);
    bus->close();
  };
  live();
  const std::size_t before = heap.bytes;
  for (int i = 0; i < 10; ++i) live();
  CHECK(heap.bytes == before);
}

TEST_CASE(
    "Sending, a disposition, a delivery and its settling allocate nothing of ours once warm") {
  const connection_options options;
  counter events;
  auto bus = open_client(options, events);
  const std::string body(1024, 'x');
  std::vector<std::string> turns;
  for (std::uint64_t i = 0; i < 1000; ++i) {
    turns.push_back(transfer(0, 0, i, body) + disposition(1, true, i, i, true, accepted()));
  }
  std::size_t calls = 0;
  for (std::size_t i = 0; i < 1000; ++i) {
    if (i == 100) calls = heap.calls;
    (void)events.out.send("tag", body, false);
    flush(*bus);
    const auto room = bus->read_buffer();
    std::copy(turns[i].begin(), turns[i].end(), room.begin());
    bus->read_done(turns[i].size(), {});
    bus->drain([&](const auto& one) { events(one); });
  }
  CHECK(events.delivered == 1000);
  CHECK(events.updated == 1000);
  const std::size_t each = (heap.calls - calls) / 900;
  CAPTURE(each);
  CHECK(each == 0);
}

TEST_CASE("Memory follows the bytes received, not the sizes announced") {
  const connection_options options;
  counter events;
  auto bus = open_client(options, events);
  const std::size_t before = heap.bytes;
  // The head of a frame that claims 1 MiB.
  feed(*bus, u32(1 << 20) + "\2", events);
  CHECK(!bus->read_buffer().empty());
  CHECK(heap.bytes - before < 17000);
  heap.most = heap.bytes;
  std::string part(70000, '\0');
  feed(*bus, part, events, 5000);
  CHECK(!bus->read_buffer().empty());
  CHECK(heap.most - before < 500000);
}

TEST_CASE("A partial message's memory goes with its link, and with its abort") {
  const connection_options options;
  counter events;
  auto bus = open_client(options, events);
  const std::string start = transfer(0, 0, 0, std::string(500000, 'x'), false, true);
  const std::string again = transfer(0, 0, 1, std::string(500000, 'x'), false, true);
  const std::size_t before = heap.bytes;
  feed(*bus, start, events);
  CHECK(heap.bytes - before > 400000);
  feed(*bus, more_transfer(0, 0, "", true, true), events);
  flush(*bus);
  CHECK(heap.bytes - before < 12000);
  feed(*bus, again, events);
  events.in.close();
  feed(*bus, detach(0, 0), events);
  feed(*bus, frame(0, 0, ""), events);
  flush(*bus);
  CHECK(heap.bytes - before < 12000);
}

TEST_CASE("A hundred thousand links that came and went leave nothing behind") {
  connection_options options;
  options.side = role::server;
  host all;
  connection bus(options, "server", "", "", false, time_point{});
  const auto give = [&](std::string_view bytes) {
    while (!bytes.empty()) {
      const auto room = bus.read_buffer();
      REQUIRE(!room.empty());
      const std::size_t n = std::min(room.size(), bytes.size());
      std::copy_n(bytes.begin(), n, room.begin());
      bytes.remove_prefix(n);
      bus.read_done(n, {});
      bus.drain([&](const auto& one) { all(one); });
    }
    flush(bus);
  };
  give(opening());
  std::string links;
  for (int i = 0; i < 100; ++i) {
    links += begin(1) + attach(1, 0, "x", true) + end_session(1) + attach(0, 5, "y", false) +
             detach(0, 5);
  }
  for (int i = 0; i < 50; ++i) give(links);
  const std::size_t before = heap.bytes;
  for (int i = 0; i < 500; ++i) give(links);
  CHECK(heap.bytes <= before + 4096);
}

TEST_CASE("Once it is sent the password is nowhere in the process's memory that lasts") {
  // Written so that neither the password nor a copy for the search is in memory for this alone.
  constexpr std::array<unsigned char, 20> hidden = {0x14, 0x79, 0x22, 0x56, 0x31, 0x0b, 0x62,
                                                    0x77, 0x01, 0x39, 0x50, 0x43, 0x2e, 0x11,
                                                    0x6a, 0x05, 0x3c, 0x48, 0x27, 0x7d};
  const auto shown = [&](std::size_t i) { return static_cast<char>(hidden[i] ^ 0x5a); };
  connection_options options;
  std::unique_ptr<connection> bus;
  {
    std::array<char, hidden.size()> password{};
    for (std::size_t i = 0; i < hidden.size(); ++i) password[i] = shown(i);
    bus = std::make_unique<connection>(options, "client", "me",
                                       std::string_view(password.data(), password.size()), false,
                                       time_point{});
    explicit_bzero(password.data(), password.size());
  }
  const auto found = [&] {
    std::size_t count = 0;
    std::ifstream maps("/proc/self/maps");
    for (std::string line; std::getline(maps, line);) {
      std::uintptr_t from = 0;
      std::uintptr_t to = 0;
      char mode[5] = {};
      if (std::sscanf(line.c_str(), "%lx-%lx %4s", &from, &to, mode) != 3) continue;
      // The stack is written over by itself; the dynamic linker leaves registers there.
      if (line.ends_with("[stack]")) continue;
      if (std::strncmp(mode, "rw", 2) != 0 || to - from > std::uintptr_t{1} << 30) continue;
      const auto* const bytes = reinterpret_cast<const volatile char*>(from);
      for (std::size_t at = 0; at + hidden.size() <= to - from; ++at) {
        std::size_t same = 0;
        while (same < hidden.size() && bytes[at + same] == shown(same)) ++same;
        count += same == hidden.size();
      }
    }
    return count;
  };
  CHECK(found() != 0);  // the search finds it while it is needed
  counter events;
  feed(*bus, sasl_header() + mechanisms({"PLAIN"}), events);
  CHECK(found() != 0);
  flush(*bus);
  CHECK(found() == 0);
  feed(*bus, script::outcome(0) + header() + script::open(), events);
  CHECK(found() == 0);
}

}  // namespace ombt::wire::amqp10::test
