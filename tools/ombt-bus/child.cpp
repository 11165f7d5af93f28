// SPDX-License-Identifier: Apache-2.0
#include "tools/ombt-bus/child.hpp"

#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <map>
#include <string_view>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>

namespace ombt::tools::bus {
namespace {

std::vector<char*> pointers(const std::vector<std::string>& texts) {
  std::vector<char*> out;
  out.reserve(texts.size() + 1);
  for (const auto& text : texts) out.push_back(const_cast<char*>(text.c_str()));
  out.push_back(nullptr);
  return out;
}

// Runs between fork and exec: async-signal-safe calls only, no allocation.
[[noreturn]] void become(const child_options& options, const char* program, char* const* arguments,
                         char* const* environment, pid_t parent, int report) {
  const auto give_up = [report] {
    const int error = errno;
    [[maybe_unused]] const auto written = write(report, &error, sizeof error);
    _exit(127);
  };
  if (options.death_signal != 0) {
    prctl(PR_SET_PDEATHSIG, options.death_signal);
    if (getppid() != parent) _exit(127);  // it died before the call above
  }
  if (options.own_session) setsid();
  if (options.null_input) {
    const int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    if (null < 0 || dup2(null, STDIN_FILENO) < 0) give_up();
  }
  if (!options.output.empty()) {
    const int out =
        open(options.output.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (out < 0 || dup2(out, STDOUT_FILENO) < 0 || dup2(out, STDERR_FILENO) < 0) give_up();
  }
  if (options.output.empty() && options.output_pipe >= 0 &&
      dup2(options.output_pipe, STDOUT_FILENO) < 0) {
    give_up();
  }
  if (options.output.empty() && options.error_file >= 0 &&
      dup2(options.error_file, STDERR_FILENO) < 0) {
    give_up();
  }
  if (!options.folder.empty() && chdir(options.folder.c_str()) != 0) give_up();
  struct sigaction standard {};
  standard.sa_handler = SIG_DFL;
  for (int number = 1; number < NSIG; ++number) {
    struct sigaction inherited {};
    const bool nohup = number == SIGHUP && sigaction(number, nullptr, &inherited) == 0 &&
                       inherited.sa_handler == SIG_IGN;
    if (!nohup) sigaction(number, &standard, nullptr);
  }
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  execve(program, arguments, environment);
  give_up();
  _exit(127);
}

bool executable(const std::string& path) {
  struct stat info {};
  return stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) && access(path.c_str(), X_OK) == 0;
}

// The parent of a process from /proc/PID/stat; 0 if it is gone.
pid_t parent_of(std::string_view pid) {
  std::ifstream file("/proc/" + std::string(pid) + "/stat");
  std::string line;
  if (!std::getline(file, line)) return 0;
  // "pid (name) state ppid": the name may hold anything, so look for its last parenthesis.
  const auto end = line.rfind(") ");
  if (end == std::string::npos || end + 4 >= line.size()) return 0;
  pid_t parent = 0;
  std::from_chars(line.data() + end + 4, line.data() + line.size(), parent);
  return parent;
}

}  // namespace

child start_child(const child_options& options) {
  const std::string program = find_program(options.arguments.at(0));
  if (program.empty()) return {-1, ENOENT};
  const auto arguments = pointers(options.arguments);
  const auto environment = pointers(options.environment);
  int report[2];
  if (pipe2(report, O_CLOEXEC) != 0) return {-1, errno};
  const pid_t parent = getpid();
  // No signal may run a handler of ours in the child before it has its own actions.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t pid = fork();
  if (pid == 0) {
    become(options, program.c_str(), arguments.data(), environment.data(), parent, report[1]);
  }
  const int fork_error = errno;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  close(report[1]);
  child out{pid, pid < 0 ? fork_error : 0};
  if (pid > 0) {
    int error = 0;
    ssize_t got = 0;
    do got = read(report[0], &error, sizeof error);
    while (got < 0 && errno == EINTR);
    if (got == sizeof error) {
      while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
      }
      out = {-1, error};
    }
  }
  close(report[0]);
  return out;
}

std::string describe_end(int wait_status) {
  if (WIFSIGNALED(wait_status)) return "signal " + std::to_string(WTERMSIG(wait_status));
  return "exit status " + std::to_string(WEXITSTATUS(wait_status));
}

std::string find_program(const std::string& program) {
  if (program.find('/') != std::string::npos) return executable(program) ? program : std::string();
  const char* path = std::getenv("PATH");
  std::string_view rest = path != nullptr ? path : "/usr/bin:/bin";
  while (!program.empty()) {
    const auto colon = rest.find(':');
    const auto folder = rest.substr(0, colon);
    std::string candidate = (folder.empty() ? "." : std::string(folder)) + "/" + program;
    if (executable(candidate)) return candidate;
    if (colon == std::string_view::npos) break;
    rest.remove_prefix(colon + 1);
  }
  return {};
}

std::string beside_us(const std::string& program) {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  return error ? program : (self.parent_path() / program).string();
}

std::vector<std::string> our_environment() {
  std::vector<std::string> out;
  for (char** variable = environ; *variable != nullptr; ++variable) out.emplace_back(*variable);
  return out;
}

std::vector<pid_t> descendants_of(pid_t root) {
  std::multimap<pid_t, pid_t> children;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator("/proc", ignored)) {
    const std::string name = entry.path().filename();
    pid_t pid = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (error != std::errc() || end != name.data() + name.size()) continue;
    if (const pid_t parent = parent_of(name); parent > 0) children.emplace(parent, pid);
  }
  std::vector<pid_t> out;
  for (auto [child, end] = children.equal_range(root); child != end; ++child) {
    out.push_back(child->second);
  }
  for (std::size_t i = 0; i < out.size(); ++i) {
    for (auto [child, end] = children.equal_range(out[i]); child != end; ++child) {
      out.push_back(child->second);
    }
  }
  return out;
}

}  // namespace ombt::tools::bus
