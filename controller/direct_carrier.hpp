// SPDX-License-Identifier: Apache-2.0
#pragma once
// Carries a session by direct control (docs/direct.md): commands to the processes that have agents
// of the kind and topic, each of which answers. Uses connections that may outlive it. Everything on
// the loop's thread.
//
// An action is complete when all processes that it went to have answered or are gone, and has
// failed if one answered with an error. At most so many bytes of commands are on their way; what
// else there is waits. A process that comes in the roll call is asked what the others have been, at
// once.

#include "wire/control/direct.hpp"

#include "controller/direct_links.hpp"
#include "controller/session.hpp"
#include "controller/session_carrier.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

namespace ombt::controller {

class direct_carrier final : public session_carrier, private direct_links::user {
 public:
  static constexpr std::size_t most_on_way = std::size_t{128} << 20;  ///< bytes
  /// A process that owes an answer for so long is told of as silent.
  static constexpr duration patience = std::chrono::seconds{2};

  /// The links must outlive it. Patient: places that are down are waited for, not an error.
  direct_carrier(direct_links& links, bool patient) : links_(links), patient_(patient) {}
  ~direct_carrier() override;

  void start(const session& machine, carrier_events& told) override;
  bool carry(const action& what) override;
  void close(std::function<void()> done) override;
  std::string lost_contact() const override;
  std::string never_reached() const override;
  std::string last_error() const override { return lost_contact(); }

 private:
  struct command {
    std::uint64_t tag = 0;  ///< of the action; 0: of none
    order what = order::message;
    std::string_view method;
    std::optional<wire::control::agent_kind> kind;
    std::uint32_t topic = 0;  ///< its place, with a kind
    std::shared_ptr<const std::string> args;

    std::size_t bytes() const noexcept { return args ? args->size() : 0; }
  };
  struct asked {
    command what;
    time_point at;
    bool sent = false;
  };
  struct under_way {
    std::size_t processes = 0;  ///< that have not answered
    error_code error;
    std::string detail;
    // Of hold.
    std::vector<process_number> held;
    std::vector<wire::control::hold_answer> others;
  };
  /// The process first, so that those of one are beside each other.
  using question = std::pair<process_number, std::uint64_t>;

  void on_settled() override;
  void on_open(process_number which) override;
  void on_changed(process_number which) override;
  void on_message(process_number from, const wire::control::direct_message& message) override;
  void on_lost(process_number which, std::string_view why) override;
  void on_refused(std::string_view why) override;

  void know(process_number which);
  bool has(process_number which, wire::control::agent_kind kind, std::uint32_t topic) const;
  void ask(process_number which, const command& what);
  void send_waiting();
  void ask_newcomer(process_number which);
  static command hold_command(std::uint64_t tag);
  void on_answer(process_number from, const wire::control::direct_message& answer);
  void on_held(process_number from, const command& of, const wire::control::direct_message& answer);
  void finish_one(std::uint64_t tag, error_code error = {}, std::string_view detail = {});
  void end_hold(under_way& of);
  void on_notice(process_number from, const wire::control::direct_message& message);
  std::optional<std::uint32_t> topic_of(std::string_view name) const;

  direct_links& links_;
  bool patient_;
  const session* machine_ = nullptr;
  carrier_events* told_ = nullptr;
  std::unordered_map<std::string, std::uint32_t> place_of_topic_;
  std::unordered_map<process_number, std::vector<bool>> topics_of_;  ///< of a process, by place
  std::map<question, asked> asked_;
  std::unordered_map<std::uint64_t, under_way> actions_;
  std::deque<question> waiting_;  ///< not sent; those answered for meanwhile are not in asked_
  std::size_t on_way_ = 0;        ///< bytes
  /// Kinds and topics of which agents have answered for a process.
  std::set<std::tuple<process_number, wire::control::agent_kind, std::uint32_t>> there_;
  std::vector<command> roll_call_;     ///< what all have been asked in it
  std::set<process_number> prepared_;  ///< that have the next run
  std::set<process_number> left_out_;  ///< another controller holds them
  std::uint64_t next_id_ = direct_links::first_id;
  std::uint64_t hold_tag_ = 0;  ///< of the last hold
  bool holds_ = false;
  bool ready_ = false;
};

}  // namespace ombt::controller
