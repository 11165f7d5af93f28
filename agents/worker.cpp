// SPDX-License-Identifier: Apache-2.0
#include "agents/worker.hpp"

#include "wire/configuration_error.hpp"

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

}  // namespace

worker::worker(drivers::loop& loop, const worker_settings& settings, worker_events& events,
               std::uint32_t thread)
    : loop_(loop),
      settings_(settings),
      events_(events),
      sender_context_{loop, *this, settings.timeout, {}, {}, {}},
      ledger_room_(settings.ledger_bytes),
      audit_(loop, thread, [this](agent_kind kind) { return audit_wanted(kind); }) {
  drivers::target& rpc = sender_context_.rpc;
  rpc.exchange = control::rpc_test_exchange;
  rpc.topic = control::rpc_test_topic(settings.topic);
  sender_context_.rpc_fanout = rpc;
  sender_context_.rpc_fanout.fanout = true;
  sender_context_.notifications.exchange = control::notify_test_exchange;
  sender_context_.notifications.topic = control::notify_test_topic(settings.topic);
}

worker::~worker() {
  for (const auto t : timers_) {
    if (t != 0) loop_.cancel_timer(t);
  }
}

void worker::add(agent_kind kind, std::string name, std::uint32_t number,
                 std::shared_ptr<output_file> file, bool shared, double phase) {
  added_.push_back({kind, std::move(name), number, std::move(file), shared, phase});
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
  auto transport = settings_.make_transport(loop_);
  // What RPC agents alone used goes with them. Notifications that nobody has read stay queued.
  transport->remove_declarations(a.kind == agent_kind::rpc_client ||
                                 a.kind == agent_kind::rpc_server);
  auto log = log_for(a);
  if (a.kind == agent_kind::rpc_client || a.kind == agent_kind::notifier) {
    std::unique_ptr<sender> made;
    if (a.kind == agent_kind::rpc_client) {
      made = std::make_unique<rpc_client>(a.name, a.number, sender_context_, std::move(transport));
    } else {
      made = std::make_unique<notifier>(a.name, a.number, sender_context_, std::move(transport));
    }
    made->spread(a.phase);
    if (log) made->log_to(std::move(log));
    senders_.push_back(std::move(made));
    return;
  }
  std::unique_ptr<receiver> made;
  if (a.kind == agent_kind::rpc_server) {
    made = std::make_unique<rpc_server>(a.name, a.number, loop_, *this, settings_.rpc_server,
                                        std::move(transport));
  } else {
    made = std::make_unique<listener>(a.name, a.number, *this, settings_.listener,
                                      std::move(transport));
  }
  if (log) made->log_to(std::move(log));
  made->keep_ledgers_in(ledger_room_);
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
  return std::make_unique<message_log>(*found->second, a.name, a.shared);
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

void worker::run(agent_kind kind, std::shared_ptr<const test_plan> plan) {
  const bool audited = plan->details;
  const auto text = std::make_shared<message_text>(std::move(plan));
  std::size_t& running = running_[index_of(kind)];
  running = 0;
  for (const auto& s : senders_) {
    if (s->kind() == kind && s->run(text)) ++running;
  }
  if (audited && running > 0) audit_.open(kind);
}

void worker::cancel_run(agent_kind kind) {
  for (const auto& s : senders_) {
    if (s->kind() == kind) s->cancel_run();
  }
}

void worker::collect(agent_kind kind, const std::string& controller, std::uint64_t ticket) {
  for (const auto& [file, buffer] : buffers_) buffer->flush();
  receiver* last = nullptr;
  for (const auto& r : receivers_) {
    if (r->kind() == kind) last = r.get();
  }
  const bool audited = last != nullptr && control::is_native_controller(controller);
  for (const auto& r : receivers_) {
    if (r->kind() != kind) continue;
    report figures = r->collect(controller);
    // One agent's results carry the thread's figures, so that they count once.
    if (audited && r.get() == last) add_audit(figures, kind);
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

void worker::leave(agent_kind kind, drivers::duration limit) {
  for (const auto& s : senders_) {
    if (s->kind() == kind) close(*s, limit);
  }
  for (const auto& r : receivers_) {
    if (r->kind() == kind) close(*r, limit);
  }
  end_audit(kind);
}

/// A run that is cut short by this is never told to be done.
void worker::end_audit(agent_kind kind) {
  running_[index_of(kind)] = 0;
  audit_.take(kind);
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
