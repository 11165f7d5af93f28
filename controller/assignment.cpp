// SPDX-License-Identifier: Apache-2.0
#include "controller/assignment.hpp"

#include "wire/format.hpp"
#include "wire/oslo/password_mask.hpp"
#include "wire/oslo/transport_url.hpp"

#include "controller/hold_text.hpp"
#include "controller/session_text.hpp"

#include <algorithm>
#include <set>
#include <unistd.h>

namespace ombt::controller {

namespace control = wire::control;

namespace {

/// "3 processes"
std::string processes_text(std::size_t count) {
  return grouped(count) + (count == 1 ? " process" : " processes");
}

std::string agents_text(std::uint64_t count) {
  return grouped(count) + (count == 1 ? " agent" : " agents");
}

/// "3 processes of 2 hosts"
std::string places_text(const std::vector<const assignment_result::process*>& of) {
  std::set<std::string> hosts;
  for (const auto* one : of) hosts.insert(one->told.host);
  return processes_text(of.size()) + " of " + count_text(hosts.size(), "host");
}

}  // namespace

assignment::assignment(drivers::loop& on, direct_links& links, placement wanted, duration timeout,
                       std::optional<duration> wait, std::function<void()> over)
    : loop_(on),
      links_(links),
      wanted_(std::move(wanted)),
      timeout_(timeout),
      wait_(wait),
      over_(std::move(over)) {}

assignment::~assignment() {
  stop_timers();
  links_.serve(nullptr);
}

void assignment::set_timer(timer which, duration time) {
  if (timers_[which] != 0) loop_.cancel_timer(timers_[which]);
  timers_[which] = loop_.start_timer(clock::now() + time, *this, which);
}

void assignment::stop_timers() {
  for (auto& one : timers_) {
    if (one != 0) loop_.cancel_timer(std::exchange(one, 0));
  }
}

void assignment::start() {
  set_timer(limit, timeout_);
  links_.serve(this);
  links_.take_new(true);
  if (links_.settled()) on_settled();
}

void assignment::cancel(std::string_view why) {
  if (state_ == state::over) return;
  std::string text{why};
  if (state_ >= state::assigning) text += ": agents may have their new roles, or not";
  fail(std::move(text));
}

void assignment::fail(std::string why) {
  result_.failure = std::move(why);
  end();
}

void assignment::end() {
  if (std::exchange(state_, state::over) == state::over) return;
  stop_timers();
  over_();
}

void assignment::ask(process_number to, std::string_view method, std::string_view args) {
  std::string frame;
  control::append_direct_command(frame, next_id_, method, {}, {}, args);
  owed_[to] = next_id_++;
  links_.send(to, frame);
}

void assignment::on_settled() {
  if (state_ == state::finding) find();
}

void assignment::find() {
  if (const std::string down = links_.down(); !down.empty())
    return fail("no contact with agents: " + down);
  links_.take_new(false);
  std::uint64_t room = 0;
  links_.for_each_open([&](process_number which) {
    const control::process_hello& told = links_.hello(which);
    const auto& can = told.capabilities;
    if (told.capacity == 0 ||
        std::find(can.begin(), can.end(), control::assign_method) == can.end()) {
      return;
    }
    room += told.capacity;
    places_.emplace(which, numbers_.size());
    numbers_.push_back(which);
    result_.processes.push_back({told, {}, false});
  });
  if (numbers_.empty()) {
    return fail("no standby agents are there (ombt-agent --standby N starts some)");
  }
  if (const std::uint64_t all = wanted_.total(); all > room) {
    return fail(agents_text(all) + (all == 1 ? " is" : " are") + " wanted, and " +
                processes_text(numbers_.size()) + " can have " + grouped(room));
  }
  hold();
}

void assignment::hold() {
  if (state_ == state::finding && wait_) wait_until_ = clock::now() + *wait_;
  state_ = state::holding;
  others_.clear();
  holding_.clear();
  set_timer(limit, timeout_);
  for (const process_number which : numbers_) ask(which, "hold");
}

void assignment::held(process_number from, const control::direct_message& answer) {
  control::hold_answer is;
  std::string why{answer.error};
  if (answer.result) read_hold_answer(answer.result, is, why);
  if (!why.empty() && trouble_.empty()) {
    trouble_ = links_.name_of(from) + ": " + wire::oslo::printable(why);
  }
  if (why.empty() && is.held) holding_.push_back(from);
  if (why.empty() && !is.held) others_.push_back(std::move(is));
  if (owed_.empty()) end_hold();
}

void assignment::end_hold() {
  if (!trouble_.empty()) return fail(trouble_);
  if (others_.empty()) return assign();
  // All or none: who waits for the rest must not be waited for.
  std::string frame;
  control::append_direct_command(frame, 0, "release", {}, {}, {});
  for (const process_number which : holding_) links_.send(which, frame);
  const std::string why = holders_text(others_, numbers_.size());
  if (!wait_until_) return fail(why);
  if (clock::now() >= *wait_until_) {
    return fail(why + ", still after " + seconds_text(*wait_));
  }
  if (waiting_) waiting_(why);
  // Two that wait for each other's processes must not go on asking at the same instants.
  const auto apart =
      std::chrono::milliseconds{(next_id_ * 7919 + static_cast<std::uint64_t>(::getpid())) % 500};
  if (timers_[limit] != 0) loop_.cancel_timer(std::exchange(timers_[limit], 0));
  set_timer(retry, std::chrono::milliseconds{500} + apart);
}

void assignment::assign() {
  state_ = state::assigning;
  set_timer(limit, timeout_ + agent_patience);
  std::vector<std::uint32_t> room;
  for (const auto& one : result_.processes) room.push_back(one.told.capacity);
  std::vector<control::assign_request> requests = place_agents(wanted_, room);
  for (std::size_t i = 0; i < numbers_.size(); ++i) {
    std::string args;
    append_assign_request(args, requests[i]);
    ask(numbers_[i], control::assign_method, args);
    requests[i].bus = wire::oslo::mask_passwords(requests[i].bus);
    result_.processes[i].is_to_be = std::move(requests[i]);
  }
  tell_progress();
}

void assignment::answered(process_number from, const control::direct_message& answer) {
  if (answer.result) {
    result_.processes[place_of(from)].is = true;
  } else {
    result_.problems.push_back(links_.name_of(from) + ": " + wire::oslo::printable(answer.error));
  }
  tell_progress();
  if (owed_.empty()) release();
}

void assignment::tell_progress() {
  if (!progress_) return;
  progress_("assigning: " + grouped(numbers_.size() - owed_.size()) + " of " +
            processes_text(numbers_.size()) + " have answered");
}

void assignment::release() {
  state_ = state::releasing;
  owed_.clear();
  for (const process_number which : numbers_) {
    if (links_.is_open(which)) ask(which, "release");
  }
  if (owed_.empty()) return end();
  set_timer(limit, release_limit);
}

void assignment::on_message(process_number from, const control::direct_message& message) {
  if (!message.method.empty()) return;  // what it is now, for instance
  const auto owes = owed_.find(from);
  if (owes == owed_.end() || owes->second != message.id) return;
  owed_.erase(owes);
  if (state_ == state::holding) {
    held(from, message);
  } else if (state_ == state::assigning) {
    answered(from, message);
  } else if (state_ == state::releasing && owed_.empty()) {
    end();
  }
}

void assignment::on_lost(process_number which, std::string_view why) {
  if (!places_.contains(which) || state_ == state::over) return;
  const bool owed = owed_.erase(which) > 0;
  if (state_ == state::holding) return fail(std::string{why});
  if (state_ == state::assigning) {
    result_.problems.emplace_back(why);
    result_.processes[place_of(which)].is = false;
    if (owed && owed_.empty()) release();
  } else if (state_ == state::releasing && owed_.empty()) {
    end();
  }
}

std::string assignment::silent() const {
  std::string out = links_.name_of(owed_.begin()->first);
  if (owed_.size() > 1) out += " and " + std::to_string(owed_.size() - 1) + " more";
  return out + (owed_.size() > 1 ? " have" : " has") + " not answered within ";
}

void assignment::on_timer(std::uint64_t which) {
  timers_[which] = 0;
  if (which == retry) return hold();
  switch (state_) {
    case state::finding:
      return fail("the agents' processes have not all answered within " + seconds_text(timeout_));
    case state::holding:
      return fail(silent() + seconds_text(timeout_));
    case state::assigning:
      result_.problems.push_back(silent() + seconds_text(timeout_ + agent_patience));
      return release();
    case state::releasing:
      return end();
    case state::over:
      return;
  }
}

std::string assignment_text(const placement& wanted, const assignment_result& found) {
  std::vector<const assignment_result::process*> used;
  std::vector<const assignment_result::process*> all;
  std::uint64_t room = 0;
  std::set<std::string> buses;
  for (const auto& one : found.processes) {
    all.push_back(&one);
    room += one.told.capacity;
    if (one.is_to_be.agents.empty()) continue;
    used.push_back(&one);
    buses.insert(one.is_to_be.bus);
  }
  if (used.empty()) {
    return "no roles: " + agents_text(room) + " of " + places_text(all) +
           (room == 1 ? " is" : " are") + " on standby";
  }
  std::string out = agents_text(wanted.total()) + " on " + places_text(used) + ": " +
                    wire::control::kinds_in_words(wanted.agents) + ", " +
                    count_text(wanted.topics.size(), "topic");
  if (buses.size() > 1) out += ", " + std::to_string(buses.size()) + " buses";
  return out;
}

}  // namespace ombt::controller
