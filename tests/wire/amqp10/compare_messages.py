# SPDX-License-Identifier: Apache-2.0
"""Compares the encoding of messages with proton's, byte for byte: of those that oslo.messaging's
driver sends, of any with the same fields, and, for reading, of whatever proton can write."""
import os
import random
import sys
import uuid

import oslo_messaging
import proton

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../oslo'))
import amqp10_library as library  # noqa: E402
from probe import Probe  # noqa: E402


def fields_of(message):
    """What wire/amqp10/message knows of a proton message."""
    text = lambda value: value if type(value) is str else ''
    body = message.body
    if body is None:
        kind, body = 'none', b''
    elif type(body) is str:
        kind, body = 'text', body.encode()
    elif type(body) is bytes:
        kind = 'binary'
    else:
        kind, body = 'other', b''
    return {'ttl': round(message.ttl * 1000), 'id': text(message.id), 'to': message.address or '',
            'reply_to': message.reply_to or '', 'correlation_id': text(message.correlation_id),
            'expiry': round(message.expiry_time * 1000), 'kind': kind, 'body': body.hex()}


def compare_both_ways(probe, about, message):
    fields = fields_of(message)
    encoded = message.encode().hex()
    probe.compare(about, probe.ask('append', **fields), encoded)
    probe.compare(about + ' read', probe.ask('read', bytes=encoded), fields)


def compare_the_drivers(probe, r):
    """The messages of the library's driver. They are looked at, so that a shape that is not sent any
    more is missed here."""
    bus = library.Bus(r.choice(['amqp://', 'amqp:///v']), properties={'product': 'qpid-dispatch-router'})
    for number in range(40):
        timeout = r.choice([1, 60, 2.5, 0.255, 0.256, 3600])
        monitor = r.choice([None, 30, 2.5])
        target = oslo_messaging.Target(exchange='e', topic='t' * r.choice([1, 200, 300]),
                                       server=r.choice([None, 's']))
        client = oslo_messaging.RPCClient(bus.rpc_transport(), target, timeout=timeout,
                                          call_monitor_timeout=monitor, _manual_load=False)
        client.call({}, 'echo', data='X' * r.choice([0, 100, 200, 1000]))
        call = bus.last()
        assert call.id and call.reply_to == library.REPLY_TO and call.ttl and call.expiry_time
        compare_both_ways(probe, 'a call', call)

        client.prepare(fanout=r.random() < .5).cast({}, 'noop', data='\xe4"' * r.randrange(100))
        cast = bus.last()
        assert not cast.id and not cast.reply_to and not cast.ttl and cast.body
        compare_both_ways(probe, 'a cast', cast)

        call.decode(call.encode())
        incoming = bus.incoming(call)
        incoming.reply(reply='X' * r.choice([0, 1, 230, 240, 1000]))
        reply = bus.last()
        assert reply.correlation_id == call.id and reply.address == call.reply_to and not reply.ttl
        compare_both_ways(probe, 'a reply', reply)
        if monitor:
            incoming.heartbeat()
            heartbeat = bus.last()
            assert heartbeat.ttl == monitor and heartbeat.body is None
            compare_both_ways(probe, 'a heartbeat', heartbeat)

        notifier = oslo_messaging.Notifier(bus.notification_transport(), 'p', topics=['t'],
                                           driver=r.choice(['messaging', 'messagingv2']))
        notifier.info({}, 'e', {'data': 'X' * r.choice([0, 1000])})
        notification = bus.last()
        assert 'notify' in notification.address and not notification.id and notification.body
        compare_both_ways(probe, 'a notification', notification)


def any_length(r):
    return r.choice([1, 32, 100, 245, 250, 251, 252, 253, 254, 255, 256, 257, 257,
                     r.choice([1000, 1000, 1000, 65536])])


def any_text(r):
    return ''.join(r.choice('aX/.\xe4\u20ac\U0001f600') for _ in range(r.randrange(1, 9))) * r.choice(
        [1, 1, 1, 40]) if r.random() < .5 else 'x' * any_length(r)


