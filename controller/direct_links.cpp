// SPDX-License-Identifier: Apache-2.0
#include "controller/direct_links.hpp"

#include "wire/oslo/password_mask.hpp"
#include "wire/oslo/transport_url.hpp"

#include "drivers/shared_port.hpp"

#include "controller/session_text.hpp"

#include <algorithm>
#include <unordered_set>
#include <utility>

namespace ombt::controller {
namespace {

namespace control = wire::control;

constexpr std::uint64_t hello_id = 1;
/// From when on a process that is not open is told of.
constexpr auto silent_after = std::chrono::seconds(1);
constexpr std::size_t most_told = 5;  // places that are down, by name
// A place where nobody listens is tried again so often, and so long: where nothing shows that a
// process has its port, and where one has.
constexpr auto takeover_gap = std::chrono::milliseconds(20);
constexpr auto takeover_patience = std::chrono::milliseconds(100);
constexpr auto takeover_limit = std::chrono::seconds(3);
static_assert(direct_links::first_id > hello_id);

std::string words(error_code error, std::string_view detail) {
  if (!detail.empty()) return wire::oslo::printable(detail);
  return error ? error.message() : "the connection was closed";
}

}  // namespace

/// A connection that is opened when it is its turn, and has so long to say something.
class direct_links::link : protected drivers::channel_handler, protected drivers::timer_target {
 public:
  explicit link(direct_links& owner) : owner_(owner) {}
  virtual ~link() { stop_timer(); }
  link(const link&) = delete;
  link& operator=(const link&) = delete;

  /// False if it is not wanted any more.
  virtual bool wanted() const = 0;
  void open() {
    busy_ = true;
    failed_ = {};
    ++owner_.opening_;
    start_timer(answer_limit);
    channel_ = connect();
  }

 protected:
  virtual std::unique_ptr<drivers::channel> connect() = 0;
  /// It did not come open, or did not say in time what it must, or is over.
  virtual void ended(std::string why) = 0;
  virtual void on_pause_over() = 0;

  /// It is open, or has failed to be: another one's turn.
  void opened() {
    stop_timer();
    if (!std::exchange(busy_, false)) return;
    --owner_.opening_;
    owner_.open_next();
  }
  void pause(duration time) { start_timer(time); }
  void close() {
    channel_.reset();
    opened();
  }
  void send(std::string_view frame) {
    if (channel_) channel_->send(frame);
  }

  void on_closed(drivers::channel&, error_code error, std::string_view detail) final {
    std::string why = words(error, detail);  // detail may be the channel's
    failed_ = error;
    close();
    ended(std::move(why));
  }
  void on_timer(std::uint64_t) final {
    timer_ = 0;
    if (!busy_) return on_pause_over();
    close();
    ended("no answer within " +
          std::to_string(std::chrono::duration_cast<std::chrono::seconds>(answer_limit).count()) +
          " s");
  }

  direct_links& owner_;
  error_code failed_;  ///< why it was closed last

 private:
  void start_timer(duration time) {
    stop_timer();
    timer_ = owner_.loop_.start_timer(clock::now() + time, *this, 0);
  }
  void stop_timer() {
    if (timer_ != 0) owner_.loop_.cancel_timer(std::exchange(timer_, 0));
  }

  std::unique_ptr<drivers::channel> channel_;
  drivers::loop::timer_id timer_ = 0;
  bool busy_ = false;  ///< it is being opened
};

class direct_links::owner_link final : public link {
 public:
  owner_link(direct_links& owner, std::size_t number, place where)
      : link(owner), number_(number), where_(std::move(where)) {}

  bool wanted() const override { return true; }
  const place& where() const noexcept { return where_; }
  const control::process_list& list() const noexcept { return list_; }
  bool lists(const std::string& key) const { return keys_.contains(key); }
  bool answered() const noexcept { return answered_; }
  const std::string& why() const noexcept { return why_; }

 private:
  std::unique_ptr<drivers::channel> connect() override {
    if (begun_ == time_point{}) begun_ = last_seen_ = drivers::steady_clock::now();
    return owner_.connect_(where_.at, {}, *this);
  }

  void on_open(drivers::channel&) override { was_open_ = true; }

  void on_frame(drivers::channel&, std::string_view frame) override {
    wire::json::value root;
    control::direct_message message;
    control::process_list list;
    std::string why;
    if (owner_.reader_.parse(frame, root) || !read_direct_message(root, message, why) ||
        message.method != "processes" || !read_process_list(message.args, list, why)) {
      close();
      return ended("what it says of its processes cannot be read" +
                   (why.empty() ? "" : ": " + wire::oslo::printable(why)));
    }
    list_ = std::move(list);
    keys_ = {list_.processes.begin(), list_.processes.end()};
    answered_ = true;
    why_.clear();
    opened();
    owner_.list_came(number_);
    tried();
  }

