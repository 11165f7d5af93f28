// SPDX-License-Identifier: Apache-2.0
#include "tests/controller/fake_agents.hpp"

#include "wire/control/direct.hpp"
#include "wire/control/result_batch.hpp"
#include "wire/control/results.hpp"
#include "wire/format.hpp"

#include "agents/measure/clock.hpp"

#include <algorithm>

namespace ombt::tests {

namespace control = wire::control;
using control::agent_kind;

std::string fake_process::name_of(bool client, std::size_t i) const {
  return key + (client ? "-client-" : "-server-") + std::to_string(i);
}

std::size_t fake_process::times(std::string_view method) const {
  return static_cast<std::size_t>(std::count(heard.begin(), heard.end(), method));
}

/// The controller's end.
class fake_agents::channel final : public drivers::channel {
 public:
  channel(fake_agents& owner, std::shared_ptr<fake_connection> state)
      : owner_(owner), state_(std::move(state)) {
    state_->end = this;
  }
  ~channel() override { close(); }

  void set_handler(drivers::channel_handler& told) override { state_->told = &told; }
  void send(std::string_view frame) override {
    if (state_->told == nullptr || state_->over) return;
    owner_.loop_.post([this_owner = &owner_, state = state_, text = std::string{frame}] {
      if (!state->over) this_owner->heard(state, text);
    });
  }
  std::size_t unsent() const noexcept override { return 0; }
  void finish() override { close(); }
  void close() override {
    if (state_->told == nullptr) return;
    state_->told = nullptr;
    state_->over = true;
    fake_process* const of = owner_.find(state_->host, state_->process);
    if (of != nullptr && of->held == state_.get()) of->held = nullptr;
  }
  const std::string& peer() const noexcept override { return state_->host; }

