// SPDX-License-Identifier: Apache-2.0
#pragma once
// Several topics at once (--topics): their names, and what agents and controllers refuse of them.
// No state, any thread.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ombt::wire::control {

/// The topic where none is given, and what the names of several begin with then.
inline constexpr std::string_view usual_topic = "test-topic";
inline constexpr std::string_view usual_stem = "topic";
/// Most topics of one process of agents, or of one run.
inline constexpr int most_topics = 1'000;

/// The topics that agents or a controller have: `topic` alone, or with --topics "<topic>-0" to
/// "<topic>-<n - 1>". Throws configuration_error for a name that is none, for a number out of
/// 1 to most_topics, and for several with `unique`, under which all would be heard as one.
std::vector<std::string> topics_of(const std::string& topic, const std::optional<int>& topics,
                                   bool unique);

/// Throws configuration_error if so many agents (more than none), asked for by that option, cannot
/// be spread over the topics without leaving one out.
void check_spread(const std::optional<int>& topics, std::string_view option, int agents);

/// How many of so many agents are in a topic: agent i is in topic i modulo their number.
constexpr std::uint32_t share_of(std::size_t topic, std::size_t topics, int agents) noexcept {
  const auto all = static_cast<std::size_t>(agents);
  return static_cast<std::uint32_t>(all / topics + (topic < all % topics ? 1 : 0));
}

/// "topic topic-3"; "10 topics, topic-0 to topic-9".
std::string topics_in_words(const std::vector<std::string>& topics);

}  // namespace ombt::wire::control
