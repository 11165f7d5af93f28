// SPDX-License-Identifier: Apache-2.0
#include "tools/ombt-bus/child.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

namespace ombt::tools::bus {
namespace {

int wait_for(pid_t pid) {
  int status = -1;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  return status;
}

struct scratch_folder {
  std::string path = "/tmp/ombt-child-test-XXXXXX";
  scratch_folder() { REQUIRE(mkdtemp(path.data()) != nullptr); }
  ~scratch_folder() { std::filesystem::remove_all(path); }
};

std::string contents(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

child_options shell(const std::string& script) {
  child_options options;
  options.arguments = {"sh", "-c", script};
  options.environment = {"PATH=/usr/bin:/bin"};
  return options;
}

TEST_CASE("a child has the arguments, environment, folder and output that it was given") {
  const scratch_folder scratch;
  auto options = shell("echo \"$GREETING $PWD $1\"; echo wrong >&2; cat");
  options.arguments.insert(options.arguments.end(), {"sh", "two words"});
  options.environment.emplace_back("GREETING=hello");
  options.folder = scratch.path;
  options.output = scratch.path + "/out";
  options.null_input = true;
  const auto started = start_child(options);
  REQUIRE(started.pid > 0);
  CHECK(wait_for(started.pid) == 0);
  CHECK(contents(options.output) == "hello " + scratch.path + " two words\nwrong\n");
}

TEST_CASE("output is appended, so that a second start keeps the words of the first") {
  const scratch_folder scratch;
  auto options = shell("echo once");
  options.output = scratch.path + "/out";
  CHECK(wait_for(start_child(options).pid) == 0);
  CHECK(wait_for(start_child(options).pid) == 0);
  CHECK(contents(options.output) == "once\nonce\n");
}

TEST_CASE("a child writes to a pipe that it was given as its output") {
  int ends[2];
  REQUIRE(pipe2(ends, O_CLOEXEC) == 0);
  auto options = shell("echo said; exec sleep 60");
  options.output_pipe = ends[1];
  const auto started = start_child(options);
  close(ends[1]);
  REQUIRE(started.pid > 0);
  char text[16] = {};
  CHECK(read(ends[0], text, sizeof text) == 5);
  CHECK(std::string(text) == "said\n");
  kill(started.pid, SIGKILL);
  wait_for(started.pid);
  CHECK(read(ends[0], text, sizeof text) == 0);  // nobody else holds it
  close(ends[0]);
}

TEST_CASE("the program beside us is in our own folder, wherever we run") {
  const auto self = std::filesystem::read_symlink("/proc/self/exe");
  CHECK(beside_us(self.filename()) == self.string());
  CHECK(beside_us("other") == (self.parent_path() / "other").string());
}

TEST_CASE("a program that does not exist or may not run is an error and no child") {
  const scratch_folder scratch;
  child_options options;
  options.arguments = {"ombt-no-such-program"};
  CHECK(start_child(options).pid == -1);
  CHECK(start_child(options).error == ENOENT);

  // A script whose interpreter is missing is found, and fails in exec.
  const std::string script = scratch.path + "/script";
  std::ofstream(script) << "#!/no/such/interpreter\n";
  std::filesystem::permissions(script, std::filesystem::perms::owner_all);
  options.arguments = {script};
  const auto started = start_child(options);
  CHECK(started.pid == -1);
  CHECK(started.error == ENOENT);
  CHECK(waitpid(-1, nullptr, WNOHANG) == -1);
  CHECK(errno == ECHILD);
}

TEST_CASE("a folder that does not exist is an error and no child") {
  auto options = shell("true");
  options.folder = "/no/such/folder";
  const auto started = start_child(options);
  CHECK(started.pid == -1);
  CHECK(started.error == ENOENT);
}

TEST_CASE("a child starts with no signal blocked or ignored, whatever its parent does") {
  sigset_t blocked, before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGTERM);
  sigprocmask(SIG_BLOCK, &blocked, &before);
  std::signal(SIGINT, SIG_IGN);
  const auto started =
      start_child(shell("grep -E '^Sig(Blk|Ign)' /proc/$$/status | grep -v ':.*0$'"));
  const int status = wait_for(started.pid);
  std::signal(SIGINT, SIG_DFL);
  sigprocmask(SIG_SETMASK, &before, nullptr);
  REQUIRE(WIFEXITED(status));
  CHECK(WEXITSTATUS(status) == 1);  // grep found nothing that is set
}

TEST_CASE("a hangup that the parent was told to ignore stays ignored") {
  std::signal(SIGHUP, SIG_IGN);
  const auto started = start_child(shell("kill -HUP $$; exit 3"));
  std::signal(SIGHUP, SIG_DFL);
  CHECK(WEXITSTATUS(wait_for(started.pid)) == 3);
  CHECK(WTERMSIG(wait_for(start_child(shell("kill -HUP $$; exit 3")).pid)) == SIGHUP);
}

TEST_CASE("a child with a session of its own leads it, others share their parent's") {
  for (const bool own : {true, false}) {
    auto options = shell("exec sleep 60");
    options.own_session = own;
    const auto started = start_child(options);
    REQUIRE(started.pid > 0);
    CHECK((getsid(started.pid) == started.pid) == own);
    kill(started.pid, SIGKILL);
    CHECK(WTERMSIG(wait_for(started.pid)) == SIGKILL);
  }
}

TEST_CASE("descendants are children and their children, and nobody else") {
  const auto started = start_child(shell("sleep 61 & sleep 62 & wait"));
  REQUIRE(started.pid > 0);
  std::vector<pid_t> below;
  for (int attempt = 0; attempt < 500 && below.size() < 2; ++attempt) {
    usleep(10'000);
    below = descendants_of(started.pid);
  }
  CHECK(below.size() == 2);
  const auto mine = descendants_of(getpid());
  CHECK(mine.size() == 3);
  CHECK(std::find(mine.begin(), mine.end(), started.pid) != mine.end());
  for (const pid_t pid : mine) kill(pid, SIGKILL);
  wait_for(started.pid);
}

TEST_CASE("programs are found on PATH, or by a path, if they may run") {
  CHECK(find_program("sh").substr(0, 1) == "/");
  CHECK(find_program("/bin/sh") == "/bin/sh");
  CHECK(find_program("ombt-no-such-program").empty());
  CHECK(find_program("/etc/passwd").empty());
  CHECK(find_program("/tmp").empty());
  CHECK(find_program("").empty());
}

}  // namespace
}  // namespace ombt::tools::bus
