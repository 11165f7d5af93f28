// SPDX-License-Identifier: Apache-2.0
#include "wire/error.hpp"

#include <string>

namespace ombt {
namespace {

struct description {
  const char* name;
  const char* text;
};

description describe(int value) noexcept {
  switch (static_cast<errc>(value)) {
    case errc::messaging_timeout:
      return {"messaging_timeout", "timed out"};
    case errc::message_undeliverable:
      return {"message_undeliverable", "no queue takes the message"};
    case errc::delivery_failure:
      return {"delivery_failure", "the message could not be delivered"};
    case errc::nacked:
      return {"nacked", "the broker refused the message (basic.nack)"};
    case errc::remote_exception:
      return {"remote_exception", "the remote method raised an exception"};
    case errc::connection_lost:
      return {"connection_lost", "the connection was lost"};
    case errc::bus_unreachable:
      return {"bus_unreachable", "the bus cannot be reached"};
    case errc::authentication_failed:
      return {"authentication_failed", "the bus refused the login"};
    case errc::vhost_refused:
      return {"vhost_refused", "the bus refused the virtual host"};
    case errc::wrong_protocol:
      return {"wrong_protocol", "the peer speaks another protocol"};
    case errc::protocol_error:
      return {"protocol_error", "the peer broke the protocol"};
    case errc::channel_refused:
      return {"channel_refused", "the broker closed the channel"};
    case errc::cancelled:
      return {"cancelled", "cancelled"};
    case errc::malformed_message:
      return {"malformed_message", "a message that is malformed"};
    case errc::unsupported_envelope:
      return {"unsupported_envelope", "an envelope version that is not supported"};
    case errc::unreadable_content:
      return {"unreadable_content", "a content type that is not readable"};
    case errc::limit_exceeded:
      return {"limit_exceeded", "a limit is exceeded"};
  }
  return {"unknown", "unknown error"};
}

class category final : public boost::system::error_category {
 public:
  const char* name() const noexcept override { return "ombt"; }
  std::string message(int value) const override { return describe(value).text; }
};

}  // namespace

const boost::system::error_category& ombt_category() noexcept {
  static const category instance;
  return instance;
}

const char* name_of(errc e) noexcept { return describe(static_cast<int>(e)).name; }

}  // namespace ombt
