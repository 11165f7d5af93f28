// SPDX-License-Identifier: Apache-2.0
#include "wire/amqp091/handshake.hpp"

#include "wire/amqp091/frame_splitter.hpp"

#include <algorithm>
#include <array>

namespace ombt::wire::amqp091 {
namespace {

amqp_table_entry_t text_entry(std::string_view key, std::string_view value) noexcept {
  amqp_table_entry_t entry{};
  entry.key = to_bytes(key);
  entry.value.kind = AMQP_FIELD_KIND_UTF8;
  entry.value.value.bytes = to_bytes(value);
  return entry;
}

amqp_table_entry_t true_entry(std::string_view key) noexcept {
  amqp_table_entry_t entry{};
  entry.key = to_bytes(key);
  entry.value.kind = AMQP_FIELD_KIND_BOOLEAN;
  entry.value.value.boolean = 1;
  return entry;
}

void forget(std::string& secret) noexcept {
  secret.resize(secret.capacity());
  wipe(secret.data(), secret.size());
  secret.clear();
  secret.shrink_to_fit();
}

/// The response field; false if it takes more than a frame has.
bool make_response(sasl_mechanism mechanism, const handshake_data& data, std::string& out) {
  if (data.user.size() + data.password.size() > frame_min_size) return false;
  switch (mechanism) {
    case sasl_mechanism::external:
      return true;
    case sasl_mechanism::plain:
      out.reserve(data.user.size() + data.password.size() + 2);
      out += '\0';
      out += data.user;
      out += '\0';
      out += data.password;
      return true;
    case sasl_mechanism::amqplain:
      break;
  }
  std::array<amqp_table_entry_t, 2> entries{text_entry("LOGIN", data.user),
                                            text_entry("PASSWORD", data.password)};
  amqp_table_t table{static_cast<int>(entries.size()), entries.data()};
  out.resize(data.user.size() + data.password.size() + 64);
  std::size_t size = 0;
  if (amqp_encode_table({out.size(), out.data()}, &table, &size) != AMQP_STATUS_OK) return false;
  out.resize(size);
  out.erase(0, 4);  // AMQPLAIN is the table without its length
  return true;
}

}  // namespace

void handshake_data::forget_login() noexcept {
  forget(user);
  forget(password);
}

std::string_view name_of(sasl_mechanism mechanism) noexcept {
  switch (mechanism) {
    case sasl_mechanism::plain:
      return "PLAIN";
    case sasl_mechanism::external:
      return "EXTERNAL";
    case sasl_mechanism::amqplain:
      break;
  }
  return "AMQPLAIN";
}

bool offers(std::string_view mechanisms, std::string_view name) noexcept {
  while (!mechanisms.empty()) {
    const std::string_view one = mechanisms.substr(0, mechanisms.find(' '));
    if (one == name) return true;
    mechanisms.remove_prefix(std::min(one.size() + 1, mechanisms.size()));
  }
  return false;
}

std::string printable(std::string_view text) {
  constexpr std::size_t most = 200;
  std::string out(text.substr(0, most));
  std::replace_if(
      out.begin(), out.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  if (text.size() > most) out += "...";
  return out;
}

bool write_start_ok(out_buffer& out, const connection_options& options,
                    const handshake_data& data) {
  std::array<amqp_table_entry_t, 3> capabilities{true_entry("authentication_failure_close"),
                                                 true_entry("connection.blocked"),
                                                 true_entry("consumer_cancel_notify")};
  amqp_table_entry_t nested{};
  nested.key = to_bytes("capabilities");
  nested.value.kind = AMQP_FIELD_KIND_TABLE;
  nested.value.value.table = {static_cast<int>(capabilities.size()), capabilities.data()};
  std::array<amqp_table_entry_t, 4> client{text_entry("product", options.product),
                                           text_entry("product_version", options.product_version),
                                           nested, text_entry("connection_name", data.name)};

  std::string response;
  if (!make_response(options.mechanism, data, response)) {
    forget(response);
    return false;
  }
  amqp_connection_start_ok_t method{};
  method.client_properties = {static_cast<int>(client.size()), client.data()};
  method.mechanism = to_bytes(name_of(options.mechanism));
  method.response = to_bytes(response);
  method.locale = to_bytes("en_US");
  out.wipe_when_empty();
  const bool fits = codec::write_method(out, 0, AMQP_CONNECTION_START_OK_METHOD, &method,
                                        frame_min_size, frame_min_size);
  forget(response);
  return fits;
}

tuning agree(const connection_options& options, const amqp_connection_tune_t& proposed) noexcept {
  tuning agreed{};
  agreed.channel_max = proposed.channel_max != 0 ? proposed.channel_max : options.channel_max;
  agreed.frame_max = proposed.frame_max != 0 ? std::min(proposed.frame_max, options.frame_max_limit)
                                             : options.frame_max_limit;
  agreed.heartbeat = options.heartbeat;
  if (options.heartbeat != 0 && proposed.heartbeat != 0) {
    agreed.heartbeat = std::min(options.heartbeat, proposed.heartbeat);
  }
  return agreed;
}

}  // namespace ombt::wire::amqp091
