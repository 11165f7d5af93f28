// SPDX-License-Identifier: Apache-2.0
#include "drivers/direct/arrival.hpp"

#include "wire/control/direct.hpp"

#include <utility>

namespace ombt::drivers::direct {

namespace control = wire::control;

arrival::arrival(io::context& on, std::unique_ptr<io::stream> from)
    : pump_(std::make_shared<io::pump<arrival, arrival>>(on, std::move(from), *this, *this)),
      wanted_(control::route_bytes) {
  static_assert(std::tuple_size_v<decltype(text_)> == 2 * control::route_bytes);
}

void arrival::start(handler done) {
  done_ = std::move(done);
  pump_->start();
}

void arrival::on_bytes() {
  if (wanted_ == 0) return finish({});
  const std::string_view text(text_.data(), size_);
  const std::string_view first = text.substr(0, control::route_bytes);
  const bool registers = first == control::register_route;
  const std::string_view route = registers ? text.substr(first.size()) : first;
  if (!control::may_be_route(route)) return finish({});
  if (registers) wanted_ = text_.size();
  if (size_ < wanted_) return;
  auto process = control::read_route(route);
  if (!process || (registers && process->empty())) return finish({});
  finish(destination{registers, std::move(*process)});
}

void arrival::finish(const std::optional<destination>& to) {
  const auto done = std::exchange(done_, nullptr);
  if (!done) return;
  auto stream = pump_->take_stream();
  if (!to) stream.reset();
  done(std::move(stream), to.value_or(destination{}));
}

void arrival::close() {
  done_ = nullptr;
  pump_->close();
}

}  // namespace ombt::drivers::direct
