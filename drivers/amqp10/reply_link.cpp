// SPDX-License-Identifier: Apache-2.0
#include "drivers/amqp10/reply_link.hpp"

#include "wire/oslo/messages.hpp"

#include <utility>

namespace ombt::drivers::amqp10 {

bool reply_link::open(std::shared_ptr<connection> on, connection_user& by) {
  connection_ = std::move(on);
  const std::string name = "openstack.org/om/receiver/[rpc-response]/" +
                           std::string(wire::oslo::view(wire::oslo::make_hex_id()));
  link_ = connection_->attach(by, *this, false, name, "rpc-response", true);
  return static_cast<bool>(link_);
}

void reply_link::forget() noexcept {
  link_ = {};
  connection_.reset();
  address_.clear();
  ready_ = false;
}

void reply_link::close() {
  if (link_ && connection_) connection_->detach(link_);
  forget();
}

void reply_link::on_attached() {
  address_ = link_.peer_source().address;
  if (address_.empty()) return sink_.on_reply_link_down("the peer names no address for replies");
  ready_ = true;
  link_.add_credit(credit_);
  sink_.on_reply_link();
}

void reply_link::on_detached(std::string_view words) {
  forget();
  sink_.on_reply_link_down(words);
}

void reply_link::on_delivered(const amqp::event::delivered& e) {
  const amqp::outcome how = sink_.read_reply(e);
  amqp::delivery what = e.what;
  what.settle(how);
  // Not to a peer that does not read what it is told.
  const int left = link_.credit_given();
  if (left <= (credit_ + 1) / 2 && !connection_->is_full(link_)) link_.add_credit(credit_ - left);
  sink_.on_reply();
}

}  // namespace ombt::drivers::amqp10
