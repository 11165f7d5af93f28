// SPDX-License-Identifier: Apache-2.0
#include "agents/daemon.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <optional>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

namespace ombt::agents {
namespace {

// What travels on the pipe: lines "> TEXT" for standard output, then "= STATUS TEXT", the end.

volatile std::sig_atomic_t interrupted_by = 0;

void on_interrupt(int signal) { interrupted_by = signal; }

/// What would end a parent that waits is taken while this lives: the child must not be left behind.
/// A hang-up or quit that is ignored, as under nohup, stays so.
class parent_signals {
 public:
  parent_signals() {
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      struct sigaction act = {};
      act.sa_handler = on_interrupt;
      ::sigaction(numbers[i], nullptr, &before_[i]);
      const bool may_stay_ignored = numbers[i] == SIGHUP || numbers[i] == SIGQUIT;
      if (may_stay_ignored && before_[i].sa_handler == SIG_IGN) continue;
      ::sigaction(numbers[i], &act, nullptr);
    }
  }
  ~parent_signals() {
    for (std::size_t i = 0; i < numbers.size(); ++i) {
      ::sigaction(numbers[i], &before_[i], nullptr);
    }
  }
  parent_signals(const parent_signals&) = delete;
  parent_signals& operator=(const parent_signals&) = delete;

 private:
  static constexpr std::array<int, 4> numbers = {SIGINT, SIGTERM, SIGHUP, SIGQUIT};
  std::array<struct sigaction, numbers.size()> before_{};
};

struct startup_story {
  std::string pending;
  int status = -1;  ///< until the end has come
  std::string why;

  void read(const char* data, std::size_t size) {
    pending.append(data, size);
    for (std::size_t end; status < 0 && (end = pending.find('\n')) != std::string::npos;) {
      const std::string line = pending.substr(0, end);
      pending.erase(0, end + 1);
      if (line.starts_with("> ")) {
        std::printf("%s\n", line.c_str() + 2);
      } else if (line.starts_with("= ")) {
        status = std::atoi(line.c_str() + 2);
        const std::size_t space = line.find(' ', 2);
        if (space != std::string::npos) why = line.substr(space + 1);
      }
    }
  }
};

/// Why a child ended that said nothing.
std::string how_ended(pid_t child) {
  int status = 0;
  if (::waitpid(child, &status, 0) != child) return "the agent process has gone";
  if (WIFSIGNALED(status)) {
    return std::string("the agent process was ended by signal ") +
           std::to_string(WTERMSIG(status)) + " while it started";
  }
  return "the agent process ended with status " + std::to_string(WEXITSTATUS(status)) +
         " while it started";
}

int wait_for_child(std::string_view program, int from, pid_t child,
                   std::chrono::milliseconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  startup_story story;
  bool late = false;
  while (story.status < 0) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0 || interrupted_by != 0) {
      late = true;
      break;
    }
    pollfd waiting = {from, POLLIN, 0};
    // A signal that comes just before poll() does not end it.
    const int wait = static_cast<int>(std::min<std::int64_t>(left.count(), 200));
    if (::poll(&waiting, 1, wait) <= 0) continue;
    char buffer[4096];
    const ssize_t got = ::read(from, buffer, sizeof buffer);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    story.read(buffer, static_cast<std::size_t>(got));
  }
  if (late) {
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    if (interrupted_by != 0) return 128 + interrupted_by;
    story.status = 1;
    story.why = "the agents were not ready in time";
  } else if (story.status < 0) {
    story.why = how_ended(child);
    story.status = 1;
  }
  if (std::fflush(stdout) != 0 && story.status == 0) {
    // Whoever started them takes a failure to mean that there are none.
    story.status = 1;
    story.why = std::string("standard output: ") + std::strerror(errno) + "; the agents leave";
    ::kill(child, SIGTERM);
    ::waitpid(child, nullptr, 0);
  }
  if (story.status != 0) {
    std::fprintf(stderr, "%.*s: %s\n", static_cast<int>(program.size()), program.data(),
                 story.why.c_str());
  }
  return story.status;
}

}  // namespace

startup_link::~startup_link() {
  if (pipe_ >= 0) ::close(pipe_);
}

int startup_link::go_to_background(std::string_view program, std::chrono::milliseconds limit) {
  int ends[2];
  std::fflush(nullptr);
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    std::fprintf(stderr, "%.*s: cannot make a pipe: %s\n", static_cast<int>(program.size()),
                 program.data(), std::strerror(errno));
    return 1;
  }
  // From before there is a child, which has its own ways: a parent that is interrupted takes it
  // along.
  std::optional<parent_signals> signals(std::in_place);
  const pid_t child = ::fork();
  if (child < 0) {
    std::fprintf(stderr, "%.*s: cannot start a process: %s\n", static_cast<int>(program.size()),
                 program.data(), std::strerror(errno));
    return 1;
  }
  if (child > 0) {
    ::close(ends[1]);
    const int status = wait_for_child(program, ends[0], child, limit);
    ::close(ends[0]);
    return status;
  }
  signals.reset();
  // What the caller had open (a lock, a pipe that somebody reads to its end) is not ours to keep.
  pipe_ = STDERR_FILENO + 1;
  if (ends[1] != pipe_) ::dup2(ends[1], pipe_);
  ::fcntl(pipe_, F_SETFD, FD_CLOEXEC);
  ::close_range(static_cast<unsigned>(pipe_) + 1, ~0U, 0);
  background_ = true;
  ::setsid();
  // A parent that has gone must not end the agents by a signal.
  std::signal(SIGPIPE, SIG_IGN);
  const int null = ::open("/dev/null", O_RDWR);
  if (null >= 0) {
    for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(null, stream);
    if (null > STDERR_FILENO) ::close(null);
  }
  return -1;
}

void startup_link::send(std::string_view text) {
  while (pipe_ >= 0 && !text.empty()) {
    const ssize_t written = ::write(pipe_, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      ::close(pipe_);
      pipe_ = -1;
      return;
    }
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

void startup_link::say(std::string_view line) {
  if (background_) {
    send("> " + std::string(line) + "\n");
  } else {
    std::printf("%.*s\n", static_cast<int>(line.size()), line.data());
  }
}

void startup_link::ready() {
  if (!background_) {
    std::fflush(stdout);
    return;
  }
  [[maybe_unused]] const int moved = ::chdir("/");  // no folder is kept from being unmounted
  send("= 0\n");
  if (pipe_ >= 0) ::close(pipe_);
  pipe_ = -1;
}

void startup_link::failed(std::string_view program, int status, std::string_view why) {
  std::string line(why);
  std::replace(line.begin(), line.end(), '\n', ' ');
  if (!background_) {
    std::fflush(stdout);
    std::fprintf(stderr, "%.*s: %s\n", static_cast<int>(program.size()), program.data(),
                 line.c_str());
    return;
  }
  send("= " + std::to_string(status) + " " + line + "\n");
  if (pipe_ >= 0) ::close(pipe_);
  pipe_ = -1;
}

}  // namespace ombt::agents
