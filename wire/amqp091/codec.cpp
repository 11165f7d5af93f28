// SPDX-License-Identifier: Apache-2.0
#include "wire/amqp091/codec.hpp"

#include "wire/amqp091/bytes.hpp"
#include "wire/amqp091/frame_splitter.hpp"
#include "wire/amqp091/memory.hpp"
#include "wire/amqp091/table_scan.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace ombt::wire::amqp091 {
namespace {

constexpr std::size_t pool_page = 4096;
constexpr std::size_t short_string_max = 255;

/// True for methods that a server sends to this client. Anything else is refused undecoded: of
/// these only connection.start holds a table.
bool is_of_a_server(amqp_method_number_t id) noexcept {
  switch (id) {
    case AMQP_CONNECTION_START_METHOD:
    case AMQP_CONNECTION_SECURE_METHOD:
    case AMQP_CONNECTION_TUNE_METHOD:
    case AMQP_CONNECTION_OPEN_OK_METHOD:
    case AMQP_CONNECTION_CLOSE_METHOD:
    case AMQP_CONNECTION_CLOSE_OK_METHOD:
    case AMQP_CONNECTION_BLOCKED_METHOD:
    case AMQP_CONNECTION_UNBLOCKED_METHOD:
    case AMQP_CHANNEL_OPEN_OK_METHOD:
    case AMQP_CHANNEL_FLOW_METHOD:
    case AMQP_CHANNEL_CLOSE_METHOD:
    case AMQP_CHANNEL_CLOSE_OK_METHOD:
    case AMQP_EXCHANGE_DECLARE_OK_METHOD:
    case AMQP_EXCHANGE_DELETE_OK_METHOD:
    case AMQP_QUEUE_DECLARE_OK_METHOD:
    case AMQP_QUEUE_BIND_OK_METHOD:
    case AMQP_QUEUE_DELETE_OK_METHOD:
    case AMQP_BASIC_QOS_OK_METHOD:
    case AMQP_BASIC_CONSUME_OK_METHOD:
    case AMQP_BASIC_CANCEL_METHOD:
    case AMQP_BASIC_CANCEL_OK_METHOD:
    case AMQP_BASIC_DELIVER_METHOD:
    case AMQP_BASIC_RETURN_METHOD:
    case AMQP_BASIC_ACK_METHOD:
    case AMQP_BASIC_NACK_METHOD:
    case AMQP_CONFIRM_SELECT_OK_METHOD:
      return true;
    default:
      return false;
  }
}

char* begin_frame(char* p, frame_type type, channel_id channel, std::size_t payload) noexcept {
  p = write_u8(p, static_cast<std::uint8_t>(type));
  p = write_u16(p, channel);
  return write_u32(p, static_cast<std::uint32_t>(payload));
}

char* end_frame(char* p) noexcept { return write_u8(p, 0xCE); }

char* append(char* p, std::string_view bytes) noexcept {
  if (!bytes.empty()) std::memcpy(p, bytes.data(), bytes.size());
  return p + bytes.size();
}

/// Takes a short string at p; false if it ends behind `end`.
bool take_short_string(const char*& p, const char* end, std::string_view& out) noexcept {
  if (p == end || static_cast<std::size_t>(end - p - 1) < read_u8(p)) return false;
  out = {p + 1, read_u8(p)};
  p += 1 + out.size();
  return true;
}

/// The flags that are decoded here, without rabbitmq-c and its table buffers.
constexpr unsigned plain_flags = AMQP_BASIC_CONTENT_TYPE_FLAG | AMQP_BASIC_CONTENT_ENCODING_FLAG |
                                 AMQP_BASIC_HEADERS_FLAG | AMQP_BASIC_DELIVERY_MODE_FLAG |
                                 AMQP_BASIC_PRIORITY_FLAG | AMQP_BASIC_EXPIRATION_FLAG;

bool too_long(const std::optional<std::string_view>& text) noexcept {
  return text && text->size() > short_string_max;
}

}  // namespace

codec::codec() noexcept { init_amqp_pool(&pool_, pool_page); }

codec::~codec() { empty_amqp_pool(&pool_); }

void codec::reset_pool(std::size_t decoding) noexcept {
  // recycle_amqp_pool keeps its pages; after a large table they would stay with the thread.
  if (oversize_) {
    empty_amqp_pool(&pool_);
  } else {
    recycle_amqp_pool(&pool_);
  }
  oversize_ = decoding > pool_page / 4;
}

