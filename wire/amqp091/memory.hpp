// SPDX-License-Identifier: Apache-2.0
#pragma once
// Memory of one I/O thread that its AMQP 0-9-1 connections share: the buffer that sockets are
// read into, spare blocks for what is waiting to be written or half read, and the codec's pool.
// Internal to wire/amqp091. One thread.

#include "wire/amqp091/codec.hpp"
#include "wire/blocks.hpp"

#include <cstddef>
#include <memory>

namespace ombt::wire::amqp091 {

/// What thread_memory holds.
struct thread_scratch {
  static constexpr std::size_t read_size = 65536;
  std::unique_ptr<char[]> read{new char[read_size]};
  block_cache blocks;
  codec code;
};

}  // namespace ombt::wire::amqp091
