// SPDX-License-Identifier: Apache-2.0
#include "agents/control/bus_path.hpp"

#include "agents/control/bus_carrier.hpp"
#include "agents/measure/boot_id.hpp"
#include "agents/measure/clock.hpp"

#include <algorithm>
#include <utility>

namespace ombt::agents {

namespace control = wire::control;

bus_path::bus_path(std::shared_ptr<bus_link> link, control::reply_address controller)
    : link_(std::move(link)), controller_(std::move(controller)) {
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
  queue({kind, name, std::make_unique<report>(std::move(figures)), details, {}});
}

void bus_path::queue(owed a) {
  if (carrier() == nullptr) return;
  if (waiting_.size() >= carrier()->settings_.answer_limit) {
    ++carrier()->counters_.answers_lost;
    return;
  }
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
  std::string args;
  while (carrier() != nullptr && in_flight_ < carrier()->settings_.window && !waiting_.empty()) {
    const owed next = std::move(waiting_.front());
    waiting_.pop_front();
    args.clear();
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
    options.timeout = carrier()->settings_.timeout;
    ++in_flight_;
    in_flight(1);
    carrier()->transport_->call(target_, request, options, *this, of_answer);
  }
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
  in_flight(1);
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
  in_flight(-1);
  if (tag == of_question) {
    // A controller that answers with an exception is there all the same.
    const bool answered = !result.error || result.error == errc::remote_exception;
    if (answered || carrier() == nullptr || !carrier()->transport_->in_contact()) {
      return tell_alive(true);
    }
    if (result.error != errc::messaging_timeout) return tell_alive(false);
    // The bus may carry nothing now: then this process hears nothing of itself either.
    in_flight(1);
    carrier()->call_own(*this, of_echo);
    return;
  }
  if (tag == of_echo) return tell_alive(static_cast<bool>(result.error));
  --in_flight_;
  if (carrier() == nullptr) return;
  if (!result.error) {
    ++carrier()->counters_.answers;
  } else {
    ++carrier()->counters_.answers_lost;
    carrier()->trouble_ =
        "no answer from controller " + controller_.server + ": " + failure_name(result);
    if (result.error == errc::messaging_timeout) {
      carrier()->counters_.answers_lost += waiting_.size();
      waiting_.clear();
    }
  }
  send_next();
}

void bus_path::in_flight(int change) {
  const bool before = operations_ > 0;
  operations_ += change;
  const bool now = operations_ > 0;
  if (now && !before) link_->in_use.push_back(shared_from_this());
  if (before && !now) std::erase(link_->in_use, shared_from_this());
}

}  // namespace ombt::agents
