// SPDX-License-Identifier: Apache-2.0
// What a session does topic by topic: whom it asks at which address, which agents a topic lacks,
// and how many messages each topic's servers should have.
#include "controller/session.hpp"
#include "controller/session_text.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace ombt::controller {

using wire::control::agent_kind;
using wire::control::agent_kinds;
using wire::control::words;

namespace {

std::uint64_t above(std::uint64_t a, std::uint64_t b) { return a > b ? a - b : 0; }

}  // namespace

wire::control::reply_address session::address_in(std::size_t topic) const {
  wire::control::reply_address out = own_;
  if (!plan_.topics.empty()) out.topic = wire::control::controller_topic(plan_.topics[topic]);
  return out;
}

int session::ask_all(purpose why, wire::control::method m, agent_kind to) {
  const auto topics = static_cast<std::uint32_t>(plan_.topic_count());
  for (std::uint32_t topic = 0; topic < topics; ++topic) {
    std::string args;
    wire::control::append_reply_addr_args(args, address_in(topic));
    send(why, m, to, std::move(args), topic);
  }
  return static_cast<int>(topics);
}

bool session::needed_kinds_there() const noexcept {
  return std::all_of(outcome_.topics.begin(), outcome_.topics.end(), [&](const topic_figures& t) {
    return std::all_of(agent_kinds.begin(), agent_kinds.end(),
                       [&](agent_kind kind) { return !plan_.needs(kind) || t.count(kind) > 0; });
  });
}

std::string session::place_in_words(agent_kind kind, std::size_t topic) const {
  if (!plan_.over_bus) return plan_.topic_at(topic);
  return wire::control::agent_topic(kind, plan_.topic_at(topic), plan_.unique) + " (exchange " +
         std::string{wire::control::control_exchange} + ')';
}

std::string session::missing_kinds(time_point now) const {
  const auto test = *test_of(plan_.what);
  std::vector<std::string> missing;
  std::set<agent_kind> kinds;
  for (std::size_t topic = 0; topic < plan_.topic_count(); ++topic) {
    for (const agent_kind kind :
         {wire::control::client_kind(test), wire::control::server_kind(test)}) {
      if (outcome_.topics[topic].count(kind) > 0) continue;
      kinds.insert(kind);
      const bool client = kind == wire::control::client_kind(test);
      missing.push_back("No " + std::string{wire_name(kind)} + (client ? " clients" : " servers") +
                        " visible: no " + std::string{words(kind)} + " answered on topic " +
                        place_in_words(kind, topic) +
                        (plan_.over_bus ? " within " + seconds_text(waited(now)) : ""));
    }
  }
  std::string out = list_text(missing, "; ");
  std::uint64_t standby = 0;
  for (const process_record& one : outcome_.processes) standby += one.told.standby;
  if (!out.empty() && standby > 0) {
    out += "; " + count_text(standby, "standby agent") +
           (standby == 1 ? " is there: assign gives it a role"
                         : " are there: assign gives them roles");
  }
  if (out.empty()) return {};
  return out + other_topics_text(plan_, outcome_.processes, kinds) + gone_in_words();
}

std::string session::gone_in_words() const {
  const auto gone = [](const std::string& why) { return !why.empty(); };
  const auto first = std::find_if(gone_.begin(), gone_.end(), gone);
  if (first == gone_.end()) return {};
  const auto others = std::count_if(first + 1, gone_.end(), gone);
  return "; " + gone_text(*first, static_cast<std::uint64_t>(others));
}

