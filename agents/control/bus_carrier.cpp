// SPDX-License-Identifier: Apache-2.0
#include "agents/control/bus_carrier.hpp"

#include "wire/oslo/messages.hpp"

#include "agents/control/bus_path.hpp"
#include "agents/measure/boot_id.hpp"
#include "agents/measure/clock.hpp"

#include <algorithm>
#include <utility>

namespace ombt::agents {

namespace control = wire::control;
using control::method;

/// One RPC server on the control exchange.
class bus_carrier::endpoint final : public drivers::request_handler,
                                    public drivers::completion,
                                    public drivers::timer_target {
 public:
  endpoint(bus_carrier& owner, const control_endpoint& named)
      : owner_(owner),
        commands_(named.commands != nullptr ? *named.commands : owner.handler_),
        kind_(named.kind) {
    at_.exchange = control::control_exchange;
    at_.topic = control::agent_topic(kind_, named.topic, owner.settings_.unique);
    at_.server = named.name;
  }
  ~endpoint() {
    if (retry_ != 0) owner_.loop_.cancel_timer(retry_);
  }

  /// Calls self_ready on its own name.
  void call(drivers::completion& done, std::uint64_t tag) {
    drivers::request_message request;
    request.method = wire_name(method::self_ready);
    drivers::call_options options;
    options.timeout = owner_.settings_.ready_timeout;
    owner_.transport_->call(at_, request, options, done, tag);
  }

  void start() { listener_ = owner_.transport_->listen(at_, {}, *this); }

 private:
  enum class state : std::uint8_t { declaring, checking, ready, failed };

  void on_listening(drivers::listener&) override {
    owner_.deaf_because_.clear();
    if (std::exchange(lost_, false)) owner_.bus_is_back();
    heard_ = true;
    if (state_ != state::declaring) return;
    state_ = state::checking;
    check();
  }

  void on_listener_error(drivers::listener&, error_code error, std::string_view detail,
                         bool final) override {
    std::string why = words_of(error, detail);
    owner_.deaf_because_ = why;
    if (heard_ && !std::exchange(lost_, true)) owner_.bus_was_lost();
    if (final) {
      fail(std::move(why));
    } else {
      owner_.trouble_ = std::move(why);
    }
  }

  void check() {
    ++tries_;
    checked_at_ = drivers::steady_clock::now();
    call(*this, 0);
  }

  void on_complete(std::uint64_t, const drivers::outcome& result) override {
    if (state_ != state::checking || owner_.stopped_) return;
    if (!result.error && result.result.boolean() == true) {
      state_ = state::ready;
      owner_.endpoint_ready();
      return;
    }
    if (tries_ >= owner_.settings_.ready_tries) {
      fail("no answer from its own control queue: " +
           (result.error ? failure_name(result) : std::string("an unexpected reply")));
      return;
    }
    // A failure that came at once must not be repeated at once.
    retry_ = owner_.loop_.start_timer(checked_at_ + owner_.settings_.ready_timeout, *this, 0);
  }

  void on_timer(std::uint64_t) override {
    retry_ = 0;
    if (state_ == state::checking && !owner_.stopped_) check();
  }

  void fail(std::string why) {
    if (state_ == state::failed || owner_.stopped_) return;
    state_ = state::failed;
    owner_.endpoint_failed(std::move(why));
  }

  void on_request(drivers::listener& from, const drivers::incoming_request& request) override {
    const std::int64_t received = uncorrected_now();
    const auto known = control::method_from(request.method);
    std::string why;
    if (!known || *known == method::client_pong || *known == method::client_result) {
      owner_.refuse("unknown method " + std::string(request.method.substr(0, 64)));
      end(from, request, wire::oslo::no_such_method(request.method));
      return;
    }
    // Answered first: what a command starts may take this process down.
    if (!prepare(*known, request.args, why)) {
      owner_.refuse(std::string(request.method) + ": " + why);
      wire::oslo::remote_exception wrong;
      wrong.class_name = "ValueError";
      wrong.module = "builtins";
      wrong.message = why;
      end(from, request, wrong);
      return;
    }
    if (*known == method::clock) return tell_time(from, request, received);
    if (request.wants_reply) {
      from.reply(request.id, *known == method::self_ready ? "true" : "null");
    } else {
      from.done(request.id);
    }
    if (*known != method::self_ready) carry_out(*known);
  }

  void end(drivers::listener& from, const drivers::incoming_request& request,
           const wire::oslo::remote_exception& exception) {
    if (request.wants_reply) {
      from.fail(request.id, exception);
    } else {
      from.done(request.id);
    }
  }

  /// Says what this machine's clock has, and takes a correction of it.
  void tell_time(drivers::listener& from, const drivers::incoming_request& request,
                 std::int64_t received) {
    owner_.understood();
    if (clock_.correct) correct_clock(*clock_.correct);
    if (!request.wants_reply) return from.done(request.id);
    std::string reply;
    control::append_clock_reply(reply, {boot_id(), received, uncorrected_now()});
    from.reply(request.id, reply);
  }

  /// Reads the arguments into reply_to_, run_ and clock_; false with why.
  bool prepare(method m, wire::json::value args, std::string& why) {
    if (m == method::clock) return control::read_clock_args(args, clock_, why);
    if (m == method::run_test) {
      run_ = {};
      if (!control::read_run_test_args(args, run_, why)) return false;
      reply_to_ = run_.reply_to;
      if (!run_.cancel && is_ours()) why = commands_.on_prepare(kind_, run_);
      return why.empty();
    }
    if (m == method::client_ping || m == method::get_server_results) {
      return control::read_reply_addr_args(args, reply_to_, why);
    }
    return true;
  }

  /// As ombt: tests that are unknown or another kind's are ignored.
  bool is_ours() const { return run_.test && control::client_kind(*run_.test) == kind_; }

  void carry_out(method m) {
    if (m == method::run_test && !run_.cancel && !is_ours()) {
      owner_.refuse("run_test: no test of a " + std::string(wire_name(kind_)));
      return;
    }
    owner_.understood();
    if (m == method::run_test) {
      const auto from = owner_.path_to(reply_to_);
      if (run_.cancel) return commands_.on_cancel(kind_, run_.parameters.run, from);
      return commands_.on_run(kind_, std::exchange(run_, {}), from);
    }
    if (m == method::client_ping) commands_.on_ping(kind_, owner_.path_to(reply_to_));
    if (m == method::get_server_results) commands_.on_collect(kind_, owner_.path_to(reply_to_));
    if (m == method::shutdown) commands_.on_shutdown(kind_);
  }

  bus_carrier& owner_;
  command_handler& commands_;
  const control::agent_kind kind_;
  drivers::target at_;
  std::unique_ptr<drivers::listener> listener_;
  state state_ = state::declaring;
  int tries_ = 0;
  bool heard_ = false;  ///< it has listened, once
  bool lost_ = false;   ///< and does not now
  drivers::time_point checked_at_{};
  drivers::loop::timer_id retry_ = 0;
  control::reply_address reply_to_;
  control::run_test_request run_;
  control::clock_request clock_;
};

bus_carrier::bus_carrier(drivers::loop& loop, bus_carrier_settings settings,
                         command_handler& handler, std::unique_ptr<drivers::transport> transport)
    : loop_(loop),
      settings_(std::move(settings)),
      handler_(handler),
      transport_(std::move(transport)),
      link_(std::make_shared<bus_link>()) {
  link_->carrier = this;
  link_->last_answer = static_cast<std::uint64_t>(uncorrected_now()) / 1000;
  // Control queues are this process's alone; ombt leaves them behind, we need not.
  transport_->remove_declarations(true);
  for (const control_endpoint& named : settings_.endpoints) {
    endpoints_.push_back(std::make_unique<endpoint>(*this, named));
  }
}

bus_carrier::~bus_carrier() {
  link_->carrier = nullptr;
  endpoints_.clear();
  transport_.reset();  // nothing completes from here on
  stop_paths();
  link_->in_use.clear();
}

void bus_carrier::start() {
  heard_ = drivers::steady_clock::now();
  for (const auto& e : endpoints_) e->start();
}

void bus_carrier::stop(drivers::duration limit, std::function<void()> done) {
  stopped_ = true;
  link_->carrier = nullptr;
  stop_paths();
  transport_->close(limit, std::move(done));
}

std::string bus_carrier::last_trouble() const {
  const std::string connection = transport_->last_error();
  return connection.empty() ? trouble_ : connection;
}

void bus_carrier::endpoint_ready() {
  if (++ready_ == endpoints_.size() && !failed_) handler_.on_carrier_ready();
}

void bus_carrier::endpoint_failed(std::string why) {
  const std::string connection = transport_->last_error();
  if (!connection.empty() && why.find(connection) == std::string::npos) {
    why.append(" (").append(connection).append(")");
  }
  if (std::exchange(failed_, true)) return;
  handler_.on_carrier_failed(std::move(why));
}

void bus_carrier::stop_paths() {
  for (const auto& path : std::vector(link_->in_use)) path->stop();
}

void bus_carrier::bus_was_lost() {
  for (const auto& path : link_->in_use) path->doubt();
}

void bus_carrier::bus_is_back() {
  for (const auto& path : std::vector(link_->in_use)) path->send_doubted();
}

void bus_carrier::refuse(std::string why) {
  ++counters_.refused;
  refusal_ = std::move(why);
}

void bus_carrier::understood() {
  ++counters_.commands;
  heard_ = drivers::steady_clock::now();
}

void bus_carrier::call_own(drivers::completion& done, std::uint64_t tag) {
  endpoints_.front()->call(done, tag);
}

std::shared_ptr<bus_path> bus_carrier::path_to(const control::reply_address& controller) {
  const auto known = std::find_if(paths_.begin(), paths_.end(), [&](const auto& path) {
    return path->controller() == controller;
  });
  if (known != paths_.end()) {
    std::rotate(known, known + 1, paths_.end());
    return paths_.back();
  }
  if (paths_.size() >= settings_.controller_limit) {
    // Forget the one silent longest, an idle one where there is any.
    auto oldest =
        std::find_if(paths_.begin(), paths_.end(), [](const auto& path) { return !path->busy(); });
    if (oldest == paths_.end()) oldest = paths_.begin();
    paths_.erase(oldest);
  }
  paths_.push_back(std::make_shared<bus_path>(loop_, link_, controller));
  return paths_.back();
}

}  // namespace ombt::agents
