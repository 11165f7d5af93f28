// SPDX-License-Identifier: Apache-2.0
#include "tests/wire/amqp10/script.hpp"

namespace ombt::wire::amqp10::script {
namespace {

std::string compound(unsigned code, std::initializer_list<std::string> items) {
  std::string all;
  for (const std::string& one : items) all += one;
  return u8(code) + u32(all.size() + 4) + u32(items.size()) + all;
}

std::string sized(unsigned code, std::string_view v) {
  return u8(code) + u32(v.size()) + std::string(v);
}

}  // namespace

std::string u8(unsigned v) { return std::string(1, static_cast<char>(v)); }
std::string u16(unsigned v) { return u8(v >> 8 & 255) + u8(v & 255); }
std::string u32(std::uint64_t v) {
  return u16(static_cast<unsigned>(v >> 16 & 0xffff)) + u16(static_cast<unsigned>(v & 0xffff));
}

std::string null() { return u8(0x40); }
std::string boolean(bool v) { return u8(v ? 0x41 : 0x42); }
std::string ubyte(unsigned v) { return u8(0x50) + u8(v); }
std::string ushort(unsigned v) { return u8(0x60) + u16(v); }
std::string uint(std::uint64_t v) { return u8(0x70) + u32(v); }
std::string binary(std::string_view v) { return sized(0xb0, v); }
std::string text(std::string_view v) { return sized(0xb1, v); }
std::string symbol(std::string_view v) { return sized(0xb3, v); }
std::string list(std::initializer_list<std::string> items) { return compound(0xd0, items); }
std::string map(std::initializer_list<std::string> items) { return compound(0xd1, items); }
std::string described(unsigned code, std::string_view value) {
  return u8(0) + u8(0x53) + u8(code) + std::string(value);
}
std::string nested(std::size_t depth) {
  // From the inside out would take quadratic time.
  std::string value;
  value.reserve(depth * 9 + 1);
  for (std::size_t left = depth; left != 0; --left) value += u8(0xd0) + u32(left * 9 - 4) + u32(1);
  return value + u8(0x45);
}

std::string header() { return std::string("AMQP\0\1\0\0", 8); }
std::string sasl_header() { return std::string("AMQP\3\1\0\0", 8); }
std::string frame(unsigned type, unsigned channel, std::string_view body) {
  return u32(body.size() + 8) + u8(2) + u8(type) + u16(channel) + std::string(body);
}
std::string performative(unsigned channel, unsigned code, std::initializer_list<std::string> fields,
                         std::string_view payload) {
  return frame(0, channel, described(code, list(fields)) + std::string(payload));
}
std::string sasl(unsigned code, std::initializer_list<std::string> fields) {
  return frame(1, 0, described(code, list(fields)));
}
std::string mechanisms(std::initializer_list<std::string> names) {
  std::string all;
  for (const std::string& one : names) all += u8(static_cast<unsigned>(one.size())) + one;
  return sasl(0x40, {u8(0xf0) + u32(all.size() + 5) + u32(names.size()) + u8(0xa3) + all});
}
std::string init(std::string_view mechanism, std::string_view response) {
  return sasl(0x41, {symbol(mechanism), binary(response)});
}
std::string outcome(unsigned code) { return sasl(0x44, {ubyte(code)}); }

std::string open(std::string_view container, std::string_view properties) {
  return performative(0, 0x10,
                      {text(container), null(), null(), null(), null(), null(), null(), null(),
                       null(), properties.empty() ? null() : std::string(properties)});
}
std::string open_idle(std::uint32_t idle_timeout) {
  return performative(0, 0x10, {text("peer"), null(), null(), null(), uint(idle_timeout)});
}
std::string begin(unsigned channel) {
  return performative(channel, 0x11, {null(), uint(0), uint(0x7fffffff), uint(0x7fffffff)});
}
std::string begin_answer(unsigned channel, unsigned remote_channel) {
  return performative(channel, 0x11,
                      {ushort(remote_channel), uint(0), uint(0x7fffffff), uint(0x7fffffff)});
}
std::string attach(unsigned channel, std::uint64_t handle, std::string_view name, bool is_receiver,
                   std::string_view address) {
  return performative(channel, 0x12,
                      {text(name), uint(handle), boolean(is_receiver), null(), null(),
                       described(0x28, list({text(address)})),
                       described(0x29, list({text(address)})), null(), null(), uint(0)});
}
std::string flow(unsigned channel, std::uint64_t handle, std::uint64_t count, std::uint64_t credit,
                 bool drain) {
  return performative(channel, 0x13,
                      {uint(0), uint(0x7fffffff), uint(0), uint(0x7fffffff), uint(handle),
                       uint(count), uint(credit), null(), boolean(drain)});
}
std::string transfer(unsigned channel, std::uint64_t handle, std::uint64_t id,
                     std::string_view payload, bool settled, bool more, bool aborted) {
  return performative(channel, 0x14,
                      {uint(handle), uint(id), binary("tag"), uint(0), boolean(settled),
                       boolean(more), null(), null(), null(), boolean(aborted)},
                      payload);
}
std::string more_transfer(unsigned channel, std::uint64_t handle, std::string_view payload,
                          bool more, bool aborted) {
  return performative(channel, 0x14,
                      {uint(handle), null(), null(), null(), null(), boolean(more), null(), null(),
                       null(), boolean(aborted)},
                      payload);
}
std::string disposition(unsigned channel, bool is_receiver, std::uint64_t first, std::uint64_t last,
                        bool settled, std::string_view state) {
  return performative(
      channel, 0x15,
      {boolean(is_receiver), uint(first), uint(last), boolean(settled), std::string(state)});
}
std::string accepted() { return described(0x24, u8(0x45)); }
std::string detach(unsigned channel, std::uint64_t handle, bool closed) {
  return performative(channel, 0x16, {uint(handle), boolean(closed)});
}
std::string end_session(unsigned channel) { return performative(channel, 0x17, {}); }
std::string close() { return performative(0, 0x18, {}); }

std::string opening() { return header() + open() + begin(0); }

}  // namespace ombt::wire::amqp10::script
