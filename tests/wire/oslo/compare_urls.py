# SPDX-License-Identifier: Apache-2.0
"""Compares transport URLs with what oslo.messaging and, for the rabbit driver, kombu make of them."""
import random
import sys
from urllib import parse

import kombu
from oslo_config import cfg
from oslo_messaging import transport
from oslo_messaging._drivers import impl_rabbit

from probe import Probe


def theirs_of(text):
    url = transport.TransportURL.parse(cfg.ConfigOpts(), text)
    assert url.transport in ('rabbit', 'kombu', 'amqp')
    rabbit = url.transport != 'amqp'
    if rabbit:
        url.transport = 'rabbit'  # the library lists the alias kombu, but kombu then refuses it
    hosts = []
    for host in url.hosts or [transport.TransportHost('')]:
        if rabbit:
            # As Connection.__init__ and kombu's establish_connection: what the broker would see.
            driver = impl_rabbit.Connection.__new__(impl_rabbit.Connection)
            host.hostname = host.hostname or ''
            info = kombu.Connection(driver._transform_transport_url(url, host)).info()
            hosts.append([info['hostname'], info['port'], info['userid'], info['password']])
        else:
            hosts.append([host.hostname or 'localhost', host.port or 5672, host.username or '',
                          host.password or ''])
    return {'driver': 'rabbit' if rabbit else 'amqp', 'hosts': hosts,
            'virtual_host': url.virtual_host or None, 'query': url.query}


def compare(probe, text):
    theirs = theirs_of(text)
    ours = probe.ask('url', url=text)
    masked = ours.pop('masked', None)
    ours['query'] = {name: value for name, value in ours.get('query', {}).items() if value}
    probe.compare('the URL %r' % text, ours, theirs)
    if masked is None:
        return
    # What is masked must still be the same URL but for the passwords.
    again = theirs_of(masked)
    for host in again['hosts'] + theirs['hosts']:
        host[3] = '***'
    for part in ('driver', 'hosts', 'virtual_host', 'query'):
        if 'ssl_key_password' not in text or part != 'query':
            probe.compare('%s of %r masked' % (part, text), again[part], theirs[part])


def any_url(r):
    scheme = r.choice(['rabbit', 'amqp', 'kombu', 'RABBIT', 'Amqp'])
    word = lambda: ''.join(r.choice('abcXYZ019-_.~') for _ in range(r.randrange(1, 8)))
    hosts = []
    count = r.randrange(4)
    # Python's urlparse refuses IPv6 addresses beside other hosts; ours does not.
    ipv6 = ['[::1]', '[fe80::1]'] if count == 1 else []
    for _ in range(count):
        host = r.choice(['', word().replace('~', 'x').strip('.') or 'h', '127.0.0.1', 'H-1.example'] + ipv6)
        host = host.lower() if scheme.lower() != 'amqp' else host
        login = r.choice(['', '', word() + '@', word() + ':' + word() + '@',
                          word() + ':' + parse.quote(r.choice(['p:w', 'ä!', 'a,b', 'x@y']), '') + '@',
                          'user@domain:' + word() + '@'])
        port = r.choice(['', ':', ':%d' % r.randrange(1, 65536)])
        if login + host + port:
            hosts.append(login + (host or 'localhost' if login or port else host) + port)
    path = r.choice(['', '/', '//', '/v', '/' + word(), '//' + word(), '/a/b'])
    query = r.choice(['', '?a=1', '?a=1&b=2&a=3', '?x=%2F+y', '?a=&b=1', '?' + word() + '=' + word()])
    return scheme + '://' + ','.join(hosts) + path + query


FIXED = [
    'rabbit://', 'amqp://', 'rabbit:///', 'rabbit:////', 'amqp:///v', 'rabbit://h', 'rabbit://h:1',
    'rabbit://u@h', 'rabbit://u:@h', 'rabbit://:p@h', 'rabbit://@h', 'amqp://u@h', 'amqp://u:@h',
    'rabbit://u:p@h1,h2:2,u3:p3@[::3]:3/v', 'rabbit://u:p@h1,,h2', 'rabbit://,', 'rabbit://%41:%42@h',
    'rabbit://u%40d:p%3Aq@h', 'rabbit://u@d:p@h', 'amqp://u:%C3%A4%zz%@h', 'amqp://h/a%2Fb',
    'amqp://h/a?ssl_key_password=x%26y&trace=1', 'rabbit://localhost:5672//',
]


def main():
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(10**9)
    print('seed %d' % seed)
    r = random.Random(seed)
    probe = Probe(sys.argv[1])
    for text in FIXED:
        compare(probe, text)
    for _ in range(1000):
        compare(probe, any_url(r))
    # Refused by both, at parsing or by the port's own rules.
    for text in ('rabbit://h:x', 'rabbit://h:1:2', 'rabbit://[::1', 'rabbit://::1', 'h:5672',
                 'rabbit://u:p/w@h', 'rabbit://u:p,w@h'):
        try:
            theirs_of(text)
            refused = False
        except (ValueError, AssertionError, transport.InvalidTransportURL):
            refused = True
        probe.compare('refusing %r' % text, 'error' in probe.ask('url', url=text), refused)
    probe.finish(at_least=2000)


main()
