// SPDX-License-Identifier: Apache-2.0
#include "drivers/shared_port.hpp"

#include "wire/configuration_error.hpp"
#include "wire/control/direct_address.hpp"

#include "drivers/direct/jitter.hpp"
#include "drivers/direct/membership.hpp"
#include "drivers/direct/port_lock.hpp"
#include "drivers/direct/port_owner.hpp"
#include "drivers/direct/reception.hpp"
#include "drivers/io/context.hpp"
#include "drivers/io/peer.hpp"

#include <boost/asio/error.hpp>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <sys/stat.h>
#include <unistd.h>
#include <utility>

namespace ombt::drivers {
namespace {

/// How long a first start waits for an owner that has the lock and does not answer.
constexpr auto patience = std::chrono::seconds(30);
/// How long a port may still be taken that was ours a moment ago.
constexpr auto port_patience = std::chrono::seconds(2);

std::string lock_of(const std::string& socket) { return socket + ".lock"; }

}  // namespace

std::string runtime_folder() {
  const char* const named = std::getenv("OMBT_RUNTIME_DIR");
  const std::string folder = named != nullptr && *named != '\0'
                                 ? std::string(named)
                                 : "/tmp/ombt-" + std::to_string(::geteuid());
  const auto refuse = [&](const std::string& why) {
    throw configuration_error("the folder of local sockets '" + folder + "': " + why +
                              " (OMBT_RUNTIME_DIR names another)");
  };
  // One that is relative names another folder for each that works elsewhere.
  if (folder.front() != '/') refuse("it is no absolute path");
  if (::mkdir(folder.c_str(), 0700) != 0 && errno != EEXIST) refuse(std::strerror(errno));
  struct stat what {};
  if (::lstat(folder.c_str(), &what) != 0) refuse(std::strerror(errno));
  if (!S_ISDIR(what.st_mode)) refuse("it is not a folder");
  if (what.st_uid != ::geteuid()) refuse("it is another user's");
  const bool for_all = (what.st_mode & S_ISVTX) != 0;  // such as /tmp, which is to stay so
  if ((what.st_mode & 077) != 0) {
    refuse(for_all ? "it is open to others, and for all to use"
                   : "it is open to others: chmod 700 " + folder);
  }
  return folder;
}

std::string local_socket_of(std::uint16_t port) {
  std::string socket = runtime_folder() + '/' + std::to_string(port) + ".sock";
  if (socket.size() > wire::control::socket_path_limit) {
    throw configuration_error("the path of a local socket is longer than " +
                              std::to_string(wire::control::socket_path_limit) + " bytes: '" +
                              socket + "' (OMBT_RUNTIME_DIR names its folder)");
  }
  return socket;
}

port_use port_use_of(const std::string& local_socket) {
  return direct::port_lock(lock_of(local_socket)).use();
}

struct shared_port::state final : std::enable_shared_from_this<state>, private timer_target {
  enum class phase { joining, member, owner, failed, left };

  state(loop& on, settings its, events its_told)
      : context(on.context()),
        what(std::move(its)),
        told(std::move(its_told)),
        lock(lock_of(what.socket)) {}
  ~state() { leave(); }

  void start() {
    received = std::make_shared<direct::reception>(context, what.secret, opening_limit, what.limits,
                                                   [weak = weak_from_this()] {
                                                     if (const auto self = weak.lock())
                                                       self->resume();
                                                   });
    give_up = steady_clock::now() + patience;
    again(duration::zero());
  }

  void again(duration after) {
    at = phase::joining;
    context.cancel_timer(timer);
    timer = context.start_timer(steady_clock::now() + after, *this, 0);
  }

  void on_timer(std::uint64_t) override {
    timer = 0;
    const auto keep = shared_from_this();
    try {
      lock.take() ? own() : join();
    } catch (const configuration_error& e) {
      fail(e.what());
    }
  }

  /// A handler that does nothing once the port is gone.
  template <class Function>
  auto if_there(Function function) {
    return [weak = weak_from_this(), function](auto&&... given) {
      if (const auto self = weak.lock()) function(*self, std::forward<decltype(given)>(given)...);
    };
  }

  // --- Owner ----------------------------------------------------------------------------------

