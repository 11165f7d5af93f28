// SPDX-License-Identifier: Apache-2.0
#include "controller/bus_session.hpp"

#include "agents/measure/clock.hpp"

#include <algorithm>
#include <utility>

namespace ombt::controller {
namespace {

using wire::control::method;

time_point now() { return clock::now(); }

}  // namespace

bus_session::bus_session(drivers::loop& loop, std::unique_ptr<drivers::transport> transport,
                         session machine, std::function<void()> changed,
                         std::function<void()> closed)
    : loop_{loop},
      transport_{std::move(transport)},
      machine_{std::move(machine)},
      changed_{std::move(changed)},
      closed_{std::move(closed)} {}

bus_session::~bus_session() {
  if (timer_ != 0) loop_.cancel_timer(timer_);
}

void bus_session::start() {
  transport_->remove_declarations(true);
  listened_.resize(machine_.what().topic_count());
  for (std::uint32_t topic = 0; topic < machine_.what().topic_count(); ++topic) {
    const wire::control::reply_address own = machine_.address_in(topic);
    drivers::target at;
    at.exchange = own.exchange;
    at.topic = own.topic;
    at.server = own.server;
    listeners_.push_back(transport_->listen(at, drivers::serve_options{}, *this));
    topic_of_.emplace(listeners_.back().get(), topic);
  }
  pump();
}

void bus_session::cancel(std::string_view why) {
  machine_.cancel(why, now());
  pump();
}

outcome bus_session::take_result() {
  outcome out = machine_.take_result();
  if (!out.failure.empty() && !out.connected && !last_error_.empty() &&
      out.failure.find(last_error_) == std::string::npos) {
    out.failure += " (" + last_error_ + ')';
  }
  return out;
}

void bus_session::pump() {
  action next;
  while (machine_.next_action(next)) send(next);
  if (const auto ahead = agents::ahead_of_monotonic()) machine_.on_own_clock(*ahead);
  if (closing_) return;
  if (machine_.finished()) {
    closing_ = true;
    last_error_ = transport_->last_error();
    if (timer_ != 0) loop_.cancel_timer(timer_);
    timer_ = loop_.start_timer(now() + linger, *this, linger_timer);
  } else if (const auto deadline = machine_.next_deadline(); deadline != timer_at_) {
    if (timer_ != 0) loop_.cancel_timer(timer_);
    timer_ = deadline ? loop_.start_timer(*deadline, *this, session_timer) : 0;
    timer_at_ = deadline;
  }
  if (changed_) changed_();
}

void bus_session::send(const action& what) {
  drivers::target to;
  to.exchange = wire::control::control_exchange;
  drivers::request_message message;
  message.method = wire_name(what.method);
  message.args_json = what.args_json;
  message.context_json = "{}";
  drivers::call_options options;
  if (what.method == method::self_ready) {
    wire::control::reply_address own = machine_.address_in(what.topic);
    to.topic = std::move(own.topic);
    to.server = std::move(own.server);
    options.timeout = session::self_ready_timeout;
    transport_->call(to, message, options, *this, what.tag);
    return;
  }
  to.topic = wire::control::agent_topic(what.to, machine_.what().topic_at(what.topic),
                                        machine_.what().unique);
  if (what.method == method::clock) {
    to.server = what.server;
    options.timeout = clock_exchanges::answer_limit;
    machine_.on_asking(what.tag, agents::uncorrected_now(), now());
    transport_->call(to, message, options, *this, what.tag);
    return;
  }
  to.fanout = true;
  options.timeout = machine_.what().timeout;
  transport_->cast(to, message, options, *this, what.tag);
}

void bus_session::refuse(drivers::listener& from, const drivers::incoming_request& request,
                         const std::string& why) {
  machine_.on_malformed();
  wire::oslo::remote_exception exception;
  exception.class_name = "ValueError";
  exception.module = "builtins";
  exception.message = std::string{request.method} + ": " + why;
  from.fail(request.id, exception);
}

void bus_session::on_request(drivers::listener& from, const drivers::incoming_request& request) {
  // The request's views live in this call only, and pump() may send: answer first.
  const auto which = wire::control::method_from(request.method);
  std::string why;
  if (which == method::self_ready) {
    from.reply(request.id, "true");
    return;
  }
  if (which == method::client_pong) {
    wire::control::client_pong_request pong;
    if (!read_client_pong_args(request.args, pong, why)) return refuse(from, request, why);
    from.reply(request.id, "true");
    machine_.on_pong(pong, now(), topic_of_.at(&from));
    pump();
    return;
  }
  if (which == method::client_result) {
    wire::control::client_result_request result;
    if (!read_client_result_args(request.args, result, why)) return refuse(from, request, why);
    from.reply(request.id, "null");
    machine_.on_result(result, now(), topic_of_.at(&from));
    pump();
    return;
  }
  machine_.on_malformed();
  from.fail(request.id, wire::oslo::no_such_method(request.method));
}

void bus_session::on_listening(drivers::listener& which) {
  lost_contact_.clear();
  listened_[topic_of_.at(&which)] = true;
  if (std::find(listened_.begin(), listened_.end(), false) == listened_.end()) {
    machine_.on_listening(now());
  }
  pump();
}

void bus_session::on_listener_error(drivers::listener&, error_code error, std::string_view detail,
                                    bool final) {
  lost_contact_ = detail.empty() ? error.message() : detail;
  machine_.on_listener_trouble(error, detail, final);
  pump();
}

void bus_session::on_complete(std::uint64_t tag, const drivers::outcome& result) {
  if (!result.error) machine_.on_answer(tag, result.result, agents::uncorrected_now());
  machine_.on_complete(tag, result.error, result.detail, now());
  pump();
}

void bus_session::on_timer(std::uint64_t tag) {
  timer_ = 0;
  timer_at_.reset();
  if (tag == session_timer) {
    if (std::string words = transport_->last_error(); words != known_error_) {
      machine_.on_bus_words(words);
      known_error_ = std::move(words);
    }
    machine_.tick(now());
    pump();
    return;
  }
  // Completions of what is cancelled here come back into a finished session, which ignores them.
  transport_->close(close_limit, [this] {
    listeners_.clear();
    transport_.reset();
    if (closed_) closed_();
  });
}

}  // namespace ombt::controller
