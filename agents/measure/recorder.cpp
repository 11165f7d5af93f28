// SPDX-License-Identifier: Apache-2.0
#include "agents/measure/recorder.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace ombt::agents {

void report::merge(const report& other) {
  results.merge(other.results);
  if (other.details.negative_samples > 0) {
    details.negative_min = details.negative_samples > 0
                               ? std::min(details.negative_min, other.details.negative_min)
                               : other.details.negative_min;
    details.negative_samples += other.details.negative_samples;
  }
  details.latency.merge(other.details.latency);
  details.links.merge(other.details.links);
  details.series.merge(other.details.series);
  details.load.merge(other.details.load);
  if (!details.sites) {
    details.sites = other.details.sites;
  } else if (other.details.sites) {
    auto sum = std::make_shared<wire::control::site_counts>(*details.sites);
    sum->merge(*other.details.sites);
    details.sites = std::move(sum);
  }
}

void recorder::success(double end, std::chrono::nanoseconds latency) {
  const auto nanoseconds = latency.count() > 0 ? latency.count() : 0;
  report_.results.add_success(static_cast<double>(nanoseconds) / 1e6);
  report_.results.saw_time(end);
  succeeded(end, static_cast<std::uint64_t>(nanoseconds));
}

void recorder::succeeded(double end, std::uint64_t nanoseconds) {
  report_.details.latency.record(nanoseconds);
  if (seconds_) seconds_->success(end, nanoseconds);
  if (life_ == nullptr) return;
  ++life_->ok;
  life_->record(nanoseconds);
}

void recorder::success_from_intended(std::chrono::nanoseconds latency) {
  report_.details.series.record(wire::control::series::intended, latency.count());
  const auto nanoseconds = std::max<std::int64_t>(0, latency.count());
  if (seconds_) seconds_->success_from_intended(static_cast<std::uint64_t>(nanoseconds));
}

void recorder::arrival(double arrival, double sent) {
  const double seconds = arrival - sent;
  report_.results.saw_time(arrival);
  if (seconds >= 0) {
    report_.results.add_success(seconds * 1e3);
    // A sender's clock may be years off: what no histogram holds is counted as overflow.
    return succeeded(arrival, static_cast<std::uint64_t>(std::min(seconds * 1e9, 1e18)));
  }
  ++report_.results.msgs_ok;
  const double milliseconds = seconds * 1e3;
  auto& details = report_.details;
  details.negative_min =
      details.negative_samples > 0 ? std::min(details.negative_min, milliseconds) : milliseconds;
  ++details.negative_samples;
  if (seconds_) seconds_->success_without_latency(arrival);
  if (life_ == nullptr) return;
  ++life_->ok;
  ++life_->below_zero;
}

void recorder::failure(double end, std::string_view error, std::uint64_t sequence,
                       std::chrono::nanoseconds took) {
  if (!failures_) failures_ = std::make_unique<failures>();
  failures_->ledger.fail(report_.results.add_failure(error), sequence, failures_->room);
  report_.results.saw_time(end);
  report_.details.series.record(wire::control::series::failed, took.count());
  if (seconds_) seconds_->failure(end);
  if (life_ != nullptr) ++life_->failed;
}

void recorder::scheduled(std::chrono::nanoseconds slip) {
  wire::control::load_counts& load = report_.details.load;
  ++load.scheduled;
  if (slip.count() > wire::control::late_after) ++load.late;
  report_.details.series.record(wire::control::series::slip, slip.count());
}

void recorder::legs(const call_legs& of) {
  using wire::control::series;
  wire::control::series_set& to = report_.details.series;
  to.record_difference(series::request_leg, of.request);
  to.record_difference(series::server_time, of.server);
  to.record_difference(series::reply_leg, of.reply);
}

wire::control::site_counts* recorder::sites(std::string_view own, std::string_view other) {
  if (own.empty() && other.empty()) return nullptr;
  if (!sites_) sites_ = std::make_unique<site_counts>(own);
  return sites_.get();
}

report recorder::take() {
  failures_.reset();
  report taken = std::exchange(report_, report{});
  taken.details.sites = std::move(sites_);
  return taken;
}

report recorder::take(std::uint64_t client, std::uint64_t sent) {
  auto ledger = std::make_shared<wire::control::client_ledger>();
  if (failures_) *ledger = std::move(failures_->ledger);
  ledger->client = client;
  ledger->sent = sent;
  report taken = take();
  taken.details.sent = std::move(ledger);
  return taken;
}

wire::control::link_counts counted_by(const drivers::transport& transport,
                                      const drivers::listener* listener) {
  const drivers::transport_counters& sent = transport.counters();
  wire::control::link_counts out;
  out.unreadable = sent.malformed;
  out.late_replies = sent.late_replies;
  out.returned = sent.returned;
  out.refused = sent.nacked;
  out.sent_without_credit = sent.sent_without_credit;
  out.lost_without_credit = sent.lost_without_credit;
  out.connection_errors = sent.connection_errors;
  if (listener == nullptr) return out;
  const drivers::listener_counters& received = listener->counters();
  out.unreadable += received.malformed;
  out.duplicates = received.duplicates;
  out.replies_abandoned = received.replies_abandoned;
  out.reconnects = received.reconnects;
  return out;
}

std::string failure_name(const drivers::outcome& outcome) {
  if (outcome.error.category() != ombt_category()) return outcome.error.message();
  const auto code = static_cast<errc>(outcome.error.value());
  std::string name = name_of(code);
  switch (code) {
    case errc::remote_exception:
      if (outcome.exception != nullptr) name += ": " + outcome.exception->class_name;
      break;
    case errc::delivery_failure:
    case errc::bus_unreachable:
    case errc::authentication_failed:
    case errc::vhost_refused:
    case errc::wrong_protocol:
    case errc::protocol_error:
    case errc::channel_refused:
    case errc::limit_exceeded:
      if (!outcome.detail.empty()) name.append(": ").append(outcome.detail);
      break;
    default:
      break;
  }
  return name;
}

}  // namespace ombt::agents
