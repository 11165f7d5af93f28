// SPDX-License-Identifier: Apache-2.0
#include "controller/control_places.hpp"

#include "wire/configuration_error.hpp"
#include "wire/control/direct_address.hpp"

#include "drivers/channel.hpp"
#include "drivers/loop.hpp"
#include "drivers/shared_port.hpp"

#include "controller/early_signals.hpp"
#include "controller/settings.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <memory>
#include <poll.h>
#include <unistd.h>
#include <unordered_set>
#include <utility>
#include <variant>

namespace ombt::controller {
namespace {

namespace control = wire::control;

constexpr std::size_t longest_hosts_file = std::size_t{64} << 20;
/// For a signal that came just before poll().
constexpr int look_again_ms = 100;

direct_links::place place_of(const control::tcp_place& named) {
  if (!named.host.empty()) return {{named.host, named.port, {}}, control::in_words(named)};
  const std::string socket = drivers::local_socket_of(named.port);
  return {{{}, 0, socket}, "unix:" + socket};
}

/// Of a pipe, as its writer comes to write; a signal ends the wait.
std::string text_of(const std::string& file) {
  const auto refuse = [&](const std::string& why) {
    return configuration_error("--hosts-file " + file + ": " + why);
  };
  const auto close = [](const int* descriptor) { ::close(*descriptor); };
  const int in = ::open(file.c_str(), O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
  if (in < 0) throw refuse(std::strerror(errno));
  const std::unique_ptr<const int, decltype(close)> closed_after{&in, close};
  std::string out;
  std::array<char, 65'536> buffer;
  while (!early_signals::arrived()) {
    pollfd one{in, POLLIN, 0};
    if (::poll(&one, 1, look_again_ms) <= 0) continue;
    const ssize_t bytes = ::read(in, buffer.data(), buffer.size());
    if (bytes == 0) return out;
    if (bytes < 0 && errno != EAGAIN && errno != EINTR) throw refuse(std::strerror(errno));
    if (bytes > 0) out.append(buffer.data(), static_cast<std::size_t>(bytes));
    if (out.size() > longest_hosts_file) throw refuse("too long");
  }
  throw refuse("interrupted");
}

class gatherer {
 public:
  void add(const control::tcp_place& named) { add(place_of(named)); }
  void add(direct_links::place one) {
    out.over_tcp = out.over_tcp || !one.at.host.empty();
    if (known_.insert(one.name).second) out.places.push_back(std::move(one));
  }
  void operator()(const control::tcp_place& named) { add(named); }
  void operator()(const control::socket_place& named) {
    add(direct_links::place{{{}, 0, named.path}, "unix:" + named.path});
  }
  void operator()(const control::same_bus&) { out.same_bus = true; }
  void operator()(const control::control_bus& named) { out.buses.push_back(named.url); }

  control_places out;

 private:
  std::unordered_set<std::string> known_;
};

/// Waits for what there is at a place.
class look final : public direct_links::user {
 public:
  look(drivers::loop& on, direct_links& at) : loop_(on), links_(at) {}
  bool found() const noexcept { return found_; }

 private:
  void on_settled() override {
    links_.for_each_open([this](process_number) { found_ = true; });
    loop_.stop();
  }
  void on_open(process_number) override {}
  void on_message(process_number, const control::direct_message&) override {}
  void on_lost(process_number, std::string_view) override {}
  void on_refused(std::string_view) override { found_ = true; }

  drivers::loop& loop_;
  direct_links& links_;
  bool found_ = false;
};

}  // namespace

bool names_agents(const settings& given) {
  return !given.hosts.empty() || !given.hosts_file.empty() ||
         std::any_of(given.control.begin(), given.control.end(),
                     [](const std::string& one) { return one != "bus"; });
}

bool uses_local_place(const settings& given) noexcept {
  return given.control.empty() && given.hosts.empty() && given.hosts_file.empty();
}

control_places places_of(const settings& given) {
  gatherer all;
  for (const std::string& text : given.control) {
    std::visit(all, control::parse_control_address(text));
  }
  if (!given.hosts.empty()) {
    for (const auto& one : control::parse_host_list(given.hosts)) all.add(one);
  }
  if (!given.hosts_file.empty()) {
    const std::string text = text_of(given.hosts_file);
    for (const auto& one : control::parse_hosts_file(text, given.hosts_file)) all.add(one);
  }
  if (uses_local_place(given)) all.add(local_place());
  return std::move(all.out);
}

direct_links::place local_place() { return place_of({{}, control::direct_port}); }

bool agents_are_here(duration limit) {
  drivers::loop loop;
  control::controller_hello own;
  own.controller = "who is here";
  direct_links links{loop,
                     {local_place()},
                     [&loop](const drivers::direct_place& to, const std::string& process,
                             drivers::channel_handler& told) {
                       return drivers::connect_channel(loop, to, process, nullptr, told);
                     },
                     own};
  look who{loop, links};
  links.serve(&who);
  loop.run_for(limit);
  links.serve(nullptr);
  // One that has the port's lock is here, though it does not answer.
  return who.found() || drivers::port_use_of(local_place().at.socket) == drivers::port_use::owned;
}

}  // namespace ombt::controller
