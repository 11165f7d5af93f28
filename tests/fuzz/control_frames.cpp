// SPDX-License-Identifier: Apache-2.0
// Any bytes as what a peer of the direct control plane sends: a route, frames, their messages. The
// first byte says in which pieces they come, which must make no difference; what was believed must
// survive being rendered and read again. Also as addresses and lists of hosts.
#include "wire/configuration_error.hpp"
#include "wire/control/assign.hpp"
#include "wire/control/direct.hpp"
#include "wire/control/direct_address.hpp"
#include "wire/control/frames.hpp"
#include "wire/control/result_batch.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

using namespace ombt::wire;
using namespace ombt::wire::control;

namespace {

constexpr std::size_t frame_limit = std::size_t{64} << 10;

void require(bool condition) {
  if (!condition) std::abort();
}

void check_route(std::string_view text) {
  const std::string_view first = text.substr(0, route_bytes);
  bool may_be = true;
  for (std::size_t n = 0; n <= first.size(); ++n) {
    const bool now = may_be_route(first.substr(0, n));
    require(may_be || !now);  // what can't become one doesn't
    may_be = now;
  }
  const auto process = read_route(first);
  require(may_be == (process || first == register_route) || first.size() < route_bytes);
  if (process) {
    require(process->empty() || is_process_key(*process));
    require(route_to(*process) == first);
  }
}

struct taken {
  std::vector<std::string> frames;
  std::string failure;

  friend bool operator==(const taken&, const taken&) = default;
};

/// What comes out of the bytes, in pieces whose sizes follow from the seed; 0: as large as can be.
taken cut(std::string_view bytes, unsigned seed) {
  frame_splitter splitter{frame_limit};
  taken out;
  std::size_t come = 0;
  while (come < bytes.size()) {
    const std::span<char> room = splitter.read_buffer();
    if (!splitter.failure().empty()) break;
    require(!room.empty() && splitter.capacity() <= 2 * come + 8192);
    std::size_t n = std::min(room.size(), bytes.size() - come);
    if (seed != 0) {
      seed = seed * 1'103'515'245u + 12'345u;
      n = std::min<std::size_t>(n, 1 + (seed >> 16) % 64);
    }
    std::copy_n(bytes.data() + come, n, room.data());
    splitter.read_done(n);
    come += n;
    while (const auto text = splitter.next()) out.frames.emplace_back(*text);
  }
  out.failure = splitter.failure();
  require(out.failure.empty() || splitter.read_buffer().empty());
  return out;
}

template <class What>
using reads = bool (*)(json::value, What&, std::string&);
template <class What>
using appends = void (*)(std::string&, const What&);

/// Read, written and read again it is written in the same way.
template <class What>
void check_record(json::value from, reads<What> read, appends<What> append) {
  What record;
  std::string why;
  if (!read(from, record, why)) {
    require(!why.empty());
    return;
  }
  std::string once;
  append(once, record);
  json::reader reader;
  json::value root;
  require(!reader.parse(once, root));
  What back;
  require(read(root, back, why));
  std::string twice;
  append(twice, back);
  require(once == twice);
}

/// What is believed of a batch adds up, and gathered anew it comes to the same.
void check_batch(json::value from) {
  result_batch batch;
  std::string why;
  if (!read_result_batch(from, batch, why)) {
    require(!why.empty());
    return;
  }
  std::uint64_t ok = 0;
  for (const batch_agent& agent : batch.agents) ok += agent.results.msgs_ok;
  require(ok == batch.sum.msgs_ok && !batch.agents.empty());
  json::reader reader;
  json::value root;
  result_gatherer gathered;
  for (const batch_agent& agent : batch.agents) {
    require(gathered.takes(agent.name, agent.own));
    gathered.add(agent.name, agent.results, agent.own);
  }
  std::string args;
  gathered.append_args(args, batch.details.answer);
  require(!reader.parse(args, root));
  result_batch back;
  if (!read_result_batch(root, back, why)) return;  // error texts that were cut, say
  require(back.agents.size() == batch.agents.size() && back.sum.msgs_ok == ok);
}

void check_records(json::value from) {
  check_record<result_batch>(from, read_result_batch, append_result_batch);
  check_batch(from);
  check_record<controller_hello>(from, read_controller_hello, append_controller_hello);
  check_record<process_hello>(from, read_process_hello, append_process_hello);
  check_record<process_list>(from, read_process_list, append_process_list);
  check_record<hold_answer>(from, read_hold_answer, append_hold_answer);
  check_record<start_request>(from, read_start_request, append_start_request);
  check_record<assign_request>(from, read_assign_request, append_assign_request);
  check_record<started_notice>(from, read_started_notice, append_started_notice);
}

void check_message(json::value from) {
  direct_message message;
  std::string why;
  if (!read_direct_message(from, message, why)) {
    require(!why.empty());
    return;
  }
  std::string once;
  if (!message.method.empty()) {
    require(!message.args || message.args.is_object());
    std::string args;
    message.args.append_to(args);
    append_direct_command(once, message.id, message.method, message.kind, message.topic, args);
    check_records(message.args);
  } else if (message.result) {
    std::string result;
    message.result.append_to(result);
    append_direct_result(once, message.id, result);
    check_records(message.result);
  } else {
    require(!message.error.empty());
    append_direct_error(once, message.id, message.error);
  }
  json::reader reader;
  json::value root;
  require(!reader.parse(once, root));
  direct_message back;
  require(read_direct_message(root, back, why));
  require(back.id == message.id && back.method == message.method && back.kind == message.kind &&
          back.topic == message.topic && bool{back.args} == bool{message.args} &&
          bool{back.result} == bool{message.result});
  require(message.error.starts_with(back.error));
}

void check_text(std::string_view text) {
  json::reader reader;
  json::value root;
  if (reader.parse(text, root)) return;
  check_message(root);
  check_records(root);
}

void check_addresses(std::string_view text) {
  try {
    const control_address address = parse_control_address(text);
    if (const auto* place = std::get_if<tcp_place>(&address)) {
      require(parse_control_address("tcp://" + in_words(*place)) == address);
    }
  } catch (const ombt::configuration_error&) {  // as it may be
  }
  try {
    std::string list;
    const auto places = parse_hosts_file(text, "a file");
    for (const tcp_place& place : places) {
      require(place.port != 0 && !place.host.empty());
      if (!list.empty()) list += ',';
      list += in_words(place);
    }
    require(parse_host_list(list) == places);
  } catch (const ombt::configuration_error&) {  // as it may be
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const unsigned seed = data[0];
  const std::string_view text{reinterpret_cast<const char*>(data) + 1, size - 1};
  check_route(text);
  check_addresses(text);
  check_text(text);
  const std::string_view behind_route =
      read_route(text.substr(0, route_bytes)) ? text.substr(route_bytes) : text;
  const taken whole = cut(behind_route, 0);
  require(cut(behind_route, seed + 1) == whole);
  for (const std::string& frame : whole.frames) check_text(frame);
  return 0;
}
