// SPDX-License-Identifier: Apache-2.0
#include "agents/test_plan.hpp"

#include "wire/json/value.hpp"

#include "agents/measure/boot_id.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <utility>

namespace ombt::agents {

namespace control = wire::control;

namespace {

std::chrono::nanoseconds from_seconds(double seconds) {
  return std::chrono::nanoseconds(static_cast<std::int64_t>(seconds * 1e9));
}

/// Processes of one boot share CLOCK_MONOTONIC. An instant that is not about where the message says
/// that it is would have clients wait for nobody knows how long.
drivers::time_point start_of(const control::load_start& start, drivers::time_point now) {
  constexpr auto believed = std::chrono::minutes(1);
  const drivers::time_point by_message = now + from_seconds(start.in);
  if (start.boot.empty() || start.boot != boot_id()) return by_message;
  const drivers::time_point by_clock{std::chrono::nanoseconds(start.monotonic_ns)};
  return by_clock > by_message - believed && by_clock < by_message + believed ? by_clock
                                                                              : by_message;
}

load_plan make_load_plan(const control::load& given, drivers::time_point now) {
  load_plan out;
  if (given.open_loop()) {
    out.profile.emplace(given.profile, given.clients);
    out.start = start_of(given.start, now);
  } else if (given.duration) {
    // A run of no time at all still has its first message.
    out.duration = std::max(from_seconds(*given.duration), std::chrono::nanoseconds(1));
  }
  out.arrive = given.arrive;
  out.seed = static_cast<std::uint64_t>(given.seed);
  out.outstanding = given.outstanding;
  if (given.max_late) out.max_late = from_seconds(*given.max_late);
  out.sizes = size_choice(given.sizes);
  return out;
}

}  // namespace

std::shared_ptr<const test_plan> make_test_plan(const control::run_test_request& request,
                                                std::function<void(std::string_view text)> progress,
                                                drivers::time_point now) {
  auto plan = std::make_shared<test_plan>();
  const control::test_parameters& given = request.parameters;
  plan->test = *request.test;
  plan->count = given.count;
  plan->pause = from_seconds(given.pause);
  wire::json::append_string(plan->data_json, given.data);
  plan->severity = given.severity;
  plan->run = given.run;
  plan->details = given.detail > 0;
  plan->legs = given.legs;
  plan->run_tag = control::run_tag_of(request.reply_to.server);
  if (given.progress && given.progress->direct) {
    plan->progress_to = std::move(progress);
  } else if (given.progress && given.progress->boot == boot_id()) {
    plan->progress = given.progress->name;
  }
  if (given.load) {
    plan->load = make_load_plan(*given.load, now);
    plan->count = given.load->count.value_or(std::numeric_limits<std::int64_t>::max());
  }
  return plan;
}

message_text::message_text(std::shared_ptr<const test_plan> plan)
    : plan_(std::move(plan)), whole_(plan_->data_json.size() - 2), size_(whole_) {
  constexpr std::size_t longest_tail = 128;
  text_.reserve(plan_->data_json.size() + 2 * longest_tail);
  tail_.reserve(longest_tail);
  text_ = plan_->test == control::test_kind::notify ? R"({"payload": )" : R"({"data": )";
  text_ += '"';
  payload_ = text_.size();
  text_.append(plan_->data_json, 1, whole_);
}

std::string_view message_text::render(double timestamp, std::string_view hex,
                                      std::uint64_t sequence, std::size_t size) {
  // The last tail lies on the payload, or behind it.
  const std::size_t covered = std::min(tail_.size(), whole_ - size_);
  text_.replace(payload_ + size_, tail_.size(), plan_->data_json, 1 + size_, covered);
  size_ = size;
  tail_ = R"(", "timestamp": )";
  wire::json::append_number(tail_, timestamp);
  tail_ += R"(, "msgid": ")";
  tail_ += hex;
  tail_ += ':';
  char digits[24];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, sequence);
  tail_.append(digits, end);
  tail_ += "\"}";
  text_.replace(payload_ + size, std::min(tail_.size(), whole_ - size), tail_);
  return std::string_view(text_).substr(0, payload_ + size + tail_.size());
}

std::string_view message_text::context(const request_note& note) {
  context_.clear();
  append_context(context_, note);
  return context_;
}

}  // namespace ombt::agents
