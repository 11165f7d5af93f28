// SPDX-License-Identifier: Apache-2.0
#include "agents/measure/trip_notes.hpp"

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

bool read_text(wire::json::value from, std::size_t limit, std::string_view& into) noexcept {
  const auto text = from.string();
  if (!text || text->size() > limit) return false;
  into = *text;
  return true;
}

bool read_stamp(wire::json::value from, stamp& into) noexcept {
  return read_text(from["boot"], boot_limit, into.boot) &&
         read_number(from["mono"], into.monotonic) && read_number(from["real"], into.real);
}

/// What may be left out.
bool read_rest(wire::json::value from, std::string_view key, std::int64_t& number,
               std::string_view& site) noexcept {
  const auto given = from[key];
  if (given && (!read_number(given, number) || number < 0)) return false;
  const auto named = from["site"];
  return !named || read_text(named, site_limit, site);
}

}  // namespace

std::int64_t between(const stamp& from, const stamp& to) noexcept {
  if (from.boot == to.boot && !to.boot.empty()) return to.monotonic - from.monotonic;
  return to.real - from.real;
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
