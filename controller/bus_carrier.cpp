// SPDX-License-Identifier: Apache-2.0
#include "controller/bus_carrier.hpp"

#include "controller/session.hpp"

#include <algorithm>
#include <utility>

namespace ombt::controller {

using wire::control::method;

bus_carrier::bus_carrier(drivers::loop& loop, std::unique_ptr<drivers::transport> transport)
    : loop_{loop}, transport_{std::move(transport)} {}

bus_carrier::~bus_carrier() {
  if (linger_ != 0) loop_.cancel_timer(linger_);
}

void bus_carrier::start(const session& machine, carrier_events& told) {
  machine_ = &machine;
  told_ = &told;
  transport_->remove_declarations(true);
  listened_.resize(machine.what().topic_count());
  for (std::uint32_t topic = 0; topic < machine.what().topic_count(); ++topic) {
    const wire::control::reply_address own = machine.address_in(topic);
    drivers::target at;
    at.exchange = own.exchange;
    at.topic = own.topic;
    at.server = own.server;
    listeners_.push_back(transport_->listen(at, drivers::serve_options{}, *this));
    topic_of_.emplace(listeners_.back().get(), topic);
  }
}

bool bus_carrier::carry(const action& what) {
  if (what.what == order::hold || what.what == order::prepare) {
    told_->on_complete(what.tag, {}, {});
    return true;
  }
  drivers::target to;
  to.exchange = wire::control::control_exchange;
  drivers::request_message message;
  message.method = wire_name(what.method);
  message.args_json = what.args_json;
  message.context_json = "{}";
  drivers::call_options options;
  if (what.method == method::self_ready) {
    wire::control::reply_address own = machine_->address_in(what.topic);
    to.topic = std::move(own.topic);
    to.server = std::move(own.server);
    options.timeout = session::self_ready_timeout;
    transport_->call(to, message, options, *this, what.tag);
    return true;
  }
  const plan& asked = machine_->what();
  to.topic = wire::control::agent_topic(what.to, asked.topic_at(what.topic), asked.unique);
  if (what.method == method::clock) {
    to.server = what.server;
    options.timeout = clock_exchanges::answer_limit;
    told_->on_asking(what.tag);
    transport_->call(to, message, options, *this, what.tag);
    return true;
  }
  to.fanout = true;
  options.timeout = asked.timeout;
  transport_->cast(to, message, options, *this, what.tag);
  return true;
}

void bus_carrier::close(std::function<void()> done) {
  closed_ = std::move(done);
  linger_ = loop_.start_timer(clock::now() + linger, *this, 0);
}

std::string bus_carrier::last_error() const {
  return transport_ ? transport_->last_error() : std::string{};
}

void bus_carrier::refuse(drivers::listener& from, const drivers::incoming_request& request,
                         const std::string& why) {
  wire::oslo::remote_exception exception;
  exception.class_name = "ValueError";
  exception.module = "builtins";
  exception.message = std::string{request.method} + ": " + why;
  from.fail(request.id, exception);
  told_->on_malformed();
}

void bus_carrier::on_request(drivers::listener& from, const drivers::incoming_request& request) {
  // The request's views live in this call only, and whoever is told may send: answer first.
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
    told_->on_pong(pong, topic_of_.at(&from), over_the_bus);
    return;
  }
  if (which == method::client_result) {
    wire::control::client_result_request result;
    if (!read_client_result_args(request.args, result, why)) return refuse(from, request, why);
    from.reply(request.id, "null");
    told_->on_result(result, topic_of_.at(&from), over_the_bus);
    return;
  }
  from.fail(request.id, wire::oslo::no_such_method(request.method));
  told_->on_malformed();
}

void bus_carrier::on_listening(drivers::listener& which) {
  lost_contact_.clear();
  listened_[topic_of_.at(&which)] = true;
  if (std::find(listened_.begin(), listened_.end(), false) == listened_.end()) {
    told_->on_ready(*this);
  }
}

void bus_carrier::on_listener_error(drivers::listener&, error_code error, std::string_view detail,
                                    bool final) {
  lost_contact_ = detail.empty() ? error.message() : detail;
  told_->on_trouble(error, detail, final);
}

void bus_carrier::on_complete(std::uint64_t tag, const drivers::outcome& result) {
  if (!result.error) told_->on_answer(tag, result.result);
  told_->on_complete(tag, result.error, result.detail);
}

void bus_carrier::on_timer(std::uint64_t) {
  linger_ = 0;
  // Completions of what is cancelled here come back into a finished session, which ignores them.
  transport_->close(close_limit, [this] {
    listeners_.clear();
    transport_.reset();
    if (const auto closed = std::exchange(closed_, {})) closed();
  });
}

}  // namespace ombt::controller
