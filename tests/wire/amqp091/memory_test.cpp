// SPDX-License-Identifier: Apache-2.0
// What a connection owns, counted at malloc: the whole process is watched, rabbitmq-c included.
// Not built with sanitizers, which replace malloc themselves.
#include "tests/wire/amqp091/script.hpp"

#include <catch2/catch.hpp>

#include <cstddef>
#include <cstdlib>
#include <malloc.h>
#include <memory>

namespace {

struct heap_use {
  std::size_t calls = 0;  ///< of malloc, calloc and realloc
  std::size_t bytes = 0;  ///< in use
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
  return made;
}
void* calloc(std::size_t count, std::size_t size) {
  void* const made = __libc_calloc(count, size);
  ++heap.calls;
  heap.bytes += malloc_usable_size(made);
  return made;
}
void* realloc(void* old, std::size_t size) {
  heap.bytes -= malloc_usable_size(old);
  void* const made = __libc_realloc(old, size);
  ++heap.calls;
  heap.bytes += malloc_usable_size(made);
  return made;
}
void free(void* old) {
  heap.bytes -= malloc_usable_size(old);
  __libc_free(old);
}
}

using namespace ombt;
using namespace ombt::wire::amqp091;
using namespace ombt::wire::amqp091::script;

namespace {

/// Feeds without the recording (and allocating) of script::client; counts events.
struct counter {
  std::size_t delivered = 0;
  std::size_t confirmed = 0;
  void operator()(const event::delivered&) { ++delivered; }
  void operator()(const event::confirmed&) { ++confirmed; }
  template <class Other>
  void operator()(const Other&) {}
};

void feed(connection& bus, std::string_view bytes, time_point now, counter& events,
          std::size_t piece = SIZE_MAX) {
  while (!bytes.empty()) {
    const auto room = bus.read_buffer();
    REQUIRE(!room.empty());
    const std::size_t n = std::min({room.size(), bytes.size(), piece});
    std::copy_n(bytes.begin(), n, room.begin());
    bytes.remove_prefix(n);
    bus.read_done(n, now);
    bus.drain([&](const auto& one) { events(one); });
  }
}

void flush(connection& bus, time_point now) {
  while (!bus.write_buffer().empty()) bus.write_done(bus.write_buffer().size(), now);
}

std::unique_ptr<connection> open(const connection_options& options, thread_memory& memory,
                                 time_point now) {
  counter events;
  auto bus = std::make_unique<connection>(options, memory,
                                          "ombt-agent:12345:00000000-0000-0000-0000-000000000000",
                                          "guest", "guest", now);
  feed(*bus, handshake(), now, events);
  bus->open_channel(1);
  feed(*bus, channel_open_ok(1), now, events);
  bus->queue_declare(1, "q", false, false, {});
  bus->basic_consume(1, "q", "1", {});
  bus->confirm_select(1);
  feed(*bus, method(1, 50, 11, short_text("q") + u32(0) + u32(0)), now, events);
  feed(*bus, method(1, 60, 21, short_text("1")) + method(1, 85, 11), now, events);
  flush(*bus, now);
  return bus;
}

}  // namespace

TEST_CASE("An idle connection with one channel owns less than 1.5 KB") {
  const connection_options options;
  const time_point now{};
  thread_memory memory;
  counter events;
  open(options, memory, now);  // what the thread keeps is not the connection's
  const std::string delivery = message(1, "1", 1, "e", "k", std::string(1024, 'x'));
  const std::string large = message(1, "1", 2, "e", "k", std::string(1 << 20, 'x'));

  const std::size_t before = heap.bytes;
  auto bus = open(options, memory, now);
  const std::size_t idle = heap.bytes - before;
  CAPTURE(idle);  // 584 on x86-64
  CHECK(idle < 1536);

  // Using it leaves nothing behind: neither a message in pieces, nor a large one, nor a publish.
  feed(*bus, delivery, now, events, 10);
  feed(*bus, large, now, events);
  feed(*bus, large, now, events, 1460);
  bus->publish(1, "", "q", true, oslo_properties(), std::string(3000, 'y'));
  flush(*bus, now);
  CHECK(events.delivered == 3);
  const std::size_t with_spare_blocks = heap.bytes;
  bus.reset();
  CHECK(with_spare_blocks - heap.bytes <= idle);
}

