// SPDX-License-Identifier: Apache-2.0
#pragma once
// When the messages of a fanout were at the first, the median and the last server, as text: a line
// each, and what they can't say. Pure functions.

#include "controller/fanout_times.hpp"
#include "controller/text_report.hpp"

#include <string>

namespace ombt::controller {

/// A percentile over all messages of a fanout, those that never came as infinity; not known where
/// arrivals found no room. 100: the greatest of all, of any number of messages.
percentile_of_all percentile_of_fanout(const fanout_summary& of, const fanout_figure& figure,
                                       double percentile);

/// Appends the lines.
void append_fanout_text(std::string& out, const fanout_summary& found);

}  // namespace ombt::controller
