// SPDX-License-Identifier: Apache-2.0
#include "tools/router/notes.hpp"

namespace ombt::tools::router {

void note::set(const amqp::outcome& how) {
  outcome = how.what;
  delivery_failed = how.delivery_failed;
  undeliverable_here = how.undeliverable_here;
  text = how.condition;
  more = how.description;
}

amqp::outcome note::how() const noexcept {
  return {outcome, delivery_failed, undeliverable_here, text, more};
}

}  // namespace ombt::tools::router
