// SPDX-License-Identifier: Apache-2.0
#include "wire/control/arrivals.hpp"

#include "wire/control/field_reader.hpp"
#include "wire/control/ledger.hpp"
#include "wire/hdr/base64.hpp"

#include <algorithm>
#include <cmath>

namespace ombt::wire::control {
namespace {

constexpr std::uint64_t most_servers = std::uint64_t{1} << 24;
constexpr std::uint64_t zigzag_limit = UINT32_MAX;

void append_leb128(std::string& out, std::uint64_t number) {
  for (; number >= 0x80; number >>= 7) out += static_cast<char>(0x80 | (number & 0x7f));
  out += static_cast<char>(number);
}

std::uint64_t zigzag(arrival_time time) noexcept {
  const auto bits = static_cast<std::uint32_t>(time);
  return bits << 1 ^ (time < 0 ? UINT32_MAX : 0);
}

std::int64_t unzigzag(std::uint64_t number) noexcept {
  const auto half = static_cast<std::int64_t>(number >> 1);
  return (number & 1) != 0 ? -half - 1 : half;
}

std::uint64_t between(arrival_time earlier, arrival_time later) noexcept {
  return static_cast<std::uint64_t>(std::int64_t{later} - earlier);
}

/// Counts what the bytes hold; false if they are no times.
bool count_times(bool ends, client_arrivals& of) {
  arrival_reader reader{of.bytes, ends};
  while (reader.next()) {
    ++of.messages;
    of.times += reader.times().size();
  }
  return reader.ok() && of.messages > 0;
}

}  // namespace

arrival_time arrival_time_of(double seconds) noexcept {
  const double microseconds = std::round(seconds * 1e6);
  if (!(microseconds < longest_arrival)) return longest_arrival;
  return microseconds <= INT32_MIN ? INT32_MIN : static_cast<arrival_time>(microseconds);
}

void arrival_writer::add(std::uint64_t sequence, std::uint64_t servers,
                         std::span<const arrival_time> times) {
  append_leb128(out_, sequence - next_);
  next_ = sequence + 1;
  append_leb128(out_, servers);
  append_leb128(out_, zigzag(times.front()));
  if (ends_) {
    if (servers > 1) append_leb128(out_, between(times.front(), times.back()));
    return;
  }
  for (std::size_t i = 1; i < times.size(); ++i) {
    append_leb128(out_, between(times[i - 1], times[i]));
  }
}

bool arrival_reader::take(std::uint64_t most, std::uint64_t& out) {
  out = 0;
  for (std::size_t i = 0; i < left_.size() && i < 5; ++i) {
    const auto byte = static_cast<std::uint8_t>(left_[i]);
    out |= std::uint64_t{byte & 0x7fu} << 7 * i;
    if ((byte & 0x80) != 0) continue;
    left_.remove_prefix(i + 1);
    // Each number has one form only.
    return out <= most && (byte != 0 || i == 0);
  }
  return false;
}

bool arrival_reader::next() {
  if (left_.empty() || !ok_) return false;
  std::uint64_t gap = 0;
  std::uint64_t number = 0;
  ok_ = take(sequence_limit, gap) && next_ + gap < sequence_limit && take(most_servers, servers_) &&
        servers_ > 0 && take(zigzag_limit, number);
  if (!ok_) return false;
  next_ += gap + 1;
  std::int64_t time = unzigzag(number);
  times_.clear();
  times_.push_back(static_cast<arrival_time>(time));
  const std::uint64_t told = ends_ ? std::min<std::uint64_t>(servers_, 2) : servers_;
  // What follows takes a byte a time at least, so memory stays in proportion.
  ok_ = told - 1 <= left_.size();
  while (ok_ && times_.size() < told) {
    ok_ = take(UINT32_MAX, number) && (time += static_cast<std::int64_t>(number)) <= INT32_MAX;
    if (ok_) times_.push_back(static_cast<arrival_time>(time));
  }
  return ok_;
}

void append_arrivals(std::string& out, const arrival_report& told) {
  std::string_view before = "{";
  if (!told.clients.empty()) {
    out += "{\"clients\": {";
    before = "\"";
    for (const client_arrivals& client : told.clients) {
      out += before;
      append_hex16(out, client.client);
      out += "\": \"";
      hdr::append_base64(out, client.bytes);
      out += '"';
      before = ", \"";
    }
    out += '}';
    before = ", ";
  }
  if (told.ends) {
    out.append(before).append("\"ends\": true");
    before = ", ";
  }
  if (told.not_kept > 0) {
    out.append(before).append("\"not_kept\": ").append(std::to_string(told.not_kept));
    before = ", ";
  }
  if (before == "{") out += before;
  out += '}';
}

bool read_arrivals(json::value from, arrival_report& out, std::string& why) {
  out = {};
  if (!from.is_object()) {
    why = "no object";
    return false;
  }
  field_reader fields{"", why};
  fields.count(from, "not_kept", out.not_kept);
  fields.flag(from, "ends", out.ends);
  const json::value clients = from["clients"];
  if (clients && !clients.is_object()) fields.fail("clients", " is no object");
  if (!fields.ok()) return false;
  if (!clients) return true;
  bool ok = true;
  std::size_t bytes = 0;
  clients.for_each_member([&](std::string_view digits, json::value times) {
    if (!ok) return;
    client_arrivals read;
    const auto client = read_hex16(digits);
    const auto text = times.string();
    ok = client && text && (out.clients.empty() || *client > out.clients.back().client);
    if (!ok) return;
    bytes += text->size() / 4 * 3;
    ok = bytes <= arrival_bytes_limit + 2 * (out.clients.size() + 1) &&
         hdr::read_base64(*text, read.bytes) && count_times(out.ends, read);
    if (!ok) return;
    read.client = *client;
    out.clients.push_back(std::move(read));
  });
  if (!ok) why = "clients has something else than times of messages, once a client";
  return ok;
}

}  // namespace ombt::wire::control
