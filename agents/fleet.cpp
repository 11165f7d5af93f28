// SPDX-License-Identifier: Apache-2.0
#include "agents/fleet.hpp"

#include "wire/configuration_error.hpp"
#include "wire/oslo/transport_url.hpp"

#include "agents/control/local_path.hpp"
#include "agents/figures_sum.hpp"
#include "agents/fleet_impl.hpp"
#include "agents/load/random.hpp"

#include <algorithm>
#include <utility>

namespace ombt::agents {

namespace control = wire::control;
using control::agent_kind;

namespace {

/// What the ledgers of a process's receivers may take.
constexpr std::size_t ledger_bytes = std::size_t{512} << 20;

/// What control has to leave, after the agents.
constexpr drivers::duration control_close_limit = std::chrono::seconds{2};
/// How long threads have to say what their agents wait for.
constexpr drivers::duration answer_limit = std::chrono::milliseconds{300};
/// While a run goes on, its controller is asked this often whether it is there.
constexpr drivers::duration controller_check_gap = std::chrono::seconds{5};
/// This much later even the loops that do not answer are stopped.
constexpr drivers::duration stop_patience = std::chrono::seconds{5};
/// How often the buses are looked at, to say that one comes or goes.
constexpr drivers::duration look_gap = std::chrono::milliseconds{500};
/// How often a caller that waits is told how many agents are ready.
constexpr drivers::duration progress_gap = std::chrono::milliseconds{200};

/// What there is to say of a bus that nothing went wrong with; none: the port that is shared.
std::string silence_of(const std::shared_ptr<const drivers::transport_settings>& bus) {
  if (!bus) return "the port of this machine's agents is not joined";
  return bus->messaging.url.masked() + " has not answered";
}

}  // namespace

drivers::duration close_limit_for(std::size_t agents) {
  return std::min<drivers::duration>(
      std::chrono::seconds{5} + std::chrono::milliseconds{4} * static_cast<std::int64_t>(agents),
      std::chrono::seconds{60});
}

fleet::impl::impl(fleet_plan plan, transport_factory make_transport, port_factory join)
    : plan_(std::move(plan)),
      make_transport_(std::move(make_transport)),
      join_(std::move(join)),
      close_limit_(close_limit_for(plan_.agents.size())) {
  // Drivers refuse what they cannot honour when a transport is made.
  drivers::loop trial;
  make_transport_(trial, plan_.bus);
  if (plan_.control_bus) make_transport_(trial, plan_.control_bus);
  if (plan_.options.standby == 0) return;
  control_.on_assign(
      [this](const control::assign_request& asked, std::function<void(std::string)> done) {
        assign(asked, std::move(done));
      },
      [this] { begin_stop(); });
}

std::shared_ptr<const worker_settings> fleet::impl::settings_of(const fleet_plan& roles) {
  auto out = std::make_shared<worker_settings>();
  out->ledger_bytes = ledger_bytes / plan_.threads();
  out->figures = !plan_.options.metrics.empty();
  out->make_transport = [this, bus = roles.bus](drivers::loop& loop) {
    return make_transport_(loop, bus);
  };
  out->timeout = plan_.timeout;
  for (const std::string& topic : roles.topics) {
    out->topics.push_back(test_places_of(roles, topic));
  }
  return out;
}

void fleet::impl::end_threads() {
  stop();
  for (const auto& t : threads_) {
    if (t->thread.joinable()) t->thread.join();
  }
}

fleet::impl::~impl() {
  control_.drop();
  // Agents go before the loops that their timers and connections are on.
  for (const auto& t : threads_) t->agents.reset();
}

void fleet::impl::make_threads() {
  const auto settings = settings_of(plan_);
  for (std::size_t i = 0; i < plan_.threads(); ++i) {
    io_thread& made = *threads_.emplace_back(std::make_unique<io_thread>());
    made.number = static_cast<std::uint32_t>(i);
    make_agents(made, plan_, settings);
  }
}

void fleet::impl::make_agents(io_thread& on, const fleet_plan& roles,
                              const std::shared_ptr<const worker_settings>& settings) {
  on.agents.reset();  // it has had the settings before
  on.settings = settings;
  on.agents = std::make_unique<worker>(on.loop, *settings, *this, on.number);
  std::array<std::size_t, control::agent_kinds.size()> total{};
  std::array<std::size_t, control::agent_kinds.size()> place{};
  for (const agent_description& agent : roles.agents) ++total[static_cast<std::size_t>(agent.kind)];
  for (std::size_t i = 0; i < roles.agents.size(); ++i) {
    const agent_description& agent = roles.agents[i];
    const auto kind = static_cast<std::size_t>(agent.kind);
    const std::size_t among_kind = place[kind]++;
    if (roles.thread_of(i) != on.number) continue;
    const double phase = phase_of(roles.group({agent.kind}).control_name, among_kind, total[kind]);
    on.agents->add(agent, static_cast<std::uint32_t>(i), files_.of(i),
                   !files_.own() && roles.agents.size() > 1, phase);
  }
}

void fleet::impl::start(bool handle_signals) {
  make_threads();
  control_.connect(
      first(), [this] { return make_transport_(first(), plan_.control_bus); }, join_);
  ready_wanted_ = plan_.agents.size() + control_.carriers();
  change_state(state::starting);
  if (handle_signals) first().on_termination([this](int) { begin_stop(); });
  timers_[ready_deadline] =
      first().start_timer(drivers::steady_clock::now() + plan_.ready_within, *this, ready_deadline);
  if (note_)
    timers_[look] = first().start_timer(drivers::steady_clock::now() + look_gap, *this, look);
  first().post([this] { control_.start(); });
  everywhere([](worker& w) { w.start(); });
  for (const auto& t : threads_) {
    t->thread = std::thread([&loop = t->loop] { loop.run(); });
  }
}

void fleet::impl::change_state(state to) {
  const std::lock_guard lock(mutex_);
  state_ = to;
  if (to == state::ready) was_ready_ = true;
  changed_.notify_all();
}

bool fleet::impl::wait_ready(const std::function<void(std::size_t)>& told) {
  std::unique_lock lock(mutex_);
  while (!changed_.wait_for(lock, progress_gap, [this] { return state_ > state::starting; })) {
    if (!told) continue;
    lock.unlock();
    told(ready_agents_);
    lock.lock();
  }
  return was_ready_ && failure_.empty();
}

bool fleet::impl::wait() {
  std::unique_lock lock(mutex_);
  changed_.wait(lock, [this] { return state_ == state::stopped || state_ == state::made; });
  return failure_.empty();
}

void fleet::impl::stop() {
  if (threads_.empty()) return;
  first().post([this] { begin_stop(); });
}

std::string fleet::impl::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

std::string fleet::impl::control_trouble() const {
  const std::lock_guard lock(mutex_);
  return control_trouble_;
}

std::string fleet::impl::counted() const {
  const std::lock_guard lock(mutex_);
  return in_words(links_);
}

std::string fleet::impl::lost_output() const { return files_.trouble(); }

void fleet::impl::figures(std::function<void(const control::process_figures&)> done) {
  const auto sum = std::make_shared<figures_sum>(threads_.size(), std::move(done));
  for (const auto& t : threads_) {
    t->loop.post([&thread = *t, sum] { sum->add(thread.figures()); });
  }
}

void fleet::impl::agent_ready(std::uint32_t) {
  ++ready_agents_;
  first().post([this] { one_ready(); });
}

void fleet::impl::agent_failed(std::uint32_t number, std::string why) {
  first().post([this, number, why = std::move(why)] {
    if (change_ == change::closing) return;
    const agent_description& agent = roles_->agents[number];
    const std::string whose = std::string(words(agent.kind)) + ' ' + agent.name + ": " + why;
    change_ == change::making ? change_failed(whose) : fail(whose);
  });
}

void fleet::impl::run_done(agent_kind kind, std::uint32_t number, report figures) {
  first().post([this, kind, number, held = std::make_shared<report>(std::move(figures))] {
    if (change_ != change::none) return;
    const agent_description& agent = roles_->agents[number];
    control_.commands(agent.topic).run_done(kind, agent.name, std::move(*held));
    note_control_trouble();
  });
}

void fleet::impl::collected(std::uint64_t ticket, std::uint32_t number, report figures) {
  first().post([this, ticket, number, held = std::make_shared<report>(std::move(figures))] {
    if (change_ != change::none) return;
    const agent_description& agent = roles_->agents[number];
    control_.commands(agent.topic).collected(ticket, agent.name, std::move(*held));
  });
}

std::vector<std::string> fleet::impl::names(addressee of) const {
  std::vector<std::string> found;
  if (!has(of)) return found;
  for (const std::uint32_t number : roles_->group(of).agents) {
    found.push_back(roles_->agents[number].name);
  }
  return found;
}

std::size_t fleet::impl::count(addressee of) const {
  return has(of) ? roles_->group(of).agents.size() : 0;
}

void fleet::impl::start_run(addressee of, std::shared_ptr<const test_plan> plan) {
  everywhere([of, plan](worker& w) { w.run(of, plan); });
  if (timers_[controller_check] == 0) check_controllers_later();
}

void fleet::impl::check_controllers_later() {
  timers_[controller_check] = first().start_timer(
      drivers::steady_clock::now() + controller_check_gap, *this, controller_check);
}

void fleet::impl::cancel_run(addressee of) {
  everywhere([of](worker& w) { w.cancel_run(of); });
}

void fleet::impl::collect(addressee from, const std::string& controller, std::uint64_t ticket) {
  everywhere([from, controller, ticket](worker& w) { w.collect(from, controller, ticket); });
}

void fleet::impl::leave(addressee who) {
  if (!has(who)) return;
  left_.insert(who);
  everywhere([who, limit = close_limit_](worker& w) { w.leave(who, limit); });
  const auto groups = std::count_if(roles_->groups.begin(), roles_->groups.end(),
                                    [](const agent_group& g) { return !g.agents.empty(); });
  if (left_.size() == static_cast<std::size_t>(groups)) begin_stop();
}

void fleet::impl::carrier_ready() { one_ready(); }

void fleet::impl::carrier_failed(std::string why) { fail(control_name() + ": " + why); }

void fleet::impl::one_ready() {
  if (change_ == change::closing || --ready_wanted_ > 0) return;
  if (change_ == change::making) return end_change();
  if (state_ != state::starting) return;
  first().cancel_timer(timers_[ready_deadline]);
  if (const auto limit = plan_.options.idle_exit; limit && control_.carriers() > 0) {
    idle_.emplace(
        first(), seconds_of(*limit), [this] { return control_.last_heard(); },
        [this] { begin_stop(); });
  }
  change_state(state::ready);
}

void fleet::impl::on_timer(std::uint64_t which) {
  if (which == stop_deadline) {
    all_stopped();
    return;
  }
  if (which == controller_check) {
    timers_[controller_check] = 0;
    if (!control_.running()) return;
    control_.check_controllers();
    check_controllers_later();
    return;
  }
  if (which == look) return look_at_the_buses();
  if (state_ != state::starting && change_ != change::making) return;
  if (which == ready_deadline) {
    // The agents say what they wait for; should they all be ready, it is the control bus.
    everywhere([why = silence_of(roles_->bus)](worker& w) { w.fail_unready(why); });
    timers_[ready_grace] =
        first().start_timer(drivers::steady_clock::now() + answer_limit, *this, ready_grace);
    return;
  }
  if (change_ == change::making) return change_failed(silence_of(roles_->bus));
  std::string why = silence_of(plan_.control_bus);
  if (std::string trouble = control_.last_trouble(); !trouble.empty()) why = std::move(trouble);
  fail(control_name() + ": not ready in time: " + why);
}

/// The agents of the first thread stand for all: each bus is the same for everybody.
void fleet::impl::look_at_the_buses() {
  if (state_ >= state::stopping) return;
  const std::string agents = threads_.front()->agents->trouble();
  const std::string control = control_.deaf_because();
  if (plan_.control_bus &&
      plan_.control_bus->messaging.url.masked() != roles_->bus->messaging.url.masked()) {
    look_at("the bus", agents, bus_lost_);
    look_at("the control bus", control, control_lost_);
  } else {
    look_at("the bus", control.empty() ? agents : control, bus_lost_);
  }
  timers_[look] = first().start_timer(drivers::steady_clock::now() + look_gap, *this, look);
}

void fleet::impl::look_at(const char* bus, const std::string& trouble, bool& lost) {
  if (trouble.empty() != lost) return;
  lost = !lost;
  note_(lost ? "no contact with " + std::string(bus) +
                   ", trying again: " + wire::oslo::mask_passwords(trouble)
             : "in contact with " + std::string(bus));
}

void fleet::impl::fail(const std::string& why) {
  if (state_ >= state::stopping) return;
  {
    const std::lock_guard lock(mutex_);
    if (failure_.empty()) failure_ = wire::oslo::mask_passwords(why);
  }
  begin_stop();
}

void fleet::impl::begin_stop() {
  if (state_ >= state::stopping) return;
  note_control_trouble();
  change_state(state::stopping);
  drop_changes();
  timers_[stop_deadline] = first().start_timer(
      drivers::steady_clock::now() + close_limit_ + control_close_limit + stop_patience, *this,
      stop_deadline);
  closing_ = threads_.size();
  for (const auto& t : threads_) {
    t->loop.post([this, &thread = *t, limit = close_limit_] {
      thread.agents->stop(limit, [this, &thread] {
        first().post([this, links = thread.links()] { agents_stopped(links); });
      });
    });
  }
}

void fleet::impl::agents_stopped(const control::link_counts& links) {
  {
    const std::lock_guard lock(mutex_);
    links_.merge(links);
  }
  if (--closing_ > 0) return;
  control_.stop(control_close_limit, [this] { all_stopped(); });
}

void fleet::impl::all_stopped() {
  if (state_ == state::stopped) return;
  for (const auto t : timers_) first().cancel_timer(t);
  idle_.reset();
  for (const auto& t : threads_) t->loop.stop();
  change_state(state::stopped);
}

void fleet::impl::note_control_trouble() {
  const std::string text = control_.counted();
  if (text.empty()) return;
  const std::lock_guard lock(mutex_);
  control_trouble_ = wire::oslo::mask_passwords(text);
}

std::vector<agent_report> fleet::impl::gather(
    agent_kind kind,
    const std::function<void(coordinator& topic, std::shared_ptr<answer_path>)>& ask) {
  struct gathered {
    std::vector<agent_report> reports;
    std::size_t wanted = 0;
  };
  const auto all = std::make_shared<gathered>();
  for (const agent_description& agent : plan_.agents) all->wanted += agent.kind == kind ? 1 : 0;
  if (all->wanted == 0 || threads_.empty()) return {};
  const auto path =
      std::make_shared<local_path>([this, all, kind](const std::string& name, report figures) {
        const std::lock_guard lock(mutex_);
        all->reports.push_back({{kind, name}, std::move(figures)});
        changed_.notify_all();
      });
  first().post([this, ask, path] {
    for (std::uint32_t i = 0; i < plan_.topics.size(); ++i) ask(control_.commands(i), path);
  });
  std::unique_lock lock(mutex_);
  changed_.wait(lock,
                [&] { return all->reports.size() >= all->wanted || state_ >= state::stopping; });
  if (all->reports.size() < all->wanted) return {};
  return std::move(all->reports);
}

fleet::fleet(fleet_plan plan) : fleet(std::move(plan), &drivers::transport::make) {}
fleet::fleet(fleet_plan plan, transport_factory make_transport, port_factory join)
    : impl_(std::make_unique<impl>(std::move(plan), std::move(make_transport), std::move(join))) {}
fleet::~fleet() { impl_->end_threads(); }

const fleet_plan& fleet::plan() const noexcept { return impl_->plan(); }
void fleet::on_note(std::function<void(const std::string&)> note) {
  impl_->on_note(std::move(note));
}
void fleet::start(bool handle_signals) { impl_->start(handle_signals); }
bool fleet::wait_ready(const std::function<void(std::size_t ready)>& told) {
  return impl_->wait_ready(told);
}
bool fleet::wait() { return impl_->wait(); }
void fleet::stop() { impl_->stop(); }
std::string fleet::failure() const { return impl_->failure(); }
std::string fleet::control_trouble() const { return impl_->control_trouble(); }
std::string fleet::counted() const { return impl_->counted(); }
std::string fleet::lost_output() const { return impl_->lost_output(); }
void fleet::figures(std::function<void(const control::process_figures&)> done) {
  impl_->figures(std::move(done));
}

std::vector<agent_report> fleet::run_test(control::test_kind test,
                                          const control::test_parameters& parameters) {
  control::run_test_request request;
  request.test = test;
  request.parameters = parameters;
  const agent_kind kind = control::client_kind(test);
  return impl_->gather(kind,
                       [kind, request](coordinator& topic, std::shared_ptr<answer_path> path) {
                         topic.on_run(kind, request, std::move(path));
                       });
}

std::vector<agent_report> fleet::collect(agent_kind kind) {
  return impl_->gather(kind, [kind](coordinator& topic, std::shared_ptr<answer_path> path) {
    topic.on_collect(kind, std::move(path));
  });
}

}  // namespace ombt::agents
