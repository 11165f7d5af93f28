// SPDX-License-Identifier: Apache-2.0
#include "wire/control/results.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

using namespace ombt::wire;
using namespace ombt::wire::control;

namespace {

bool reads(const std::string& text, results& out, result_details& details, bool& present,
           std::string& why) {
  json::reader reader;
  json::value root;
  INFO(text.substr(0, 300));
  REQUIRE_FALSE(reader.parse(text, root));
  return read_results(root, out, details, present, why);
}

std::string render(const results& r, const result_details* details = nullptr) {
  std::string out;
  append_results(out, r, details);
  return out;
}

results example() {
  results r;
  r.saw_time(100.5);
  r.add_success(0.5);
  r.add_success(12.0);
  r.add_failure("Timed out waiting for a reply to message ID 0123456789abcdef0123456789abcdef");
  r.saw_time(102.5);
  return r;
}

}  // namespace

TEST_CASE("Counts of an error that add up beyond the largest stay readable") {
  results r;
  constexpr std::uint64_t most = std::uint64_t{1} << 53;
  r.count_error("the same", most - 1);
  r.count_error("the same", most - 1);
  CHECK(r.errors.at("the same") == most);
}

TEST_CASE("an empty record is ombt's") {
  CHECK(render({}) ==
        R"({"start_time": null, "stop_time": null, "msgs_ok": 0, "msgs_fail": 0, )"
        R"("latency": {"min": null, "max": null, "total": 0, "count": 0, "sum_of_squares": 0, )"
        R"("distribution": {}}, "errors": {}})");
}

