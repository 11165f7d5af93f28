// SPDX-License-Identifier: Apache-2.0
#pragma once
// The control plane without a bus (docs/direct.md): controllers come over the port that the agents'
// processes of this machine share, each with a connection of its own (direct_session.hpp). Owns the
// port, the connections, and who holds the process. One thread.
//
// state    event                        what happens                                next state
// joining  start                        the port is joined                          joining
//          joined                       handler gets on_carrier_ready               ready
//          failed                       handler gets on_carrier_failed              failed
// ready    a connection                 a session; one too many is closed           ready
//          failed                       handler gets on_carrier_failed              failed
// any      stop                         the port is left; sessions send what they
//                                       have, and end                               stopped
//
// Whose commands it carries may change (serve): runs that were prepared for others are forgotten,
// and controllers that are there are told of the new ones.

#include "wire/control/assign.hpp"
#include "wire/control/direct.hpp"
#include "wire/json/value.hpp"

#include "drivers/shared_port.hpp"

#include "agents/control/carrier.hpp"

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace ombt::agents {

/// Joins the port; drivers::shared_port, or a test's. Who releases what it returns leaves the port.
using port_factory = std::function<std::shared_ptr<void>(
    drivers::loop&, drivers::shared_port::settings, drivers::shared_port::events)>;
std::shared_ptr<void> join_port(drivers::loop& on, drivers::shared_port::settings what,
                                drivers::shared_port::events told);

/// Gives the process's agents other roles. `done` runs once, perhaps in the call, with why not;
/// empty: they have them.
using role_giver = std::function<void(const wire::control::assign_request& asked,
                                      std::function<void(std::string why)> done)>;

struct direct_carrier_settings {
  drivers::shared_port::settings port;
  wire::control::process_hello hello;       ///< but for the numbers of agents
  std::vector<control_endpoint> endpoints;  ///< one a kind and topic; names say nothing here
  role_giver assign;                        ///< of standby agents, else empty
  std::function<void()> dismissed;       ///< agents without a role, all of them, are told to leave
  std::size_t controller_limit = 64;     ///< connections at once
  std::size_t answer_limit = 1'000'000;  ///< answers waiting for one controller
  drivers::duration hello_limit = std::chrono::seconds{5};
};

class direct_session;

class direct_carrier final : public carrier, private drivers::timer_target {
 public:
  direct_carrier(drivers::loop& loop, direct_carrier_settings settings, command_handler& handler,
                 port_factory join);
  ~direct_carrier() override;

  void start() override;
  void stop(drivers::duration limit, std::function<void()> done) override;
  const carrier_counters& counters() const noexcept override { return *counters_; }
  const std::string& last_refusal() const noexcept override { return refusal_; }
  std::string lost_because() const override { return {}; }  // their connections had ended
  std::string last_trouble() const override { return trouble_; }
  std::string deaf_because() const override { return {}; }
  drivers::time_point last_heard() const override;

  /// The commands are for these from now on, and the hello is that (but for the numbers of agents).
  /// `tell`: whoever has had a hello gets the new one. The handlers before may go then.
  void serve(std::vector<control_endpoint> endpoints, wire::control::process_hello hello,
             bool tell);

 private:
  friend class direct_session;

  void take(std::unique_ptr<drivers::channel> from);
  void fail(std::string why);
  void refuse(std::string why);
  /// The session, which may be the one that calls, is gone.
  void end(direct_session& session);
  void on_timer(std::uint64_t) override;
  void end_stop();
  void know_topics();
  wire::control::process_hello hello() const;

  drivers::loop& loop_;
  direct_carrier_settings settings_;
  command_handler& handler_;
  const port_factory join_;
  std::map<std::string, command_handler*, std::less<>> topics_;
  std::shared_ptr<void> port_;
  std::vector<std::unique_ptr<direct_session>> sessions_;
  wire::json::reader reader_;
  direct_session* holder_ = nullptr;
  double held_since_ = 0;  ///< epoch seconds
  const std::shared_ptr<carrier_counters> counters_ = std::make_shared<carrier_counters>();
  std::string refusal_;
  std::string trouble_;
  drivers::time_point heard_{};  ///< the last session's end, or the start
  drivers::loop::timer_id stop_timer_ = 0;
  std::function<void()> stopped_;
  bool failed_ = false;
};

}  // namespace ombt::agents