TEST_CASE("A thread keeps a bounded number of spare blocks, however much went through") {
  const connection_options options;
  const time_point now{};
  thread_memory memory;
  counter events;
  open(options, memory, now);
  const std::size_t before = heap.bytes;
  {
    std::vector<std::unique_ptr<connection>> many;
    for (int i = 0; i < 200; ++i) {
      many.push_back(open(options, memory, now));
      many.back()->publish(1, "", "q", true, {}, std::string(100000, 'y'));
    }
    for (auto& bus : many) flush(*bus, now);
  }
  CHECK(heap.bytes - before < 32 * 66000);
}

TEST_CASE("Publish, confirm, delivery and ack allocate nothing once warm") {
  const connection_options options;
  const time_point now{};
  thread_memory memory;
  counter events;
  auto bus = open(options, memory, now);
  const std::string text(1024, 'x');
  properties header = oslo_properties();
  header.expiration = "60000";
  std::vector<std::string> turns;
  for (std::uint64_t i = 1; i <= 1000; ++i) {
    turns.push_back(message(1, "1", i, "ex", "key", text) + ack(1, i));
  }
  std::size_t calls = 0;
  for (std::uint64_t i = 1; i <= 1000; ++i) {
    if (i == 10) calls = heap.calls;
    REQUIRE(bus->publish(1, "ex", "key", false, header, text) == i);
    bus->ack(1, i, false);
    flush(*bus, now);
    const auto room = bus->read_buffer();
    const std::string& turn = turns[i - 1];
    std::copy(turn.begin(), turn.end(), room.begin());
    bus->read_done(turn.size(), now);
    bus->drain([&](const auto& one) { events(one); });
  }
  // Catch's own assertions allocate; count what 990 of them cost without the connection.
  const std::size_t with_catch = heap.calls - calls;
  calls = heap.calls;
  for (std::uint64_t i = 10; i <= 1000; ++i) REQUIRE(i != 0);
  CHECK(with_catch <= heap.calls - calls + 2);
  CHECK(events.delivered == 1000);
  CHECK(events.confirmed == 1000);
}

TEST_CASE("Memory follows the bytes received, not the sizes announced") {
  const connection_options options;
  const time_point now{};
  thread_memory memory;
  counter events;
  auto bus = open(options, memory, now);
  const std::size_t before = heap.bytes;
  // The head of a frame that claims 128 KiB, and a header that claims 64 MiB.
  feed(*bus,
       deliver(1, "1", 1, "e", "k") + message_header(1, 64 << 20) + u8(3) + u16(1) + u32(131064),
       now, events);
  CHECK(bus->read_buffer().size() > 0);
  CHECK(heap.bytes - before < 16384);
  feed(*bus, std::string(5000, 'x'), now, events);
  CHECK(bus->read_buffer().size() > 0);
  CHECK(heap.bytes - before < 65536);
}

TEST_CASE("A body that is passed over is kept nowhere, whatever its size and its frames") {
  connection_options options;
  options.body_limit = 1000;
  const time_point now{};
  thread_memory memory;
  counter events;
  auto bus = open(options, memory, now);
  const std::size_t chunk = GENERATE(as<std::size_t>(), 4000, 131064);
  const std::string one = body(1, std::string(chunk, 'x'));
  feed(*bus, deliver(1, "1", 1, "e", "k") + message_header(1, 100 * chunk), now, events);
  feed(*bus, one, now, events);
  const std::size_t before = heap.bytes;
  for (int i = 0; i < 50; ++i) {
    feed(*bus, one, now, events, 60000);
    // The largest spare block that a thread keeps may come and go.
    REQUIRE(heap.bytes < before + 131072);
  }
  for (int i = 0; i < 49; ++i) feed(*bus, one, now, events);
  feed(*bus, message(1, "1", 2, "e", "k", "fits"), now, events);
  CHECK(events.delivered == 1);
}
