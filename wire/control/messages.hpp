// SPDX-License-Identifier: Apache-2.0
#pragma once
// ombt's control messages: who is addressed how, and the arguments of each method. Owns names,
// rendering and reading; sending them is agents/control and controller. The results record is
// results.hpp. No state, any thread.
//
// What native peers add, all of it invisible to ombt 3.0.0 (whose endpoints fail on an unknown
// argument, whose controller drops results with an unknown key, and whose agents break on an
// unknown key in reply_addr):
// - run_test's kwargs carry "ombt": {"run": id, "detail": 1}. ombt ignores unknown kwargs. A
//   native client then adds the key "ombt" to its results (results.hpp), with the same run id.
//   A "load" in it (load.hpp) says what count and pause cannot; "legs": true asks for the legs of
//   calls, for which native agents exchange notes (agents/measure/trip_notes.hpp); a "progress"
//   says who looks on (live.hpp).
// - client_pong carries "ombt": {"run": id} to a native controller: the id of its run that this
//   agent works on or has waiting, empty if there is none.
//   "process", "boot" and "corrected" in it say which control server the process has, on which
//   machine, and what is added to its clock (process_place).
// - clock, which only native agents know: a call to one process that has said these (clock.hpp).
// - run_test of the test "cancel_run", which ombt does not know and ignores: its kwargs carry
//   "ombt": {"run": id}, the run that is to end.
// - get_server_results has no place for such a key, so the controller's *name* says it: the
//   server of its reply_addr ends in "-native". A native server that is asked by such a name adds
//   the key "ombt" to its results, and never otherwise.
// - Two native controllers at once: the last 32 hexadecimal digits of the controller's name begin
//   with the run tag (16 digits), and the msgid of every test message of a native client begins
//   with the tag of the run_test that asked for it. A native server counts messages whose tag it
//   knows (from get_server_results of that controller; a controller asks once before its run)
//   apart from all others, and answers a native controller with the messages of its tag and those
//   without a known tag. Python agents send tags that nobody knows.
// - A native controller that is about to run a fanout has "-fanout" before these digits: its
// servers
//   note when each message arrives and tell it (arrivals.hpp).

#include "wire/control/clock.hpp"
#include "wire/control/load.hpp"
#include "wire/json/value.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ombt::wire::control {

/// Exchanges of ombt's control and test traffic.
inline constexpr std::string_view control_exchange = "ombt-control";
inline constexpr std::string_view rpc_test_exchange = "ombt-rpc-test";
inline constexpr std::string_view notify_test_exchange = "ombt-notify-test";
/// The event type of test notifications.
inline constexpr std::string_view test_event_type = "notification-test";

/// Longest exchange, topic, server or agent name that is believed, bytes (AMQP short string).
inline constexpr std::size_t name_limit = 255;
/// Most messages that one run_test may ask for.
inline constexpr std::int64_t count_limit = 1'000'000'000;
/// Longest pause between two messages, seconds.
inline constexpr double pause_limit = 86'400;
/// Longest test payload, bytes: the default body limit of the drivers.
inline constexpr std::size_t data_limit = std::size_t{64} << 20;

enum class agent_kind : std::uint8_t { rpc_client, rpc_server, listener, notifier };
inline constexpr std::array<agent_kind, 4> agent_kinds = {
    agent_kind::rpc_client, agent_kind::rpc_server, agent_kind::listener, agent_kind::notifier};
/// How many there are, in the order of agent_kinds.
using agents_by_kind = std::array<std::uint32_t, agent_kinds.size()>;

/// "RPCClient", "RPCServer", "Listener", "Notifier".
std::string_view wire_name(agent_kind kind) noexcept;
/// "RPC client", "RPC server", "Listener", "Notifier": as ombt's ready lines say it.
std::string_view words(agent_kind kind) noexcept;
/// "10,000 RPC clients, 1 Listener"; "none".
std::string kinds_in_words(const agents_by_kind& agents);
std::optional<agent_kind> agent_kind_from(std::string_view wire_name) noexcept;

/// Throws configuration_error for a topic that agents and controllers may not be given: names hold
/// it twice, in the routing key <topic>.<name>, and they are shown on terminals.
void check_topic(std::string_view topic);
/// The control topic of all agents that were told to be unique.
inline constexpr std::string_view unique_topic = "singleton";
/// Topic on which the agents of a kind listen for control: "client-<Kind>-<topic>", with unique
/// "client-<Kind>-singleton".
std::string agent_topic(agent_kind kind, std::string_view topic, bool unique);
/// Topic of a controller: "controller-<topic>".
std::string controller_topic(std::string_view topic);
/// Topic of the RPC tests: "rpc-<topic>".
std::string rpc_test_topic(std::string_view topic);
/// Topic of the notification tests: "notify-<topic>".
std::string notify_test_topic(std::string_view topic);

/// "ombt-<topic>-<Kind>-<host>-<pid>-<hex32>".
std::string agent_name(std::string_view topic, agent_kind kind, std::string_view host,
                       std::int64_t pid, std::string_view hex32);
/// A native controller's: "ombt-<topic>-None-<host>-<pid>-<hex32>-native"; of one that asks for the
/// arrivals of a fanout "ombt-<topic>-None-<host>-<pid>-fanout-<hex32>-native".
std::string controller_name(std::string_view topic, std::string_view host, std::int64_t pid,
                            std::string_view hex32, bool fanout = false);

/// What a generated agent name says. Views into the name.
struct parsed_agent_name {
  std::string_view topic;
  std::string_view kind;  ///< a wire name, or None for a controller
  std::string_view host;
  std::int64_t pid = 0;
  std::string_view id;                 ///< 32 hexadecimal digits
  std::optional<std::uint32_t> index;  ///< of "-<i>", where a process has several agents
};
/// Empty for names that were chosen by hand (--name).
std::optional<parsed_agent_name> parse_agent_name(std::string_view name) noexcept;

