# SPDX-License-Identifier: Apache-2.0
"""Compares every kind of message body with what oslo.messaging and kombu send, byte for byte.

The Python side is the library's own code from RPC client, notifier and server down to the bytes that
kombu would publish; only the connection is replaced by one that keeps the message.
"""
import contextlib
import json
import random
import sys
import uuid

import kombu.serialization
from oslo_config import cfg
import oslo_messaging
from oslo_messaging import _utils
from oslo_messaging._drivers import amqpdriver
from oslo_messaging._drivers import common as rpc_common
from oslo_messaging.rpc import dispatcher
from oslo_utils import timeutils

from probe import Probe
from random_values import any_exception, any_float, any_object, any_text, any_value


class Bus:
    """A connection that keeps what it is given to send."""

    def __init__(self):
        self.body = None
        self.message = None

    def _keep(self, *args, **kwargs):
        message = kwargs.get('msg') or next(a for a in args if isinstance(a, dict))
        content_type, encoding, self.body = kombu.serialization.dumps(message, serializer='json')
        assert (content_type, encoding) == ('application/json', 'utf-8')
        self.message = rpc_common.deserialize_msg(message)

    topic_send = fanout_send = notify_send = direct_send = _keep


class Waiter:
    def listen(self, msg_id):
        pass

    unlisten = listen

    def wait(self, msg_id, timeout, call_monitor_timeout):
        return None


def make_driver(bus):
    driver = amqpdriver.AMQPDriverBase.__new__(amqpdriver.AMQPDriverBase)
    driver._get_connection = lambda *args, **kwargs: contextlib.nullcontext(bus)
    driver._get_exchange = lambda target: target.exchange or 'openstack'
    reply_q = 'reply_' + uuid.uuid4().hex
    driver._get_reply_q = lambda: reply_q
    driver._waiter = Waiter()
    return driver


def make_incoming(msg_id):
    incoming = amqpdriver.AMQPIncomingMessage.__new__(amqpdriver.AMQPIncomingMessage)
    incoming.msg_id = msg_id
    incoming.reply_q = 'reply_' + uuid.uuid4().hex
    incoming.stopwatch = timeutils.StopWatch().start()
    incoming._obsolete_reply_queues = amqpdriver.ObsoleteReplyQueuesCache()
    return incoming


def compare_requests(probe, r, bus):
    transport = oslo_messaging.transport.RPCTransport.__new__(oslo_messaging.transport.RPCTransport)
    transport._driver = make_driver(bus)
    transport.conf = cfg.CONF
    for number in range(300):
        target = oslo_messaging.Target(
            exchange='e', topic='t', server=r.choice([None, 's']),
            version=r.choice([None, '1.0', '2.14']), namespace=r.choice([None, 'n', any_text(r) or 'x']))
        monitor = r.choice([None, 1, 60, 2.5, 1e-5, r.uniform(1, 100)])
        client = oslo_messaging.RPCClient(transport, target, call_monitor_timeout=monitor,
                                          _manual_load=False)
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
        sent = bus.message
        question = dict(method=method, args=json.dumps(args), unique_id=sent['_unique_id'],
                        context=json.dumps(context))
        for ours, theirs in (('namespace', 'namespace'), ('version', 'version'),
                             ('msg_id', '_msg_id'), ('reply_q', '_reply_q')):
            if theirs in sent:
                question[ours] = sent[theirs]
        if call and monitor is not None:
            question['timeout'] = monitor
        assert call == ('msg_id' in question)
        probe.compare('a request', probe.ask('request', **question).encode(), bus.body.encode())

        read = probe.ask('read', body=bus.body)
        for ours, theirs in (
                (read.get('message'), json.dumps(sent)), (read.get('method'), method),
                (read.get('args'), json.dumps(args)), (read.get('namespace'), target.namespace),
                (read.get('version'), target.version), (read.get('timeout'), sent.get('_timeout')),
                (read.get('msg_id'), sent.get('_msg_id', '')),
                (read.get('reply_q'), sent.get('_reply_q', '')),
                (read.get('unique_id'), sent['_unique_id'])):
            probe.compare('a request read', ours, theirs)


def compare_exceptions(probe, r):
    for _ in range(100):
        text = rpc_common.serialize_remote_exception(any_exception(r))
        fields = json.loads(text)
        question = {key: fields[key] for key in ('class', 'module', 'message', 'tb')}
        question['args'] = json.dumps(fields['args'])
        assert fields['kwargs'] == {}
        probe.compare('an exception', probe.ask('exception', **question), text)
        probe.compare('an exception read', probe.ask('read_exception', text=text), question)

    for ask, error in (
            (dict(what='no_such_method', method='m\xe4"'), dispatcher.NoSuchMethod('m\xe4"')),
            (dict(what='unsupported_version', version='2.7', method='m'),
             dispatcher.UnsupportedVersion('2.7', method='m')),
            (dict(what='unsupported_version', version='', method='m'),
             dispatcher.UnsupportedVersion('1.0', method='m'))):
        try:
            raise error
        except Exception:
            theirs = json.loads(rpc_common.serialize_remote_exception(sys.exc_info()))
        ours = probe.ask(**ask)
        for key in ('class', 'module', 'message'):
            probe.compare("the dispatcher's " + key, ours[key], theirs[key])
        probe.compare("the dispatcher's arguments", json.loads(ours['args']), theirs['args'])
        probe.compare('the last line of a traceback', ours['tb'][-1], theirs['tb'][-1])


