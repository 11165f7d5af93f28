// SPDX-License-Identifier: Apache-2.0
#pragma once
// A router's cores with peers in memory, for tests: each peer is a client's engine joined to a
// server's, whose events the router's peer takes. Bytes and the cores' notes go over when run() is
// called. One thread, as many cores as OMBT_TEST_CORES says (1); clients are dealt out to them.

#include "wire/amqp10/connection.hpp"

#include "tools/router/core.hpp"
#include "tools/router/peer.hpp"

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ombt::tools::router::test {

/// Addresses that tests share.
namespace addresses {
inline constexpr const char* any = "openstack.org/om/rpc/anycast/x/t";
inline constexpr const char* one_server = "openstack.org/om/rpc/unicast/x/t/s";
inline constexpr const char* all = "openstack.org/om/rpc/multicast/x/t";
}  // namespace addresses

/// An attached link of a client, and what it has heard.
struct client_link {
  amqp::link wire;
  bool open = false;
  std::string closed;                 ///< the condition, once it is closed; "-" without one
  std::vector<std::string> messages;  ///< of a receiver
  std::vector<amqp::delivery> held;   ///< not settled, of a receiver that holds
  bool hold = false;
  bool update_only = false;           ///< says accepted, and leaves settling to the router
  std::vector<std::string> outcomes;  ///< of a sender, "tag: outcome"
  int drained = 0;
};

class client final : private peer::host {
 public:
  client(core& on, const amqp::connection_options& server, const peer_limits& limits);
  ~client();
  client(const client&) = delete;
  client& operator=(const client&) = delete;

  client_link& sender(const std::string& address);
  client_link& receiver(const std::string& address, int credit,
                        amqp::settle_mode mode = amqp::settle_mode::mixed);
  client_link& receiver_of_its_own(int credit);  ///< a dynamic source
  client_link& attach(bool sends, const amqp::terminus& source, const amqp::terminus& target,
                      amqp::settle_mode mode = amqp::settle_mode::mixed);
  /// One that is settled when it arrives, or not.
  void send(client_link& on, const std::string& tag, const std::string& text, bool settled);
  void settle(client_link& on, std::size_t which, const amqp::outcome& how);
  void close(client_link& on);

  amqp::connection& bus() { return *outside_; }
  bool pass();         ///< bytes both ways; false: there were none
  bool stuck = false;  ///< reads nothing more, as a peer whose process is stopped
  void lose();         ///< the transport ends
  void end_inside() { inside_->close(); }  ///< the router closes it
  bool is_over() const noexcept { return over_; }
  bool is_held() const noexcept { return held_; }
  const std::string& why() const noexcept { return why_; }
  peer& inside() { return *peer_; }

 private:
  struct sink;
  void wake() override {}
  void on_opened() override {}
  void hold(bool now) override { held_ = now; }
  void on_closed(const amqp::event::closed& e) override {
    over_ = true;
    why_ = std::string(e.condition) + " " + std::string(e.description);
  }
  bool feed(amqp::connection& from, amqp::connection& to);

  amqp::connection_options outside_options_;
  std::unique_ptr<amqp::connection> outside_;
  std::unique_ptr<amqp::connection> inside_;
  std::unique_ptr<peer> peer_;
  std::vector<std::unique_ptr<client_link>> links_;
  amqp::session session_;
  int names_ = 0;
  bool held_ = false;
  bool over_ = false;
  std::string why_;
};

/// All cores as one.
class whole_router {
 public:
  explicit whole_router(const std::vector<std::unique_ptr<core>>& parts) : parts_(parts) {}
  std::size_t links() const;
  message_counts totals() const;
  std::map<std::string_view, const address*> addresses() const;

 private:
  const std::vector<std::unique_ptr<core>>& parts_;
};

class bed {
 public:
  explicit bed(core_limits limits = {}, address_rules rules = {},
               std::size_t cores = cores_of_tests());
  ~bed();
  static std::size_t cores_of_tests();
  client& add();
  client& add_to(std::size_t which);
  /// Passes bytes until nobody says anything more.
  void run();
  whole_router router() const { return whole_router(cores_); }
  core& part(std::size_t which) { return *cores_.at(which); }
  std::size_t cores() const { return cores_.size(); }
  amqp::connection_options server;  ///< of peers that are added later
  peer_limits limits;

  void remove(client& gone);
  bool pass_notes();  ///< between the cores; false: there were none
  bool pass_notes_of(std::size_t core);
  bool pass_bytes();  ///< of all clients; false: there were none

 private:
  std::vector<std::unique_ptr<core>> cores_;
  std::vector<std::unique_ptr<client>> clients_;
};

/// The usual two: `from` sends what `to` receives.
struct pair {
  enum class habit : std::uint8_t { settles, holds };
  pair(const std::string& address, int credit, habit receiver = habit::settles,
       core_limits limits = {});
  bed router;
  client& left;
  client& right;
  client_link& to;
  client_link& from;
};

}  // namespace ombt::tools::router::test
