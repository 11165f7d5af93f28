// SPDX-License-Identifier: Apache-2.0
#include "controller/session.hpp"

#include "controller/session_text.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace ombt::controller {
namespace {

using wire::control::agent_kind;
using wire::control::method;
using namespace std::chrono_literals;

constexpr duration retry_pause = 1s;  // after an action that the bus did not take
constexpr duration least_poll_gap = 250ms;
constexpr int most_empty_rounds = 3;  // where a receiver is gone: then nothing more comes

std::string describe(error_code error, std::string_view detail) {
  if (detail.empty()) return error.message();
  std::string out{detail};
  // Who answered, and what, is all there is to say.
  if (!error || error == errc::remote_exception) return out;
  // The driver's own words may be all there is to say; a peer's are put after ours.
  if (out.find(error.message()) == std::string::npos) out = error.message() + ": " + out;
  return out;
}

bool is_final(error_code error) {
  return error == errc::authentication_failed || error == errc::vhost_refused ||
         error == errc::wrong_protocol || error == errc::channel_refused;
}

}  // namespace

session::session(plan what, wire::control::reply_address own, std::string run_id, time_point now)
    : plan_{std::move(what)},
      own_{std::move(own)},
      run_id_{std::move(run_id)},
      warm_up_id_{run_id_ + "-warm-up"},
      warming_up_{plan_.warmup > 0},
      ends_when_quiet_{plan_.expect.empty()},
      ledger_{plan_.what == task::rpc_fanout, plan_.topic_count()},
      clocks_{plan_} {
  outcome_.topics.resize(plan_.topic_count());
  enter(phase::connecting, now);
}

void session::enter(phase next, time_point now) {
  phase_ = next;
  phase_began_ = now;
  phase_limit_ = now + plan_.timeout;
  last_news_ = now;
  retry_at_.reset();
  clocks_at_.reset();
  casts_pending_ = 0;
  bus_error_.clear();
  for (agent_state& state : states_) state.waited_for = false;
  waiting_ = 0;
}

void session::fail(std::string text) {
  outcome_.failure = std::move(text);
  phase_ = phase::finished;
  actions_.clear();
}

bool session::next_action(action& out) {
  if (actions_.empty()) return false;
  out = std::move(actions_.front());
  actions_.pop_front();
  return true;
}

void session::send(purpose why, method m, agent_kind to, std::string args, std::uint32_t topic) {
  const std::uint64_t tag = next_tag_++;
  pending_.emplace(tag, why);
  actions_.push_back({tag, m, to, std::move(args), topic});
}

std::optional<time_point> session::next_deadline() const noexcept {
  if (finished()) return {};
  time_point at = phase_limit_;
  if (retry_at_) at = std::min(at, *retry_at_);
  if (clocks_at_) at = std::min(at, *clocks_at_);
  if (phase_ == phase::roll_call && ends_when_quiet_ && !pings_unsent()) {
    at = std::min(at, last_news_ + quiet_time());
  }
  return at;
}

