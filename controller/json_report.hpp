// SPDX-License-Identifier: Apache-2.0
#pragma once
// The outcome of a session as JSON: what --json writes (docs/json.md lists the keys), and
// ombt's --output lines. Pure functions.

#include "controller/outcome.hpp"
#include "controller/plan.hpp"

#include <cstddef>
#include <string>

namespace ombt::controller {

inline constexpr int json_schema_version = 1;
/// Most I/O threads of agents that are listed one by one.
inline constexpr std::size_t json_audit_limit = 1'000;

/// What a report says of the program and the buses, beside the outcome.
struct report_header {
  std::string program;      ///< "ombt-controller"
  std::string url;          ///< passwords masked
  std::string control_url;  ///< passwords masked
  double started = 0;       ///< epoch seconds
  double finished = 0;
  std::string bus;  ///< what it is, where the program started it itself
};

/// "p50_ms", "p99_9_ms": the key of a percentile.
std::string percentile_key(double percentile);
/// The document's "options", as JSON text.
std::string options_json(const plan& what);

/// One JSON document, indented, with a newline at its end. Latencies are milliseconds, in keys
/// that end in _ms; a figure that is not known is null.
std::string json_report(const report_header& header, const plan& what, const outcome& found);

/// The document's agents, a JSON object a line: agents.jsonl of --out.
std::string agent_lines(const plan& what, const outcome& found);

/// ombt's --output of a controller: a line a phase, {agent name: results, …}; clients, then
/// servers.
std::string output_lines(const plan& what, const outcome& found);

}  // namespace ombt::controller
