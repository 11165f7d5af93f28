// SPDX-License-Identifier: Apache-2.0
#include "agents/measure/trip_notes.hpp"

#include "agents/measure/boot_id.hpp"
#include "agents/measure/clock.hpp"

#include <charconv>
#include <iterator>

namespace ombt::agents {
namespace {

/// Differences of instants within it do not overflow.
constexpr std::int64_t furthest = std::int64_t{1} << 61;

void append_number(std::string& out, std::string_view key, std::int64_t number) {
  char digits[24];
  const auto end = std::to_chars(digits, std::end(digits), number).ptr;
  out.append(key).append(digits, end);
}

void append_stamp(std::string& out, const stamp& at) {
  out += R"({"boot": )";
  wire::json::append_string(out, at.boot);
  append_number(out, R"(, "mono": )", at.monotonic);
  append_number(out, R"(, "real": )", at.real);
}

void append_site(std::string& out, std::string_view site) {
  if (!site.empty()) wire::json::append_string(out += R"(, "site": )", site);
  out += '}';
}

bool read_number(wire::json::value from, std::int64_t& into) noexcept {
  const auto number = from.integer();
  if (!number || *number <= -furthest || *number >= furthest) return false;
  into = *number;
  return true;
}

bool read_stamp(wire::json::value from, stamp& into) noexcept {
  const auto boot = from["boot"].string();
  if (!boot || boot->size() > boot_limit) return false;
  into.boot = *boot;
  return read_number(from["mono"], into.monotonic) && read_number(from["real"], into.real);
}

/// What may be left out.
bool read_rest(wire::json::value from, std::string_view key, std::int64_t& number,
               std::string_view& site) noexcept {
  const auto given = from[key];
  if (given && (!read_number(given, number) || number < 0)) return false;
  const auto named = from["site"];
  if (!named) return true;
  const auto name = named.string();
  if (!name || !wire::control::is_site(*name)) return false;
  site = *name;
  return true;
}

}  // namespace

stamp stamp_at(std::chrono::steady_clock::time_point at) noexcept {
  using namespace std::chrono;
  const nanoseconds ago = steady_clock::now() - at;
  return {std::string_view(boot_id()).substr(0, boot_limit),
          nanoseconds(at.time_since_epoch()).count(), real_now() - ago.count()};
}

std::int64_t between(const stamp& from, const stamp& to) noexcept {
  if (from.boot == to.boot && !to.boot.empty()) return to.monotonic - from.monotonic;
  return to.real - from.real;
}

call_legs legs_of(const stamp& sent, const reply_note& note, const stamp& completed) noexcept {
  stamp replied = note.received;
  replied.monotonic += note.took;
  replied.real += note.took;
  return {between(sent, note.received), note.took, between(replied, completed)};
}

void append_context(std::string& out, const request_note& note) {
  out += R"({"ombt": )";
  append_stamp(out, note.sent);
  if (note.late > 0) append_number(out, R"(, "late": )", note.late);
  append_site(out, note.site);
  out += '}';
}

void append_note(std::string& out, const reply_note& note) {
  append_stamp(out, note.received);
  append_number(out, R"(, "took": )", note.took);
  append_site(out, note.site);
}

std::optional<request_note> read_request_note(wire::json::value from) noexcept {
  request_note note;
  if (!read_stamp(from, note.sent) || !read_rest(from, "late", note.late, note.site)) return {};
  return note;
}

std::optional<reply_note> read_reply_note(wire::json::value from) noexcept {
  reply_note note;
  if (!from["took"] || !read_stamp(from, note.received) ||
      !read_rest(from, "took", note.took, note.site)) {
    return {};
  }
  return note;
}

}  // namespace ombt::agents