def compare_replies(probe, r, bus):
    for number in range(200):
        incoming = make_incoming(uuid.uuid4().hex)
        kind = r.choice(['reply', 'failure', 'heartbeat'])
        value = any_value(r)
        if kind == 'reply':
            incoming._send_reply(bus, value)
        elif kind == 'failure':
            incoming._send_reply(bus, failure=any_exception(r))
        else:
            incoming._send_reply(bus, None, None, ending=False)
        sent = bus.message
        ours = probe.ask(kind, msg_id=incoming.msg_id, unique_id=sent['_unique_id'],
                         result=json.dumps(value), failure=sent['failure'] or '')
        probe.compare('a ' + kind, ours.encode(), bus.body.encode())
        read = probe.ask('read', body=bus.body)
        for ours, theirs in (
                (read.get('result'), json.dumps(sent['result'])), (read.get('failure'), sent['failure']),
                (read.get('ending'), sent['ending']), (read.get('msg_id'), incoming.msg_id),
                (read.get('unique_id'), sent['_unique_id'])):
            probe.compare('a %s read' % kind, ours, theirs)


def compare_notifications(probe, r, bus):
    transport = oslo_messaging.transport.NotificationTransport.__new__(
        oslo_messaging.transport.NotificationTransport)
    transport._driver = make_driver(bus)
    transport.conf = cfg.CONF
    for number in range(100):
        driver = r.choice(['messaging', 'messagingv2'])
        publisher, event, payload = any_text(r) or 'p', any_text(r), any_value(r)
        notifier = oslo_messaging.Notifier(transport, publisher, driver=driver, topics=['t'])
        priority = r.choice(['audit', 'debug', 'info', 'warn', 'error', 'critical', 'sample'])
        context = r.choice([{}, {'request_id': any_text(r), 'user_id': any_text(r)}])
        getattr(notifier, priority)(context, event, payload)
        body, sent = bus.body, bus.message
        sent_context = {key[9:]: value for key, value in sent.items() if key.startswith('_context_')}
        ours = probe.ask(
            'notification', envelope=driver == 'messagingv2', message_id=sent['message_id'],
            publisher_id=publisher, event_type=event, priority=priority.upper(),
            payload=json.dumps(payload), timestamp=sent['timestamp'], unique_id=sent['_unique_id'],
            context=json.dumps(sent_context))
        probe.compare('a notification', ours.encode(), body.encode())
        probe.compare('a notification read', probe.ask('read', body=body).get('message'),
                      json.dumps(sent))


def compare_readings(probe, r):
    """Bodies of every envelope version: read, or refused, as deserialize_msg does."""
    for version in ('1.0', '2.0', '2', '2.1', '2.0.0', '2.0.1', '3.0', '', 'x', '02.0', 2.0, None, []):
        body = json.dumps({'oslo.version': version, 'oslo.message': '{"method": "m"}'})
        try:
            theirs = json.dumps(rpc_common.deserialize_msg(json.loads(body)))
        except Exception:
            theirs = None
        ours = probe.ask('read', body=body)
        probe.compare('envelope version %r' % (version,), ours.get('message'), theirs)
        if theirs is None:
            probe.compare('the error', ours.get('error'), 'unsupported_envelope')
    for body in ('{"method": "m"}', '{"oslo.version": "2.0"}', '{"oslo.message": "{}"}', '{}'):
        probe.compare('a bare message', probe.ask('read', body=body).get('message'),
                      json.dumps(rpc_common.deserialize_msg(json.loads(body))))


def compare_versions(probe):
    versions = ['1.0', '1.1', '1.1.2', '1.10', '2.0', '2.0.1', '1', 'x', '1.x', '1.0.0', '01.0', '1.1.3.4']
    for endpoint in versions:
        for requested in versions:
            try:
                theirs = _utils.version_is_compatible(endpoint, requested)
            except (ValueError, IndexError):
                theirs = False
            probe.compare('version %s at %s' % (requested, endpoint),
                          probe.ask('compatible', endpoint=endpoint, requested=requested), theirs)


def compare_json(probe, r):
    for _ in range(300):
        text = json.dumps(any_value(r), ensure_ascii=r.random() < .5,
                          separators=r.choice([None, (',', ':')]))
        probe.compare('a document', probe.ask('rewrite', text=text), json.dumps(json.loads(text)))
        text = any_text(r, 200)
        probe.compare('a string', probe.ask('string', text=text), json.dumps(text))
    for _ in range(2000):
        number = any_float(r)
        probe.compare('a number', probe.ask('rewrite', text='%.17e' % number), repr(number))


def compare_timestamps(probe, r):
    import datetime
    for micros in [0, 1, 10**6, 1700000000 * 10**6, 1700000000123456] + [
            r.randrange(4 * 10**15) for _ in range(50)]:
        theirs = str(datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=micros))
        probe.compare('a timestamp',
                      probe.ask('timestamp', nanoseconds=micros * 1000 + r.randrange(1000)), theirs)


def main():
    cfg.CONF([])
    # Its thread would keep the program for 10 s.
    cfg.CONF.set_override('metrics_thread_stop_timeout', 0, 'oslo_messaging_metrics')
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(10**9)
    print('seed %d' % seed)
    r = random.Random(seed)
    probe = Probe(sys.argv[1])
    bus = Bus()
    compare_requests(probe, r, bus)
    compare_exceptions(probe, r)
    compare_replies(probe, r, bus)
    compare_notifications(probe, r, bus)
    compare_readings(probe, r)
    compare_versions(probe)
    compare_json(probe, r)
    compare_timestamps(probe, r)
    probe.finish(at_least=6000)


main()
