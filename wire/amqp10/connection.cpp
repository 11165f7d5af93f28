// SPDX-License-Identifier: Apache-2.0
#include "wire/amqp10/connection.hpp"

#include "wire/amqp10/engine.hpp"

#include <proton/delivery.h>
#include <proton/disposition.h>
#include <proton/link.h>
#include <proton/session.h>
#include <proton/terminus.h>

#include <algorithm>

namespace ombt::wire::amqp10 {
namespace {

terminus read_terminus(pn_terminus_t* raw) {
  terminus read;
  const char* const address = pn_terminus_get_address(raw);
  if (address != nullptr) read.address = address;
  read.dynamic = pn_terminus_is_dynamic(raw);
  read.present = pn_terminus_get_type(raw) != PN_UNSPECIFIED;
  read.coordinator = pn_terminus_get_type(raw) == PN_COORDINATOR;
  return read;
}

}  // namespace

// ---- Connection ---------------------------------------------------------------------------------

connection::connection(const connection_options& options, std::string_view container,
                       std::string_view user, std::string_view password, bool encrypted,
                       time_point now, std::string_view external_user)
    : engine_(std::make_unique<engine>(options, container, user, password, encrypted, now,
                                       external_user)) {}
connection::~connection() = default;

std::span<char> connection::read_buffer() { return engine_->read_buffer(); }
void connection::read_done(std::size_t n, time_point now) { engine_->read_done(n, now); }
std::span<const char> connection::write_buffer() { return engine_->write_buffer(); }
void connection::write_done(std::size_t n, time_point now) { engine_->write_done(n, now); }
void connection::transport_closed(error_code why) { engine_->transport_closed(why); }
bool connection::is_closed() const noexcept { return engine_->is_closed(); }
time_point connection::next_deadline() const noexcept { return engine_->next_deadline(); }
void connection::tick(time_point now) { engine_->tick(now); }
bool connection::next_event(any_event& out) { return engine_->next_event(out); }
session connection::open_session() { return engine_->open_session(); }
void connection::close(std::string_view condition, std::string_view description) {
  engine_->close(condition, description);
}
std::string_view connection::mechanism() const noexcept { return engine_->mechanism(); }

// ---- Session ------------------------------------------------------------------------------------

void* session::user() const noexcept { return state_->user; }
void session::set_user(void* data) const noexcept { state_->user = data; }
std::size_t session::links() const noexcept { return state_->link_count; }
void session::accept() const { state_->owner->accept(*state_); }
void session::close(std::string_view condition, std::string_view description) const {
  state_->owner->close(*state_, condition, description);
}
link session::open_sender(std::string_view name, const terminus& source, const terminus& target,
                          settle_mode mode) const {
  return state_->owner->open(*state_, true, name, source, target, mode);
}
link session::open_receiver(std::string_view name, const terminus& source, const terminus& target,
                            settle_mode mode) const {
  return state_->owner->open(*state_, false, name, source, target, mode);
}

// ---- Link ---------------------------------------------------------------------------------------

bool link::is_sender() const noexcept { return state_->sender; }
std::string_view link::name() const noexcept { return pn_link_name(state_->raw); }
session link::on() const noexcept { return session(state_->session); }
void* link::user() const noexcept { return state_->user; }
void link::set_user(void* data) const noexcept { state_->user = data; }
terminus link::peer_source() const { return read_terminus(pn_link_remote_source(state_->raw)); }
terminus link::peer_target() const { return read_terminus(pn_link_remote_target(state_->raw)); }
settle_mode link::peer_sender_mode() const noexcept {
  switch (pn_link_remote_snd_settle_mode(state_->raw)) {
    case PN_SND_UNSETTLED:
      return settle_mode::unsettled;
    case PN_SND_SETTLED:
      return settle_mode::settled;
    default:
      return settle_mode::mixed;
  }
}
bool link::closed_by_peer() const noexcept { return state_->detached_by_peer; }
void link::accept(const terminus& source, const terminus& target) const {
  state_->owner->accept(*state_, source, target);
}
void link::refuse(std::string_view condition, std::string_view description) const {
  const terminus null{{}, false, false};
  state_->owner->accept(*state_, null, null);
  state_->owner->close(*state_, condition, description);
}
void link::close(std::string_view condition, std::string_view description) const {
  state_->owner->close(*state_, condition, description);
}
int link::credit() const noexcept { return state_->owner->credit(*state_); }
std::size_t link::unsent() const noexcept { return state_->owner->unsent(*state_); }
delivery link::send(std::string_view tag, std::string_view message, bool settled) const {
  return state_->owner->send(*state_, tag, message, settled);
}
void link::drained() const {
  if (state_->owner->command() && state_->sender) pn_link_drained(state_->raw);
}
void link::add_credit(int messages) const {
  const bool able = state_->owner->command() && !state_->sender && !state_->closed;
  if (able && messages > 0) pn_link_flow(state_->raw, messages);
}
void link::drain() const {
  const bool able = state_->owner->command() && !state_->sender && !state_->closed;
  if (able) pn_link_drain(state_->raw, 0);
}
int link::credit_given() const noexcept {
  return state_->sender ? 0 : std::max(0, pn_link_credit(state_->raw));
}

// ---- Delivery -----------------------------------------------------------------------------------

link delivery::on() const noexcept { return link(state_->link); }
std::string_view delivery::tag() const noexcept {
  if (state_->raw == nullptr) return state_->tag;
  const pn_delivery_tag_t tag = pn_delivery_tag(state_->raw);
  return {tag.start, tag.size};
}
void* delivery::user() const noexcept { return state_->user; }
void delivery::set_user(void* data) const noexcept { state_->user = data; }
bool delivery::settled_by_peer() const noexcept {
  return state_->raw != nullptr && pn_delivery_settled(state_->raw);
}
outcome delivery::peer_outcome() const noexcept {
  return state_->raw != nullptr ? read_outcome(pn_delivery_remote(state_->raw)) : outcome();
}
void delivery::settle(const outcome& how) const {
  state_->link->session->owner->settle(*state_, how);
}
void delivery::update(const outcome& how) const {
  state_->link->session->owner->update(*state_, how);
}

}  // namespace ombt::wire::amqp10
