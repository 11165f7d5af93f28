// SPDX-License-Identifier: Apache-2.0
#include "drivers/operations.hpp"

#include <utility>

namespace ombt::drivers {
namespace {

/// A handle is an index and a generation of 31 bits; timers of the monitor have the top bit.
constexpr std::uint64_t monitor_bit = std::uint64_t{1} << 63;

operations::handle make_handle(std::uint32_t index, std::uint32_t generation) {
  return (std::uint64_t{generation} << 32) | index;
}

}  // namespace

operations::~operations() {
  for (auto& e : entries_) {
    loop_.cancel_timer(e.limit);
    loop_.cancel_timer(e.monitor);
  }
}

operations::handle operations::begin(completion& done, std::uint64_t tag, time_point limit) {
  std::uint32_t index;
  if (free_.empty()) {
    index = static_cast<std::uint32_t>(entries_.size());
    entries_.emplace_back();
  } else {
    index = free_.back();
    free_.pop_back();
  }
  entry& e = entries_[index];
  e.generation = (e.generation + 1) & 0x7fffffff;
  if (e.generation == 0) e.generation = 1;
  e.done = &done;
  e.tag = tag;
  const handle made = make_handle(index, e.generation);
  e.limit = loop_.start_timer(limit, *this, made);
  return made;
}

bool operations::is_open(handle which) const noexcept {
  const std::size_t index = index_of(which);
  return index < entries_.size() && entries_[index].done != nullptr &&
         entries_[index].generation == which >> 32;
}

void operations::set_limit(handle which, time_point limit) {
  if (!is_open(which)) return;
  entry& e = entries_[index_of(which)];
  loop_.cancel_timer(e.limit);
  e.limit = loop_.start_timer(limit, *this, which);
}

void operations::watch(handle which, duration silence) {
  if (!is_open(which)) return;
  entry& e = entries_[index_of(which)];
  loop_.cancel_timer(e.monitor);
  e.monitor = loop_.start_timer(steady_clock::now() + silence, *this, which | monitor_bit);
}

void operations::finish(handle which, const outcome& result) {
  if (!is_open(which)) return;
  entry& e = entries_[index_of(which)];
  loop_.cancel_timer(std::exchange(e.limit, 0));
  loop_.cancel_timer(std::exchange(e.monitor, 0));
  completion* const done = std::exchange(e.done, nullptr);
  const auto tag = e.tag;
  free_.push_back(static_cast<std::uint32_t>(index_of(which)));
  done->on_complete(tag, result);  // the last: it may end the transport
}

std::vector<operations::handle> operations::in_flight() const {
  std::vector<handle> all;
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i].done == nullptr) continue;
    all.push_back(make_handle(static_cast<std::uint32_t>(i), entries_[i].generation));
  }
  return all;
}

void operations::on_timer(std::uint64_t tag) {
  const handle which = tag & ~monitor_bit;
  if (!is_open(which)) return;
  entry& e = entries_[index_of(which)];
  if ((tag & monitor_bit) != 0) {
    e.monitor = 0;
    owner_.on_silence(which);
  } else {
    e.limit = 0;
    owner_.on_limit(which);
  }
}

}  // namespace ombt::drivers