TEST_CASE("a record has ombt's keys in ombt's order, and details only where asked") {
  const auto r = example();
  const std::string plain =
      R"({"start_time": 100.5, "stop_time": 102.5, "msgs_ok": 2, "msgs_fail": 1, )"
      R"("latency": {"min": 0.5, "max": 12.0, "total": 12.5, "count": 2, "sum_of_squares": 144.25, )"
      R"("distribution": {"0": [1, 0, 0, 0, 0, 0, 0, 0, 0, 0], "1": [0, 1, 0, 0, 0, 0, 0, 0, 0, 0]}}, )"
      R"("errors": {"Timed out waiting for a reply to message ID <id>": 1}})";
  CHECK(render(r) == plain);
  result_details details;
  details.run = "r1";
  details.latency.record(1'000);
  details.negative_samples = 2;
  details.negative_min = -0.25;
  CHECK(
      render(r, &details) ==
      plain.substr(0, plain.size() - 1) +
          R"(, "ombt": {"run": "r1", "latency": {"count": 1, "overflow": 0, "min": 1000, "max": 1000, )"
          R"("total": 1000.0, "counts": [[1000, 1]]}, "negative_samples": 2, "negative_min_ms": -0.25}})");
  const std::string links = R"(, "links": {"unreadable_messages": 7, "reconnects": 1}}})";
  details.links.unreadable = 7;
  details.links.reconnects = 1;
  const std::string with_links = render(r, &details);
  CHECK(with_links.substr(with_links.size() - links.size()) == links);
  std::string args;
  append_client_result_args(args, "n", agent_kind::rpc_client, r);
  CHECK(args == R"({"name": "n", "kind": "RPCClient", "results": )" + plain + "}");
}

TEST_CASE("a record survives the wire, with and without details") {
  const auto r = example();
  result_details details;
  details.run = "0123-1";
  details.answer = 9'007'199'254'740'992;
  details.cut_short = true;
  for (std::uint64_t i = 1; i < 300; ++i) details.latency.record(i * i * 1'000);
  details.links = {1, 2, 3, 4, 5, 6, 7, 8};
  std::string args;
  append_client_result_args(args, "agent", agent_kind::rpc_server, r, &details);
  json::reader reader;
  json::value root;
  REQUIRE_FALSE(reader.parse(args, root));
  client_result_request request;
  std::string why;
  REQUIRE(read_client_result_args(root, request, why));
  CHECK(request.name == "agent");
  CHECK(request.kind == agent_kind::rpc_server);
  REQUIRE(request.has_details);
  CHECK(request.details.run == "0123-1");
  CHECK(request.details.answer == 9'007'199'254'740'992);
  CHECK(request.details.cut_short);
  CHECK(request.details.latency.totals().count == 299);
  CHECK(request.details.links == link_counts{1, 2, 3, 4, 5, 6, 7, 8});
  CHECK(render(request.results, &request.details) == render(r, &details));

  args.clear();
  append_client_result_args(args, "agent", agent_kind::rpc_server, r);
  REQUIRE_FALSE(reader.parse(args, root));
  REQUIRE(read_client_result_args(root, request, why));
  CHECK_FALSE(request.has_details);
  CHECK(request.details.latency.totals().count == 0);
  CHECK_FALSE(request.details.links.any());
}

TEST_CASE("a loop's schedule and its histograms stand in the details, and survive the wire") {
  result_details details;
  std::string args;
  append_client_result_args(args, "agent", agent_kind::rpc_client, {}, &details);
  CHECK(args.find("series") == std::string::npos);
  CHECK(args.find("load") == std::string::npos);
  details.series.record(series::slip, 5);
  details.series.record(series::intended, 1'000);
  details.series.record(series::intended, 2'000);
  details.series.record(series::intended, -3);
  details.load = {7, 2, 1};
  args.clear();
  append_client_result_args(args, "agent", agent_kind::rpc_client, {}, &details);
  const std::string end =
      R"("series": {"intended": {"count": 3, "overflow": 0, "min": 0, "max": 2000, )"
      R"("total": 3000.0, "counts": [[0, 1], [1000, 1], [2000, 1]]}, )"
      R"("slip": {"count": 1, "overflow": 0, "min": 5, "max": 5, "total": 5.0, )"
      R"("counts": [[5, 1]]}}, "load": {"scheduled": 7, "late": 2, "dropped": 1}}}})";
  INFO(args);
  CHECK(args.substr(args.size() - end.size()) == end);
  json::reader reader;
  json::value root;
  REQUIRE_FALSE(reader.parse(args, root));
  client_result_request request;
  std::string why;
  REQUIRE(read_client_result_args(root, request, why));
  CHECK(request.details.load == details.load);
  CHECK(render(request.results, &request.details) == render({}, &details));
  CHECK(request.details.series.find(series::failed) == nullptr);
  // Names of later versions are passed over.
  const std::string later = R"({"ombt": {"latency": {"count": 0, "overflow": 0, "min": 0, )"
                            R"("max": 0, "total": 0.0, "counts": []}, "series": {"legs": 1}}})";
  results out;
  bool present = false;
  CHECK(reads(later, out, details, present, why));
  CHECK(details.series.empty());
}

TEST_CASE("differences of clocks apart are kept beside their histogram, and survive the wire") {
  result_details details;
  details.series.record_difference(series::request_leg, 7);
  details.series.record_difference(series::request_leg, -5);
  details.series.record_difference(series::request_leg, -9);
  details.series.record_difference(series::reply_leg, INT64_MIN);
  std::string args;
  append_client_result_args(args, "agent", agent_kind::rpc_client, {}, &details);
  const std::string end =
      R"("series": {"request_leg": {"count": 1, "overflow": 0, "min": 7, "max": 7, "total": 7.0, )"
      R"("counts": [[7, 1]]}, "reply_leg": {"count": 0, "overflow": 0, "min": 0, "max": 0, )"
      R"("total": 0.0, "counts": []}, "below_zero": {"request_leg": {"samples": 2, "min_ns": -9}, )"
      R"("reply_leg": {"samples": 1, "min_ns": -2305843009213693952}}}}}})";
  INFO(args);
  CHECK(args.substr(args.size() - end.size()) == end);
  json::reader reader;
  json::value root;
  REQUIRE_FALSE(reader.parse(args, root));
  client_result_request request;
  std::string why;
  REQUIRE(read_client_result_args(root, request, why));
  CHECK(render(request.results, &request.details) == render({}, &details));
  // In sums the lowest is that of all.
  series_set sum;
  sum.record_difference(series::request_leg, -20);
  sum.merge(request.details.series);
  REQUIRE(sum.entries().size() == 2);
  CHECK(sum.entries()[0].below == below_zero{3, -20});
  CHECK(sum.find(series::request_leg)->totals().count == 1);
}

TEST_CASE("what links counted adds up, grows and is told in words") {
  link_counts counts;
  CHECK_FALSE(counts.any());
  CHECK(in_words(counts).empty());
  counts.merge({7, 3, 1, 0, 0, 0, 0, 0, 0, 0});
  CHECK(counts.any());
  CHECK(in_words(counts) == "7 unreadable messages, 3 duplicates dropped, 1 late reply");
  const link_counts before = counts;
  counts.merge({1, 0, 1, 2, 1, 1, 3, 1, 1, 2});
  CHECK(counts.since(before) == link_counts{1, 0, 1, 2, 1, 1, 3, 1, 1, 2});
  CHECK(in_words(counts.since(before)) ==
        "1 unreadable message, 1 late reply, 2 messages returned, 1 message refused, "
        "1 reply abandoned, 3 messages sent without credit, 1 message lost without credit, "
        "1 connection error, 2 reconnects");
}

TEST_CASE("missing keys have defaults, unknown keys are ignored, integers pass for floats") {
  results out;
  result_details details;
  bool present = true;
  std::string why;
  REQUIRE(reads("{}", out, details, present, why));
  CHECK(out.empty());
  CHECK_FALSE(present);
  REQUIRE(reads(
      R"({"start_time": 5, "msgs_ok": 3, "later": {"a": 1}, "latency": {"total": 7, "count": 3}})",
      out, details, present, why));
  CHECK(out.start_time == 5.0);
  CHECK_FALSE(out.stop_time);
  CHECK(out.latency.total == 7);
  CHECK(out.latency.average() == Approx(7.0 / 3));
}

TEST_CASE("a record that nobody sane sends is refused with a reason") {
  const std::string histogram =
      R"({"count": 0, "overflow": 0, "min": 0, "max": 0, "total": 0.0, "counts": []})";
  const std::vector<std::pair<std::string, std::string>> bad = {
      {"[]", "no object"},
      {R"({"msgs_ok": -1})", "msgs_ok"},
      {R"({"msgs_ok": 1.5})", "msgs_ok"},
      {R"({"msgs_ok": "1"})", "msgs_ok"},
      {R"({"msgs_ok": null})", "msgs_ok"},
      {R"({"msgs_fail": 9223372036854775807})", "msgs_fail"},
      {R"({"start_time": "now"})", "start_time"},
      {R"({"start_time": -5})", "start_time"},
      {R"({"stop_time": 1e300})", "stop_time"},
      {R"({"latency": 3})", "latency is no object"},
      {R"({"latency": {"count": -3}})", "latency.count"},
      {R"({"latency": {"min": "x"}})", "latency.min"},
      {R"({"latency": {"total": 1e200}})", "latency.total"},
      {R"({"latency": {"sum_of_squares": -1}})", "sum_of_squares"},
      {R"({"latency": {"distribution": []}})", "distribution"},
      {R"({"latency": {"distribution": {"0": [1]}}})", "without ten counts"},
      {R"({"latency": {"distribution": {"0": [0,0,0,0,0,0,0,0,0,0,0]}}})", "without ten counts"},
      {R"({"latency": {"distribution": {"0": [0,0,0,0,0,0,0,0,0,-1]}}})", "else than counts"},
      {R"({"latency": {"distribution": {"0": [0,0,0,0,0,0,0,0,0,null]}}})", "else than counts"},
      {R"({"latency": {"distribution": {"19": [0,0,0,0,0,0,0,0,0,0]}}})", "impossible decade"},
      {R"({"latency": {"distribution": {"-1": [0,0,0,0,0,0,0,0,0,0]}}})", "impossible decade"},
      {R"({"latency": {"distribution": {"": [0,0,0,0,0,0,0,0,0,0]}}})", "impossible decade"},
      {R"({"latency": {"distribution": {"999999999999": [0,0,0,0,0,0,0,0,0,0]}}})",
       "impossible decade"},
      {R"({"errors": ["a"]})", "errors is no object"},
      {R"({"errors": {"a": -1}})", "errors"},
      {R"({"errors": {"a": "b"}})", "errors"},
      {R"({"ombt": 1})", "results.ombt"},
      {R"({"ombt": {}})", "results.ombt.latency"},
      {R"({"ombt": {"run": 5}})", "results.ombt.run"},
      {R"({"ombt": {"answer": -1}})", "answer is no count"},
      {R"({"ombt": {"answer": "1"}})", "answer is no count"},
      {R"({"ombt": {"latency": )" + histogram + R"(, "links": 5}})", "ombt.links is no object"},
      {R"({"ombt": {"latency": )" + histogram + R"(, "links": {"late_replies": -1}}})",
       "late_replies is no count"},
      {R"({"ombt": {"latency": )" + histogram + R"(, "load": 5}})", "ombt.load is no object"},
      {R"({"ombt": {"latency": )" + histogram + R"(, "load": {"late": -1}}})", "late is no count"},
      {R"({"ombt": {"latency": )" + histogram + R"(, "load": {"scheduled": 1, "dropped": 2}}})",
       "more late or dropped than scheduled"},
      {R"({"ombt": {"latency": )" + histogram + R"(, "series": []}})", "series is no object"},
      {R"({"ombt": {"latency": )" + histogram + R"(, "series": {"slip": 5}}})",
       "results.ombt.series.slip: histogram is no object"},
      {R"({"ombt": {"latency": )" + histogram + R"(, "series": {"below_zero": 5}}})",
       "series.below_zero is no object"},
      {R"({"ombt": {"latency": )" + histogram + R"(, "series": {"below_zero": {"slip": 5}}}})",
       "series.below_zero.slip is no samples below zero"},
      {R"({"ombt": {"latency": )" + histogram +
           R"(, "series": {"below_zero": {"slip": {"samples": 0, "min_ns": -1}}}}})",
       "series.below_zero.slip is no samples below zero"},
      {R"({"ombt": {"latency": )" + histogram +
           R"(, "series": {"below_zero": {"slip": {"samples": 1, "min_ns": 1}}}}})",
       "series.below_zero.slip is no samples below zero"},
      {R"({"ombt": {"latency": )" + histogram +
           R"(, "series": {"below_zero": {"slip": {"samples": 1, "min_ns": -3000000000000000000}}}}})",
       "series.below_zero.slip is no samples below zero"},
      {R"({"ombt": {"latency": )" + histogram + R"(, "sites": {}}})",
       "results.ombt.site is no site"},
  };
  for (const auto& [text, reason] : bad) {
    results out;
    result_details details;
    bool present = false;
    std::string why;
    INFO(text);
    CHECK_FALSE(reads(text, out, details, present, why));
    INFO(why);
    CHECK(why.find(reason) != std::string::npos);
  }
}

TEST_CASE("the first digit is exact at every power of ten and just below") {
  for (int decade = 0; decade <= 17; ++decade) {
    const double power = std::pow(10.0, decade);
    latency_statistics at;
    at.add_sample(power);
    REQUIRE(at.distribution.size() == 1);
    CHECK(at.distribution[0].decade == decade);
    CHECK(at.distribution[0].counts[1] == 1);
    latency_statistics below;
    below.add_sample(std::nextafter(power, 0.0));
    REQUIRE(below.distribution.size() == 1);
    CHECK(below.distribution[0].decade == std::max(0, decade - 1));
    CHECK(below.distribution[0].counts[decade == 0 ? 0 : 9] == 1);
  }
  latency_statistics huge;
  huge.add_sample(1e40);
  CHECK(huge.distribution[0].decade == decade_limit);
  CHECK(huge.distribution[0].counts[9] == 1);
}

TEST_CASE("a minimum of zero stays the minimum, unlike in ombt") {
  latency_statistics a;
  a.add_sample(0.0);
  a.add_sample(5.0);
  CHECK(a.min == 0.0);
  latency_statistics b;
  b.add_sample(3.0);
  b.merge(a);
  CHECK(b.min == 0.0);
  CHECK(b.max == 5.0);
  CHECK(b.count == 3);
}

TEST_CASE("equal samples have no deviation, no samples have ombt's -1") {
  latency_statistics l;
  CHECK(l.average() == 0);
  CHECK(l.std_dev() == -1);
  for (int i = 0; i < 1'000; ++i) l.add_sample(0.1);
  CHECK(l.std_dev() >= 0);
  CHECK(l.std_dev() < 1e-6);
}

TEST_CASE("a failure counts by its error and is neither latency nor throughput") {
  results r;
  r.saw_time(10);
  for (int i = 0; i < 8; ++i) r.add_success(1.0);
  for (int i = 0; i < 100; ++i) r.add_failure("boom");
  r.saw_time(12);
  CHECK(r.latency.count == 8);
  CHECK(r.throughput() == 4.0);
  CHECK(r.errors.at("boom") == 100);
  CHECK(r.msgs_fail == 100);
}

TEST_CASE("error texts cannot grow without bound nor reach a terminal as commands") {
  results r;
  for (int i = 0; i < 10'000; ++i) r.count_error("error " + std::to_string(i));
  CHECK(r.errors.size() == error_text_limit + 1);
  CHECK(r.errors.at(std::string{other_errors}) == 10'000 - error_text_limit);
  results other = r;
  other.merge(r);
  CHECK(other.errors.size() == error_text_limit + 1);

  results odd;
  odd.count_error(std::string(5'000, 'z'));
  odd.count_error("a\x1b[2J\nb");
  odd.count_error("id 00000000000000000000000000000000 and 123 face");
  odd.count_error("id 11111111111111111111111111111111 and 123 face");
  odd.count_error("short 1111111111111111111111111111111");
  odd.count_error("no luck at rabbit://me:secret@bus:5672/, and rabbit://me:other@b");
  CHECK(odd.errors.count("no luck at rabbit://me:***@bus:5672/, and rabbit://me:***@b") == 1);
  CHECK(odd.errors.count(std::string(error_length_limit - 3, 'z') + "...") == 1);
  CHECK(odd.errors.count("a [2J b") == 1);
  CHECK(odd.errors.at("id <id> and 123 face") == 2);
  CHECK(odd.errors.count("short 1111111111111111111111111111111") == 1);
  // What was cut or masked stays as it is when it is merged again.
  results again;
  again.merge(odd);
  CHECK(again.errors == odd.errors);
  // Cut between characters, not inside one.
  results utf8;
  std::string text = std::string(error_length_limit - 4, 'z') + "\xc3\xa9\xc3\xa9\xc3\xa9";
  utf8.count_error(text);
  CHECK(utf8.errors.begin()->first == std::string(error_length_limit - 4, 'z') + "...");
}

TEST_CASE("a record's text is ombt's") {
  results r;
  r.start_time = 1542827906.192293;
  r.stop_time = 1542827906.228337;
  for (int i = 0; i < 19; ++i) r.add_success(3.25);
  r.add_success(15.0);
  r.add_failure("no reply");
  std::string text;
  append_results_text(text, r);
  CHECK(text ==
        "Error: 1 message transfers failed\n"
        "Error: errors detected:\n"
        "  'no reply' (occurred 1 times)\n"
        "Total Messages: 21\n"
        "Test Interval: 1542827906.192293 - 1542827906.228337 (0.036044 secs)\n"
        "Aggregate throughput: 554.875513 msgs/sec\n"
        "Latency 20 samples (msecs): Average 3.837500 StdDev 2.560853 Min 3.250000 Max 15.000000\n"
        "Latency Distribution: \n"
        "[0..<1):  0\n[1..<2):  0\n[2..<3):  0\n[3..<4):  19\n[4..<5):  0\n[5..<6):  0\n"
        "[6..<7):  0\n[7..<8):  0\n[8..<9):  0\n[9..<10):  0\n"
        "[10..<20):  1\n[20..<30):  0\n[30..<40):  0\n[40..<50):  0\n[50..<60):  0\n"
        "[60..<70):  0\n[70..<80):  0\n[80..<90):  0\n[90..<100):  0\n");
  text.clear();
  append_results_text(text, {});
  CHECK(text == "Total Messages: 0\nTest Interval: n/a (nothing was seen)\n");
}
