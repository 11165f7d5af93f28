// SPDX-License-Identifier: Apache-2.0
#include "controller/session_text.hpp"

#include "controller/session.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace ombt::controller {
namespace {

using wire::control::agent_kind;
using wire::control::agent_kinds;
using wire::control::words;

constexpr std::size_t names_in_problems = 20;

}  // namespace

std::string count_text(std::uint64_t number, std::string_view noun) {
  return std::to_string(number) + ' ' + std::string{noun} + (number == 1 ? "" : "s");
}

std::string gone_text(const std::string& first, std::uint64_t others) {
  if (others == 0) return first;
  const std::string so = others == 1 ? "; so is " : "; so are ";
  return first + so + std::to_string(others) + (others == 1 ? " more process" : " more processes");
}

std::string process_text(const wire::control::process_hello& told) {
  return "process " + std::to_string(told.pid) + " of host " + told.host;
}

duration from_seconds(double seconds) {
  return std::chrono::round<duration>(std::chrono::duration<double>(seconds));
}

std::string list_text(const std::vector<std::string>& parts, std::string_view between) {
  constexpr std::size_t most_told = 5;
  std::string out;
  for (std::size_t i = 0; i < std::min(parts.size(), most_told); ++i) {
    if (i > 0) out += between;
    out += parts[i];
  }
  if (parts.size() <= most_told) return out;
  return out + std::string{between} + "and " + std::to_string(parts.size() - most_told) + " more";
}

std::string other_topics_text(const plan& what, const std::vector<process_record>& processes,
                              const std::set<agent_kind>& kinds) {
  std::set<std::string> topics;
  bool unique = false;
  for (const process_record& one : processes) {
    const bool has = std::any_of(kinds.begin(), kinds.end(), [&](agent_kind kind) {
      return one.told.agents[static_cast<std::size_t>(kind)] > 0;
    });
    if (!has) continue;
    for (const std::string& topic : one.told.topics) {
      if (topic == wire::control::unique_topic) {
        unique = true;
      } else {
        topics.insert(topic);
      }
    }
  }
  if (what.unique) {
    return topics.empty() ? std::string{} : "; agents are there that were started without --unique";
  }
  for (std::size_t i = 0; i < what.topic_count(); ++i) topics.erase(what.topic_at(i));
  if (!topics.empty()) {
    return "; agents are there on topic " + list_text({topics.begin(), topics.end()}, ", ");
  }
  return unique ? "; agents are there that were started with --unique" : std::string{};
}

std::string seconds_text(duration d) {
  const double seconds = std::chrono::duration<double>(d).count();
  std::string out;
  wire::json::append_number(out, seconds);
  if (out.ends_with(".0")) out.resize(out.size() - 2);
  return out + " s";
}

std::uint32_t outcome::count(agent_kind kind) const noexcept {
  return static_cast<std::uint32_t>(
      std::count_if(agents.begin(), agents.end(),
                    [&](const agent_record& a) { return a.kind == kind && a.answered_roll_call; }));
}

std::string_view name_of(phase p) noexcept {
  switch (p) {
    case phase::connecting:
      return "connecting";
    case phase::holding:
      return "holding agents";
    case phase::roll_call:
      return "roll call";
    case phase::resetting:
      return "resetting servers";
    case phase::comparing:
      return "comparing clocks";
    case phase::comparing_again:
      return "comparing clocks again";
    case phase::preparing:
      return "preparing";
    case phase::running:
      return "running";
    case phase::settling:
      return "waiting";
    case phase::polling:
      return "asking servers";
    case phase::leaving:
      return "shutting down";
    case phase::stopping:
      return "stopping";
    case phase::finished:
      break;
  }
  return "finished";
}

std::string_view session::phase_words() const noexcept {
  return phase_ == phase::running && warming_up_ ? warming_up_words : name_of(phase_);
}

bool session::expectations_met() const noexcept {
  return std::all_of(plan_.expect.begin(), plan_.expect.end(), [&](const expectation& e) {
    std::uint32_t present = 0;
    for (const agent_kind kind : agent_kinds) {
      const bool counts = e.kind ? kind == *e.kind : plan_.needs(kind) || !test_of(plan_.what);
      if (counts) present += answered(kind);
    }
    return present >= e.count;
  });
}

