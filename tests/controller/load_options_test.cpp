// SPDX-License-Identifier: Apache-2.0
#include "controller/load_options.hpp"

#include "wire/configuration_error.hpp"

#include "controller/settings.hpp"

#include <catch2/catch.hpp>

#include <cstdio>
#include <fstream>
#include <functional>
#include <string>
#include <unistd.h>
#include <utility>
#include <vector>

using namespace ombt;
using namespace ombt::controller;
using wire::control::rate_segment;
using wire::control::size_range;

namespace {

settings test_of_a_load() {
  settings s;
  s.task = "rpc-call";
  s.control = {"bus"};
  return s;
}

wire::control::load load_of(const settings& s) { return *check_settings(s).what.parameters.load; }

template <class Read>
std::string why_not(Read read) {
  try {
    read();
  } catch (const configuration_error& e) {
    return e.what();
  }
  return {};
}

/// A file of sizes for as long as it lives.
struct sizes_file {
  std::string name = "/tmp/ombt-sizes-" + std::to_string(getpid());
  explicit sizes_file(const std::string& text) { std::ofstream(name) << text; }
  ~sizes_file() { std::remove(name.c_str()); }
};

}  // namespace

TEST_CASE("a time has a unit, or is seconds") {
  CHECK(read_time("--x", "30") == 30);
  CHECK(read_time("--x", "30s") == 30);
  CHECK(read_time("--x", "500ms") == 0.5);
  CHECK(read_time("--x", "2m") == 120);
  CHECK(read_time("--x", "1.5h") == 5400);
  CHECK(read_time("--x", "168h") == 604'800);
  for (const char* text : {"", "s", "0", "-1s", "nan", "inf", "1d", "1 s", "169h", "1s2"}) {
    const auto why = why_not([&] { read_time("--x", text); });
    INFO(text);
    CHECK(why.starts_with("--x " + std::string(text) + ": expected a time"));
  }
}

TEST_CASE("a rate is a number, or a profile of rates and times") {
  CHECK(read_profile("--rate", "1000") == std::vector<rate_segment>{{1000, 1000, 0}});
  CHECK(read_profile("--rate", "0.5:1m") == std::vector<rate_segment>{{0.5, 0.5, 60}});
  CHECK(read_profile("--rate", "1000:30s,5000:60s,10000:30s") ==
        std::vector<rate_segment>{{1000, 1000, 30}, {5000, 5000, 60}, {10'000, 10'000, 30}});
  CHECK(read_ramp("0:1000:2m") == rate_segment{0, 1000, 120});
  for (const char* text : {"", "0", "-5", "nan", "inf", "1e8", "1000/s", "1000:", ":30s", "1000:0s",
                           "1000:30s,", "1000:30s,5000", "1000,2000", "0:30s", "1:100h,1:100h"}) {
    INFO(text);
    CHECK(
        why_not([&] { read_profile("--rate", text); }).starts_with("--rate " + std::string(text)));
  }
  for (const char* text : {"", "1", "1:2", "1:2:0s", "0:0:1s", "-1:2:3s", "1:2:3:4"}) {
    INFO(text);
    CHECK(why_not([&] { read_ramp(text); }).starts_with("--ramp " + std::string(text)));
  }
}

TEST_CASE("a length is one size, a range, or a weighted list of them") {
  CHECK(read_length("1024", 5000).longest == 1024);
  CHECK(read_length("1024", 5000).sizes.empty());
  CHECK(read_length("7-7", 5000).sizes.empty());
  CHECK(read_length("10-20", 5000).longest == 20);
  CHECK(read_length("10-20", 5000).sizes == std::vector<size_range>{{10, 20, 1}});
  for (const char* text : {"", "-1", "5-4", "x", "1-", "5001", "1-5001", "1.5", "@/nowhere"}) {
    INFO(text);
    CHECK(why_not([&] { read_length(text, 5000); }).starts_with("--length " + std::string(text)));
  }
  const sizes_file good("# a study's sizes\n\n100 7\n1000-2000\t2.5  # some\n5000 0.5\r\n");
  const lengths read = read_length("@" + good.name, 5000);
  CHECK(read.longest == 5000);
  CHECK(read.sizes == std::vector<size_range>{{100, 100, 7}, {1000, 2000, 2.5}, {5000, 5000, 0.5}});
}

TEST_CASE("a file of sizes that cannot be used is told with its line") {
  for (const auto& [text, line] :
       std::vector<std::pair<std::string, std::string>>{{"100 1\n5001 1\n", "line 2"},
                                                        {"100\n", "line 1"},
                                                        {"100 0\n", "line 1"},
                                                        {"100 -1\n", "line 1"},
                                                        {"100 nan\n", "line 1"},
                                                        {"100 1 2\n", "line 1"},
                                                        {"many 1\n", "line 1"},
                                                        {"# none\n", "no sizes"}}) {
    const sizes_file bad(text);
    const auto why = why_not([&] { read_length("@" + bad.name, 5000); });
    INFO(text << why);
    CHECK(why.starts_with("--length @" + bad.name));
    CHECK(why.find(line) != std::string::npos);
  }
  std::string many;
  for (int i = 0; i < 1001; ++i) many += "1 1\n";
  const sizes_file long_one(many);
  CHECK(why_not([&] { read_length("@" + long_one.name, 5000); }).find("1000") != std::string::npos);
}

TEST_CASE("a test without these options asks for no load, which ombt's clients can do too") {
  auto s = test_of_a_load();
  s.count = 5;
  s.pause = 1;
  const auto checked = check_settings(s);
  CHECK_FALSE(checked.what.parameters.load);
  CHECK(checked.what.native_clients_for.empty());
  CHECK(checked.what.warmup == 0);
}

TEST_CASE("an open loop ends by its duration, by the number of messages, or by its profile") {
  auto s = test_of_a_load();
  s.load.rate = "1000";
  s.load.duration = "30s";
  CHECK(load_of(s).profile == std::vector<rate_segment>{{1000, 1000, 30}});
  CHECK_FALSE(load_of(s).count);
  CHECK_FALSE(load_of(s).duration);
  CHECK(load_of(s).outstanding == 1000);
  s.count = 50;
  CHECK(load_of(s).count == 50);
  s.load.duration.clear();
  CHECK(load_of(s).profile == std::vector<rate_segment>{{1000, 1000, 604'800}});
  CHECK(load_of(s).count == 50);
  s.count.reset();
  s.load.rate = "1000:30s,5000:1m";
  CHECK(load_of(s).profile.size() == 2);
  s.load.rate.clear();
  s.load.ramp = "1:2:3s";
  s.load.arrivals = "poisson";
  s.load.seed = 7;
  s.load.outstanding = 1;
  s.load.max_late = "250ms";
  const auto load = load_of(s);
  CHECK(load.profile == std::vector<rate_segment>{{1, 2, 3}});
  CHECK(load.arrive == wire::control::arrivals::poisson);
  CHECK(load.seed == 7);
  CHECK(load.outstanding == 1);
  CHECK(load.max_late == 0.25);
  CHECK(check_settings(s).what.native_clients_for == "--ramp");
}

TEST_CASE("a closed loop may end by time, and may have several sizes") {
  auto s = test_of_a_load();
  s.load.duration = "5s";
  CHECK(load_of(s).duration == 5);
  CHECK_FALSE(load_of(s).count);
  CHECK_FALSE(load_of(s).open_loop());
  CHECK(check_settings(s).what.native_clients_for == "--duration");
  s.load.duration.clear();
  s.length = "10-20";
  s.count = 3;
  CHECK(load_of(s).count == 3);
  CHECK(load_of(s).sizes.size() == 1);
  CHECK(check_settings(s).what.parameters.data.size() == 20);
  s.count.reset();
  CHECK(load_of(s).count == 1);
  s.length = "1024";
  s.load.warmup = "2s";
  CHECK(check_settings(s).what.warmup == 2);
  CHECK(load_of(s).count == 1);
}

TEST_CASE("loads that are impossible, or that contradict each other, are refused by name") {
  struct refused {
    std::vector<std::string> options;
    std::function<void(settings&)> make;
  };
  const std::vector<refused> cases = {
      {{"--pause", "--rate"},
       [](settings& s) {
         s.load.rate = "5";
         s.load.duration = "1s";
         s.pause = 1;
       }},
      {{"--rate", "--rate-per-client"},
       [](settings& s) { s.load.rate = s.load.rate_per_client = "5"; }},
      {{"--rate", "--ramp"},
       [](settings& s) {
         s.load.rate = "5";
         s.load.ramp = "1:2:3s";
       }},
      {{"--rate-per-client", "--ramp"},
       [](settings& s) {
         s.load.rate_per_client = "5";
         s.load.ramp = "1:2:3s";
       }},
      {{"--rate", "--duration"},
       [](settings& s) {
         s.load.rate = "5:1s";
         s.load.duration = "1s";
       }},
      {{"--rate", "--calls"},
       [](settings& s) {
         s.load.rate = "5:1s";
         s.count = 3;
       }},
      {{"--ramp", "--events"},
       [](settings& s) {
         s.task = "notify";
         s.load.ramp = "1:2:3s";
         s.count = 3;
       }},
      {{"--warmup", "--ramp"},
       [](settings& s) {
         s.load.ramp = "0:2:3s";
         s.load.warmup = "1s";
       }},
      {{"--rate", "--duration", "--calls"}, [](settings& s) { s.load.rate = "5"; }},
      {{"--outstanding", "--rate"}, [](settings& s) { s.load.outstanding = 5; }},
      {{"--max-late", "--rate"}, [](settings& s) { s.load.max_late = "5s"; }},
      {{"--arrivals", "--rate"}, [](settings& s) { s.load.arrivals = "poisson"; }},
      {{"--seed", "--rate"}, [](settings& s) { s.load.seed = 5; }},
      {{"--rate 0"}, [](settings& s) { s.load.rate = "0"; }},
      {{"--rate-per-client -1"}, [](settings& s) { s.load.rate_per_client = "-1"; }},
      {{"--rate nan"}, [](settings& s) { s.load.rate = "nan"; }},
      {{"--rate 1000:30x"}, [](settings& s) { s.load.rate = "1000:30x"; }},
      {{"--rate sends nothing", "5e-09 messages in 5 s"},
       [](settings& s) {
         s.load.rate = "1e-9";
         s.load.duration = "5s";
       }},
      {{"--rate sends nothing"}, [](settings& s) { s.load.rate = "0.1:4s,0.5:1s"; }},
      {{"--rate sends nothing", "604800 s"},
       [](settings& s) {
         s.load.rate = "1e-6";
         s.count = 3;
       }},
      {{"--ramp sends nothing"}, [](settings& s) { s.load.ramp = "0:0.5:3s"; }},
      {{"--rate-per-client sends nothing"},
       [](settings& s) {
         s.load.rate_per_client = "1e-9";
         s.load.duration = "5s";
       }},
      {{"--duration 0"}, [](settings& s) { s.load.duration = "0"; }},
      {{"--warmup soon"}, [](settings& s) { s.load.warmup = "soon"; }},
      {{"--outstanding 0"},
       [](settings& s) {
         s.load.rate = "5:1s";
         s.load.outstanding = 0;
       }},
      {{"--outstanding 100001"},
       [](settings& s) {
         s.load.rate = "5:1s";
         s.load.outstanding = 100'001;
       }},
      {{"--max-late -1s"},
       [](settings& s) {
         s.load.rate = "5:1s";
         s.load.max_late = "-1s";
       }},
      {{"--arrivals often", "uniform or poisson"},
       [](settings& s) {
         s.load.rate = "5:1s";
         s.load.arrivals = "often";
       }},
      {{"--seed -1"},
       [](settings& s) {
         s.load.rate = "5:1s";
         s.load.seed = -1;
       }},
  };
  for (const auto& [options, make] : cases) {
    auto s = test_of_a_load();
    make(s);
    const auto why = why_not([&] { check_settings(s); });
    INFO(options.front() << " / " << why);
    for (const std::string& option : options) CHECK(why.find(option) != std::string::npos);
    CHECK(why.find('\n') == std::string::npos);
  }
}

TEST_CASE("one message is a load, and each client's may be less than one") {
  auto s = test_of_a_load();
  s.load.rate = "0.1";
  s.load.duration = "10s";
  CHECK(load_of(s).profile.front().seconds == 10);
  s.load.rate_per_client = std::exchange(s.load.rate, {});
  s.load.duration = "1s";  // of a hundred clients that is ten messages
  CHECK(load_of(s).profile.front().seconds == 1);
}

TEST_CASE("a warm-up is the same load at the rate that it begins with") {
  wire::control::load run;
  run.profile = {{100, 500, 60}, {900, 900, 60}};
  run.count = 5;
  run.outstanding = 3;
  auto before = warm_up_of(run, 2);
  CHECK(before.profile == std::vector<rate_segment>{{100, 100, 2}});
  CHECK_FALSE(before.count);
  CHECK(before.outstanding == 3);
  run = {};
  run.count = 5;
  before = warm_up_of(run, 2);
  CHECK(before.duration == 2);
  CHECK_FALSE(before.count);
}

TEST_CASE("what a run takes at least is its profile, or its messages at the highest rate") {
  wire::control::load run;
  run.count = 10;
  CHECK(least_seconds(run) == 0);
  run.duration = 5;
  CHECK(least_seconds(run) == 0);
  run.count.reset();
  CHECK(least_seconds(run) == 5);
  run.profile = {{100, 500, 60}};
  run.start.in = 1;
  CHECK(least_seconds(run) == 61);
  run.count = 100;
  run.clients = 10;
  CHECK(least_seconds(run) == 3);
}

TEST_CASE("a load is told in words") {
  auto s = test_of_a_load();
  s.load.rate = "1000";
  s.load.duration = "30s";
  const auto words = [&](std::uint32_t clients = 10) {
    return load_words(check_settings(s).what, clients);
  };
  CHECK(words() == "open loop, uniform arrivals, 1000/s for 30 s over 10 clients");
  CHECK(offered_rate(check_settings(s).what, 10) == 1000);
  s.count = 5;
  s.load.duration.clear();
  CHECK(words(1) == "open loop, uniform arrivals, 1000/s over 1 client");
  s.load.rate_per_client = std::exchange(s.load.rate, {});
  s.load.arrivals = "poisson";
  CHECK(words() == "open loop, poisson arrivals, 1000/s each of 10 clients");
  CHECK(offered_rate(check_settings(s).what, 10) == 10'000);
  s.count.reset();
  s.load.rate_per_client.clear();
  s.load.ramp = "10:20.5:1m";
  CHECK(words() == "open loop, poisson arrivals, 10/s to 20.5/s for 60 s over 10 clients");
  s.load.ramp.clear();
  s.load.rate = "1:1s,2:1s,3:1s,4:1s";
  CHECK(words() == "open loop, poisson arrivals, 4 rates of 1 to 4/s in 4 s over 10 clients");
  CHECK(offered_rate(check_settings(s).what, 10) == 2.5);
  s.load = {};
  s.load.duration = "2m";
  CHECK(words() == "closed loop, 120 s");
}
