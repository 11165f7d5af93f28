# SPDX-License-Identifier: Apache-2.0
"""Compares the option table, INI files and query overrides with oslo.config and oslo.messaging."""
import random
import sys
import tempfile

from oslo_config import cfg
from oslo_messaging import opts
from oslo_messaging import transport
from oslo_messaging._drivers import base
from oslo_messaging._drivers import common

from probe import Probe

RABBIT, AMQP = 'oslo_messaging_rabbit', 'oslo_messaging_amqp'
# 14.0.3 misspells two options; the table has the later spelling as the name.
RESPELLED = {'rabbit_quroum_max_memory_length': 'rabbit_quorum_max_memory_length',
             'rabbit_quroum_max_memory_bytes': 'rabbit_quorum_max_memory_bytes'}
DEFAULTS = ('transport_url', 'rpc_response_timeout', 'control_exchange', 'rpc_ping_enabled',
            'executor_thread_pool_size')
# Ours where nothing is named; the driver then takes rabbit:// too.
DIFFERENT_DEFAULTS = {'transport_url': ''}


def library_options():
    """(section, our name) -> cfg.Opt, of the three sections."""
    found = {}
    for group, options in opts.list_opts() + [(RABBIT, base.base_opts)]:
        name = getattr(group, 'name', group) or 'DEFAULT'
        for option in options:
            if name in (RABBIT, AMQP) or (name == 'DEFAULT' and option.dest in DEFAULTS):
                found[name, RESPELLED.get(option.dest, option.dest)] = option
    return found


def text_of(value):
    if value is None:
        return ''
    if isinstance(value, bool):
        return 'true' if value else 'false'
    if isinstance(value, float) and value == int(value):
        return str(int(value))
    if isinstance(value, list):
        return ','.join(value)
    return str(value)


def compare_table(probe, theirs):
    ours = {(o['section'], o['name']): o for o in probe.ask('options')}
    probe.compare('the names', sorted(ours), sorted(theirs))
    for key in sorted(set(ours) & set(theirs)):
        option = theirs[key]
        default = DIFFERENT_DEFAULTS.get(key[1], text_of(option.default))
        probe.compare('the default of %s.%s' % key, ours[key]['default'], default)
        type_name = {'Boolean': 'boolean', 'Integer': 'integer', 'Float': 'number',
                     'String': 'text', 'MultiString': 'list'}[type(option.type).__name__]
        if isinstance(option, cfg.MultiStrOpt):
            type_name = 'list'
        if key[1] == 'rpc_response_timeout':
            type_name = 'number'  # ours takes fractions
        probe.compare('the type of %s.%s' % key, ours[key]['type'], type_name)
        others = {(d.group or key[0], d.name or key[1]) for d in option.deprecated_opts}
        if key[1] in RESPELLED.values():
            others.add((key[0], option.dest))
        probe.compare('the other names of %s.%s' % key,
                      sorted(map(tuple, ours[key]['other_names'])), sorted(others))
        probe.compare('help of %s.%s is one line' % key,
                      bool(ours[key]['help']) and '\n' not in ours[key]['help'], True)


def values_of(theirs, path, url):
    """What oslo.config makes of a file, and the driver of a query: changed options as text."""
    conf = cfg.ConfigOpts()
    for (section, _), option in theirs.items():
        conf.register_opt(option, group=None if section == 'DEFAULT' else section)
    conf(['--config-file', path])
    parsed = transport.TransportURL.parse(conf, url)
    section = AMQP if parsed.transport == 'amqp' else RABBIT
    proxy = common.ConfigOptsProxy(conf, parsed, section)
    changed = {}
    for (group, name), option in theirs.items():
        if group == 'DEFAULT':
            value = conf[option.dest]
        elif group == section:
            value = proxy[group][option.dest]
        else:
            conf[group][option.dest]
            continue
        if name != 'transport_url' and text_of(value) != text_of(option.default):
            text = '***' if name == 'ssl_key_password' else text_of(value)
            changed['%s.%s' % (group, name)] = text
    return changed


def compare_file(probe, theirs, text, url='rabbit://'):
    with tempfile.NamedTemporaryFile('w', suffix='.conf') as file:
        file.write(text)
        file.flush()
        try:
            expected = values_of(theirs, file.name, url)
        except (cfg.Error, ValueError, AttributeError) as error:
            expected = {'error': str(error)}
    ours = probe.ask('changed', file=text, url=url)
    about = 'the file %r with %r' % (text, url)
    if 'error' in expected or 'error' in ours:
        probe.compare(about + ' is an error (%s / %s)' % (ours.get('error'), expected.get('error')),
                      'error' in ours, 'error' in expected)
    else:
        probe.compare(about, ours, expected)


