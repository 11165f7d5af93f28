// SPDX-License-Identifier: Apache-2.0
#include "wire/control/clock.hpp"

#include <string_view>

namespace ombt::wire::control {
namespace {

bool read_nanoseconds(json::value from, std::string_view key, std::int64_t& out, std::string& why) {
  const auto number = from[key].integer();
  if (!number || *number <= -clock_limit || *number >= clock_limit) {
    why.assign(key).append(" is no whole number of nanoseconds that a clock may have");
    return false;
  }
  out = *number;
  return true;
}

}  // namespace

void append_clock_args(std::string& out, const clock_request& request) {
  out += '{';
  if (request.correct) out.append("\"correct\": ").append(std::to_string(*request.correct));
  out += '}';
}

void append_clock_reply(std::string& out, const clock_reply& reply) {
  out += "{\"boot\": ";
  json::append_string(out, reply.boot);
  out.append(", \"received\": ").append(std::to_string(reply.received));
  out.append(", \"replied\": ").append(std::to_string(reply.replied)) += '}';
}

bool read_clock_args(json::value args, clock_request& out, std::string& why) {
  out = {};
  if (!args["correct"]) return true;
  return read_nanoseconds(args, "correct", out.correct.emplace(), why);
}

bool read_clock_reply(json::value reply, clock_reply& out, std::string& why) {
  const auto boot = reply["boot"].string();
  if (!boot || boot->size() > boot_limit) {
    why = "boot is no short string";
    return false;
  }
  out.boot = *boot;
  return read_nanoseconds(reply, "received", out.received, why) &&
         read_nanoseconds(reply, "replied", out.replied, why);
}

}  // namespace ombt::wire::control
