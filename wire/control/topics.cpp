// SPDX-License-Identifier: Apache-2.0
#include "wire/control/topics.hpp"

#include "wire/configuration_error.hpp"
#include "wire/control/messages.hpp"

namespace ombt::wire::control {

std::vector<std::string> topics_of(const std::string& topic, const std::optional<int>& topics,
                                   bool unique) {
  check_topic(topic);
  if (!topics) return {topic};
  if (*topics < 1 || *topics > most_topics) {
    throw configuration_error("--topics " + std::to_string(*topics) +
                              ": expected a number from 1 to " + std::to_string(most_topics));
  }
  if (unique) {
    throw configuration_error(
        "--topics contradicts --unique: agents of all topics would be heard as one");
  }
  std::vector<std::string> out;
  for (int i = 0; i < *topics; ++i) out.push_back(topic + '-' + std::to_string(i));
  check_topic(out.back());
  return out;
}

void check_spread(const std::optional<int>& topics, std::string_view option, int agents) {
  if (!topics || agents == 0 || agents >= *topics) return;
  throw configuration_error("--topics " + std::to_string(*topics) + ": " + std::string{option} +
                            ' ' + std::to_string(agents) + " would leave " +
                            (*topics - agents == 1 ? "a topic" : "topics") + " without one");
}

std::string topics_in_words(const std::vector<std::string>& topics) {
  if (topics.size() == 1) return "topic " + topics.front();
  return std::to_string(topics.size()) + " topics, " + topics.front() + " to " + topics.back();
}

}  // namespace ombt::wire::control
