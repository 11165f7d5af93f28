// SPDX-License-Identifier: Apache-2.0
#include "controller/hold_text.hpp"

#include "wire/oslo/password_mask.hpp"

#include "controller/session_text.hpp"

#include <ctime>
#include <map>

namespace ombt::controller {
namespace {

constexpr std::size_t most_told = 5;  // controllers, by name

std::string instant_text(double epoch) {
  const auto seconds = static_cast<std::time_t>(epoch);
  std::tm parts{};
  char out[32];
  if (::localtime_r(&seconds, &parts) == nullptr) return std::to_string(seconds);
  return {out, std::strftime(out, sizeof out, "%Y-%m-%d %H:%M:%S", &parts)};
}

}  // namespace

std::string holder_text(const wire::control::hold_answer& by) {
  std::string out =
      "controller " + (by.by.empty() ? "without a name" : wire::oslo::printable(by.by));
  out += " (";
  if (!by.host.empty()) out += "host " + wire::oslo::printable(by.host) + ", ";
  if (by.pid > 0) out += "process " + std::to_string(by.pid) + ", ";
  return out + "since " + instant_text(by.since) + ')';
}

std::string holders_text(const std::vector<wire::control::hold_answer>& refused, std::size_t all) {
  std::map<std::string, std::string> controllers;
  for (const auto& one : refused) controllers.emplace(one.by, holder_text(one));
  std::string out =
      controllers.size() == 1 ? "another controller holds " : "other controllers hold ";
  out += std::to_string(refused.size()) + " of " + count_text(all, "process");
  if (all != 1) out.insert(out.size() - 1, "e");
  out += " of agents: ";
  std::size_t told = 0;
  for (const auto& [name, text] : controllers) {
    if (++told > most_told) continue;
    if (told > 1) out += ", ";
    out += text;
  }
  if (told > most_told) out += " and " + std::to_string(told - most_told) + " more";
  return out;
}

}  // namespace ombt::controller
