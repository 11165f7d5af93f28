// SPDX-License-Identifier: Apache-2.0
// What two ends say to each other, and the events that must come of it.
#include "tests/wire/amqp10/couple.hpp"

#include <memory>

namespace ombt::wire::amqp10::test {
namespace {

/// A server that takes every session and link; a dynamic source gets an address.
void accept_all(couple& on) {
  on.server.on_event = [](const any_event& event) {
    if (const auto* s = std::get_if<event::session_opened>(&event)) s->on.accept();
    if (const auto* l = std::get_if<event::link_opened>(&event); l != nullptr && l->by_peer) {
      link one = l->on;
      terminus source = one.peer_source();
      if (source.dynamic) source.address = "made-up";
      one.accept(source, one.peer_target());
    }
  };
}

void open_session(couple& on) { on.client.last_session = on.client.bus().open_session(); }
void open_sender(couple& on) {
  on.client.last_session = on.client.bus().open_session();
  on.client.last_link = on.client.last_session.open_sender("out", {"here"}, {"there"});
}
void open_receiver(couple& on) {
  on.client.last_session = on.client.bus().open_session();
  on.client.last_link = on.client.last_session.open_receiver("in", {"", true}, {"rpc-response"});
}
void give_credit(couple& on) { on.server.last_link.add_credit(5); }
void close_client(couple& on) { on.client.bus().close(); }

outcome modified(bool failed, bool undeliverable) {
  return {outcome::kind::modified, failed, undeliverable, {}, {}};
}

const lines sender_attached_client = {"opened 'server'", "session_opened",
                                      "link_opened out sender source 'here' target 'there' mode 2"};
const lines sender_attached_server = {
    "opened 'client'", "session_opened by peer",
    "link_opened out by peer receiver source 'here' target 'there' mode 2"};
const lines receiver_attached_client = {
    "opened 'server'", "session_opened",
    "link_opened in receiver source dynamic 'made-up' target 'rpc-response' mode 2"};
const lines receiver_attached_server = {
    "opened 'client'", "session_opened by peer",
    "link_opened in by peer sender source dynamic '' target 'rpc-response' mode 2"};

lines operator+(lines a, const lines& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

const lines closed_by_client = {"closed requested"};
const lines closed_by_client_at_server = {"closed by_peer connection_lost"};

}  // namespace

std::vector<scenario> all_scenarios() {
  std::vector<scenario> all;

  all.push_back({"open and close by the client",
                 accept_all,
                 {close_client},
                 {"opened 'server'", "closed requested"},
                 {"opened 'client'", "closed by_peer connection_lost"}});

  all.push_back(
      {"properties of open",
       [](couple& on) {
         on.client.options.hostname = "a.host";
         on.client.options.properties = {{"process", std::string("ombt")},
                                         {"pid", std::int64_t{1} << 40},
                                         {"product", std::string("oslo")}};
         on.server.options.properties = {{"product", std::string("router")},
                                         {"version", std::string("1.2.3")}};
       },
       {[](couple& on) { on.server.bus().close("amqp:connection:forced", "enough for today"); }},
       {"opened 'server' product 'router' version '1.2.3'",
        "closed by_peer connection_lost amqp:connection:forced 'enough for today'"},
       {"opened 'client' host 'a.host' product 'oslo'", "closed requested"}});

  all.push_back({"both ends close at once",
                 accept_all,
                 {[](couple& on) {
                   on.client.bus().close();
                   on.server.bus().close("amqp:connection:forced", "");
                 }},
                 {"opened 'server'", "closed requested"},
                 {"opened 'client'", "closed requested"}});

  all.push_back({"a session ended by the client, one by the server",
                 accept_all,
                 {open_session, [](couple& on) { on.client.last_session.close(); },
                  [](couple& on) { on.server.last_session.close(); }, open_session,
                  [](couple& on) { on.server.last_session.close("amqp:internal-error", "tired"); },
                  [](couple& on) { on.client.last_session.close(); }, close_client},
                 {"opened 'server'", "session_opened", "session_closed", "session_opened",
                  "session_closed amqp:internal-error 'tired'", "closed requested"},
                 {"opened 'client'", "session_opened by peer", "session_closed",
                  "session_opened by peer", "session_closed", "closed by_peer connection_lost"}});

  // Proton gathers dispositions that say accepted or released, so that others overtake them.
  all.push_back(
      {"a sender and every outcome",
       accept_all,
       {open_sender, give_credit,
        [](couple& on) {
          for (const char* tag : {"1", "2", "3", "4", "5"}) {
            on.client.last_link.send(tag, "message", false);
          }
        },
        [](couple& on) {
          // The last one is still there; the others were settled as they came.
          on.server.last_delivery.settle({outcome::kind::accepted, false, false, {}, {}});
          close_client(on);
        }},
       sender_attached_client +
           lines{"credit out 5", "updated '2' rejected amqp:not-found 'no such thing' settled",
                 "updated '1' accepted settled", "updated '4' modified failed settled",
                 "updated '3' released settled"} +
           closed_by_client,
       sender_attached_server +
           lines{"delivered out tag '1' 'message'", "delivered out tag '2' 'message'",
                 "delivered out tag '3' 'message'", "delivered out tag '4' 'message'",
                 "delivered out tag '5' 'message'"} +
           closed_by_client_at_server});
  {
    scenario& one = all.back();
    one.prepare = [](couple& on) {
      accept_all(on);
      const auto first = on.server.on_event;
      on.server.on_event = [first](const any_event& event) {
        first(event);
        const auto* e = std::get_if<event::delivered>(&event);
        if (e == nullptr) return;
        delivery what = e->what;
        if (what.tag() == "1") what.settle({outcome::kind::accepted, false, false, {}, {}});
        if (what.tag() == "2") {
          what.settle({outcome::kind::rejected, false, false, "amqp:not-found", "no such thing"});
        }
        if (what.tag() == "3") what.settle({outcome::kind::released, false, false, {}, {}});
        if (what.tag() == "4") what.settle(modified(true, false));
      };
    };
    // Said before the close, so it is told.
    one.steps[3] = [](couple& on) { on.server.last_delivery.settle(modified(false, true)); };
    one.steps.push_back(close_client);
    one.client.insert(one.client.end() - 1, "updated '5' modified undeliverable settled");
  }

  all.push_back(
      {"a dynamic source, and outcomes of a receiver",
       accept_all,
       {open_receiver, [](couple& on) { on.client.last_link.add_credit(3); },
        [](couple& on) {
          on.server.last_link.send("a", "unsettled", false);
          on.server.last_link.send("b", "settled", true);
        },
        [](couple& on) { on.client.last_delivery.settle(); }, close_client},
       receiver_attached_client +
           lines{"delivered in tag 'a' 'unsettled'", "delivered in tag 'b' settled 'settled'"} +
           closed_by_client,
       receiver_attached_server + lines{"credit in 3"} + closed_by_client_at_server});

  {
    // The outcome is said first and settled later, the other way too: the sender settles first.
    auto sent = std::make_shared<delivery>();
    all.push_back(
        {"said, then settled by the sender",
         accept_all,
         {open_sender, give_credit,
          [sent](couple& on) { *sent = on.client.last_link.send("x", "m", false); },
          [](couple& on) {
            on.server.last_delivery.update({outcome::kind::accepted, false, false, {}, {}});
          },
          [sent](couple& on) {
            if (sent->peer_outcome().what == outcome::kind::accepted) {
              on.client.events.push_back("the outcome can be asked for");
            }
            sent->settle();
          },
          [](couple& on) {
            if (on.server.last_delivery.settled_by_peer()) {
              on.server.events.push_back("the peer has settled it");
            }
            on.server.last_delivery.settle();
          },
          close_client},
         sender_attached_client +
             lines{"credit out 5", "updated 'x' accepted", "the outcome can be asked for"} +
             closed_by_client,
         sender_attached_server +
             lines{"delivered out tag 'x' 'm'", "updated 'x' none settled",
                   "the peer has settled it"} +
             closed_by_client_at_server});
  }

  {
    auto late = std::make_shared<delivery>();
    all.push_back(
        {"messages that wait for credit, one taken back",
         accept_all,
         {[late](couple& on) {
            open_sender(on);
            on.client.last_link.send("1", "first", false);
            *late = on.client.last_link.send("2", "second", false);
            on.client.last_link.send("3", "third", true);
            on.client.last_link.send("4", "fourth", false);
          },
          [late](couple&) { late->settle(); },
          [](couple& on) { on.server.last_link.add_credit(2); }, give_credit, close_client},
         sender_attached_client + lines{"credit out 0", "credit out 4"} + closed_by_client,
         sender_attached_server +
             lines{"delivered out tag '1' 'first'", "delivered out tag '3' settled 'third'",
                   "delivered out tag '4' 'fourth'"} +
             closed_by_client_at_server});
  }

  all.push_back(
      {"detached by the sender with an error, and a link of the same name again",
       accept_all,
       {open_sender, [](couple& on) { on.client.last_link.close("amqp:internal-error", "mine"); },
        [](couple& on) { on.server.last_link.close(); },
        [](couple& on) {
          on.client.last_link = on.client.last_session.open_sender("out", {"here"}, {"there"});
        },
        [](couple& on) { on.server.last_link.close("amqp:resource-deleted", ""); },
        [](couple& on) { on.client.last_link.close(); }, close_client},
       sender_attached_client +
           lines{"link_closed out", "link_opened out sender source 'here' target 'there' mode 2",
                 "link_closed out amqp:resource-deleted ''"} +
           closed_by_client,
       sender_attached_server +
           lines{"link_closed out amqp:internal-error 'mine'",
                 "link_opened out by peer receiver source 'here' target 'there' mode 2",
                 "link_closed out"} +
           closed_by_client_at_server});

  all.push_back({"a link that is refused",
                 [](couple& on) {
                   on.server.on_event = [](const any_event& event) {
                     if (const auto* s = std::get_if<event::session_opened>(&event)) {
                       s->on.accept();
                     }
                     if (const auto* l = std::get_if<event::link_opened>(&event)) {
                       l->on.refuse("amqp:not-found", "no such address");
                     }
                   };
                 },
                 {open_sender, [](couple& on) { on.client.last_link.close(); }, close_client},
                 {"opened 'server'", "session_opened",
                  "link_opened out sender source null target null mode 2",
                  "link_closed out amqp:not-found 'no such address'", "closed requested"},
                 sender_attached_server + lines{"link_closed out"} + closed_by_client_at_server});

  all.push_back(
      {"a session that ends takes its links along",
       accept_all,
       {open_sender,
        [](couple& on) { on.client.last_session.open_receiver("in", {"there"}, {"here"}); },
        give_credit, [](couple& on) { on.server.last_session.close("amqp:not-allowed", "no"); },
        [](couple& on) { on.client.last_session.close(); }, close_client},
       sender_attached_client +
           lines{"link_opened in receiver source 'there' target 'here' mode 2",
                 "link_closed out not for good", "link_closed in not for good",
                 "session_closed amqp:not-allowed 'no'"} +
           closed_by_client,
       sender_attached_server +
           lines{"link_opened in by peer sender source 'there' target 'here' mode 2",
                 "link_closed out not for good", "link_closed in not for good", "session_closed"} +
           closed_by_client_at_server});
  all.back().steps.erase(all.back().steps.begin() + 2);

  all.push_back(
      {"a message in many frames, before and behind small ones",
       [](couple& on) {
         accept_all(on);
         on.server.options.max_frame_size = 512;
       },
       {open_sender, give_credit,
        [](couple& on) {
          on.client.last_link.send("1", "small", true);
          on.client.last_link.send("2", std::string(3000, 'x') + "end", false);
          on.client.last_link.send("3", "", true);
        },
        close_client},
       sender_attached_client + lines{"credit out 5"} + closed_by_client,
       sender_attached_server +
           lines{"delivered out tag '1' settled 'small'",
                 "delivered out tag '2' " + describe_message(std::string(3000, 'x') + "end"),
                 "delivered out tag '3' settled ''"} +
           closed_by_client_at_server});

  all.push_back(
      {"a message above the limit, whole and in pieces, ends its link only",
       [](couple& on) {
         accept_all(on);
         on.server.options.message_limit = 1000;
         on.server.options.max_frame_size = 700;
         on.client.options.message_limit = 10;
       },
       {open_sender, give_credit,
        [](couple& on) {
          on.client.last_link.send("1", std::string(1000, 'x'), false);
          on.client.last_link.send("2", std::string(5000, 'x'), false);
          on.client.last_link.send("3", "dropped", false);
        },
        [](couple& on) { on.client.last_link.close(); },
        [](couple& on) { on.client.last_session.open_receiver("in", {"a"}, {"b"}).add_credit(1); },
        [](couple& on) { on.server.last_link.send("4", "eleven byte", false); },
        [](couple& on) { on.server.last_link.close(); }, close_client},
       sender_attached_client +
           lines{"credit out 5", "updated '2' rejected settled", "updated '3' released settled",
                 "link_closed out amqp:link:message-size-exceeded 'a message above the "
                 "size limit'",
                 "link_opened in receiver source 'a' target 'b' mode 2", "oversized in",
                 "link_closed in"} +
           closed_by_client,
       sender_attached_server +
           lines{"delivered out tag '1' " + describe_message(std::string(1000, 'x')),
                 "oversized out", "link_closed out",
                 "link_opened in by peer sender source 'a' target 'b' mode 2", "credit in 1",
                 "updated '4' rejected settled",
                 "link_closed in amqp:link:message-size-exceeded 'a message above the "
                 "size limit'"} +
           closed_by_client_at_server});

  all.push_back(
      {"commands in callbacks, to links that the event is not of",
       [](couple& on) {
         accept_all(on);
         const auto first = on.server.on_event;
         // Everything that comes in goes out again on the other link.
         auto back = std::make_shared<link>();
         on.server.on_event = [first, back](const any_event& event) {
           first(event);
           if (const auto* l = std::get_if<event::link_opened>(&event)) {
             link one = l->on;
             if (one.is_sender()) *back = one;
             if (!one.is_sender()) one.add_credit(2);
           }
           if (const auto* e = std::get_if<event::delivered>(&event)) {
             back->send(e->what.tag(), e->message, true);
             e->what.settle({outcome::kind::accepted, false, false, {}, {}});
             if (e->message == "close") {
               e->on.close();
               back->close();
             }
           }
         };
       },
       {[](couple& on) {
          on.client.last_session = on.client.bus().open_session();
          link in = on.client.last_session.open_receiver("in", {"a"}, {"a"});
          in.add_credit(10);
        },
        [](couple& on) {
          link out = on.client.last_session.open_sender("out", {"b"}, {"b"});
          out.send("1", "there and back", false);
          out.send("2", "close", false);
        },
        close_client},
       {"opened 'server'", "session_opened", "link_opened in receiver source 'a' target 'a' mode 2",
        "link_opened out sender source 'b' target 'b' mode 2", "credit out 0",
        "delivered in tag '1' settled 'there and back'", "delivered in tag '2' settled 'close'",
        "updated '1' accepted settled", "updated '2' accepted settled", "link_closed out",
        "link_closed in", "closed requested"},
       {"opened 'client'", "session_opened by peer",
        "link_opened in by peer sender source 'a' target 'a' mode 2", "credit in 10",
        "link_opened out by peer receiver source 'b' target 'b' mode 2",
        "delivered out tag '1' 'there and back'", "delivered out tag '2' 'close'",
        "closed by_peer connection_lost"}});

  const auto sasl = [](const char* mechanisms, const char* user, const char* password) {
    return [=](couple& on) {
      on.client.options.mechanisms = mechanisms;
      on.client.user = user;
      on.client.password = password;
      on.server.options.mechanisms = "EXTERNAL PLAIN ANONYMOUS";
      on.server.options.check_password = [](std::string_view name, std::string_view word) {
        return name == "me" && word == "secret";
      };
    };
  };
  all.push_back({"login PLAIN",
                 sasl("", "me", "secret"),
                 {close_client},
                 {"opened 'server'", "closed requested"},
                 {"opened 'client' user 'me'", "closed by_peer connection_lost"}});
  all.push_back({"login PLAIN, wrong password",
                 sasl("PLAIN", "me", "sekret"),
                 {},
                 {"closed protocol authentication_failed 'the peer refused the login (SASL outcome "
                  "1)'"},
                 {"closed protocol authentication_failed 'a login by PLAIN was refused'"}});
  all.push_back({"login ANONYMOUS",
                 sasl("ANONYMOUS", "", ""),
                 {close_client},
                 {"opened 'server'", "closed requested"},
                 {"opened 'client'", "closed by_peer connection_lost"}});
  return all;
}

}  // namespace ombt::wire::amqp10::test
