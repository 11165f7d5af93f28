// SPDX-License-Identifier: Apache-2.0
#include "agents/sender.hpp"

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

bool sender::run(std::shared_ptr<message_text> text) {
  if (state_ != state::idle) return false;
  text_ = std::move(text);
  run_ = plan().run;
  cancelled_ = false;
  links_before_ = links();
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
  sequence_ = 0;
  const double start = epoch_now();
  recorder_.saw_time(start);
  if (log_) log_->test_start(wire_name(plan().test), start);
  send_next();
}

void sender::send_next() {
  state_ = state::sending;
  sent_epoch_ = epoch_now();
  sent_at_ = steady_clock::now();
  send(text_->render(sent_epoch_, wire::oslo::view(id_), static_cast<std::uint64_t>(sequence_)));
}

void sender::on_complete(std::uint64_t, const drivers::outcome& result) {
  if (state_ == state::sending) {
    message_done(result);
  } else if (state_ == state::warming_up) {
    if (result.error) recorder_.error(failure_name(result));
    if (cancelled_) {
      end_run();
    } else {
      begin_messages();
    }
  }
}

void sender::message_done(const drivers::outcome& result) {
  const auto latency = steady_clock::now() - sent_at_;
  const double end = sent_epoch_ + std::chrono::duration<double>(latency).count();
  if (!result.error) {
    recorder_.success(end, latency);
    if (log_) {
      log_->sent(wire::oslo::view(id_), static_cast<std::uint64_t>(sequence_), sent_epoch_, end,
                 {});
    }
  } else {
    const std::string name = failure_name(result);
    recorder_.failure(end, name, latency);
    if (log_) {
      log_->sent(wire::oslo::view(id_), static_cast<std::uint64_t>(sequence_), sent_epoch_, end,
                 name);
    }
  }
  ++sequence_;
  if (sequence_ >= plan().count || cancelled_) {
    end_run();
  } else if (plan().pause.count() > 0) {
    state_ = state::pausing;
    pause_timer_ = context_.loop.start_timer(steady_clock::now() + plan().pause, *this, 0);
  } else {
    send_next();
  }
}

void sender::on_timer(std::uint64_t) {
  if (state_ == state::pausing) send_next();
}

void sender::cancel_run() {
  if (state_ == state::pausing) {
    context_.loop.cancel_timer(pause_timer_);
    end_run();
  } else if (state_ == state::sending || state_ == state::warming_up) {
    cancelled_ = true;
  }
}

void sender::end_run() {
  if (log_) log_->test_end(epoch_now());
  state_ = state::idle;
  text_.reset();
  context_.owner.on_run_done(*this);
}

report sender::take() {
  if (log_) {
    if (const std::string lost = log_->new_trouble(); !lost.empty()) recorder_.error(lost);
  }
  report taken = recorder_.take();
  taken.details.run = std::exchange(run_, {});
  taken.details.links = links().since(links_before_);
  return taken;
}

void sender::stop(drivers::duration limit, std::function<void()> done) {
  if (state_ == state::pausing) context_.loop.cancel_timer(pause_timer_);
  state_ = state::closing;
  transport_->close(limit, [this, done = std::move(done)] {
    state_ = state::closed;
    done();
  });
}

}  // namespace ombt::agents
