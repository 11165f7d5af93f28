// SPDX-License-Identifier: Apache-2.0
#include "agents/sender.hpp"

#include "agents/measure/clock.hpp"

#include <algorithm>
#include <utility>

namespace ombt::agents {

using drivers::steady_clock;

sender::sender(wire::control::agent_kind kind, std::string name, std::uint32_t number,
               const sender_context& context, std::unique_ptr<drivers::transport> transport)
    : context_(context),
      transport_(std::move(transport)),
      name_(std::move(name)),
      number_(number),
      kind_(kind) {}

void sender::log_to(std::unique_ptr<message_log> log) {
  log_ = std::move(log);
  log_->agent(name_, wire_name(kind_));
}

void sender::on_reached() {
  ready_ = true;
  context_.owner.on_reached(*this);
}

void sender::on_unreached(error_code error, std::string_view detail, bool final) {
  if (final) context_.owner.on_unreachable(*this, words_of(error, detail));
}

bool sender::run(std::shared_ptr<message_text> text, std::shared_ptr<second_recorder> seconds) {
  if (state_ != state::idle) return false;
  text_ = std::move(text);
  recorder_.count_seconds_in(std::move(seconds));
  run_ = plan().run;
  cancelled_ = false;
  cut_short_ = false;
  links_before_ = links();
  sequence_ = 0;
  overslept_ = 0;
  id_ = wire::oslo::make_hex_id();
  if (!plan().run_tag.empty()) wire::control::apply_run_tag(id_, plan().run_tag);
  if (start_warm_up()) {
    state_ = state::warming_up;
  } else {
    begin_messages();
  }
  return true;
}

void sender::begin_messages() {
  const double start = epoch_now();
  if (log_) log_->test_start(wire_name(plan().test), start);
  if (plan().load) {
    // Sizes have random numbers of their own, so that they don't change with the arrivals.
    const std::uint64_t seed = client_seed(plan().load->seed, name_);
    load_ = std::make_unique<load_state>(
        load_state{random_source(~seed), steady_clock::now(), std::nullopt});
    if (plan().load->profile) return begin_schedule();
  }
  recorder_.saw_time(start);
  send_next();
}

std::string_view sender::next_text(double epoch, std::int64_t sequence) {
  const auto number = static_cast<std::uint64_t>(sequence);
  if (!load_ || plan().load->sizes.empty()) {
    return text_->render(epoch, wire::oslo::view(id_), number);
  }
  const std::size_t size = plan().load->sizes.choose(load_->sizes);
  return text_->render(epoch, wire::oslo::view(id_), number, size);
}

/// Only where a native controller asked, and somebody wants to know: else a message has the bytes
/// of the Python library's.
bool sender::exchanges_notes() const noexcept {
  if (kind_ != wire::control::agent_kind::rpc_client) return false;
  return plan().legs || (plan().details && !context_.site.empty());
}

std::string_view sender::context_of(drivers::time_point sent, std::chrono::nanoseconds late) {
  if (!exchanges_notes()) return {};
  return text_->context({stamp_at(sent), late.count(), context_.site});
}

void sender::record_note(wire::json::value from, drivers::time_point sent,
                         std::chrono::nanoseconds took) {
  if (!exchanges_notes()) return;
  const auto note = read_reply_note(from);
  if (!note) return;
  recorder_.answered_at(context_.site, note->site, took);
  if (!plan().legs) return;
  const stamp completed = stamp_at(sent + took);
  stamp began = completed;
  began.monotonic -= took.count();
  began.real -= took.count();
  recorder_.legs(legs_of(began, *note, completed));
}

void sender::record(const drivers::outcome& result, std::int64_t sequence, double sent_epoch,
                    drivers::time_point sent, std::chrono::nanoseconds took) {
  const double end = sent_epoch + std::chrono::duration<double>(took).count();
  std::string name;
  if (!result.error) {
    recorder_.success(end, took);
    if (result.note) record_note(result.note, sent, took);
  } else {
    name = failure_name(result);
    recorder_.failure(end, name, static_cast<std::uint64_t>(sequence), took);
  }
  if (log_) {
    log_->sent(wire::oslo::view(id_), static_cast<std::uint64_t>(sequence), sent_epoch, end, name);
  }
}

void sender::on_complete(std::uint64_t tag, const drivers::outcome& result) {
  switch (state_) {
    case state::sending:
      return message_done(result);
    case state::pacing:
    case state::draining:
      return scheduled_done(static_cast<std::uint32_t>(tag), result);
    case state::warming_up:
      if (result.error) recorder_.error(failure_name(result));
      cut_short_ = cancelled_;
      return cancelled_ ? end_run() : begin_messages();
    default:
      return;
  }
}

void sender::send_next() {
  state_ = state::sending;
  sent_epoch_ = epoch_now();
  sent_at_ = steady_clock::now();
  send(next_text(sent_epoch_, sequence_), context_of(sent_at_, {}), 0);
}

bool sender::time_is_over(drivers::time_point next) const noexcept {
  if (!load_ || plan().load->duration.count() == 0) return false;
  return next - load_->begun >= plan().load->duration;
}

void sender::message_done(const drivers::outcome& result) {
  const auto now = steady_clock::now();
  record(result, sequence_, sent_epoch_, sent_at_, now - sent_at_);
  ++sequence_;
  if (sequence_ >= plan().count || time_is_over(now + plan().pause)) {
    end_run();
  } else if (cancelled_) {
    cut_short_ = true;
    end_run();
  } else if (plan().pause.count() > 0) {
    state_ = state::pausing;
    timer_ = context_.loop.start_timer(now + plan().pause, *this, 0);
  } else {
    send_next();
  }
}

void sender::begin_schedule() {
  const load_plan& load = *plan().load;
  // Who is not ready in time begins late, but with the whole of its schedule.
  load_->begun = std::max(load_->begun, load.start);
  load_->open.emplace(
      schedule(*load.profile, load.arrive, plan().count, phase_, client_seed(load.seed, name_)),
      load.outstanding, load.max_late.value_or(context_.timeout));
  state_ = state::pacing;
  send_due();
}

void sender::send_due() {
  for (;;) {
    const auto now = steady_clock::now();
    const pacer::step what = load_->open->next(since_start(now));
    recorder_.dropped(load_->open->take_dropped());
    switch (what) {
      case pacer::step::send:
        send_scheduled(now);
        break;
      case pacer::step::wait:
        timer_ = context_.loop.start_timer(
            load_->begun + std::chrono::nanoseconds(load_->open->intended()), *this, 0);
        return;
      case pacer::step::again:
        timer_ = context_.loop.start_timer(now, *this, 0);
        return;
      case pacer::step::full:
        return;
      case pacer::step::over:
        return drain();
    }
  }
}

void sender::send_scheduled(drivers::time_point now) {
  pacer& open = *load_->open;
  const double epoch = epoch_now();
  recorder_.saw_time(epoch);
  const std::chrono::nanoseconds late(since_start(now) - open.intended());
  recorder_.scheduled(late);
  const std::uint32_t tag = open.begin(since_start(now), epoch);
  ++sequence_;
  send(next_text(epoch, open.of(tag).sequence), context_of(now, late), tag);
}

void sender::scheduled_done(std::uint32_t tag, const drivers::outcome& result) {
  pacer& open = *load_->open;
  const std::int64_t now = since_start(steady_clock::now());
  const pacer::operation done = open.of(tag);
  open.end(tag);
  record(result, done.sequence, done.sent_epoch, load_->begun + std::chrono::nanoseconds(done.sent),
         std::chrono::nanoseconds(now - done.sent));
  if (!result.error) {
    recorder_.success_from_intended(std::chrono::nanoseconds(now - done.intended));
  }
  if (state_ == state::draining) {
    if (open.idle()) end_run();
  } else if (timer_ == 0) {
    send_due();  // it was full
  }
}

std::uint32_t sender::in_flight() const noexcept {
  if (load_ && load_->open) return load_->open->in_flight();
  return state_ == state::sending ? 1 : 0;
}

void sender::drain() {
  state_ = state::draining;
  if (load_->open->idle()) end_run();
}

void sender::on_timer(std::uint64_t) {
  timer_ = 0;
  if (state_ == state::pausing) {
    send_next();
  } else if (state_ == state::pacing) {
    send_due();
  }
}

void sender::cancel_timer() {
  if (timer_ != 0) context_.loop.cancel_timer(timer_);
  timer_ = 0;
}

void sender::cancel_run() {
  switch (state_) {
    case state::pausing:
      cancel_timer();
      cut_short_ = true;
      return end_run();
    case state::pacing:
      cancel_timer();
      cut_short_ = true;
      load_->open->cut_off();
      return drain();
    case state::sending:
    case state::warming_up:
      cancelled_ = true;
      return;
    default:
      return;
  }
}

void sender::end_run() {
  if (log_) log_->test_end(epoch_now());
  state_ = state::idle;
  text_.reset();
  if (load_ && load_->open) overslept_ = load_->open->overslept();
  load_.reset();
  context_.owner.on_run_done(*this);
}

report sender::take() {
  if (log_) {
    if (const std::string lost = log_->new_trouble(); !lost.empty()) recorder_.error(lost);
  }
  report taken =
      recorder_.take(wire::control::client_of(id_), static_cast<std::uint64_t>(sequence_));
  taken.details.run = std::exchange(run_, {});
  taken.details.cut_short = cut_short_;
  taken.details.links = links().since(links_before_);
  return taken;
}

void sender::stop(drivers::duration limit, std::function<void()> done) {
  cancel_timer();
  state_ = state::closing;
  transport_->close(limit, [this, done = std::move(done)] {
    state_ = state::closed;
    done();
  });
}

}  // namespace ombt::agents
