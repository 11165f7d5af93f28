// SPDX-License-Identifier: Apache-2.0
#pragma once
// AMQP 1.0 bytes made by hand, for tests: what a peer says that the code under test would not say
// itself, and so that it is not its own judge.

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

namespace ombt::wire::amqp10::script {

std::string u8(unsigned v);
std::string u16(unsigned v);
std::string u32(std::uint64_t v);

// Values
std::string null();
std::string boolean(bool v);
std::string ubyte(unsigned v);
std::string ushort(unsigned v);
std::string uint(std::uint64_t v);
std::string binary(std::string_view v);
std::string text(std::string_view v);
std::string symbol(std::string_view v);
std::string list(std::initializer_list<std::string> items);
std::string map(std::initializer_list<std::string> items);
std::string described(unsigned code, std::string_view value);
/// Lists in a list in a list …
std::string nested(std::size_t depth);

// Frames
std::string header();       ///< of AMQP
std::string sasl_header();  ///< of SASL
std::string frame(unsigned type, unsigned channel, std::string_view body);
std::string performative(unsigned channel, unsigned code, std::initializer_list<std::string> fields,
                         std::string_view payload = {});
std::string sasl(unsigned code, std::initializer_list<std::string> fields);
std::string mechanisms(std::initializer_list<std::string> names);
std::string init(std::string_view mechanism, std::string_view response);
std::string outcome(unsigned code);

// What a peer says
std::string open(std::string_view container = "peer", std::string_view properties = {});
std::string open_idle(std::uint32_t idle_timeout);
std::string begin(unsigned channel);
std::string begin_answer(unsigned channel, unsigned remote_channel);
/// A source and a target with an address; is_receiver: the peer's role.
std::string attach(unsigned channel, std::uint64_t handle, std::string_view name, bool is_receiver,
                   std::string_view address = "a");
std::string flow(unsigned channel, std::uint64_t handle, std::uint64_t count, std::uint64_t credit,
                 bool drain = false);
std::string transfer(unsigned channel, std::uint64_t handle, std::uint64_t id,
                     std::string_view payload, bool settled = false, bool more = false,
                     bool aborted = false);
/// A further transfer of a message that has begun.
std::string more_transfer(unsigned channel, std::uint64_t handle, std::string_view payload,
                          bool more, bool aborted = false);
std::string disposition(unsigned channel, bool is_receiver, std::uint64_t first, std::uint64_t last,
                        bool settled, std::string_view state);
std::string accepted();
std::string detach(unsigned channel, std::uint64_t handle, bool closed = true);
std::string end_session(unsigned channel);
std::string close();

/// Header, open, a session on channel 0.
std::string opening();

}  // namespace ombt::wire::amqp10::script