 private:
  fake_agents& owner_;
  std::shared_ptr<fake_connection> state_;
};

fake_agents::~fake_agents() {
  for (const auto& [number, one] : later_) loop_.cancel_timer(one.first);
}

fake_process& fake_agents::add(const std::string& host_name, std::size_t clients,
                               std::size_t servers, const std::string& topic) {
  auto one = std::make_shared<fake_process>();
  one->key = format("%016x", ++keys_);
  one->pid = 100 + keys_;
  one->clients = clients;
  one->servers = servers;
  one->topic = topic;
  hosts_[host_name].processes.push_back(one);
  tell_list(host_name);
  return *one;
}

std::vector<controller::direct_links::place> fake_agents::places() const {
  std::vector<controller::direct_links::place> out;
  for (const auto& [name, one] : hosts_) out.push_back(place(name));
  return out;
}

fake_process* fake_agents::find(const std::string& host_name, const std::string& key) {
  for (const auto& one : hosts_[host_name].processes) {
    if (one->key == key) return one.get();
  }
  return nullptr;
}

controller::direct_links::connector fake_agents::connector() {
  return [this](const drivers::direct_place& to, const std::string& process,
                drivers::channel_handler& told) -> std::unique_ptr<drivers::channel> {
    auto state = std::make_shared<fake_connection>();
    state->told = &told;
    state->host = to.host;
    state->process = process;
    ++opened;
    most_opening = std::max(most_opening, ++opening);
    auto out = std::make_unique<channel>(*this, state);
    after(opening_takes, [this, state] {
      --opening;
      if (state->told == nullptr) return;
      fake_host& at = hosts_[state->host];
      if (!at.down.empty()) return end(state, at.down);
      if (!state->process.empty()) {
        fake_process* const of = find(state->host, state->process);
        if (of == nullptr || !of->up) return end(state, "");
        if (of->refuse > 0) {
          --of->refuse;
          return end(state, "");
        }
        of->connections.push_back(state);
        state->told->on_open(*state->end);
        return;
      }
      at.owners.push_back(state);
      state->told->on_open(*state->end);
      if (at.listens) deliver(state, list_of(state->host));
    });
    return out;
  };
}

void fake_agents::after(drivers::duration time, std::function<void()> what) {
  const std::uint64_t number = ++laters_;
  const auto timer = loop_.start_timer(drivers::steady_clock::now() + time, *this, number);
  later_.emplace(number, std::pair{timer, std::move(what)});
}

void fake_agents::on_timer(std::uint64_t number) {
  const auto at = later_.find(number);
  const auto what = std::move(at->second.second);
  later_.erase(at);
  what();
}

void fake_agents::deliver(const std::shared_ptr<fake_connection>& to, std::string frame) {
  loop_.post([to, text = std::move(frame)] {
    if (to->told != nullptr) to->told->on_frame(*to->end, text);
  });
}

void fake_agents::end(const std::shared_ptr<fake_connection>& which, const std::string& why) {
  which->over = true;
  loop_.post([which, why] {
    drivers::channel_handler* const told = which->told;
    if (told == nullptr) return;
    told->on_closed(*which->end, why.empty() ? error_code{} : error_code{errc::connection_lost},
                    why);
  });
}

std::string fake_agents::list_of(const std::string& host_name) const {
  control::process_list list;
  list.host = host_name;
  list.boot = "boot";
  for (const auto& one : hosts_.at(host_name).processes) {
    if (one->up) list.processes.push_back(one->key);
  }
  std::string args;
  std::string out;
  append_process_list(args, list);
  control::append_direct_command(out, 0, "processes", {}, {}, args);
  return out;
}

void fake_agents::tell_list(const std::string& host_name) {
  for (const auto& one : hosts_[host_name].owners) deliver(one, list_of(host_name));
}

void fake_agents::kill(fake_process& which) {
  which.up = false;
  which.held = nullptr;
  for (const auto& one : which.connections) end(one, "connection reset");
  which.connections.clear();
  for (const auto& [name, one] : hosts_) tell_list(name);
}

void fake_agents::drop_owner(const std::string& host_name) {
  for (const auto& one : std::exchange(hosts_[host_name].owners, {})) end(one, "");
}

void fake_agents::say(fake_process& which, const std::string& frame) {
  for (const auto& one : which.connections) deliver(one, frame);
}

void fake_agents::heard(const std::shared_ptr<fake_connection>& on, const std::string& frame) {
  fake_process* const of = find(on->host, on->process);
  if (of == nullptr || !of->up) return;
  wire::json::reader reader;
  wire::json::value root;
  control::direct_message command;
  std::string why;
  if (reader.parse(frame, root) || !read_direct_message(root, command, why)) return;
  const std::string method{command.method};
  of->heard.push_back(method);
  of->frames.push_back(frame);
  if (of->dies_of.contains(method)) return kill(*of);
  if (of->says.contains(method)) deliver(on, of->says[method]);
  if (of->silent.contains(method)) return;
  if (const auto error = of->errors.find(method); error != of->errors.end()) {
    std::string out;
    control::append_direct_error(out, command.id, error->second);
    return deliver(on, out);
  }
  if (of->answers.contains(method)) {
    std::string text = of->answers[method];
    if (const auto at = text.find("ID"); at != std::string::npos) {
      text.replace(at, 2, std::to_string(command.id));
    }
    return deliver(on, text);
  }
  if (const auto takes = of->takes.find(method); takes != of->takes.end()) {
    const drivers::duration time = takes->second;
    of->takes.erase(takes);
    of->heard.pop_back();
    of->frames.pop_back();
    return after(time, [this, on, frame] { heard(on, frame); });
  }
  do_as_told(*of, on, command);
}

void fake_agents::report(fake_process& by, const std::shared_ptr<fake_connection>& to, bool client,
                         std::uint64_t each, const std::string& run) {
  const agent_kind kind = client ? agent_kind::rpc_client : agent_kind::rpc_server;
  control::result_gatherer merged;
  for (std::size_t i = 0; i < (client ? by.clients : by.servers); ++i) {
    control::results results;
    const std::uint64_t messages = client || i == 0 ? each : 0;
    for (std::uint64_t n = 0; n < messages; ++n) results.add_success(1.0);
    control::result_details details;
    details.run = run;
    details.latency.record(1'000'000, messages);
    if (by.merged) {
      merged.add(by.name_of(client, i), results, details);
      continue;
    }
    std::string args;
    std::string out;
    append_client_result_args(args, by.name_of(client, i), kind, results, &details);
    control::append_direct_command(out, 0, "client_result", kind, by.topic, args);
    deliver(to, out);
  }
  if (merged.agents() == 0) return;
  std::string args;
  std::string out;
  merged.append_args(args, ++by.batches);
  control::append_direct_command(out, 0, "results", kind, by.topic, args);
  deliver(to, out);
}

void fake_agents::do_as_told(fake_process& by, const std::shared_ptr<fake_connection>& to,
                             const control::direct_message& command) {
  std::string result = "null";
  std::string text;
  std::string why;
  const bool clients = command.kind == agent_kind::rpc_client;
  const bool servers = command.kind == agent_kind::rpc_server;
  if (command.method == "hello") {
    control::controller_hello hello;
    if (!read_controller_hello(command.args, hello, why)) return end(to, why);
    by.holder = hello.controller;
    by.merged = hello.merged;
    control::process_hello own;
    own.version = by.version;
    own.program = "fake 1";
    own.process = by.key;
    own.host = to->host;
    own.boot = by.boot;
    own.pid = by.pid;
    own.agents = {static_cast<std::uint32_t>(by.clients), static_cast<std::uint32_t>(by.servers), 0,
                  0};
    own.topics = {by.topic};
    own.topology = "lean";
    own.bus = "amqp://u:secret@bus";  // real ones mask it
    own.capacity = by.capacity;
    own.standby = static_cast<std::uint32_t>(
        by.capacity - std::min<std::size_t>(by.capacity, by.clients + by.servers));
    if (by.capacity > 0) own.capabilities = {"assign"};
    result.clear();
    append_process_hello(result, own);
  } else if (command.method == "client_ping") {
    for (std::size_t i = 0; (clients || servers) && i < (clients ? by.clients : by.servers); ++i) {
      std::string args;
      text.clear();
      append_client_pong_args(args, *command.kind, by.name_of(clients, i), "",
                              {"ignored", by.boot, 0});
      control::append_direct_command(text, 0, "client_pong", command.kind, by.topic, args);
      deliver(to, text);
    }
  } else if (command.method == "hold") {
    control::hold_answer answer;
    answer.held = by.held == nullptr || by.held == to.get();
    answer.by = by.held != nullptr ? "other" : "";
    answer.host = "elsewhere";
    answer.pid = 77;
    answer.since = 1e9;
    if (answer.held) by.held = to.get();
    result.clear();
    append_hold_answer(result, answer);
  } else if (command.method == "release") {
    if (by.held == to.get()) by.held = nullptr;
  } else if (command.method == "start") {
    control::start_request start;
    if (!read_start_request(command.args, start, why)) return end(to, why);
    control::append_direct_result(text, command.id, result);
    deliver(to, text);
    std::string args;
    control::append_started_notice(args, {start.run, start.realtime_ns + by.late});
    text.clear();
    control::append_direct_command(text, 0, "started", {}, {}, args);
    deliver(to, text);
    if (by.messages == 0) return;
    // What calls are to whom is no matter: some server of the topic has them.
    for (auto& [name, one] : hosts_) {
      for (const auto& other : one.processes) {
        if (!other->up || other->servers == 0 || other->topic != by.topic) continue;
        other->received += by.messages * by.clients;
        return report(by, to, true, by.messages, start.run);
      }
    }
    return report(by, to, true, by.messages, start.run);
  } else if (command.method == "clock") {
    const std::int64_t now = agents::uncorrected_now();
    result = format(R"({"boot": "%s", "received": %lld, "replied": %lld})", by.boot.c_str(),
                    static_cast<long long>(now), static_cast<long long>(now));
  } else if (command.method == "shutdown") {
    control::append_direct_result(text, command.id, result);
    deliver(to, text);
    return after({}, [this, which = &by] { kill(*which); });
  }
  if (command.id != 0) {
    control::append_direct_result(text = {}, command.id, result);
    deliver(to, text);
  }
  if (command.method == "get_server_results" && servers) {
    report(by, to, false, std::exchange(by.received, 0), "");
  }
}

}  // namespace ombt::tests
