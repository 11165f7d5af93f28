// SPDX-License-Identifier: Apache-2.0
#include "controller/topic_ledgers.hpp"

#include "controller/session_text.hpp"

#include <algorithm>
#include <iterator>

namespace ombt::controller {
namespace {

/// The worst of both, the worst first.
void add_lines(std::vector<ledger_line>& to, std::vector<ledger_line>& from) {
  std::move(from.begin(), from.end(), std::back_inserter(to));
  std::stable_sort(to.begin(), to.end(), [](const ledger_line& a, const ledger_line& b) {
    return a.counts.badness() > b.counts.badness();
  });
  if (to.size() > ledger_summary::lines_limit) to.resize(ledger_summary::lines_limit);
}

}  // namespace

void ledger_gaps::add(const ledger_gaps& other) noexcept {
  for (const auto count :
       {&ledger_gaps::clients_missed, &ledger_gaps::clients_without,
        &ledger_gaps::clients_contradicting, &ledger_gaps::sent_without,
        &ledger_gaps::receivers_without, &ledger_gaps::arrived_there,
        &ledger_gaps::receivers_missed, &ledger_gaps::reports_contradicting,
        &ledger_gaps::unidentified, &ledger_gaps::not_kept, &ledger_gaps::joined_unplaced,
        &ledger_gaps::strangers, &ledger_gaps::of_strangers}) {
    this->*count += other.*count;
  }
}

std::vector<std::string> ledger_gaps::texts() const {
  std::vector<std::string> out;
  const auto tell = [&](std::uint64_t count, std::string_view noun, std::string_view what) {
    if (count > 0) out.push_back(count_text(count, noun) + std::string{what});
  };
  tell(clients_missed, "client", " that sent no results: what they sent is not known");
  tell(clients_without, "client", " without a ledger, as Python ones are");
  tell(clients_contradicting, "client", " with a ledger that contradicts its results");
  tell(sent_without, "message", " sent by these, which the ledger does not know");
  tell(receivers_without, "receiver", " without a ledger, as Python ones are");
  tell(arrived_there, "message", " arrived there: whose is not known");
  tell(receivers_missed, "receiver", " that did not answer: what arrived there is not known");
  tell(reports_contradicting, "report", " of receivers with more in the ledger than arrived");
  tell(unidentified, "message", " arrived with an id that no test message has");
  tell(not_kept, "message", " found no room in the ledger");
  tell(joined_unplaced, "message", " arrived at receivers that came during the run");
  if (strangers > 0) tell(of_strangers, "message", " arrived of clients that sent no results");
  return out;
}

topic_ledgers::topic_ledgers(bool fanout, std::size_t topics) {
  ledgers_.reserve(topics);
  for (std::size_t i = 0; i < topics; ++i) {
    ledgers_.emplace_back(fanout, run_ledger::room_bytes / topics);
  }
}

void topic_ledgers::add_receiver(std::size_t topic, std::size_t agent,
                                 const wire::control::results& results,
                                 const wire::control::result_details& details, bool joined) {
  ledgers_[topic].add_receiver(agent, results, details, joined);
  if (details.arrivals && !joined) times_.add(*details.arrivals);
}

std::optional<fanout_summary> topic_ledgers::fanout_figures(std::uint64_t never) const {
  std::optional<fanout_summary> all;
  for (const run_ledger& one : ledgers_) {
    const auto found = one.fanout_figures(times_);
    if (found && all) {
      all->add(*found);
    } else if (found) {
      all = found;
    }
  }
  if (!all) return {};
  all->messages += never;
  for (fanout_figure* const figure : {&all->first, &all->median, &all->last}) {
    figure->never += never;
  }
  return all;
}

bool topic_ledgers::any() const noexcept {
  return std::any_of(ledgers_.begin(), ledgers_.end(), [](const auto& l) { return l.any(); });
}

ledger_counts topic_ledgers::counts() const {
  ledger_counts all;
  for (const run_ledger& one : ledgers_) all.add(one.counts());
  return all;
}

ledger_summary topic_ledgers::summary(const run_ledger::name_of_agent& name_of) const {
  ledger_summary all = ledgers_.front().summary(name_of);
  ledger_gaps gaps = ledgers_.front().gaps();
  for (std::size_t i = 1; i < ledgers_.size(); ++i) {
    ledger_summary one = ledgers_[i].summary(name_of);
    gaps.add(ledgers_[i].gaps());
    all.all.add(one.all);
    for (const auto& [error, count] : one.failed_by_kind) all.failed_by_kind[error] += count;
    all.receivers += one.receivers;
    all.copies_lost += one.copies_lost;
    all.clients_listed_of += one.clients_listed_of;
    add_lines(all.clients, one.clients);
    all.receivers_listed_of += one.receivers_listed_of;
    add_lines(all.receivers_wrong, one.receivers_wrong);
  }
  all.gaps = gaps.texts();
  return all;
}

}  // namespace ombt::controller
