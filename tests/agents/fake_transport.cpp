// SPDX-License-Identifier: Apache-2.0
#include "tests/agents/fake_transport.hpp"

#include "wire/oslo/messages.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace ombt::tests {

using drivers::target;

/// A listener of either sort. Its state is shared with posted deliveries, so that one which
/// arrives after its end is dropped.
class fake_listener final : public drivers::listener {
 public:
  /// What the listeners of a transport share with it.
  struct siblings {
    std::vector<fake_listener*> all;
    std::function<void()> ended;  ///< one of them has ended a request, or is gone
  };

  struct state {
    fake_listener* self = nullptr;
  };

  fake_listener(fake_bus& bus, drivers::loop& on, std::shared_ptr<siblings> family, target at,
                drivers::request_handler* requests, drivers::notification_handler* notifications,
                std::vector<std::string> priorities)
      : bus_(bus),
        loop_(on),
        family_(std::move(family)),
        at_(std::move(at)),
        requests_(requests),
        notifications_(notifications),
        priorities_(std::move(priorities)),
        state_(std::make_shared<state>()) {
    state_->self = this;
    family_->all.push_back(this);
    const std::lock_guard lock(bus_.mutex_);
    bus_.listeners_.push_back(this);
    if (bus_.stalled_) return;
    loop_.post([held = state_, error = bus_.refusal_, detail = bus_.refusal_detail_] {
      if (held->self == nullptr) return;
      fake_listener& self = *held->self;
      if (error) {
        if (self.requests_) self.requests_->on_listener_error(self, error, detail, true);
        if (self.notifications_) self.notifications_->on_listener_error(self, error, detail, true);
      } else {
        if (self.requests_) self.requests_->on_listening(self);
        if (self.notifications_) self.notifications_->on_listening(self);
      }
    });
  }

  ~fake_listener() override {
    const std::lock_guard lock(bus_.mutex_);
    state_->self = nullptr;
    std::erase(bus_.listeners_, this);
    bus_.unended_ -= pending_.size();
    std::erase(family_->all, this);
    if (family_->ended) family_->ended();
  }

  /// Takes nothing more.
  void stop() {
    const std::lock_guard lock(bus_.mutex_);
    stopped_ = true;
    std::erase(bus_.listeners_, this);
  }
  /// Calls that it took and has not answered.
  bool owes() const {
    return std::any_of(pending_.begin(), pending_.end(), [](const auto& p) { return p.second; });
  }
  /// Answers nothing more.
  void shut() { shut_ = true; }

  bool takes(const sent_message& m) const {
    if (m.what == sent_message::kind::notify) {
      return notifications_ && m.to.topic == at_.topic &&
             std::find(priorities_.begin(), priorities_.end(), m.method) != priorities_.end();
    }
    if (!requests_ || m.to.topic != at_.topic) return false;
    if (m.to.fanout) return true;
    return m.to.exchange == at_.exchange && (m.to.server.empty() || m.to.server == at_.server);
  }

  const target& at() const { return at_; }

  /// The bus is lost, with these words, or back (empty).
  void tell_contact(const std::string& lost) {
    loop_.post([held = state_, lost] {
      if (held->self == nullptr || held->self->requests_ == nullptr) return;
      fake_listener& self = *held->self;
      if (lost.empty()) return self.requests_->on_listening(self);
      self.requests_->on_listener_error(self, errc::connection_lost, lost, false);
    });
  }

  /// Hands a message over on this listener's loop.
  void deliver(std::uint64_t operation_id, const sent_message& m) {
    loop_.post([held = state_, operation_id, m] {
      if (held->self != nullptr) held->self->arrive(operation_id, m);
    });
  }

  void reply(drivers::request_id id, std::string_view result_json,
             std::string_view note_json) override {
    scripted_outcome ok;
    ok.result_json = result_json;
    ok.note_json = note_json;
    end(id, ok);
  }
  void fail(drivers::request_id id, const wire::oslo::remote_exception& exception) override {
    scripted_outcome failed;
    failed.error = errc::remote_exception;
    failed.detail = exception.message;
    failed.exception_class = exception.class_name;
    end(id, failed);
  }
  void done(drivers::request_id id) override { end(id, {}); }
  void acknowledge(drivers::request_id id) override { end(id, {}); }
  void requeue(drivers::request_id id) override { end(id, {}); }
  const drivers::listener_counters& counters() const noexcept override { return counters_; }

