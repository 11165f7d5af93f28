// SPDX-License-Identifier: Apache-2.0
#pragma once
// Every option that oslo.messaging reads, declared once: name, default, range, what it does.
// Values come from an oslo.config INI file, then from the transport URL's query, which wins.
// Source: oslo_messaging/_drivers/impl_rabbit.py (rabbit_opts), amqp.py (amqp_opts),
// base.py (pool), amqp1_driver/opts.py, transport.py, rpc/client.py, rpc/dispatcher.py, server.py.
// A test holds names, defaults and ranges against the installed library.

#include "wire/oslo/transport_url.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ombt::wire::oslo {

/// [DEFAULT]
struct default_options {
  std::string transport_url;         ///< empty: none named
  double rpc_response_timeout = 60;  ///< seconds
  std::string control_exchange = "openstack";
  bool rpc_ping_enabled = false;
  int executor_thread_pool_size = 64;
};

/// [oslo_messaging_rabbit], names as in the Python library.
struct rabbit_options {
  bool ssl = false;
  std::string ssl_version, ssl_key_file, ssl_cert_file, ssl_ca_file;
  bool ssl_enforce_hostname_verification = false;
  bool ssl_enforce_fips_mode = false;
  bool heartbeat_in_pthread = false;  ///< accepted, no effect here
  double kombu_reconnect_delay = 1.0;
  std::string kombu_compression;  ///< "" or gzip (bz2 is refused)
  int kombu_missing_consumer_retry_timeout = 60;
  std::string kombu_failover_strategy = "round-robin";
  std::string rabbit_login_method = "AMQPLAIN";
  int rabbit_retry_interval = 1;
  int rabbit_retry_backoff = 2;
  int rabbit_interval_max = 30;
  bool rabbit_ha_queues = false;
  bool rabbit_quorum_queue = false;
  int rabbit_quorum_delivery_limit = 0;
  int rabbit_quorum_max_memory_length = 0;  ///< also spelled rabbit_quroum_…
  int rabbit_quorum_max_memory_bytes = 0;
  int rabbit_transient_queues_ttl = 1800;  ///< seconds
  int rabbit_qos_prefetch_count = 0;
  int heartbeat_timeout_threshold = 60;  ///< seconds; 0: no heartbeat
  int heartbeat_rate = 2;
  bool direct_mandatory_flag = true;
  bool enable_cancel_on_failover = false;
  bool amqp_durable_queues = false;
  bool amqp_auto_delete = false;
  int rpc_conn_pool_size = 30;
  int conn_pool_min_size = 2;
  int conn_pool_ttl = 1200;  ///< seconds
};

/// [oslo_messaging_amqp], names as in the Python library (used by the AMQP 1.0 driver).
struct amqp_options {
  std::string container_name;
  int idle_timeout = 0;
  bool trace = false;
  bool ssl = false;
  std::string ssl_ca_file, ssl_cert_file, ssl_key_file, ssl_key_password;
  bool ssl_verify_vhost = false;
  std::string sasl_mechanisms, sasl_config_dir, sasl_config_name, sasl_default_realm;
  int connection_retry_interval = 1;
  int connection_retry_backoff = 2;
  int connection_retry_interval_max = 30;
  int link_retry_delay = 10;
  int default_reply_retry = 0;
  int default_reply_timeout = 30;
  int default_send_timeout = 30;
  int default_notify_timeout = 30;
  int default_sender_link_timeout = 600;
  std::string addressing_mode = "dynamic";
  bool pseudo_vhost = true;
  std::string server_request_prefix = "exclusive";
  std::string broadcast_prefix = "broadcast";
  std::string group_request_prefix = "unicast";
  std::string rpc_address_prefix = "openstack.org/om/rpc";
  std::string notify_address_prefix = "openstack.org/om/notify";
  std::string multicast_address = "multicast";
  std::string unicast_address = "unicast";
  std::string anycast_address = "anycast";
  std::string default_notification_exchange;
  std::string default_rpc_exchange;
  int reply_link_credit = 200;
  int rpc_server_credit = 100;
  int notify_server_credit = 100;
  std::vector<std::string> pre_settled = {"rpc-cast", "rpc-reply"};
};

/// All settings of one transport.
struct messaging_options {
  transport_url url;
  default_options defaults;
  rabbit_options rabbit;
  amqp_options amqp;
  /// Largest message body accepted from the bus, bytes. Ours, not oslo.messaging's.
  std::uint64_t body_limit = std::uint64_t{64} << 20;
};

/// Settings of an INI file before a URL is applied.
struct options_file {
  default_options defaults;
  rabbit_options rabbit;
  amqp_options amqp;
  /// "FILE:LINE" of transport_url, for errors; empty if the file names none.
  std::string transport_url_at;

  /// Reads an oslo.config file. Unknown options of the three sections are errors with the nearest
  /// known name; other sections are left alone (but [amqp1], an old name of oslo_messaging_amqp,
  /// is read). Of a repeated option the last counts, a list gathers all. "$$" stands for "$";
  /// substitution ($name) is an error, as are rabbit_options of oslo.messaging 14.7 and later
  /// unless they are switched off. Throws configuration_error ("FILE:LINE: …", or "FILE: …" if it
  /// cannot be read).
  /// What it does not set in [DEFAULT] is as in `unset` (oslo_messaging.set_transport_defaults).
  static options_file load(const std::string& path, const default_options& unset = {});
  /// The same from text; name stands for the file in errors.
  static options_file parse(std::string_view text, std::string_view name,
                            const default_options& unset = {});
};

/// Joins a file's settings with a URL and its query (which overrides the section of its driver). An
/// empty url means the file's transport_url, and rabbit://localhost:5672 if that is empty too.
/// Throws configuration_error, one line with passwords masked: bad URL, unknown option (with the
/// nearest known name), bad value, quorum and HA both set, prefetch or sizes out of range.
messaging_options make_messaging_options(const options_file& file, std::string_view url);

/// An option as help texts and documents list it.
struct option_description {
  std::string_view section;
  std::string_view name;
  std::string_view type;  ///< "boolean", "integer", "number", "text" or "list"
  std::string default_text;
  std::string_view help;                                                   ///< one line
  std::vector<std::pair<std::string_view, std::string_view>> other_names;  ///< (section, name)
};
/// Every option of the three sections.
std::vector<option_description> known_options();

struct changed_option {
  std::string_view section;
  std::string_view name;
  std::string text;  ///< passwords as ***
};
/// The options of [DEFAULT] and of the URL's driver that differ from their defaults, as reports
/// name them; transport_url is left out (see transport_url::masked).
std::vector<changed_option> changed_options(const messaging_options& options);

}  // namespace ombt::wire::oslo
