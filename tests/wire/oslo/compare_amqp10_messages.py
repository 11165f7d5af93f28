# SPDX-License-Identifier: Apache-2.0
"""Compares every kind of message body of AMQP 1.0 with what oslo.messaging's driver sends, byte for
byte, and what is read of it with what the driver reads."""
import json
import random
import sys

import oslo_messaging
from oslo_messaging._drivers import common as rpc_common
from oslo_messaging._drivers import impl_amqp1
import proton

from amqp10_library import Bus
from probe import Probe
from random_values import any_exception, any_object, any_text, any_value


def dumps(value):
    """As the probe tells a value: its text, or null for none."""
    return None if value is None else json.dumps(value)


def compare_read(probe, about, message):
    """A request or notification, read as a server reads it."""
    request, context, timeout = impl_amqp1.unmarshal_request(message)
    read = probe.ask('amqp10_read', body=message.body)
    probe.compare(about + ' read', [read.get('message'), read.get('context'), read.get('timeout')],
                  [json.dumps(request), json.dumps(context), timeout])
    return read


def compare_requests(probe, r, bus):
    for _ in range(300):
        target = oslo_messaging.Target(
            exchange='e', topic='t', server=r.choice([None, 's']), version=r.choice([None, '1.0', '2.14']),
            namespace=r.choice([None, 'n', any_text(r) or 'x']))
        monitor = r.choice([None, 1, 60, 2.5, 1e-5, r.uniform(1, 100)])
        client = oslo_messaging.RPCClient(bus.rpc_transport(), target, timeout=60,
                                          call_monitor_timeout=monitor, _manual_load=False)
        method = r.choice(['echo', 'self_ready', any_text(r) or 'm'])
        args = {'a_%d' % i: any_value(r) for i in range(r.randrange(4))}
        if r.random() < .2:
            args['data'] = r.choice(['X', '\xe4', '"']) * r.randrange(3000)
        context = r.choice([{}, {}, any_object(r)])
        call = r.random() < .6
        if call:
            client.call(context, method, **args)
        else:
            client.prepare(fanout=r.random() < .5, server=None).cast(context, method, **args)
        sent = bus.last()
        question = dict(method=method, args=json.dumps(args), unique_id='ignored', reply_q='ignored',
                        context=r.choice(['', '{}']) if not context else json.dumps(context))
        if target.namespace:
            question['namespace'] = target.namespace
        if target.version:
            question['version'] = target.version
        if call:
            question['msg_id'] = sent.id
            if monitor is not None:
                question['timeout'] = monitor
        probe.compare('a request', probe.ask('amqp10_request', **question), sent.body)

        read = compare_read(probe, 'a request', sent)
        probe.compare("a request's members",
                      [read.get(name) for name in ('method', 'args', 'namespace', 'version', 'result',
                                                   'failure')],
                      [method, json.dumps(args), target.namespace, target.version, None, None])


def compare_replies(probe, r, bus):
    oslo_messaging.RPCClient(bus.rpc_transport(), oslo_messaging.Target(topic='t'), timeout=60,
                             _manual_load=False).call({}, 'm')
    request = bus.last()
    for _ in range(200):
        incoming = bus.incoming(request)
        value = any_value(r)
        if r.random() < .5:
            incoming.reply(reply=value)
            body = bus.last().body
            probe.compare('a reply', probe.ask('amqp10_reply', result=json.dumps(value)), body)
            read = probe.ask('amqp10_read', body=body)
            probe.compare('a reply read', [read.get('result'), read.get('failure'), read.get('message')],
                          [json.dumps(value), None, None])
        else:
            failure = any_exception(r)
            incoming.reply(failure=failure)
            body = bus.last().body
            text = json.loads(body)['failure']
            assert json.loads(text)['class'] == failure[0].__name__
            probe.compare('a failure', probe.ask('amqp10_failure', failure=text), body)
            read = probe.ask('amqp10_read', body=body)
            probe.compare('a failure read', [read.get('result'), read.get('failure')], [None, text])
        assert bus.last() is not request


def compare_notifications(probe, r, bus):
    for _ in range(100):
        driver = r.choice(['messaging', 'messagingv2'])
        publisher, event, payload = any_text(r) or 'p', any_text(r), any_value(r)
        notifier = oslo_messaging.Notifier(bus.notification_transport(), publisher, driver=driver,
                                           topics=['t'])
        priority = r.choice(['audit', 'debug', 'info', 'warn', 'error', 'critical', 'sample'])
        context = r.choice([{}, {'request_id': any_text(r), 'user_id': any_text(r)}])
        getattr(notifier, priority)(context, event, payload)
        message = bus.last()
        sent, sent_context, _ = impl_amqp1.unmarshal_request(message)
        assert ('oslo.version' in json.loads(message.body)['request']) == (driver == 'messagingv2')
        ours = probe.ask(
            'amqp10_notification', envelope=driver == 'messagingv2', message_id=sent['message_id'],
            publisher_id=publisher, event_type=event, priority=priority.upper(),
            payload=json.dumps(payload), timestamp=sent['timestamp'], unique_id='ignored',
            context=json.dumps(sent_context))
        probe.compare('a notification', ours, message.body)
        compare_read(probe, 'a notification', message)


def compare_readings(probe):
    """Requests in envelopes of every version, and replies of odd types."""
    for version in ('1.0', '2.0', '2', '2.1', '2.0.0', '2.0.1', '3.0', '', 'x', '02.0', 2.0, None, []):
        request = {'oslo.version': version, 'oslo.message': '{"method": "m"}'}
        try:
            theirs = dumps(rpc_common.deserialize_msg(request))
        except Exception:
            theirs = None
        ours = probe.ask('amqp10_read', body=json.dumps({'request': request, 'context': {}}))
        probe.compare('envelope version %r' % (version,), ours.get('message'), theirs)
        if theirs is None:
            probe.compare('the error', ours.get('error'), 'unsupported_envelope')
    for request in ({'method': 'm'}, {'oslo.version': '2.0'}, {'oslo.message': '{}'}, {}):
        ours = probe.ask('amqp10_read', body=json.dumps({'request': request}))
        probe.compare('a bare request', ours.get('message'), dumps(rpc_common.deserialize_msg(request)))
    for body in ('{}', '{"response": 1}', '{"response": null}', '{"response": 1, "failure": null}'):
        message = proton.Message()
        message.body = body
        theirs = impl_amqp1.unmarshal_response(message, [])
        read = probe.ask('amqp10_read', body=body)
        probe.compare('a reply %s' % body, [json.loads(read['result'] or 'null'), read['failure']],
                      [theirs, None])
    for failure in ('', False, 0, {}, [], '{}', 'x', {'class': 'E'}):
        message = proton.Message()
        message.body = json.dumps({'failure': failure})
        try:
            impl_amqp1.unmarshal_response(message, [])
            theirs = False
        except Exception:
            theirs = True
        ours = probe.ask('amqp10_read', body=message.body)
        probe.compare('the failure %r' % failure, ours['failure'] is not None, theirs)


def main():
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(10**9)
    print('seed %d' % seed)
    r = random.Random(seed)
    probe = Probe(sys.argv[1])
    bus = Bus(properties={'product': 'qpid-dispatch-router'})
    compare_requests(probe, r, bus)
    compare_replies(probe, r, bus)
    compare_notifications(probe, r, bus)
    compare_readings(probe)
    probe.finish(at_least=1500)


main()
