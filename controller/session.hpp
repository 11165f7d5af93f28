// SPDX-License-Identifier: Apache-2.0
#pragma once
// One session of the controller as a state machine without I/O: roll call, reset, run, poll. Time
// comes in as a parameter; what it wants sent waits in a queue of actions. session_runner carries
// both. One thread.
//
// phase      | wants sent                | ends when                       | else, at its limit
// -----------+---------------------------+---------------------------------+---------------------
// connecting | self_ready to itself      | it answered                     | failure; or 25 tries
// holding    | hold to all processes,    | all are held                    | failure: who holds
//            | again with plan.wait      |                                 | them
// roll_call  | client_ping to all kinds  | quiet for idle; all expected    | failure: who is
//            |                           | there                           | missing
// resetting  | get_server_results        | all servers answered (thrown    | goes on, the silent
//            |                           | away)                           | ones are missing
// comparing  | clock to processes of     | clocks are compared, and agents | goes on, what is not
//            | other machines            | told                            | compared is unknown
// preparing  | run_test to the clients'  | all processes have it           | failure
//            | processes, not to begin   |                                 |
// running    | that it begins; to others | all clients' results are in     | cancel_run; goes on,
//            | run_test; client_ping;    |                                 | the silent are missing
//            | clock, without a bus      |                                 |
// settling   | -                         | delay is over (none after calls)|
// polling    | get_server_results, again | all accounted for, by number    | the rest is
//            |                           | and by ledger, all answered     | unaccounted for
// comparing  | clock to those that       | clocks are compared             | goes on, as above
// again      | answered before           |                                 |
// leaving    | shutdown to all kinds     | the bus has taken them          | failure
// stopping   | cancel_run to the clients | the bus has taken it            | ends all the same
// finished   | -                         |                                 |
//
// With expectations the roll call also needs an agent of each kind that the test needs; status and
// shutdown go on until it is quiet once what they expect is there.
//
// A run whose load only native clients can follow ends in failure where others answered the roll
// call. With a warm-up running, settling and polling come twice: what came in the first time is
// forgotten when it is polled, and the run that counts begins, under an id of its own.
//
// Over several topics (plan.topics) all of it is one session: what is sent to agents goes to those
// of each topic, with the address that the controller has in that topic, and what comes in is of
// the topic at whose address it came in. The roll call needs each kind in each topic.
//
// Clocks are compared where agents are on other machines than the controller's
// (clock_exchanges.hpp), before the run that counts and when it has been polled.
//
// Holding and preparing are of direct control (docs/direct.md). There an answer means that the
// question has been answered in full: where no agents are on a bus, the roll call is over with it,
// without a quiet time. A process that is gone takes its agents with it, which are missing from
// then on and not waited for.
//
// status ends after roll_call, shutdown goes from there to leaving. cancel() leads to stopping, if
// a run is on. Every phase's limit is plan.timeout (holding's is plan.wait), except that a run has
// in addition the pauses it must make (count x pause) or the time that its load takes at least, and
// that each sign of a client gives all the timeout anew: a result, or a native client's pong that
// says it is at work. (Python clients can't say so.)

#include "wire/control/direct.hpp"
#include "wire/control/messages.hpp"
#include "wire/control/result_batch.hpp"
#include "wire/control/results.hpp"
#include "wire/error.hpp"

