// SPDX-License-Identifier: Apache-2.0
#include "drivers/transport.hpp"

#include "drivers/amqp10/transport.hpp"
#include "drivers/rabbit/transport.hpp"

namespace ombt::drivers {

std::unique_ptr<transport> transport::make(loop& on,
                                           std::shared_ptr<const transport_settings> settings) {
  if (settings->messaging.url.driver == wire::oslo::driver_kind::amqp10) {
    return std::make_unique<amqp10::amqp10_transport>(on, std::move(settings));
  }
  return std::make_unique<rabbit::rabbit_transport>(on, std::move(settings));
}

}  // namespace ombt::drivers