void session::tick(time_point now) {
  const bool retry = retry_at_ && now >= *retry_at_;
  const bool over = now >= phase_limit_;
  if (clocks_at_ && now >= *clocks_at_) compare_clocks_at_work(now);
  switch (phase_) {
    case phase::connecting:
      if (over) {
        fail("no contact with " + std::string{others()} + " within " + seconds_text(plan_.timeout) +
             ": " +
             (!bus_error_.empty() ? bus_error_
              : plan_.over_bus    ? "it has not answered"
                                  : "no answer"));
      } else if (retry) {
        check_self();
      }
      break;
    case phase::holding:
      if (over) {
        fail(held_by_.empty() ? "not all agents' processes answered within " +
                                    seconds_text(plan_.wait.value_or(plan_.timeout)) +
                                    (bus_error_.empty() ? "" : ": " + bus_error_)
                              : held_by_ + ", still after " + seconds_text(*plan_.wait));
      } else if (retry) {
        ask_to_hold();
      }
      break;
    case phase::roll_call:
      if (over && !expectations_met()) {
        fail(expectations_unmet(now));
      } else if (over && pings_unsent()) {
        fail(std::string{plan_.over_bus ? "the roll call could not be sent within "
                                        : "the roll call was not answered within "} +
             seconds_text(waited(now)) + (bus_error_.empty() ? "" : ": " + bus_error_));
      } else if (over) {
        after_roll_call(now);
      } else if (retry) {
        ping_all(now);
      } else if (ends_when_quiet_ && !pings_unsent() && now >= last_news_ + quiet_time()) {
        after_roll_call(now);
      }
      break;
    case phase::resetting:
      if (over) {
        for (agent_state& state : states_) state.excluded = state.excluded || state.waited_for;
        mark_missing();
        exclude_with_others();
        compare_clocks(now);
      } else if (retry) {
        ask_servers(now);
      }
      break;
    case phase::comparing:
    case phase::comparing_again:
      if (over) clocks_compared(now);
      break;
    case phase::preparing:
      if (over) {
        fail("not all clients' processes were ready for the run within " +
             seconds_text(plan_.timeout) + (bus_error_.empty() ? "" : ": " + bus_error_));
      }
      break;
    case phase::running:
      if (over) {
        mark_missing();
        run_trouble_ = bus_error_;
        if (!run_id_.empty()) cancel_run();
        after_run(now);
      } else if (retry) {
        look_for_clients(now);
      }
      break;
    case phase::settling:
      if (over) {
        enter(phase::polling, now);
        ask_servers(now);
      }
      break;
    case phase::polling:
      if (over) {
        end_polling(false, now);
      } else if (retry) {
        ask_servers(now);
      }
      break;
    case phase::leaving:
      if (over) {
        fail("shutdown could not be sent within " + seconds_text(plan_.timeout) +
             (bus_error_.empty() ? "" : ": " + bus_error_));
      }
      break;
    case phase::stopping:
      if (over) finish();
      break;
    case phase::finished:
      break;
  }
}

void session::on_listening(time_point) {
  if (phase_ != phase::connecting || listening_) return;
  listening_ = true;
  check_self();
}

void session::on_listener_trouble(error_code error, std::string_view detail, bool final) {
  if (finished()) return;
  bus_error_ = describe(error, detail);
  if (final || is_final(error))
    fail("no contact with " + std::string{others()} + ": " + bus_error_);
}

void session::check_self() {
  retry_at_.reset();
  if (self_check_pending_) return;
  self_check_pending_ = true;
  ++self_tries_;
  send(purpose::self_check, method::self_ready, agent_kind::rpc_client, "{}", self_checked_);
}

void session::on_complete(std::uint64_t tag, error_code error, std::string_view detail,
                          time_point now) {
  if (clocks_.ended(tag)) return ask_clocks(now);
  const auto at = pending_.find(tag);
  if (at == pending_.end()) return;
  const purpose why = at->second;
  pending_.erase(at);
  if (finished()) return;
  if (error) bus_error_ = describe(error, detail);
  switch (why) {
    case purpose::self_check:
      self_check_pending_ = false;
      if (phase_ != phase::connecting) return;
      if (!error && ++self_checked_ < plan_.topic_count()) {
        self_tries_ = 0;
        check_self();
      } else if (!error) {
        in_contact(now);
      } else if (is_final(error)) {
        fail("no contact with " + std::string{others()} + ": " + bus_error_);
      } else if (self_tries_ >= self_ready_tries) {
        fail("no contact with " + std::string{others()} + " after " + std::to_string(self_tries_) +
             " tries: " + bus_error_);
      } else if (error == errc::messaging_timeout) {
        check_self();
      } else {
        retry_at_ = now + retry_pause;
      }
      return;
    case purpose::hold:
      if (phase_ == phase::holding) on_hold_answered(error, detail, now);
      return;
    case purpose::ping:
      if (phase_ != phase::roll_call) return;
      casts_pending_ = std::max(0, casts_pending_ - 1);
      if (error) {
        if (is_final(error)) return fail("the roll call could not be sent: " + bus_error_);
        ping_failed_ = true;
        retry_at_ = now + retry_pause;
      }
      // The quiet time begins when the last question is out.
      if (casts_pending_ == 0) {
        last_news_ = std::max(last_news_, now);
        end_roll_call_if_met(now);
      }
      return;
    case purpose::reset:
      if (phase_ == phase::resetting && error) retry_at_ = now + retry_pause;
      return;
    case purpose::prepare:
      if (phase_ != phase::preparing) return;
      if (error) return fail("the run could not be prepared: " + bus_error_);
      if (--casts_pending_ == 0) begin_run(now);
      return;
    case purpose::run:
      // A send that failed may have been delivered all the same: a result says so.
      if (phase_ == phase::running && error && outcome_.clients.results.empty()) {
        const std::string what = "run_test could not be sent: " + bus_error_;
        // Others may have begun.
        return plan_.topic_count() > 1 || plan_.direct ? cancel(what, now) : fail(what);
      }
      return;
    case purpose::look:
      return;
    case purpose::cancel:
      if (phase_ == phase::stopping && --casts_pending_ == 0) finish();
      return;
    case purpose::poll:
      if (phase_ == phase::polling && error) retry_at_ = now + retry_pause;
      return;
    case purpose::shutdown:
      if (phase_ != phase::leaving) return;
      if (error) return fail("shutdown could not be sent: " + bus_error_);
      if (--casts_pending_ == 0) finish();
      return;
  }
}