#include "controller/clock_exchanges.hpp"
#include "controller/outcome.hpp"
#include "controller/plan.hpp"
#include "controller/topic_ledgers.hpp"

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace ombt::controller {

enum class phase : std::uint8_t {
  connecting,
  holding,
  roll_call,
  resetting,
  comparing,
  preparing,
  running,
  settling,
  polling,
  comparing_again,
  leaving,
  stopping,
  finished,
};

/// What an action is beside its message, to carriers by direct control. A bus has nothing to do for
/// hold and prepare, and sends the message for start.
enum class order : std::uint8_t {
  message,  ///< it is for the agents as it is
  hold,     ///< all processes are to be this controller's; no message
  prepare,  ///< a run_test that is not to begin yet
  start,    ///< of topic 0: the prepared run, of all topics, is to begin
};

/// Something to send. Its completion is told to on_complete with the tag.
struct action {
  std::uint64_t tag = 0;
  /// self_ready is a call (2 s) to the controller's own address, clock one
  /// (clock_exchanges::answer_limit) to the server below; all others are fanout casts.
  wire::control::method method = wire::control::method::self_ready;
  wire::control::agent_kind to = wire::control::agent_kind::rpc_client;
  std::string args_json = "{}";
  std::uint32_t topic = 0;  ///< its place among the plan's; of which address or agents it is
  std::string server = {};  ///< of a process, or by direct control its key
  order what = order::message;
  wire::control::start_request start = {};
};

class session {
 public:
  /// Most agents that are listened to; more are counted as refused.
  static constexpr std::size_t agent_limit = 200'000;
  /// Most error texts that are kept for agents one by one; above it they count as other_errors.
  static constexpr std::size_t error_text_limit = 100'000;
  static constexpr int self_ready_tries = 25;
  static constexpr duration self_ready_timeout = std::chrono::seconds{2};
  /// Of an agent, to know them again: more than it has on their way at once.
  static constexpr std::size_t results_remembered = 16;

  /// own is the address that agents answer to, of which only the topic changes where the plan has
  /// several (see address_in); run_id goes into run_test, empty: the run asks for
  /// no details.
  session(plan what, wire::control::reply_address own, std::string run_id, time_point now);

  /// Takes the next thing to send; false if there is none.
  bool next_action(action& out);
  /// When tick() must be called at the latest.
  std::optional<time_point> next_deadline() const noexcept;
  void tick(time_point now);

  /// The own server listens, in every topic.
  void on_listening(time_point now);
  /// The own server cannot listen now. Ends the session if that is for good, or if trying again
  /// will not help (a refused login); otherwise it is the reason to be told at the limit.
  void on_listener_trouble(error_code error, std::string_view detail, bool final);
  /// An action ended; an answer that came too late for its phase is ignored.
  void on_complete(std::uint64_t tag, error_code error, std::string_view detail, time_point now);
  /// A call of clock is being sent; `real`: CLOCK_REALTIME, ns.
  void on_asking(std::uint64_t tag, std::int64_t real, time_point now) {
    clocks_.asked(tag, real, now);
  }
  /// How far CLOCK_REALTIME of this machine is ahead of CLOCK_MONOTONIC, ns; after each event.
  void on_own_clock(std::int64_t ahead);
  /// What came back from a call, at `real`; before on_complete.
  void on_answer(std::uint64_t tag, wire::json::value answer, std::int64_t real);
  // What came in at the own address in that topic, or from that process.
  void on_pong(const wire::control::client_pong_request& pong, time_point now,
               std::uint32_t topic = 0, process_number from = over_the_bus);
  void on_result(const wire::control::client_result_request& result, time_point now,
                 std::uint32_t topic = 0, process_number from = over_the_bus);
  /// Results of several agents of a process, taken or refused as a whole.
  void on_results(wire::control::agent_kind kind, const wire::control::result_batch& batch,
                  time_point now, std::uint32_t topic, process_number from);
  /// Such that can't be read: `why` is one line that names the process.
  void on_unreadable(wire::control::agent_kind kind, std::string_view why, time_point now,
                     std::uint32_t topic, process_number from);
  // Of direct control. A process is there, with what it says of itself; its agents' pongs follow.
  void on_process(process_number which, const wire::control::process_hello& hello);
  /// Its connection has ended; `why` is one line that names it.
  void on_gone(process_number which, std::string_view why, time_point now);
  /// A process that the session does not have, though it is there; one line.
  void on_left_out(std::string_view what) { outcome_.problems.emplace_back(what); }
  /// What is no shortfall, one line.
  void on_note(std::string_view what) { outcome_.notes.emplace_back(what); }
  /// Its agents were told to begin.
  void on_started(const wire::control::started_notice& started);
  /// A request that could not be read.
  void on_malformed() { ++outcome_.malformed_requests; }
  /// Ends the session from outside ("interrupted"); what came in so far is in the outcome. Clients
  /// in a run are told to end it first; a second cancel() does not wait for that.
  void cancel(std::string_view why, time_point now);
  /// What the transport says of the bus, to be told where the bus is why something is missing;
  /// empty: nothing is wrong with it now.
  void on_bus_words(std::string_view words) { bus_error_ = words; }

  phase current() const noexcept { return phase_; }
  time_point phase_began() const noexcept { return phase_began_; }
  bool warming_up() const noexcept { return warming_up_; }
  /// The phase in words; the run of a warm-up is "warming up".
  std::string_view phase_words() const noexcept;
  /// Of the run that is next or on; empty: it asks for no details.
  const std::string& run_id() const noexcept {
    return warming_up_ && !run_id_.empty() ? warm_up_id_ : run_id_;
  }
  bool finished() const noexcept { return phase_ == phase::finished; }
  /// Holding: whom it waits for; empty: for nobody.
  const std::string& held_by() const noexcept { return held_by_; }
  const outcome& result() const noexcept { return outcome_; }
  outcome take_result() { return std::move(outcome_); }
  const plan& what() const noexcept { return plan_; }
  /// Where the controller listens for the agents of a topic.
  wire::control::reply_address address_in(std::size_t topic) const;
  /// How far the phase is: agents or messages heard of, and how many it waits for (0: unknown).
  struct progress {
    std::uint64_t done = 0;
    std::uint64_t total = 0;
  };
  progress how_far() const;

 private:
  enum class purpose : std::uint8_t {
    self_check,
    hold,
    ping,
    reset,
    prepare,
    run,
    look,
    poll,
    shutdown,
    cancel,
  };

  void enter(phase next, time_point now);
  void fail(std::string text);
  void finish();
  void send(purpose why, wire::control::method method, wire::control::agent_kind to,
            std::string args = "{}", std::uint32_t topic = 0);
  /// The same to the agents of each topic, with the address to answer to. How many were sent.
  int ask_all(purpose why, wire::control::method method, wire::control::agent_kind to);
  void check_self();
  void in_contact(time_point now);
  void ask_to_hold();
  void on_hold_answered(error_code error, std::string_view detail, time_point now);
  void call_roll(time_point now);
  /// How long nobody may be heard of, once all questions are out, before the roll call is over.
  duration quiet_time() const noexcept { return plan_.over_bus ? plan_.idle : duration::zero(); }
  /// "the control bus", or "the agents": whom it has contact with.
  std::string_view others() const noexcept {
    return plan_.over_bus ? "the control bus" : "the agents";
  }
  void ping_all(time_point now);
  void ask_servers(time_point now);
  void after_roll_call(time_point now);
  void end_roll_call_if_met(time_point now);
  void compare_clocks(time_point now);
  void compare_clocks_again(time_point now);
  void compare_clocks_at_work(time_point now);
  void ask_clocks(time_point now);
  void clocks_compared(time_point now);
  void start_run(time_point now);
  void prepare_run(time_point now);
  void begin_run(time_point now);
  void lose(std::size_t agent);
  /// What clients are told of the next run, which begins so much later.
  wire::control::test_parameters run_parameters(time_point now, duration lead) const;
  void prepare_load(wire::control::load& load, time_point now, duration lead) const;
  /// Clients that can't follow the plan's load; empty: there is none.
  std::string not_native() const;
  void forget_warm_up(time_point now);
  void wait_for_clients(time_point limit);
  void look_for_clients(time_point now);
  void cancel_run();
  void on_sign(const wire::control::client_pong_request& pong, time_point now, std::uint32_t topic);
  void tell_gone_before();
  void tell_missing();
  void after_run(time_point now);
  void end_round_if_complete(time_point now);
  void end_polling(bool in_time, time_point now);
  void mark_missing();
  /// Why an agent did not answer: its process is gone, or `otherwise`.
  std::string why_missing(std::size_t agent, const std::string& otherwise) const;
  std::string process_name(process_number which) const;
  static std::string key_of(wire::control::agent_kind kind, const std::string& name,
                            std::uint32_t topic);
  agent_record* find_or_add(wire::control::agent_kind kind, const std::string& name,
                            std::uint32_t topic, process_number from, bool pong);
  void belongs_to(std::size_t agent, process_number process);
  /// Whether an agent of that name may be another process's, which says so by a pong or a result.
  bool adopt(std::size_t agent, process_number process, bool pong);
  // Of results that are taken: what is added up over agents, and what is kept of one; null: it has
  // no details.
  void add_sums(side& into, std::uint32_t topic, const wire::control::results& results,
                const wire::control::result_details* details);
  void take_own(agent_record& from, bool client, const wire::control::results& results,
                const wire::control::result_details* details);
  /// They have been taken; `messages`: that they are of.
  void results_came(bool client, bool server, std::uint64_t messages, time_point now);
  bool takes_now(bool client, bool server, const std::string& run) const noexcept;
  bool is_new(process_number from, std::uint64_t answer);
  /// Nobody waits any more for what agents of a kind, topic and process were to send.
  void refuse(wire::control::agent_kind kind, std::string_view why, time_point now,
              std::uint32_t topic, process_number from);
  /// Where it is the last one that was waited for, what comes next.
  void go_on(time_point now);
  bool takes_all(wire::control::agent_kind kind, const wire::control::result_batch& batch,
                 std::uint32_t topic, process_number from, bool once);
  void exclude_with_others();
  bool expectations_met() const noexcept;
  std::string expectations_unmet(time_point now) const;
  /// As outcome_.count(kind), but asked for at every pong.
  std::uint32_t answered(wire::control::agent_kind kind) const noexcept {
    return answered_[static_cast<std::size_t>(kind)];
  }
  /// True if each kind that the test cannot do without has answered, in each topic.
  bool needed_kinds_there() const noexcept;
  /// True if a question of the roll call has not been taken by the bus.
  bool pings_unsent() const noexcept { return casts_pending_ > 0 || ping_failed_; }
  /// How long the phase has waited, to be told: its limit, or what has gone by of it.
  duration waited(time_point now) const noexcept;
  bool more_than_expected() const noexcept;
  /// What the test cannot do without and nobody answered for, in words; empty: nothing.
  std::string missing_kinds(time_point now) const;
  /// Where agents of a kind and topic would have answered.
  std::string place_in_words(wire::control::agent_kind kind, std::size_t topic) const;
  /// Whether a process has agents of a kind and topic that the test needs.
  bool has_agents_for_it(const wire::control::process_hello& told) const;
  /// "; process 71 of host n1 is gone; so are 2 more processes"; empty: none.
  std::string gone_in_words() const;
  /// Where none of a topic's servers may take part: "none of 2 RPC servers of topic topic-1, …",
  /// and why. Empty: nowhere.
  std::string no_servers() const;
  /// Messages that arrive in each topic of those that the clients count so, if none is lost.
  std::vector<std::uint64_t> copies(std::uint64_t wire::control::results::*count) const;
  /// Messages that succeeded (or failed: of those nobody knows) and that the servers of their topic
  /// have not had; those of one topic can't stand for another's.
  std::uint64_t unaccounted(bool failed_too = false) const;
  /// Those of a topic at the end. Where what arrived of clients that sent no results hides them in
  /// the numbers, the ledger's; it must be closed.
  std::uint64_t unaccounted_in(std::size_t topic) const;
  /// Adds the problem; returns false if all messages are accounted for.
  bool tell_unaccounted();
  /// Messages that servers had beyond those.
  std::uint64_t surplus() const;
  /// Fills in what the topics' servers should have had, when the run is over.
  void close_topics();
  void tell_cut_short();
  static std::uint64_t sent_by(const agent_record& client) noexcept;
  /// It sent results, of less than it was to send.
  bool ended_early(const agent_record& client) const noexcept;
  /// What each client is to send; empty: only time says.
  std::optional<double> share_of_client() const;
  /// Takes what nobody reports of that; of native clients alone it is returned.
  std::uint64_t count_unreported();
  void close_ledger(std::uint64_t never_reported);
  void tell_lost();
  void tell_clocks();
  std::uint64_t expected_messages() const;

  /// Before agents that are silent are asked again; doubles.
  static constexpr duration first_ask_gap = std::chrono::seconds{2};

  // What is known of an agent beside its record.
  struct agent_state {
    bool gone = false;        ///< its process's connection has ended
    bool waited_for = false;  ///< the present phase (or round) ends with its answer
    bool excluded = false;    ///< did not answer the reset: its counters may be another run's
    std::uint32_t pongs = 0;  ///< more than questions: another agent has the same name
    std::vector<std::uint64_t>
        answers;  ///< numbers of the last results_remembered, the oldest first

    /// False for results that were taken before, which come again when their answer was lost.
    bool takes(const wire::control::result_details& details);
  };

  plan plan_;
  wire::control::reply_address own_;
  std::string run_id_;
  std::string warm_up_id_;
  bool warming_up_;
  bool run_cancelled_ = false;  ///< by this session
  bool ends_when_quiet_;  ///< the roll call: nothing is expected, or status has found all of it
  phase phase_ = phase::connecting;
  time_point phase_began_;
  time_point phase_limit_;
  std::optional<time_point> retry_at_;  ///< of the phase's question
  duration retry_gap_{};
  time_point last_news_;  ///< last new pong, or last client's result
  bool listening_ = false;
  std::uint32_t self_checked_ = 0;  ///< own addresses that have answered
  int self_tries_ = 0;              ///< of the next one
  bool self_check_pending_ = false;
  std::uint32_t pings_ = 0;       ///< rounds of the roll call
  bool ping_failed_ = false;      ///< a ping of the last round was not taken, it is sent again
  int casts_pending_ = 0;         ///< pings, shutdowns or cancels not yet taken by the bus
  std::string held_by_;           ///< holding: why it waits
  std::string bus_error_;         ///< last error of an action, or what the bus's transport says
  std::string run_trouble_;       ///< the same, when clients were found silent
  std::uint64_t waiting_ = 0;     ///< agents with waited_for
  bool round_open_ = false;       ///< polling: asked, not all have answered
  std::uint64_t round_seen_ = 0;  ///< polling: messages reported in this round
  duration round_gap_{};
  int empty_rounds_ = 0;  ///< polling: in a row
  bool receiver_gone_ = false;
  std::size_t error_texts_ = 0;
  std::uint64_t next_tag_ = 1;
  std::unordered_map<std::uint64_t, purpose> pending_;
  std::deque<action> actions_;
  std::unordered_map<std::string, std::size_t> index_;
  std::vector<agent_state> states_;
  // Of each process: its place in outcome_.processes, and one (0: it has none); its agents' places
  // in outcome_.agents, and why it is gone.
  std::vector<std::uint32_t> process_at_;
  std::vector<std::vector<std::uint32_t>> agents_of_;
  std::vector<std::string> gone_;
  struct early_leaver {
    process_number which = over_the_bus;
    bool had_answered = false;  ///< some of its agents
  };
  std::vector<early_leaver> gone_before_;  ///< those that went before the run
  bool has_waited_ = false;                ///< for agents that another controller holds
  /// Why results of a process's agents of a kind are, last.
  std::map<std::pair<process_number, wire::control::agent_kind>, std::string> refused_;
  std::vector<std::uint64_t> last_batch_;  ///< number of the last one taken, 0: none
  wire::control::agents_by_kind answered_{};
  outcome outcome_;
  topic_ledgers ledger_;
  clock_exchanges clocks_;
  std::optional<time_point> clocks_at_;    ///< in a run: when they are compared next
  std::optional<std::int64_t> own_ahead_;  ///< as the run began, until it is over
  std::int64_t ahead_ = 0;                 ///< the last that on_own_clock() was told
};

/// What the run of a warm-up is called.
inline constexpr std::string_view warming_up_words = "warming up";

/// "connecting", "roll call", "resetting servers", …: for progress and errors.
std::string_view name_of(phase p) noexcept;

}  // namespace ombt::controller
