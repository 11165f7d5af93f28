// SPDX-License-Identifier: Apache-2.0
#pragma once
// oslo.messaging's messaging layer, asynchronous: a transport made from a transport URL and
// options, targets, call, cast, notify, listen. One transport belongs to one loop and one agent;
// every function is called, and every completion runs, on the loop's thread. A completion runs
// exactly once and never inside the call that started it. Mirrors oslo_messaging/transport.py,
// rpc/client.py, rpc/server.py, notify/.

#include "wire/error.hpp"
#include "wire/json/value.hpp"
#include "wire/oslo/messages.hpp"
#include "wire/oslo/options.hpp"

#include "drivers/loop.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ombt::drivers {

/// Where a message goes, or what a server serves. Source: oslo_messaging/target.py.
struct target {
  std::string exchange;  ///< empty: control_exchange of the options
  std::string topic;
  std::string name_space;
  std::string version;  ///< empty: unset (1.0 for an endpoint)
  std::string server;   ///< empty: any server of the topic
  bool fanout = false;
};

/// How an operation ended. Views are valid in the completion only.
struct outcome {
  error_code error;          ///< none: success
  std::string_view detail;   ///< what the peer or the library said; may be empty
  wire::json::value result;  ///< of a call that succeeded
  const wire::oslo::remote_exception* exception = nullptr;  ///< with errc::remote_exception
  wire::json::value note = {};  ///< of a reply that a native server put one into; else absent
};

/// Who is told how an operation ended. Must outlive its operations (or close its transport).
class completion {
 public:
  virtual void on_complete(std::uint64_t tag, const outcome& result) = 0;

 protected:
  ~completion() = default;
};

struct call_options {
  duration timeout = std::chrono::seconds{60};
  /// Seconds without a call-monitor heartbeat after which the call fails; unset: no monitor.
  std::optional<double> call_monitor_timeout;
  int retry = -1;  ///< reconnect attempts while sending; -1: for ever
  /// A call that the bus gives back, as no queue or receiver is there for it, ends at once in
  /// message_undeliverable, and does not wait for its time to be over. Source: TransportOptions.
  bool at_least_once = false;
};

/// A request as its caller gives it; views must live until call()/cast() returns.
struct request_message {
  std::string_view method;
  std::string_view args_json = "{}";  ///< a JSON object as Python's json.dumps writes it
  std::string_view context_json;      ///< a JSON object or empty
};

/// A notification; views must live until notify() returns.
struct notification_message {
  std::string_view publisher_id;
  std::string_view event_type;
  std::string_view priority;  ///< lower case: "debug"
  std::string_view payload_json = "{}";
  std::string_view context_json;
  bool envelope = false;  ///< true: driver messagingv2
};

/// Who is told how transport::reach() goes.
class reach_handler {
 public:
  /// The bus has taken the login, and messages may be sent; told once.
  virtual void on_reached() = 0;
  /// An attempt failed; another follows by itself unless final.
  virtual void on_unreached(error_code, std::string_view detail, bool final) = 0;

 protected:
  ~reach_handler() = default;
};

class listener;

/// Names an incoming request until it is answered; stale ones are ignored.
struct request_id {
  std::uint32_t slot = 0;
  std::uint32_t generation = 0;
};

/// One request at a server. Views are valid inside on_request only.
struct incoming_request {
  request_id id;
  std::string_view method;
  wire::json::value args;
  wire::json::value message;       ///< the whole request, for _context_ keys
  bool wants_reply = false;        ///< false: a cast
  time_point received;             ///< when its bytes were read
  wire::json::value context = {};  ///< the sender's; on rabbit absent: keys _context_ of message
};

/// An RPC server's code. Every request must be ended once by listener::reply, fail or done,
/// inside on_request or later.
class request_handler {
 public:
  /// Called when the request has taken an executor slot (and is acknowledged).
  virtual void on_request(listener& from, const incoming_request& request) = 0;
  /// The listener is set up, first or again after a reconnect.
  virtual void on_listening(listener&) {}
  /// Set-up failed for good, or the connection was lost (the listener reconnects by itself
  /// unless final).
  virtual void on_listener_error(listener&, error_code, std::string_view /*detail*/,
                                 bool /*final*/) {}

 protected:
  ~request_handler() = default;
};

/// One notification at a listener. Views are valid inside on_notification only.
struct incoming_notification {
  request_id id;
  std::string_view publisher_id;
  std::string_view event_type;
  std::string_view message_id;
  std::string_view priority;
  std::string_view timestamp;
  wire::json::value payload;
  time_point received;
};

/// A notification listener's code. Every notification is ended by acknowledge() or requeue().
class notification_handler {
 public:
  virtual void on_notification(listener& from, const incoming_notification& notification) = 0;
  virtual void on_listening(listener&) {}
  virtual void on_listener_error(listener&, error_code, std::string_view /*detail*/,
                                 bool /*final*/) {}

 protected:
  ~notification_handler() = default;
};

/// What a server's endpoint serves beside its target.
struct serve_options {
  bool ping = false;  ///< answer oslo_rpc_server_ping
  int executor_slots = 64;
  std::size_t waiting_limit = 1000;  ///< requests read ahead of a free slot
};

/// Counters of a listener, all since it was made.
struct listener_counters {
  std::uint64_t received = 0;
  std::uint64_t duplicates = 0;
  std::uint64_t malformed = 0;
  std::uint64_t replies_abandoned = 0;
  std::uint64_t reconnects = 0;
};

