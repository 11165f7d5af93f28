# SPDX-License-Identifier: Apache-2.0
"""What a caller of oslo.messaging may send: texts, numbers, trees of them, exceptions."""
import struct
import sys

CHARACTERS = ('abcXYZ019 _-./:{}[],\'' * 3 + '"\\\n\t\x00\x1f\x7f\x80\xe4\u20ac\u2028\ufeff\uffff'
              '\U0001f600\U0010ffff')


def any_text(r, longest=40):
    return ''.join(r.choice(CHARACTERS) for _ in range(r.randrange(longest)))


def any_float(r):
    while True:
        value = r.choice([
            lambda: struct.unpack('d', r.getrandbits(64).to_bytes(8, 'little'))[0],
            lambda: r.uniform(-1e6, 1e6), lambda: float(r.randrange(-10**17, 10**17)),
            lambda: r.randrange(10000) * 10.0 ** r.randrange(-20, 20)])()
        if value == value and abs(value) != float('inf'):
            return value


def any_value(r, depth=4):
    kinds = [lambda: None, lambda: r.random() < .5, lambda: r.randrange(-2**63, 2**63),
             lambda: r.randrange(2**63, 2**64), lambda: r.randrange(-9, 99), lambda: any_float(r),
             lambda: any_text(r)]
    if depth > 0:
        kinds += [lambda: [any_value(r, depth - 1) for _ in range(r.randrange(4))],
                  lambda: any_object(r, depth - 1)] * 2
    return r.choice(kinds)()


def any_object(r, depth=3):
    return {any_text(r, 12): any_value(r, depth) for _ in range(r.randrange(5))}


class Strange(Exception):
    pass


def any_exception(r):
    try:
        raise r.choice([ValueError, KeyError, Strange, RuntimeError])(
            *[any_value(r, 1) for _ in range(r.randrange(3))])
    except Exception:
        return sys.exc_info()
