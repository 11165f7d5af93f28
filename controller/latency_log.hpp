// SPDX-License-Identifier: Apache-2.0
#pragma once
// The latencies of a test as an interval log (latency.hlog of --out): a tag a series, named as the
// agents that measured it. Pure.

#include "controller/json_report.hpp"
#include "controller/outcome.hpp"
#include "controller/plan.hpp"

#include <string>

namespace ombt::controller {

/// Tags RPCClient, RPCServer, Notifier, Listener. A series without samples has no line, and neither
/// has what is no test.
std::string latency_log(const report_header& header, const plan& what, const outcome& found);

}  // namespace ombt::controller