 private:
  void arrive(std::uint64_t operation_id, const sent_message& m) {
    if (stopped_) {  // it was on its way: for another listener
      const std::lock_guard lock(bus_.mutex_);
      if (operation_id != 0) bus_.deliver(operation_id, m);
      return;
    }
    ++counters_.received;
    const drivers::request_id id{++next_slot_, 1};
    pending_[id.slot] = operation_id;
    {
      const std::lock_guard lock(bus_.mutex_);
      ++bus_.unended_;
    }
    wire::json::reader reader;
    if (notifications_) {
      drivers::incoming_notification n;
      n.id = id;
      n.publisher_id = m.publisher_id;
      n.event_type = m.event_type;
      n.message_id = "00000000-0000-4000-8000-000000000000";
      n.priority = m.method;
      n.timestamp = "2026-01-01 00:00:00.000000";
      n.received = std::chrono::steady_clock::now();
      if (reader.parse(m.args, n.payload)) n.payload = {};
      notifications_->on_notification(*this, n);
      return;
    }
    drivers::incoming_request r;
    std::string whole = R"({"method": )";
    wire::json::append_string(whole, m.method);
    whole += R"(, "args": )" + m.args;
    whole += R"(, "context": )" + (m.context.empty() ? "{}" : m.context) + "}";
    if (reader.parse(whole, r.message)) {
      ++counters_.malformed;
      drop(id);
      return;
    }
    r.id = id;
    r.method = m.method;
    r.args = r.message["args"];
    r.context = r.message["context"];
    r.wants_reply = m.what == sent_message::kind::call;
    r.received = std::chrono::steady_clock::now();
    requests_->on_request(*this, r);
  }

  std::optional<std::uint64_t> drop(drivers::request_id id) {
    const auto found = pending_.find(id.slot);
    if (found == pending_.end()) return {};
    const std::uint64_t operation_id = found->second;
    pending_.erase(found);
    const std::lock_guard lock(bus_.mutex_);
    --bus_.unended_;
    return operation_id;
  }

  void end(drivers::request_id id, const scripted_outcome& outcome) {
    const auto operation_id = drop(id);
    if (operation_id && *operation_id != 0 && !shut_) bus_.finish(*operation_id, outcome);
    if (family_->ended) family_->ended();
  }

  fake_bus& bus_;
  drivers::loop& loop_;
  std::shared_ptr<siblings> family_;
  target at_;
  drivers::request_handler* requests_;
  drivers::notification_handler* notifications_;
  std::vector<std::string> priorities_;
  std::shared_ptr<state> state_;
  drivers::listener_counters counters_;
  std::map<std::uint32_t, std::uint64_t> pending_;
  std::uint32_t next_slot_ = 0;
  bool stopped_ = false;
  bool shut_ = false;
};

class fake_transport final : public drivers::transport, private drivers::timer_target {
 public:
  fake_transport(fake_bus& bus, drivers::loop& on) : bus_(bus), loop_(on) {
    listeners_->ended = [this] {
      if (!owes()) closed();
    };
  }
  ~fake_transport() override {
    closed();
    *reaching_ = nullptr;
    listeners_->ended = {};
    const std::lock_guard lock(bus_.mutex_);
    std::erase_if(bus_.operations_, [this](const auto& o) { return o.second.from == this; });
  }

