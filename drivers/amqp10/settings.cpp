// SPDX-License-Identifier: Apache-2.0
#include "drivers/amqp10/settings.hpp"

#include "wire/configuration_error.hpp"
#include "wire/oslo/messages.hpp"

#include <algorithm>
#include <sstream>
#include <sys/utsname.h>
#include <unistd.h>

namespace ombt::drivers::amqp10 {
namespace {

std::string node_name() {
  utsname names{};
  if (::uname(&names) != 0 || names.nodename[0] == 0) return "<UNKNOWN>";
  return names.nodename;
}

/// The mechanisms in one line, a space between them; those that are not known here are refused.
std::string mechanisms(const std::string& wanted) {
  std::istringstream words(wanted);
  std::string all;
  for (std::string one; words >> one;) {
    if (one != "ANONYMOUS" && one != "PLAIN" && one != "EXTERNAL") {
      throw configuration_error("sasl_mechanisms: '" + one +
                                "' is not supported: use ANONYMOUS, PLAIN or EXTERNAL");
    }
    all.append(all.empty() ? "" : " ").append(one);
  }
  return all;
}

void refuse(bool set, const char* option, const char* why) {
  if (set) throw configuration_error(std::string(option) + " is not supported: " + why);
}

}  // namespace

settings::settings(std::shared_ptr<const transport_settings> from) : source(std::move(from)) {
  const auto& o = options();
  constexpr const char* no_cyrus = "the login does not go through Cyrus SASL here";
  refuse(o.trace, "trace", "frames are not printed; use the bus's own trace");
  refuse(!o.sasl_config_dir.empty(), "sasl_config_dir", no_cyrus);
  refuse(!o.sasl_config_name.empty(), "sasl_config_name", no_cyrus);

  const std::string vhost = source->messaging.url.virtual_host.value_or("");
  const std::string node = node_name();
  const std::string pid = std::to_string(::getpid());
  if (!o.pseudo_vhost) engine.hostname = vhost;
  engine.properties = {
      {"process", source->program}, {"pid", std::int64_t{::getpid()}}, {"node", node}};
  engine.idle_timeout = std::chrono::seconds{o.idle_timeout};
  engine.message_limit = source->messaging.body_limit;
  // Like the Python driver's, our open says nothing of frames, so a message may come in one.
  engine.frame_limit = engine.message_limit + (std::uint64_t{64} << 10);
  engine.mechanisms = mechanisms(o.sasl_mechanisms);
  container_prefix = "openstack.org/om/container/" + node + "/" + source->program + "/" + pid + "/";
  session_a_link = source->topology.mode == topology::kind::oslo;

  const auto listed = [&o](const char* name) {
    return std::find(o.pre_settled.begin(), o.pre_settled.end(), name) != o.pre_settled.end();
  };
  settled = {listed("rpc-call"), listed("rpc-cast"), listed("rpc-reply"), true, listed("notify")};

  // A file alone wants TLS too, as in the Python driver.
  if (!o.ssl && o.ssl_ca_file.empty() && o.ssl_cert_file.empty()) return;
  io::tls_settings::wishes w;
  w.ca_file = o.ssl_ca_file;
  w.system_too = true;  // as proton, which adds the file to them
  w.cert_file = o.ssl_cert_file;
  w.key_file = o.ssl_key_file;
  w.key_password = o.ssl_key_password;
  w.verify_hostname = true;
  if (o.ssl_verify_vhost) {
    if (vhost.empty()) {
      throw configuration_error(
          "ssl_verify_vhost: the transport URL names no virtual host for the certificate to name");
    }
    tls_name = vhost;
  }
  tls = std::make_unique<io::tls_settings>(w);
}

std::string settings::user_at(const wire::oslo::host_address& host) const {
  const auto& realm = options().sasl_default_realm;
  if (host.user.empty() || realm.empty() || host.user.find('@') != std::string::npos) {
    return host.user;
  }
  return host.user + "@" + realm;
}

std::string settings::container() const {
  if (!options().container_name.empty()) return options().container_name;
  return container_prefix + std::string(wire::oslo::view(wire::oslo::make_hex_id()));
}

std::string address_text(const wire::oslo::host_address& host) {
  const bool v6 = host.host.find(':') != std::string::npos;
  return (v6 ? "[" + host.host + "]" : host.host) + ":" + std::to_string(host.port);
}

}  // namespace ombt::drivers::amqp10
