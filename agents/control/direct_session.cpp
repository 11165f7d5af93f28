// SPDX-License-Identifier: Apache-2.0
#include "agents/control/direct_session.hpp"

#include "agents/control/direct_carrier.hpp"
#include "agents/control/direct_path.hpp"
#include "agents/measure/boot_id.hpp"
#include "agents/measure/clock.hpp"

#include <array>
#include <chrono>
#include <utility>

namespace ombt::agents {

namespace control = wire::control;

namespace {

/// What has no place on the way out has this long to be read.
constexpr std::chrono::seconds leave_limit{5};
/// Frames above it leave no memory behind, bytes.
constexpr std::size_t large_frame = std::size_t{1} << 20;

constexpr const char* not_held = "the process is not held by this controller";

}  // namespace

direct_session::direct_session(direct_carrier& owner, std::unique_ptr<drivers::channel> channel)
    : owner_(owner),
      channel_(std::move(channel)),
      batches_(owner.loop_, [this](result_batches::batch what) { queue_batch(std::move(what)); }),
      runs_(owner.loop_) {
  channel_->set_handler(*this);
  set_timer(limit, drivers::steady_clock::now() + owner_.settings_.hello_limit);
}

direct_session::~direct_session() {
  for (const timer which : {limit, removal}) cancel(which);
  for (const auto& [key, known] : paths_) {
    if (const auto path = known.lock()) path->cut();
  }
}

void direct_session::set_timer(timer which, drivers::time_point when) {
  cancel(which);
  timers_[which] = owner_.loop_.start_timer(when, *this, which);
}

void direct_session::cancel(timer which) {
  if (timers_[which] != 0) owner_.loop_.cancel_timer(std::exchange(timers_[which], 0));
}

void direct_session::on_timer(std::uint64_t which) {
  timers_[which] = 0;
  if (which == removal) return owner_.end(*this);
  gone();  // no hello, or no end of what it is to read
}

void direct_session::on_closed(drivers::channel&, error_code, std::string_view) { gone(); }

void direct_session::gone() {
  if (state_ == state::gone) return;
  state_ = state::gone;
  for (const owed& lost : waiting_) owner_.counters_->answers_lost += lost.answers;
  owner_.counters_->answers_lost += batches_.drop();
  waiting_.clear();
  cancel(limit);
  // Whoever is in the middle of sending here goes on first; the channel closes with this.
  set_timer(removal, drivers::steady_clock::now());
}

void direct_session::give_up() {
  runs_.drop();
  for (const auto& [key, known] : paths_) {
    const auto path = known.lock();
    if (!path) continue;
    path->cut();
    path->commands().on_gone(*path);
  }
}

void direct_session::forget_handlers() {
  runs_.drop();
  for (const auto& [key, known] : paths_) {
    if (const auto path = known.lock()) path->cut();
  }
  paths_.clear();
}

void direct_session::tell_roles() {
  if (state_ != state::known) return;
  std::string hello;
  append_process_hello(hello, owner_.hello());
  owed out;
  control::append_direct_command(out.frame, 0, "roles", {}, {}, hello);
  queue(std::move(out));
}

void direct_session::leave(drivers::time_point latest) {
  if (state_ < state::leaving) batches_.flush();
  if (state_ >= state::leaving) return;
  state_ = state::leaving;
  set_timer(limit, latest);
  send_waiting();
}

void direct_session::on_frame(drivers::channel&, std::string_view frame) {
  const std::int64_t received = uncorrected_now();
  if (state_ >= state::leaving) return;
  wire::json::value root;
  message asked;
  std::string why = "no JSON";
  if (owner_.reader_.parse(frame, root) || !read_direct_message(root, asked, why)) {
    owner_.refuse("a frame that cannot be read: " + why);
    return gone();
  }
  if (state_ == state::fresh) {
    greet(asked);
  } else {
    carry_out(asked, received);
  }
  if (frame.size() > large_frame) owner_.reader_.release();
}

void direct_session::greet(const message& asked) {
  std::string why = "expected a hello first";
  if (asked.method != "hello" || !read_controller_hello(asked.args, controller_, why)) {
    refuse(asked, why);
    return leave(drivers::steady_clock::now() + leave_limit);
  }
  state_ = state::known;
  was_known_ = true;
  cancel(limit);
  std::string hello;
  append_process_hello(hello, owner_.hello());
  answer(asked, hello);
}

void direct_session::carry_out(const message& asked, std::int64_t received) {
  using handler = void (direct_session::*)(const message&);
  static constexpr std::array<std::pair<std::string_view, handler>, 9> handlers = {{
      {"client_ping", &direct_session::ping},
      {"get_server_results", &direct_session::collect},
      {"shutdown", &direct_session::shut_down},
      {"run_test", &direct_session::run_test},
      {"hold", &direct_session::hold},
      {"release", &direct_session::release},
      {"prepare", &direct_session::prepare},
      {"start", &direct_session::start},
      {control::assign_method, &direct_session::assign},
  }};
  if (asked.method == wire_name(control::method::clock)) return tell_time(asked, received);
  for (const auto& [name, handle] : handlers) {
    if (asked.method == name) return (this->*handle)(asked);
  }
  refuse(asked, asked.method.empty() ? "an answer that nobody waits for" : "unknown method");
}

void direct_session::answer(const message& asked, std::string_view result_json) {
  ++owner_.counters_->commands;
  if (asked.id == 0) return;
  owed out;
  control::append_direct_result(out.frame, asked.id, result_json);
  queue(std::move(out));
}

void direct_session::refuse(const message& asked, const std::string& why) {
  owner_.refuse(std::string(asked.method) + ": " + why);
  if (asked.id == 0 || asked.method.empty()) return;
  owed out;
  control::append_direct_error(out.frame, asked.id, why);
  queue(std::move(out));
}

std::shared_ptr<direct_path> direct_session::path_of(const message& asked,
                                                     const control::reply_address& to) {
  const auto topic = owner_.topics_.find(asked.topic);
  if (topic == owner_.topics_.end()) return nullptr;
  if (paths_.size() > most_paths_) {
    std::erase_if(paths_, [](const auto& one) { return one.second.expired(); });
    most_paths_ = 64 + 2 * paths_.size();
  }
  std::string key = topic->first;
  for (const std::string* part : {&to.exchange, &to.topic, &to.server}) {
    key.append(1, '\0').append(*part);
  }
  std::weak_ptr<direct_path>& known = paths_[key];
  if (auto path = known.lock()) return path;
  auto made = std::make_shared<direct_path>(*this, owner_.loop_, *topic->second, topic->first, to,
                                            owner_.counters_);
  known = made;
  return made;
}

bool direct_session::has_address(const message& asked) {
  if (asked.kind && !asked.topic.empty()) return true;
  refuse(asked, asked.kind ? "topic is missing" : "kind is missing");
  return false;
}

bool direct_session::has_addresses(const message& asked, control::reply_address& to) {
  std::string why;
  if (!has_address(asked)) return false;
  if (control::read_reply_addr_args(asked.args, to, why)) return true;
  refuse(asked, why);
  return false;
}

void direct_session::ping(const message& asked) {
  control::reply_address to;
  if (!has_addresses(asked, to)) return;
  if (auto path = path_of(asked, to)) path->commands().on_ping(*asked.kind, path);
  answer(asked);  // behind the pongs
}

void direct_session::collect(const message& asked) {
  control::reply_address to;
  if (!has_addresses(asked, to)) return;
  answer(asked);
  if (auto path = path_of(asked, to)) path->commands().on_collect(*asked.kind, path);
}

void direct_session::shut_down(const message& asked) {
  if (!has_address(asked)) return;
  answer(asked);
  const auto topic = owner_.topics_.find(asked.topic);
  if (topic != owner_.topics_.end()) return topic->second->on_shutdown(*asked.kind);
  // Without a role they are in every topic.
  if (owner_.topics_.empty() && owner_.settings_.dismissed) owner_.settings_.dismissed();
}

void direct_session::run_test(const message& asked) {
  if (!has_address(asked)) return;
  control::run_test_request request;
  std::string why;
  if (!control::read_run_test_args(asked.args, request, why)) return refuse(asked, why);
  if (!request.cancel) return refuse(asked, "a test goes by prepare and start");
  answer(asked);
  const auto path = path_of(asked, request.reply_to);
  if (!path) return;
  runs_.cancel(path->commands(), *asked.kind, request.parameters.run);
  path->commands().on_cancel(*asked.kind, request.parameters.run, path);
}

void direct_session::hold(const message& asked) {
  if (owner_.holder_ == nullptr) {
    owner_.holder_ = this;
    has_held_ = true;
    owner_.held_since_ = epoch_now();
  }
  control::hold_answer out;
  out.held = owner_.holder_ == this;
  if (!out.held) {
    const control::controller_hello& holder = owner_.holder_->controller();
    out.by = holder.controller;
    out.host = holder.host;
    out.pid = holder.pid;
    out.since = owner_.held_since_;
  }
  std::string result;
  append_hold_answer(result, out);
  answer(asked, result);
}

void direct_session::release(const message& asked) {
  if (owner_.holder_ != this) return refuse(asked, not_held);
  runs_.drop();
  owner_.holder_ = nullptr;
  answer(asked);
}

void direct_session::prepare(const message& asked) {
  if (owner_.holder_ != this) return refuse(asked, not_held);
  if (!has_address(asked)) return;
  control::run_test_request request;
  std::string why;
  if (!control::read_run_test_args(asked.args, request, why)) return refuse(asked, why);
  if (!request.test || control::client_kind(*request.test) != *asked.kind) {
    return refuse(asked, "no test of a " + std::string(wire_name(*asked.kind)));
  }
  const auto path = path_of(asked, request.reply_to);
  if (!path || path->commands().agents(*asked.kind) == 0) {
    return refuse(asked, "no " + std::string(wire_name(*asked.kind)) + " of that topic is here");
  }
  why = runs_.prepare(path->commands(), *asked.kind, std::move(request), path);
  if (!why.empty()) return refuse(asked, why);
  answer(asked);
}

void direct_session::start(const message& asked) {
  if (owner_.holder_ != this) return refuse(asked, not_held);
  control::start_request when;
  std::string why;
  if (!read_start_request(asked.args, when, why)) return refuse(asked, why);
  why = runs_.start(when, [&] { answer(asked); });
  if (!why.empty()) refuse(asked, why);
}

void direct_session::run_begun(const std::string& run) {
  const auto at = runs_.begun(run);
  if (!at) return;
  std::string args;
  control::append_started_notice(args, {run, *at});
  owed out;
  control::append_direct_command(out.frame, 0, "started", {}, {}, args);
  queue(std::move(out));
}

void direct_session::assign(const message& asked) {
  if (owner_.holder_ != this) return refuse(asked, not_held);
  if (!owner_.settings_.assign) {
    return refuse(asked, "the process was started with roles, not with --standby");
  }
  control::assign_request request;
  std::string why;
  if (!read_assign_request(asked.args, request, why)) return refuse(asked, why);
  owner_.settings_.assign(request, [id = asked.id, to = std::weak_ptr<direct_session*>(self_)](
                                       const std::string& why_not) {
    const auto there = to.lock();
    if (!there) return;
    message of;
    of.id = id;
    of.method = control::assign_method;
    why_not.empty() ? (*there)->answer(of) : (*there)->refuse(of, why_not);
  });
}

void direct_session::tell_time(const message& asked, std::int64_t received) {
  control::clock_request request;
  std::string why;
  if (!read_clock_args(asked.args, request, why)) return refuse(asked, why);
  if (request.correct) correct_clock(*request.correct);
  std::string reply;
  control::append_clock_reply(reply, {boot_id(), received, uncorrected_now()});
  answer(asked, reply);
}

void direct_session::tell_progress(std::string_view text) {
  if (state_ != state::known || !waiting_.empty() || channel_->unsent() > progress_limit) return;
  std::string frame;
  control::append_direct_command(frame, 0, "progress", {}, {}, text);
  channel_->send(frame);
}

void direct_session::queue(owed what) {
  if (state_ == state::gone) {
    owner_.counters_->answers_lost += what.answers;
    return;
  }
  waiting_.push_back(std::move(what));
  if (waiting_.size() > owner_.settings_.answer_limit) {
    owner_.trouble_ = "controller " + controller_.controller + " reads none of its answers";
    return gone();
  }
  send_waiting();
}

void direct_session::gather(const std::string& topic, control::agent_kind kind,
                            const std::string& name, const report& figures) {
  if (state_ == state::gone) {
    ++owner_.counters_->answers_lost;
    return;
  }
  batches_.add(topic, kind, name, figures);
  if (state_ == state::leaving) batches_.flush();
}

void direct_session::queue_batch(result_batches::batch what) {
  owed out;
  out.answers = what.agents;
  control::append_direct_command(out.frame, 0, "results", what.kind, what.topic, what.args);
  queue(std::move(out));
}

void direct_session::send_waiting() {
  while (!waiting_.empty() && channel_->unsent() < unsent_limit) {
    const owed next = std::move(waiting_.front());
    waiting_.pop_front();
    channel_->send(next.topic.empty() ? next.frame : frame_of(next));
    owner_.counters_->answers += next.answers;
  }
  if (state_ != state::leaving || !waiting_.empty() || channel_->unsent() > 0) return;
  channel_->finish();
  gone();
}

std::string direct_session::frame_of(const owed& what) const {
  std::string args;
  std::string frame;
  if (what.figures == nullptr) {
    control::process_place place;
    if (!boot_id().empty()) {
      place = {owner_.settings_.hello.process, boot_id(), clock_correction()};
    }
    control::append_client_pong_args(args, what.kind, what.name, what.run, place);
  } else {
    control::append_client_result_args(args, what.name, what.kind, what.figures->results,
                                       what.details ? &what.figures->details : nullptr);
  }
  const auto method =
      what.figures == nullptr ? control::method::client_pong : control::method::client_result;
  control::append_direct_command(frame, 0, wire_name(method), what.kind, what.topic, args);
  return frame;
}

}  // namespace ombt::agents