duration session::waited(time_point now) const noexcept {
  if (now >= phase_limit_) return phase_limit_ - phase_began_;
  // Rounded down: no answer came within what is told.
  const auto gone = std::chrono::duration_cast<std::chrono::milliseconds>(now - phase_began_);
  const auto step = gone < std::chrono::milliseconds{100} ? 1 : 100;
  return std::chrono::milliseconds{gone.count() / step * step};
}

std::string session::expectations_unmet(time_point now) const {
  std::string out = "not all expected agents answered within " + seconds_text(waited(now)) + ": ";
  std::string wanted;
  for (const expectation& e : plan_.expect) {
    if (!wanted.empty()) wanted += ", ";
    wanted += count_text(e.count, e.kind ? words(*e.kind) : "agent");
  }
  out += "expected " + wanted + "; answered ";
  bool first = true;
  for (const agent_kind kind : agent_kinds) {
    const bool named = std::any_of(plan_.expect.begin(), plan_.expect.end(),
                                   [kind](const expectation& e) { return e.kind == kind; });
    if (!plan_.needs(kind) && test_of(plan_.what) && !named) continue;
    if (!first) out += ", ";
    first = false;
    out += count_text(outcome_.count(kind), words(kind)) + " (topic " +
           (plan_.over_bus ? wire::control::agent_topic(kind, plan_.topic_at(0), plan_.unique)
                           : plan_.topic_at(0));
    if (plan_.topic_count() > 1) out += " to " + plan_.topics.back();
    out += ')';
  }
  for (const auto& [name, times] : outcome_.same_names) {
    out += "; " + count_text(times, "more agent") + " answered by the name " + name;
  }
  if (!bus_error_.empty()) out += "; " + bus_error_;
  std::set<agent_kind> kinds;
  for (const agent_kind kind : agent_kinds) {
    if (plan_.needs(kind) || !test_of(plan_.what)) kinds.insert(kind);
  }
  return out + other_topics_text(plan_, outcome_.processes, kinds) + gone_in_words();
}

bool session::more_than_expected() const noexcept {
  if (surplus() == 0) return false;
  // A call that failed may have arrived, and what a client sent that did not report is not known.
  if (outcome_.clients.results.msgs_fail > 0 || outcome_.agents_refused > 0) return false;
  return std::none_of(
      outcome_.agents.begin(), outcome_.agents.end(), [&](const agent_record& agent) {
        const bool client = agent.kind == wire::control::client_kind(*test_of(plan_.what));
        // A server that joined in a fanout has its copies, which were not expected.
        return client ? agent.missing
                      : plan_.what == task::rpc_fanout && agent.reports > 0 &&
                            !agent.answered_roll_call;
      });
}

void session::mark_missing() {
  for (std::size_t i = 0; i < states_.size(); ++i) {
    outcome_.agents[i].missing = outcome_.agents[i].missing || states_[i].waited_for;
  }
}

