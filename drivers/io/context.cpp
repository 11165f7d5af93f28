// SPDX-License-Identifier: Apache-2.0
#include "drivers/io/context.hpp"

#include <boost/asio/post.hpp>

#include <algorithm>
#include <csignal>

namespace ombt::drivers::io {

namespace {
/// Connections of a thread in set-up at once: enough to keep a broker busy, few enough that none
/// waits for its turn at the broker until it times out.
constexpr std::size_t setups_at_once = 32;
}  // namespace

setup_pacer::ticket setup_pacer::acquire(std::function<void()> go) {
  const ticket mine = next_++;
  waiting_.emplace_back(mine, std::move(go));
  admit();
  return mine;
}

void setup_pacer::release(ticket t) {
  if (t == 0) return;
  if (auto held = std::find(holders_.begin(), holders_.end(), t); held != holders_.end()) {
    *held = holders_.back();
    holders_.pop_back();
    admit();
    return;
  }
  std::erase_if(waiting_, [t](const auto& w) { return w.first == t; });
}

void setup_pacer::admit() {
  while (holders_.size() < limit_ && !waiting_.empty()) {
    auto [mine, go] = std::move(waiting_.front());
    waiting_.pop_front();
    holders_.push_back(mine);
    ++turn_;
    go();
  }
}

void setup_pacer::shut() {
  limit_ = 0;
  waiting_.clear();
}

context::context() : io_(std::in_place, 1), alarm_(std::in_place, *io_), pacer_(setups_at_once) {}

context::~context() {
  // Connections that are still closing, or held by handlers only, use timers, pacer and the
  // thread's objects in their destructors: these go last.
  pacer_.shut();
  kept_.clear();
  signals_.reset();
  alarm_.reset();
  io_.reset();
}

void context::flush_soon(flushable& f) {
  if (f.flush_wanted_) return;
  f.flush_wanted_ = true;
  dirty_.push_back(&f);
  if (flush_posted_) return;
  flush_posted_ = true;
  asio::post(*io_, [this] { flush_all(); });
}

void context::forget(flushable& f) {
  if (!f.flush_wanted_) return;
  f.flush_wanted_ = false;
  std::replace(dirty_.begin(), dirty_.end(), &f, static_cast<flushable*>(nullptr));
  std::replace(flushing_.begin(), flushing_.end(), &f, static_cast<flushable*>(nullptr));
}

void context::flush_all() {
  flush_posted_ = false;
  flushing_.swap(dirty_);
  for (std::size_t i = 0; i < flushing_.size(); ++i) {
    flushable* f = flushing_[i];
    if (f == nullptr) continue;
    f->flush_wanted_ = false;
    f->flush();
  }
  flushing_.clear();
}

loop::timer_id context::start_timer(time_point when, timer_target& target, std::uint64_t tag) {
  const auto id = timers_.start(when, target, tag);
  if (when < armed_for_) arm();
  return id;
}

void context::arm() {
  const time_point next = timers_.next();
  armed_for_ = next;
  if (next == time_point::max()) return;
  alarm_->expires_at(next);
  alarm_->async_wait([this](const boost::system::error_code& error) {
    if (error) return;
    armed_for_ = time_point::min();  // what starts meanwhile is armed for below, once
    timers_.fire(steady_clock::now());
    arm();
  });
}

void context::on_termination(std::function<void(int)> handler) {
  signals_.emplace(*io_, SIGINT, SIGTERM);
  // A terminal that was closed; under nohup it stays ignored.
  struct sigaction hang_up {};
  if (::sigaction(SIGHUP, nullptr, &hang_up) == 0 && hang_up.sa_handler != SIG_IGN) {
    signals_->add(SIGHUP);
  }
  signals_->async_wait(
      [handler = std::move(handler)](const boost::system::error_code& error, int signal) {
        if (!error) handler(signal);
      });
}

}  // namespace ombt::drivers::io
