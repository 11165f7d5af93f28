// SPDX-License-Identifier: Apache-2.0
#pragma once
// A controller's connections to processes of agents (docs/direct.md): at each place one to the
// owner of the port, who tells which processes there are, and one to each of those. Owns the
// connections; what is asked of processes is its user's (direct_carrier.hpp). Everything on the
// loop's thread.
//
// place      | event                            | what happens                        | next
// -----------+----------------------------------+-------------------------------------+----------
// waiting    | fewer than at_once being opened  | connects to the owner               | opening
// opening    | a list of processes              | new ones wait to be opened          | listening
//            | nobody listens, for the first    | waits 20 ms: the port may be        | waiting
//            | time (100 ms; 3 s where a        | changing hands                      |
//            | process has the port's lock)     |                                     |
//            | closed, or nothing for 5 s       | is told as down, if it was never    | down
//            |                                  | listened to                         |
// listening  | a list of processes              | new ones wait to be opened          | listening
//            | closed                           | -                                   | down
// down       | retry_gap is over                | -                                   | waiting
//
// process    | event                            | what happens                        | next
// -----------+----------------------------------+-------------------------------------+----------
// waiting    | fewer than at_once being opened  | connects, by its key                | opening
// opening    | open                             | hello is sent                       | greeting
// opening,   | closed, or nothing for 5 s       | waits, at most tries times, and as  | waiting,
// greeting   |                                  | long as it is listed                | lost
//            | hello is an error, or unreadable | the user is told why                | lost
// greeting   | an answer to hello               | the user is told of it              | open
// open       | a frame                          | is the user's                       | open
//            | "roles"                          | is its hello from now on            | open
//            | closed, or a frame that cannot   | the user is told why                | lost
//            | be read                          |                                     |

#include "wire/control/direct.hpp"
#include "wire/json/value.hpp"

#include "drivers/channel.hpp"
#include "drivers/loop.hpp"

#include "controller/outcome.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace ombt::controller {

class direct_links {
 public:
  static constexpr std::size_t at_once = 64;  ///< connections that are being opened
  static constexpr int tries = 5;             ///< to open a process
  /// Ids of commands from here on; those below are its own.
  static constexpr std::uint64_t first_id = 2;
  static constexpr std::size_t process_limit = 20'000;
  static constexpr duration answer_limit = std::chrono::seconds{5};
  static constexpr duration retry_gap = std::chrono::milliseconds{500};

  /// Where agents are, and how that is told: "h2:5800".
  struct place {
    drivers::direct_place at;
    std::string name;
  };
  /// As drivers::connect_channel does it; events come later than the call.
  using connector = std::function<std::unique_ptr<drivers::channel>(
      const drivers::direct_place& to, const std::string& process, drivers::channel_handler&)>;

  /// Told what happens; it may send in these calls, and leave.
  class user {
   public:
    /// All places have been tried and their processes are open, or given up. Again whenever that is
    /// so again.
    virtual void on_settled() = 0;
    virtual void on_open(process_number which) = 0;
    /// What it said at its hello is another now: its agents have other roles.
    virtual void on_changed(process_number) {}
    /// The message is valid in the call only.
    virtual void on_message(process_number from, const wire::control::direct_message& message) = 0;
    /// It was open; `why` is one line that names it.
    virtual void on_lost(process_number which, std::string_view why) = 0;
    /// A process is there that cannot be talked to; one line that names it.
    virtual void on_refused(std::string_view why) = 0;

   protected:
    ~user() = default;
  };

  direct_links(drivers::loop& on, std::vector<place> places, connector connect,
               wire::control::controller_hello own);
  ~direct_links();
  direct_links(const direct_links&) = delete;
  direct_links& operator=(const direct_links&) = delete;

  /// Whose the events are from now on; null: nobody's. The first time it connects.
  void serve(user* whom);
  /// Whether processes that are new are opened; with yes also those that were lost and are still
  /// told of.
  void take_new(bool yes);

  bool settled() const noexcept { return untried_ == 0 && unsettled_ == 0; }
  bool is_open(process_number which) const noexcept;
  /// Calls visit(process_number) for those that are open, in the order in which they were heard of.
  template <class Visit>
  void for_each_open(Visit&& visit) const {
    for (process_number i = 1; i <= processes_.size(); ++i) {
      if (is_open(i)) visit(i);
    }
  }
  /// Of one that is or was open.
  const wire::control::process_hello& hello(process_number which) const;
  /// The process of that key; over_the_bus: none is open.
  process_number find(std::string_view key) const;
  /// "process 4711 of host h"
  std::string name_of(process_number which) const;
  /// Queues a frame; nothing if it is not open.
  void send(process_number to, std::string_view frame);
  /// Which places have not answered and why, in one line; empty: all have.
  std::string down() const;
  /// Processes that have been tried more than once, and are neither open nor given up, in words.
  std::string silent() const;
  /// That these do not answer; empty: none are given.
  std::string not_answering(const std::set<process_number>& which) const;

 private:
  class link;
  class owner_link;
  class process_link;

  void open_next();
  void wait_to_open(link& which);
  void list_came(std::size_t at);
  void take(std::size_t at, const std::string& key);
  void look_if_settled();

  drivers::loop& loop_;
  connector connect_;
  std::string hello_;  ///< the frame
  wire::json::reader reader_;
  std::vector<std::unique_ptr<owner_link>> places_;
  std::vector<std::unique_ptr<process_link>> processes_;  ///< of number i + 1
  std::unordered_map<std::string, process_number> number_of_;
  std::deque<link*> waiting_;  ///< to be opened
  user* user_ = nullptr;
  std::size_t opening_ = 0;
  std::size_t untried_ = 0;    ///< places
  std::size_t unsettled_ = 0;  ///< processes that are neither open nor lost
  bool taking_ = true;
  bool begun_ = false;
};

}  // namespace ombt::controller
