// SPDX-License-Identifier: Apache-2.0
#include "tools/embedded/embedded_test.hpp"

#include "wire/configuration_error.hpp"
#include "wire/oslo/transport_url.hpp"

#include "controller/early_signals.hpp"
#include "controller/session_text.hpp"
#include "tools/ombt-bus/child.hpp"

#include <algorithm>
#include <array>
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
#include <sys/mman.h>
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
/// In the URL of agents and controller: a router that says nothing for so many seconds is lost to
/// them; and so it is for the test if they are not back with it soon.
constexpr const char* idle_option = "?idle_timeout=6";
constexpr std::chrono::seconds lost_limit{3};

/// Says a text's lines on standard error, in the name of `who` where they are in its program's.
void pass_on(const std::string& text, const std::string& program, const std::string& who) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    std::string line = text.substr(at, end - at);
    if (line.starts_with(program + ": ")) line.replace(0, program.size(), who);
    std::fprintf(stderr, "%s\n", line.c_str());
    at = end + 1;
  }
}

/// A program of ours as a child that says on its standard output, line by line, that it is ready.
/// What it says on its standard error is kept until it is asked for.
class program {
 public:
  /// Throws std::runtime_error with a plain sentence.
  program(const std::string& name, std::vector<std::string> arguments, std::string what = {})
      : name_(name), who_(name + (what.empty() ? "" : " (" + what + ")")) {
    std::string file = bus::find_program(bus::beside_us(name));
    if (file.empty()) file = bus::find_program(name);
    if (file.empty()) {
      throw std::runtime_error(name +
                               " is missing: it is neither in the folder of this program nor "
                               "on PATH");
    }
    arguments.insert(arguments.begin(), file);
    int ends[2];
    words_ = ::memfd_create("words", MFD_CLOEXEC);
    if (words_ < 0 || ::pipe2(ends, O_CLOEXEC) != 0) {
      const int error = errno;
      if (words_ >= 0) ::close(words_);
      throw std::runtime_error(std::string("cannot make a pipe: ") + std::strerror(error));
    }
    bus::child_options options;
    options.arguments = std::move(arguments);
    options.environment = bus::our_environment();
    options.output_pipe = ends[1];
    options.error_file = words_;
    options.null_input = true;
    options.own_session = true;  // a terminal's Ctrl-C is for us, who stop it in its turn
    options.death_signal = SIGKILL;
    const auto started = bus::start_child(options);
    ::close(ends[1]);
    says_ = ends[0];
    pid_ = started.pid;
    if (pid_ < 0) {
      ::close(says_);
      ::close(words_);
      throw std::runtime_error("cannot run " + file + ": " + std::strerror(started.error));
    }
  }
  ~program() {
    stop();
    ::close(says_);
    ::close(words_);
  }
  program(const program&) = delete;
  program& operator=(const program&) = delete;

  /// Waits until it has said so many lines, and returns them all. Throws std::runtime_error if it
  /// ends before or takes too long, or a signal comes ("interrupted").
  const std::string& wait_for_lines(std::ptrdiff_t count,
                                    const controller::early_signals& signals) {
    const auto deadline = clock::now() + start_limit;
    while (std::count(said_.begin(), said_.end(), '\n') < count) {
      const auto left = std::chrono::ceil<milliseconds>(deadline - clock::now());
      if (left.count() <= 0) {
        say_words();
        throw std::runtime_error(name_ + " is not ready after " +
                                 std::to_string(start_limit.count()) + " s");
      }
      std::array<pollfd, 2> readable{{{says_, POLLIN, 0}, {signals.descriptor(), POLLIN, 0}}};
      const int ready = ::poll(readable.data(), readable.size(), static_cast<int>(left.count()));
      if (controller::early_signals::arrived()) throw std::runtime_error("interrupted");
      if (ready <= 0) continue;
      char buffer[4096];
      const auto got = ::read(says_, buffer, sizeof buffer);
      if (got < 0) continue;
      if (got == 0) {
        stop();
        say_words();
        throw std::runtime_error(name_ + " ended before it was ready (" + end_ + ")");
      }
      said_.append(buffer, static_cast<std::size_t>(got));
    }
    return said_;
  }

  /// What keeps it from its part, in a sentence: that it has ended, or stands still.
  std::optional<std::string> trouble() {
    if (ended()) return who_ + " ended by itself (" + end_ + ")";
    if (still_) return who_ + " stands still (signal " + std::to_string(still_) + ")";
    return {};
  }

  /// Passes on what it has said on its standard error.
  void say_words() {
    std::string text;
    char buffer[4096];
    for (ssize_t got = 0;
         (got = ::pread(words_, buffer, sizeof buffer, static_cast<off_t>(text.size()))) > 0;) {
      text.append(buffer, static_cast<std::size_t>(got));
    }
    pass_on(text, name_, who_);
  }

  void stop() {
    if (ended()) return;
    ::kill(pid_, still_ ? SIGKILL : SIGTERM);
    for (const auto deadline = clock::now() + stop_limit; !ended();) {
      if (clock::now() >= deadline) {
        ::kill(pid_, SIGKILL);
        return reap(0);
      }
      std::this_thread::sleep_for(poll_interval);
    }
  }