void session::ask_servers(time_point now) {
  const agent_kind servers = wire::control::server_kind(*test_of(plan_.what));
  if (phase_ == phase::polling && !round_open_) {
    round_open_ = true;
    round_seen_ = 0;
    waiting_ = 0;
    for (std::size_t i = 0; i < states_.size(); ++i) {
      states_[i].waited_for = outcome_.agents[i].kind == servers && !states_[i].excluded &&
                              !states_[i].gone && outcome_.agents[i].answered_roll_call;
      if (states_[i].waited_for) ++waiting_;
    }
    if (waiting_ == 0) return end_polling(true, now);
    retry_gap_ = first_ask_gap;
  }
  // Whoever is silent for long is asked again: the question may be lost with a connection.
  retry_at_ = now + retry_gap_;
  retry_gap_ *= 2;
  ask_all(phase_ == phase::polling ? purpose::poll : purpose::reset, method::get_server_results,
          servers);
}

void session::take_own(agent_record& from, bool client, const wire::control::results& results,
                       const wire::control::result_details* details) {
  ++from.reports;
  from.missing = false;
  // Each agent's texts are kept beside the sum of all, as far as that is sane.
  const auto& errors = results.errors;
  if (error_texts_ + errors.size() <= error_text_limit) {
    error_texts_ += errors.size();
    from.results.merge(results);
  } else {
    wire::control::results without = results;
    without.errors.clear();
    for (const auto& [text, times] : errors) {
      without.errors[std::string{wire::control::other_errors}] += times;
    }
    from.results.merge(without);
  }
  static const wire::control::result_details none;
  const wire::control::result_details& told = details != nullptr ? *details : none;
  const auto number = static_cast<std::size_t>(&from - outcome_.agents.data());
  if (client) {
    ledger_.of(from.topic).add_client(number, results, told);
  } else {
    ledger_.add_receiver(from.topic, number, results, told, !from.answered_roll_call);
  }
  if (details == nullptr) return;
  ++from.reports_with_details;
  from.cut_short = from.cut_short || told.cut_short;
  from.scheduled += told.load.scheduled;
  if (plan_.per_agent) {
    if (!from.latency) from.latency = std::make_shared<wire::hdr::sparse_histogram>();
    from.latency->merge(told.latency);
  }
  if (told.audit) outcome_.add_audit(from, *told.audit);
}

void session::add_sums(side& into, std::uint32_t topic, const wire::control::results& results,
                       const wire::control::result_details* details) {
  const bool client = &into == &outcome_.clients;
  topic_side& of_topic = client ? outcome_.topics[topic].clients : outcome_.topics[topic].servers;
  into.results.merge(results);
  of_topic.results.merge(results);
  if (details == nullptr) return;
  if (!plan_.topics.empty()) of_topic.latency.merge(details->latency);
  into.latency.merge(details->latency);
  into.links.merge(details->links);
  if (plan_.parameters.load) into.load.merge(details->load);
  for (const auto& entry : details->series.entries()) {
    into.series[entry.which].merge(entry.values);
    if (entry.below.samples > 0) into.below_zero[entry.which].merge(entry.below);
  }
  if (details->sites && client) {
    outcome_.sites.add_client(*details->sites);
  } else if (details->sites) {
    outcome_.sites.add_server(*details->sites);
  }
  if (details->intervals) into.intervals.merge(*details->intervals);
  if (details->negative_samples > 0) {
    into.negative_samples += details->negative_samples;
    into.negative_min = std::min(into.negative_min, details->negative_min);
  }
}

