// SPDX-License-Identifier: Apache-2.0
#pragma once
// A controller's connection to a process of agents, over any number of its sessions (their name is
// in reply_addr): reads its commands, gives them to whom they are for, and sends pongs, results and
// answers in the order in which they come to be, as fast as they are read; results of several
// agents as one, where the controller takes them so. Part of direct_carrier; one thread.
//
// state     event                          what happens                                next state
// fresh      hello of this version          answered                                    known
//           another version, or anything
//           else                           an error, where one is asked for            leaving
//           5 s                                                                        gone
// known     a command                      docs/direct.md says what                    known
//           no frame of the protocol                                                   gone
//           answers pile up unread                                                     gone
//           process stops                                                              leaving
// leaving   all is written, or its limit                                               gone
// any       connection ended                                                           gone
// gone                                     at once, from the loop: what it holds is
//                                          free, its runs are cancelled or forgotten   (removed)

#include "wire/control/direct.hpp"

#include "drivers/channel.hpp"

#include "agents/control/carrier.hpp"
#include "agents/control/prepared_runs.hpp"
#include "agents/control/result_batches.hpp"

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace ombt::agents {

class direct_carrier;
class direct_path;

class direct_session final : private drivers::channel_handler, private drivers::timer_target {
 public:
  /// So much is given to the connection, bytes; the rest of the answers waits here.
  static constexpr std::size_t unsent_limit = std::size_t{4} << 20;
  /// With more than this on its way progress is dropped, bytes.
  static constexpr std::size_t progress_limit = std::size_t{1} << 20;

  direct_session(direct_carrier& owner, std::unique_ptr<drivers::channel> channel);
  ~direct_session();

  /// Whether it has held the process, now or before.
  bool has_held() const noexcept { return has_held_; }
  /// Sends what it has and ends, at the latest then.
  void leave(drivers::time_point limit);
  /// Whether it has said who it is.
  bool was_known() const noexcept { return was_known_; }
  const wire::control::controller_hello& controller() const noexcept { return controller_; }
  /// Ends it for everybody: its runs, what it holds, its paths. Before it is removed.
  void give_up();
  /// What it was asked for the agents that there are is forgotten, as far as they have not been
  /// told; their handlers go, and there will be others.
  void forget_handlers();
  /// Tells a controller that has had a hello what it is now.
  void tell_roles();

 private:
  friend class direct_path;
  enum class state : std::uint8_t { fresh, known, leaving, gone };
  enum timer : std::uint64_t { limit, removal };

  /// What is to be sent: a frame, or what one is made of when its turn comes.
  struct owed {
    std::string frame = {};
    std::size_t answers = 0;  ///< pongs and agents' results in it
    std::string topic = {};   ///< of a pong or a result
    wire::control::agent_kind kind = wire::control::agent_kind::rpc_client;
    std::string name = {};
    std::unique_ptr<report> figures = {};  ///< empty: a pong
    bool details = false;
    std::string run = {};  ///< of a pong
  };
  using message = wire::control::direct_message;

  void on_open(drivers::channel&) override {}
  void on_frame(drivers::channel& from, std::string_view frame) override;
  void on_closed(drivers::channel& which, error_code error, std::string_view detail) override;
  void on_written(drivers::channel&) override { send_waiting(); }
  void on_timer(std::uint64_t which) override;

  void greet(const message& hello);
  void carry_out(const message& asked, std::int64_t received);
  void ping(const message& asked);
  void collect(const message& asked);
  void shut_down(const message& asked);
  void run_test(const message& asked);
  void hold(const message& asked);
  void release(const message& asked);
  void prepare(const message& asked);
  void start(const message& asked);
  void assign(const message& asked);
  void tell_time(const message& asked, std::int64_t received);
  /// Refused where it does not say whom it is for.
  bool has_address(const message& asked);
  /// The same of one that says in its arguments where answers go.
  bool has_addresses(const message& asked, wire::control::reply_address& to);
  /// The way back from the agents of its topic; nothing: there are none here.
  std::shared_ptr<direct_path> path_of(const message& asked,
                                       const wire::control::reply_address& to);

  void answer(const message& asked, std::string_view result_json = "null");
  void refuse(const message& asked, const std::string& why);
  void queue(owed what);
  void gather(const std::string& topic, wire::control::agent_kind kind, const std::string& name,
              const report& figures);
  void queue_batch(result_batches::batch what);
  void send_waiting();
  std::string frame_of(const owed& what) const;
  void gone();
  void set_timer(timer which, drivers::time_point when);
  void cancel(timer which);
  void run_begun(const std::string& run);
  void tell_progress(std::string_view text);

  direct_carrier& owner_;
  std::unique_ptr<drivers::channel> channel_;
  wire::control::controller_hello controller_;
  state state_ = state::fresh;
  bool was_known_ = false;
  bool has_held_ = false;
  std::map<std::string, std::weak_ptr<direct_path>> paths_;  ///< by topic and address
  std::size_t most_paths_ = 64;  ///< with more than these those are forgotten that nobody needs
  std::deque<owed> waiting_;
  result_batches batches_;
  prepared_runs runs_;
  drivers::loop::timer_id timers_[2] = {0, 0};
  /// For what may outlive it.
  const std::shared_ptr<direct_session*> self_ = std::make_shared<direct_session*>(this);
};

}  // namespace ombt::agents
