// SPDX-License-Identifier: Apache-2.0
#include "agents/figures_service.hpp"

#include "wire/control/figures.hpp"

#include "agents/fleet.hpp"

namespace ombt::agents {

namespace control = wire::control;

namespace {

std::string figures_text(const control::process_figures& all) {
  wire::metrics_text out;
  control::append_figures(out, all);
  return out.text();
}

}  // namespace

figures_service::figures_service(std::string_view at)
    : server_(loop_, [this](const drivers::metrics_server::answer& to) { tell(to); }) {
  url_ = "http://" + server_.listen(drivers::listen_address::parse(at, "--metrics"), "--metrics") +
         "/metrics";
  thread_ = std::thread([this] { loop_.run(); });
}

figures_service::~figures_service() { end(); }

void figures_service::end() {
  loop_.stop();
  if (thread_.joinable()) thread_.join();
}

void figures_service::tell(const drivers::metrics_server::answer& to) {
  fleet* const of = fleet_;
  if (of == nullptr) return to(figures_text({}));
  of->figures([this, to](const control::process_figures& all) {
    loop_.post([to, all] { to(figures_text(all)); });
  });
}

}  // namespace ombt::agents