  void reach(drivers::reach_handler& told) override {
    const std::lock_guard lock(bus_.mutex_);
    *reaching_ = &told;
    loop_.post([held = reaching_, error = bus_.sender_refusal_, bus = &bus_] {
      if (*held == nullptr) return;
      if (!error) return (*held)->on_reached();
      (*held)->on_unreached(error, bus->sender_refusal_detail_, bus->sender_refusal_final_);
    });
  }
  void call(const target& to, const drivers::request_message& r, const drivers::call_options& o,
            drivers::completion& done, std::uint64_t tag) override {
    start({sent_message::kind::call,
           to,
           std::string(r.method),
           std::string(r.args_json),
           {},
           {},
           o.timeout,
           std::string(r.context_json),
           o.at_least_once},
          done, tag);
  }
  void cast(const target& to, const drivers::request_message& r, const drivers::call_options& o,
            drivers::completion& done, std::uint64_t tag) override {
    start({sent_message::kind::cast,
           to,
           std::string(r.method),
           std::string(r.args_json),
           {},
           {},
           o.timeout,
           std::string(r.context_json)},
          done, tag);
  }
  void notify(const target& to, const drivers::notification_message& n,
              const drivers::call_options& o, drivers::completion& done,
              std::uint64_t tag) override {
    start({sent_message::kind::notify, to, std::string(n.priority), std::string(n.payload_json),
           std::string(n.publisher_id), std::string(n.event_type), o.timeout},
          done, tag);
  }
  std::unique_ptr<drivers::listener> listen(const target& at, const drivers::serve_options&,
                                            drivers::request_handler& handler) override {
    return std::make_unique<fake_listener>(bus_, loop_, listeners_, at, &handler, nullptr,
                                           std::vector<std::string>{});
  }
  std::unique_ptr<drivers::listener> listen_for_notifications(
      const target& at, const std::vector<std::string>& priorities, std::string_view /*pool*/,
      drivers::notification_handler& handler) override {
    return std::make_unique<fake_listener>(bus_, loop_, listeners_, at, nullptr, &handler,
                                           priorities);
  }
  void close(drivers::duration limit, std::function<void()> done) override {
    const std::lock_guard lock(bus_.mutex_);
    scripted_outcome cancelled;
    cancelled.error = errc::cancelled;
    std::vector<std::uint64_t> mine;
    for (const auto& [id, op] : bus_.operations_) {
      if (op.from == this) mine.push_back(id);
    }
    for (const std::uint64_t id : mine) bus_.finish(id, cancelled);
    for (fake_listener* l : listeners_->all) l->stop();
    *reaching_ = nullptr;
    closing_.push_back(
        {std::move(done), loop_.start_timer(drivers::steady_clock::now() + limit, *this, 0)});
    if (!owes()) closed();
  }
  void remove_declarations(bool yes) override { remove_ = yes; }
  bool in_contact() const noexcept override { return true; }
  const drivers::transport_counters& counters() const noexcept override { return counters_; }
  std::string last_error() const override {
    if (bus_.sender_refusal_) return bus_.sender_refusal_detail_;
    return bus_.refusal_ ? bus_.refusal_detail_ : bus_.last_error_;
  }

  drivers::loop& loop() { return loop_; }

 private:
  struct closing {
    std::function<void()> done;
    drivers::loop::timer_id limit;
  };

  bool owes() const {
    return std::any_of(listeners_->all.begin(), listeners_->all.end(),
                       [](const fake_listener* l) { return l->owes(); });
  }
  void on_timer(std::uint64_t) override { closed(); }
  void closed() {
    if (closing_.empty()) return;
    for (fake_listener* l : listeners_->all) l->shut();
    {
      const std::lock_guard lock(bus_.mutex_);
      if (!std::exchange(counted_, true)) {
        ++bus_.closed_;
        if (remove_) ++bus_.removed_;
      }
    }
    for (auto& one : std::exchange(closing_, {})) {
      loop_.cancel_timer(one.limit);
      loop_.post(std::move(one.done));
    }
  }
  void start(sent_message message, drivers::completion& done, std::uint64_t tag) {
    bus_.start({std::move(message), this, &done, tag});
  }

  fake_bus& bus_;
  drivers::loop& loop_;
  drivers::transport_counters counters_;
  std::shared_ptr<fake_listener::siblings> listeners_ = std::make_shared<fake_listener::siblings>();
  std::shared_ptr<drivers::reach_handler*> reaching_ =
      std::make_shared<drivers::reach_handler*>(nullptr);
  std::vector<closing> closing_;
  bool remove_ = false;
  bool counted_ = false;  ///< as closed
};

std::unique_ptr<drivers::transport> fake_bus::make(drivers::loop& on) {
  const std::lock_guard lock(mutex_);
  ++made_;
  return std::make_unique<fake_transport>(*this, on);
}

void fake_bus::script(const std::string& method, scripted_outcome next) {
  const std::lock_guard lock(mutex_);
  scripts_[method].push_back(std::move(next));
}
void fake_bus::script_always(const std::string& method, scripted_outcome always) {
  const std::lock_guard lock(mutex_);
  always_[method] = std::move(always);
}
void fake_bus::clear_script(const std::string& method) {
  const std::lock_guard lock(mutex_);
  always_.erase(method);
  scripts_.erase(method);
}
void fake_bus::end_hanging(const std::string& method, const scripted_outcome& with) {
  const std::lock_guard lock(mutex_);
  std::vector<std::uint64_t> all;
  for (const auto& [id, op] : operations_) {
    if (op.message.method == method) all.push_back(id);
  }
  for (const std::uint64_t id : all) finish(id, with);
}
void fake_bus::refuse_listeners(error_code error, std::string detail) {
  const std::lock_guard lock(mutex_);
  refusal_ = error;
  refusal_detail_ = std::move(detail);
}
void fake_bus::refuse_senders(error_code error, std::string detail, bool final) {
  const std::lock_guard lock(mutex_);
  sender_refusal_ = error;
  sender_refusal_detail_ = std::move(detail);
  sender_refusal_final_ = final;
}
void fake_bus::lose_contact(const std::string& words) {
  const std::lock_guard lock(mutex_);
  last_error_ = words;
  for (fake_listener* l : listeners_) l->tell_contact(words);
}
void fake_bus::regain_contact() {
  const std::lock_guard lock(mutex_);
  for (fake_listener* l : listeners_) l->tell_contact({});
}
void fake_bus::stall_listeners() {
  const std::lock_guard lock(mutex_);
  stalled_ = true;
}

