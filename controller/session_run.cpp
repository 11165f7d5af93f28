// SPDX-License-Identifier: Apache-2.0
// The run of a session: prepared, begun, watched while its clients are at work, ended before its
// time; and the warm-up before it, forgotten.
#include "controller/load_options.hpp"
#include "controller/session.hpp"
#include "controller/session_text.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace ombt::controller {
namespace {

// From now to the instant at which all processes begin a run that they have been prepared for.
constexpr duration least_lead = std::chrono::milliseconds{50};
constexpr duration most_lead = std::chrono::seconds{5};

}  // namespace

using wire::control::agent_kind;
using wire::control::method;
using wire::control::words;

std::string session::not_native() const {
  if (plan_.native_clients_for.empty()) return {};
  const agent_kind kind = wire::control::client_kind(*test_of(plan_.what));
  std::uint64_t foreign = 0;
  for (const agent_record& agent : outcome_.agents) {
    if (agent.kind == kind && agent.answered_roll_call && !agent.native) ++foreign;
  }
  if (foreign == 0) return {};
  return plan_.native_clients_for + " needs native clients: " + std::to_string(foreign) + " of " +
         count_text(outcome_.count(kind), words(kind)) +
         (foreign == 1 ? " is not, and" : " are not, and") + " would send as ombt does";
}

void session::prepare_load(wire::control::load& load, time_point now, duration lead) const {
  if (warming_up_) load = warm_up_of(load, plan_.warmup);
  if (!load.open_loop()) return;
  const auto clients = outcome_.count(wire::control::client_kind(*test_of(plan_.what)));
  load.clients = plan_.rate_per_client ? 1 : std::max<std::int64_t>(1, clients);
  load.start.in =
      std::max(std::chrono::duration<double>(lead).count(), plan_.over_bus ? lead_of(clients) : 0);
  load.start.boot = plan_.boot_id;
  load.start.monotonic_ns =
      std::chrono::nanoseconds((now + from_seconds(load.start.in)).time_since_epoch()).count();
}

std::optional<double> session::share_of_client() const {
  const auto& load = plan_.parameters.load;
  if (!load) return static_cast<double>(plan_.parameters.count);
  std::optional<double> count;
  if (load->count) count = static_cast<double>(*load->count);
  if (!load->open_loop()) return count;
  const auto clients = answered(wire::control::client_kind(*test_of(plan_.what)));
  const double all = wire::control::messages_of(load->profile);
  const double each = plan_.rate_per_client ? all : all / std::max(1U, clients);
  return std::min(each, count.value_or(each));
}

/// Of a client that sent results only what it had left where it ended early, in whole messages:
/// what one client's part of a schedule comes to is not known exactly.
std::uint64_t session::count_unreported() {
  const agent_kind clients = wire::control::client_kind(*test_of(plan_.what));
  const auto share = share_of_client();
  double all = 0;
  double of_native = 0;
  for (const agent_record& agent : outcome_.agents) {
    if (agent.kind != clients || !(agent.missing || ended_early(agent))) continue;
    if (!share) {
      outcome_.clients.unreported.reset();
      return 0;
    }
    const auto& load = plan_.parameters.load;
    const std::uint64_t told = load && load->open_loop() ? agent.scheduled : sent_by(agent);
    const double left =
        agent.missing ? *share : std::floor(std::max(0.0, *share - static_cast<double>(told)));
    all += left;
    if (agent.native) of_native += left;
  }
  outcome_.clients.unreported = static_cast<std::uint64_t>(std::llround(all));
  return static_cast<std::uint64_t>(std::llround(of_native));
}

/// Nothing of it is kept but how much it was. Who did not answer may still have messages of it.
void session::forget_warm_up(time_point now) {
  const auto& sent = outcome_.clients.results;
  outcome_.warm_up_messages = sent.msgs_ok + sent.msgs_fail;
  warming_up_ = false;
  outcome_.clients = {};
  outcome_.servers = {};
  outcome_.audits.clear();
  outcome_.sites = {};
  outcome_.polled = false;
  ledger_ = topic_ledgers{plan_.what == task::rpc_fanout, plan_.topic_count()};
  for (topic_figures& topic : outcome_.topics) topic.clients = topic.servers = {};
  run_trouble_.clear();
  outcome_.start = {};
  receiver_gone_ = false;
  error_texts_ = 0;
  const agent_kind servers = wire::control::server_kind(*test_of(plan_.what));
  for (std::size_t i = 0; i < states_.size(); ++i) {
    agent_record& agent = outcome_.agents[i];
    if (agent.kind == servers && agent.missing) states_[i].excluded = true;
    agent.missing =
        states_[i].excluded || (states_[i].gone && !agent.left && plan_.needs(agent.kind));
    agent.reports = agent.reports_with_details = 0;
    agent.cut_short = false;
    agent.results = {};
    agent.latency.reset();
    agent.scheduled = 0;
  }
  exclude_with_others();
  compare_clocks(now);
}

void session::start_run(time_point now) {
  if (const std::string without = no_servers(); !without.empty()) return fail(without);
  if (plan_.direct) return prepare_run(now);
  begin_run(now);
}

