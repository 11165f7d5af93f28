// SPDX-License-Identifier: Apache-2.0
#include "controller/plan.hpp"

#include "wire/configuration_error.hpp"

#include <array>
#include <charconv>
#include <utility>

namespace ombt::controller {
namespace {

using wire::control::agent_kind;
using wire::control::test_kind;

constexpr std::array<std::string_view, 6> task_names = {"rpc-call", "rpc-cast", "rpc-fanout",
                                                        "notify",   "status",   "shutdown"};

std::optional<agent_kind> kind_from_option(std::string_view text) {
  if (const auto kind = wire::control::agent_kind_from(text)) return kind;
  constexpr std::array<std::pair<std::string_view, agent_kind>, 4> options = {{
      {"rpc-client", agent_kind::rpc_client},
      {"rpc-server", agent_kind::rpc_server},
      {"listener", agent_kind::listener},
      {"notifier", agent_kind::notifier},
  }};
  for (const auto& [name, kind] : options) {
    if (name == text) return kind;
  }
  return {};
}

}  // namespace

std::optional<test_kind> test_of(task what) noexcept {
  switch (what) {
    case task::rpc_call:
      return test_kind::call;
    case task::rpc_cast:
      return test_kind::cast;
    case task::rpc_fanout:
      return test_kind::fanout;
    case task::notify:
      return test_kind::notify;
    case task::status:
    case task::shutdown:
      break;
  }
  return {};
}

std::string_view name_of(task what) noexcept { return task_names[static_cast<std::size_t>(what)]; }

std::optional<task> task_from(std::string_view name) noexcept {
  for (std::size_t i = 0; i < task_names.size(); ++i) {
    if (task_names[i] == name) return static_cast<task>(i);
  }
  return {};
}

expectation expectation::parse(std::string_view text) {
  const auto refuse = [&]() -> configuration_error {
    return configuration_error("--expect " + std::string{text} +
                               ": expected N or KIND=N, N from 1 to 200000, KIND one of "
                               "rpc-client, rpc-server, listener, notifier");
  };
  expectation out;
  std::string_view number = text;
  if (const auto equals = text.find('='); equals != std::string_view::npos) {
    out.kind = kind_from_option(text.substr(0, equals));
    if (!out.kind) throw refuse();
    number = text.substr(equals + 1);
  }
  const auto [end, error] =
      std::from_chars(number.data(), number.data() + number.size(), out.count);
  if (error != std::errc{} || end != number.data() + number.size() || out.count < 1 ||
      out.count > 200'000) {
    throw refuse();
  }
  return out;
}

bool plan::needs(agent_kind kind) const noexcept {
  const auto test = test_of(what);
  return test &&
         (kind == wire::control::client_kind(*test) || kind == wire::control::server_kind(*test));
}

}  // namespace ombt::controller
