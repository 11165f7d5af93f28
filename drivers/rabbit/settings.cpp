// SPDX-License-Identifier: Apache-2.0
#include "drivers/rabbit/settings.hpp"

#include "wire/configuration_error.hpp"
#include "wire/json/value.hpp"

#include <unistd.h>

namespace ombt::drivers::rabbit {
namespace {

amqp::sasl_mechanism mechanism(const std::string& login_method) {
  if (login_method == "AMQPLAIN") return amqp::sasl_mechanism::amqplain;
  if (login_method == "PLAIN") return amqp::sasl_mechanism::plain;
  if (login_method == "EXTERNAL") return amqp::sasl_mechanism::external;
  throw configuration_error("rabbit_login_method '" + login_method +
                            "' is not supported: use AMQPLAIN, PLAIN or EXTERNAL");
}

}  // namespace

settings::settings(std::shared_ptr<const transport_settings> from) : source(std::move(from)) {
  const auto& o = options();
  if (o.rabbit_quorum_queue && o.rabbit_ha_queues) {
    throw configuration_error(
        "rabbit_quorum_queue and rabbit_ha_queues are both set: a queue is quorum or mirrored, "
        "not both");
  }
  if (o.rabbit_quorum_queue && o.enable_cancel_on_failover) {
    throw configuration_error(
        "enable_cancel_on_failover with rabbit_quorum_queue: RabbitMQ refuses the consumer "
        "argument x-cancel-on-ha-failover on quorum queues (406)");
  }
  if (o.rpc_conn_pool_size < o.conn_pool_min_size) {
    throw configuration_error("rpc_conn_pool_size " + std::to_string(o.rpc_conn_pool_size) +
                              " is below conn_pool_min_size " +
                              std::to_string(o.conn_pool_min_size));
  }
  if (o.ssl_enforce_fips_mode) {
    throw configuration_error(
        "ssl_enforce_fips_mode is not supported: set it in OpenSSL's own "
        "configuration");
  }
  const auto& vhost = source->messaging.url.virtual_host;
  if (vhost && !wire::json::is_utf8(*vhost)) {
    throw configuration_error("the virtual host of the transport URL is no UTF-8");
  }
  engine.virtual_host = vhost && !vhost->empty() ? *vhost : "/";
  engine.mechanism = mechanism(o.rabbit_login_method);
  engine.product = "ombt";
  engine.product_version = OMBT_VERSION;
  engine.heartbeat = static_cast<std::uint16_t>(o.heartbeat_timeout_threshold);
  engine.body_limit = source->messaging.body_limit;
  connection_name_prefix = source->program + ":" + std::to_string(::getpid()) + ":";

  durable = o.amqp_durable_queues || o.rabbit_quorum_queue;
  auto_delete = o.amqp_auto_delete;
  if (o.rabbit_ha_queues) {
    topic_arguments.push_back({"x-ha-policy", std::string_view("all")});
    transient_arguments.push_back({"x-ha-policy", std::string_view("all")});
  }
  if (o.rabbit_quorum_queue) {
    topic_arguments.push_back({"x-queue-type", std::string_view("quorum")});
    const auto limit = [this](std::string_view name, int value) {
      if (value != 0) topic_arguments.push_back({name, std::int64_t{value}});
    };
    limit("x-delivery-limit", o.rabbit_quorum_delivery_limit);
    limit("x-max-in-memory-length", o.rabbit_quorum_max_memory_length);
    limit("x-max-in-memory-bytes", o.rabbit_quorum_max_memory_bytes);
  }
  transient_arguments.push_back({"x-expires", std::int64_t{o.rabbit_transient_queues_ttl} * 1000});
  if (o.enable_cancel_on_failover) consumer_arguments.push_back({"x-cancel-on-ha-failover", true});

  if (o.ssl) {
    const bool has_ca = !o.ssl_ca_file.empty();
    io::tls_settings::wishes w;
    w.version = o.ssl_version;
    // As py-amqp: a version of one's own also gives up the check that is on without it.
    w.verify = has_ca || o.ssl_version.empty();
    w.ca_file = o.ssl_ca_file;
    w.cert_file = o.ssl_cert_file;
    w.key_file = o.ssl_key_file;
    w.verify_hostname = has_ca && o.ssl_enforce_hostname_verification;
    tls = std::make_unique<io::tls_settings>(w);
  }
}

std::string address_text(const wire::oslo::host_address& host) {
  const bool v6 = host.host.find(':') != std::string::npos;
  return (v6 ? "[" + host.host + "]" : host.host) + ":" + std::to_string(host.port);
}

}  // namespace ombt::drivers::rabbit
