// SPDX-License-Identifier: Apache-2.0
#include "tools/ombt-bus/private_rabbit.hpp"

#include "drivers/descriptor_limit.hpp"

#include "tools/ombt-bus/child.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <stdexcept>
#include <sys/wait.h>
#include <unistd.h>
#include <utility>

namespace ombt::tools::bus {
namespace {

// The broker inherits its limit from here; more than this many only slows Erlang's start.
constexpr std::size_t enough_descriptors = 65536;
// With fewer it does not come up, and its log does not say why.
constexpr std::size_t least_descriptors = 256;

void reap(pid_t pid) {
  while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

}  // namespace

private_rabbit::private_rabbit(rabbit_options options) : options_(std::move(options)) {}

private_rabbit::~private_rabbit() {
  kill_all(SIGKILL);
  if (broker_ > 0) reap(broker_);
  if (name_server_ > 0) reap(name_server_);
}

void private_rabbit::start(time_point now) {
  if (step_ != step::idle) return;
  if (access((options_.scripts + "/rabbitmq-server").c_str(), X_OK) != 0) {
    return fail("RabbitMQ is not installed: there is no " + options_.scripts +
                    "/rabbitmq-server (Debian package rabbitmq-server; "
                    "tools/install-dependencies rabbit installs it)",
                false);
  }
  if (options_.folder_parent.find_first_of(" \t\n") != std::string::npos) {
    return fail("TMPDIR is " + options_.folder_parent +
                    ": RabbitMQ's scripts fail in a folder with a blank in its name",
                false);
  }
  if (const auto limit = drivers::raise_descriptor_limit(enough_descriptors);
      limit < least_descriptors) {
    return fail("RabbitMQ needs " + std::to_string(least_descriptors) +
                    " file descriptors at least, and the limit of this process is " +
                    std::to_string(limit) + ": raise it (ulimit -n)",
                false);
  }
  deadline_ = now + options_.start_limit;
  try {
    if (!files_) {
      files_ = std::make_unique<rabbit_files>(options_.folder_parent, options_.scripts,
                                              options_.plugins);
    }
    if (!choose_ports()) return;
    files_->configure(ports_);
  } catch (const std::runtime_error& error) {
    return fail(error.what(), false);
  }
  child_options epmd;
  epmd.arguments = {"epmd", "-address", "127.0.0.1", "-port", std::to_string(ports_.epmd)};
  epmd.environment = files_->broker_environment();
  epmd.folder = files_->folder();
  epmd.output = files_->output_file();
  epmd.null_input = true;
  epmd.own_session = true;
  epmd.death_signal = SIGKILL;
  const auto started = start_child(epmd);
  if (started.pid < 0) {
    return fail(std::string("cannot run epmd (Debian package erlang-base): ") +
                    std::strerror(started.error),
                false);
  }
  name_server_ = started.pid;
  step_ = step::name_server;
}

bool private_rabbit::choose_ports() {
  ports_ = {options_.port != 0 ? options_.port : pick_port(), pick_port(), pick_port()};
  if (!port_is_free(ports_.amqp)) {
    fail("port " + std::to_string(ports_.amqp) + " of 127.0.0.1 is in use", false);
    return false;
  }
  if (ports_.amqp == 0 || ports_.epmd == 0 || ports_.distribution == 0) {
    fail("no free port on 127.0.0.1", false);
    return false;
  }
  return true;
}

void private_rabbit::start_broker(time_point now) {
  child_options server;
  server.arguments = {options_.scripts + "/rabbitmq-server"};
  server.environment = files_->broker_environment();
  server.folder = files_->folder();
  server.output = files_->output_file();
  server.null_input = true;
  server.own_session = true;
  server.death_signal = SIGKILL;
  const auto started = start_child(server);
  if (started.pid < 0) {
    return fail("cannot run " + server.arguments[0] + ": " + std::strerror(started.error), false);
  }
  broker_ = started.pid;
  deadline_ = now + options_.start_limit;
  probe_.reset();
  step_ = step::starting;
  files_->record_pid(broker_);
}

void private_rabbit::start_again(time_point now) {
  if (step_ == step::down) start_broker(now);
}

void private_rabbit::stop(time_point now, bool now_or_never) {
  if (step_ == step::stopped) return;
  probe_.reset();
  if (step_ != step::stopping) {
    deadline_ = now + options_.stop_limit;
    // Orderly first: its clients are told. A broker that does not serve yet has none, and
    // answers SIGTERM late.
    if (broker_ > 0) kill(broker_, step_ == step::serving ? SIGTERM : SIGKILL);
    step_ = step::stopping;
  }
  if (now_or_never) kill_all(SIGKILL);
}

void private_rabbit::advance(time_point now) {
  switch (step_) {
    case step::name_server:
      if (accepts_connections(ports_.epmd)) {
        start_broker(now);
      } else if (now >= deadline_) {
        fail("epmd does not answer on port " + std::to_string(ports_.epmd), true);
      }
      break;
    case step::starting: {
      if (!probe_) probe_.emplace(ports_.amqp);
      const auto answer = probe_->step(now);
      if (answer == amqp_probe::result::serving) {
        probe_.reset();
        served_ = true;
        step_ = step::serving;
      } else if (answer == amqp_probe::result::foreign) {
        fail("port " + std::to_string(ports_.amqp) +
                 " is answered by something else: " + probe_->detail(),
             true);
      } else if (now >= deadline_) {
        fail("RabbitMQ does not serve after " +
                 std::to_string(options_.start_limit.count() / 1000) + " s",
             true);
      } else if (answer == amqp_probe::result::refused) {
        probe_.reset();
      }
      break;
    }
    case step::stopping:
      if (broker_ < 0 && name_server_ < 0) {
        step_ = step::stopped;
        files_.reset();
      } else if (broker_ < 0) {
        kill(name_server_, SIGKILL);  // it keeps nothing
      } else if (now >= deadline_) {
        kill(broker_, SIGKILL);
      }
      break;
    case step::idle:
    case step::serving:
    case step::down:
    case step::stopped:
    case step::failed:
      break;
  }
}

bool private_rabbit::on_child_exit(pid_t pid, int wait_status) {
  if (pid == name_server_) {
    name_server_ = -1;
    if (step_ == step::name_server) {
      try_other_ports(std::chrono::steady_clock::now(),
                      "epmd ended at once (" + describe_end(wait_status) + ")");
    }
    return true;
  }
  if (pid != broker_) return false;
  broker_ = -1;
  last_end_ = describe_end(wait_status);
  if (step_ == step::starting && !served_) {
    try_other_ports(std::chrono::steady_clock::now(),
                    "RabbitMQ ended before it served (" + last_end_ + ")");
  } else if (step_ == step::starting || step_ == step::serving) {
    probe_.reset();
    step_ = step::down;
  }
  return true;
}

// Between choosing a free port and using it, somebody else may have taken it.
void private_rabbit::try_other_ports(time_point now, const std::string& why) {
  const auto log = files_->log_tail(200);
  const bool taken = log.find("eaddrinuse") != std::string::npos ||
                     log.find("Address already in use") != std::string::npos;
  if (!taken || options_.port != 0 || --attempts_left_ == 0) return fail(why, true);
  kill_all(SIGKILL);
  if (broker_ > 0) reap(std::exchange(broker_, -1));
  if (name_server_ > 0) reap(std::exchange(name_server_, -1));
  files_.reset();
  step_ = step::idle;
  start(now);
}

void private_rabbit::fail(std::string why, bool with_log) {
  failure_ = std::move(why);
  if (with_log && files_) {
    if (const auto tail = files_->log_tail(15); !tail.empty()) {
      failure_ += "; the end of its log:\n" + tail;
    }
  }
  while (!failure_.empty() && failure_.back() == '\n') failure_.pop_back();
  probe_.reset();
  kill_all(SIGKILL);
  step_ = step::failed;
}

void private_rabbit::kill_all(int signal) const {
  if (broker_ > 0) kill(broker_, signal);
  if (name_server_ > 0) kill(name_server_, signal);
}

std::vector<pid_t> private_rabbit::processes() const {
  std::vector<pid_t> out;
  for (const pid_t root : {broker_, name_server_}) {
    if (root < 0) continue;
    out.push_back(root);
    const auto below = descendants_of(root);
    out.insert(out.end(), below.begin(), below.end());
  }
  return out;
}

private_bus::state private_rabbit::current() const noexcept {
  switch (step_) {
    case step::idle:
      return state::idle;
    case step::name_server:
    case step::starting:
      return state::starting;
    case step::serving:
      return state::serving;
    case step::down:
      return state::down;
    case step::stopping:
      return state::stopping;
    case step::stopped:
      return state::stopped;
    case step::failed:
      break;
  }
  return state::failed;
}

std::string private_rabbit::url() const {
  return "rabbit://guest:guest@127.0.0.1:" + std::to_string(ports_.amqp) + "/";
}

std::vector<std::string> private_rabbit::client_environment() const {
  auto out = files_ ? files_->client_variables() : std::vector<std::string>();
  out.push_back("OMBT_URL=" + url());
  out.push_back("OMBT_BUS_PID=" + std::to_string(broker_));
  out.push_back("OMBT_BUS_DIR=" + (files_ ? files_->folder() : std::string()));
  return out;
}

}  // namespace ombt::tools::bus
