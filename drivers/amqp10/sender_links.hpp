// SPDX-License-Identifier: Apache-2.0
#pragma once
// Sending over AMQP 1.0: a cache of sender links, one a destination; what waits on each, and what
// is not acknowledged; outcomes and what follows from them. Knows no RPC. One thread.
//
//   a message    | on                                     | next
//   -------------+----------------------------------------+------------------------------------
//   waiting      | the link is attached and has credit    | sent
//   waiting      | link or connection lost                | waiting, or failed: no retry left
//   waiting      | settled, and no credit for a second    | done; kept, to be sent until its limit
//   sent         | settled by its kind                    | done
//   sent         | accepted                               | done
//   sent         | released, modified without flags       | waiting for link_retry_delay, and with
//                |                                        | it what comes later; or no retry left
//   sent         | the same, and at_least_once            | failed: message_undeliverable
//   sent         | rejected, modified, settled without    | failed with the peer's words
//   sent         | link or connection lost                | failed
//   sent         | answered, and any outcome              | done; nobody is told
//
// A link is attached with its first message once replies have an address, after the peer detached
// it again link_retry_delay later, and closed when it was idle for default_sender_link_timeout.
// Source: controller.Sender, Controller (send, _hard_reset, _purge_sender_links).

#include "wire/oslo/amqp10_address.hpp"
#include "wire/oslo/messages.hpp"

#include "drivers/amqp10/connection.hpp"
#include "drivers/amqp10/settings.hpp"
#include "drivers/amqp10/thread_state.hpp"
#include "drivers/shared_by_thread.hpp"
#include "drivers/short_queue.hpp"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace ombt::drivers::amqp10 {

class sender_link;
class sender_links;

/// Where a message goes; views are the caller's.
struct destination {
  enum class kind : char { rpc = 'r', notification = 'n', address = 'a' };
  kind what = kind::rpc;
  std::string_view exchange;  ///< of rpc
  std::string_view topic;     ///< or the address itself
  std::string_view server;    ///< of rpc; of a notification its priority
  bool fanout = false;
};

/// One message on its way. Objects are reused; strings keep their capacity.
struct send_op {
  enum class stage : std::uint8_t { prepared, waiting, sent, over };

  /// Who is told; null once abandoned.
  class send_owner* told = nullptr;
  std::uint64_t tag = 0;
  message_kind kind = message_kind::cast;
  std::string body;  ///< JSON; of a heartbeat empty
  std::string correlation_id;
  std::optional<std::chrono::milliseconds> ttl;
  time_point limit = time_point::max();  ///< it is not sent later
  int retry = -1;                        ///< attempts that may still fail; -1: any number
  bool at_least_once = false;            ///< given back, it ends at once
  wire::oslo::hex_id msg_id{};           ///< of a call, a new one each time it is sent

  // Of the link
  stage at = stage::prepared;
  sender_link* on = nullptr;  ///< with waiting and sent
  amqp::delivery handle;      ///< with sent
  std::size_t place = 0;      ///< among those sent
  error_code error;           ///< with over
  std::string detail;
};

/// Who sends. on_sent() runs exactly once for a message that was not abandoned, from the loop.
class send_owner {
 public:
  /// The message comes back: to be given to recycle().
  virtual void on_sent(std::unique_ptr<send_op> op) = 0;
  /// It goes out now, for the first time or again.
  virtual void on_sending(send_op&) {}

 protected:
  ~send_owner() = default;
};

class sender_links final : private io::flushable, private timer_target {
 public:
  sender_links(io::context& in, thread_state& thread, std::shared_ptr<const settings> with,
               std::shared_ptr<monitor> told);
  ~sender_links();
  sender_links(const sender_links&) = delete;
  sender_links& operator=(const sender_links&) = delete;

  /// An empty message to fill.
  std::unique_ptr<send_op> prepare();
  /// Sends it. op.told is told, unless abandon()ed.
  void submit(std::unique_ptr<send_op> op, const destination& to);
  void recycle(std::unique_ptr<send_op> op);
  /// The owner is no longer interested: a message not sent yet is not sent any more.
  void abandon(send_op& op);
  /// The owner has its answer already, and is no longer interested. What was sent is left to the
  /// bus, whose outcome is on its way: routers that are built on proton write it behind the reply.
  void answered(send_op& op);
  /// abandon() for all messages of an owner.
  void abandon_all(const send_owner& owner);
  /// Why a message is not done yet, in words; may be empty.
  std::string why_waiting(const send_op& op) const;

