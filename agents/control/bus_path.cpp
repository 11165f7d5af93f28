// SPDX-License-Identifier: Apache-2.0
#include "agents/control/bus_path.hpp"

#include "agents/control/bus_carrier.hpp"
#include "agents/measure/boot_id.hpp"
#include "agents/measure/clock.hpp"

#include <algorithm>
#include <utility>

namespace ombt::agents {

namespace control = wire::control;

namespace {

using drivers::steady_clock;

/// The message is nowhere: the bus gave it back, or never had it.
bool is_not_taken(const error_code& error) {
  return error == errc::message_undeliverable || error == errc::nacked ||
         error == errc::bus_unreachable || error == errc::authentication_failed ||
         error == errc::vhost_refused || error == errc::wrong_protocol;
}

/// The bus went away with it, and somebody may have it.
bool is_in_doubt(const error_code& error) {
  return error == errc::delivery_failure || error == errc::connection_lost ||
         error == errc::channel_refused || error == errc::protocol_error;
}

}  // namespace

bus_path::bus_path(drivers::loop& loop, std::shared_ptr<bus_link> link,
                   control::reply_address controller)
    : loop_(loop), link_(std::move(link)), controller_(std::move(controller)) {
  target_.exchange = controller_.exchange;
  target_.topic = controller_.topic;
  target_.server = controller_.server;
}

void bus_path::send_pong(control::agent_kind kind, const std::string& name,
                         const std::string& run) {
  queue({kind, name, nullptr, false, run});
}

void bus_path::send_result(control::agent_kind kind, const std::string& name, report figures,
                           bool details) {
  if (details) figures.details.answer = ++link_->last_answer;
  queue({kind, name, std::make_unique<report>(std::move(figures)), details, {}});
}

void bus_path::queue(owed a) {
  if (carrier() == nullptr) return;
  const std::size_t limit = carrier()->settings_.answer_limit;
  if (waiting_.size() >= limit) {
    ++carrier()->counters_.answers_lost;
    carrier()->lost_because_ =
        "more than " + std::to_string(limit) + " wait for controller " + controller_.server;
    return;
  }
  a.number = next_number_++;
  waiting_.push_back(std::move(a));
  send_next();
}

control::process_place bus_path::place_of(control::agent_kind kind) const {
  const auto& endpoints = carrier()->settings_.endpoints;
  // The controller calls in the topic that it asks in; with --unique that is no matter.
  const auto found =
      std::find_if(endpoints.begin(), endpoints.end(), [&](const control_endpoint& named) {
        return named.kind == kind && (carrier()->settings_.unique ||
                                      control::controller_topic(named.topic) == controller_.topic);
      });
  if (found == endpoints.end() || boot_id().empty()) return {};
  return {found->name, boot_id(), clock_correction()};
}

void bus_path::send_next() {
  while (carrier() != nullptr && pause_ == 0 && !waiting_.empty()) {
    const int window = next_pause_ > first_pause ? 1 : carrier()->settings_.window;
    if (on_way_.size() >= static_cast<std::size_t>(window)) return;
    owed next = std::move(waiting_.front());
    waiting_.pop_front();
    send(std::move(next));
  }
}

void bus_path::send(owed next) {
  const auto now = steady_clock::now();
  if (next.ends_at == not_begun) next.ends_at = now + carrier()->settings_.timeout;
  std::string args;
  drivers::request_message request;
  if (next.figures == nullptr) {
    request.method = wire_name(control::method::client_pong);
    const bool native = control::is_native_controller(controller_.server);
    control::append_client_pong_args(args, next.kind, next.name,
                                     native ? std::optional(next.run) : std::nullopt,
                                     native ? place_of(next.kind) : control::process_place{});
  } else {
    request.method = wire_name(control::method::client_result);
    control::append_client_result_args(args, next.name, next.kind, next.figures->results,
                                       next.details ? &next.figures->details : nullptr);
  }
  request.args_json = args;
  drivers::call_options options;
  options.timeout = std::max<drivers::duration>(next.ends_at - now, std::chrono::milliseconds{1});
  options.at_least_once = true;
  next.doubted = false;
  const std::uint64_t tag = next_tag_++;
  on_way_.emplace(tag, std::move(next));
  count_task(1);
  carrier()->transport_->call(target_, request, options, *this, tag);
}

void bus_path::on_answer(owed about, const drivers::outcome& result) {
  const bool again =
      is_not_taken(result.error) || (is_in_doubt(result.error) && about.repeatable());
  if (again && steady_clock::now() + next_pause_ < about.ends_at) {
    send_later(std::move(about));
    return;
  }
  const bool heard = !result.error || result.error == errc::remote_exception;
  if (heard && std::exchange(next_pause_, first_pause) > first_pause) {
    for (owed& one : waiting_) one.ends_at = not_begun;
  }
  if (!result.error) {
    ++carrier()->counters_.answers;
  } else {
    lose(result);
    // Nobody was there for all its time; of what went with the bus nobody knows.
    if (again || (result.error == errc::messaging_timeout && !about.doubted)) drop_waiting();
  }
  send_next();
}

/// Keeps it until the pause is over, which those that came back before may have begun.
void bus_path::send_later(owed again) {
  put_back(std::move(again));
  if (pause_ != 0) return;
  pause_ = loop_.start_timer(steady_clock::now() + next_pause_, *this, 0);
  count_task(1);
  next_pause_ = std::min(2 * next_pause_, longest_pause);
}

void bus_path::put_back(owed again) {
  const auto behind =
      std::upper_bound(waiting_.begin(), waiting_.end(), again.number,
                       [](std::uint64_t number, const owed& one) { return number < one.number; });
  waiting_.insert(behind, std::move(again));
}

void bus_path::lose(const drivers::outcome& why) {
  ++carrier()->counters_.answers_lost;
  std::string words = failure_name(why);
  if (words.find(why.detail) == std::string::npos) words.append(": ").append(why.detail);
  carrier()->lost_because_ = "no answer from controller " + controller_.server + ": " + words;
}

void bus_path::drop_waiting() {
  carrier()->counters_.answers_lost += waiting_.size();
  waiting_.clear();
}

void bus_path::on_timer(std::uint64_t) {
  const auto self = shared_from_this();
  pause_ = 0;
  count_task(-1);
  send_next();
}

void bus_path::doubt() {
  for (auto& [tag, one] : on_way_) one.doubted = true;
}

void bus_path::send_doubted() {
  for (auto one = on_way_.begin(); one != on_way_.end();) {
    if (!one->second.doubted || !one->second.repeatable()) {
      ++one;
      continue;
    }
    // What becomes of the call that was begun is nothing to it any more.
    put_back(std::move(one->second));
    one = on_way_.erase(one);
  }
  send_next();
}

void bus_path::stop() {
  waiting_.clear();
  if (pause_ == 0) return;
  loop_.cancel_timer(std::exchange(pause_, 0));
  count_task(-1);
}

void bus_path::check_alive(std::function<void(bool)> answer) {
  if (carrier() == nullptr) return;
  auto& asking = link_->asking[controller_.server];
  asking.push_back(std::move(answer));
  if (asking.size() > 1) return;
  drivers::request_message request;
  request.method = wire_name(control::method::self_ready);
  drivers::call_options options;
  options.timeout = carrier()->settings_.ready_timeout;
  count_task(1);
  carrier()->transport_->call(target_, request, options, *this, of_question);
}

void bus_path::tell_alive(bool alive) {
  const auto asked = link_->asking.extract(controller_.server);
  if (asked.empty()) return;
  for (auto& answer : asked.mapped()) {
    if (carrier() != nullptr) answer(alive);
  }
}

void bus_path::on_complete(std::uint64_t tag, const drivers::outcome& result) {
  const auto self = shared_from_this();
  count_task(-1);
  if (tag == of_question) {
    // A controller that answers with an exception is there all the same.
    const bool answered = !result.error || result.error == errc::remote_exception;
    if (answered || carrier() == nullptr || !carrier()->transport_->in_contact()) {
      return tell_alive(true);
    }
    if (result.error != errc::messaging_timeout) return tell_alive(false);
    // The bus may carry nothing now: then this process hears nothing of itself either.
    count_task(1);
    carrier()->call_own(*this, of_echo);
    return;
  }
  if (tag == of_echo) return tell_alive(static_cast<bool>(result.error));
  auto ended = on_way_.extract(tag);
  if (ended.empty() || carrier() == nullptr) return;
  on_answer(std::move(ended.mapped()), result);
}

void bus_path::count_task(int change) {
  const bool before = tasks_ > 0;
  tasks_ += change;
  const bool now = tasks_ > 0;
  if (now && !before) link_->in_use.push_back(shared_from_this());
  if (before && !now) std::erase(link_->in_use, shared_from_this());
}

}  // namespace ombt::agents