  void own() {
    const auto made = std::make_shared<direct::port_owner>(
        context, what, received,
        if_there([](state& self, std::unique_ptr<channel> by) { self.take(std::move(by)); }));
    // One that was killed leaves its socket, and maybe the kernel has not closed its port yet.
    const bool was_ours = was_member || ::access(what.socket.c_str(), F_OK) == 0;
    std::uint16_t port = 0;
    try {
      port = made->listen(was_member || lock.had_owners());
    } catch (const io::listen_error& e) {
      made->close();
      if (e.code != io::asio::error::address_in_use) throw;
      if (first_taken == time_point{}) first_taken = steady_clock::now();
      if (was_ours && steady_clock::now() - first_taken < port_patience) {
        return again(direct::jitter());
      }
      throw configuration_error(std::string(e.what()) +
                                ": another program or user has it; choose another port (--listen)");
    }
    first_taken = {};
    member.reset();
    owner = made;
    at = phase::owner;
    reached(port);
  }

  // --- Member ---------------------------------------------------------------------------------

  void join() {
    direct::membership::events its;
    its.registered = if_there([](state& self) {
      self.at = phase::member;
      self.was_member = true;
      self.reached(self.what.tcp ? self.what.port : 0);
    });
    its.lost = if_there([](state& self) {
      // At once, if it was the owner that ended.
      self.at == phase::member ? self.again(duration::zero()) : self.retry();
    });
    its.has_room = [received_ = received] { return received_->pending().has_room(); };
    its.taken = if_there(
        [](state& self, std::unique_ptr<io::stream> from) { self.take_passed(std::move(from)); });
    member = std::make_shared<direct::membership>(context, std::move(its));
    const error_code error = member->start(what.socket, what.process);
    if (!error) return;
    member.reset();
    if (error == io::asio::error::no_permission) {
      throw configuration_error("another user's process listens at '" + what.socket + "'");
    }
    if (error == io::asio::error::name_too_long) {
      throw configuration_error("the path of a socket is too long: '" + what.socket + "'");
    }
    retry();
  }

  /// The owner is not there yet, is just gone, or too many come at once.
  void retry() {
    if (ever_joined || steady_clock::now() < give_up) return again(direct::jitter());
    fail("another process has '" + lock.file() + "', but takes nobody in at '" + what.socket + "'");
  }

  // --- Both -----------------------------------------------------------------------------------

  void take_passed(std::unique_ptr<io::stream> from) {
    std::string peer = io::name_of_peer(*from);
    received->take(
        std::move(from), std::move(peer),
        if_there([](state& self, std::unique_ptr<channel> by) { self.take(std::move(by)); }));
  }

  void take(std::unique_ptr<channel> by) {
    // The port may be destroyed in any event.
    if (const auto taken = told.taken) taken(std::move(by));
  }

  void resume() {
    if (owner) owner->resume();
    if (member) member->resume();
  }

  void reached(std::uint16_t port) {
    if (std::exchange(ever_joined, true)) return;
    if (const auto joined = told.joined) joined(port);
  }

  void fail(std::string why) {
    const auto failed = told.failed;
    leave();
    at = phase::failed;
    if (failed) failed(std::move(why));
  }

  void leave() {
    at = phase::left;
    told = {};
    context.cancel_timer(std::exchange(timer, 0));
    if (received) received->close();
    if (member) member->close();
    if (owner) owner->close();
    // Last: who takes it finds the port free.
    lock.release();
  }

  io::context& context;
  const settings what;
  events told;
  direct::port_lock lock;
  std::shared_ptr<direct::reception> received;
  std::shared_ptr<direct::port_owner> owner;
  std::shared_ptr<direct::membership> member;
  phase at = phase::joining;
  bool ever_joined = false;
  bool was_member = false;
  time_point give_up{};
  time_point first_taken{};  ///< since when the TCP port is another's
  loop::timer_id timer = 0;
};

shared_port::shared_port(loop& on, settings what, events told) {
  if (what.tcp && !what.secret) throw configuration_error("control over TCP needs a token");
  state_ = std::make_shared<state>(on, std::move(what), std::move(told));
  state_->start();
}

shared_port::~shared_port() { state_->leave(); }

bool shared_port::owns() const noexcept { return state_->at == state::phase::owner; }

}  // namespace ombt::drivers
