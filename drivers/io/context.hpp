// SPDX-License-Identifier: Apache-2.0
#pragma once
// What one I/O thread owns: the asio context, its timers, the list of connections with output to
// write at the end of the turn, the limit on connections being set up, and objects that exist
// once a thread. One thread, except post() and stop() of drivers::loop.

#include "drivers/io/timer_queue.hpp"
#include "drivers/loop.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <typeindex>
#include <unordered_map>
#include <unordered_set>
#include <vector>

namespace ombt::drivers::io {

namespace asio = boost::asio;

/// Something with output to write once this turn's events are handled.
class flushable {
 public:
  virtual void flush() = 0;

 protected:
  ~flushable() = default;
  friend class context;
  bool flush_wanted_ = false;
};

/// Bounds how many connections of a thread are being set up at once; the rest wait in order.
class setup_pacer {
 public:
  explicit setup_pacer(std::size_t limit) : limit_(limit) {}
  using ticket = std::uint64_t;
  /// Calls go at once or later, when a place is free. The place is held until release().
  ticket acquire(std::function<void()> go);
  /// Gives back a place, or leaves the queue. Ticket 0 is ignored.
  void release(ticket t);
  /// Places given so far, which tells one set-up from the next.
  std::size_t turn() const noexcept { return turn_; }
  /// Admits nobody any more.
  void shut();

 private:
  void admit();
  std::size_t limit_;
  ticket next_ = 1;
  std::size_t turn_ = 0;
  std::vector<ticket> holders_;
  std::deque<std::pair<ticket, std::function<void()>>> waiting_;
};

class context {
 public:
  context();
  ~context();
  context(const context&) = delete;
  context& operator=(const context&) = delete;

  asio::io_context& asio() noexcept { return *io_; }
  setup_pacer& pacer() noexcept { return pacer_; }

  /// Has f.flush() called once before the loop waits again.
  void flush_soon(flushable& f);
  /// Forgets f, which is about to be destroyed.
  void forget(flushable& f);

  loop::timer_id start_timer(time_point when, timer_target& target, std::uint64_t tag);
  void cancel_timer(loop::timer_id id) { timers_.cancel(id); }

  /// The object of type T that exists once a thread, made on first use, destroyed with the context.
  template <class T>
  T& local() {
    auto& held = locals_[std::type_index(typeid(T))];
    if (!held) held = std::make_shared<T>();
    return *static_cast<T*>(held.get());
  }

  /// Keeps an object that nobody else holds any more until it drops itself (a closing connection).
  void keep(std::shared_ptr<void> object) { kept_.insert(std::move(object)); }
  void drop(const std::shared_ptr<void>& object) { kept_.erase(object); }

  void on_termination(std::function<void(int)> handler);

 private:
  void arm();
  void flush_all();

  std::optional<asio::io_context> io_;
  timer_queue timers_;
  std::optional<asio::steady_timer> alarm_;
  time_point armed_for_ = time_point::max();
  std::vector<flushable*> dirty_;
  std::vector<flushable*> flushing_;
  bool flush_posted_ = false;
  setup_pacer pacer_;
  std::optional<asio::signal_set> signals_;
  std::unordered_set<std::shared_ptr<void>> kept_;
  std::unordered_map<std::type_index, std::shared_ptr<void>> locals_;
};

}  // namespace ombt::drivers::io
