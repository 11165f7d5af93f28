// SPDX-License-Identifier: Apache-2.0
#include "drivers/transport.hpp"

#include "wire/configuration_error.hpp"

#include "drivers/rabbit/transport.hpp"

namespace ombt::drivers {

std::unique_ptr<transport> transport::make(loop& on,
                                           std::shared_ptr<const transport_settings> settings) {
  if (settings->messaging.url.driver != wire::oslo::driver_kind::rabbit) {
    throw configuration_error(
        "amqp:// is AMQP 1.0, which this version does not speak yet: RabbitMQ's AMQP 0-9-1 is "
        "rabbit://");
  }
  return std::make_unique<rabbit::rabbit_transport>(on, std::move(settings));
}

}  // namespace ombt::drivers