FILES = [
    '', '# nothing\n; either\n', '[DEFAULT]\n', '[oslo_messaging_rabbit]\nssl=true\n',
    '[oslo_messaging_rabbit]\nssl : on\n', '[OSLO_Messaging_Rabbit]\nssl=YES\n',
    '[default]\ncontrol_exchange=x\n', '[DEFAULT]\ncontrol_exchange = " x y "\n',
    "[DEFAULT]\ncontrol_exchange = 'x'\n", '[DEFAULT]\ncontrol_exchange = \'x"\n',
    '[DEFAULT]\ncontrol_exchange = a=b:c\n', '[DEFAULT]\ncontrol_exchange: a=b\n',
    '[DEFAULT]\ncontrol_exchange=x\r\nrpc_response_timeout=7\r\n',
    '[DEFAULT]\nrpc_response_timeout = 30\nrpc_response_timeout = 40\n',
    '[DEFAULT]\nrpc_response_timeout = 30\n[other]\nfoo = bar\n[DEFAULT]\nrpc_response_timeout=31\n',
    '[DEFAULT]\nrpc_response_timeout = +30\n', '[DEFAULT]\nrpc_response_timeout = -\n',
    '[DEFAULT]\nrpc_response_timeout = thirty\n', '[DEFAULT]\nrpc_thread_pool_size = 3\n',
    '[DEFAULT]\nrpc_thread_pool_size = 3\nexecutor_thread_pool_size = 4\n',
    '[DEFAULT]\nexecutor_thread_pool_size = 4\nrpc_thread_pool_size = 3\n',
    '[DEFAULT]\nrabbit_retry_backoff = 3\nrpc_conn_pool_size=9\namqp_auto_delete = on\n',
    '[DEFAULT]\ncontrol_exchange = a$$b\n', '[DEFAULT]\ncontrol_exchange = a\\$b\n',
    '[DEFAULT]\ncontrol_exchange = a$1$ $\n', '[DEFAULT]\ncontrol_exchange = $$name\n',
    '[DEFAULT]\nrpc_ping_enabled = maybe\n', '[DEFAULT]\nrpc_ping_enabled = 1\n',
    '[DEFAULT]\nrpc_ping_enabled = TRUE\n\n\n# x\n   \n[x]\na=b\n',
    'control_exchange = x\n', '[DEFAULT\n', '[]\n', '[DEFAULT]\nnothing\n', '[DEFAULT]\n= x\n',
    '  indented\n', '[DEFAULT]\n  rpc_ping_enabled = 1\n',
    '[DEFAULT]\ncontrol_exchange = x\n\n  y\n', '[DEFAULT]\n# c\n  y = 3\n',
    '[oslo_messaging_rabbit]\nheartbeat_rate = 3 # three\n',
    '[oslo_messaging_rabbit]\nkombu_reconnect_delay = 4.5\n',
    '[oslo_messaging_rabbit]\nkombu_reconnect_delay = 4.6\n',
    '[oslo_messaging_rabbit]\nkombu_reconnect_delay = -0.1\n',
    '[oslo_messaging_rabbit]\nkombu_reconnect_delay = 1e-1\n',
    '[oslo_messaging_rabbit]\nkombu_failover_strategy = shuffle\n',
    '[oslo_messaging_rabbit]\nkombu_failover_strategy = Shuffle\n',
    '[oslo_messaging_rabbit]\nrabbit_login_method = PLAIN\n',
    '[oslo_messaging_rabbit]\nrabbit_login_method = NONE\n',
    '[oslo_messaging_rabbit]\nkombu_ssl_ca_certs = /ca\nkombu_ssl_keyfile = /k\nrabbit_use_ssl = 1\n',
    '[oslo_messaging_rabbit]\nssl_ca_file = /new\nkombu_ssl_ca_certs = /old\n',
    '[oslo_messaging_rabbit]\nrabbit_transient_queues_ttl = 0\n',
    '[oslo_messaging_rabbit]\nrpc_conn_pool_size = 0\n',
    '[oslo_messaging_rabbit]\nrabbit_quroum_max_memory_bytes = 5\n',
    '[oslo_messaging_rabbit]\nrabbit_qos_prefetch_count = 1.5\n',
    '[oslo_messaging_rabbit]\nrabbit_qos_prefetch_count = 0x10\n',
    '[oslo_messaging_amqp]\ndefault_send_timeout = 4\n',
    '[oslo_messaging_amqp]\ndefault_send_timeout = 5\nidle_timeout = 3\n',
    '[oslo_messaging_amqp]\ndefault_reply_retry = -1\n',
    '[oslo_messaging_amqp]\ndefault_reply_retry = -2\n',
    '[oslo_messaging_amqp]\npre_settled = notify\n',
    '[oslo_messaging_amqp]\npre_settled = notify\npre_settled = rpc-call\n',
    '[amqp1]\nidle_timeout = 9\ntrace = 1\nnothing = known\n',
    '[oslo_messaging_amqp]\nidle_timeout = 8\n[amqp1]\nidle_timeout = 9\n',
]
URLS = [
    'rabbit://', 'amqp://', 'rabbit:///?ssl=1', 'rabbit://h/v?ssl=off&heartbeat_rate=5',
    'rabbit://h/v?ssl=maybe', 'rabbit://h/?nothing=1', 'amqp://h/?rabbit_quorum_queue=1',
    'rabbit://h/?idle_timeout=3', 'amqp://h/?idle_timeout=3', 'amqp://h/?ssl_ca_file=/a%20b%2Bc+d',
    'rabbit://h/?ssl_ca_file=', 'rabbit://h/?heartbeat_rate=1&heartbeat_rate=2',
    'amqp://h/?sasl_mechanisms=PLAIN&sasl_mechanisms=ANONYMOUS', 'kombu://h/?ssl=1',
    'rabbit://h/?rabbit_login_method=PLAIN', 'rabbit://h/?rabbit_login_method=plain',
    'rabbit://h/?rpc_response_timeout=3', 'rabbit://h/?&ssl=1&',
]


