// SPDX-License-Identifier: Apache-2.0
#include "controller/spectator.hpp"

#include "wire/oslo/messages.hpp"

#include "agents/measure/boot_id.hpp"

#include <string>
#include <utility>

namespace ombt::controller {

static_assert(wire::control::live_limit <= drivers::datagram_receiver::most_bytes);

spectator::spectator(drivers::loop& on, const std::optional<drivers::listen_address>& metrics)
    : loop_(on) {
  if (metrics) {
    server_ = std::make_unique<drivers::metrics_server>(
        loop_, [this](const drivers::metrics_server::answer& to) {
          to(machine_ == nullptr ? "" : figures_.text(*machine_, view_.at(clock::now())));
        });
    url_ = "http://" + server_->listen(*metrics, "--metrics") + "/metrics";
  }
  if (!line_.is_terminal() && !server_) return;
  const auto id = wire::oslo::make_hex_id();
  ear_ = std::make_unique<drivers::datagram_receiver>(
      loop_, "ombt-" + std::string{wire::oslo::view(id)},
      [this](std::string_view text, std::int64_t process) { read(text, process); });
}

spectator::~spectator() { end_look(); }

void spectator::ask_in(plan& what) {
  const std::string& boot = agents::boot_id();
  if (what.over_bus && ear_ && ear_->is_listening() && !boot.empty()) {
    what.parameters.progress = wire::control::progress_address{boot, ear_->name()};
  } else if (what.direct && (line_.is_terminal() || server_)) {
    what.parameters.progress.emplace().direct = true;
  }
}

void spectator::look_at(const session& machine) {
  machine_ = &machine;
  if (line_.is_terminal() || server_) on_timer(0);
}

void spectator::changed() {
  if (machine_ == nullptr) return;
  view_.follow(machine_->run_id());
  line_.show(*machine_, view_);
}

void spectator::end_look() {
  if (timer_ != 0) loop_.cancel_timer(std::exchange(timer_, 0));
  machine_ = nullptr;
  line_.clear();
}

void spectator::on_timer(std::uint64_t) {
  changed();
  // Not at each change: that takes a look at every agent.
  if (server_) figures_.see(*machine_, view_.at(clock::now()));
  timer_ = loop_.start_timer(clock::now() + progress_line::gap, *this, 0);
}

void spectator::read(std::string_view text, std::int64_t process) {
  wire::json::value root;
  wire::control::live_report report;
  std::string why;
  if (reader_.parse(text, root) || !read_live_report(root, report, why)) return;
  hear(report, process);
}

void spectator::hear(const wire::control::live_report& report, std::int64_t process) {
  if (machine_ == nullptr) return;
  view_.follow(machine_->run_id());
  if (view_.take(report, process, clock::now())) figures_.add_second(report);
}

}  // namespace ombt::controller
