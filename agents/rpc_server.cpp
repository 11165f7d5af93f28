// SPDX-License-Identifier: Apache-2.0
#include "agents/rpc_server.hpp"

#include "wire/oslo/messages.hpp"

#include "agents/test_arguments.hpp"

#include <chrono>
#include <functional>
#include <optional>
#include <utility>

namespace ombt::agents {
namespace {

/// What Python raises where a method is called with other arguments than it has.
wire::oslo::remote_exception type_error(std::string_view method, std::string_view what) {
  wire::oslo::remote_exception e;
  e.class_name = "TypeError";
  e.module = "builtins";
  e.message.append(method).append("(): ").append(what);
  wire::json::append_string(e.args_json = "[", e.message);
  e.args_json += ']';
  return e;
}

std::optional<request_note> note_of(const drivers::incoming_request& request) noexcept {
  return read_request_note(request.context ? request.context["ombt"]
                                           : request.message["_context_ombt"]);
}

void fail(drivers::listener& from, const drivers::incoming_request& request,
          const wire::oslo::remote_exception& exception) {
  if (request.wants_reply) {
    from.fail(request.id, exception);
  } else {
    from.done(request.id);
  }
}

}  // namespace

rpc_server::rpc_server(std::string name, std::uint32_t number, drivers::loop& loop,
                       receiver_owner& owner, const rpc_server_settings& settings,
                       std::unique_ptr<drivers::transport> transport)
    : receiver(wire::control::agent_kind::rpc_server, std::move(name), number, owner,
               std::move(transport)),
      loop_(loop),
      settings_(settings),
      clock_(settings.takes, std::hash<std::string>{}(this->name())) {}

rpc_server::~rpc_server() {
  for (const waiting& w : waiting_) {
    if (w.from != nullptr) loop_.cancel_timer(w.timer);
  }
}

std::unique_ptr<drivers::listener> rpc_server::listen(drivers::transport& on) {
  drivers::target at = settings_.at;
  at.server = name();
  return on.listen(at, settings_.serve, *this);
}

void rpc_server::on_request(drivers::listener& from, const drivers::incoming_request& request) {
  if (request.method == "echo") {
    test_message(from, request, true);
  } else if (request.method == "noop") {
    test_message(from, request, false);
  } else if (request.method == "self_ready") {
    if (request.wants_reply) {
      from.reply(request.id, "true");
    } else {
      from.done(request.id);
    }
  } else {
    fail(from, request, wire::oslo::no_such_method(request.method));
  }
}

void rpc_server::test_message(drivers::listener& from, const drivers::incoming_request& request,
                              bool echo) {
  test_arguments arguments;
  const char* const wrong = read_test_arguments(request.args, "data", arguments);
  if (wrong != nullptr) {
    count_malformed(std::string(request.method) + ": " + wrong);
    fail(from, request, type_error(request.method, wrong));
    return;
  }
  const std::optional<request_note> note = note_of(request);
  count_arrival(arguments.timestamp, arguments.msgid, note ? &*note : nullptr, settings_.site);
  reply_.clear();
  if (request.wants_reply) {
    if (echo) {
      arguments.data.append_to(reply_);
    } else {
      reply_ = "null";
    }
  }
  if (!clock_.instant()) {
    end_later(from, request, note.has_value());
  } else if (request.wants_reply) {
    answer(from, request.id, note.has_value(), request.received);
  } else {
    from.done(request.id);
  }
}

/// With what is in reply_.
void rpc_server::answer(drivers::listener& from, drivers::request_id id, bool noted,
                        drivers::time_point received) {
  note_.clear();
  if (noted) {
    const std::chrono::nanoseconds took = drivers::steady_clock::now() - received;
    append_note(note_, {stamp_at(received), took.count(), settings_.site});
  }
  from.reply(id, reply_, note_);
}

void rpc_server::end_later(drivers::listener& from, const drivers::incoming_request& request,
                           bool noted) {
  if (free_.empty()) {
    free_.push_back(static_cast<std::uint32_t>(waiting_.size()));
    waiting_.emplace_back();
  }
  const std::uint32_t place = free_.back();
  free_.pop_back();
  waiting& w = waiting_[place];
  w.from = &from;
  w.id = request.id;
  w.wants_reply = request.wants_reply;
  w.noted = noted;
  w.received = request.received;
  w.reply.assign(reply_);
  w.timer = loop_.start_timer(drivers::steady_clock::now() + clock_.next(), *this, place);
}

void rpc_server::on_timer(std::uint64_t place) {
  waiting& w = waiting_[place];
  drivers::listener* const from = std::exchange(w.from, nullptr);
  if (from == nullptr) return;
  free_.push_back(static_cast<std::uint32_t>(place));
  // Ending a request can bring the next one at once, which may take this place.
  const drivers::request_id id = w.id;
  if (w.wants_reply) {
    reply_.swap(w.reply);
    answer(*from, id, w.noted, w.received);
  } else {
    from->done(id);
  }
}

}  // namespace ombt::agents
