// SPDX-License-Identifier: Apache-2.0
#include "tools/ombt-bus/private_router.hpp"

#include "tools/ombt-bus/amqp_probe.hpp"
#include "tools/ombt-bus/child.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <sys/wait.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace ombt::tools::bus {
namespace {

/// The ombt-router beside the running program.
std::string router_beside_us() {
  std::error_code error;
  const auto self = std::filesystem::read_symlink("/proc/self/exe", error);
  return error ? std::string("ombt-router") : (self.parent_path() / "ombt-router").string();
}

std::vector<std::string> our_environment() {
  std::vector<std::string> out;
  for (char** variable = environ; *variable != nullptr; ++variable) out.emplace_back(*variable);
  return out;
}

}  // namespace

private_router::private_router(router_options options) : options_(std::move(options)) {}

private_router::~private_router() {
  if (router_ < 0) return;
  kill(router_, SIGKILL);
  while (waitpid(router_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

void private_router::start(time_point now) {
  if (state_ != state::idle) return;
  if (options_.program.empty()) options_.program = router_beside_us();
  if (find_program(options_.program).empty()) {
    return fail("ombt-router is missing: there is no program " + options_.program +
                " (it belongs beside ombt-bus)");
  }
  port_ = options_.port != 0 ? options_.port : pick_port();
  if (port_ == 0) return fail("no free port on 127.0.0.1");
  if (!port_is_free(port_)) {
    return fail("port " + std::to_string(port_) + " of 127.0.0.1 is in use");
  }
  try {
    if (!folder_) folder_ = std::make_unique<bus_folder>(options_.folder_parent);
    start_router(now);
  } catch (const std::runtime_error& error) {
    fail(error.what());
  }
}

void private_router::start_router(time_point now) {
  output_before_ = read_file(folder_->output_file()).size();
  child_options router;
  router.arguments = {options_.program, "--port", std::to_string(port_)};
  router.environment = our_environment();
  router.folder = folder_->name();
  router.output = folder_->output_file();
  router.null_input = true;
  router.own_session = true;
  router.death_signal = SIGKILL;
  const auto started = start_child(router);
  if (started.pid < 0) {
    return fail("cannot run " + options_.program + ": " + std::strerror(started.error));
  }
  router_ = started.pid;
  deadline_ = now + options_.start_limit;
  state_ = state::starting;
  folder_->record_pid(router_);
}

void private_router::start_again(time_point now) {
  if (state_ == state::down) start_router(now);
}

void private_router::stop(time_point now, bool now_or_never) {
  if (state_ == state::stopped) return;
  if (state_ != state::stopping) {
    deadline_ = now + options_.stop_limit;
    // Orderly first: its clients are told.
    if (router_ > 0) kill(router_, SIGTERM);
    state_ = state::stopping;
  }
  if (now_or_never && router_ > 0) kill(router_, SIGKILL);
}

void private_router::advance(time_point now) {
  if (state_ == state::starting) {
    if (output().find(url() + "\n") != std::string::npos) {
      served_ = true;
      state_ = state::serving;
    } else if (now >= deadline_) {
      fail("ombt-router does not serve after " +
           std::to_string(options_.start_limit.count() / 1000) + " s");
    }
  } else if (state_ == state::stopping) {
    if (router_ < 0) {
      state_ = state::stopped;
      folder_.reset();
    } else if (now >= deadline_) {
      kill(router_, SIGKILL);
    }
  }
}

bool private_router::on_child_exit(pid_t pid, int wait_status) {
  if (pid != router_) return false;
  router_ = -1;
  last_end_ = describe_end(wait_status);
  if (state_ == state::serving || (state_ == state::starting && served_)) {
    state_ = state::down;
  } else if (state_ == state::starting) {
    // Between choosing a free port and using it, somebody else may have taken it.
    if (options_.port == 0 && !port_is_free(port_) && --attempts_left_ > 0) {
      state_ = state::idle;
      start(std::chrono::steady_clock::now());
    } else {
      fail("ombt-router ended before it served (" + last_end_ + ")");
    }
  }
  return true;
}

std::string private_router::output() const {
  const auto all = read_file(folder_->output_file());
  return all.substr(std::min(output_before_, all.size()));
}

void private_router::fail(const std::string& why) {
  failure_ = why;
  if (folder_) {
    if (const auto tail = last_lines(output(), 15); !tail.empty()) {
      failure_ += "; the end of its log:\n" + tail;
    }
  }
  while (!failure_.empty() && failure_.back() == '\n') failure_.pop_back();
  if (router_ > 0) kill(router_, SIGKILL);
  state_ = state::failed;
}

std::string private_router::url() const { return "amqp://127.0.0.1:" + std::to_string(port_); }

std::vector<pid_t> private_router::processes() const {
  return router_ > 0 ? std::vector<pid_t>{router_} : std::vector<pid_t>{};
}

std::vector<std::string> private_router::client_environment() const {
  return {"OMBT_URL=" + url(), "OMBT_BUS_PID=" + std::to_string(router_),
          "OMBT_BUS_DIR=" + (folder_ ? folder_->name() : std::string())};
}

}  // namespace ombt::tools::bus