std::vector<sent_message> fake_bus::sent() const {
  const std::lock_guard lock(mutex_);
  return sent_;
}
std::vector<sent_message> fake_bus::sent(const std::string& method) const {
  const std::lock_guard lock(mutex_);
  std::vector<sent_message> found;
  std::copy_if(sent_.begin(), sent_.end(), std::back_inserter(found),
               [&](const sent_message& m) { return m.method == method; });
  return found;
}
std::size_t fake_bus::unended() const {
  const std::lock_guard lock(mutex_);
  return unended_;
}
int fake_bus::transports_made() const {
  const std::lock_guard lock(mutex_);
  return made_;
}
int fake_bus::transports_closed() const {
  const std::lock_guard lock(mutex_);
  return closed_;
}
int fake_bus::declarations_removed() const {
  const std::lock_guard lock(mutex_);
  return removed_;
}
std::vector<target> fake_bus::listening() const {
  const std::lock_guard lock(mutex_);
  std::vector<target> all;
  for (const fake_listener* l : listeners_) all.push_back(l->at());
  return all;
}

void fake_bus::start(operation op) {
  const std::lock_guard lock(mutex_);
  sent_.push_back(op.message);
  const sent_message message = op.message;
  const std::uint64_t id = next_operation_++;
  operations_.emplace(id, std::move(op));
  const auto scripted = scripts_.find(message.method);
  std::optional<scripted_outcome> planned;
  if (scripted != scripts_.end() && !scripted->second.empty()) {
    planned = scripted->second.front();
    scripted->second.pop_front();
  } else if (const auto always = always_.find(message.method); always != always_.end()) {
    planned = always->second;
  }
  if (planned && (!planned->deliver || planned->error || planned->held) && !planned->hang) {
    finish(id, *planned);
  }
  if (planned && !planned->deliver) return;
  if (planned && planned->held) {
    held_.push_back(message);
    return;
  }
  for (int copy = 0; copy < (planned ? planned->copies : 1); ++copy) deliver(id, message);
}

std::size_t fake_bus::release_held() {
  const std::lock_guard lock(mutex_);
  for (const sent_message& message : held_) deliver(0, message);
  return std::exchange(held_, {}).size();
}

void fake_bus::deliver(std::uint64_t operation_id, const sent_message& message) {
  std::vector<fake_listener*> takers;
  for (fake_listener* l : listeners_) {
    if (l->takes(message)) takers.push_back(l);
  }
  if (message.what == sent_message::kind::call) {
    if (takers.empty()) {
      scripted_outcome lost;
      lost.error = errc::messaging_timeout;
      finish(operation_id, lost);
    } else {
      takers[turn_++ % takers.size()]->deliver(operation_id, message);
    }
    return;
  }
  if (message.to.fanout) {
    for (fake_listener* l : takers) l->deliver(0, message);
  } else if (!takers.empty()) {
    takers[turn_++ % takers.size()]->deliver(0, message);
  }
  finish(operation_id, {});
}

void fake_bus::finish(std::uint64_t operation_id, scripted_outcome outcome) {
  const std::lock_guard lock(mutex_);
  const auto found = operations_.find(operation_id);
  if (found == operations_.end()) return;
  operation op = std::move(found->second);
  operations_.erase(found);
  // The completion's owner outlives its operations, or closes the transport first.
  op.from->loop().post([op = std::move(op), outcome = std::move(outcome)] {
    wire::json::reader reader;
    wire::json::reader note_reader;
    drivers::outcome result;
    result.error = outcome.error;
    result.detail = outcome.detail;
    wire::oslo::remote_exception exception;
    if (outcome.error == errc::remote_exception) {
      exception.class_name = outcome.exception_class;
      exception.message = outcome.detail;
      result.exception = &exception;
    }
    if (!outcome.error && reader.parse(outcome.result_json, result.result)) result.result = {};
    if (outcome.note_json.empty() || note_reader.parse(outcome.note_json, result.note)) {
      result.note = {};
    }
    op.done->on_complete(op.tag, result);
  });
}

}  // namespace ombt::tests
