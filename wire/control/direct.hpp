// SPDX-License-Identifier: Apache-2.0
#pragma once
// The direct control plane's messages (docs/direct.md): what ombt's control
// messages (messages.hpp) need around them where no bus carries them. The route that a connection
// begins with, then frames (frames.hpp), each with one JSON object. Rendering and reading only; no
// state, any thread.

#include "wire/control/messages.hpp"
#include "wire/json/value.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ombt::wire::control {

inline constexpr std::uint16_t direct_port = 5700;
inline constexpr int direct_version = 1;

/// A process's key: 16 lower-case hexadecimal digits.
bool is_process_key(std::string_view key) noexcept;

/// The route: "ombt/1 <key>\n", or "ombt/1 ----------------\n" for the owner of the port.
inline constexpr std::size_t route_bytes = 24;
/// What a process begins with that registers with the owner, in place of a route.
inline constexpr std::string_view register_route = "ombt/1 ++++++++++++++++\n";
/// `process` empty: the owner.
std::string route_to(std::string_view process);
/// The key, empty: the owner. Nothing for other bytes, register_route among them.
std::optional<std::string> read_route(std::string_view bytes);
/// Whether these first bytes, at most route_bytes, can become a route or register_route.
bool may_be_route(std::string_view bytes) noexcept;

/// A frame of a controller or an agents' process: a command or notice (method not empty), or the
/// answer to one (method empty).
struct direct_message {
  std::uint64_t id = 0;  ///< of a command that is to be answered, or of its answer; 0: none
  std::string_view method;
  std::optional<agent_kind> kind;  ///< whom it is for, or from
  std::string_view topic;          ///< as --topic names it
  json::value args;                ///< of a command or notice
  json::value result;              ///< of an answer; missing: `error` says why
  std::string_view error;
};
/// The views are of the parsed document. False: why says in one line what is wrong: ids above 2^53,
/// methods above 64 and topics above name_limit bytes, errors above 4 KiB, control characters, args
/// that are no object, neither or both of result and error.
bool read_direct_message(json::value from, direct_message& out, std::string& why);
/// args_json and result_json are JSON texts; args_json may be empty: no arguments. What is written
/// of an error is one line of at most 1 KiB.
void append_direct_command(std::string& out, std::uint64_t id, std::string_view method,
                           std::optional<agent_kind> kind, std::string_view topic,
                           std::string_view args_json);
void append_direct_result(std::string& out, std::uint64_t id, std::string_view result_json);
void append_direct_error(std::string& out, std::uint64_t id, std::string_view error);

// Below, reading returns false where `why` says in one line what is wrong (of another version
// nothing is believed), and `out` is unspecified then. Unknown keys are ignored. Hosts, topics and
// controllers' names are at most name_limit bytes, boot ids boot_limit; where a text may be missing
// it may be empty.

/// Most agents of a kind in one process, topics and capabilities that it may tell, and processes
/// that share a port: what is believed of a peer.
inline constexpr std::uint32_t process_agents_limit = 1'000'000;
inline constexpr std::size_t process_topics_limit = 1'000;
inline constexpr std::size_t capabilities_limit = 100;
inline constexpr std::size_t processes_limit = 65'536;

/// Arguments of "hello", the first frame of a controller; answered with a process_hello.
struct controller_hello {
  int version = direct_version;
  std::string controller;  ///< its server name, as in reply_addr
  std::string host;
  std::int64_t pid = 0;
  bool merged = false;  ///< results of several agents may come as one (result_batch.hpp)
};
void append_controller_hello(std::string& out, const controller_hello& hello);
bool read_controller_hello(json::value args, controller_hello& out, std::string& why);

struct process_hello {
  int version = direct_version;
  std::string program;  ///< name and version
  std::string process;  ///< its key
  std::string host;
  std::string boot;
  std::int64_t pid = 0;
  agents_by_kind agents{};
  std::uint32_t standby = 0;   ///< agents without a role
  std::uint32_t capacity = 0;  ///< agents that assign may give a role at once; 0: it may not
  std::vector<std::string> topics;
  std::string site;
  std::string topology;
  std::string bus;                        ///< URL, masked
  std::vector<std::string> capabilities;  ///< optional methods that it knows
};
void append_process_hello(std::string& out, const process_hello& hello);
bool read_process_hello(json::value result, process_hello& out, std::string& why);

/// Arguments of "processes", which the owner of a port tells a controller that routed to it: at
/// once, and whenever that changes.
struct process_list {
  std::string host;
  std::string boot;
  std::vector<std::string> processes;  ///< keys, the owner's among them
};
void append_process_list(std::string& out, const process_list& list);
bool read_process_list(json::value args, process_list& out, std::string& why);

/// Result of "hold": whether the process is the controller's from now on, else whose it is.
struct hold_answer {
  bool held = false;
  std::string by;  ///< the other controller's server name
  std::string host;
  std::int64_t pid = 0;
  double since = 0;  ///< epoch seconds
};
void append_hold_answer(std::string& out, const hold_answer& answer);
bool read_hold_answer(json::value result, hold_answer& out, std::string& why);

/// Arguments of "start": when a prepared run is to begin.
struct start_request {
  std::string run;
  std::string boot;  ///< of the machine whose CLOCK_MONOTONIC counts
  std::int64_t monotonic_ns = 0;
  std::int64_t realtime_ns = 0;  ///< on other machines: their corrected CLOCK_REALTIME
};
void append_start_request(std::string& out, const start_request& start);
bool read_start_request(json::value args, start_request& out, std::string& why);

/// Arguments of "started".
struct started_notice {
  std::string run;
  std::int64_t realtime_ns = 0;  ///< corrected CLOCK_REALTIME when the process's agents were told
};
void append_started_notice(std::string& out, const started_notice& started);
bool read_started_notice(json::value args, started_notice& out, std::string& why);

}  // namespace ombt::wire::control