wire::control::test_parameters session::run_parameters(time_point now, duration lead) const {
  wire::control::test_parameters out = plan_.parameters;
  if (out.load) prepare_load(*out.load, now, lead);
  out.run = run_id();
  out.detail = run_id_.empty() ? 0 : 1;
  return out;
}

void session::prepare_run(time_point now) {
  enter(phase::preparing, now);
  const auto test = *test_of(plan_.what);
  wire::control::test_parameters parameters = run_parameters(now, {});
  if (parameters.progress) parameters.progress = wire::control::progress_address{{}, {}, true};
  for (std::uint32_t topic = 0; topic < plan_.topic_count(); ++topic) {
    std::string args;
    wire::control::append_run_test_args(args, test, parameters, address_in(topic));
    send(purpose::prepare, method::run_test, wire::control::client_kind(test), std::move(args),
         topic);
    actions_.back().what = order::prepare;
    ++casts_pending_;
  }
}

void session::begin_run(time_point now) {
  const auto test = *test_of(plan_.what);
  // Some may have gone while it was prepared.
  if (const std::string without = no_servers(); !without.empty()) return fail(without);
  for (std::size_t i = 0; i < states_.size(); ++i) {
    const agent_record& agent = outcome_.agents[i];
    if (agent.kind != wire::control::server_kind(test) || states_[i].excluded) continue;
    if (agent.answered_roll_call) ledger_.of(agent.topic).expect_receiver(i);
  }
  // All are told in time, if that takes as long as to prepare them did.
  const duration lead =
      plan_.direct ? std::clamp<duration>((now - phase_began_) * 3 / 2, least_lead, most_lead)
                   : duration::zero();
  enter(phase::running, now);
  const wire::control::test_parameters parameters = run_parameters(now, lead);
  wire::control::start_request start;
  start.run = run_id();
  start.boot = plan_.boot_id;
  // What the clients must take at least is no part of the time that they may be silent.
  double least = static_cast<double>(parameters.count) * parameters.pause;
  duration until = lead;
  if (parameters.load) {
    least = least_seconds(*parameters.load);
    if (parameters.load->open_loop()) until = from_seconds(parameters.load->start.in);
  }
  start.monotonic_ns = std::chrono::nanoseconds((now + until).time_since_epoch()).count();
  start.realtime_ns = start.monotonic_ns + ahead_;
  outcome_.start.agreed = start.realtime_ns;
  wait_for_clients(phase_limit_ + lead + from_seconds(std::min(least, 1e9)));
  for (std::size_t i = 0; i < states_.size(); ++i) {
    if (outcome_.agents[i].kind != wire::control::client_kind(test) || states_[i].gone) continue;
    states_[i].waited_for = true;
    ++waiting_;
  }
  // Processes by direct control have the run, and begin it in all topics at once.
  const std::size_t topics = plan_.over_bus ? plan_.topic_count() : 1;
  for (std::uint32_t topic = 0; topic < topics; ++topic) {
    std::string args;
    if (plan_.over_bus) {
      wire::control::append_run_test_args(args, test, parameters, address_in(topic));
    }
    send(purpose::run, method::run_test, wire::control::client_kind(test), std::move(args), topic);
    actions_.back().what = order::start;
    actions_.back().start = start;
  }
  if (!plan_.over_bus && !warming_up_) clocks_at_ = now + clock_exchanges::gap;
  if (waiting_ == 0) after_run(now);
}

/// A client at work on this run, or that has it waiting behind another controller's, is not gone,
/// however long it takes.
void session::on_sign(const wire::control::client_pong_request& pong, time_point now,
                      std::uint32_t topic) {
  const auto known = index_.find(key_of(pong.kind, pong.name, topic));
  if (known == index_.end() || !states_[known->second].waited_for) return;
  if (run_id_.empty() || pong.run != run_id() || now + plan_.timeout <= phase_limit_) return;
  wait_for_clients(now + plan_.timeout);
}

/// They are looked for where half of the timeout before that is left.
void session::wait_for_clients(time_point limit) {
  phase_limit_ = limit;
  retry_at_ = limit - plan_.timeout / 2;
}

void session::look_for_clients(time_point now) {
  ask_all(purpose::look, method::client_ping, wire::control::client_kind(*test_of(plan_.what)));
  // Once more before the limit: this one may be lost with a connection.
  retry_at_ = now + plan_.timeout / 4;
}

void session::cancel(std::string_view why, time_point now) {
  if (finished()) return;
  if (phase_ != phase::running || run_id_.empty()) return fail(std::string{why});
  outcome_.failure = why;
  enter(phase::stopping, now);
  phase_limit_ = now + self_ready_timeout;
  cancel_run();
}

/// Python agents don't know it: they go on to the end of their run.
void session::cancel_run() {
  run_cancelled_ = true;
  for (std::uint32_t topic = 0; topic < plan_.topic_count(); ++topic) {
    std::string args;
    wire::control::append_cancel_run_args(args, run_id(), address_in(topic));
    send(purpose::cancel, method::run_test, wire::control::client_kind(*test_of(plan_.what)),
         std::move(args), topic);
    ++casts_pending_;
  }
}

}  // namespace ombt::controller
