// SPDX-License-Identifier: Apache-2.0
#include "wire/amqp091/content.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

namespace ombt::wire::amqp091 {

void content::begin(const amqp_basic_deliver_t& method) noexcept {
  reset();
  tag_or_text_ = to_view(method.consumer_tag);
  exchange_ = to_view(method.exchange);
  routing_key_ = to_view(method.routing_key);
  delivery_tag_ = method.delivery_tag;
  redelivered_ = method.redelivered != 0;
  borrowed_ = true;
  phase_ = content_phase::header;
}

void content::begin(const amqp_basic_return_t& method) noexcept {
  reset();
  tag_or_text_ = to_view(method.reply_text);
  exchange_ = to_view(method.exchange);
  routing_key_ = to_view(method.routing_key);
  is_return_ = true;
  return_code_ = method.reply_code;
  borrowed_ = true;
  phase_ = content_phase::header;
}

void content::header(const content_header& header) noexcept {
  header_ = header.values;
  borrowed_ = true;
  body_size_ = header.body_size;
  phase_ = body_size_ == 0 ? content_phase::complete : content_phase::body;
}

void content::skip(std::uint64_t body_size) noexcept {
  reset();
  is_skipped_ = true;
  body_size_ = body_size;
  phase_ = body_size_ == 0 ? content_phase::complete : content_phase::skipping;
}

bool content::body(std::string_view payload) {
  if (payload.size() > body_size_ - received_) return false;
  if (is_skipped_) {
    // Counted, no more.
  } else if (payload.size() == body_size_) {
    body_ = payload;
  } else {
    append(payload);
  }
  received_ += payload.size();
  if (received_ == body_size_) phase_ = content_phase::complete;
  return true;
}

void content::append(std::string_view payload) {
  if (payload.empty()) return;
  const auto have = static_cast<std::size_t>(received_);
  const std::size_t need = have + payload.size();
  if (assembled_.capacity < need) {
    const auto most = static_cast<std::size_t>(body_size_);
    block larger = cache_.take(std::min(most, std::max(need, 2 * have)));
    if (have != 0) std::memcpy(larger.data.get(), assembled_.data.get(), have);
    cache_.give(std::move(assembled_));
    assembled_ = std::move(larger);
  }
  std::memcpy(assembled_.data.get() + have, payload.data(), payload.size());
}

void content::detach() {
  if (!borrowed_) return;
  std::string_view* const views[] = {&tag_or_text_, &exchange_, &routing_key_,
                                     &header_.compression};
  std::optional<std::string_view>* const optional_views[] = {
      &header_.content_type, &header_.content_encoding, &header_.expiration};
  std::size_t size = 1;
  for (const auto* view : views) size += view->size();
  for (const auto* view : optional_views) size += *view ? (*view)->size() : 0;
  block copy = cache_.take(size);
  char* p = copy.data.get();
  const auto move_to_copy = [&p](std::string_view& view) {
    if (!view.empty()) std::memcpy(p, view.data(), view.size());
    view = {p, view.size()};
    p += view.size();
  };
  for (auto* view : views) move_to_copy(*view);
  for (auto* view : optional_views) {
    if (*view) move_to_copy(**view);
  }
  cache_.give(std::move(names_));
  names_ = std::move(copy);
  borrowed_ = false;
}

void content::take_over(content& other) noexcept {
  reset();
  tag_or_text_ = other.tag_or_text_;
  exchange_ = other.exchange_;
  routing_key_ = other.routing_key_;
  delivery_tag_ = other.delivery_tag_;
  body_size_ = other.body_size_;
  received_ = other.received_;
  header_ = other.header_;
  body_ = other.body_;
  assembled_ = std::exchange(other.assembled_, {});
  names_ = std::exchange(other.names_, {});
  return_code_ = other.return_code_;
  is_return_ = other.is_return_;
  is_skipped_ = other.is_skipped_;
  redelivered_ = other.redelivered_;
  borrowed_ = other.borrowed_;
  phase_ = other.phase_;
  other.reset();
}

void content::reset() noexcept {
  if (assembled_.capacity != 0) cache_.give(std::move(assembled_));
  if (names_.capacity != 0) cache_.give(std::move(names_));
  tag_or_text_ = exchange_ = routing_key_ = body_ = {};
  body_size_ = received_ = 0;
  header_ = {};
  is_return_ = is_skipped_ = borrowed_ = false;
  phase_ = content_phase::none;
}

std::string_view content::whole_body() const noexcept {
  if (assembled_.capacity == 0) return body_;
  return {assembled_.data.get(), static_cast<std::size_t>(received_)};
}

event::delivered content::as_delivered(channel_id channel) const noexcept {
  return {channel,   tag_or_text_, delivery_tag_, redelivered_,
          exchange_, routing_key_, header_,       whole_body()};
}

event::returned content::as_returned(channel_id channel) const noexcept {
  return {channel, return_code_, tag_or_text_, exchange_, routing_key_, whole_body()};
}

}  // namespace ombt::wire::amqp091