/// A server or notification listener. Destroying it without close() drops the connection;
/// destroying it at any time drops the replies that it still owes.
class listener {
 public:
  virtual ~listener() = default;
  /// Ends a request with a result (JSON text). The slot is free when the reply is confirmed. A
  /// note (JSON text) goes with it to a native caller, oslo.messaging's ignore it.
  void reply(request_id id, std::string_view result_json) { reply(id, result_json, {}); }
  virtual void reply(request_id id, std::string_view result_json, std::string_view note_json) = 0;
  /// Ends a request with an exception; a cast's is only dropped.
  virtual void fail(request_id id, const wire::oslo::remote_exception& exception) = 0;
  /// Ends a cast.
  virtual void done(request_id id) = 0;
  virtual void acknowledge(request_id id) = 0;  ///< of a notification
  virtual void requeue(request_id id) = 0;      ///< of a notification
  virtual const listener_counters& counters() const noexcept = 0;
};

/// How a transport's links share connections. Source: design.md, Topology.
struct topology {
  enum class kind { oslo, lean, shared };
  kind mode = kind::oslo;
  int connections = 0;  ///< shared: connections an I/O thread
  /// "oslo", "lean" or "shared:N"; throws configuration_error.
  static topology parse(std::string_view text);
  std::string to_string() const;
};

/// Settings shared by all transports of a process; held once.
struct transport_settings {
  wire::oslo::messaging_options messaging;
  drivers::topology topology;
  std::string program = "ombt-agent";  ///< in connection_name and client properties
  /// What is longest waited between two attempts to connect, where it is less than oslo.messaging
  /// would wait.
  std::optional<duration> longest_wait;
  /// Nobody else uses the topics that it is for. What oslo.messaging would leave of them on a
  /// RabbitMQ is deleted at the end: notification queues, and fanout exchanges that nobody bound.
  bool own_topic = false;
  /// This machine's addresses that connections begin at, in turn; empty: the kernel's choice.
  std::vector<std::string> bind_addresses = {};

  /// Where the connection begins that is made at that turn.
  std::string bind_address(std::size_t turn) const {
    return bind_addresses.empty() ? std::string() : bind_addresses[turn % bind_addresses.size()];
  }
};

/// Counters of a transport, all since it was made.
struct transport_counters {
  std::uint64_t connects = 0;  ///< connections established, reconnects included
  std::uint64_t connection_errors = 0;
  std::uint64_t late_replies = 0;  ///< replies nobody waited for
  std::uint64_t malformed = 0;     ///< unreadable messages
  std::uint64_t returned = 0;
  std::uint64_t nacked = 0;
  /// AMQP 1.0: messages that are sent settled, and counted as sent although the bus would not take
  /// them yet (no credit: as a rule nobody receives there), and those of them that it never took.
  std::uint64_t sent_without_credit = 0;
  std::uint64_t lost_without_credit = 0;
};

class transport {
 public:
  /// Chooses the driver by the URL's scheme. Throws configuration_error, before anything connects,
  /// for settings that the driver cannot honour.
  static std::unique_ptr<transport> make(loop& on,
                                         std::shared_ptr<const transport_settings> settings);
  virtual ~transport() = default;

  /// Makes the connection that the first message would make, and sends nothing on it. Only as the
  /// first operation. `told` must outlive the transport or close() it; after on_reached() or a
  /// final failure it hears no more. Nothing of oslo.messaging's, which connects when it sends.
  virtual void reach(reach_handler& told) = 0;
  /// Calls a method and waits for its reply. Errors: messaging_timeout, remote_exception,
  /// delivery_failure, …
  virtual void call(const target& to, const request_message& request, const call_options& options,
                    completion& done, std::uint64_t tag) = 0;
  /// Sends without a reply: complete when the bus has confirmed. A fanout if the target says so.
  virtual void cast(const target& to, const request_message& request, const call_options& options,
                    completion& done, std::uint64_t tag) = 0;
  /// Sends a notification to `<topic>.<priority>`.
  virtual void notify(const target& to, const notification_message& notification,
                      const call_options& options, completion& done, std::uint64_t tag) = 0;
  /// Serves RPC on (exchange, topic, server). The handler must outlive the listener.
  virtual std::unique_ptr<listener> listen(const target& at, const serve_options& options,
                                           request_handler& handler) = 0;
  /// Listens for notifications of the topic at each priority; pool empty: none.
  virtual std::unique_ptr<listener> listen_for_notifications(
      const target& at, const std::vector<std::string>& priorities, std::string_view pool,
      notification_handler& handler) = 0;
  /// Closes links and connections cleanly; done runs when everything is closed or after `limit`.
  /// At once pending operations fail with errc::cancelled and listeners take nothing more. Calls
  /// that they took before go on: their handlers may still end them, and what is to be closed waits
  /// until the bus has confirmed those replies; what is left after `limit` is dropped. Not waited
  /// for: casts and notifications in work, replies whose caller's queue is gone, and anything while
  /// the bus can't be reached. The transport can't be used afterwards, but closed again: each
  /// `done` runs once, and the shortest limit ends the wait. Source: rpc/server.py (stop, then
  /// wait).
  virtual void close(duration limit, std::function<void()> done) = 0;
  /// Deletes queues and exchanges that this transport's listeners declared, as far as unused
  /// (control traffic only: oslo.messaging leaves them). To be called before close().
  virtual void remove_declarations(bool yes) = 0;

  /// False while nothing can be told to the bus: a connection was lost, or there is none yet.
  virtual bool in_contact() const noexcept = 0;
  virtual const transport_counters& counters() const noexcept = 0;
  /// The last error that a connection met, for messages ("host:port: connection refused").
  virtual std::string last_error() const = 0;
};

}  // namespace ombt::drivers
