// SPDX-License-Identifier: Apache-2.0
#include "controller/clock_exchanges.hpp"

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace ombt::controller {
namespace {

constexpr int most_failures = 2;  // in a row, of one process

/// A process has a control server for each kind of agent in it, in each topic.
std::string server_key(wire::control::agent_kind kind, std::uint32_t topic,
                       const std::string& server) {
  return std::to_string(static_cast<int>(kind)) + '.' + std::to_string(topic) + '.' + server;
}

/// The largest sum of a sending and a receiving machine's bounds, of two that differ.
struct worst_pair {
  struct end {
    std::int64_t bound = -1;
    std::size_t machine = 0;
  };
  // The worst one and the worst of the others.
  std::array<end, 2> sends;
  std::array<end, 2> receives;

  static void add(std::array<end, 2>& to, end one) {
    if (one.bound > to[0].bound) std::swap(one, to[0]);
    if (one.bound > to[1].bound) to[1] = one;
  }
  std::optional<std::int64_t> sum() const {
    std::optional<std::int64_t> out;
    for (const end& from : sends) {
      for (const end& to : receives) {
        if (from.bound < 0 || to.bound < 0 || from.machine == to.machine) continue;
        out = std::max(out.value_or(0), from.bound + to.bound);
      }
    }
    return out;
  }
};

}  // namespace

bool clocks_summary::complete() const noexcept {
  return own_untold == 0 && unknown_agents == 0 && own_step == 0 &&
         std::all_of(machines.begin(), machines.end(),
                     [](const machine_clock& one) { return one.good(); });
}

clock_exchanges::clock_exchanges(const plan& what) : own_boot_{what.boot_id}, unique_{what.unique} {
  for (std::size_t i = 0; i < what.topic_count(); ++i) topics_.push_back(what.topic_at(i));
}

void clock_exchanges::add(const wire::control::client_pong_request& pong, std::uint32_t topic) {
  const auto& place = pong.place;
  if (place.process.empty()) return;
  const auto address = wire::control::agent_topic(pong.kind, topics_.at(topic), unique_).size() + 1;
  if (address + place.process.size() > wire::control::name_limit) return;
  const auto [at, added] = process_of_server_.try_emplace(
      server_key(pong.kind, topic, place.process), processes_.size());
  if (added) {
    const auto [known, fresh] = machine_of_boot_.try_emplace(place.boot, machines_.size());
    if (fresh) {
      const auto parsed = wire::control::parse_agent_name(pong.name);
      machine& one = machines_.emplace_back();
      one.boot = place.boot;
      one.host = parsed ? std::string{parsed->host} : pong.name;
    }
    machine& on = machines_[known->second];
    on.processes.push_back(processes_.size());
    processes_.push_back({pong.kind, place.process, topic, known->second, place.corrected != 0});
  }
  // A process is where its first agent said; more of them change nothing.
  ++machines_[processes_[at->second].machine].agents[static_cast<std::size_t>(pong.kind)];
}

clock_round& clock_exchanges::round_of(machine& of) const noexcept {
  return part_ == part::before ? of.before : part_ == part::during ? of.now : of.after;
}

bool clock_exchanges::begin() {
  give_up();
  for (std::size_t i = 0; i < machines_.size(); ++i) {
    machine& one = machines_[i];
    if (own(one)) {
      if (part_ == part::before) tell_processes(one);
      continue;
    }
    // Who did not answer before the run says nothing after it.
    if (part_ != part::before && !one.before.best()) continue;
    round_of(one) = {};
    one.exchanged = one.failures = 0;
    one.tried = 0;
    work_.push_back({false, i});
  }
  return !work_.empty();
}

bool clock_exchanges::begin_before() {
  part_ = part::before;
  return begin();
}

bool clock_exchanges::begin_during() {
  part_ = part::during;
  return begin();
}

bool clock_exchanges::begin_after(time_point now) {
  part_ = part::after;
  end_ = now;
  return begin();
}

bool clock_exchanges::next(std::uint64_t tag, clock_question& out) {
  if (work_.empty() || on_way_.size() >= at_once) return false;
  question one;
  one.what = work_.front();
  work_.pop_front();
  wire::control::clock_request request;
  if (one.what.tell) {
    one.process = one.what.number;
    const machine& of = machines_[processes_[one.process].machine];
    request.correct = own(of) ? 0 : -of.before.best()->offset();
  } else {
    const machine& of = machines_[one.what.number];
    one.process = of.processes[of.asks];
  }
  const process& to = processes_[one.process];
  out.to = to.kind;
  out.server = to.server;
  out.topic = to.topic;
  out.args_json.clear();
  append_clock_args(out.args_json, request);
  on_way_.emplace(tag, one);
  return true;
}

void clock_exchanges::asked(std::uint64_t tag, std::int64_t real, time_point now) {
  const auto found = on_way_.find(tag);
  if (found == on_way_.end()) return;
  found->second.instants.asked = real_ = real;
  at_ = now;
}

void clock_exchanges::answered(std::uint64_t tag, const wire::control::clock_reply& reply,
                               std::int64_t real) {
  const auto found = on_way_.find(tag);
  if (found == on_way_.end()) return;
  question& one = found->second;
  const machine& of = machines_[processes_[one.process].machine];
  one.instants.received = reply.received;
  one.instants.replied = reply.replied;
  one.instants.answered = real;
  one.good = reply.boot == of.boot;
}

bool clock_exchanges::ended(std::uint64_t tag) {
  const auto found = on_way_.find(tag);
  if (found == on_way_.end()) return false;
  const question one = found->second;
  on_way_.erase(found);
  if (!one.what.tell) {
    // An offset beyond the limit could not be told.
    const bool good = one.good && std::abs(one.instants.offset()) < wire::control::clock_limit &&
                      round_of(machines_[one.what.number]).add(one.instants);
    exchange_ended(one.what.number, good);
    return true;
  }
  process& told = processes_[one.process];
  told.told = one.good;
  if (!one.good && ++told.failures < most_failures) work_.push_front(one.what);
  return true;
}

void clock_exchanges::exchange_ended(std::size_t number, bool good) {
  machine& of = machines_[number];
  clock_round& round = round_of(of);
  of.failures = good ? 0 : of.failures + 1;
  of.exchanged += good ? 1 : 0;
  if (of.failures < most_failures && of.exchanged < round_length) {
    work_.push_front({false, number});
    return;
  }
  if (part_ == part::before && round.stepped() && !std::exchange(of.begun_anew, true)) {
    round = {};
    of.exchanged = of.failures = 0;
    work_.push_front({false, number});
    return;
  }
  if (round.best()) {
    if (part_ == part::before) tell_processes(of);
    if (part_ == part::during) of.during.add(round, of.before);
    return;
  }
  of.failures = 0;
  of.asks = (of.asks + 1) % of.processes.size();
  if (++of.tried < std::min(processes_tried, of.processes.size())) work_.push_back({false, number});
}

void clock_exchanges::tell_processes(const machine& of) {
  for (const std::size_t number : of.processes) {
    process& one = processes_[number];
    one.failures = 0;
    one.told = own(of) && !one.corrected;
    if (!one.told) work_.push_back({true, number});
  }
}

void clock_exchanges::give_up() {
  work_.clear();
  on_way_.clear();
}

clocks_summary clock_exchanges::summary(std::size_t agents, wire::control::agent_kind senders,
                                        wire::control::agent_kind receivers) const {
  clocks_summary out;
  const std::int64_t end = real_ + std::chrono::nanoseconds(end_ - at_).count();
  worst_pair worst;
  std::size_t known_agents = 0;
  for (std::size_t i = 0; i < machines_.size(); ++i) {
    const machine& of = machines_[i];
    machine_clock one;
    for (const std::uint32_t count : of.agents) one.agents += count;
    known_agents += one.agents;
    one.sends = of.agents[static_cast<std::size_t>(senders)] > 0;
    one.receives = of.agents[static_cast<std::size_t>(receivers)] > 0;
    one.processes = static_cast<std::uint32_t>(of.processes.size());
    for (const std::size_t number : of.processes) {
      const process& in = processes_[number];
      if (!in.told && (in.corrected || !own(of))) ++one.processes_untold;
    }
    one.known = own(of) ? clock_quality{} : assess(of.before, of.during, of.after, end);
    if (one.good()) {
      if (one.sends) worst_pair::add(worst.sends, {one.known->bound, i});
      if (one.receives) worst_pair::add(worst.receives, {one.known->bound, i});
    }
    if (own(of)) {
      out.own_untold = one.processes_untold;
      continue;
    }
    one.host = of.host;
    one.boot = of.boot;
    out.machines.push_back(std::move(one));
  }
  out.unknown_agents = static_cast<std::uint32_t>(agents - std::min(agents, known_agents));
  out.bound = worst.sum();
  return out;
}

}  // namespace ombt::controller