/// Says which agents are missing, and what was said of the bus meanwhile.
void session::tell_missing() {
  std::size_t missing = 0;
  std::size_t clients = 0;
  std::size_t last_client = 0;
  const agent_kind client_kind = wire::control::client_kind(*test_of(plan_.what));
  for (std::size_t i = 0; i < outcome_.agents.size(); ++i) {
    if (!outcome_.agents[i].missing) continue;
    ++missing;
    if (outcome_.agents[i].kind != client_kind) continue;
    ++clients;
    last_client = i;
  }
  if (missing == 0) return;
  const std::string since = " within " + seconds_text(plan_.timeout) +
                            (run_trouble_.empty() ? "" : " (" + run_trouble_ + ')');
  bool all = clients > 1 && clients == outcome_.count(client_kind);
  for (std::size_t i = 0; all && i < last_client; ++i) {
    all = outcome_.agents[i].kind != client_kind || !outcome_.agents[i].missing ||
          why_missing(i, {}) == why_missing(last_client, {});
  }
  if (all) {
    outcome_.problems.push_back("none of " + count_text(clients, words(client_kind)) +
                                " sent results" + why_missing(last_client, since));
  }
  // Those of one process are told together.
  std::map<std::pair<process_number, agent_kind>, std::uint64_t> together;
  for (const agent_record& agent : outcome_.agents) {
    if (agent.missing && agent.process != over_the_bus) ++together[{agent.process, agent.kind}];
  }
  std::size_t named = 0;
  std::uint64_t untold = 0;
  for (std::size_t i = 0; i < outcome_.agents.size(); ++i) {
    const agent_record& agent = outcome_.agents[i];
    if (!agent.missing) continue;
    const bool client = agent.kind == client_kind;
    if (client && all) continue;
    std::uint64_t count = 1;
    std::string who = std::string{words(agent.kind)} + ' ' + agent.name;
    if (const auto of = together.find({agent.process, agent.kind}); of != together.end()) {
      count = std::exchange(of->second, 0);
      if (count == 0) continue;  // told
      if (count > 1) who = count_text(count, words(agent.kind));
      // A reason of its own names it.
      if (count > 1 && why_missing(i, {}).empty()) who += " of " + process_name(agent.process);
    }
    if (++named > names_in_problems) {
      untold += count;
      continue;
    }
    outcome_.problems.push_back(
        who + (client ? " sent no results" : " did not answer") + why_missing(i, since) +
        (client && !agent.native ? "; if it is still at work, raise --timeout" : ""));
  }
  if (untold > 0) {
    outcome_.problems.push_back("and " + count_text(untold, "more agent") +
                                (untold == 1 ? " is" : " are") + " missing");
  }
}

void session::finish() {
  phase_ = phase::finished;
  actions_.clear();
  for (const auto& [name, times] : outcome_.same_names) {
    outcome_.problems.push_back(count_text(times, "more agent") + " answered by the name " + name +
                                ": told apart by nothing, counted as one");
  }
  if (!test_of(plan_.what) || !outcome_.failure.empty()) return;
  const auto& servers = outcome_.servers.results;
  close_topics();
  outcome_.received = servers.msgs_ok + servers.msgs_fail;
  tell_gone_before();
  tell_missing();
  const auto& clients = outcome_.clients.results;
  if (clients.msgs_fail > 0) {
    outcome_.problems.push_back(std::to_string(clients.msgs_fail) + " of " +
                                std::to_string(clients.msgs_ok + clients.msgs_fail) +
                                " messages failed");
  }
  tell_cut_short();
  const std::uint64_t never_reported = count_unreported();
  const auto& load = outcome_.clients.load;
  const bool silent = clients.msgs_ok + clients.msgs_fail + load.dropped == 0;
  const agent_kind sending = wire::control::client_kind(*test_of(plan_.what));
  const bool all_there = std::none_of(
      outcome_.agents.begin(), outcome_.agents.end(),
      [&](const agent_record& a) { return a.kind == sending && (a.missing || a.cut_short); });
  if (silent && all_there && plan_.parameters.load && plan_.parameters.load->open_loop()) {
    outcome_.problems.push_back("no message was sent: the schedule had none in its time");
  }
  if (load.dropped > 0 && plan_.parameters.load) {
    const auto& max_late = plan_.parameters.load->max_late;
    outcome_.problems.push_back(
        std::to_string(load.dropped) + " of " + std::to_string(outcome_.clients.scheduled()) +
        " scheduled messages were dropped: " +
        (max_late ? "more than " + seconds_text(from_seconds(*max_late)) + " late"
                  : std::string{"later than their timeout"}));
  }
  close_ledger(never_reported);
  if (!tell_unaccounted()) tell_lost();
  tell_clocks();
  if (more_than_expected()) {
    const std::uint64_t more = surplus();
    const bool copies_only = outcome_.ledger->complete() && outcome_.ledger->all.lost == 0 &&
                             outcome_.ledger->all.extra_copies == more;
    outcome_.problems.push_back(
        count_text(more, "more message") + " than expected arrived at the receivers: " +
        (copies_only
             ? count_text(outcome_.ledger->all.duplicated, "message") + " arrived more than once"
             : "another run, or agents of the same name"));
  }
}

std::uint64_t session::sent_by(const agent_record& client) noexcept {
  return client.results.msgs_ok + client.results.msgs_fail;
}

bool session::ended_early(const agent_record& client) const noexcept {
  if (client.reports == 0) return false;
  return client.cut_short || (!plan_.parameters.load &&
                              sent_by(client) < static_cast<std::uint64_t>(plan_.parameters.count));
}

