// SPDX-License-Identifier: Apache-2.0
#pragma once
// The parts of the AMQP 0-9-1 handshake that are decisions, not state: which login to answer
// with, what start-ok says, what is agreed at tune. The states are the engine's.
// Internal to wire/amqp091.
// Source: amqp/connection.py (_on_start, _on_tune) and amqp/sasl.py of py-amqp 5.1.1, and the
// client properties that oslo_messaging/_drivers/impl_rabbit.py gives it.

#include "wire/amqp091/codec.hpp"
#include "wire/amqp091/memory.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace ombt::wire::amqp091 {

/// What is needed until the connection is open, and then freed.
struct handshake_data {
  std::string name;  ///< client property connection_name
  std::string user;
  std::string password;
  std::string product;          ///< of the broker
  std::string product_version;  ///< of the broker

  /// Overwrites and frees user and password.
  void forget_login() noexcept;
  ~handshake_data() { forget_login(); }
};

/// The mechanism's name in start and start-ok.
std::string_view name_of(sasl_mechanism mechanism) noexcept;

/// True when a space-separated list of mechanisms has that one.
bool offers(std::string_view mechanisms, std::string_view name) noexcept;

/// Text of a peer for a message: printable ASCII, at most 200 characters.
std::string printable(std::string_view text);

/// Queues start-ok. False if it does not fit the 4,096 bytes that a frame may have here.
bool write_start_ok(out_buffer& out, const connection_options& options, const handshake_data& data);

struct tuning {
  std::uint16_t channel_max;
  std::uint32_t frame_max;
  std::uint16_t heartbeat;  ///< seconds
};

/// What tune-ok answers to the broker's proposal. channel_max: the broker's, or ours where it sets
/// no limit. frame_max: the smaller, 0 of the broker being none. heartbeat: none if ours is 0,
/// ours if the broker's is 0, else the smaller.
tuning agree(const connection_options& options, const amqp_connection_tune_t& proposed) noexcept;

}  // namespace ombt::wire::amqp091
