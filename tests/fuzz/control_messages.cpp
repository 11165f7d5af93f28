// SPDX-License-Identifier: Apache-2.0
// Any bytes as the arguments of every control method: read, and what was believed must survive
// being rendered and read again, and be fit for sums and text.
#include "wire/control/live.hpp"
#include "wire/control/results.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

using namespace ombt::wire;
using namespace ombt::wire::control;

namespace {

void require(bool condition) {
  if (!condition) std::abort();
}

/// Parses what was rendered, which must be JSON.
json::value again(json::reader& reader, const std::string& text) {
  json::value root;
  require(!reader.parse(text, root));
  return root;
}

void check_names(std::string_view text) {
  if (const auto parsed = parse_agent_name(text)) {
    require(parsed->id.size() == 32 && !parsed->topic.empty() && !parsed->host.empty());
  }
  require(run_tag_of(text).empty() || run_tag_of(text).size() == 16);
  require(!asks_for_arrivals(text) || is_native_controller(text));
  if (read_message_id(text)) require(text.size() > 33 && text[32] == ':');
}

/// What clients' entries hold must stay consistent in sums.
void check_sums(const server_ledger& ledger) {
  ledger_room room{std::size_t{16} << 20};
  deliveries sum;
  std::uint64_t arrivals = 0;
  std::uint64_t refused = 0;
  for (const auto& [client, had] : ledger.clients) {
    require(had.extra >= had.again.size());
    refused += sum.merge(had, room);
    arrivals += had.arrivals();
  }
  require(refused > 0 || sum.arrivals() == arrivals);
  require(refused > 0 || sum.extra >= sum.again.size());
}

/// Times ascend, and what is written of them is what was read.
void check_arrivals(const arrival_report& told) {
  for (const client_arrivals& client : told.clients) {
    std::string out;
    arrival_writer writer{out, told.ends};
    arrival_reader reader{client.bytes, told.ends};
    std::uint64_t times = 0;
    while (reader.next()) {
      const auto of = reader.times();
      require(!of.empty() && of.size() <= reader.servers() && of.front() <= of.back());
      require(reader.sequence() < sequence_limit);
      writer.add(reader.sequence(), reader.servers(), of);
      times += of.size();
    }
    require(reader.ok() && times == client.times && out == client.bytes);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  check_names(text);
  json::reader reader;
  json::value root;
  if (reader.parse(text, root)) return 0;
  json::reader second;
  std::string why;
  std::string out;

  reply_address address;
  if (read_reply_addr_args(root, address, why)) {
    check_names(address.server);
    append_reply_addr_args(out, address);
    reply_address back;
    require(read_reply_addr_args(again(second, out), back, why) && back == address);
  }
  client_pong_request pong;
  if (read_client_pong_args(root, pong, why)) {
    out.clear();
    append_client_pong_args(out, pong.kind, pong.name, pong.run, pong.place);
    client_pong_request back;
    require(read_client_pong_args(again(second, out), back, why) && back.name == pong.name &&
            back.run == pong.run && back.place == pong.place);
  }
  clock_request correction;
  if (read_clock_args(root, correction, why)) {
    out.clear();
    append_clock_args(out, correction);
    clock_request back;
    require(read_clock_args(again(second, out), back, why) && back == correction);
  }
  clock_reply told;
  if (read_clock_reply(root, told, why)) {
    out.clear();
    append_clock_reply(out, told);
    clock_reply back;
    require(read_clock_reply(again(second, out), back, why) && back == told);
  }
  run_test_request test;
  const bool readable = read_run_test_args(root, test, why);
  if (readable && test.cancel) {
    out.clear();
    append_cancel_run_args(out, test.parameters.run, test.reply_to);
    run_test_request back;
    require(read_run_test_args(again(second, out), back, why) && back.cancel &&
            back.parameters.run == test.parameters.run && back.reply_to == test.reply_to);
  }
  if (readable && test.test) {
    require(test.parameters.count >= 1 && test.parameters.count <= count_limit);
    require(test.parameters.pause >= 0 && test.parameters.pause <= pause_limit);
    out.clear();
    append_run_test_args(out, *test.test, test.parameters, test.reply_to);
    run_test_request back;
    require(read_run_test_args(again(second, out), back, why) && back.test == test.test);
    require(back.parameters.data == test.parameters.data && back.reply_to == test.reply_to);
    // A load travels with a run's id only, which reading makes sure of.
    require(back.parameters.load == test.parameters.load);
    require(back.parameters.legs == test.parameters.legs || test.parameters.run.empty());
    require(back.parameters.progress == test.parameters.progress);
  }
  live_report live;
  if (read_live_report(root, live, why)) {
    out.clear();
    append_live_report(out, live);
    live_report back;
    require(read_live_report(again(second, out), back, why) && back.ok == live.ok &&
            back.second.latency.totals().count == live.second.latency.totals().count);
    require(out.size() <= live_limit);
  }
  client_result_request result;
  if (read_client_result_args(root, result, why)) {
    const result_details* details = result.has_details ? &result.details : nullptr;
    out.clear();
    append_client_result_args(out, result.name, result.kind, result.results, details);
    client_result_request back;
    require(read_client_result_args(again(second, out), back, why));
    std::string once;
    append_results(once, result.results, details);
    std::string twice;
    append_results(twice, back.results, back.has_details ? &back.details : nullptr);
    require(once == twice);
    hdr::histogram sum;
    sum.merge(result.details.latency);
    require(sum.value_at_percentile(100) == sum.max());
    if (result.details.audit) {
      audit_report audit = *result.details.audit;
      audit.merge(*result.details.audit);
      require(audit.total().seconds >= audit.above(90).seconds && audit.lag_ms(99) >= 0);
    }
    if (result.details.sites) {
      site_counts sites = *result.details.sites;
      sites.merge(*result.details.sites);
      sites.answered("own", 1);
      require(is_site(sites.own()) && sites.entries().size() <= site_counts::most_sites + 2);
    }
    series_set series = result.details.series;
    series.merge(result.details.series);
    for (const auto& entry : series.entries()) require(entry.below.lowest <= 0);
    if (result.details.intervals) {
      interval_series sum_of_all{*result.details.intervals};
      sum_of_all.merge(*result.details.intervals);
      sum_of_all.add(interval_row{});
      require(sum_of_all.rows().size() <= interval_series::most_rows);
    }
    results merged = result.results;
    merged.merge(back.results);
    append_results_text(out, merged);
    if (result.details.arrivals) check_arrivals(*result.details.arrivals);
    if (result.details.received) check_sums(*result.details.received);
  } else {
    require(!why.empty());
  }
  return 0;
}
