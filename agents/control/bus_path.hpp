// SPDX-License-Identifier: Apache-2.0
#pragma once
// The way to one controller over the bus: pongs and results as RPC calls, a bounded number at
// once, the rest in order. What the bus would not take is sent again, with growing pauses, one at a
// time until one arrives: after a restart of the bus agents may be back before the controller. One
// that stays away for the timeout has gone: what still waits for it is dropped and counted, so that
// it holds nothing up. Its next command finds it alive again. Part of bus_carrier; one thread.
//
// an answer  | on                                         | next
// -----------+--------------------------------------------+------------------------------------
// waiting    | its turn, and no pause                     | on its way
// on its way | answered                                   | arrived
//            | not taken: returned, nacked, no login      | waiting for the pause; at the end of
//            |                                            | its time lost, with all that waits
//            | gone with a connection: taken or not       | results for a native controller, which
//            |                                            | knows them by their number, as above;
//            |                                            | others lost
//            | a listener has lost the bus, and is back   | results for a native controller
//            |                                            | waiting; others on their way
//            | no answer in time                          | lost, with all that waits unless a
//            |                                            | listener has lost the bus meanwhile
//            | anything else                              | lost
//
// Its time is the timeout, from when it was first on its way, or another one arrived after pauses.
// These double from first_pause to longest_pause; the first answer that arrives ends that.

#include "drivers/transport.hpp"

#include "agents/control/carrier.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace ombt::agents {

class bus_carrier;
class bus_path;

/// What the paths of a carrier share with it.
struct bus_link {
  bus_carrier* carrier = nullptr;  ///< empty once it has stopped
  /// Paths that have something to do, held until it is done; emptied with the carrier.
  std::vector<std::shared_ptr<bus_path>> in_use;
  /// Who waits to hear whether a controller is there, by its name: one question at a time answers
  /// all that ask, over whichever of its addresses.
  std::map<std::string, std::vector<std::function<void(bool)>>, std::less<>> asking;
  /// The last number of results; no other process of an agent of the same name had it.
  std::uint64_t last_answer = 0;
};

class bus_path final : public answer_path,
                       public drivers::completion,
                       public drivers::timer_target,
                       public std::enable_shared_from_this<bus_path> {
 public:
  static constexpr drivers::duration first_pause = std::chrono::milliseconds{100};
  static constexpr drivers::duration longest_pause = std::chrono::seconds{2};
  static constexpr drivers::time_point not_begun = drivers::time_point::max();

  bus_path(drivers::loop& loop, std::shared_ptr<bus_link> link,
           wire::control::reply_address controller);

  const wire::control::reply_address& controller() const noexcept override { return controller_; }
  void send_pong(wire::control::agent_kind kind, const std::string& name,
                 const std::string& run) override;
  void send_result(wire::control::agent_kind kind, const std::string& name, report figures,
                   bool details) override;
  void check_alive(std::function<void(bool)> answer) override;

  bool busy() const noexcept { return !waiting_.empty() || tasks_ > 0; }
  /// The bus was lost: what is on its way may never be answered.
  void doubt();
  /// It is back: sends that again.
  void send_doubted();
  /// The carrier has stopped: nothing is sent any more.
  void stop();

 private:
  struct owed {
    wire::control::agent_kind kind;
    std::string name;
    std::unique_ptr<report> figures;  ///< empty: a pong
    bool details = false;
    std::string run;                          ///< of a pong
    std::uint64_t number = 0;                 ///< their order
    drivers::time_point ends_at = not_begun;  ///< its time
    bool doubted = false;                     ///< the bus was lost while it was on its way

    /// Its controller takes it once only.
    bool repeatable() const noexcept { return figures != nullptr && details; }
  };
  enum operation : std::uint64_t { of_question, of_echo, of_first_answer };

  void queue(owed a);
  void send_next();
  void send(owed next);
  void on_answer(owed about, const drivers::outcome& result);
  void send_later(owed again);
  void put_back(owed again);
  void lose(const drivers::outcome& why);
  void drop_waiting();
  wire::control::process_place place_of(wire::control::agent_kind kind) const;
  void count_task(int change);
  void tell_alive(bool alive);
  bus_carrier* carrier() const noexcept { return link_->carrier; }
  void on_complete(std::uint64_t tag, const drivers::outcome& result) override;
  void on_timer(std::uint64_t tag) override;

  drivers::loop& loop_;
  std::shared_ptr<bus_link> link_;
  wire::control::reply_address controller_;
  drivers::target target_;
  std::deque<owed> waiting_;              ///< by number
  std::map<std::uint64_t, owed> on_way_;  ///< by the tags of their calls
  std::uint64_t next_tag_ = of_first_answer;
  std::uint64_t next_number_ = 0;
  drivers::loop::timer_id pause_ = 0;
  drivers::duration next_pause_ = first_pause;  ///< above it: one answer at a time
  int tasks_ = 0;                               ///< calls of all kinds, and the pause
};

}  // namespace ombt::agents