  /// Replies have an address on this connection: links may be attached.
  void ready(std::shared_ptr<connection> on, connection_user& by,
             const wire::oslo::amqp10_addresser& addresser, std::string_view reply_address);
  /// There is no connection (any more): what was sent fails, what waits uses one retry.
  void down(const trouble& why);
  /// The connection has room again.
  void go_on();
  /// Detaches all links; what is left ends with errc::cancelled, told at once.
  void close();
  std::size_t link_count() const noexcept { return links_.size(); }

 private:
  friend class sender_link;
  void over(std::unique_ptr<send_op> op, error_code error, std::string_view detail);
  void flush() override;
  void on_timer(std::uint64_t tag) override;
  std::string address_of(const sender_link& link) const;

  io::context& context_;
  thread_state& thread_;
  std::shared_ptr<const settings> settings_;
  std::shared_ptr<monitor> monitor_;
  spare_messages<send_op>& spare_;  ///< of the thread
  // Of the connection, while it is ready
  std::shared_ptr<connection> connection_;
  connection_user* by_ = nullptr;
  const wire::oslo::amqp10_addresser* addresser_ = nullptr;
  std::string reply_address_;

  std::unordered_map<std::string, std::unique_ptr<sender_link>> links_;
  std::string key_;  ///< scratch
  std::vector<std::unique_ptr<send_op>> over_;
  std::vector<std::unique_ptr<send_op>> told_;  ///< empty: over_'s next room
  std::shared_ptr<int> alive_ = std::make_shared<int>();
  loop::timer_id purge_ = 0;
};

/// One link of the cache.
class sender_link final : private link_user, private timer_target {
 public:
  sender_link(sender_links& of, const destination& to);
  ~sender_link();

  void send(std::unique_ptr<send_op> op);
  void attach();
  /// The connection is gone.
  void reset(error_code error, std::string_view words, bool final);
  /// Sends what may be sent now.
  void go_on();
  void take_back(send_op& op);
  bool is_idle() const noexcept { return waiting_.empty() && sent_.empty() && kept_.empty(); }
  void collect_all(std::vector<std::unique_ptr<send_op>>& into);
  std::string why_waiting() const;

  bool used = true;  ///< since the last look at idle links

 private:
  friend class sender_links;
  struct kept_message {  ///< settled, told as sent, for which there was no credit yet
    std::string encoded;
    time_point limit;
  };
  void on_attached() override;
  void on_detached(std::string_view words) override;
  void on_credit() override;
  void on_updated(const amqp::event::updated& e) override;
  void on_timer(std::uint64_t tag) override;

  void try_again_later();
  void transmit(std::unique_ptr<send_op> op);
  void encode(send_op& op);
  void keep(std::unique_ptr<send_op> op);
  void drop_kept();
  bool send_kept();
  void without_credit();
  bool counts_as_sent(const send_op& op) const;
  void fail_sent(std::string_view words);
  void use_retries(std::string_view words);
  void retry_later(std::unique_ptr<send_op> op, std::string_view words);
  std::unique_ptr<send_op> take_sent(send_op& op);
  amqp::delivery give(std::string_view message, bool settled);
  void set(loop::timer_id& timer, duration in, std::uint64_t tag);

  sender_links& all_;
  std::string exchange_, topic_, server_;
  destination::kind kind_;
  bool fanout_;
  std::string address_;  ///< on this connection
  std::string trouble_;  ///< what the peer said last of the link
  amqp::link link_;
  short_queue<std::unique_ptr<send_op>> waiting_;
  std::vector<std::unique_ptr<send_op>> sent_;  ///< unsettled
  short_queue<kept_message> kept_;
  std::size_t kept_bytes_ = 0;
  std::uint64_t tags_ = 0;
  loop::timer_id attach_timer_ = 0;  ///< attaches again
  loop::timer_id resend_timer_ = 0;  ///< until then nothing is sent
  loop::timer_id credit_timer_ = 0;  ///< there has been no credit for a while then
  loop::timer_id kept_timer_ = 0;    ///< drops the oldest kept message
  bool attached_ = false;
  bool starved_ = false;  ///< no credit for a second
};

}  // namespace ombt::drivers::amqp10
