// SPDX-License-Identifier: Apache-2.0
#include "tools/ombt-bus/private_router.hpp"

#include "tools/ombt-bus/amqp_probe.hpp"
#include "tools/ombt-bus/child.hpp"
#include "tools/ombt-bus/qdrouterd_conf.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <stdexcept>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

namespace ombt::tools::bus {

private_router::private_router(router_options options) : options_(std::move(options)) {}

private_router::~private_router() {
  if (router_ < 0) return;
  kill(router_, SIGKILL);
  while (waitpid(router_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

void private_router::start(time_point now) {
  if (state_ != state::idle) return;
  const std::string wanted = is_ours() ? beside_us(name()) : name();
  program_ = find_program(wanted);
  if (program_.empty()) {
    return fail(is_ours() ? "ombt-router is missing: there is no program " + wanted +
                                " (it belongs beside ombt-bus)"
                          : "qdrouterd (qpid-dispatch) is not on PATH; ombt-bus router needs none");
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
  if (is_ours()) {
    router.arguments = {program_, "--port", std::to_string(port_)};
  } else {
    const std::string configuration = folder_->path("qdrouterd.conf");
    write_file(configuration,
               qdrouterd_configuration(port_, "ombt-bus-" + std::to_string(getpid())),
               S_IRUSR | S_IWUSR);
    router.arguments = {program_, "--conf", configuration};
  }
  router.environment = our_environment();
  router.folder = folder_->name();
  router.output = folder_->output_file();
  router.null_input = true;
  router.own_session = true;
  router.death_signal = SIGKILL;
  const auto started = start_child(router);
  if (started.pid < 0) {
    return fail("cannot run " + program_ + ": " + std::strerror(started.error));
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
    if (listens()) {
      served_ = true;
      state_ = state::serving;
    } else if (now >= deadline_) {
      fail(std::string(name()) + " does not serve after " +
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
      fail(std::string(name()) + " ended before it served (" + last_end_ + ")");
    }
  }
  return true;
}

bool private_router::listens() const {
  return is_ours() ? output().find(url() + "\n") != std::string::npos : accepts_connections(port_);
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
