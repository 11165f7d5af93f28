// SPDX-License-Identifier: Apache-2.0
#include "tools/embedded/embedded_test.hpp"

#include "wire/configuration_error.hpp"
#include "wire/oslo/transport_url.hpp"

#include "controller/session_text.hpp"
#include "tools/ombt-bus/child.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <optional>
#include <poll.h>
#include <stdexcept>
#include <string>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>
#include <utility>
#include <vector>

namespace ombt::tools {
namespace {

using clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr std::chrono::seconds start_limit{60};  // of each program
constexpr std::chrono::seconds stop_limit{5};    // after SIGTERM
constexpr milliseconds poll_interval{10};

/// A program of ours as a child that says on its standard output, line by line, that it is ready.
/// Its standard error is ours.
class program {
 public:
  /// Throws std::runtime_error with a plain sentence.
  program(const std::string& name, std::vector<std::string> arguments, std::string what = {})
      : name_(name), what_(std::move(what)) {
    std::string file = bus::find_program(bus::beside_us(name));
    if (file.empty()) file = bus::find_program(name);
    if (file.empty()) {
      throw std::runtime_error(name +
                               " is missing: it is neither in the folder of this program nor "
                               "on PATH");
    }
    arguments.insert(arguments.begin(), file);
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) {
      throw std::runtime_error(std::string("cannot make a pipe: ") + std::strerror(errno));
    }
    bus::child_options options;
    options.arguments = std::move(arguments);
    options.environment = bus::our_environment();
    options.output_pipe = ends[1];
    options.null_input = true;
    options.own_session = true;  // a terminal's Ctrl-C is for us, who stop it in its turn
    options.death_signal = SIGKILL;
    const auto started = bus::start_child(options);
    ::close(ends[1]);
    says_ = ends[0];
    pid_ = started.pid;
    if (pid_ < 0) {
      ::close(says_);
      throw std::runtime_error("cannot run " + file + ": " + std::strerror(started.error));
    }
  }
  ~program() {
    stop();
    ::close(says_);
  }
  program(const program&) = delete;
  program& operator=(const program&) = delete;

  /// Waits until it has said so many lines, and returns them all. Throws std::runtime_error if it
  /// ends before or takes too long.
  const std::string& wait_for_lines(std::ptrdiff_t count) {
    const auto deadline = clock::now() + start_limit;
    while (std::count(said_.begin(), said_.end(), '\n') < count) {
      const auto left = std::chrono::ceil<milliseconds>(deadline - clock::now());
      if (left.count() <= 0) {
        throw std::runtime_error(name_ + " is not ready after " +
                                 std::to_string(start_limit.count()) + " s");
      }
      pollfd readable{says_, POLLIN, 0};
      if (::poll(&readable, 1, static_cast<int>(left.count())) <= 0) continue;
      char buffer[4096];
      const auto got = ::read(says_, buffer, sizeof buffer);
      if (got < 0) continue;
      if (got == 0) {
        stop();
        throw std::runtime_error(name_ + " ended before it was ready (" + end_ + ")");
      }
      said_.append(buffer, static_cast<std::size_t>(got));
    }
    return said_;
  }

  /// How it ended, if it has already: "signal 9".
  std::optional<std::string> ended() {
    reap(WNOHANG);
    if (pid_ > 0) return {};
    return end_;
  }

  void stop() {
    if (ended()) return;
    ::kill(pid_, SIGTERM);
    for (const auto deadline = clock::now() + stop_limit; !ended();) {
      if (clock::now() >= deadline) {
        ::kill(pid_, SIGKILL);
        return reap(0);
      }
      std::this_thread::sleep_for(poll_interval);
    }
  }

  /// Of one that has ended.
  std::string last_words() {
    told_ = true;
    return name_ + (what_.empty() ? "" : " (" + what_ + ")") + " ended by itself (" + end_ + ")";
  }
  bool told() const noexcept { return told_; }

 private:
  void reap(int how) {
    if (pid_ < 0) return;
    int status = 0;
    pid_t got = 0;
    do got = ::waitpid(pid_, &status, how);
    while (got < 0 && errno == EINTR);
    if (got != pid_) return;
    pid_ = -1;
    end_ = bus::describe_end(status);
  }

  std::string name_;
  std::string what_;  ///< which one of that name
  pid_t pid_ = -1;
  int says_ = -1;  ///< the end of its standard output
  std::string said_;
  std::string end_;
  bool told_ = false;
};

/// One kind of agent of the test, all in a process.
struct agents_of_a_kind {
  const char* option;
  const char* noun;
  int count;
};

/// "1 RPC server"
std::string text_of(const agents_of_a_kind& a) {
  return controller::count_text(static_cast<std::uint64_t>(a.count), a.noun);
}

std::vector<std::string> agent_arguments(const agents_of_a_kind& a, const controller::settings& s,
                                         const std::string& url) {
  std::vector<std::string> out{
      std::string("--") + a.option, std::to_string(a.count), "--url", url, "--topic", s.topic};
  if (s.unique) out.emplace_back("--unique");
  if (!s.oslo_config.empty()) out.insert(out.end(), {"--oslo-config", s.oslo_config});
  return out;
}

void say(const controller::settings& s, const std::string& what) {
  std::fprintf(stderr, "%s: %s\n", s.program.c_str(), wire::oslo::mask_passwords(what).c_str());
}

}  // namespace

int run_embedded(const controller::settings& given, const embedded_agents& agents) {
  const bool notify = given.task == "notify";
  const agents_of_a_kind clients{notify ? "notifier" : "rpc-client",
                                 notify ? "notifier" : "RPC client", agents.clients};
  const agents_of_a_kind servers{notify ? "listener" : "rpc-server",
                                 notify ? "listener" : "RPC server", agents.servers};
  controller::settings test = given;
  test.bus = "embedded router";
  for (const auto& a : {clients, servers}) {
    test.expect.push_back(std::string(a.option) + "=" + std::to_string(a.count));
  }
  // Stopped in the opposite order, however this ends.
  std::optional<program> router;
  std::optional<program> server;
  std::optional<program> client;
  int status = controller::exit_incomplete;
  try {
    auto checked = controller::check_settings(test);
    say(test, "no bus named: starting ombt-router, " + text_of(servers) + ", " + text_of(clients));
    router.emplace("ombt-router", std::vector<std::string>{});
    std::string url = router->wait_for_lines(1);
    url.erase(url.find('\n'));
    server.emplace("ombt-agent", agent_arguments(servers, test, url), text_of(servers));
    client.emplace("ombt-agent", agent_arguments(clients, test, url), text_of(clients));
    server->wait_for_lines(servers.count);
    client->wait_for_lines(clients.count);
    controller::use_bus(checked, url);
    checked.trouble = [&] {
      for (auto* one : {&router, &server, &client}) {
        if ((*one)->ended()) return (*one)->last_words();
      }
      return std::string();
    };
    status = controller::run_controller(checked);
  } catch (const configuration_error& e) {
    say(test, e.what());
    return controller::exit_configuration;
  } catch (const std::runtime_error& e) {
    say(test, e.what());
    return status;
  }
  for (auto* one : {&client, &server, &router}) {
    if (!(*one)->ended()) continue;
    status = controller::exit_incomplete;
    if (!(*one)->told()) say(test, (*one)->last_words());
  }
  return status;
}

}  // namespace ombt::tools
