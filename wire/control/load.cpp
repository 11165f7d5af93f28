// SPDX-License-Identifier: Apache-2.0
#include "wire/control/load.hpp"

#include "wire/control/messages.hpp"

#include <array>
#include <cmath>

namespace ombt::wire::control {
namespace {

constexpr std::array<std::string_view, 2> arrivals_names = {"uniform", "poisson"};

/// Appends numbers as a list: "[1.0, 2.0, 30.0]".
void append_numbers(std::string& out, std::initializer_list<double> numbers) {
  out += '[';
  bool first = true;
  for (const double number : numbers) {
    if (!first) out += ", ";
    first = false;
    json::append_number(out, number);
  }
  out += ']';
}

template <class Entries, class Append>
void append_list(std::string& out, std::string_view key, const Entries& entries, Append append) {
  if (entries.empty()) return;
  out.append(", \"").append(key).append("\": [");
  bool first = true;
  for (const auto& entry : entries) {
    if (!first) out += ", ";
    first = false;
    append(entry);
  }
  out += ']';
}

void append_start(std::string& out, const load_start& start) {
  out += "{\"in\": ";
  json::append_number(out, start.in);
  if (!start.boot.empty()) {
    out += ", \"boot\": ";
    json::append_string(out, start.boot);
    out += ", \"monotonic_ns\": " + std::to_string(start.monotonic_ns);
  }
  out += '}';
}

/// Reads members; the first that is wrong stays in why.
class load_reader {
 public:
  load_reader(json::value from, std::string& why) : from_{from}, why_{why} {}

  bool ok() const noexcept { return ok_; }
  void fail(std::string_view key, std::string_view what) {
    if (!ok_) return;
    ok_ = false;
    why_ = "kwargs.ombt.load.";
    why_.append(key).append(what);
  }

  /// A whole number of least to most; untouched if absent.
  template <class Integer>
  void integer(std::string_view key, std::int64_t least, std::int64_t most, Integer& out) {
    const json::value member = from_[key];
    if (!member || !ok_) return;
    const auto number = member.integer();
    if (!number || *number < least || *number > most) {
      return fail(
          key, " is no whole number from " + std::to_string(least) + " to " + std::to_string(most));
    }
    out = static_cast<Integer>(*number);
  }
  void integer(std::string_view key, std::int64_t least, std::int64_t most,
               std::optional<std::int64_t>& out) {
    if (!from_[key]) return;
    std::int64_t number = least;
    integer(key, least, most, number);
    out = number;
  }

  /// Seconds from 0 to most.
  void seconds(std::string_view key, double most, std::optional<double>& out) {
    const json::value member = from_[key];
    if (!member || !ok_) return;
    const auto number = member.number();
    // Written so that a NaN is refused too.
    if (!number || !(*number >= 0 && *number <= most)) return fail(key, " is no such time");
    out = *number;
  }

  /// A list of lists of three numbers; take(a, b, c) is false for impossible ones.
  template <class Take>
  void triples(std::string_view key, Take take) {
    const json::value list = from_[key];
    if (!list || !ok_) return;
    if (!list.is_array() || list.size() == 0 || list.size() > load_list_limit) {
      return fail(key, " is no list of 1 to " + std::to_string(load_list_limit) + " entries");
    }
    list.for_each_element([&](json::value entry) {
      if (!ok_) return;
      std::array<double, 3> numbers{};
      std::size_t known = 0;
      if (entry.is_array() && entry.size() == numbers.size()) {
        entry.for_each_element([&](json::value field) {
          const auto number = field.number();
          if (number && std::isfinite(*number)) numbers[known++] = *number;
        });
      }
      if (known != numbers.size() || !take(numbers[0], numbers[1], numbers[2])) {
        fail(key, " has an impossible entry");
      }
    });
  }