std::string session::no_servers() const {
  const agent_kind servers = wire::control::server_kind(*test_of(plan_.what));
  std::vector<bool> any(plan_.topic_count());
  for (std::size_t i = 0; i < states_.size(); ++i) {
    const agent_record& agent = outcome_.agents[i];
    if (agent.kind == servers && !agent.left && !states_[i].excluded) any[agent.topic] = true;
  }
  std::vector<std::string> without;
  for (std::size_t topic = 0; topic < any.size(); ++topic) {
    if (any[topic]) continue;
    without.push_back(std::to_string(outcome_.topics[topic].count(servers)) + " " +
                      std::string{words(servers)} + "s" +
                      (plan_.topics.empty() ? "" : " of topic " + plan_.topics[topic]));
  }
  if (without.empty()) return {};
  bool silent = false;
  std::set<process_number> gone;
  for (std::size_t i = 0; i < states_.size(); ++i) {
    const agent_record& agent = outcome_.agents[i];
    if (agent.kind != servers || any[agent.topic]) continue;
    if (states_[i].gone) gone.insert(agent.process);
    silent = silent || (!states_[i].gone && !agent.left);
  }
  return "none of " + list_text(without, ", ") +
         (silent ? " answered get_server_results within " + seconds_text(plan_.timeout)
                 : " is there any more") +
         (gone.empty() ? "" : "; " + gone_text(gone_[*gone.begin()], gone.size() - 1));
}

std::vector<std::uint64_t> session::copies(std::uint64_t wire::control::results::*count) const {
  std::vector<std::uint64_t> servers(plan_.topic_count(), plan_.what == task::rpc_fanout ? 0 : 1);
  if (plan_.what == task::rpc_fanout) {
    for (std::size_t i = 0; i < states_.size(); ++i) {
      const agent_record& agent = outcome_.agents[i];
      if (agent.kind == agent_kind::rpc_server && !states_[i].excluded &&
          agent.answered_roll_call) {
        ++servers[agent.topic];
      }
    }
  }
  for (std::size_t topic = 0; topic < servers.size(); ++topic) {
    servers[topic] *= outcome_.topics[topic].clients.results.*count;
  }
  return servers;
}

std::uint64_t session::expected_messages() const {
  std::uint64_t sum = 0;
  for (const std::uint64_t messages : copies(&wire::control::results::msgs_ok)) sum += messages;
  return sum;
}

std::uint64_t session::unaccounted(bool failed_too) const {
  const auto expected = copies(&wire::control::results::msgs_ok);
  const auto failed = copies(&wire::control::results::msgs_fail);
  std::uint64_t sum = 0;
  for (std::size_t topic = 0; topic < expected.size(); ++topic) {
    sum += above(expected[topic] + (failed_too ? failed[topic] : 0),
                 outcome_.topics[topic].received());
  }
  return sum;
}

std::uint64_t session::surplus() const {
  std::uint64_t sum = 0;
  for (const topic_figures& topic : outcome_.topics) sum += above(topic.received(), topic.expected);
  return sum;
}

std::uint64_t session::unaccounted_in(std::size_t topic) const {
  const topic_figures& of = outcome_.topics[topic];
  const std::uint64_t by_numbers = above(of.expected, of.received());
  const ledger_gaps gaps = ledger_.of(topic).gaps();
  if (gaps.of_strangers == 0 || gaps.arrived_there > 0) return by_numbers;
  const std::uint64_t by_ledger = plan_.what == task::rpc_fanout
                                      ? ledger_.of(topic).copies_missing()
                                      : of.ledger.lost + of.ledger.unknown;
  return std::max(by_numbers, by_ledger);
}

bool session::tell_unaccounted() {
  std::uint64_t sum = 0;
  std::vector<std::string> parts;
  for (std::size_t i = 0; i < outcome_.topics.size(); ++i) {
    const std::uint64_t missing = outcome_.topics[i].unaccounted;
    sum += missing;
    if (missing == 0 || plan_.topics.empty()) continue;
    parts.push_back(std::to_string(missing) + " in topic " + plan_.topics[i]);
  }
  if (sum == 0) return false;
  // Receivers that are gone are not waited for.
  outcome_.problems.push_back(
      std::to_string(sum) + " of " + std::to_string(outcome_.expected) +
      " messages are not accounted for by the receivers" +
      (receiver_gone_ ? " that answered" : " within " + seconds_text(plan_.timeout)) +
      (parts.empty() ? "" : ": " + list_text(parts, ", ")));
  return true;
}

void session::close_topics() {
  const auto expected = copies(&wire::control::results::msgs_ok);
  for (std::size_t topic = 0; topic < expected.size(); ++topic) {
    outcome_.topics[topic].expected = expected[topic];
    outcome_.expected += expected[topic];
  }
}

}  // namespace ombt::controller