def any_file(r, theirs):
    lines, section = [], None
    for group, name in r.sample(list(theirs), r.randrange(8)):
        option = theirs[group, name]
        if name in ('transport_url', 'ssl_version', 'ssl_enforce_fips_mode', 'kombu_compression',
                    'addressing_mode', 'pre_settled', 'rabbit_quorum_queue', 'rabbit_ha_queues'):
            continue
        kind = type(option.type).__name__
        if kind == 'Boolean':
            value = r.choice(['true', 'False', 'on', 'OFF', 'yes', 'no', '1', '0', 'tru'])
        elif kind == 'Integer':
            value = r.choice(['1', '5', '10', '100', 'x'])
        elif kind == 'Float':
            value = r.choice(['0', '1.25', '4', '9'])
        elif option.type.choices:
            value = r.choice([c for c in option.type.choices if c != 'RABBIT-CR-DEMO'] + ['other'])
        else:
            value = r.choice(['a', 'a b', '"q"', '/x/y.pem', 'ä'])
        if r.random() < .1:
            lines.append(r.choice(['', '# comment', '; comment', '#ssl = 1']))
        if group != section:
            lines.append('[%s]' % group)
            section = group
        lines.append(option.dest + r.choice(['=', ' = ', ': ', '\t=\t']) + value)
    return '\n'.join(lines) + r.choice(['', '\n'])


def compare_ranges(probe, theirs):
    for (section, _), option in theirs.items():
        for limit, beyond in ((getattr(option.type, 'min', None), -1),
                              (getattr(option.type, 'max', None), 1)):
            if limit is not None:
                for value in (limit, limit + beyond):
                    compare_file(probe, theirs, '[%s]\n%s = %s\n' % (section, option.dest, value))


def main():
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(10**9)
    print('seed %d' % seed)
    r = random.Random(seed)
    probe = Probe(sys.argv[1])
    theirs = library_options()
    compare_table(probe, theirs)
    for text in FILES:
        compare_file(probe, theirs, text, 'rabbit://')
        compare_file(probe, theirs, text, 'amqp://')
    compare_ranges(probe, theirs)
    for url in URLS:
        compare_file(probe, theirs, '', url)
    for _ in range(300):
        compare_file(probe, theirs, any_file(r, theirs), r.choice(['rabbit://', 'amqp://']))
    probe.finish(at_least=700)


main()
