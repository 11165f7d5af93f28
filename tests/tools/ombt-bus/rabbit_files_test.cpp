// SPDX-License-Identifier: Apache-2.0
#include "tools/ombt-bus/rabbit_files.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <sys/stat.h>
#include <unistd.h>

namespace ombt::tools::bus {
namespace {
namespace fs = std::filesystem;

std::string contents(const fs::path& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

// A folder for the bus's, and a package that looks like RabbitMQ's.
struct scratch {
  std::string parent = "/tmp/ombt-files-test-XXXXXX";
  std::string scripts;
  scratch() {
    REQUIRE(mkdtemp(parent.data()) != nullptr);
    scripts = parent + "/package/sbin";
    fs::create_directories(scripts);
    std::ofstream(scripts + "/rabbitmq-server") << "#!/bin/sh\n";
    std::ofstream(scripts + "/rabbitmq-defaults") << "\n";
    application("rabbit-3.1.0", "rabbit", "kernel, stdlib, ranch,\n rabbit_common");
    application("rabbit_common-3.1.0", "rabbit_common", "kernel,jsx,rabbit");
    application("ranch-2.0", "ranch", "ssl");
    application("jsx-1.0", "jsx", "");
    application("rabbitmq_management-3.1.0", "rabbitmq_management", "rabbit,cowboy");
  }
  ~scratch() { fs::remove_all(parent); }
  void application(const char* folder, const char* name, const char* needs) const {
    const fs::path ebin = fs::path(parent) / "package/plugins" / folder / "ebin";
    fs::create_directories(ebin);
    std::ofstream(ebin / (std::string(name) + ".app"))
        << "{application, " << name << ",\n [{vsn, \"1\"},\n  {applications, [" << needs
        << "]},\n  {env, [{x, [y]}]}]}.\n";
  }
};

mode_t mode_of(const std::string& path) {
  struct stat info {};
  REQUIRE(stat(path.c_str(), &info) == 0);
  return info.st_mode & 0777U;
}

bool has(const std::vector<std::string>& variables, const std::string& text) {
  return std::find(variables.begin(), variables.end(), text) != variables.end();
}

bool has_name(const std::vector<std::string>& variables, const std::string& name) {
  return std::any_of(variables.begin(), variables.end(), [&](const std::string& variable) {
    return variable.compare(0, name.size() + 1, name + "=") == 0;
  });
}

TEST_CASE("the applications that an Erlang application needs are read from its file") {
  CHECK(
      applications_needed("{application,a,[{applications,[kernel, std_lib2,\n x]},{env,[q]}]}.") ==
      std::vector<std::string>{"kernel", "std_lib2", "x"});
  CHECK(applications_needed("{application,a,[{applications,[]}]}.").empty());
  CHECK(applications_needed("{application,a,[]}.").empty());
  CHECK(applications_needed("{applications").empty());
  CHECK(applications_needed("{applications,[kernel").empty());
  CHECK(applications_needed("").empty());
}

std::vector<std::string> applications_seen(const rabbit_files& files) {
  std::vector<std::string> linked;
  for (const auto& entry : fs::directory_iterator(files.folder() + "/home/plugins")) {
    linked.push_back(entry.path().filename());
    CHECK(fs::exists(entry.path() / "ebin"));
  }
  std::sort(linked.begin(), linked.end());
  return linked;
}

TEST_CASE("plugins that are asked for are enabled, and the broker sees what they need") {
  const scratch place;
  place.application("cowboy-9", "cowboy", "kernel");
  rabbit_files files(place.parent, place.scripts, {"rabbitmq_management", "jsx"});
  files.configure({1, 2, 3});
  CHECK(contents(files.folder() + "/enabled_plugins") == "[rabbitmq_management,jsx].\n");
  CHECK(applications_seen(files) ==
        std::vector<std::string>{"cowboy-9", "jsx-1.0", "rabbit-3.1.0", "rabbit_common-3.1.0",
                                 "rabbitmq_management-3.1.0", "ranch-2.0"});
  rabbit_files wrong(place.parent, place.scripts, {"rabbitmq_telepathy"});
  CHECK_THROWS_WITH(wrong.configure({1, 2, 3}), "RabbitMQ has no plugin rabbitmq_telepathy");
}

TEST_CASE("the broker sees only the applications that it needs") {
  const scratch place;
  rabbit_files files(place.parent, place.scripts);
  files.configure({1, 2, 3});
  CHECK(applications_seen(files) ==
        std::vector<std::string>{"jsx-1.0", "rabbit-3.1.0", "rabbit_common-3.1.0", "ranch-2.0"});
  CHECK(contents(files.folder() + "/enabled_plugins") == "[].\n");
  CHECK(fs::exists(files.folder() + "/home/sbin/rabbitmq-defaults"));
}

TEST_CASE("the folder is private, holds the configuration, and goes with its owner") {
  const scratch place;
  std::string folder;
  {
    rabbit_files files(place.parent, place.scripts);
    folder = files.folder();
    files.configure({5001, 5002, 5003});
    CHECK(mode_of(folder) == 0700);
    CHECK(mode_of(folder + "/home/.erlang.cookie") == 0400);
    const auto cookie = contents(folder + "/home/.erlang.cookie");
    CHECK(cookie.size() == 24);
    const auto configuration = contents(folder + "/rabbitmq.conf");
    CHECK(configuration.find("listeners.tcp.1 = 127.0.0.1:5001\n") != std::string::npos);
    files.configure({5001, 5002, 5003});  // a restart keeps the cookie
    CHECK(contents(folder + "/home/.erlang.cookie") == cookie);
    files.record_pid(4711);
    CHECK(contents(folder + "/broker.pid") == "4711\n");
    CHECK_FALSE(fs::exists(folder + "/broker.pid.new"));
    rabbit_files other(place.parent, place.scripts);
    other.configure({1, 2, 3});
    CHECK(other.folder() != folder);
    CHECK(contents(other.folder() + "/home/.erlang.cookie") != cookie);
  }
  CHECK_FALSE(fs::exists(folder));
}

TEST_CASE("a folder that can't be made is one plain sentence") {
  CHECK_THROWS_WITH(rabbit_files("/no/such/place", "/bin"),
                    Catch::Contains("/no/such/place") && Catch::Contains("No such file"));
}

TEST_CASE("folders of the living are never removed, old ones of the dead are") {
  const scratch place;
  const rabbit_files living(place.parent, place.scripts);
  const fs::path dead = fs::path(place.parent) / "ombt-bus-7-dead";
  const fs::path stranger = fs::path(place.parent) / "another-7-dead";
  const auto long_ago = fs::file_time_type::clock::now() - std::chrono::hours(2);
  for (const auto& folder : {dead, stranger}) {
    fs::create_directory(folder);
    std::ofstream(folder / "lock") << "";
    fs::last_write_time(folder, long_ago);
  }
  fs::last_write_time(living.folder(), long_ago);
  const rabbit_files next(place.parent, place.scripts);
  CHECK(fs::exists(living.folder()));
  CHECK(fs::exists(stranger));
  CHECK_FALSE(fs::exists(dead));
}

TEST_CASE("nothing of the user's environment steers the broker") {
  const scratch place;
  setenv("RABBITMQ_NODENAME", "rabbit@elsewhere", 1);
  setenv("RABBITMQ_CTL_ERL_ARGS", "-evil", 1);
  setenv("ERL_LIBS", "/evil", 1);
  setenv("OMBT_TEST_KEPT", "yes", 1);
  rabbit_files files(place.parent, place.scripts);
  files.configure({5001, 5002, 5003});
  const auto variables = files.broker_environment();
  for (const char* name : {"RABBITMQ_NODENAME", "RABBITMQ_CTL_ERL_ARGS", "ERL_LIBS"})
    unsetenv(name);
  unsetenv("OMBT_TEST_KEPT");
  CHECK(has(variables, "RABBITMQ_NODENAME=ombt@127.0.0.1"));
  CHECK(has(variables, "ERL_EPMD_PORT=5002"));
  CHECK(has(variables, "OMBT_TEST_KEPT=yes"));
  CHECK(has(variables, "HOME=" + files.folder() + "/home"));
  CHECK_FALSE(has_name(variables, "RABBITMQ_CTL_ERL_ARGS"));
  CHECK_FALSE(has_name(variables, "ERL_LIBS"));
  CHECK(std::count_if(variables.begin(), variables.end(), [](const std::string& variable) {
          return variable.rfind("HOME=", 0) == 0;
        }) == 1);
}

TEST_CASE("the end of output and log is shown, so many lines of each at most") {
  const scratch place;
  rabbit_files files(place.parent, place.scripts);
  files.configure({1, 2, 3});
  CHECK(files.log_tail(2).empty());
  std::ofstream(files.output_file()) << "one\ntwo\nthree\n";
  std::ofstream(files.log_file()) << "four";
  CHECK(files.log_tail(2) == "two\nthree\nfour\n");
  CHECK(files.log_tail(9) == "one\ntwo\nthree\nfour\n");
}

}  // namespace
}  // namespace ombt::tools::bus
