// SPDX-License-Identifier: Apache-2.0
#pragma once
// A process of agents, forked, with a shared port: answers each frame by its key and that frame.
// Ends with its object, and with the test.

#include "tests/drivers/direct/port_bed.hpp"

#include <array>
#include <csignal>
#include <cstdio>
#include <sys/prctl.h>
#include <sys/wait.h>

namespace ombt::tests {

inline std::string key_of(unsigned number) {
  std::array<char, 17> text;
  std::snprintf(text.data(), text.size(), "%016x", number);
  return text.data();
}

/// Runs `what` in a child with no descriptor of ours but for one, which ends it when it is closed.
class forked {
 public:
  template <class Function>
  explicit forked(Function what) {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    child_ = ::fork();
    REQUIRE(child_ >= 0);
    if (child_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::dup2(ends[1], 3);
      ::close_range(4, ~0u, 0);
      what(3);
      ::_exit(0);
    }
    ::close(ends[1]);
    from_ = ends[0];
    ::fcntl(from_, F_SETFL, O_NONBLOCK);
  }
  ~forked() {
    kill(SIGCONT);
    kill(SIGKILL);
    wait();
    ::close(from_);
  }
  forked(const forked&) = delete;
  forked& operator=(const forked&) = delete;

  pid_t pid() const { return child_; }
  void kill(int signal) const {
    if (child_ > 0) ::kill(child_, signal);
  }
  /// Its exit status, -1 if a signal ended it.
  int wait() {
    int status = 0;
    if (child_ > 0 && ::waitpid(child_, &status, 0) == child_) child_ = 0;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  /// All that it has said.
  const std::string& said() {
    char part[512];
    for (;;) {
      const auto n = ::read(from_, part, sizeof part);
      if (n <= 0) return said_;
      said_.append(part, static_cast<std::size_t>(n));
    }
  }

 private:
  pid_t child_ = 0;
  int from_ = -1;
  std::string said_;
};

inline void say_to(int descriptor, const std::string& words) {
  (void)!::write(descriptor, words.data(), words.size());
}

/// Says "joined PORT", "failed WHY"; leaves at SIGTERM.
inline void serve_port(const drivers::shared_port::settings& what, int told) {
  drivers::loop on;
  port_notes notes;
  notes.notes.answer = [&](drivers::channel& from, std::string_view frame) {
    from.send(what.process + ' ' + std::string(frame));
  };
  auto events = notes.events();
  events.joined = [&](std::uint16_t port) {
    say_to(told, "joined " + std::to_string(port) + '\n');
  };
  events.failed = [&](const std::string& why) { say_to(told, "failed " + why + '\n'); };
  std::optional<drivers::shared_port> port;
  port.emplace(on, what, std::move(events));
  on.on_termination([&](int) { on.stop(); });
  on.run();
  port.reset();
}

class port_process : public forked {
 public:
  explicit port_process(const drivers::shared_port::settings& what)
      : forked([&](int told) { serve_port(what, told); }) {}
  bool joined() { return said().starts_with("joined "); }
};

/// The processes as the owner tells them, over a connection of its own.
class process_watch final : public drivers::channel_handler, private drivers::timer_target {
 public:
  process_watch(drivers::loop& on, drivers::direct_place where)
      : on_(on), where_(std::move(where)) {
    on_timer(0);
  }
  ~process_watch() { on_.cancel_timer(timer_); }
  void on_open(drivers::channel&) override {}
  void on_frame(drivers::channel&, std::string_view frame) override {
    ++notices;
    wire::json::reader reader;
    wire::json::value document;
    wire::control::direct_message message;
    wire::control::process_list list;
    std::string why;
    REQUIRE_FALSE(reader.parse(frame, document));
    REQUIRE(wire::control::read_direct_message(document, message, why));
    REQUIRE(message.method == "processes");
    REQUIRE(wire::control::read_process_list(message.args, list, why));
    processes = list.processes;
  }
  /// As a controller does: it comes again.
  void on_closed(drivers::channel&, error_code, std::string_view) override {
    ++ends;
    processes.clear();
    timer_ = on_.start_timer(drivers::steady_clock::now() + 10ms, *this, 0);
  }
  bool has(const std::string& process) const {
    return std::find(processes.begin(), processes.end(), process) != processes.end();
  }

  std::vector<std::string> processes;
  int notices = 0;
  int ends = 0;

 private:
  void on_timer(std::uint64_t) override {
    timer_ = 0;
    by_ = drivers::connect_channel(on_, where_, {}, a_token(), *this);
  }

  drivers::loop& on_;
  drivers::direct_place where_;
  drivers::loop::timer_id timer_ = 0;
  std::unique_ptr<drivers::channel> by_;
};

}  // namespace ombt::tests
