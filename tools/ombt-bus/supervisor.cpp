// SPDX-License-Identifier: Apache-2.0
#include "tools/ombt-bus/supervisor.hpp"

#include "tools/ombt-bus/child.hpp"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <string_view>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

namespace ombt::tools::bus {
namespace {

using clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds poll_interval{20};
constexpr milliseconds idle_interval{60'000};
constexpr milliseconds patience{10'000};    // with a command after a signal, before SIGTERM
constexpr int restart_limit = 5;            // without serving in between
constexpr milliseconds clear_limit{3'000};  // for what the command left behind, before SIGKILL

void say(const std::string& text) { std::fprintf(stderr, "ombt-bus: %s\n", text.c_str()); }

sigset_t handled_signals() {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : {SIGINT, SIGTERM, SIGQUIT, SIGCHLD, SIGUSR1}) sigaddset(&set, number);
  struct sigaction hangup {};
  const bool nohup = sigaction(SIGHUP, nullptr, &hangup) == 0 && hangup.sa_handler == SIG_IGN;
  if (!nohup) sigaddset(&set, SIGHUP);
  return set;
}

// The parent's environment with some variables replaced.
std::vector<std::string> environment_with(const std::vector<std::string>& ours) {
  std::vector<std::string> out;
  for (char** variable = environ; *variable != nullptr; ++variable) {
    const std::string_view text = *variable;
    const auto name = text.substr(0, text.find('=') + 1);
    const bool replaced = std::any_of(ours.begin(), ours.end(), [name](const std::string& other) {
      return std::string_view(other).substr(0, name.size()) == name;
    });
    if (!replaced) out.emplace_back(text);
  }
  out.insert(out.end(), ours.begin(), ours.end());
  return out;
}

class supervisor {
 public:
  supervisor(const run_options& options, private_bus& bus) : options_(options), bus_(bus) {}

  int run() {
    // Broker helpers and daemons whose parents ended come to us instead of to init.
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    bus_.start(clock::now());
    while (phase_ != phase::done) {
      step(clock::now());
      if (phase_ != phase::done) wait_for_signal();
    }
    return status_;
  }

 private:
  enum class phase { starting, running, clearing, stopping, sweeping, done };

  void step(clock::time_point now) {
    bus_.advance(now);
    switch (phase_) {
      case phase::starting:
        if (bus_.current() == private_bus::state::serving) {
          begin_command();
        } else if (bus_.current() == private_bus::state::failed) {
          say(bus_.failure());
          finish(1, now);
        }
        break;
      case phase::running:
        watch_bus(now);
        insist(now);
        break;
      case phase::clearing:
        clear(now);
        break;
      case phase::stopping:
        if (bus_.current() == private_bus::state::stopped) enter_sweeping(now);
        break;
      case phase::sweeping:
        sweep(now);
        break;
      case phase::done:
        break;
    }
  }

  void begin_command() {
    phase_ = phase::running;
    if (options_.command.empty()) {
      std::printf("%s\n", bus_.url().c_str());
      std::fflush(stdout);
      return;
    }
    auto ours = bus_.client_environment();
    ours.push_back("OMBT_BUS_SUPERVISOR=" + std::to_string(getpid()));
    child_options command;
    command.arguments = options_.command;
    command.environment = environment_with(ours);
    command.death_signal = SIGTERM;
    const auto started = start_child(command);
    if (started.pid < 0) {
      say("cannot run " + options_.command[0] + ": " + std::strerror(started.error));
      return finish(started.error == EACCES ? 126 : 127, clock::now());
    }
    command_ = started.pid;
  }

  // The broker may be killed on purpose, by a test, and is then started again on demand.
  void watch_bus(clock::time_point now) {
    const auto state = bus_.current();
    if (state == last_state_) return;
    last_state_ = state;
    if (state == private_bus::state::serving) restarts_left_ = restart_limit;
    if (state == private_bus::state::down && options_.restart_on_exit && restarts_left_-- > 0) {
      say(the_end() + ", starting it again");
      bus_.start_again(now);
      last_state_ = bus_.current();
    } else if (state == private_bus::state::down && command_ > 0) {
      say(the_end() + "; signal USR1 to process " + std::to_string(getpid()) + " starts it again");
    } else if (state == private_bus::state::down) {
      say(the_end());
      finish(1, now);
    } else if (state == private_bus::state::failed) {
      say(bus_.failure());
      if (command_ < 0) finish(1, now);
    }
  }

  std::string the_end() const {
    return std::string("the ") + bus_.noun() + " ended (" + bus_.last_end() + ")";
  }

  // A command that got a signal has some time to end by itself, then it is told again.
  void insist(clock::time_point now) {
    if (command_ < 0 || interrupts_ == 0 || now < deadline_) return;
    kill(command_, told_ ? SIGKILL : SIGTERM);
    told_ = true;
    deadline_ = now + patience;
  }

  void finish(int status, clock::time_point now) {
    status_ = status;
    phase_ = phase::clearing;
    deadline_ = now + clear_limit;
    told_ = false;
    clear(now);
  }

  // Ends what the command left running, which would otherwise lose its bus in a moment anyway.
  void clear(clock::time_point now) {
    auto left = descendants_of(getpid());
    const auto bus = bus_.processes();
    std::erase_if(
        left, [&bus](pid_t pid) { return std::find(bus.begin(), bus.end(), pid) != bus.end(); });
    if (left.empty() || now >= deadline_ + clear_limit) {
      phase_ = phase::stopping;
      bus_.stop(now, interrupts_ > 1);
      return;
    }
    const bool hard = now >= deadline_ || interrupts_ > 1;
    if (!told_ || hard) {
      for (const pid_t pid : left) kill(pid, hard ? SIGKILL : SIGTERM);
    }
    told_ = true;
  }

  void enter_sweeping(clock::time_point now) {
    phase_ = phase::sweeping;
    deadline_ = now + clear_limit;
    sweep(now);
  }

  // The broker's helpers end with their pipes to it; one that does not is killed.
  void sweep(clock::time_point now) {
    const auto left = descendants_of(getpid());
    if (left.empty() || now >= deadline_) {
      phase_ = phase::done;
      return;
    }
    for (const pid_t pid : left) kill(pid, SIGKILL);
  }

  void wait_for_signal() {
    const bool busy = bus_.changing() || phase_ == phase::clearing || phase_ == phase::sweeping ||
                      (interrupts_ > 0 && command_ > 0);
    const auto wait = busy ? poll_interval : idle_interval;
    const timespec limit{wait.count() / 1000, (wait.count() % 1000) * 1'000'000};
    const auto set = handled_signals();
    siginfo_t info{};
    switch (sigtimedwait(&set, &info, &limit)) {
      case SIGCHLD:
        reap_all();
        break;
      case SIGUSR1:
        bus_.start_again(clock::now());
        last_state_ = bus_.current();
        break;
      case SIGINT:
      case SIGTERM:
      case SIGQUIT:
      case SIGHUP:
        on_interrupt(info, clock::now());
        break;
      default:
        break;
    }
  }

  void reap_all() {
    int status = 0;
    for (pid_t pid = 0; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
      if (bus_.on_child_exit(pid, status) || pid != command_) continue;
      command_ = -1;
      finish(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status), clock::now());
    }
  }

  void on_interrupt(const siginfo_t& info, clock::time_point now) {
    ++interrupts_;
    if (phase_ == phase::starting) return finish(128 + info.si_signo, now);
    if (phase_ == phase::running && command_ < 0) return finish(0, now);
    if (phase_ == phase::running) {
      // A signal of the terminal (si_code SI_KERNEL) reaches the command without us.
      if (interrupts_ > 1) {
        kill(command_, SIGKILL);
      } else if (info.si_code != SI_KERNEL) {
        kill(command_, info.si_signo);
      }
      deadline_ = now + patience;
    } else if (interrupts_ > 1) {
      bus_.stop(now, true);
      phase_ = phase_ == phase::clearing ? phase::clearing : phase::stopping;
    }
  }

  const run_options& options_;
  private_bus& bus_;
  private_bus::state last_state_ = private_bus::state::serving;
  phase phase_ = phase::starting;
  pid_t command_ = -1;
  int status_ = 0;
  int interrupts_ = 0;
  int restarts_left_ = restart_limit;
  bool told_ = false;  // SIGTERM was sent to what deadline_ is for
  clock::time_point deadline_{};
};

}  // namespace

int supervise(const run_options& options, private_bus& bus) {
  if (!options.command.empty() && find_program(options.command[0]).empty()) {
    const std::string& name = options.command[0];
    const bool there = name.find('/') != std::string::npos && access(name.c_str(), F_OK) == 0;
    say("cannot run " + name + (there ? ": it is no program" : ": there is no such program"));
    return there ? 126 : 127;
  }
  // Blocked from here on and taken one by one; children start with an empty mask.
  const auto set = handled_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
  std::signal(SIGPIPE, SIG_IGN);  // nobody reads the URL: still to be stopped in an orderly way
  return supervisor(options, bus).run();
}

}  // namespace ombt::tools::bus
