// SPDX-License-Identifier: Apache-2.0
#include "tests/wire/amqp091/script.hpp"

namespace ombt::wire::amqp091::script {
namespace {

const std::string opened = "opened RabbitMQ 3.10.8 2047 131072 60";

/// Handshake and channel 1, then the steps.
scenario with_channel(std::string name, std::vector<step> steps, std::vector<std::string> expected,
                      connection_options options = {}) {
  scenario made{std::move(name), std::move(options), {}, {opened, "1 channel_opened"}};
  made.steps.push_back({handshake(), [](connection& bus) { bus.open_channel(1); }});
  made.steps.push_back({channel_open_ok(1), nullptr});
  for (auto& one : steps) made.steps.push_back(std::move(one));
  for (auto& line : expected) made.expected.push_back(std::move(line));
  return made;
}

scenario set_up() {
  const auto commands = [](connection& bus) {
    const argument expires[] = {{"x-expires", std::int64_t{1800000}}};
    bus.basic_qos(1, 10);
    bus.exchange_declare(1, "ex", "topic", false, false);
    bus.queue_declare(1, "q", false, false, expires);
    bus.queue_bind(1, "q", "ex", "key");
    bus.basic_consume(1, "q", "1", {});
    bus.basic_consume(1, "q", "2", {});
    bus.confirm_select(1);
    bus.queue_delete(1, "old", true, true);
    bus.exchange_delete(1, "old", true);
  };
  // The queue answers basic.consume after the channel has answered confirm.select.
  const std::string answers =
      method(1, 60, 11) + method(1, 40, 11) + method(1, 50, 11, short_text("q") + u32(0) + u32(0)) +
      method(1, 50, 21) + method(1, 85, 11) + method(1, 60, 21, short_text("2")) +
      method(1, 50, 41, u32(0)) + method(1, 60, 21, short_text("1")) + method(1, 40, 21);
  return with_channel(
      "set-up with pipelined commands", {{{}, commands}, {answers, nullptr}},
      {"1 completed basic_qos", "1 completed exchange_declare", "1 completed queue_declare",
       "1 completed queue_bind", "1 completed basic_consume", "1 completed basic_consume",
       "1 completed confirm_select", "1 completed queue_delete", "1 completed exchange_delete"});
}

scenario publishing() {
  const auto publish = [](connection& bus) {
    bus.confirm_select(1);
    for (int i = 0; i < 6; ++i) bus.publish(1, "", "reply", true, oslo_properties(), "body");
  };
  const std::string answers = method(1, 85, 11) + ack(1, 2, true) + nack(1, 3) +
                              returned(1, 312, "NO_ROUTE", "", "reply") + message_header(1, 4) +
                              body(1, "body") + ack(1, 4) + nack(1, 0, true);
  return with_channel(
      "publishing with confirms", {{{}, publish}, {answers, nullptr}},
      {"1 completed confirm_select", "1 acked 2 multiple", "1 nacked 3",
       "1 returned 312 'NO_ROUTE' /reply 'body'", "1 acked 4", "1 nacked 6 multiple"});
}

scenario deliveries() {
  const std::string headers = table(entry("depth", 'F', table(entry("a", 'A', table("V")))) +
                                    entry("compression", 'S', long_text("application/x-gzip")));
  // Every property that basic has: the ones not known here are passed over.
  const std::string everything =
      short_text("text") + short_text("latin-1") + headers + u8(1) + u8(9) + short_text("corr") +
      short_text("reply-to") + short_text("2000") + short_text("id") + u64(1) + short_text("type") +
      short_text("user") + short_text("app") + short_text("cluster");
  const std::string bytes =
      message(1, "1", 1, "ex", "key", "one") + message(1, "1", 2, "ex", "key", "") + heartbeat() +
      message(1, "2", 3, "ex", "key", "in several frames", 5) + deliver(1, "1", 4, "ex", "key") +
      header(1, 1, 0xfffc, everything) + body(1, "x") + deliver(1, "1", 5, "", "") + header(1, 2) +
      body(1, "") + body(1, "no");
  const std::string oslo = " [application/json utf-8 headers 2 0 -] ";
  return with_channel(
      "deliveries",
      {{bytes,
        [](connection& bus) {
          bus.ack(1, 1, false);
          bus.reject(1, 2, true);
        }}},
      {"1 delivered 1 1 ex/key" + oslo + "'one'", "1 delivered 1 2 ex/key" + oslo + "''",
       "1 delivered 2 3 ex/key" + oslo + "'in several frames'",
       "1 delivered 1 4 ex/key [text latin-1 headers application/x-gzip 1 9 2000] "
       "'x'",
       "1 delivered 1 5 / [- - - - -] 'no'"});
}

scenario interleaved() {
  const auto open_two = [](connection& bus) { bus.open_channel(2); };
  const std::string bytes = deliver(1, "1", 1, "ex", "one") + deliver(2, "2", 1, "ex", "two") +
                            message_header(2, 6) + message_header(1, 6) + body(1, "abc") +
                            body(2, "123") + heartbeat() + body(2, "456") + body(1, "def") +
                            message(1, "1", 2, "ex", "one", "again");
  const std::string oslo = " [application/json utf-8 headers 2 0 -] ";
  return with_channel(
      "two channels interleaved", {{{}, open_two}, {channel_open_ok(2), nullptr}, {bytes, nullptr}},
      {"2 channel_opened", "2 delivered 2 1 ex/two" + oslo + "'123456'",
       "1 delivered 1 1 ex/one" + oslo + "'abcdef'", "1 delivered 1 2 ex/one" + oslo + "'again'"});
}

scenario cancelling() {
  const std::string by_broker =
      method(1, 60, 30, short_text("1") + u8(1)) + method(1, 60, 30, short_text("3") + u8(0));
  return with_channel("cancel from both sides",
                      {{by_broker, [](connection& bus) { bus.basic_cancel(1, "2"); }},
                       {method(1, 60, 31, short_text("2")), nullptr}},
                      {"1 cancelled 1", "1 cancelled 3", "1 completed basic_cancel"});
}

scenario channel_closes() {
  const auto open = [](connection& bus) { bus.open_channel(1); };
  const auto close = [](connection& bus) { bus.close_channel(1); };
  return with_channel(
      "channel.close from both sides",
      {{channel_close(1, 404, "NOT_FOUND - no exchange", 60, 40), open},
       {channel_open_ok(1), close},
       // What was under way when our close left is dropped.
       {message(1, "1", 1, "ex", "key", "late") + ack(1, 99) + channel_close_ok(1), open},
       {channel_open_ok(1), close},
       {channel_close(1, 406, "PRECONDITION_FAILED", 50, 10), open},
       {channel_close_ok(1) + channel_open_ok(1), nullptr}},
      {"1 channel_closed by_peer 404 'NOT_FOUND - no exchange' 60.40", "1 channel_opened",
       "1 channel_closed by_us 0 '' 0.0", "1 channel_opened",
       "1 channel_closed by_peer 406 'PRECONDITION_FAILED' 50.10", "1 channel_opened"});
}

scenario close_by_broker() {
  return with_channel("connection.close from the broker",
                      {{connection_close(320, "CONNECTION_FORCED - shutdown"), nullptr}},
                      {"closed by_peer connection_lost 320 'CONNECTION_FORCED - shutdown'"});
}

scenario close_by_owner() {
  return with_channel(
      "connection.close from the owner",
      {{{}, [](connection& bus) { bus.close(); }},
       {message(1, "1", 1, "ex", "key", "late") + heartbeat() + connection_close_ok(), nullptr}},
      {"closed requested none 0 ''"});
}

scenario close_by_both() {
  return with_channel("connection.close from both sides",
                      {{{}, [](connection& bus) { bus.close(); }},
                       {connection_close(320, "CONNECTION_FORCED"), nullptr}},
                      {"closed requested none 0 ''"});
}

scenario notices() {
  return with_channel("blocked, flow and heartbeats",
                      {{method(0, 10, 60, short_text("low on memory")) + heartbeat() +
                            method(1, 20, 20, u8(0)) + method(1, 20, 20, u8(1)) + method(0, 10, 61),
                        nullptr}},
                      {"blocked 'low on memory'", "unblocked"});
}

scenario too_large() {
  connection_options options;
  options.body_limit = 10;
  const std::string oslo = " [application/json utf-8 headers 2 0 -] ";
  return with_channel("a message above the limit",
                      {{message(1, "1", 1, "ex", "key", "0123456789", 4) +
                            message(1, "1", 2, "ex", "key", "0123456789x", 4) +
                            message(1, "1", 3, "ex", "key", "later"),
                        nullptr}},
                      {"1 delivered 1 1 ex/key" + oslo + "'0123456789'",
                       "1 oversized 2 11 'a body above the size limit'",
                       "1 delivered 1 3 ex/key" + oslo + "'later'"},
                      options);
}

scenario too_deep() {
  const std::string deep = nested_tables(17);
  const std::string oslo = " [application/json utf-8 headers 2 0 -] ";
  return with_channel(
      "messages whose headers are nested too deeply",
      {{deliver(1, "1", 1, "ex", "key") + header(1, 6, 0x2000, deep) + body(1, "abc") +
            heartbeat() + body(1, "def") + deliver(1, "1", 2, "ex", "key") +
            header(1, 0, 0x2000, deep) + message(1, "1", 3, "ex", "key", "later"),
        nullptr}},
      {"1 oversized 1 6 'tables nested too deeply'", "1 oversized 2 0 'tables nested too deeply'",
       "1 delivered 1 3 ex/key" + oslo + "'later'"});
}

scenario refused_and_interleaved() {
  connection_options options;
  options.body_limit = 5;
  const auto open_two = [](connection& bus) {
    bus.open_channel(2);
    bus.confirm_select(1);
    bus.publish(1, "", "q", true, {}, "123456");
  };
  const std::string bytes =
      deliver(2, "2", 1, "ex", "two") + returned(1, 312, "NO_ROUTE", "", "q") +
      message_header(1, 6) + message_header(2, 8) + body(1, "123") + body(2, "abcd") +
      body(1, "456") + ack(1, 1) + body(2, "efgh") + message(2, "2", 2, "ex", "two", "fits");
  const std::string oslo = " [application/json utf-8 headers 2 0 -] ";
  return with_channel(
      "messages beyond the limit on two channels",
      {{{}, open_two}, {channel_open_ok(2) + method(1, 85, 11), nullptr}, {bytes, nullptr}},
      {"2 channel_opened", "1 completed confirm_select",
       "1 oversized 0 6 'a body above the size limit'",
       "2 oversized 1 8 'a body above the size limit'", "1 acked 1",
       "2 delivered 2 2 ex/two" + oslo + "'fits'"},
      options);
}

}  // namespace

std::string scenario::bytes() const {
  std::string all;
  for (const auto& one : steps) all += one.bytes;
  return all;
}

std::vector<scenario> all_scenarios() {
  std::vector<scenario> all;
  all.push_back({"login refused",
                 {},
                 {{start(), nullptr}, {connection_close(403, "ACCESS_REFUSED"), nullptr}},
                 {"closed by_peer authentication_failed 403 'ACCESS_REFUSED'"}});
  all.push_back(
      {"virtual host refused",
       {},
       {{start() + tune(), nullptr}, {connection_close(530, "NOT_ALLOWED - vhost x"), nullptr}},
       {"closed by_peer vhost_refused 530 'NOT_ALLOWED - vhost x'"}});
  all.push_back({"another protocol",
                 {},
                 {{"HTTP/1.1 400 Bad Request\r\n\r\n", nullptr}},
                 {"closed protocol wrong_protocol 0 'the peer speaks HTTP, not AMQP 0-9-1'"}});
  all.push_back(set_up());
  all.push_back(publishing());
  all.push_back(deliveries());
  all.push_back(interleaved());
  all.push_back(cancelling());
  all.push_back(channel_closes());
  all.push_back(close_by_broker());
  all.push_back(close_by_owner());
  all.push_back(close_by_both());
  all.push_back(notices());
  all.push_back(too_large());
  all.push_back(too_deep());
  all.push_back(refused_and_interleaved());
  return all;
}

}  // namespace ombt::wire::amqp091::script
