// SPDX-License-Identifier: Apache-2.0
#include "drivers/operations.hpp"

#include "tests/agents/drive.hpp"

#include <catch2/catch.hpp>

using namespace ombt;
using namespace ombt::drivers;
using std::chrono::milliseconds;
using std::chrono::seconds;

namespace {

struct counted {
  int value = 0;
};

struct owner : operations::owner, completion {
  loop on;
  operation_table<counted> table{on, *this};
  std::vector<operations::handle> limits, silences;
  std::vector<std::uint64_t> ended;

  void on_limit(operations::handle h) override { limits.push_back(h); }
  void on_silence(operations::handle h) override { silences.push_back(h); }
  void on_complete(std::uint64_t tag, const outcome&) override { ended.push_back(tag); }
  operations::handle start(std::uint64_t tag, duration limit = seconds{60}) {
    return table.start(*this, tag, steady_clock::now() + limit);
  }
};

}  // namespace

TEST_CASE("an operation completes once, and its handle is never another's") {
  owner o;
  const auto first = o.start(1);
  o.table.find(first)->value = 5;
  o.table.finish(first, {});
  o.table.finish(first, {});
  CHECK(o.ended == std::vector<std::uint64_t>{1});
  CHECK(o.table.find(first) == nullptr);
  const auto second = o.start(2);  // in the same place
  CHECK(second != first);
  CHECK(o.table.find(second)->value == 0);
  o.table.finish(first, {});
  CHECK(o.ended.size() == 1);
  CHECK(o.table.in_flight() == std::vector<operations::handle>{second});
}

TEST_CASE("limits are told from the loop, of operations that are still in flight") {
  owner o;
  const auto ends = o.start(1, milliseconds{5});
  const auto stays = o.start(2, milliseconds{5});
  o.table.finish(ends, {});
  o.table.set_limit(o.start(3), steady_clock::now());
  CHECK(o.limits.empty());
  tests::settle(o.on, milliseconds{30});
  CHECK(o.limits.size() == 2);
  CHECK(o.table.find(stays) != nullptr);  // whose end is the owner's to decide
}

TEST_CASE("a monitor that is started anew counts anew") {
  owner o;
  const auto one = o.start(1);
  o.table.watch(one, milliseconds{5});
  o.table.watch(one, seconds{60});
  const auto two = o.start(2);
  o.table.watch(two, milliseconds{5});
  tests::settle(o.on, milliseconds{30});
  CHECK(o.silences == std::vector<operations::handle>{two});
  CHECK(o.limits.empty());
}
