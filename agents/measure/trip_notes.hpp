// SPDX-License-Identifier: Apache-2.0
#pragma once
// What native agents tell each other with a message and its reply, so that the legs of a call can
// be told apart and counted by site: when it was sent and meant to be sent, when it arrived and was
// answered, and from which site. It travels in a request's context under the key "ombt" and in a
// reply's note (drivers/transport.hpp), both of which oslo.messaging and ombt ignore. Rendering,
// reading, and the clocks of their instants; no state.
//
// {"boot": "<machine>", "mono": ns, "real": ns, "late": ns, "site": "…"} with a request,
// {"boot": "<machine>", "mono": ns, "real": ns, "took": ns, "site": "…"} with a reply; late and
// site only where there is something to say.

#include "wire/control/site_counts.hpp"
#include "wire/json/value.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ombt::agents {

/// Longest boot id that is written or believed, bytes.
inline constexpr std::size_t boot_limit = 36;
using wire::control::site_limit;

/// An instant on both clocks of a machine.
struct stamp {
  std::string_view boot;       ///< the machine, while it is not restarted; at most boot_limit bytes
  std::int64_t monotonic = 0;  ///< ns of CLOCK_MONOTONIC, the same for all processes of a machine
  std::int64_t real = 0;       ///< ns since the epoch, corrected to the controller's clock
};

/// An instant of this process's CLOCK_MONOTONIC that is not long ago, on both clocks.
stamp stamp_at(std::chrono::steady_clock::time_point at) noexcept;

/// Nanoseconds from one instant to another, below zero where clocks are apart: on one machine by
/// the monotonic clock, else by the real ones.
std::int64_t between(const stamp& from, const stamp& to) noexcept;

struct request_note {
  stamp sent;
  std::int64_t late = 0;  ///< ns after the instant that it was meant to be sent at
  std::string_view site;  ///< the client's; empty: it has none
};

struct reply_note {
  stamp received;
  std::int64_t took = 0;  ///< ns until the reply was made
  std::string_view site;  ///< the server's
};

/// Where the time of a call went, nanoseconds; their sum is its round trip. Between machines the
/// first and the last are below zero where clocks are apart.
struct call_legs {
  std::int64_t request = 0;  ///< until the server had read the request
  std::int64_t server = 0;   ///< from there until it had made the reply
  std::int64_t reply = 0;    ///< from there until the call had completed
};
/// Of a call that was sent and had completed then, both at the client, by its server's note.
call_legs legs_of(const stamp& sent, const reply_note& note, const stamp& completed) noexcept;

/// Appends a request's context: {"ombt": {…}}.
void append_context(std::string& out, const request_note& note);
/// Appends a reply's note.
void append_note(std::string& out, const reply_note& note);

/// Each reads the object; views live as long as the message. Empty for none, and for one that no
/// native agent writes: instants that are no numbers or beyond any clock, a machine that is
/// too long, a site that is none.
std::optional<request_note> read_request_note(wire::json::value from) noexcept;
std::optional<reply_note> read_reply_note(wire::json::value from) noexcept;

}  // namespace ombt::agents