decoded_method codec::decode_method(std::string_view payload) noexcept {
  decoded_method result;
  if (payload.size() < 4) {
    result.refusal = AMQP_SYNTAX_ERROR;
    result.why = "a method frame without a method";
    return result;
  }
  result.id = read_u32(payload.data());
  const std::string_view encoded = payload.substr(4);
  if (!is_of_a_server(result.id)) {
    result.refusal = AMQP_COMMAND_INVALID;
    result.why = "a method that a server does not send";
    return result;
  }
  if (result.id == AMQP_CONNECTION_START_METHOD) {
    std::size_t table = 2;
    if (encoded.size() < table || (result.why = scan_table(encoded, table)) != nullptr) {
      if (result.why == nullptr) result.why = "a method with malformed arguments";
      result.refusal = AMQP_SYNTAX_ERROR;
      return result;
    }
  }
  reset_pool(encoded.size());
  void* decoded = nullptr;
  if (amqp_decode_method(result.id, &pool_, to_bytes(encoded), &decoded) != AMQP_STATUS_OK) {
    result.refusal = AMQP_SYNTAX_ERROR;
    result.why = "a method with malformed arguments";
  }
  result.arguments = decoded;
  return result;
}

content_header codec::decode_header(std::string_view payload) noexcept {
  constexpr const char* malformed = "a content header with malformed properties";
  constexpr std::size_t flags_at = 12;
  content_header result;
  if (payload.size() < flags_at + 2 || read_u16(payload.data()) != AMQP_BASIC_CLASS ||
      read_u16(payload.data() + 2) != 0) {
    result.why = "a content header that is not of class basic";
    return result;
  }
  result.body_size = read_u64(payload.data() + 4);
  const unsigned flags = read_u16(payload.data() + flags_at);
  // The low bits announce more flags or are undefined; rabbitmq-c would shift beyond its word.
  if ((flags & 3) != 0) {
    result.why = malformed;
    return result;
  }
  const char* p = payload.data() + flags_at + 2;
  const char* const end = payload.data() + payload.size();
  properties& values = result.values;
  const auto text = [&](unsigned flag, std::optional<std::string_view>& out) {
    std::string_view found;
    if ((flags & flag) == 0) return true;
    if (!take_short_string(p, end, found)) return false;
    out = found;
    return true;
  };
  const auto octet = [&](unsigned flag, std::optional<std::uint8_t>& out) {
    if ((flags & flag) == 0) return true;
    if (p == end) return false;
    out = read_u8(p++);
    return true;
  };

  bool by_hand = (flags & ~plain_flags) == 0;
  bool good = text(AMQP_BASIC_CONTENT_TYPE_FLAG, values.content_type) &&
              text(AMQP_BASIC_CONTENT_ENCODING_FLAG, values.content_encoding);
  if (good && (flags & AMQP_BASIC_HEADERS_FLAG) != 0) {
    values.headers = true;
    const std::string_view rest(p, static_cast<std::size_t>(end - p));
    std::size_t size = 0;
    if ((result.why = scan_table(rest, size)) != nullptr) {
      result.beyond_limit = result.why == nested_too_deeply;
      return result;
    }
    if (size != 4) by_hand = false;
    p += size;
  }
  if (good && by_hand) {
    good = octet(AMQP_BASIC_DELIVERY_MODE_FLAG, values.delivery_mode) &&
           octet(AMQP_BASIC_PRIORITY_FLAG, values.priority) &&
           text(AMQP_BASIC_EXPIRATION_FLAG, values.expiration);
  } else if (good) {
    reset_pool(payload.size());
    void* decoded = nullptr;
    good = amqp_decode_properties(AMQP_BASIC_CLASS, &pool_, to_bytes(payload.substr(flags_at)),
                                  &decoded) == AMQP_STATUS_OK;
    if (good) {
      const auto& found = *static_cast<const amqp_basic_properties_t*>(decoded);
      if (values.headers) values.compression = find_string(found.headers, "compression");
      if ((flags & AMQP_BASIC_DELIVERY_MODE_FLAG) != 0) values.delivery_mode = found.delivery_mode;
      if ((flags & AMQP_BASIC_PRIORITY_FLAG) != 0) values.priority = found.priority;
      if ((flags & AMQP_BASIC_EXPIRATION_FLAG) != 0) values.expiration = to_view(found.expiration);
    }
  }
  if (!good) result.why = malformed;
  return result;
}

bool codec::write_method(out_buffer& out, channel_id channel, amqp_method_number_t id, void* values,
                         std::size_t bound, std::uint32_t frame_max) {
  char* const frame = out.reserve(bound + 4 + frame_overhead);
  char* const encoded = frame + 11;
  const int size = amqp_encode_method(id, values, {bound, encoded});
  if (size < 0 || static_cast<std::size_t>(size) + 4 + frame_overhead > frame_max) return false;
  write_u32(begin_frame(frame, frame_type::method, channel, static_cast<std::size_t>(size) + 4),
            id);
  end_frame(encoded + size);
  out.commit(static_cast<std::size_t>(size) + 4 + frame_overhead);
  return true;
}

