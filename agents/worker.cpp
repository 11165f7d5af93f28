// SPDX-License-Identifier: Apache-2.0
#include "agents/worker.hpp"

#include "wire/configuration_error.hpp"

#include "drivers/datagrams.hpp"

#include "agents/notifier.hpp"
#include "agents/rpc_client.hpp"

#include <algorithm>
#include <utility>

namespace ombt::agents {

namespace control = wire::control;
using control::agent_kind;

namespace {

/// Receivers are not told that a run is over: after so many seconds without a message it is taken
/// for that, and the audit of their thread pauses.
constexpr int quiet_limit = 10;

std::size_t index_of(agent_kind kind) { return static_cast<std::size_t>(kind); }

/// Of several topics each has its results asked for by itself, one right after the other: figures
/// of less than this would say nothing.
constexpr std::chrono::seconds least_audit{1};

template <class Agent>
bool is_one_of(const Agent& agent, addressee who) {
  return agent.kind() == who.kind && agent.topic() == who.topic;
}

/// Where a run's progress is told; empty: nobody looks on.
live_sender::way progress_of(const test_plan& plan) {
  if (plan.progress.empty()) return plan.progress_to;
  const auto to = std::make_shared<drivers::datagram_sender>(plan.progress);
  return [to](std::string_view text) { to->send(text); };
}

bool in_a_run(const sender& s) {
  return s.current() != sender::state::idle && s.current() < sender::state::closing;
}

}  // namespace

test_places test_places_of(const fleet_plan& plan, const std::string& topic) {
  test_places out;
  out.rpc.exchange = control::rpc_test_exchange;
  out.rpc.topic = control::rpc_test_topic(topic);
  out.notifications.exchange = control::notify_test_exchange;
  out.notifications.topic = control::notify_test_topic(topic);
  out.rpc_server.at = out.rpc;
  const auto& defaults = plan.bus->messaging.defaults;
  out.rpc_server.serve.ping = defaults.rpc_ping_enabled;
  out.rpc_server.serve.executor_slots = defaults.executor_thread_pool_size;
  out.rpc_server.takes = plan.takes;
  out.rpc_server.site = plan.options.site;
  out.listener.at = out.notifications;
  out.listener.pool = plan.options.pool;
  return out;
}

worker::worker(drivers::loop& loop, const worker_settings& settings, worker_events& events,
               std::uint32_t thread)
    : loop_(loop),
      settings_(settings),
      events_(events),
      ledger_room_(settings.ledger_bytes),
      arrivals_noted_(settings.ledger_bytes / 4),
      audit_(loop, thread, [this](agent_kind kind) { return audit_wanted(kind); }),
      live_(loop, thread,
            [this](agent_kind kind, const std::string& run) { return activity_of(kind, run); }) {
  contexts_.reserve(settings.topics.size());
  for (const test_places& at : settings.topics) {
    contexts_.push_back({loop, *this, settings.timeout, at.rpc, at.rpc, at.notifications,
                         static_cast<std::uint32_t>(contexts_.size()), at.rpc_server.site});
    contexts_.back().rpc_fanout.fanout = true;
  }
}

worker::~worker() {
  for (const auto t : timers_) {
    if (t != 0) loop_.cancel_timer(t);
  }
}

void worker::add(const agent_description& agent, std::uint32_t number,
                 std::shared_ptr<output_file> file, bool shared, double phase) {
  added_.push_back({agent, number, std::move(file), shared, phase});
}

void worker::start() {
  arm(keep_running);  // a loop whose agents have not connected yet has nothing else to wait for
  for (const added& a : added_) {
    try {
      make(a);
    } catch (const configuration_error& e) {
      events_.agent_failed(a.number, e.what());
    }
  }
  if (!buffers_.empty()) arm(flush_output);
  // Those that listen first: where connections are shared and too few, they need their channels.
  for (const auto& r : receivers_) r->start();
  for (const auto& s : senders_) s->start();
  added_.clear();
  added_.shrink_to_fit();
}

void worker::make(const added& a) {
  const auto& [kind, name, topic] = a.agent;
  auto transport = settings_.make_transport(loop_);
  // What RPC agents alone used goes with them. Notifications that nobody has read stay queued.
  transport->remove_declarations(kind == agent_kind::rpc_client || kind == agent_kind::rpc_server);
  auto log = log_for(a);
  if (kind == agent_kind::rpc_client || kind == agent_kind::notifier) {
    std::unique_ptr<sender> made;
    if (kind == agent_kind::rpc_client) {
      made = std::make_unique<rpc_client>(name, a.number, contexts_[topic], std::move(transport));
    } else {
      made = std::make_unique<notifier>(name, a.number, contexts_[topic], std::move(transport));
    }
    made->spread(a.phase);
    if (settings_.figures) made->count_life_in(life_[index_of(kind)]);
    if (log) made->log_to(std::move(log));
    senders_.push_back(std::move(made));
    return;
  }
  std::unique_ptr<receiver> made;
  const test_places& at = settings_.topics[topic];
  if (kind == agent_kind::rpc_server) {
    made = std::make_unique<rpc_server>(name, a.number, loop_, *this, at.rpc_server,
                                        std::move(transport));
  } else {
    made = std::make_unique<listener>(name, a.number, *this, at.listener, std::move(transport));
  }
  made->put_in(topic);
  if (log) made->log_to(std::move(log));
  made->keep_ledgers_in(ledger_room_);
  if (settings_.figures) made->count_life_in(life_[index_of(kind)]);
  made->note_arrivals_in(arrivals_noted_);
  receivers_.push_back(std::move(made));
}

std::unique_ptr<message_log> worker::log_for(const added& a) {
  if (!a.file) return nullptr;
  auto found = std::find_if(buffers_.begin(), buffers_.end(),
                            [&](const auto& held) { return held.first == a.file; });
  if (found == buffers_.end()) {
    buffers_.emplace_back(a.file, std::make_unique<output_buffer>(a.file));
    found = std::prev(buffers_.end());
  }
  return std::make_unique<message_log>(*found->second, a.agent.name, a.shared);
}

void worker::fail_unready(const std::string& no_trouble) {
  const auto late = [&](std::uint32_t number, const std::string& trouble) {
    events_.agent_failed(number, "not ready in time: " + (trouble.empty() ? no_trouble : trouble));
  };
  for (const auto& r : receivers_) {
    if (r->current() == receiver::state::starting) late(r->number(), r->last_trouble());
  }
  for (const auto& s : senders_) {
    if (!s->is_ready() && s->current() < sender::state::closing) late(s->number(), s->trouble());
  }
}

std::string worker::trouble() const {
  for (const auto& r : receivers_) {
    if (!r->trouble().empty()) return r->trouble();
  }
  for (const auto& s : senders_) {
    if (std::string why = s->trouble(); !why.empty()) return why;
  }
  return {};
}

void worker::run(addressee of, std::shared_ptr<const test_plan> plan) {
  const bool audited = plan->details;
  const auto text = std::make_shared<message_text>(std::move(plan));
  const std::string& run_id = text->plan().run;
  const auto seconds = audited ? seconds_of(of.kind, run_id) : nullptr;
  std::size_t& running = running_[index_of(of.kind)];
  std::size_t started = 0;
  for (const auto& s : senders_) {
    if (is_one_of(*s, of) && s->run(text, seconds)) ++started;
  }
  running += started;
  if (!audited) return;
  run_group* const group = find_run(of.kind, run_id);
  group->senders += started;
  if (started == 0) return drop_run(*group);
  // What another topic's run has begun goes on.
  if (running == started || !audit_.is_open(of.kind)) audit_.open(of.kind);
  if (auto way = progress_of(text->plan())) live_.begin(of.kind, run_id, std::move(way), seconds);
}

void worker::cancel_run(addressee of) {
  for (const auto& s : senders_) {
    if (is_one_of(*s, of)) s->cancel_run();
  }
}

void worker::collect(addressee from, const std::string& controller, std::uint64_t ticket) {
  const agent_kind kind = from.kind;
  for (const auto& [file, buffer] : buffers_) buffer->flush();
  receiver* last = nullptr;
  for (const auto& r : receivers_) {
    if (is_one_of(*r, from)) last = r.get();
  }
  const bool native = last != nullptr && control::is_native_controller(controller);
  const bool audited = native && audit_is_due(kind);
  const auto seconds = seconds_[index_of(kind)].asked_by(controller, from.topic);
  for (const auto& r : receivers_) {
    if (!is_one_of(*r, from)) continue;
    report figures = r->collect(controller, seconds);
    // One agent's results carry the thread's figures, so that they count once.
    if (audited && r.get() == last) add_audit(figures, kind);
    if (native && r.get() == last) add_intervals(figures, controller_seconds::take(seconds));
    figures.details.arrivals = arrivals_noted_.answer(controller, r.get() == last);
    events_.collected(ticket, r->number(), std::move(figures));
  }
  if (!audited) return;
  arrivals_[index_of(kind)].quiet = 0;
  audit_.open(kind);
}

void worker::add_audit(report& to, agent_kind kind) {
  if (auto taken = audit_.take(kind)) {
    to.details.audit = std::make_shared<const control::audit_report>(std::move(*taken));
  }
}

bool worker::audit_is_due(agent_kind kind) {
  const auto now = drivers::steady_clock::now();
  drivers::time_point& last = audited_at_[index_of(kind)];
  if (settings_.topics.size() > 1 && audit_.is_open(kind) && now - last < least_audit) return false;
  last = now;
  return true;
}

void worker::add_intervals(report& to, control::interval_series taken) {
  if (taken.empty()) return;
  to.details.intervals = std::make_shared<const control::interval_series>(std::move(taken));
}

worker::run_group* worker::find_run(agent_kind kind, const std::string& run) {
  const auto found = std::find_if(runs_.begin(), runs_.end(), [&](const run_group& one) {
    return one.kind == kind && one.run == run;
  });
  return found == runs_.end() ? nullptr : &*found;
}

std::shared_ptr<second_recorder> worker::seconds_of(agent_kind kind, const std::string& run) {
  if (const run_group* const known = find_run(kind, run)) return known->seconds;
  runs_.push_back({kind, run, 0, std::make_shared<second_recorder>()});
  return runs_.back().seconds;
}

void worker::end_in_run(const sender& from, report& figures) {
  run_group* const group = find_run(from.kind(), figures.details.run);
  if (group == nullptr || --group->senders > 0) return;
  add_intervals(figures, group->seconds->take());
  drop_run(*group);
}

/// Nothing is left of it unless somebody else is in it.
void worker::drop_run(const run_group& which) {
  if (which.senders > 0) return;
  live_.end(which.kind, which.run);
  runs_.erase(runs_.begin() + (&which - runs_.data()));
}

live_sender::activity worker::activity_of(agent_kind kind, const std::string& run) const {
  live_sender::activity now;
  for (const auto& s : senders_) {
    if (s->kind() != kind || !in_a_run(*s) || s->run_id() != run) continue;
    ++now.agents;
    now.in_flight += s->in_flight();
  }
  return now;
}

bool worker::audit_wanted(agent_kind kind) {
  if (running_[index_of(kind)] > 0) return true;
  std::uint64_t messages = 0;
  for (const auto& r : receivers_) {
    if (r->kind() == kind) messages += r->arrived();
  }
  last_arrival& last = arrivals_[index_of(kind)];
  last.quiet = messages == std::exchange(last.messages, messages) ? last.quiet + 1 : 0;
  return last.quiet < quiet_limit;
}

template <class Agent>
void worker::close(Agent& agent, drivers::duration limit) {
  if (agent.current() >= Agent::state::closing) return;
  ++closing_;
  agent.stop(limit, [this] { closed(); });
}

void worker::leave(addressee who, drivers::duration limit) {
  for (const auto& s : senders_) {
    if (is_one_of(*s, who)) close(*s, limit);
  }
  for (const auto& r : receivers_) {
    if (is_one_of(*r, who)) close(*r, limit);
  }
  end_audit(who.kind);
}

/// A run that is cut short by this is never told to be done.
void worker::end_audit(agent_kind kind) {
  running_[index_of(kind)] =
      static_cast<std::size_t>(std::count_if(senders_.begin(), senders_.end(), [&](const auto& s) {
        return s->kind() == kind && in_a_run(*s);
      }));
  for (std::size_t i = runs_.size(); i-- > 0;) {
    runs_[i].senders = static_cast<std::size_t>(
        std::count_if(senders_.begin(), senders_.end(), [&](const auto& s) {
          return s->kind() == runs_[i].kind && in_a_run(*s) && s->run_id() == runs_[i].run;
        }));
    drop_run(runs_[i]);
  }
  const bool serving = std::any_of(receivers_.begin(), receivers_.end(), [&](const auto& r) {
    return r->kind() == kind && r->current() < receiver::state::failed;
  });
  if (running_[index_of(kind)] == 0 && !serving) audit_.take(kind);
}

control::process_figures worker::figures() const {
  control::process_figures out;
  const auto enter = [&](const auto& agent) -> control::kind_figures& {
    using state = typename std::remove_reference_t<decltype(agent)>::state;
    control::kind_figures& of = out[index_of(agent.kind())];
    of.present = true;
    if (agent.current() < state::closing) ++of.agents;
    of.links.merge(agent.links());
    return of;
  };
  for (const auto& s : senders_) enter(*s).in_flight += s->in_flight();
  for (const auto& r : receivers_) enter(*r);
  for (const agent_kind kind : control::agent_kinds) {
    out[index_of(kind)].running = running_[index_of(kind)] > 0;
    out[index_of(kind)].counts = life_[index_of(kind)];
  }
  return out;
}

control::link_counts worker::links() const {
  control::link_counts sum;
  for (const auto& s : senders_) sum.merge(s->links());
  for (const auto& r : receivers_) sum.merge(r->links());
  return sum;
}

void worker::stop(drivers::duration limit, std::function<void()> done) {
  ++closing_;  // this function itself
  for (const auto& s : senders_) close(*s, limit);
  for (const auto& r : receivers_) close(*r, limit);
  stopped_ = std::move(done);
  for (const agent_kind kind : control::agent_kinds) end_audit(kind);
  closed();
}

void worker::closed() {
  if (--closing_ > 0 || !stopped_) return;
  for (const auto& [file, buffer] : buffers_) buffer->flush();
  std::exchange(stopped_, {})();
}

void worker::on_run_done(sender& from) {
  report figures = from.take();
  std::size_t& running = running_[index_of(from.kind())];
  audit_.add_late(from.kind(), from.overslept(), figures.details.load.scheduled);
  if (running > 0 && --running == 0) add_audit(figures, from.kind());
  end_in_run(from, figures);
  events_.run_done(from.kind(), from.number(), std::move(figures));
}

void worker::on_reached(sender& from) { events_.agent_ready(from.number()); }

void worker::on_unreachable(sender& from, std::string why) {
  events_.agent_failed(from.number(), std::move(why));
}

void worker::on_ready(receiver& from) { events_.agent_ready(from.number()); }

void worker::on_failed(receiver& from, std::string why) {
  events_.agent_failed(from.number(), std::move(why));
}

void worker::arm(timer which) {
  const drivers::duration wait =
      which == keep_running ? drivers::duration(std::chrono::hours(1)) : std::chrono::seconds(1);
  timers_[which] = loop_.start_timer(drivers::steady_clock::now() + wait, *this, which);
}

void worker::on_timer(std::uint64_t which) {
  if (which == flush_output) {
    for (const auto& [file, buffer] : buffers_) buffer->flush();
  }
  arm(static_cast<timer>(which));
}

}  // namespace ombt::agents
