// SPDX-License-Identifier: Apache-2.0
#pragma once
// The way to one controller over the bus: pongs and results as RPC calls, a bounded number at
// once, the rest in order. A call that nobody answers in time means that the controller has gone:
// what still waits for it is dropped and counted, so that one which vanished holds nothing up.
// Its next command finds it alive again. Part of bus_carrier; one thread.

#include "drivers/transport.hpp"

#include "agents/control/carrier.hpp"

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
  /// Paths that operations are to complete at, held until they have; emptied with the carrier.
  std::vector<std::shared_ptr<bus_path>> in_use;
  /// Who waits to hear whether a controller is there, by its name: one question at a time answers
  /// all that ask, over whichever of its addresses.
  std::map<std::string, std::vector<std::function<void(bool)>>, std::less<>> asking;
};

class bus_path final : public answer_path,
                       public drivers::completion,
                       public std::enable_shared_from_this<bus_path> {
 public:
  bus_path(std::shared_ptr<bus_link> link, wire::control::reply_address controller);

  const wire::control::reply_address& controller() const noexcept override { return controller_; }
  void send_pong(wire::control::agent_kind kind, const std::string& name,
                 const std::string& run) override;
  void send_result(wire::control::agent_kind kind, const std::string& name, report figures,
                   bool details) override;
  void check_alive(std::function<void(bool)> answer) override;

  bool busy() const noexcept { return in_flight_ > 0 || !waiting_.empty() || operations_ > 0; }

 private:
  struct owed {
    wire::control::agent_kind kind;
    std::string name;
    std::unique_ptr<report> figures;  ///< empty: a pong
    bool details = false;
    std::string run;  ///< of a pong
  };
  enum operation : std::uint64_t { of_answer, of_question, of_echo };

  void queue(owed a);
  void send_next();
  wire::control::process_place place_of(wire::control::agent_kind kind) const;
  void in_flight(int change);
  void tell_alive(bool alive);
  bus_carrier* carrier() const noexcept { return link_->carrier; }
  void on_complete(std::uint64_t tag, const drivers::outcome& result) override;

  std::shared_ptr<bus_link> link_;
  wire::control::reply_address controller_;
  drivers::target target_;
  std::deque<owed> waiting_;
  int in_flight_ = 0;   ///< answers
  int operations_ = 0;  ///< answers and questions
};

}  // namespace ombt::agents
