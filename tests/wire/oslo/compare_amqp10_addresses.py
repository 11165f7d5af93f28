# SPDX-License-Identifier: Apache-2.0
"""Compares the addresses of AMQP 1.0 with those that oslo.messaging's driver sends to and listens on,
over many combinations of options, buses and targets."""
import itertools
import os
import random
import sys
import tempfile

import oslo_messaging

from amqp10_library import Bus
from probe import Probe

PREFIXES = ['server_request_prefix', 'broadcast_prefix', 'group_request_prefix',
            'rpc_address_prefix', 'notify_address_prefix', 'multicast_address', 'unicast_address',
            'anycast_address', 'default_notification_exchange', 'default_rpc_exchange']
PRODUCTS = [None, 'qpid-cpp', 'qpid-dispatch-router', 'RabbitMQ', 'apache-activemq-artemis']


def any_word(r):
    return ''.join(r.choice('abcXYZ019-_./') for _ in range(r.randrange(1, 8)))


class Comparison:
    def __init__(self, probe, folder):
        self._probe = probe
        self._file = os.path.join(folder, 'oslo.conf')
        self.addresses = set()

    def at_bus(self, r, options, exchange, vhost, product, targets=4):
        text = ''
        if exchange is not None:
            text = '[DEFAULT]\ncontrol_exchange = %s\n' % exchange
        text += '[oslo_messaging_amqp]\n' + ''.join('%s = %s\n' % pair for pair in options.items())
        with open(self._file, 'w', encoding='utf-8') as file:
            file.write(text)
        url = 'amqp://h:5672' + ('/' + vhost if vhost else '')
        bus = Bus(url, 'openstack' if exchange is None else exchange,
                  properties={'version': '1'} if product is None else {'product': product},
                  config_file=self._file)
        for _ in range(targets):
            topic = any_word(r)
            self.of_target(bus, dict(file=text, url=url, product=product or '', topic=topic,
                                     exchange=r.choice(['', any_word(r)]), fanout=r.random() < .3,
                                     server=r.choice(['', 's', any_word(r)]),
                                     priority=r.choice(['info', 'error', 'audit'])))

    def of_target(self, bus, question):
        ours = self._probe.ask('addresses', **question)
        topic, priority = question['topic'], question['priority']
        target = oslo_messaging.Target(exchange=question['exchange'] or None, topic=topic,
                                       server=question['server'] or None, fanout=question['fanout'])
        oslo_messaging.RPCClient(bus.rpc_transport(), target, _manual_load=False).cast({}, 'm')
        theirs = {'rpc': bus.last().address}
        del bus.listened[:]
        bus.driver.listen(target, 1, None)
        theirs['server'] = bus.listened[:]
        assert len(theirs['server']) == 3
        oslo_messaging.Notifier(bus.notification_transport(), 'p', driver='messaging',
                                topics=[topic])._notify({}, 'e', {}, priority)
        theirs['notification'] = bus.last().address
        del bus.listened[:]
        bus.driver.listen_for_notifications([(target, priority)], None, 1, None)
        assert bus.listened == [theirs['notification']]
        self._probe.compare('the addresses for %r' % question, ours, theirs)
        self.addresses.update(theirs['server'], [theirs['rpc'], theirs['notification']])


def main():
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(10**9)
    print('seed %d' % seed)
    r = random.Random(seed)
    probe = Probe(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        comparison = Comparison(probe, folder)
        # Each mode at each bus, with and without a virtual host and each of the exchanges.
        for mode, product, vhost, pseudo, exchange in itertools.product(
                (None, 'legacy', 'routable', 'dynamic'), PRODUCTS, ('', 'v'), (None, 'false'),
                (None, '', 'x')):
            options = {} if mode is None else {'addressing_mode': mode}
            if pseudo:
                options['pseudo_vhost'] = pseudo
            if r.random() < .3:
                options['default_rpc_exchange'] = 'rpc-exchange'
            if r.random() < .3:
                options['default_notification_exchange'] = 'notification-exchange'
            comparison.at_bus(r, options, exchange, vhost, product, targets=1)
        # Each option by itself, then any number of them, also empty.
        for name, mode in itertools.product(PREFIXES, ('legacy', 'routable')):
            comparison.at_bus(r, {name: any_word(r), 'addressing_mode': mode}, None, '', None)
        for _ in range(150):
            options = {name: r.choice(['', any_word(r)]) for name in PREFIXES if r.random() < .4}
            options['addressing_mode'] = r.choice(['legacy', 'routable', 'dynamic'])
            options['pseudo_vhost'] = r.choice(['true', 'false'])
            comparison.at_bus(r, options, r.choice([None, '', any_word(r)]),
                              r.choice(['', any_word(r).strip('/')]), r.choice(PRODUCTS), targets=2)
    assert len(comparison.addresses) > 1000
    probe.finish(at_least=600)


main()