 private:
  json::value from_;
  std::string& why_;
  bool ok_ = true;
};

bool whole(double number, double most) {
  return number >= 0 && number <= most && number == std::floor(number);
}

void read_start(json::value from, load_reader& fields, load_start& out) {
  if (!from) return;
  const auto in = from["in"].number();
  if (!in || !(*in >= 0 && *in <= start_limit)) {
    return fields.fail("start", ".in is no number of seconds from 0 to 3600");
  }
  out.in = *in;
  const json::value boot = from["boot"];
  if (!boot) return;
  const auto text = boot.string();
  const auto instant = from["monotonic_ns"].integer();
  if (!text || text->empty() || text->size() > boot_limit || !instant || *instant < 0) {
    return fields.fail("start", " has no boot and monotonic_ns that fit");
  }
  out.boot = *text;
  out.monotonic_ns = *instant;
}

}  // namespace

std::string_view name_of(arrivals which) noexcept {
  return arrivals_names[static_cast<std::size_t>(which)];
}

std::optional<arrivals> arrivals_from(std::string_view name) noexcept {
  for (std::size_t i = 0; i < arrivals_names.size(); ++i) {
    if (arrivals_names[i] == name) return static_cast<arrivals>(i);
  }
  return {};
}

double seconds_of(const std::vector<rate_segment>& profile) noexcept {
  double sum = 0;
  for (const rate_segment& piece : profile) sum += piece.seconds;
  return sum;
}

double messages_of(const std::vector<rate_segment>& profile) noexcept {
  double sum = 0;
  for (const rate_segment& piece : profile) sum += (piece.from + piece.to) / 2 * piece.seconds;
  return sum;
}

void append_load(std::string& out, const load& what) {
  out += "{\"seed\": " + std::to_string(what.seed);
  if (what.open_loop()) {
    append_list(out, "profile", what.profile, [&](const rate_segment& piece) {
      append_numbers(out, {piece.from, piece.to, piece.seconds});
    });
    out += ", \"clients\": " + std::to_string(what.clients);
    out.append(", \"arrivals\": \"").append(name_of(what.arrive));
    out += "\", \"outstanding\": " + std::to_string(what.outstanding);
    out += ", \"start\": ";
    append_start(out, what.start);
  }
  if (what.count) out += ", \"count\": " + std::to_string(*what.count);
  for (const auto& [key, seconds] :
       {std::pair{"duration", what.duration}, std::pair{"max_late", what.max_late}}) {
    if (!seconds) continue;
    out.append(", \"").append(key).append("\": ");
    json::append_number(out, *seconds);
  }
  append_list(out, "sizes", what.sizes, [&](const size_range& range) {
    append_numbers(
        out, {static_cast<double>(range.least), static_cast<double>(range.most), range.weight});
  });
  out += '}';
}

bool read_load(json::value from, std::string_view data, load& out, std::string& why) {
  out = {};
  if (!from.is_object()) {
    why = "kwargs.ombt.load is no object";
    return false;
  }
  load_reader fields{from, why};
  fields.integer("seed", 0, INT64_MAX, out.seed);
  fields.integer("count", 1, count_limit, out.count);
  fields.seconds("duration", load_time_limit, out.duration);
  fields.seconds("max_late", load_time_limit, out.max_late);
  fields.triples("profile", [&](double first, double last, double seconds) {
    out.profile.push_back({first, last, seconds});
    return first >= 0 && first <= rate_limit && last >= 0 && last <= rate_limit && seconds > 0 &&
           seconds <= load_time_limit;
  });
  fields.triples("sizes", [&](double least, double most, double weight) {
    const auto longest = static_cast<double>(data.size());
    if (!whole(least, longest) || !whole(most, longest) || least > most ||
        !(weight > 0 && weight <= 1e9)) {
      return false;
    }
    out.sizes.push_back(
        {static_cast<std::uint32_t>(least), static_cast<std::uint32_t>(most), weight});
    return true;
  });
  if (!out.sizes.empty() && !json::is_plain(data)) fields.fail("sizes", ": data is no plain text");
  if (out.open_loop()) {
    fields.integer("clients", 1, load_clients_limit, out.clients);
    fields.integer("outstanding", 1, outstanding_limit, out.outstanding);
    if (const json::value arrive = from["arrivals"]) {
      const auto known = arrivals_from(arrive.string().value_or(std::string_view{}));
      if (known) {
        out.arrive = *known;
      } else {
        fields.fail("arrivals", " is neither uniform nor poisson");
      }
    }
    read_start(from["start"], fields, out.start);
    if (seconds_of(out.profile) > load_time_limit) fields.fail("profile", " is above 7 days");
    if (!(messages_of(out.profile) > 0)) fields.fail("profile", " asks for no messages");
  } else if (!out.count && !out.duration) {
    fields.fail("count", " is missing: nothing says when the run ends");
  }
  return fields.ok();
}

}  // namespace ombt::wire::control
