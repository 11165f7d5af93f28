// SPDX-License-Identifier: Apache-2.0
#pragma once
// The configuration file of a private qpid-dispatch (qdrouterd). Text only: writes no file, starts
// nothing.

#include <cstdint>
#include <string>

namespace ombt::tools::bus {

/// A router by itself, that is without a mesh; one listener on 127.0.0.1:port that lets everybody
/// in and answers management queries; the addresses of oslo.messaging's amqp driver, distributed as
/// its guide says and as ombt-router does it.
std::string qdrouterd_configuration(std::uint16_t port, const std::string& id);

}  // namespace ombt::tools::bus
