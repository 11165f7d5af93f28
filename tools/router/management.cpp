// SPDX-License-Identifier: Apache-2.0
#include "tools/router/management.hpp"

#include "tools/router/entities.hpp"

#include <proton/codec/decoder.hpp>
#include <proton/codec/encoder.hpp>
#include <proton/codec/map.hpp>
#include <proton/codec/vector.hpp>
#include <proton/error.hpp>
#include <proton/map.hpp>
#include <proton/message.hpp>
#include <proton/message_id.hpp>
#include <proton/scalar.hpp>
#include <proton/value.hpp>

#include <algorithm>
#include <chrono>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace ombt::tools::router {
namespace {

/// Bytes of a request. Proton's decoder recurses once a level of nesting, and a level may be a
/// byte: this bounds its stack.
constexpr std::size_t longest_request = 4096;

std::int64_t seconds_now() {
  const auto since = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::seconds>(since).count();
}

/// What a request asks for, as far as it is understood.
struct question {
  std::string operation;
  std::string type;
  std::vector<std::string> names;  ///< attributes; empty: all
  std::size_t offset = 0;
  std::size_t count = std::numeric_limits<std::size_t>::max();
};

std::string text_of(const proton::scalar& from) {
  const proton::type_id type = from.type();
  if (type == proton::STRING || type == proton::SYMBOL) return proton::coerce<std::string>(from);
  return {};
}

/// Counts may come as any number; a negative one is none.
bool read_number(const proton::message& from, const char* name, std::size_t& into) {
  if (!from.properties().exists(name)) return false;
  const proton::scalar given = from.properties().get(name);
  if (given.empty() || text_of(given) != "") return false;
  const auto number = proton::coerce<std::int64_t>(given);
  if (number < 0) return false;
  into = static_cast<std::size_t>(number);
  return true;
}

question read_question(const proton::message& from) {
  question asked;
  const auto property = [&](const char* name) {
    return from.properties().exists(name) ? text_of(from.properties().get(name)) : std::string();
  };
  asked.operation = property("operation");
  asked.type = property("entityType");
  read_number(from, "offset", asked.offset);
  read_number(from, "count", asked.count);
  if (from.body().type() != proton::MAP) return asked;
  std::map<std::string, proton::value> body;
  proton::get(from.body(), body);
  const auto names = body.find("attributeNames");
  if (names == body.end() || names->second.type() != proton::LIST) return asked;
  std::vector<proton::value> listed;
  proton::get(names->second, listed);
  for (const proton::value& one : listed) {
    if (one.type() != proton::STRING) continue;
    asked.names.push_back(proton::get<std::string>(one));
  }
  return asked;
}

void put(proton::codec::encoder& into, const attribute_value& value) {
  using proton::codec::finish;
  using proton::codec::start;
  std::visit(
      [&](const auto& one) {
        using type = std::decay_t<decltype(one)>;
        if constexpr (std::is_same_v<type, no_value>) {
          into << proton::null();
        } else if constexpr (std::is_same_v<type, empty_list>) {
          into << start::list() << finish();
        } else if constexpr (std::is_same_v<type, empty_map>) {
          into << start::map() << finish();
        } else if constexpr (std::is_same_v<type, std::string_view>) {
          into << std::string(one);
        } else {
          into << one;
        }
      },
      value);
}

/// The attributes asked for, in that order; one that does not exist is null.
std::vector<attribute> choose(const entity_type& type, std::vector<std::string>& names) {
  if (names.empty()) {
    for (const attribute& one : type.attributes) names.emplace_back(one.name);
    return type.attributes;
  }
  std::vector<attribute> chosen;
  for (const std::string& name : names) {
    const auto found = std::find_if(type.attributes.begin(), type.attributes.end(),
                                    [&](const attribute& one) { return one.name == name; });
    chosen.push_back(found != type.attributes.end() ? *found : attribute{name, nullptr});
  }
  return chosen;
}

/// Whether an answer of so many rows can be encoded: proton counts values in 16 bits.
bool fits(const question& asked, std::size_t columns, std::size_t rows) {
  constexpr std::size_t most_values = 60'000;
  const std::size_t told = std::min(asked.count, rows - std::min(asked.offset, rows));
  return told <= (most_values - std::min(columns, most_values)) / (columns + 1);
}

/// Empty if the rows are too many.
std::optional<proton::value> answer_of(const entity_type& type, question& asked,
                                       const entity& router) {
  using proton::codec::finish;
  using proton::codec::start;
  const std::vector<attribute> columns = choose(type, asked.names);
  std::vector<entity> rows = type.list(router);
  if (!fits(asked, columns.size(), rows.size())) return std::nullopt;
  proton::value body;
  proton::codec::encoder into(body);
  into << start::map() << std::string("attributeNames") << start::list();
  for (const std::string& name : asked.names) into << name;
  into << finish() << std::string("results") << start::list();
  const std::size_t first = std::min(asked.offset, rows.size());
  const std::size_t last = first + std::min(asked.count, rows.size() - first);
  for (std::size_t i = first; i < last; ++i) {
    into << start::list();
    for (const attribute& one : columns) {
      put(into, one.read != nullptr ? one.read(rows[i]) : attribute_value(no_value{}));
    }
    into << finish();
  }
  into << finish() << finish();
  return body;
}

}  // namespace

management::management(core& of, std::vector<const core*> all, pause while_all_wait)
    : core_(of),
      all_(std::move(all)),
      while_all_wait_(std::move(while_all_wait)),
      started_(seconds_now()) {
  core_.set_management([this](std::string_view request) { answer(request); });
}

void management::answer(std::string_view request) try {
  if (request.size() > longest_request) return;
  proton::message asking;
  asking.decode(std::vector<char>(request.begin(), request.end()));
  const std::string to = asking.reply_to();
  if (to.empty()) return;
  question asked = read_question(asking);
  proton::message reply;
  reply.to(to);
  reply.correlation_id(asking.correlation_id().empty() ? asking.id() : asking.correlation_id());
  const auto status = [&](std::int32_t code, const std::string& words) {
    reply.properties().put("statusCode", code);
    reply.properties().put("statusDescription", words);
  };
  const entity_type* const type = find_entity_type(asked.type);
  if (asked.operation != "QUERY") {
    status(501, "Not Implemented: this router answers QUERY only");
  } else if (type == nullptr) {
    status(404, "Not Found: no such entity type here");
  } else {
    entity router;
    router.cores = &all_;
    router.now = seconds_now();
    router.started = started_;
    std::optional<proton::value> body;
    while_all_wait_([&] { body = answer_of(*type, asked, router); });
    if (body) {
      reply.body(*body);
      status(200, "OK");
    } else {
      status(400,
             "Bad Request: too many values for one answer; ask for fewer attributes, or by "
             "count and offset");
    }
  }
  const std::vector<char> bytes = reply.encode();
  core_.deliver(to, {bytes.data(), bytes.size()});
} catch (const std::exception&) {  // what cannot be read gets no answer
}

}  // namespace ombt::tools::router