  void ended(std::string why) override {
    why_ = std::move(why);
    if (std::exchange(was_open_, false)) last_seen_ = drivers::steady_clock::now();
    if (vanished()) {
      const auto use = use_of_port();
      if (!tried_ && changes_hands(use)) return pause(takeover_gap);
      if (use == drivers::port_use::owned) why_ += " (a process has its lock, and does not answer)";
    }
    pause(retry_gap);
    tried();
  }

  /// Nobody listens, or no more.
  bool vanished() const {
    namespace system = boost::system::errc;
    return failed_ == errc::connection_lost || failed_ == system::connection_refused ||
           failed_ == system::connection_reset || failed_ == system::broken_pipe ||
           failed_ == system::no_such_file_or_directory;
  }

  /// Of a port over TCP nothing is known.
  drivers::port_use use_of_port() const {
    return where_.at.host.empty() ? drivers::port_use_of(where_.at.socket)
                                  : drivers::port_use::free;
  }

  /// Whether another process may be about to listen, since the last has just left or was killed.
  bool changes_hands(drivers::port_use use) const {
    const time_point now = drivers::steady_clock::now();
    if (use == drivers::port_use::never || now - begun_ >= takeover_limit) return false;
    return use == drivers::port_use::owned || now - last_seen_ < takeover_patience;
  }

  void on_pause_over() override { owner_.wait_to_open(*this); }

  void tried() {
    if (!std::exchange(tried_, true)) --owner_.untried_;
    owner_.look_if_settled();
  }

  std::size_t number_;
  place where_;
  control::process_list list_;
  std::unordered_set<std::string> keys_;
  std::string why_;
  bool tried_ = false;
  bool answered_ = false;   ///< it has told a list, once
  time_point begun_{};      ///< when it was tried first
  time_point last_seen_{};  ///< the end of the last that was open, if there was any
  bool was_open_ = false;
};

class direct_links::process_link final : public link {
 public:
  enum class state : std::uint8_t { waiting, opening, greeting, open, lost };

  process_link(direct_links& owner, process_number number, std::size_t place, std::string key)
      : link(owner), number_(number), place_(place) {
    hello_.process = std::move(key);
  }

  bool wanted() const override { return state_ == state::waiting; }
  bool is_open() const noexcept { return state_ == state::open; }
  bool is_lost() const noexcept { return state_ == state::lost; }
  bool is_silent() const {
    if (is_open() || is_lost() || tries_ == 0) return false;
    return tries_ > 1 || drivers::steady_clock::now() - tried_ > silent_after;
  }
  const control::process_hello& hello() const noexcept { return hello_; }
  std::size_t place() const noexcept { return place_; }
  using link::send;

 private:
  std::unique_ptr<drivers::channel> connect() override {
    state_ = state::opening;
    ++tries_;
    tried_ = drivers::steady_clock::now();
    return owner_.connect_(owner_.places_[place_]->where().at, hello_.process, *this);
  }

  void on_open(drivers::channel&) override {
    if (state_ != state::opening) return;
    state_ = state::greeting;
    send(owner_.hello_);
  }

  void on_frame(drivers::channel&, std::string_view frame) override {
    wire::json::value root;
    control::direct_message message;
    std::string why;
    if (owner_.reader_.parse(frame, root)) why = "no JSON";
    if (!why.empty() || !read_direct_message(root, message, why)) {
      close();
      return ended("it sent what cannot be read: " + wire::oslo::printable(why));
    }
    if (state_ == state::open) {
      if (message.method == "roles") return changed(message);
      if (owner_.user_ != nullptr) owner_.user_->on_message(number_, message);
      return;
    }
    if (state_ == state::greeting) greeted(message);
  }

  void greeted(const control::direct_message& answer) {
    if (!answer.method.empty() || answer.id != hello_id) return;
    const std::string why = answer.result ? take_hello(answer.result) : std::string{answer.error};
    if (!why.empty()) return refuse(wire::oslo::printable(why));
    state_ = state::open;
    opened();
    if (owner_.user_ != nullptr) owner_.user_->on_open(number_);
    settle();
  }

  /// What a process says that it is; or why that can't be.
  std::string take_hello(wire::json::value from) {
    control::process_hello told;
    std::string why;
    if (!read_process_hello(from, told, why)) return why;
    if (told.process != hello_.process) return "it is process " + told.process;
    told.bus = wire::oslo::mask_passwords(told.bus);  // whatever it says
    hello_ = std::move(told);
    return {};
  }

  void changed(const control::direct_message& notice) {
    if (const std::string why = take_hello(notice.args); !why.empty()) {
      close();
      return ended("its roles cannot be read: " + wire::oslo::printable(why));
    }
    if (owner_.user_ != nullptr) owner_.user_->on_changed(number_);
  }

  void refuse(const std::string& why) {
    state_ = state::lost;
    close();
    if (owner_.user_ != nullptr) {
      owner_.user_->on_refused(owner_.name_of(number_) + " cannot be talked to: " + why);
    }
    settle();
  }

