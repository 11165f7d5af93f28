// SPDX-License-Identifier: Apache-2.0
#include "wire/oslo/option_table.hpp"

namespace ombt::wire::oslo {
namespace {

/// The member of a section of options_file, as an option_field.
template <auto Section, auto Member>
option_field field_of(options_file& f) {
  return &(f.*Section.*Member);
}
template <auto Member>
constexpr auto defaults = field_of<&options_file::defaults, Member>;
template <auto Member>
constexpr auto rabbit = field_of<&options_file::rabbit, Member>;
template <auto Member>
constexpr auto amqp = field_of<&options_file::amqp, Member>;

constexpr double unlimited = std::numeric_limits<double>::max();
constexpr double largest_short = 65535;
/// x-expires is in milliseconds, 32 bits at the broker.
constexpr double longest_expiry = 4294967;

constexpr std::string_view in_default = default_section;
constexpr std::string_view in_rabbit = rabbit_section;
constexpr std::string_view in_amqp = amqp_section;
constexpr std::string_view in_old_amqp = "amqp1";

void add_defaults(std::vector<option>& to) {
  using o = default_options;
  to.insert(to.end(),
            {{in_default, "transport_url", defaults<&o::transport_url>,
              "The bus: transport://[user:password@]host:port[,...]/virtual_host?option=value"},
             {in_default, "rpc_response_timeout", defaults<&o::rpc_response_timeout>,
              "Seconds to wait for the reply to a call", 0, 1e6},
             {in_default, "control_exchange", defaults<&o::control_exchange>,
              "The exchange of a target that names none"},
             {in_default, "rpc_ping_enabled", defaults<&o::rpc_ping_enabled>,
              "Whether servers answer oslo_rpc_server_ping"},
             {.section = in_default,
              .name = "executor_thread_pool_size",
              .field = defaults<&o::executor_thread_pool_size>,
              .help = "Requests that a server works on at a time",
              .least = 1,
              .most = 1e6,
              .aliases = {{in_default, "rpc_thread_pool_size"}}}});
}

void add_rabbit_tls(std::vector<option>& to) {
  using o = rabbit_options;
  constexpr std::string_view gone = "TLS libraries no longer have it";
  to.insert(to.end(),
            {{.section = in_rabbit,
              .name = "ssl",
              .field = rabbit<&o::ssl>,
              .help = "Whether to connect over TLS",
              .aliases = {{in_rabbit, "rabbit_use_ssl"}}},
             {.section = in_rabbit,
              .name = "ssl_version",
              .field = rabbit<&o::ssl_version>,
              .help = "The TLS version; empty or SSLv23: the best that both sides have",
              .choices = {"", "TLSv1", "TLSv1_1", "TLSv1_2", "SSLv23"},
              .refused = {{"SSLv2", gone}, {"SSLv3", gone}},
              .aliases = {{in_rabbit, "kombu_ssl_version"}}},
             {.section = in_rabbit,
              .name = "ssl_key_file",
              .field = rabbit<&o::ssl_key_file>,
              .help = "The private key of the client certificate (PEM)",
              .aliases = {{in_rabbit, "kombu_ssl_keyfile"}}},
             {.section = in_rabbit,
              .name = "ssl_cert_file",
              .field = rabbit<&o::ssl_cert_file>,
              .help = "The client certificate (PEM)",
              .aliases = {{in_rabbit, "kombu_ssl_certfile"}}},
             {.section = in_rabbit,
              .name = "ssl_ca_file",
              .field = rabbit<&o::ssl_ca_file>,
              .help = "Authorities that the broker's certificate is checked against (PEM); empty: "
                      "the system's",
              .aliases = {{in_rabbit, "kombu_ssl_ca_certs"}}},
             {in_rabbit, "ssl_enforce_hostname_verification",
              rabbit<&o::ssl_enforce_hostname_verification>,
              "Whether the broker's certificate must name its host (with ssl_ca_file)"},
             {.section = in_rabbit,
              .name = "ssl_enforce_fips_mode",
              .field = rabbit<&o::ssl_enforce_fips_mode>,
              .help = "Whether OpenSSL must run in FIPS mode; only false is supported",
              .refused = {{"true", "set FIPS mode up for OpenSSL as a whole"}}}});
}

void add_rabbit(std::vector<option>& to) {
  using o = rabbit_options;
  add_rabbit_tls(to);
  to.insert(
      to.end(),
      {{in_rabbit, "heartbeat_in_pthread", rabbit<&o::heartbeat_in_pthread>,
        "Accepted, no effect: heartbeats do not depend on a thread here"},
       {.section = in_rabbit,
        .name = "kombu_reconnect_delay",
        .field = rabbit<&o::kombu_reconnect_delay>,
        .help = "Seconds to wait before connecting again when the broker cancels a consumer",
        .least = 0,
        .most = 4.5,
        .aliases = {{in_default, "kombu_reconnect_delay"}}},
       {.section = in_rabbit,
        .name = "kombu_compression",
        .field = rabbit<&o::kombu_compression>,
        .help = "Compression of message bodies: empty or gzip",
        .choices = {"", "gzip"},
        .refused = {{"bz2", "only gzip is"}}},
       {.section = in_rabbit,
        .name = "kombu_missing_consumer_retry_timeout",
        .field = rabbit<&o::kombu_missing_consumer_retry_timeout>,
        .help = "Seconds for which a reply is sent again while its queue is missing",
        .least = 0,
        .aliases = {{in_rabbit, "kombu_reconnect_timeout"}}},
       {.section = in_rabbit,
        .name = "kombu_failover_strategy",
        .field = rabbit<&o::kombu_failover_strategy>,
        .help = "How the next of several hosts is chosen: round-robin or shuffle",
        .choices = {"round-robin", "shuffle"}},
       {.section = in_rabbit,
        .name = "rabbit_login_method",
        .field = rabbit<&o::rabbit_login_method>,
        .help = "The login method: AMQPLAIN, PLAIN or EXTERNAL",
        .choices = {"AMQPLAIN", "PLAIN", "EXTERNAL"},
        .refused = {{"RABBIT-CR-DEMO", "AMQPLAIN, PLAIN and EXTERNAL are"}},
        .aliases = {{in_default, "rabbit_login_method"}}},
       {in_rabbit, "rabbit_retry_interval", rabbit<&o::rabbit_retry_interval>,
        "Seconds before the first attempt to connect again", 1},
       {.section = in_rabbit,
        .name = "rabbit_retry_backoff",
        .field = rabbit<&o::rabbit_retry_backoff>,
        .help = "Seconds by which each further wait is longer",
        .least = 0,
        .aliases = {{in_default, "rabbit_retry_backoff"}}},
       {in_rabbit, "rabbit_interval_max", rabbit<&o::rabbit_interval_max>,
        "The longest wait between attempts to connect, seconds", 1},
       {.section = in_rabbit,
        .name = "rabbit_ha_queues",
        .field = rabbit<&o::rabbit_ha_queues>,
        .help = "Whether to ask for mirrored queues (x-ha-policy, which RabbitMQ 3 ignores)",
        .aliases = {{in_default, "rabbit_ha_queues"}}},
       {in_rabbit, "rabbit_quorum_queue", rabbit<&o::rabbit_quorum_queue>,
        "Whether RPC and notification queues are quorum queues"},
       {in_rabbit, "rabbit_quorum_delivery_limit", rabbit<&o::rabbit_quorum_delivery_limit>,
        "Deliveries after which a quorum queue drops a message; 0: no limit", 0},
       {.section = in_rabbit,
        .name = "rabbit_quorum_max_memory_length",
        .field = rabbit<&o::rabbit_quorum_max_memory_length>,
        .help = "Messages that a quorum queue keeps in memory; 0: no limit",
        .least = 0,
        .aliases = {{in_rabbit, "rabbit_quroum_max_memory_length"}}},
       {.section = in_rabbit,
        .name = "rabbit_quorum_max_memory_bytes",
        .field = rabbit<&o::rabbit_quorum_max_memory_bytes>,
        .help = "Bytes that a quorum queue keeps in memory; 0: no limit",
        .least = 0,
        .aliases = {{in_rabbit, "rabbit_quroum_max_memory_bytes"}}},
       {in_rabbit, "rabbit_transient_queues_ttl", rabbit<&o::rabbit_transient_queues_ttl>,
        "Seconds after which the broker deletes unused reply and fanout queues", 1, longest_expiry},
       {in_rabbit, "rabbit_qos_prefetch_count", rabbit<&o::rabbit_qos_prefetch_count>,
        "Messages that the broker sends ahead of acknowledgements; 0: no limit", 0, largest_short},
       {in_rabbit, "heartbeat_timeout_threshold", rabbit<&o::heartbeat_timeout_threshold>,
        "Seconds of silence after which the broker is asked for a sign; 0: no heartbeat", 0,
        largest_short},
       {in_rabbit, "heartbeat_rate", rabbit<&o::heartbeat_rate>,
        "How often within heartbeat_timeout_threshold the heartbeat is looked at", 1},
       {in_rabbit, "direct_mandatory_flag", rabbit<&o::direct_mandatory_flag>,
        "Whether replies are sent mandatory, so that missing callers show"},
       {in_rabbit, "enable_cancel_on_failover", rabbit<&o::enable_cancel_on_failover>,
        "Whether consumers ask to be cancelled when their mirrored queue fails over"},
       {in_rabbit, "amqp_durable_queues", rabbit<&o::amqp_durable_queues>,
        "Whether exchanges and queues are durable"},
       {.section = in_rabbit,
        .name = "amqp_auto_delete",
        .field = rabbit<&o::amqp_auto_delete>,
        .help = "Whether exchanges and queues are deleted when unused",
        .aliases = {{in_default, "amqp_auto_delete"}}},
       {.section = in_rabbit,
        .name = "rpc_conn_pool_size",
        .field = rabbit<&o::rpc_conn_pool_size>,
        .help = "Connections for sending, at most",
        .least = 1,
        .aliases = {{in_default, "rpc_conn_pool_size"}}},
       {in_rabbit, "conn_pool_min_size", rabbit<&o::conn_pool_min_size>,
        "Connections for sending that stay open however long they are idle", 0},
       {in_rabbit, "conn_pool_ttl", rabbit<&o::conn_pool_ttl>,
        "Seconds after which other idle connections for sending are closed", 0}});
}

/// An option of the AMQP 1.0 driver; those older than its section may stand in [amqp1] too.
option amqp_option(std::string_view name, option_field (*field)(options_file&),
                   std::string_view help, double least = std::numeric_limits<double>::lowest(),
                   bool old = false) {
  option o{in_amqp, name, field, help, least, unlimited};
  if (old) o.aliases = {{in_old_amqp, name}};
  return o;
}

void add_amqp_connection(std::vector<option>& to) {
  using o = amqp_options;
  constexpr double any = std::numeric_limits<double>::lowest();
  constexpr bool old = true;
  to.insert(
      to.end(),
      {amqp_option("container_name", amqp<&o::container_name>,
                   "The container id; empty: a unique one", any, old),
       amqp_option("idle_timeout", amqp<&o::idle_timeout>,
                   "Seconds of silence after which a connection fails; 0: never", 0, old),
       amqp_option("trace", amqp<&o::trace>, "Whether to print frames", any, old),
       amqp_option("ssl", amqp<&o::ssl>, "Whether to connect over TLS"),
       amqp_option("ssl_ca_file", amqp<&o::ssl_ca_file>,
                   "Authorities that the bus's certificate is checked against (PEM)", any, old),
       amqp_option("ssl_cert_file", amqp<&o::ssl_cert_file>, "The client certificate (PEM)", any,
                   old),
       amqp_option("ssl_key_file", amqp<&o::ssl_key_file>,
                   "The private key of the client certificate (PEM)", any, old),
       amqp_option("ssl_key_password", amqp<&o::ssl_key_password>, "The password of ssl_key_file",
                   any, old),
       amqp_option("ssl_verify_vhost", amqp<&o::ssl_verify_vhost>,
                   "Whether the certificate must name the virtual host and not the host"),
       amqp_option("sasl_mechanisms", amqp<&o::sasl_mechanisms>,
                   "The login mechanisms allowed, space between them; empty: any", any, old),
       amqp_option("sasl_config_dir", amqp<&o::sasl_config_dir>,
                   "Where the configuration of Cyrus SASL is", any, old),
       amqp_option("sasl_config_name", amqp<&o::sasl_config_name>,
                   "The name of the configuration of Cyrus SASL", any, old),
       amqp_option("sasl_default_realm", amqp<&o::sasl_default_realm>,
                   "The realm of a user name that has none"),
       amqp_option("connection_retry_interval", amqp<&o::connection_retry_interval>,
                   "Seconds before the first attempt to connect again", 1),
       amqp_option("connection_retry_backoff", amqp<&o::connection_retry_backoff>,
                   "Seconds by which each further wait is longer", 0),
       amqp_option("connection_retry_interval_max", amqp<&o::connection_retry_interval_max>,
                   "The longest wait between attempts to connect, seconds", 1),
       amqp_option("link_retry_delay", amqp<&o::link_retry_delay>,
                   "Seconds before a message is sent again or a link attached again", 1),
       amqp_option("default_reply_retry", amqp<&o::default_reply_retry>,
                   "How often a reply is sent again; -1: for ever", -1),
       amqp_option("default_reply_timeout", amqp<&o::default_reply_timeout>,
                   "Seconds within which a reply must be delivered", 5),
       amqp_option("default_send_timeout", amqp<&o::default_send_timeout>,
                   "Seconds within which a call or cast without a timeout must be delivered", 5),
       amqp_option("default_notify_timeout", amqp<&o::default_notify_timeout>,
                   "Seconds within which a notification must be delivered", 5),
       amqp_option("default_sender_link_timeout", amqp<&o::default_sender_link_timeout>,
                   "Seconds after which idle sender links are looked for and closed", 1)});
}

void add_amqp_addresses(std::vector<option>& to) {
  using o = amqp_options;
  constexpr double any = std::numeric_limits<double>::lowest();
  constexpr bool old = true;
  to.insert(
      to.end(),
      {{.section = in_amqp,
        .name = "addressing_mode",
        .field = amqp<&o::addressing_mode>,
        .help = "The form of addresses: legacy, routable, or dynamic (as the bus needs)",
        .choices = {"dynamic", "legacy", "routable"}},
       amqp_option("pseudo_vhost", amqp<&o::pseudo_vhost>,
                   "Whether the virtual host is part of addresses"),
       amqp_option("server_request_prefix", amqp<&o::server_request_prefix>,
                   "First part of legacy addresses of one server", any, old),
       amqp_option("broadcast_prefix", amqp<&o::broadcast_prefix>,
                   "First part of legacy addresses of all servers", any, old),
       amqp_option("group_request_prefix", amqp<&o::group_request_prefix>,
                   "First part of legacy addresses of any server", any, old),
       amqp_option("rpc_address_prefix", amqp<&o::rpc_address_prefix>,
                   "First part of routable addresses of requests"),
       amqp_option("notify_address_prefix", amqp<&o::notify_address_prefix>,
                   "First part of routable addresses of notifications"),
       amqp_option("multicast_address", amqp<&o::multicast_address>,
                   "Second part of routable addresses of all servers"),
       amqp_option("unicast_address", amqp<&o::unicast_address>,
                   "Second part of routable addresses of one server"),
       amqp_option("anycast_address", amqp<&o::anycast_address>,
                   "Second part of routable addresses of any server"),
       amqp_option("default_notification_exchange", amqp<&o::default_notification_exchange>,
                   "The exchange in addresses of notifications; empty: control_exchange"),
       amqp_option("default_rpc_exchange", amqp<&o::default_rpc_exchange>,
                   "The exchange of targets that name none; empty: control_exchange"),
       amqp_option("reply_link_credit", amqp<&o::reply_link_credit>,
                   "Replies that may be on their way", 1),
       amqp_option("rpc_server_credit", amqp<&o::rpc_server_credit>,
                   "Requests that may be on their way to a server", 1),
       amqp_option("notify_server_credit", amqp<&o::notify_server_credit>,
                   "Notifications that may be on their way to a listener", 1),
       {.section = in_amqp,
        .name = "pre_settled",
        .field = amqp<&o::pre_settled>,
        .help = "Kinds of message sent without waiting for the bus's word, comma between them",
        .choices = {"rpc-call", "rpc-cast", "rpc-reply", "notify"}}});
}

}  // namespace

const std::vector<option>& option_table() {
  static const std::vector<option> table = [] {
    std::vector<option> all;
    add_defaults(all);
    add_rabbit(all);
    add_amqp_connection(all);
    add_amqp_addresses(all);
    return all;
  }();
  return table;
}

}  // namespace ombt::wire::oslo
