// SPDX-License-Identifier: Apache-2.0
#pragma once
// What find-rate found, as text and as JSON. Pure functions.

#include "controller/find_rate.hpp"
#include "controller/json_report.hpp"
#include "controller/plan.hpp"
#include "controller/rate_goal.hpp"

#include <string>

namespace ombt::controller {

/// What a search was asked for, beside the curve that came of it.
struct search_asked {
  report_header header;
  plan what;  ///< as settings gave it: of a probe at the first rate
  rate_goal goal;
};

/// There is an answer; nor were the agents the limit at one of the rates it is made of, if
/// plan.strict.
bool succeeded(const search_asked& asked, const rate_curve& curve);
/// The answer in a line, without a newline: "Highest rate that holds p99 <= 20 ms: 4,120 messages/s
/// (missed at 4,240)", or why there is none.
std::string answer_text(const rate_goal& goal, const rate_curve& curve);
/// "400 messages/s for 10 s: p99 0.951 ms, held", of at most 80 columns as a rule.
std::string probe_text(const rate_goal& goal, const rate_probe& probe);
/// The whole report: the answer, the curve by rate, why probes were missed.
std::string find_rate_text(const search_asked& asked, const rate_curve& curve);
/// One JSON document, indented, with a newline at its end (docs/find-rate.schema.json).
std::string find_rate_json(const search_asked& asked, const rate_curve& curve);

}  // namespace ombt::controller