 private:
  bool ended() {
    reap(WNOHANG | WUNTRACED | WCONTINUED);
    return pid_ < 0;
  }
  void reap(int how) {
    while (pid_ > 0) {
      int status = 0;
      const pid_t got = ::waitpid(pid_, &status, how);
      if (got < 0 && errno == EINTR) continue;
      if (got != pid_) return;
      still_ = WIFSTOPPED(status) ? WSTOPSIG(status) : 0;
      if (WIFSTOPPED(status) || WIFCONTINUED(status)) continue;
      pid_ = -1;
      end_ = bus::describe_end(status);
    }
  }

  std::string name_;
  std::string who_;  ///< the name, and which one of it
  pid_t pid_ = -1;
  int says_ = -1;   ///< the end of its standard output
  int words_ = -1;  ///< its standard error, a file in memory
  std::string said_;
  std::string end_;  ///< "signal 9"
  int still_ = 0;    ///< the signal that stopped it
};

/// What keeps the test from going on; asked a few times a second.
class watchman {
 public:
  watchman(program& router, program& server, program& client)
      : programs_{&router, &server, &client} {}

  /// `lost` is why the controller has no contact with the router; empty: it has.
  std::string trouble(const std::string& lost) {
    // The same cause may show as several: the first that is seen is told.
    for (program* const one : programs_) {
      if (!told_.empty()) return told_;
      told_ = one->trouble().value_or("");
      of_the_router_ = one == programs_.front();
    }
    if (lost.empty()) {
      lost_since_.reset();
    } else if (!lost_since_) {
      lost_since_ = clock::now();
    } else if (told_.empty() && clock::now() - *lost_since_ >= lost_limit) {
      told_ = "ombt-router does not answer: " + lost;
      of_the_router_ = true;
    }
    return told_;
  }
  const std::string& told() const noexcept { return told_; }
  /// Then what agents say of their connections is of no interest.
  bool router_failed() const noexcept { return !told_.empty() && of_the_router_; }

 private:
  const std::array<program*, 3> programs_;
  std::optional<clock::time_point> lost_since_;
  std::string told_;
  bool of_the_router_ = false;
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
  std::vector<std::string> out{std::string("--") + a.option,
                               std::to_string(a.count),
                               "--url",
                               url,
                               "--control",
                               "bus",
                               "--topic",
                               s.topic};
  if (s.topics) out.insert(out.end(), {"--topics", std::to_string(*s.topics)});
  if (s.unique) out.emplace_back("--unique");
  if (!s.oslo_config.empty()) out.insert(out.end(), {"--oslo-config", s.oslo_config});
  return out;
}

void say(const controller::settings& s, const std::string& what) {
  std::fprintf(stderr, "%s: %s\n", s.program.c_str(), wire::oslo::mask_passwords(what).c_str());
}

}  // namespace

int run_embedded(const controller::settings& given, const embedded_agents& agents) {
  const bool notify = controller::test_name(given) == "notify";
  const agents_of_a_kind clients{notify ? "notifier" : "rpc-client",
                                 notify ? "notifier" : "RPC client", agents.clients};
  const agents_of_a_kind servers{notify ? "listener" : "rpc-server",
                                 notify ? "listener" : "RPC server", agents.servers};
  controller::settings test = given;
  test.bus = "embedded router";
  test.control = {"bus"};  // so a router that does not answer is seen
  for (const auto& a : {clients, servers}) {
    test.expect.push_back(std::string(a.option) + "=" + std::to_string(a.count));
  }
  const controller::early_signals signals;  // from before there is a folder
  // Stopped in the opposite order, however this ends.
  std::optional<program> router;
  std::optional<program> server;
  std::optional<program> client;
  int status = controller::exit_incomplete;
  try {
    auto checked = controller::check_settings(test);
    wire::control::check_spread(test.topics, "--rpc-clients", clients.count);
    wire::control::check_spread(test.topics, "--rpc-servers", servers.count);
    say(test, "no bus named: starting ombt-router, " + text_of(servers) + ", " + text_of(clients));
    router.emplace("ombt-router", std::vector<std::string>{});
    std::string url = router->wait_for_lines(1, signals);
    url.replace(url.find('\n'), std::string::npos, idle_option);
    server.emplace("ombt-agent", agent_arguments(servers, test, url), text_of(servers));
    client.emplace("ombt-agent", agent_arguments(clients, test, url), text_of(clients));
    server->wait_for_lines(servers.count, signals);
    client->wait_for_lines(clients.count, signals);
    controller::use_bus(checked, url);
    watchman over(*router, *server, *client);
    checked.trouble = [&over](const std::string& lost) { return over.trouble(lost); };
    status = controller::run_controller(checked);
    const bool told = !over.told().empty();
    if (!told && !over.trouble({}).empty()) say(test, over.told());
    if (!over.told().empty()) status = controller::exit_incomplete;
    for (auto* one : {&client, &server, &router}) {
      (*one)->stop();
      if (!over.router_failed()) (*one)->say_words();
    }
  } catch (const configuration_error& e) {
    say(test, e.what());
    return controller::exit_configuration;
  } catch (const std::runtime_error& e) {
    say(test, e.what());
    return status;
  }
  return status;
}

}  // namespace ombt::tools
