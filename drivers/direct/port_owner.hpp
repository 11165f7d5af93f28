// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the process does that owns a port: listens, reads routes, passes connections to the
// processes that have registered, and tells controllers which there are. Made by who has the port's
// lock. One thread.
//
// a connection     event                              what happens
// arrived          its route is another's, of us      passed to that process
//                  its route is ours                  proven, and `taken`
//                  its route is the owner's           proven, and told the processes
//                  it registers (local)               named, told of
//                  no route, 5 s, no such process     closed
// a process's      it ends                            told of
// a controller's   processes came or went             told, at most every 100 ms; after a takeover
//                                                     once none has come for 150 ms, 1 s at most

#include "drivers/channel.hpp"
#include "drivers/direct/arrival.hpp"
#include "drivers/direct/member_link.hpp"
#include "drivers/direct/reception.hpp"
#include "drivers/io/acceptor.hpp"
#include "drivers/shared_port.hpp"

#include <map>
#include <memory>
#include <string>
#include <unordered_map>

namespace ombt::drivers::direct {

class port_owner final : public std::enable_shared_from_this<port_owner>,
                         private channel_handler,
                         private timer_target {
 public:
  static constexpr duration notice_gap = std::chrono::milliseconds(100);
  /// After a takeover: how long no process may have come, before those that there are seem to be
  /// all; they try again within 60 ms (jitter.hpp). And how long that may take in all.
  static constexpr duration quiet_gap = std::chrono::milliseconds(150);
  static constexpr duration takeover_limit = std::chrono::seconds(1);

  port_owner(io::context& on, const shared_port::settings& what,
             std::shared_ptr<reception> received, reception::handler taken);
  ~port_owner();
  port_owner(const port_owner&) = delete;
  port_owner& operator=(const port_owner&) = delete;

  /// First at TCP, then at the local socket, whose path is freed. Returns TCP's port, or 0. Throws
  /// io::listen_error, and is then to be closed. takes_over: another has owned it, whose processes
  /// are about to come.
  std::uint16_t listen(bool takes_over);
  /// There is room among the reception's pending peers.
  void resume();
  /// Ends it all, frees the path.
  void close();

 private:
  struct place {
    std::shared_ptr<arrival> who;
    pending_peers& among;
    pending_peers::ticket ticket;
  };

  void arrive(std::unique_ptr<io::stream> from, std::string peer, bool local);
  void route(std::unique_ptr<io::stream> from, std::string peer, bool local, const destination& to);
  void enrol(std::unique_ptr<io::stream> from, const std::string& process);
  void watch(std::unique_ptr<channel> by);
  void tell(channel& whom);
  void changed();
  void wait_for_others();

  void on_open(channel&) override {}
  void on_frame(channel&, std::string_view) override {}
  void on_closed(channel& which, error_code, std::string_view) override { watchers_.erase(&which); }
  void on_timer(std::uint64_t tag) override;

  io::context& context_;
  const shared_port::settings& settings_;
  std::shared_ptr<reception> reception_;
  reception::handler taken_;
  std::shared_ptr<io::acceptor> tcp_;
  std::shared_ptr<io::acceptor> local_;
  bool listens_ = false;  ///< at the path
  pending_peers local_pending_;
  std::unordered_map<arrival*, place> arrivals_;
  std::map<std::string, std::shared_ptr<member_link>> members_;
  std::unordered_map<channel*, std::unique_ptr<channel>> watchers_;
  time_point told_{};  ///< when watchers were told
  // After a takeover: when all are there, as far as it seems, and at the latest.
  time_point all_there_{};
  time_point waits_until_{};
  loop::timer_id notice_timer_ = 0;
};

}  // namespace ombt::drivers::direct