  void ended(std::string why) override {
    if (state_ == state::open) {
      state_ = state::lost;
      if (owner_.user_ != nullptr) {
        owner_.user_->on_lost(number_, owner_.name_of(number_) + " is gone (" + why + ')');
      }
      return;
    }
    if (state_ == state::lost) return;
    // One that has just ended is not told of for long.
    state_ = state::waiting;
    if (tries_ >= tries) return refuse(why);
    pause(retry_gap / 2);
  }

  void on_pause_over() override {
    if (owner_.places_[place_]->lists(hello_.process)) return owner_.wait_to_open(*this);
    state_ = state::lost;
    settle();
  }

  void settle() {
    --owner_.unsettled_;
    owner_.look_if_settled();
  }

  process_number number_;
  std::size_t place_;
  control::process_hello hello_;  ///< until it is open: its key
  state state_ = state::waiting;
  int tries_ = 0;
  drivers::time_point tried_{};  ///< the last time
};

direct_links::direct_links(drivers::loop& on, std::vector<place> places, connector connect,
                           control::controller_hello own)
    : loop_(on), connect_(std::move(connect)), untried_(places.size()) {
  std::string args;
  append_controller_hello(args, own);
  control::append_direct_command(hello_, hello_id, "hello", {}, {}, args);
  for (place& where : places) {
    places_.push_back(std::make_unique<owner_link>(*this, places_.size(), std::move(where)));
  }
}

direct_links::~direct_links() { user_ = nullptr; }

void direct_links::serve(user* whom) {
  user_ = whom;
  if (user_ == nullptr) return;
  if (!std::exchange(begun_, true)) {
    for (const auto& one : places_) waiting_.push_back(one.get());
    open_next();
  }
}

void direct_links::take_new(bool yes) {
  taking_ = yes;
  if (!yes) return;
  std::erase_if(number_of_,
                [this](const auto& known) { return processes_[known.second - 1]->is_lost(); });
  for (std::size_t i = 0; i < places_.size(); ++i) list_came(i);
}

void direct_links::wait_to_open(link& which) {
  waiting_.push_back(&which);
  open_next();
}

void direct_links::open_next() {
  while (opening_ < at_once && !waiting_.empty()) {
    link& next = *waiting_.front();
    waiting_.pop_front();
    if (next.wanted()) next.open();
  }
}

void direct_links::list_came(std::size_t at) {
  if (!taking_) return;
  for (const std::string& key : places_[at]->list().processes) take(at, key);
}

void direct_links::take(std::size_t at, const std::string& key) {
  if (processes_.size() >= process_limit) return;
  const auto number = static_cast<process_number>(processes_.size() + 1);
  if (!number_of_.try_emplace(key, number).second) return;
  processes_.push_back(std::make_unique<process_link>(*this, number, at, key));
  ++unsettled_;
  wait_to_open(*processes_.back());
}

void direct_links::look_if_settled() {
  if (user_ != nullptr && settled()) user_->on_settled();
}

bool direct_links::is_open(process_number which) const noexcept {
  return which > 0 && which <= processes_.size() && processes_[which - 1]->is_open();
}

const control::process_hello& direct_links::hello(process_number which) const {
  return processes_.at(which - 1)->hello();
}

process_number direct_links::find(std::string_view key) const {
  const auto known = number_of_.find(std::string{key});
  return known != number_of_.end() && is_open(known->second) ? known->second : over_the_bus;
}

std::string direct_links::name_of(process_number which) const {
  const process_link& one = *processes_.at(which - 1);
  const control::process_hello& told = one.hello();
  if (told.pid > 0 && !told.host.empty()) {
    return process_text(told);
  }
  return "process " + told.process + " at " + places_[one.place()]->where().name;
}

void direct_links::send(process_number to, std::string_view frame) {
  if (is_open(to)) processes_[to - 1]->send(frame);
}

std::string direct_links::not_answering(const std::set<process_number>& which) const {
  if (which.empty()) return {};
  std::string out = name_of(*which.begin());
  if (which.size() > 1) out += " and " + std::to_string(which.size() - 1) + " more";
  return out + (which.size() > 1 ? " do not answer" : " does not answer");
}

std::string direct_links::silent() const {
  std::set<process_number> which;
  for (std::size_t i = 0; i < processes_.size(); ++i) {
    if (processes_[i]->is_silent()) which.insert(static_cast<process_number>(i + 1));
  }
  return not_answering(which);
}

std::string direct_links::down() const {
  std::string out;
  std::size_t count = 0;
  for (const auto& one : places_) {
    if (one->answered() || one->why().empty() || ++count > most_told) continue;
    if (!out.empty()) out += "; ";
    out += one->where().name + ": " + one->why();
  }
  if (count > most_told) out += "; and " + std::to_string(count - most_told) + " more";
  return out;
}

}  // namespace ombt::controller
