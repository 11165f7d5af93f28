# SPDX-License-Identifier: Apache-2.0
"""Writes the corpus of the fuzz target amqp10_message from messages that proton encodes:
make_message_corpus.py tests/fuzz/corpus"""
import os
import sys
import uuid

import proton


def message(body=None, inferred=False, **members):
    made = proton.Message(inferred=inferred)
    made.body = body
    for name, value in members.items():
        setattr(made, name, value)
    return made.encode()


def nested(depth):
    value = 'x'
    for _ in range(depth):
        value = [value]
    return value


def samples():
    request = '{"request": {"method": "echo", "args": {"data": "\xe4"}}, "context": {}}'
    address = 'openstack.org/om/rpc/anycast/e/t'
    yield 'call', message(request, True, id=uuid.UUID(int=7).hex, address=address, ttl=60,
                          reply_to='amqp:/_topo/0/R/temp.x', expiry_time=12345.5)
    yield 'cast', message(request, True, address=address)
    yield 'reply', message('{"response": 1}', True, address='r', correlation_id='c')
    yield 'heartbeat', message(None, address='r', correlation_id='c', ttl=2.5)
    yield 'long_forms', message('x' * 300, True, address='a' * 260, correlation_id='c' * 256)
    yield 'data', message(b'\xffx', True)
    yield 'binary', message(b'\xffx')
    yield 'null', b'\x00Sw@'
    yield 'sequence', message([1, 'x', [None, 2.5]], True)
    yield 'map', message({'a': {'b': [1]}})
    yield 'described', message(proton.Described(proton.symbol('d'), 'x'))
    yield 'array', message(proton.Array(proton.symbol('d'), proton.Data.STRING, 'x', 'y'))
    yield 'deep', message(nested(40))
    for name, id in (('ulong', proton.ulong(2**60)), ('uuid', uuid.UUID(int=7)), ('binary', b'\xff')):
        yield 'id_' + name, message('x', id=id, correlation_id=id)
    yield 'everything', message(
        'x', ttl=0.001, durable=True, priority=9, first_acquirer=True, delivery_count=300, id='i',
        user_id=b'u', address='t', subject='s', reply_to='r', correlation_id='c',
        content_type='application/json', content_encoding='utf-8', expiry_time=1, creation_time=2,
        group_id='g', group_sequence=3, reply_to_group_id='rg',
        instructions={proton.symbol('i'): 1}, annotations={proton.symbol('a'): [1]},
        properties={'p': 2.5})
    # Forms that proton only reads.
    yield 'two_data_sections', b'\x00Su\xa0\x01x\x00Su\xb0\x00\x00\x00\x01y'
    yield 'two_sequences', b'\x00SvE\x00Sv\xc0\x02\x01@'
    yield 'symbolic_descriptors', (b'\x00\xa3\x10amqp:header:list\xd0\x00\x00\x00\x08\x00\x00\x00\x03'
                                   b'@@R\x05\x00\xb3\x00\x00\x00\x11amqp:amqp-value:*\xa1\x01x')
    yield 'long_descriptors', b'\x00\x80\x00\x00\x00\x00\x00\x00\x00\x73E\x00SwC\x00Sx\xc1\x01\x00'
    yield 'descriptors_of_descriptors', b'\x00Sw' + b'\x00' * 50 + b'@' * 51
    # What is no message.
    yield 'cut_short', message(request, True, address=address)[:-1]
    yield 'out_of_order', b'\x00SsE\x00SpE'
    yield 'not_described', b'\xa1\x01x'
    yield 'length_too_long', b'\x00Sw\xb1\xff\xff\xff\xffx'
    yield 'count_too_large', b'\x00Ss\xd0\x00\x00\x00\x05\xff\xff\xff\xff@'


def main():
    folder = os.path.join(sys.argv[1], 'amqp10_message')
    os.makedirs(folder, exist_ok=True)
    for name, encoded in samples():
        with open(os.path.join(folder, name), 'wb') as file:
            file.write(encoded)


main()
