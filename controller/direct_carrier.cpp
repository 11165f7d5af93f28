// SPDX-License-Identifier: Apache-2.0
#include "controller/direct_carrier.hpp"

#include "wire/control/live.hpp"
#include "wire/oslo/password_mask.hpp"

#include "controller/hold_text.hpp"

#include <algorithm>

namespace ombt::controller {

namespace control = wire::control;
using control::agent_kind;
using control::method;

direct_carrier::~direct_carrier() { links_.serve(nullptr); }

void direct_carrier::start(const session& machine, carrier_events& told) {
  machine_ = &machine;
  told_ = &told;
  const plan& wanted = machine.what();
  for (std::uint32_t i = 0; i < wanted.topic_count(); ++i) {
    place_of_topic_.emplace(wanted.direct_topic(i), i);
  }
  links_.for_each_open([&](process_number which) {
    know(which);
    told_->on_process(which, links_.hello(which));
  });
  links_.serve(this);
  links_.take_new(true);
  if (links_.settled()) on_settled();
}

void direct_carrier::close(std::function<void()> done) {
  links_.serve(nullptr);
  done();
}

std::string direct_carrier::lost_contact() const {
  if (std::string down = links_.down(); !down.empty()) return down;
  if (!ready_) return links_.silent();
  const time_point since = clock::now() - patience;
  std::set<process_number> silent;
  for (const auto& [of, what] : asked_) {
    if (what.sent && what.at < since) silent.insert(of.first);
  }
  return links_.not_answering(silent);
}

std::string direct_carrier::never_reached() const {
  const std::string down = patient_ ? links_.down() : std::string{};
  return down.empty() ? down : "no contact with the agents at " + down;
}

void direct_carrier::on_settled() {
  if (std::exchange(ready_, true)) return;
  if (const std::string down = links_.down(); !down.empty()) {
    told_->on_trouble({}, down, !patient_);
    if (!patient_) return;
  }
  told_->on_ready(*this);
}

void direct_carrier::know(process_number which) {
  const control::process_hello& told = links_.hello(which);
  std::vector<bool>& in = topics_of_[which];
  in.assign(machine_->what().topic_count(), told.standby > 0);
  for (const std::string& topic : told.topics) {
    if (const auto place = topic_of(topic)) in[*place] = true;
  }
}

void direct_carrier::on_open(process_number which) {
  know(which);
  if (machine_->current() > phase::roll_call) {
    left_out_.insert(which);  // it is too late for it
    return;
  }
  told_->on_process(which, links_.hello(which));
  if (machine_->current() < phase::holding) return;
  // With the others, if these have not all answered.
  if (const auto holding = actions_.find(hold_tag_); holding != actions_.end()) {
    ++holding->second.processes;
    return ask(which, hold_command(hold_tag_));
  }
  if (holds_) {
    ask(which, hold_command(0));
  } else {
    ask_newcomer(which);
  }
}

direct_carrier::command direct_carrier::hold_command(std::uint64_t tag) {
  return {tag, order::hold, "hold", {}, 0, nullptr};
}

void direct_carrier::on_changed(process_number which) {
  know(which);
  if (machine_->current() > phase::roll_call) return;
  told_->on_process(which, links_.hello(which));
  if (machine_->current() == phase::roll_call) ask_newcomer(which);
}

void direct_carrier::ask_newcomer(process_number which) {
  for (const command& ping : roll_call_) {
    if (has(which, *ping.kind, ping.topic)) ask(which, ping);
  }
}

void direct_carrier::on_refused(std::string_view why) { told_->on_left_out(why); }

std::optional<std::uint32_t> direct_carrier::topic_of(std::string_view name) const {
  const auto known = place_of_topic_.find(std::string{name});
  if (known == place_of_topic_.end()) return {};
  return known->second;
}

bool direct_carrier::has(process_number which, agent_kind kind, std::uint32_t topic) const {
  if (left_out_.contains(which)) return false;
  const control::process_hello& told = links_.hello(which);
  // Roles may be given to agents without one at any time.
  if (told.agents[static_cast<std::size_t>(kind)] == 0 && told.standby == 0) return false;
  return topics_of_.at(which)[topic];
}

bool direct_carrier::carry(const action& what) {
  under_way& of = actions_[what.tag];
  of.processes = 1;  // so that it does not complete while it is being given out
  command one{what.tag, what.what, wire_name(what.method), what.to, what.topic, nullptr};
  const auto to_agents = [&](const std::string& args) {
    one.args = std::make_shared<const std::string>(args);
    links_.for_each_open([&](process_number which) {
      if (!has(which, what.to, what.topic)) return;
      // A process may have the kind in other topics, or no agents with a role.
      if (what.what == order::prepare && !there_.contains({which, what.to, what.topic})) return;
      ++of.processes;
      ask(which, one);
    });
  };
  if (what.what == order::hold) {
    holds_ = true;
    hold_tag_ = what.tag;
    one = hold_command(what.tag);
    links_.for_each_open([&](process_number which) {
      ++of.processes;
      ask(which, one);
    });
  } else if (what.what == order::prepare) {
    if (what.topic == 0) prepared_.clear();
    one.method = "prepare";
    to_agents(what.args_json);
  } else if (what.what == order::start && what.topic == 0) {
    one.method = "start";
    one.kind.reset();
    std::string args;
    control::append_start_request(args, what.start);
    one.args = std::make_shared<const std::string>(std::move(args));
    for (const process_number which : prepared_) {
      ++of.processes;
      ask(which, one);
    }
  } else if (what.method == method::clock) {
    const process_number which = links_.find(what.server);
    if (which == over_the_bus) {
      actions_.erase(what.tag);
      return false;
    }
    one.kind.reset();
    one.args = std::make_shared<const std::string>(what.args_json);
    ++of.processes;
    told_->on_asking(what.tag);
    ask(which, one);
  } else if (what.what == order::message && what.method != method::self_ready) {
    if (what.method == method::get_server_results) links_.take_new(false);
    to_agents(what.args_json);
    if (what.method == method::client_ping && machine_->current() == phase::roll_call) {
      one.tag = 0;
      const auto same = [&](const command& ping) {
        return ping.kind == one.kind && ping.topic == one.topic;
      };
      if (std::none_of(roll_call_.begin(), roll_call_.end(), same)) roll_call_.push_back(one);
    }
  }
  finish_one(what.tag);
  return true;
}

void direct_carrier::ask(process_number which, const command& what) {
  const question id{which, next_id_++};
  asked_.emplace(id, asked{what, clock::now(), false});
  waiting_.push_back(id);
  send_waiting();
}

void direct_carrier::send_waiting() {
  while (!waiting_.empty()) {
    const auto next = asked_.find(waiting_.front());
    if (next != asked_.end()) {
      const command& what = next->second.what;
      if (on_way_ > 0 && on_way_ + what.bytes() > most_on_way) return;
      on_way_ += what.bytes();
      next->second.sent = true;
      next->second.at = clock::now();
      std::string frame;
      control::append_direct_command(
          frame, next->first.second, what.method, what.kind,
          what.kind ? machine_->what().direct_topic(what.topic) : std::string_view{},
          what.args ? std::string_view{*what.args} : std::string_view{});
      links_.send(next->first.first, frame);
    }
    waiting_.pop_front();
  }
}

void direct_carrier::on_lost(process_number which, std::string_view why) {
  const auto first = asked_.lower_bound({which, 0});
  const auto last = asked_.lower_bound({which + 1, 0});
  std::vector<command> owed;
  for (auto at = first; at != last; ++at) {
    if (at->second.sent) on_way_ -= at->second.what.bytes();
    owed.push_back(std::move(at->second.what));
  }
  asked_.erase(first, last);
  prepared_.erase(which);
  left_out_.erase(which);
  told_->on_gone(which, why);
  // It will not do what it was asked for, but nobody waits for that any more; but for its clock.
  for (const command& one : owed) {
    finish_one(one.tag, one.method == wire_name(method::clock) ? errc::connection_lost : errc{},
               why);
  }
  send_waiting();
}

void direct_carrier::on_message(process_number from, const control::direct_message& message) {
  if (message.method.empty()) return on_answer(from, message);
  on_notice(from, message);
}

void direct_carrier::on_answer(process_number from, const control::direct_message& answer) {
  const auto at = asked_.find({from, answer.id});
  if (at == asked_.end()) return told_->on_malformed();
  const asked of = std::move(at->second);
  asked_.erase(at);
  if (of.sent) on_way_ -= of.what.bytes();
  if (of.what.what == order::hold) {
    on_held(from, of.what, answer);
  } else if (!answer.result) {
    finish_one(of.what.tag, errc::remote_exception,
               links_.name_of(from) + ": " + wire::oslo::printable(answer.error));
  } else {
    if (of.what.what == order::prepare) prepared_.insert(from);
    if (of.what.method == wire_name(method::clock)) told_->on_answer(of.what.tag, answer.result);
    finish_one(of.what.tag);
  }
  send_waiting();
}

void direct_carrier::on_held(process_number from, const command& of,
                             const control::direct_message& answer) {
  control::hold_answer held;
  std::string why{answer.error};
  if (answer.result) read_hold_answer(answer.result, held, why);
  if (!why.empty()) {
    return finish_one(of.tag, errc::remote_exception,
                      links_.name_of(from) + ": " + wire::oslo::printable(why));
  }
  if (of.tag == 0) {
    if (held.held) return ask_newcomer(from);
    left_out_.insert(from);
    return told_->on_left_out(links_.name_of(from) + " takes no part: " + holder_text(held) +
                              " holds it");
  }
  const auto action = actions_.find(of.tag);
  if (action == actions_.end()) return;
  if (held.held) {
    action->second.held.push_back(from);
  } else {
    action->second.others.push_back(std::move(held));
  }
  finish_one(of.tag);
}

void direct_carrier::finish_one(std::uint64_t tag, error_code error, std::string_view detail) {
  const auto at = actions_.find(tag);
  if (at == actions_.end()) return;
  under_way& of = at->second;
  if (error && !of.error) {
    of.error = error;
    of.detail = detail;
  }
  if (--of.processes > 0) return;
  if (!of.held.empty() || !of.others.empty()) end_hold(of);
  const under_way done = std::move(of);
  actions_.erase(at);
  told_->on_complete(tag, done.error, done.detail);
}

void direct_carrier::end_hold(under_way& of) {
  if (of.others.empty() && !of.error) return;
  // All or none: who waits for the rest must not be waited for.
  std::string frame;
  control::append_direct_command(frame, 0, "release", {}, {}, {});
  for (const process_number which : of.held) links_.send(which, frame);
  holds_ = false;
  if (of.error) return;
  of.error = errc::cancelled;
  of.detail = holders_text(of.others, of.held.size() + of.others.size());
}

void direct_carrier::on_notice(process_number from, const control::direct_message& message) {
  std::string why;
  const auto topic = topic_of(message.topic);
  if (message.method == wire_name(method::client_pong)) {
    control::client_pong_request pong;
    if (!read_client_pong_args(message.args, pong, why)) return told_->on_malformed();
    if (!topic) return;
    const control::process_hello& who = links_.hello(from);
    pong.place.process = who.boot.empty() ? "" : who.process;
    pong.place.boot = who.boot;
    there_.emplace(from, pong.kind, *topic);
    return told_->on_pong(pong, *topic, from);
  }
  if (message.method == wire_name(method::client_result)) {
    control::client_result_request result;
    if (!read_client_result_args(message.args, result, why)) return told_->on_malformed();
    if (topic) told_->on_result(result, *topic, from);
    return;
  }
  if (message.method == "results") {
    control::result_batch batch;
    if (!message.kind) return told_->on_malformed();
    if (!read_result_batch(message.args, batch, why)) {
      if (!topic) return told_->on_malformed();
      return told_->on_unreadable(
          *message.kind, links_.name_of(from) + " sent what cannot be read: " + why, *topic, from);
    }
    if (topic) told_->on_results(*message.kind, batch, *topic, from);
    return;
  }
  if (message.method == "started") {
    control::started_notice started;
    if (!read_started_notice(message.args, started, why)) return told_->on_malformed();
    return told_->on_started(started);
  }
  if (message.method == "progress") {
    control::live_report report;
    if (!read_live_report(message.args, report, why)) return told_->on_malformed();
    return told_->on_progress(report, from);
  }
  told_->on_malformed();
  if (message.id == 0) return;
  std::string frame;
  control::append_direct_error(frame, message.id, "unknown method");
  links_.send(from, frame);
}

}  // namespace ombt::controller
