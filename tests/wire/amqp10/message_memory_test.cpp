// SPDX-License-Identifier: Apache-2.0
// Reading a message takes no memory: allocations are counted by an operator new of this program's
// own.
#include "wire/amqp10/message.hpp"

#include <catch2/catch.hpp>

#include <cstdlib>
#include <new>
#include <string>

namespace {
std::size_t allocations = 0;
}

void* operator new(std::size_t size) {
  ++allocations;
  if (void* const memory = std::malloc(size)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

using namespace ombt::wire::amqp10;

TEST_CASE("reading a message allocates nothing, writing into room that is there neither") {
  const std::string body(100'000, 'x');
  message m;
  m.ttl = std::chrono::seconds{60};
  m.id = m.to = m.reply_to = m.correlation_id = "a text above what a string holds within itself";
  m.kind = message::body_kind::text;
  m.body = body;
  std::string encoded;
  encoded.reserve(2 * body.size());
  const std::size_t before = allocations;
  append_message(encoded, m);
  message back;
  const bool failed = static_cast<bool>(read_message(encoded, back));
  const std::size_t after = allocations;
  CHECK(after == before);
  REQUIRE_FALSE(failed);
  CHECK((back.body == body));
  CHECK(before > 0);
}
