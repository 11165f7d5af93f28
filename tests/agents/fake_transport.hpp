// SPDX-License-Identifier: Apache-2.0
#pragma once
// A bus in memory behind drivers::transport, for tests of agents: listeners of the same exchange
// and topic share what is sent, operations can be scripted to fail or to hang, and everything that
// was sent is on record. Messages travel by loop.post(), so agents may live on several loops.
// No reconnects, acknowledgements or confirms: those are the drivers' business. A transport closes
// as drivers/transport.hpp says: its listeners answer the calls that they have first.

#include "wire/json/value.hpp"

#include "drivers/transport.hpp"

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace ombt::tests {

class fake_transport;
class fake_listener;

/// One operation as it was started.
struct sent_message {
  enum class kind { call, cast, notify };
  kind what = kind::call;
  drivers::target to;
  std::string method;  ///< the priority of a notification
  std::string args;    ///< the payload of a notification
  std::string publisher_id;
  std::string event_type;
  drivers::duration timeout{};
  std::string context = {};  ///< of a call or a cast, JSON or empty
  bool at_least_once = false;
};

/// What happens to the next operations of a method instead of delivery.
struct scripted_outcome {
  error_code error;  ///< none: success with result_json
  std::string detail;
  std::string result_json = "null";
  std::string note_json;        ///< empty: none
  std::string exception_class;  ///< with errc::remote_exception
  bool hang = false;            ///< complete only when the transport closes
  bool deliver = false;         ///< deliver as well; without an error as if there were no script
  int copies = 1;               ///< so many times; of a cast or a notification
  bool held = false;            ///< deliver at release_held() only; of a cast or a notification
};

/// The bus. Outlives its transports. All functions may be called from any thread.
class fake_bus {
 public:
  std::unique_ptr<drivers::transport> make(drivers::loop& on);

  /// The next operation of this method (or priority) ends so; several are used up in order.
  void script(const std::string& method, scripted_outcome next);
  /// All operations of this method end so, until cleared; after the scripted ones.
  void script_always(const std::string& method, scripted_outcome always);
  void clear_script(const std::string& method);
  /// Operations of this method that hang end so now.
  void end_hanging(const std::string& method, const scripted_outcome& with);
  /// Delivers what was held; how many messages that were.
  std::size_t release_held();
  /// listen() ends in this error (final) instead of on_listening.
  void refuse_listeners(error_code error, std::string detail);
  /// The listeners that there are lose the bus, and find it again.
  void lose_contact(const std::string& words);
  void regain_contact();
  /// listen() never becomes ready.
  void stall_listeners();
  /// reach() fails once with this error, final or not, and never succeeds.
  void refuse_senders(error_code error, std::string detail, bool final);

  std::vector<sent_message> sent() const;
  std::vector<sent_message> sent(const std::string& method) const;
  /// Requests that listeners got and have not ended.
  std::size_t unended() const;
  int transports_made() const;
  /// Those that have nothing left to answer.
  int transports_closed() const;
  int declarations_removed() const;
  std::vector<drivers::target> listening() const;

 private:
  friend class fake_transport;
  friend class fake_listener;

  struct operation {
    sent_message message;
    fake_transport* from = nullptr;
    drivers::completion* done = nullptr;
    std::uint64_t tag = 0;
  };

  void start(operation op);
  /// Ends an operation on its owner's loop, unless its transport is closed already.
  void finish(std::uint64_t operation_id, scripted_outcome outcome);
  std::uint64_t remember(const operation& op);
  void deliver(std::uint64_t operation_id, const sent_message& message);

  mutable std::recursive_mutex mutex_;
  std::vector<sent_message> sent_;
  std::map<std::string, std::deque<scripted_outcome>> scripts_;
  std::map<std::string, scripted_outcome> always_;
  std::map<std::uint64_t, operation> operations_;
  std::vector<sent_message> held_;
  std::vector<fake_listener*> listeners_;
  std::uint64_t next_operation_ = 1;
  std::size_t turn_ = 0;
  std::size_t unended_ = 0;
  error_code refusal_;
  std::string refusal_detail_;
  error_code sender_refusal_;
  std::string sender_refusal_detail_;
  bool sender_refusal_final_ = false;
  std::string last_error_;  ///< of transports, which remember it
  bool stalled_ = false;
  int made_ = 0;
  int closed_ = 0;
  int removed_ = 0;
};

}  // namespace ombt::tests