/// What clients did not send, since they gave their run up. Python's can't say so, but count.
void session::tell_cut_short() {
  if (run_cancelled_) return;  // why is told
  const agent_kind clients = wire::control::client_kind(*test_of(plan_.what));
  const agent_record* first = nullptr;
  std::uint64_t others = 0;
  for (const agent_record& agent : outcome_.agents) {
    if (agent.kind != clients || !ended_early(agent)) continue;
    if (first != nullptr) {
      ++others;
    } else {
      first = &agent;
    }
  }
  if (first == nullptr) return;
  std::string of;
  if (!plan_.parameters.load) of = " of " + std::to_string(plan_.parameters.count);
  outcome_.problems.push_back(
      first->name + (others > 0 ? " and " + count_text(others, "more client") : std::string{}) +
      " ended the run early, " + (others > 0 ? "the first of them " : "") + "after " +
      std::to_string(sent_by(*first)) + of +
      " messages: without an answer from this controller, or " + "cancelled by another");
}

void session::close_ledger(std::uint64_t never_reported) {
  const agent_kind clients = wire::control::client_kind(*test_of(plan_.what));
  const agent_kind servers = wire::control::server_kind(*test_of(plan_.what));
  for (std::size_t i = 0; i < states_.size(); ++i) {
    const agent_record& agent = outcome_.agents[i];
    if (agent.kind == clients && agent.missing) ledger_.of(agent.topic).miss_client();
    // Of several of one name only one's results are known. One that left may be at work still.
    if (agent.kind == servers && (agent.missing || agent.left || states_[i].excluded ||
                                  outcome_.same_names.contains(agent.name))) {
      ledger_.of(agent.topic).miss_receiver(i);
    }
  }
  outcome_.ledger =
      ledger_.summary([this](std::size_t agent) { return outcome_.agents[agent].name; });
  for (std::size_t topic = 0; topic < plan_.topic_count(); ++topic) {
    outcome_.topics[topic].ledger = ledger_.of(topic).counts();
    outcome_.topics[topic].unaccounted = unaccounted_in(topic);
  }
  outcome_.fanout = ledger_.fanout_figures(outcome_.clients.load.dropped + never_reported);
  outcome_.ledger->caught_by_window = outcome_.servers.links.duplicates;
  outcome_.ledger->late_replies = outcome_.clients.links.late_replies;
  // Where no ledger says it, the numbers do; but of a fanout they count copies, and a call that was
  // answered has arrived, whoever had it.
  outcome_.clients.lost = outcome_.ledger->all.lost;
  if (!outcome_.ledger->fanout && plan_.what != task::rpc_call) {
    outcome_.clients.lost = std::max(outcome_.clients.lost, unaccounted());
  }
}

/// What numbers alone don't show, since as many copies came as messages are lost.
void session::tell_lost() {
  const ledger_counts& all = outcome_.ledger->all;
  if (!all.closes()) outcome_.problems.push_back("the ledger does not close");
  if (all.lost == 0) return;
  outcome_.problems.push_back(std::to_string(all.lost) + " of " + std::to_string(all.sent) +
                              (outcome_.ledger->fanout ? " messages did not reach every receiver"
                                                       : " messages reached no receiver") +
                              " within " + seconds_text(plan_.timeout) +
                              ", though as many arrived as were sent");
}

session::progress session::how_far() const {
  const auto& servers = outcome_.servers.results;
  switch (phase_) {
    case phase::connecting:
    case phase::holding:
    case phase::preparing:
    case phase::leaving:
    case phase::stopping:
    case phase::comparing:
    case phase::comparing_again:
      return {};
    case phase::roll_call:
    case phase::finished:
      return {outcome_.agents.size(), 0};
    case phase::resetting:
    case phase::running: {
      const auto test = *test_of(plan_.what);
      const std::uint64_t all =
          outcome_.count(phase_ == phase::running ? wire::control::client_kind(test)
                                                  : wire::control::server_kind(test));
      return {all - std::min(all, waiting_), all};
    }
    case phase::settling:
    case phase::polling:
      return {servers.msgs_ok + servers.msgs_fail, expected_messages()};
  }
  return {};
}

}  // namespace ombt::controller