bool session::agent_state::takes(const wire::control::result_details& details) {
  if (details.answer == 0) return true;
  if (std::find(answers.begin(), answers.end(), details.answer) != answers.end()) return false;
  if (answers.size() == results_remembered) answers.erase(answers.begin());
  answers.push_back(details.answer);
  return true;
}

void session::on_result(const wire::control::client_result_request& result, time_point now,
                        std::uint32_t topic, process_number from) {
  const auto test = test_of(plan_.what);
  const bool from_client = test && result.kind == wire::control::client_kind(*test);
  const bool from_server = test && result.kind == wire::control::server_kind(*test);
  if (!takes_now(from_client, from_server, result.has_details ? result.details.run : run_id())) {
    ++outcome_.foreign_results;
    return;
  }
  agent_record* agent = find_or_add(result.kind, result.name, topic, from, false);
  if (agent == nullptr) return;
  agent_state& state = states_[static_cast<std::size_t>(agent - outcome_.agents.data())];
  if (!state.takes(result.details)) {
    ++outcome_.repeated_results;
    return;
  }
  if (phase_ != phase::resetting) {
    // A client reports once a run; a server that did not answer the reset may still count a
    // former run.
    if ((from_client && agent->reports > 0) || state.excluded) {
      ++outcome_.foreign_results;
      return;
    }
    const auto* const details = result.has_details ? &result.details : nullptr;
    add_sums(from_client ? outcome_.clients : outcome_.servers, topic, result.results, details);
    take_own(*agent, from_client, result.results, details);
  }
  if (std::exchange(state.waited_for, false)) --waiting_;
  results_came(from_client, from_server, result.results.msgs_ok + result.results.msgs_fail, now);
}

void session::results_came(bool client, bool server, std::uint64_t messages, time_point now) {
  switch (phase_) {
    case phase::resetting:
      if (waiting_ == 0) compare_clocks(now);
      break;
    case phase::running:
      if (!client) break;
      wait_for_clients(std::max(phase_limit_, now + plan_.timeout));
      last_news_ = now;
      if (waiting_ == 0) after_run(now);
      break;
    case phase::polling:
      if (server) round_seen_ += messages;
      end_round_if_complete(now);
      break;
    default:
      break;
  }
}

void session::after_run(time_point now) {
  round_open_ = false;
  empty_rounds_ = 0;
  round_gap_ = std::max(least_poll_gap, from_seconds(2 * plan_.parameters.pause));
  if (plan_.what == task::rpc_call || plan_.delay <= duration::zero()) {
    enter(phase::polling, now);
    ask_servers(now);
    return;
  }
  enter(phase::settling, now);
  phase_limit_ = now + plan_.delay;
}

void session::end_round_if_complete(time_point now) {
  if (!round_open_ || waiting_ > 0) return;
  round_open_ = false;
  outcome_.polled = true;
  // Of what failed nobody knows whether it arrived: until all of it is there or nothing more comes.
  // By numbers alone a copy too many stands for a failed one.
  const bool any_failed = outcome_.clients.results.msgs_fail > 0;
  const bool settled =
      !any_failed || round_seen_ == 0 || (!ledger_.any() && unaccounted(true) == 0);
  if (unaccounted() == 0 && settled && ledger_.counts().lost == 0) {
    return end_polling(true, now);
  }
  // What a receiver had that is gone will not be told any more.
  empty_rounds_ = round_seen_ == 0 ? empty_rounds_ + 1 : 0;
  if (receiver_gone_ && empty_rounds_ >= most_empty_rounds) return end_polling(true, now);
  if (round_seen_ == 0)
    round_gap_ = std::min(round_gap_ * 2, std::max(plan_.timeout, least_poll_gap));
  retry_at_ = now + round_gap_;
}

void session::end_polling(bool in_time, time_point now) {
  outcome_.polled = true;
  if (!in_time && round_open_) mark_missing();
  if (warming_up_) return forget_warm_up(now);
  compare_clocks_again(now);
}

}  // namespace ombt::controller
