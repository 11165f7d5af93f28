// SPDX-License-Identifier: Apache-2.0
#include "agents/receiver.hpp"

#include "agents/measure/clock.hpp"

#include <algorithm>
#include <utility>

namespace ombt::agents {

receiver::receiver(wire::control::agent_kind kind, std::string name, std::uint32_t number,
                   receiver_owner& owner, std::unique_ptr<drivers::transport> transport)
    : owner_(owner),
      transport_(std::move(transport)),
      name_(std::move(name)),
      number_(number),
      kind_(kind) {}

void receiver::log_to(std::unique_ptr<message_log> log) {
  log_ = std::move(log);
  log_->agent(name_, wire_name(kind_));
}

void receiver::start() {
  state_ = state::starting;
  listener_ = listen(*transport_);
}

void receiver::listening() {
  trouble_.clear();
  if (state_ != state::starting) return;
  state_ = state::serving;
  owner_.on_ready(*this);
}

void receiver::listener_error(error_code error, std::string_view detail, bool final) {
  trouble_ = words_of(error, detail);
  if (!final || (state_ != state::starting && state_ != state::serving)) return;
  state_ = state::failed;
  owner_.on_failed(*this, trouble_);
}

std::string receiver::last_trouble() const {
  if (!trouble_.empty()) return trouble_;
  return transport_->last_error();
}

void receiver::count_arrival(double sent, std::string_view msgid, const request_note* note,
                             std::string_view own) {
  if (state_ == state::closing || state_ == state::closed) return;
  const double arrival = epoch_now();
  ++arrived_;
  recorder* figures = &others_;
  if (const auto id = wire::control::read_message_id(msgid)) {
    if (tagged* known = find(id->tag)) {
      figures = &known->figures;
      this->arrived(*known, *id, arrival - sent);
    }
  } else {
    ++unidentified_;
  }
  figures->arrival(arrival, sent);
  if (note != nullptr) figures->arrived_from(own, note->site);
  if (log_) log_->received(msgid, sent, arrival);
}

void receiver::arrived(tagged& of, const wire::control::message_id& id, double seconds) {
  using inserted = wire::control::sequence_set::inserted;
  const auto what = of.ledger.arrived(id.client, id.sequence, *room_);
  if (!of.notes || what == inserted::again) return;
  if (what == inserted::no_room) {
    of.notes->missed();
  } else if (!of.earlier.contains(id.client, id.sequence)) {
    of.notes->note(id.client, id.sequence, wire::control::arrival_time_of(seconds));
  }
}

receiver::tagged* receiver::find(std::uint64_t tag) noexcept {
  for (tagged& t : tagged_) {
    if (t.tag == tag) return &t;
  }
  return nullptr;
}

receiver::tagged& receiver::know(std::uint64_t tag) {
  if (tagged* known = find(tag)) return *known;
  for (tagged& other : tagged_) other.earlier.forget(*room_);  // its run is over, or nearly
  if (tagged_.size() >= tag_limit) {
    // The controller that has been silent longest is taken for gone, and so are its messages.
    const auto silent =
        std::min_element(tagged_.begin(), tagged_.end(),
                         [](const tagged& a, const tagged& b) { return a.asked < b.asked; });
    take_ledger(*silent);
    tagged_.erase(silent);
  }
  tagged& added = tagged_.emplace_back();
  added.tag = tag;
  added.figures.count_life_in(life_);
  return added;
}

wire::control::server_ledger receiver::take_ledger(tagged& of) {
  room_->give(of.ledger.bytes());
  return std::exchange(of.ledger, {});
}

report receiver::collect(std::string_view controller, const controller_seconds::places& seconds) {
  if (log_) {
    if (const std::string lost = log_->new_trouble(); !lost.empty()) others_.error(lost);
  }
  report collected = others_.take();
  others_.count_seconds_in(seconds.others);
  const std::uint64_t unidentified = std::exchange(unidentified_, 0);
  if (const auto tag = wire::control::read_hex16(wire::control::run_tag_of(controller))) {
    tagged& known = know(*tag);
    known.asked = ++asks_;
    known.figures.count_seconds_in(seconds.own);
    collected.merge(known.figures.take());
    if (arrivals_ != nullptr) known.notes = arrivals_->of(controller);
    auto ledger = std::make_shared<wire::control::server_ledger>(take_ledger(known));
    if (known.notes) known.earlier.add(*ledger, *room_);
    ledger->unidentified = unidentified;
    collected.details.received = std::move(ledger);
  }
  const wire::control::link_counts now = links();
  collected.details.links = now.since(std::exchange(links_collected_, now));
  return collected;
}

void receiver::stop(drivers::duration limit, std::function<void()> done) {
  state_ = state::closing;
  transport_->close(limit, [this, done = std::move(done)] {
    state_ = state::closed;
    done();
  });
}

}  // namespace ombt::agents