/// True for the server name of a native controller (see the top of this file).
bool is_native_controller(std::string_view server) noexcept;
/// The run tag in a native controller's server name, 16 lower-case hexadecimal digits; empty if
/// the name is none. A view into the name.
std::string_view run_tag_of(std::string_view server) noexcept;
/// True for the server name of a native controller that wants to know when each message arrived.
bool asks_for_arrivals(std::string_view server) noexcept;
/// Overwrites the first 16 digits of a hex32 with the tag, which must be 16 digits.
void apply_run_tag(std::array<char, 32>& hex32, std::string_view tag) noexcept;

/// Where an agent sends its pong and its results.
struct reply_address {
  std::string exchange;
  std::string topic;
  std::string server;

  friend bool operator==(const reply_address&, const reply_address&) = default;
};

enum class test_kind : std::uint8_t { call, cast, fanout, notify };
/// "test_call", "test_cast", "test_fanout", "test_notify".
std::string_view wire_name(test_kind test) noexcept;
std::optional<test_kind> test_kind_from(std::string_view wire_name) noexcept;
/// Which agents send a test's messages, and which receive them.
agent_kind client_kind(test_kind test) noexcept;
agent_kind server_kind(test_kind test) noexcept;

/// The methods of the control protocol.
enum class method : std::uint8_t {
  self_ready,
  client_ping,
  client_pong,
  run_test,
  client_result,
  get_server_results,
  shutdown,
  clock,
};
std::string_view wire_name(method m) noexcept;
std::optional<method> method_from(std::string_view wire_name) noexcept;

/// Where agents may tell how a run goes on (live.hpp): those of the controller's machine to a name,
/// or those that it has a connection to (direct.hpp) over that.
struct progress_address {
  std::string boot = {};  ///< the machine, while it is not restarted
  std::string name = {};  ///< as drivers/datagrams.hpp has it
  bool direct = false;    ///< over the connection; the others say nothing then

  friend bool operator==(const progress_address&, const progress_address&) = default;
};

/// kwargs of run_test. Keys that a peer left out have ombt's defaults, except count: a count of 0
/// or none at all would run for ever in ombt and is refused here.
struct test_parameters {
  bool verbose = false;
  double pause = 0;                   ///< seconds between messages
  std::string data;                   ///< payload of every message
  std::int64_t count = 0;             ///< messages a client; 1 to count_limit after reading
  std::string severity = "debug";     ///< of notifications
  std::string run;                    ///< native: id of the run, at most 64 bytes; empty: not asked
  int detail = 0;                     ///< native: 1 asks for the extra key in results
  bool legs = false;                  ///< native: the legs of calls are wanted
  std::optional<control::load> load;  ///< native: what count and pause cannot say
  std::optional<progress_address> progress;  ///< native: somebody wants to see it
};

/// True for the severities that notifications may have (audit, debug, info, warn, error,
/// critical, sample).
bool is_severity(std::string_view severity) noexcept;

/// Arguments of run_test.
struct run_test_request {
  std::optional<test_kind> test;  ///< empty: a test that this side does not know; ignore it
  bool cancel = false;            ///< native: ends parameters.run
  test_parameters parameters;
  reply_address reply_to;
};

/// Where an agent runs, as its pongs to native controllers tell.
struct process_place {
  std::string process;         ///< control server of its process for its kind; empty: not told
  std::string boot;            ///< boot id of its machine, at most boot_limit bytes
  std::int64_t corrected = 0;  ///< nanoseconds that it adds to CLOCK_REALTIME now

  friend bool operator==(const process_place&, const process_place&) = default;
};

/// Arguments of client_pong.
struct client_pong_request {
  agent_kind kind = agent_kind::rpc_client;
  std::string name;
  /// Native: the id of the asking controller's run that the agent works on, or has waiting; empty:
  /// of none.
  std::optional<std::string> run;
  process_place place = {};  ///< native
};

// Each appends the JSON object of a method's arguments. self_ready and shutdown have none: "{}".

/// client_ping and get_server_results: {"reply_addr": {"exchange", "topic", "server"}}.
void append_reply_addr_args(std::string& out, const reply_address& reply_to);
/// client_pong: {"kind", "name"[, "ombt"]}; with a run only for a native controller, and with a
/// place only then.
void append_client_pong_args(std::string& out, agent_kind kind, std::string_view name,
                             const std::optional<std::string>& run = {},
                             const process_place& place = {});
/// run_test that ends a run of native agents: {"test": "cancel_run", "kwargs": {"ombt"},
/// "reply_addr"}.
void append_cancel_run_args(std::string& out, std::string_view run, const reply_address& reply_to);
/// run_test: {"test", "kwargs": {"verbose", "pause", "data", "count"[, "severity"][, "ombt"]},
/// "reply_addr"}; severity for notifications only, ombt (with the load) where run is not empty.
void append_run_test_args(std::string& out, test_kind test, const test_parameters& parameters,
                          const reply_address& reply_to);

// Each reads a method's arguments. False: why says in one line what is wrong, out is unspecified.
// Unknown keys are ignored.

bool read_reply_addr_args(json::value args, reply_address& out, std::string& why);
bool read_client_pong_args(json::value args, client_pong_request& out, std::string& why);
/// A test that is not known is no error (see run_test_request::test), and its kwargs are not read.
bool read_run_test_args(json::value args, run_test_request& out, std::string& why);

}  // namespace ombt::wire::control
