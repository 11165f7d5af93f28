// SPDX-License-Identifier: Apache-2.0
#pragma once
// The agent that answers: echo(data, timestamp, msgid) returns data, noop(data, timestamp, msgid)
// nothing, self_ready() true; other methods are unknown, as at ombt's test server. echo and noop
// can be made to take time. A call that brings a native client's note
// (agents/measure/trip_notes.hpp) gets one back with its reply. Counts what arrives (receiver). All
// on the thread of its loop.

#include "agents/receiver.hpp"
#include "agents/service_time.hpp"

namespace ombt::agents {

/// What all RPC servers of a process share; must outlive them.
struct rpc_server_settings {
  drivers::target at;  ///< exchange and topic; the server is the agent's name
  drivers::serve_options serve;
  service_time takes;
  std::string site = {};  ///< where they are, or empty
};

class rpc_server final : public receiver,
                         public drivers::request_handler,
                         public drivers::timer_target {
 public:
  rpc_server(std::string name, std::uint32_t number, drivers::loop& loop, receiver_owner& owner,
             const rpc_server_settings& settings, std::unique_ptr<drivers::transport> transport);
  ~rpc_server() override;

 private:
  /// A request that is being "worked on".
  struct waiting {
    drivers::listener* from = nullptr;  ///< empty: a free place
    drivers::request_id id;
    drivers::loop::timer_id timer = 0;
    bool wants_reply = false;
    bool noted = false;
    drivers::time_point received;
    std::string reply;
  };

  std::unique_ptr<drivers::listener> listen(drivers::transport& on) override;
  void on_request(drivers::listener& from, const drivers::incoming_request& request) override;
  void on_listening(drivers::listener&) override { listening(); }
  void on_listener_error(drivers::listener&, error_code error, std::string_view detail,
                         bool final) override {
    listener_error(error, detail, final);
  }
  void on_timer(std::uint64_t place) override;

  void test_message(drivers::listener& from, const drivers::incoming_request& request, bool echo);
  void end_later(drivers::listener& from, const drivers::incoming_request& request, bool noted);
  void answer(drivers::listener& from, drivers::request_id id, bool noted,
              drivers::time_point received);

  drivers::loop& loop_;
  const rpc_server_settings& settings_;
  service_clock clock_;
  std::string reply_;  ///< scratch
  std::string note_;   ///< scratch
  std::vector<waiting> waiting_;
  std::vector<std::uint32_t> free_;
};

}  // namespace ombt::agents
