// SPDX-License-Identifier: Apache-2.0
#include "agents/test_plan.hpp"

#include "wire/json/value.hpp"

#include <charconv>

namespace ombt::agents {

namespace control = wire::control;

std::shared_ptr<const test_plan> make_test_plan(const control::run_test_request& request) {
  auto plan = std::make_shared<test_plan>();
  const control::test_parameters& given = request.parameters;
  plan->test = *request.test;
  plan->count = given.count;
  plan->pause = std::chrono::nanoseconds(static_cast<std::int64_t>(given.pause * 1e9));
  wire::json::append_string(plan->data_json, given.data);
  plan->severity = given.severity;
  plan->run = given.run;
  plan->details = given.detail > 0;
  plan->run_tag = control::run_tag_of(request.reply_to.server);
  return plan;
}

message_text::message_text(std::shared_ptr<const test_plan> plan) : plan_(std::move(plan)) {
  constexpr std::size_t longest_tail = 128;
  text_.reserve(plan_->data_json.size() + longest_tail);
  text_ = plan_->test == control::test_kind::notify ? R"({"payload": )" : R"({"data": )";
  text_ += plan_->data_json;
  text_ += R"(, "timestamp": )";
  prefix_ = text_.size();
}

std::string_view message_text::render(double timestamp, std::string_view hex,
                                      std::uint64_t sequence) {
  text_.resize(prefix_);
  wire::json::append_number(text_, timestamp);
  text_ += R"(, "msgid": ")";
  text_ += hex;
  text_ += ':';
  char digits[24];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, sequence);
  text_.append(digits, end);
  text_ += "\"}";
  return text_;
}

double epoch_now() noexcept {
  using namespace std::chrono;
  return duration<double>(system_clock::now().time_since_epoch()).count();
}

}  // namespace ombt::agents