def any_message(r, inferred):
    message = proton.Message(inferred=inferred)
    if r.random() < .5:
        message.ttl = r.choice([1, 254, 255, 256, 257, 2**32 - 1, r.randrange(2**32)]) / 1000
    for name in ('id', 'address', 'reply_to', 'correlation_id'):
        if r.random() < .5:
            setattr(message, name, any_text(r))
    if r.random() < .3:
        message.expiry_time = r.choice([1, -1, 1732200000500, r.randrange(2**50)]) / 1000
    return message


def compare_any(probe, r):
    for _ in range(500):
        message = any_message(r, inferred=False)
        message.body = r.choice([None, '', b'', any_text(r), any_text(r).encode()])
        compare_both_ways(probe, 'a message', message)


def any_value(r, depth=3):
    kinds = [
        lambda: None, lambda: r.random() < .5, lambda: proton.ubyte(r.randrange(2**8)),
        lambda: proton.byte(r.randrange(-2**7, 2**7)), lambda: proton.ushort(r.randrange(2**16)),
        lambda: proton.short(r.randrange(-2**15, 2**15)),
        lambda: proton.uint(r.choice([0, 1, 255, 256, 2**32 - 1])),
        lambda: proton.int32(r.choice([0, -1, 127, 128, -2**31])),
        lambda: proton.ulong(r.choice([0, 1, 255, 256, 2**64 - 1])),
        lambda: r.choice([0, -1, 127, 128, -2**63]), lambda: proton.float32(1.5), lambda: 2.5,
        lambda: proton.decimal32(7), lambda: proton.decimal64(7),
        lambda: proton.decimal128(bytes(range(16))), lambda: proton.char('\U0001f600'),
        lambda: proton.timestamp(r.randrange(2**50)), lambda: uuid.uuid4(),
        lambda: b'\x00' * any_length(r), lambda: any_text(r), lambda: proton.symbol('s' * any_length(r))]
    if depth > 0:
        kinds += [lambda: [any_value(r, depth - 1) for _ in range(r.randrange(4))],
                  lambda: {any_text(r): any_value(r, depth - 1) for _ in range(r.randrange(4))},
                  lambda: proton.Described(proton.symbol('d'), any_value(r, depth - 1)),
                  lambda: proton.Described(proton.ulong(0x77), any_value(r, depth - 1)),
                  lambda: proton.Array(proton.UNDESCRIBED, proton.Data.INT, 1, 2, 3),
                  lambda: proton.Array(proton.symbol('d'), proton.Data.STRING, 'x', 'y')] * 2
    return r.choice(kinds)()


def compare_reading(probe, r):
    """Every section and every type."""
    seen = set()
    for _ in range(1500):
        message = any_message(r, inferred=r.random() < .5)
        message.durable, message.priority = r.random() < .3, r.randrange(256)
        message.first_acquirer, message.delivery_count = r.random() < .3, r.choice([0, 1, 2**32 - 1])
        for name in ('id', 'correlation_id'):
            if r.random() < .3:
                setattr(message, name, r.choice([proton.ulong(7), proton.ulong(2**60), uuid.uuid4(),
                                                 b'\xff' * any_length(r)]))
        for name in ('subject', 'content_type', 'content_encoding', 'group_id', 'reply_to_group_id'):
            if r.random() < .2:
                setattr(message, name, any_text(r))
        if r.random() < .2:
            message.user_id = b'\xff' * any_length(r)
        if r.random() < .2:
            message.creation_time = r.randrange(2**40) / 1000
            message.group_sequence = r.choice([0, 1, 2**32 - 1])
        if r.random() < .3:
            message.instructions = {proton.symbol('i'): any_value(r)}
        if r.random() < .3:
            message.annotations = {proton.symbol('x-opt'): any_value(r), proton.ulong(5): any_value(r)}
        if r.random() < .3:
            message.properties = {any_text(r): any_value(r, 0)}
        message.body = any_value(r)
        fields = fields_of(message)
        seen.add((type(message.body), message.inferred))
        probe.compare('reading %r' % message.body,
                      probe.ask('read', bytes=message.encode().hex()), fields)
    assert len(seen) > 40, seen


def main():
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else random.randrange(10**9)
    print('seed %d' % seed)
    r = random.Random(seed)
    probe = Probe(sys.argv[1])
    compare_the_drivers(probe, r)
    compare_any(probe, r)
    compare_reading(probe, r)
    probe.finish(at_least=2800)


main()
