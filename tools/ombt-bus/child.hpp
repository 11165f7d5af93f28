// SPDX-License-Identifier: Apache-2.0
#pragma once
// Starting a child process with everything decided before the fork: arguments, environment,
// folder, output, session, and what happens to it when its parent dies. Owns nothing afterwards:
// waiting for the child and ending it are the caller's. Any thread, but a child with a death
// signal gets it when the thread that started it ends.

#include <string>
#include <sys/types.h>
#include <vector>

namespace ombt::tools::bus {

struct child_options {
  std::vector<std::string> arguments;    ///< the first is the program, looked up on PATH
  std::vector<std::string> environment;  ///< "NAME=value"
  std::string folder;                    ///< working folder; empty: the parent's
  std::string output;        ///< file that stdout and stderr are appended to; empty: the parent's
  int output_pipe = -1;      ///< descriptor that becomes stdout, if there is no `output`; -1: none
  int error_file = -1;       ///< descriptor that becomes stderr, likewise
  bool null_input = false;   ///< stdin is /dev/null
  bool own_session = false;  ///< out of reach of the terminal's Ctrl-C
  int death_signal = 0;      ///< sent to the child when the parent dies; 0: none
};

struct child {
  pid_t pid = -1;  ///< -1: could not be started
  int error = 0;   ///< the errno of fork or exec then
};

/// Starts a child with an empty signal mask and default signal actions (but an ignored SIGHUP, that
/// is nohup, stays ignored). Returns when the program
/// is running (exec succeeded) or with the reason why it is not.
child start_child(const child_options& options);

/// "exit status 3" or "signal 9" of a status as waitpid gives it.
std::string describe_end(int wait_status);

/// The file that `program` names, looked up on PATH as execvp would; empty if there is none that
/// may be executed.
std::string find_program(const std::string& program);

/// The program of that name in the running program's own folder, as a path; it need not exist.
std::string beside_us(const std::string& program);

/// The variables of this process.
std::vector<std::string> our_environment();

/// The pids of all processes below `root`, deepest last; read from /proc.
std::vector<pid_t> descendants_of(pid_t root);

}  // namespace ombt::tools::bus
