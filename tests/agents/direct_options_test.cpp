// SPDX-License-Identifier: Apache-2.0
// What the options of direct control come to. The folder of sockets and the token are the test's
// own.
#include "wire/configuration_error.hpp"
#include "wire/control/direct.hpp"

#include "agents/fleet_options.hpp"

#include <catch2/catch.hpp>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <unistd.h>

using namespace ombt;
using agents::fleet_options;
using agents::make_fleet_plan;
namespace fs = std::filesystem;

namespace {

/// A variable of the environment, while this lives.
class variable {
 public:
  variable(const char* name, const std::string& value) : name_(name) {
    if (const char* const before = ::getenv(name)) before_ = before;
    ::setenv(name, value.c_str(), 1);
  }
  ~variable() { before_ ? ::setenv(name_, before_->c_str(), 1) : ::unsetenv(name_); }
  variable(const variable&) = delete;
  variable& operator=(const variable&) = delete;

 private:
  const char* name_;
  std::optional<std::string> before_;
};

struct runtime_folder {
  runtime_folder() {
    REQUIRE(::mkdtemp(path.data()) != nullptr);
    std::ofstream(path + "/token") << "0123456789abcdef0123456789abcdef\n";
    fs::permissions(path + "/token", fs::perms::owner_read | fs::perms::owner_write);
  }
  ~runtime_folder() { fs::remove_all(path); }
  std::string path = (fs::temp_directory_path() / "ombt-options-XXXXXX").string();
};

struct direct_options : runtime_folder {
  variable sockets{"OMBT_RUNTIME_DIR", path};
  variable home{"HOME", path};
  fleet_options o;

  direct_options() {
    o.rpc_clients = 1;
    o.token_file = path + "/token";
  }
};

}  // namespace

TEST_CASE_METHOD(direct_options, "With direct control there is a port and no control bus") {
  struct expected {
    std::string control;
    std::string listen;
    std::string host;
    std::uint16_t port;
  };
  const std::vector<expected> all = {{"", "", "", 5700},
                                     {"tcp://:5700", "", "", 5700},
                                     {"tcp://:5800", "", "", 5800},
                                     {"tcp://127.0.0.1", "", "127.0.0.1", 5700},
                                     {"tcp://[::1]:5801", "", "::1", 5801},
                                     {"", "5802", "", 5802},
                                     {"bus", "localhost:5803", "localhost", 5803},
                                     {"", "[::1]:5804", "::1", 5804}};
  for (const expected& one : all) {
    INFO(one.control << " " << one.listen);
    o.control_url = one.control;
    o.listen = one.listen;
    const auto plan = make_fleet_plan(o);
    CHECK_FALSE(plan.control_bus);
    REQUIRE(plan.port);
    CHECK(plan.port->tcp);
    CHECK(plan.port->host == one.host);
    CHECK(plan.port->port == one.port);
    CHECK(plan.port->socket == path + "/" + std::to_string(one.port) + ".sock");
    CHECK(plan.port->secret);
    CHECK(wire::control::is_process_key(plan.port->process));
    CHECK(agents::control_connections(plan) == 0);
  }
  CHECK(make_fleet_plan(o).port->process != make_fleet_plan(o).port->process);
}

TEST_CASE_METHOD(direct_options, "A socket alone needs no token, a bus neither") {
  o.token_file.clear();
  const variable token("OMBT_TOKEN_FILE", path + "/nowhere");
  o.control_url = "unix:/run/agents.sock";
  const auto plan = make_fleet_plan(o);
  REQUIRE(plan.port);
  CHECK_FALSE(plan.port->tcp);
  CHECK(plan.port->socket == "/run/agents.sock");
  CHECK_FALSE(plan.port->secret);
  CHECK_FALSE(plan.control_bus);
  o.control_url = "bus";
  CHECK(make_fleet_plan(o).control_bus);
  o.listen = "5800";
  CHECK_THROWS_WITH(make_fleet_plan(o), Catch::Contains(path + "/nowhere"));
  o.control = false;
  CHECK_FALSE(make_fleet_plan(o).port);
}

TEST_CASE_METHOD(direct_options, "What cannot be used of them is refused in a line that names it") {
  const std::vector<std::pair<std::string, std::function<void(fleet_options&)>>> wrong = {
      {"--listen: expected a port, or HOST:PORT", [](auto& a) { a.listen = "here"; }},
      {"--listen: expected a port, or HOST:PORT", [](auto& a) { a.listen = "here:"; }},
      {"--listen: expected a port, or HOST:PORT", [](auto& a) { a.listen = "tcp://:x"; }},
      {"--listen", [](auto& a) { a.listen = "70000"; }},
      {"--listen", [](auto& a) { a.listen = "0"; }},
      {"--listen", [](auto& a) { a.listen = "::1:5700"; }},
      {"--control", [](auto& a) { a.control_url = "tcp://"; }},
      {"--control", [](auto& a) { a.control_url = "unix:here"; }},
      {"--control", [](auto& a) { a.control_url = "5700"; }},
      {"--token-file is for control over TCP", [](auto& a) { a.control_url = "bus"; }},
      {"--token-file is for control over TCP", [](auto& a) { a.control_url = "unix:/x"; }},
      {"--max-rate 0: expected messages/s from 0.001", [](auto& a) { a.max_rate = 0; }},
      {"--max-rate", [](auto& a) { a.max_rate = std::numeric_limits<double>::quiet_NaN(); }},
      {"--idle-exit 0: expected seconds from 0.1", [](auto& a) { a.idle_exit = 0; }},
      {"--idle-exit -1", [](auto& a) { a.idle_exit = -1; }},
  };
  o.control_url = "tcp://:5700";
  for (const auto& [words, change] : wrong) {
    INFO(words);
    auto changed = o;
    change(changed);
    CHECK_THROWS_WITH(make_fleet_plan(changed), Catch::StartsWith(words));
    CHECK_THROWS_AS(make_fleet_plan(changed), configuration_error);
  }
  make_fleet_plan(o);
}
