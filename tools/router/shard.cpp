// SPDX-License-Identifier: Apache-2.0
#include "tools/router/shard.hpp"

#include <utility>

namespace ombt::tools::router {

shard::shard(drivers::loop& on, const connection_settings& with, const address_rules& rules,
             core_limits limits, std::size_t index, std::size_t threads, gone_handler gone)
    : loop_(on),
      settings_(with),
      index_(index),
      gone_(std::move(gone)),
      core_(with.container, rules, limits,
            {index, threads, [this] { loop_.context().flush_soon(*this); }}) {}

shard::~shard() { loop_.context().forget(*this); }

void shard::take(std::unique_ptr<drivers::io::stream> stream, const std::string& from) {
  const auto made =
      std::make_shared<connection>(loop_.context(), core_, settings_, std::move(stream), from,
                                   [this](connection& which) { forget(which); });
  connections_.emplace(made.get(), made);
  made->start();
}

void shard::forget(connection& gone) {
  // From the loop: it is in the middle of something.
  loop_.post([this, which = &gone, keep = gone.shared_from_this()] {
    connections_.erase(which);
    gone_();
  });
}

void shard::close_all(std::string_view condition, std::string_view description) {
  std::vector<std::shared_ptr<connection>> all;
  all.reserve(connections_.size());
  for (const auto& [key, one] : connections_) all.push_back(one);
  for (const auto& one : all) one->close(condition, description);
}

void shard::abandon_all() {
  while (!connections_.empty()) {
    const auto one = connections_.begin()->second;
    connections_.erase(connections_.begin());
    one->abandon();
  }
}

void shard::flush() {
  core_.said().hand_over([this](std::size_t to, std::vector<note> said) {
    all_[to]->hand_in(std::move(said), index_);
  });
}

void shard::hand_in(std::vector<note> said, std::size_t from) {
  // A std::function is copied, so that it must be able to.
  loop_.post([this, from, batch = std::make_shared<std::vector<note>>(std::move(said))] {
    core_.take(std::move(*batch), from);
  });
}

}  // namespace ombt::tools::router