bool codec::write_publish(out_buffer& out, channel_id channel, std::string_view exchange,
                          std::string_view routing_key, bool mandatory, const properties& header,
                          std::string_view body, std::uint32_t frame_max) {
  if (exchange.size() > short_string_max || routing_key.size() > short_string_max ||
      too_long(header.content_type) || too_long(header.content_encoding) ||
      too_long(header.expiration) || header.compression.size() > short_string_max) {
    return false;
  }
  const std::size_t chunk = frame_max - frame_overhead;
  const std::size_t frames = (body.size() + chunk - 1) / chunk;
  // Names and properties take at most 6 x 256 bytes and 64 of fixed fields.
  constexpr std::size_t head_bound = std::size_t{6} * 256 + 64;
  char* const begin =
      out.reserve(head_bound + 2 * frame_overhead + body.size() + frames * frame_overhead);

  amqp_basic_publish_t method{};
  method.exchange = to_bytes(exchange);
  method.routing_key = to_bytes(routing_key);
  method.mandatory = mandatory;
  const int method_size =
      amqp_encode_method(AMQP_BASIC_PUBLISH_METHOD, &method, {head_bound, begin + 11});
  if (method_size < 0) return false;
  char* p =
      begin_frame(begin, frame_type::method, channel, static_cast<std::size_t>(method_size) + 4);
  p = write_u32(p, AMQP_BASIC_PUBLISH_METHOD);
  p = end_frame(p + method_size);

  amqp_basic_properties_t values;
  amqp_table_entry_t compression;
  values._flags = 0;
  if (header.content_type) {
    values._flags |= AMQP_BASIC_CONTENT_TYPE_FLAG;
    values.content_type = to_bytes(*header.content_type);
  }
  if (header.content_encoding) {
    values._flags |= AMQP_BASIC_CONTENT_ENCODING_FLAG;
    values.content_encoding = to_bytes(*header.content_encoding);
  }
  if (header.headers || !header.compression.empty()) {
    values._flags |= AMQP_BASIC_HEADERS_FLAG;
    values.headers = {0, nullptr};
    if (!header.compression.empty()) {
      compression.key = to_bytes("compression");
      compression.value.kind = AMQP_FIELD_KIND_UTF8;
      compression.value.value.bytes = to_bytes(header.compression);
      values.headers = {1, &compression};
    }
  }
  if (header.delivery_mode) {
    values._flags |= AMQP_BASIC_DELIVERY_MODE_FLAG;
    values.delivery_mode = *header.delivery_mode;
  }
  if (header.priority) {
    values._flags |= AMQP_BASIC_PRIORITY_FLAG;
    values.priority = *header.priority;
  }
  if (header.expiration) {
    values._flags |= AMQP_BASIC_EXPIRATION_FLAG;
    values.expiration = to_bytes(*header.expiration);
  }
  constexpr std::size_t header_fixed = 7 + 2 + 2 + 8;
  const int encoded =
      amqp_encode_properties(AMQP_BASIC_CLASS, &values, {head_bound, p + header_fixed});
  if (encoded < 0) return false;
  p = begin_frame(p, frame_type::header, channel, static_cast<std::size_t>(encoded) + 12);
  p = write_u16(write_u16(p, AMQP_BASIC_CLASS), 0);
  p = end_frame(write_u64(p, body.size()) + encoded);

  for (std::size_t sent = 0; sent < body.size();) {
    const std::string_view part = body.substr(sent, chunk);
    p = begin_frame(p, frame_type::body, channel, part.size());
    p = end_frame(append(p, part));
    sent += part.size();
  }
  out.commit(static_cast<std::size_t>(p - begin));
  return true;
}

void codec::write_ack(out_buffer& out, channel_id channel, std::uint64_t tag, bool multiple) {
  constexpr std::size_t payload = 4 + 8 + 1;
  char* p =
      begin_frame(out.reserve(payload + frame_overhead), frame_type::method, channel, payload);
  p = write_u64(write_u32(p, AMQP_BASIC_ACK_METHOD), tag);
  end_frame(write_u8(p, multiple ? 1 : 0));
  out.commit(payload + frame_overhead);
}

void codec::write_heartbeat(out_buffer& out) {
  end_frame(begin_frame(out.reserve(frame_overhead), frame_type::heartbeat, 0, 0));
  out.commit(frame_overhead);
}

std::string_view find_string(const amqp_table_t& table, std::string_view name) noexcept {
  for (int i = 0; i < table.num_entries; ++i) {
    const amqp_table_entry_t& entry = table.entries[i];
    if (to_view(entry.key) == name && entry.value.kind == AMQP_FIELD_KIND_UTF8) {
      return to_view(entry.value.value.bytes);
    }
  }
  return {};
}

}  // namespace ombt::wire::amqp091
