// SPDX-License-Identifier: Apache-2.0
// Judging a frame before proton gets it. Proton trusts its peer in places where this must not: it
// maps a channel or handle twice, takes transfers without credit and on links that it sends on,
// lets a flow's delivery-count make credit of any size, and takes any frame before open.
#include "wire/amqp10/engine.hpp"

#include <proton/condition.h>
#include <proton/link.h>
#include <proton/transport.h>

#include <array>
#include <cstring>

namespace ombt::wire::amqp10 {
namespace {

/// Bytes of a performative, a transfer's payload not counted. Names and addresses are in them.
constexpr std::size_t performative_limit = 16384;
constexpr std::size_t open_limit = 65536;
/// Bytes of begin, attach, detach and end that a peer may send without reading the answers.
constexpr std::size_t answered_limit = std::size_t{4} << 20;
constexpr std::size_t unproduced_limit = 8192;
constexpr std::uint32_t largest_handle = 0x7fffffff;  ///< proton has other uses for those above
constexpr std::size_t largest_tag = 32;               ///< 2.8.7

/// Link credit that is given to proton: it counts in 32 bits with a sign.
constexpr std::uint32_t most_credit = std::uint32_t{1} << 30;

constexpr const char* framing_error = "amqp:connection:framing-error";

bool wants_answer(std::uint64_t code) noexcept {
  return code == begin_code || code == attach_code || code == detach_code || code == end_code;
}

}  // namespace

void engine::take_frame(const frame& f) {
  fed_ = {};
  if (f.type != 0) return breach(framing_error, "a frame that is not AMQP's");
  if (f.body.empty()) return;
  performative fields;
  const char* why = fields.read(f.body);
  if (why != nullptr) return breach("amqp:decode-error", why);
  const std::uint64_t code = fields.code();
  if (phase_ == phase::closing && code != close_code) return;
  const bool large = code == open_code || code == close_code;
  if (fields.size() > (large ? open_limit : performative_limit)) {
    return breach("amqp:resource-limit-exceeded", "a performative above the size that is allowed");
  }
  if (wants_answer(code)) {
    // What proton has not written yet it looks for in lists: they are kept short.
    unproduced_ += fields.size();
    if (unproduced_ > unproduced_limit) produce();
    answered_ += fields.size();
    if (answered_ > answered_limit) {
      return breach("amqp:resource-limit-exceeded", "the answers are not read");
    }
  }
  fed_.channel = f.channel;
  why = judge(f, fields);
  if (why == nullptr && fields.wrong()) why = "a field of a wrong type";
  if (why != nullptr) return breach("amqp:not-allowed", why);
  feed(f, fields.size(), code == close_code);
}

const char* engine::judge(const frame& f, performative& fields) {
  const std::uint64_t code = fields.code();
  if (code == close_code) {
    return phase_ == phase::opening ? "a close before open" : nullptr;
  }
  if (code == open_code) return phase_ == phase::opening ? nullptr : "a second open";
  if (phase_ == phase::opening) return "a frame before open";
  fed_.session = channels_.find(f.channel);
  if (code == begin_code) return judge_begin(fields);
  if (fed_.session == nullptr) return "a frame on a channel without a session";
  switch (code) {
    case attach_code:
      return judge_attach(fields);
    case flow_code:
      return judge_flow(fields);
    case transfer_code:
      fed_.payload = f.body.substr(fields.size());
      return judge_transfer(fields);
    case disposition_code:
      fields.truth(0);
      fields.number(2);
      return fields.number(1) ? nullptr : "a disposition that names no delivery";
    case detach_code:
      return judge_detach(fields);
    case end_code:
      return nullptr;
    default:
      return "an unknown performative";
  }
}

const char* engine::judge_begin(const performative& fields) {
  if (fed_.session != nullptr) return "a begin on a channel that has a session";
  fed_.answer = fields.raw(0).front() != '\x40';
  if (!fed_.answer && session_count_ > options_.channel_max) return "more sessions than allowed";
  return nullptr;
}

const char* engine::judge_attach(performative& fields) {
  const auto name = fields.text(0);
  const auto handle = fields.number(1);
  const auto is_receiver = fields.truth(2);
  if (!name || !handle || !is_receiver) return "an attach without name, handle or role";
  if (*handle > largest_handle) return "a handle that is too large";
  if (fed_.session->handles.find(*handle) != nullptr) return "a handle that is in use";
  fed_.handle = *handle;
  if (!*is_receiver) fed_.delivery_count = fields.number(9).value_or(0);
  return nullptr;
}

const char* engine::judge_flow(performative& fields) {
  for (const std::size_t i : {0, 1, 2, 3}) fields.number(i);
  if (fields.number(6).value_or(0) > most_credit) lower_credit(fields.raw(6));
  fields.truth(8);
  const auto count = fields.number(5);
  const auto handle = fields.number(4);
  if (!handle) return nullptr;
  link_state* const on = fed_.session->handles.find(*handle);
  if (on == nullptr) return "a flow for a handle that is not attached";
  fed_.link = on;
  if (on->sender) {
    fed_.credit = true;
    return nullptr;
  }
  // A sender may only skip ahead over credit that it has.
  const std::uint32_t skipped = count.value_or(0) - on->delivery_count;
  if (skipped == 0) return nullptr;
  const int left = pn_link_credit(on->raw) - (on->arriving ? 1 : 0);
  if (left < 0 || skipped > static_cast<std::uint32_t>(left)) {
    return "a flow with a delivery-count that was never allowed";
  }
  on->delivery_count += skipped;
  fed_.credit = pn_link_get_drain(on->raw);
  return nullptr;
}

/// Writes over a number of four bytes, which `encoded` names in what was read.
void engine::lower_credit(std::string_view encoded) {
  char* const at = in_.data.get() + (encoded.data() - in_.data.get()) + 1;
  for (int i = 0; i < 4; ++i) at[i] = static_cast<char>(most_credit >> (24 - 8 * i));
}

const char* engine::judge_transfer(performative& fields) {
  const auto handle = fields.number(0);
  if (!handle) return "a transfer without a handle";
  link_state* const on = fed_.session->handles.find(*handle);
  if (on == nullptr) return "a transfer on a handle that is not attached";
  if (on->sender) return "a transfer on a link in the other direction";
  const auto id = fields.number(1);
  const auto tag = fields.text(2);
  fields.truth(4);
  fields.truth(8);
  const bool more = fields.truth(5).value_or(false);
  const bool aborted = fields.truth(9).value_or(false);
  if (!on->arriving) {
    if (!id || !tag) return "a transfer that begins a message without delivery-id or tag";
    if (tag->size() > largest_tag) return "a delivery-tag above 32 bytes";
    if (pn_link_credit(on->raw) <= 0) return "a transfer without credit";
    ++on->delivery_count;
  }
  on->arriving = more && !aborted;
  fed_.link = on;
  return nullptr;
}

const char* engine::judge_detach(performative& fields) {
  const auto handle = fields.number(0);
  fields.truth(1);
  if (!handle) return "a detach without a handle";
  if (fed_.session->handles.find(*handle) == nullptr) {
    return "a detach of a handle that is not attached";
  }
  return nullptr;
}

/// Gives proton the first `size` bytes of the frame's body, as a frame of its own.
void engine::feed(const frame& f, std::size_t size, bool is_close) {
  const std::size_t whole = size + frame_header_size;
  const std::array<char, frame_header_size> header{static_cast<char>(whole >> 24),
                                                   static_cast<char>(whole >> 16),
                                                   static_cast<char>(whole >> 8),
                                                   static_cast<char>(whole),
                                                   2,
                                                   0,
                                                   static_cast<char>(f.channel >> 8),
                                                   static_cast<char>(f.channel)};
  changed_ = true;
  const bool taken = push({header.data(), header.size()}, f.body.substr(0, size));
  pn_condition_t* const condition = pn_transport_condition(proton_.transport);
  if (pn_condition_is_set(condition)) {
    const char* const name = pn_condition_get_name(condition);
    const char* const text = pn_condition_get_description(condition);
    return breach(name != nullptr ? name : "", printable(text != nullptr ? text : ""));
  }
  // Behind a close proton takes nothing more; behind any other frame that means an error.
  if (!taken || (!is_close && pn_transport_tail_closed(proton_.transport))) {
    breach("amqp:decode-error", "a frame that cannot be read");
  }
}

bool engine::push(std::string_view first, std::string_view second) {
  // At once, where it has room: it looks at all that it has got each time.
  const std::size_t size = first.size() + second.size();
  const ssize_t room = pn_transport_capacity(proton_.transport);
  if (room < 0 || size > static_cast<std::size_t>(room)) return push(first) && push(second);
  char* const tail = pn_transport_tail(proton_.transport);
  std::memcpy(tail, first.data(), first.size());
  std::memcpy(tail + first.size(), second.data(), second.size());
  return pn_transport_process(proton_.transport, size) == 0;
}

bool engine::push(std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = pn_transport_push(proton_.transport, bytes.data(), bytes.size());
    if (n <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(n));
  }
  return true;
}

}  // namespace ombt::wire::amqp10
