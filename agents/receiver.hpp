// SPDX-License-Identifier: Apache-2.0
#pragma once
// What the agents that receive have in common: a listener that becomes ready, results of what
// arrived, and their collection. Messages whose id begins with the tag of a native controller that
// has asked here are counted apart from all others (wire/control/messages.hpp), so that two
// controllers at once get their own, and each of them is entered in a ledger
// (wire/control/ledger.hpp). What a message means is the derived agent's. All on the thread of its
// loop.
//
// state      event                              what happens                  next state
// idle       start                              listens                       starting
// starting   listening                          owner gets on_ready           serving
//            listener error, not final          kept for the time-out's text  starting
//            listener error, final              owner gets on_failed          failed
// serving    message                            counted (derived agent)       serving
//            listener error, not final          listener reconnects           serving
//            listener error, final              owner gets on_failed          failed
// any        stop                               transport closes; messages
//                                               are no longer counted         closing
// closing    closed                             owner's callback              closed

#include "wire/control/ledger.hpp"
#include "wire/control/messages.hpp"

#include "drivers/loop.hpp"
#include "drivers/transport.hpp"

#include "agents/measure/arrivals.hpp"
#include "agents/measure/output_file.hpp"
#include "agents/measure/recorder.hpp"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace ombt::agents {

class receiver;

/// Who is told about a receiver's links, on its thread. Must outlive the receiver.
class receiver_owner {
 public:
  virtual void on_ready(receiver& from) = 0;
  /// It will not serve (any more); why is one line.
  virtual void on_failed(receiver& from, std::string why) = 0;

 protected:
  ~receiver_owner() = default;
};

class receiver {
 public:
  enum class state : std::uint8_t { idle, starting, serving, failed, closing, closed };

  receiver(wire::control::agent_kind kind, std::string name, std::uint32_t number,
           receiver_owner& owner, std::unique_ptr<drivers::transport> transport);
  virtual ~receiver() = default;
  receiver(const receiver&) = delete;
  receiver& operator=(const receiver&) = delete;

  wire::control::agent_kind kind() const noexcept { return kind_; }
  const std::string& name() const noexcept { return name_; }
  std::uint32_t number() const noexcept { return number_; }
  /// Its place among the topics of the process; 0 unless it was put elsewhere.
  std::uint32_t topic() const noexcept { return topic_; }
  void put_in(std::uint32_t topic) noexcept { topic_ = topic; }
  state current() const noexcept { return state_; }
  drivers::transport& transport() noexcept { return *transport_; }

  /// Writes a line a message from now on.
  void log_to(std::unique_ptr<message_log> log);

  /// Keeps its ledgers within this room, which other agents of the thread share and which must
  /// outlive it; before start(). Without: within a room of its own.
  void keep_ledgers_in(wire::control::ledger_room& room) { room_ = &room; }

  /// Counts its messages there too, over its life; must outlive it. Before start().
  void count_life_in(wire::control::life_counts& life) {
    life_ = &life;
    others_.count_life_in(life_);
  }

  /// Notes when messages arrive, for controllers that ask for it, with other agents of the thread;
  /// must outlive it; before start().
  void note_arrivals_in(thread_arrivals& notes) { arrivals_ = &notes; }

  /// Begins to listen.
  void start();
  /// The results since they were last collected, for the controller of that server name: a native
  /// one gets the messages of its tag, with their ledger, and those of no known tag, another only
  /// the latter. What the links counted meanwhile is with them, whoever asks. From now on its
  /// seconds are counted in those places.
  report collect(std::string_view controller, const controller_seconds::places& seconds = {});
  /// What its links have counted since the start.
  wire::control::link_counts links() const { return counted_by(*transport_, listener_.get()); }
  /// Messages counted since the start.
  std::uint64_t arrived() const noexcept { return arrived_; }
  /// Closes links and connections; done runs on this thread, at the latest after `limit`. The
  /// receiver must live until then.
  void stop(drivers::duration limit, std::function<void()> done);
  /// What the listener last complained about, or the transport did; empty: nothing.
  std::string last_trouble() const;
  /// Why it does not listen now; empty: it does, or has not failed yet.
  const std::string& trouble() const noexcept { return trouble_; }

 protected:
  virtual std::unique_ptr<drivers::listener> listen(drivers::transport& on) = 0;

  void listening();
  void listener_error(error_code error, std::string_view detail, bool final);
  /// Counts a message. The id may be empty. `note`, where there is one, says from which site it
  /// came; `own` is this agent's.
  void count_arrival(double sent, std::string_view msgid, const request_note* note = nullptr,
                     std::string_view own = {});
  /// Counts a message that is no test message: an error, no failed message.
  void count_malformed(std::string_view what) { others_.error(what); }

 private:
  /// Native controllers whose messages are counted apart.
  static constexpr std::size_t tag_limit = 16;
  static constexpr std::size_t own_room_bytes = std::size_t{64} << 20;
  struct tagged {
    std::uint64_t tag = 0;
    std::uint64_t asked = 0;  ///< when, in asks
    recorder figures;
    wire::control::server_ledger ledger;
    std::shared_ptr<arrival_notes> notes;  ///< where the controller asks for arrivals
    earlier_arrivals earlier;
  };

  void arrived(tagged& of, const wire::control::message_id& id, double seconds);
  tagged* find(std::uint64_t tag) noexcept;
  tagged& know(std::uint64_t tag);
  wire::control::server_ledger take_ledger(tagged& of);

  receiver_owner& owner_;
  std::unique_ptr<drivers::transport> transport_;
  std::unique_ptr<drivers::listener> listener_;
  std::unique_ptr<message_log> log_;
  std::string name_;
  std::string trouble_;
  std::uint32_t number_;
  std::uint32_t topic_ = 0;
  wire::control::agent_kind kind_;
  state state_ = state::idle;
  std::uint64_t asks_ = 0;
  std::uint64_t arrived_ = 0;
  std::vector<tagged> tagged_;
  recorder others_;
  wire::control::life_counts* life_ = nullptr;
  std::uint64_t unidentified_ = 0;  ///< of the others: those with a msgid that is none
  wire::control::ledger_room own_room_{own_room_bytes};
  wire::control::ledger_room* room_ = &own_room_;
  thread_arrivals* arrivals_ = nullptr;
  wire::control::link_counts links_collected_;  ///< so far
};

}  // namespace ombt::agents
